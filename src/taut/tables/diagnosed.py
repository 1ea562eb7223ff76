"""The diagnosis of a fitted table's own network, from what was trained to choose it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from taut._mean_loss import mean_and_error
from taut.diagnosis.advice import in_order
from taut.diagnosis.array_inputs import NotChecked
from taut.diagnosis.data_faults import data_faults
from taut.diagnosis.diagnosis_result import (
    Advice,
    Diagnosis,
    MeasuredGap,
    Verdict,
    in_importance,
)
from taut.diagnosis.gains import gain_over_folds, interval_of_mean
from taut.diagnosis.labelled_rows import Labelled
from taut.diagnosis.prediction_faults import check_predictions
from taut.diagnosis.subject import Rows
from taut.diagnosis.verdicts import (
    FAULTS,
    LIKELY,
    fit_verdicts,
    gap_findings,
    gap_in_folds,
    gap_of_model,
)
from taut.diagnosis.words import THE_GAP, percent
from taut.engine.resumable import job_clock
from taut.run_metrics import Carrier
from taut.tables.candidates import UNPENALISED
from taut.tables.encoded_words import in_units
from taut.tables.ensemble import Ensemble
from taut.tables.examine import output_of
from taut.tables.more_rows import MoreRows
from taut.tables.peers import base_prediction
from taut.tables.prepared import Prepared
from taut.tables.trained import Trained, row_loss

LEVEL = 0.95
NOT_TRIED = (
    "Other sizes, dropout and other numbers of epochs: `taut fit` chooses among "
    "penalties and variants of its own network, and keeps the best epoch of each"
)
NO_CURVE = "What more rows would give: it is measured by `--learning-curve`"


def diagnosis_of(
    ensemble: Ensemble,
    trained: Trained,
    data: Prepared,
    *,
    carriers: Sequence[Carrier],
    more: MoreRows | None,
    seed: int,
) -> Diagnosis:
    """Say whether the network overfits, and what is wrong with the data; nothing is trained.

    Args:
        ensemble: The networks that predict.
        trained: The lanes that they were chosen from: what was tried.
        data: The rows.
        carriers: Inputs that carry nearly everything.
        more: The learning curve, where there is one.
        seed: Draws samples.
    """
    begun = job_clock()
    train = _rows(ensemble, data, data.encoded, data.y, data.facts.weights, data.facts.groups)
    held_out = None
    if len(data.test_y):
        y = data.test_y if data.outputs > 1 else (data.test_y - data.mean) / data.deviation
        facts = data.test_facts
        held_out = _rows(ensemble, data, data.test_x, y, facts.weights, facts.groups)
    measured = train if held_out is None else held_out
    base_of = base_prediction(data.y, len(measured.y), outputs=data.outputs, weights=data.weight)
    base_losses = _losses(base_of, measured.y)
    base = float(np.average(base_losses, weights=measured.weights))
    left_out = [NOT_TRIED, *([NO_CURVE] if more is None else [])]
    gaps, likely = [], []
    for level, found in ((LEVEL, gaps), (LIKELY, likely)):
        found += _gaps(ensemble, trained, data, train, held_out, base, level)
    if not gaps:
        left_out.append(f"{THE_GAP}: no rows were held out")
    tried = _tried(ensemble, trained, data)
    if more is not None:
        tried = in_order([*tried, more.advice(LEVEL)])
    none = NotChecked("the target is no class")
    learned_rows: Labelled | NotChecked = none
    new_rows: Labelled | NotChecked = none
    if data.outputs > 1 and len(trained.held) == len(data.y):
        learned_rows = Labelled(data.y.astype(int), ensemble.out_of_fold)
    if data.outputs > 1 and held_out is not None:
        new_rows = Labelled(held_out.y.astype(int), held_out.prediction)
    faults = data_faults(
        train,
        held_out,
        names=data.encoder.names,
        drawn=(data.drawn.names, data.drawn.learned, data.drawn.test),
        single_inputs=False,
        of_classes=data.outputs > 1,
        seed=seed,
    )
    check_predictions(
        faults,
        train,
        held_out,
        names=data.encoder.names,
        learned=learned_rows,
        new=new_rows,
        worded=partial(in_units, data.encoder),
        level=LEVEL,
        seed=seed,
    )
    learned = []
    if held_out is not None and held_out.losses is not None:
        gain = base_losses - held_out.losses
        learned = [interval_of_mean(gain, weights=held_out.weights, groups=held_out.groups)]
    if carriers:
        names = {"names": ", ".join(repr(carrier.input) for carrier in carriers)}
        evidence = tuple(
            f"{c.input!r} carries {percent(c.share)} of the importance and explains "
            f"{percent(c.explained)} by itself."
            for c in carriers
        )
        faults.verdicts.append(Verdict("leak_column", "clear", names, evidence))
    verdicts = fit_verdicts(
        base or 1.0,
        gaps,
        likely,
        tried,
        learned,
        bool(faults.codes & set(FAULTS)),
        UNPENALISED in trained.settings,
    )
    found = gap_findings(base, gaps)
    return Diagnosis(
        verdicts=in_importance([*verdicts, *faults.verdicts]),
        muted=(),
        gap=gaps[0] if gaps else None,
        advice=in_order([a for a in tried if a.clear]),
        tried=tried,
        evidence=(*found, *faults.findings),
        curve={},
        left_out=(*left_out, *faults.left_out),
        notes=(),
        lanes=len(trained.record.lanes),
        seconds=job_clock() - begun,
        epochs=int(trained.record.train_loss.shape[1]),
    )


def _rows(
    ensemble: Ensemble,
    data: Prepared,
    encoded: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray | None,
    groups: np.ndarray | None,
) -> Rows:
    """Rows with what the network makes of them, the target standardised."""
    output = output_of(ensemble.model, data, encoded)
    if data.outputs == 1:
        output = (output - data.mean) / data.deviation
    losses = _losses(output, y)
    mean = float(np.average(losses, weights=weights))
    return Rows(encoded, y, output, losses, mean, weights, groups)


def _losses(output: np.ndarray, y: np.ndarray) -> np.ndarray:
    """[rows] cross-entropies, or squared errors of the standardised target."""
    return row_loss(output, y) if output.ndim > 1 and output.shape[1] > 1 else _squares(output, y)


def _squares(output: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (np.asarray(output).reshape(len(y)) - y) ** 2


def _gaps(
    ensemble: Ensemble,
    trained: Trained,
    data: Prepared,
    train: Rows,
    held_out: Rows | None,
    base: float,
    level: float,
) -> list[MeasuredGap]:
    """The gap of the network on the test rows, and that of its fold models out of fold."""
    gaps = []
    if held_out is not None:
        gap = gap_of_model(train, held_out, level=level, base=base)
        gaps += [] if isinstance(gap, NotChecked) else [gap]
    fold_of = trained.fold_of
    held = fold_of >= 0
    lanes = trained.cross.healthy(ensemble.kept)
    learned, _ = trained.record.kept_losses()
    folds = np.array([trained.record.lanes[lane].split for lane in lanes])
    numbers = np.unique(fold_of[held])
    if not held.any() or not np.isin(numbers, folds).all():
        return gaps
    of_folds = np.array([learned[lanes][folds == fold].mean() for fold in numbers])
    losses = _losses(ensemble.out_of_fold[held], data.y[held])
    gap = gap_in_folds(
        losses,
        of_folds,
        np.searchsorted(numbers, fold_of[held]),
        level=level,
        base=base,
        weights=None if train.weights is None else train.weights[held],
        groups=None if train.groups is None else train.groups[held],
    )
    return [*gaps, gap]


def _tried(ensemble: Ensemble, trained: Trained, data: Prepared) -> tuple[Advice, ...]:
    """No penalty, and the best setting of each penalty, against what predicts: out of fold."""
    fold_of = trained.fold_of
    held = fold_of >= 0
    present = _losses(ensemble.out_of_fold[held], data.y[held])
    kinds: dict[str, list[int]] = {}
    for number, setting in enumerate(trained.settings):
        code = "unpenalised" if setting == UNPENALISED else setting.penalty
        kinds.setdefault(code, []).append(number)
    weights, groups = data.facts.weights, data.facts.groups
    found = []
    for code, numbers in kinds.items():
        best = _best(trained, numbers, held)
        if best is None or best == ensemble.best:
            continue
        gain = gain_over_folds(
            present - trained.row_loss[best][held],
            fold_of[held],
            level=LEVEL,
            weights=None if weights is None else weights[held],
            groups=None if groups is None else groups[held],
        )
        setting = trained.settings[best]
        what = "no penalty" if code == "unpenalised" else f"{code} at strength {setting.strength:g}"
        found.append(
            Advice(code, what, gain.estimate, gain.low, gain.high, LEVEL, setting.strength)
        )
    return in_order(found)


def _best(trained: Trained, numbers: Sequence[int], held: np.ndarray) -> int | None:
    losses, weights = trained.row_loss[list(numbers)][:, held], trained.rows.counted(held)
    means, _ = mean_and_error(losses, weights)
    return int(numbers[int(means.argmin())]) if np.isfinite(means).any() else None
