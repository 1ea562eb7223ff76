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
`--peers skore` asks skore's checks (https://skore.probabl.ai, to be installed) on every draw of
`--out`; its lines stand in a file beside it, and the same truth judges them.
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
from diagnosis_truth import losses_of, truth

from taut.diagnosis.situations import FAULTS, situation
from taut.diagnosis.verdicts import MATERIAL_GAIN, MATERIAL_GAP

NOTHING = 0.01
STATES = ("overfitting", "underfitting", "nothing_learned", *FAULTS)


def draw_of(seed: int) -> dict:
    """A situation, what `taut.diagnose` says of it, and the truth."""
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
    without = [int(name.split()[-1]) for name in found.without_inputs]
    true = truth(made, model, found.tried, without, seed)
    held_out = losses_of(model, *made.validation)
    return {
        "seed": seed,
        "words": made.words,
        "fault": made.fault,
        "codes": found.codes,
        "true": true,
        "moved": _moved(made, model, held_out, seed),
        "tried": [[a.code, a.what, a.gain, a.low, a.high, a.clear] for a in found.tried],
        "left_out": found.left_out,
        "seconds": [fitted - begun, spent - fitted, time.process_time() - spent],
    }


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


def peers_summary(lines: list[dict], peers: list[dict]) -> dict:
    """Of each state that skore knows: right and found, and taut's on the very same draws."""
    from diagnosis_skore import KNOWN

    of_seed, table = {peer["seed"]: peer for peer in peers}, {}
    for code in KNOWN:
        both = [(line, of_seed[line["seed"]]) for line in lines if line["seed"] in of_seed]
        asked = [(line, peer) for line, peer in both if code not in peer["unchecked"]]
        for name in ("taut", "skore"):
            right, found = [], []
            for line, peer in asked:
                codes = line["codes"] if name == "taut" else peer["codes"]
                verdict = judge(line | {"codes": codes}).get(code)
                if verdict is not None:
                    right.append(verdict)
                    found += [verdict] if (code in codes) == verdict else []
            table[f"{code}, {name}"] = f"right {counted(right)}; found {counted(found)}"
    table["skore's CPU seconds, median"] = float(np.median([peer["seconds"] for peer in peers]))
    return table


def _moved(made, model, held_out: np.ndarray, seed: int) -> float:
    """By how many standard errors the held-out score is better than that of fresh rows."""
    fresh = losses_of(model, *made.fresh(20_000, seed + 1)).mean()
    return float((fresh - held_out.mean()) / (held_out.std() / np.sqrt(len(held_out)) + 1e-12))


def judge(line: dict) -> dict[str, bool]:
    """Whether each verdict is right; only those of which the truth is not on the border."""
    true, fault, codes, right = line["true"], line["fault"], line["codes"], {}
    leak = fault.startswith("leak") or fault == "shift"
    near = abs(true["gap"] - MATERIAL_GAP) < 1.96 * true["spread"]
    if not leak and not near:
        right["overfitting"] = ("overfitting" in codes) == (true["gap"] > MATERIAL_GAP)
    if not leak and not MATERIAL_GAIN / 2 < true["gain"] < 2 * MATERIAL_GAIN:
        right["underfitting"] = ("underfitting" in codes) == (true["gain"] > MATERIAL_GAIN)
    learned = 1 - true["fresh"]
    if not leak and not NOTHING < learned < MATERIAL_GAP:
        right["nothing_learned"] = ("nothing_learned" in codes) == (learned <= NOTHING)
    for code in FAULTS:
        if code != "label_noise" or labels_told(line):
            right[code] = (code in codes) == (code == fault)
    if fault.startswith("leak") and line["moved"] > 2:
        right["not about right"] = "about_right" not in codes
    return right


def labels_told(line: dict) -> bool:
    """Whether the diagnosis says that labels are wrong, or that they are not."""
    untold = any(text.startswith("Labels that look wrong") for text in line["left_out"])
    return "label_noise" in line["codes"] or not untold


def wilson(hits: int, count: int) -> tuple[float, float]:
    z, share = 1.96, hits / max(count, 1)
    if not count:
        return 0.0, 1.0
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * np.sqrt(share * (1 - share) / count + z * z / (4 * count**2)) / (1 + z * z / count)
    return middle - half, middle + half


def counted(hits: list[bool]) -> str:
    low, high = wilson(sum(hits), len(hits))
    return f"{sum(hits)} of {len(hits)} ({low:.2f} to {high:.2f})"


def summary(lines: list[dict]) -> dict:
    """How often each verdict is right, states are found, and promises hold; with Wilson bounds."""
    judged = [judge(line) for line in lines]
    table: dict = {"right": {}, "found where it holds": {}}
    for code in sorted({name for right in judged for name in right}):
        table["right"][code] = counted([right[code] for right in judged if code in right])
    together = [value for right in judged for value in right.values()]
    table["right"]["all verdicts"] = counted(together)
    table["right"]["all of a situation"] = counted([all(right.values()) for right in judged])
    for code in STATES:
        holds = [
            right[code]
            for line, right in zip(lines, judged, strict=True)
            if code in right and (code in line["codes"]) == right[code]
        ]
        table["found where it holds"][code] = counted(holds)
    flipped = [line for line in lines if line["fault"] == "label_noise"]
    others = [line for line in lines if line not in flipped and "numbers" not in line["words"]]
    for name, some in (("flipped", flipped), ("not flipped", others)):
        table[f"labels {name}: told"] = counted([labels_told(line) for line in some])
    clean = [line for line in lines if not line["fault"]]
    alarms = [bool(set(FAULTS) & set(line["codes"])) for line in clean]
    table["false alarms of a fault"] = counted(alarms)
    for name, faulty in (("without a fault", False), ("with a fault", True)):
        some = [line for line in lines if bool(line["fault"]) == faulty]
        table[f"advice, {name}"] = promises(some)
    seconds = np.array([line["seconds"] for line in lines])
    table["trainings' CPU time"] = {
        "median": float(np.median(seconds[:, 1] / seconds[:, 0])),
        "most": float((seconds[:, 1] / seconds[:, 0]).max()),
    }
    return table


def promises(lines: list[dict]) -> dict:
    """Of what was tried: whether gains called clear have the true sign, and intervals cover."""
    clear, covered, by_code = [], [], {}
    for line in lines:
        for code, _, _, low, high, promised in line["tried"]:
            if code not in line["true"]["gains"]:
                raise SystemExit(f"The truth of {code!r} is not known: a kind of advice is new.")
            gain = line["true"]["gains"][code]
            # The truth is a mean over seeds, and has a standard error of its own.
            inside = low - 2 * line["true"]["errors"][code] <= gain
            inside &= gain <= high + 2 * line["true"]["errors"][code]
            strict = low <= gain <= high
            covered.append((strict, inside))
            if promised:
                clear.append((gain > 0, strict, inside))
            of_code = by_code.setdefault(code, [[], []])
            of_code[0] += [gain > 0] if promised else []
            of_code[1].append(strict)
    return {
        "clear: sign holds": counted([c[0] for c in clear]),
        "clear: interval covers": counted([c[1] for c in clear]),
        "clear: covers but for the seeds' error of the truth": counted([c[2] for c in clear]),
        "all tried: interval covers": counted([c[0] for c in covered]),
        "by code, sign of the clear; cover of all": {
            code: f"{sum(a)} of {len(a)}; {sum(b)} of {len(b)}" for code, (a, b) in by_code.items()
        },
    }


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
    parser.add_argument("--fault", choices=FAULTS, help="only draws with this fault")
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
        line = json.loads(json.dumps(draw_of(seed)))
        lines.append(line)
        append(options.out, line)
        print(shown(line), flush=True)
    if lines:
        print(json.dumps(summary(lines), indent=1))
    if lines and options.peers:
        peers = peers_of(lines, options.out.with_suffix(".skore.jsonl"))
        print(json.dumps(peers_summary(lines, peers), indent=1))


if __name__ == "__main__":
    main()
