"""What a path chooses by: the held-out loss, a compiled metric, or a score of the predictions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from taut._keras.compiled_model import from_logits, loss_name, measured_once
from taut.engine.evaluate import numbers_of
from taut.errors import InputError

FEW = 2
"""Rows on which metrics are made, to know their names."""


@dataclass(frozen=True)
class Scoring:
    """A measure of held-out predictions.

    Attributes:
        name: "loss", or of the column `held_out_<name>`.
        larger: Whether larger is better.
        measure: (targets, prediction, weights or None) -> a number, of the held-out rows of a fold;
            None where the engine measures it, as it does the loss and compiled metrics.
        of_scorer: Whether it is scikit-learn's.
    """

    name: str = "loss"
    larger: bool = False
    measure: Callable[[Any, Any, Any], float] | None = None
    of_scorer: bool = False

    @property
    def column(self) -> str:
        return f"held_out_{self.name}"

    def losses(self, scores: np.ndarray) -> np.ndarray:
        """Scores such that less is better; what is not known is infinitely bad."""
        scores = -scores if self.larger else scores
        return np.where(np.isfinite(scores), scores, np.inf)


def scoring_of(
    model: Any, scoring: Any, x: Any, y: Any, classes: Any = None, weights: Any = None
) -> Scoring:
    """Read `scoring` of `regularization_path`, before anything is trained.

    Args:
        model: A study's.
        scoring: None or "loss"; the name of a compiled metric; the name of a scorer of
            scikit-learn, or one that `make_scorer` made; or a function (y, prediction) -> float
            of which larger is better.
        x: Inputs of at least a few rows.
        y: Their targets.
        classes: [classes] labels, which scorers then get in place of numbers.
        weights: What each row counts, which a score is then given as `sample_weight`; or None.

    Raises:
        InputError: If it is none of these, it is not known which direction is better, or it knows
            no weights where there are some.
    """
    if scoring is None or scoring == "loss":
        return Scoring()
    few = keras.tree.map_structure(lambda a: keras.ops.convert_to_tensor(a[:FEW]), (x, y))
    metrics = measured_once(model, *few)
    if isinstance(scoring, str) and (known := _compiled(scoring, metrics)) is not None:
        return known
    if isinstance(scoring, str):
        return _scorer(model, scoring, y, metrics, classes, weights)
    name = getattr(getattr(scoring, "_score_func", scoring), "__name__", "score").strip("<>")
    name = f"{name}_score" if name in metrics else name
    if hasattr(scoring, "set_score_request"):  # what `make_scorer` makes
        return _of_scorer(model, scoring, name, y, classes, weights)
    if callable(scoring):
        function: Callable[..., Any] = scoring
        _check_weights(function, name, weights)
        return Scoring(
            name, True, lambda y, prediction, w: float(function(y, prediction, **_counted(w)))
        )
    raise InputError(
        "`scoring` must be the name of a compiled metric or of a scorer of scikit-learn, or a "
        f"function (y, prediction) -> float. Received: scoring={scoring!r}."
    )


def _compiled(name: str, metrics: Mapping[str, tuple[Any, str | None]]) -> Scoring | None:
    """The compiled metric, or one number of it; None where there is none of that name."""
    for metric, (result, direction) in metrics.items():
        if name not in [number for number, _ in numbers_of({metric: result})]:
            continue
        if direction is None:
            raise InputError(
                "`scoring` by a metric needs to know whether larger is better. Received: "
                f"{name!r}, of which Keras does not know. Give a function (y, prediction) -> "
                "float of which larger is better."
            )
        return Scoring(name, direction == "up")
    return None


def _scorer(
    model: Any, name: str, y: Any, metrics: Mapping[str, Any], classes: Any, weights: Any
) -> Scoring:
    from sklearn.metrics import get_scorer, get_scorer_names

    if name not in get_scorer_names():
        raise InputError(
            '`scoring` must be "loss", the name of a compiled metric, or one of scikit-learn\'s '
            f"(`sklearn.metrics.get_scorer_names()`). Received: {name!r}; the compiled metrics are "
            f"{', '.join(map(repr, metrics)) or 'none'}."
        )
    return _of_scorer(model, get_scorer(name), name, y, classes, weights)


def _of_scorer(model: Any, scorer: Any, name: str, y: Any, classes: Any, weights: Any) -> Scoring:
    from taut.studies.predictor import predictor_of

    if keras.tree.is_nested(y):
        raise InputError(
            "A scorer of scikit-learn needs one array of targets. Received: several outputs. Give "
            "a function (y, prediction) -> float."
        )
    _check_weights(getattr(scorer, "_score_func", scorer), name, weights)
    estimator = predictor_of(loss_name(model), from_logits(model), classes)

    def measure(y: Any, prediction: Any, weights: Any) -> float:
        return float(scorer(estimator, *estimator.arguments(y, prediction), **_counted(weights)))

    # scikit-learn turns the sign where less is better.
    return Scoring(name, True, measure, of_scorer=True)


def _counted(weights: Any) -> dict[str, Any]:
    return {} if weights is None else {"sample_weight": weights}


def _check_weights(function: Callable[..., Any], name: str, weights: Any) -> None:
    """Raise where rows have weights that a score would not know of."""
    if weights is None:
        return
    if keras.tree.is_nested(weights) or np.ndim(weights) != 1:
        raise InputError(
            "`scoring` by a score of predictions takes one weight a row. Received: weights of "
            f"several outputs or steps for {name!r}. Choose by the loss or a compiled metric."
        )
    parameters = inspect.signature(function).parameters.values()
    if not any(p.name == "sample_weight" or p.kind is p.VAR_KEYWORD for p in parameters):
        raise InputError(
            "`scoring` must know of weights where rows have some: as a parameter `sample_weight`. "
            f"Received: {name!r}, without, and `sample_weight`. Choose by the loss or a compiled "
            "metric, or give a function (y, prediction, sample_weight) -> float."
        )
