"""What a path chooses by: the held-out loss, a compiled metric, or a score of the predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from taut._keras_compat import from_logits, loss_name, measured_once
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
        measure: (targets, prediction) -> a number, of the held-out rows of a fold; None where the
            engine measures it, as it does the loss and compiled metrics.
    """

    name: str = "loss"
    larger: bool = False
    measure: Callable[[Any, Any], float] | None = None

    @property
    def column(self) -> str:
        return f"held_out_{self.name}"

    def losses(self, scores: np.ndarray) -> np.ndarray:
        """Scores such that less is better; what is not known is infinitely bad."""
        scores = -scores if self.larger else scores
        return np.where(np.isfinite(scores), scores, np.inf)


def scoring_of(model: Any, scoring: Any, x: Any, y: Any, classes: Any = None) -> Scoring:
    """Read `scoring` of `regularization_path`, before anything is trained.

    Args:
        model: A study's.
        scoring: None or "loss"; the name of a compiled metric; the name of a scorer of
            scikit-learn, or one that `make_scorer` made; or a function (y, prediction) -> float
            of which larger is better.
        x: Inputs of at least a few rows.
        y: Their targets.
        classes: [classes] labels, which scorers then get in place of numbers.

    Raises:
        InputError: If it is none of these, or it is not known which direction is better.
    """
    if scoring is None or scoring == "loss":
        return Scoring()
    few = keras.tree.map_structure(lambda a: keras.ops.convert_to_tensor(a[:FEW]), (x, y))
    metrics = measured_once(model, *few)
    if isinstance(scoring, str) and (known := _compiled(scoring, metrics)) is not None:
        return known
    if isinstance(scoring, str):
        return _scorer(model, scoring, y, metrics, classes)
    name = getattr(getattr(scoring, "_score_func", scoring), "__name__", "score").strip("<>")
    name = f"{name}_score" if name in metrics else name
    if hasattr(scoring, "set_score_request"):  # what `make_scorer` makes
        return _of_scorer(model, scoring, name, y, classes)
    if callable(scoring):
        function: Callable[[Any, Any], Any] = scoring
        return Scoring(name, True, lambda y, prediction: float(function(y, prediction)))
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


def _scorer(model: Any, name: str, y: Any, metrics: Mapping[str, Any], classes: Any) -> Scoring:
    from sklearn.metrics import get_scorer, get_scorer_names

    if name not in get_scorer_names():
        raise InputError(
            '`scoring` must be "loss", the name of a compiled metric, or one of scikit-learn\'s '
            f"(`sklearn.metrics.get_scorer_names()`). Received: {name!r}; the compiled metrics are "
            f"{', '.join(map(repr, metrics)) or 'none'}."
        )
    return _of_scorer(model, get_scorer(name), name, y, classes)


def _of_scorer(model: Any, scorer: Any, name: str, y: Any, classes: Any) -> Scoring:
    from taut.studies.predictor import predictor_of

    if keras.tree.is_nested(y):
        raise InputError(
            "A scorer of scikit-learn needs one array of targets. Received: several outputs. Give "
            "a function (y, prediction) -> float."
        )
    estimator = predictor_of(loss_name(model), from_logits(model), classes)

    def measure(y: Any, prediction: Any) -> float:
        return float(scorer(estimator, *estimator.arguments(y, prediction)))

    # scikit-learn turns the sign where less is better.
    return Scoring(name, True, measure)
