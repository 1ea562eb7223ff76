"""What weakens the scores: warnings, the worst first, and notes on how rows were split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from taut.frames.roles import Roles
from taut.frames.schema import Schema
from taut.run_metrics import Carrier, Learned, Role, RowSplit
from taut.tables.leaks import carrier_sentence
from taut.tables.prepared import Prepared
from taut.tables.trained import Trained

COPIES, FEW_COPIES = 0.02, 2
"""Share of the test rows, and their number, that may be copies before it is a warning."""


def warnings_of(
    schema: Schema,
    *,
    learned: Learned,
    carriers: Sequence[Carrier],
    copies: int,
    y: np.ndarray,
    test_y: np.ndarray,
) -> list[str]:
    """Why the scores may say less than they seem to, the worst first.

    Args:
        schema: What was understood of the table.
        learned: The loss against the base rate's.
        carriers: Inputs that carry everything (see `leaks.carriers`).
        copies: Test rows that are copies of rows to learn from.
        y: Class numbers (or values) of the rows to learn from.
        test_y: The same of the test.
    """
    sentences = []
    if learned.anything is False:
        sentences.append(
            f"Nothing was learned: on rows held out the loss is {learned.loss:.4g}, and "
            f"{learned.base_loss:.4g} without looking at any input. That is not better by more "
            f"than the uncertainty (1.96 standard errors of the difference, each {learned.se:.2g})."
        )
    sentences += schema.warnings
    if carriers:
        sentences.append(carrier_sentence(carriers, schema.target))
    if _many(copies, len(test_y)):
        sentences.append(
            f"{_copies(copies, len(test_y))} If a row may occur again by chance, all is well; if "
            "rows were copied, or belong together, drop the copies or use --groups."
        )
    if schema.classes:
        lacking = sorted(set(range(len(schema.classes))) - set(np.unique(y).tolist()))
        if lacking:
            names = ", ".join(str(schema.classes[k]) for k in lacking)
            sentences.append(
                f"No row to learn from is of class {names}: it is only in the test set, and cannot "
                "be predicted."
            )
    return sentences


def notes_of(schema: Schema, roles: Roles, copies: int, test: int) -> list[str]:
    """What else there is to know about how rows were split."""
    notes = []
    if roles.groups is not None:
        notes.append(
            f"Rows of one {roles.groups!r} are on one side of the test split and of every fold, "
            "and intervals draw whole groups."
        )
    if roles.time is not None:
        notes.append(
            f"By {roles.time!r} the test set is the latest rows, and each fold holds out rows "
            "later than all that it learns from; rows of one time are together. The networks of "
            "earlier folds have seen less of the recent past than --single would."
        )
    if roles.weights is not None:
        notes.append(
            f"{roles.weights!r} weighs the rows: in training, in the choice and in every score."
        )
    if copies and not _many(copies, test):
        notes.append(_copies(copies, test))
    dates = [c.name for c in schema.columns if c.kind == "date" and c.used]
    if dates and roles.time is None and roles.groups is None:
        notes.append(
            f"The test rows are drawn from all times. To be judged on later rows than it learned "
            f"from, use --time {dates[0]}."
        )
    return notes


def _many(copies: int, test: int) -> bool:
    return copies > FEW_COPIES and copies >= COPIES * test


def _copies(copies: int, test: int) -> str:
    return (
        f"{copies} of {test} test rows {'is' if copies == 1 else 'are'} equal in every input and "
        f"in the target to rows learned from: the scores count {'it' if copies == 1 else 'them'}."
    )


def split_of(data: Prepared, trained: Trained) -> RowSplit:
    """How rows were split, and what was trained on them."""
    roles, facts, test = data.roles, data.facts, data.test_facts
    groups = time = weights = None
    if roles.groups is not None and facts.groups is not None:
        of_test = 0 if test.groups is None else len(np.unique(test.groups))
        groups = Role(roles.groups, len(np.unique(facts.groups)), of_test)
    if roles.time is not None:
        time = Role(roles.time)
    if roles.weights is not None and facts.weights is not None:
        weights = Role(roles.weights, total=float(facts.weights.sum()))
    return RowSplit(
        train=len(data.y),
        test=len(data.test_y),
        folds=len(trained.splits),
        seeds=trained.seeds,
        lanes=int((trained.record.epochs > 0).sum()),
        copies=data.copies,
        groups=groups,
        time=time,
        weights=weights,
    )
