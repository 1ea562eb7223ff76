"""The laws of the value, the distance to the subdifferential and the critical strength."""

from __future__ import annotations

import math

import numpy as np

from taut.errors import UnsupportedError
from taut.testing.case import Arrays, Case, size_of


def law_value(case: Case) -> None:
    """A scalar >= 0, finite but for a constraint, and zero at strength 0."""
    rng = case.rng()
    for w in case.weights(rng):
        value, at_zero = case.value(w, case.strength), case.value(w, 0.0)
        # Outside of a constraint the value is infinite at every strength.
        fits = value >= 0 and (math.isfinite(value) or at_zero == math.inf)
        case.require(fits, "value", f"the value must be >= 0. Received: {value} at w={w}.")
        case.require(
            at_zero in (0, math.inf),
            "value",
            f"the value must be 0 at strength 0. Received: {at_zero} at w={w}.",
        )


def law_distance(case: Case) -> None:
    """Its norm is the limit of ‖w − prox(w − s·g)‖/s for small s: the least slope of J'."""
    rng, a = case.rng(), case.strength
    points = [case.zeros(), *case.weights(rng)]
    points += [case.prox(w, 1.0, factor * a) for w in case.weights(rng) for factor in (1, 5)]
    for w in points:
        if case.constrained:  # into its domain; what the rest of the penalty moves off 0 is 0
            w = [v * (np.abs(v) > 1e-9) for v in case.prox(w, 1e-12, a, "float64")]
        for scale in (0.3, 1.0, 4.0):
            gradient = case.draw(rng, scale)
            distance = size_of(case.distance(w, gradient, a, "float64"))
            short = 1e-4 / (1 + distance / (1 + size_of(w)))  # a step by a small part of w
            moved = [v - short * g for v, g in zip(w, gradient, strict=True)]
            u = case.prox(moved, short, a, "float64")
            slope = size_of([(v - x) / short for v, x in zip(w, u, strict=True)])
            case.require(
                abs(distance - slope) <= 0.03 * (slope + scale),
                "distance",
                f"its norm is {distance:.6g}; the step from w, as it gets short, has the slope "
                f"{slope:.6g}. Received: w={w}, gradient={gradient}, strength={a}.",
            )


def law_critical_strength(case: Case) -> None:
    """At it w = 0 is stationary and stays; just below it leaves; if infinite, always."""
    rng = case.rng()
    zero = case.zeros()
    try:
        case.critical(case.draw(rng))
    except UnsupportedError:  # of sums, where it is not known
        return
    gradients = [case.draw(rng), case.draw(rng, 0.01), case.draw(rng, 30)]
    gradients += [[np.abs(g) for g in gradients[0]], zero]
    for gradient in gradients:
        critical, size = case.critical(gradient), size_of(gradient)
        received = f"Received: critical_strength={critical} for gradient={gradient}"
        case.require(critical >= 0, "critical strength", f"it must be >= 0. {received}.")
        if critical == math.inf:
            left = size_of(case.distance(zero, gradient, 1e3 * case.strength))
            case.require(
                left > 1e-4 * size,
                "critical strength",
                f"infinite, but w = 0 is stationary at a large strength. {received}.",
            )
            continue
        left = size_of(case.distance(zero, gradient, critical * (1 + 1e-5)))
        case.require(
            left <= 1e-4 * size,
            "critical strength",
            f"w = 0 must be stationary at it; its distance is {left:.3g}. {received}.",
        )
        if critical > 0:
            _check_edge(case, gradient, critical, received)


def _check_edge(case: Case, gradient: Arrays, critical: float, received: str) -> None:
    size, short = size_of(gradient), 0.01
    left = size_of(case.distance(case.zeros(), gradient, 0.99 * critical))
    case.require(
        left > 1e-5 * size,
        "critical strength",
        f"w = 0 must not be stationary just below it; its distance is {left:.3g}. {received}.",
    )
    step = [-short * g for g in gradient]
    stays = size_of(case.prox(step, short, critical * (1 + 1e-4)))
    leaves = size_of(case.prox(step, short, 0.99 * critical))
    case.require(
        stays <= 1e-6 * short * size < leaves,
        "critical strength",
        "a step from w = 0 must end at 0 at it and leave just below it. Received: it ends "
        f"{stays:.3g} away at it, {leaves:.3g} away below. {received}.",
    )


def law_zeros(case: Case) -> None:
    """No NaN at zero weights, zero, tiny or huge steps and strength 0, where the prox is w."""
    rng = case.rng()
    ones = [np.ones(shape, "float32") for shape in case.shapes]
    half = [w * (np.arange(w.size) % 2).reshape(w.shape) for w in ones]
    first = [w * (np.arange(w.size) < w.size // 2).reshape(w.shape) for w in case.draw(rng)]
    steps: list = [0.0, 1e-8, 1.0, 1e8]
    if not case.bound.scalar_step:
        steps += [[x * s for x in half] for s in (1.0, 1e8)] + [case.zeros()]
    for w in (case.zeros(), first, case.draw(rng)):
        for a in (0.0, case.strength):
            distances = [*case.distance(w, case.zeros(), a), *case.distance(w, ones, a)]
            bad = math.isnan(case.value(w, a)) or any(np.isnan(v).any() for v in distances)
            case.require(not bad, "zeros", f"NaN in the value or distance at w={w}, strength={a}.")
            for step in steps:
                u = case.prox(w, step, a)
                received = f"Received: {u} at w={w}, step={step}, strength={a}."
                fine = all(np.isfinite(v).all() for v in u)
                case.require(fine, "zeros", f"the prox must be finite. {received}")
                if a == 0 and case.value(w, 0.0) == 0 and case.value(u, case.strength) < math.inf:
                    same = all(np.allclose(v, x, 1e-5, 1e-6) for v, x in zip(u, w, strict=True))
                    case.require(same, "zeros", f"at strength 0 the prox must be w. {received}")
