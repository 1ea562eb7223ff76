"""Embeddings: columns that are units, and words that share one row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import layers

from taut.compaction.atoms import Atoms, Features, Reading
from taut.compaction.layer_rule import Cut, Keeps, LayerRule, Units
from taut.compaction.reasons import Reason
from taut.compaction.traced import Call, Tensor


class EmbeddingRule(LayerRule):
    """Row `id` of a table; a column that is the same in every row is a constant."""

    def __init__(self, atoms: Atoms, layer: Any):
        super().__init__(atoms, layer)
        self.table = self.weights(layer, "embeddings")["embeddings"]
        self.constant = (self.table == self.table[:1]).all(axis=0)
        self.made = np.empty(0, int)
        self.ids: list[Tensor] = []
        self._reads: list[np.ndarray] = []
        self.rows: np.ndarray | None = None
        """[words left] of int, the rows that stay; all unless words share one."""

    def call(self, call: Call, reads: Sequence[Features]) -> list[Features]:
        if not len(self.made):
            self.made = self.atoms.new(self.table.shape[1])
        ids = self.atoms.made_whole(reads[0])
        self.ids.append(call.reads[0])
        self._reads.append(ids.atoms)
        return [Features(-1, self.made, np.where(self.constant, self.table[0], np.nan))]

    def readings(self) -> list[Reading]:
        needs, value = ~self.constant[None], np.array([np.nan])
        return [
            Reading(self.layer, atoms, self.made, needs, value, Reason("are words"))
            for atoms in self._reads
        ]

    def units(self) -> list[Units]:
        return [Units("unit", self.made, self.constant)]

    def cut(self, keeps: Keeps) -> Cut:
        makes = keeps(self.made)
        rows = np.arange(len(self.table)) if self.rows is None else self.rows
        config = {"input_dim": len(rows), "output_dim": int(makes.sum())}
        return Cut(config, {(id(self.layer), "embeddings"): self.table[rows][:, makes]})


EMBEDDING: dict[type, type[LayerRule]] = {layers.Embedding: EmbeddingRule}


def shared_rows(tables: Sequence[np.ndarray], *, zero_alone: bool) -> np.ndarray:
    """A new number for each word, the same for words whose rows are the same in every table.

    Args:
        tables: [words, …] each.
        zero_alone: Whether word 0 shares its number with none: it masks.

    Returns:
        [words] of int, numbered in the order of their first words.
    """
    rows = np.concatenate(tables, axis=1)
    if zero_alone:
        rows = np.concatenate([np.arange(len(rows))[:, None] == 0, rows], axis=1)
    _, first, number = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(np.argsort(first))
    return order[number.reshape(-1)]
