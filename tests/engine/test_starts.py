"""What differs between lanes beside strength, rows and seed: targets, numbers, starts, lengths."""

import keras
import numpy as np
import pytest

import taut
from taut._keras.kept_state import bookkeeping
from taut.engine import Lane, Split, train_lanes
from taut.engine.redraw import redrawn
from taut.errors import InputError

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="lanes need JAX")


def network(optimizer=None):
    model = keras.Sequential(
        [keras.Input((10,)), keras.layers.Dense(8, activation="tanh"), keras.layers.Dense(1)]
    )
    model.compile(optimizer=optimizer or taut.Proximal("adam", taut.L1()), loss="mse")
    return model


@pytest.fixture(scope="module")
def splits():
    rows = np.random.default_rng(0).permutation(442)
    return [Split(rows[:330], rows[330:])]


def same(a, b, **tolerance):
    for one, other in zip(a, b, strict=True):
        np.testing.assert_allclose(one, other, **{"atol": 1e-5, "rtol": 0, **tolerance})


def test_a_lane_learns_its_own_target(diabetes, splits):
    x, y = diabetes
    shuffled = np.random.default_rng(1).permutation(y)
    lanes = [Lane((0.01,), target=0), Lane((0.01,), target=1), Lane((0.01,), seed=2, target=1)]
    model = network()
    both = train_lanes(model, x, None, lanes, targets=[y, shuffled], splits=splits, epochs=4)
    for k, target in ((0, y), (1, shuffled)):
        alone = train_lanes(model, x, target, [Lane((0.01,))], splits=splits, epochs=4)
        same([a[k] for a in both.trainable], [a[0] for a in alone.trainable])
        same(both.held_out_loss[k], alone.held_out_loss[0])
    with pytest.raises(InputError, match="one of the 1 targets"):
        train_lanes(model, x, y, lanes, splits=splits)
    with pytest.raises(InputError, match="either `y` or `targets`"):
        train_lanes(model, x, y, lanes, targets=[y], splits=splits)


def test_a_lane_has_its_own_learning_rate(diabetes, splits):
    lanes = [Lane((0.01,), 0, 0, {"learning_rate": rate}) for rate in (0.001, 0.03)]
    record = train_lanes(network(), *diabetes, lanes, splits=splits, epochs=4)
    for k, rate in enumerate((0.001, 0.03)):
        model = network(taut.Proximal(keras.optimizers.Adam(rate), taut.L1()))
        alone = train_lanes(model, *diabetes, [Lane((0.01,), 0, 0)], splits=splits, epochs=4)
        same([a[k] for a in record.trainable], [a[0] for a in alone.trainable])
    schedule = keras.optimizers.schedules.CosineDecay(0.01, 100)
    model = network(taut.Proximal(keras.optimizers.Adam(schedule), taut.L1()))
    with pytest.raises(InputError, match="follows a schedule is not one"):
        train_lanes(model, *diabetes, lanes, splits=splits)


def test_a_warm_lane_starts_where_the_other_ended(diabetes, splits):
    still = {"learning_rate": 0.0}
    lanes = [Lane((0.05,), 0, 0), Lane((0.1,), 0, 5, still, start=0, epochs=2)]
    record = train_lanes(network(), *diabetes, lanes, splits=splits, epochs=6)
    same([a[1] for a in record.trainable], [a[0] for a in record.trainable], atol=0)
    assert record.epochs.tolist() == [6, 2]
    assert record.best_epoch.tolist() == [5, 1]
    assert np.isnan(record.train_loss[1, 2:]).all()


def test_where_a_strength_falls_zeros_begin_at_fresh_values(diabetes, splits):
    # Above the critical strength all weights die, and zero would absorb what comes after.
    still = {"learning_rate": 0.0}
    dead = Lane((1e3,), 0, 0)
    lanes = [dead, Lane((0.01,), 0, 3, start=0), Lane((0.01,), 0, 3, still)]
    lanes.append(Lane((0.01,), 0, 3, still, start=0))
    record = train_lanes(network(), *diabetes, lanes, splits=splits, epochs=8)
    assert not record.trainable[0][0].any()
    np.testing.assert_array_equal(record.trainable[0][3], record.trainable[0][2])
    assert record.trainable[0][1].any()
    assert record.train_loss[1, -1] < record.train_loss[0, -1]


def test_after_a_divergent_lane_a_warm_one_starts_from_its_seed(diabetes, splits):
    model = network(taut.Proximal(keras.optimizers.SGD(0.01), taut.L1()))
    bad = Lane((0.0,), 0, 0, {model.trainable_variables[2].path: np.full((8, 1), 1e30)})
    lanes = [bad, Lane((0.0,), 0, 1, start=0), Lane((0.0,), 0, 1)]
    record = train_lanes(model, *diabetes, lanes, splits=splits, epochs=3)
    assert record.status == ("diverged", "finished", "finished")
    assert record.diverged() == ["strength=0, fold=0, seed=0"]
    same([a[1] for a in record.trainable], [a[2] for a in record.trainable])


@pytest.mark.parametrize(
    ("lane", "message"),
    [
        (Lane((0.1,), start=1), "number of an earlier lane"),
        (Lane((0.1,), epochs=11), "from 1 to the study's 10"),
    ],
)
def test_bad_lanes_are_told(lane, message, diabetes, splits):
    with pytest.raises(InputError, match=message):
        train_lanes(network(), *diabetes, [Lane((0.1,)), lane], splits=splits, epochs=10)


@pytest.mark.slow
def test_out_of_memory_halves_the_width(diabetes, splits, monkeypatch):
    import jax

    from taut.engine import in_memory as module

    build, refused = module.whole_epochs, []

    def small_device(model, plan, mesh):
        program = build(model, plan, mesh)

        def run(state, *rest):
            lanes = len(jax.tree.leaves(state)[0])
            if lanes > 2 * mesh.shape["lanes"]:
                refused.append(lanes)
                raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")
            return program(state, *rest)

        return run

    lanes = [Lane((0.01 * k,), 0, k % 3) for k in range(9)]
    expected = train_lanes(network(), *diabetes, lanes, splits=splits, epochs=3, width=1)
    monkeypatch.setattr(module, "whole_epochs", small_device)
    for width in (8, None):
        refused.clear()
        record = train_lanes(network(), *diabetes, lanes, splits=splits, epochs=3, width=width)
        assert refused
        assert record.width <= 2
        same(record.held_out_loss, expected.held_out_loss)


@pytest.mark.filterwarnings("ignore::taut.errors.EdgeWarning")
@pytest.mark.slow
def test_warm_paths_report_how_they_differ_from_cold_ones(diabetes):
    x, y = diabetes
    model = network()
    settings = {"strengths": [0.3, 0.03, 0.003], "cv": 2, "epochs": 10}
    both = taut.regularization_path(model, x, y, warm_start="both", warm_epochs=3, **settings)
    assert both.table["start"].value_counts().to_dict() == {"down": 6, "up": 6}
    assert set(both.table["epochs"]) == {10, 3}
    cold = taut.regularization_path(model, x, y, **settings)
    told = both.warm_disagreement
    assert cold.warm_disagreement is None
    assert set(told["strength"]) == {both.best_strength, both.one_se_strength}
    for _, line in told.iterrows():
        of = cold.table.query("strength == @line.strength and fold == @line.fold")
        assert line["cold_held_out_loss"] == pytest.approx(of["held_out_loss"].item(), rel=1e-4)
        assert 0 <= line["same_zeros"] <= 1
    first = both.table.query("start == 'up' and strength == 0.003").sort_values("fold")
    same(first["held_out_loss"], cold.table.query("strength == 0.003")["held_out_loss"])
    with pytest.raises(InputError, match="`warm_start` must be"):
        taut.regularization_path(model, x, y, warm_start="sideways", **settings)


def test_a_seed_may_be_large():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dropout(0.5), keras.layers.Dense(2)])
    one, other, again = (redrawn(model, seed)[0][0] for seed in (2**40, 0, 2**40))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_what_a_process_draws_first_is_what_it_draws_later():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dense(1)])
    bookkeeping.cache_clear()  # as in a new process
    first = redrawn(model, 5)[0]
    for one, other in zip(first, redrawn(model, 5)[0], strict=True):
        np.testing.assert_array_equal(one, other)
