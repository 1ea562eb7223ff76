"""Does a model overfit, why, and what would help: `taut.diagnose`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from taut._keras.compiled_model import loss_of_classes
from taut._weights import ClassWeight
from taut.checks import check_above, check_inner_share, is_whole
from taut.diagnosis.advice import gains, in_order
from taut.diagnosis.data_faults import DataFaults, data_faults
from taut.diagnosis.diagnosis_result import Advice, Diagnosis, Finding, in_importance
from taut.diagnosis.given_subject import PREDICTED, subject_of
from taut.diagnosis.honest_rows import honest_rows
from taut.diagnosis.labelled_rows import comparable, contrast_of, labelled_rows
from taut.diagnosis.measured_gaps import curve_of, evidence_of, gaps_of, learned_of
from taut.diagnosis.prediction_faults import check_predictions
from taut.diagnosis.subject import Subject
from taut.diagnosis.trials import Trials, try_more, try_out
from taut.diagnosis.unused import input_use
from taut.diagnosis.verdicts import FAULTS, FREER, LIKELY, fit_verdicts
from taut.diagnosis.words import codes_of
from taut.engine import afterwards
from taut.engine.news import Callback
from taut.engine.resumable import job_clock
from taut.errors import InputError, UnsupportedError
from taut.objective.row_losses import RowLosses
from taut.progress import displayed


@displayed
def diagnose(
    model: Any,
    x: Any,
    y: Any = None,
    *,
    validation: Any = None,
    groups: Any = None,
    sample_weight: Any = None,
    class_weight: ClassWeight = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    cv: Any = None,
    names: Sequence[str] | None = None,
    ignore: Sequence[str] = (),
    level: float = 0.95,
    budget: float | None = None,
    trials: bool = True,
    seed: int = 0,
    checkpoint: Any = None,
    checkpoint_seconds: float = 60.0,
    callbacks: Sequence[Callback] | None = None,
) -> Diagnosis:
    r"""Measure whether a trained model overfits, why, and what would help.

    Three kinds of evidence, and rules that turn them into verdicts:

    * The gap of *this* model: its data loss on rows it has not seen, less that on its own, with an
      interval. With `validation` it is that model's own; without, that of networks trained like it
      on folds of the rows.
    * The data: rows in both sets, inputs that are the target, groups cut by the split, sets that
      are drawn differently, labels that look wrong, probabilities that are off, segments where the
      model fails.
    * Trials: the same model trained otherwise (penalties, fewer or more epochs, other sizes,
      dropout, without some inputs or rows) on what each of some folds leaves, all in one program.
      Of each kind the best setting is chosen without the rows on which its gain is measured.
      Where a training is over in a moment, losses are means over up to five seeds a fold.

    A tenth of the loss of looking at no input is a gap that matters; a freer network that has a
    twentieth of it less shows underfitting, or a fortieth where that is more than the model has
    learned. Nothing is advised that was not tried.

    Args:
        model: A compiled, built and trained Keras model. It is not changed.
        x: The inputs that it was trained on, [rows, …] or a tree of these.
        y: Their targets; labels (text) where the loss is one of classes.
        validation: (x, y), or (x, y, weights), of rows that it has not seen.
        groups: [rows] labels of groups, such as patients, that are not to be cut by a split; with
            `validation` a pair: of the rows of `x`, of those of `validation`.
        sample_weight: [rows] weights of the data loss.
        class_weight: Weights by class number, as `fit` had them, by label, or `"balanced"`; also of
            the rows of `validation`.
        epochs: Epochs of a training; those that `fit` ran, where the model still knows, or 100.
        batch_size: Rows in a batch; as `fit` had it, where the model still knows, or 32.
        cv: Folds of the trials: a number, a scikit-learn splitter, or pairs of rows; 5 for small
            networks and 3 for others unless given.
        names: Of the inputs of a table; those of its columns unless given.
        ignore: Codes of verdicts that are muted, such as "shift".
        level: Of intervals.
        budget: About how many minutes it may take. What does not fit is left out and said.
        trials: Whether to train at all.
        seed: Seeds folds, initial weights and the order of rows.
        checkpoint: A folder, made if need be, in which the trainings are saved as they go.
        checkpoint_seconds: Save when so many seconds have passed.
        callbacks: Told of the progress; a display on the terminal unless given.

    Returns:
        A `Diagnosis`: `verdicts`, `gap`, `advice`, and the numbers behind them.

    Raises:
        InputError: For a model, rows, groups or sizes that cannot be; before any training.

    Example:
        >>> found = taut.diagnose(model, x, y, validation=(x_new, y_new))  # doctest: +SKIP
        >>> found.codes  # doctest: +SKIP
        ('overfitting',)

    References:
        Hastie, Tibshirani and Friedman, The elements of statistical learning, 2009, chapter 7.
        Nadeau and Bengio, Inference for the generalization error, 2003.
    """
    begun, by_job = time.monotonic(), job_clock()
    muted = codes_of(ignore)
    check_inner_share(level=level)
    if budget is not None:
        check_above(0, budget=budget)
    if not is_whole(seed, 0):
        raise InputError(f"`seed` must be an integer >= 0. Received: seed={seed!r}.")
    subject = subject_of(
        model,
        x,
        y,
        validation=validation,
        groups=groups,
        sample_weight=sample_weight,
        class_weight=class_weight,
        epochs=epochs,
        batch_size=batch_size,
        names=names,
        seed=seed,
    )
    faults = data_faults(
        subject.train,
        subject.held_out,
        names=subject.names,
        single_inputs=True,
        of_classes=loss_of_classes(model),
        seed=seed,
    )
    honest = honest_rows(subject, faults, muted)
    if trials and comparable(honest.subject, faults):
        honest = replace(honest, subject=replace(honest.subject, contrasted=True))
    left_out: list[str] = []
    tried_out = None
    if trials:
        seconds = None if budget is None else 60 * budget - (time.monotonic() - begun)
        tried_out = _trials(
            honest.subject, left_out, cv, seconds, callbacks or (), checkpoint, checkpoint_seconds
        )
    check_predictions(
        faults,
        honest.subject.train,
        subject.held_out,
        names=subject.names,
        learned=labelled_rows(
            model, subject.train.y, None if tried_out is None else tried_out.predictions
        ),
        new=labelled_rows(
            model,
            None if subject.held_out is None else subject.held_out.y,
            None if subject.held_out is None else subject.held_out.prediction,
        ),
        contrast=contrast_of(honest.subject, tried_out, level),
        level=level,
        seed=seed,
    )
    unused = _unused(subject, faults)
    left_out += faults.left_out
    if tried_out is not None:
        first = tried_out
        tried_out = afterwards(
            "The trial without some inputs or rows",
            lambda: try_more(first, unused=unused, doubtful=faults.doubtful),
            first,
        )
        left_out += [text for text in tried_out.left_out if text not in left_out]
    gaps = gaps_of(subject, honest, tried_out, level, left_out)
    tried = ()
    if tried_out is not None:
        doubt = honest.doubt or _cut_groups(honest.subject, tried_out)
        tried = gains(honest.subject, tried_out, level=level, doubt=doubt)
    learned = learned_of(honest.subject, tried_out, level)
    verdicts = in_importance(
        [
            *fit_verdicts(
                subject.unit,
                gaps,
                gaps_of(subject, honest, tried_out, LIKELY, []),
                tried,
                learned,
                bool(faults.codes & set(FAULTS)),
                any(advice.code in FREER for advice in tried),
            ),
            *faults.verdicts,
        ]
    )
    return Diagnosis(
        verdicts=tuple(v for v in verdicts if v.code not in muted),
        muted=tuple(v for v in verdicts if v.code in muted),
        gap=gaps[0] if gaps else None,
        advice=in_order([a for a in tried if a.clear]),
        tried=tried,
        evidence=evidence_of(subject, gaps, learned, tried_out, faults),
        curve=curve_of(tried_out),
        left_out=tuple(left_out),
        notes=(*subject.notes, *(honest.notes if tried else ())),
        lanes=0 if tried_out is None else tried_out.lanes,
        seconds=job_clock() - by_job,
        epochs=subject.epochs,
        without_inputs=honest.without if tried else (),
    )


def _trials(
    subject: Subject,
    left_out: list[str],
    cv: Any,
    seconds: float | None,
    callbacks: Sequence[Callback],
    checkpoint: Any,
    checkpoint_seconds: float,
) -> Trials | None:
    """What was tried; None, and the reason, where the model cannot be trained again as lanes."""
    try:
        found = try_out(
            subject,
            cv=cv,
            seconds=seconds,
            callbacks=callbacks,
            checkpoint=checkpoint,
            checkpoint_seconds=checkpoint_seconds,
        )
    except InputError as error:
        if cv is not None and not isinstance(error, UnsupportedError):
            raise  # what the caller asked for cannot be
        left_out.append(f"Trials, and so advice: {error}")
        return None
    left_out += found.left_out
    return found


def _cut_groups(subject: Subject, trials: Trials) -> str:
    """What stands against gains where the folds that were given cut groups."""
    groups = subject.train.groups
    if groups is None:
        return ""
    pairs = {*zip(groups.tolist(), trials.fold_of.tolist(), strict=True)}
    cut = len(pairs) > len({group for group, _ in pairs})
    return "the folds of `cv` cut groups, or copies of a row" if cut else ""


def _unused(subject: Subject, faults: DataFaults) -> list[int]:
    """Inputs that the held-out rows do not need, by permuting each; a finding too."""
    held_out = subject.held_out
    if held_out is None or held_out.table is None or held_out.losses is None:
        faults.left_out.append("Inputs without use: needs held-out rows of one table")
        return []
    if not hasattr(held_out.y, "shape"):  # a tree, of one for each output
        faults.left_out.append(
            "Inputs without use: needs one target a row, not one for each output"
        )
        return []
    losses_of = RowLosses(subject.model, held_out.x, held_out.y)
    found = faults.check(
        "Inputs without use",
        lambda: input_use(
            lambda x: subject.model.predict(x, batch_size=PREDICTED, verbose=0),
            losses_of,
            held_out.table,
            held_out.y,
            names=subject.names,
            groups=held_out.groups,
            seed=subject.seed,
        ),
    )
    if found is None:
        return []
    note = ", ".join(map(repr, found.without_use[:10]))
    faults.findings.append(Finding("inputs without use", float(len(found.without_use)), note=note))
    return [k for k, name in enumerate(subject.names) if name in found.without_use]


__all__ = ["Advice", "Diagnosis", "diagnose"]
