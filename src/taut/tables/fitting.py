"""The main job: a table in, a well-regularised network out."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from taut.checks import check_above
from taut.engine import Callback, afterwards, lanes_at_a_time
from taut.engine.resumable import job_clock
from taut.errors import InputError
from taut.frames.as_frame import as_frame
from taut.frames.enough_rows import check_enough_rows, check_inputs, folds_for
from taut.frames.roles import Roles
from taut.frames.schema import Schema
from taut.frames.understand import MINIMUM_ROWS, understand
from taut.progress import displayed
from taut.run import with_command
from taut.tables.candidates import bins_for, settings
from taut.tables.conclude import Fitted, conclude
from taut.tables.more_rows import sizes_of
from taut.tables.network import size
from taut.tables.plans import Limits, notes_of, plan_for, train_within
from taut.tables.prepared import prepare
from taut.tables.sparse import with_sparse
from taut.tables.table_model import TableModel

TEST_SIZE = 0.2


@displayed
def fit_table(
    frame: pd.DataFrame,
    *,
    target: str,
    test: pd.DataFrame | None = None,
    task: str | None = None,
    features: Sequence[str] | None = None,
    drop: Sequence[str] = (),
    kind: Mapping[str, str] | None = None,
    decimal: str | None = None,
    na: Sequence[str] = (),
    penalty: str = "auto",
    strengths: Sequence[float] | None = None,
    groups: str | None = None,
    time: str | None = None,
    weights: str | None = None,
    test_size: float = TEST_SIZE,
    folds: int = 5,
    seeds: int = 1,
    single: bool = False,
    sparse: bool = False,
    inputs: int | None = None,
    diagnosis: bool = True,
    learning_curve: bool = False,
    quick: bool = False,
    budget: float | None = None,
    seed: int = 0,
    allow_small: bool = False,
    callbacks: Sequence[Callback] | None = None,
) -> TableModel:
    """Fit the default network on a table, choose its penalty, and measure what that was worth.

    A test set is set aside first, unless it is brought along, and nothing is chosen on it. On the
    other rows, networks with an L1 or an L2 penalty at several strengths are trained on every fold
    and seed as one program; imputing, scaling and binning are learned inside each fold. Settings
    are compared by out-of-fold loss; of many, the better two thirds are trained on each further
    fold.

    Args:
        frame: The table: a data frame of pandas, polars or Arrow.
        target: Name of the column to predict.
        test: Rows to test on, such as new data that a model failed on, in place of a share of
            `frame`: a table with the same columns, which are read in the same way. Nothing is
            learned from it. The diagnosis says whether it is drawn otherwise than `frame`, and
            how many of its rows are in `frame` too.
        task: "binary", "multiclass", "classification" or "regression"; detected unless given.
        features: Input columns, also such as would be left out (identifiers, text); all that
            are useful unless given.
        drop: Columns to leave out.
        kind: What columns are, by name: "numeric", "category", "date" (or "date-dmy",
            "date-mdy", "date-ymd"), "text" or "ignore"; found unless given.
        decimal: The decimal sign, "." or ",", of text that leaves it open, such as "1,234".
        na: Marks of missing values beyond the usual ones, such as "-999".
        penalty: "auto" (L1 and L2), "l1" or "l2".
        strengths: Strengths to try; a default grid unless given.
        groups: A column whose equal values (a patient, a household) stay on one side of the test
            split and of every fold. It is no input. Not with `time`.
        time: A column of dates or numbers: the test set is the latest rows, unless `test` is
            given, and folds go from past to future. It is an input only if `features` names it.
        weights: A column of numbers >= 0: how much each row counts in training, in the choice and
            in the scores. It is no input.
        test_size: Share of rows set aside, where `test` is not given; 0 sets none aside and reports
            no test scores.
        folds: Folds of the cross-validation.
        seeds: Networks of each setting and fold.
        single: Refit one network at the best setting instead of predicting with many.
        sparse: Select the inputs that are needed, and fit a network on these alone beside the other
            (`TableModel.sparse`); see `taut.tables.selection.select_inputs`.
        inputs: Keep so many inputs in the sparse network, which this asks for; as many as are
            needed unless given.
        diagnosis: Say whether the network overfits, and what is wrong with the data, by what was
            trained anyway (`TableModel.diagnosis`).
        learning_curve: Also train the best setting on fewer rows, and say what twice and four times
            the rows would give (`run.learning_curve`, the report, the diagnosis). It costs about
            as much as four more settings, beside `budget`.
        quick: A first look: fewer settings, shorter training, three folds at most.
        budget: About how many minutes the network's training may take, less or more than it would
            otherwise: what does not fit is left out and said. It is planned by the sizes of the
            table for a usual machine and the JAX backend, so that equal calls on as many devices
            give equal models. Of a sparse network, each of the two fits has half of it; selecting
            the inputs comes beside it.
        seed: Seeds everything that is random.
        allow_small: Whether to take tables of fewer than 20 rows, and classes of fewer rows than
            folds. Rows of such a class are trained on in every fold and held out in none, so that
            nothing measured says anything of it.
        callbacks: Told of the progress; a display on the terminal unless given.

    Returns:
        A `TableModel`.

    Raises:
        InputError: For a table, target or option that cannot be used; before any training.

    Example:
        >>> model = taut.fit_table(frame, target="species")  # doctest: +SKIP
        >>> model.predict(new_frame)  # doctest: +SKIP
    """
    # What was given, before anything else is a local name.
    given = {name: value for name, value in locals().items() if name in _TOLD}
    started = job_clock()
    _check_options(test_size, folds=(folds, 2), seeds=(seeds, 1), seed=(seed, 0))
    if test is not None and test_size != TEST_SIZE:
        raise InputError(
            "`test_size` is the share of the table that is set aside where there is no `test`. "
            f"Received: both, test_size={test_size:g}. Leave one out."
        )
    if budget is not None:
        check_above(0, budget=budget)
    settings(penalty, strengths, bins=True)  # wrong ones are told before the table is read
    folds = folds_for(folds, quick=quick)
    roles = Roles(groups, time, weights)
    frame = as_frame(frame)
    schema = understand(
        frame,
        target=target,
        task=task,
        features=features,
        drop=drop,
        kind=kind,
        decimal=decimal,
        na=na,
        roles=roles,
        least_rows=2 if allow_small else MINIMUM_ROWS,
    )
    if not allow_small:
        check_enough_rows(schema, folds=folds, test_size=test_size if test is None else 0.0)
    check_inputs(inputs, len(schema.used))
    options = _Options(
        frame=frame,
        test=test,
        roles=roles,
        penalty=penalty,
        strengths=strengths,
        test_size=test_size,
        folds=folds,
        seeds=seeds,
        single=single,
        quick=quick,
        limits=Limits.of(
            budget if budget is None or not (sparse or inputs) else budget / 2,
            quick=quick,
            cores=lanes_at_a_time(),
        ),
        diagnosis=diagnosis,
        learning_curve=learning_curve,
        seed=seed,
        callbacks=callbacks or (),
    )
    whole = _fit(schema, options, started)
    whole.model.run = with_command(whole.model.run, _call(given, own_test=test is not None))
    if not sparse and inputs is None:
        return whole.model
    return afterwards(
        "The sparse network",
        lambda: with_sparse(
            whole,
            lambda schema: _fit(schema, options, job_clock()),
            number=inputs,
            seed=seed,
            callbacks=callbacks or (),
        ),
        whole.model,
    )


_TOLD = {
    name: parameter.default
    for name, parameter in inspect.signature(fit_table).parameters.items()
    if name not in ("frame", "test", "callbacks")
}
"""What a run tells of how it was fitted, and what it need not tell."""


def _call(given: dict[str, Any], *, own_test: bool) -> str:
    """The call that fits the same again, as a line of Python."""
    told = {n: v for n, v in given.items() if n == "target" or v != _TOLD[n]}
    words = [f"{name}={value!r}" for name, value in sorted(told.items(), key=_target_first)]
    words[1:1] = ["test=test"] if own_test else []
    return f"taut.fit_table(frame, {', '.join(words)})"


def _target_first(item: tuple[str, Any]) -> tuple[bool, int]:
    return item[0] != "target", list(_TOLD).index(item[0])


@dataclass(frozen=True, kw_only=True)
class _Options:
    """What `fit_table` was asked for, checked."""

    frame: pd.DataFrame
    test: pd.DataFrame | None
    roles: Roles
    penalty: str
    strengths: Sequence[float] | None
    test_size: float
    folds: int
    seeds: int
    single: bool
    quick: bool
    limits: Limits
    diagnosis: bool
    learning_curve: bool
    seed: int
    callbacks: Sequence[Callback]


def _fit(schema: Schema, options: _Options, started: float) -> Fitted:
    """Fit the network on the inputs that a schema uses."""
    folds, seed = options.folds, options.seed
    data = prepare(
        options.frame,
        schema,
        options.roles,
        test=options.test,
        test_size=options.test_size,
        folds=folds,
        seed=seed,
    )
    if options.learning_curve:
        sizes_of(data)  # too few rows are told before any training
    strengths, seeds, quick = options.strengths, options.seeds, options.quick
    bins, rows = bins_for(data.numbers), len(data.y)
    candidates = settings(options.penalty, strengths, bins=bins > 0, quick=quick, rows=rows)
    plan = plan_for(
        rows,
        size(data.encoded.shape[1], data.outputs, numbers=data.numbers, bins=bins),
        candidates,
        folds=folds,
        seeds=seeds,
        quick=quick,
        limits=options.limits,
        given=strengths is not None,
    )
    notes = [*data.notes, *notes_of(plan, rows, len(candidates))]
    for callback in options.callbacks:
        for note in notes:
            callback.on_note(note)
    trained = train_within(
        plan,
        data,
        data.splits,
        candidates,
        given=strengths is not None,
        compared=len(data.test_y) > 0,
        seeds=seeds,
        seed=seed,
        quick=quick,
        callbacks=options.callbacks,
    )
    return conclude(
        trained,
        data,
        settings=candidates,
        epochs=plan.epochs,
        notes=notes,
        single=options.single,
        quick=quick,
        seed=seed,
        started=started,
        diagnosis=options.diagnosis,
        learning_curve=options.learning_curve,
        callbacks=options.callbacks,
    )


def _check_options(test_size: Any, **integers: tuple[Any, int]) -> None:
    """Raise for a share that is none, and for integers below their least value."""
    if not isinstance(test_size, (int, float)) or not 0 <= test_size < 1:
        raise InputError(
            f"`test_size` must be at least 0 and below 1. Received: test_size={test_size!r}."
        )
    for name, (value, least) in integers.items():
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise InputError(f"`{name}` must be an integer >= {least}. Received: {name}={value!r}.")
