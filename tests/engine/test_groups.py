"""Lanes of a group keep one common epoch, also when several end at the same boundary."""

import keras
import numpy as np
import pytest

import taut
from taut.engine import Lane, Split, train_lanes

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="lanes need JAX")


def test_lanes_of_a_group_that_end_together_keep_one_epoch(diabetes):
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(1)])
    model.compile(taut.Proximal("adam", taut.L1()), loss="mse")
    rows = np.random.default_rng(0).permutation(442)
    splits = [Split(rows[:300], rows[300:]), Split(rows[142:], rows[:142])]
    lanes = [Lane((s,), f, 0) for s in (0.0, 0.1) for f in (0, 1)]
    record = train_lanes(
        model, *diabetes, lanes, splits=splits, epochs=20, groups=[0, 0, 1, 1], width=4
    )
    boundaries = np.arange(1, 20, 2)
    for group in (0, 1):
        members = [2 * group, 2 * group + 1]
        means = record.held_out_loss[members].mean(axis=0)
        expected = boundaries[np.argmin(means[boundaries])]
        assert record.best_epoch[members].tolist() == [expected, expected]


def test_the_epochs_to_choose_from_do_not_depend_on_the_block(diabetes, monkeypatch):
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(1)])
    model.compile(taut.Proximal("adam", taut.L1()), loss="mse")
    rows = np.random.default_rng(0).permutation(442)
    lanes = [Lane((0.05,), 0, seed) for seed in range(3)]
    kept = []
    for rows_of_block in (1 << 24, 1):  # the second makes blocks of one epoch
        monkeypatch.setattr("taut.engine.in_memory.ROWS_A_BLOCK", rows_of_block)
        record = train_lanes(
            model,
            *diabetes,
            lanes,
            splits=[Split(rows[:300], rows[300:])],
            epochs=48,
            groups=[0] * 3,
            width=1,
        )
        kept.append(record.best_epoch.tolist())
    assert kept[0] == kept[1]
    assert (kept[0][0] + 1) % 3 == 0
