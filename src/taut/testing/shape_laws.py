"""The laws of form: dtypes, compiled and mapped, saved and loaded, called as a regularizer."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from taut.errors import InputError
from taut.testing.case import (
    Case,
    compiled,
    dtype_of,
    gradient_of,
    numpy,
    on_jax,
    size_of,
    tensors,
)

EPS = {"float16": 2.0**-10, "bfloat16": 2.0**-7}


def _together(case: Case) -> Callable[..., Any]:
    """All that a penalty does in one function, so that it is compiled once."""

    def run(w: Any, gradient: Any, steps: Any, strength: Any, numbers: Any) -> Any:
        # `numbers` are a step and a strength: Python's, without a dtype, or scalar tensors.
        metric = [] if case.bound.scalar_step else case.bound.prox(w, steps, strength)
        return {
            "value": case.bound.value(w, strength),
            "prox": case.bound.prox(w, *numbers),
            "prox in a metric": metric,
            "distance": case.bound.distance(w, gradient, strength),
        }

    return run


def law_dtypes(case: Case) -> None:
    """What comes out has the dtype that went in, and is nearly what single precision gives."""
    rng, step, a = case.rng(), 0.5, case.strength
    w, gradient = case.prox(case.draw(rng), step, a), case.draw(rng)
    arguments = [w, gradient, case.metric(rng), np.array(a)]
    run = case.function("together", _together(case))
    for dtype, eps in EPS.items():
        rounded = tensors(arguments, dtype)
        results = run(*rounded, [step, a])
        made = {dtype_of(t) for name in results if name != "value" for t in results[name]}
        given, results = _single(rounded), _single(results)
        expected = numpy(run(*tensors([*given, [np.float32(step), np.float32(a)]])))
        _require_near(case, dtype, eps, made, results, expected)
    if keras.backend.backend() == "torch":
        return  # `keras.ops.maximum` and others make float32 of float64 there
    results = {
        "prox": case.prox(w, step, a, "float64"),
        "distance": case.distance(w, gradient, a, "float64"),
    }
    expected = {"prox": case.prox(w, step, a), "distance": case.distance(w, gradient, a)}
    made = {str(x.dtype) for arrays in results.values() for x in arrays}
    _require_near(case, "float64", 2.0**-23, made, results, expected)


def _require_near(
    case: Case, dtype: str, eps: float, made: set[str], results: Any, expected: Any
) -> None:
    case.require(made == {dtype}, "dtypes", f"from {dtype} it makes {', '.join(sorted(made))}.")
    for name in expected:
        pairs = zip(_list(results[name]), _list(expected[name]), strict=True)
        # Rounding moves weights off the sphere of a constraint, where distances are infinite.
        pairs = [(b, c) for b, c in pairs if np.isfinite(c).all()]
        gap, size = size_of([b - c for b, c in pairs]), size_of([c for _, c in pairs])
        case.require(
            gap <= 20 * eps * (size + 10) or gap == math.inf,
            "dtypes",
            f"the {name} in {dtype} is {gap:.3g} from that in float32, {expected[name]}.",
        )


def _single(results: Any) -> Any:
    return numpy(keras.tree.map_structure(lambda t: ops.cast(t, "float32"), results))


def _list(result: Any) -> list[np.ndarray]:
    return result if isinstance(result, list) else [result]


def law_compiled(case: Case) -> None:
    """Compiled it gives what it gives without, and on JAX, mapped over lanes, what each does."""
    rng, run = case.rng(), _together(case)
    lanes = []
    for strength in (np.float32(factor * case.strength) for factor in (1.0, 0.1, 3.0)):
        numbers = [np.float32(0.5), strength]
        arguments = [case.draw(rng), case.draw(rng), case.metric(rng), strength, numbers]
        lanes.append(tensors(arguments))
    if not on_jax():
        _require_same(case, "compiled", numpy(compiled(run)(*lanes[0])), numpy(run(*lanes[0])))
        return
    import jax

    alone = case.function("together", run)
    stacked = jax.tree.map(lambda *x: ops.stack(x), *lanes)
    mapped = numpy(compiled(jax.vmap(run))(*stacked))
    for i, lane in enumerate(lanes):
        lane_results = keras.tree.map_structure(lambda x, i=i: x[i], mapped)
        _require_same(case, f"mapped, lane {i},", lane_results, numpy(alone(*lane)))


def _require_same(case: Case, form: str, results: Any, expected: Any) -> None:
    for name in expected:
        pairs = zip(_list(results[name]), _list(expected[name]), strict=True)
        same = all(a.shape == b.shape and np.allclose(a, b, 1e-4, 1e-5) for a, b in pairs)
        case.require(
            same, "compiled", f"the {name}, {form} is {results[name]} instead of {expected[name]}."
        )


def law_serialisation(case: Case) -> None:
    """Saved as JSON and loaded it is equal, also without what an optimizer keeps for it."""
    for penalty in (case.penalty, case.penalty.unbound(), case.bound.unbound()):
        config = keras.saving.serialize_keras_object(penalty)
        again = keras.saving.deserialize_keras_object(json.loads(json.dumps(config)))
        case.require(again == penalty, "serialisation", f"it is loaded as {again!r}.")
        other = Case(again, shapes=case.shapes, seed=case.seed)
        if penalty is case.penalty:  # an argument that `get_config` forgets makes no difference
            w = tensors(case.draw(case.rng()))
            values = [float(numpy(c.bound.value(w, case.strength))) for c in (case, other)]
            case.require(
                values[0] == values[1],
                "serialisation",
                f"its value is {values[0]}, and {values[1]} after it is loaded.",
            )
    case.require(len(repr(case.penalty)) < 1000, "serialisation", "its `repr` is too long.")
    try:
        other = case.penalty.with_strength(0.125)
    except InputError:  # a sum, which has several, or a constraint, which has none
        return
    same = other.with_strength(case.penalty.strength) == case.penalty
    case.require(
        other.strength == 0.125 and same, "serialisation", f"at strength 0.125 it is {other!r}."
    )


def law_regularizer(case: Case) -> None:
    """Called on a weight, as Keras does, it is the value at its own strength.

    Unless `taut.Proximal` takes it, Keras differentiates it: its slope must be finite at zero.
    """
    grouped = case.bound.groups is not None
    if grouped and len(case.shapes) > 1:
        return  # a group that runs through several weights is no regularizer of one
    w = case.draw(case.rng())[:1]
    penalty = case.penalty if grouped else case.bound.each(len(case.shapes))[0]
    given = tensors(w)
    value = float(numpy(penalty(given[0])))
    expected = penalty.value(given, penalty.strength)
    same = np.allclose(value, float(numpy(expected)), 1e-5, 0)
    case.require(same, "regularizer", f"called it gives {value} instead of {expected}.")
    half = [v * (np.arange(v.size).reshape(v.shape) >= v.size // 2) for v in w]
    for zeros in (case.zeros()[:1], half):
        slope = numpy(gradient_of(lambda v: penalty(v[0]), tensors(zeros)))[0]
        case.require(
            np.isfinite(slope).all(),
            "regularizer",
            f"its gradient must be finite. Received: {slope} at {zeros[0]}.",
        )
