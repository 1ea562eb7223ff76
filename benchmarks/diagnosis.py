"""Verdicts and advice of `taut.diagnose` against the truth on 100,000 fresh rows.

    python benchmarks/diagnosis.py --first 0 --draws 20 --out draws.jsonl

A situation is drawn (`taut.diagnosis.situations`), its model trained by Keras, and diagnosed. Truth
is by rule (`diagnosis_truth.py`):

* overfitting: the loss on fresh rows is higher than on the rows learned from by a tenth of what
  looking at no input costs there;
* underfitting: trained for three times the epochs, with twice the units, or without its penalty,
  the model has a twentieth of that less loss on fresh rows, in the mean of three seeds each;
* nothing learned: the model has no less loss on fresh rows than looking at no input, to a
  hundredth of that; where it has a tenth less, something was learned;
* the fault of the data that was planted, if any;
* what every change that was tried gains on fresh rows, in the mean of three seeds.

Where the true gap is so near a tenth that an interval of the true spread over as many held-out
rows holds both sides, either verdict and "too little evidence" are right; likewise a true gain of
freer networks within a factor of two of a twentieth. "About right" is wrong where a leak of rows or
of a column moves the score of the held-out rows by two standard errors. Flipped labels can be told
from a hard problem only where networks are sure, or by held-out labels with which they agree more:
where the diagnosis says that it cannot tell, it is not judged, and how often is counted beside.

Each draw is a line of `--out`. The same command goes on after the last one; `--out` alone counts.
`--fault label_noise` takes only draws with this fault, and asks whether it is found: no truth on
fresh rows is needed for that. `--peers skore` asks skore's checks (https://skore.probabl.ai, to be
installed) on every draw of `--out`; its lines stand beside it, and the same truth judges them.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from pathlib import Path

import taut  # isort: skip (before Keras, whose backend it picks)
import keras
import numpy as np
from diagnosis_counts import found_faults, judge, peers_summary, summary
from diagnosis_truth import losses_of, truth

from taut.diagnosis.situations import FAULTS, situation


def draw_of(seed: int, fault_alone: bool = False) -> dict:
    """A situation, what `taut.diagnose` says of it, and the truth unless the fault is enough."""
    keras.utils.set_random_seed(seed)
    made = situation(seed)
    model = made.build()
    begun = time.process_time()
    model.fit(made.x, made.y, epochs=made.epochs, verbose=0)
    fitted = time.process_time()
    found = taut.diagnose(
        model, made.x, made.y, validation=made.validation, groups=made.groups, callbacks=[]
    )
    spent = time.process_time()
    line = {
        "seed": seed,
        "words": made.words,
        "fault": made.fault,
        "codes": found.codes,
        "tried": [[a.code, a.what, a.gain, a.low, a.high, a.clear] for a in found.tried],
        "left_out": found.left_out,
    }
    if fault_alone:
        return line | {"seconds": [fitted - begun, spent - fitted, 0.0]}
    without = [int(name.split()[-1]) for name in found.without_inputs]
    true = truth(made, model, found.tried, without, seed)
    held_out = losses_of(model, *made.validation)
    moved = _moved(made, model, held_out, seed)
    seconds = [fitted - begun, spent - fitted, time.process_time() - spent]
    return line | {"true": true, "moved": moved, "seconds": seconds}


def peers_of(lines: list[dict], path: Path) -> list[dict]:
    """What skore says of the draws, of the same models from the same seeds."""
    from diagnosis_skore import skore_line

    known = read(path)
    done = {line["seed"] for line in known}
    for seed in (line["seed"] for line in lines if line["seed"] not in done):
        line = skore_line(seed)
        known.append(line)
        append(path, line)
        print(f"skore {seed:4d} {', '.join(line['codes'])}  {line['seconds']:.1f} s", flush=True)
    return known


def _moved(made, model, held_out: np.ndarray, seed: int) -> float:
    """By how many standard errors the held-out score is better than that of fresh rows."""
    fresh = losses_of(model, *made.fresh(20_000, seed + 1)).mean()
    return float((fresh - held_out.mean()) / (held_out.std() / np.sqrt(len(held_out)) + 1e-12))


def shown(line: dict) -> str:
    wrong = [name for name, value in judge(line).items() if not value]
    gains = line["true"]["gains"]
    broken = [
        f"{code} {gain:.3g} ({low:.3g} to {high:.3g}) truly {gains[code]:.3g}"
        for code, _, gain, low, high, promised in line["tried"]
        if (promised and gains[code] <= 0) or not low <= gains[code] <= high
    ]
    fit, diagnosed, checked = line["seconds"]
    return (
        f"{line['seed']:4d} {line['words']}\n     {fit:.1f} {diagnosed:.1f} {checked:.1f} s  "
        f"gap {line['true']['gap']:.3f}  gain {line['true']['gain']:.3f}: "
        f"{', '.join(line['codes'])}  {'WRONG: ' + ', '.join(wrong) if wrong else 'right'}"
        + "".join(f"\n       {text}" for text in broken)
    )


def read(path: Path) -> list[dict]:
    return (
        [json.loads(text) for text in path.read_text("utf-8").splitlines()] if path.exists() else []
    )


def append(path: Path, line: dict) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--draws", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("diagnosis_draws.jsonl"))
    parser.add_argument("--fault", choices=FAULTS, help="only its draws, and whether it is found")
    parser.add_argument("--peers", choices=("skore",))
    options = parser.parse_args()
    lines = read(options.out)
    done = {line["seed"] for line in lines}
    seeds = itertools.count(options.first)
    if options.fault:
        seeds = (seed for seed in seeds if situation(seed).fault == options.fault)
    for seed in itertools.islice(seeds, options.draws):
        if seed in done:
            continue
        line = json.loads(json.dumps(draw_of(seed, bool(options.fault))))
        lines.append(line)
        append(options.out, line)
        told = f"{seed} {line['words']}: {', '.join(line['codes'])}"
        print(told if options.fault else shown(line), flush=True)
    if options.fault:
        print(json.dumps(found_faults(lines), indent=1))
    elif lines:
        print(json.dumps(summary(lines), indent=1))
    if lines and options.peers and not options.fault:
        peers = peers_of(lines, options.out.with_suffix(".skore.jsonl"))
        print(json.dumps(peers_summary(lines, peers), indent=1))


if __name__ == "__main__":
    main()
