"""The networks of an estimator: built, compiled, and kept for the next fit alike."""

from __future__ import annotations

from collections.abc import Hashable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import keras

from taut.errors import InputError
from taut.estimators.dense_network import at_strength, dense_network
from taut.estimators.fit_settings import FitSettings
from taut.estimators.idle_models import borrowed
from taut.estimators.one_training import compile_with
from taut.optimizers import Proximal
from taut.tables.candidates import Schedule

WARM_UP = 0.1
"""Share of the updates in which the learning rate rises."""


@dataclass(frozen=True)
class Networks:
    """Makes the networks of one fit.

    Attributes:
        estimator: A `PenalizedNetwork` that knows its number of inputs and what its targets are.
        settings: What its arguments mean.
        schedule: Rows in a batch, and epochs.
        outputs: Units of the last layer.
    """

    estimator: Any
    settings: FitSettings
    schedule: Schedule
    outputs: int

    @property
    def start(self) -> str:
        """Whether training starts from the weights that a network is built with."""
        return "fresh" if self.estimator.build is None else self.estimator.start

    def compiled(self, strength: Any) -> Any:
        """A network with the penalty, and a learning rate that does not change."""
        return self._compiled(strength, self.estimator.learning_rate)

    def borrowed(self, strength: Any, rows: int) -> AbstractContextManager[Any]:
        """A network for a training on so many rows, its learning rate decaying."""
        return borrowed(self._kind(rows), lambda: self._compiled(strength, self._decaying(rows)))

    def without_penalty(self, rows: int) -> Any:
        """A network for paths over so many rows, whose penalty is theirs."""
        model = self._built()
        if not getattr(model, "compiled", False):
            loss = self.estimator._loss(model)
            model.compile(keras.optimizers.Adam(self._decaying(rows)), loss)
        return model

    def _compiled(self, strength: Any, rate: Any) -> Any:
        model = self._built()
        compiled = getattr(model, "compiled", False)
        return compile_with(
            model,
            at_strength(self.settings.penalty, self._strengths(strength), strength),
            optimizer=keras.optimizers.Adam(rate),
            loss=None if compiled else self.estimator._loss(model),
        )

    def _strengths(self, strength: Any) -> Any:
        return self.estimator.strengths if self.settings.rule else [strength]

    def _built(self) -> Any:
        estimator, inputs, outputs = self.estimator, self.estimator.n_features_in_, self.outputs
        if estimator.build is None:
            return dense_network(
                inputs,
                outputs,
                hidden=self.settings.hidden,
                activation=estimator.activation,
                standardize=estimator.standardize,
                skip=self.settings.skip,
            )
        model = estimator.build(inputs, outputs)
        if not isinstance(model, keras.Model) or not model.built:
            raise InputError(
                "`build` must return a built Keras model. Received: "
                f"{type(model).__name__}. Begin it with `keras.Input((n_features,))`."
            )
        shapes = model.input_shape, model.output_shape
        if shapes != ((None, inputs), (None, outputs)):
            raise InputError(
                f"`build({inputs}, {outputs})` must return a model from [rows, {inputs}] to "
                f"[rows, {outputs}]. Received: {shapes[0]} to {shapes[1]}."
            )
        if isinstance(getattr(model, "optimizer", None), Proximal):
            raise InputError(
                "`build` must leave the penalties of its model to `penalty` and to its layers. "
                "Received: a model compiled with `taut.Proximal`. Give a plain optimizer, and the "
                "mapping from selectors to penalties as `penalty`."
            )
        return model

    def _decaying(self, rows: int) -> Any:
        """A learning rate that rises to its height, and then falls to zero along a cosine."""
        height = self.estimator.learning_rate
        updates = -(-rows // self.schedule.batch_size) * self.schedule.epochs
        warm_up = max(int(WARM_UP * updates), 1)
        return keras.optimizers.schedules.CosineDecay(
            height / warm_up, max(updates - warm_up, 1), warmup_target=height, warmup_steps=warm_up
        )

    def _kind(self, rows: int) -> Hashable | None:
        """What makes two compiled networks alike; None where that is not known."""
        estimator = self.estimator
        names = estimator.penalty, estimator.activation, getattr(estimator, "loss", "")
        if estimator.build is not None or not all(isinstance(name, str) for name in names):
            return None
        batches = -(-rows // self.schedule.batch_size)
        sizes = estimator.n_features_in_, self.outputs, self.settings.hidden
        targets = type(estimator).__name__, estimator._of_classes()
        rate = float(estimator.learning_rate), self.schedule, batches
        return names, sizes, targets, rate, bool(estimator.standardize)
