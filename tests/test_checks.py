"""Each rule takes what it allows, whatever its type, and says what it was given otherwise."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

from taut import checks
from taut.errors import InputError

NAN, INF = float("nan"), float("inf")
NO_NUMBERS = (None, True, np.True_, "1", [1.0], np.ones(2), 1j)
# Rule: what it says; what it allows; what it refuses.
RULES = {
    "whole": (
        partial(checks.check_whole, 1),
        "an integer >= 1",
        (1, 7, np.int64(2), np.uint8(1)),
        (*NO_NUMBERS, 0, -1, 1.0, np.int64(0), np.float32(1)),
    ),
    "whole or none": (
        partial(checks.check_whole_or_none, 0),
        "an integer >= 0 or None",
        (None, 0, np.int32(0)),
        (*NO_NUMBERS[1:], -1, 0.0),
    ),
    "at least": (
        partial(checks.check_at_least, 0),
        "a finite number >= 0",
        (0, 0.5, np.float32(0.1), np.array(2.0)),
        (*NO_NUMBERS, -0.1, NAN, INF, np.float64(-1)),
    ),
    "above": (
        partial(checks.check_above, 2),
        "a finite number > 2",
        (2.1, 3, np.float32(2.5)),
        (*NO_NUMBERS, 2, 2.0, NAN, INF),
    ),
    "share": (
        checks.check_share,
        "between 0 and 1",
        (0, 1, 0.5, np.float32(1)),
        (*NO_NUMBERS, -0.1, 1.1, NAN),
    ),
    "inner share": (
        checks.check_inner_share,
        "between 0 and 1, and neither of them",
        (0.01, np.float64(0.99)),
        (*NO_NUMBERS, 0, 1, NAN),
    ),
}


@pytest.mark.parametrize("name", RULES)
def test_what_a_rule_allows_and_how_it_refuses(name):
    check, rule, allowed, refused = RULES[name]
    for value in allowed:
        check(value=value)
    for value in refused:
        with pytest.raises(InputError) as told:
            check(value=value)
        assert str(told.value) == f"`value` must be {rule}. Received: value={value!r}."


def test_the_error_names_the_argument_that_breaks_the_rule():
    with pytest.raises(InputError, match=r"^`seeds` must be an integer >= 2\."):
        checks.check_whole(2, folds=5, seeds=1)
    checks.check_whole(2)


def test_one_of_a_few_words():
    rule = r'`way` must be "up", "down" or None\. Received: way='
    for value in ("left", [], {}, 3, np.array(["up"]), np.zeros(2)):
        with pytest.raises(InputError, match=rule):
            checks.check_one_of(("up", "down", None), way=value)
    checks.check_one_of(("up", "down", None), way=None)
    checks.check_one_of(("up", "down"), way="up")


@pytest.mark.parametrize("value", [["a", 3], ("a", 3), pd.Index(["a", 3]), iter(["a", 3])])
def test_names_are_a_list(value):
    assert checks.names_given(names=value) == ("a", "3")
    assert checks.names_given(names=set()) == ()


@pytest.mark.parametrize(
    "value",
    [3, 3.5, None, "ab", b"ab", True, {"a": 1}, np.array(3), [None], [b"a"], [["a"]], np.eye(2)],
)
def test_what_is_no_list_of_names(value):
    with pytest.raises(InputError, match=r"^`names` must be a list of names\. Received: "):
        checks.names_given(names=value)


def test_columns_of_one_index_in_two_orders_are_not_paired():
    column = pd.Series([1, 2, 3], index=["b", "a", "c"])
    with pytest.raises(InputError, match=r"`labels` must be in the order of `texts`.*labels\.loc"):
        checks.check_same_order(texts=column, labels=column.sort_index())
    with pytest.raises(InputError, match="`times` must be in the order of `items`"):
        checks.check_same_order(users=[1, 2, 3], items=column, times=column[::-1])
    other = column.set_axis([7, 7, 8])
    for same in (column, column.reset_index(drop=True), other, column[:2], [1], "a", None):
        checks.check_same_order(texts=column, labels=same)
    checks.check_same_order(texts=other, labels=other[::-1])  # which is which is not known
