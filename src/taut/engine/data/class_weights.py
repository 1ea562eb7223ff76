"""Weights of classes for rows that are read: counted once, then given to each piece."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from taut._weights import ClassWeight, class_weights, labels_of
from taut.engine.data.sources import Rows, Source, described, first_rows
from taut.errors import InputError

COUNTED_ROWS = 4096
"""Rows whose labels are counted at once."""


class WeightedSource:
    """The rows of another source, each with the weight of its class.

    Args:
        source: Brings no weights.
        model: Compiled and built; its loss says what the labels are.
        class_weight: A mapping from class number to weight, or `"balanced"`, as in `train_lanes`.

    Raises:
        InputError: If the source brings weights, or classes are named that there are not.
    """

    def __init__(self, source: Source, model: Any, class_weight: ClassWeight):
        first = first_rows(source, 1)
        if first.weight is not None:
            raise InputError("Give `sample_weight` or `class_weight`, not both: multiply them.")
        self.unweighted: Source = source
        self._labels_of, number = labels_of(model, first.x, first.y)
        counts: dict[int, int] = {}
        for part in range(source.parts(COUNTED_ROWS)):
            for piece in source.pieces(part, COUNTED_ROWS):
                classes, numbers = np.unique(self._labels_of(piece.y), return_counts=True)
                for k, n in zip(classes.tolist(), numbers.tolist(), strict=True):
                    counts[k] = counts.get(k, 0) + n
        classes = np.array(sorted(counts))
        of_each = np.array([counts[k] for k in classes])
        of_class = class_weights(class_weight, classes, of_each, number=number)
        self._classes, self._of_class = classes, of_class.astype(np.float32)

    def identity(self) -> list[Any]:
        """What tells the rows apart, and the weight of each class."""
        return [described(self.unweighted), self._classes, self._of_class]

    def parts(self, rows: int) -> int:
        return self.unweighted.parts(rows)

    def pieces(self, part: int, rows: int) -> Iterator[Rows]:
        for piece in self.unweighted.pieces(part, rows):
            places = np.searchsorted(self._classes, self._labels_of(piece.y))
            yield replace(piece, weight=self._of_class[places])
