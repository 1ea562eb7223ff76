"""Makes run directories as `taut fit` writes them, without fitting anything."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd

EVIL = "<script>alert(1)</script>"
NASTY = [
    EVIL,
    '"><img src=x onerror=alert(2)>',
    "a & b 'quoted' \"twice\"",
    "{{ 7 * 7 }}{% raw %}",
    "control \x1b[31mred\x07 characters",
    "\u202egnp.exe right to left",
    "two\nlines\r\nand\ttabs",
    "NA",
    "",
    "αβγ 特徴 é 👩‍🔬",
    "x" * 300,
    "a rather long name of a column, as questionnaires have them: how often did you, all in all, "
    "think of it during the last four weeks?",
    "]]> </style></svg>",
]
METRICS = {
    "binary": ["log_loss", "accuracy", "roc_auc"],
    "multiclass": ["log_loss", "accuracy"],
    "regression": ["rmse", "r2", "mae"],
}
PLAIN = [
    f"{statistic} {measure}"
    for statistic in ("mean", "worst", "error of")
    for measure in [
        "radius",
        "texture",
        "perimeter",
        "area",
        "smoothness",
        "compactness",
        "concavity",
    ]
]
BARE, LINEAR = "same network, no penalty", "penalised linear"


def make_run(
    directory: Path,
    *,
    task: str = "binary",
    names: list[str] | None = None,
    strengths: int = 9,
    folds: int = 5,
    penalties: tuple[str, ...] = ("L1", "L2"),
    diverged: bool = False,
    target: str = "diagnosis",
    verdict: str = "better",
) -> Path:
    """Writes metrics.json, path.parquet and features.csv with made-up but coherent numbers.

    Args:
        verdict: "better", "worse" or "unclear": taut against the other systems.
    """
    directory.mkdir(parents=True)
    random = np.random.default_rng(0)
    names = list(PLAIN if names is None else names)
    path = _path(random, len(names), strengths, folds, penalties, diverged)
    path.to_parquet(directory / "path.parquet")
    features = _features(random, names, folds)
    features.to_csv(directory / "features.csv", index=False)
    metrics = _metrics(task, names, path, features, folds, penalties, target, verdict)
    (directory / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    return directory


def _path(random, inputs, strengths, folds, penalties, diverged) -> pd.DataFrame:
    grid = np.geomspace(1e-4, 0.5, strengths) if strengths > 1 else np.array([0.01])
    rows = []
    for penalty in penalties:
        for strength in [0.0, *grid]:
            place = 0.0 if strength == 0 else (math.log10(strength) + 4) / 3.7
            for fold in range(folds):
                curve = (
                    0.09 + 0.9 * max(place - 0.55, 0) ** 2 * 3.2 + 0.55 * max(0.5 - place, 0) ** 2
                )
                curve = 0.31 if strength == 0 else min(curve, 0.66)
                val = curve * (1 + 0.1 * random.standard_normal()) + 0.012 * (fold - folds / 2)
                train = min(0.001 + 0.66 * max(place, 0) ** 3, 0.65)
                read = inputs if penalty == "L2" else round(inputs * (1 - min(max(place, 0), 1)))
                rows.append(
                    (
                        penalty,
                        strength,
                        fold,
                        0,
                        train,
                        max(val, 0.02),
                        40,
                        100,
                        50 * read,
                        read,
                        "finished",
                    )
                )
    columns = [
        "penalty",
        "strength",
        "fold",
        "seed",
        "train_loss",
        "val_loss",
        "best_epoch",
        "epochs",
        "nonzero",
    ]
    frame = pd.DataFrame(rows, columns=[*columns, "inputs_kept", "status"])
    if diverged:
        bad = (frame["strength"] == grid[0]) & (frame["fold"] < 2)
        frame.loc[bad, ["train_loss", "val_loss"]] = np.nan
        frame.loc[bad, "status"] = "diverged"
    return frame


def _features(random, names, folds) -> pd.DataFrame:
    weight = np.sort(random.gamma(0.5, size=len(names)))[::-1]
    kept = np.arange(len(names)) < max(1, len(names) * 2 // 5)
    weight = np.where(kept, weight, 0.0)
    return pd.DataFrame(
        {
            "feature": names,
            "kept": kept,
            "importance": weight / weight.sum(),
            "folds_kept": np.where(
                kept, np.ceil(folds * random.uniform(0.4, 1, len(names))) / folds, 0
            ),
            "reason": np.where(kept, "", "no fold model gives it a weight"),
        }
    )


def _metrics(task, names, path, features, folds, penalties, target, verdict) -> dict:
    positive = sorted(path["strength"].unique())[1:]
    chosen = positive[len(positive) // 2]
    one_se = positive[min(len(positive) // 2 + 1, len(positive) - 1)]
    classes = {"binary": ["B", "M"], "multiclass": [EVIL, "setosa", "virginica"]}.get(task)
    return {
        "taut_version": "0.1.0",
        "created": "2026-11-23T10:00:00+00:00",
        "table": {"rows": 569, "columns": len(names) + 3, "rows_dropped": 4},
        "target": {
            "name": target,
            "task": task,
            "reason": f"{len(classes)} values" if classes else "more than 20 different numbers",
            "classes": classes,
            "counts": classes and [357, 212, 40][: len(classes)],
            "mean": None if classes else 152.1,
            "std": None if classes else 77.0,
        },
        "columns": [
            {"name": n, "kind": "numeric", "used": True, "reason": "", "missing": i % 3}
            | {"levels": 569 - i, "encoded": 1 + (i % 3 > 0)}
            for i, n in enumerate(names)
        ]
        + [
            {"name": f"patient {EVIL}", "kind": "identifier", "used": False, "missing": 0}
            | {"reason": "every row has its own value", "levels": 569, "encoded": 0},
            {"name": "site", "kind": "constant", "used": False, "missing": 0}
            | {"reason": "one value in every row", "levels": 1, "encoded": 0},
        ],
        "notes": [
            f"The column {EVIL} was read as numbers.",
            "4 rows without a target were dropped.",
        ],
        "split": {"train": 455, "test": 114, "folds": folds, "seeds": 1, "lanes": len(path)},
        "choice": {
            "penalty": penalties[0],
            "strength": chosen,
            "rule": "It has the least held-out loss, averaged over the folds.",
            "cv_loss": 0.09,
            "cv_se": 0.011,
            "one_se_penalty": penalties[0],
            "one_se_strength": one_se,
            "models": folds,
            "zero_share": 0.83,
            "stationarity": {"largest": 0.0012, "note": "Scaled by the strength; 0 is exact."},
        },
        "test": {
            "metrics": METRICS[task],
            "primary": METRICS[task][0],
            "confidence": 0.95,
            "method": "percentile bootstrap of the test rows, 2000 draws",
            "systems": _systems(task, verdict),
            "differences": _differences(task, verdict),
        },
        "overfitting": {
            "train_loss": 0.05,
            "test_loss": 0.1,
            "unpenalised_train_loss": 0.0004,
            "unpenalised_test_loss": 0.3,
        },
        "features": {"kept": int(features["kept"].sum()), "of": len(names)},
        "seconds": 21.3,
    }


_SCORES = {  # of taut, of the network without a penalty, of the linear model; half-width
    "log_loss": (0.083, 0.312, 0.104, 0.034),
    "accuracy": (0.974, 0.947, 0.965, 0.028),
    "roc_auc": (0.9951, 0.981, 0.9938, 0.0052),
    "rmse": (53.21, 61.84, 54.02, 5.9),
    "r2": (0.482, 0.301, 0.467, 0.09),
    "mae": (42.8, 49.6, 43.9, 4.6),
}


def _systems(task, verdict) -> list[dict]:
    out = []
    for k, name in enumerate(("taut", BARE, LINEAR)):
        scores = {}
        for metric in METRICS[task]:
            *values, half = _SCORES[metric]
            if verdict == "worse":
                values = [values[1], values[0], values[2]]
            half *= 1 + 1.5 * (values[k] == _SCORES[metric][1])
            most = 1.0 if metric in ("accuracy", "roc_auc", "r2") else math.inf
            high = min(values[k] + 1.2 * half, most)
            scores[metric] = {"value": values[k], "low": values[k] - half, "high": high}
        out.append({"name": name, "description": f"about {name}", "scores": scores})
    return out


def _differences(task, verdict) -> list[dict]:
    out = []
    for k, name in ((1, BARE), (2, LINEAR)):
        for metric in METRICS[task]:
            values = _SCORES[metric]
            value = (values[0] - values[k]) * (-1 if verdict == "worse" else 1)
            half = abs(value) * (2.0 if verdict == "unclear" or k == 2 else 0.4)
            out.append(
                {"versus": name, "metric": metric, "value": value}
                | {"low": value - half, "high": value + half}
            )
    return out


def add_selection(directory: Path, kept: int) -> None:
    """Says in a run that so many of its inputs were selected, the first ones of features.csv."""
    metrics = json.loads((directory / "metrics.json").read_text(encoding="utf-8"))
    names = pd.read_csv(directory / "features.csv", keep_default_na=False)["feature"].tolist()
    metrics["selection"] = {
        "rule": f"by {EVIL}",
        "inputs": [
            {
                "input": name,
                "rank": k + 1,
                "kept": k < kept,
                "reason": ("sure", "stable", "needed")[k % 3] if k < kept else None,
                "frequency": 0.9 - 0.01 * k if kept else None,
                "rise": 0.021 if k < kept else 0.0,
                "se": 0.0043 if k < kept else 0.0,
            }
            for k, name in enumerate(names)
        ],
        "numbers": [
            {"inputs": k, "loss": 0.7 - 0.1 * k, "worse": 0.2 - 0.1 * k, "se": 0.03}
            for k in range(3)
        ],
        "best": 2 if kept else 0,
        "asked": None,
        "halves": 50 if kept else 0,
        "expected_false": 0.21 if kept else None,
        "price": {
            "versus": "all inputs",
            "metric": "log_loss",
            "value": 0.004,
            "low": -0.002,
            "high": 0.010,
        }
        if kept
        else None,
    }
    (directory / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
