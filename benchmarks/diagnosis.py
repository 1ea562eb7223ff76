"""Verdicts of `taut.diagnose` against the truth on 100,000 fresh rows.

    python benchmarks/diagnosis.py --first 0 --draws 20

A situation is drawn (`taut.diagnosis.situations`), its model trained by Keras, and diagnosed. Truth
is by rule:

* overfitting: the loss on fresh rows is higher than on the rows learned from by a tenth of what
  looking at no input costs there;
* underfitting: trained for three times the epochs, with twice the units, or without its penalty,
  the model has a twentieth of that less loss on fresh rows, in the mean of three seeds each;
* the fault of the data that was planted, if any.

Where the true gap is so near a tenth that an interval of the true spread over as many held-out
rows holds both sides, either verdict and "too little evidence" are right; likewise a true gain of
freer networks within a factor of two of a twentieth.
"""

from __future__ import annotations

import argparse
import json
import time

import keras
import numpy as np

import taut
from taut.diagnosis.situations import FAULTS, Situation, situation
from taut.diagnosis.verdicts import MATERIAL_GAIN, MATERIAL_GAP
from taut.objective.row_losses import RowLosses, base_losses

FRESH = 100_000
SEEDS = 3


def truth(made: Situation, model, seed: int) -> dict:
    """What is the case, by the rules above."""
    x, y = made.fresh(FRESH, seed)
    fresh = losses_of(model, x, y)
    learned = losses_of(model, made.x, made.y).mean()
    unit = base_losses(model, x, y, made.y).mean()
    gap, spread = fresh.mean() - learned, fresh.std() / np.sqrt(len(made.validation[1]))
    freer = {"longer": (1.0, 3, False), "larger": (2.0, 1, False)}
    if hasattr(model.optimizer, "strengths"):
        freer["unpenalised"] = (1.0, 1, True)
    as_is = mean_loss(made, x, y, 1.0, 1, False)
    gains = {name: as_is - mean_loss(made, x, y, *change) for name, change in freer.items()}
    return {
        "gap": float(gap / unit),
        "spread": float(spread / unit),
        "gain": max(gains.values()) / float(unit),
        "gains": gains,
        "fresh": float(fresh.mean()),
        "unit": float(unit),
    }


def mean_loss(made: Situation, x, y, factor: float, times: int, free: bool) -> float:
    """The loss on fresh rows of the model trained so, the mean over seeds: not one seed's luck."""
    other = made.build(factor)
    other.optimizer.build(other.trainable_variables)
    strengths = [0.0 if free else s for s in getattr(other.optimizer, "compiled_strengths", ())]
    lanes = [taut.engine.Lane(strengths, seed=100 + seed) for seed in range(SEEDS)]
    record = taut.train_lanes(other, made.x, made.y, lanes, epochs=times * made.epochs)
    trained = (record.give_weights(lane, other) for lane in range(SEEDS))
    return float(np.mean([losses_of(model, x, y).mean() for model in trained]))


def losses_of(model, x, y) -> np.ndarray:
    return RowLosses(model, x[:8], y[:8])(y, model.predict(x, batch_size=4096, verbose=0))


def judge(true: dict, fault: str, codes: tuple[str, ...]) -> dict[str, bool]:
    """Whether each verdict is right; only those of which the truth is not on the border."""
    right = {}
    leak = fault.startswith("leak") or fault == "shift"
    near = abs(true["gap"] - MATERIAL_GAP) < 1.96 * true["spread"]
    if not leak and not near:
        right["overfitting"] = ("overfitting" in codes) == (true["gap"] > MATERIAL_GAP)
    if not leak and not MATERIAL_GAIN / 2 < true["gain"] < 2 * MATERIAL_GAIN:
        right["underfitting"] = ("underfitting" in codes) == (true["gain"] > MATERIAL_GAIN)
    for code in FAULTS:
        right[code] = (code in codes) == (code == fault)
    if fault:
        right["not about right"] = "about_right" not in codes
    return right


def wilson(hits: int, count: int) -> tuple[float, float]:
    z, share = 1.96, hits / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * np.sqrt(share * (1 - share) / count + z * z / (4 * count**2)) / (1 + z * z / count)
    return middle - half, middle + half


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--draws", type=int, default=20)
    options = parser.parse_args()
    lines = []
    for seed in range(options.first, options.first + options.draws):
        keras.utils.set_random_seed(seed)
        made = situation(seed)
        model = made.build()
        model.fit(made.x, made.y, epochs=made.epochs, verbose=0)
        begun = time.process_time()
        found = taut.diagnose(
            model, made.x, made.y, validation=made.validation, groups=made.groups, callbacks=[]
        )
        spent = time.process_time() - begun
        true = truth(made, model, seed)
        right = judge(true, made.fault, found.codes)
        promised = []
        for advice in found.advice:
            if advice.code in true["gains"]:
                gain = true["gains"][advice.code]
                promised.append((advice.code, gain > 0, advice.low <= gain <= advice.high))
        lines.append(
            {
                "right": right,
                "true": true,
                "codes": found.codes,
                "fault": made.fault,
                "promised": promised,
            }
        )
        wrong = [name for name, value in right.items() if not value]
        print(
            f"{seed:4d} {spent:5.1f} s  gap {true['gap']:6.3f}  gain {true['gain']:6.3f}  "
            f"{', '.join(found.codes):50s}  {'WRONG: ' + ', '.join(wrong) if wrong else 'right'}  "
            f"({made.words})",
            flush=True,
        )
    print(json.dumps(summary(lines), indent=1))


def summary(lines: list[dict]) -> dict:
    """Of each verdict: how often it is right, how often it is found where it holds, and alarms."""
    table = {}
    for code in sorted({name for line in lines for name in line["right"]}):
        of_code = [line["right"][code] for line in lines if code in line["right"]]
        low, high = wilson(sum(of_code), len(of_code))
        table[code] = f"{sum(of_code)} of {len(of_code)} right ({low:.2f} to {high:.2f})"
    whole = [all(line["right"].values()) for line in lines]
    table["all of a situation"] = f"{sum(whole)} of {len(whole)}"
    promises = [p for line in lines for p in line["promised"]]
    table["promised gains"] = (
        f"{sum(p[1] for p in promises)} of {len(promises)} of the right sign, "
        f"{sum(p[2] for p in promises)} inside their interval"
    )
    return table


if __name__ == "__main__":
    main()
