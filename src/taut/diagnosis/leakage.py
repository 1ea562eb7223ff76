"""Leaks across a split: rows that stand on both sides of it, and groups that it cuts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from taut._data import group_labels
from taut._read_only import ReadOnly
from taut.diagnosis.array_inputs import NotChecked, numbers, same_columns, same_rows
from taut.diagnosis.equal_rows import by_chance, partner, rounded
from taut.diagnosis.near_rows import near_rows
from taut.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

ALARM = 0.01
"""What chance may explain with this probability is no leak: all data checks together stay below 5%
of false alarms."""


@dataclass(frozen=True, eq=False)
class RowLeak(ReadOnly):
    """Held-out rows that stand among the training rows too.

    Attributes:
        leaked: Whether there are more such rows than chance explains.
        equal: How many held-out rows equal a training row in all inputs.
        same_target: How many of these agree in the target too; None if no target was given.
        nearly: How many more are nearly equal, among those that were `compared`.
        expected: How many equal rows chance explains, by the rows within the training set or by
            columns whose values hardly ever recur.
        p_value: The probability of as many equal or nearly equal rows by chance.
        rows: How many held-out rows there are.
        compared: For how many distances were computed.
        held_out_rows: Row numbers of the equal and nearly equal held-out rows.
        train_rows: The training row that each is like.
        kinds: "equal" or "nearly", of each.
    """

    leaked: bool
    equal: int
    same_target: int | None
    nearly: int
    expected: float
    p_value: float
    rows: int
    compared: int
    held_out_rows: np.ndarray
    train_rows: np.ndarray
    kinds: np.ndarray

    def to_frame(self) -> pd.DataFrame:
        """One line a held-out row that is like a training row: both row numbers, and the kind."""
        import pandas as pd

        return pd.DataFrame(
            {
                "held_out_row": self.held_out_rows,
                "train_row": self.train_rows,
                "kind": self.kinds,
            }
        )

    def __repr__(self) -> str:
        verdict = "leaked" if self.leaked else "no more than chance explains"
        return (
            f"RowLeak: {self.equal} of {self.rows} held-out rows equal a training row, "
            f"{self.nearly} of {self.compared} nearly; {self.expected:.3g} by chance, "
            f"p = {self.p_value:.2g}: {verdict}"
        )


@dataclass(frozen=True, eq=False)
class GroupLeak(ReadOnly):
    """Groups that the split cuts: rows of theirs on both sides.

    Attributes:
        leaked: Whether there is such a group.
        groups: The groups, those with most held-out rows first.
        counts: [groups] how many held-out rows each has.
        share: Share of the held-out rows that belong to these groups.
        rows: How many held-out rows there are.
    """

    leaked: bool
    groups: tuple[Any, ...]
    counts: np.ndarray
    share: float
    rows: int

    def to_frame(self) -> pd.DataFrame:
        """One line a group that is cut: the group, and its held-out rows."""
        import pandas as pd

        return pd.DataFrame({"group": list(self.groups), "held_out_rows": self.counts})


def leaked_groups(groups_train: Any, groups_held_out: Any) -> GroupLeak:
    """Groups with rows on both sides of a split.

    Args:
        groups_train: [rows] the group of each training row, of any kind.
        groups_held_out: [rows] that of each held-out row.

    Returns:
        The groups. One is a leak: its rows are like one another, and are known from training.

    Raises:
        InputError: If either is not one group a row.

    Example:
        >>> from taut.diagnosis import leaked_groups
        >>> leaked_groups(["a", "a", "b"], ["b", "c"]).groups
        ('b',)
    """
    given = {"groups_train": groups_train, "groups_held_out": groups_held_out}
    arrays = {name: group_labels(values, name=name) for name, values in given.items()}
    for name, array in arrays.items():
        if not array.size:
            raise InputError(f"`{name}` must be one group a row. Received: none.")
    known = set(arrays["groups_train"].tolist())
    held_out = arrays["groups_held_out"].tolist()
    counts: dict[Any, int] = {}
    for group in held_out:
        if group in known:
            counts[group] = counts.get(group, 0) + 1
    groups = tuple(sorted(counts, key=lambda group: -counts[group]))
    share = sum(counts.values()) / len(held_out)
    each = np.array([counts[group] for group in groups], int)
    return GroupLeak(bool(groups), groups, each, share, len(held_out))


def leaked_rows(
    x_train: Any,
    x_held_out: Any,
    *,
    y_train: Any = None,
    y_held_out: Any = None,
    seed: int = 0,
) -> RowLeak | NotChecked:
    r"""Held-out rows that stand among the training rows, exactly or nearly.

    *Equal* are rows that agree in all inputs to six digits. They are a leak if they are more
    frequent than chance explains: than equal rows within the training set are (twice as frequent,
    and by Fisher's exact test), or than the values of columns recur that tell rows apart. A table
    of few values, where equal rows are ordinary, is no leak; copies that were in a table of
    measurements before it was split are one.

    *Nearly* equal are rows whose nearest training row is far nearer than their fifth one. Where
    data have a smooth density of dimension D, the ratio of both distances is below r with
    probability 1 − (1 − r^D)⁴; and where they have none, training rows among themselves show
    how often that happens.

    Args:
        x_train: [rows, …] inputs of the training rows; NaN is a value of its own. Images too.
        x_held_out: [rows, …] those of the held-out rows.
        y_train: [rows] or [rows, outputs] targets of the training rows, as numbers.
        y_held_out: The same of the held-out rows. With both, rows that agree in inputs and target
            are sought as well, which tells more where inputs have few values.
        seed: Draws the rows that distances are computed for, where there are more than a thousand.

    Returns:
        What was found; `NotChecked` with fewer than two training rows.

    Raises:
        InputError: If rows or columns do not fit, or are no numbers.

    Example:
        >>> import numpy as np
        >>> from taut.diagnosis import leaked_rows
        >>> x = np.random.default_rng(0).normal(size=(300, 6))
        >>> leak = leaked_rows(x[:200], np.concatenate([x[200:], x[:20]]))
        >>> leak.leaked, leak.equal
        (True, 20)

    References:
        Facco, d'Errico, Rodriguez and Laio, Estimating the intrinsic dimension of datasets by a
        minimal neighborhood information, 2017.
    """
    train, held_out = (
        numbers("x_train", x_train, finite=False),
        numbers("x_held_out", x_held_out, finite=False),
    )
    for name, array in {"x_train": train, "x_held_out": held_out}.items():
        if array.ndim == 0 or not array.size:
            raise InputError(f"`{name}` must have rows and inputs. Received: shape {array.shape}.")
    same_columns(x_train=train, x_held_out=held_out)
    if len(train) < 2:
        return NotChecked("One training row has no neighbours to compare with.")
    targets = _targets(y_train, y_held_out, len(train), len(held_out))
    image = train.ndim > 2
    train, held_out = train.reshape(len(train), -1), held_out.reshape(len(held_out), -1)
    codes, codes_held_out = rounded(train, held_out)
    match = partner(codes, codes_held_out)
    equal = match >= 0
    near = near_rows(train, held_out, equal, image, seed)
    p_equal, expected = by_chance(codes, codes_held_out, equal, near.dimension)
    same_target = None
    if targets is not None:
        target, target_held_out = rounded(*targets)
        wide = np.concatenate([codes, target], axis=1)
        wide_held_out = np.concatenate([codes_held_out, target_held_out], axis=1)
        both = partner(wide, wide_held_out)
        same_target = int((both >= 0).sum())
        match = np.where(both >= 0, both, match)
        p_both, expected_both = by_chance(wide, wide_held_out, both >= 0, near.dimension)
        if p_both < p_equal:
            p_equal, expected = p_both, expected_both
    p_value = min(1.0, 2 * min(p_equal, near.p_value))
    found = np.concatenate([np.flatnonzero(equal), near.rows])
    kinds = np.array(["equal"] * int(equal.sum()) + ["nearly"] * len(near.rows), dtype="<U6")
    return RowLeak(
        leaked=p_value <= ALARM,
        equal=int(equal.sum()),
        same_target=same_target,
        nearly=len(near.rows),
        expected=expected,
        p_value=p_value,
        rows=len(held_out),
        compared=near.compared,
        held_out_rows=found,
        train_rows=np.concatenate([match[equal], near.partners]),
        kinds=kinds,
    )


def _targets(
    y_train: Any, y_held_out: Any, rows: int, held_out_rows: int
) -> tuple[np.ndarray, np.ndarray] | None:
    if y_train is None and y_held_out is None:
        return None
    if y_train is None or y_held_out is None:
        raise InputError(
            "`y_train` and `y_held_out` must be given both, or neither. Received: one of them."
        )
    first, second = numbers("y_train", y_train), numbers("y_held_out", y_held_out)
    same_rows(x_train=np.empty(rows), y_train=first)
    same_rows(x_held_out=np.empty(held_out_rows), y_held_out=second)
    same_columns(y_train=first, y_held_out=second)
    return first.reshape(rows, -1), second.reshape(held_out_rows, -1)
