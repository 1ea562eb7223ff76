"""The laws of the prox: it minimises its objective, and is as convex and sparse as it says."""

from __future__ import annotations

from typing import Any

import numpy as np

from taut.testing.case import Arrays, Case, size_of

EPS = float(np.finfo("float32").eps)


def law_prox(case: Case) -> None:
    """No other point has a lower objective, for short, middling and long steps."""
    rng = case.rng()
    for w in case.weights(rng):
        for step in (0.05, 0.5, 20.0):
            _check_prox(case, rng, w, step, "prox")


def law_prox_in_a_metric(case: Case) -> None:
    """The same for steps by coordinate; not of a penalty that says `scalar_step`."""
    if case.bound.scalar_step:
        return
    rng = case.rng()
    for w in case.weights(rng):
        for _ in range(2):
            _check_prox(case, rng, w, case.metric(rng), "prox in a metric")


def _check_prox(case: Case, rng: np.random.Generator, w: Arrays, step: Any, law: str) -> None:
    u = case.prox(w, step, case.strength)
    where = f"w={w}, step={step}, strength={case.strength}"
    for v, a in zip(u, w, strict=True):
        case.require(v.shape == a.shape, law, f"from {a.shape} it makes {v.shape}.")
        case.require(np.isfinite(v).all(), law, f"it makes {v} at {where}.")
    steps = step if isinstance(step, list) else [np.full(a.shape, step) for a in w]
    # Other points in the domain of a constraint, and near the boundary: proxes of others.
    guides = [case.prox(w, s, case.strength) for s in (1e-3, 1.0, 30.0)]
    guides += [case.prox(case.draw(rng), 1.0, case.strength) for _ in range(8)]
    points = _candidates(rng, w, u, guides)
    away = (points - _flat(w)) ** 2 / (2 * _flat(steps))
    cuts = np.cumsum([a.size for a in w])[:-1]
    parts = np.split(points, cuts, axis=1)
    batch = [part.reshape(-1, *a.shape) for part, a in zip(parts, w, strict=True)]
    objective = away.sum(1) + case.values(batch, case.strength)
    objective = np.where(np.isnan(objective), np.inf, objective)
    best = int(objective.argmin())
    case.require(np.isfinite(objective[0]), law, f"the value is infinite at the prox of {where}.")
    room = 4e-6 * (objective[0] + case.strength * size_of(u))
    if case.constrained:  # 1e-5 of the way outside still counts as inside, where others may be
        room += 2e-5 * np.abs((_flat(w) - _flat(u)) * _flat(u) / _flat(steps)).sum()
    case.require(
        objective[0] <= objective[best] + room,
        law,
        f"its point has the objective {objective[0]:.9g}, another {objective[best]:.9g}. Received: "
        f"{u}, better {[b[best] for b in batch]}, at {where}.",
    )
    _check_residual(case, w, u, steps, where, law)


def _check_residual(case: Case, w: Arrays, u: Arrays, steps: Arrays, where: str, law: str) -> None:
    slope = [((v - a) / s).astype("float32") for v, a, s in zip(u, w, steps, strict=True)]
    left = case.distance(u, slope, case.strength)
    # What rounding of u by one unit does to the slope, (u − w)/step.
    rounding = [EPS * (abs(a) + abs(v)) / s for a, v, s in zip(w, u, steps, strict=True)]
    allowed = 50 * size_of(rounding) + 50 * EPS * (size_of(slope) + case.strength)
    case.require(
        size_of(left) <= allowed,
        law,
        f"the residual of stationarity of its own problem is {size_of(left):.3g}, more than "
        f"rounding ({allowed:.3g}): prox and distance disagree. Received: {u} at {where}.",
    )


def _candidates(rng: np.random.Generator, w: Arrays, u: Arrays, guides: list[Arrays]) -> np.ndarray:
    """[points, weights] that may have a lower objective than u; u itself is the first."""
    start, end = _flat(w), _flat(u)
    size = max(np.abs(start).max(initial=0), 1e-3)

    def along(directions: Any, lengths: Any) -> np.ndarray:
        moves = np.reshape(lengths, (-1, 1, 1)) * np.stack(directions)
        return (end + moves).reshape(-1, end.size)

    # Along each coordinate, the whole way: where αR is not convex there are several valleys.
    whole = np.linspace(-0.5, 1.5, 33)[:, None, None] * start
    candidates = [end[None], start[None], 0 * end[None]]
    candidates += [np.where(np.eye(end.size, dtype=bool), whole, end).reshape(-1, end.size)]
    masks = np.stack([*_slices(w), *(rng.random((24, end.size)) < [[0.2], [0.5], [0.8]] * 8)])
    candidates += [np.where(masks, t * end, end) for t in (0, 0.5, 0.9, 0.99, 1.01, 1.5)]
    candidates += [np.where(masks, start, end), np.where(masks, start, 0)]
    random = size * rng.normal(size=(24, end.size))
    directions = [*random, *(random * (end != 0)), start - end, end]
    directions += [*(masks * size * rng.normal(size=masks.shape))]
    short = 10.0 ** np.arange(-5, 0.5, 0.5)
    candidates += [along(directions, [*short, *-short])]
    candidates += [along([_flat(guide) - end for guide in guides], (1, 0.5, 0.1, 0.01, 1e-3, 1e-4))]
    return np.concatenate(candidates)


def _slices(w: Arrays) -> list[np.ndarray]:
    """Masks of the rows, columns and so on of every array: what may be a group."""
    masks = []
    for k, a in enumerate(w):
        for axis in range(a.ndim):
            for i in range(min(a.shape[axis], 8)):
                marked = [np.zeros(b.shape) for b in w]
                np.moveaxis(marked[k], axis, 0)[i] = 1
                masks.append(_flat(marked) > 0)
    return masks


def _flat(arrays: Arrays) -> np.ndarray:
    return np.concatenate([a.astype("float64").ravel() for a in arrays])


def _double(a: np.ndarray) -> np.ndarray:
    return a.astype("float64")


def law_nonexpansive(case: Case) -> None:
    """⟨prox(w) − prox(v), w − v⟩ >= ‖prox(w) − prox(v)‖², weighted by 1/step; where convex."""
    if not case.bound.convex:
        return
    rng = case.rng()
    for w in case.weights(rng):
        step = 0.5 if case.bound.scalar_step else case.metric(rng)
        steps = step if isinstance(step, list) else [np.full(a.shape, step) for a in w]
        other = [a + b for a, b in zip(w, case.draw(rng, 0.5), strict=True)]
        u, v = case.prox(w, step, case.strength), case.prox(other, step, case.strength)
        gap = [_double(a) - b for a, b in zip(u, v, strict=True)]
        way = [_double(a) - b for a, b in zip(w, other, strict=True)]
        product = sum(float((g * x / s).sum()) for g, x, s in zip(gap, way, steps, strict=True))
        square = sum(float((g * g / s).sum()) for g, s in zip(gap, steps, strict=True))
        case.require(
            square <= product + 1e-4 * (abs(product) + square) + 1e-6,
            "nonexpansive",
            f"‖prox(w) − prox(v)‖² = {square:.6g} in its metric, more than the product with w − v, "
            f"{product:.6g}. Say `convex = False` if αR is not. Received: w={w}, v={other}, "
            f"step={step}, strength={case.strength}.",
        )


def law_sparse(case: Case) -> None:
    """The prox makes exact zeros of weights that are none, if and only if `sparse`."""
    rng = case.rng()
    zeros = 0
    for w in (case.draw(rng, 0.1), case.draw(rng), case.draw(rng, 3)):
        for factor in (1, 10):
            u = case.prox(w, 1.0, factor * case.strength)
            zeros += sum(int(((v == 0) & (a != 0)).sum()) for v, a in zip(u, w, strict=True))
    case.require(
        (zeros > 0) == case.bound.sparse,
        "sparse",
        f"`sparse` must say whether the prox makes exact zeros. Received: sparse="
        f"{case.bound.sparse}, and {zeros} zeros.",
    )


def law_undefined(case: Case) -> None:
    """A weight that is NaN stays NaN in the prox at any step: it says that training failed."""
    steps: list = [1e-3, 1.0, 1e8]
    if not case.bound.scalar_step:
        steps.append(case.metric(case.rng()))
    w = [np.array(a) for a in case.draw(case.rng())]
    w[0].flat[0] = np.nan
    for step in steps:
        u = case.prox(w, step, case.strength)
        case.require(
            bool(np.isnan(u[0].flat[0])),
            "undefined",
            "the prox must leave NaN where a weight is NaN. Received: "
            f"{u[0].flat[0]} at step={step}, strength={case.strength}.",
        )
