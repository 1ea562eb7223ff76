"""The arrays of results are read-only, in copies too, and what was given stays writable."""

import copy
import pickle
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
import pytest

import taut
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


@pytest.mark.parametrize(
    "part", [taut.studies, taut.engine, taut.diagnosis, taut.objective, taut.compaction]
)
def test_every_result_is(part):
    for name in set(part.__all__) - GIVEN:
        found = getattr(part, name)
        if is_dataclass(found) and any("ndarray" in str(f.type) for f in fields(found)):
            assert issubclass(found, ReadOnly), name
            assert found.__eq__ is object.__eq__, name
