"""Segments of the rows in which a model fails, by one or two inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from taut._data import input_names
from taut.diagnosis.array_inputs import (
    NotChecked,
    columns,
    group_numbers,
    losses,
    same_rows,
    sampled,
)

if TYPE_CHECKING:
    import pandas as pd

ALARM = 0.01
"""The chance to name any segment where the model fails alike everywhere."""
MATERIAL = 1.2
"""A segment's loss must be so many times that of the other rows to matter."""
BINS, PAIR_BINS, FEW_VALUES = 5, 3, 8
"""Quantiles of an input alone and in pairs; inputs of few values are taken by value."""
LEAST_ROWS, LEAST_SHARE = 10, 0.02
"""Smaller segments have means that nothing is known of."""
LEAST_HELD_OUT, LEAST_GROUPS = 40, 20
PAIRED, MOST_ROWS, DRAWS, TOLD = 30, 1_500, 300, 10
"""Pairs of the first thirty inputs, permutations of 1,500 rows: under a second for 50 inputs."""
SIMPLER = 2.0
"""Standard deviations by which a pair of inputs must be worse to be told before a single one."""
OVERLAP = 0.5
"""A segment that shares more of its rows with one that is worse says the same."""


@dataclass(frozen=True)
class Segment:
    """A part of the rows, by the values of one or two inputs.

    Attributes:
        where: Which rows, in words.
        inputs: Names of the inputs.
        rows: How many rows it has among those looked at.
        loss: Their mean loss.
        rest: Mean loss of the other rows.
        low: Lower end of the interval of the difference, which holds for all segments together.
        high: Upper end of it.
        p_value: The probability that any segment is as bad by chance.
    """

    where: str
    inputs: tuple[str, ...]
    rows: int
    loss: float
    rest: float
    low: float
    high: float
    p_value: float


@dataclass(frozen=True)
class Segments:
    """Where a model fails.

    Attributes:
        failing: Segments whose loss is clearly and materially higher; the worst first.
        worst: The worst ones, whether clear or not; none says the same as one before it.
        tested: How many segments were tested.
        rows: How many rows were looked at.
        paired: How many inputs were looked at in pairs.
    """

    failing: tuple[Segment, ...]
    worst: tuple[Segment, ...]
    tested: int
    rows: int
    paired: int

    def to_frame(self) -> pd.DataFrame:
        """One line a segment of `worst`: rows, losses, interval, and whether the model fails."""
        import pandas as pd

        names = ["where", "rows", "loss", "rest", "low", "high", "p_value"]
        lines = [[getattr(one, name) for name in names] for one in self.worst]
        frame = pd.DataFrame(lines, columns=names)
        return frame.assign(fails=[one in self.failing for one in self.worst])


Worded = Callable[[str, float, float], str]


def in_words(name: str, low: float, high: float) -> str:
    """Which values of an input are meant: above `low` and up to `high`, or both where equal.

    Example:
        >>> in_words("age", 18, 30), in_words("age", 30, float("inf")), in_words("sex", 1, 1)
        ('18 < age ≤ 30', 'age > 30', 'sex = 1')
    """
    return between(name, low, high, lambda value: f"{value:.4g}")


def between(name: str, low: float, high: float, shown: Callable[[float], str]) -> str:
    """The same with numbers as `shown` writes them."""
    if low == high:
        return f"{name} = {shown(low)}"
    if high == np.inf:
        return f"{name} > {shown(low)}"
    return f"{shown(low)} < {name} ≤ {shown(high)}" if low > -np.inf else f"{name} ≤ {shown(high)}"


def failing_segments(
    x: Any,
    held_out_losses: Any,
    *,
    names: Sequence[str] | None = None,
    groups: Any = None,
    worded: Worded | None = None,
    seed: int = 0,
) -> Segments | NotChecked:
    r"""Segments where the loss is higher than elsewhere, by one input or two.

    Segments are fifths of an input, thirds in pairs, or its values, and what is missing. With ℓ
    the losses and s the rows of a segment

        t_s = Σ_{i in s} (ℓ_i − mean ℓ) / √(n·v_s),    v_s = share_s·(1 − share_s)·var ℓ

    is compared with the largest among all segments in 300 permutations of the losses (max-T): the
    chance to name any segment of a model that fails alike everywhere is 1%. With groups the
    deviations of whole groups change signs at random instead.

    Args:
        x: [rows, inputs] of held-out rows; NaN is a value of its own.
        held_out_losses: [rows] their losses.
        names: Of the inputs.
        groups: [rows] groups, whose rows depend on one another.
        worded: Says which values of an input are meant, given its name and two numbers: above the
            first and up to the second, or the first itself where they are equal; `in_words` unless
            given.
        seed: Draws permutations, and the rows, where there are more than 1,500.

    Returns:
        What was found; `NotChecked` for images, or under 40 rows (20 groups).

    Raises:
        InputError: If shapes do not fit, or arrays hold no numbers.

    Example:
        >>> import numpy as np
        >>> from taut.diagnosis import failing_segments
        >>> draw = np.random.default_rng(0)
        >>> x = draw.normal(size=(500, 3))
        >>> losses = draw.exponential(np.where(x[:, 1] > 1, 3.0, 1.0))
        >>> failing_segments(x, losses, names=["age", "dose", "weight"]).failing[0].inputs
        ('dose',)

    References:
        Westfall and Young, Resampling-based multiple testing, 1993.
    """
    array = columns("x", x)
    if isinstance(array, NotChecked):
        return array
    loss = losses("held_out_losses", held_out_losses)
    same_rows(x=array, held_out_losses=loss)
    names = input_names(names, array.shape[1])
    units = group_numbers("groups", groups, len(array))
    rows = sampled(len(array), MOST_ROWS, seed)
    array, loss = array[rows], loss[rows]
    units = None if units is None else units[rows]
    count = len(loss) if units is None else len(np.unique(units))
    least = LEAST_HELD_OUT if units is None else LEAST_GROUPS
    if count < least:
        what = "rows" if units is None else "groups"
        return NotChecked(f"{count} {what} are too few to be divided: {least} are needed.")
    inside, told = _all_segments(array, names, worded or in_words)
    if not len(told) or loss.std() <= 1e-12 * abs(loss.mean()):
        return Segments((), (), len(told), len(loss), min(len(names), PAIRED))
    scores, drawn, errors = _scores(inside, loss, units, np.random.default_rng(seed))
    highest = np.sort(drawn)
    bound = float(np.quantile(highest, 0.95))
    found, taken = [], []
    pairs = np.array([len(parts) - 1 for parts in told])
    for s in np.argsort(SIMPLER * pairs - scores, kind="stable"):
        part = inside[s] > 0
        if any((part & other).sum() > OVERLAP * min(part.sum(), other.sum()) for other in taken):
            continue
        taken.append(part)
        difference = float(loss[part].mean() - loss[~part].mean())
        found.append(
            Segment(
                where=" & ".join(where for _, where in told[s]),
                inputs=tuple(names[j] for j, _ in told[s]),
                rows=int(part.sum()),
                loss=float(loss[part].mean()),
                rest=float(loss[~part].mean()),
                low=difference - bound * float(errors[s]),
                high=difference + bound * float(errors[s]),
                p_value=float((1 + (highest >= scores[s] - 1e-9).sum()) / (1 + len(highest))),
            )
        )
        if len(found) == TOLD:
            break
    failing = [one for one in found if one.p_value <= ALARM and one.loss >= MATERIAL * one.rest]
    return Segments(tuple(failing), tuple(found), len(told), len(loss), min(len(names), PAIRED))


Told = tuple[tuple[int, str], ...]


def _all_segments(
    x: np.ndarray, names: tuple[str, ...], worded: Worded
) -> tuple[np.ndarray, list[Told]]:
    """[segments, rows] which rows each has, and each one's inputs with their values in words."""
    least = max(LEAST_ROWS, LEAST_SHARE * len(x))
    inside, told = [], []
    thirds = []
    for j, name in enumerate(names):
        for rows, where in _parts(x[:, j], name, BINS, worded):
            inside.append(rows)
            told.append(((j, where),))
        if j < PAIRED:
            parts = _parts(x[:, j], name, PAIR_BINS, worded)
            thirds.append([(j, rows, where) for rows, where in parts])
    for first, second in combinations(thirds, 2):
        for i, one, where in first:
            for j, other, elsewhere in second:
                inside.append(one & other)
                told.append(((i, where), (j, elsewhere)))
    sizes = np.array([rows.sum() for rows in inside], int)
    kept = np.flatnonzero((sizes >= least) & (sizes <= len(x) - least))
    array = np.array([inside[s] for s in kept], np.float32).reshape(len(kept), len(x))
    return array, [told[s] for s in kept]


def _parts(
    column: np.ndarray, name: str, bins: int, worded: Worded
) -> list[tuple[np.ndarray, str]]:
    """The rows of each part of a column's values, and the part in words."""
    there = ~np.isnan(column)
    values = np.unique(column[there])
    parts = [(~there, f"{name} is missing")] if not there.all() else []
    if len(values) <= 1:
        return parts
    if len(values) <= FEW_VALUES:
        return [*parts, *((column == v, worded(name, float(v), float(v))) for v in values)]
    edges = np.unique(np.quantile(column[there], np.arange(1, bins) / bins))
    codes = np.searchsorted(edges, np.where(there, column, -np.inf), side="left")
    bounds = [-np.inf, *map(float, edges), np.inf]
    for k, (low, high) in enumerate(pairwise(bounds)):
        parts.append((there & (codes == k), worded(name, low, high)))
    return parts


def _scores(
    inside: np.ndarray, loss: np.ndarray, units: np.ndarray | None, draw: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Standardised excess of each segment, the largest in each draw, and standard errors of it."""
    rows, share = len(loss), inside.mean(axis=1)
    apart = (loss - loss.mean()).astype(np.float32)
    scale = share * (1 - share) * rows  # a sum of deviations over this is a difference of means
    if units is None:
        deviation = np.sqrt(scale) * loss.std(ddof=1)
        sums = inside @ apart
        drawn = inside @ draw.permuted(np.tile(apart, (DRAWS, 1)), axis=1).T
        highest = (drawn / deviation[:, None]).max(axis=0)
        return sums / deviation, highest, deviation / scale
    codes = np.unique(units, return_inverse=True)[1]
    member = np.zeros((rows, codes.max() + 1), np.float32)
    member[np.arange(rows), codes] = 1
    of_group = ((inside - share[:, None]) * apart) @ member
    deviation = np.maximum(np.sqrt((of_group**2).sum(axis=1)), 1e-12)
    signs = draw.choice(np.array([-1, 1], np.float32), (of_group.shape[1], DRAWS))
    highest = (of_group @ signs / deviation[:, None]).max(axis=0)
    return of_group.sum(axis=1) / deviation, highest, deviation / scale
