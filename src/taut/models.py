"""Keras's models, whose `compile` takes `weight_regularizer=`."""

from __future__ import annotations

import warnings
from typing import Any

import keras
import keras.models as _keras_models

from taut._keras.model_calls import within_call
from taut._keras.model_graphs import Functional
from taut._keras.onnx_lengths import check_onnx_lengths
from taut._mirror import names_beside
from taut.callbacks import OverfitMonitor, PenaltyMetrics
from taut.errors import InputError
from taut.optimizers.own import SET_TOO_LATE, asks_for_prox, set_too_late
from taut.optimizers.proximal import Proximal
from taut.optimizers.proximals import proximals_in, proximals_of


class _WeightRegularizer:
    """Mixin before a Keras model: `compile(weight_regularizer=…)` wraps the optimizer.

    What would be exported to ONNX and fail there is refused.
    """

    _compiled_unbuilt = False

    def compile(
        self, optimizer: Any = "rmsprop", *args: Any, weight_regularizer: Any = None, **kwargs: Any
    ) -> None:
        """Configure the model for training, with a penalty on its weights.

        Args:
            optimizer: As in Keras; with a penalty, one that `taut.Proximal` supports.
            *args: As in Keras.
            weight_regularizer: The penalty R with its strength α: a taut penalty, a name
                (`"l1"`), a Keras regularizer (converted exactly), or a mapping from selectors
                (a name or regular expression on a variable's path, layer, callable) to these.
                Weights are penalised, biases and normalisation scales are not unless named. What
                layers have of their own is treated exactly too, and then not in the loss: penalties
                of taut (`kernel_regularizer=taut.L1(…)`), and Keras's L1, L2 and L1L2.
            **kwargs: As in Keras.

        Raises:
            InputError: For a penalty or selector of no known kind, or one that matches nothing.
            UnsupportedError: For an optimizer whose step is not known, where there is a penalty
                of taut; and for Keras constraints that do not go with a penalty.

        Warns:
            UserWarning: Once, of regularizers that stay in the loss, since no prox is known for
                them or for the optimizer; and of those that layers were given too late.
        """
        resolved = keras.optimizers.get(optimizer)
        if weight_regularizer is not None:
            resolved = Proximal(optimizer, weight_regularizer)
        elif resolved is not None and not proximals_in(resolved):
            resolved = self._for_own_penalties(optimizer, resolved)
        for proximal in proximals_in(resolved):
            proximal.bind(self)  # wrong selectors are told now, not when training starts
        if late := set_too_late(self):
            warnings.warn(f"{SET_TOO_LATE} Received: {'; '.join(late)}.", UserWarning, stacklevel=2)
        self._compiled_unbuilt = not self.built  # type: ignore[attr-defined]
        super().compile(resolved, *args, **kwargs)  # type: ignore[misc]

    def fit(self, *args: Any, callbacks: Any = None, **kwargs: Any) -> Any:
        added = []
        if proximals_of(self):
            added = [PenaltyMetrics()]
        elif self._compiled_unbuilt:
            added = [_LateRegularizers()]
        if added:
            given = callbacks
            if isinstance(callbacks, keras.callbacks.CallbackList):
                given = callbacks.callbacks
            elif callbacks is None:
                given = []
            elif not isinstance(callbacks, (list, tuple)):
                given = [callbacks]
            callbacks = [*added, *given]
        _offer_rows(callbacks, args, kwargs)
        return super().fit(*args, callbacks=callbacks, **kwargs)  # type: ignore[misc]

    def export(
        self, filepath: Any, format: str = "tf_saved_model", *args: Any, **kwargs: Any
    ) -> None:
        """As in Keras.

        Raises:
            UnsupportedError: For a recurrent layer to ONNX on torch, where an input has steps of
                no known number.
        """
        if format == "onnx":
            check_onnx_lengths(self, args[1] if len(args) > 1 else kwargs.get("input_signature"))
        super().export(filepath, format, *args, **kwargs)  # type: ignore[misc]

    def add_loss(self, loss: Any) -> None:
        """As in Keras, with a warning where it is of no effect.

        Warns:
            UserWarning: Outside of `call` and `build`: Keras drops it when the model is called.
        """
        if not within_call():
            warnings.warn(
                "A loss that is added outside of `call` is dropped when the model is called next, "
                "in Keras too: it is not trained. Add it within `call`, or use a penalty: "
                "`compile(weight_regularizer=taut.L2(…))`.",
                UserWarning,
                stacklevel=2,
            )
        super().add_loss(loss)  # type: ignore[misc]

    def compile_from_config(self, config: dict[str, Any]) -> None:
        # Keras calls an overridden `compile` on loading only where this method says how. The
        # penalty is in the optimizer's own configuration.
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built:  # type: ignore[attr-defined]
            self.optimizer.build(self.trainable_variables)  # type: ignore[attr-defined]

    def _for_own_penalties(self, optimizer: Any, resolved: Any) -> Any:
        """The optimizer, proximal where layers have penalties, or may have once they are built."""
        ours, theirs = asks_for_prox(self)
        if ours:
            return Proximal(optimizer)
        if theirs or not self.built:  # type: ignore[attr-defined]
            try:
                return Proximal(optimizer if theirs else resolved)
            except InputError as error:
                if theirs:
                    _warn_of_subgradients(error)
        return resolved


def _offer_rows(callbacks: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """The rows of `fit` go to callbacks that measure them: Keras hands on none."""
    given = dict(zip(("x", "y"), args, strict=False)) | kwargs
    callbacks = getattr(callbacks, "callbacks", callbacks)
    for callback in callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]:
        if isinstance(callback, OverfitMonitor):
            names = ("x", "y", "validation_data", "validation_split")
            callback.offer(*(given.get(name) for name in names))


class _LateRegularizers(keras.callbacks.Callback):
    """Warns of regularizers of layers that were built after `compile`, with a plain optimizer."""

    def on_train_begin(self, logs: Any = None) -> None:
        del logs
        if any(asks_for_prox(self.model)):
            _warn_of_subgradients(f"The optimizer is {type(self.model.optimizer).__name__}.")


def _warn_of_subgradients(reason: Any) -> None:
    warnings.warn(
        "The regularizers of layers stay in the loss, and are trained by subgradients, without "
        f"exact zeros: {reason}",
        UserWarning,
        stacklevel=4,
    )


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
