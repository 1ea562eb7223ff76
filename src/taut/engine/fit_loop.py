"""Lanes on any Keras backend: one by one, through Keras's own `fit`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from taut._keras_compat import keras_mask, mode
from taut.engine.batches import Batches
from taut.engine.fit_lane import Data, LaneBatches, Trainee, Watch, numbers, take
from taut.engine.halving import Halving
from taut.engine.initial import InitialValues
from taut.engine.lanes import Lane, Record, Split
from taut.engine.ledger import Ledger
from taut.engine.loop import Told
from taut.engine.progress import Callback
from taut.engine.streams import own_stream
from taut.errors import UnsupportedError

Tree = Any


def train_one_by_one(
    model: Any,
    x: Any,
    y: Any,
    lanes: Sequence[Lane],
    *,
    splits: Sequence[Split],
    targets: Sequence[Any] | None = None,
    sample_weight: Any = None,
    epochs: int,
    batch_size: int,
    patience: int | None = None,
    keep_best: bool | None = None,
    groups: Sequence[int] | None = None,
    halving: Halving | None = None,
    callbacks: Sequence[Callback] = (),
) -> Record:
    """Train lanes one after the other by `model.fit`, on any backend.

    What `train_lanes` does elsewhere than on JAX: the same batches in the same order, the same
    loss, the same record to tolerance; slower. The model is left as it was. The arguments are
    those of `train_lanes`, which has checked them.

    Returns:
        A `Record`; the engine compiles nothing for it, and its width is 1.

    Raises:
        UnsupportedError: If Keras ends a `fit` early (KERAS_MAX_EPOCHS).
    """
    keep_best = patience is not None if keep_best is None else keep_best
    x, sample_weight = as_arrays(x), as_arrays(sample_weight)
    every = [as_arrays(y)] if targets is None else [as_arrays(one) for one in targets]
    initial = InitialValues(model)
    initial.check(lanes)
    for lane in lanes:  # before the first lane changes the model, from which values are taken
        initial(lane)
    ledger = Ledger(lanes, epochs, groups=groups, halving=halving)
    batches, told = Batches(splits, batch_size), Told(ledger, callbacks)
    with as_it_was(model):
        trainee = Trainee(model)

        def run(i: int) -> None:
            lane, goal = ledger.lanes[i], ledger.goal(i)
            data: Data = x, every[lane.target], sample_weight
            state = initial.state(ledger, i)
            _assign(model, state["variables"])
            first = int(state["epoch"])
            split = splits[lane.split]
            rows = LaneBatches(batches, lane, split, data, size=batch_size, epochs=(first, goal))
            watch = Watch(
                i,
                state,
                ledger,
                data,
                split.held_out,
                patience=patience,
                keep_best=keep_best,
                told=told.update,
            )
            with own_stream(lane.seed):
                trainee.fit(
                    rows,
                    initial_epoch=first,
                    epochs=goal,
                    steps_per_epoch=rows.steps,
                    shuffle=False,
                    verbose=0,
                    callbacks=[watch],
                )
            if not ledger.status[i]:  # it waits at a rung of the halving
                _check_whole(int(ledger.ran[i]), goal)
                state["variables"] = _values(model)
            ledger.take_out(i, state)

        told.start()
        try:
            while (i := next(ledger.ready(set()), None)) is not None or ledger.judge():
                if i is not None:
                    run(i)
            told.update()  # of what the last rung dropped
        finally:
            told.end()
    return ledger.record(compiles=0, width=1)


def predict_one_by_one(
    model: Any,
    record: Record,
    x: Any,
    *,
    lanes: Sequence[int] | None = None,
    batch_size: int = 1024,
) -> Any:
    """Predict with the kept weights of lanes, on any backend: what `predict_lanes` returns.

    Args:
        model: The model that the lanes were trained from; it is left as it was.
        record: What `train_lanes` returned.
        x: Inputs, [rows, …] or a tree of these.
        lanes: Numbers of lanes; all unless given.
        batch_size: Rows that are predicted at once.

    Returns:
        The model's output in inference mode, [lanes, rows, …], or a tree of these.
    """
    x = as_arrays(x)
    outputs = []
    with as_it_was(model):
        trainee = Trainee(model)
        for lane in range(len(record.lanes)) if lanes is None else lanes:
            record.give_weights(int(lane), model)
            outputs.append(trainee.predict(x, batch_size=batch_size, verbose=0))
    return keras.tree.map_structure(lambda *some: np.stack(some), *outputs)


def masks_one_by_one(
    model: Any, record: Record, x: Any, *, lanes: Sequence[int] | None = None, rows: int = 1024
) -> list[Any]:
    """The mask of each output by lane, [lanes, rows, …], which `predict` loses; None without."""
    x = as_arrays(x)
    count, found = len(keras.tree.flatten(x)[0]), []
    with as_it_was(model):
        for lane in range(len(record.lanes)) if lanes is None else lanes:
            record.apply(int(lane), model)
            pieces = []
            for at in range(0, count, rows):
                some = take(x, np.arange(at, min(at + rows, count)))
                outputs = keras.tree.flatten(model(some, **mode(model, training=False)))
                masks = [keras_mask(output) for output in outputs]
                if all(mask is None for mask in masks):
                    return masks
                pieces.append([None if m is None else keras.ops.convert_to_numpy(m) for m in masks])
            found.append(
                [
                    None if some[0] is None else np.concatenate(some)
                    for some in zip(*pieces, strict=True)
                ]
            )
    return [None if some[0] is None else np.stack(some) for some in zip(*found, strict=True)]


def as_arrays(tree: Tree) -> Tree:
    """Every leaf as a NumPy array, also tensors of the backend; None stays None.

    Lists become tuples, which alone `tf.data` takes.
    """

    def array(leaf: Any) -> Any:
        if leaf is None or isinstance(leaf, np.ndarray):
            return leaf
        return keras.ops.convert_to_numpy(leaf) if keras.ops.is_tensor(leaf) else np.asarray(leaf)

    return keras.tree.lists_to_tuples(keras.tree.map_structure(array, tree))


@contextmanager
def as_it_was(model: Any) -> Iterator[None]:
    """Gives a model and its optimizer their values back, however the block ends."""
    before = _values(model)
    try:
        yield
    finally:
        _assign(model, before)


def _variables(model: Any) -> tuple[Any, Any, Any]:
    return model.trainable_variables, model.non_trainable_variables, model.optimizer.variables


def _values(model: Any) -> tuple[list[np.ndarray], ...]:
    return tuple(numbers(variables) for variables in _variables(model))


def _assign(model: Any, values: Sequence[Sequence[np.ndarray]]) -> None:
    for variables, own in zip(_variables(model), values, strict=True):
        for variable, value in zip(variables, own, strict=True):
            variable.assign(value)


def _check_whole(ran: int, goal: int) -> None:
    if ran < goal:
        raise UnsupportedError(
            f"A lane must train for all its {goal} epochs. Received: `fit` ended after {ran}. "
            "Unset KERAS_MAX_EPOCHS."
        )
