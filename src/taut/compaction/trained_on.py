"""What is left of a model, trained on as the model was compiled."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from taut._keras.compiled_model import compile_arguments
from taut._keras.model_graphs import input_structure
from taut.compaction.distilled import NOT_MIXED, distilled
from taut.compaction.equality import forward_all
from taut.engine.random_streams import global_streams
from taut.errors import InputError
from taut.progress import FitDisplay


def train_on(
    model: Any,
    smaller: Any,
    rows: tuple[list[np.ndarray], list[np.ndarray]],
    y: Any,
    *,
    epochs: int,
    batch_size: int,
    distillation: float,
    seed: int,
) -> str:
    """Train a smaller model, and leave it compiled as it was.

    Args:
        model: The larger one.
        smaller: The smaller one, compiled.
        rows: What each of them is fed, one array an input.
        y: The targets, arrays.
        epochs: Passes over the rows.
        batch_size: Rows of a step.
        distillation: The share that the outputs of the larger one have in the loss.
        seed: Of the order of the rows.

    Returns:
        On what it was trained, in words.

    Raises:
        InputError: If weights do not stay finite.
    """
    x = keras.tree.pack_sequence_as(input_structure(smaller), rows[1])
    loss = distilled(model, y, distillation) if distillation else None
    asked: dict[str, Any] = {}
    if loss is not None:
        asked = compile_arguments(smaller)
        y = loss.targets(y, forward_all(model, rows[0])[0])
        # The metrics are those of the labels alone.
        nothing = dict.fromkeys(("metrics", "weighted_metrics", "loss_weights"))
        mixed = {**asked, **nothing, "loss": loss}
        keras.Model.compile(smaller, smaller.optimizer, **mixed)
    with global_streams(seed), FitDisplay("training the smaller model") as display:
        smaller.fit(x, y, epochs=epochs, batch_size=batch_size, verbose=0, callbacks=[display])
    if loss is not None:
        keras.Model.compile(smaller, smaller.optimizer, **asked)
    if not all(np.isfinite(w).all() for w in smaller.get_weights() if w.dtype.kind == "f"):
        raise InputError(
            "The training of the smaller model must stay finite. Received: NaN or infinite "
            f"weights after {epochs} epochs. Fill missing values of `x`, or compile the model "
            "with a smaller learning rate."
        )
    if loss is None:
        return "labels alone" + (f": {NOT_MIXED}" if distillation else "")
    return f"labels and, to a share of {distillation:g}, what the model before makes"
