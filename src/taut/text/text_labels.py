"""The texts and labels that something is learned from, checked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from taut.errors import InputError
from taut.text.vocabulary import Tokenize, checked_texts, rows_named, words_of

FOLDS = 3


@dataclass(frozen=True)
class LabelledTexts:
    """Texts and their classes.

    Attributes:
        texts: [texts].
        y: [texts] of int, the number of each one's class.
        classes: [classes] the labels, sorted.
        same: [texts] of int: texts of the same words in the same order have the same number.
    """

    texts: list[str]
    y: np.ndarray
    classes: np.ndarray
    same: np.ndarray

    @classmethod
    def checked(
        cls, texts: Iterable[str], labels: Iterable[Any], tokenize: Tokenize | None
    ) -> LabelledTexts:
        """Texts with words, a label each.

        Raises:
            InputError: For texts without a word, labels that are missing, fewer than two classes,
                or classes of fewer than three different texts.
        """
        listed, words = checked_texts(texts), words_of if tokenize is None else tokenize
        array = np.array(list(labels), dtype=object)
        if len(array) != len(listed):
            raise InputError(
                "`labels` must have one label for each text. Received: "
                f"{len(listed)} texts and {len(array)} labels."
            )
        keys = [tuple(words(text)) for text in listed]
        if empty := [row for row, key in enumerate(keys) if not key]:
            raise InputError(
                f"Texts to learn from must have words. Received: {len(empty)} without any, in "
                f"{rows_named(empty)}. Leave these rows out."
            )
        if missing := np.flatnonzero(pd.isna(array)).tolist():
            raise InputError(
                f"`labels` must be known. Received: {len(missing)} that are missing, in "
                f"{rows_named(missing)}. Leave these rows out."
            )
        if len({isinstance(label, str) for label in array}) > 1:
            raise InputError("`labels` must be all text, or all numbers. Received: some of both.")
        classes, y = np.unique(np.array(array.tolist()), return_inverse=True)
        numbers: dict[tuple[str, ...], int] = {}
        same = np.array([numbers.setdefault(key, len(numbers)) for key in keys])
        _check_classes(classes, y, same)
        return cls(listed, y.astype("int32"), classes, same)

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
