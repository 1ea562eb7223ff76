"""Stability selection beside knockoffs: false selections against the bound, and power.

    pip install -e . && pip install --target peers --no-deps hidimstat
    PYTHONPATH=peers python benchmarks/stability.py --draws 10

Scenarios of 400 rows: linear and logistic teachers of benchmarks/selection.py (10 of 50 inputs
real, neighbours correlated by 0.5 or 0.9), friedman30 and xor of the same, and curved teachers: of
10 real inputs of 50, correlated likewise, four enter as ±x, four as ±|x| and two as their product,
with noise of half of the signal's deviation.

Systems: taut (`taut.stability_selection` on a network of 32 units, by default: a bound of 1, and
`--bound 3` for another); knockoffs (hidimstat's second-order model-X knockoffs with a
cross-validated lasso, at the false discovery rate `--rate`). Each in a process of its own with one
thread of BLAS; seconds are of CPU, imports off the clock, compilation on it.

For each scenario: mean number of false selections with its standard error, taut's beside its bound;
mean share of the real inputs that are selected (power); and of taut, whose frequencies are kept,
the power at the threshold whose mean number of false selections is at most that of knockoffs.
"""

import argparse
import json
import os
import subprocess
import sys
import time

import numpy as np
from selection import ROWS, SCENARIOS

SYSTEMS = ("taut", "knockoffs")


def curved(draw, correlation):
    noise = draw.normal(size=(ROWS, 50))
    x = np.empty_like(noise)
    x[:, 0] = noise[:, 0]
    for j in range(1, 50):
        x[:, j] = correlation * x[:, j - 1] + np.sqrt(1 - correlation**2) * noise[:, j]
    real = draw.permutation(50)[:10]
    sign = draw.choice([-1, 1], 9)
    signal = x[:, real[:4]] @ sign[:4] + 1.5 * np.abs(x[:, real[4:8]]) @ sign[4:8]
    signal = signal + 1.5 * sign[8] * x[:, real[8]] * x[:, real[9]]
    return x, signal + draw.normal(size=ROWS) * signal.std() / 2, np.sort(real)


CHOSEN = {
    **{
        name: SCENARIOS[name]
        for name in ("linear0.5", "linear0.9", "logistic0.5", "logistic0.9", "friedman30", "xor")
    },
    "curved0.5": lambda draw: curved(draw, 0.5),
    "curved0.9": lambda draw: curved(draw, 0.9),
}


def select_taut(x, y, classes, options):
    import keras

    import taut

    layers = [keras.Input((x.shape[1],)), keras.layers.Dense(32, activation="relu")]
    layers += [keras.layers.Dense(classes or 1, activation="softmax" if classes else None)]
    model = keras.Sequential(layers)
    loss = "sparse_categorical_crossentropy" if classes else "mse"
    model.compile(keras.optimizers.Adam(0.01), loss)
    settings = {"epochs": 60, "batch_size": 64, "callbacks": []}
    x, y = x.astype("float32"), y if classes else ((y - y.mean()) / y.std()).astype("float32")
    found = taut.stability_selection(model, x, y, false_selections=options.bound, **settings)
    return found.selected, {"frequency": found.frequency.tolist(), "bound": found.bound}


def select_knockoffs(x, y, classes, options):
    from hidimstat import ModelXKnockoff
    from sklearn.linear_model import LassoCV

    model = ModelXKnockoff(LassoCV(cv=5), preconfigure_lasso_path=False, random_state=0)
    model.fit_importance(x, y.astype(float))
    return np.flatnonzero(model.fdr_selection(options.rate)), {}


def run(system, names, options):
    import sklearn.linear_model  # noqa: F401

    if system == "taut":
        import taut  # noqa: F401
    else:
        import hidimstat  # noqa: F401
    for name in names:
        for seed in range(options.first, options.first + options.draws):
            x, y, real = CHOSEN[name](np.random.default_rng(seed))
            classes = len(np.unique(y)) if np.issubdtype(y.dtype, np.integer) else 0
            x = (x - x.mean(axis=0)) / x.std(axis=0)
            started = time.process_time()
            kept, more = globals()[f"select_{system}"](x, y, classes, options)
            line = {"seconds": time.process_time() - started, "system": system, "scenario": name}
            line |= {
                "seed": seed,
                "kept": [int(k) for k in kept],
                "real": [int(k) for k in real],
                **more,
            }
            print(json.dumps(line), flush=True)


def counts(lines, threshold=None):
    """[draws] false selections and the shares of the real inputs, also at another threshold."""
    false, power = [], []
    for line in lines:
        kept, real = set(line["kept"]), set(line["real"])
        if threshold is not None:
            kept = set(np.flatnonzero(np.array(line["frequency"]) >= threshold).tolist())
        false.append(len(kept - real))
        power.append(len(kept & real) / len(real))
    return np.array(false, float), np.array(power)


def matched(lines, most):
    """The power at the least threshold that has at most so many false selections on average."""
    grid = np.unique(np.concatenate([line["frequency"] for line in lines]))
    for threshold in grid:
        false, power = counts(lines, threshold)
        if false.mean() <= most:
            return threshold, false.mean(), power.mean()
    return np.nan, 0.0, 0.0


def summary(lines):
    columns = ["scenario", "false, taut", "bound", "power, taut", "false, knockoffs"]
    columns += ["power, knockoffs", "taut's power at as many false (threshold)", "CPU seconds"]
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")
    for name in dict.fromkeys(line["scenario"] for line in lines):
        of = {s: [x for x in lines if (x["scenario"], x["system"]) == (name, s)] for s in SYSTEMS}
        cells = [name]
        false, power = {}, {}
        for system, chosen in of.items():
            if chosen:
                false[system], power[system] = counts(chosen)
        for system in false:
            error = false[system].std(ddof=1) / np.sqrt(len(false[system]))
            cells.append(f"{false[system].mean():.2f} ± {error:.2f}")
            if system == "taut":
                cells.append(f"{np.mean([x['bound'] for x in of[system]]):.2f}")
            cells.append(f"{power[system].mean():.2f}")
        if len(false) == 2:
            threshold, _, at = matched(of["taut"], false["knockoffs"].mean())
            cells.append(f"{at:.2f} ({threshold:.2f})")
        cells.append(
            ", ".join(f"{np.mean([x['seconds'] for x in c]):.1f}" for c in of.values() if c)
        )
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="seed of the first draw")
    parser.add_argument("--bound", type=float, default=1.0, help="of taut's false selections")
    parser.add_argument("--rate", type=float, default=0.2, help="of knockoffs' false discoveries")
    parser.add_argument("--systems", default=",".join(SYSTEMS))
    parser.add_argument("--scenarios", default=",".join(CHOSEN))
    parser.add_argument("--out", help="a file to which each line is added, JSON")
    parser.add_argument("--read", help="such a file: its summary, without a run")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        run(options.only, options.scenarios.split(","), options)
        sys.exit()
    lines = []
    if options.read:
        with open(options.read) as file:
            summary([json.loads(text) for text in file])
        sys.exit()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    for system in options.systems.split(","):
        command = [sys.executable, __file__, "--only", system, "--scenarios", options.scenarios]
        command += ["--draws", str(options.draws), "--first", str(options.first)]
        command += ["--bound", str(options.bound), "--rate", str(options.rate)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as job:
            for text in job.stdout:
                lines.append(json.loads(text))
                if options.out:
                    with open(options.out, "a") as file:
                        file.write(text)
        if job.returncode:
            sys.exit(f"{system} ended with {job.returncode}")
    summary(lines)
