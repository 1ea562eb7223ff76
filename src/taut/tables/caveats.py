"""What weakens the scores: warnings, the worst first, and notes on how rows were split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from taut.run_metrics import Carrier, Learned, Role, RowSplit
from taut.tables.leaks import carrier_sentence
from taut.tables.prepared import Prepared
from taut.tables.trained import Trained

COPIES, FEW_COPIES = 0.02, 2
"""Share of the test rows, and their number, that may be copies before it is a warning."""


def warnings_of(data: Prepared, *, learned: Learned, carriers: Sequence[Carrier]) -> list[str]:
    """Why the scores may say less than they seem to, the worst first.

    Args:
        data: The rows to learn from and those of the test.
        learned: The loss against the base rate's.
        carriers: Inputs that carry everything (see `leaks.carriers`).
    """
    sentences, schema = [], data.schema
    if learned.anything is False:
        sentences.append(
            f"Nothing was learned: on rows held out the loss is {learned.loss:.4g}, and "
            f"{learned.base_loss:.4g} without looking at any input. That is not better by more "
            f"than the uncertainty (1.96 standard errors of the difference, each {learned.se:.2g})."
        )
    sentences += schema.warnings
    if carriers:
        sentences.append(carrier_sentence(carriers, schema.target))
    if _many(data):
        sentences.append(
            f"{_copies(data)} If a row may occur again by chance, all is well; if "
            "rows were copied, or belong together, drop the copies or use --groups."
        )
    if schema.classes:
        lacking = sorted(set(range(len(schema.classes))) - set(np.unique(data.y).tolist()))
        if lacking:
            names = ", ".join(str(schema.classes[k]) for k in lacking)
            sentences.append(
                f"No row to learn from is of class {names}: it is only in the test set, and cannot "
                "be predicted."
            )
    return [*sentences, *_in_both(data)]


def _in_both(data: Prepared) -> list[str]:
    """What a table of test rows has of the groups and of the times that were learned from."""
    if not data.own_test:
        return []
    sentences, facts, test = [], data.facts, data.test_facts
    if facts.groups is not None and test.groups is not None:
        groups = np.unique(test.groups)
        shared = int(np.isin(groups, facts.groups).sum())
        if shared:
            sentences.append(
                f"{shared} of {len(groups)} groups of {data.roles.groups!r} in the test are "
                "learned from too: rows of groups that are new may be predicted worse."
            )
    if facts.time is not None and test.time is not None:
        early = int((test.time <= facts.time.max()).sum())
        if early:
            sentences.append(
                f"{early} of {len(test.time)} test rows are not later than all rows learned from: "
                f"the scores tell less of the future by {data.roles.time!r}."
            )
    return sentences


def notes_of(data: Prepared) -> list[str]:
    """What else there is to know about how rows were split."""
    notes, roles = [], data.roles
    if roles.groups is not None:
        sides = "every fold" if data.own_test else "the test split and of every fold"
        notes.append(
            f"Rows of one {roles.groups!r} are on one side of {sides}, and intervals draw whole "
            "groups."
        )
    if roles.time is not None:
        latest = "" if data.own_test else "the test set is the latest rows, and "
        notes.append(
            f"By {roles.time!r} {latest}each fold holds out rows later than all that it learns "
            "from; rows of one time are together. The networks of earlier folds have seen less of "
            "the recent past than --single would."
        )
    if roles.weights is not None:
        notes.append(
            f"{roles.weights!r} weighs the rows: in training, in the choice and in every score."
        )
    if data.copies and not _many(data):
        notes.append(_copies(data))
    dates = [c.name for c in data.schema.columns if c.kind == "date" and c.used]
    if dates and roles.time is None and roles.groups is None and not data.own_test:
        notes.append(
            f"The test rows are drawn from all times. To be judged on later rows than it learned "
            f"from, use --time {dates[0]}."
        )
    return notes


def _many(data: Prepared) -> bool:
    return data.copies > FEW_COPIES and data.copies >= COPIES * len(data.test_y)


def _copies(data: Prepared) -> str:
    copies, test = data.copies, len(data.test_y)
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
        own_test=data.own_test,
        groups=groups,
        time=time,
        weights=weights,
    )
