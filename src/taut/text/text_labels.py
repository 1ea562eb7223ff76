"""The texts and labels that something is learned from, checked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from taut.checks import check_same_order
from taut.errors import InputError
from taut.text.given_texts import checked_labels, checked_texts, rows_named, split_texts
from taut.text.words_of_texts import Tokenize, words_of

FOLDS = 3


@dataclass(frozen=True)
class LabelledTexts:
    """Texts and their classes.

    Attributes:
        words: [texts] the words of each, in order.
        tokenize: From a text to these.
        y: [texts] of int, the number of each one's class.
        classes: [classes] the labels, sorted.
        same: [texts] of int: texts of the same words in the same order have the same number.
    """

    words: list[list[str]]
    tokenize: Tokenize
    y: np.ndarray
    classes: np.ndarray
    same: np.ndarray

    @classmethod
    def checked(
        cls, texts: Iterable[str], labels: Iterable[Any], tokenize: Tokenize | None
    ) -> LabelledTexts:
        """Texts with words, a label each.

        Raises:
            InputError: For texts without a word, labels that are missing or in another order,
                fewer than two classes, or classes of fewer than three different texts.
        """
        check_same_order(texts=texts, labels=labels)
        listed = checked_texts(texts)
        array = checked_labels(labels, len(listed))
        tokenize = words_of if tokenize is None else tokenize
        words = split_texts(listed, tokenize)
        if empty := [row for row, found in enumerate(words) if not found]:
            raise InputError(
                f"Texts to learn from must have words. Received: {len(empty)} without any, in "
                f"{rows_named(empty)}. Leave out the rows in which `tokenize`, "
                "`taut.text.words_of` unless given, finds none."
            )
        classes, y = np.unique(array, return_inverse=True)
        numbers: dict[tuple[str, ...], int] = {}
        same = np.array([numbers.setdefault(tuple(found), len(numbers)) for found in words])
        _check_classes(classes, y, same)
        return cls(words, tokenize, y.astype("int32"), classes, same)

    def folds(self, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Rows to train on and held-out rows of stratified folds; equal texts stay together."""
        from sklearn.model_selection import StratifiedGroupKFold

        splitter = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
        return list(splitter.split(self.y, self.y, self.same))


def _check_classes(classes: np.ndarray, y: np.ndarray, same: np.ndarray) -> None:
    if len(classes) < 2:
        raise InputError(
            f"`labels` must be of two classes or more. Received: {classes.tolist()!r:.60}."
        )
    distinct = np.array([len(np.unique(same[y == k])) for k in range(len(classes))])
    if (distinct < FOLDS).any():
        few = int(distinct.argmin())
        raise InputError(
            f"Each class must have {FOLDS} different texts or more. Received: "
            f"{classes[few].item()!r} with {distinct[few]}. Leave the class out, or join it with "
            "another."
        )
