"""The units that a budget of multiply-adds leaves, and at which strength of a penalty on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from taut.compaction.kept_units import NAMED, Kept, kept_lines
from taut.compaction.reasons import Reason
from taut.compaction.remade import Remaking, remade
from taut.compaction.unit_groups import LayerUnits, UnitGroups
from taut.errors import InputError


@dataclass(frozen=True)
class Tried:
    """What is left at one strength.

    Attributes:
        strength: α of the penalty on multiply-adds, per share of all of them.
        multiply_adds: Of the model without the units that are off at it.
    """

    strength: float
    multiply_adds: int | None


def within_budget(
    model: Any,
    *,
    target: int,
    count: Callable[[Any], int | None],
    groups_of: Callable[[Any], UnitGroups],
) -> tuple[Any, tuple[Tried, ...], tuple[Kept, ...]]:
    """A copy in which units are off, as many and such that it is within a budget.

    Args:
        model: A Sequential or Functional model; it is not changed.
        target: Multiply-adds of one row, at most.
        count: (model) -> its multiply-adds without dead units; None where all are dead.
        groups_of: (model) -> the groups of its units.

    Returns:
        The copy, what is left at the strengths that were tried, by bisection, and the layers whose
        units all stay on because one that is off would stay.

    Raises:
        InputError: If the budget is below what one unit of each layer takes.
    """
    copy = remade(model, Remaking())
    groups = groups_of(copy)
    values = [np.array(ops.convert_to_numpy(v)) for v in copy.variables]
    tried: list[Tried] = []

    def switch_off(gone: list[int]) -> None:
        for variable, value in zip(copy.variables, values, strict=True):
            variable.assign(value)
        groups.switch_off(np.isin(np.arange(len(groups.alive)), gone))

    # Where a unit stays though it is off, such as in front of a layer without a rule, none goes.
    probed = {
        place: int(np.flatnonzero(groups.can_go[layer.groups])[0])
        for place, layer in enumerate(groups.layers)
        if groups.can_go[np.unique(layer.groups)].sum() > 1
    }
    switch_off([int(groups.layers[place].groups[unit]) for place, unit in probed.items()])
    after = groups_of(copy)
    reasons: dict[str, Reason] = {k.layer: Reason(k.reason, k.remedy) for k in after.told()}
    reasons |= {la.path: la.hindrance for la in groups.layers if la.hindrance is not None}
    fixed: list[Kept] = []
    for place, layer in enumerate(groups.layers):
        stays = place in probed and after.alive[after.layers[place].groups[probed[place]]]
        if stays:
            groups.can_go[layer.groups] = False
        if (stays or layer.hindrance is not None) and layer.path in reasons:
            words, remedy = reasons[layer.path]
            fixed.append(Kept(layer.path, 0, f"none of its units is switched off: {words}", remedy))
    off = list(switched_off(groups))

    def within(number: int) -> bool:
        switch_off([group for group, _ in off[:number]])
        left = count(copy)
        tried.append(Tried(off[number - 1][1] if number else 0.0, left))
        return left is not None and left <= target

    if not within(len(off)):
        raise InputError(_not_met(model, target, tried[-1].multiply_adds, fixed))
    too_few, enough = 0, len(off)
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        if within(middle):
            enough = middle
        else:
            too_few = middle
    switch_off([group for group, _ in off[:enough]])
    return copy, tuple(sorted(tried, key=lambda t: t.strength)), tuple(fixed)


def switched_off(groups: UnitGroups) -> Iterator[tuple[int, float]]:
    r"""The groups of units in the order in which they go while a strength α rises from 0.

    With A the units that are on, v_u the worth of unit u (`LayerUnits`), S_l(A) = Σ_{u∈A∩l} v_u
    the worth that layer l has left, M(A) the multiply-adds and C_l those of the layer and of its
    readers while all units are on:

        −Σ_l √C_l·log S_l(A) + α·M(A)

    What layers one behind another are worth is a product, of which this is minus the logarithm:
    no layer loses its last unit, and one that has become narrow loses further units late. The
    penalty α·M counts units by what they cost, as L0 does: its proximal step switches off, and
    does not shrink. The unit goes that loses least for each multiply-add that it saves, and both
    are found anew after each. The weights √C_l lie between two extremes: with C_l layers of
    equal units would all become narrower by one factor, with 1 those that cost most would alone,
    until all cost the same. Channels of a convolution go in fours (`LayerUnits.step`), one
    behind the other: so a budget is met to a channel, and leaves at most one layer with another
    number of them.

    Yields:
        The group, and the α at which it goes: M is counted in shares of all multiply-adds.
    """
    alive, strength = groups.alive.copy(), 0.0
    weights = [
        np.sqrt(groups.costs(alive)[np.unique(layer.groups)].sum() / groups.whole)
        for layer in groups.layers
    ]
    # A little is added, so that units of no worth at all are told apart by what they cost.
    worths = [la.worth + 1e-6 * la.worth.mean() + 1e-30 for la in groups.layers]
    while True:
        shares = []
        for layer, worth in zip(groups.layers, worths, strict=True):
            on = alive[layer.groups]
            by_group = np.bincount(layer.groups[on], worth[on], minlength=len(alive))
            shares.append(by_group / max(worth[on].sum(), 1e-30))
        saved = groups.costs(alive) / groups.whole
        can = np.flatnonzero(alive & groups.can_go)
        prices = np.full(len(alive), np.inf)
        prices[can] = _prices(can[None], weights, shares, saved)
        sets = [_next_of(layer, alive, prices) for layer in groups.layers]
        found = [(float(_prices(g, weights, shares, saved)), g) for g in sets if len(g)]
        least, gone = min(found, key=lambda pair: pair[0], default=(np.inf, None))
        if gone is None or not np.isfinite(least):
            return
        strength = max(strength, least)
        alive[gone] = False
        yield from ((int(group), strength) for group in gone)


def _prices(
    gone: np.ndarray, weights: list[Any], shares: list[np.ndarray], saved: np.ndarray
) -> np.ndarray:
    """What sets of groups that go [size, sets] lose for each multiply-add; inf if they cannot."""
    with np.errstate(divide="ignore"):  # the last one of a layer: the logarithm of nothing
        left = [np.maximum(1 - share[gone].sum(0), 0) for share in shares]
        lost = -sum(
            w * np.log(np.where(s < 1e-9, 0, s)) for w, s in zip(weights, left, strict=True)
        )
    gain = saved[gone].sum(0)
    can = (lost > 0) & np.isfinite(lost) & (gain > 0)
    return np.where(can, lost / np.where(can, gain, 1), np.inf)


def _next_of(layer: LayerUnits, alive: np.ndarray, prices: np.ndarray) -> np.ndarray:
    """The groups of one layer that go next, as many as go at a time: those of least price."""
    on = int(alive[layer.groups].sum())
    number = 1 if on <= 4 * layer.step else on % layer.step or layer.step
    mine = np.unique(layer.groups)
    mine = mine[np.isfinite(prices[mine])]
    return mine[np.argsort(prices[mine], kind="stable")[:number]]


def _not_met(model: Any, target: int, least: int | None, fixed: Sequence[Kept]) -> str:
    stay = "".join(f" {line}." for line in kept_lines(fixed)[:NAMED])
    return (
        "`target_macs` must be met by some strength at which units live. Received: "
        f"target_macs={target} for {model.name!r}, of which {least} multiply-adds are left when "
        "all units are off that can be: of each layer at least one stays, and all where a unit "
        f"stays though it is off. Allow that many, or pass fewer layers in `ignore=`.{stay}"
    )
