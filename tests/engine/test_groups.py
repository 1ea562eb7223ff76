"""Lanes of a group keep one common epoch, also when several end at the same boundary."""

import keras
import numpy as np
import pytest

import taut
from taut.engine import Lane, Split, train_lanes
from taut.engine.ledger import LEAST_SNAPSHOTS, SNAPSHOT_BYTES, SNAPSHOTS, snapshots_for

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="lanes need JAX")


@pytest.mark.slow
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


def test_wide_networks_choose_from_fewer_epochs(diabetes, monkeypatch):
    monkeypatch.setattr("taut.engine.ledger.SNAPSHOT_BYTES", 0)
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(1)])
    model.compile(taut.Proximal("adam", taut.L1()), loss="mse")
    halves = [Split(np.arange(221), np.arange(221, 442))]
    record = train_lanes(model, *diabetes, [Lane((0.05,))], splits=halves, epochs=8, groups=[0])
    ends = np.arange(2, 9, 2)  # the least number of them, of equal lengths
    losses = record.held_out_loss[0]
    assert record.best_epoch[0] + 1 == ends[np.argmin(losses[ends - 1])]


@pytest.mark.parametrize(("lanes", "weights"), [(1, 1), (50, 2_000_000), (75, 640_000), (9, 10**9)])
def test_snapshots_are_as_many_as_there_is_room_for(lanes, weights):
    number, room = snapshots_for(lanes, weights), SNAPSHOT_BYTES
    taken = 4 * lanes * weights
    assert LEAST_SNAPSHOTS <= number <= SNAPSHOTS
    assert number == LEAST_SNAPSHOTS or number * taken <= room
    assert number == SNAPSHOTS or (number + 1) * taken > room
