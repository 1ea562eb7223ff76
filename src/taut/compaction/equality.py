"""Whether two models make the same, in double precision where the backend has it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from taut._keras.model_calls import mode
from taut._keras.model_graphs import input_structure
from taut._keras.precision import double_throughout, jitted
from taut.errors import InputError

BATCH = 256
GIVEN = 1024
"""Given rows that are compared, from the first on."""
DOUBLE = 1e-9
"""The largest difference in double precision, for outputs around one."""


@dataclass(frozen=True)
class Equality:
    """How far the outputs of two models lie apart.

    Attributes:
        rows: On how many rows, given and random ones.
        double: The largest difference in double precision, where rounding hides nothing; None
            where a layer does not compute in it.
        largest: The largest difference of the models as they are.
        allowed: What rounding explains of that.
        size: The largest output.
    """

    rows: int
    double: float | None
    largest: float
    allowed: float
    size: float

    @property
    def holds(self) -> bool:
        # Not `>`: a difference that is no number must fail.
        exact = self.double is None or self.double <= DOUBLE * (1 + self.size)
        return exact and self.largest <= self.allowed


def fixed_batch(model: Any) -> int | None:
    """How many rows a model takes at a time, where that is fixed, as of stateful layers."""
    return next((t.shape[0] for t in model.inputs if t.shape[0] is not None), None)


def forward(model: Any) -> Callable[[list[np.ndarray]], list[np.ndarray]]:
    """A function from one array an input to one an output, in inference mode, compiled."""
    state = (
        [v.value for v in model.trainable_variables],
        [v.value for v in model.non_trainable_variables],
    )
    structure = input_structure(model)
    # States, those of seeds too, go on where they were. Statistics are not moved by predictions.
    norms = [la for la in model._flatten_layers() if isinstance(la, layers.BatchNormalization)]
    still = {id(v) for norm in norms for v in norm.variables}
    moving = [v for v in model.non_trainable_variables if id(v) not in still]

    def stateless(trainable: Any, non_trainable: Any, flat: Any) -> Any:
        x = keras.tree.pack_sequence_as(structure, flat)
        return model.stateless_call(trainable, non_trainable, x, **mode(model, training=False))[0]

    def plain(trainable: Any, non_trainable: Any, flat: Any) -> Any:
        kept = [ops.copy(variable) for variable in moving]
        try:
            x = keras.tree.pack_sequence_as(structure, flat)
            return model(x, **mode(model, training=False))
        finally:
            for variable, value in zip(moving, kept, strict=True):
                variable.assign(value)

    run = jitted(stateless) if keras.backend.backend() == "jax" else plain

    def call(arrays: list[np.ndarray]) -> list[np.ndarray]:
        flat = [
            ops.convert_to_tensor(a, t.dtype) for a, t in zip(arrays, model.inputs, strict=True)
        ]
        made = keras.tree.flatten(run(*state, flat))
        return [np.asarray(ops.convert_to_numpy(ops.stop_gradient(a)), float) for a in made]

    return call


def compared(
    models: tuple[Any, Any],
    wide: tuple[Callable[[], Any], Callable[[], Any]],
    copy: Callable[[], Any],
    rows: list[np.ndarray],
    prepare: Callable[[list[np.ndarray]], list[np.ndarray]],
) -> Equality:
    """Compare a model and a smaller one.

    Args:
        models: The two.
        wide: Each makes one of them in double precision.
        copy: Makes the first anew, of its configuration and weights.
        rows: One array an input of the first model.
        prepare: Makes of these what the second is fed.

    Raises:
        InputError: If the first model makes no finite number, so that nothing is compared.
    """

    def outputs(one: Any, other: Any) -> list[list[np.ndarray]]:
        return [forward_all(one, rows), forward_all(other, prepare(rows))]

    narrow, smaller = outputs(*models)
    if not any(np.isfinite(a).any() for a in narrow):
        raise InputError(
            "`compact` compares what the two models make: some of it must be finite. Received: "
            f"{models[0].name!r}, which makes no finite number of {len(rows[0])} rows. Its weights "
            "may be NaN, or a moving variance negative."
        )
    size = max(float(np.abs(a[np.isfinite(a)]).max(initial=0)) for a in narrow)
    allowed, largest = 64 * _unit(models[0]) * (1 + size), apart(narrow, smaller)
    exact = _in_double(wide, outputs)
    if exact is not None:
        rounded = narrow
        if largest > allowed + 8 * apart(exact[1], smaller):
            # Not the smaller model's rounding. The model's own, or is it more than its parts say?
            rounded = forward_all(copy(), rows)
        allowed += 8 * apart(exact[0], rounded)
    double = None if exact is None else apart(*exact)
    return Equality(len(rows[0]), double, largest, allowed, size)


def _in_double(
    wide: tuple[Callable[[], Any], Callable[[], Any]],
    outputs: Callable[[Any, Any], list[list[np.ndarray]]],
) -> list[list[np.ndarray]] | None:
    """The outputs in double precision; None where a layer does not compute in it."""
    with double_throughout():
        try:
            made = [make() for make in wide]
            known = all(
                type(layer).__module__.startswith(("keras.", "taut."))
                for layer in made[0]._flatten_layers()
            )
            return outputs(*made) if known and _all_double(made[0]) else None
        except (TypeError, ValueError, NotImplementedError):
            return None


def _all_double(model: Any) -> bool:
    return all(v.dtype == "float64" for v in model.variables if "float" in str(v.dtype))


def _unit(model: Any) -> float:
    """The relative rounding error of the coarsest precision that a layer computes in."""
    kinds = {layer.compute_dtype for layer in model._flatten_layers()}
    if "bfloat16" in kinds:
        return 2.0**-8
    return 2.0**-11 if "float16" in kinds else 2.0**-24


def forward_all(model: Any, rows: list[np.ndarray]) -> list[np.ndarray]:
    """The outputs of all rows, in batches of one size, so that one program is compiled."""
    run, count = forward(model), len(rows[0])
    batch = fixed_batch(model) or min(count, BATCH)
    parts = []
    for start in range(0, count, batch):
        part = [a[start : start + batch] for a in rows]
        made = run([np.resize(a, (batch, *a.shape[1:])) for a in part])
        parts.append([a[: len(part[0])] for a in made])
    return [np.concatenate(a) for a in zip(*parts, strict=True)]


def apart(one: list[np.ndarray], other: list[np.ndarray]) -> float:
    """The largest difference; infinite where the shapes differ, or one alone is no number."""
    if [a.shape for a in one] != [b.shape for b in other]:
        return np.inf
    found = 0.0
    for a, b in zip(one, other, strict=True):
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        difference = np.abs(a - b)[~same]
        if len(difference):
            found = max(found, np.inf if np.isnan(difference).any() else float(difference.max()))
    return found
