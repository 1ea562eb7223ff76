"""Where rows come from when they need not fit into memory: arrays, memory maps, `PyDataset`s."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import jax
import keras
import numpy as np

from taut._data import check_no_loader, column, one_a_row, whole_lists
from taut.engine.data.group_hash import group_hash
from taut.errors import InputError

MEMORY = 1 << 30
"""Bytes that streamed rows and the states of lanes may take, unless a user says otherwise."""

Tree = Any
IDENTITY_ROWS = 64
"""Rows that are compared to tell whether a source is another."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Rows:
    """Some rows, a tree of arrays.

    Attributes:
        x: Inputs, an array [rows, …] or a tree of these.
        y: Targets, likewise.
        weight: [rows] weights of the data loss, or a tree of one an output; or None.
        group: [rows] `group_hash` of the label of each row's group, all of which is in one fold; or
            None.
    """

    x: Tree
    y: Tree
    weight: Any = None
    group: Any = None

    def __len__(self) -> int:
        return len(jax.tree.leaves(self.x)[0])

    def __getitem__(self, at: slice | np.ndarray) -> Rows:
        return jax.tree.map(lambda a: a[at], self)


@runtime_checkable
class Source(Protocol):
    """Rows in parts that are read one after another, again and again.

    Laws: the parts, read in any order, hold every row once, and the same rows each time; all
    rows have the same structure, shapes and kinds of numbers. A part is read by one thread at a
    time, not always the same.
    """

    def parts(self, rows: int) -> int:
        """How many parts there are, where they can be cut anywhere of `rows` rows each."""
        ...

    def pieces(self, part: int, rows: int) -> Iterator[Rows]:
        """The rows of a part, from 0, in order, at most `rows` at a time.

        What is yielded may be a view that the next piece makes invalid.
        """
        ...


class ArraySource:
    """Rows of arrays, also memory-mapped ones (`np.memmap`, `np.load(…, mmap_mode="r")`).

    Args:
        x: Inputs, an array [rows, …] or a tree of these.
        y: Targets, likewise.
        sample_weight: [rows] weights of the data loss.
        groups: [rows] labels, such as patients: the rows of one are in one fold.

    Raises:
        InputError: If the arrays have no rows, or different numbers of them.
    """

    def __init__(self, x: Tree, y: Tree, sample_weight: Any = None, groups: Any = None):
        x, y, sample_weight = map(whole_lists, (x, y, sample_weight))
        for name, data in (("x", x), ("y", y), ("sample_weight", sample_weight)):
            for leaf in jax.tree.leaves(data):
                check_no_loader(leaf, name)
        self._groups = None if groups is None else column(_sliceable(groups))
        self._data = Rows(*(jax.tree.map(_sliceable, part) for part in (x, y, sample_weight)))
        shapes = [np.shape(leaf) for leaf in jax.tree.leaves((self._data.x, self._data.y))]
        lengths = {shape[:1] for shape in shapes}
        if not jax.tree.leaves(x) or len(lengths) != 1 or lengths & {(), (0,)}:
            raise InputError(
                "`x` and `y` must have the same number of rows, at least 1. Received: shapes "
                f"{shapes}."
            )
        for leaf in jax.tree.leaves(self._data.weight):
            if np.shape(leaf)[:1] != (len(self),):
                raise InputError(one_a_row("sample_weight", "weight", np.shape(leaf), len(self)))
        if self._groups is not None and self._groups.shape != (len(self),):
            raise InputError(one_a_row("groups", "label", self._groups.shape, len(self)))
        read = [*jax.tree.leaves(self._data), self._groups]
        self._maps = {id(m): m for leaf in read for m in _read_only(leaf)}

    def __len__(self) -> int:
        return len(self._data)

    def identity(self) -> list[Any]:
        """Rows from all over the arrays."""
        positions = np.unique(np.linspace(0, len(self) - 1, IDENTITY_ROWS).astype(int))
        some = [np.asarray(leaf[positions]) for leaf in jax.tree.leaves(self._data)]
        return some if self._groups is None else [*some, group_hash(self._groups[positions])]

    def parts(self, rows: int) -> int:
        return -(-len(self) // rows)

    def pieces(self, part: int, rows: int) -> Iterator[Rows]:
        at = slice(part * rows, (part + 1) * rows)
        group = None if self._groups is None else group_hash(self._groups[at])
        yield replace(self._data[at], group=group)
        for mapped in self._maps.values():
            # Pages of the file that were read would else stay resident until memory is short.
            mapped.madvise(mmap.MADV_DONTNEED)


class DatasetSource:
    """Rows of a `keras.utils.PyDataset`; shuffled by the order of its batches.

    Its batches are read in one background thread, whatever its `workers`, and cut anew.

    Args:
        dataset: Its items are (x, y), (x, y, sample_weight) or (x, y, sample_weight, groups), where
            `sample_weight` may be None and `groups` are labels, as of `ArraySource`.

    Raises:
        InputError: If its number of batches is unknown or 0, or an item is of another form.
    """

    def __init__(self, dataset: Any):
        batches = dataset.num_batches
        if not batches:
            raise InputError(
                "`dataset` must have a known number of batches, at least 1. Received: "
                f"{type(dataset).__name__} of {batches}. Give it a `__len__`."
            )
        self._dataset, self._batches = dataset, int(batches)

    def identity(self) -> list[Any]:
        """The number of batches."""
        return [self._batches]

    def parts(self, rows: int) -> int:
        del rows
        return self._batches

    def pieces(self, part: int, rows: int) -> Iterator[Rows]:
        item = self._dataset[part]
        if not isinstance(item, (tuple, list)) or len(item) not in (2, 3, 4):
            raise InputError(
                "Items of a `PyDataset` must be (x, y), (x, y, sample_weight) or (x, y, "
                f"sample_weight, groups). Received: {type(item).__name__} for batch {part}."
            )
        batch = Rows(*(jax.tree.map(np.asarray, p) for p in item[:3]))
        if len(item) == 4 and item[3] is not None:
            batch = replace(batch, group=group_hash(item[3]))
        lengths = {np.shape(leaf)[:1] for leaf in jax.tree.leaves(batch)}
        if len(lengths) != 1 or () in lengths:
            raise InputError(
                "A batch must be of arrays with the same number of rows. Received: lengths "
                f"{sorted(lengths)} in batch {part}."
            )
        for at in range(0, len(batch), rows):
            yield batch[at : at + rows]


def as_source(x: Any, y: Any = None, sample_weight: Any = None, groups: Any = None) -> Source:
    """The source of what a user gives as data: a source, a `PyDataset`, or arrays.

    Raises:
        InputError: If something else is given beside a source, or `y` is missing.
    """
    if not is_source(x):
        if y is None:
            raise InputError("`y` must be given with arrays. Received: y=None.")
        return ArraySource(x, y, sample_weight, groups)
    if groups is not None:
        raise InputError(
            "`groups` must come from the source itself. Received: "
            f"x={type(x).__name__} and `groups`. Use `ParquetRows(…, groups=a column)`, "
            "`ArraySource(x, y, groups=labels)`, or a `PyDataset` of (x, y, None, labels)."
        )
    if y is not None or sample_weight is not None:
        raise InputError(
            "`y` and `sample_weight` must come from the source itself. Received: "
            f"x={type(x).__name__} and one of them. Leave them out."
        )
    return DatasetSource(x) if isinstance(x, keras.utils.PyDataset) else x


def is_source(x: Any) -> bool:
    """Whether `x` is read in parts, and brings targets and weights itself."""
    return isinstance(x, (keras.utils.PyDataset, Source))


def first_rows(source: Source, rows: int) -> Rows:
    """The first rows as arrays in memory; fewer if the source has fewer.

    Raises:
        InputError: If the source has no rows.
    """
    pieces: list[Rows] = []
    for part in range(source.parts(rows)):
        for piece in source.pieces(part, rows):
            wanted = rows - sum(map(len, pieces))
            if len(piece):
                pieces.append(jax.tree.map(lambda a, n=wanted: np.array(a[:n]), piece))
            if wanted <= len(piece):
                return joined(pieces)
    return joined(pieces)


def rows_of(source: Source) -> int | None:
    """How many rows a source has; None where it would have to be read to know."""
    source = getattr(source, "unweighted", source)
    return len(source) if hasattr(source, "__len__") else None  # type: ignore[arg-type]


def described(source: Source) -> list[Any]:
    """What tells one source from another, without reading it all.

    Its kind; shapes, types and values of its first rows; how many rows it has, if that is known;
    and what its method `identity`, if it has one, returns: nested lists of arrays, numbers and
    strings (of arrays, some rows everywhere; of files, their names, sizes and rows).
    """
    identity = source.identity() if hasattr(source, "identity") else None  # type: ignore[attr-defined]
    leaves, structure = jax.tree.flatten(first_rows(source, IDENTITY_ROWS))
    return [type(source).__name__, str(structure), leaves, rows_of(source), identity]


def joined(pieces: list[Rows]) -> Rows:
    """The rows of all pieces.

    Raises:
        InputError: Without pieces.
    """
    if not pieces:
        raise InputError("A source must have at least one row. Received: none.")
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *pieces)


def _sliceable(leaf: Any) -> Any:
    return leaf if hasattr(leaf, "shape") and hasattr(leaf, "dtype") else np.asarray(leaf)


def _read_only(leaf: Any) -> list[mmap.mmap]:
    """The file map below an array whose pages can be given back at any time."""
    if getattr(leaf, "mode", None) != "r" or not hasattr(mmap, "MADV_DONTNEED"):
        return []
    while isinstance(leaf, np.ndarray):
        leaf = leaf.base
    return [leaf] if isinstance(leaf, mmap.mmap) else []
