"""What the estimators of networks share: arguments, training, and what is kept of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Self

import keras
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from taut._keras.private_seeds import private_seeds
from taut.checks import is_whole
from taut.engine import Record, afterwards
from taut.engine.outputs import outputs_of
from taut.errors import InputError
from taut.estimators import model_bytes
from taut.estimators.fit_settings import CV, FitSettings, schedule_of
from taut.estimators.input_norms import input_norms
from taut.estimators.merged_rows import MergedRows, merge_rows, rows_to_split
from taut.estimators.networks import Networks
from taut.estimators.one_training import learned_values, train_one
from taut.estimators.row_splits import held_out_split, splits_of
from taut.objective import Stationarity, stationarity
from taut.progress import Display
from taut.studies import PathResult, regularization_path
from taut.studies.folds import group_numbers

SAVED = "model_", "path_"
"""What a copy has as bytes of what Keras and taut save."""
FITTED_BY_FOLDS = "path_", "certificate_", "validation_loss_curve_"
"""What only fits with folds, or with rows held out, set."""


class PenalizedNetwork(BaseEstimator):
    """A penalised network behind scikit-learn's interface; see `taut.sklearn`.

    A subclass says what the targets are: `_loss`, `_targets`, `_of_classes`.
    """

    model_: Any
    strength_: Any
    n_iter_: int
    loss_: float
    loss_curve_: list[float]
    validation_loss_curve_: list[float]
    path_: PathResult
    certificate_: Stationarity | None

    def __init__(
        self,
        penalty: Any = "l1",
        *,
        strength: float | str | None = None,
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
        strengths: Any = 30,
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

    def _train(self, x: Any, y: np.ndarray, weight: np.ndarray, outputs: int, groups: Any) -> Self:
        """Fit to the rows that count more than 0; sets what ends in an underscore."""
        settings = FitSettings.of(self)
        seed = drawn_seed(self.random_state)
        kept, total, splits = np.flatnonzero(weight > 0), len(y), None
        x, y, weight = dense(x)[kept], y[kept], weight[kept]
        groups = None if groups is None else group_numbers(groups, total)[kept]
        classes = self._of_classes()
        if is_whole(self.cv, 0) if settings.rule else self.patience is not None:
            places, weight, groups = rows_to_split(x, y, weight, groups, classes=classes)
            x, y = x[places], y[places]
        common: dict[str, Any] = {"groups": groups, "seed": seed, "classes": classes}
        if settings.rule:
            splits = splits_of(x, y, self.cv, kept=kept, total=total, **common)
        elif self.patience is not None:
            splits = [held_out_split(y, self.validation_fraction, **common)]
        rows = self._targets(merge_rows(x, y, weight, splits))
        longest = max(len(s.train) for s in rows.splits) if rows.splits else len(rows.x)
        schedule = schedule_of(self, longest)
        networks = Networks(self, settings, schedule, outputs)
        for name in FITTED_BY_FOLDS:
            self.__dict__.pop(name, None)
        with ExitStack() as stack:
            stack.enter_context(private_seeds(seed))
            callbacks = [stack.enter_context(Display())] if self.verbose else []
            strength, epochs = settings.strength, schedule.epochs
            if settings.rule:
                # Kept at once, so that a refit that fails does not lose it.
                self.path_ = self._path(networks, rows, seed, callbacks)
                best = settings.rule == CV
                strength = self.path_.best_strength if best else self.path_.one_se_strength
                epochs = _kept_epochs(self.path_, strength)
                rows = replace(rows, splits=None)
            model = networks.compiled(strength)
            with networks.borrowed(strength, len(rows.x)) as lane_model:
                record = train_one(
                    lane_model,
                    rows,
                    strengths=model.optimizer.compiled_strengths,
                    seed=seed,
                    epochs=epochs,
                    batch_size=schedule.batch_size,
                    patience=None if settings.rule else self.patience,
                    values=learned_values(lane_model, rows) | self._present_weights(lane_model),
                    present=networks.start == "present",
                    callbacks=callbacks,
                )
            record.apply(0, model)
        self._keep(model, record, strength)
        if settings.rule:
            self.certificate_ = afterwards(
                "The certificate",
                lambda: stationarity(model, rows.x, rows.y, sample_weight=rows.weight),
                None,
            )
        return self

    def _path(self, networks: Networks, rows: MergedRows, seed: int, callbacks: Any) -> PathResult:
        assert rows.splits is not None
        return regularization_path(
            networks.without_penalty(max(len(split.train) for split in rows.splits)),
            rows.x,
            rows.y,
            penalty=networks.settings.penalty,
            strengths=self.strengths,
            cv=[(split.train, split.held_out) for split in rows.splits],
            seeds=self.seeds,
            start=networks.start,
            epochs=networks.schedule.epochs,
            batch_size=networks.schedule.batch_size,
            patience=self.patience,
            seed=seed,
            sample_weight=rows.weight,
            callbacks=callbacks,
        )

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

    def _keep(self, model: Any, record: Record, strength: Any) -> None:
        count = int(record.epochs[0])
        self.model_, self.strength_, self.n_iter_ = model, strength, count
        self.loss_curve_ = record.train_loss[0, :count].tolist()
        self.loss_ = self.loss_curve_[int(record.best_epoch[0])]
        if np.isfinite(record.held_out_loss[0, :count]).any():
            self.validation_loss_curve_ = record.held_out_loss[0, :count].tolist()

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
        return {
            name: model_bytes.to_bytes(value) if name in SAVED else value
            for name, value in state.items()
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(
            {
                name: model_bytes.from_bytes(value) if name in SAVED else value
                for name, value in state.items()
            }
        )


def drawn_seed(random_state: Any) -> int:
    """A seed for all that is random, from what scikit-learn takes as `random_state`."""
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def dense(x: Any) -> np.ndarray:
    """Inputs as a dense array."""
    return x.toarray() if hasattr(x, "toarray") else x


def _kept_epochs(path: PathResult, strength: Any) -> int:
    """For how many epochs the folds kept the networks of a strength, on average."""
    wanted = strength if isinstance(strength, dict) else {path.axes[0]: strength}
    at = np.all([path.table[name] == value for name, value in wanted.items()], axis=0)
    lanes = np.flatnonzero(at & (path.table["status"] != "diverged").to_numpy())
    return max(round(float(np.mean(path.record.best_epoch[lanes] + 1))), 1)
