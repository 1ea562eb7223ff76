"""L2, dropout and flips on few images of Fashion-MNIST, all chosen by taut, against early stopping.

    apt-get install dataset-fashion-mnist; pip install -e . && python benchmarks/images.py

A network of three convolutions (16, 32 and 64 filters, 3×3, each with a pooling of 2×2) and a dense
layer of 64, Adam with a cosine schedule, batch 32, 50 epochs (25 from 5,000 rows on); `--rows` of
the 60,000 training images, drawn by the seed; all figures are on the 10,000 test images.
`taut.choose_model` trains on halves, and chooses among three models (plain, dropout, dropout and
flips) × 10 strengths of L2; the plain model's own choice is in it. Beside it in the same run,
trained on all rows: the plain network at all ten strengths, so that the best in hindsight is known;
no penalty; dropout and flips alone; a support vector classifier (RBF) whose C is chosen by five
folds. And early stopping twice, each with the schedule and with Adam's constant rate of 0.001: as
one can, on a fifth of the rows that is held out, which also says at which of the two rates; and in
hindsight, trained on all rows, at the epoch and the rate that are best on 2,000 of the test images.
A line of JSON a seed; `--summary` prints means with paired intervals.

    python benchmarks/images.py --seeds 10 >> images.jsonl
    python benchmarks/images.py --summary images.jsonl
"""

import argparse
import gzip
import json
import os
import time
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import taut  # isort: skip (before JAX starts)
import keras
import numpy as np
from keras import layers

from taut.engine import Lane, Split, predict_lanes, train_lanes

HOME = Path("/usr/share/datasets/fashion-mnist")
STRENGTHS = np.geomspace(0.1, 1e-4, 10)
BATCH, STOP_ROWS, HELD_OUT = 32, 2000, 0.2
CHOSEN = {"plain": (), "dropout": ("dropout",), "both": ("dropout", "flips")}
ALONE = {"plain": (), "dropout": ("dropout",), "flips": ("flips",)}


def images(part):
    x = gzip.decompress((HOME / f"{part}-images-idx3-ubyte.gz").read_bytes())
    y = gzip.decompress((HOME / f"{part}-labels-idx1-ubyte.gz").read_bytes())
    x = np.frombuffer(x, np.uint8, offset=16).reshape(-1, 28, 28, 1)
    return x, np.frombuffer(y, np.uint8, offset=8).astype("int32")


def network(parts, rate, penalty=None):
    """Compiled; `parts` has "dropout", "flips", both or none."""
    convolutions = [
        layer
        for filters in (16, 32, 64)
        for layer in (
            layers.Conv2D(filters, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
        )
    ]
    flips = [layers.RandomFlip("horizontal")] if "flips" in parts else []
    drop = (lambda: [layers.Dropout(0.3)]) if "dropout" in parts else list
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Rescaling(1 / 255),
            *flips,
            *convolutions,
            layers.Flatten(),
            *drop(),
            layers.Dense(64, activation="relu"),
            *drop(),
            layers.Dense(10),
        ]
    )
    optimizer = keras.optimizers.Adam(rate)
    model.compile(
        optimizer if penalty is None else taut.Proximal(optimizer, penalty),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def scores(logits, y):
    """Log-loss, accuracy, and how far confidence is from accuracy over 15 bins of confidence."""
    logits = np.asarray(logits, float)
    logits = logits - logits.max(axis=1, keepdims=True)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return of_shares(shares, y)


def of_shares(shares, y):
    sure, right = shares.max(axis=1), shares.argmax(axis=1) == y
    bins = np.minimum((sure * 15).astype(int), 14)
    apart = [abs((sure - right)[bins == k].sum()) for k in range(15)]
    loss = -np.log(np.maximum(shares[np.arange(len(y)), y], 1e-12)).mean()
    return [float(loss), float(right.mean()), float(sum(apart) / len(y))]


def support_vectors(x, y, x_test, y_test, seed):
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.model_selection import GridSearchCV
    from sklearn.svm import SVC

    x, x_test = x.reshape(len(x), -1) / 255, x_test.reshape(len(x_test), -1) / 255
    search = GridSearchCV(SVC(), {"C": [1, 3, 10, 30]}, cv=5).fit(x, y)
    honest = CalibratedClassifierCV(search.best_estimator_, ensemble=False, cv=5).fit(x, y)
    found = of_shares(honest.predict_proba(x_test), y_test)
    # The probabilities are the calibrated ones, the accuracy is the classifier's own.
    found[1] = float((search.predict(x_test) == y_test).mean())
    return found


class Systems:
    """Models that are compiled once, and what they reach on the rows of a seed."""

    def __init__(self, rows):
        self.epochs = 50 if rows < 5000 else 25

        def schedule(rows=rows):
            steps = self.epochs * -(-rows // BATCH)
            return keras.optimizers.schedules.CosineDecay(2e-3, steps)

        self.models = {name: network(parts, schedule()) for name, parts in CHOSEN.items()}
        self.lanes = {
            name: network(parts, schedule(), taut.L2(0.0)) for name, parts in ALONE.items()
        }
        self.stopped = [network((), rate) for rate in (schedule(), 1e-3)]
        kept = rows - int(HELD_OUT * rows)
        self.stopped_early = [network((), rate) for rate in (schedule(kept), 1e-3)]

    def peers(self, x, y, x_test, y_test, seed):
        """What is trained on all rows, and the support vectors."""
        everything = [Split(np.arange(len(y)))]
        out = {}

        def trained(model, lanes, x=x, y=y, splits=everything, **options):
            record = train_lanes(
                model, x, y, lanes, splits=splits, epochs=self.epochs, batch_size=BATCH, **options
            )
            return [scores(found, y_test) for found in predict_lanes(model, record, x_test)]

        began = time.process_time()
        grid = trained(self.lanes["plain"], [Lane(float(s), seed=seed) for s in [*STRENGTHS, 0.0]])
        out["grid"], out["no penalty"] = grid[:-1], grid[-1]
        out["grid_seconds"] = time.process_time() - began
        for name in ("dropout", "flips"):
            out[name] = trained(self.lanes[name], [Lane(0.0, seed=seed)])[0]
        more_x, more_y = (np.concatenate(p) for p in ((x, x_test), (y, y_test)))
        stop = [Split(np.arange(len(y)), len(y) + np.arange(STOP_ROWS))]
        out["stopped, schedule"], out["stopped, constant"] = [
            trained(m, [Lane(seed=seed)], more_x, more_y, stop, keep_best=True)[0]
            for m in self.stopped
        ]
        out["stopped, held out"] = self.early_stopping(x, y, x_test, y_test, seed)
        out["SVC"] = support_vectors(x, y, x_test, y_test, seed)
        return out

    def early_stopping(self, x, y, x_test, y_test, seed):
        """At the epoch and the rate that are best on a fifth of the rows."""
        held_out = np.random.default_rng(seed).permutation(len(y)) < int(HELD_OUT * len(y))
        split = [Split(np.flatnonzero(~held_out), np.flatnonzero(held_out))]
        records = [
            train_lanes(
                model,
                x,
                y,
                [Lane(seed=seed)],
                splits=split,
                epochs=self.epochs,
                batch_size=BATCH,
                keep_best=True,
            )
            for model in self.stopped_early
        ]
        best = int(np.argmin([float(record.kept_losses()[1].mean()) for record in records]))
        return scores(predict_lanes(self.stopped_early[best], records[best], x_test)[0], y_test)

    def choice(self, x, y, x_test, y_test, seed):
        """What taut chooses, and what it reaches."""
        began = time.process_time()
        choice = taut.choose_model(
            self.models,
            x,
            y,
            strengths=STRENGTHS,
            epochs=self.epochs,
            batch_size=BATCH,
            seed=seed,
            callbacks=(),
        )
        return {
            "choice_seconds": time.process_time() - began,
            "model": choice.best_model,
            "strength": choice.best_strength,
            "trainings": choice.trainings,
            "all": scores(choice.model.predict(x_test, batch_size=1000, verbose=0), y_test),
            "plain_strength": float(choice.best_of("plain")["strength"]),
            "tried": choice.table[["model", "strength", "fold", "held_out_loss"]].values.tolist(),
        }


def interval(values):
    from scipy import stats

    values = np.asarray(values, float)
    mean = values.mean()
    if len(values) < 2:
        return f"{mean:+.4f} (one seed)"
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{mean:+.4f} ({mean - half:+.4f} to {mean + half:+.4f})"


def summarise(lines):
    for rows in sorted({line["rows"] for line in lines}):
        some = [line for line in lines if line["rows"] == rows]
        print(f"{rows:,} rows, {len(some)} seeds")
        for line in some:
            # The same lane as in the grid: strength, seed and rows are the same.
            line["L2"] = line["grid"][np.argmin(np.abs(STRENGTHS - line["plain_strength"]))]
            line["stopped"] = min(
                line["stopped, schedule"], line["stopped, constant"], key=lambda s: s[0]
            )
        held = "stopped, held out"
        names = ["no penalty", held, "stopped", "L2", "dropout", "flips", "all", "SVC"]
        for name in names:
            loss, accuracy, apart = np.mean([line[name] for line in some], axis=0)
            print(f"  {name:17} log-loss {loss:.4f}  accuracy {accuracy:.4f}  ECE {apart:.3f}")
        losses = np.array([[s[0] for s in line["grid"]] for line in some])
        print("  grid        ", " ".join(f"{v:.3f}" for v in losses.mean(axis=0)))
        get = lambda name, k=0, some=some: np.array([line[name][k] for line in some])  # noqa: E731
        print(
            "  L2 less the best strength of each seed  ", interval(get("L2") - losses.min(axis=1))
        )
        common = losses[:, losses.mean(axis=0).argmin()]
        print("  L2 less the one strength best for all   ", interval(get("L2") - common))
        for name in ("no penalty", held, "stopped"):
            print(f"  L2 less {name:32}", interval(get("L2") - get(name)))
        for name in (held, "stopped", "L2", "dropout", "flips"):
            print(f"  all less {name:31}", interval(get("all") - get(name)))
        for name in ("L2", "all"):
            print(
                f"  accuracy of {name} less the SVC's {'':12}",
                interval(get(name, 1) - get("SVC", 1)),
            )
        of_plain = [np.mean([t[0] == "plain" for t in line["tried"]]) for line in some]
        prices = np.array([line["trainings"] for line in some])
        print("  trainings to choose L2:", np.round(prices * of_plain, 1).tolist())
        print("  trainings to choose all:", np.round(prices, 1).tolist())
        print("  chosen:", [(line["model"], round(line["strength"], 4)) for line in some])
        print(
            "  seconds of CPU, grid of 10 and 0:",
            np.mean([x["grid_seconds"] for x in some]).round(1),
        )
        print(
            "  seconds of CPU, choice and training:",
            np.mean([x["choice_seconds"] for x in some]).round(1),
        )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--part", choices=["peers", "choice"], help="one half alone")
    parser.add_argument("--summary", type=Path)
    arguments = parser.parse_args()
    if arguments.summary:
        merged = {}
        for line in map(json.loads, arguments.summary.read_text().splitlines()):
            merged.setdefault((line["rows"], line["seed"]), {}).update(line)
        summarise([line for line in merged.values() if "grid" in line and "all" in line])
        return
    x, y = images("train")
    x_test, y_test = images("t10k")
    systems = Systems(arguments.rows)
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        some = np.random.default_rng(seed).permutation(len(y))[: arguments.rows]
        line = {"rows": arguments.rows, "seed": seed}
        for part in [arguments.part] if arguments.part else ["peers", "choice"]:
            line |= getattr(systems, part)(x[some], y[some], x_test, y_test, seed)
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
