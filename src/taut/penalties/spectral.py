"""Penalties on a matrix through its singular values: low rank, and orthogonality."""

from __future__ import annotations

from typing import Any, Self

import keras
import numpy as np
from keras import ops

from taut.errors import InputError
from taut.penalties.base import Binding, Kind, Penalty
from taut.penalties.groups import eps_of


class Spectral(Penalty):
    """A penalty on the singular values of a weight, flattened to [all but the last axis, last].

    The prox of such a penalty keeps the singular vectors and moves the singular values, where one
    step holds for all weights. In a metric with a step a coordinate it is not known: hence
    `scalar_step`.
    """

    kind: Kind = "other"
    scalar_step = True

    def bind(self, binding: Binding) -> Self:
        flat = [p for p, v in zip(binding.paths, binding.values, strict=True) if np.ndim(v) < 2]
        if flat:
            raise InputError(
                f"{type(self).__name__} must be on matrices: it is about their singular values. "
                f"Received: the vector {flat[0]}."
            )
        return self

    def matrix(self, w: Any) -> Any:
        """w as a matrix, at least in single precision."""
        w = ops.convert_to_tensor(w)
        if ops.ndim(w) < 2:
            raise InputError(
                f"{type(self).__name__} is a penalty on matrices: a weight must have at least two "
                f"axes. Received: shape {tuple(w.shape)}. Put it on kernels alone."
            )
        half = keras.backend.standardize_dtype(w.dtype) in ("float16", "bfloat16")
        return ops.reshape(ops.cast(w, "float32") if half else w, (-1, w.shape[-1]))

    def matrix_and_threshold(self, w: Any, step: Any, strength: Any) -> tuple[Any, Any]:
        """The matrix of w and s·α."""
        if ops.ndim(step):
            raise InputError(
                f"The prox of {type(self).__name__} is known for one step for all weights. "
                f"Received: steps of shape {tuple(step.shape)}. Train with `taut.Proximal`, which "
                "takes care of it."
            )
        matrix = self.matrix(w)
        return matrix, ops.cast(step, matrix.dtype) * ops.cast(strength, matrix.dtype)


@keras.saving.register_keras_serializable("taut")
class NuclearNorm(Spectral):
    r"""The nuclear norm α·Σ σ_i(w), the sum of singular values: matrices of low rank.

    A convolution's kernel is flattened to [window · inputs, outputs].

    prox: U·diag(max(σ − s·α, 0))·Vᵀ, for one step s. It makes singular values zero, not single
    weights: those below s·α are gone up to rounding, and `sparse` is true in that sense, and in
    that a large α makes all weights exactly zero.
    Residual of stationarity: with w = UΣVᵀ over the singular values above 1e-5 of the largest
    (what is smaller counts as zero; in half precision 8 units in the last place), the part of
    g + α·UVᵀ in the tangent space {UAᵀ + BVᵀ}, and of the part normal to it,
    (1 − UUᵀ)g(1 − VVᵀ), what its singular values exceed α by. Critical strength: σ_max(g).

    Args:
        strength: α, a finite number >= 0.

    Raises:
        InputError: When put on a weight of one axis.

    Example:
        >>> import taut
        >>> float(taut.NuclearNorm(0.5)([[3.0, 0.0], [0.0, -1.0]]))
        2.0

    References:
        Cai, Candès and Shen, A singular value thresholding algorithm for matrix completion, 2010.
        Watson, Characterization of the subdifferential of some matrix norms, 1992.
    """

    sparse = True

    def value(self, w: Any, strength: Any) -> Any:
        values = _values(self.matrix(w))
        return ops.cast(strength, values.dtype) * ops.sum(values)

    def prox(self, w: Any, step: Any, strength: Any) -> Any:
        matrix, threshold = self.matrix_and_threshold(w, step, strength)
        return _as(_thresholded(matrix, threshold), w)

    def distance(self, w: Any, gradient: Any, strength: Any) -> Any:
        g = self.matrix(gradient)
        strength = ops.cast(strength, g.dtype)
        u, values, vt = _svd(self.matrix(w))
        rank = max(1e-5, 8 * eps_of(ops.convert_to_tensor(w)))
        kept = ops.cast(values > rank * values[:1], g.dtype)
        u, vt = u * kept, vt * kept[:, None]
        across = g - u @ (ops.transpose(u) @ g)
        normal = across - (across @ ops.transpose(vt)) @ vt
        tangent = g - normal + strength * (u @ vt)
        return _as(tangent + _thresholded(normal, strength), w)

    def critical_strength(self, gradient: Any) -> Any:
        return ops.max(_values(self.matrix(gradient)))


@keras.saving.register_keras_serializable("taut")
class Orthogonality(Spectral):
    r"""Soft orthogonality (α/4)·‖wᵀw − 1‖²_F: orthonormal columns, or rows if they are fewer.

    In singular values, (α/4)·Σ (σ² − 1)², over min(rows, columns) of them. At w = 0 it is not 0
    but α·min(rows, columns)/4, a local maximum. Not convex.

    prox, exact for one step s: each σ₀ becomes the σ ≥ 0 that minimises (σ−σ₀)²/(2s) +
    (α/4)(σ²−1)², the one positive root of s·α·σ³ + (1 − s·α)·σ = σ₀. For s·α > 1 also σ₀ = 0
    moves, to √(1 − 1/(s·α)): among its many minimisers the prox is then the one along the
    singular vectors that the SVD returned.
    Residual of stationarity: |g + α·w(wᵀw − 1)|. Critical strength: 0 where g = 0, since w = 0
    is stationary for R itself, otherwise infinite.

    Keras's `OrthogonalRegularizer` is another function: the mean absolute cosine between two
    different rows (or columns), which does not change with their lengths.

    Args:
        strength: α, a finite number >= 0.

    Raises:
        InputError: When put on a weight of one axis.

    Example:
        >>> import taut
        >>> float(taut.Orthogonality(4.0)([[2.0, 0.0], [0.0, 1.0]]))
        9.0

    References:
        Bansal, Chen and Wang, Can we gain more from orthogonality regularizations in training
        deep networks?, 2018.
    """

    convex = False

    def value(self, w: Any, strength: Any) -> Any:
        matrix = self.matrix(w)
        # Of the two products with its transpose, the smaller one.
        across = matrix if matrix.shape[0] < matrix.shape[1] else ops.transpose(matrix)
        excess = across @ ops.transpose(across) - ops.eye(across.shape[0], dtype=across.dtype)
        return ops.cast(strength, excess.dtype) * ops.sum(ops.square(excess)) / 4

    def prox(self, w: Any, step: Any, strength: Any) -> Any:
        matrix, beta = self.matrix_and_threshold(w, step, strength)
        u, values, vt = _svd(matrix)
        return _as((u * quartic_root(values, beta)) @ vt, w)

    def distance(self, w: Any, gradient: Any, strength: Any) -> Any:
        matrix, g = self.matrix(w), self.matrix(gradient)
        # w(wᵀw − 1) = (wwᵀ − 1)w: the smaller product.
        if matrix.shape[0] < matrix.shape[1]:
            product = (matrix @ ops.transpose(matrix)) @ matrix
        else:
            product = matrix @ (ops.transpose(matrix) @ matrix)
        return _as(ops.abs(g + ops.cast(strength, g.dtype) * (product - matrix)), w)

    def critical_strength(self, gradient: Any) -> Any:
        largest = ops.max(ops.abs(gradient))
        return ops.where(ops.equal(largest, 0), largest, float("inf"))


def quartic_root(start: Any, beta: Any) -> Any:
    r"""The σ ≥ 0 that minimises (σ − σ₀)²/2 + (β/4)·(σ² − 1)²: the root of βσ³ + (1−β)σ = σ₀.

    The cubic is convex for σ ≥ 0 and not above 0 at σ = 0, so it has one positive root, which
    Newton's method falls to from above. With z = √(1 − 1/β) where β > 1, else 0, the root is at
    most z + (σ₀/β)^⅓, and at most z + σ₀ over the cubic's slope at z; the lesser is within a factor
    of about two of the root's distance from z for every β, so few iterations do.
    """
    tiny, rest = 1e-30, 1 - beta
    zero = ops.sqrt(ops.maximum(1 - 1 / ops.maximum(beta, tiny), 0))
    slope = ops.maximum(3 * beta * ops.square(zero) + rest, tiny)
    cube = ops.power(start / ops.maximum(beta, tiny), 1 / 3)
    root = zero + ops.minimum(cube, start / slope)
    for _ in range(8):
        square = beta * ops.square(root)
        # A quotient of positive terms, so that a small root is not lost in a difference.
        root = (2 * square * root + start) / ops.maximum(3 * square + rest, tiny)
    return root


def _values(matrix: Any) -> Any:
    finite = ops.all(ops.isfinite(matrix))
    values = ops.linalg.svd(ops.where(finite, matrix, 0), full_matrices=False, compute_uv=False)
    return ops.where(finite, values, float("nan"))


def _svd(matrix: Any) -> tuple[Any, Any, Any]:
    """Of a matrix that is not finite, NaN: some backends raise an error there."""
    finite = ops.all(ops.isfinite(matrix))
    parts = ops.linalg.svd(ops.where(finite, matrix, 0), full_matrices=False)
    u, values, vt = (ops.where(finite, part, float("nan")) for part in parts)
    return u, values, vt


def _thresholded(matrix: Any, threshold: Any) -> Any:
    """The matrix with each singular value lessened by the threshold, but not below zero."""
    if matrix.shape[0] < matrix.shape[1]:
        return ops.transpose(_thresholded(ops.transpose(matrix), threshold))
    # The right singular vectors are those of the small triangular factor, and they do:
    # U·diag(σ − t) = w·V·diag(1 − t/σ).
    triangle = ops.linalg.qr(matrix)[1] if matrix.shape[0] > matrix.shape[1] else matrix
    _, values, vt = _svd(triangle)
    left = ops.maximum(1 - threshold / ops.maximum(values, 1e-30), 0)
    return ((matrix @ ops.transpose(vt)) * left) @ vt


def _as(matrix: Any, like: Any) -> Any:
    like = ops.convert_to_tensor(like)
    return ops.cast(ops.reshape(matrix, like.shape), like.dtype)
