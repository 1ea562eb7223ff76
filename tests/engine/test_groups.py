"""Lanes of a group keep one common epoch, also when several end at the same boundary."""

import keras
import numpy as np
import pytest

import taut
from taut.engine import Lane, Split, train_lanes

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
