"""The standard error of a mean over rows, and Wilson's interval, by what equals them."""

import numpy as np
import pytest

from taut._mean_loss import mean_and_error, wilson

DRAW = np.random.default_rng(0)


def test_the_error_of_a_mean_is_that_of_rows_or_of_groups():
    values = DRAW.normal(size=(3, 50))
    mean, error = mean_and_error(values)
    np.testing.assert_allclose(mean, values.mean(axis=1))
    np.testing.assert_allclose(error, values.std(axis=1) / np.sqrt(50))
    # A row of weight 3 is as good as three rows that belong together.
    weights = DRAW.integers(1, 4, 50)
    of = np.repeat(np.arange(50), weights)
    one = mean_and_error(values, weights.astype(float))
    two = mean_and_error(np.repeat(values, weights, axis=1), groups=of)
    np.testing.assert_allclose(one, two)


@pytest.mark.parametrize(("right", "rows"), [(0, 12), (12, 12), (5, 40), (1, 1)])
def test_wilsons_interval(right, rows):
    """The shares p for which |p̂ − p| ≤ z·√(p(1 − p)/n)."""
    grid = np.linspace(0, 1, 200_001)
    inside = np.abs(right / rows - grid) <= 1.959964 * np.sqrt(grid * (1 - grid) / rows) + 1e-12
    assert wilson(right / rows, rows) == pytest.approx(
        (grid[inside][0], grid[inside][-1]), abs=1e-5
    )
