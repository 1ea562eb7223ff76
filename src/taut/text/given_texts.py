"""Texts, labels and words as they are given, checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from taut.checks import check_ordered
from taut.errors import InputError
from taut.text.words_of_texts import Tokenize

_SHOWN = 5


def checked_texts(texts: Any, kept: Sequence[int] | None = None) -> list[str]:
    """Texts as a list.

    Args:
        texts: As they are given.
        kept: The numbers of the rows that count; all unless given.

    Raises:
        InputError: If they are one text, a table, or some are none.
    """
    listed = list_of(texts, "texts")
    rows = range(len(listed)) if kept is None else kept
    wrong = [row for row in rows if not isinstance(listed[row], str)]
    if wrong:
        first = listed[wrong[0]]
        remedy = "Leave these rows out, or write '' for a text that is empty."
        if isinstance(first, bytes):
            remedy = 'Decode them, as by `text.decode("utf-8")`.'
        elif np.ndim(first):
            remedy = "Pass one column, and words of a text as `' '.join(words)`."
        raise InputError(
            f"`texts` must be str. Received: {len(wrong)} that are none, in {rows_named(wrong)}: "
            f"{first!r:.60}. {remedy}"
        )
    # `str` gives the name of what is both text and a member of an enumeration.
    return [str.__str__(listed[row]) for row in rows]


def checked_labels(labels: Any, texts: int, kept: Sequence[int] | None = None) -> np.ndarray:
    """[texts] labels: all text, all numbers, or all True or False.

    Args:
        labels: As they are given.
        texts: How many texts were given.
        kept: The numbers of the rows that count; all unless given.

    Raises:
        InputError: If they are of another number or kind, or some are missing.
    """
    import pandas as pd

    listed = list_of(labels, "labels")
    if len(listed) != texts:
        raise InputError(
            "`labels` must have one label for each text. Received: "
            f"{texts} texts and {len(listed)} labels."
        )
    rows = np.arange(texts) if kept is None else np.asarray(kept, int)
    listed = [_plain(listed[row]) for row in rows]
    several = [label for label in listed if np.ndim(label)]
    if several:
        remedy = "Pass one column; of columns of 0 and 1, `labels.argmax(axis=1)`."
        if all(np.size(label) == 1 for label in several):
            remedy = "Pass the column itself, `labels[:, 0]`."
        raise InputError(
            "`labels` must have one label for each text. Received: a list in a row, such as "
            f"{several[0]!r:.60}. {remedy}"
        )
    if missing := rows[pd.isna(np.array(listed, object))].tolist():
        raise InputError(
            f"`labels` must be known. Received: {len(missing)} that are missing, in "
            f"{rows_named(missing)}. Leave these rows out."
        )
    kinds = {kind_of(label) for label in listed}
    if None in kinds:
        other = next(label for label in listed if kind_of(label) is None)
        raise InputError(
            "`labels` must be text, numbers, or True and False. Received: "
            f"{other!r:.60} of type {type(other).__name__}. "
            + ("Decode them." if isinstance(other, bytes) else "Convert them by `str`.")
        )
    if len(kinds) > 1:
        raise InputError(
            "`labels` must be all text, all numbers, or all True and False. Received: some of "
            f"{' and some of '.join(sorted(map(str, kinds)))}."
        )
    if any(isinstance(label, str) and label.endswith("\0") for label in listed):
        raise InputError(
            "`labels` that are text must not end in a zero byte, which is not told from none. "
            "Received: such. Take it off by `.rstrip('\\0')`."
        )
    return label_array(listed)


def label_array(labels: Sequence[Any]) -> np.ndarray:
    """Labels of one kind as an array in which each is equal to what it was, and to no other.

    NumPy makes floats of whole numbers that are large or stand beside others: of several one.
    """
    array = np.array(labels)
    if array.dtype.kind == "f":
        whole = all(isinstance(label, int) for label in labels)
        if whole or array.tolist() != list(labels):
            return np.array(labels, object)
    return array


def _plain(label: Any) -> Any:
    """A label without its wrapping by NumPy, torch or an enumeration; None for one hidden."""
    if label is np.ma.masked:
        return None
    if hasattr(label, "item") and not np.ndim(label):
        label = label.item()
    if isinstance(label, str):
        return str.__str__(label)
    return float(label) if isinstance(label, np.floating) else label


def kind_of(label: Any) -> str | None:
    """What kind of label it is, in words; None for one that cannot be used."""
    if isinstance(label, (bool, np.bool_)):
        return "True and False"
    if isinstance(label, str):
        return "text"
    return "numbers" if isinstance(label, (int, float, np.integer, np.floating)) else None


def split_texts(texts: Sequence[str], tokenize: Tokenize) -> list[list[str]]:
    """The words of each text, in order; what is empty is no word.

    Raises:
        InputError: If the tokenizer gives anything but words.
    """
    if not callable(tokenize):
        raise InputError(
            "`tokenize` must be a function from a text to its words, such as `str.split`. "
            f"Received: tokenize={tokenize!r:.60}."
        )
    return [_split(text, tokenize) for text in texts]


def _split(text: str, tokenize: Tokenize) -> list[str]:
    given = tokenize(text)
    words = None if isinstance(given, str) or not isinstance(given, Iterable) else list(given)
    if words is None or not all(isinstance(word, str) for word in words):
        raise InputError(
            "`tokenize` must give a list of str, the words of a text. Received: "
            f"{given if words is None else words!r:.60} of {text!r:.60}."
        )
    return [str.__str__(word) for word in words if word]


def rows_named(rows: Sequence[int]) -> str:
    """Some row numbers in words, from 0."""
    shown = ", ".join(map(str, rows[:_SHOWN]))
    more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
    return f"row{'s' if len(rows) > 1 else ''} {shown}{more}"


def list_of(values: Any, name: str) -> list[Any]:
    """The values of a list or a column; one value, a table and a set are refused."""
    table = isinstance(values, Mapping) or hasattr(values, "columns")
    one = isinstance(values, (str, bytes)) or getattr(values, "shape", None) == ()
    if table or one or not isinstance(values, Iterable):
        raise InputError(
            f"`{name}` must be a list of {name}, or one column of a table. Received: "
            + (f"a {type(values).__name__}." if table else f"{values!r:.60}. Put one into a list.")
        )
    check_ordered(**{name: values})
    # What Arrow's columns are made of is neither text nor number.
    of_arrow = getattr(values, "to_pylist", None)
    return list(values) if of_arrow is None else of_arrow()
