"""One training of a compiled model by the engine, on rows whose number may be any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from taut._keras.compiled_model import compile_arguments
from taut._keras.optimizer_updates import renewed
from taut.engine import Lane, Record, Split, train_lanes
from taut.engine.lanes import DIVERGED
from taut.errors import InputError
from taut.estimators.dense_network import STANDARDIZE
from taut.estimators.merged_rows import MergedRows
from taut.optimizers import Proximal
from taut.studies.folds import fold_values

LEAST_ROWS = 256
"""A batch for all rows has places for so many, or a power of two; those without rows are unseen."""


def compile_with(model: Any, penalty: Any, *, optimizer: Any, loss: Any) -> Any:
    """Compile a model with a penalty; return it.

    What its user compiled it with stays: loss, metrics and optimizer.

    Args:
        model: A built model, compiled or not, but not with a proximal optimizer.
        penalty: What `taut.Proximal` takes; None for the layers' own penalties alone.
        optimizer: Of a model that is not compiled.
        loss: Likewise.
    """
    arguments: dict[str, Any] = {"loss": loss}
    if getattr(model, "compiled", False):
        arguments, given = compile_arguments(model), model.optimizer
        optimizer = renewed(given)
    optimizer = Proximal(optimizer, penalty).bind(model)
    keras.Model.compile(model, optimizer, **arguments)
    optimizer.build(model.trainable_variables)
    return model


def train_one(
    model: Any,
    rows: MergedRows,
    *,
    strengths: Sequence[float],
    seed: int,
    epochs: int,
    batch_size: int,
    patience: int | None = None,
    values: Mapping[str, np.ndarray] | None = None,
    present: bool = False,
    callbacks: Any = (),
) -> Record:
    """Train one lane; of the rows' folds, where they have some, the first is held out.

    Args:
        model: Compiled with a proximal optimizer.
        rows: What it is trained on.
        strengths: Of its penalties, one each.
        seed: Draws weights and the order of rows.
        epochs: Epochs.
        batch_size: Rows in a batch.
        patience: Epochs without a better held-out loss.
        values: Initial values of variables, by path.
        present: Start from the model's present weights.
        callbacks: Told of the progress.

    Raises:
        InputError: If the training diverges.
    """
    count = len(rows.x)
    batch_size = min(batch_size, max(LEAST_ROWS, 1 << (count - 1).bit_length()))
    # No batch takes the rows that fill the last one up: their number is no reason to compile.
    filled = -(-count // batch_size) * batch_size
    fill = lambda a: None if a is None else np.resize(a, (filled, *a.shape[1:]))  # noqa: E731
    record = train_lanes(
        model,
        fill(rows.x),
        fill(rows.y),
        [
            Lane(
                strengths=tuple(strengths),
                seed=seed,
                values=values or {},
                present=present,
            )
        ],
        splits=rows.splits[:1] if rows.splits else [Split(np.arange(count))],
        sample_weight=fill(rows.weight),
        epochs=epochs,
        batch_size=batch_size,
        patience=patience,
        callbacks=callbacks,
    )
    if record.status[0] == DIVERGED:
        raise InputError(
            "Training must not diverge. Received: a loss that is not finite in epoch "
            f"{int(record.epochs[0])}. Lower `learning_rate`, or standardise the inputs."
        )
    return record


def learned_values(model: Any, rows: MergedRows) -> dict[str, np.ndarray]:
    """What layers such as `Standardize` learn of the training rows, by the path of the weight.

    The layer that an estimator puts first counts rows by their weight; those of a model of the
    user's count them alike.
    """
    train = rows.splits[0].train if rows.splits else np.arange(len(rows.x))
    adaptive = [layer for layer in model._flatten_layers() if hasattr(layer, "fold_values")]
    if not adaptive:
        return {}
    if len(adaptive) > 1 or adaptive[0].name != STANDARDIZE:
        return fold_values(model, rows.x, [Split(train)])[0]
    x = rows.x[train].astype("float64")
    weight = None if rows.weight is None else rows.weight[train].astype("float64")
    centre = np.average(x, axis=0, weights=weight)
    deviation = np.sqrt(np.average((x - centre) ** 2, axis=0, weights=weight))
    varies = deviation > 1e-12 * np.abs(centre)
    multiplier = np.where(varies, 1 / np.where(varies, deviation, 1), 0)
    names = {"fill": centre, "centre": centre, "multiplier": multiplier}
    return {getattr(adaptive[0], name).path: value for name, value in names.items()}
