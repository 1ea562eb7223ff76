"""Features as numbers: what the network reads."""

from __future__ import annotations

import json
import os
import warnings
import zipfile
from copy import copy
from pathlib import Path

import numpy as np
import pandas as pd
import skops.io
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator
from sklearn.preprocessing import OneHotEncoder
from skops.io.exceptions import UntrustedTypesFoundException

from taut.errors import InputError
from taut.frames.columns import MANY_LEVELS
from taut.frames.dates import date_part
from taut.frames.scales import Scale
from taut.frames.schema import Schema
from taut.frames.values import shorten

# Types of skops files that may be loaded beyond the ones that skops itself vouches for (numpy,
# scikit-learn): none is needed, because schema and names are stored as text.
TRUSTED: tuple[str, ...] = ()


class Encoder:
    """Turns the features of a `Schema` into float64 columns, by scikit-learn's transformers.

    Numbers, booleans, times and dates are scaled (see `Scale`), with NaN for what is missing, and
    each that has missing training values gets a second column that is 1 where it is missing. A
    number that stands for something else, such as -999 (see `find_marks`), gets a column that is 1
    where it is, and is missing in the column of numbers. A date also gives its month, weekday and
    hour, where these vary. A category gets one
    column a level (one column in all for two levels; a missing value is a level; beyond 25 levels
    the rarest share a column; a level unknown in training counts as rare, or as none). Nothing
    here looks at the target, and nothing is imputed: that, and scaling, is each fold's own affair
    (`fold_preprocessing`).

    Args:
        schema: what was understood of the table.

    Attributes:
        schema: the same.
        names: name of each encoded column [p].
        sources: the input column that each encoded column comes from [p].
        scales: how each number is scaled, by input column.

    Example:
        >>> features, y = schema.prepare(frame)  # doctest: +SKIP
        >>> encoded = Encoder(schema).fit(features).transform(features)  # doctest: +SKIP
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.names: tuple[str, ...] = ()
        self.sources: tuple[str, ...] = ()
        self.scales: dict[str, Scale] = {}
        self._transformer: ColumnTransformer | None = None

    def fit(self, features: pd.DataFrame) -> Encoder:
        """Learns the levels, and which numbers can be missing, from training rows.

        Args:
            features: what `schema.prepare` gave [rows, used columns].

        Returns:
            The encoder itself.
        """
        categories = [c.name for c in self.schema.used if c.kind == "category"]
        numbers = [c.name for c in self.schema.used if c.kind != "category"]
        parts = _parts(self.schema)
        one_hot = OneHotEncoder(
            handle_unknown="infrequent_if_exist",
            max_categories=MANY_LEVELS,
            drop="if_binary",
            sparse_output=False,
        )
        # In double precision, before the network's single: a year or an amount in cents would
        # lose its differences. Each fold standardises again, so nothing of this is left.
        self.scales = {name: Scale.of(features[name].to_numpy(float)) for name in numbers}
        transformer = ColumnTransformer(
            [
                ("number", "passthrough", [*numbers, *parts]),
                ("missing", MissingIndicator(features="missing-only", error_on_new=False), numbers),
                ("category", one_hot, categories),
            ],
            sparse_threshold=0,
        )
        transformer.fit(_with_parts(features, parts))

        columns = [(name, name) for name in numbers]
        columns += [(source, f"{source}: {part}") for source, part in parts.values()]
        fitted = transformer.named_transformers_
        if numbers:
            columns += [
                (numbers[i], f"{numbers[i]} is missing") for i in fitted["missing"].features_
            ]
        if categories:
            # scikit-learn's own names do not tell where the column's name ends. Only a copy gets
            # the function: it has no place in a file that holds nothing executable.
            namer = copy(fitted["category"]).set_params(feature_name_combiner=_level_name)
            columns += map(json.loads, namer.get_feature_names_out())
        kinds = {column.name: column.kind for column in self.schema.used}
        columns += [
            (name, f"{name} = {_shown(mark.value, kinds[name])}")
            for name, scale in self.scales.items()
            for mark in scale.marks
        ]
        self.sources, self.names = map(tuple, zip(*columns, strict=True))
        self._transformer = transformer
        return self

    @property
    def numbers(self) -> int:
        """How many of the encoded columns, the first ones, are numbers."""
        own = sum(column.kind != "category" for column in self.schema.used)
        return own + len(_parts(self.schema))

    def match_levels(self, features: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
        """Compares rows with what training had.

        Args:
            features: what `schema.prepare` gave [n, used columns].

        Returns:
            The rows, with each unknown level that differs from a known one by case or blanks only
            read as that one; and what is to be told, in sentences.
        """
        assert self._transformer is not None
        told = [
            f"Column {c.name!r} has no value in any row."
            for c in self.schema.used
            if features[c.name].isna().all() and (len(features) > 1 or not c.missing)
        ]
        names = [c.name for c in self.schema.used if c.kind == "category"]
        changed: dict[str, pd.Series] = {}
        if names:
            levels = self._transformer.named_transformers_["category"].categories_
            for name, own in zip(names, levels, strict=True):
                known = {level for level in own if isinstance(level, str)}
                series, sentences = _match(features[name], known)
                changed[name] = series
                told += sentences
        return features.assign(**changed), told

    def transform(self, features: pd.DataFrame) -> np.ndarray:
        """Encodes rows.

        Args:
            features: what `schema.prepare` gave [n, used columns].

        Returns:
            float64 [n, p], NaN where a number is missing.
        """
        if self._transformer is None:
            raise InputError("An encoder must be fitted first. Call `fit` with training rows.")
        with warnings.catch_warnings():
            # What becomes of unknown levels is this class's documented behaviour.
            warnings.filterwarnings("ignore", "Found unknown categories", UserWarning)
            found = self._transformer.transform(_with_parts(features, _parts(self.schema)))
        encoded, marks = np.array(found, dtype=np.float64), []
        for j, scale in enumerate(self.scales.values()):
            marks.append(scale.is_mark(encoded[:, j]))
            encoded[:, j] = scale.apply(encoded[:, j])
        return np.ascontiguousarray(np.column_stack([encoded, *marks]))

    @property
    def notes(self) -> list[str]:
        """What is to be known of the numbers that stand for something else."""
        kinds = {column.name: column.kind for column in self.schema.used}
        return [
            f"Column {name!r} holds {_shown(mark.value, kinds[name])} in {mark.count} training rows"
            f", far from its other values ({_shown(mark.least, kinds[name])} to "
            f"{_shown(mark.most, kinds[name])}). It is an input of its own, and does not count as "
            "a quantity. If it stands for a missing value, say so with "
            f"`--na {_shown(mark.value, kinds[name])}`."
            for name, scale in self.scales.items()
            for mark in scale.marks
        ]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes schema and encoder to one skops file, which holds nothing executable."""
        if self._transformer is None:
            raise InputError("An encoder must be fitted before it is saved. Call `fit` first.")
        state = {
            "schema": json.dumps(self.schema.to_dict()),
            "columns": json.dumps([self.sources, self.names]),
            "scales": json.dumps({name: s.to_dict() for name, s in self.scales.items()}),
            "transformer": self._transformer,
        }
        skops.io.dump(state, Path(path))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Encoder:
        """Reads what `save` wrote, schema included.

        Raises:
            InputError: the file is missing, damaged, or holds types that `save` does not write.
        """
        path = Path(path)
        if not path.is_file():
            raise InputError(f"There is no file {str(path)!r}. Check the path.")
        try:
            state = skops.io.load(path, trusted=list(TRUSTED))
            encoder = cls(Schema.from_dict(json.loads(state["schema"])))
            encoder.sources, encoder.names = map(tuple, json.loads(state["columns"]))
            scales = json.loads(state["scales"])
            encoder.scales = {name: Scale.from_dict(one) for name, one in scales.items()}
            encoder._transformer = state["transformer"]
        except UntrustedTypesFoundException as error:
            raise InputError(
                f"{str(path)!r} was not written by taut: it holds types that taut does not load. "
                f"{error}"
            ) from error
        except (zipfile.BadZipFile, KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"{str(path)!r} is damaged or was not written by taut: {error!r}. Fit again."
            ) from error
        return encoder


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


def _with_parts(features: pd.DataFrame, parts: dict[str, tuple[str, str]]) -> pd.DataFrame:
    values = {
        name: date_part(features[source].to_numpy(np.float64), part)
        for name, (source, part) in parts.items()
    }
    return features.assign(**values) if values else features


def _match(series: pd.Series, known: set[str]) -> tuple[pd.Series, list[str]]:
    """The levels of a category, read as known ones where only case or blanks differ."""
    unknown = series.notna() & ~series.isin(known)
    if not unknown.any():
        return series, []
    alike: dict[str, list[str]] = {}
    for level in known:
        alike.setdefault(_plain(level), []).append(level)
    counts = series[unknown].value_counts()
    same = {
        level: alike[_plain(level)][0]
        for level in counts.index
        if len(alike.get(_plain(level), ())) == 1
    }
    told = [
        f"Column {series.name!r}: {shorten(level)} was read as {shorten(like)} ({_rows(n)})."
        for level, like in same.items()
        for n in [int(counts[level])]
    ]
    new = counts.drop(list(same))
    if len(new):
        shown = ", ".join(map(shorten, new.index[:3])) + (", …" if len(new) > 3 else "")
        told.append(
            f"Column {series.name!r}: levels that training did not have in {_rows(int(new.sum()))} "
            f"of {len(series)} ({shown}); they count as its rare levels, or as none."
        )
    return series.replace(same) if same else series, told


def _plain(level: str) -> str:
    return " ".join(level.casefold().split())


def _rows(count: int) -> str:
    return f"{count} row{'s' * (count != 1)}"


def _shown(value: float, kind: str) -> str:
    """A number as a user writes it; of a date the day, which is counted from 1970."""
    if kind == "date" and abs(value) < 1e8:
        return str(np.datetime64("1970-01-01") + np.timedelta64(int(value), "D"))
    return f"{value:.15g}"


def _level_name(feature: str, level: object) -> str:
    """The source and the name of a category's column, as JSON."""
    if isinstance(level, float):
        name = f"{feature} is missing"
    elif level == "infrequent_sklearn":
        name = f"{feature} = (other)"
    else:
        name = f"{feature} = {level}"
    return json.dumps([feature, name])
