"""Full-batch accelerated proximal gradients, until the certificate says that it is done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from taut._read_only import ReadOnly
from taut.checks import check_above, check_whole
from taut.errors import InputError
from taut.objective.objective import Objective, check_kind
from taut.objective.rows import checked_arrays, scale_rows, take_rows
from taut.objective.stationarity import scale_of
from taut.optimizers.proximals import proximal_of

CHECK_EVERY = 10
SHRINK, GROW = 0.95, 2.0
LARGEST_CURVATURE = 1e12
ROUNDING = 8 * float(np.finfo("float32").eps)


@dataclass(frozen=True, eq=False)
class Minimum(ReadOnly):
    """What `FISTA.minimise` returns; the model holds the weights.

    Attributes:
        converged: Whether the certificate, the residual and the gap, fell to the tolerance.
        iterations: Steps taken.
        objective: J'(w) = J(w) + αR(w) after each step.
        residual: The largest scaled residual of stationarity, as `taut.stationarity` has it.
        gap: An upper bound of J'(w) − min J', as there; None where J' is not known to be convex.
        note: Why it stopped, in words.
    """

    converged: bool
    iterations: int
    objective: np.ndarray
    residual: float
    gap: float | None
    note: str


@dataclass(frozen=True)
class FISTA:
    r"""Minimise J'(w) = J(w) + αR(w) on all rows at once: for small problems, to the end.

    The loop of the tutorials (initialise, loss, gradient, update, until a stopping condition)
    with each of its steps exact:

        w⁺ = prox_{αR/L}(z − ∇J(z)/L)
        z⁺ = w⁺ + (t−1)/t⁺·(w⁺ − w),   t⁺ = (1 + √(1 + 4t²))/2

    L, the curvature of J along the step, is found by backtracking and may fall again; t starts
    anew from 1 whenever the extrapolation points uphill or J' has risen, so that J' never rises
    by more than rounding and networks, which are not convex, are treated safely. It stops when
    the largest scaled residual of `taut.stationarity` is at most `tolerance` and, where J' is known
    to be convex, J'(w) is certified to be at most `tolerance`·J'(w) above its minimum. A small
    residual alone is not that: it is in units of the gradient of a row, which inputs of large
    scale make.

    J is the compiled loss in inference mode (no dropout, batch normalisation with its present
    moving statistics). The penalties are those that the model was compiled with; the optimizer's
    learning rate and state play no part.

    Args:
        tolerance: Of the scaled residual, and of the gap as a share of the objective. Single
            precision allows about 1e-6.
        max_iterations: Where it stops otherwise.

    Raises:
        InputError: If an argument is out of its range.

    Example:
        >>> import keras, numpy as np, taut
        >>> x = np.eye(4, dtype="float32"); y = np.array([3.0, 0.1, 0.0, 0.0], "float32")
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, use_bias=False)])
        >>> model.compile(taut.Proximal("sgd", taut.L1(0.1)), loss="mse")
        >>> taut.FISTA().minimise(model, x, y).converged
        True

    References:
        Beck and Teboulle, A fast iterative shrinkage-thresholding algorithm, 2009.
        O'Donoghue and Candès, Adaptive restart for accelerated gradient schemes, 2015.
        Li and Lin, Accelerated proximal gradient methods for nonconvex programming, 2015.
    """

    tolerance: float = 1e-4
    max_iterations: int = 10_000

    def __post_init__(self) -> None:
        check_above(0, tolerance=self.tolerance)
        check_whole(1, max_iterations=self.max_iterations)

    def minimise(
        self,
        model: Any,
        x: Any,
        y: Any,
        *,
        sample_weight: Any = None,
        progress: Callable[[int, float, float], None] | None = None,
    ) -> Minimum:
        """Train a compiled and built model on all rows until it is stationary.

        Args:
            model: The model; it is left with the weights found, also when interrupted.
            x: Inputs, [rows, …] or a tree of these.
            y: Targets, [rows, …].
            sample_weight: [rows] weights of the data loss.
            progress: Called every few steps with (steps, objective, residual).

        Returns:
            A `Minimum`.

        Raises:
            InputError: If the model is not built, or not compiled with a `taut.Proximal`.
            UnsupportedError: If a layer has a Keras constraint that equals no constraint of taut.
        """
        check_kind(model)
        optimizer = proximal_of(model)
        if optimizer is None or not model.built:
            raise InputError(
                "`FISTA` needs a built model compiled with penalties (`weight_regularizer=` or "
                f"`taut.Proximal`). Received: {model.name!r} with built={model.built}, compiled "
                f"with {type(getattr(model, 'optimizer', None)).__name__}."
            )
        search = _Search(Objective(model), x, y, sample_weight)
        objectives: list[float] = []
        certificate = search.certificate()
        try:
            while not certificate.within(self.tolerance) and len(objectives) < self.max_iterations:
                alive = search.step()
                objectives.append(search.objective)
                if not alive or len(objectives) % CHECK_EVERY == 0:
                    certificate = search.certificate()
                    if progress is not None:
                        progress(len(objectives), search.objective, certificate.residual)
                if not alive:
                    break
            certificate = search.certificate()
        finally:
            search.function.assign(search.w)
        converged, note = certificate.within(self.tolerance), certificate.note(self.tolerance)
        if len(objectives) >= self.max_iterations and not converged:
            note += ": `max_iterations` is reached"
        elif not converged:
            note += ": no step in single precision makes the objective smaller"
        return Minimum(
            converged,
            len(objectives),
            np.array(objectives),
            certificate.residual,
            certificate.gap,
            f"{note}.",
        )

    minimize = minimise


@dataclass(frozen=True)
class _Certificate:
    """The residual of stationarity, and where J' is convex the gap, at an objective."""

    residual: float
    gap: float | None
    objective: float

    def within(self, tolerance: float) -> bool:
        close = self.gap is None or self.gap <= tolerance * self.objective
        return close and self.residual <= tolerance

    def note(self, tolerance: float) -> str:
        """What was reached, against what was wanted."""
        sentence = f"The residual is {self.residual:.2e}"
        if self.gap is not None:
            sentence += f" and the objective at most {self.gap:.2e} above its minimum"
            if self.objective > 0:
                sentence += f" ({self.gap / self.objective:.1e} of it)"
        wanted = "at most" if self.within(tolerance) else "not at most"
        return f"{sentence}, {wanted} the tolerance of {tolerance:g}"


class _Search:
    """The state between steps on all rows: w, the extrapolated z, and the curvature L."""

    def __init__(self, function: Objective, x: Any, y: Any, weight: Any):
        self.function, self.curvature = function, 1.0
        x, y, weight = checked_arrays(function.model, x, y, weight)
        self._rows = take_rows(x, y, weight, slice(None))
        self._scale_rows = take_rows(x, y, weight, scale_rows(y, weight))
        # The prox makes the start feasible where the penalty is a constraint.
        start = function.weights()
        zero = [ops.zeros_like(a) for a in start]
        self.w, penalty = function.step(start, zero, np.float32(1e12))
        loss, self.gradient = self._smooth(self.w)
        self.objective = _number(loss) + _number(penalty)
        self._restart(_number(loss))

    def _restart(self, loss: float) -> None:
        self._z, self._z_gradient, self._z_loss = self.w, self.gradient, loss
        self._loss, self._t = loss, 1.0

    def _smooth(self, w: Any) -> tuple[Any, Any]:
        """J(w) and ∇J(w)."""
        return self.function.loss_and_gradients(w, *self._rows)

    def certificate(self) -> _Certificate:
        """How far w is from a stationary point, or the minimum."""
        scale = scale_of(self.function.squared_row_norms(self.w, *self._scale_rows))
        residuals, _ = self.function.residuals(self.w, self.gradient)
        w, residuals = ([ops.convert_to_numpy(a) for a in arrays] for arrays in (self.w, residuals))
        largest = max(float(np.linalg.norm(d)) for d in residuals) / scale
        above = self.function.gap(self.objective, w, residuals)
        return _Certificate(largest, above, self.objective)

    def step(self) -> bool:
        """One step of w; False where no step makes the objective smaller."""
        while True:
            w, gradient, loss, penalty = self._backtrack()
            slack = ROUNDING * max(abs(self.objective), 1e-30)
            if loss + penalty <= self.objective + slack:
                break
            if self._t == 1.0 and self._z is self.w:
                return False
            self._restart(self._loss)
        moved = [a - b for a, b in zip(w, self.w, strict=True)]
        away = [a - b for a, b in zip(self._z, w, strict=True)]
        uphill = _dot(away, moved) > 0
        still = not any(float(ops.convert_to_numpy(ops.max(ops.abs(m)))) > 0 for m in moved)
        self.w, self.gradient, self.objective = w, gradient, loss + penalty
        if uphill:
            self._restart(loss)
        else:
            t = (1 + (1 + 4 * self._t**2) ** 0.5) / 2
            momentum = (self._t - 1) / t
            self._z = [a + momentum * m for a, m in zip(w, moved, strict=True)]
            z_loss, self._z_gradient = self._smooth(self._z)
            self._z_loss, self._loss, self._t = _number(z_loss), loss, t
        self.curvature = max(SHRINK * self.curvature, 1e-12)
        return not still

    def _backtrack(self) -> tuple[Any, Any, float, float]:
        """A step from z with a curvature that bounds that of the loss along it."""
        while True:
            w, penalty = self.function.step(self._z, self._z_gradient, np.float32(self.curvature))
            loss, gradient = self._smooth(w)
            loss = _number(loss)
            moved = [a - b for a, b in zip(w, self._z, strict=True)]
            square = _dot(moved, moved)
            bound = self._z_loss + _dot(self._z_gradient, moved) + self.curvature / 2 * square
            slack = ROUNDING * max(abs(self._z_loss), 1e-30)
            # Where the losses differ by rounding alone, their gradients still tell.
            turned = [a - b for a, b in zip(gradient, self._z_gradient, strict=True)]
            fits = loss <= bound + slack and _dot(turned, moved) <= 1.01 * self.curvature * square
            if fits or square == 0 or self.curvature > LARGEST_CURVATURE:
                return w, gradient, loss, _number(penalty)
            self.curvature *= GROW


def _number(value: Any) -> float:
    return float(ops.convert_to_numpy(value))


def _dot(a: Sequence[Any], b: Sequence[Any]) -> float:
    return sum(
        float(np.vdot(np.asarray(ops.convert_to_numpy(p), "float64"), ops.convert_to_numpy(q)))
        for p, q in zip(a, b, strict=True)
    )
