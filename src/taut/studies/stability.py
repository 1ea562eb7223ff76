"""Stability selection: how often half of the rows select an input, and what that bounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from taut.checks import check_above, check_share
from taut.errors import InputError

UNIMODAL_SHARE = 1 / np.sqrt(3)
"""Share of the inputs that a half may select for the bound of unimodal distributions to hold."""


@dataclass(frozen=True)
class Stability:
    """What complementary halves of the rows selected.

    Attributes:
        frequency: [inputs] share of the halves that selected each input.
        both: [inputs] share of the pairs of which both halves selected it.
        per_half: q, how many inputs a half selected, on average.
        pairs: B, how many pairs of halves.
    """

    frequency: np.ndarray
    both: np.ndarray
    per_half: float
    pairs: int

    def expected_false(self, threshold: float) -> float | None:
        """At most so many inputs of a frequency of `threshold` or more are there by chance.

        See `expected_false`; None where no bound holds.
        """
        return expected_false(self.per_half, len(self.frequency), threshold, pairs=self.pairs)


def complementary_pairs(
    rows: int,
    pairs: int,
    *,
    seed: int = 0,
    labels: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of disjoint halves of the rows, drawn anew for each pair.

    Args:
        rows: How many rows there are.
        pairs: How many pairs.
        seed: Draws them.
        labels: [rows] classes, of which both halves get equal parts.
        groups: [rows] group numbers: a group is in one half as a whole. Not with `labels`.

    Returns:
        For each pair the sorted row numbers of its halves; together they are all rows.
    """
    draw = np.random.default_rng(seed)
    unit_of = np.arange(rows) if groups is None else np.unique(groups, return_inverse=True)[1]
    units = int(unit_of.max()) + 1
    halves = []
    for _ in range(pairs):
        order = draw.permutation(units)
        if labels is not None and groups is None:
            # One after another by class, so that every second one is half of each.
            order = order[np.argsort(np.asarray(labels)[order], kind="stable")]
        first = np.zeros(units, bool)
        first[order[::2]] = True
        halves.append((np.flatnonzero(first[unit_of]), np.flatnonzero(~first[unit_of])))
    return halves


def stability(selected: np.ndarray) -> Stability:
    """Summarise what complementary halves selected.

    Args:
        selected: [2·pairs, inputs] whether each half selected each input; halves 2b and 2b+1 are
            one pair.

    Raises:
        InputError: If it is no such array.
    """
    selected = np.asarray(selected, bool)
    if selected.ndim != 2 or not len(selected) or len(selected) % 2 or not selected.shape[1]:
        raise InputError(
            "`selected` must be [2·pairs, inputs], with one pair and one input at least. "
            f"Received: shape {selected.shape}."
        )
    return Stability(
        frequency=selected.mean(axis=0),
        both=(selected[::2] & selected[1::2]).mean(axis=0),
        per_half=float(selected.sum(axis=1).mean()),
        pairs=len(selected) // 2,
    )


def expected_false(
    per_half: float, inputs: int, threshold: float, *, pairs: int | None = None
) -> float | None:
    r"""A bound on the expected number of inputs that are selected by chance.

    Of p inputs, a half selects q on average; an input is selected if at least τ of the halves
    did so. Then the expected number of selected inputs that a half selects no more often than one
    drawn blindly (of probability θ = q/p or less) is at most

        q²/((2τ − 1)·p)                                 (Meinshausen and Bühlmann), and
        q²/p · 1/(2·(2τ − 1 − 1/(2B)))                  for τ ≤ 3/4,
        q²/p · 4·(1 − τ + 1/(2B))/(1 + 1/B)             for τ > 3/4  (Shah and Samworth)

    with B complementary pairs. The first needs τ > 1/2. The others take the distribution of the
    share of pairs that agree to be unimodal, and need θ ≤ 1/√3 and
    τ > min(1/2 + θ², 1/2 + 1/(2B) + 3θ²/4).

    Args:
        per_half: q.
        inputs: p.
        threshold: τ, at most 1.
        pairs: B; without it, the first bound alone.

    Returns:
        The least of the bounds that hold, at most p; None where none holds.

    Raises:
        InputError: For numbers that cannot be.

    Example:
        >>> expected_false(10, 200, 0.9)
        0.625
        >>> round(expected_false(10, 200, 0.9, pairs=50), 3)
        0.216

    References:
        Meinshausen and Bühlmann, Stability selection, 2010, theorem 1.
        Shah and Samworth, Variable selection with error control, 2013, theorems 1 and 2.
    """
    bounds = both_bounds(per_half, inputs, threshold, pairs=pairs)
    return min((bound for bound in bounds if bound is not None), default=None)


def both_bounds(
    per_half: float, inputs: int, threshold: float, *, pairs: int | None = None
) -> tuple[float | None, float | None]:
    """The bounds of `expected_false`: Meinshausen and Bühlmann's, and Shah and Samworth's.

    Each is at most the number of inputs, and None where it does not hold.

    Raises:
        InputError: For numbers that cannot be.
    """
    check_above(0, inputs=inputs)
    if not 0 <= per_half <= inputs:
        raise InputError(
            f"`per_half` must be from 0 to the {inputs} inputs. Received: per_half={per_half!r}."
        )
    check_share(threshold=threshold)
    blind = per_half**2 / inputs
    first = blind / (2 * threshold - 1) if threshold > 0.5 else None
    factor = None if pairs is None else _unimodal_factor(per_half / inputs, threshold, pairs)
    second = blind * factor if factor else None
    return tuple(None if b is None else float(min(b, inputs)) for b in (first, second))  # type: ignore[return-value]


def most_per_half(inputs: int, false_selections: float, threshold: float, *, pairs: int) -> int:
    """The largest q, inputs that a half selects, that keeps a bound on false selections.

    Raises:
        InputError: If not even one input a half does.
    """
    for per_half in range(inputs, 0, -1):
        bound = expected_false(per_half, inputs, threshold, pairs=pairs)
        if bound is not None and bound <= false_selections:
            return per_half
    raise InputError(
        f"No number of inputs a half keeps {false_selections:g} false selections at the threshold "
        f"{threshold:g}. Raise `false_selections`, `threshold` or `pairs`."
    )


def least_threshold(inputs: int, false_selections: float, per_half: float, *, pairs: int) -> float:
    """The least τ, in steps of one half, at which so many inputs a half keep a bound.

    Raises:
        InputError: If none up to 1 does.
    """
    for count in range(pairs + 1, 2 * pairs + 1):
        threshold = count / (2 * pairs)
        bound = expected_false(per_half, inputs, threshold, pairs=pairs)
        if bound is not None and bound <= false_selections:
            return threshold
    raise InputError(
        f"No threshold keeps {false_selections:g} false selections where a half selects "
        f"{per_half:g} of {inputs} inputs. Raise `false_selections` or `pairs`, or lower "
        "`per_half`."
    )


def _unimodal_factor(share: float, threshold: float, pairs: int) -> float | None:
    """C(τ, B) of Shah and Samworth's theorem 2; None where it does not hold."""
    least = min(0.5 + share**2, 0.5 + 1 / (2 * pairs) + 0.75 * share**2)
    if share > UNIMODAL_SHARE or threshold <= least:
        return None
    if threshold > 0.75:
        return 4 * (1 - threshold + 1 / (2 * pairs)) / (1 + 1 / pairs)
    gap = 2 * threshold - 1 - 1 / (2 * pairs)
    return 1 / (2 * gap) if gap > 0 else None


def first_by_area(norms: np.ndarray, per_half: int) -> np.ndarray:
    r"""The inputs that come in first on each half's path, and stay.

    Those of largest a_j = Σ_α ‖w_j(α)‖ / max_k ‖w_k(α)‖, of these that are not 0.

    Args:
        norms: [halves, strengths, inputs] of all weights that read an input; NaN where a training
            diverged, which then counts for nothing.
        per_half: q, how many.

    Returns:
        [halves, inputs] whether each is selected.
    """
    known = np.nan_to_num(np.asarray(norms, float), nan=0.0, posinf=0.0)
    largest = known.max(axis=-1, keepdims=True)
    area = (known / np.where(largest > 0, largest, 1.0)).sum(axis=1)
    order = np.argsort(-area, axis=1, kind="stable")
    selected = np.zeros(area.shape, bool)
    np.put_along_axis(selected, order[:, :per_half], True, axis=1)
    return selected & (area > 0)
