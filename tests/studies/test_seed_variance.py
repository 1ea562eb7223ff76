"""What of a loss is luck: of the initial weights, of the order of rows, of the split."""

import keras
import numpy as np
import pytest

import taut
from taut.errors import InputError, UnsupportedError
from taut.studies.seed_luck import initial_weights

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="slow elsewhere")
SHORT = {"cv": 2, "weights": 2, "orders": 2, "epochs": 2, "batch_size": 64, "callbacks": []}


def network(dropout=0.0):
    model = keras.Sequential(
        [
            keras.Input((10,)),
            keras.layers.Dense(4, activation="relu"),
            keras.layers.Dropout(dropout),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.SGD(0.02), "mse")
    return model


@pytest.fixture(scope="module")
def found(diabetes):
    x, y = diabetes
    return taut.seed_variance(network(0.2), x, y, **SHORT)


def test_a_table_has_every_combination(found):
    assert len(found.table) == 2 * 2 * 2
    assert not found.table.duplicated(["fold", "weights", "order"]).any()
    assert found.loss == pytest.approx(found.table["held_out_loss"].mean())
    assert found.table["held_out_loss"].nunique() == 8


def test_equal_weights_begin_alike_and_equal_orders_see_the_same_batches(diabetes, monkeypatch):
    seen = []

    def train(model, x, y, lanes, *, splits, **settings):
        seen.extend(lanes)
        raise KeyboardInterrupt

    monkeypatch.setattr("taut.studies.folded.train_lanes", train)
    with pytest.raises(KeyboardInterrupt):
        taut.seed_variance(network(), *diabetes, **SHORT | {"weights": 3})
    assert len(seen) == 2 * 3 * 2
    kernel = next(path for path in seen[0].values if path.endswith("kernel"))
    begin = [lane.values[kernel] for lane in seen]
    for k, lane in enumerate(seen):
        for other in range(k):
            same_weights = k // 2 == other // 2
            assert np.array_equal(begin[k], begin[other]) == same_weights
            same_order = (lane.split, lane.seed) == (seen[other].split, seen[other].seed)
            assert same_order == (k // 6 == other // 6 and k % 2 == other % 2)


def test_without_chance_in_the_order_only_weights_matter(diabetes):
    x, y = diabetes
    all_rows = {"batch_size": len(y), "epochs": 5}  # one batch has no order
    found = taut.seed_variance(network(), x, y, **SHORT | all_rows)
    frame = found.to_frame().set_index("component")
    assert frame.loc["order", "deviation"] < 1e-5 * found.loss
    assert frame.loc["both", "deviation"] < 1e-5 * found.loss
    assert frame.loc["weights", "deviation"] > 1e-3 * found.loss
    assert frame.loc["seed", "deviation"] == pytest.approx(frame.loc["weights", "deviation"])


def test_a_difference_beyond_luck_is_that_of_two_draws(found):
    sigma = found.seed_deviation
    assert found.more_than_luck() == pytest.approx(1.96 * np.sqrt(2) * sigma)
    assert found.more_than_luck(8) == pytest.approx(1.96 * sigma / 2)
    with pytest.raises(InputError, match="seeds"):
        found.more_than_luck(0)


def test_shares_are_of_the_total(found):
    frame = found.to_frame().set_index("component")
    parts = frame.loc[["split", "weights", "order", "both"]]
    assert parts["share"].sum() == pytest.approx(1)
    assert frame.loc["total", "deviation"] == pytest.approx(
        np.sqrt((parts["deviation"] ** 2).sum())
    )
    assert (frame["low"] <= frame["high"]).all()
    narrow = found.to_frame(level=0.5).set_index("component")
    assert (narrow["high"] <= frame["high"]).all()


def test_it_is_said_and_drawn(found, tmp_path):
    assert "more than luck of the seed" in repr(found)
    assert "<table" in found._repr_html_()
    place = tmp_path / "luck.html"
    found.plot().save(place, inline=True)
    assert "vega" in place.read_text(encoding="utf-8")


def test_a_seed_draws_the_same_weights_whatever_else_is_drawn():
    model = network()
    one, same, other = (initial_weights(model, seed) for seed in (1, 1, 2))
    assert set(one) == {v.path for v in model.trainable_variables}
    assert all(np.array_equal(one[path], same[path]) for path in one)
    assert not all(np.array_equal(one[path], other[path]) for path in one)


def test_weights_that_share_a_path_are_refused(monkeypatch):
    model = network()
    monkeypatch.setattr(type(model.trainable_variables[0]), "path", "same")
    with pytest.raises(UnsupportedError, match="'same'"):
        initial_weights(model, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": 1}, "weights"),
        ({"orders": 1}, "orders"),
        ({"cv": [(np.arange(9), np.arange(9, 12))]}, "2 folds"),
        ({"cv": 500}, "rows"),
    ],
)
def test_what_cannot_be_is_one_error_before_training(arguments, message, diabetes, monkeypatch):
    monkeypatch.setattr("taut.studies.folded.train_lanes", None)
    with pytest.raises(InputError, match=message):
        taut.seed_variance(network(), *diabetes, **SHORT | arguments)


def test_training_that_diverges_has_no_variance(diabetes):
    x, y = diabetes
    model = network()
    model.compile(keras.optimizers.SGD(1e12), "mse")
    with (
        pytest.warns(RuntimeWarning, match="diverged"),
        pytest.raises(InputError, match="no variance"),
    ):
        taut.seed_variance(model, x, y, **SHORT)
