"""Every setting × fold × seed, trained as one program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from scipy.special import softmax

from taut.engine import Callback, Record, Split, predict_lanes
from taut.frames import preprocessing
from taut.optimizers import Proximal
from taut.penalties import L1, L2
from taut.studies.crossvalidate import CrossValidation, crossvalidate
from taut.studies.folded import FoldedArrays
from taut.studies.grid import Candidate, Grid
from taut.studies.training_settings import Settings
from taut.tables.candidates import Schedule, Setting, bins_for
from taut.tables.network import network
from taut.tables.peers import base_prediction
from taut.tables.racing import race_of

LEARNING_RATE, BETA_2, WARM_UP = 3e-3, 0.99, 0.1
LEAST_PROBABILITY = 1e-6
WIDTH = 4
"""Lanes side by side: any number up to 16 is as fast, and of few lanes a race leaves few idle."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows to learn from.

    Attributes:
        encoded: [rows, columns] encoded table, NaN where a number is missing.
        y: Class numbers, or the standardised target.
        outputs: Classes, or 1.
        numbers: How many of the columns, the first ones, are numeric.
        weight: [rows] what each row counts, 1 on average; None where all count alike.
    """

    encoded: np.ndarray
    y: np.ndarray
    outputs: int
    numbers: int
    weight: np.ndarray | None = None

    def counted(self, rows: np.ndarray) -> np.ndarray | None:
        """What some rows count."""
        return None if self.weight is None else self.weight[rows]

    def at(self, rows: np.ndarray) -> Rows:
        """Some of them."""
        return Rows(
            encoded=self.encoded[rows],
            y=self.y[rows],
            outputs=self.outputs,
            numbers=self.numbers,
            weight=self.counted(rows),
        )


@dataclass(frozen=True)
class Trained:
    """Every setting on every fold and seed.

    Attributes:
        model: The network of one member that the lanes were trained from.
        rows: What they were trained on.
        settings: [settings], the candidates of the cross-validation.
        splits: The folds.
        cross: What was trained of each.
        out_of_fold: [settings, rows, outputs] predictions of rows by models that did not train
            on them, averaged over seeds: probabilities, or the standardised target. NaN of a
            setting that the race left out.
        row_loss: [settings, rows] their losses; infinite where every seed diverged, and of a
            setting that was left out.
    """

    model: Any
    rows: Rows
    settings: tuple[Setting, ...]
    splits: list[Split]
    cross: CrossValidation
    out_of_fold: np.ndarray
    row_loss: np.ndarray

    @property
    def record(self) -> Record:
        """Of the lanes."""
        return self.cross.record

    @property
    def seeds(self) -> int:
        """Models of each setting and fold."""
        return len(self.cross.grid.seeds)

    @property
    def held(self) -> np.ndarray:
        """Rows that are held out in some fold, and so have an out-of-fold prediction."""
        return np.unique(np.concatenate([split.held_out for split in self.splits]))

    @property
    def fold_of(self) -> np.ndarray:
        """[rows] the number of the fold that holds each out; −1 for none."""
        fold_of = np.full(len(self.rows.y), -1)
        for number, split in enumerate(self.splits):
            fold_of[split.held_out] = number
        return fold_of

    @property
    def held_weight(self) -> np.ndarray | None:
        """What each of the held-out rows counts."""
        return self.rows.counted(self.held)

    def left_out(self, setting: int) -> bool:
        """Whether the race left a setting out, so that some folds have no model of it."""
        return any(self.record.status[k] == "dropped" for k in self.cross.lanes(setting))

    def base_rate(self, outputs: int) -> np.ndarray:
        """[rows, outputs] predictions of held-out rows that look at no input, fold by fold."""
        base = np.zeros((len(self.rows.y), outputs))
        for split in self.splits:
            y, weights = self.rows.y[split.train], self.rows.counted(split.train)
            predictions = base_prediction(y, len(split.held_out), outputs=outputs, weights=weights)
            base[split.held_out] = predictions.reshape(-1, outputs)
        return base

    def fold_losses(self, setting: int) -> np.ndarray:
        """[folds] mean out-of-fold loss of a setting: of its seeds' mean prediction."""
        loss, held = self.row_loss[setting], [split.held_out for split in self.splits]
        return np.array([np.average(loss[rows], weights=self.rows.counted(rows)) for rows in held])


class FoldedTable(FoldedArrays):
    """The rows of a table in folds; scales, pieces and class shares are learned inside each.

    Args:
        rows: The rows.
        splits: The folds.
    """

    def __init__(self, rows: Rows, splits: list[Split]):
        super().__init__(rows.encoded.astype("float32"), rows.y, splits, rows.weight)
        self._rows = rows

    def learned(self, model: Any) -> list[dict[str, np.ndarray]]:
        inputs, combine, rows = model.get_layer("inputs"), model.get_layer("combine"), self._rows
        values = []
        for split in self.splits:
            of_inputs = preprocessing.input_values(
                rows.encoded, split.train, numbers=rows.numbers, bins=inputs.bins
            )
            weights = rows.counted(split.train)
            prior = preprocessing.prior(rows.y[split.train], rows.outputs, weights)
            values.append(
                {getattr(inputs, name).path: value for name, value in of_inputs.items()}
                | {combine.bias.path: prior}
            )
        return values


def train(
    rows: Rows,
    splits: list[Split],
    settings: Sequence[Setting],
    *,
    seeds: int,
    seed: int,
    quick: bool,
    callbacks: Sequence[Callback],
    race: bool = False,
    stop_after: int | None = None,
    most_epochs: int | None = None,
) -> Trained:
    """Train the lanes, and predict each row by the models that did not see it.

    Args:
        rows: The rows.
        splits: Folds; one split without held-out rows trains to the last epoch.
        settings: What to train on each fold.
        seeds: Models of each setting and fold.
        seed: Seeds initial weights and the order of rows.
        quick: A shorter schedule.
        callbacks: Told of the progress.
        race: Whether many settings race from fold to fold (see `taut.tables.racing`).
        stop_after: Epochs to train, of the schedule's; all unless given.
        most_epochs: Epochs of the schedule at most, where it would take too long.
    """
    columns, numbers, outputs = rows.encoded.shape[1], rows.numbers, rows.outputs
    model = network(columns, outputs, numbers=numbers, bins=bins_for(numbers), classes=None)
    longest = max(len(split.train) for split in splits)
    schedule = Schedule.of(longest, quick=quick, most=most_epochs)
    compile_(model, schedule, longest, outputs)
    folded = FoldedTable(rows, splits)
    held_out = all(len(split.held_out) for split in splits)
    cross = crossvalidate(
        model,
        folded,
        Grid([candidate_of(model, s) for s in settings], len(splits), range(seed, seed + seeds)),
        Settings.checked(
            epochs=stop_after or schedule.epochs,
            batch_size=schedule.batch_size,
            width=WIDTH,
            callbacks=callbacks,
        ),
        values=folded.learned(model),
        # One epoch for all folds of a setting: chosen on all rows, it fits each fold's less.
        common_epoch=held_out,
        race=race_of(settings, splits) if race and held_out else None,
    )
    shape = len(settings), len(rows.y), outputs
    trained = Trained(
        model=model,
        rows=rows,
        settings=tuple(settings),
        splits=splits,
        cross=cross,
        out_of_fold=np.zeros(shape),
        row_loss=np.zeros(shape[:2]),
    )
    if held_out:
        _predict_out_of_fold(trained)
    return trained


def compile_(model: Any, schedule: Schedule, rows: int, outputs: int) -> None:
    """Adam with warm-up and cosine decay; L1 and L2, each with strengths of its own by part."""
    updates = -(-rows // schedule.batch_size) * schedule.epochs
    warm_up = max(int(WARM_UP * updates), 1)
    rate = keras.optimizers.schedules.CosineDecay(
        LEARNING_RATE / warm_up,
        max(updates - warm_up, 1),
        warmup_target=LEARNING_RATE,
        warmup_steps=warm_up,
    )
    both = L1(0.0) + L2(0.0)
    parts = {"first/kernel": both, "skip/kernel": both, "(second|last)/kernel": both}
    loss: Any = "mse"
    if outputs > 1:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.Adam(rate, beta_2=BETA_2)
    model.compile(optimizer=Proximal(optimizer, parts), loss=loss)


def candidate_of(model: Any, setting: Setting) -> Candidate:
    """A setting: its strengths, and the gates of the parts of the network that it lacks."""
    inputs, combine = model.get_layer("inputs"), model.get_layer("combine")
    values = {combine.gates.path: np.array([setting.skip, setting.hidden], float)}
    if inputs.bins and not setting.bins:
        # A piece of slope 0 is 0 for every row.
        values[inputs.slope.path] = np.zeros(inputs.slope.shape)
    return Candidate(setting.strengths(), values)


def _predict_out_of_fold(trained: Trained) -> None:
    longest = max(len(split.held_out) for split in trained.splits)
    ok = np.array([status != "diverged" for status in trained.record.status])
    numbers_of = range(len(trained.settings))
    left = [s for s in numbers_of if not trained.left_out(s)]
    out = [s for s in numbers_of if trained.left_out(s)]
    trained.out_of_fold[out], trained.row_loss[out] = np.nan, np.inf
    for fold, split in enumerate(trained.splits):
        # One shape for every fold, so that one program predicts them all.
        padded = np.resize(split.held_out, longest)
        numbers = np.stack([trained.cross.lanes(setting, fold) for setting in left])
        rows = trained.rows.encoded[padded]
        raw = predict_lanes(trained.model, trained.record, rows, lanes=numbers.ravel().tolist())
        raw = raw[:, : len(split.held_out)].astype(float)
        if raw.shape[-1] > 1:
            raw = softmax(raw, axis=-1)
        raw = raw.reshape(*numbers.shape, *raw.shape[1:])
        weight = ok[numbers].astype(float)[..., None, None]
        with np.errstate(invalid="ignore"):
            mean = np.where(weight > 0, raw, 0).sum(axis=1) / weight.sum(axis=1)
        trained.out_of_fold[np.ix_(left, split.held_out.tolist())] = mean
    trained.row_loss[left] = row_loss(trained.out_of_fold[left], trained.rows.y)


def row_loss(predicted: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Log-loss or squared error by row; [..., rows, outputs] to [..., rows]."""
    if predicted.shape[-1] == 1:
        loss = (predicted[..., 0] - y) ** 2
    else:
        chosen = predicted[..., np.arange(len(y)), np.asarray(y, int)]
        loss = -np.log(np.clip(chosen, LEAST_PROBABILITY, None))
    return np.where(np.isfinite(loss), loss, np.inf)
