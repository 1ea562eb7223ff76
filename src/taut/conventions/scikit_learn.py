"""The penalties of scikit-learn's estimators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from taut.checks import check_at_least
from taut.conventions.shared import check_rows, class_from, elastic
from taut.errors import InputError, UnsupportedError
from taut.penalties import Penalty, l1_and_l2


def from_sklearn(estimator: Any, rows: int | None = None) -> Penalty:
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
        InputError: If `rows` is needed.

    Example:
        >>> import taut
        >>> from sklearn.linear_model import Lasso
        >>> taut.from_sklearn(Lasso(alpha=0.1))
        L1(strength=0.2)

    References:
        scikit-learn, user guide, Linear models and Neural network models.
    """
    name = class_from("sklearn", estimator)
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
    kind = class_from("sklearn", estimator)
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


def _lasso(estimator: Any, rows: Any) -> Penalty:
    # Σr²/(2n) + α·(ρ·Σ|w| + (1−ρ)/2·Σw²), for each output.
    del rows
    if estimator.positive:
        _refuse(estimator, "`positive=True` is a constraint too")
    lasso = "Lasso" in class_from("sklearn", estimator)
    ratio = 1.0 if lasso else _chosen(estimator, "l1_ratio")
    return elastic(_chosen(estimator, "alpha"), ratio, factor=2 / _outputs(estimator))


def _ridge(estimator: Any, rows: Any) -> Penalty:
    # Σr² + α·Σw², with the targets −1 and 1 for the classifier.
    if getattr(estimator, "positive", False):
        _refuse(estimator, "`positive=True` is a constraint too")
    alpha = _chosen(estimator, "alpha")
    if getattr(alpha, "size", 1) > 1:
        _refuse(estimator, "it has an `alpha` for each output")
    rows = check_rows(rows, "Ridge adds `alpha·Σw²` to the sum of squares, not to their mean")
    check_at_least(0, alpha=alpha)
    return l1_and_l2(0.0, float(alpha) / (rows * _outputs(estimator)))


def _check_intercept(estimator: Any) -> None:
    if estimator.fit_intercept:
        _refuse(
            estimator,
            "liblinear penalises the intercept as a weight. Use `fit_intercept=False` or, for "
            "LogisticRegression, another solver",
        )


def _logistic(estimator: Any, rows: Any) -> Penalty:
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
        return l1_and_l2(0.0, 0.0)
    ratio = {"l1": 1.0, "l2": 0.0}.get(penalty, estimator.l1_ratio)
    if ratio is None and penalty == "deprecated":
        ratio = 0.0
    rows = check_rows(rows, "LogisticRegression's `C` multiplies the sum of the losses")
    return elastic(1 / (rows * float(estimator.C)), ratio, name="1/C")


def _svc(estimator: Any, rows: Any) -> Penalty:
    # C·Σ loss + Σ|w| or Σw²/2, one model a class.
    _check_intercept(estimator)
    if estimator.multi_class != "ovr":
        _refuse(estimator, f"`multi_class={estimator.multi_class!r}` has another loss")
    rows = check_rows(rows, "LinearSVC's `C` multiplies the sum of the losses")
    ratio = 1.0 if estimator.penalty == "l1" else 0.0
    return elastic(1 / (rows * float(estimator.C) * _outputs(estimator)), ratio, name="1/C")


_SGD_LOSSES = {"log_loss": 1, "hinge": 1, "squared_hinge": 1, "huber": 1, "squared_error": 2}


def _sgd(estimator: Any, rows: Any) -> Penalty:
    # mean loss + α·(ρ·Σ|w| + (1−ρ)/2·Σw²), with half the squared error; one model a class.
    del rows
    if estimator.loss not in _SGD_LOSSES:
        _refuse(estimator, f"Keras has no loss {estimator.loss!r}")
    if estimator.learning_rate in ("pa1", "pa2"):
        _refuse(estimator, "passive-aggressive steps minimise no objective")
    if estimator.penalty is None:
        return l1_and_l2(0.0, 0.0)
    ratio = {"l1": 1.0, "l2": 0.0}.get(estimator.penalty, estimator.l1_ratio)
    factor = _SGD_LOSSES[estimator.loss] / _outputs(estimator)
    return elastic(estimator.alpha, ratio, factor=factor)


def _poisson(estimator: Any, rows: Any) -> Penalty:
    # mean of half the Poisson deviance + α/2·Σw².
    del rows
    return elastic(estimator.alpha, 0.0)


def _mlp(estimator: Any, rows: Any) -> Penalty:
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
    return elastic(estimator.alpha, 0.0, factor=factor)


_SKLEARN: dict[str, Callable[[Any, Any], Penalty]] = {
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
