"""The penalties of other packages, exactly: the factors that each puts before penalty and loss.

Every function returns the `Terms` of the objective that is minimised here,

    mean of the loss over rows and outputs + l1·Σ|w| + l2·Σw²,

that is the other package's objective up to a factor and a constant. Other packages are
recognised by the names of their classes, so that none of them need be installed.
"""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Any, NamedTuple, NoReturn, Self

import keras

from taut.errors import InputError, UnsupportedError
from taut.penalties.base import check_ratio, check_strength


class Terms(NamedTuple):
    """The factors of Σ|w| and of Σw² beside the mean of the loss."""

    l1: float
    l2: float


def check_rows(rows: Any, why: str) -> int:
    """Return `rows` as an int, or raise: `why` says what depends on it."""
    if isinstance(rows, bool) or not isinstance(rows, Integral) or rows < 1:
        raise InputError(
            f"`rows`, the number of rows that the loss is averaged over, must be an integer >= 1, "
            f"since {why}. Received: rows={rows!r}. Give `rows=len(x)`."
        )
    return int(rows)


def check_positive(value: Any, name: str) -> float:
    """Return `value` as a float, or raise: it is a finite number > 0."""
    number = check_strength(value, name)
    if number == 0:
        raise InputError(f"`{name}` must be a finite number > 0. Received: {name}={value!r}.")
    return number


def _elastic(strength: Any, ratio: Any, *, factor: float = 1.0, name: str = "alpha") -> Terms:
    """`factor` times strength·(ratio·Σ|w| + (1−ratio)/2·Σw²), which most packages share."""
    strength, ratio = check_strength(strength, name), check_ratio(ratio)
    return Terms(factor * strength * ratio, factor * strength * (1 - ratio) / 2)


def _class_from(package: str, thing: Any) -> str:
    """The name of the first of the classes of `thing` that `package` defines, or ""."""
    for kind in type(thing).__mro__:
        if kind.__module__.partition(".")[0] == package:
            return kind.__name__
    return ""


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
    l1, l2 = _elastic(lambda_, alpha, factor=_GLMNET[family], name="lambda_")
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
        return _elastic(optimizer_or_weight_decay, 0.0, name="weight_decay")
    optimizer, kind = optimizer_or_weight_decay, type(optimizer_or_weight_decay).__name__
    groups = getattr(optimizer, "param_groups", None)
    if groups is None:
        raise InputError(
            f"Give a torch optimizer or its weight decay. Received: {optimizer!r} of type {kind}."
        )
    decoupled = any(group.get("decoupled_weight_decay") for group in groups)
    if decoupled or _class_from("torch", optimizer) not in _TORCH:
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
    return _elastic(decays[0], 0.0, name="weight_decay")


def from_gaussian_prior(precision: Any, rows: Any) -> Terms:
    """The terms of w ~ N(0, 1/τ) beside the mean negative log-likelihood: l2 = τ/(2n)."""
    rows = check_rows(rows, "a prior counts once, beside a likelihood of n rows")
    return Terms(0.0, check_strength(precision, "precision") / (2 * rows))


def from_laplace_prior(scale: Any, rows: Any) -> Terms:
    """The terms of w ~ Laplace(0, b) beside the mean negative log-likelihood: l1 = 1/(n·b)."""
    rows = check_rows(rows, "a prior counts once, beside a likelihood of n rows")
    return Terms(1 / (rows * check_positive(scale, "scale")), 0.0)


def from_sklearn(estimator: Any, rows: Any = None) -> Terms:
    """The terms of a scikit-learn estimator; `taut.L1.from_sklearn` says which and with what."""
    name = _class_from("sklearn", estimator)
    if name not in _SKLEARN:
        raise UnsupportedError(
            f"{_REASONS.get(name, 'No exact conversion of this is known here.')} "
            f"Received: {type(estimator).__name__}. Convertible: {', '.join(sorted(_SKLEARN))}; "
            "from a pipeline or a search give the estimator itself, `pipeline[-1]` or "
            "`search.best_estimator_`."
        )
    return _SKLEARN[name](estimator, rows)


def _refuse(estimator: Any, reason: str) -> NoReturn:
    raise UnsupportedError(
        f"No penalty here gives the same objective: {reason}. Received: {estimator!r}."
    )


def _chosen(estimator: Any, name: str) -> Any:
    """The parameter `name`, or what a search (LassoCV, ...) has chosen for it."""
    kind = _class_from("sklearn", estimator)
    if not kind.endswith(("CV", "IC")):
        return getattr(estimator, name)
    if not hasattr(estimator, f"{name}_"):
        raise InputError(
            f"`{kind}` chooses `{name}` in `fit`: fit it first. Received: {estimator!r}."
        )
    return getattr(estimator, f"{name}_")


def _outputs(estimator: Any) -> int:
    """How many outputs the loss here is averaged over, where scikit-learn adds them up."""
    shape = getattr(getattr(estimator, "coef_", None), "shape", ())
    return shape[0] if len(shape) == 2 else 1


def _lasso(estimator: Any, rows: Any) -> Terms:
    # Σr²/(2n) + α·(ρ·Σ|w| + (1−ρ)/2·Σw²), for each output.
    del rows
    if estimator.positive:
        _refuse(estimator, "`positive=True` is a constraint too")
    lasso = "Lasso" in _class_from("sklearn", estimator)
    ratio = 1.0 if lasso else _chosen(estimator, "l1_ratio")
    return _elastic(_chosen(estimator, "alpha"), ratio, factor=2 / _outputs(estimator))


def _ridge(estimator: Any, rows: Any) -> Terms:
    # Σr² + α·Σw², with the targets −1 and 1 for the classifier.
    if getattr(estimator, "positive", False):
        _refuse(estimator, "`positive=True` is a constraint too")
    alpha = _chosen(estimator, "alpha")
    if getattr(alpha, "size", 1) > 1:
        _refuse(estimator, "it has an `alpha` for each output")
    rows = check_rows(rows, "Ridge adds `alpha·Σw²` to the sum of squares, not to their mean")
    return Terms(0.0, check_strength(alpha, "alpha") / (rows * _outputs(estimator)))


def _check_intercept(estimator: Any) -> None:
    if estimator.fit_intercept:
        _refuse(
            estimator,
            "liblinear penalises the intercept as a weight. Use `fit_intercept=False` or, for "
            "LogisticRegression, another solver",
        )


def _logistic(estimator: Any, rows: Any) -> Terms:
    # C·Σ loss + ρ·Σ|w| + (1−ρ)/2·Σw², a softmax for three classes and more.
    if estimator.solver == "liblinear":
        _check_intercept(estimator)
    # `multi_class` is gone from scikit-learn 1.8.
    multi_class = getattr(estimator, "multi_class", "auto")
    classes = len(getattr(estimator, "classes_", ()))
    if multi_class == "ovr" and classes != 2:
        _refuse(estimator, "`multi_class='ovr'` fits one model a class, not one softmax")
    if multi_class == "multinomial" and classes == 2:
        _refuse(estimator, "`multi_class='multinomial'` has two sets of weights for two classes")
    # `penalty` is the old way; "deprecated" is its default from scikit-learn 1.8.
    penalty = getattr(estimator, "penalty", "deprecated")
    if penalty is None:
        return Terms(0.0, 0.0)
    ratio = {"l1": 1.0, "l2": 0.0}.get(penalty, estimator.l1_ratio)
    if ratio is None and penalty == "deprecated":
        ratio = 0.0
    rows = check_rows(rows, "LogisticRegression's `C` multiplies the sum of the losses")
    return _elastic(1 / (rows * float(estimator.C)), ratio, name="1/C")


def _svc(estimator: Any, rows: Any) -> Terms:
    # C·Σ loss + Σ|w| or Σw²/2, one model a class.
    _check_intercept(estimator)
    if estimator.multi_class != "ovr":
        _refuse(estimator, f"`multi_class={estimator.multi_class!r}` has another loss")
    rows = check_rows(rows, "LinearSVC's `C` multiplies the sum of the losses")
    ratio = 1.0 if estimator.penalty == "l1" else 0.0
    return _elastic(1 / (rows * float(estimator.C) * _outputs(estimator)), ratio, name="1/C")


_SGD_LOSSES = {"log_loss": 1, "hinge": 1, "squared_hinge": 1, "huber": 1, "squared_error": 2}


def _sgd(estimator: Any, rows: Any) -> Terms:
    # mean loss + α·(ρ·Σ|w| + (1−ρ)/2·Σw²), with half the squared error; one model a class.
    del rows
    if estimator.loss not in _SGD_LOSSES:
        _refuse(estimator, f"Keras has no loss {estimator.loss!r}")
    if estimator.learning_rate in ("pa1", "pa2"):
        _refuse(estimator, "passive-aggressive steps minimise no objective")
    if estimator.penalty is None:
        return Terms(0.0, 0.0)
    ratio = {"l1": 1.0, "l2": 0.0}.get(estimator.penalty, estimator.l1_ratio)
    factor = _SGD_LOSSES[estimator.loss] / _outputs(estimator)
    return _elastic(estimator.alpha, ratio, factor=factor)


def _poisson(estimator: Any, rows: Any) -> Terms:
    # mean of half the Poisson deviance + α/2·Σw².
    del rows
    return _elastic(estimator.alpha, 0.0)


def _mlp(estimator: Any, rows: Any) -> Terms:
    # mean loss + α/(2m)·Σw², with half the squared error. m is the number of rows of the step: of
    # all for lbfgs, of the batch for the others, which take each batch for the whole data.
    rows = check_rows(rows, f"{type(estimator).__name__} divides `alpha` by the rows of a step")
    size = rows
    if estimator.solver != "lbfgs":
        size = 200 if estimator.batch_size == "auto" else max(int(estimator.batch_size), 1)
    full, rest = divmod(rows, min(size, rows))
    batches = [min(size, rows)] * full + [rest] * (rest > 0)
    if rest and not estimator.shuffle:
        _refuse(estimator, "a smaller last batch gives its rows more weight, without `shuffle`")
    share = sum(1 / m for m in batches) / len(batches)
    softmax = getattr(estimator, "out_activation_", "") == "softmax"
    outputs = 1 if softmax else getattr(estimator, "n_outputs_", 1)
    factor = share / outputs * (2 if estimator.loss == "squared_error" else 1)
    return _elastic(estimator.alpha, 0.0, factor=factor)


_SKLEARN: dict[str, Callable[[Any, Any], Terms]] = {
    **dict.fromkeys(("Lasso", "LassoCV", "LassoLars", "LassoLarsCV", "LassoLarsIC"), _lasso),
    **dict.fromkeys(("ElasticNet", "ElasticNetCV"), _lasso),
    **dict.fromkeys(("Ridge", "RidgeCV", "RidgeClassifier", "RidgeClassifierCV"), _ridge),
    **dict.fromkeys(("SGDClassifier", "SGDRegressor"), _sgd),
    **dict.fromkeys(("MLPClassifier", "MLPRegressor"), _mlp),
    "LinearSVC": _svc,
    "LogisticRegression": _logistic,
    "PoissonRegressor": _poisson,
}
_JOINT = "It penalises the weights of one input to all outputs together: see `taut.GroupLasso`."
_REASONS = {
    **dict.fromkeys(("MultiTaskLasso", "MultiTaskLassoCV"), _JOINT),
    **dict.fromkeys(("MultiTaskElasticNet", "MultiTaskElasticNetCV"), _JOINT),
    "HuberRegressor": "It estimates the scale of the residuals together with the weights.",
    "LogisticRegressionCV": "It may choose a `C` for each class: give `LogisticRegression(C=…)`.",
    "LinearSVR": "Keras has no epsilon-insensitive loss.",
    "Perceptron": "Keras has no perceptron loss.",
}


class FromOthers:
    """Mixin of `L1`, `L2` and `ElasticNet`: made from what other packages call the same thing.

    The penalty made is exact: with the same rows, targets and loss, the objective here is the
    other package's up to a factor and a constant, so that both have the same minimisers. What has
    no exact equal is refused.
    """

    @classmethod
    def _from_terms(cls, terms: Terms) -> Self:
        """This penalty as l1·Σ|w| + l2·Σw², or an error that names the class that can be it."""
        # By name: the three classes derive from this one, so this module cannot import them.
        kinds = {kind.__name__ for kind in cls.__mro__}
        total = terms.l1 + 2 * terms.l2
        arguments: dict[str, float] = {"strength": total}
        if "ElasticNet" in kinds:
            if total > 0:
                arguments["l1_ratio"] = terms.l1 / total
        elif terms.l2 if "L1" in kinds else terms.l1:
            right = "ElasticNet" if terms.l1 and terms.l2 else "L2" if terms.l2 else "L1"
            raise InputError(
                f"`taut.{cls.__name__}` is {'Σ|w|' if 'L1' in kinds else 'Σw²/2'} alone. Received: "
                f"a penalty {terms.l1:g}·Σ|w| + {terms.l2:g}·Σw². Use the same method of "
                f"`taut.{right}`."
            )
        return cls(**arguments)

    @classmethod
    def from_sklearn(cls, estimator: Any, rows: int | None = None) -> Self:
        r"""The penalty of a scikit-learn estimator, for the mean of the named loss here.

        With α its `alpha`, ρ its `l1_ratio`, n the rows, in l1·Σ|w| + l2·Σw²:

        | estimator | loss here | l1 | l2 |
        |---|---|---|---|
        | `Lasso`, `LassoLars` | mse | 2α | |
        | `ElasticNet` | mse | 2αρ | α(1−ρ) |
        | `Ridge`; `RidgeClassifier`, targets −1 and 1 | mse | | α/n |
        | `LogisticRegression` | cross-entropy | ρ/(nC) | (1−ρ)/(2nC) |
        | `LinearSVC`, no intercept | hinge, squared hinge | 1/(nC) | 1/(2nC) |
        | `SGDClassifier`, `SGDRegressor` | theirs | αρ | α(1−ρ)/2 |
        | the same with `squared_error` | mse | 2αρ | α(1−ρ) |
        | `PoissonRegressor` | poisson | | α/2 |
        | `MLPClassifier` | cross-entropy | | α/(2m) |
        | `MLPRegressor` | mse | | α/m |

        m is n for the solver lbfgs. The solvers sgd and adam divide `alpha` by the rows of each
        batch, so there m is the batch size; with a smaller last batch, 1/m is the mean over the
        batches, and the objective the one whose gradient the steps have on average.

        The loss has the weights of rows and classes that scikit-learn's has, if any. Where
        scikit-learn adds up several outputs or one-vs-rest models, the loss here is their mean,
        and l1 and l2 are divided by their number; only a fitted estimator knows that number.

        Args:
            estimator: The estimator, fitted or not. For a search such as `LassoCV`, fitted.
            rows: n, the number of rows that it is trained on, where the table has n or m; less
                those that an MLP holds out for early stopping.

        Raises:
            UnsupportedError: If no penalty here gives the same objective.
            InputError: If this class lacks a term that the penalty has, or `rows` is needed.

        Example:
            >>> from sklearn.linear_model import Lasso
            >>> taut.L1.from_sklearn(Lasso(alpha=0.1))
            L1(strength=0.2)

        References:
            scikit-learn, user guide, Linear models and Neural network models.
        """
        return cls._from_terms(from_sklearn(estimator, rows))

    @classmethod
    def from_glmnet(
        cls,
        lambda_: float,
        *,
        alpha: float = 1.0,
        family: str = "gaussian",
        sd_y: float | None = None,
    ) -> Self:
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
            InputError: If `sd_y` is needed, or this class lacks a term that the penalty has.

        Example:
            >>> taut.L1.from_glmnet(0.05, family="binomial")
            L1(strength=0.05)

        References:
            Friedman, Hastie and Tibshirani, Regularization paths for generalized linear models
            via coordinate descent, 2010.
        """
        return cls._from_terms(from_glmnet(lambda_, alpha=alpha, family=family, sd_y=sd_y))

    @classmethod
    def from_torch(cls, optimizer_or_weight_decay: Any) -> Self:
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
            >>> taut.L2.from_torch(0.01)
            L2(strength=0.01)

        References:
            Loshchilov and Hutter, Decoupled weight decay regularization, 2019.
        """
        return cls._from_terms(from_torch(optimizer_or_weight_decay))

    @classmethod
    def from_keras(cls, regularizer: keras.regularizers.Regularizer) -> Self:
        r"""The penalty of a Keras L1 (a·Σ|w|), L2 (a·Σw², without our 1/2) or L1L2.

        `taut.penalties.get` does this wherever a penalty is expected.

        Args:
            regularizer: The Keras regularizer.

        Raises:
            UnsupportedError: For another Keras regularizer.
            InputError: If this class lacks a term that the regularizer has.

        Example:
            >>> taut.L2.from_keras(keras.regularizers.L2(0.01))
            L2(strength=0.02)
        """
        return cls._from_terms(from_keras(regularizer))

    @classmethod
    def from_gaussian_prior(cls, precision: float, rows: int) -> Self:
        r"""The penalty τ/(2n)·Σw² of independent priors w ~ N(0, 1/τ): the minimum is the MAP.

        The loss is the mean negative log-likelihood, such as the cross-entropy. The mean squared
        error is 2σ² times that of Gaussian noise with variance σ²: give `2·σ²·τ` there.

        Args:
            precision: τ, the inverse of the variance of each weight.
            rows: n, the number of rows that the loss is averaged over.

        Raises:
            InputError: If an argument is out of range, or for `L1`.

        Example:
            >>> taut.L2.from_gaussian_prior(1.0, rows=100)
            L2(strength=0.01)

        References:
            MacKay, A practical Bayesian framework for backpropagation networks, 1992.
        """
        return cls._from_terms(from_gaussian_prior(precision, rows))

    @classmethod
    def from_laplace_prior(cls, scale: float, rows: int) -> Self:
        r"""The penalty Σ|w|/(n·b) of independent priors w ~ Laplace(0, b): the minimum is the MAP.

        The loss is the mean negative log-likelihood, such as the cross-entropy. The mean squared
        error is 2σ² times that of Gaussian noise with variance σ²: give `b/(2·σ²)` there.

        Args:
            scale: b, a finite number > 0; the variance of each weight is 2b².
            rows: n, the number of rows that the loss is averaged over.

        Raises:
            InputError: If an argument is out of range, or for `L2`.

        Example:
            >>> taut.L1.from_laplace_prior(1.0, rows=100)
            L1(strength=0.01)

        References:
            Tibshirani, Regression shrinkage and selection via the lasso, 1996, section 5.
        """
        return cls._from_terms(from_laplace_prior(scale, rows))
