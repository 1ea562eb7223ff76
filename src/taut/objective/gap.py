r"""How far above its minimum a convex J' = J + αR may be.

With d the least element of ∂J'(w), J'(w) − J'(w*) <= ⟨d, w⟩ − ⟨d, w*⟩ for every minimiser w*. What
w* may be is known from each term of αR:

* αR(w*) <= J'(w), since a loss is not negative; and −⟨d, w*⟩ <= R°(d)·R(w*), with R°(d) the
  critical strength, since R is convex. So the term adds ⟨|d|, |w|⟩ + (R°(d)/α)·J'(w).
* A penalty that is μ-strongly convex adds ‖d‖²/(2μ) at most.

For the lasso this is the gap to the dual point that scales the residuals of the rows. No penalty
bounds an intercept: it adds ‖d‖·max(1, ‖w‖), which holds for minima no farther than that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import activations, layers, ops

from taut._keras.model_graphs import symbolic_graph
from taut.penalties import Penalty

BOUNDED = ("threshold", "separable", "group")
"""Kinds of penalties whose critical strength is the same for a gradient's absolute values."""
NUMBERS = (
    keras.losses.mean_squared_error,
    keras.losses.mean_absolute_error,
    keras.losses.huber,
    keras.losses.log_cosh,
    keras.losses.hinge,
    keras.losses.squared_hinge,
    keras.losses.categorical_hinge,
)
"""Losses that are convex in the prediction, and not negative."""
SHARES: dict[Any, Any] = {
    keras.losses.binary_crossentropy: activations.sigmoid,
    keras.losses.categorical_crossentropy: activations.softmax,
    keras.losses.sparse_categorical_crossentropy: activations.softmax,
}
"""Losses that are convex in what an activation is of, or, with `from_logits`, in the prediction."""


def is_convex(model: Any, penalties: Sequence[Any]) -> bool:
    """Whether J' is known to be convex in all weights that are trained.

    It is for one dense layer, on inputs or on features that are not trained, under a loss of
    Keras's that is convex in what the layer makes, with penalties that are convex. What is not
    known is not convex.
    """
    graph = symbolic_graph(model)
    if graph is None or len(graph.outputs) != 1 or model.losses:
        return False
    if not all(penalty.convex for penalty in penalties):
        return False
    trained = [call for call in graph.calls if getattr(call.operation, "trainable_variables", ())]
    if len(trained) != 1 or type(trained[0].operation) is not layers.Dense:
        return False
    if trained[0].operation.lora_enabled:  # a product of two factors
        return False
    after = graph.calls[graph.calls.index(trained[0]) + 1 :]
    activation = trained[0].operation.activation
    if [type(call.operation) for call in after] in ([layers.Activation], [layers.Softmax]):
        if activation is not activations.linear:
            return False
        activation = getattr(after[0].operation, "activation", activations.softmax)
    elif after or trained[0].makes[0] is not graph.outputs[0]:
        return False
    losses = [keras.losses.get(loss) for loss in keras.tree.flatten(model.loss)]
    return len(losses) == 1 and _convex_behind(losses[0], activation)


def _convex_behind(loss: Any, activation: Any) -> bool:
    function, options = loss, {}
    if type(loss).__module__.startswith("keras."):
        function, options = getattr(loss, "fn", None), getattr(loss, "_fn_kwargs", {})
    if function in NUMBERS:
        return activation is activations.linear
    if function in SHARES:
        wanted = activations.linear if options.get("from_logits") else SHARES[function]
        return activation is wanted
    return False


def gap(
    objective: float,
    variables: Sequence[tuple[np.ndarray, np.ndarray]],
    terms: Sequence[tuple[Sequence[Penalty], Sequence[int], Sequence[float]]],
) -> float:
    """An upper bound of J'(w) − min J', of a convex J'; see the module.

    Args:
        objective: J'(w).
        variables: The weights w and the residual of stationarity d of each variable.
        terms: Of αR: each with its penalties, the numbers of its variables, and its strengths.
    """
    free = set(range(len(variables)))
    total = 0.0
    for parts, at, strengths in terms:
        bound = _of_term(objective, [variables[i] for i in at], parts, strengths)
        if bound is not None:
            free -= set(at)
            total += bound
    sizes = [[float(np.linalg.norm(a)) for a in variables[i]] for i in free]
    return total + sum(d * max(1.0, w) for w, d in sizes)


def _of_term(
    objective: float,
    variables: Sequence[tuple[np.ndarray, np.ndarray]],
    parts: Sequence[Penalty],
    strengths: Sequence[float],
) -> float | None:
    pairs = list(zip(parts, strengths, strict=True))
    curvature = sum(a * part.curvature for part, a in pairs)
    bounds = [math.inf]
    if curvature > 0:
        bounds.append(sum(float((d**2).sum()) for _, d in variables) / (2 * curvature))
    inner = sum(float((np.abs(w) * np.abs(d)).sum()) for w, d in variables)
    slopes = [ops.convert_to_tensor(np.abs(d).astype("float32")) for _, d in variables]
    for part, strength in pairs:
        if part.kind not in BOUNDED or strength <= 0:
            continue
        ratio = float(ops.convert_to_numpy(part.critical_strength(slopes))) / strength
        bounds.append(inner + ratio * objective)
    bound = min(bounds)
    return bound if math.isfinite(bound) else None
