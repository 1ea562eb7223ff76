"""The arguments of an estimator, checked when it is fitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from taut.checks import (
    check_above,
    check_inner_share,
    check_whole,
    check_whole_or_none,
    is_number,
    is_whole,
)
from taut.errors import InputError
from taut.estimators.dense_network import is_hierarchical, penalty_of
from taut.studies.axes import axes_of
from taut.studies.trainings import check_start
from taut.tables.candidates import Schedule

CV, ONE_SE = "cv", "one_se"


@dataclass(frozen=True)
class FitSettings:
    """What an estimator's arguments mean.

    Attributes:
        penalty: A penalty, a sum, a mapping from selectors to penalties, or None.
        strength: α, or what multiplies the strengths of several; None for their own, or where
            folds choose it.
        rule: "cv" or "one_se" where folds choose the strength; else None.
        hidden: Units of each hidden layer.
        skip: Whether the network has a linear layer beside them.
    """

    penalty: Any
    strength: float | None
    rule: str | None
    hidden: tuple[int, ...]
    skip: bool

    @classmethod
    def of(cls, estimator: Any) -> FitSettings:
        """Those of a `PenalizedNetwork`.

        Raises:
            InputError: For an argument that cannot be.
        """
        e = estimator
        rule = e.strength if isinstance(e.strength, str) else None
        number = is_number(e.strength) and float(e.strength) >= 0
        if rule not in (None, CV, ONE_SE) or not (rule or e.strength is None or number):
            raise InputError(
                '`strength` must be a finite number >= 0, "cv", "one_se", or None for the '
                f"penalty's own. Received: strength={e.strength!r}."
            )
        hidden = tuple(np.atleast_1d(np.asarray(e.hidden_layer_sizes, object)).tolist())
        if not all(is_whole(units, 1) for units in hidden):
            raise InputError(
                "`hidden_layer_sizes` must be integers >= 1, one a layer. Received: "
                f"hidden_layer_sizes={e.hidden_layer_sizes!r}."
            )
        skip = is_hierarchical(e.penalty)
        if skip and (e.build is not None or not hidden):
            raise InputError(
                'The penalty "hierarchical" is for the network with hidden layers that an '
                'estimator builds itself. Give {("skip", "first"): taut.Hierarchical()} with the '
                "names of your layers."
            )
        if e.build is not None and not callable(e.build):
            raise InputError(
                "`build` must be a function (n_features, n_outputs) -> keras.Model, or None. "
                f"Received: {e.build!r}. Write `build=lambda n_features, n_outputs: …`."
            )
        check_start(e.start)
        check_above(0, learning_rate=e.learning_rate)
        check_whole_or_none(1, epochs=e.epochs, batch_size=e.batch_size, patience=e.patience)
        check_inner_share(validation_fraction=e.validation_fraction)
        check_whole(1, seeds=e.seeds)
        strength = None if rule or e.strength is None else float(e.strength)
        if e.strength is not None and e.penalty is None:
            raise InputError(
                f"`strength` must be None without a penalty. Received: strength={e.strength!r}."
            )
        penalty = penalty_of(e.penalty)
        if isinstance(penalty, type):  # of a class there is the strength of its default
            penalty = penalty if rule or strength is not None else penalty()
        if penalty is not None:
            # What is no penalty is told now.
            axes_of(penalty, e.strengths if rule else [1.0 if strength is None else strength])
        return cls(penalty, strength, rule, hidden, skip)


def schedule_of(estimator: Any, rows: int) -> Schedule:
    """Rows in a batch and epochs: as given, or as the default network on tables has them."""
    by_rows = Schedule.of(rows)
    return Schedule(estimator.batch_size or by_rows.batch_size, estimator.epochs or by_rows.epochs)
