"""The certificate: how far a model is from a stationary point of J' = J + αR."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops, tree

from taut._data import as_arrays
from taut._gradients import count_rows, loss_and_gradients, squared_row_norms
from taut._keras_compat import jitted
from taut._losses import loss_parts
from taut._weights import checked_weights
from taut.errors import InputError, UnsupportedError
from taut.optimizers.blocks import Block, KerasConstraints
from taut.optimizers.explain import proximals_of
from taut.optimizers.gap import gap, is_convex

SCALE_ROWS = 64
BATCH_ROWS = 4096

Batch = tuple[Any, Any, Any]


@dataclass(frozen=True)
class Stationarity:
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
        width = max(map(len, self.residuals))
        lines = [f"{path.ljust(width)}  {r:.2e}" for path, r in self.residuals.items()]
        return "\n".join([*lines, f"{'largest'.ljust(width)}  {self.largest:.2e}", self.note])


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

        Σ_blocks min(⟨|d|, |w|⟩ + R°(d)/α · J'(w),  ‖d‖²/(2μ)),

    with d the residual before scaling, R°(d) the critical strength and μ the strong convexity
    of αR; a block that no penalty bounds, such as an intercept, adds ‖d‖·max(1, ‖w‖), which holds
    for minima no farther away than that. For several layers a zero residual is a stationary
    point, as good as first-order conditions can tell; the note says which.

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
    _check(model)
    x, y, weight = checked_arrays(model, x, y, sample_weight)
    # What is no mean of one value a row, over all rows alike, is not that of its pieces.
    size = BATCH_ROWS if mean_of_pieces(model, x, y) else max(count_rows(y), 1)
    parts = (slice(at, at + size) for at in range(0, count_rows(y), size))
    loss, gradients = _means(model, (take_rows(x, y, weight, part) for part in parts))
    return _certificate(model, loss, gradients, _row_scale(model, x, y, weight))


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
    _check(model)
    if not mean_of_pieces(model, some[0], some[1]):
        raise UnsupportedError(
            "The certificate of rows that come in batches needs a loss that is the mean of one "
            "value a row, without masks, and layers without activity regularizers. Received: "
            f"loss={model.loss!r}. Call `taut.stationarity` on rows in memory."
        )
    loss, gradients = _means(
        model, (take_rows(*checked_arrays(model, *batch), slice(None)) for batch in batches)
    )
    return _certificate(model, loss, gradients, _row_scale(model, *checked_arrays(model, *some)))


def _check(model: Any) -> None:
    if not model.built or not getattr(model, "compiled", False):
        raise InputError(
            "`stationarity` needs a compiled and built model: it takes the loss and the "
            f"penalties from it. Received: {model.name!r} with built={model.built}, "
            f"compiled={getattr(model, 'compiled', False)}."
        )


def _certificate(
    model: Any, loss: float, gradients: list[np.ndarray], scale: float
) -> Stationarity:
    variables = model.trainable_variables
    found, objective = list(gradients), loss
    index = {id(v): i for i, v in enumerate(variables)}
    by_variable = {id(v): g for v, g in zip(variables, gradients, strict=True)}
    proximals = proximals_of(model)
    treated = [block for optimizer in proximals for block in optimizer.blocks]
    penalised = []
    for optimizer in [*proximals, KerasConstraints.of(variables, treated)]:
        for block, distances, penalty in _distances(optimizer, by_variable):
            at = [index[id(variable)] for variable in block.variables]
            strengths = [float(ops.convert_to_numpy(s)) for s in optimizer.strengths_of(block)]
            penalised.append((block, at, strengths))
            objective += penalty
            for i, distance in zip(at, distances, strict=True):
                found[i] = distance
    above = None
    if is_convex(model, [part for block, *_ in penalised for part in block.parts]):
        values = [ops.convert_to_numpy(v).astype("float64") for v in variables]
        above = gap(objective, list(zip(values, found, strict=True)), penalised)
    sizes = [float(np.linalg.norm(d)) for d in found]
    names: list[str] = []
    for variable in variables:  # two variables may have the same path
        count = sum(name.partition(" #")[0] == variable.path for name in names)
        names.append(f"{variable.path} #{count + 1}" if count else variable.path)
    residuals = {name: size / scale for name, size in zip(names, sizes, strict=True)}
    return Stationarity(residuals, max(residuals.values()), scale, above, _note(model, above))


def _distances(
    optimizer: Any, gradients: Mapping[int, np.ndarray]
) -> list[tuple[Block, list[np.ndarray], float]]:
    """Each block, the residual of each of its variables, and αR(w)."""
    blocks = [b for b in optimizer.blocks if all(id(v) in gradients for v in b.variables)]

    def distances(weights: Any, slopes: Any, strengths: Any) -> Any:
        rows = zip(blocks, weights, slopes, strengths, strict=True)
        return [(block.distance(w, g, s), block.value(w, s)) for block, w, g, s in rows]

    slopes = [
        [ops.convert_to_tensor(gradients[id(v)].astype("float32")) for v in b.variables]
        for b in blocks
    ]
    strengths = [[ops.convert_to_tensor(s) for s in optimizer.strengths_of(b)] for b in blocks]
    found = jitted(distances)([b.values() for b in blocks], slopes, strengths)
    return [
        (
            block,
            [ops.convert_to_numpy(d).astype("float64") for d in some],
            float(ops.convert_to_numpy(penalty)),
        )
        for block, (some, penalty) in zip(blocks, found, strict=True)
    ]


def _means(model: Any, batches: Iterable[Batch]) -> tuple[float, list[np.ndarray]]:
    """J over the rows of the batches, and its gradient by variable."""
    losses, rows, evaluate = 0.0, 0, loss_and_gradients(model)
    values = [v.value for v in model.trainable_variables]
    total = [np.zeros(tuple(v.shape), "float64") for v in model.trainable_variables]
    for batch in batches:
        count = count_rows(batch[1])
        rows += count
        loss, gradients = evaluate(values, *batch)
        losses += float(ops.convert_to_numpy(loss)) * count
        for sum_, gradient in zip(total, gradients, strict=True):
            sum_ += ops.convert_to_numpy(gradient).astype("float64") * count
    return losses / rows, [sum_ / rows for sum_ in total]


def scale_rows(y: Any, weight: Any) -> np.ndarray:
    """The numbers of the rows that the scale is taken over, among those with a weight."""
    rows = np.arange(count_rows(y))
    if weight is not None:
        leaves = [np.asarray(leaf).reshape(len(rows), -1) for leaf in tree.flatten(weight)]
        rows = np.flatnonzero(np.any([leaf.any(axis=1) for leaf in leaves], axis=0))
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(SCALE_ROWS, len(rows))).astype(int))]


def scale_of(squares: np.ndarray) -> float:
    """S, from the squared norms of the gradients of rows; 1 where no row has a gradient."""
    scale = float(np.sqrt(squares.mean()))
    return scale if scale > float(np.finfo("float32").tiny) else 1.0


def _row_scale(model: Any, x: Any, y: Any, weight: Any) -> float:
    values = [v.value for v in model.trainable_variables]
    few = take_rows(x, y, weight, scale_rows(y, weight))
    return scale_of(squared_row_norms(model)(values, *few))


def mean_of_pieces(model: Any, x: Any, y: Any) -> bool:
    """Whether J of all rows is the mean of J over pieces of them, weighted by their rows."""
    regular = all(part.by_row and part.mean and not part.masked for part in loss_parts(model, x, y))
    layers = model._flatten_layers()
    return regular and all(getattr(a, "activity_regularizer", None) is None for a in layers)


def checked_arrays(model: Any, x: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
    """The data as NumPy arrays, checked, for a model whose loss is ready to be traced."""
    x, y = as_arrays(x, "x"), as_arrays(y, "y")
    return x, y, checked_weights(model, x, y, sample_weight, means=False)


def take_rows(x: Any, y: Any, weight: Any, rows: Any) -> tuple[Any, Any, Any]:
    """Some rows of the data, as tensors."""
    some = tree.map_structure(lambda a: ops.convert_to_tensor(a[rows]), (x, y))
    if weight is None:
        return *some, None
    return *some, tree.map_structure(lambda a: ops.convert_to_tensor(a[rows]), weight)


def _note(model: Any, above: float | None) -> str:
    if above is not None:
        return f"J' is convex: it is at most {above:.2e} above its global minimum."
    kernels = sum(len(v.shape) > 1 for v in model.trainable_variables)
    if kernels <= 1:
        return (
            "One layer: if its loss and penalty are convex, a residual of zero is the global "
            "minimum of J'."
        )
    return (
        f"A network of several layers ({kernels} weight arrays): J' is not convex, so this "
        "certifies a stationary point, not the global minimum."
    )
