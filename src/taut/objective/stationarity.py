"""The certificate: how far a model is from a stationary point of J' = J + αR."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from taut._read_only import ReadOnly
from taut.errors import InputError, UnsupportedError
from taut.objective.objective import Objective, check_kind
from taut.objective.rows import (
    checked_arrays,
    count_rows,
    mean_of_pieces,
    scale_rows,
    take_rows,
)
from taut.text_table import text_table

BATCH_ROWS = 4096
CONVERGED = 1e-3
"""A largest residual below this is converged for most purposes."""

Batch = tuple[Any, Any, Any]


@dataclass(frozen=True, repr=False)
class Stationarity(ReadOnly):
    """The residual of stationarity of J', by variable.

    Attributes:
        residuals: Path to scaled residual: 0 is stationary, below 1e-3 is converged for most
            purposes, near 1 means that nothing balances.
        largest: The largest of them.
        scale: What the residuals were divided by: the root mean square, over rows, of the norm
            of the gradient of one row's loss.
        gap: An upper bound of J'(w) − min J' where J' is known to be convex; else None.
        note: What the certificate does and does not say.
    """

    residuals: dict[str, float]
    largest: float
    scale: float
    gap: float | None
    note: str

    def __str__(self) -> str:
        rows = [*self.residuals.items(), ("largest", self.largest)]
        table = text_table([path, f"{r:.2e}"] for path, r in rows)
        return "\n".join([table, self.verdict, self.note])

    @property
    def converged(self) -> bool:
        """Whether the largest residual is below 1e-3; False where it is not a number."""
        return self.largest < CONVERGED

    @property
    def verdict(self) -> str:
        """The certificate in words: converged or not, and where it is farthest from it."""
        farthest = max(
            self.residuals, key=lambda path: np.nan_to_num(self.residuals[path], nan=np.inf)
        )
        text = f"largest residual {self.largest:.1e}, of {farthest}"
        if self.converged:
            return f"converged: {text}"
        return f"not converged: {text}; train longer, or lower the learning rate"

    def __repr__(self) -> str:
        return f"Stationarity({self.verdict})"

    def _repr_html_(self) -> str:
        from html import escape

        import pandas as pd

        table = pd.DataFrame(
            {"variable": list(self.residuals), "residual": self.residuals.values()}
        )
        shown = table.to_html(index=False, border=0, float_format="%.2e")
        return f"<p><b>{escape(self.verdict)}</b></p>{shown}<p>{escape(self.note)}</p>"


def stationarity(model: Any, x: Any, y: Any, *, sample_weight: Any = None) -> Stationarity:
    r"""Certify how close a model is to a stationary point of J'(w) = J(w) + Σ α·R(w).

    For each trainable variable the residual is

        ‖dist(−∇J(w), α·∂R(w))‖₂ / S,    S² = mean over rows i of ‖∇ℓ_i(w)‖₂²,

    the violation of the optimality (KKT) conditions, in units of the gradient of one row, so
    that models and data sets can be compared. An unpenalised variable has R = 0, so its
    residual is ‖∇J‖/S. Keras constraints of layers are part of R; regularizers that stay in the
    loss (`explain` names them) are part of J. J is the mean compiled loss over the rows given, in
    inference mode (dropout off, moving statistics); S is taken over at most 64 rows, evenly spaced
    among those with a weight, and is 1 where none of these has a gradient.

    For one layer with a convex loss a zero residual is the global minimum, and `gap` bounds how far
    above it J'(w) is: the residuals are in units of a row's gradient, which inputs of large scale
    make, and say little of the objective where the scales of inputs differ. The bound is

        Σ_terms min(⟨|d|, |w|⟩ + R°(d)/α · J'(w),  ‖d‖²/(2μ)),

    over the terms of αR, with d the residual before scaling, R°(d) the critical strength and μ the
    strong convexity of a term; a variable that no term bounds, such as an intercept, adds
    ‖d‖·max(1, ‖w‖), which holds for minima no farther away than that. For several layers a zero
    residual is a stationary point, as good as first-order conditions can tell; the note says which.

    Args:
        model: A compiled and built Keras model.
        x: Inputs, [rows, …] or a tree of these: the rows that J was minimised on.
        y: Targets, [rows, …] or a tree of these.
        sample_weight: [rows] weights of the data loss, or a tree of these by output.

    Returns:
        A `Stationarity`.

    Raises:
        InputError: If the model is not compiled or not built.
        UnsupportedError: If a layer has a Keras constraint that equals no constraint of taut.

    References:
        Boyd and Vandenberghe, Convex Optimization, 2004, sections 3.3 and 5.5.3.
    """
    objective = _objective(model)
    x, y, weight = checked_arrays(model, x, y, sample_weight)
    # What is no mean of one value a row, over all rows alike, is not that of its pieces.
    size = BATCH_ROWS if mean_of_pieces(model, x, y) else max(count_rows(y), 1)
    parts = (slice(at, at + size) for at in range(0, count_rows(y), size))
    loss, gradients = _means(objective, (take_rows(x, y, weight, part) for part in parts))
    return _certificate(objective, loss, gradients, row_scale(objective, x, y, weight))


def stationarity_over(model: Any, batches: Iterable[Batch], some: Batch) -> Stationarity:
    """`stationarity` over rows that come in batches, which are read once.

    Args:
        model: A compiled and built Keras model.
        batches: (x, y, sample weights or None), together the rows that J was minimised on. A
            program is compiled for each number of rows.
        some: The rows that the scale S is taken over, of which it takes at most 64.

    Raises:
        InputError: If the model is not compiled or not built.
    """
    objective = _objective(model)
    if not mean_of_pieces(model, some[0], some[1]):
        raise UnsupportedError(
            "The certificate of rows that come in batches needs a loss that is the mean of one "
            "value a row, without masks, and layers without activity regularizers. Received: "
            f"loss={model.loss!r}. Call `taut.stationarity` on rows in memory."
        )
    loss, gradients = _means(
        objective, (take_rows(*checked_arrays(model, *batch), slice(None)) for batch in batches)
    )
    scale = row_scale(objective, *checked_arrays(model, *some))
    return _certificate(objective, loss, gradients, scale)


def _objective(model: Any) -> Objective:
    check_kind(model)
    if not model.built or not getattr(model, "compiled", False):
        raise InputError(
            "`stationarity` needs a compiled and built model: it takes the loss and the "
            f"penalties from it. Received: {model.name!r} with built={model.built}, "
            f"compiled={getattr(model, 'compiled', False)}."
        )
    if not model.trainable_variables:
        raise InputError(
            "A certificate is of weights that are trained. Received: "
            f"{model.name!r}, whose weights are all frozen. Set `trainable = True`."
        )
    return Objective(model)


def _certificate(
    objective: Objective, loss: float, gradients: list[np.ndarray], scale: float
) -> Stationarity:
    w = objective.weights()
    slopes = [ops.convert_to_tensor(g.astype("float32")) for g in gradients]
    residuals, penalties = objective.residuals(w, slopes)
    treated = {i for term in objective.terms for i in term.at}
    doubles = [
        _double(residual) if i in treated else gradient
        for i, (residual, gradient) in enumerate(zip(residuals, gradients, strict=True))
    ]
    value = loss + sum(float(ops.convert_to_numpy(penalty)) for penalty in penalties)
    above = objective.gap(value, [_double(a) for a in w], doubles)
    names: list[str] = []
    for variable in objective.variables:  # two variables may have the same path
        count = sum(name.partition(" #")[0] == variable.path for name in names)
        names.append(f"{variable.path} #{count + 1}" if count else variable.path)
    sizes = [float(np.linalg.norm(d)) / scale for d in doubles]
    note = _note(objective.variables, above)
    return Stationarity(dict(zip(names, sizes, strict=True)), max(sizes), scale, above, note)


def _double(tensor: Any) -> np.ndarray:
    return ops.convert_to_numpy(tensor).astype("float64")


def _means(objective: Objective, batches: Iterable[Batch]) -> tuple[float, list[np.ndarray]]:
    """J over the rows of the batches, and its gradient by variable."""
    losses, rows, w = 0.0, 0, [v.value for v in objective.variables]
    total = [np.zeros(tuple(v.shape), "float64") for v in objective.variables]
    for batch in batches:
        count = count_rows(batch[1])
        rows += count
        loss, gradients = objective.loss_and_gradients(w, *batch)
        losses += float(ops.convert_to_numpy(loss)) * count
        for sum_, gradient in zip(total, gradients, strict=True):
            sum_ += _double(gradient) * count
    return losses / rows, [sum_ / rows for sum_ in total]


def row_scale(objective: Objective, x: Any, y: Any, weight: Any) -> float:
    """S at the present weights, over some of the rows."""
    w = [v.value for v in objective.variables]
    return scale_of(objective.squared_row_norms(w, *take_rows(x, y, weight, scale_rows(y, weight))))


def scale_of(squares: np.ndarray) -> float:
    """S, from the squared norms of the gradients of rows; 1 where no row has a gradient."""
    scale = float(np.sqrt(squares.mean()))
    return scale if scale > float(np.finfo("float32").tiny) else 1.0


def _note(variables: Sequence[Any], above: float | None) -> str:
    if above is not None:
        return f"J' is convex: it is at most {above:.2e} above its global minimum."
    kernels = sum(len(v.shape) > 1 for v in variables)
    if kernels <= 1:
        return (
            "One layer: if its loss and penalty are convex, a residual of zero is the global "
            "minimum of J'."
        )
    return (
        f"A network of several layers ({kernels} weight arrays): J' is not convex, so a residual "
        "of zero is a stationary point, not the global minimum."
    )
