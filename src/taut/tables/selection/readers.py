"""The networks that inputs are selected by, trained as lanes that read some inputs each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from scipy.special import softmax

from taut.engine import Callback, Lane, Record, Split, predict_lanes, train_lanes
from taut.frames import preprocessing
from taut.optimizers import Proximal
from taut.penalties import L2, GroupLasso
from taut.tables.network import Combine, Normal, TableInputs
from taut.tables.trained import BETA_2, LEARNING_RATE, WARM_UP, Rows, row_loss

UNITS, BATCH, WIDTH = 32, 64, 8
MOST_PIECES = 2000
"""More columns than so many come without pieces: a network that reads these is for a few inputs."""


@dataclass(frozen=True)
class InputRows:
    """Rows, and which input each of their encoded columns belongs to.

    Attributes:
        rows: The rows.
        input_of: [columns] the number of the input of each encoded column, 0 to `inputs` − 1.
    """

    rows: Rows
    input_of: np.ndarray

    @property
    def inputs(self) -> int:
        """How many inputs there are."""
        return int(self.input_of.max()) + 1

    def columns(self, inputs: np.ndarray) -> np.ndarray:
        """The encoded columns of some inputs, in order."""
        return np.flatnonzero(np.isin(self.input_of, inputs))

    def of(self, columns: np.ndarray) -> InputRows:
        """The same rows with some columns only; inputs keep their numbers."""
        rows = self.rows
        fewer = Rows(
            encoded=rows.encoded[:, columns],
            y=rows.y,
            outputs=rows.outputs,
            numbers=int((columns < rows.numbers).sum()),
            weight=rows.weight,
        )
        return InputRows(fewer, self.input_of[columns])


@dataclass(frozen=True)
class Reader:
    """A lane: which inputs it reads, from which rows, and how it is regularised.

    Attributes:
        split: Number of the split.
        strengths: Of the first layer with the linear part, and of the layers after it.
        hidden: Whether it has hidden layers and pieces; otherwise it is linear.
        inputs: Numbers of the inputs that it reads; None for all.
    """

    split: int
    strengths: tuple[float, float]
    hidden: bool
    inputs: np.ndarray | None = None


@dataclass(frozen=True)
class Read:
    """Trained readers.

    Attributes:
        data: What they were trained on.
        splits: The splits.
        model: The network of one.
        record: Of all.
        readers: In the record's order.
    """

    data: InputRows
    splits: Sequence[Split]
    model: Any
    record: Record
    readers: Sequence[Reader]

    def norms(self) -> np.ndarray:
        """[readers, inputs] the norm of all weights on each input."""
        by_name = {
            v.path.split("/")[-2]: values
            for v, values in zip(self.model.trainable_variables, self.record.trainable, strict=True)
            if v.name == "kernel"
        }
        there = np.array([reader.hidden for reader in self.readers], float)[:, None]
        squares = there * (by_name["first"].astype(float) ** 2).sum(axis=2)
        squares += (by_name["skip"].astype(float) ** 2).sum(axis=2)
        total = np.zeros((self.data.inputs, len(self.readers)))
        np.add.at(total, _inputs_behind(self.data, self.model), squares.T)
        return np.sqrt(total.T)

    def losses(self, folds: int) -> np.ndarray:
        """[readers / splits, held] out-of-fold losses of the rows that some fold holds out.

        Every candidate has one reader a split, in their order. Infinite where a reader diverged.

        Args:
            folds: How many of the splits, the first ones, are folds.
        """
        numbers = np.arange(len(self.readers)).reshape(-1, len(self.splits))
        held = held_out(self.splits[:folds])
        place = np.zeros(len(self.data.rows.y), int)
        place[held] = np.arange(len(held))
        losses = np.empty((len(numbers), len(held)))
        longest = max(len(split.held_out) for split in self.splits[:folds])
        for fold, split in enumerate(self.splits[:folds]):
            rows = np.resize(split.held_out, longest)  # one shape, so that one program predicts
            predicted = self.predict(self.data.rows.encoded[rows], numbers[:, fold].tolist())
            predicted = predicted[:, : len(split.held_out)]
            losses[:, place[split.held_out]] = row_loss(predicted, self.data.rows.y[split.held_out])
        return losses

    def predict(self, encoded: np.ndarray, lanes: list[int]) -> np.ndarray:
        """[lanes, rows, outputs] probabilities, or the standardised target."""
        raw = predict_lanes(self.model, self.record, encoded.astype("float32"), lanes=lanes)
        raw = raw.astype(float)
        return softmax(raw, axis=-1) if raw.shape[-1] > 1 else raw


def held_out(folds: Sequence[Split]) -> np.ndarray:
    """The rows that some fold holds out, in order."""
    return np.unique(np.concatenate([fold.held_out for fold in folds]))


def train_readers(
    data: InputRows,
    splits: Sequence[Split],
    readers: Sequence[Reader],
    *,
    bins: int,
    grouped: bool,
    updates: int,
    seed: int,
    callbacks: Sequence[Callback] = (),
) -> Read:
    """Train networks that read some of the inputs each, as one program.

    Args:
        data: The rows.
        splits: Training and held-out rows.
        readers: What to train.
        bins: Pieces of a number.
        grouped: Whether the first strength is of the group lasso on all that reads one input;
            otherwise it is of L2 on the same weights.
        updates: About how many.
        seed: Of initial weights and the order of rows.
        callbacks: Told of the progress.
    """
    rows = data.rows
    bins = bins if 0 < rows.numbers * bins <= MOST_PIECES else 0
    model = _network(rows.encoded.shape[1], rows.outputs, numbers=rows.numbers, bins=bins)
    steps = -(-max(len(split.train) for split in splits) // BATCH)
    epochs = max(round(updates / steps), 1)
    _compile(model, data, steps * epochs, grouped=grouped)
    used = sorted({reader.split for reader in readers})
    learned = {split: _learned(rows, splits[split].train, bins) for split in used}
    record = train_lanes(
        model,
        rows.encoded.astype("float32"),
        rows.y,
        [_lane(model, data, reader, learned[reader.split], seed) for reader in readers],
        splits=splits,
        sample_weight=rows.weight,
        epochs=epochs,
        batch_size=BATCH,
        width=WIDTH,
        callbacks=callbacks,
    )
    return Read(data, splits, model, record, readers)


def _network(columns: int, outputs: int, *, numbers: int, bins: int) -> Any:
    """The tables' network, smaller and of one member, of layers that groups of inputs are known of.

    logits = skip·z + last·relu(second·relu(first·z)) + bias
    """
    dense, width = keras.layers.Dense, columns + numbers * bins
    x = keras.Input((columns,), name="table")
    z = TableInputs(numbers, bins, name="inputs")(x)
    z = keras.layers.Reshape((width,), name="one_member")(z)
    draw = Normal(1.4 / np.sqrt(width))
    first = dense(UNITS, "relu", kernel_initializer=draw, name="first")(z)
    draw = Normal(float(np.sqrt(2 / UNITS)))
    second = dense(UNITS, "relu", kernel_initializer=draw, name="second")(first)
    draw = Normal(0.3 / np.sqrt(UNITS))
    last = dense(outputs, use_bias=False, kernel_initializer=draw, name="last")(second)
    skip = dense(outputs, use_bias=False, kernel_initializer="zeros", name="skip")(z)
    parts = [keras.layers.Reshape((1, outputs))(part) for part in (skip, last)]
    y = keras.layers.Reshape((outputs,))(Combine(name="combine")(parts))
    return keras.Model(x, y, name="selection_network")


def _compile(model: Any, data: InputRows, updates: int, *, grouped: bool) -> None:
    warm_up = max(int(WARM_UP * updates), 1)
    rate = keras.optimizers.schedules.CosineDecay(
        LEARNING_RATE / warm_up,
        max(updates - warm_up, 1),
        warmup_target=LEARNING_RATE,
        warmup_steps=warm_up,
    )
    parts: Any = {"(first|skip)/kernel": L2(0.0)}
    if grouped:
        behind = _inputs_behind(data, model)
        alone = len(np.unique(behind)) == len(behind)
        order = np.argsort(behind, kind="stable")
        ends = np.flatnonzero(np.diff(behind[order])) + 1
        groups: Any = "inputs" if alone else [g.tolist() for g in np.split(order, ends)]
        parts = {("first/kernel", "skip/kernel"): GroupLasso(0.0, groups=groups, weights="unit")}
    optimizer = Proximal(
        keras.optimizers.Adam(rate, beta_2=BETA_2), {**parts, "(second|last)/kernel": L2(0.0)}
    )
    optimizer.bind(model)
    loss: Any = "mse"
    if data.rows.outputs > 1:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=optimizer, loss=loss)


def _learned(rows: Rows, train: np.ndarray, bins: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """What the inputs layer learns of some rows, by the name of the weight, and the prior."""
    values = preprocessing.input_values(rows.encoded, train, numbers=rows.numbers, bins=bins)
    return values, preprocessing.prior(rows.y[train], rows.outputs, rows.counted(train))


def _lane(
    model: Any,
    data: InputRows,
    reader: Reader,
    learned: tuple[dict[str, np.ndarray], np.ndarray],
    seed: int,
) -> Lane:
    """A column that is not read has the multiplier 0, and its pieces the slope 0."""
    (values, prior), inputs, combine = (
        learned,
        model.get_layer("inputs"),
        model.get_layer("combine"),
    )
    values, numbers = dict(values), data.rows.numbers
    if reader.inputs is not None:
        reads = np.isin(data.input_of, reader.inputs).astype(float)
        values["multiplier"] = values["multiplier"] * reads
        if "slope" in values:
            values["slope"] = values["slope"] * reads[:numbers, None]
    if "slope" in values and not reader.hidden:
        values["slope"] = np.zeros_like(values["slope"])
    return Lane(
        reader.strengths,
        reader.split,
        seed,
        {
            **{getattr(inputs, name).path: value for name, value in values.items()},
            combine.gates.path: np.array([1.0, float(reader.hidden)]),
            combine.bias.path: prior,
        },
    )


def _inputs_behind(data: InputRows, model: Any) -> np.ndarray:
    """The input of each column behind the inputs layer: of the columns, then of the pieces."""
    bins, numbers = model.get_layer("inputs").bins, data.rows.numbers
    return np.concatenate([data.input_of, np.repeat(data.input_of[:numbers], bins)])
