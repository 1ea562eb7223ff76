"""The standard error of a mean over rows, by what equals it."""

import numpy as np

from taut._mean_loss import mean_and_error

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
