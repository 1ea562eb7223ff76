"""The factors of Keras, glmnet, torch and priors."""

from __future__ import annotations

from typing import Any

import keras

from taut.errors import InputError, UnsupportedError
from taut.penalties.base import check_strength
from taut.penalties.conventions.terms import Terms, check_positive, check_rows, class_from, elastic


def from_keras(regularizer: Any) -> Terms:
    """The terms of a Keras regularizer: L1 is l1·Σ|w|, L2 is l2·Σw²."""
    kind = type(regularizer)
    if kind is keras.regularizers.L1:
        return Terms(float(regularizer.l1), 0.0)
    if kind is keras.regularizers.L2:
        return Terms(0.0, float(regularizer.l2))
    if kind is keras.regularizers.L1L2:
        return Terms(float(regularizer.l1), float(regularizer.l2))
    if not isinstance(regularizer, keras.regularizers.Regularizer):
        raise InputError(
            "Give a Keras regularizer such as `keras.regularizers.L2(0.01)`. "
            f"Received: {regularizer!r} of type {kind.__name__}."
        )
    raise UnsupportedError(
        f"The Keras regularizer {kind.__name__} has no penalty here that equals it. Use L1, L2 "
        "or L1L2, a taut penalty, or leave it on its layer, where Keras adds it to the loss. "
        f"Received: {regularizer!r}."
    )


_GLMNET = {"gaussian": 2.0, "binomial": 1.0, "multinomial": 1.0, "poisson": 1.0}


def from_glmnet(lambda_: Any, *, alpha: Any, family: str, sd_y: Any) -> Terms:
    """The terms of glmnet's λ·(a·Σ|w| + (1−a)/2·Σw²) beside half the MSE, or the mean NLL."""
    if family not in _GLMNET:
        raise UnsupportedError(
            f"The conversion is exact for the families {sorted(_GLMNET)}: 'mgaussian' and grouped "
            "'multinomial' penalise groups, and 'cox' has no mean over rows. "
            f"Received: family={family!r}."
        )
    l1, l2 = elastic(lambda_, alpha, factor=_GLMNET[family], name="lambda_")
    if family == "gaussian" and l2 > 0:
        if sd_y is None:
            raise InputError(
                "glmnet divides y by its standard deviation before it adds the quadratic part, so "
                "`sd_y` is needed for the gaussian family with alpha < 1. Received: sd_y=None. "
                "Give `sd_y=np.std(y)` (with 1/n), for the y that glmnet was given."
            )
        l2 /= check_positive(sd_y, "sd_y")
    return Terms(l1, l2)


# Those that add weight_decay·w to the gradient, so that they minimise loss + (wd/2)·Σw².
_TORCH = ("ASGD", "Adadelta", "Adagrad", "Adam", "Adamax", "NAdam", "RAdam", "RMSprop", "SGD")


def from_torch(optimizer_or_weight_decay: Any) -> Terms:
    """The terms of a torch optimizer's weight decay wd, coupled to the gradient: l2 = wd/2."""
    if hasattr(optimizer_or_weight_decay, "__float__"):
        return elastic(optimizer_or_weight_decay, 0.0, name="weight_decay")
    optimizer, kind = optimizer_or_weight_decay, type(optimizer_or_weight_decay).__name__
    groups = getattr(optimizer, "param_groups", None)
    if groups is None:
        raise InputError(
            f"Give a torch optimizer or its weight decay. Received: {optimizer!r} of type {kind}."
        )
    decoupled = any(group.get("decoupled_weight_decay") for group in groups)
    if decoupled or class_from("torch", optimizer) not in _TORCH:
        raise UnsupportedError(
            "Only weight decay that is added to the gradient is a penalty. AdamW and others shrink "
            "the weights beside the gradient's step, so that what they settle at minimises no loss "
            f"plus penalty. Received: {kind}{' with decoupled_weight_decay=True' * decoupled}. "
            f"Convertible: {', '.join(_TORCH)}, not decoupled."
        )
    decays = sorted({float(group["weight_decay"]) for group in groups})
    if len(decays) > 1:
        raise UnsupportedError(
            f"One penalty has one strength. Received: {kind} with parameter groups of weight decay "
            f"{decays}. Convert each as a number, `taut.L2.from_torch({decays[-1]!r})`, and say "
            "which weights it is for with a selector."
        )
    return elastic(decays[0], 0.0, name="weight_decay")


def from_gaussian_prior(precision: Any, rows: Any) -> Terms:
    """The terms of w ~ N(0, 1/τ) beside the mean negative log-likelihood: l2 = τ/(2n)."""
    rows = check_rows(rows, "a prior counts once, beside a likelihood of n rows")
    return Terms(0.0, check_strength(precision, "precision") / (2 * rows))


def from_laplace_prior(scale: Any, rows: Any) -> Terms:
    """The terms of w ~ Laplace(0, b) beside the mean negative log-likelihood: l1 = 1/(n·b)."""
    rows = check_rows(rows, "a prior counts once, beside a likelihood of n rows")
    return Terms(1 / (rows * check_positive(scale, "scale")), 0.0)
