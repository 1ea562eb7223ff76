"""Encoded columns in the words and units of the table that they come from."""

from __future__ import annotations

from taut.diagnosis.segments import between
from taut.frames.encode import Encoder, shown


def in_units(encoder: Encoder, name: str, low: float, high: float) -> str:
    """Which rows have values of an encoded column above `low` and up to `high`, or equal to both.

    Args:
        encoder: what encoded them.
        name: of the encoded column.
        low: encoded, as `high` is.
        high: at least `low`.

    Returns:
        Such as "20 < age ≤ 34", "sex = female", "sex ≠ female" or "day ≤ 2024-01-31".
    """
    kinds = {column.name: column.kind for column in encoder.schema.used}
    if name in encoder.scales:
        scale, kind = encoder.scales[name], kinds[name]
        return between(name, low, high, lambda value: shown(_rounded(scale.undo(value)), kind))
    if encoder.names.index(name) < encoder.numbers:  # a part of a date
        return between(name, low, high, lambda value: f"{value:.4g}")
    if low == high == 1:
        return name
    source = encoder.sources[encoder.names.index(name)]
    said = name.removeprefix(source)
    return f"{source} ≠ {said[3:]}" if said.startswith(" = ") else f"not {name}"


def _rounded(value: float) -> float:
    """Six digits: what was scaled and is scaled back differs in the last ones."""
    return float(f"{value:.6g}")
