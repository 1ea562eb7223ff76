"""What goes into the engine, lanes and splits, and what comes out, the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from taut._read_only import ReadOnly
from taut.checks import is_number, is_whole, listed
from taut.errors import InputError

FINISHED, STOPPED, DROPPED, DIVERGED = "finished", "stopped", "dropped", "diverged"


@dataclass(frozen=True, eq=False)
class Split:
    """Row numbers to train on, and to measure the held-out loss on (may be empty)."""

    train: np.ndarray
    held_out: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))


@dataclass(frozen=True, eq=False)
class Lane:
    """One training among many.

    Args:
        strengths: α for each of the optimizer's `strengths`, in their order; a number for one.
        split: Which of the study's splits it trains on, a number from 0.
        seed: Draws the trainable weights anew by their own initialisers, and the dropout streams
            and the order of rows; all else is kept as it is in the model (frozen weights, what
            layers were adapted to). None starts from the model's present weights.
        values: Initial values of further variables of the model or of its optimizer, by their
            path; `{"learning_rate": 0.01}` gives the lane its own.
        target: Which of the study's `targets` it learns, a number from 0.
        start: Number of an earlier lane of the study, from whose kept weights this one starts
            (a warm start) once that has ended; from its seed where that one diverged.
        epochs: Epochs of this lane; those of the study unless given.
        present: Start from the model's present weights; the seed then draws the dropout streams
            and the order of rows alone.
    """

    strengths: tuple[float, ...] = ()
    split: int = 0
    seed: int | None = 0
    values: Mapping[str, np.ndarray] = field(default_factory=dict)
    target: int = 0
    start: int | None = None
    epochs: int | None = None
    present: bool = False

    def __post_init__(self) -> None:
        strengths = self.strengths
        if np.ndim(strengths) == 0:
            strengths = (strengths,)  # Lane(0.1)
        object.__setattr__(self, "strengths", tuple(strengths))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Lane):
            return NotImplemented
        values = self.values, other.values
        return (
            self._described() == other._described()
            and values[0].keys() == values[1].keys()
            and all(np.array_equal(value, values[1][name]) for name, value in values[0].items())
        )

    def __hash__(self) -> int:
        return hash(self._described())

    def _described(self) -> tuple[Any, ...]:
        """All but the values, which may be arrays."""
        return tuple(getattr(self, f.name) for f in fields(self) if f.name != "values")

    def __str__(self) -> str:
        strengths = ", ".join(f"{s:g}" for s in self.strengths)
        return f"strength={strengths}, fold={self.split}, seed={self.seed}"


@dataclass(frozen=True, repr=False, eq=False)
class Record(ReadOnly):
    """What became of each lane; the first axis of every array is the lane.

    Attributes:
        lanes: The lanes, as given.
        train_loss: [lanes, epochs] mean data loss over the rows of each epoch as it was
            trained, by the weights of the rows: Σ w·l / Σ w, where Keras tells Σ w·l / n; NaN
            after the lane's end.
        held_out_loss: [lanes, epochs] likewise, on the held-out rows after each epoch; NaN after
            the lane's end, and everywhere without held-out rows.
        status: "finished", "stopped" (patience ran out), "dropped" (by `Halving`) or "diverged",
            by lane.
        epochs: Epochs run, by lane.
        best_epoch: The epoch, from 0, whose weights are kept, by lane.
        trainable: One array a trainable variable of the model, [lanes, *shape].
        non_trainable: One array a non-trainable variable.
        compiles: How many programs were compiled for this call.
        width: Lanes that ran side by side on one device.
    """

    lanes: tuple[Lane, ...]
    train_loss: np.ndarray
    held_out_loss: np.ndarray
    status: tuple[str, ...]
    epochs: np.ndarray
    best_epoch: np.ndarray
    trainable: tuple[np.ndarray, ...]
    non_trainable: tuple[np.ndarray, ...]
    compiles: int
    width: int

    def __repr__(self) -> str:
        counts = {s: self.status.count(s) for s in (FINISHED, STOPPED, DROPPED, DIVERGED)}
        told = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
        weights = sum(array[0].size for array in self.trainable)
        return (
            f"Record of {len(self.lanes)} lanes of {weights} weights, "
            f"{self.train_loss.shape[1]} epochs: {told}"
        )

    def kept_losses(self) -> tuple[np.ndarray, np.ndarray]:
        """The training and the held-out loss of each lane at the epoch that it kept."""
        at = np.arange(len(self.lanes)), self.best_epoch
        return self.train_loss[at], self.held_out_loss[at]

    def diverged(self) -> list[str]:
        """Strength, fold and seed of the lanes whose loss was not finite."""
        pairs = zip(self.lanes, self.status, strict=True)
        return [str(lane) for lane, status in pairs if status == DIVERGED]

    def apply(self, lane: int, model: Any) -> Any:
        """Give `model` the weights of a lane, and its optimizer the strengths; return it.

        The optimizer starts from these strengths, as if the model had been compiled with them.
        """
        (lane,) = check_numbers([lane], len(self.lanes))
        optimizer: Any = getattr(model, "optimizer", None)
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        if self.lanes[lane].strengths and hasattr(optimizer, "set_strengths"):
            optimizer.set_strengths(self.lanes[lane].strengths)
        return self.give_weights(lane, model)

    def give_weights(self, lane: int, model: Any) -> Any:
        """Give `model` the weights of a lane, and leave its optimizer alone; return it."""
        (lane,) = check_numbers([lane], len(self.lanes))
        variables = [*model.trainable_variables, *model.non_trainable_variables]
        arrays = [*self.trainable, *self.non_trainable]
        if [tuple(v.shape) for v in variables] != [array.shape[1:] for array in arrays]:
            raise InputError(
                "`model` must be the one that the lanes were trained from, or a copy of it. "
                f"Received: {model.name!r}, with variables of other shapes."
            )
        for variable, values in zip(variables, arrays, strict=True):
            variable.assign(values[lane].copy())  # torch takes no array that is read-only
        return model


def lanes_in(lanes: Any) -> list[Lane]:
    """The lanes in a list.

    Raises:
        InputError: If it is none, is empty, or holds something else.
    """
    found = listed(Lane, "`taut.engine.Lane`s", lanes=() if lanes is None else lanes)
    if not found:
        raise InputError("`lanes` must hold at least one lane. Received none.")
    return found


def check_numbers(numbers: Sequence[int], count: int) -> list[int]:
    """The numbers of some lanes of a record, checked.

    Raises:
        InputError: If there are none, or one is not from 0 on and below `count`.
    """
    chosen = np.asarray(numbers)
    fine = chosen.ndim == 1 and chosen.size and chosen.dtype.kind in "iu"
    if not fine or chosen.min() < 0 or chosen.max() >= count:
        raise InputError(
            f"`lanes` must be numbers of the record's lanes, from 0 to {count - 1}. Received: "
            f"lanes={numbers!r:.80}."
        )
    return chosen.tolist()


def check_lanes(
    lanes: Sequence[Lane], *, splits: int, strengths: int, targets: int, epochs: int
) -> None:
    """Raise one clear error for `Lane`s that cannot be trained.

    Args:
        lanes: The lanes.
        splits: How many splits there are.
        strengths: How many strengths the optimizer has.
        targets: How many targets there are.
        epochs: Epochs of the study.
    """
    for i, lane in enumerate(lanes):
        if lane.strengths and not strengths:
            raise InputError(
                "A lane has strengths only where the model has penalties. Received: lane "
                f"{i} with strengths={lane.strengths}, and a model compiled without. Compile it "
                "with `taut.Proximal(…, taut.L1(0.01))`, or leave the strengths out."
            )
        if len(lane.strengths) != strengths:
            raise InputError(
                f"Each lane must have one strength for each of the optimizer's {strengths}. "
                f"Received: lane {i} with strengths={lane.strengths}."
            )
        if not all(is_number(s) and s >= 0 for s in lane.strengths):
            raise InputError(
                "`strengths` must be finite numbers >= 0. "
                f"Received: lane {i} with strengths={lane.strengths}."
            )
        for name, count in (("split", splits), ("target", targets)):
            if not (is_whole(number := getattr(lane, name), 0) and number < count):
                raise InputError(
                    f"`{name}` must name one of the {count} {name}s, from 0. "
                    f"Received: lane {i} with {name}={number!r}."
                )
        if lane.seed is not None and not is_whole(lane.seed, 0):
            raise InputError(
                "`seed` must be an integer >= 0 or None. "
                f"Received: lane {i} with seed={lane.seed!r}."
            )
        if not isinstance(lane.values, Mapping):
            raise InputError(
                "`values` must map paths of variables to their initial values. "
                f"Received: lane {i} with values={lane.values!r}."
            )
        if lane.start is not None and not (is_whole(lane.start, 0) and lane.start < i):
            raise InputError(
                "`start` must be the number of an earlier lane. "
                f"Received: lane {i} with start={lane.start!r}."
            )
        if lane.epochs is not None and not (is_whole(lane.epochs, 1) and lane.epochs <= epochs):
            raise InputError(
                f"A lane's `epochs` must be from 1 to the study's {epochs}. "
                f"Received: lane {i} with epochs={lane.epochs!r}."
            )


def check_splits(splits: Sequence[Split], rows: int) -> None:
    """Raise one clear error for `Split`s that do not hold numbers of `rows` rows."""
    if not splits:
        raise InputError("`splits` must hold at least one split. Received none.")
    held_out = [len(split.held_out) > 0 for split in splits]
    if any(held_out) and not all(held_out):
        raise InputError(
            "All splits must have held-out rows, or none. Received: none in split "
            f"{held_out.index(False)}."
        )
    for i, split in enumerate(splits):
        if len(split.train) == 0:
            raise InputError(f"A split must train on at least one row. Received: none in {i}.")
        for part in (split.train, split.held_out):
            if np.ndim(part) != 1 or (len(part) and np.asarray(part).dtype.kind not in "iu"):
                raise InputError(
                    "A split must hold row numbers, not a mask: use `np.flatnonzero`. Received: "
                    f"split {i} of type {np.asarray(part).dtype}."
                )
            if len(part) and (np.min(part) < 0 or np.max(part) >= rows):
                raise InputError(
                    f"A split's row numbers must be from 0 to {rows - 1}. Received: split {i} "
                    f"with rows from {np.min(part)} to {np.max(part)}."
                )
