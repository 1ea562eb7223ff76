"""A source whose targets and weights are looked at as they are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from taut._data import readable_targets
from taut._losses import LossPart, loss_parts
from taut._weights import check_weight_shape, check_weight_values, no_weight
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
        for weight in keras.tree.flatten(few.weight):
            if weight is not None:
                _check_weight(np.asarray(weight), self._losses)

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
            raise InputError(no_weight())


def _check_weight(weight: np.ndarray, losses: Sequence[LossPart]) -> None:
    if weight.dtype.kind not in "biuf":
        raise InputError(
            "`sample_weight` must be numbers, one a row, and not the name of a column. Received: "
            f"values of type {weight.dtype}."
        )
    check_weight_shape(weight.shape, None, losses)


def checked_source(source: Source, model: Any) -> CheckedSource:
    """A source that is looked at once."""
    return source if isinstance(source, CheckedSource) else CheckedSource(source, model)
