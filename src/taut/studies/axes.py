"""What a path varies: its penalty and strengths as the user gives them, as axes and their parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from taut import penalties
from taut.checks import is_whole
from taut.errors import InputError
from taut.optimizers.selection import Entry
from taut.optimizers.selectors import check_selector
from taut.penalties import NormBall, Penalty
from taut.studies.strengths import given_strengths

ONE = ("strength",)
"""The name of the axis of a path that has one."""
COLUMNS = ("fold", "seed", "start", "train_loss", "best_epoch", "epochs", "nonzero", "status")
"""Names that a table has of its own."""


@dataclass(frozen=True)
class PartStrength:
    """How strong one part of a penalty is along a path.

    Attributes:
        axis: The number of the axis that it follows; None where it stays as it is.
        factor: What it is at 1 on that axis, or, without an axis, what it is.
    """

    axis: int | None
    factor: float

    def at(self, point: Sequence[float]) -> float:
        return self.factor if self.axis is None else float(point[self.axis]) * self.factor


@dataclass(frozen=True)
class Axis:
    """A number that a path varies.

    Attributes:
        name: The column of tables.
        values: From strong to weak; None until they are found.
        count: How many.
    """

    name: str
    values: np.ndarray | None
    count: int


@dataclass(frozen=True)
class Axes:
    """The penalty of a path, and the strength of each of its parts at each of its points.

    Attributes:
        entries: What the optimizer is asked for, in order.
        parts: For each entry, the strength of each part of its penalty; none without a penalty.
        axes: What is varied. The points of the path are the product of their values.
        title: The penalty in words.
    """

    entries: tuple[Entry, ...]
    parts: tuple[tuple[PartStrength, ...], ...]
    axes: tuple[Axis, ...]
    title: str

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(axis.name for axis in self.axes)

    @property
    def size(self) -> int:
        """How many points there are."""
        return int(np.prod([axis.count for axis in self.axes]))

    def points(self) -> np.ndarray:
        """[points, axes], from strong to weak, the last axis fastest."""
        return np.array(list(product(*(axis.values for axis in self.axes))), float)  # type: ignore[arg-type]


def axes_of(penalty: Any, strengths: Any) -> Axes:
    """Read `penalty` and `strengths` of `regularization_path`.

    A penalty of one strength has its strength replaced by the path's. Of several, the path's
    strength multiplies those given (1 for a class or a name), so that they stay in proportion.
    Strengths by selector vary each on its own; entries that are not named keep their own.
    Constraints have no strength.

    Raises:
        InputError: If nothing can vary, a selector is not one of the penalty's, or a strength
            cannot be.
    """
    entries, bare = _entries(penalty)
    variable = [[k for k, p in enumerate(_parts(e)) if not _constraint(p)] for e in entries]
    if not any(variable):
        raise InputError(
            "A path needs a penalty whose strength can vary. Received: the constraint "
            f"{penalty!r}. Use `taut.L1`, or another penalty."
        )
    title = _title(entries)
    if not isinstance(strengths, Mapping):
        alone = sum(map(len, variable)) == 1
        parts = tuple(
            _along(entry, of_entry, axis=0, replaced=alone, bare=entry_bare)
            for entry, of_entry, entry_bare in zip(entries, variable, bare, strict=True)
        )
        return _checked(Axes(entries, parts, (_axis(ONE[0], strengths),), title))
    keys = [entry.selector for entry in entries]
    _check_keys(strengths, keys)
    axes = [_axis(_name(key), values) for key, values in strengths.items()]
    axes = [Axis(*ONE, axes[0].values, axes[0].count)] if len(axes) == 1 else axes
    parts, numbers = [], {_key(key): k for k, key in enumerate(strengths)}
    for entry, of_entry, entry_bare in zip(entries, variable, bare, strict=True):
        axis = numbers.get(_key(entry.selector))
        if axis is None and entry_bare and of_entry:
            raise InputError(
                "A penalty that is not on the path must have its own strength. Received: "
                f"{_title([entry])}, which `strengths` does not name. Write "
                f"`taut.{type(entry.penalty).__name__}(0.01)`, or list its strengths."
            )
        replaced = len(of_entry) == 1
        parts.append(_along(entry, of_entry, axis=axis, replaced=replaced, bare=entry_bare))
    return _checked(Axes(entries, tuple(parts), tuple(axes), title))


def _entries(penalty: Any) -> tuple[tuple[Entry, ...], list[bool]]:
    """The entries, and whether each was given without a strength."""
    request = penalty if isinstance(penalty, Mapping) else {None: penalty}
    if not request:
        raise InputError("A mapping of penalties must not be empty. Received: {}.")
    entries, bare = [], []
    for key, value in request.items():
        made = value() if isinstance(value, type) and issubclass(value, Penalty) else value
        made = None if made is None and isinstance(penalty, Mapping) else penalties.get(made)
        entries.append(Entry(check_selector(key), made))
        bare.append(isinstance(value, (type, str)))
    return tuple(entries), bare


def _parts(entry: Entry) -> tuple[Penalty, ...]:
    return () if entry.penalty is None else entry.penalty.parts


def _constraint(part: Penalty) -> bool:
    return part.kind == "cone" or isinstance(part, NormBall)


def _along(
    entry: Entry, variable: Sequence[int], *, axis: int | None, replaced: bool, bare: bool
) -> tuple[PartStrength, ...]:
    return tuple(
        PartStrength(axis, 1.0 if replaced or bare else part.strength)
        if k in variable and axis is not None
        else PartStrength(None, part.strength)
        for k, part in enumerate(_parts(entry))
    )


def _axis(name: str, strengths: Any) -> Axis:
    if isinstance(strengths, (int, np.integer)):
        if not is_whole(strengths, 2):
            raise InputError(f"`strengths` must be at least 2. Received: strengths={strengths}.")
        return Axis(name, None, int(strengths))
    values = given_strengths(strengths, or_number=True)
    return Axis(name, values, len(values))


def _checked(axes: Axes) -> Axes:
    flat = [part for parts in axes.parts for part in parts]
    for k, axis in enumerate(axes.axes):
        if not any(part.axis == k and part.factor > 0 for part in flat):
            raise InputError(
                "The path's strength multiplies those of the penalties, of which one must be > 0. "
                f"Received: {axes.title}, with nothing for {axis.name!r} to multiply. Give the "
                "strengths whose proportions you want, `taut.L1(1.0) + taut.L2(0.5)`."
            )
    if len(set(axes.names)) < len(axes.axes):
        raise InputError(
            "`strengths` must name each selector once, by names that differ. Received: "
            f"{', '.join(map(repr, axes.names))}. Use names of variables as selectors."
        )
    return axes


def _check_keys(strengths: Mapping[Any, Any], keys: Sequence[Any]) -> None:
    known = {_key(key) for key in keys}
    unknown = [_name(key) for key in strengths if _key(key) not in known]
    if unknown or not strengths:
        raise InputError(
            "`strengths` by selector must name selectors of `penalty`, which are "
            f"{', '.join(repr(_name(key)) for key in keys)}. Received: "
            f"{', '.join(map(repr, unknown)) or 'none'}."
        )


def _key(selector: Any) -> Any:
    if isinstance(selector, tuple):
        return tuple(map(_key, selector))
    return selector if selector is None or isinstance(selector, str) else id(selector)


def _name(selector: Any) -> str:
    if isinstance(selector, tuple):
        return " and ".join(map(_name, selector))
    name = "weights" if selector is None else selector
    if not isinstance(name, str):
        name = getattr(selector, "name", None) or getattr(selector, "__name__", "selected")
    clashes = name in COLUMNS or name.startswith("held_out_") or name in ONE
    return f"{name} (strength)" if clashes else name


def _title(entries: Sequence[Entry]) -> str:
    texts = []
    for entry in entries:
        text = " + ".join(type(part).__name__ for part in _parts(entry)) or "none"
        texts.append(text if entry.selector is None else f"{_name(entry.selector)}: {text}")
    return ", ".join(texts)
