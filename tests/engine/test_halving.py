"""Hopeless lanes are dropped by the stated rule, and the others do not notice."""

import keras
import numpy as np
import pytest

import taut
from taut.engine import Halving, Lane, Split, rungs_for, train_lanes
from taut.errors import InputError

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="lanes need JAX")

STRENGTHS = (0.0, 0.01, 0.1, 0.4, 0.6, 0.8, 1.0, 2.0)
LANES = [Lane((s,), fold, 0) for fold in range(2) for s in STRENGTHS]
GROUPS = [k % len(STRENGTHS) for k in range(len(LANES))]


def network():
    model = keras.Sequential(
        [keras.Input((10,)), keras.layers.Dense(8, activation="tanh"), keras.layers.Dense(1)]
    )
    model.compile(taut.Proximal(keras.optimizers.Adam(0.01), taut.L1()), loss="mse")
    return model


def train(data, **settings):
    rows = np.random.default_rng(0).permutation(442)
    splits = [Split(rows[:300], rows[300:]), Split(rows[142:], rows[:142])]
    settings = {"epochs": 16, "keep_best": True, "width": 3, **settings}
    return train_lanes(network(), *data, LANES, splits=splits, **settings)


def test_the_worse_groups_end_at_the_rungs_and_the_others_are_untouched(diabetes):
    full = train(diabetes)
    record = train(diabetes, halving=Halving(GROUPS, (3, 8)))
    dropped = np.array([s == "dropped" for s in record.status])
    assert dropped.any()
    assert set(record.epochs[dropped]) <= {3, 8}
    # Lanes of a group share their fate, and the best group is among those that went on.
    of = np.array(GROUPS)
    for group in range(len(STRENGTHS)):
        assert len(set(dropped[of == group])) == 1
    means = np.nanmin(full.held_out_loss, axis=1).reshape(2, -1).mean(axis=0)
    assert not dropped[of == np.argmin(means)].any()
    for k in np.flatnonzero(~dropped):
        np.testing.assert_allclose(record.held_out_loss[k], full.held_out_loss[k], atol=1e-5)
    for k in np.flatnonzero(dropped):
        ran = record.epochs[k]
        np.testing.assert_allclose(
            record.held_out_loss[k, :ran], full.held_out_loss[k, :ran], atol=1e-5
        )
        assert record.best_epoch[k] == np.argmin(record.held_out_loss[k, :ran])
    # The rule at the first rung, once more from the full record.
    losses = full.held_out_loss[:, :3].min(axis=1).reshape(2, -1).T
    order = np.argsort(losses.mean(axis=1))
    gap = losses - losses[order[0]]
    hopeless = gap.mean(axis=1) > 2 * gap.std(axis=1, ddof=1) / np.sqrt(2)
    first = {int(g) for g in order[4:] if hopeless[g]}
    assert {GROUPS[k] for k in range(len(LANES)) if record.epochs[k] == 3} == first


def test_a_group_with_a_divergent_lane_is_the_worst():
    halving = Halving([0, 0, 1, 1, 2, 2], [1])
    scores = np.array([5.0, 5.1, 1.0, np.nan, 4.0, 4.2])
    assert halving.dropped(scores, np.ones(6, bool)) == [2, 3]


def test_a_group_that_is_out_does_not_keep_others_in():
    halving = Halving([0, 0, 1, 1, 2, 2, 3, 3], [1, 2])
    status = ["", "", "diverged", "dropped", "diverged", "diverged", "", ""]
    alive = halving.alive(status)
    assert alive.tolist() == [True, True, False, False, False, False, True, True]
    scores = np.array([1.0, 1.1, 9, 9, np.inf, np.inf, 5.0, 5.1])
    assert halving.dropped(scores, alive) == [6, 7]


def test_rungs_are_shares_of_the_epochs():
    assert rungs_for(100) == (12, 25, 50)
    assert rungs_for(3) == (1,)


def test_a_path_drops_strengths_and_does_not_choose_them(diabetes):
    result = taut.regularization_path(
        network(), *diabetes, strengths=STRENGTHS, cv=3, epochs=24, patience=24, halving=True
    )
    dropped = set(result.table.query("status == 'dropped'")["strength"])
    assert dropped
    assert result.best_strength not in dropped
    assert result.one_se_strength not in dropped


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"halving": Halving(GROUPS[1:], (3,))}, "one number a lane"),
        ({"halving": Halving(GROUPS, (16,))}, "end before the study's 16 epochs"),
        ({"halving": Halving(GROUPS, (3,), keep=1.0)}, "between 0 and 1"),
        ({"halving": Halving(GROUPS, (3,)), "keep_best": False}, "by their best epoch so far"),
    ],
)
def test_bad_halvings_are_told(settings, message, diabetes):
    with pytest.raises(InputError, match=message):
        train(diabetes, **settings)
