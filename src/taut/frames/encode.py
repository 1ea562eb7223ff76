"""Features as numbers: what the network reads."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd

from taut.errors import InputError
from taut.frames.as_frame import with_columns
from taut.frames.dates import date_part
from taut.frames.levels import Levels
from taut.frames.scales import Scale
from taut.frames.schema import Schema
from taut.typed_json import plain, typed


class Encoder:
    """Turns the features of a `Schema` into float64 columns.

    Numbers, booleans, times and dates are scaled (see `Scale`), with NaN for what is missing, and
    each that has missing training values gets a second column that is 1 where it is missing. A
    number that stands for something else, such as -999 (see `find_marks`), gets a column that is 1
    where it is, and is missing in the column of numbers. A date also gives its month, weekday and
    hour, where these vary. A category gets one column a level (see `Levels`). Nothing here looks
    at the target, and nothing is imputed: that, and scaling, is each fold's own affair
    (`fold_preprocessing`).

    Args:
        schema: what was understood of the table.

    Attributes:
        schema: the same.
        names: name of each encoded column [p].
        sources: the input column that each encoded column comes from [p].
        scales: how each number is scaled, by input column.
        missing: the numbers that have a column which is 1 where they are missing.
        levels: the levels of each category, by input column.

    Example:
        >>> features, y = schema.prepare(frame)  # doctest: +SKIP
        >>> encoded = Encoder(schema).fit(features).transform(features)  # doctest: +SKIP
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.names: tuple[str, ...] = ()
        self.sources: tuple[str, ...] = ()
        self.scales: dict[str, Scale] = {}
        self.missing: tuple[str, ...] = ()
        self.levels: dict[str, Levels] = {}

    def fit(self, features: pd.DataFrame) -> Encoder:
        """Learns the levels, and which numbers can be missing, from training rows.

        Args:
            features: what `schema.prepare` gave [rows, used columns].

        Returns:
            The encoder itself.
        """
        categories = [c.name for c in self.schema.used if c.kind == "category"]
        numbers = [c.name for c in self.schema.used if c.kind != "category"]
        # In double precision, before the network's single: a year or an amount in cents would
        # lose its differences. Each fold standardises again, so nothing of this is left.
        scales = {name: Scale.of(features[name].to_numpy(float)) for name in numbers}
        missing = tuple(name for name in numbers if features[name].isna().any())
        return self._set(scales, missing, {name: Levels.of(features[name]) for name in categories})

    def _set(
        self, scales: dict[str, Scale], missing: tuple[str, ...], levels: dict[str, Levels]
    ) -> Encoder:
        """Take what was learned, and name the columns."""
        self.scales, self.missing, self.levels = scales, missing, levels
        kinds = {column.name: column.kind for column in self.schema.used}
        columns = [
            *((name, name) for name in scales),
            *((source, f"{source}: {part}") for source, part in _parts(self.schema).values()),
            *((name, f"{name} is missing") for name in missing),
            *((name, f"{name}{said}") for name, known in levels.items() for said in known.columns),
            *(
                (name, f"{name} = {shown(mark.value, kinds[name])}")
                for name, scale in scales.items()
                for mark in scale.marks
            ),
        ]
        self.sources, self.names = map(tuple, zip(*columns, strict=True))
        return self

    @property
    def numbers(self) -> int:
        """How many of the encoded columns, the first ones, are numbers."""
        return len(self.scales) + len(_parts(self.schema))

    def match_levels(self, features: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
        """Compares rows with what training had.

        Args:
            features: what `schema.prepare` gave [n, used columns].

        Returns:
            The rows, with each unknown level that differs from a known one by case or blanks only
            read as that one; and what is to be told, in sentences.
        """
        sentences = [
            f"Column {c.name!r} has no value in any row."
            for c in self.schema.used
            if features[c.name].isna().all() and (len(features) > 1 or not c.missing)
        ]
        changed: dict[str, pd.Series] = {}
        for name, levels in self.levels.items():
            changed[name], unknown = levels.match(features[name])
            sentences += unknown
        return with_columns(features, changed), sentences

    def transform(self, features: pd.DataFrame) -> np.ndarray:
        """Encodes rows.

        Args:
            features: what `schema.prepare` gave [n, used columns].

        Returns:
            float64 [n, p], NaN where a number is missing.
        """
        if not self.names:
            raise InputError("An encoder must be fitted first. Call `fit` with training rows.")
        values = {name: features[name].to_numpy(float) for name in self.scales}
        parts = _parts(self.schema).values()
        columns = [
            *(scale.apply(values[name]) for name, scale in self.scales.items()),
            *(date_part(values[source], part) for source, part in parts),
            *(np.isnan(values[name]) for name in self.missing),
            *(levels.encode(features[name]) for name, levels in self.levels.items()),
            *(scale.is_mark(values[name]) for name, scale in self.scales.items()),
        ]
        return np.ascontiguousarray(np.column_stack(columns), dtype=np.float64)

    @property
    def notes(self) -> list[str]:
        """What is to be known of the numbers that stand for something else."""
        kinds = {column.name: column.kind for column in self.schema.used}
        return [
            f"Column {name!r} holds {shown(mark.value, kinds[name])} in {mark.count} training rows"
            f", far from its other values ({shown(mark.least, kinds[name])} to "
            f"{shown(mark.most, kinds[name])}). It is an input of its own, and does not count as "
            "a quantity. If it stands for a missing value, say so with "
            f"`--na {shown(mark.value, kinds[name])}`."
            for name, scale in self.scales.items()
            for mark in scale.marks
        ]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes schema and encoder to one JSON file."""
        if not self.names:
            raise InputError("An encoder must be fitted before it is saved. Call `fit` first.")
        names = ("schema", "scales", "missing", "levels")
        state = plain({name: getattr(self, name) for name in names})
        Path(path).write_text(json.dumps(state) + "\n", encoding="ascii")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Encoder:
        """Reads what `save` wrote, schema included, and what `save` of taut 0.3 wrote by skops.

        Raises:
            InputError: the file is missing, damaged, or holds types that `save` does not write.
        """
        path = Path(path)
        if not path.is_file():
            raise InputError(f"There is no file {str(path)!r}. Check the path.")
        try:
            if path.suffix == ".skops":
                from taut.frames.skops_file import read_state  # imports all of scikit-learn

                state = read_state(path)
            else:
                state = json.loads(path.read_text(encoding="ascii"))
            return cls(typed(Schema, state["schema"]))._set(
                typed(dict[str, Scale], state["scales"]),
                typed(tuple[str, ...], state["missing"]),
                typed(dict[str, Levels], state["levels"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"{str(path)!r} is damaged or was not written by taut: {error!r}. Fit again."
            ) from error


def _parts(schema: Schema) -> dict[str, tuple[str, str]]:
    """The columns that dates give beside themselves: a name of each's own, its source and part."""
    taken = {column.name for column in schema.used}
    parts: dict[str, tuple[str, str]] = {}
    for column in schema.used:
        for part in column.parts.split() if column.kind == "date" else ():
            name = f"{column.name}: {part}"
            while name in taken or name in parts:
                name += " "
            parts[name] = column.name, part
    return parts


def shown(value: float, kind: str) -> str:
    """A number as a user writes it; of a date the day, which is counted from 1970."""
    if kind == "date" and abs(value) < 1e8:
        return str(np.datetime64("1970-01-01") + np.timedelta64(int(value), "D"))
    return f"{value:.15g}"
