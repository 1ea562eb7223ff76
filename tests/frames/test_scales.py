import json

import numpy as np
import pytest

from taut.frames.scales import FAR, Mark, Scale, apart, find_marks
from taut.typed_json import plain, typed

DRAW = np.random.default_rng(0)
ORDINARY = {
    "normal": DRAW.normal(size=1000),
    "lognormal": np.exp(2 * DRAW.normal(size=1000)),
    "counts": DRAW.poisson(2, 1000).astype(float),
    "zero-inflated": np.where(DRAW.random(1000) < 0.9, 0, np.exp(DRAW.normal(size=1000))),
    "two values": DRAW.integers(0, 2, 1000) * 999.0,
    "years": DRAW.integers(1900, 2020, 1000).astype(float),
    "constant": np.full(1000, 7.0),
    "missing": np.full(1000, np.nan),
    "capped": np.minimum(DRAW.exponential(size=1000), 2),
}
SENTINELS = [999999999, 9999999999, -999, 1e30, -1e200, np.finfo(float).max, -np.finfo(float).max]


def with_mark(value, share=0.03, rows=1000):
    values = np.random.default_rng(1).uniform(0, 10, rows)
    here = np.random.default_rng(2).random(rows) < share
    return np.where(here, value, values), here


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_columns_have_no_marks_and_keep_their_order(name):
    values = ORDINARY[name]
    scale = Scale.of(values)
    assert scale.marks == ()
    there = values[~np.isnan(values)]
    found = scale.apply(there)
    assert np.isfinite(found).all()
    assert (np.diff(found[np.argsort(there)]) >= 0).all()
    if len(np.unique(there)) > 1:
        assert len(np.unique(found.astype("float32"))) > 0.9 * len(np.unique(there))


@pytest.mark.parametrize("share", [0.006, 0.03, 0.3, 0.6])
@pytest.mark.parametrize("value", SENTINELS)
def test_a_sentinel_is_a_mark_and_leaves_the_scale_alone(value, share):
    values, here = with_mark(value, share)
    scale = Scale.of(values)
    assert [(mark.value, mark.count) for mark in scale.marks] == [(value, here.sum())]
    assert 0 <= scale.marks[0].least < scale.marks[0].most <= 10
    without = Scale.of(values[~here])
    assert (scale.centre, scale.spread) == (without.centre, without.spread)
    np.testing.assert_array_equal(np.isnan(scale.apply(values)), here)
    np.testing.assert_array_equal(scale.is_mark(values)[:, 0], here)
    assert np.abs(scale.apply(values)[~here]).max() < 2


def test_several_marks_are_found_at_either_end_and_side_by_side():
    values = np.random.default_rng(0).integers(0, 11, 1000).astype(float)
    values[:120] = np.repeat([97, 98, 99, -999], 30)
    assert {mark.value for mark in Scale.of(values).marks} == {97, 98, 99, -999}
    values[:120] = np.repeat([9999, 99999, -9999, -99999], 30)
    assert {mark.value for mark in Scale.of(values).marks} == {9999, 99999, -9999, -99999}


def test_a_number_that_is_rare_near_or_one_of_many_is_no_mark():
    values = np.random.default_rng(0).uniform(0, 10, 1000)
    for far in ([1e9] * 4, [40.0] * 50, list(np.repeat(np.arange(1e6, 1e6 + 8), 10))):
        changed = values.copy()
        changed[: len(far)] = far
        assert find_marks(np.sort(changed)) == []
    assert Scale.of(np.array([0.0, 1.0] * 40 + [999.0] * 5)).marks == (Mark(999.0, 5, 0.0, 1.0),)


@pytest.mark.parametrize("unit", [1e-300, 1e-170, 1.0, 1e200, 1e307])
def test_the_unit_does_not_matter(unit):
    values = np.random.default_rng(0).uniform(-10, 10, 500)
    np.testing.assert_allclose(
        Scale.of(values * unit).apply(values * unit), Scale.of(values).apply(values), rtol=1e-6
    )


def test_far_numbers_are_pressed_together_in_order():
    scale = Scale(0.0, 1.0)
    x = np.array([-1e308, -1e9, -11, -FAR, -1, 0, 3, FAR, FAR + 1e-6, 1e4, 1e200, 1.7e308])
    found = scale.apply(x)
    assert (np.diff(found) > 0).all()
    np.testing.assert_array_equal(found[3:8], x[3:8])
    assert found[8] - found[7] == pytest.approx(1e-6, rel=1e-3)  # no kink
    assert np.abs(found).max() < 1e4
    # Of two ends of all there is, the difference overflows.
    both = Scale(-1.7e308, 1e-300).apply(np.array([1.7e308]))
    assert np.isfinite(both).all()


def test_rounding_is_not_scaled_up():
    values = 1e9 + np.where(np.arange(100) % 2, 0.0, 1.2e-7)
    assert np.ptp(values) > 0
    assert np.abs(Scale.of(values).apply(values)).max() < 1e-300
    assert np.abs(Scale.of(np.full(100, 0.1)).apply(np.array([0.1, 5.0]))).max() < 1e-300


def test_it_is_kept_in_json():
    scale = Scale.of(with_mark(-1e200)[0] * 1e-20)
    assert scale.marks
    assert typed(Scale, json.loads(json.dumps(plain(scale)))) == scale
    constant = Scale.of(np.full(9, 3.0))
    assert typed(Scale, json.loads(json.dumps(plain(constant)))) == constant


@pytest.mark.parametrize("name", ["normal", "lognormal", "counts", "years", "constant", "capped"])
def test_ordinary_targets_are_in_proportion(name):
    assert apart(ORDINARY[name]) is None


@pytest.mark.parametrize("far", [[1e9], [-1e9], [1e9, 2e9, -5e11], [1e90] * 9, [-999.0] * 5])
def test_rows_out_of_all_proportion_are_bounded_by_the_others(far):
    y = np.random.default_rng(0).uniform(10, 40, 1000)
    y[: len(far)] = far
    lower, upper = apart(y)
    body = y[len(far) :]
    assert lower == pytest.approx(body.min() - np.ptp(body))
    assert upper == pytest.approx(body.max() + np.ptp(body))
