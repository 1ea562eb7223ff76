"""Advice of `taut.diagnose` on real tables, against rows that nothing has seen.

    pip install -e '.[bench]' && python benchmarks/diagnosis_tables.py --out tables.jsonl

Twelve real tables (`real_tables.py`). Of each, 120, 240 or 480 rows are drawn to learn from (a
third where there are few), as many further ones ("twice the rows"), and up to 10,000 fresh. Two
networks of each, one of many units and epochs and one of few, are diagnosed on the rows to learn
from alone; what every change gains is measured by training again on all of them, in the mean of
three or five seeds, on the fresh rows. The same command goes on after the last line of `--out`.
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
from real_tables import REAL_TABLES

from taut.diagnosis.situations import Situation

ROWS, FRESH_ROWS = (120, 240, 480), 10_000
NETWORKS = {"large": (64, 60), "small": (4, 5)}


def made_of(table: str, units: int, epochs: int, seed: int) -> Situation:
    """A part of a table, as a situation."""
    x, y, classified = REAL_TABLES[table](seed)
    order = np.random.default_rng([seed, 1]).permutation(len(x))
    rows = min(ROWS[seed % len(ROWS)], len(x) // 3)
    part, more, fresh = np.split(order, [rows, 2 * rows])
    fresh = fresh[:FRESH_ROWS]
    middle, spread = x[part].mean(axis=0), x[part].std(axis=0) + 1e-9
    x = np.clip((x - middle) / spread, -10, 10).astype("float32")
    if classified:
        classes, y = len(np.unique(y)), y.astype("int32")
    else:
        classes, y = 1, ((y - y[part].mean()) / y[part].std()).astype("float32")

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
                keras.layers.Dense(classes, "softmax" if classified else None),
            ]
        )
        adam = keras.optimizers.Adam(3e-3)
        optimizer = adam if penalty is None else taut.Proximal(adam, penalty)
        model.compile(optimizer, "sparse_categorical_crossentropy" if classified else "mse")
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
    for seed, table in enumerate(REAL_TABLES):
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
