"""Texts, labels and tokenizers as people give them."""

import datetime
import enum
import json

import keras
import numpy as np
import pandas as pd
import polars
import pyarrow
import pytest

from taut.errors import InputError
from taut.text.given_texts import checked_labels, checked_texts, label_array, split_texts

TEXTS = ["one two", "two three"]


# `str` gives the name of such a member, not its value.
class Name(str, enum.Enum):  # noqa: UP042
    FIRST = "b"
    SECOND = "a"


@pytest.mark.parametrize(
    "texts",
    [
        tuple(TEXTS),
        np.array(TEXTS),
        np.array(TEXTS, object),
        iter(TEXTS),
        pd.Series(TEXTS, index=[7, 7]),
        pd.Series(TEXTS, dtype="category"),
        polars.Series(TEXTS),
        pyarrow.array(TEXTS),
        pyarrow.chunked_array([TEXTS[:1], TEXTS[1:]]),
    ],
    ids=lambda texts: type(texts).__name__,
)
def test_a_column_is_a_list_of_texts(texts):
    found = checked_texts(texts)
    assert found == TEXTS
    assert all(type(text) is str for text in found)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (pd.DataFrame({"text": TEXTS}), "Received: a DataFrame"),
        (dict.fromkeys(TEXTS, 1), "Received: a dict"),
        ("one text", "Put one into a list"),
        (b"one", "Put one into a list"),
        (None, "Received: None"),
        (set(TEXTS), "whose order is known. Received: a set"),
        (pyarrow.array([*TEXTS, None]), "1 that are none, in row 2"),
        ([*TEXTS, np.nan, None, pd.NA], "3 that are none, in rows 2, 3, 4"),
        ([text.encode() for text in TEXTS], "2 that are none.* Decode them"),
        ([text.split() for text in TEXTS], "one column, and words of a text as"),
        (np.array("one two"), "Put one into a list"),
    ],
)
def test_what_is_no_column_of_texts(texts, message):
    with pytest.raises(InputError, match=message):
        checked_texts(texts)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["b", "a"], ["b", "a"]),
        (pd.Series(["b", "a"], dtype="category"), ["b", "a"]),
        (np.array([True, False]), [True, False]),
        ([np.int8(3), 4], [3, 4]),
        (pd.array([3, 4], dtype="Int64"), [3, 4]),
        (polars.Series([0.5, 1.0]), [0.5, 1.0]),
        (pyarrow.array(["b", "a"]), ["b", "a"]),
        ([Name.FIRST, Name.SECOND], ["b", "a"]),
        (keras.ops.convert_to_tensor([3, 4]), [3, 4]),
        ([np.array("b"), np.str_("a")], ["b", "a"]),
        ([2**63, 2**63 + 1], [2**63, 2**63 + 1]),
    ],
)
def test_labels_stay_what_they_are(labels, expected):
    found = checked_labels(labels, 2)
    assert found.tolist() == expected
    assert found.dtype == np.array(expected).dtype


@pytest.mark.parametrize("labels", [[2**63, -1], [2**53 + 1, 0.5, 2**53]])
def test_whole_numbers_are_not_made_floats_of_which_two_are_one(labels):
    found = checked_labels(labels, len(labels))
    assert found.tolist() == labels
    again = label_array(json.loads(json.dumps(found.tolist())))
    assert again.tolist() == labels
    assert [type(label) for label in again.tolist()] == [type(label) for label in labels]


def test_what_is_text_and_of_an_enumeration_is_its_value():
    found = checked_texts([Name.FIRST, "a"])
    assert found == ["b", "a"]
    assert type(found[0]) is str


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.eye(2), "argmax"),
        (np.zeros((2, 1)), r"`labels\[:, 0\]`"),
        ([[0], [1, 2]], "a list in a row"),
        ([0, [1]], "a list in a row"),
        (np.array(3), "Put one into a list"),
        (np.ma.array([0, 1], mask=[False, True]), "missing, in row 1"),
        ("ab", "Put one into a list"),
        (None, "Received: None"),
        ({0: "a", 1: "b"}, "Received: a dict"),
        (pd.DataFrame({"label": ["a", "b"]}), "Received: a DataFrame"),
        (["a"], "2 texts and 1 labels"),
        (["a", None], "1 that are missing, in row 1"),
        ([1.0, np.nan], "1 that are missing, in row 1"),
        (["a", 1], "some of numbers and some of text"),
        ([True, 1], "some of True and False and some of numbers"),
        ([datetime.date(2020, 1, 1), datetime.date(2020, 1, 2)], "type date. Convert"),
        ([b"a", b"b"], "type bytes. Decode"),
        (["a\0", "a"], "zero byte"),
        (frozenset("ab"), "Received: a frozenset"),
        (pyarrow.array(["a", None]), "1 that are missing, in row 1"),
    ],
)
def test_labels_that_are_refused(labels, message):
    with pytest.raises(InputError, match=message):
        checked_labels(labels, 2)


@pytest.mark.parametrize(
    "tokenize", [str.lower, len, lambda text: None, lambda text: [1], lambda text: [["a"]], "jieba"]
)
def test_a_tokenizer_gives_words(tokenize):
    assert split_texts(TEXTS, str.split) == [["one", "two"], ["two", "three"]]
    assert split_texts(TEXTS, lambda text: iter(text.split()))[0] == ["one", "two"]
    (found,) = split_texts(["one two"], lambda text: np.array(text.split()))
    assert [type(word) for word in found] == [str, str]
    assert split_texts(["one  two "], lambda text: text.split(" ")) == [["one", "two"]]
    with pytest.raises(InputError, match="`tokenize` must"):
        split_texts(TEXTS, tokenize)
