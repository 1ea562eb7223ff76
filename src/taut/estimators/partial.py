"""`partial_fit`: training that goes on from the present weights, with the optimizer's state."""

from __future__ import annotations

from typing import Any

from taut._keras.private_seeds import private_seeds
from taut.errors import InputError
from taut.estimators.fit_settings import FitSettings, schedule_of
from taut.estimators.merged_rows import MergedRows
from taut.estimators.networks import Networks
from taut.estimators.one_training import learned_values
from taut.estimators.penalized_network import drawn_seed


class PartialFit:
    """Mixin before `PenalizedNetwork`."""

    model_: Any
    strength_: Any
    n_iter_: int
    loss_: float
    loss_curve_: list[float]

    def _go_on(self: Any, rows: MergedRows, outputs: int) -> None:
        """One epoch over rows, in their order; a new model learns its scales from them."""
        rows = _counted(rows)
        settings = FitSettings.of(self)
        if settings.rule:
            raise InputError(
                "`partial_fit` trains at one strength: it has not all rows to choose it on. "
                f"Received: strength={self.strength!r}. Give a number."
            )
        schedule = schedule_of(self, len(rows.x))
        if not hasattr(self, "model_"):
            networks = Networks(self, settings, schedule, outputs)
            with private_seeds(drawn_seed(self.random_state)):
                model = networks.compiled(settings.strength)
            values = learned_values(model, rows)
            for variable in model.non_trainable_variables:
                if variable.path in values:
                    variable.assign(values[variable.path])
            self.model_, self.strength_, self.n_iter_ = model, settings.strength, 0
            self.loss_curve_ = []
        history = self.model_.fit(
            rows.x,
            rows.y,
            sample_weight=rows.weight,
            batch_size=schedule.batch_size,
            epochs=1,
            shuffle=False,
            verbose=0,
        )
        self.n_iter_ += 1
        self.loss_ = float(history.history["loss"][-1])
        self.loss_curve_.append(self.loss_)


def _counted(rows: MergedRows) -> MergedRows:
    """The rows that count; all of them, where none does."""
    if rows.weight is None or not (kept := rows.weight > 0).any():
        return rows
    return MergedRows(rows.x[kept], rows.y[kept], rows.weight[kept], None)
