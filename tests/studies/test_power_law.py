"""The law of the loss against rows, on numbers whose law is known."""

import numpy as np
import pytest

from taut.studies.power_law import Luck, fit_power_law, weighted_quantiles

ROWS = np.geomspace(20, 640, 7)
LAWS = [(0.2, 3.0, 0.6), (0.0, 2.0, 0.3), (1.0, 20.0, 1.0)]


def drawn(law, noise, seed=0, folds=5):
    """Losses of folds that differ by what is common to all sizes and by what is not."""
    a, b, c = law
    draw = np.random.default_rng(seed)
    own = draw.normal(size=(folds, len(ROWS))) * (ROWS / ROWS[-1]) ** -0.5
    common = draw.normal(size=(folds, 1))
    return a + b * ROWS**-c + noise * (own + common)


def value(law, rows):
    return law[0] + law[1] * np.asarray(rows, float) ** -law[2]


@pytest.mark.parametrize("law", LAWS)
def test_a_known_law_is_recovered(law):
    found = fit_power_law(ROWS, drawn(law, 1e-4))
    more = [1280, 2560]
    np.testing.assert_allclose(found.loss(ROWS[-3:], 0.8)[:, 0], value(law, ROWS[-3:]), rtol=0.06)
    np.testing.assert_allclose(found.loss(more, 0.8)[:, 0], value(law, more), rtol=0.2)
    assert found.exponent == pytest.approx(law[2], rel=0.1)
    assert found.asymptote == pytest.approx(law[0], abs=0.1 * value(law, 640))
    assert found.factor == pytest.approx(law[1], rel=0.4)
    assert found.exponent_interval[0] <= found.exponent <= found.exponent_interval[1]
    at_present = found.asymptote + found.factor * found.rows**-found.exponent
    assert at_present == pytest.approx(value(law, 640), rel=1e-2)


def test_large_sizes_decide():
    small, large = drawn(LAWS[0], 1e-3), drawn(LAWS[0], 1e-3)
    small[:, 0] *= 1.2
    large[:, -1] *= 1.2
    plain, small, large = (
        fit_power_law(ROWS, y).loss([1280], 0.8)[0, 0] for y in (drawn(LAWS[0], 1e-3), small, large)
    )
    assert abs(small - plain) < 0.2 * abs(large - plain)


def test_the_intervals_contain_what_is_true_as_often_as_they_say():
    more, inside = [1280.0, 2560.0], np.zeros(2)
    for law in LAWS:
        for seed in range(6):
            found = fit_power_law(ROWS, drawn(law, 0.02 * value(law, 640), seed)).loss(more, 0.8)
            inside += (found[:, 1] <= value(law, more)) & (value(law, more) <= found[:, 2])
    # 80% of 18 is 14, with a standard error of 2; these laws are likely ones beforehand.
    assert (inside >= 11).all()


def test_further_away_and_with_more_noise_less_is_known():
    quiet, noisy = (fit_power_law(ROWS, drawn(LAWS[0], noise)) for noise in (0.002, 0.05))
    width = np.diff(quiet.loss([640, 1280, 2560], 0.8)[:, 1:]).ravel()
    assert (np.diff(width) > 0).all()
    assert (np.diff(noisy.loss([1280, 2560], 0.8)[:, 1:]).ravel() > width[1:]).all()
    low, high = quiet.loss([1280], 0.5)[0, 1:]
    wide = quiet.loss([1280], 0.95)[0, 1:]
    assert wide[0] < low < high < wide[1]


def test_what_is_common_to_all_sizes_is_in_the_loss_and_not_in_the_gain():
    losses = drawn(LAWS[0], 0.001)
    shifted = losses + 0.05 * np.arange(-2, 3)[:, None]
    gains = [fit_power_law(ROWS, y).gain([1280], 0.8)[0] for y in (losses, shifted)]
    widths = [np.diff(fit_power_law(ROWS, y).loss([1280], 0.8)[0, 1:]) for y in (losses, shifted)]
    np.testing.assert_allclose(*gains, rtol=0.02)
    assert widths[1] > 2 * widths[0]


def test_luck_that_is_known_otherwise_takes_the_place_of_the_folds():
    losses = drawn(LAWS[0], 0.001)
    sure, not_sure = (fit_power_law(ROWS, losses, Luck(e, 100.0)) for e in (1e-6, 0.05))
    _, low, high = not_sure.loss([640], 0.8)[0]
    assert np.diff(sure.loss([640], 0.8)[0, 1:]) < 0.005
    # Student's t at 90% and 100 degrees of freedom is 1.29; a small loss is less likely too large.
    assert (high - low) / 2 == pytest.approx(1.29 * 0.05, rel=0.05)
    middle = (high + low) / 2 - sure.loss([640], 0.8)[0, 0]
    assert middle == pytest.approx((1.29 * 0.05) ** 2 / (2 * value(LAWS[0], 640)), rel=0.3)


def test_the_unit_of_the_loss_does_not_matter():
    losses = drawn(LAWS[0], 0.01)
    one, other = fit_power_law(ROWS, losses), fit_power_law(ROWS, 1000 * losses)
    np.testing.assert_allclose(1000 * one.loss([1280], 0.8), other.loss([1280], 0.8), rtol=1e-3)
    assert one.exponent == pytest.approx(other.exponent)


def test_a_loss_that_is_positive_stays_so_and_one_that_is_not_need_not():
    positive = fit_power_law(ROWS, np.maximum(drawn((0.0, 50.0, 1.5), 0.002), 1e-4))
    assert positive.loss([5000, 10**6], 0.95).min() >= 0
    negative = fit_power_law(ROWS, drawn((-2.0, 3.0, 0.6), 0.01))
    assert negative.loss([2560], 0.8)[0, 2] < 0
    assert negative.loss([2560], 0.8)[0, 0] == pytest.approx(
        value((-2.0, 3.0, 0.6), 2560), abs=0.05
    )


def test_a_curve_that_rises_promises_nothing_clear():
    losses = drawn((0.5, -1.0, 0.5), 0.005)
    gain = fit_power_law(ROWS, losses).gain([1280], 0.8)[0]
    assert gain[1] >= 0
    assert gain[0] < 0.02


def test_trainings_that_diverged_are_left_out():
    losses = drawn(LAWS[0], 0.01)
    losses[0, 0] = losses[3, 2] = np.nan
    found = fit_power_law(ROWS, losses)
    assert np.isfinite(found.loss([1280], 0.8)).all()
    np.testing.assert_allclose(found.loss([1280], 0.8)[0, 0], value(LAWS[0], 1280), rtol=0.1)


def test_the_order_of_sizes_does_not_matter():
    losses, order = drawn(LAWS[0], 0.01), np.random.default_rng(0).permutation(len(ROWS))
    one, other = fit_power_law(ROWS, losses), fit_power_law(ROWS[order], losses[:, order])
    np.testing.assert_allclose(one.loss([1280], 0.8), other.loss([1280], 0.8))


def test_quantiles_of_nodes():
    values, weight = np.array([3.0, 1.0, 2.0]), np.array([0.2, 0.5, 0.3])
    assert weighted_quantiles(values, weight, (0.1, 0.5, 0.6, 0.9, 1.0)) == [1, 1, 2, 3, 3]
