"""Rows at the edges of a table: what is one of its own stays, whatever it looks like."""

import pandas as pd
import pytest

from taut.frames.table_edges import is_between, lower_names, without_foot

NUMBERS = [["1", "2.5", "a"], ["2", "?", "b"], ["3", "7", "a"], ["4", "1,5", "c"]]


@pytest.mark.parametrize(
    ("row", "between"),
    [
        (["kg", "m", ""], True),
        (["kg", "%", "class"], True),
        (["---", "---:", "---"], True),
        (["kg", "", ""], False),  # a word in one column may be a value that is not known
        (["kg", "5", "x"], False),
        (["kg", "m", "3"], False),  # a number where there are texts
        (["NA", "?", "a"], False),
        (["-", "n.a.", "a"], False),
        (["", "", "a"], False),
    ],
)
def test_a_row_of_words_between_names_and_numbers(row, between):
    assert is_between(row, NUMBERS) == between
    assert not is_between(row, [["x", "y", "z"]] * 9) or "---" in row
    assert not is_between(["Ann", "tall", "a"], NUMBERS[:2]), "two rows show too little"


@pytest.mark.parametrize(
    ("header", "below", "names"),
    [
        (["x", "", "y"], ["a", "b", "c"], ["a", "b", "c"]),
        (["x", "", "y"], ["a", "b", "a"], ["x a", "x b", "y a"]),
        (["x", "z", "y"], ["a", "b", "c"], []),  # every column has a name
        (["", "z", "y"], ["a", "b", "c"], []),  # an index has none
        (["x", "", "y"], ["a", "NA", "c"], []),  # a row whose number is missing
        (["x", "", "y"], ["a", "7", "c"], []),
        (["x", "", "y"], ["a", "", "c"], []),
    ],
)
def test_names_below_merged_ones(header, below, names):
    assert lower_names(header, below, NUMBERS) == names


@pytest.mark.parametrize(
    ("foot", "rows"),
    [
        ([("Total", 9.0, None)], 4),
        ([("合计", 9.0, 1.0), ("平均", 3.0, 1.0)], 4),
        ([(None, None, None), ("* preliminary", None, None)], 4),
        ([("Note: of 2021", "and 2022", None)], 4),
        ([("Total", "r", None)], 5),  # it has a text of its own
        ([("Total", 1.0, 1.0), ("b", 1.0, 1.0), ("Total", 2.0, 1.0)], 7),  # a level
        ([("new", None, None)], 5),  # a row of which nothing else is known
        ([("total recall", 2.0, 1.0)], 5),
        ([("Note: call back", 2.0, 1.0)], 5),
        ([(7.0, None, None)], 5),
    ],
)
def test_totals_and_remarks_are_left_out_and_told(foot, rows):
    table = [("a", 1.0, 0.0), ("b", 2.0, 1.0), ("a", None, 1.0), ("c d", 4.0, 0.0)]
    frame, told = without_foot(pd.DataFrame([*table, *foot], columns=["x", "z", "y"]))
    assert len(frame) == rows
    assert bool(told) == (rows == 4)
    for label, *_ in foot:
        assert rows > 4 or label is None or repr(label) in told[0]


def test_a_table_of_remarks_is_one():
    frame = pd.DataFrame({"said": ["it is", "it was", "so be it"], "a": None, "b": None})
    assert len(without_foot(frame)[0]) == 3


def test_a_long_line_costs_no_more_than_its_length():
    """A line is one field where the separator is tried that the file does not have."""
    for text in ("1.5;" * 50_000, "x" * 200_000, " " * 200_000 + "7"):
        assert not is_between([text], [[text]] * 20)
        assert not without_foot(pd.DataFrame({"a": [text] * 20}))[1]
