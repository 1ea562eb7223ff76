"""Advice of `taut.diagnose` on real tables, against rows that nothing has seen.

    python benchmarks/diagnosis_tables.py --out tables.jsonl

Each table of scikit-learn is cut into thirds: rows to learn from, further rows ("twice the rows"),
and fresh rows. Two networks of each, one of many units and epochs and one of few, are diagnosed on
the first third alone; what every change gains is measured by training again on all of it, in the
mean of three or five seeds, on the last third.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import taut  # isort: skip (before Keras, whose backend it picks)
import keras
import numpy as np
from diagnosis_counts import counted
from diagnosis_truth import gains_of
from sklearn import datasets

from taut.diagnosis.situations import Situation

TABLES = ("breast_cancer", "diabetes", "wine", "digits", "iris")
NETWORKS = {"large": (64, 60), "small": (4, 5)}


def made_of(table: str, units: int, epochs: int, seed: int) -> Situation:
    """A table in thirds, as a situation."""
    x, y = getattr(datasets, f"load_{table}")(return_X_y=True)
    numbers = table == "diabetes"
    order = np.random.default_rng(seed).permutation(len(x))
    part, more, fresh = np.array_split(order, 3)
    middle, spread = x[part].mean(axis=0), x[part].std(axis=0) + 1e-9
    x = np.clip((x - middle) / spread, -10, 10).astype("float32")
    y = ((y - y[part].mean()) / y[part].std()).astype("float32") if numbers else y.astype("int32")
    classes = 1 if numbers else len(np.unique(y))

    def build(factor: float = 1.0, *, penalty=None, dropout: float = 0.0):
        width = max(1, round(units * factor))
        dropped = [[keras.layers.Dropout(dropout)] if dropout else [] for _ in range(2)]
        model = keras.Sequential(
            [
                keras.Input((x.shape[1],)),
                keras.layers.Dense(width, "relu"),
                *dropped[0],
                keras.layers.Dense(width, "relu"),
                *dropped[1],
                keras.layers.Dense(classes, None if numbers else "softmax"),
            ]
        )
        adam = keras.optimizers.Adam(3e-3)
        optimizer = adam if penalty is None else taut.Proximal(adam, penalty)
        model.compile(optimizer, "mse" if numbers else "sparse_categorical_crossentropy")
        return model

    def rows(at: np.ndarray):
        return lambda count, seed: (x[at], y[at])

    words = f"{table}, {len(part)} rows × {x.shape[1]}, {units} units, {epochs} epochs"
    held = x[fresh], y[fresh]
    return Situation(
        x[part], y[part], held, None, epochs, 0.0, "", build, rows(fresh), rows(more), words
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("diagnosis_tables.jsonl"))
    options = parser.parse_args()
    lines = []
    if options.out.exists():
        lines = [json.loads(text) for text in options.out.read_text("utf-8").splitlines()]
    done = {line["words"] for line in lines}
    for seed, table in enumerate(TABLES):
        for units, epochs in NETWORKS.values():
            made = made_of(table, units, epochs, seed)
            if made.words in done:
                continue
            keras.utils.set_random_seed(seed)
            model = made.build()
            model.fit(made.x, made.y, epochs=epochs, verbose=0)
            found = taut.diagnose(model, made.x, made.y, callbacks=[])
            without = [int(name.split()[-1]) for name in found.without_inputs]
            gains, errors = gains_of(made, found.tried, without, seed)
            tried = [[a.code, a.gain, a.low, a.high, a.clear] for a in found.tried]
            lines.append({"words": made.words, "codes": found.codes, "tried": tried})
            lines[-1] |= {"gains": gains, "errors": errors}
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(lines[-1]) + "\n")
            print(made.words, found.codes)
            for code, gain, low, high, clear in tried:
                sure = "clear" if clear else ""
                found_gain = f"{gain:8.3g} ({low:.3g} to {high:.3g})"
                print(f"  {code:12s} {found_gain} truly {gains[code]:.3g} {sure}")
    clear = [line["gains"][t[0]] > 0 for line in lines for t in line["tried"] if t[4]]
    cover = [[t[2] <= line["gains"][t[0]] <= t[3], t[4]] for line in lines for t in line["tried"]]
    print("clear: sign holds", counted(clear))
    print("clear: interval covers", counted([c for c, sure in cover if sure]))
    print("all tried: interval covers", counted([c for c, _ in cover]))


if __name__ == "__main__":
    main()
