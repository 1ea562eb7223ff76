"""What each variable of a model is penalised with, and how sparse it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from taut.errors import InputError
from taut.optimizers.blocks import Block
from taut.optimizers.proximal import Proximal
from taut.optimizers.selection import Assignment, assign


@dataclass(frozen=True)
class VariableReport:
    """One variable: its penalty and strengths, or the reason why it has none."""

    path: str
    shape: tuple[int, ...]
    penalty: str
    strengths: tuple[float, ...]
    reason: str
    zeros: int
    size: int
    groups: str = ""


@dataclass(frozen=True)
class Explanation:
    """What `explain` returns: one line a variable. Print it, or read `variables`."""

    variables: tuple[VariableReport, ...]
    note: str

    def __str__(self) -> str:
        head = ("variable", "shape", "penalty", "strength", "exact zeros", "zero groups", "why")
        rows = [
            (
                v.path,
                "×".join(map(str, v.shape)) or "scalar",
                v.penalty,
                ", ".join(f"{s:g}" for s in v.strengths) or "—",
                f"{v.zeros} of {v.size}",
                v.groups or "—",
                v.reason,
            )
            for v in self.variables
        ]
        widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in [head, *rows]
        ]
        lines.insert(1, "─" * max(map(len, lines)))
        return "\n".join([*lines, self.note] if self.note else lines)


def explain(model: Any) -> Explanation:
    """List each trainable variable: its penalty, strength, why it is excluded, exact zeros.

    Args:
        model: A compiled and built Keras model (built: it has seen data or has an `Input`).

    Returns:
        An `Explanation`; `print` it, or read its `variables`.

    Raises:
        InputError: If the model is not built.

    Example:
        >>> import keras, taut
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        >>> model.compile(optimizer=taut.Proximal("adam", taut.L1(0.01)), loss="mse")
        >>> len(taut.explain(model).variables)
        2
    """
    if not model.built:
        raise InputError(
            "`explain` needs a built model: its variables do not exist yet. Received: "
            f"{model.name!r}. Add a `keras.Input`, or call the model on data first."
        )
    optimizer = proximal_of(model)
    if optimizer is None:
        plan = assign(model.trainable_variables, ())
        note = "The model is not compiled with a taut.Proximal optimizer: nothing is exact."
    else:
        plan = optimizer.assignments()
        note = "Penalties are not in `loss`; they are treated by exact proximal steps."
    blocks = {id(v): b for b in (optimizer.blocks if optimizer else ()) for v in b.variables}
    rows = [_row(a, optimizer, blocks.get(id(a.variable))) for a in plan]
    return Explanation(tuple(rows), note)


def _row(assignment: Assignment, optimizer: Any, block: Block | None) -> VariableReport:
    variable, parts = assignment.variable, assignment.parts
    values = np.asarray(ops.convert_to_numpy(variable))
    name = " + ".join(type(part).__name__ for part in parts)
    strengths: tuple[float, ...] = tuple(part.strength for part in parts)
    groups = ""
    if block is not None:
        strengths = tuple(float(s.numpy()) for s in optimizer.strengths_of(block))
        groups = _zero_groups(block)
    elif parts:
        name += " (by subgradient)"
    return VariableReport(
        path=variable.path,
        shape=tuple(variable.shape),
        penalty=name or "—",
        strengths=strengths,
        reason=assignment.reason,
        zeros=int((values == 0).sum()),
        size=values.size,
        groups=groups,
    )


def _zero_groups(block: Block) -> str:
    if block.grouping is None:
        return ""
    sizes = block.grouping.max([ops.abs(v) for v in block.grouping.views(block.values())])
    zero = int((ops.convert_to_numpy(sizes) == 0).sum())
    groups = block.entry.penalty.groups  # type: ignore[union-attr]
    return f"{zero} of {block.grouping.count} {groups if isinstance(groups, str) else 'groups'}"


def proximal_of(model: Any) -> Any:
    """The model's `Proximal` optimizer, built, also inside Keras's loss scaling, or None."""
    optimizer = getattr(model, "optimizer", None)
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    if not isinstance(optimizer, Proximal):
        return None
    if model.built and not optimizer.built:
        # Keras builds it when training starts, with the same variables.
        optimizer.bind(model).build(model.trainable_variables)
    return optimizer


def penalty_value(model: Any) -> float:
    """αR(w) summed over the model's penalised variables, at the optimizer's strengths."""
    optimizer = proximal_of(model)
    if optimizer is None:
        return 0.0
    return sum(
        float(ops.convert_to_numpy(block.value(block.values(), optimizer.strengths_of(block))))
        for block in optimizer.blocks
    )
