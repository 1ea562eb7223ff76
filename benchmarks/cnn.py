"""A convolutional network on Fashion-MNIST: 10 strengths × 3 folds against a loop of Keras fits.

    apt-get install dataset-fashion-mnist; pip install -e . && python benchmarks/cnn.py

10,000 rows, two convolutions (16 and 32 filters, 3×3), each with pooling, and a dense layer; Adam,
batch 128, 3 epochs, L2 by `kernel_regularizer` in Keras and by `taut.L2` in taut (of strength 2·l2:
the same objective). Keras's fits are jitted; all 30 are run unless `--fits` says fewer, and then
scaled. taut trains all 30 to the end, and once more with successive halving. All choose the
strength of least mean held-out data loss. Each in a process of its own.
"""

import argparse
import gzip
import json
import os
import subprocess
import sys
import time
from pathlib import Path

HOME = Path("/usr/share/datasets/fashion-mnist")
ROWS, EPOCHS, BATCH, FOLDS = 10_000, 3, 128, 3


def data(rows=ROWS):
    import numpy as np
    from sklearn.model_selection import StratifiedKFold

    images = gzip.decompress((HOME / "train-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((HOME / "train-labels-idx1-ubyte.gz").read_bytes())
    x = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 28, 28, 1)[:rows]
    y = np.frombuffer(labels, np.uint8, offset=8)[:rows].astype("int32")
    folds = list(StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(x, y))
    return (x / 255).astype("float32"), y, folds, np.geomspace(1e-1, 1e-6, 10)


def network(regularizer=None):
    import keras
    from keras import layers

    settings = {"activation": "relu", "kernel_regularizer": regularizer}
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(16, 3, **settings),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, **settings),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(10, activation="softmax", kernel_regularizer=regularizer),
        ]
    )


def run_taut(fits, halving=False):
    import keras  # noqa: F401 (imports are not on the clock)

    import taut
    from taut.engine import Halving, Lane, Split, rungs_for, train_lanes

    x, y, folds, strengths = data()
    splits = [Split(a, b) for a, b in folds]
    lanes = [Lane((float(s),), f, 0) for f in range(FOLDS) for s in strengths][:fits]
    drop = Halving([k % 10 for k in range(fits)], rungs_for(EPOCHS)) if halving else None
    started = time.perf_counter()
    model = network()
    model.compile(taut.Proximal("adam", taut.L2()), loss="sparse_categorical_crossentropy")
    record = train_lanes(
        model,
        x,
        y,
        lanes,
        splits=splits,
        epochs=EPOCHS,
        batch_size=BATCH,
        keep_best=halving,
        halving=drop,
    )
    _, held_out = record.kept_losses()
    seconds = time.perf_counter() - started
    return {"seconds": seconds * 30 / fits, "losses": held_out.tolist(), "width": record.width}


def run_halving(fits):
    return run_taut(fits, halving=True)


def run_keras(fits):
    import keras

    x, y, folds, strengths = data()
    plan = [(s, fold) for fold in folds for s in strengths][:fits]
    losses = []
    started = time.perf_counter()
    for strength, (train, held_out) in plan:
        model = network(keras.regularizers.L2(float(strength) / 2))
        model.compile("adam", loss="sparse_categorical_crossentropy", jit_compile=True)
        model.fit(x[train], y[train], epochs=EPOCHS, batch_size=BATCH, verbose=0)
        chosen = model.predict(x[held_out], batch_size=1024, verbose=0)
        loss = keras.losses.sparse_categorical_crossentropy(y[held_out], chosen)
        losses.append(float(keras.ops.mean(loss)))
    return {"seconds": (time.perf_counter() - started) * 30 / fits, "losses": losses}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fits", type=int, default=30)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(globals()[f"run_{arguments.one}"](arguments.fits)))
        return
    import numpy as np

    found = {}
    for name in ("taut", "halving", "keras"):
        command = [sys.executable, __file__, "--one", name, "--fits", str(arguments.fits)]
        environment = {**os.environ, "KERAS_BACKEND": "jax"}
        out = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True, env=environment
        ).stdout
        found[name] = json.loads(out.strip().splitlines()[-1])
        print(f"{name:8}{found[name]['seconds']:9.1f} s", flush=True)
        if arguments.fits == 30:
            losses = np.reshape(found[name]["losses"], (FOLDS, -1)).mean(axis=0)
            best = int(np.argmin(losses))
            print(f"      least held-out loss {losses[best]:.4f} at strength number {best}")
            print("      " + " ".join(f"{v:.4f}" for v in losses))
    for name in ("taut", "halving"):
        ratio = found["keras"]["seconds"] / found[name]["seconds"]
        print(f"{name}: {ratio:.2f} times faster than Keras")


if __name__ == "__main__":
    main()
