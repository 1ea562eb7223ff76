"""The texts and labels that something is learned from, checked."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from taut._weights import ClassWeight, class_weights
from taut.engine import Split
from taut.errors import InputError
from taut.studies.folds import draw_of, group_folds, group_numbers
from taut.text.given_texts import list_of, rows_named, split_texts
from taut.text.held_out_texts import (
    HeldOutTexts,
    check_groups_apart,
    groups_of_both,
    held_out_texts,
)
from taut.text.text_rows import text_rows
from taut.text.vocabulary import Vocabulary
from taut.text.words_of_texts import Tokenize, words_of

FOLDS = 3
MANY_TEXTS = 10_000
"""Of more, each is dealt out by the label that it has first: by all its labels takes long."""


@dataclass(frozen=True)
class LabelledTexts:
    """Different texts and their classes.

    Rows of the same words, label and group are one row, which counts as often as all of them. So a
    text of weight 2 is one that is there twice, and one of weight 0 is none.

    Attributes:
        words: [texts] the words of each, in order.
        tokenize: From a text to these.
        y: [texts] of int, the number of each one's class.
        classes: [classes] the labels, sorted.
        same: [texts] of int: those of one number stay on one side of a fold. Texts of the same
            words in the same order have one, or those of a group, where there are groups.
        grouped: Whether there are groups.
        counted: [texts] how many texts each stands for.
        cost: [texts] what each counts in the loss, 1 on average; None where all count alike.
        held_out: Texts that are not learned from; None without.
    """

    words: list[list[str]]
    tokenize: Tokenize
    y: np.ndarray
    classes: np.ndarray
    same: np.ndarray
    grouped: bool
    counted: np.ndarray
    cost: np.ndarray | None
    held_out: HeldOutTexts | None

    @classmethod
    def checked(
        cls,
        texts: Iterable[str],
        labels: Iterable[Any],
        tokenize: Tokenize | None,
        *,
        sample_weight: Any = None,
        class_weight: ClassWeight = None,
        groups: Any = None,
        validation: Any = None,
    ) -> LabelledTexts:
        """Texts with words, a label each.

        Raises:
            InputError: For texts without a word, labels that are missing or in another order,
                fewer than two classes, or classes of fewer than three different texts; for weights,
                groups and texts held out that cannot be.
        """
        of_train, of_held_out = groups_of_both(groups, validation)
        rows = text_rows(texts, labels, sample_weight, groups=of_train)
        given, codes = np.unique(rows.labels, return_inverse=True)
        of_class = class_weights(class_weight, given, np.bincount(codes, rows.weight))
        classes, left_out = given[of_class > 0], given[of_class == 0]
        rows, of_class = rows.without(left_out), of_class[of_class > 0]
        tokenize = words_of if tokenize is None else tokenize
        words = split_texts(rows.texts, tokenize)
        if empty := [int(rows.numbers[k]) for k, found in enumerate(words) if not found]:
            raise InputError(
                f"Texts to learn from must have words. Received: {len(empty)} without any, in "
                f"{rows_named(empty)}. Leave out the rows in which `tokenize`, "
                "`taut.text.words_of` unless given, finds none."
            )
        codes = np.searchsorted(classes, rows.labels)
        alike = _numbered(map(tuple, words))
        group = None
        if of_train is not None:
            group = group_numbers(of_train, rows.given)[rows.numbers]
        same = alike if group is None else group
        merged = _numbered(zip(alike, codes, same, strict=True))
        first, counted = np.unique(merged, return_index=True)[1], np.bincount(merged, rows.weight)
        words, y = [words[k] for k in first], codes[first].astype("int32")
        held_out = None
        if validation is not None:
            held_out = held_out_texts(validation, tokenize, classes, of_held_out, left_out=left_out)
            if of_train is not None:
                check_groups_apart(list_of(of_train, "groups"), rows, held_out)
            _warn_of_copies(words, held_out)
        _check_classes(classes, y, alike[first], FOLDS if held_out is None else 1)
        cost = counted * of_class[y]
        return cls(
            words=words,
            tokenize=tokenize,
            y=y,
            classes=classes,
            same=same[first],
            grouped=group is not None,
            counted=counted,
            cost=None if np.allclose(cost, cost[0], rtol=1e-6, atol=0) else cost / cost.mean(),
            held_out=None if held_out is None else held_out.times(of_class),
        )

    def vocabulary(self, min_count: int) -> Vocabulary:
        """Its words, none of the texts held out."""
        return Vocabulary.of_split(
            self.words, self.tokenize, min_count=min_count, counted=self.counted
        )

    @property
    def shares(self) -> np.ndarray:
        """[texts] what each counts in the loss, 1 in all."""
        return (np.ones(len(self.y)) if self.cost is None else self.cost) / len(self.y)

    def with_held_out(self) -> tuple[list[list[str]], dict[str, Any]]:
        """The words of all texts, those held out last, and what `train_lanes` takes of them."""
        rows, others = np.arange(len(self.y)), self.held_out
        if others is None:
            return self.words, {"y": self.y, "sample_weight": self.cost, "splits": [Split(rows)]}
        cost = None
        if self.cost is not None or not (others.weight == others.weight[0]).all():
            ones = np.ones(len(rows)) if self.cost is None else self.cost
            cost = np.concatenate([ones, others.weight / others.weight.mean()])
        return self.words + others.words, {
            "y": np.concatenate([self.y, others.y]),
            "sample_weight": cost,
            "splits": [Split(rows, np.arange(len(rows), len(rows) + len(others.y)))],
            "keep_best": True,
        }

    def folds(self, seed: int) -> list[Split]:
        """Stratified folds, on one side of which equal texts stay, or those of a group.

        Raises:
            InputError: If there are fewer groups than folds.
        """
        if self.grouped:
            if (count := len(np.unique(self.same))) < FOLDS:
                raise InputError(
                    f"`groups` must hold at least {FOLDS} groups for {FOLDS} folds. Received: "
                    f"{count}. Add groups, or hold texts out yourself (`validation`)."
                )
            return group_folds(self.y, self.same, FOLDS, seed=seed, classes=True)
        from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

        settings: dict[str, Any] = {"shuffle": True, "random_state": draw_of(seed)}
        first, place = np.unique(self.same, return_index=True, return_inverse=True)[1:]
        pairs: Any
        if len(first) <= MANY_TEXTS:
            pairs = StratifiedGroupKFold(FOLDS, **settings).split(self.y, self.y, self.same)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of classes that few texts have first
                of_first = list(StratifiedKFold(FOLDS, **settings).split(first, self.y[first]))
            pairs = [[np.flatnonzero(np.isin(place, side)) for side in pair] for pair in of_first]
        return [Split(*pair) for pair in pairs]


def _numbered(keys: Iterable[Hashable]) -> np.ndarray:
    """[keys] of int: equal ones have the same number, in the order in which they first appear."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], int)


def _check_classes(classes: np.ndarray, y: np.ndarray, alike: np.ndarray, least: int) -> None:
    if len(classes) < 2:
        raise InputError(
            f"`labels` must be of two classes or more. Received: {classes.tolist()!r:.60}."
        )
    pairs = np.unique(np.stack([y, alike]), axis=1)[0]
    distinct = np.bincount(pairs, minlength=len(classes))
    if (distinct < least).any():
        few = int(distinct.argmin())
        raise InputError(
            f"Each class must have {least} different texts or more. Received: "
            f"{classes.tolist()[few]!r} with {distinct[few]}. Leave the class out, or join it with "
            "another."
        )


def _warn_of_copies(words: list[list[str]], held_out: HeldOutTexts) -> None:
    """Warn of texts held out that are learned from: their loss says nothing of fresh texts."""
    learned = set(map(tuple, words))
    pairs = zip(held_out.rows.tolist(), held_out.words, strict=True)
    if copies := [row for row, found in pairs if tuple(found) in learned]:
        warnings.warn(
            f"{len(copies)} of {len(held_out.words)} texts of `validation` are also among `texts`, "
            f"{rows_named(copies)}: how well they are told says little of fresh texts. Leave them "
            "out of one of the two.",
            UserWarning,
            stacklevel=5,
        )
