"""Whether held-out rows are drawn like the training rows, and which inputs differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from taut._data import input_names
from taut._read_only import ReadOnly
from taut.diagnosis.array_inputs import (
    NotChecked,
    columns,
    group_numbers,
    middle_and_spread,
    same_columns,
    sampled,
)
from taut.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

ALARM = 0.01
"""A shift is told at this level; all data checks together stay below 5% of false alarms."""
MATERIAL_DISTANCE, MATERIAL_AUC = 0.1, 0.55
"""A difference below both may be certain and does not matter: many rows always show one."""
PERMUTATIONS = 299
FEW_INPUTS = 15
"""Up to so many have products."""
KINDS, INPUTS_AT_ONCE = 3, 1_000
"""Features of an input without products; inputs whose features are in memory at a time."""
MOST_ROWS, BINS, LEAST_UNITS = 1_500, 32, 10
"""Rows of either side; values are compared in so many quantiles: under a second for 50 inputs."""


@dataclass(frozen=True, eq=False)
class Shift(ReadOnly):
    """How training and held-out rows differ in their inputs.

    Attributes:
        shifted: Whether they differ clearly, and enough to matter.
        p_value: The probability of such differences in a random split.
        auc: How well a model tells held-out rows from training rows; 0.5 is not at all. NaN where
            there are too few rows for one.
        auc_p_value: The probability of as much by chance; NaN likewise.
        inputs: Names of the inputs that clearly differ, those that differ most first.
        names: Names of all inputs.
        distance: [inputs] the largest difference of the shares of rows below a value
            (Kolmogorov and Smirnov); missing values count as the lowest.
        p_values: [inputs] their probabilities by chance, corrected for the number of inputs.
        means: [2, inputs] means of training and held-out rows, without what is missing.
        missing: [2, inputs] shares of training and held-out rows with a missing value.
        rows: How many training and held-out rows were compared.
    """

    shifted: bool
    p_value: float
    auc: float
    auc_p_value: float
    inputs: tuple[str, ...]
    names: tuple[str, ...]
    distance: np.ndarray
    p_values: np.ndarray
    means: np.ndarray
    missing: np.ndarray
    rows: tuple[int, int]

    def to_frame(self) -> pd.DataFrame:
        """One line an input: how its training and held-out rows differ, the most first."""
        import pandas as pd

        columns = {
            "input": self.names,
            "distance": self.distance,
            "p_value": self.p_values,
            "train_mean": self.means[0],
            "held_out_mean": self.means[1],
            "train_missing": self.missing[0],
            "held_out_missing": self.missing[1],
        }
        return pd.DataFrame(columns).sort_values("distance", ascending=False, ignore_index=True)

    def __repr__(self) -> str:
        verdict = f"shifted in {', '.join(self.inputs) or 'no single input'}"
        return (
            f"Shift: {verdict if self.shifted else 'no clear and material difference'}; "
            f"AUC {self.auc:.2f}, p = {self.p_value:.2g}"
        )


def distribution_shift(
    x_train: Any,
    x_held_out: Any,
    *,
    names: Sequence[str] | None = None,
    groups_train: Any = None,
    groups_held_out: Any = None,
    seed: int = 0,
) -> Shift | NotChecked:
    r"""Whether training and held-out rows are drawn alike, and which inputs differ.

    Each input: D, the distance of Kolmogorov and Smirnov, over quantiles (or few values), against
    299 permutations of which rows are held out. D is standardised by its mean and deviation over
    permutations, and the probability is that of the largest such value among all inputs (max-T),
    so that the chance to name any input wrongly is that of the level. All inputs together: half of
    the rows train a ridge regression (on inputs, squares and products) to tell both sides apart,
    the other half tells by the ranks of Mann and Whitney whether it can; and the other way round.
    With groups, whole groups are permuted and halved. The smaller probability counts, twice.

    Args:
        x_train: [rows, inputs] of the training rows; NaN is a value of its own.
        x_held_out: [rows, inputs] of the held-out rows.
        names: Of the inputs.
        groups_train: [rows] groups, whose rows depend on one another; both or neither are given.
        groups_held_out: [rows] those of the held-out rows. The split should cut none (see
            `leaked_groups`).
        seed: Draws permutations, halves, and rows, where there are more than 1,500 on a side.

    Returns:
        What was found; `NotChecked` for images, or fewer than ten rows (groups) on either side.

    Raises:
        InputError: If shapes do not fit, or arrays hold no numbers.

    Example:
        >>> import numpy as np
        >>> from taut.diagnosis import distribution_shift
        >>> x = np.random.default_rng(0).normal(size=(400, 3))
        >>> distribution_shift(x[:300], x[300:] + [0, 1, 0], names=["age", "dose", "weight"]).inputs
        ('dose',)

    References:
        Lopez-Paz and Oquab, Revisiting classifier two-sample tests, 2017.
        Westfall and Young, Resampling-based multiple testing, 1993.
    """
    train, held_out = columns("x_train", x_train), columns("x_held_out", x_held_out)
    for part in (train, held_out):
        if isinstance(part, NotChecked):
            return part
    assert isinstance(train, np.ndarray)
    assert isinstance(held_out, np.ndarray)
    same_columns(x_train=train, x_held_out=held_out)
    names = input_names(names, train.shape[1])
    kept = [sampled(len(part), MOST_ROWS, seed) for part in (train, held_out)]
    x = np.concatenate([train[kept[0]], held_out[kept[1]]])
    out = np.repeat([0, 1], [len(kept[0]), len(kept[1])])
    units = _units(train, held_out, groups_train, groups_held_out, kept)
    each = [len(np.unique(units[out == side])) for side in (0, 1)]
    if min(each) < LEAST_UNITS:
        what = "rows" if groups_train is None else "groups"
        return NotChecked(
            f"{each[0]} training and {each[1]} held-out {what} tell too little of how they were "
            f"drawn: {LEAST_UNITS} of each are needed."
        )
    draw = np.random.default_rng(seed)
    labels = _permuted(out, units, draw)
    distance, p_values = _by_input(x, labels)
    auc, auc_p = _classifier(x, out, units, labels if groups_train is not None else None, draw)
    p_value = min(1.0, 2 * np.nanmin([p_values.min(), auc_p]))
    named = np.flatnonzero((p_values <= ALARM / 2) & (distance >= MATERIAL_DISTANCE))
    material = len(named) > 0 or (auc >= MATERIAL_AUC and auc_p <= ALARM / 2)
    present = [~np.isnan(part) for part in (train, held_out)]
    return Shift(
        shifted=bool(p_value <= ALARM and material),
        p_value=float(p_value),
        auc=auc,
        auc_p_value=auc_p,
        inputs=tuple(names[j] for j in named[np.argsort(-distance[named], kind="stable")]),
        names=names,
        distance=distance,
        p_values=p_values,
        means=np.stack([_means(part) for part in (train, held_out)]),
        missing=np.stack([1 - there.mean(axis=0) for there in present]),
        rows=(len(kept[0]), len(kept[1])),
    )


def _means(x: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(x).all(axis=0), np.nan, middle_and_spread(x)[0])


def _units(
    train: np.ndarray, held_out: np.ndarray, of_train: Any, of_held_out: Any, kept: list[np.ndarray]
) -> np.ndarray:
    """What is drawn as a whole: rows, or groups; those of one name on both sides are two."""
    first = group_numbers("groups_train", of_train, len(train))
    second = group_numbers("groups_held_out", of_held_out, len(held_out))
    if (first is None) != (second is None):
        raise InputError(
            "`groups_train` and `groups_held_out` must be given both, or neither. Received: one of "
            "them."
        )
    if first is None or second is None:
        return np.arange(len(kept[0]) + len(kept[1]))
    return np.concatenate([first[kept[0]], first.max() + 1 + second[kept[1]]])


def _permuted(out: np.ndarray, units: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """[1 + permutations, rows]: which rows are held out, in truth and in random splits."""
    distinct, codes = np.unique(units, return_inverse=True)
    side = np.zeros(len(distinct), np.float32)
    side[codes] = out
    drawn = draw.permuted(np.tile(side, (PERMUTATIONS, 1)), axis=1)
    return np.concatenate([side[None], drawn])[:, codes]


def _by_input(x: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances [inputs] and their probabilities, corrected for the number of inputs."""
    held_out = labels.sum(axis=1, keepdims=True)
    train = labels.shape[1] - held_out
    distances = np.zeros((x.shape[1], len(labels)))
    for j, column in enumerate(x.T):
        codes = _codes(column)
        count = codes.max() + 1
        if count < 2:
            continue
        bins = np.zeros((len(codes), count), np.float32)
        bins[np.arange(len(codes)), codes] = 1
        total, of_held_out = bins.sum(axis=0), labels @ bins
        difference = of_held_out / held_out - (total - of_held_out) / train
        distances[j] = np.abs(np.cumsum(difference, axis=1)).max(axis=1)
    drawn = distances[:, 1:]
    spread = np.maximum(drawn.std(axis=1), 1e-12)
    scores = (distances - drawn.mean(axis=1)[:, None]) / spread[:, None]
    scores[distances.max(axis=1) == 0] = -np.inf
    highest = scores[:, 1:].max(axis=0)
    as_high = (highest >= scores[:, [0]] - 1e-9).sum(axis=1)
    return distances[:, 0], (1 + as_high) / (1 + PERMUTATIONS)


def _codes(column: np.ndarray) -> np.ndarray:
    """Values as numbers of bins, what is missing first; few values are bins of their own."""
    there = ~np.isnan(column)
    values = np.unique(column[there])
    if len(values) > BINS:
        values = np.unique(np.quantile(column[there], np.arange(1, BINS) / BINS))
    codes = np.where(there, 1 + np.searchsorted(values, np.nan_to_num(column)), 0)
    return np.unique(codes, return_inverse=True)[1]


def _classifier(
    x: np.ndarray,
    out: np.ndarray,
    units: np.ndarray,
    labels: np.ndarray | None,
    draw: np.random.Generator,
) -> tuple[float, float]:
    """The area under the curve on the halves that did not train, and its probability."""
    from scipy import stats

    distinct, codes = np.unique(units, return_inverse=True)
    half = np.zeros(len(distinct), bool)
    for side in (0, 1):  # halves of either side, so that both hold both
        of_side = np.unique(codes[out == side])
        half[draw.permutation(of_side)[: len(of_side) // 2]] = True
    first = half[codes]
    areas, p_values = [], []
    for test in (first, ~first):
        scores = _scores(x[~test], out[~test], x[test])
        ranks, sides = stats.rankdata(scores), out[test]
        area = _area(ranks, sides[None])[0]
        if labels is None:
            p_value = stats.mannwhitneyu(
                scores[sides == 1], scores[sides == 0], alternative="greater"
            ).pvalue
        else:
            # Groups of the tested half are drawn anew within it.
            drawn = _permuted(sides, codes[test], draw)[1:]
            p_value = (1 + (_area(ranks, drawn) >= area - 1e-9).sum()) / (1 + len(drawn))
        areas.append(area)
        p_values.append(float(p_value))
    return float(np.mean(areas)), min(1.0, 2 * min(p_values))


def _area(ranks: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """[splits] the share of pairs in which the held-out row has the higher score."""
    count = sides.sum(axis=1)
    others = sides.shape[1] - count
    return (sides @ ranks - count * (count + 1) / 2) / np.maximum(count * others, 1)


def _scores(x: np.ndarray, out: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """How much like a held-out row each row is, by ridge regression on inputs and squares.

    Products of inputs, too, where these are few: so a difference in correlation is seen. Of more
    features than rows it solves for the rows, a few inputs at a time: the matrix of features would
    take the square of their number.
    """
    weight = np.where(out == 1, 0.5 / max(out.sum(), 1), 0.5 / max((out == 0).sum(), 1))
    target, products = out - 0.5, x.shape[1] <= FEW_INPUTS
    if products or KINDS * x.shape[1] <= len(x):
        known, unknown = _centred_features(x, asked, weight, products=products)
        weighted = known * weight[:, None]
        # As strong as one standard deviation for each column of ten rows.
        strength = known.shape[1] / len(known) * np.eye(known.shape[1])
        return unknown @ np.linalg.solve(weighted.T @ known + strength, weighted.T @ target)
    inner, across = np.zeros((len(x), len(x))), np.zeros((len(asked), len(x)))
    for start in range(0, x.shape[1], INPUTS_AT_ONCE):
        part = slice(start, start + INPUTS_AT_ONCE)
        known, unknown = _centred_features(x[:, part], asked[:, part], weight, products=False)
        inner += known @ known.T
        across += unknown @ known.T
    root = np.sqrt(weight)
    strength = KINDS * x.shape[1] / len(x) * np.eye(len(x))
    solved = np.linalg.solve(root[:, None] * inner * root + strength, root * target)
    return across @ (root * solved)


def _centred_features(
    x: np.ndarray, asked: np.ndarray, weight: np.ndarray, *, products: bool
) -> tuple[np.ndarray, np.ndarray]:
    """[rows, features] of both, less the weighted mean of the first."""
    middle, spread = middle_and_spread(x)

    def features(part: np.ndarray) -> np.ndarray:
        scaled = np.clip(np.nan_to_num((part - middle) / spread), -4, 4)
        parts = [scaled, scaled**2, np.isnan(part)]
        if products:
            first, second = np.triu_indices(x.shape[1], 1)
            parts.append(scaled[:, first] * scaled[:, second])
        return np.concatenate(parts, axis=1)

    known, unknown = features(x), features(asked)
    centre = weight @ known
    return known - centre, unknown - centre
