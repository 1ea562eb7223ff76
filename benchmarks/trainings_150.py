"""150 trainings (30 strengths × 5 folds) three ways, side by side in one run.

    pip install -e . && python benchmarks/trainings_150.py [--lassonet] [--realmlp]

Breast cancer, 30→64→64→1, 100 epochs, batch 32, Adam at 0.001, two cores.

* taut: `train_lanes`, compile time included (a fresh process compiles from nothing), every lane
  for all epochs;
* taut, less work: the same with early stopping (patience 10), with successive halving on top, and
  with warm starts from weak to strong (10 epochs each, patience 5);
* Keras: a loop of `fit` with `kernel_regularizer=L1` on JAX, timed on 5 fits and scaled to 150;
* scikit-learn: `GridSearchCV(MLPClassifier((64, 64)), n_jobs=2)` with 30 L2 strengths;
* `--lassonet`: `LassoNetClassifierCV` with 5 folds, its own path (`pip install lassonet`);
* `--realmlp`: pytabkit's RealMLP with its vectorised cross-validation, 5 folds of one setting on
  the same rows (`pip install pytabkit`).

The arithmetic rate counts the products of forward and backward passes (3·2·rows·weights an
epoch) and is compared with that of a large float32 matrix product in the same run.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import warnings

EPOCHS, BATCH, STRENGTHS, FOLDS = 100, 32, 30, 5
GRID = (1e-6, 1e-1)


def data():
    import numpy as np
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import StratifiedKFold

    x, y = load_breast_cancer(return_X_y=True)
    x = ((x - x.mean(0)) / x.std(0)).astype("float32")
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(x, y)
    return x, y.astype("float32"), list(folds), np.geomspace(*GRID, STRENGTHS)


def network(regularizer=None):
    import keras

    dense = keras.layers.Dense
    return keras.Sequential(
        [
            keras.Input((30,)),
            dense(64, activation="relu", kernel_regularizer=regularizer),
            dense(64, activation="relu", kernel_regularizer=regularizer),
            dense(1, activation="sigmoid", kernel_regularizer=regularizer),
        ]
    )


def run_taut(kind="full"):
    import jax
    import keras  # noqa: F401 (imports are not on the clock)
    import numpy as np

    import taut
    from taut.engine import Halving, Lane, Split, rungs_for, train_lanes

    x, y, folds, strengths = data()
    splits = [Split(a, b) for a, b in folds]
    lanes = [Lane((float(s),), f, 0) for f in range(FOLDS) for s in strengths]
    options = {}
    if kind != "full":
        options["patience"] = 5 if kind == "warm" else 10
    if kind == "halving":
        options["halving"] = Halving([k % STRENGTHS for k in range(len(lanes))], rungs_for(EPOCHS))
    if kind == "warm":
        for k in range(len(lanes)):
            if k % STRENGTHS:
                lanes[k] = Lane(lanes[k].strengths, lanes[k].split, 0, start=k - 1, epochs=10)
    started = time.perf_counter()
    model = network()
    model.compile(taut.Proximal("adam", taut.L1()), loss="binary_crossentropy")
    times = []
    for _ in range(3):
        record = train_lanes(
            model, x, y, lanes, splits=splits, epochs=EPOCHS, batch_size=BATCH, **options
        )
        times.append(time.perf_counter() - started)
        started = time.perf_counter()
    rows = sum(len(s.train) for s in splits) * STRENGTHS
    flops = 3 * 2 * rows * EPOCHS * (30 * 64 + 64 * 64 + 64)
    _, held_out = record.kept_losses()
    held_out[[status == "dropped" for status in record.status]] = np.inf
    return {
        "epochs": int(record.epochs.sum()),
        "seconds": times[0],
        "again": min(times[1:]),
        "gflops": flops / min(times[1:]) / 1e9,
        "devices": len(jax.local_devices()),
        "width": record.width,
        "loss": float(held_out.reshape(FOLDS, STRENGTHS).mean(0).min()),
    }


def run_early():
    return run_taut("early")


def run_halving():
    return run_taut("halving")


def run_warm():
    return run_taut("warm")


def run_keras():
    import keras

    x, y, folds, strengths = data()
    started = time.perf_counter()
    for k, (train, held_out) in enumerate(folds):
        model = network(keras.regularizers.L1(float(strengths[6 * k])))
        model.compile("adam", loss="binary_crossentropy")
        model.fit(x[train], y[train], epochs=EPOCHS, batch_size=BATCH, verbose=0)
        model.evaluate(x[held_out], y[held_out], verbose=0)
    return {"seconds": (time.perf_counter() - started) / FOLDS * STRENGTHS * FOLDS}


def run_sklearn():
    from sklearn.model_selection import GridSearchCV
    from sklearn.neural_network import MLPClassifier

    x, y, folds, strengths = data()
    warnings.simplefilter("ignore")
    model = MLPClassifier((64, 64), batch_size=BATCH, max_iter=EPOCHS, n_iter_no_change=EPOCHS)
    search = GridSearchCV(
        model,
        {"alpha": strengths * len(x)},
        cv=folds,
        n_jobs=2,
        scoring="neg_log_loss",
        refit=False,
    )
    started = time.perf_counter()
    search.fit(x, y)
    return {
        "seconds": time.perf_counter() - started,
        "loss": -search.cv_results_["mean_test_score"].max(),
    }


def run_lassonet():
    from lassonet import LassoNetClassifierCV

    x, y, _, _ = data()
    model = LassoNetClassifierCV(cv=FOLDS, hidden_dims=(64, 64), random_state=0, torch_seed=0)
    started = time.perf_counter()
    model.fit(x, y.astype(int))
    return {"seconds": time.perf_counter() - started}


def run_realmlp():
    import torch
    from pytabkit import RealMLP_TD_Classifier

    torch.set_num_threads(2)
    x, y, _, _ = data()
    model = RealMLP_TD_Classifier(
        device="cpu",
        n_cv=FOLDS,
        n_epochs=EPOCHS,
        batch_size=BATCH,
        hidden_sizes=[64, 64],
        random_state=0,
        verbosity=0,
    )
    started = time.perf_counter()
    model.fit(x, y.astype(int))
    return {"seconds": time.perf_counter() - started}


def run_matmul():
    import jax

    jax.config.update("jax_num_cpu_devices", 1)
    a = jax.random.normal(jax.random.key(0), (4096, 4096))
    product = jax.jit(lambda a: a @ a)
    product(a).block_until_ready()
    started = time.perf_counter()
    for _ in range(5):
        product(a).block_until_ready()
    return {"gflops": 5 * 2 * 4096**3 / (time.perf_counter() - started) / 1e9}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lassonet", action="store_true", help="also LassoNet's own path")
    parser.add_argument("--realmlp", action="store_true", help="also pytabkit's RealMLP, 5 folds")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(globals()[f"run_{arguments.one}"]()))
        return
    names = ["matmul", "taut", "early", "halving", "warm", "keras", "sklearn"]
    names += [name for name in ("lassonet", "realmlp") if getattr(arguments, name)]
    found = {}
    for name in names:  # each in a process of its own
        command = [sys.executable, __file__, "--one", name]
        out = subprocess.run(
            command,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "KERAS_BACKEND": "jax"},
        ).stdout
        found[name] = json.loads(out.strip().splitlines()[-1])
    ours = found["taut"]
    print(f"{'system':34}{'seconds':>9}{'taut is faster by':>20}")
    for name in names[1:]:
        ratio = found[name]["seconds"] / ours["seconds"]
        print(f"{name:34}{found[name]['seconds']:9.2f}{ratio:20.1f}")
    print(f"{'taut, second call (no compile)':34}{ours['again']:9.2f}")
    peak = found["matmul"]["gflops"]
    print(
        f"arithmetic rate {ours['gflops']:.0f} GFLOP/s, {ours['gflops'] / peak:.0%} of a 4096² "
        f"product's {peak:.0f}; {ours['devices']} devices, {ours['width']} lanes wide"
    )
    a_fit = found["keras"]["seconds"] / STRENGTHS / FOLDS
    print(f"one Keras fit {a_fit:.2f} s")
    for name in ("taut", "early", "halving", "warm"):
        some = found[name]
        print(
            f"{name:10}{some['seconds']:7.2f} s = {some['seconds'] / a_fit:.2f} Keras fits, "
            f"{found['keras']['seconds'] / some['seconds']:.0f} and "
            f"{found['sklearn']['seconds'] / some['seconds']:.1f} times faster; {some['epochs']} "
            f"epochs of {STRENGTHS * FOLDS * EPOCHS}; least held-out log-loss {some['loss']:.4f}"
        )
    print(f"scikit-learn: least held-out log-loss {found['sklearn']['loss']:.4f}")


if __name__ == "__main__":
    main()
