"""What the estimators of networks share: arguments, training, and what is kept of it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Self

import keras
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from taut._keras_state import private_seeds
from taut.engine import Record, afterwards
from taut.errors import InputError
from taut.estimators import model_bytes
from taut.estimators.dense_network import at_strength, dense_network
from taut.estimators.fit_settings import CV, FitSettings, schedule_of
from taut.estimators.forward import outputs_of
from taut.estimators.idle_models import borrowed
from taut.estimators.input_norms import input_norms
from taut.estimators.merged_rows import MergedRows, merge_rows
from taut.estimators.one_training import compile_with, learned_values, train_one
from taut.estimators.row_splits import held_out_split, splits_of
from taut.objective import stationarity
from taut.progress import Display
from taut.studies import PathResult, regularization_path
from taut.tables.candidates import Schedule

WARM_UP = 0.1
"""Share of the updates in which the learning rate rises."""


class PenalizedNetwork(BaseEstimator):
    """A penalised network behind scikit-learn's interface; see `taut.sklearn`.

    A subclass says what the targets are: `_loss`, `_targets`, `_of_classes`.
    """

    def __init__(
        self,
        penalty: Any = "l1",
        *,
        strength: float | str | None = 0.001,
        hidden_layer_sizes: Sequence[int] = (64, 64),
        activation: Any = "relu",
        build: Any = None,
        start: str = "fresh",
        standardize: bool = True,
        learning_rate: float = 0.003,
        epochs: int | None = None,
        batch_size: int | None = None,
        patience: int | None = None,
        validation_fraction: float = 0.1,
        strengths: int | Sequence[float] = 30,
        cv: Any = 5,
        seeds: int = 1,
        warm_start: bool = False,
        random_state: Any = None,
        verbose: int | bool = 0,
    ):
        self.penalty = penalty
        self.strength = strength
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.build = build
        self.start = start
        self.standardize = standardize
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch_size = batch_size
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.strengths = strengths
        self.cv = cv
        self.seeds = seeds
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    @property
    def feature_importances_(self) -> np.ndarray:
        """[inputs] the norm of the weights that read each input; exactly 0 where none does."""
        check_is_fitted(self)
        return input_norms(self.model_)

    def get_support(self, indices: bool = False) -> np.ndarray:
        """[inputs] whether an input is read by a weight that is not zero; or their numbers."""
        mask = self.feature_importances_ > 0
        return np.flatnonzero(mask) if indices else mask

    def _loss(self, model: Any) -> Any:
        """The loss for the model's output."""
        raise NotImplementedError

    def _targets(self, rows: MergedRows) -> MergedRows:
        """The rows with targets as the loss takes them."""
        raise NotImplementedError

    def _of_classes(self) -> bool:
        """Whether targets are class numbers, by which folds are stratified."""
        raise NotImplementedError

    def _train(self, x: np.ndarray, y: np.ndarray, weight: Any, outputs: int, groups: Any) -> Self:
        """Fit to rows that count more than 0; sets what ends in an underscore, at the end."""
        settings = FitSettings.of(self)
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        common: dict[str, Any] = {"groups": groups, "seed": seed, "classes": self._of_classes()}
        splits = None
        if settings.rule:
            splits = splits_of(x, y, self.cv, **common)
        elif self.patience is not None:
            splits = [held_out_split(y, self.validation_fraction, **common)]
        rows = self._targets(merge_rows(x, y, weight, splits))
        longest = max(len(s.train) for s in rows.splits) if rows.splits else len(rows.x)
        schedule = schedule_of(self, longest)
        path, strength, epochs = None, settings.strength, schedule.epochs
        with ExitStack() as stack:
            stack.enter_context(private_seeds(seed))
            callbacks = [stack.enter_context(Display())] if self.verbose else []
            if settings.rule:
                path = self._path(settings, rows, schedule, outputs, seed, callbacks)
                strength = path.best_strength if settings.rule == CV else path.one_se_strength
                epochs = _kept_epochs(path, strength)
                rows = replace(rows, splits=None)
            request = at_strength(settings.penalty, strength)
            model = self._compiled(settings, outputs, request, self.learning_rate)
            rate = _decaying(self.learning_rate, schedule, len(rows.x))
            alike = self._kind(settings, schedule, outputs, len(rows.x))
            with borrowed(
                alike, lambda: self._compiled(settings, outputs, request, rate)
            ) as lane_model:
                record = train_one(
                    lane_model,
                    rows,
                    strengths=model.optimizer.compiled_strengths,
                    seed=seed,
                    epochs=epochs,
                    batch_size=schedule.batch_size,
                    patience=None if settings.rule else self.patience,
                    values={
                        **learned_values(lane_model, rows),
                        **self._present_weights(lane_model),
                    },
                    present=self.start == "present" and self.build is not None,
                    callbacks=callbacks,
                )
            record.apply(0, model)
        self._keep(model, record, strength, path)
        if path is not None:
            self.certificate_ = afterwards(
                "The certificate",
                lambda: stationarity(model, rows.x, rows.y, sample_weight=rows.weight),
                None,
            )
        return self

    def _path(
        self,
        settings: FitSettings,
        rows: MergedRows,
        schedule: Schedule,
        outputs: int,
        seed: int,
        callbacks: Any,
    ) -> PathResult:
        assert rows.splits is not None
        longest = max(len(split.train) for split in rows.splits)
        model = self._built(settings, outputs)
        if not getattr(model, "compiled", False):
            rate = _decaying(self.learning_rate, schedule, longest)
            model.compile(keras.optimizers.Adam(rate), self._loss(model))
        return regularization_path(
            model,
            rows.x,
            rows.y,
            penalty=settings.penalty,
            strengths=self.strengths,
            cv=[(split.train, split.held_out) for split in rows.splits],
            seeds=self.seeds,
            start=self.start if self.build is not None else "fresh",
            epochs=schedule.epochs,
            batch_size=schedule.batch_size,
            patience=self.patience,
            seed=seed,
            sample_weight=rows.weight,
            callbacks=callbacks,
        )

    def _compiled(self, settings: FitSettings, outputs: int, request: Any, rate: Any) -> Any:
        model = self._built(settings, outputs)
        compiled = getattr(model, "compiled", False)
        return compile_with(
            model,
            request,
            optimizer=keras.optimizers.Adam(rate),
            loss=None if compiled else self._loss(model),
        )

    def _built(self, settings: FitSettings, outputs: int) -> Any:
        inputs = self.n_features_in_
        if self.build is None:
            return dense_network(
                inputs,
                outputs,
                hidden=settings.hidden,
                activation=self.activation,
                standardize=self.standardize,
                skip=settings.skip,
            )
        model = self.build(inputs, outputs)
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
        return model

    def _kind(
        self, settings: FitSettings, schedule: Schedule, outputs: int, rows: int
    ) -> Hashable | None:
        """What makes two compiled networks alike; None where that is not known."""
        names = self.penalty, self.activation, getattr(self, "loss", "")
        if self.build is not None or not all(isinstance(name, str) for name in names):
            return None
        numbers = self.n_features_in_, outputs, schedule, -(-rows // schedule.batch_size)
        kind = type(self).__name__, self._of_classes(), bool(self.standardize)
        return names, numbers, kind, settings.hidden, float(self.learning_rate)

    def _present_weights(self, model: Any) -> dict[str, np.ndarray]:
        """With `warm_start`, the weights of the last fit by the path of the model's variables."""
        if not self.warm_start or not hasattr(self, "model_"):
            return {}
        pairs = list(zip(model.trainable_variables, self.model_.trainable_variables, strict=False))
        alike = len(model.trainable_variables) == len(self.model_.trainable_variables)
        if not alike or any(tuple(a.shape) != tuple(b.shape) for a, b in pairs):
            raise InputError(
                "`warm_start` goes on with a network of the same shape. Received: inputs, classes "
                "or layers other than in the last fit. Set warm_start=False."
            )
        return {new.path: keras.ops.convert_to_numpy(old) for new, old in pairs}

    def _keep(
        self, model: Any, record: Record, strength: float | None, path: PathResult | None
    ) -> None:
        for name in ("path_", "certificate_", "validation_loss_curve_"):
            self.__dict__.pop(name, None)
        count = int(record.epochs[0])
        self.model_, self.strength_, self.n_iter_ = model, strength, count
        self.loss_curve_ = record.train_loss[0, :count].tolist()
        self.loss_ = self.loss_curve_[int(record.best_epoch[0])]
        if np.isfinite(record.held_out_loss[0, :count]).any():
            self.validation_loss_curve_ = record.held_out_loss[0, :count].tolist()
        if path is not None:
            self.path_ = path

    def _outputs(self, x: Any) -> np.ndarray:
        """[rows, outputs] what the model makes of new rows, checked."""
        check_is_fitted(self)
        x = validate_data(self, x, accept_sparse="csr", dtype="float32", reset=False)
        return outputs_of(self.model_, x)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.required = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state: Any = super().__getstate__()
        if "model_" in state:
            state = {**state, "model_": model_bytes.to_bytes(state["model_"])}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if isinstance(state.get("model_"), bytes):
            state = {**state, "model_": model_bytes.from_bytes(state["model_"])}
        super().__setstate__(state)


def dense(x: Any) -> np.ndarray:
    """Inputs as a dense array."""
    return x.toarray() if hasattr(x, "toarray") else x


def _kept_epochs(path: PathResult, strength: float) -> int:
    """For how many epochs the folds kept the networks of a strength, on average."""
    record = path.record
    kept = [
        int(record.best_epoch[k]) + 1
        for k, lane in enumerate(record.lanes)
        if lane.strengths[0] == strength and record.status[k] != "diverged"
    ]
    return max(round(float(np.mean(kept))), 1)


def _decaying(rate: float, schedule: Schedule, rows: int) -> Any:
    """A learning rate that rises to `rate`, and then falls to zero along a cosine."""
    updates = -(-rows // schedule.batch_size) * schedule.epochs
    warm_up = max(int(WARM_UP * updates), 1)
    return keras.optimizers.schedules.CosineDecay(
        rate / warm_up, max(updates - warm_up, 1), warmup_target=rate, warmup_steps=warm_up
    )
