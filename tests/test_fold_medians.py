"""Medians of rows in pieces are those of all rows, in as many passes as the memory asks for."""

import numpy as np
import pytest

from taut._sums import FoldMedians


@pytest.mark.parametrize(("counts", "passes"), [(1 << 24, 3), (2000, 8), (60, 32), (1, 32)])
def test_medians_are_exact_whatever_the_memory(counts, passes, monkeypatch):
    monkeypatch.setattr("taut._sums.COUNTS", counts)
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 5)).astype("float32")
    x *= np.array([1, 1e-30, 1e30, 1, 1], "float32")
    x[:, 3] = random.integers(-2, 3, 200)
    x[random.uniform(size=x.shape) < 0.1] = np.nan
    folds = random.integers(0, 3, 200)
    medians, taken = FoldMedians(3), 0
    while not medians.settled:
        for rows in np.array_split(random.permutation(200), 7):
            medians.add(x[rows], folds[rows])
        if taken:
            assert medians._counts.size <= max(counts, 2 * 3 * 5 * 6)
        medians.end_pass()
        taken += 1
    assert passes / 2 <= taken <= passes
    for fold in range(3):
        expected = np.nanmedian(x[folds != fold].astype("float64"), axis=0)
        np.testing.assert_allclose(medians.of_training(fold), expected, rtol=1e-7)
