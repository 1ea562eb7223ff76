"""Laws of what twice the rows would gain."""

import numpy as np
import pytest
from scipy import stats

from taut.diagnosis import doubling
from taut.diagnosis.doubling import next_fall

FOLD_OF = np.arange(100) % 5
LEVELS = np.array([[0.6], [0.3], [0.3], [0.1]])


def fall_of(quarter, half, whole, *, noise=0.0, seed=0, **others):
    """Of losses by size, with noise of rows that all sizes share in part."""
    draw = np.random.default_rng(seed)
    rows = draw.exponential(1.0, 100)
    quarters, first, second, all_of = rows + noise * draw.normal(size=(4, 100))
    return next_fall(
        quarter + quarters, half + np.stack([first, second]), whole + all_of, FOLD_OF, **others
    )


def ends(interval):
    return [interval.estimate, interval.low, interval.high]


def test_regular_falls_go_on_with_half_of_the_last_and_by_how_much_is_as_sure_as_it_says():
    found = fall_of(1.75, 1.25, 1.0)
    wide = stats.t.ppf(0.975, doubling.FREEDOM) * doubling.OF_ITSELF * 0.25
    assert ends(found) == pytest.approx([0.125, 0.125 - wide, 0.125 + wide])


def test_falls_that_no_law_has_are_not_carried_on_with_certainty():
    regular, late, rising, turned = (
        fall_of(*losses) for losses in ((1.75, 1.25, 1), (1.25, 1.25, 1), (0.5, 0.75, 1), (1, 2, 1))
    )
    assert regular.high - regular.low < late.high - late.low < turned.high - turned.low
    assert rising.low < 0 < rising.high  # a loss that rises may turn, or not
    assert min(late.low, turned.low) < 0


def test_the_unit_the_level_and_the_order_of_halves_mean_what_they_should():
    draw = np.random.default_rng(0)
    quarter, first, second, whole = draw.exponential(1.0, (4, 100)) + LEVELS
    halves = np.stack([first, second])
    found = next_fall(quarter, halves, whole, FOLD_OF)
    larger = next_fall(5 + 9 * quarter, 5 + 9 * halves, 5 + 9 * whole, FOLD_OF)
    assert ends(larger) == pytest.approx([9 * v for v in ends(found)])
    assert ends(next_fall(quarter, halves[::-1], whole, FOLD_OF)) == pytest.approx(ends(found))
    less = next_fall(quarter, halves, whole, FOLD_OF, level=0.8)
    assert found.low < less.low < less.high < found.high


def test_rows_without_weight_do_not_count_and_repeated_rows_of_a_group_count_once():
    draw = np.random.default_rng(1)
    quarter, first, second, whole = draw.exponential(1.0, (4, 100)) + LEVELS
    kept = np.arange(100) < 80
    halves = np.stack([first, second])
    weighted = next_fall(quarter, halves, whole, FOLD_OF, weights=kept.astype(float))
    alone = next_fall(quarter[kept], halves[:, kept], whole[kept], FOLD_OF[kept])
    assert ends(weighted) == pytest.approx(ends(alone))
    # Folds that are alike, so that the rows are what is not sure.
    alike = (halves.mean(axis=0) - whole).argsort().argsort() % 5
    repeated = [np.repeat(a, 4, axis=-1) for a in (quarter, halves, whole, alike)]
    groups = next_fall(*repeated, groups=np.repeat(np.arange(100), 4))
    assert ends(groups) == pytest.approx(ends(next_fall(quarter, halves, whole, alike)))
    assert groups.high - groups.low > 1.1 * np.ptp(ends(next_fall(*repeated)))


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize(
    "law",
    [
        lambda n: n**-0.4,
        lambda n: 2 * n**-1.0,
        lambda n: np.exp(-n),  # faster than any power
        lambda n: 1 / (1 + n**3),  # slow at first: too few steps
        lambda n: np.exp(-((np.log(n / 0.5)) ** 2)),  # worse before it is better
    ],
)
def test_the_interval_holds_what_twice_the_rows_gain_by_several_laws(law, noise):
    quarter, half, whole, twice = (law(n) for n in (0.25, 0.5, 1.0, 2.0))
    held = 0
    for seed in range(20):
        found = fall_of(quarter, half, whole, noise=noise, seed=seed)
        held += found.low <= whole - twice <= found.high
    assert held >= 18
