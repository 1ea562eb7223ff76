"""`partial_fit`: training that goes on from the present weights, with the optimizer's state."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from taut._keras_state import private_seeds
from taut.errors import InputError
from taut.estimators.dense_network import at_strength
from taut.estimators.fit_settings import FitSettings, schedule_of
from taut.estimators.merged_rows import MergedRows
from taut.estimators.one_training import learned_values


class PartialFit:
    """Mixin before `PenalizedNetwork`."""

    def _go_on(self: Any, rows: MergedRows, outputs: int) -> None:
        """One epoch over rows, in their order; a new model learns its scales from them."""
        settings = FitSettings.of(self)
        if settings.rule:
            raise InputError(
                "`partial_fit` trains at one strength: it has not all rows to choose it on. "
                f"Received: strength={self.strength!r}. Give a number."
            )
        if not hasattr(self, "model_"):
            seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
            request = at_strength(settings.penalty, settings.strength)
            with private_seeds(seed):
                model = self._compiled(settings, outputs, request, self.learning_rate)
            values = learned_values(model, rows)
            for variable in model.non_trainable_variables:
                if variable.path in values:
                    variable.assign(values[variable.path])
            self.model_, self.strength_, self.n_iter_ = model, settings.strength, 0
            self.loss_curve_: list[float] = []
        history = self.model_.fit(
            rows.x,
            rows.y,
            sample_weight=rows.weight,
            batch_size=schedule_of(self, len(rows.x)).batch_size,
            epochs=1,
            shuffle=False,
            verbose=0,
        )
        self.n_iter_ += 1
        self.loss_ = float(history.history["loss"][-1])
        self.loss_curve_.append(self.loss_)
