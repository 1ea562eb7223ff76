"""Counts over drawn situations, for `diagnosis.py`: right, found, told, and promises kept."""

from __future__ import annotations

import numpy as np

from taut._mean_loss import wilson
from taut.diagnosis.situations import FAULTS
from taut.diagnosis.verdicts import MATERIAL_GAIN, MATERIAL_GAP

NOTHING = 0.01
STATES = ("overfitting", "underfitting", "nothing_learned", *FAULTS)


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


def counted(hits: list[bool]) -> str:
    low, high = wilson(sum(hits) / len(hits), len(hits)) if hits else (0.0, 1.0)
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


def found_faults(lines: list[dict]) -> dict:
    """How often a planted fault is found; of flipped labels, where it says that it can tell."""
    table = {}
    for fault in sorted({line["fault"] for line in lines}):
        some = [line for line in lines if line["fault"] == fault]
        told = [line for line in some if fault != "label_noise" or labels_told(line)]
        table[fault] = {
            "told": counted([line in told for line in some]),
            "found where told": counted([fault in line["codes"] for line in told]),
        }
    return table


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
