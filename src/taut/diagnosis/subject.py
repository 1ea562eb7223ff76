"""What is diagnosed: a trained model, the rows that it learned from, and rows held out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from taut.objective.row_losses import base_losses


@dataclass(frozen=True)
class Rows:
    """Some rows, and what the model makes of them.

    Attributes:
        x: Inputs, a tree of arrays [rows, …].
        y: Targets as the loss takes them, likewise.
        prediction: What the model returns for them, likewise.
        losses: [rows] the data loss of each; None where the loss has no value a row.
        loss: The data loss: their mean.
        weights: [rows] what each counts, or None where all count alike.
        groups: [rows] labels, or None.
        steps: [rows, steps] weights of the values of each row's loss; None where these count alike.
    """

    x: Any
    y: Any
    prediction: Any
    losses: np.ndarray | None
    loss: float
    weights: np.ndarray | None
    groups: np.ndarray | None
    steps: np.ndarray | None = None

    @property
    def sample_weight(self) -> np.ndarray | None:
        """Weights as a training takes them."""
        return self.weights if self.steps is None else self.steps

    def __len__(self) -> int:
        return len(keras.tree.flatten(self.y)[0])

    @property
    def table(self) -> np.ndarray | None:
        """[rows, inputs] where the inputs are one table of numbers."""
        leaves = keras.tree.flatten(self.x)
        return leaves[0] if len(leaves) == 1 and leaves[0].ndim == 2 else None

    @property
    def target(self) -> np.ndarray | None:
        """[rows] where there is one target a row, a class number or a quantity."""
        leaves = keras.tree.flatten(self.y)
        if len(leaves) != 1:
            return None
        y = np.asarray(leaves[0])
        if y.ndim == 2 and y.shape[1] > 1 and np.isin(y, (0, 1)).all() and (y.sum(1) == 1).all():
            return y.argmax(axis=1)
        return y.reshape(-1) if y.size == len(y) else None


@dataclass(frozen=True)
class Subject:
    """A model with its rows.

    Attributes:
        model: Compiled and built, with its trained weights.
        train: The rows that it learned from.
        held_out: Rows that it has not seen; None without.
        epochs: Epochs of a training.
        batch_size: Rows in a batch.
        base: The data loss of looking at no input, on the held-out rows, or else on the others;
            None where it is not known.
        names: Of the inputs of a table; empty for others.
        classes: [classes] labels, where the targets were text.
        notes: What had to be assumed.
        seed: Seeds whatever is drawn.
        shifted: Whether the held-out rows are drawn differently, so that gains are measured on
            them too.
        contrasted: Whether the labels of both sides are compared, so that trials keep the
            probabilities of both.
    """

    model: Any
    train: Rows
    held_out: Rows | None
    epochs: int
    batch_size: int
    base: float | None
    names: tuple[str, ...]
    classes: np.ndarray | None
    notes: tuple[str, ...]
    seed: int
    shifted: bool = False
    contrasted: bool = False

    @property
    def unit(self) -> float:
        """What a tenth is a tenth of: the loss of looking at nothing, if it is known and not 0."""
        measured = self.train if self.held_out is None else self.held_out
        return abs(self.base or measured.loss) or 1.0

    def base_losses(self, rows: Rows) -> np.ndarray | None:
        """[rows] what looking at no input costs there; None where that is not known."""
        return base_losses_of(self.model, self.train, rows)


def base_losses_of(model: Any, train: Rows, rows: Rows) -> np.ndarray | None:
    """[rows] the loss of the constant that is best on the rows learned from."""
    return base_losses(model, rows.x, rows.y, train.y, train.sample_weight, rows.steps)
