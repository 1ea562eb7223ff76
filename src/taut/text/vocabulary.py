"""The words of a collection of texts: their numbers, and texts as arrays of these."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral

import numpy as np

from taut.checks import check_whole, check_whole_or_none, is_number, listed, names_given
from taut.errors import InputError
from taut.text.given_texts import checked_texts, split_texts
from taut.text.words_of_texts import Tokenize, words_of

PADDING, UNKNOWN = 0, 1
FIRST = 2
"""The number of the first word."""
LONGEST = 400
"""Distinct words of a bag: of a longer text those of most weight; words of a text in order."""
_STEP = 32


@dataclass(frozen=True, eq=False, repr=False)
class Vocabulary:
    """The words that a network knows, learned from the texts that it is trained on.

    Word i of `words` has the number i + 2; 0 is padding and 1 any word that is not known.

    Attributes:
        words: In the order of their numbers.
        counts: [words] in how many of the texts each occurs; of weighed texts the sum of weights.
        texts: In how many texts they were counted, or the sum of their weights.
        tokenize: Text to words; `words_of` unless given.

    Raises:
        InputError: For words that are there twice, or counts that cannot be theirs.

    Example:
        >>> vocabulary = Vocabulary.learn(["A goal! A late goal", "No late vote"], min_count=1)
        >>> vocabulary.words
        ('late', 'goal', 'no', 'vote')
        >>> vocabulary.ids(["late goal, offside", ""], length=4).tolist()
        [[2, 3, 1, 0], [0, 0, 0, 0]]
    """

    words: tuple[str, ...]
    counts: np.ndarray
    texts: float
    tokenize: Tokenize = words_of
    _ids: Mapping[str, int] = field(init=False)

    def __post_init__(self) -> None:
        counts = np.asarray(self.counts).view()
        if not len(self.words) == len(set(self.words)) == counts.size == len(counts):
            raise InputError(
                "`words` must be different, and `counts` one number for each. Received: "
                f"{len(self.words)} words, {len(set(self.words))} of them different, and counts of "
                f"the shape {counts.shape}."
            )
        good = counts.dtype.kind in "iuf" and is_number(self.texts)
        if not good or not ((counts >= 0) & (counts <= self.texts)).all():
            raise InputError(
                "`counts` must be numbers >= 0 that are no larger than `texts`. Received: "
                f"counts={counts!r:.60}, texts={self.texts!r:.60}."
            )
        counts.flags.writeable = False
        object.__setattr__(self, "counts", counts)
        object.__setattr__(self, "_ids", {w: i for i, w in enumerate(self.words, FIRST)})

    @classmethod
    def learn(
        cls,
        texts: Iterable[str],
        *,
        min_count: int = 2,
        max_words: int | None = None,
        tokenize: Tokenize | None = None,
    ) -> Vocabulary:
        """The words of training texts, those in most texts first, then by the alphabet.

        Args:
            texts: The texts to train on, and no others: what only held-out texts have must stay
                unknown.
            min_count: Words that are in fewer texts are left out.
            max_words: How many words at most, those in most texts; all unless given.
            tokenize: From a text to its words; `words_of` unless given.

        Raises:
            InputError: For texts that are none, or where no word is in `min_count` of them.
        """
        tokenize = words_of if tokenize is None else tokenize
        split = split_texts(checked_texts(texts), tokenize)
        return cls.of_split(split, tokenize, min_count=min_count, max_words=max_words)

    @classmethod
    def of_split(
        cls,
        texts: Sequence[Sequence[str]],
        tokenize: Tokenize,
        *,
        min_count: int,
        max_words: int | None = None,
        counted: np.ndarray | None = None,
    ) -> Vocabulary:
        """What `learn` gives, of texts that are split into words.

        Args:
            texts: The words of each text.
            tokenize: From a text to these.
            min_count: As of `learn`.
            max_words: Likewise.
            counted: [texts] how many texts each stands for; one unless given.
        """
        check_whole(1, min_count=min_count)
        check_whole_or_none(1, max_words=max_words)
        counted = np.ones(len(texts)) if counted is None else counted
        sums: defaultdict[str, float] = defaultdict(float)
        for words, times in zip(texts, counted.tolist(), strict=True):
            for word in set(words):
                sums[word] += times
        counts = {word: _whole(n) for word, n in sums.items()}
        ordered = sorted(((-n, w) for w, n in counts.items() if n >= min_count))[:max_words]
        if not ordered:
            total = _whole(float(counted.sum()))
            raise InputError(
                f"Some word must be in {min_count} texts or more. Received: {total:.10g} texts of "
                f"{len(counts)} words, each in fewer. Pass more texts, or a smaller `min_count`"
                + (" or larger `sample_weight`." if total < len(texts) else ".")
            )
        words = tuple(word for _, word in ordered)
        total = _whole(float(counted.sum()))
        return cls(words, np.array([-n for n, _ in ordered]), total, tokenize)

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self._ids

    def __repr__(self) -> str:
        return f"Vocabulary({len(self.words)} words of {self.texts:.10g} texts)"

    @property
    def size(self) -> int:
        """How many numbers there are, with padding and unknown: an Embedding's `input_dim`."""
        return len(self.words) + FIRST

    @property
    def rarity(self) -> np.ndarray:
        """[words] 1 + ln((1 + N)/(1 + n)) of a word in n of N texts: the weight of a rare word."""
        return _rarity(self.texts, self.counts)

    def keep(self, words: Iterable[str]) -> Vocabulary:
        """The vocabulary of some of the words alone, in the order they have here.

        Raises:
            InputError: For a word that is not in it.
        """
        wanted = names_given(words=words)
        unknown = list(dict.fromkeys(word for word in wanted if word not in self._ids))
        if unknown:
            raise InputError(
                f"`words` must be words of the vocabulary. Received: {unknown[0]!r}"
                f"{f' and {len(unknown) - 1} more' if len(unknown) > 1 else ''}, not in it. "
                "`taut.text.words_of` gives words as they are here; `min_count` leaves rare ones "
                "out."
            )
        kept = sorted({self._ids[word] - FIRST for word in wanted})
        return replace(self, words=tuple(self.words[i] for i in kept), counts=self.counts[kept])

    def ids(self, texts: Iterable[str], *, length: int) -> np.ndarray:
        """[texts, length] of int32: the numbers of the first words in order, then padding.

        For networks that read words one after another. Words that are not known are 1.
        """
        check_whole(1, length=length)
        split = split_texts(checked_texts(texts), self.tokenize)
        ids = np.full((len(split), length), PADDING, "int32")
        for row, of_text in enumerate(split):
            numbers = [self._ids.get(word, UNKNOWN) for word in of_text[:length]]
            ids[row, : len(numbers)] = numbers
        return ids

    def decode(self, ids: Iterable[int]) -> list[str]:
        """The words of one row of numbers; "?" for one that is not known, nothing for padding.

        Raises:
            InputError: For what are no numbers of words.
        """
        numbers = listed(Integral, "whole numbers", ids=ids)
        if numbers and (min(numbers) < 0 or max(numbers) >= self.size):
            raise InputError(
                f"`ids` must be from 0 to {self.size - 1}. Received: ids from {min(numbers)} to "
                f"{max(numbers)}."
            )
        known = [number for number in numbers if number != PADDING]
        return ["?" if number == UNKNOWN else self.words[number - FIRST] for number in known]

    def bags(self, texts: Iterable[str]) -> dict[str, np.ndarray]:
        r"""The distinct words of each text, and how much each weighs.

        A word that occurs k times weighs (1 + ln k)·rarity, and the weights of a text have length
        one: Σ a² = 1. What is not known is left out, so that a text of unknown words weighs
        nothing.

        Returns:
            `"words"` [texts, most words] of int32, padded with 0, and `"weights"` of float32 in the
            same shape, 0 where padded.
        """
        return self.bags_of_split(split_texts(checked_texts(texts), self.tokenize))

    def bags_of_split(self, texts: Sequence[Sequence[str]]) -> dict[str, np.ndarray]:
        """What `bags` gives, of texts that are split into words."""
        bags = []
        for of_text in texts:
            counts = Counter(number for word in of_text if (number := self._ids.get(word)))
            numbers, weights = np.array(list(counts), int), self._amounts(counts)
            if len(numbers) > LONGEST:
                most = np.sort(np.argsort(-weights, kind="stable")[:LONGEST])
                numbers, weights = numbers[most], weights[most]
            bags.append((numbers, _of_length_one(weights)))
        return _filled(bags)

    def sequences(self, texts: Iterable[str]) -> dict[str, np.ndarray]:
        r"""The words of each text in order, and how much each weighs.

        What is not known is left out: its neighbours stand side by side. A word that occurs k times
        and weighs a in the bag weighs a/k at each place, so that a sum over the words is that of
        `bags`. Of a text of more than 400 known words the first 400 are read.

        Returns:
            `"words"` [texts, most words] of int32, padded with 0, and `"weights"` of float32 in the
            same shape, 0 where padded.
        """
        return self.sequences_of_split(split_texts(checked_texts(texts), self.tokenize))

    def sequences_of_split(self, texts: Sequence[Sequence[str]]) -> dict[str, np.ndarray]:
        """What `sequences` gives, of texts that are split into words."""
        rows = []
        for of_text in texts:
            known = [number for word in of_text if (number := self._ids.get(word))][:LONGEST]
            counts = Counter(known)
            each = _of_length_one(self._amounts(counts)) / np.array(list(counts.values()), float)
            weight = dict(zip(counts, each, strict=True))
            rows.append((np.array(known, int), np.array([weight[i] for i in known], float)))
        return _filled(rows)

    def _amounts(self, counts: Mapping[int, int]) -> np.ndarray:
        """[numbers] (1 + ln k)·rarity of the words that have these numbers and occur k times."""
        places = np.array(list(counts), int) - FIRST
        rarity = _rarity(self.texts, self.counts[places])
        return (1 + np.log(np.array(list(counts.values()), float))) * rarity


def _whole(number: float) -> float:
    """A sum of weights without the rounding of its terms; an int where it is whole."""
    rounded = round(number, 9)
    return int(rounded) if rounded.is_integer() and rounded < 2**53 else rounded


def _rarity(texts: float, counts: np.ndarray) -> np.ndarray:
    return 1 + np.log((1 + texts) / (1 + counts))


def _of_length_one(weights: np.ndarray) -> np.ndarray:
    length = np.sqrt(np.sum(weights**2))
    return weights / length if length else weights


def _filled(rows: Sequence[tuple[np.ndarray, np.ndarray]]) -> dict[str, np.ndarray]:
    """Numbers and weights of texts side by side, padded with 0."""
    # Few lengths, so that few programs are compiled.
    most_words = max((len(numbers) for numbers, _ in rows), default=0)
    width = max(-(-most_words // _STEP) * _STEP, _STEP)
    words = np.full((len(rows), width), PADDING, "int32")
    weights = np.zeros((len(rows), width), "float32")
    for row, (numbers, amounts) in enumerate(rows):
        words[row, : len(numbers)], weights[row, : len(numbers)] = numbers, amounts
    return {"words": words, "weights": weights}
