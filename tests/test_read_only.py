"""Results stay as they are, in copies of them too, and what was given stays writable."""

import copy
import pickle
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import taut
import taut.run
from taut._read_only import ReadOnly

GIVEN = {"Lane", "Split"}


@dataclass(frozen=True, eq=False)
class Result(ReadOnly):
    losses: np.ndarray
    weights: tuple[Any, ...]
    by_name: dict[str, Any]
    other: Any = None


def arrays_of(result):
    return [result.losses, *result.weights[:2], result.by_name["a"]]


def test_arrays_are_read_only_in_copies_too():
    given = np.zeros(3)
    result = Result(given, (np.ones(2), np.ones((2, 2)), "text"), {"a": np.ones(1), "b": 2}, given)
    for made in (
        result,
        copy.copy(result),
        copy.deepcopy(result),
        pickle.loads(pickle.dumps(result)),
    ):
        for array in (*arrays_of(made), made.other):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 5
        for one, other in zip(arrays_of(made), arrays_of(result), strict=True):
            np.testing.assert_array_equal(one, other)
        assert made.weights[2] == "text"
        assert made.by_name["b"] == 2
    given[0] = 7
    assert result == result
    assert len({result}) == 1


@dataclass(frozen=True)
class Tables(ReadOnly):
    table: pd.DataFrame
    names: dict[str, str]
    other: pd.DataFrame | None = None
    more: dict[str, float] = field(default_factory=dict)


def test_what_is_written_into_a_table_or_a_dict_changes_none_of_the_result():
    first = Tables(pd.DataFrame({"loss": [1.0, 2.0]}), {"a": "b"})
    several = (first, copy.copy(first), copy.deepcopy(first), pickle.loads(pickle.dumps(first)))
    for made in (*several, replace(first, other=first.table)):
        frame, names = made.table, made.names
        frame["new"] = 1
        frame.loc[0, "loss"] = 7.0
        names["a"] = "other"
        made.more["c"] = 1.0
        assert made.table.equals(pd.DataFrame({"loss": [1.0, 2.0]}))
        assert (made.names, made.more) == ({"a": "b"}, {})
    assert first.other is None


def test_the_first_result_of_a_process_may_be_read_from_a_file():
    stored = pickle.dumps(Tables(pd.DataFrame({"loss": [1.0]}), {}))
    for name in ("table", "names"):  # as in a process that has made none
        delattr(Tables, name)
    read = pickle.loads(stored)
    table = read.table
    table["new"] = 1
    read.names["a"] = "b"
    assert (list(read.table), read.names) == (["loss"], {})


CHANGEABLE = "ndarray", "DataFrame", "dict["


@pytest.mark.parametrize(
    "part", [taut.studies, taut.engine, taut.diagnosis, taut.objective, taut.compaction, taut.run]
)
def test_every_result_is(part):
    for name in set(getattr(part, "__all__", ["Run"])) - GIVEN:
        found = getattr(part, name)
        if not is_dataclass(found):
            continue
        types = [str(f.type) for f in fields(found)]
        if any(word in kind for word in CHANGEABLE for kind in types):
            assert issubclass(found, ReadOnly), name
        if any("ndarray" in kind for kind in types):
            assert found.__eq__ is object.__eq__, name
