"""A race trains fewer groups on each further split, and those that go on do not notice."""

import keras
import numpy as np
import pytest

import taut
from taut.engine import Lane, Race, Split, train_lanes
from taut.errors import InputError

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="lanes need JAX")

STRENGTHS = (0.0, 0.01, 0.1, 0.4, 0.6, 0.8, 1.0, 2.0)
FOLDS = 4
LANES = [Lane((s,), fold, 0) for fold in range(FOLDS) for s in STRENGTHS]
GROUPS = [k % len(STRENGTHS) for k in range(len(LANES))]


def train(data, **settings):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(4, "tanh"), dense_of_one()])
    model.compile(taut.Proximal(keras.optimizers.Adam(0.01), taut.L1()), loss="mse")
    parts = np.array_split(np.random.default_rng(0).permutation(442), FOLDS)
    splits = [Split(np.concatenate(parts[:k] + parts[k + 1 :]), parts[k]) for k in range(FOLDS)]
    settings = {"epochs": 10, "groups": GROUPS, "width": 3, **settings}
    return train_lanes(model, *data, LANES, splits=splits, **settings)


def dense_of_one():
    return keras.layers.Dense(1)


@pytest.fixture(scope="module")
def full(diabetes):
    return train(diabetes)


def test_the_better_go_on_and_are_untouched(diabetes, full):
    record = train(diabetes, race=Race(least=2))
    of, fold = np.array(GROUPS), np.array([lane.split for lane in LANES])
    trained = record.epochs > 0
    assert [trained[fold == k].sum() for k in range(FOLDS)] == [8, 6, 4, 3]
    assert (np.array(record.status) == "dropped").tolist() == (~trained).tolist()
    through = [g for g in range(len(STRENGTHS)) if trained[of == g].all()]
    for k in np.flatnonzero(np.isin(of, through)):
        assert record.best_epoch[k] == full.best_epoch[k]
        np.testing.assert_allclose(record.held_out_loss[k], full.held_out_loss[k], atol=1e-5)
        for one, other in zip(record.trainable, full.trainable, strict=True):
            np.testing.assert_allclose(one[k], other[k], atol=1e-5)
    # Who goes on, once more from the full record: the better two thirds by the folds so far.
    left = list(range(len(STRENGTHS)))
    for folds in (1, 2, 3):
        means = {g: full.held_out_loss[(of == g) & (fold < folds)].mean(axis=0).min() for g in left}
        left = sorted(sorted(left, key=means.__getitem__)[: -(-2 * len(left) // 3)])
        assert set(of[trained & (fold == folds)]) == set(left)
    assert all(not array[~trained].any() for array in record.trainable)
    assert np.isnan(record.held_out_loss[~trained]).all()


def test_none_is_left_out_before_its_time(diabetes):
    race = Race(least=2, after=2)
    record = train(diabetes, race=race)
    fold = np.array([lane.split for lane in LANES])
    trained = [int((record.epochs[fold == k] > 0).sum()) for k in range(FOLDS)]
    assert trained == [8, 8, 6, 4]
    assert sum(trained) == race.trainings(len(STRENGTHS), FOLDS)


def test_the_best_of_each_kind_goes_on(diabetes, full):
    of = np.array(GROUPS)
    worst = int(np.argmax([full.held_out_loss[of == g].mean() for g in range(len(STRENGTHS))]))
    kinds = [int(g == worst) for g in range(len(STRENGTHS))]
    assert (train(diabetes, race=Race(least=2)).epochs[of == worst] == 0).any()
    record = train(diabetes, race=Race(kinds, least=2))
    assert (record.epochs[of == worst] > 0).all()
    assert (record.epochs[-len(STRENGTHS) :] > 0).sum() == 3  # it is one of the three


def test_what_cannot_race_is_refused(diabetes):
    with pytest.raises(InputError, match="`race` is run by `groups`"):
        train(diabetes, groups=None, race=Race())
    with pytest.raises(InputError, match="one number a group"):
        train(diabetes, race=Race([0, 1]))
    model = keras.Sequential([keras.Input((10,)), dense_of_one()])
    model.compile("sgd", loss="mse")
    with pytest.raises(InputError, match="race"):
        train_lanes(model, *diabetes, [Lane()], memory=1 << 20, folds=2, race=Race())
