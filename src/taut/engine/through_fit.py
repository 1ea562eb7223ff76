"""Lanes on any Keras backend: one by one, through Keras's own `fit`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from taut._keras.model_calls import keras_mask, mode
from taut.engine import loop
from taut.engine.data.batches import Batches
from taut.engine.fit_lane import AfterEpoch, Data, LaneBatches, Trainee, numbers, take
from taut.engine.initial import InitialValues
from taut.engine.lanes import Record
from taut.engine.ledger import Ledger
from taut.engine.random_streams import own_stream
from taut.engine.state import LaneState, judge
from taut.engine.study import Arrays, Study
from taut.errors import UnsupportedError

Tree = Any


def train_through_fit(study: Study, arrays: Arrays) -> Record:
    """Train lanes one after the other by `model.fit`, on any backend.

    What `train_lanes` does elsewhere than on JAX: the same batches in the same order, the same
    loss, the same record to tolerance; slower. The model is left as it was.

    Returns:
        A `Record`; the engine compiles nothing for it, and its width is 1.

    Raises:
        UnsupportedError: If Keras ends a `fit` early (KERAS_MAX_EPOCHS).
    """
    initial = InitialValues(study.model)
    initial.check(study.lanes)
    for lane in study.lanes:  # before the first changes the model, from which values are taken
        initial(lane)
    ledger = study.ledger()
    with as_it_was(study.model):
        trainer = FitTrainer(study, arrays, initial, ledger)
        loop.train(trainer, ledger, loop.Watch(trainer, ledger, study.callbacks))
    return ledger.record(compiles=0, width=1)


class FitTrainer:
    """One lane at a time, moved on by `fit`."""

    def __init__(self, study: Study, arrays: Arrays, initial: InitialValues, ledger: Ledger):
        self._study, self._splits = study, arrays.splits
        self._initial, self._ledger = initial, ledger
        self._x, self._weights = as_arrays(arrays.x), as_arrays(arrays.weights)
        self._targets = [as_arrays(target) for target in arrays.targets]
        self._batches = Batches(arrays.splits, study.batch_size)
        self._trainee = Trainee(study.model)
        self._state: LaneState | None = None
        self.lanes: list[int] = []

    def fill(self) -> None:
        for i in self.lanes:
            assert self._state is not None
            if self._ledger.status[i]:
                self._ledger.end(i, self._state)
            else:  # it waits at a rung of the halving
                self._ledger.states[i] = replace(self._state, variables=_values(self._study.model))
        self.lanes = list(itertools.islice(self._ledger.ready(set()), 1))
        if self.lanes:
            self._state = self._initial.state(self._ledger, self.lanes[0])
            _assign(self._study.model, self._state.variables)

    def advance(self, watch: loop.Watch) -> None:
        (i,) = self.lanes
        ledger, lane, goal = self._ledger, self._ledger.lanes[i], self._ledger.goal(i)
        data: Data = self._x, self._targets[lane.target], self._weights
        split = self._splits[lane.split]
        first = int(ledger.ran[i])
        size = self._study.batch_size
        rows = LaneBatches(self._batches, lane, split, data, size=size, epochs=(first, goal))

        def judged(train_loss: float) -> bool:
            self._judge(i, train_loss, self._trainee.mean_loss(data, split.held_out))
            watch.look()
            return bool(ledger.status[i])

        with own_stream(lane.seed):
            self._trainee.fit(
                rows,
                initial_epoch=first,
                epochs=goal,
                steps_per_epoch=rows.steps,
                shuffle=False,
                verbose=0,
                callbacks=[AfterEpoch(judged)],
            )
        if not ledger.status[i]:
            _check_whole(int(ledger.ran[i]), goal)

    def states(self) -> dict[int, LaneState]:
        return {}

    def numbers(self) -> dict[str, Any]:
        return {}

    def close(self) -> None:
        """Nothing is in flight: `fit` has returned."""

    def _judge(self, i: int, *losses: float) -> None:
        ledger, rules, of_epoch = self._ledger, self._study.rules, np.array(losses, np.float32)
        assert self._state is not None
        state, better = judge(rules, self._state, of_epoch, np)
        weights = None
        if better:
            weights = _values(self._study.model)[:2]
            state = replace(state, best=weights)
        self._state = state
        verdict = {name: getattr(state, name) for name in ("epoch", "done", "diverged")}
        ledger.note(i, of_epoch[None], **verdict)
        if ledger.snapshot_due(i):
            ledger.snapshot(i, weights or _values(self._study.model)[:2])


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
    return keras.tree.map_structure(lambda *leaves: np.stack(leaves), *outputs)


def masks_one_by_one(
    model: Any, record: Record, x: Any, *, lanes: Sequence[int] | None = None, rows: int = 1024
) -> list[Any]:
    """The mask of each output by lane, [lanes, rows, …], which `predict` loses; None without."""
    x = as_arrays(x)
    count, lane_masks = len(keras.tree.flatten(x)[0]), []
    with as_it_was(model):
        for lane in range(len(record.lanes)) if lanes is None else lanes:
            record.apply(int(lane), model)
            pieces = []
            for at in range(0, count, rows):
                batch = take(x, np.arange(at, min(at + rows, count)))
                outputs = keras.tree.flatten(model(batch, **mode(model, training=False)))
                masks = [keras_mask(output) for output in outputs]
                if all(mask is None for mask in masks):
                    return masks
                pieces.append([None if m is None else keras.ops.convert_to_numpy(m) for m in masks])
            lane_masks.append(
                [
                    None if parts[0] is None else np.concatenate(parts)
                    for parts in zip(*pieces, strict=True)
                ]
            )
    return [
        None if by_lane[0] is None else np.stack(by_lane)
        for by_lane in zip(*lane_masks, strict=True)
    ]


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
    for variables, arrays in zip(_variables(model), values, strict=True):
        for variable, value in zip(variables, arrays, strict=True):
            variable.assign(value)


def _check_whole(ran: int, goal: int) -> None:
    if ran < goal:
        raise UnsupportedError(
            f"A lane must train for all its {goal} epochs. Received: `fit` ended after {ran}. "
            "Unset KERAS_MAX_EPOCHS."
        )
