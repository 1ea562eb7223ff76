"""A small study as a program of its own, for tests that kill it or run it on several devices.

    python study.py CHECKPOINT EPOCHS SHARERS [PORT PROCESS]

Prints a digest of the record. KERAS_BACKEND and JAX_NUM_CPU_DEVICES come from the environment.
"""

import sys
import zlib

import jax
import numpy as np

SPLIT, SEEDS = 330, 2


def record_of(checkpoint=None, epochs=30, sharers=1, *, seconds=0.0, patience=None, callbacks=()):
    import keras
    from sklearn.datasets import load_diabetes

    import taut
    from taut.engine import Lane, Split, train_lanes

    x, y = load_diabetes(return_X_y=True)
    x, y = (((a - a.mean(0)) / a.std(0)).astype("float32") for a in (x, y))
    model = keras.Sequential(
        [
            keras.Input((10,)),
            keras.layers.Dense(8, activation="tanh"),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(1),
        ]
    )
    model.compile(taut.Proximal(keras.optimizers.Adam(0.01), taut.L1()), loss="mse")
    rows = np.random.default_rng(0).permutation(442)
    splits = [Split(rows[:SPLIT], rows[SPLIT:]), Split(rows[-SPLIT:], rows[:-SPLIT])]
    lanes = [
        Lane((strength,), split, seed)
        for strength in (0.0, 0.01, 0.3)
        for split in (0, 1)
        for seed in range(SEEDS)
    ]
    lanes.append(Lane((0.1,), 0, 0, start=3, epochs=epochs // 2))
    return train_lanes(
        model,
        x,
        y,
        lanes,
        splits=splits,
        epochs=epochs,
        batch_size=32,
        patience=patience,
        width=3,
        sharers=sharers,
        checkpoint=checkpoint,
        checkpoint_seconds=seconds,
        callbacks=callbacks,
    )


def digest(record):
    """Of every bit of a record."""
    crc = zlib.crc32(repr((record.status, record.epochs, record.best_epoch)).encode())
    for array in (record.train_loss, record.held_out_loss, *record.trainable):
        crc = zlib.crc32(np.ascontiguousarray(array).tobytes(), crc)
    return f"{crc:08x}"


def main():
    checkpoint, epochs, sharers, *rest = sys.argv[1:]
    if rest:
        jax.distributed.initialize(f"localhost:{rest[0]}", 2, int(rest[1]))
    record = record_of(None if checkpoint == "-" else checkpoint, int(epochs), int(sharers))
    loss = float(np.nansum(record.held_out_loss, dtype="float64"))
    print(digest(record), len(jax.devices()), loss, flush=True)


if __name__ == "__main__":
    main()
