"""Six studies beside one compiled Keras model that is used again for every training.

    apt-get install dataset-fashion-mnist; pip install -e . && python benchmarks/against_reused.py

What a good user of Keras does who knows that compiling anew is what costs: one model, whose
regularizer reads its strength from a variable; for each training its weights and the optimizer's
state are put back, and `fit` goes on, with the held-out rows as `validation_data`. Its compilation
is left out: each shape is trained once before the clock starts. Some of the trainings are run, as
`--fits` says, and scaled to all.

* the 150 trainings of benchmarks/trainings_150.py: 569 × 30, 30→64→64→1, 100 epochs;
* dense: 20,000 × 50, two layers of 128 and of 512 units, 30 trainings of 5 epochs;
* LSTM of 32 and of 128 units: 2,000 × 40 × 8, 18 trainings of 5 epochs;
* the CNN of benchmarks/cnn.py: 10,000 images, 30 trainings of 3 epochs.

taut: the first call in a process that has no compiled programs on disk, the second call, and the
first call of another process, which finds them there. The arithmetic rate counts the products of
forward and backward passes (3·2·rows·weights an epoch, times the steps of a sequence), and is
compared with that of a large float32 matrix product. Seconds, and seconds of CPU. Each in a process
of its own.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
STUDIES = {
    "150": {"epochs": 100, "batch": 32, "folds": 5, "strengths": 30},
    "dense128": {"epochs": 5, "batch": 128, "folds": 3, "strengths": 10},
    "dense512": {"epochs": 5, "batch": 128, "folds": 3, "strengths": 10},
    "lstm32": {"epochs": 5, "batch": 32, "folds": 3, "strengths": 6},
    "lstm128": {"epochs": 5, "batch": 32, "folds": 3, "strengths": 6},
    "cnn": {"epochs": 3, "batch": 128, "folds": 3, "strengths": 10},
}


def data(name):
    """(x, y, [(train, held out)])."""
    import numpy as np
    from sklearn.model_selection import KFold

    if name == "150":
        import trainings_150

        return trainings_150.data()[:3]
    if name == "cnn":
        import cnn

        return cnn.data()[:3]
    draw = np.random.default_rng(0)
    shape = (20_000, 50) if name.startswith("dense") else (2_000, 40, 8)
    x = draw.normal(size=shape).astype("float32")
    y = np.tanh(x.reshape(len(x), -1)[:, :50] @ draw.normal(size=50) / 5).astype("float32")
    folds = STUDIES[name]["folds"]
    return x, y, list(KFold(folds, shuffle=True, random_state=0).split(x))


def network(name, regularizer=None):
    """(model, loss)."""
    import keras

    layers, options = keras.layers, {"kernel_regularizer": regularizer}
    if name == "150":
        import trainings_150

        return trainings_150.network(regularizer), "binary_crossentropy"
    if name == "cnn":
        import cnn

        return cnn.network(regularizer), "sparse_categorical_crossentropy"
    units = int("".join(filter(str.isdigit, name)))
    if name.startswith("dense"):
        hidden = [layers.Dense(units, "relu", **options) for _ in range(2)]
        inputs = keras.Input((50,))
    else:
        hidden, inputs = [layers.LSTM(units, **options)], keras.Input((40, 8))
    return keras.Sequential([inputs, *hidden, layers.Dense(1, **options)]), "mse"


def grid(name):
    import numpy as np

    return np.geomspace(1e-6, 1e-2, STUDIES[name]["strengths"])


def operations(name, rows, model):
    """Of one epoch of one training, forward and backward."""
    weights = sum(int(v.value.size) for v in model.trainable_variables if len(v.shape) > 1)
    return 3 * 2 * rows * weights * (40 if name.startswith("lstm") else 1)


def run_taut(name, fits):
    import jax  # noqa: F401 (imports are not on the clock)

    import taut
    from taut.engine import Lane, Split, train_lanes

    x, y, folds = data(name)
    settings = STUDIES[name]
    splits = [Split(train, held_out) for train, held_out in folds]
    lanes = [Lane((float(s),), f, 0) for f in range(len(folds)) for s in grid(name)]
    calls = []
    model = None
    for _ in range(fits):
        started, busy = time.perf_counter(), time.process_time()
        if model is None:
            model, loss = network(name)
            penalty = taut.L2() if name == "cnn" else taut.L1()
            model.compile(taut.Proximal("adam", penalty), loss=loss)
        options = {"epochs": settings["epochs"], "batch_size": settings["batch"]}
        record = train_lanes(model, x, y, lanes, splits=splits, **options)
        calls.append([time.perf_counter() - started, time.process_time() - busy])
    rows = sum(len(s.train) for s in splits) / len(splits)
    work = operations(name, rows, model) * len(lanes) * settings["epochs"]
    rate = work / min(seconds for seconds, _ in calls) / 1e9
    return {"calls": calls, "width": record.width, "gflops": rate}


def run_keras(name, fits):
    import keras

    class Strength(keras.regularizers.Regularizer):
        """Keras's own L1 or L2, with a factor that is a variable."""

        def __init__(self):
            self.factor = keras.Variable(0.0, trainable=False)

        def __call__(self, w):
            size = keras.ops.square(w) / 2 if name == "cnn" else keras.ops.abs(w)
            return self.factor * keras.ops.sum(size)

    x, y, folds = data(name)
    settings, strength = STUDIES[name], Strength()
    model, loss = network(name, strength)
    model.compile("adam", loss=loss)
    model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables]
    start = [keras.ops.convert_to_numpy(v) for v in variables]

    def train(train, held_out, factor, epochs):
        for variable, value in zip(variables, start, strict=True):
            variable.assign(value)
        strength.factor.assign(factor)
        model.fit(
            x[train],
            y[train],
            epochs=epochs,
            batch_size=settings["batch"],
            validation_data=(x[held_out], y[held_out]),
            validation_batch_size=1024,
            verbose=0,
        )

    for fold in folds:
        train(*fold, 0.0, 1)
    plan = [(fold, s) for s in grid(name) for fold in folds]
    plan = plan[:: max(len(plan) // fits, 1)][:fits]
    started, busy = time.perf_counter(), time.process_time()
    for fold, factor in plan:
        train(*fold, float(factor), settings["epochs"])
    whole = settings["folds"] * settings["strengths"] / len(plan)
    return {
        "calls": [[(time.perf_counter() - started) * whole, (time.process_time() - busy) * whole]]
    }


def one(system, name, fits, cache):
    """What a run in a process of its own prints."""
    command = [sys.executable, __file__, "--one", system, name, "--fits", str(fits)]
    environment = {**os.environ, "KERAS_BACKEND": "jax", "TAUT_CACHE": cache}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return json.loads(done.stdout.strip().splitlines()[-1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fits", type=int, default=6, help="trainings that Keras is timed on")
    parser.add_argument("--only", nargs="*", default=list(STUDIES), choices=STUDIES)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        system, name = arguments.one
        print(json.dumps(globals()[f"run_{system}"](name, arguments.fits)))
        return
    import trainings_150

    peak = trainings_150.run_matmul()["gflops"]
    heads = ("first", "second", "process", "Keras", "1st is", "2nd is", "CPU 2nd", "CPU Keras")
    print(f"{'study':10}" + "".join(f"{head:>11}" for head in heads) + "  width  rate")
    for name in arguments.only:
        with tempfile.TemporaryDirectory() as cache:
            taut = one("taut", name, 3, cache)
            again = one("taut", name, 1, cache)
        keras = one("keras", name, arguments.fits, "0")
        (first, _), *others = taut["calls"]
        second, busy = min(others)
        ((theirs, their_busy),) = keras["calls"]
        ((process, _),) = again["calls"]
        numbers = f"{first:11.1f}{second:11.1f}{process:11.1f}{theirs:11.1f}"
        numbers += f"{theirs / first:10.2f}×{theirs / second:10.2f}×{busy:11.1f}{their_busy:11.1f}"
        share = taut["gflops"] / peak
        print(f"{name:10}{numbers}{taut['width']:7}  {taut['gflops']:.0f} GFLOP/s, {share:.0%}")
    print(f"a 4096² product: {peak:.0f} GFLOP/s")


if __name__ == "__main__":
    main()
