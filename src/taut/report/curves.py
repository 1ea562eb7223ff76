"""Pictures of the predictions of the test rows, and of the losses by epoch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from taut import readable
from taut._mean_loss import wilson
from taut.catalogue import Catalogue
from taut.report.drawing import Axis, Drawing
from taut.run_metrics import Metrics

if TYPE_CHECKING:
    import pandas

MOST_CLASSES, MOST_DOTS, MOST_POINTS = 12, 600, 200
BINS, LEAST_IN_BIN, WHOLE = 10, 10, 0.7


def confusion(metrics: Metrics, rows: pandas.DataFrame) -> dict[str, Any] | None:
    """Test rows by their class and the predicted one; None with too many classes to show."""
    labels = metrics.target.classes or ()
    if not 2 <= len(labels) <= MOST_CLASSES:
        return None
    table = np.zeros((len(labels), len(labels)), int)
    np.add.at(table, (rows["actual"].to_numpy(int), rows["predicted"].to_numpy(int)), 1)
    of_row = np.maximum(table.sum(axis=1, keepdims=True), 1)
    return {
        "labels": [readable.clean(label) for label in labels],
        "rows": [
            {
                "label": readable.clean(label),
                # How strongly a cell is tinted, in tenths of its class.
                "cells": [
                    (readable.fixed(n, 0), math.ceil(10 * n / of_row[k, 0]), j == k)
                    for j, n in enumerate(table[k].tolist())
                ],
            }
            for k, label in enumerate(labels)
        ],
    }


def scatter(rows: pandas.DataFrame, say: Catalogue) -> dict[str, Any]:
    """Predicted against actual values, on one scale."""
    actual, predicted = rows["actual"].to_numpy(float), rows["predicted"].to_numpy(float)
    low = float(min(actual.min(), predicted.min()))
    high = float(max(actual.max(), predicted.max()))
    room = 0.04 * (high - low) or 1.0
    drawing = Drawing(
        Axis(low - room, high + room), Axis(low - room, high + room), width=340, height=300
    )
    drawing.line([(low, low), (high, high)], "equal")
    chosen = np.arange(len(actual))
    if len(chosen) > MOST_DOTS:
        chosen = np.sort(np.random.default_rng(0).choice(chosen, MOST_DOTS, replace=False))
    drawing.dots(zip(actual[chosen], predicted[chosen], strict=True), "held soft-dot", 2.6)
    spread = actual.std() * predicted.std()
    r = float(((actual - actual.mean()) * (predicted - predicted.mean())).mean() / (spread or 1))
    n = readable.fixed(len(actual), 0)
    sampled = len(chosen) < len(actual)
    return {
        "svg": drawing.svg(say("scatter.aria", n=n, r=readable.fixed(r, 2))),
        "sampled": say("scatter.sampled", shown=readable.fixed(len(chosen), 0), n=n)
        if sampled
        else "",
    }


def precision_recall(
    metrics: Metrics, rows: pandas.DataFrame, say: Catalogue
) -> dict[str, Any] | None:
    """The curve of a rare class; None where no class is rare, or none of its rows was tested."""
    rare, classes = metrics.tested.rare, metrics.target.classes or ()
    if rare is None or rare not in classes or "p_positive" not in rows:
        return None
    is_rare = rows["actual"].to_numpy(int) == classes.index(rare)
    weight = rows["weight"].to_numpy(float) if "weight" in rows else np.ones(len(rows))
    if not is_rare.any():
        return None
    recall, precision = _curve(is_rare, rows["p_positive"].to_numpy(float), weight)
    drawing = Drawing(Axis(0.0, 1.0), Axis(0.0, 1.02), width=340, height=300)
    base = float(weight[is_rare].sum() / weight.sum())
    drawing.level(base, "bare")
    area = float(np.sum(np.diff(recall, prepend=0.0) * precision))
    keep = np.unique(np.linspace(0, len(recall) - 1, min(len(recall), MOST_POINTS)).astype(int))
    points = list(zip(recall[keep].tolist(), precision[keep].tolist(), strict=True))
    drawing.line(points, "held")
    drawing.dots(points if len(points) < 40 else (), "held", 1.8)
    label = readable.clean(rare)
    return {
        "svg": drawing.svg(say("pr.aria", label=label, score=readable.fixed(area, 3))),
        "label": label,
        "base": readable.fixed(base, 3),
    }


def _curve(
    positive: np.ndarray, scores: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Recall and precision at every threshold, from the highest; ties at once."""
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.diff(scores[order], append=-np.inf))
    hits = np.cumsum(weight[order] * positive[order])[last]
    return hits / hits[-1], hits / np.cumsum(weight[order])[last]


def calibration(metrics: Metrics, rows: pandas.DataFrame, say: Catalogue) -> dict[str, Any] | None:
    """Observed shares against predicted probabilities, in groups of about the same size."""
    classes = metrics.target.classes or ()
    if "p_predicted" not in rows or len(rows) < 2 * LEAST_IN_BIN:
        return None
    binary = len(classes) == 2
    if binary:
        rare = metrics.tested.rare
        of = classes.index(rare) if rare in classes else 1
        p, so = rows["p_positive"].to_numpy(float), rows["actual"].to_numpy(int) == of
    else:
        of = 0
        p = rows["p_predicted"].to_numpy(float)
        so = rows["actual"].to_numpy(int) == rows["predicted"].to_numpy(int)
    groups = np.array_split(np.argsort(p, kind="stable"), min(BINS, len(p) // LEAST_IN_BIN))
    bins = [(float(p[g].mean()), float(so[g].mean()), len(g)) for g in groups]
    bins = [(mean, share, rows, *wilson(share, rows)) for mean, share, rows in bins]
    # Probabilities of what is rare lie together near zero: the picture ends where they do.
    most = max(max(mean, high) for mean, _, _, _, high in bins)
    end = 1.0 if most > WHOLE else 1.05 * most
    drawing = Drawing(Axis(0.0, end), Axis(0.0, 1.02 * end), width=340, height=300)
    drawing.line([(0, 0), (end, end)], "equal")
    found, outside = [], 0
    for mean, share, rows, low, high in bins:
        outside += not low <= mean <= high
        drawing.upright(mean, low, high, "spread")
        drawing.dots([(mean, share)], "held", 3.4)
        found.append(
            (
                readable.fixed(mean, 3),
                readable.fixed(share, 3),
                say.interval(low, high, 3),
                readable.fixed(rows, 0),
            )
        )
    clear = (
        say("calibration.clear", n=outside, bins=len(bins)) if outside else say("calibration.none")
    )
    return {
        "svg": drawing.svg(say("calibration.aria", bins=len(bins))),
        "binary": binary,
        "label": readable.clean(classes[of]) if classes else "",
        "bins": found,
        "sentence": clear,
    }


def learning(frame: pandas.DataFrame, say: Catalogue) -> dict[str, Any]:
    """Both losses by number of rows, and the law to four times as many.

    Args:
        frame: As in `learning_curve.parquet`.
        say: The words.
    """
    measured = frame[frame["measured"].astype(bool)]
    beyond = frame[~frame["measured"].astype(bool)]
    present, first = measured.iloc[-1], measured.iloc[0]
    shown = measured[["train_loss", "held_out_loss", "fitted"]].to_numpy(float)
    finite = shown[np.isfinite(shown)]
    # The interval below the smallest sizes may be wide; the losses are what matters.
    low = float(min(finite.min(), beyond["low"].min()))
    high = float(finite.max())
    low = 0.0 if 0 <= low < 0.4 * high else low
    y = Axis(low, high + 0.06 * (high - low or abs(high) or 1.0))
    x = Axis(float(frame["rows"].min()), float(frame["rows"].max()), log=True)
    drawing = Drawing(x, y)
    drawing.band(list(frame[["rows", "low", "high"]].itertuples(index=False)), "spread")
    drawing.mark_x(float(present["rows"]), "chosen")
    drawing.label_x(float(present["rows"]), say("rows.now"), right=False)
    drawing.line(frame[["rows", "fitted"]].itertuples(index=False), "law")
    for column, kind in (("train_loss", "train"), ("held_out_loss", "held")):
        points = list(measured[["rows", column]].itertuples(index=False))
        drawing.line(points, kind)
        drawing.dots(points, kind, 3.0)
    places = readable.decimals([float(present["held_out_loss_standard_error"]) / 2])
    fine = readable.decimals((beyond["gain_high"] - beyond["gain_low"]) / 2)
    now, last = readable.fixed(present["rows"], 0), beyond.iloc[-1]
    description = say(
        "rows.aria",
        first=readable.fixed(first["held_out_loss"], places),
        few=readable.fixed(first["rows"], 0),
        present=readable.fixed(present["held_out_loss"], places),
        now=now,
        loss=readable.fixed(last["fitted"], places),
        rows=readable.fixed(last["rows"], 0),
    )
    sentences = [
        say(
            "rows.project",
            times=readable.fixed(row["rows"] / present["rows"], 0),
            rows=readable.fixed(row["rows"], 0),
            loss=readable.fixed(row["fitted"], places),
            gain=readable.fixed(row["gain"], fine),
            interval=say.interval(row["gain_low"], row["gain_high"], fine),
            present=readable.fixed(present["fitted"], places),
            now=now,
        )
        for _, row in beyond.iterrows()
    ]
    return {
        "svg": drawing.svg(description),
        "sentences": sentences,
        "places": places,
        "rows": frame.to_dict("records"),
    }


def epochs(frame: pandas.DataFrame, kept: int | None, say: Catalogue) -> list[dict[str, Any]]:
    """Train and held-out loss by epoch, of the best setting and without a penalty, on one scale.

    Args:
        frame: As in `epochs.parquet`.
        kept: The epoch, from 1, whose weights the best setting keeps.
        say: The words.
    """
    means = frame.groupby(["setting", "epoch"])[["train_loss", "val_loss"]].mean()
    means = means[np.isfinite(means).all(axis=1)]
    if not len(means):
        return []
    # The first epoch may be far above what matters, and without a penalty so may the last.
    late = means[means.index.get_level_values("epoch") > 1]
    late = late if len(late) else means
    least = float(means.to_numpy().min())
    most = float(np.minimum(late.to_numpy().max(), 6 * max(means["val_loss"].min(), 1e-12)))
    low = 0.0 if 0 <= least < 0.4 * most else least
    y = Axis(low, most + 0.06 * (most - low or abs(most) or 1.0))
    x = Axis(1.0, max(float(means.index.get_level_values("epoch").max()), 2.0))
    pictures = []
    for setting in ("best", "none"):
        if setting not in means.index.get_level_values("setting"):
            continue
        rows = means.loc[setting]
        drawing = Drawing(x, y)
        if setting == "best" and kept is not None:
            drawing.mark_x(kept, "chosen")
            words = say("epochs.kept", epoch=kept)
            drawing.label_x(kept, words, right=x.share(kept) < 0.5)
        drawing.line(zip(rows.index, rows["train_loss"], strict=True), "train")
        drawing.line(zip(rows.index, rows["val_loss"], strict=True), "held")
        name = say(f"epochs.{setting}")
        least_at = rows["val_loss"].idxmin()
        description = say(
            "epochs.aria",
            name=name,
            least=readable.short(float(rows["val_loss"].min())),
            epoch=least_at,
            epochs=int(rows.index.max()),
        )
        pictures.append({"name": name, "svg": drawing.svg(description)})
    return pictures
