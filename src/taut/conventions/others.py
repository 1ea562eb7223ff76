"""The penalties of glmnet, torch and priors."""

from __future__ import annotations

from typing import Any

from taut.checks import check_above, check_at_least, check_share
from taut.conventions.shared import check_rows, class_from, elastic
from taut.errors import InputError, UnsupportedError
from taut.penalties import Penalty, l1_and_l2

_GLMNET = {"gaussian": 2.0, "binomial": 1.0, "multinomial": 1.0, "poisson": 1.0}


def from_glmnet(
    lambda_: float, *, alpha: float = 1.0, family: str = "gaussian", sd_y: float | None = None
) -> Penalty:
    r"""The penalty of glmnet's λ and a, for inputs standardised with 1/n.

    Gaussian, loss here mse: l1 = 2λa, l2 = λ(1−a)/sd_y. Binomial and multinomial
    (cross-entropy) and poisson: l1 = λa, l2 = λ(1−a)/2.

    glmnet standardises the inputs by default: standardise them here. For
    `standardize=FALSE` give them as they are. `penalty.factor` is not taken into account.

    Args:
        lambda_: λ.
        alpha: a, from 0 (ridge) to 1 (lasso).
        family: `"gaussian"`, `"binomial"`, `"multinomial"` (ungrouped) or `"poisson"`.
        sd_y: The standard deviation (with 1/n) of the y that glmnet was given, by which
            it divides before it adds the quadratic part. With `intercept=FALSE` it divides
            by √mean(y²). With R's family object, `family=gaussian()`, it does not: give 1.

    Raises:
        UnsupportedError: For another family.
        InputError: If `sd_y` is needed.

    Example:
        >>> import taut
        >>> taut.from_glmnet(0.05, family="binomial")
        L1(strength=0.05)

    References:
        Friedman, Hastie and Tibshirani, Regularization paths for generalized linear models
        via coordinate descent, 2010.
    """
    if family not in _GLMNET:
        raise UnsupportedError(
            f"The conversion is exact for the families {sorted(_GLMNET)}: 'mgaussian' and grouped "
            "'multinomial' penalise groups, and 'cox' has no mean over rows. "
            f"Received: family={family!r}."
        )
    check_at_least(0, lambda_=lambda_)
    check_share(alpha=alpha)
    l1 = _GLMNET[family] * float(lambda_) * float(alpha)
    l2 = _GLMNET[family] * float(lambda_) * (1 - float(alpha)) / 2
    if family == "gaussian" and l2 > 0:
        if sd_y is None:
            raise InputError(
                "glmnet divides y by its standard deviation before it adds the quadratic part, so "
                "`sd_y` is needed for the gaussian family with alpha < 1. Received: sd_y=None. "
                "Give `sd_y=np.std(y)` (with 1/n), for the y that glmnet was given."
            )
        check_above(0, sd_y=sd_y)
        l2 /= float(sd_y)
    return l1_and_l2(l1, l2)


# Those that add weight_decay·w to the gradient, so that they minimise loss + (wd/2)·Σw².
_TORCH = ("ASGD", "Adadelta", "Adagrad", "Adam", "Adamax", "NAdam", "RAdam", "RMSprop", "SGD")


def from_torch(optimizer_or_weight_decay: Any) -> Penalty:
    r"""The penalty (wd/2)·Σw² of a torch optimizer's `weight_decay`, for the same mean loss.

    torch decays all parameters that the optimizer has, biases too; a penalty here is on the
    weights alone unless a selector names the biases.

    Args:
        optimizer_or_weight_decay: A number, or a `torch.optim` optimizer that adds the decay
            to the gradient, such as SGD or Adam.

    Raises:
        UnsupportedError: For AdamW, which minimises no loss plus penalty, and for parameter
            groups with different decays.

    Example:
        >>> import taut
        >>> taut.from_torch(0.01)
        L2(strength=0.01)

    References:
        Loshchilov and Hutter, Decoupled weight decay regularization, 2019.
    """
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
            f"{decays}. Convert each as a number, `taut.from_torch({decays[-1]!r})`, and say "
            "which weights it is for with a selector."
        )
    return elastic(decays[0], 0.0, name="weight_decay")


def from_gaussian_prior(precision: float, rows: int) -> Penalty:
    r"""The penalty τ/(2n)·Σw² of independent priors w ~ N(0, 1/τ): the minimum is the MAP.

    The loss is the mean negative log-likelihood, such as the cross-entropy. The mean squared
    error is 2σ² times that of Gaussian noise with variance σ²: give `2·σ²·τ` there.

    Args:
        precision: τ, the inverse of the variance of each weight.
        rows: n, the number of rows that the loss is averaged over.

    Raises:
        InputError: If an argument is out of range.

    Example:
        >>> import taut
        >>> taut.from_gaussian_prior(1.0, rows=100)
        L2(strength=0.01)

    References:
        MacKay, A practical Bayesian framework for backpropagation networks, 1992.
    """
    rows = check_rows(rows, "a prior counts once, beside a likelihood of n rows")
    check_at_least(0, precision=precision)
    return l1_and_l2(0.0, float(precision) / (2 * rows))


def from_laplace_prior(scale: float, rows: int) -> Penalty:
    r"""The penalty Σ|w|/(n·b) of independent priors w ~ Laplace(0, b): the minimum is the MAP.

    The loss is the mean negative log-likelihood, such as the cross-entropy. The mean squared
    error is 2σ² times that of Gaussian noise with variance σ²: give `b/(2·σ²)` there.

    Args:
        scale: b, a finite number > 0; the variance of each weight is 2b².
        rows: n, the number of rows that the loss is averaged over.

    Raises:
        InputError: If an argument is out of range.

    Example:
        >>> import taut
        >>> taut.from_laplace_prior(1.0, rows=100)
        L1(strength=0.01)

    References:
        Tibshirani, Regression shrinkage and selection via the lasso, 1996, section 5.
    """
    rows = check_rows(rows, "a prior counts once, beside a likelihood of n rows")
    check_above(0, scale=scale)
    return l1_and_l2(1 / (rows * float(scale)), 0.0)
