"""A penalty on weights of certain shapes, from and to lists of NumPy arrays."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from taut._keras.precision import double_precision
from taut.penalties import Binding, Grouping, Penalty

Arrays = list[np.ndarray]


def dtype_of(tensor: Any) -> str:
    return keras.backend.standardize_dtype(tensor.dtype)


def tensors(arrays: Any, dtype: str = "float32") -> Any:
    """The arrays of a nested structure as tensors of one dtype; Python numbers as they are."""
    return tree.map_structure(
        lambda a: ops.convert_to_tensor(a, dtype) if isinstance(a, (np.ndarray, np.generic)) else a,
        arrays,
    )


def numpy(values: Any) -> Any:
    return tree.map_structure(lambda t: np.array(ops.convert_to_numpy(t)), values)


def size_of(arrays: Arrays) -> float:
    """The Euclidean norm of all."""
    return float(np.sqrt(sum((a.astype("float64") ** 2).sum() for a in arrays)))


class Case:
    """A penalty bound to weights of certain shapes, as an optimizer would bind it.

    Weights, gradients and steps are lists of arrays, one a shape. `prox`, `distance`, `value` and
    `critical` take and return NumPy arrays, compiled on JAX; the methods of `bound` take tensors.

    Attributes:
        strength: At which the parts of the penalty are neither weak nor overwhelming.
    """

    def __init__(
        self,
        penalty: Penalty,
        *,
        shapes: Sequence[tuple[int, ...]] | None = None,
        seed: int = 0,
    ):
        self.penalty: Penalty = penalty
        self.seed: int = seed
        self.shapes: list[tuple[int, ...]] = [
            tuple(shape) for shape in (penalty.shapes if shapes is None else shapes)
        ]
        strengths = [part.strength for part in penalty.parts if part.strength > 0]
        # A sum takes a factor of its parts' strengths, the others the strength itself.
        self.strength: float = 0.3 / min(strengths) if len(penalty.parts) > 1 and strengths else 0.3
        grouping = None
        if penalty.groups is not None:
            grouping = Grouping.of_kernels(penalty.groups, self.shapes)
        self.bound: Any = penalty.bind(
            Binding(
                paths=tuple(f"model/layer_{i}/kernel" for i in range(len(self.shapes))),
                values=tuple(self.draw(self.rng())),
                constants=lambda arrays, name: [
                    keras.Variable(a, trainable=False, name=name) for a in arrays
                ],
                grouping=grouping,
            )
        )
        self._compiled: dict[str, Callable[..., Any]] = {}

    def rng(self) -> np.random.Generator:
        return np.random.default_rng(self.seed)

    def draw(self, rng: np.random.Generator, scale: float = 1.0) -> Arrays:
        """Normal numbers of the shapes."""
        return [(scale * rng.normal(size=shape)).astype("float32") for shape in self.shapes]

    def metric(self, rng: np.random.Generator) -> Arrays:
        """Steps by coordinate from 0.01 to 100."""
        return [(10 ** rng.uniform(-2, 2, shape)).astype("float32") for shape in self.shapes]

    def weights(self, rng: np.random.Generator) -> list[Arrays]:
        """Small, middling and large weights, and some that are zero in part."""
        half = [w * (rng.random(w.shape) < 0.5) for w in self.draw(rng)]
        return [self.draw(rng, 0.1), self.draw(rng), self.draw(rng, 10), half]

    def zeros(self) -> Arrays:
        return [np.zeros(shape, "float32") for shape in self.shapes]

    def value(self, w: Arrays, strength: float) -> float:
        return float(self._run("value", w, strength))

    def prox(self, w: Arrays, step: Any, strength: float, dtype: str = "float32") -> Arrays:
        return self._run("prox", w, step, strength, dtype=dtype)

    def distance(
        self, w: Arrays, gradient: Arrays, strength: float, dtype: str = "float32"
    ) -> Arrays:
        return self._run("distance", w, gradient, strength, dtype=dtype)

    @cached_property
    def constrained(self) -> bool:
        """Whether the value is infinite at some weights."""
        far = [[np.full(shape, x, "float32") for shape in self.shapes] for x in (-1e4, 1e4)]
        return any(self.value(w, 0.0) == math.inf for w in [*far, *self.weights(self.rng())])

    def critical(self, gradient: Arrays) -> float:
        return float(self._run("critical_strength", gradient))

    def values(self, batch: Arrays, strength: float) -> np.ndarray:
        """The values of a batch of weights [batch, …], in double precision."""

        def each(w: Any, strength: Any) -> Any:
            return ops.vectorized_map(lambda weights: self.bound.value(list(weights), strength), w)

        with double_precision():
            results = self.function("values", each)(tensors(batch, "float64"), strength)
            return numpy(results).astype("float64")

    def _run(self, name: str, *arguments: Any, dtype: str = "float32") -> Any:
        function = self.function(name, getattr(self.bound, name))
        with double_precision() if dtype == "float64" else contextlib.nullcontext():
            return numpy(function(*tensors(list(arguments), dtype)))

    def function(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, compiled on JAX, once for each name."""
        if name not in self._compiled:
            self._compiled[name] = compiled(function) if on_jax() else function
        return self._compiled[name]

    def require(
        self, holds: Any, law: str, message: str, cause: BaseException | None = None
    ) -> None:
        """Raise `AssertionError` with the penalty, the law and the message unless it holds."""
        if not holds:
            text = f"{self.penalty!r} breaks the law of `{law}`: {message}"
            raise AssertionError(text) from cause


def on_jax() -> bool:
    return keras.backend.backend() == "jax"


def gradient_of(function: Callable[[list[Any]], Any], w: list[Any]) -> list[Any]:
    """The gradient of a function of a list of tensors, by automatic differentiation."""
    if on_jax():
        import jax

        return jax.grad(function)(w)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf  # pyright: ignore[reportMissingImports]

        with tf.GradientTape() as tape:
            tape.watch(w)
            value = function(w)
        return tape.gradient(value, w, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    import torch  # pyright: ignore[reportMissingImports]

    w = [v.detach().clone().requires_grad_() for v in w]
    # What is 0 or infinite everywhere is no function of w to torch.
    value = function(w) + sum(0 * v.sum() for v in w)
    return list(torch.autograd.grad(value, w))


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function compiled: by `jax.jit` or `tf.function`; on torch as it is."""
    if on_jax():
        import jax

        # The laws spend their time on compiling, and hardly any on what is compiled.
        return jax.jit(function, compiler_options={"xla_backend_optimization_level": 0})
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf  # pyright: ignore[reportMissingImports]

        return tf.function(function, autograph=False)  # as Keras does it
    return function
