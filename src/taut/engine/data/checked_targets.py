"""A source whose targets are looked at as they are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from taut._data import readable_targets
from taut._losses import LossPart
from taut.engine.data.sources import Rows, Source


class CheckedSource:
    """The rows of a source; a target that counts and that its loss cannot be asked about is told.

    Args:
        source: Where the rows are.
        losses: What the model's losses make of them.

    Raises:
        InputError: When such a row is read.
    """

    def __init__(self, source: Source, losses: Sequence[LossPart]):
        self._source, self._losses = source, losses

    def parts(self, rows: int) -> int:
        return self._source.parts(rows)

    def pieces(self, part: int, rows: int) -> Iterator[Rows]:
        for piece in self._source.pieces(part, rows):
            readable_targets(self._losses, piece.y, piece.weight)
            yield piece
