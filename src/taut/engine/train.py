"""Train many lanes of one model as one program."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import jax
import keras
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from taut._keras_compat import compiled_loss
from taut.engine.batches import Batches
from taut.engine.initial import InitialValues
from taut.engine.lanes import Lane, Record, Split, check
from taut.engine.program import Plan, build
from taut.engine.progress import Progress, Quiet
from taut.engine.slots import Run
from taut.engine.width import measured_width, width_for
from taut.errors import InputError, UnsupportedError

BLOCK_EPOCHS = 25
SNAPSHOTS = 16
BLOCK_ROWS = 1 << 24  # row numbers that a block holds at most, over all lanes: 64 MiB

# By the compiled loss, which `model.compile` makes anew: its programs, and the widths measured.
_compiled: weakref.WeakKeyDictionary[Any, tuple[dict[Any, Any], dict[Any, int]]] = (
    weakref.WeakKeyDictionary()
)


def train_lanes(
    model: Any,
    x: Any,
    y: Any,
    lanes: Sequence[Lane],
    *,
    splits: Sequence[Split] | None = None,
    sample_weight: Any = None,
    epochs: int = 100,
    batch_size: int = 32,
    patience: int | None = None,
    keep_best: bool | None = None,
    groups: Sequence[int] | None = None,
    width: int | None = None,
    progress: Progress | None = None,
) -> Record:
    r"""Train every lane of one Keras model at once, in one compiled program (JAX backend).

    Each lane is what `fit` would do: the model's own compiled loss and optimizer, batches of
    `batch_size` rows in an order drawn anew each epoch, the last batch smaller. The lanes
    differ in strengths, rows, seed and initial values, and do not touch each other: one that
    diverges ends with that status. Lane k of many equals lane k alone (to float rounding,
    since the width may differ). The model itself is left as it was.

    A slot trains one lane; a lane that ends (its epochs are over, its patience ran out, it
    diverged) leaves its slot to the next. A second call of the same shapes compiles nothing.

    Args:
        model: A compiled and built Keras model; with `taut.Proximal` for strengths.
        x: Inputs, an array [rows, …] or a tree of these.
        y: Targets, [rows, …].
        lanes: The trainings.
        splits: Training and held-out rows; one split of all rows unless given.
        sample_weight: [rows] weights of the data loss, as in Keras.
        epochs: Epochs of a lane.
        batch_size: Rows in a batch.
        patience: Stop a lane after this many epochs without a better held-out loss.
        keep_best: Keep the weights of the epoch of least held-out loss rather than the last;
            True with patience, otherwise False, unless given.
        groups: A group number for each lane. The lanes of a group (the folds of one strength,
            say) keep one common epoch, that of least held-out loss averaged over the group, of
            16 equally spaced ones. Not with patience.
        width: Lanes side by side on one device; unless given at most 16, and measured on the
            real program where the study takes long (see `taut.engine.width`).
        progress: Told of the progress.

    Returns:
        A `Record`: losses by epoch, weights and status of each lane.

    Raises:
        InputError: For sizes, lanes or splits that cannot be.
        UnsupportedError: On another backend than JAX.
    """
    check_model(model)
    if compiled_loss(model) is None or hasattr(model.optimizer, "inner_optimizer"):
        raise UnsupportedError(
            "Lanes need a compiled loss, and no scaling of it (mixed_float16). Received: "
            f"loss={model.loss!r}, optimizer={type(model.optimizer).__name__}. Give `compile` a "
            "loss, and use float32 or mixed_bfloat16."
        )
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    rows = len(jax.tree.leaves(x)[0])
    if splits is None:
        splits = [Split(np.arange(rows))]
    check(
        lanes,
        splits,
        rows,
        len(getattr(model.optimizer, "strengths", ())),
        epochs=epochs,
        batch_size=batch_size,
        **{k: v for k, v in {"patience": patience, "width": width}.items() if v is not None},
    )
    _check_rows(rows, y, sample_weight)
    held_out = all(len(split.held_out) for split in splits)
    if keep_best is None:
        keep_best = patience is not None
    if (keep_best or groups is not None or patience is not None) and not held_out:
        raise InputError(
            "`patience`, `keep_best` and `groups` need held-out rows in every split. Received: a "
            "split with none. Give `Split(train, held_out)`, or leave them out."
        )
    if groups is not None and (keep_best or patience is not None or len(groups) != len(lanes)):
        raise InputError(
            "`groups` must give one number a lane, without `patience` or `keep_best`. Received: "
            f"{len(groups)} numbers for {len(lanes)} lanes, patience={patience}, "
            f"keep_best={keep_best}."
        )
    initial = InitialValues(model)
    initial.check(lanes)
    devices = jax.local_devices()[: len(lanes)]
    mesh = Mesh(np.array(devices), ("lanes",))
    batches = Batches(splits, batch_size)

    def run_of(width: int) -> Run:
        slots = width * len(devices)
        block = _block(epochs, patience, slots * batches.rows)
        if groups is not None:
            block = min(block, -(-epochs // SNAPSHOTS))
        weighted = sample_weight is not None
        plan = Plan(batch_size, block, patience, keep_best, held_out, weighted, batches.uneven)
        key = plan, slots, tuple(devices), batches.shapes, shapes
        if key not in programs:
            programs[key] = build(model, plan, mesh)
        program = programs[key]
        return Run(program, initial, batches, lanes, groups, data, epochs, block, slots, mesh)

    shapes = tuple((a.shape, str(a.dtype)) for a in jax.tree.leaves((x, y, sample_weight)))
    programs, widths = _compiled.setdefault(compiled_loss(model), ({}, {}))
    data = jax.device_put((x, y, sample_weight), NamedSharding(mesh, PartitionSpec()))
    before = len(programs)
    if width is None:
        key = len(lanes), epochs, batch_size, shapes
        if key not in widths:
            widths[key] = measured_width(
                len(lanes),
                epochs,
                lambda w: run_of(w).seconds_an_epoch(),
                chosen=width_for(len(lanes)),
            )
        width = widths[key]
    run = run_of(width)
    run.train(progress or Quiet())
    return run.record(len(programs) - before, width)


def _block(epochs: int, patience: int | None, rows: int) -> int:
    """Epochs between two looks at the lanes: few with patience, so that ended lanes leave."""
    most = BLOCK_EPOCHS if patience is None else max(1, min(patience, BLOCK_EPOCHS // 2))
    most = max(1, min(most, epochs, BLOCK_ROWS // max(rows, 1)))
    return -(-epochs // -(-epochs // most))


def _check_rows(rows: int, y: Any, sample_weight: Any) -> None:
    shapes = [np.shape(a) for a in jax.tree.leaves(y)]
    if any(shape[:1] != (rows,) for shape in shapes):
        raise InputError(f"`y` must have the {rows} rows of `x`. Received: shapes {shapes}.")
    if sample_weight is not None and np.shape(sample_weight) != (rows,):
        raise InputError(
            f"`sample_weight` must have the shape ({rows},): one weight a row of `x`. "
            f"Received: shape {np.shape(sample_weight)}."
        )


def check_model(model: Any) -> None:
    """Raise unless lanes of `model` can be trained here: JAX, compiled, built."""
    if keras.backend.backend() != "jax":
        raise UnsupportedError(
            "Lanes are trained on the JAX backend. Received: the backend "
            f"{keras.backend.backend()!r}. Set KERAS_BACKEND=jax before Keras is imported."
        )
    if not model.built or not getattr(model, "compiled", False):
        raise InputError(
            "`model` must be compiled and built. Received: "
            f"{model.name!r} with built={model.built}, "
            f"compiled={getattr(model, 'compiled', False)}. "
            "Add a `keras.Input` and call `model.compile(…)` first."
        )
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if getattr(optimizer, "use_ema", False):
        raise UnsupportedError(
            "Lanes keep the weights of their best epoch, not averages. Received: an optimizer with "
            "use_ema=True. Leave it out, and decay the learning rate."
        )
