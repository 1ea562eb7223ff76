"""Rows that a gain can be measured on although the data have a fault."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import keras
import numpy as np

from taut.diagnosis.data_faults import DataFaults
from taut.diagnosis.equal_rows import partner, rounded
from taut.diagnosis.leakage import RowLeak, leaked_rows
from taut.diagnosis.subject import Rows, Subject
from taut.diagnosis.words import named


@dataclass(frozen=True)
class HonestRows:
    """What trials are made on.

    Attributes:
        subject: The rows, without inputs that tell the target, and with copies of a row as one
            group, which no fold cuts.
        without: Names of those inputs.
        doubt: Why even so no gain can be promised; empty for nothing.
        notes: What was done, a sentence each.
    """

    subject: Subject
    without: tuple[str, ...] = ()
    doubt: str = ""
    notes: tuple[str, ...] = ()


def honest_rows(subject: Subject, faults: DataFaults, muted: Collection[str]) -> HonestRows:
    """Take out of the rows what would make gains look other than they will be on new rows.

    A fault that is muted is none: the input is known in time, say, and trials use it.

    Args:
        subject: The model and its rows.
        faults: What the checks of the data found.
        muted: Codes of verdicts that the user does not want to hear.
    """
    codes = faults.codes - set(muted)
    notes, without, doubt = [], (), ""
    if "leak_column" in codes:
        subject = without_inputs(subject, faults.leaking)
        without = tuple(subject.names[k] for k in faults.leaking)
        notes.append(
            f"All trials are without {named(without)}, which tells the target: in place of "
            "its values they have the mean. With `ignore=('leak_column',)` they use it."
        )
    if "leak_rows" in codes:
        train = subject.train
        groups = copies_together(train)
        if groups is not None:
            subject = replace(subject, train=replace(train, groups=groups))
            notes.append("No fold of the trials cuts the copies of a row.")
        if _cut(subject.train, subject.seed):
            doubt = "rows to learn from are nearly copies of one another, and folds cut them"
    if "shift" in codes:
        subject = replace(subject, shifted=True)
        notes.append(
            "The held-out rows are drawn differently, so a gain is promised only where it is clear "
            "on these as well as in folds of the rows learned from."
        )
    return HonestRows(subject, without, doubt, tuple(notes))


def without_inputs(subject: Subject, inputs: Collection[int]) -> Subject:
    """The same rows with inputs of a table at their means over the rows to learn from."""
    table = subject.train.table
    means = None if table is None else table[:, list(inputs)].mean(axis=0)

    def masked(rows: Rows) -> Rows:
        x = np.array(rows.table, copy=True)
        x[:, list(inputs)] = means
        return replace(rows, x=keras.tree.pack_sequence_as(rows.x, [x]))

    held_out = subject.held_out
    return replace(
        subject,
        train=masked(subject.train),
        held_out=None if held_out is None else masked(held_out),
    )


def copies_together(rows: Rows) -> np.ndarray | None:
    """[rows] groups that no copies of a row, nor a group of the user's, cut; None without copies.

    Copies agree in all inputs and targets to six digits.
    """
    values = _joined(rows)
    codes, _ = rounded(values, values)
    first = partner(codes, codes)
    if len(np.unique(first)) == len(first):
        return None
    if rows.groups is None:
        return first
    return _connected(first, np.unique(rows.groups, return_inverse=True)[1])


def _connected(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Labels of rows that hang together by either of two labels."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = int(first.max()) + 1
    edges = coo_array(
        (np.ones(len(first)), (first, count + second)), shape=(count + int(second.max()) + 1,) * 2
    )
    return connected_components(edges, directed=False)[1][first]


def _cut(rows: Rows, seed: int) -> bool:
    """Whether halves of the rows still share more of them than chance explains."""
    units = np.arange(len(rows)) if rows.groups is None else rows.groups
    codes = np.unique(units, return_inverse=True)[1]
    half = (np.random.default_rng(seed).permutation(codes.max() + 1) % 2 == 0)[codes]
    inputs = [np.asarray(a, float) for a in keras.tree.flatten(rows.x)]
    x = inputs[0] if len(inputs) == 1 else _joined(rows)
    if half.all() or not half.any():
        return True
    found = leaked_rows(x[half], x[~half], seed=seed)
    return isinstance(found, RowLeak) and found.leaked


def _joined(rows: Rows) -> np.ndarray:
    leaves = [
        np.asarray(a, float).reshape(len(a), -1) for a in keras.tree.flatten((rows.x, rows.y))
    ]
    return np.concatenate(leaves, axis=1)
