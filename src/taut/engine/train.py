"""Train many lanes of one model as one program."""

from __future__ import annotations

import os
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import keras
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from taut._keras_compat import build_loss, compiled_loss, custom_training
from taut.engine import hosts, loop
from taut.engine.batches import Batches
from taut.engine.checkpoint import Checkpoint
from taut.engine.halving import Halving
from taut.engine.identity import study_of
from taut.engine.initial import InitialValues
from taut.engine.lanes import Lane, Record, Split, check_counts, check_lanes, check_splits
from taut.engine.ledger import Ledger
from taut.engine.program import Plan, build
from taut.engine.progress import Callback
from taut.engine.slots import Slots
from taut.engine.width import measured_width
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
    y: Any = None,
    lanes: Sequence[Lane] = (),
    *,
    splits: Sequence[Split] | None = None,
    targets: Sequence[Any] | None = None,
    sample_weight: Any = None,
    class_weight: Mapping[int, float] | None = None,
    epochs: int = 100,
    batch_size: int = 32,
    patience: int | None = None,
    keep_best: bool | None = None,
    groups: Sequence[int] | None = None,
    halving: Halving | None = None,
    width: int | None = None,
    sharers: int = 1,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_seconds: float = 60.0,
    callbacks: Sequence[Callback] = (),
) -> Record:
    r"""Train every lane of one Keras model at once, in one compiled program (JAX backend).

    Each lane is what `fit` would do: the model's own compiled loss and optimizer, batches of
    `batch_size` rows in an order drawn anew each epoch, the last batch smaller. The lanes
    differ in strengths, rows, targets, seed and initial values, and do not touch each other: one
    that diverges ends with that status. Lane k of many equals lane k alone (to float rounding,
    since the width may differ). The model itself is left as it was.

    A slot trains one lane; a lane that ends (its epochs are over, its patience ran out, it
    diverged) leaves its slot to the next. A second call of the same shapes compiles nothing.

    With `jax.distributed` started, every process makes the same call, the slots are spread over
    all devices of all processes, and every process gets the same record.

    Args:
        model: A compiled and built Keras model; with `taut.Proximal` for strengths.
        x: Inputs, an array [rows, …] or a tree of these.
        y: Targets, [rows, …] or a tree of these.
        lanes: The trainings.
        splits: Training and held-out rows; one split of all rows unless given.
        targets: Several targets, each like `y`, of which a lane learns number `lane.target`;
            instead of `y`.
        sample_weight: [rows] weights of the data loss, or a tree of these by output, as in Keras.
        class_weight: Weights by class number, as in Keras; not for several outputs.
        epochs: Epochs of a lane.
        batch_size: Rows in a batch.
        patience: Stop a lane after this many epochs without a better held-out loss.
        keep_best: Keep the weights of the epoch of least held-out loss rather than the last;
            True with patience, otherwise False, unless given.
        groups: A group number for each lane. The lanes of a group (the folds of one strength,
            say) keep one common epoch, that of least held-out loss averaged over the group, of
            16 equally spaced ones. Not with patience.
        halving: Drop hopeless groups of lanes early.
        width: Lanes side by side on one device; unless given at most 16, 1 for convolutions,
            and measured on the real program where the study takes long (see
            `taut.engine.width`). Where memory does not suffice it is halved.
        sharers: Devices that share each batch; the others take other lanes.
        checkpoint: A file to which the study is saved as it goes. The same call goes on from
            it, and returns the record at once where it has ended. Ctrl-C finishes the epoch and
            saves.
        checkpoint_seconds: Save when so many seconds have passed.
        callbacks: Told of the progress.

    Returns:
        A `Record`: losses by epoch, weights and status of each lane.

    Raises:
        InputError: For sizes, lanes, splits or a checkpoint that cannot be.
        UnsupportedError: On another backend than JAX; for a model that cannot be a lane.
    """
    check_model(model)
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    rows = len(jax.tree.leaves(x)[0])
    targets = _targets(y, targets, rows)
    if splits is None:
        splits = [Split(np.arange(rows))]
    check_counts(
        epochs=epochs, batch_size=batch_size, patience=patience, width=width, sharers=sharers
    )
    check_splits(splits, rows)
    check_lanes(
        lanes,
        splits=len(splits),
        strengths=len(getattr(model.optimizer, "strengths", ())),
        targets=len(targets),
        epochs=epochs,
    )
    weights = _weights(sample_weight, class_weight, targets, rows)
    held_out = all(len(split.held_out) for split in splits)
    keep_best = patience is not None if keep_best is None else keep_best
    _check_choices(lanes, epochs, patience, keep_best, groups, halving, held_out=held_out)
    initial = InitialValues(model)
    initial.check(lanes)
    build_loss(model, x, targets[0])
    mesh = _mesh(sum(lane.start is None for lane in lanes), sharers, batch_size)
    batches = Batches(splits, batch_size, sharers)
    stacked = jax.tree.map(lambda *some: np.stack(some), *targets)
    host = x, stacked, weights
    shapes = tuple((np.shape(a), str(a.dtype)) for a in jax.tree.leaves(host))
    saved, numbers = None, None
    ledger = Ledger(lanes, epochs, groups=groups, halving=halving)
    if checkpoint is not None:
        settings = {
            "epochs": epochs,
            "batch_size": batch_size,
            "patience": patience,
            "keep_best": keep_best,
            "groups": None if groups is None else list(groups),
            "halving": None
            if halving is None
            else [list(halving.groups), list(halving.rungs), halving.keep],
            "width": width,
            "devices": mesh.devices.size,
            "sharers": sharers,
        }
        study = study_of(model, host, lanes, splits, settings)
        saved = Checkpoint(checkpoint, checkpoint_seconds, study)
        numbers = saved.load(ledger)

    programs, widths = _compiled.setdefault(compiled_loss(model), ({}, {}))
    data = hosts.put(host, mesh, PartitionSpec())
    before = len(programs)

    def slots_of(width: int) -> Slots:
        count = width * mesh.shape["lanes"]
        block = _block(epochs, patience, count * batches.rows)
        if groups is not None:
            block = min(block, -(-epochs // SNAPSHOTS))
        plan = Plan(
            batch_size,
            block,
            patience,
            keep_best,
            held_out,
            weights is not None,
            batches.uneven,
            sharers,
        )
        key = plan, count, tuple(mesh.devices.flat), batches.shapes, shapes
        if key not in programs:
            programs[key] = build(model, plan, mesh)
        return Slots(
            programs[key],
            initial,
            batches,
            ledger,
            data,
            block=block,
            count=count,
            mesh=mesh,
        )

    if numbers is not None:
        width = numbers["width"]
    if width is None:
        key = len(lanes), epochs, batch_size, sharers, shapes
        if key not in widths:
            widths[key] = measured_width(
                model, lanes, epochs, mesh.shape["lanes"], lambda w: slots_of(w).seconds_an_epoch()
            )
        width = widths[key]
    assert width is not None
    while True:
        try:
            loop.train(slots_of(width), ledger, callbacks, saved, numbers, {"width": width})
            break
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error) or width == 1:
                raise
        width, numbers = -(-width // 2), None
        for i, status in enumerate(ledger.status):
            if not status and i not in ledger.states:
                ledger.forget(i)
    return ledger.record(len(programs) - before, width)


def _mesh(lanes: int, sharers: int, batch_size: int) -> Mesh:
    devices = jax.devices()
    if len(devices) % sharers or batch_size % sharers:
        raise InputError(
            "`sharers` must divide the number of devices and `batch_size`. Received: "
            f"sharers={sharers}, {len(devices)} devices, batch_size={batch_size}."
        )
    if jax.process_count() == 1:
        devices = devices[: lanes * sharers]
    return Mesh(np.array(devices).reshape(-1, sharers), ("lanes", "data"))


def _block(epochs: int, patience: int | None, rows: int) -> int:
    """Epochs between two looks at the lanes: few with patience, so that ended lanes leave."""
    most = BLOCK_EPOCHS if patience is None else max(1, min(patience, BLOCK_EPOCHS // 2))
    most = max(1, min(most, epochs, BLOCK_ROWS // max(rows, 1)))
    return -(-epochs // -(-epochs // most))


def _targets(y: Any, targets: Sequence[Any] | None, rows: int) -> list[Any]:
    if (y is None) == (targets is None):
        raise InputError(
            "Give either `y` or `targets`. Received: " + ("neither." if y is None else "both.")
        )
    every = [y] if targets is None else list(targets)
    every = [jax.tree.map(np.asarray, one) for one in every]
    shapes = [[a.shape for a in jax.tree.leaves(one)] for one in every]
    structures = {jax.tree.structure(one) for one in every}
    if not every or len(structures) != 1 or any(some != shapes[0] for some in shapes):
        raise InputError(
            f"`targets` must be like each other, one at least. Received: shapes {shapes}."
        )
    if any(shape[:1] != (rows,) for shape in shapes[0]):
        raise InputError(f"`y` must have the {rows} rows of `x`. Received: shapes {shapes[0]}.")
    return every


def _weights(
    sample_weight: Any, class_weight: Mapping[int, float] | None, targets: list[Any], rows: int
) -> Any:
    if sample_weight is not None and class_weight is not None:
        raise InputError("Give `sample_weight` or `class_weight`, not both: multiply them.")
    if class_weight is not None:
        leaves = jax.tree.leaves(targets[0])
        if len(leaves) != 1 or len(targets) != 1:
            raise InputError(
                "`class_weight` is for one output and one target. Received: "
                f"{len(leaves)} outputs, {len(targets)} targets. Give `sample_weight`."
            )
        labels = leaves[0]
        one_hot = labels.ndim > 1 and labels.shape[-1] > 1
        labels = labels.argmax(-1) if one_hot else labels.reshape(rows, -1)[:, 0]
        classes = {int(k): float(w) for k, w in class_weight.items()}
        return np.array([classes.get(int(k), 1.0) for k in labels], np.float32)
    if sample_weight is None:
        return None
    weights = jax.tree.map(lambda a: np.asarray(a, np.float32), sample_weight)
    for leaf in jax.tree.leaves(weights):
        if leaf.shape != (rows,):
            raise InputError(
                f"`sample_weight` must have the shape ({rows},): one weight a row of `x`. "
                f"Received: shape {leaf.shape}."
            )
        if not np.isfinite(leaf).all() or (leaf < 0).any():
            raise InputError(
                "`sample_weight` must be finite and >= 0. Received: values from "
                f"{leaf.min():g} to {leaf.max():g}."
            )
    return weights


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


def check_model(model: Any) -> None:
    """Raise unless lanes of `model` can be trained: JAX, compiled, built, by Keras's own step."""
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
