"""Texts that the user holds out: to choose by, and never to learn from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from taut.checks import of_argument
from taut.errors import InputError
from taut.studies.folds import group_numbers
from taut.text.given_texts import list_of, rows_named, split_texts
from taut.text.text_rows import TextRows, check_kind_of_labels, text_rows
from taut.text.words_of_texts import Tokenize


@dataclass(frozen=True)
class HeldOutTexts:
    """Texts of a weight above 0, and their classes.

    Attributes:
        words: [texts] the words of each; of an empty text none.
        y: [texts] of int, the number of each one's class.
        weight: [texts] what each counts.
        rows: [texts] of int, which of those that were given each is.
        groups: [texts] the label of each one's group; none without groups.
    """

    words: list[list[str]]
    y: np.ndarray
    weight: np.ndarray
    rows: np.ndarray
    groups: list[Any]

    def times(self, of_class: np.ndarray) -> HeldOutTexts:
        """The same, each text times the weight of its class."""
        return replace(self, weight=self.weight * of_class[self.y])


def held_out_texts(
    validation: Any,
    tokenize: Tokenize,
    classes: np.ndarray,
    groups: Any,
    *,
    left_out: np.ndarray,
) -> HeldOutTexts:
    """The texts of `validation`, checked.

    Args:
        validation: (texts, labels) or (texts, labels, weights).
        tokenize: From a text to its words.
        classes: [classes] the labels of the texts to learn from, sorted.
        groups: A label for each of the texts, or None.
        left_out: Labels whose texts are left out.

    Raises:
        InputError: For what cannot be; of labels also those that are no class.
    """
    texts, labels, weight = (*_parts(validation), None)[:3]
    with of_argument("validation"):
        rows = text_rows(texts, labels, weight, groups=groups)
        check_kind_of_labels(rows.labels, classes)
        if groups is not None:
            group_numbers(groups, rows.given)
    rows = rows.without(left_out)
    if not rows.texts:
        raise InputError(
            "`validation` must hold texts of classes that count. Received: none but those of "
            f"{', '.join(map(repr, left_out[:5].tolist()))}, to which `class_weight` gives 0."
        )
    unknown = np.setdiff1d(rows.labels, classes)
    if len(unknown):
        raise InputError(
            "The labels of `validation` must be among those of `labels`. Received: "
            f"{', '.join(map(repr, unknown[:5].tolist()))}. Leave these rows out."
        )
    of_rows: list[Any] = []
    if groups is not None:
        listed = list_of(groups, "groups")
        of_rows = [listed[row] for row in rows.numbers]
    y = np.searchsorted(classes, rows.labels).astype("int32")
    return HeldOutTexts(split_texts(rows.texts, tokenize), y, rows.weight, rows.numbers, of_rows)


def groups_of_both(groups: Any, validation: Any) -> tuple[Any, Any]:
    """The groups of the texts to learn from, and those of the texts held out; None for none.

    Raises:
        InputError: If there are not both, where texts are held out.
    """
    if groups is None or validation is None:
        return groups, None
    _parts(validation)
    if not (isinstance(groups, (tuple, list)) and len(groups) == 2 and np.ndim(groups[0]) == 1):
        raise InputError(
            "`groups` with `validation` must be two: (labels of the rows of `texts`, labels of the "
            f"rows of `validation`). Received: {type(groups).__name__}."
        )
    return groups[0], groups[1]


def check_groups_apart(train: list[Any], rows: TextRows, held_out: HeldOutTexts) -> None:
    """Raise where texts to learn from and texts held out are of one group.

    Args:
        train: A label for each of the texts to learn from.
        rows: Those of them that count.
        held_out: With the labels of its texts.
    """
    learned = {train[row] for row in rows.numbers}
    both = [k for k, label in enumerate(held_out.groups) if label in learned]
    if both:
        raise InputError(
            "A group must be in `texts` or in `validation`, not in both. Received: "
            f"{len({held_out.groups[k] for k in both})} in both, such as that of "
            f"{rows_named([int(held_out.rows[both[0]])])} of `validation`. Take its rows out of "
            "one of the two."
        )


def _parts(validation: Any) -> tuple[Any, ...]:
    if not isinstance(validation, (tuple, list)) or len(validation) not in (2, 3):
        raise InputError(
            "`validation` must be (texts, labels) or (texts, labels, weights) of texts that are "
            f"held out. Received: {type(validation).__name__}."
        )
    return tuple(validation)
