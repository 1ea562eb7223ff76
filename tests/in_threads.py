"""Predictions that several threads ask for at the same time."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np


def check_in_threads(predict, rows, numbers):
    """Of the first rows, so many each, they are what one thread gets, and so afterwards.

    Args:
        predict: From rows to predictions [rows, ...].
        rows: What can be sliced.
        numbers: Of rows, one a question.
    """
    truth = predict(rows)
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda number: predict(rows[:number]), numbers))
    for part in made:
        np.testing.assert_array_equal(part, truth[: len(part)])
    np.testing.assert_array_equal(predict(rows), truth)
