"""What the page shows, computed from a run: the template only lays it out."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Sequence
from typing import Any

from taut.report import findings, text
from taut.report.path_chart import off_scale, panels
from taut.report.path_summary import summarise
from taut.report.scale import Scale, spanning
from taut.run import InputColumn, Metrics, Run

TOP = 30
_MOST_CLASSES = 12


def page(run: Run, name: str) -> dict[str, Any]:
    """The template's variables, of a run that the commands on the page call `name`."""
    metrics = run.metrics
    target = metrics.target
    return {
        "name": name,
        "m": metrics,
        "target": target,
        "warnings": findings.warnings(metrics),
        "headline": findings.headline(metrics),
        "class_sentences": findings.classes(metrics),
        "withheld": findings.withheld(metrics),
        "most_classes": _MOST_CLASSES,
        "against": [
            (d.verdict, findings.against(d, metrics))
            for d in findings.differences(metrics, metrics.tested.primary or "")
        ],
        "inputs": findings.inputs(metrics),
        "choice": findings.choice(metrics),
        "tiles": _tiles(metrics),
        "tests": [_test(metrics, name) for name in metrics.tested.metrics],
        "level": f"{100 * metrics.tested.confidence:g}%",
        "overfitting": _overfitting(metrics),
        "path": _path(run),
        "features": _features(run),
        "sparse": _sparse(metrics),
        "kinds": _kinds(metrics.columns),
        "shell_name": shlex.quote(text.clean(name)),
        # A JSON string is a Python literal too.
        "python_name": json.dumps(text.clean(name), ensure_ascii=False),
        "created": text.day(metrics.created),
    }


def _tiles(metrics: Metrics) -> list[tuple[str, str]]:
    features, chosen, settings = metrics.features, metrics.choice, metrics.choice.predicting
    tiles = [(f"{features.kept} of {features.of}", "inputs read")]
    if chosen.zero_share is not None:
        tiles.append((text.percent(chosen.zero_share), "of the best’s weights exactly 0"))
    best = "no penalty"
    if chosen.strength:
        best = f"{chosen.penalty} · {text.short(chosen.strength)}"
    if len(settings) > 1:
        names = ", ".join(findings.penalties(settings))
        words = f"of {len(settings)} settings ({names}) predict; the best: {best}"
        tiles.append((text.count(chosen.models, "network"), words))
    else:
        tiles.append((best, "penalty and strength"))
    trained = f"networks trained in {text.duration(metrics.seconds)}"
    return [*tiles, (text.fixed(metrics.split.lanes, 0), trained)]


def _test(metrics: Metrics, name: str) -> dict[str, Any]:
    """One metric: the systems on one axis, and taut's differences on another about zero."""
    rows = findings.scores(metrics, name)
    gaps = findings.differences(metrics, name)
    scale = spanning(v for s in rows for v in (s.value, s.low, s.high))
    about_zero = spanning((v for d in gaps for v in (d.value, d.low, d.high)), zero=True)
    words = text.metric(name)
    return {
        "label": words.label,
        "better": "lower is better" if words.lower_is_better else "higher is better",
        "ticks": scale.ticks(),
        "rows": [
            {"score": s, "mine": s.system == findings.TAUT, **_places(s, scale)} for s in rows
        ],
        "zero": about_zero.at(0.0),
        "gap_ticks": about_zero.ticks(),
        "gaps": [{"gap": d, **_places(d, about_zero)} for d in gaps],
    }


def _places(item: findings.Score | findings.Difference, scale: Scale) -> dict[str, Any]:
    def at(value: float | None) -> float | None:
        return scale.at(value) if value is not None and text.is_number(value) else None

    return {"at": at(item.value), "low": at(item.low), "high": at(item.high)}


def _overfitting(metrics: Metrics) -> dict[str, Any] | None:
    sentence = findings.overfitting(metrics)
    losses = metrics.overfitting
    if sentence is None or losses is None:
        return None
    pairs: list[tuple[str, Any, Any, bool]] = [
        ("with the penalty", losses.train_loss, losses.test_loss, True),
        ("without it", losses.unpenalised_train_loss, losses.unpenalised_test_loss, False),
    ]
    values = [value for pair in pairs for value in pair[1:3]]
    scale = spanning(values)
    places = text.decimals([(max(values) - min(values)) / 2])
    rows = [
        {
            "name": name,
            "mine": mine,
            "train": scale.at(train),
            "test": scale.at(test),
            "train_shown": text.fixed(train, places),
            "test_shown": text.fixed(test, places),
        }
        for name, train, test, mine in pairs
    ]
    return {"sentence": sentence, "rows": rows, "ticks": scale.ticks()}


def _path(run: Run) -> dict[str, Any]:
    path = run.path
    if "network" in path:  # a path is drawn for one network: the one that was chosen
        path = path[(path["network"] == run.metrics.choice.network) | (path["penalty"] == "none")]
    summary = summarise(path)
    drawn = panels(summary, run.metrics.choice)
    rows = summary.to_dict("records")
    finished = [row for row in rows if text.is_number(row["val"])]
    # Half of the error at the least loss: the resolution at which the choice was made.
    best = min(finished, key=lambda row: row["val"], default=None)
    return {
        "panels": drawn,
        "places": min(text.decimals([best["se"] / 2 if best else None]), 3),
        "rows": rows,
        "off_scale": bool(drawn) and off_scale(summary),
        "unpenalised": next((row["val"] for row in finished if row["strength"] == 0), None),
        "diverged": sum(row["diverged"] for row in rows),
        "lanes": sum(row["lanes"] for row in rows),
    }


def _features(run: Run) -> dict[str, Any]:
    rows = run.features.sort_values(
        "importance", ascending=False, kind="stable", na_position="last"
    )
    most = float(rows["importance"].max()) if len(rows) else 0.0
    records = [
        {
            "name": r["feature"],
            "kept": r["kept"],
            "importance": r["importance"],
            "width": round(100 * r["importance"] / most, 2) if most > 0 else 0,
            "folds": text.percent(r["folds_kept"])
            if text.is_number(r["folds_kept"])
            else text.MISSING,
            "reason": r["reason"],
        }
        for r in rows.to_dict("records")
    ]
    kept = [r for r in records if r["kept"]]
    return {"all": records, "top": kept[:TOP], "kept": len(kept), "more": len(kept[TOP:])}


def _sparse(metrics: Metrics) -> dict[str, Any] | None:
    """The inputs of the sparse network, and the losses by their number; None without one."""
    selection = metrics.selection
    if selection is None:
        return None
    finite = [rung for rung in selection.numbers if text.is_number(rung.loss)]
    losses = [rung.loss or 0.0 for rung in finite]
    best = min(finite, key=lambda rung: rung.loss or 0.0, default=None)
    places = text.decimals([max(losses) - min(losses)] if losses else [])
    return {
        "sentences": findings.sparse(metrics),
        "rule": selection.rule,
        "inputs": [
            {
                "name": item.input,
                "frequency": text.percent(item.frequency),
                "width": round(100 * (item.frequency or 0.0), 2),
                "rise": findings.rise(item),
            }
            for item in selection.inputs
            if item.kept
        ],
        "numbers": [
            {
                "inputs": rung.inputs,
                "loss": text.fixed(rung.loss, places),
                "worse": text.fixed(rung.worse, places),
                "se": text.fixed(rung.se, places),
                "best": rung is best,
            }
            for rung in finite
        ],
    }


def _kinds(columns: Sequence[InputColumn]) -> str:
    """The kinds of the inputs, after their number."""
    used = Counter(c.kind for c in columns if c.used)
    if len(used) == 1:
        return f", {'all ' * (len(columns) > 1)}{next(iter(used))}"
    return ": " + ", ".join(text.count(n, kind, kind) for kind, n in used.most_common())
