"""Rows of a directory of Parquet files."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from taut.checks import names_given
from taut.engine.data.group_hash import group_hash
from taut.engine.data.sources import Rows
from taut.errors import InputError

_BUFFER = 1 << 16  # bytes of each column that are read from a file at once
_NAMED = 10  # columns that an error names at most


class ParquetRows:
    """Rows of a directory of Parquet files with numeric columns, as a source for training.

    Files are taken in the order of their paths, subdirectories included. Row groups are what is
    shuffled: write groups of some ten thousand rows (`row_group_size=`), since a group is read
    from its begin to its end, in the order of its rows.

    Args:
        directory: Where `*.parquet` files are, or one such file.
        target: The column to predict, for y of shape [rows]; or several, for [rows, columns].
            Whole numbers and booleans stay whole numbers, others become `dtype`.
        inputs: The columns of x, [rows, columns], in this order; all but target and weight in
            the order of the first file unless given.
        dtype: The type of x.
        weight: The column with weights of the data loss.
        groups: The column with labels of groups, such as patients: whole numbers, text or dates.
            The rows of one are in one fold. It is no input.

    Raises:
        InputError: If there are no files; for columns that are missing, not numeric, of another
            type in another file, or have nulls (where the file's statistics do not say so, when
            the null is read).

    Example:
        >>> rows = ParquetRows("sales", target="sold", inputs=["price", "day"])  # doctest: +SKIP
    """

    def __init__(
        self,
        directory: Any,
        *,
        target: str | Sequence[str],
        inputs: Sequence[str] | None = None,
        dtype: str = "float32",
        weight: str | None = None,
        groups: str | None = None,
    ):
        import pyarrow.parquet

        self._open_file = pyarrow.parquet.ParquetFile
        self._root, self._files = Path(directory), _files(Path(directory))
        schema = pyarrow.parquet.read_schema(self._files[0])
        self._targets = [target] if isinstance(target, str) else list(names_given(target=target))
        self._single = isinstance(target, str)
        self._weight = [] if weight is None else [weight]
        self._groups = [] if groups is None else [groups]
        others = {*self._targets, *self._weight, *self._groups}
        self._inputs = [n for n in schema.names if n not in others] if inputs is None else []
        if inputs is not None:
            self._inputs = list(names_given(inputs=inputs))
        self._dtype = np.dtype(dtype)
        self._columns = [*self._inputs, *self._targets, *self._weight, *self._groups]
        self._check_columns(schema)
        whole = [_is_whole(schema.field(name).type) for name in self._targets]
        self._target_type = np.dtype("int64") if all(whole) else self._dtype
        self._parts = [part for file in self._files for part in self._row_groups(file, schema)]
        self._check_nulls()

    def __len__(self) -> int:
        return sum(rows for _, _, rows, _ in self._parts)

    def identity(self) -> list[Any]:
        """The columns; the files by name below the directory and size; rows of each group."""
        files = [[str(f.relative_to(self._root)), f.stat().st_size] for f in self._files]
        return [self._columns, str(self._dtype), files, [rows for _, _, rows, _ in self._parts]]

    def parts(self, rows: int) -> int:
        del rows
        return len(self._parts)

    def pieces(self, part: int, rows: int) -> Iterator[Rows]:
        path, group, _, _ = self._parts[part]
        # Only a part of each column chunk is in memory at a time; `pyarrow.dataset` decodes a row
        # group as a whole.
        with self._open_file(path, buffer_size=_BUFFER, pre_buffer=False) as file:
            for batch in file.iter_batches(
                rows, row_groups=[group], columns=self._columns, use_threads=False
            ):
                yield self._rows(batch, path)

    def _rows(self, batch: Any, path: Path) -> Rows:
        def matrix(names: list[str], dtype: np.dtype[Any]) -> np.ndarray:
            made = np.empty((batch.num_rows, len(names)), dtype)
            for j, name in enumerate(names):
                column = batch.column(name)
                if column.null_count:
                    raise _nulls([(path, name, column.null_count)])
                made[:, j] = column.to_numpy(zero_copy_only=False)
            return made

        with np.errstate(over="ignore"):
            y = matrix(self._targets, self._target_type)
            weight = matrix(self._weight, np.dtype("float32"))
            x = matrix(self._inputs, self._dtype)
        group = None
        for name in self._groups:
            column = batch.column(name)
            if column.null_count:
                raise _nulls([(path, name, column.null_count)])
            group = group_hash(column.to_numpy(zero_copy_only=False))
        y = y[:, 0] if self._single else y
        return Rows(x, y, weight[:, 0] if self._weight else None, group)

    def _check_columns(self, schema: Any) -> None:
        missing = [name for name in self._columns if name not in schema.names]
        if missing:
            near = {n: difflib.get_close_matches(n, schema.names, 3) for n in missing[:_NAMED]}
            hints = "; ".join(
                f"{n!r}, near {_listed(near[n])}" if near[n] else repr(n) for n in near
            )
            raise InputError(
                f"Columns must be in the files. Received: {hints}. {self._files[0].name} has "
                f"{_listed(schema.names)}."
            )
        if not self._inputs:
            raise InputError("`inputs` must name at least one column. Received none.")
        twice = sorted({n for n in self._columns if self._columns.count(n) > 1})
        if twice:
            raise InputError(
                "A column must be used once, among inputs, target, weight and groups. Received: "
                f"{_listed(twice)} twice. Take it out of `inputs`."
            )
        numbers = [n for n in self._columns if n not in self._groups]
        wrong = [n for n in numbers if not _is_numeric(schema.field(n).type)]
        if wrong:
            kinds = ", ".join(f"{n!r} ({schema.field(n).type})" for n in wrong[:_NAMED])
            more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
            raise InputError(
                f"Columns must be numeric. Received: {kinds}{more}. Encode them as numbers, or "
                "name the numeric ones in `inputs`."
            )

    def _row_groups(self, path: Path, schema: Any) -> list[tuple[Path, int, int, dict[str, int]]]:
        """(file, row group, rows, nulls by column that the file knows of) of a file."""
        with self._open_file(path) as file:
            file_schema, metadata = file.schema_arrow, file.metadata
        for name in self._columns:
            kind = file_schema.field(name).type if name in file_schema.names else "missing"
            if kind != schema.field(name).type:
                raise InputError(
                    "A column must have one type in all files. Received: "
                    f"{name!r}, {schema.field(name).type} in {self._files[0].name} and {kind} in "
                    f"{path.name}. Write the files with one schema."
                )
        groups = []
        for group in range(metadata.num_row_groups):
            of_group = metadata.row_group(group)
            nulls = {}
            for k in range(of_group.num_columns):
                column = of_group.column(k)
                statistics = column.statistics
                if statistics is not None and statistics.has_null_count and statistics.null_count:
                    nulls[column.path_in_schema] = statistics.null_count
            if of_group.num_rows:
                groups.append((path, group, of_group.num_rows, nulls))
        return groups

    def _check_nulls(self) -> None:
        if not self._parts:
            raise InputError(f"There must be at least one row. Received: none in {self._files}.")
        columns = [
            (path, name, nulls[name])
            for path, _, _, nulls in self._parts
            for name in self._columns
            if name in nulls
        ]
        if columns:
            raise _nulls(columns)


def _files(directory: Path) -> list[Path]:
    if not directory.exists():
        raise InputError(f"`directory` must exist. Received: {str(directory)!r}, which does not.")
    files = [directory] if directory.is_file() else sorted(directory.rglob("*.parquet"))
    if not files:
        raise InputError(
            f"`directory` must hold files named *.parquet. Received: {str(directory)!r} without "
            "any."
        )
    return files


def _nulls(columns: list[tuple[Path, str, int]]) -> InputError:
    names = list(dict.fromkeys(name for _, name, _ in columns))
    return InputError(
        f"Columns must have no nulls. Received: {_listed(names)}, first in {columns[0][0].name}. "
        "Fill them in, or leave the columns or rows out."
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(map(repr, names[:_NAMED])) + more


def _is_numeric(kind: Any) -> bool:
    from pyarrow import types

    return types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)


def _is_whole(kind: Any) -> bool:
    from pyarrow import types

    return types.is_integer(kind) or types.is_boolean(kind)
