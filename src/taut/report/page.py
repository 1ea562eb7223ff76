"""What the page shows, computed from a run: the template only lays it out."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from taut import readable
from taut.catalogue import Catalogue
from taut.report import curves, findings
from taut.report.path_chart import off_scale, panels
from taut.report.path_steps import MOST_INPUTS, steps
from taut.report.path_summary import summarise
from taut.report.scale import spanning
from taut.report.scored import TAUT, differences, scores
from taut.report.verdicts_shown import shown
from taut.run import Run
from taut.run_metrics import Metrics

if TYPE_CHECKING:
    from taut.diagnosis.diagnosis_result import Diagnosis

TOP = 30
_MOST_CLASSES = 12
MOST_LANES = 400


def page(run: Run, name: str, say: Catalogue, diagnosis: Diagnosis | None = None) -> dict[str, Any]:
    """The template's variables, of a run that the commands on the page call `name`."""
    metrics = run.metrics
    task = say(f"task.{metrics.target.task}", n=len(metrics.target.classes or ()))
    primary = metrics.tested.primary or ""
    return {
        "name": name,
        "m": metrics,
        "target": metrics.target,
        "task": task,
        "warnings": findings.warnings(metrics, say),
        "diagnosis": shown(diagnosis, say),
        "headline": findings.headline(metrics, say),
        "class_sentences": findings.classes(metrics, say),
        "withheld": findings.withheld(metrics, say),
        "most_classes": _MOST_CLASSES,
        "against": [
            (d.code, findings.against(d, metrics, say)) for d in differences(metrics, primary, say)
        ],
        "inputs": findings.inputs(metrics, say),
        "choice": findings.choice(metrics, say, with_edge=False),
        "edge": findings.edge(metrics, say),
        "tiles": _tiles(metrics, say),
        "tests": [_test(metrics, name, say) for name in metrics.tested.metrics],
        "level": f"{100 * metrics.tested.confidence:g}%",
        "overfitting": _overfitting(metrics, say),
        "predictions": _predictions(run, say),
        "epochs": _epochs(run, say),
        "learning": _learning(run, say),
        "path": _path(run, say),
        "lanes": _lanes(run),
        "features": _features(run),
        "sparse": _sparse(metrics, say),
        "used": findings.used(metrics.columns, say),
        "certificate": findings.certificate(metrics, say),
        "shell_name": shlex.quote(readable.clean(name)),
        # A JSON string is a Python literal too.
        "python_name": json.dumps(readable.clean(name), ensure_ascii=False),
        "created": say.day(metrics.created),
    }


def _tiles(metrics: Metrics, say: Catalogue) -> list[tuple[str, str]]:
    features, chosen, settings = metrics.features, metrics.choice, metrics.choice.predicting
    tiles = [(say("tile.of", kept=features.kept, total=features.of), say("tile.inputs"))]
    if chosen.zero_share is not None:
        tiles.append((readable.percent(chosen.zero_share), say("tile.zeros")))
    best = say("penalty.none")
    if chosen.strength:
        strength = readable.short(chosen.strength)
        best = say("tile.best", penalty=chosen.penalty, strength=strength)
    if len(settings) > 1:
        names = say.listed(findings.penalties(settings, say))
        words = say("tile.settings", settings=len(settings), penalties=names, best=best)
        tiles.append((say.count("network", chosen.models), words))
    else:
        tiles.append((best, say("tile.penalty")))
    lanes = metrics.split.lanes
    trained = say("tile.trained", n=lanes, duration=say.duration(metrics.seconds))
    return [*tiles, (readable.fixed(lanes, 0), trained)]


def _test(metrics: Metrics, name: str, say: Catalogue) -> dict[str, Any]:
    """One metric: the systems on one axis, and taut's differences on another about zero."""
    rows = scores(metrics, name, say)
    gaps = differences(metrics, name, say)
    scale = spanning(v for s in rows for v in (s.value, s.low, s.high))
    about_zero = spanning((v for d in gaps for v in (d.value, d.low, d.high)), zero=True)
    lower = readable.lower_is_better(name)
    return {
        "label": say.metric(name),
        "better": say("test.lower" if lower else "test.higher"),
        "side": say("test.below" if lower else "test.above"),
        "ticks": scale.ticks(),
        "rows": [
            {
                "score": s,
                "about": say.stored(s.description),
                "mine": s.system == TAUT,
                "base": s.system == metrics.tested.base,
                **scale.places(s),
            }
            for s in rows
        ],
        "zero": about_zero.at(0.0),
        "gap_ticks": about_zero.ticks(),
        "gaps": [{"gap": d, **about_zero.places(d)} for d in gaps],
    }


def _overfitting(metrics: Metrics, say: Catalogue) -> dict[str, Any] | None:
    sentence = findings.overfitting(metrics, say)
    losses = metrics.overfitting
    if sentence is None or losses is None:
        return None
    pairs: list[tuple[str, Any, Any, bool]] = [
        ("overfit.with", losses.train_loss, losses.test_loss, True),
        ("overfit.without", losses.unpenalised_train_loss, losses.unpenalised_test_loss, False),
    ]
    values = [value for pair in pairs for value in pair[1:3]]
    scale = spanning(values)
    places = readable.decimals([(max(values) - min(values)) / 2])
    rows = [
        {
            "name": say(key),
            "mine": mine,
            "train": scale.at(train),
            "test": scale.at(test),
            "train_shown": readable.fixed(train, places),
            "test_shown": readable.fixed(test, places),
        }
        for key, train, test, mine in pairs
    ]
    return {"sentence": sentence, "rows": rows, "ticks": scale.ticks()}


def _predictions(run: Run, say: Catalogue) -> dict[str, Any]:
    """Pictures of the test rows; none of them in a run that does not hold these."""
    rows, metrics = run.test_rows, run.metrics
    nothing: dict[str, Any] = dict.fromkeys(("confusion", "scatter", "curve", "calibration"))
    if rows is None or not len(rows):
        return nothing
    if metrics.target.task == "regression":
        return nothing | {"scatter": curves.scatter(rows, say)}
    return nothing | {
        "confusion": curves.confusion(metrics, rows),
        "curve": curves.precision_recall(metrics, rows, say),
        "calibration": curves.calibration(metrics, rows, say),
    }


def _epochs(run: Run, say: Catalogue) -> dict[str, Any] | None:
    if run.epochs is None or not len(run.epochs):
        return None
    chosen, path = run.metrics.choice, run.path
    lanes = path[(path["penalty"] == chosen.penalty) & (path["strength"] == chosen.strength)]
    if "network" in lanes:
        lanes = lanes[lanes["network"] == chosen.network]
    kept = int(lanes["best_epoch"].iloc[0]) + 1 if len(lanes) and "best_epoch" in lanes else None
    pictures = curves.epochs(run.epochs, kept, say)
    return {"pictures": pictures, "kept": kept or readable.MISSING} if pictures else None


def _learning(run: Run, say: Catalogue) -> dict[str, Any] | None:
    if run.learning_curve is None or not len(run.learning_curve):
        return None
    return curves.learning(run.learning_curve, say)


def _path(run: Run, say: Catalogue) -> dict[str, Any]:
    path, metrics = run.path, run.metrics
    if "network" in path:  # a path is drawn for one network: the one that was chosen
        path = path[(path["network"] == metrics.choice.network) | (path["penalty"] == "none")]
    summary = summarise(path)
    drawn = panels(summary, metrics.choice, say)
    rows = summary.to_dict("records")
    finished = [row for row in rows if readable.is_number(row["val"])]
    # Half of the error at the least loss: the resolution at which the choice was made.
    best = min(finished, key=lambda row: row["val"], default=None)
    places = min(readable.decimals([best["se"] / 2 if best else None]), 3)
    inputs = [column.name for column in metrics.columns if column.used]
    ranked = run.features.sort_values("importance", ascending=False, kind="stable")["feature"]
    names = ranked.tolist()[:MOST_INPUTS]
    return {
        "panels": [
            {
                "panel": panel,
                "slider": steps(panel, path, summary, metrics.choice, names, inputs, places, say),
            }
            for panel in drawn
        ],
        "places": places,
        "rows": [
            row | {"shown": say("penalty.none") if row["penalty"] == "none" else row["penalty"]}
            for row in rows
        ],
        "off_scale": bool(drawn) and off_scale(summary),
        "unpenalised": next((row["val"] for row in finished if row["strength"] == 0), None),
        "diverged": sum(row["diverged"] for row in rows),
        "lanes": sum(row["lanes"] for row in rows),
    }


def _lanes(run: Run) -> dict[str, Any]:
    """Every training, one line each."""
    path = run.path
    rows = path.head(MOST_LANES).to_dict("records")
    return {
        "rows": rows,
        "count": len(path),
        "more": len(path) - len(rows),
        "columns": [c for c in ("network", "epochs", "best_epoch", "nonzero") if c in path.columns],
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
            "width": round(100 * r["importance"] / most, 2)
            if most > 0 and readable.is_number(r["importance"])
            else 0,
            "folds": readable.percent(r["folds_kept"])
            if readable.is_number(r["folds_kept"])
            else readable.MISSING,
            "reason": r["reason"],
        }
        for r in rows.to_dict("records")
    ]
    kept = [r for r in records if r["kept"]]
    return {"all": records, "top": kept[:TOP], "kept": len(kept), "more": len(kept[TOP:])}


def _sparse(metrics: Metrics, say: Catalogue) -> dict[str, Any] | None:
    """The inputs of the sparse network, and the losses by their number; None without one."""
    selection = metrics.selection
    if selection is None:
        return None
    finite = [rung for rung in selection.numbers if readable.is_number(rung.loss)]
    best = min(finite, key=lambda rung: rung.loss or 0.0, default=None)
    places = readable.decimals(rung.se for rung in finite)
    return {
        "sentences": findings.sparse(metrics, say),
        "rule": selection.rule,
        "inputs": [
            {
                "name": item.input,
                "frequency": readable.percent(item.frequency),
                "width": round(100 * (item.frequency or 0.0), 2),
                "rise": findings.rise(item),
                "reason": findings.reason(item, say),
            }
            for item in selection.inputs
            if item.kept
        ],
        "numbers": [
            {
                "inputs": rung.inputs,
                "loss": readable.fixed(rung.loss, places),
                "worse": readable.fixed(rung.worse, places),
                "se": readable.fixed(rung.se, places),
                "best": rung is best,
            }
            for rung in finite
        ],
    }
