"""A source whose targets and weights are looked at as they are read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from taut._data import readable_targets
from taut._losses import loss_parts
from taut._weights import check_weight_values
from taut.engine.data.sources import Rows, Source, first_rows
from taut.errors import InputError


class CheckedSource:
    """The rows of a source, with 0 for targets that do not count and could not be computed with.

    Args:
        source: Where the rows are.
        model: Compiled and built; its losses say which targets there may be.

    Raises:
        InputError: When a row is read whose weight cannot be, or whose target counts and is none
            that its loss can be asked about; and when all rows were read, if none has a weight.
    """

    def __init__(self, source: Source, model: Any):
        self.source = source
        self.unweighted = getattr(source, "unweighted", source)
        few = first_rows(source, 1)
        self._losses = loss_parts(model, few.x, few.y)
        self._weighs, self._idle = False, set[int]()

    def parts(self, rows: int) -> int:
        return self.source.parts(rows)

    def pieces(self, part: int, rows: int) -> Iterator[Rows]:
        weighs = False
        for piece in self.source.pieces(part, rows):
            weights = [np.asarray(w) for w in keras.tree.flatten(piece.weight) if w is not None]
            for weight in weights:
                check_weight_values(weight)
            weighs = weighs or not weights or any(weight.any() for weight in weights)
            yield replace(piece, y=readable_targets(self._losses, piece.y, piece.weight))
        self._note(part, rows, weighs)

    def _note(self, part: int, rows: int, weighs: bool) -> None:
        self._weighs = self._weighs or weighs
        self._idle.add(part)
        if not self._weighs and len(self._idle) == self.parts(rows):
            raise InputError(
                "The weights of rows must not be 0 everywhere. Received: no row of another weight. "
                "Give some row a weight, or leave the weights out."
            )


def checked_source(source: Source, model: Any) -> CheckedSource:
    """A source that is looked at once."""
    return source if isinstance(source, CheckedSource) else CheckedSource(source, model)
