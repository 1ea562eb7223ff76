"""Train many lanes of one model: in memory or streamed, side by side or one by one."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from taut._data import check_inputs
from taut._weights import ClassWeight
from taut.engine.data.sources import MEMORY, as_source, is_source
from taut.engine.halving import Halving
from taut.engine.lanes import DIVERGED, Lane, Record, Split, lanes_in
from taut.engine.news import Callback
from taut.engine.race import Race
from taut.engine.study import arrays_of, check_model, study_of
from taut.errors import InputError


def train_lanes(
    model: Any,
    x: Any,
    y: Any = None,
    lanes: Sequence[Lane] = (),
    *,
    splits: Sequence[Split] | None = None,
    targets: Sequence[Any] | None = None,
    sample_weight: Any = None,
    class_weight: ClassWeight = None,
    epochs: int = 100,
    batch_size: int = 32,
    patience: int | None = None,
    keep_best: bool | None = None,
    groups: Sequence[int] | None = None,
    halving: Halving | None = None,
    race: Race | None = None,
    width: int | None = None,
    sharers: int = 1,
    folds: int | None = None,
    memory: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_seconds: float = 60.0,
    callbacks: Sequence[Callback] = (),
) -> Record:
    r"""Train every lane of one Keras model at once, in one compiled program.

    Each lane is what `fit` would do: the model's own compiled loss and optimizer, batches of
    `batch_size` rows in an order drawn anew each epoch, the last batch smaller. The lanes
    differ in strengths, rows, targets, seed and initial values, and do not touch each other: one
    that diverges ends with that status. Lane k of many equals lane k alone (to float rounding,
    since the width may differ). The model itself is left as it was.

    A slot trains one lane; a lane that ends (its epochs are over, its patience ran out, it
    diverged) leaves its slot to the next. A second call of the same shapes compiles nothing.

    On another backend than JAX the lanes are trained one by one by `fit`: the same record to
    tolerance, more slowly. With `jax.distributed` started, every process makes the same call, the
    slots are spread over all devices of all processes, and every process gets the same record.

    Args:
        model: A compiled and built Keras model; with `taut.Proximal` for strengths.
        x: Inputs, an array [rows, …] or a tree of these; or a source of rows that are larger than
            memory: a `keras.utils.PyDataset`, `taut.engine.ParquetRows` (see `train_streamed`).
        y: Targets, [rows, …] or a tree of these; not with a source, which has them.
        lanes: The trainings.
        splits: Training and held-out rows; one split of all rows unless given.
        targets: Several targets, each like `y`, of which a lane learns number `lane.target`;
            instead of `y`.
        sample_weight: [rows] weights of the data loss, or [rows, steps] for a loss with a value
            a step; or a tree with one for each leaf of `y`.
        class_weight: Weights by class number, as in Keras, or `"balanced"`, n/(K·n_k) for the n_k
            of n labels in class k of K; of each step, where the loss has a value a step. Not for
            several outputs.
        epochs: Epochs of a lane.
        batch_size: Rows in a batch.
        patience: Stop a lane after this many epochs without a better held-out loss.
        keep_best: Keep the weights of the epoch of least held-out loss rather than the last;
            True with patience, otherwise False, unless given.
        groups: A group number for each lane. The lanes of a group (the folds of one strength,
            say) keep one common epoch, that of least held-out loss averaged over the group, of
            16 equally spaced ones. Not with patience.
        halving: Drop hopeless groups of lanes early.
        race: Train split after split, and only the better of the `groups` on each further one.
        width: Lanes side by side on one device; unless given at most 16, and on a CPU 1 for
            convolutions and for more than some thousand weights (see `taut.engine.width`). Where
            memory does not suffice it is halved.
        sharers: Devices that share each batch; the others take other lanes.
        folds: With streamed data, instead of `splits`: how many folds by a hash of the row.
        memory: Stream arrays too, memory-mapped ones say, within so many bytes; a source is
            streamed within 1 GiB unless given.
        checkpoint: A file to which the study is saved as it goes. The same call goes on from
            it, and returns the record at once where it has ended. Ctrl-C finishes the epoch and
            saves.
        checkpoint_seconds: Save when so many seconds have passed.
        callbacks: Told of the progress.

    Returns:
        A `Record`: losses by epoch, weights and status of each lane.

    Raises:
        InputError: For sizes, lanes, splits or a checkpoint that cannot be; and if the first epoch
            of every lane ends without a finite loss, for inputs of which the model makes none.
        UnsupportedError: For a model that cannot be a lane.
    """
    lanes = lanes_in(lanes)
    settings = {
        "epochs": epochs,
        "batch_size": batch_size,
        "patience": patience,
        "keep_best": keep_best,
        "groups": groups,
        "halving": halving,
        "width": width,
        "checkpoint": checkpoint,
        "checkpoint_seconds": checkpoint_seconds,
        "callbacks": callbacks,
    }
    shared = None if sharers == 1 else sharers
    if is_source(x) or memory is not None:
        given = {"splits": splits, "targets": targets, "sharers": shared, "race": race}
        _refuse(given, "Rows that are read once for all lanes have no numbers, and one target.")
        from taut.engine.stream import train_streamed

        return train_streamed(
            model,
            as_source(x, y, sample_weight),
            lanes,
            folds=folds,
            memory=MEMORY if memory is None else memory,
            class_weight=class_weight,
            **settings,
        )
    _refuse({"folds": folds}, "Folds by a hash of the row are for streamed data.")
    check_model(model)
    arrays = arrays_of(
        model,
        x,
        y,
        splits=splits,
        targets=targets,
        sample_weight=sample_weight,
        class_weight=class_weight,
        sharers=sharers,
    )
    study = study_of(model, arrays, lanes, race=race, **settings)
    if keras.backend.backend() == "jax":
        from taut.engine.in_memory import train_in_memory as train
    else:
        given = {"sharers": shared, "checkpoint": checkpoint}
        _refuse(given, "Lanes that are trained by `fit` share no batch and are not saved: use JAX.")
        from taut.engine.through_fit import train_through_fit as train

    record = train(study, arrays)
    if all(status == DIVERGED for status in record.status) and record.epochs.max() == 1:
        check_inputs(model, arrays.x)  # only now: to look at all of them is not free
    return record


def _refuse(given: Mapping[str, Any], reason: str) -> None:
    names = [f"`{name}`" for name, value in given.items() if value is not None]
    if names:
        raise InputError(f"{reason} Received: {', '.join(names)}. Leave it out.")
