"""The sparse network: the inputs that are needed, a network on these alone, and its price."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from taut.engine import Callback, afterwards
from taut.engine.resumable import job_clock
from taut.frames.schema import Schema
from taut.run_metrics import Difference, InputNumber, Reason, SelectedInput, Selection
from taut.tables.compare import compare
from taut.tables.conclude import Fitted
from taut.tables.examine import output_of
from taut.tables.selection import InputSelection, select_inputs
from taut.tables.table_model import TableModel

RULE = (
    "Inputs are ordered by a path of group lassos on whole inputs, in each fold by its "
    "training rows. Networks on the first 1, 2, 3, … say by their out-of-fold loss how many "
    "are asked further. Of these, an input is sure if the loss rises by more than 2.6 standard "
    "errors when what it alone tells is shuffled. It is stable if four fifths of half-samples "
    "have it among their first, which are so few that at most one such input is there by "
    "chance, and the loss then rises by more than one standard error. The sure and the stable "
    "ones are kept, and of those that a quarter of half-samples put before a shuffled copy of "
    "every input, as many more, in order, as are needed until the networks that predict are on "
    "them not clearly worse than on more, and within one standard error of those on all."
)
ASKED_RULE = (
    "Inputs are ordered by a path of group lassos on whole inputs; as many of the first are kept "
    "as were asked for."
)
NOT_SELECTED = "not selected for the sparse network"


def with_sparse(
    whole: Fitted,
    fit: Callable[[Schema], Fitted],
    *,
    number: int | None,
    seed: int,
    callbacks: Sequence[Callback],
) -> TableModel:
    """The model on all inputs, with the network on the selected ones beside it.

    Args:
        whole: The model on all inputs, and its rows.
        fit: Fits a model on the inputs that a schema uses, on the same rows.
        number: How many inputs are kept; as many as are needed unless given.
        seed: Of everything that is random.
        callbacks: Told of the progress.
    """
    started, data = job_clock(), whole.data
    names = list(dict.fromkeys(data.encoder.sources))
    place = {name: k for k, name in enumerate(names)}
    selected = select_inputs(
        data,
        np.array([place[name] for name in data.encoder.sources]),
        data.splits,
        number=number,
        best=whole.best,
        groups=data.facts.groups,
        seed=seed,
        callbacks=callbacks,
    )
    kept = [names[k] for k in selected.kept]
    sparse = None
    if kept:
        sparse = fit(_reading(data.schema, kept))
    price = None
    if sparse is not None and len(data.test_y):
        price = afterwards("The price of sparsity", lambda: _price(sparse, whole, seed), None)
    metrics = whole.model.run.metrics
    metrics = replace(
        metrics,
        selection=_described(selected, names, number, price),
        seconds=round((metrics.seconds or 0.0) + job_clock() - started, 2),
    )
    run = replace(whole.model.run, metrics=metrics)
    inner = sparse and sparse.model
    return TableModel(whole.model.model, data.encoder, run, inner, whole.model.diagnosis)


def _reading(schema: Schema, names: Sequence[str]) -> Schema:
    """The schema of a table of which some columns only are used."""
    columns = [
        column
        if column.name in names or not column.used
        # What it was used as is known; why it is not is said.
        else replace(column, used=False, reason=NOT_SELECTED)
        for column in schema.columns
    ]
    return replace(schema, columns=tuple(columns))


def _price(sparse: Fitted, whole: Fitted, seed: int) -> Difference:
    """The sparse network's first score minus the other's, on the same test rows."""
    pairs = (("sparse", sparse), ("all inputs", whole))
    outputs = {
        name: ("", output_of(fitted.model.model, fitted.data, fitted.data.test_x))
        for name, fitted in pairs
    }
    data = whole.data
    compared = compare(
        data.schema.task,
        data.test_y,
        outputs,
        seed=seed,
        weights=data.test_facts.weights,
        groups=data.test_facts.groups,
    )
    return next(d for d in compared.differences if d.metric == compared.primary)


def _described(
    selected: InputSelection, names: Sequence[str], asked: int | None, price: Difference | None
) -> Selection:
    ladder, stable, halves = selected.ladder, selected.stability, selected.halves
    kept = set(selected.kept.tolist())
    inputs = tuple(
        SelectedInput(
            input=names[int(k)],
            rank=rank,
            kept=int(k) in kept,
            reason=_reason(selected, int(k), asked) if int(k) in kept else None,
            frequency=None if stable is None else float(stable.frequency[k]),
            ahead=None if halves is None else float(halves.ahead[k]),
            rise=float(selected.rise[k]),
            se=float(selected.error[k]),
        )
        for rank, k in enumerate(selected.order.whole, start=1)
    )
    rungs = zip(ladder.numbers, ladder.mean, ladder.worse, ladder.error, strict=True)
    return Selection(
        rule=RULE if asked is None else ASKED_RULE,
        inputs=inputs,
        numbers=tuple(InputNumber(int(n), float(m), float(w), float(e)) for n, m, w, e in rungs),
        best=int(ladder.numbers[ladder.best]),
        asked=asked,
        halves=0 if stable is None else 2 * stable.pairs,
        expected_false=selected.expected_false,
        price=price,
    )


def _reason(selected: InputSelection, number: int, asked: int | None) -> Reason:
    if selected.sure[number]:
        return "sure"
    if selected.stable[number]:
        return "stable"
    return "needed" if asked is None else "asked"
