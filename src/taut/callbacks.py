"""Keras callbacks: the penalty among the metrics, strengths that change, overfitting watched.

Every name of `keras.callbacks` is here too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import keras.callbacks as _keras_callbacks

from taut._mirror import names_beside
from taut.checks import check_whole, is_number
from taut.errors import InputError
from taut.objective import Objective
from taut.optimizers.proximals import proximal_of, proximals_of
from taut.overfit_monitor import OverfitMonitor as OverfitMonitor


class PenaltyMetrics(keras.callbacks.Callback):
    """Adds `penalty`, αR(w), and `objective`, J' = loss + αR(w), to the logs of each epoch.

    `loss` and `val_loss` never contain the penalty. Models of `taut.models` add this callback
    by themselves; give it to `fit` of any other model compiled with `taut.Proximal`.
    """

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        del epoch
        asked = any(p.entries or p.terms for p in proximals_of(self.model))
        if asked and logs is not None and "loss" in logs:
            logs["penalty"] = Objective(self.model).penalty()
            logs["objective"] = logs["loss"] + logs["penalty"]


class StrengthSchedule(keras.callbacks.Callback):
    """Changes the strengths while training: α(epoch) = factor(epoch) · α.

    α are the strengths that the model was compiled with, so that an epoch's strengths depend on
    its number alone, also when training goes on in a second `fit` with `initial_epoch`. After
    training the strengths stay at their last values, and are saved with the optimizer.

    Args:
        factor: From the number of the epoch, from 0, to a finite number >= 0.
        strengths: The numbers of the optimizer's `strengths` that it changes; None for all.

    Raises:
        InputError: If the model has no such strengths, or a factor is out of its range.

    Example:
        >>> import taut
        >>> schedule = taut.callbacks.StrengthSchedule(lambda epoch: 0.9**epoch)
        >>> schedule = taut.callbacks.StrengthSchedule.warm_up(10)
    """

    def __init__(self, factor: Callable[[int], float], *, strengths: tuple[int, ...] | None = None):
        super().__init__()
        if not callable(factor):
            raise InputError(
                "`factor` must be a function from the number of the epoch to a number >= 0. "
                f"Received: factor={factor!r}."
            )
        self._factor = factor
        self._numbers = strengths

    @classmethod
    def warm_up(cls, epochs: int, *, strengths: tuple[int, ...] | None = None) -> StrengthSchedule:
        """From 0 in the first epoch to the full strengths after `epochs`, in a straight line."""
        check_whole(1, epochs=epochs)
        return cls(lambda epoch: min(epoch / epochs, 1.0), strengths=strengths)

    def on_train_begin(self, logs: Any = None) -> None:
        del logs
        optimizer: Any = proximal_of(self.model)
        available = [] if optimizer is None else optimizer.strengths
        count = len(available)
        numbers = range(count) if self._numbers is None else self._numbers
        if not count or any(not 0 <= number < count for number in numbers):
            raise InputError(
                "A `StrengthSchedule` needs strengths to change. Received: "
                f"strengths={self._numbers} for a model with {count}. Compile the model with "
                "penalties: `taut.Proximal(…, taut.L1(0.01))` as its optimizer."
            )
        self._variables = [available[number] for number in numbers]
        compiled = [] if optimizer is None else optimizer.compiled_strengths
        self._compiled = [compiled[number] for number in numbers]

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        del logs
        factor = float(self._factor(epoch))
        if not is_number(factor) or factor < 0:
            raise InputError(
                f"`factor` must return a finite number >= 0. Received: {factor} at epoch {epoch}."
            )
        for variable, strength in zip(self._variables, self._compiled, strict=True):
            variable.assign(factor * strength)


__all__ = names_beside(_keras_callbacks, "OverfitMonitor", "PenaltyMetrics", "StrengthSchedule")


def __getattr__(name: str) -> Any:
    return getattr(_keras_callbacks, name)


def __dir__() -> list[str]:
    return __all__
