"""Keras's models, whose `compile` takes `weight_regularizer=`."""

from __future__ import annotations

from typing import Any

import keras
import keras.models as _keras_models

from taut._keras_compat import Functional
from taut._mirror import names_beside
from taut.callbacks import PenaltyMetrics
from taut.optimizers.explain import proximals_in, proximals_of
from taut.optimizers.proximal import Proximal
from taut.optimizers.selection import Lifted
from taut.penalties import Penalty


class _WeightRegularizer:
    """Mixin before a Keras model: `compile(weight_regularizer=…)` wraps the optimizer."""

    def compile(
        self, optimizer: Any = "rmsprop", *args: Any, weight_regularizer: Any = None, **kwargs: Any
    ) -> None:
        """Configure the model for training, with a penalty on its weights.

        Args:
            optimizer: As in Keras; with a penalty, one that `taut.Proximal` supports.
            *args: As in Keras.
            weight_regularizer: The penalty R with its strength α: a taut penalty, a name
                (`"l1"`), a Keras regularizer (converted exactly), or a mapping from selectors
                (regular expression on a variable's path, layer, callable) to these. Weights are
                penalised, biases and normalisation scales are not unless named. A layer's own
                `kernel_regularizer=taut.L1(…)` is treated exactly too.
            **kwargs: As in Keras.

        Raises:
            InputError: For a penalty or selector of no known kind, or one that matches nothing.
        """
        for variable in self.trainable_variables:  # type: ignore[attr-defined]
            # Lifted for the optimizer that this call replaces.
            if isinstance(variable.regularizer, Lifted):
                variable.regularizer = variable.regularizer.penalty
        resolved = keras.optimizers.get(optimizer)
        if weight_regularizer is not None or self._has_own_penalties(resolved):
            resolved = Proximal(optimizer, weight_regularizer)
        for proximal in proximals_in(resolved):
            proximal.bind(self)  # wrong selectors are told now, not when training starts
        super().compile(resolved, *args, **kwargs)  # type: ignore[misc]

    def fit(self, *args: Any, callbacks: Any = None, **kwargs: Any) -> Any:
        if proximals_of(self):
            given = callbacks
            if isinstance(callbacks, keras.callbacks.CallbackList):
                given = callbacks.callbacks
            elif callbacks is None:
                given = []
            elif not isinstance(callbacks, (list, tuple)):
                given = [callbacks]
            callbacks = [PenaltyMetrics(), *given]
        return super().fit(*args, callbacks=callbacks, **kwargs)  # type: ignore[misc]

    def compile_from_config(self, config: dict[str, Any]) -> None:
        # Keras calls an overridden `compile` on loading only where this method says how. The
        # penalty is in the optimizer's own configuration.
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built:  # type: ignore[attr-defined]
            self.optimizer.build(self.trainable_variables)  # type: ignore[attr-defined]

    def _has_own_penalties(self, optimizer: Any) -> bool:
        if proximals_in(optimizer):
            return False
        regularizers = (
            getattr(layer, name, None)
            for layer in self._flatten_layers()  # type: ignore[attr-defined]
            for name in dir(layer)
            if name.endswith("_regularizer") and name != "activity_regularizer"
        )
        return any(isinstance(regularizer, Penalty) for regularizer in regularizers)


@keras.saving.register_keras_serializable("taut")
class Sequential(_WeightRegularizer, keras.Sequential):
    """`keras.Sequential` whose `compile` takes `weight_regularizer=`."""


@keras.saving.register_keras_serializable("taut")
class FunctionalModel(_WeightRegularizer, Functional):
    """What `Model(inputs, outputs)` makes, as in Keras."""


@keras.saving.register_keras_serializable("taut")
class Model(_WeightRegularizer, keras.Model):
    """`keras.Model` whose `compile` takes `weight_regularizer=`; functional or subclassed."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls is Model and (args or "inputs" in kwargs):
            # A class of its own: Keras would make `Model` itself functional, for good.
            return FunctionalModel(*args, **kwargs)
        return super().__new__(cls)


__all__ = names_beside(_keras_models, "FunctionalModel", "Model", "Sequential")


def __getattr__(name: str) -> Any:
    return getattr(_keras_models, name)


def __dir__() -> list[str]:
    return __all__
