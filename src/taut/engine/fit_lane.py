"""One lane through Keras's own `fit`: its batches, its loss, and what follows each epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from taut._keras.compiled_model import compiled_loss
from taut._keras.model_calls import StatelessScope, mode
from taut._losses import data_loss_value
from taut.engine.data.batches import HELD_OUT_BATCH, Batches
from taut.engine.lanes import Lane, Split

Tree = Any
Weights = tuple[list[np.ndarray], list[np.ndarray]]
Data = tuple[Tree, Tree, Tree]
"""x, y and sample weights (or None): arrays [rows, …] or trees of these."""


def numbers(variables: Any) -> list[np.ndarray]:
    """The values of variables, copied: JAX gives their arrays away while it trains."""
    return [np.array(keras.ops.convert_to_numpy(v)) for v in variables]


def take(data: Tree, rows: np.ndarray) -> Tree:
    """Some rows of every array of a tree; None stays None."""
    return keras.tree.map_structure(lambda a: None if a is None else a[rows], data)


class Trainee(keras.Model):
    """A model that `fit` trains as the engine does, and whose own compilation stays untouched.

    It has the network's variables, compiled loss and optimizer. It counts the data loss alone,
    without penalties or losses that layers add, as the metric `data_loss`: its mean over rows.
    """

    def __init__(self, network: Any):
        super().__init__()
        self.network = network
        self.data_loss: Any = keras.metrics.Mean(name="data_loss", dtype="float32")
        self.supports_masking = True
        self.built = True
        self.compile(
            optimizer=network.optimizer,
            run_eagerly=network.run_eagerly,
            jit_compile=network.jit_compile,
        )

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """What the network predicts."""
        return self.network(inputs, **mode(self.network, training=bool(training)))

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """What the optimizer takes: the compiled loss and what layers add to it."""
        del x, training
        # The network's own records of its losses are not touched. As zeros of the program they
        # are no arrays from outside of it either, which JAX loses in a second program.
        records = [v for metric in compiled_loss(self.network).metrics for v in metric.variables]
        zeros = [(v, keras.ops.zeros(v.shape, v.dtype)) for v in records]
        with StatelessScope(state_mapping=zeros):
            loss = data_loss_value(self.network, y, y_pred, sample_weight)
        rows = keras.ops.shape(keras.tree.flatten(y)[0])[0]
        self.data_loss.update_state(loss, sample_weight=rows)
        return loss + sum(self.losses)

    def mean_loss(self, data: Data, rows: np.ndarray) -> float:
        """The mean data loss over some rows, in inference mode; NaN of no rows."""
        if not len(rows):
            return float("nan")
        self.reset_metrics()
        for start in range(0, len(rows), HELD_OUT_BATCH):
            self.test_on_batch(*take(data, rows[start : start + HELD_OUT_BATCH]))
        return float(keras.ops.convert_to_numpy(self.data_loss.result()))


class LaneBatches(keras.utils.PyDataset):
    """The batches of all epochs of a lane, one after the other: the rows that the engine takes.

    A batch depends on its number alone, so Keras may fetch ahead.

    Args:
        batches: Draws the order of rows.
        lane: The lane.
        split: Its rows.
        data: All rows.
        size: Rows in a batch; the last of an epoch is smaller.
        epochs: The first epoch, and the one after the last.
    """

    def __init__(
        self,
        batches: Batches,
        lane: Lane,
        split: Split,
        data: Data,
        *,
        size: int,
        epochs: tuple[int, int],
    ):
        super().__init__()
        self._batches, self._lane, self._data = batches, lane, data
        self._first, self._end = epochs
        self.steps: int = -(-len(split.train) // size)
        self._drawn: tuple[int, np.ndarray] | None = None

    def __len__(self) -> int:
        return self.steps * (self._end - self._first)

    def __getitem__(self, index: int) -> Any:
        epoch, step = divmod(index, self.steps)
        drawn = self._drawn
        if drawn is None or drawn[0] != epoch:
            order = self._batches.train(self._lane.split, self._lane.seed, self._first + epoch)
            self._drawn = drawn = epoch, order[(order >= 0).any(axis=1)]
        rows = drawn[1][step]
        x, y, weight = take(self._data, rows[rows >= 0])
        return (x, y) if weight is None else (x, y, weight)


class AfterEpoch(keras.callbacks.Callback):
    """Calls a function with the training loss of each epoch; ends `fit` where it returns True."""

    def __init__(self, function: Callable[[float], bool]):
        super().__init__()
        self._function = function

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        model: Any = self.model
        model.stop_training = self._function((logs or {})["data_loss"])
