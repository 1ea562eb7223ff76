"""Rows of texts and labels as they are given, those that count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from taut._weights import weights_of_rows
from taut.checks import check_same_order
from taut.errors import InputError
from taut.text.given_texts import checked_labels, checked_texts, kind_of, list_of


@dataclass(frozen=True)
class TextRows:
    """Texts of a weight above 0, and their labels.

    Attributes:
        texts: [rows] of str.
        labels: [rows] all text, all numbers, or all True or False.
        weight: [rows] how often each was given.
        numbers: [rows] of int, which of those that were given each is, from 0.
        given: How many were given, with those of no weight.
    """

    texts: list[str]
    labels: np.ndarray
    weight: np.ndarray
    numbers: np.ndarray
    given: int

    def without(self, left_out: np.ndarray) -> TextRows:
        """The rows of other labels than these."""
        kept = np.flatnonzero(~np.isin(self.labels, left_out))
        return TextRows(
            [self.texts[k] for k in kept],
            self.labels[kept],
            self.weight[kept],
            self.numbers[kept],
            self.given,
        )


def text_rows(texts: Any, labels: Any, sample_weight: Any = None, **others: Any) -> TextRows:
    """Rows that are checked; what has a weight of 0 may be anything.

    Args:
        texts: The texts.
        labels: A label each.
        sample_weight: A weight each; 1 unless given.
        others: What else is given by row, by name.

    Raises:
        InputError: For texts, labels or weights that cannot be.
    """
    check_same_order(texts=texts, labels=labels, sample_weight=sample_weight, **others)
    listed = list_of(texts, "texts")
    if not listed:
        raise InputError("`texts` must be one or more. Received: none.")
    weight = weights_of_rows(sample_weight, len(listed))
    kept = np.flatnonzero(weight > 0)
    return TextRows(
        checked_texts(listed, kept.tolist()),
        checked_labels(labels, len(listed), kept.tolist()),
        weight[kept],
        kept,
        len(listed),
    )


def check_kind_of_labels(labels: np.ndarray, classes: np.ndarray) -> None:
    """Raise for labels that are of another kind than the classes: none would be one of them."""
    expected, given = kind_of(classes[0]), kind_of(labels[0])
    if expected != given:
        raise InputError(
            f"`labels` must be {expected}, as the classes are. Received: {given}, such as "
            f"{labels.tolist()[0]!r}."
        )
