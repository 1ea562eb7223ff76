"""Texts, labels and tokenizers as people give them."""

import datetime

import numpy as np
import pandas as pd
import polars
import pyarrow
import pytest

from taut.errors import InputError
from taut.text.given_texts import checked_labels, checked_texts, split_texts

TEXTS = ["one two", "two three"]


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
        ([text.encode() for text in TEXTS], "2 that are none"),
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
    ],
)
def test_labels_stay_what_they_are(labels, expected):
    found = checked_labels(labels, 2)
    assert found.tolist() == expected
    assert found.dtype == np.array(expected).dtype


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.eye(2), "argmax"),
        ([[0], [1, 2]], "several in a row"),
        ([0, [1]], "several in a row"),
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
        ([b"a", b"b"], "type bytes. Convert"),
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
    with pytest.raises(InputError, match="`tokenize` must"):
        split_texts(TEXTS, tokenize)
