"""Inputs that are nearly copies of others: they are asked together, and the first one is kept."""

from __future__ import annotations

import numpy as np

from taut.frames.preprocessing import fold_preprocessing
from taut.tables.selection.lanes import InputRows

NEARLY = 0.95
"""Correlation from which on inputs are taken for copies."""


def first_of_copies(data: InputRows, order: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """The first input, by the order, that each asked input is nearly a copy of; often itself.

    An input is nearly a copy of another if each of its columns is correlated with one of the
    other's by 0.95 or more, in absolute value. The target has no part in this.

    Args:
        data: The rows.
        order: [inputs] input numbers.
        asked: Input numbers.

    Returns:
        [inputs] input numbers; an input that is not asked stands for itself.
    """
    first = np.arange(data.inputs)
    columns = data.columns(asked)
    of, rows = data.input_of[columns], np.arange(len(data.rows.y))
    encoded = data.rows.encoded[:, columns]
    z = fold_preprocessing(encoded, rows).apply(encoded)
    correlated = np.abs(z.T @ z) / len(z) >= NEARLY
    leaders: list[int] = []
    for number in order[np.isin(order, asked)].tolist():
        mine = correlated[of == number]
        like = (k for k in leaders if mine[:, of == k].any(axis=1).all())
        first[number] = next(like, number)
        if first[number] == number:
            leaders.append(number)
    return first
