"""What a study trains, checked before any work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import tree

from taut._data import as_arrays
from taut._keras_compat import compiled_loss, custom_training
from taut._weights import ClassWeight, checked_weights
from taut.engine.halving import Halving
from taut.engine.lanes import Lane, Split, check_counts, check_lanes, check_splits
from taut.errors import InputError, UnsupportedError


@dataclass(frozen=True)
class Study:
    """One model and the lanes to train of it, in memory; the fields are those of `train_lanes`.

    Attributes:
        targets: One at least, each like `y`.
        weights: [rows] weights of the data loss, or a tree of these; None without.
        held_out: Whether every split has held-out rows.
    """

    model: Any
    x: Any
    targets: list[Any]
    weights: Any
    lanes: Sequence[Lane]
    splits: Sequence[Split]
    epochs: int
    batch_size: int
    patience: int | None
    keep_best: bool
    groups: Sequence[int] | None
    halving: Halving | None
    held_out: bool

    def settings(self) -> dict[str, Any]:
        """What besides model, data and lanes makes the study."""
        halving = self.halving
        return {
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "patience": self.patience,
            "keep_best": self.keep_best,
            "groups": None if self.groups is None else list(self.groups),
            "halving": None
            if halving is None
            else [list(halving.groups), list(halving.rungs), halving.keep],
        }


def checked(
    model: Any,
    x: Any,
    y: Any,
    lanes: Sequence[Lane],
    *,
    splits: Sequence[Split] | None,
    targets: Sequence[Any] | None,
    sample_weight: Any,
    class_weight: ClassWeight,
    epochs: int,
    batch_size: int,
    patience: int | None,
    keep_best: bool | None,
    groups: Sequence[int] | None,
    halving: Halving | None,
) -> Study:
    """Check the arguments of `train_lanes`, and fill in what was left out."""
    check_model(model)
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    x = as_arrays(x, "x")
    shapes = [a.shape for a in tree.flatten(x)]
    if not shapes or any(not shape or shape[0] != shapes[0][0] for shape in shapes):
        raise InputError(
            "`x` must be an array [rows, …], or a tree of arrays with the same rows. "
            f"Received: shapes {shapes}."
        )
    rows = shapes[0][0]
    every = _targets(y, targets, rows)
    splits = [Split(np.arange(rows))] if splits is None else splits
    check_counts(epochs=epochs, batch_size=batch_size, patience=patience)
    check_splits(splits, rows)
    check_lanes(
        lanes,
        splits=len(splits),
        strengths=len(getattr(model.optimizer, "strengths", ())),
        targets=len(every),
        epochs=epochs,
    )
    held_out = all(len(split.held_out) for split in splits)
    keep_best = patience is not None if keep_best is None else keep_best
    _check_choices(lanes, epochs, patience, keep_best, groups, halving, held_out=held_out)
    if class_weight is not None and len(every) > 1:
        raise InputError(
            "`class_weight` is for one target. Received: "
            f"{len(every)} targets. Give `sample_weight`."
        )
    weights = checked_weights(model, x, every[0], sample_weight, class_weight)
    return Study(
        model,
        x,
        every,
        weights,
        lanes,
        splits,
        epochs,
        batch_size,
        patience,
        keep_best,
        groups,
        halving,
        held_out,
    )


def check_model(model: Any) -> None:
    """Raise unless lanes of `model` can be trained: compiled, built, by Keras's own step."""
    if not model.built or not getattr(model, "compiled", False):
        raise InputError(
            "`model` must be compiled and built. Received: "
            f"{model.name!r} with built={model.built}, "
            f"compiled={getattr(model, 'compiled', False)}. "
            "Add a `keras.Input` and call `model.compile(…)` first."
        )
    if compiled_loss(model) is None or hasattr(model.optimizer, "inner_optimizer"):
        raise UnsupportedError(
            "Lanes need a compiled loss, and no scaling of it (mixed_float16). Received: "
            f"loss={model.loss!r}, optimizer={type(model.optimizer).__name__}. Give `compile` a "
            "loss, and use float32 or mixed_bfloat16."
        )
    if getattr(model.optimizer, "use_ema", False):
        raise UnsupportedError(
            "Lanes keep the weights of their best epoch, not averages. Received: an optimizer with "
            "use_ema=True. Leave it out, and decay the learning rate."
        )
    if own := custom_training(model):
        raise UnsupportedError(
            "A lane is trained by Keras's own step: the compiled loss of what the model returns. "
            f"Received: {type(model).__name__}, which has its own {', '.join(own)}. Put the "
            "objective in a loss function or in `add_loss`, or loop over `fit`."
        )
    for layer in model._flatten_layers():
        if getattr(layer, "stateful", False) and isinstance(layer, keras.layers.RNN):
            raise UnsupportedError(
                "A lane's batches are in random order, so that state must not pass from one to the "
                f"next. Received: the layer {layer.name!r} with stateful=True. Set it to False."
            )
    for tensor in getattr(model, "inputs", None) or ():
        if keras.backend.standardize_dtype(tensor.dtype) == "string":
            raise UnsupportedError(
                "Lanes take numbers. Received: a model with an input of strings. Apply the "
                "preprocessing layers to the data first, and train the rest of the model."
            )


def _targets(y: Any, targets: Sequence[Any] | None, rows: int) -> list[Any]:
    if (y is None) == (targets is None):
        raise InputError(
            "Give either `y` or `targets`. Received: " + ("neither." if y is None else "both.")
        )
    every = [y] if targets is None else list(targets)
    every = [as_arrays(one, "y") for one in every]
    shapes = [[a.shape for a in tree.flatten(one)] for one in every]
    alike = all(_same(every[0], one) for one in every[1:])
    if not every or not alike or any(some != shapes[0] for some in shapes):
        raise InputError(
            f"`targets` must be like each other, one at least. Received: shapes {shapes}."
        )
    if any(shape[:1] != (rows,) for shape in shapes[0]):
        raise InputError(f"`y` must have the {rows} rows of `x`. Received: shapes {shapes[0]}.")
    return every


def _check_choices(
    lanes: Sequence[Lane],
    epochs: int,
    patience: int | None,
    keep_best: bool,
    groups: Sequence[int] | None,
    halving: Halving | None,
    *,
    held_out: bool,
) -> None:
    chooses = keep_best or groups is not None or patience is not None or halving is not None
    if chooses and not held_out:
        raise InputError(
            "`patience`, `keep_best`, `groups` and `halving` need held-out rows in every split. "
            "Received: a split with none. Give `Split(train, held_out)`, or leave them out."
        )
    if patience is not None and not keep_best:
        raise InputError(
            "`patience` keeps the best epoch. Received: patience with keep_best=False. Leave "
            "`keep_best` out."
        )
    if groups is not None and any(lane.start is not None or lane.epochs for lane in lanes):
        raise InputError(
            "Lanes of `groups` begin and end together. Received: a lane with `start` or `epochs`."
        )
    if groups is not None and (keep_best or patience is not None or len(groups) != len(lanes)):
        raise InputError(
            "`groups` must give one number a lane, without `patience` or `keep_best`. Received: "
            f"{len(groups)} numbers for {len(lanes)} lanes, patience={patience}, "
            f"keep_best={keep_best}."
        )
    if halving is not None:
        halving.check(len(lanes), epochs)
        if not keep_best or any(lane.start is not None for lane in lanes):
            raise InputError(
                "`halving` compares lanes that train side by side by their best epoch so far. "
                f"Received: keep_best={keep_best}, or lanes with `start`. Give `patience` or "
                "`keep_best=True`, and no `start`."
            )


def _same(one: Any, other: Any) -> bool:
    try:
        tree.assert_same_structure(one, other)
    except (TypeError, ValueError):
        return False
    return True
