"""Inputs that halves of the rows select again and again, and the bounds on false ones."""

import keras
import numpy as np
import pytest

import taut
from taut.errors import InputError, UnsupportedError
from taut.studies.stability import (
    both_bounds,
    expected_false,
    first_by_area,
    least_threshold,
    most_per_half,
)

jax_only = pytest.mark.skipif(keras.backend.backend() != "jax", reason="lanes need JAX")

SHORT = {"strengths": [0.3, 0.1], "pairs": 5, "epochs": 30, "batch_size": 25, "callbacks": []}


def network(inputs=10):
    layers = [keras.Input((inputs,)), keras.layers.Dense(8, activation="relu")]
    model = keras.Sequential([*layers, keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.02), "mse")
    return model


@pytest.fixture(scope="module")
def rows():
    draw = np.random.default_rng(0)
    x = draw.normal(size=(200, 10)).astype("float32")
    return x, x[:, 2] - x[:, 5] + 0.5 * draw.normal(size=200)


@pytest.fixture(scope="module")
def chosen(rows):
    names = [f"x{k}" for k in range(10)]
    return taut.stability_selection(network(), *rows, per_half=2, names=names, **SHORT)


@jax_only
def test_the_real_inputs_are_selected(chosen):
    assert set(chosen.selected) == {2, 5}
    assert chosen.frequency[[2, 5]].tolist() == [1.0, 1.0]
    assert (chosen.frequency.sum(), chosen.per_half) == (pytest.approx(2.0), 2)
    assert chosen.bound <= 1.0
    assert chosen.threshold == least_threshold(10, 1.0, 2, pairs=5)


@jax_only
def test_tables_texts_and_the_chart_have_the_numbers(chosen):
    frame = chosen.to_frame()
    assert frame["input"][:2].tolist() == ["x2", "x5"]
    assert frame["selected"].tolist() == [True] * 2 + [False] * 8
    assert "x2, x5" in repr(chosen)
    assert "x2, x5" in chosen._repr_html_()
    assert "threshold" in chosen.plot().to_json()
    again, bound = chosen.at(1.0)
    assert set(again) == {2, 5}
    assert bound == expected_false(2, 10, 1.0, pairs=5)
    with pytest.raises(InputError, match="above"):
        chosen.at(0.5)
    with pytest.raises(AttributeError):
        chosen.threshold = 0.6


@jax_only
@pytest.mark.slow
def test_inputs_without_use_stay_within_the_bound():
    draw, false, bounds = np.random.default_rng(1), [], []
    for _ in range(6):
        x = draw.normal(size=(60, 10)).astype("float32")
        found = taut.stability_selection(network(), x, draw.normal(size=60), **SHORT)
        false.append(len(found.selected))
        bounds.append(found.bound)
    assert np.mean(false) <= np.mean(bounds) + 2 * np.std(false) / np.sqrt(6)


@jax_only
@pytest.mark.slow
def test_labels_groups_and_a_path_that_is_found(rows):
    x, y = rows
    model = keras.Sequential(
        [keras.Input((10,)), taut.layers.Standardize(), keras.layers.Dense(1, "sigmoid")]
    )
    model.compile(keras.optimizers.Adam(0.02), "binary_crossentropy")
    labels, groups = np.where(y > 0, "high", "low"), np.arange(200) // 2
    settings = {**SHORT, "strengths": 3, "penalty": taut.L1}
    found = taut.stability_selection(model, x * 50, labels, groups=groups, **settings)
    assert {2, 5} <= set(np.argsort(-found.frequency)[:2])
    for lane in found.record.lanes:
        assert len(lane.strengths) == 1


def test_those_that_come_in_first_and_stay_are_selected():
    norms = np.array([[[0, 0, 1.0], [0.5, 2.0, 2.0]], [[0, 0, 0], [1, 0, 0]]])
    norms = np.concatenate([norms, np.full((1, 2, 3), np.nan)])
    assert first_by_area(norms, 2).tolist() == [
        [False, True, True],
        [True, False, False],
        [False, False, False],
    ]


def test_the_unit_of_a_strength_does_not_change_the_order():
    norms = np.random.default_rng(0).uniform(size=(6, 3, 8))
    scaled = norms * np.array([1.0, 100.0, 0.01])[None, :, None]
    assert (first_by_area(norms, 3) == first_by_area(scaled, 3)).all()


@pytest.mark.parametrize("inputs", [10, 50, 500])
@pytest.mark.parametrize("threshold", [0.7, 0.9])
def test_q_is_the_largest_that_keeps_the_bound(inputs, threshold):
    per_half = most_per_half(inputs, 1.5, threshold, pairs=25)
    assert expected_false(per_half, inputs, threshold, pairs=25) <= 1.5
    more = expected_false(per_half + 1, inputs, threshold, pairs=25)
    assert more is None or more > 1.5


@pytest.mark.parametrize("per_half", [2, 5, 10])
def test_the_threshold_is_the_least_that_keeps_the_bound(per_half):
    threshold = least_threshold(100, 1.0, per_half, pairs=25)
    assert expected_false(per_half, 100, threshold, pairs=25) <= 1.0
    less = expected_false(per_half, 100, threshold - 1 / 50, pairs=25)
    assert less is None or less > 1.0


def test_the_least_of_both_bounds_is_the_bound():
    for threshold in (0.6, 0.75, 0.9, 1.0):
        bounds = both_bounds(8, 100, threshold, pairs=25)
        assert expected_false(8, 100, threshold, pairs=25) == min(b for b in bounds if b)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda x, y: (x, np.ones_like(y)), "differ"),
        (lambda x, y: (x[:10], y[:10]), "20 rows"),
        (lambda x, y: (x, np.where(y == y[3], np.nan, y)), "finite"),
        (lambda x, y: (np.where(x == x[3], np.nan, x), y), "NaN"),
        (lambda x, y: (x, None), "y"),
    ],
)
def test_bad_rows_are_one_error_before_training(rows, wrong, message):
    with pytest.raises(InputError, match=message):
        taut.stability_selection(network(), *wrong(*rows), epochs=10**6)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"pairs": 0}, "pairs"),
        ({"threshold": 0.5}, "threshold"),
        ({"per_half": 10}, "per_half"),
        ({"false_selections": 0}, "false_selections"),
        ({"false_selections": 0.001, "pairs": 2}, "Raise"),
        ({"names": ["a"]}, "names"),
        ({"strengths": 1}, "strengths"),
    ],
)
def test_bad_settings_are_refused(rows, wrong, message):
    with pytest.raises(InputError, match=message):
        taut.stability_selection(network(), *rows, **wrong)


def test_a_model_whose_inputs_are_not_known_to_be_read_is_refused(rows):
    layers = [keras.Input((10,)), keras.layers.Reshape((5, 2)), keras.layers.Flatten()]
    model = keras.Sequential([*layers, keras.layers.Dense(1)])
    model.compile("adam", "mse")
    with pytest.raises(UnsupportedError, match="reads each input"):
        taut.stability_selection(model, *rows)
