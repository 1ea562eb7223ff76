"""The units that a budget of multiply-adds leaves, and at which strength of a penalty on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops, tree

from taut._data import as_arrays
from taut._keras_compat import build_loss, compile_arguments
from taut.compaction.remade import Remaking, remade
from taut.compaction.unit_groups import LayerUnits, UnitGroups
from taut.errors import InputError
from taut.objective import Objective
from taut.objective.rows import count_rows, take_rows

BATCHES, ROWS = 32, 64
"""The batches on which the worth of units is measured, and the rows of each."""


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
    x: Any,
    y: Any,
    *,
    target: int,
    count: Callable[[Any], int | None],
    groups_of: Callable[[Any], UnitGroups],
    seed: int,
) -> tuple[Any, tuple[Tried, ...]]:
    r"""A copy in which units are off, as many and such that it is within a budget.

    With A the units that are on, v_u² the mean square of ∂J/∂z_u over batches, z_u a factor of
    what makes unit u (1 where it is on), S_l = Σ_{u∈A∩l} v_u / Σ_{u∈l} v_u the share of what
    layer l is worth, and M(A) the multiply-adds:

        min over A  −Σ_l log S_l(A) + α·M(A)/M,    α the smallest that is found within the budget.

    The worth of the layers one behind another is their product, of which −log is the sum: so no
    layer can lose all its units. The penalty counts, as L0 does, and its proximal step switches
    off: α rises, and the unit goes that loses least for each multiply-add that it saves, which is
    measured anew after each.

    Args:
        model: A compiled Sequential or Functional model; it is not changed.
        x: Rows, [rows, …] or a tree of these.
        y: Targets.
        target: Multiply-adds of one row, at most.
        count: (model) -> its multiply-adds without dead units; None where all are dead.
        groups_of: (model) -> the groups of its units.
        seed: Of the choice of rows.

    Returns:
        The copy, and what is left at some strengths up to that which was found.

    Raises:
        InputError: If the budget is below what one unit of each layer takes.

    References:
        Molchanov, Mallya, Tyree, Frosio and Kautz, Importance estimation for neural network
        pruning, 2019 (the worth).
    """
    copy = remade(model, Remaking())
    given = compile_arguments(model)
    copy.compile("sgd", loss=given["loss"], loss_weights=given["loss_weights"])
    groups = groups_of(copy)
    worth = worths(copy, as_arrays(x, "x"), as_arrays(y, "y"), groups.layers, seed)
    off = list(switched_off(groups, worth))
    values = [np.array(ops.convert_to_numpy(v)) for v in copy.variables]
    tried: list[Tried] = []

    def left_without(number: int) -> int | None:
        for variable, value in zip(copy.variables, values, strict=True):
            variable.assign(value)
        gone = np.zeros(len(groups.alive), bool)
        gone[[group for group, _ in off[:number]]] = True
        groups.switch_off(gone)
        left = count(copy)
        tried.append(Tried(off[number - 1][1] if number else 0.0, left))
        return left

    def met(left: int | None) -> bool:
        return left is not None and left <= target

    least = left_without(len(off))
    if not met(least):
        raise InputError(_not_met(model, target, least))
    above, within = 0, len(off)
    while within - above > 1:
        middle = (above + within) // 2
        if met(left_without(middle)):
            within = middle
        else:
            above = middle
    left_without(within)
    return copy, tuple(tried)


def worths(
    model: Any, x: Any, y: Any, layers: Sequence[LayerUnits], seed: int
) -> list[np.ndarray]:
    """[layers] of [units]: the root mean square of ∂J/∂z_u over batches, z_u a factor of the gate.

    ∂J/∂z_u = Σ w·∂J/∂w over the weights w of the gate: what J changes by, to first order, when
    they are all made larger by one share. It stays the same when a layer is made larger and the
    next one smaller by it, unlike the size of weights.
    """
    number = count_rows(y)
    order = np.random.default_rng(seed).permutation(number)
    size = min(ROWS, number)
    build_loss(model, *(_first_rows(data, size) for data in (x, y)))
    objective = Objective(model)
    place = {id(v): k for k, v in enumerate(objective.variables)}
    values = [ops.convert_to_numpy(v) for v in objective.variables]
    squares = [np.zeros(len(layer.groups)) for layer in layers]
    batches = max(min(BATCHES, number // size), 1)
    for k in range(batches):
        rows = order[k * size : (k + 1) * size]
        gradients = objective.gradients(*take_rows(x, y, None, rows))
        for layer, sums in zip(layers, squares, strict=True):
            slope = np.zeros(len(layer.groups))
            for variable, shape in layer.gate:
                product = values[place[id(variable)]] * gradients[place[id(variable)]]
                slope += product.astype(float).reshape(shape).sum(axis=(0, 2))
            sums += slope**2
    return [np.sqrt(sums / batches) for sums in squares]


def switched_off(groups: UnitGroups, worth: Sequence[np.ndarray]) -> Iterator[tuple[int, float]]:
    """The groups in the order in which they go while α rises from 0, each with the α it goes at."""
    alive, strength = groups.alive.copy(), 0.0
    # A little is added, so that units of no worth at all are told apart by what they cost.
    sizes = [v + 1e-6 * v.mean() + 1e-30 for v in worth]
    while True:
        lost = np.zeros(len(alive))
        for layer, size in zip(groups.layers, sizes, strict=True):
            on = alive[layer.groups]
            total = size[on].sum()
            by_group = np.bincount(layer.groups[on], size[on], minlength=len(alive))
            share = by_group / total if total else by_group
            # The last one cannot go: the logarithm of nothing.
            left = np.where(share > 1 - 1e-9, 0, 1 - share)
            with np.errstate(divide="ignore"):
                lost -= np.log(left)
        saved = groups.costs(alive) / groups.whole
        can = alive & ~groups.fixed & (lost > 0) & np.isfinite(lost) & (saved > 0)
        if not can.any():
            return
        price = np.where(can, lost / np.where(can, saved, 1), np.inf)
        group = int(price.argmin())
        strength = max(strength, float(price[group]))
        alive[group] = False
        yield group, strength


def _first_rows(data: Any, number: int) -> Any:
    return tree.map_structure(lambda a: a[:number], data)


def _not_met(model: Any, target: int, least: int | None) -> str:
    return (
        "`target_macs` must be met by some strength at which units live. Received: "
        f"target_macs={target} for {model.name!r}, of which {least} multiply-adds are left where "
        "each layer has one unit. Allow that many, or pass fewer layers in `ignore=`."
    )
