"""What a study trains, checked before any work."""

from __future__ import annotations

import os
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import tree

from taut._data import as_arrays, readable_targets
from taut._keras.compiled_model import compiled_loss, custom_training
from taut._keras.given_model import check_keras_model
from taut._losses import loss_parts
from taut._weights import ClassWeight, checked_targets, mean_weight
from taut.checks import check_at_least, check_whole, check_whole_or_none, listed
from taut.engine.data.row_folds import RowFolds
from taut.engine.data.sources import Source
from taut.engine.halving import Halving
from taut.engine.lanes import Lane, Split, check_lanes, check_splits
from taut.engine.ledger import SNAPSHOTS, Ledger, snapshots_for
from taut.engine.news import Callback, check_callbacks
from taut.engine.race import Race
from taut.engine.state import Rules
from taut.errors import InputError, UnsupportedError


@dataclass(frozen=True)
class Study:
    """One model and the lanes to train of it, checked; the fields are those of `train_lanes`."""

    model: Any
    lanes: Sequence[Lane]
    epochs: int
    batch_size: int
    rules: Rules
    groups: Sequence[int] | None = None
    halving: Halving | None = None
    race: Race | None = None
    width: int | None = None
    checkpoint: str | os.PathLike[str] | None = None
    checkpoint_seconds: float = 60.0
    callbacks: Sequence[Callback] = ()
    counted: np.ndarray | None = None
    """[splits, 2] what the rows of each side of a split count on average, where rows have weights
    that are known beforehand."""

    @property
    def snapshots(self) -> int:
        """How many epochs the lanes of a group choose from; 0 without groups."""
        if self.groups is None:
            return 0
        return snapshots_for(len(self.lanes), self.model.count_params())

    def ledger(self) -> Ledger:
        """A new one, of which no lane has begun."""
        return Ledger(
            self.lanes,
            self.epochs,
            groups=self.groups,
            halving=self.halving,
            race=self.race,
            snapshots=self.snapshots,
            counted=self.counted,
        )

    def settings(self) -> dict[str, Any]:
        """What besides model, data and lanes makes the study."""
        halving = self.halving
        settings: dict[str, Any] = {
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "rules": [self.rules.patience, self.rules.keep_best],
            "groups": None if self.groups is None else list(self.groups),
            "halving": halving and [list(halving.groups), list(halving.rungs), halving.keep],
            "width": self.width,
        }
        if 0 < self.snapshots < SNAPSHOTS:
            settings["snapshots"] = self.snapshots
        if self.race is not None:
            settings["race"] = [list(self.race.kinds), self.race.least, self.race.after]
        return settings


@dataclass(frozen=True)
class Arrays:
    """Rows in memory.

    Attributes:
        x: Inputs, [rows, …] or a tree of these.
        targets: One at least, each like `y`.
        weights: [rows, …] weights of the data loss, or a tree of these; None without.
        splits: Rows to train on and rows held out, by the number that lanes have.
        sharers: Devices that share each batch.
        counted: [splits, 2] what the rows of each side of a split count on average; None without
            weights.
    """

    x: Any
    targets: list[Any]
    weights: Any
    splits: Sequence[Split]
    sharers: int = 1
    counted: np.ndarray | None = None


@dataclass(frozen=True)
class Stream:
    """Rows that are read as they are needed; the fields are those of `train_streamed`."""

    source: Source
    folds: int | None
    seed: int
    shuffle: bool
    memory: int
    rows: int | None
    """How many rows there are; None where they would have to be read to know."""
    divided: RowFolds
    """Which fold a row is in."""

    @property
    def number(self) -> int:
        """How many folds there are: 1 where none is held out."""
        return self.divided.number


def arrays_of(
    model: Any,
    x: Any,
    y: Any,
    *,
    splits: Sequence[Split] | None,
    targets: Sequence[Any] | None,
    sample_weight: Any,
    class_weight: ClassWeight,
    sharers: int,
) -> Arrays:
    """Check the rows that are given to `train_lanes`, and fill in what was left out."""
    check_whole(1, sharers=sharers)
    x = as_arrays(x, "x")
    shapes = [a.shape for a in tree.flatten(x)]
    if not shapes or any(not shape or shape[0] != shapes[0][0] for shape in shapes):
        raise InputError(
            "`x` must be an array [rows, …], or a tree of arrays with the same rows. "
            f"Received: shapes {shapes}."
        )
    rows = shapes[0][0]
    learned = _targets(y, targets, rows)
    splits = (
        [Split(np.arange(rows))]
        if splits is None
        else listed(Split, "`taut.engine.Split`s", splits=splits)
    )
    check_splits(splits, rows)
    if class_weight is not None and len(learned) > 1:
        raise InputError(
            "`class_weight` is for one target. Received: "
            f"{len(learned)} targets. Give `sample_weight`."
        )
    first, weights = checked_targets(model, x, learned[0], sample_weight, class_weight)
    counted = None if weights is None else _counted(splits, weights)
    parts = loss_parts(model, x, first) if len(learned) > 1 else []
    learned = [first, *(readable_targets(parts, y, weights) for y in learned[1:])]
    return Arrays(x, learned, weights, splits, sharers, counted)


def study_of(
    model: Any,
    rows: Arrays | Stream,
    lanes: Sequence[Lane],
    *,
    epochs: int = 100,
    batch_size: int = 32,
    patience: int | None = None,
    keep_best: bool | None = None,
    groups: Sequence[int] | None = None,
    halving: Halving | None = None,
    race: Race | None = None,
    width: int | None = None,
    **saved: Any,
) -> Study:
    """Check the arguments of `train_lanes`, and fill in what was left out."""
    check_whole(1, epochs=epochs, batch_size=batch_size)
    check_whole_or_none(1, patience=patience, width=width)
    check_at_least(0, checkpoint_seconds=saved.get("checkpoint_seconds", 0))
    check_callbacks(saved.get("callbacks", ()))
    for name, value, kind in (("halving", halving, Halving), ("race", race, Race)):
        if value is not None and not isinstance(value, kind):
            raise InputError(
                f"`{name}` must be a `taut.engine.{kind.__name__}` or None. Received: "
                f"{name}={value!r}."
            )
    groups = None if groups is None else listed(Hashable, "numbers", groups=groups)
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    in_memory = isinstance(rows, Arrays)
    check_lanes(
        lanes,
        splits=len(rows.splits) if in_memory else rows.number,
        strengths=len(getattr(model.optimizer, "strengths", ())),
        targets=len(rows.targets) if in_memory else 1,
        epochs=epochs,
    )
    keep_best = patience is not None if keep_best is None else keep_best
    held_out = all(len(s.held_out) for s in rows.splits) if in_memory else rows.number > 1
    rules = Rules(patience, keep_best, held_out)
    if not in_memory:
        _check_streamed(lanes, rules, rows.folds)
    _check_choices(lanes, epochs, rules, groups, halving)
    if race is not None:
        race.check(lanes, groups)
    return Study(
        model,
        lanes,
        epochs,
        batch_size,
        rules,
        groups,
        halving,
        race,
        width,
        counted=rows.counted if in_memory else None,
        **saved,
    )


def _counted(splits: Sequence[Split], weights: Any) -> np.ndarray:
    """[splits, 2] what the rows to train on count on average, and those held out; 1 without any.

    Raises:
        InputError: If none of a side counts.
    """
    held_out = [mean_weight(weights, s.held_out) if len(s.held_out) else 1.0 for s in splits]
    counted = np.array([[mean_weight(weights, s.train) for s in splits], held_out]).T
    for number, side in np.argwhere(counted == 0)[:1]:
        what = ("train on", "hold out")[side]
        raise InputError(
            f"Every split must {what} rows of a weight above 0. Received: none in split {number}. "
            "Leave rows without weight out, or divide the rows otherwise."
        )
    return counted


def check_model(model: Any) -> None:
    """Raise unless lanes of `model` can be trained: compiled, built, by Keras's own step."""
    check_keras_model(model=model)
    if not model.built or not getattr(model, "compiled", False):
        raise InputError(
            "`model` must be compiled and built. Received: "
            f"{model.name!r} with built={model.built}, "
            f"compiled={getattr(model, 'compiled', False)}. "
            "Add a `keras.Input`, or call it on a few rows, and `model.compile(…)` it first."
        )
    if not model.trainable_variables:
        raise InputError(
            "A study trains the weights of a model. Received: "
            f"{model.name!r}, which has none that may be trained. Set `trainable = True` and "
            "compile again."
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
    if overrides := custom_training(model):
        raise UnsupportedError(
            "A lane is trained by Keras's own step: the compiled loss of what the model returns. "
            f"Received: {type(model).__name__}, which has its own {', '.join(overrides)}. Put the "
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
    given = [y] if targets is None else listed(object, "targets, each like `y`", targets=targets)
    learned = [as_arrays(target, "y") for target in given]
    shapes = [[a.shape for a in tree.flatten(target)] for target in learned]
    alike = all(_same(learned[0], target) for target in learned[1:])
    if not learned or not alike or any(shape != shapes[0] for shape in shapes):
        raise InputError(
            f"`targets` must be like each other, one at least. Received: shapes {shapes}."
        )
    if any(shape[:1] != (rows,) for shape in shapes[0]):
        raise InputError(f"`y` must have the {rows} rows of `x`. Received: shapes {shapes[0]}.")
    return learned


def _check_streamed(lanes: Sequence[Lane], rules: Rules, folds: int | None) -> None:
    for i, lane in enumerate(lanes):
        if lane.start is not None:
            raise UnsupportedError(
                "Streamed lanes all train at the same time, so none starts from another's "
                f"weights. Received: lane {i} with start={lane.start}. Leave `start` out."
            )
    if (rules.keep_best or rules.patience is not None) and not rules.held_out:
        raise InputError(
            "`patience` and `keep_best` need held-out rows. Received: "
            f"folds={folds}. Give `folds=5`, say, or leave them out."
        )


def _check_choices(
    lanes: Sequence[Lane],
    epochs: int,
    rules: Rules,
    groups: Sequence[int] | None,
    halving: Halving | None,
) -> None:
    patience, keep_best = rules.patience, rules.keep_best
    chooses = keep_best or groups is not None or patience is not None or halving is not None
    if chooses and not rules.held_out:
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
