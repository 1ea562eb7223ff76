"""What each variable of a model is penalised with, and how sparse it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from keras import ops

from taut._keras.given_model import check_keras_model
from taut._keras.layer_parts import is_bias, is_normalization_scale
from taut.objective.objective import Objective
from taut.optimizers.own import SET_TOO_LATE, activities, in_loss, set_too_late
from taut.optimizers.selection import Assignment, assign
from taut.optimizers.terms import Term
from taut.structure import rescaled_by
from taut.text_table import text_table


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


HEAD = ("variable", "shape", "penalty", "strength", "exact zeros", "zero groups", "why")


@dataclass(frozen=True, repr=False)
class Explanation:
    """What `explain` returns: one line a variable. Print it, or read `variables`."""

    variables: tuple[VariableReport, ...]
    note: str
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        table = text_table(self._rows(), header=HEAD)
        return "\n".join([table, self.note, *(f"Warning: {text}" for text in self.warnings)])

    def __repr__(self) -> str:
        penalised = sum(bool(v.strengths) for v in self.variables)
        warned = f", {len(self.warnings)} warnings" if self.warnings else ""
        return f"Explanation({penalised} of {len(self.variables)} variables penalised{warned})"

    def _repr_html_(self) -> str:
        from html import escape

        import pandas as pd

        table = pd.DataFrame(self._rows(), columns=list(HEAD)).to_html(index=False, border=0)
        texts = [self.note, *(f"Warning: {text}" for text in self.warnings)]
        return table + "".join(f"<p>{escape(text)}</p>" for text in texts)

    def _rows(self) -> list[tuple[str, ...]]:
        return [
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
    check_keras_model(built=True, model=model)
    optimizers = Objective(model).optimizers
    reports: dict[int, VariableReport] = {}
    plan: dict[int, Assignment] = {}
    terms: dict[int, Term] = {}
    for optimizer in optimizers:
        terms |= {id(v): term for term in optimizer.terms for v in term.variables}
        for assignment in optimizer.assignments() if optimizer.built else ():
            term = terms.get(id(assignment.variable))
            plan[id(assignment.variable)] = assignment
            reports[id(assignment.variable)] = _row(assignment, optimizer, term)
    for variable in model.trainable_variables:
        if id(variable) not in reports:
            (assignment,) = assign([variable], ())
            if optimizers:
                assignment = replace(assignment, reason="its optimizer is not a taut.Proximal")
            reports[id(variable)] = _row(assignment, None, None)
    note = _note(model, optimizers, terms)
    order = {id(v): number for number, v in enumerate(model.variables)}
    rows = sorted(reports.items(), key=lambda item: order.get(item[0], len(order)))
    in_order = [plan[key] for key, _ in rows if key in plan]
    late = set_too_late(model)
    warnings = (
        *(f"{SET_TOO_LATE} Received: {text}." for text in late),
        *_warnings(model, in_order, terms),
    )
    return Explanation(tuple(row for _, row in rows), note, warnings)


def _note(model: Any, optimizers: Sequence[Any], terms: Mapping[int, Term]) -> str:
    if not optimizers:
        note = "The model is not compiled with a taut.Proximal optimizer: nothing is exact."
    elif not all(optimizer.built for optimizer in optimizers):
        note = (
            "Penalties are not in `loss`; they are treated by exact proximal steps. Of an "
            "optimizer that is not built it is not known yet what it penalises."
        )
    elif not terms:
        note = "Nothing is penalised."
    else:
        note = "Penalties are not in `loss`; they are treated by exact proximal steps."
    treated = {key for key, term in terms.items() if term.lifts}
    added = in_loss(model.trainable_variables, treated) + activities(model)
    if added:
        note += f" In `loss` too, by gradient steps: {', '.join(added)}."
    return note


def _warnings(model: Any, plan: Sequence[Assignment], terms: Mapping[int, Term]) -> Iterator[str]:
    """Where a penalty can be made small without any change of the predictions."""
    undone = rescaled_by(model)
    for assignment in plan:
        variable = assignment.variable
        norm = undone.get(id(variable))
        if norm is None or not _shrinks(variable, terms) or is_bias(variable):
            continue
        if any(is_normalization_scale(v) for v in terms[id(variable)].variables):
            continue  # the scale is in the group, and shrinks with it
        scale = next((v for v in model.trainable_variables if _is_scale_of(v, norm)), None)
        remedy = "Penalise weights behind it instead, or leave it out."
        if scale is not None:
            remedy = (
                f"Penalise the scale instead, {{'{norm}/{scale.name}': taut.L1(…)}}, or both "
                "together, `taut.GroupLasso(…, groups='units')`."
            )
        yield (
            f"{variable.path} feeds {norm!r}, which divides by the scale of what it is given: the "
            "penalty can shrink by making these weights smaller, with the same predictions. "
            + remedy
        )
    weights = [a for a in plan if len(a.variable.shape) > 1]
    if len(weights) < 2 or any(id(a.variable) in terms for a in weights[1:]):
        return
    first = weights[0]
    if _shrinks(first.variable, terms):
        yield (
            f"only {first.variable.path}, the first layer, is penalised: the layers after it can "
            "grow while it shrinks, with the same predictions. Penalise them too, at least a "
            "little, or use `taut.Hierarchical` with a skip layer."
        )


def _is_scale_of(variable: Any, norm: str) -> bool:
    return variable.name in ("gamma", "scale") and f"/{norm}/" in f"/{variable.path}"


def _shrinks(variable: Any, terms: Mapping[int, Term]) -> bool:
    """Whether a penalty on it falls as it becomes smaller; a constraint does not."""
    parts = terms[id(variable)].parts if id(variable) in terms else ()
    return any(part.kind not in ("cone", "other") for part in parts)


def _row(assignment: Assignment, optimizer: Any, term: Term | None) -> VariableReport:
    variable, parts, reason = assignment.variable, assignment.parts, assignment.reason
    values = np.asarray(ops.convert_to_numpy(variable))
    if term is not None:
        parts, reason = term.parts, _reason(assignment, term)
    name = " + ".join(type(part).__name__ for part in parts)
    strengths: tuple[float, ...] = tuple(part.strength for part in parts)
    groups = ""
    if term is not None:
        strengths = tuple(float(s.numpy()) for s in optimizer.strengths_of(term))
        groups = _zero_groups(term)
    elif parts:
        name += " (by subgradient)"
    elif variable.constraint is not None:
        reason += f"; Keras's {type(variable.constraint).__name__} is applied after each step"
    if variable.regularizer is not None and not (term and term.lifts) and not parts:
        reason += f"; the layer's {type(variable.regularizer).__name__} stays in the loss"
    return VariableReport(
        path=variable.path,
        shape=tuple(variable.shape),
        penalty=name or "—",
        strengths=strengths,
        reason=reason,
        zeros=int((values == 0).sum()),
        size=values.size,
        groups=groups,
    )


def _reason(assignment: Assignment, term: Term) -> str:
    layer_parts = []
    if term.regularizers:
        layer_parts.append(f"the layer's Keras {type(assignment.variable.regularizer).__name__}")
    if term.constraints:
        layer_parts.append(f"the layer's Keras {type(assignment.variable.constraint).__name__}")
    asked = [assignment.reason] if term.requested else []
    return ", with ".join([*asked, " and ".join(layer_parts)]) if layer_parts else assignment.reason


def _zero_groups(term: Term) -> str:
    if term.grouping is None:
        return ""
    sizes = term.grouping.max([ops.abs(v) for v in term.grouping.views(term.values())])
    zero = int((ops.convert_to_numpy(sizes) == 0).sum())
    groups = term.entry.penalty.groups  # type: ignore[union-attr]
    return f"{zero} of {term.grouping.count} {groups if isinstance(groups, str) else 'groups'}"
