"""A small streamed study as a program of its own, for tests that kill it.

    python stream_study.py CHECKPOINT

Prints a digest of the record. KERAS_BACKEND comes from the environment.
"""

import sys
from functools import cache

import numpy as np

BLOCKS = 7  # of a pass, by `MEMORY`
MEMORY = 1 << 17


@cache
def network():
    import keras

    import taut

    model = keras.Sequential(
        [
            keras.Input((10,)),
            keras.layers.Dense(8, activation="tanh"),
            keras.layers.Dropout(0.2, seed=1),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(1),
        ]
    )
    model.compile(taut.Proximal(keras.optimizers.Adam(0.02), taut.L1()), loss="mse")
    return model


def data():
    from sklearn.datasets import load_diabetes

    x, y = load_diabetes(return_X_y=True)
    return tuple(((a - a.mean(0)) / a.std(0)).astype("float32") for a in (x, y))


def record_of(checkpoint=None, epochs=8, *, source=None, seconds=0.0, callbacks=(), **options):
    from taut.engine import ArraySource, Lane
    from taut.engine.stream import train_streamed

    lanes = [Lane((s,), fold, seed) for s in (0.0, 0.01) for fold in (0, 1) for seed in (0, 1)]
    lanes.append(Lane((0.1,), 0, 0, epochs=min(2, epochs)))
    settings = {"folds": 2, "patience": 2, "memory": MEMORY, "batch_size": 32, "width": 2}
    return train_streamed(
        network(),
        ArraySource(*data()) if source is None else source,
        lanes,
        epochs=epochs,
        checkpoint=checkpoint,
        checkpoint_seconds=seconds,
        callbacks=callbacks,
        **settings | options,
    )


if __name__ == "__main__":
    from tests.engine.study import digest

    record = record_of(sys.argv[1])
    print(digest(record), float(np.nanmin(record.held_out_loss)), flush=True)
