"""The words of a collection of texts: their numbers, and texts as arrays of these."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from taut.checks import check_whole, check_whole_or_none
from taut.errors import InputError

Tokenize = Callable[[str], Iterable[str]]

PADDING, UNKNOWN = 0, 1
FIRST = 2
"""The number of the first word."""
LONGEST = 400
"""Distinct words of a bag: of a longer text those of most weight."""
_STEP = 32
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORDS = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]{{2,}}")
_SHOWN = 5


def words_of(text: str) -> list[str]:
    """The words of a text in order: lower-case runs of two or more letters and digits.

    Chinese and Japanese have no spaces between words: each of their characters is a word of its
    own. For words of these, pass a tokenizer to `Vocabulary.learn`, such as `jieba.lcut`.

    Example:
        >>> words_of("Ad sales boost 2nd-quarter profit! 体育新闻")
        ['ad', 'sales', 'boost', '2nd', 'quarter', 'profit', '体', '育', '新', '闻']
    """
    return _WORDS.findall(unicodedata.normalize("NFKC", text).lower())


def checked_texts(texts: Any, name: str = "texts") -> list[str]:
    """Texts as a list.

    Raises:
        InputError: If they are one text, or some are none.
    """
    if isinstance(texts, str) or not isinstance(texts, Iterable):
        raise InputError(
            f"`{name}` must be several texts, a list of str. Received: {texts!r:.60}. "
            "Put a single text into a list."
        )
    listed = list(texts)
    wrong = [row for row, text in enumerate(listed) if not isinstance(text, str)]
    if wrong:
        raise InputError(
            f"`{name}` must be str. Received: {len(wrong)} that are none, in {rows_named(wrong)}: "
            f"{listed[wrong[0]]!r:.60}. Leave these rows out, or write '' for a text that is empty."
        )
    return [str(text) for text in listed]


def rows_named(rows: Sequence[int]) -> str:
    """Some row numbers in words, from 0."""
    shown = ", ".join(map(str, rows[:_SHOWN]))
    more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
    return f"row{'s' if len(rows) > 1 else ''} {shown}{more}"


@dataclass(frozen=True, eq=False, repr=False)
class Vocabulary:
    """The words that a network knows, learned from the texts that it is trained on.

    Word i of `words` has the number i + 2; 0 is padding and 1 any word that is not known.

    Attributes:
        words: In the order of their numbers.
        counts: [words] of int, in how many of the texts each occurs.
        texts: In how many texts they were counted.
        tokenize: Text to words; `words_of` unless given.

    Example:
        >>> vocabulary = Vocabulary.learn(["A goal! A late goal", "No late vote"], min_count=1)
        >>> vocabulary.words
        ('late', 'goal', 'no', 'vote')
        >>> vocabulary.ids(["late goal, offside", ""], length=4).tolist()
        [[2, 3, 1, 0], [0, 0, 0, 0]]
    """

    words: tuple[str, ...]
    counts: np.ndarray
    texts: int
    tokenize: Tokenize = words_of
    _ids: Mapping[str, int] = field(init=False)

    def __post_init__(self) -> None:
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
        check_whole(1, min_count=min_count)
        check_whole_or_none(1, max_words=max_words)
        listed, tokenize = checked_texts(texts), words_of if tokenize is None else tokenize
        counts = Counter(word for text in listed for word in set(tokenize(text)))
        ordered = sorted(((-n, w) for w, n in counts.items() if n >= min_count))[:max_words]
        if not ordered:
            raise InputError(
                f"Some word must be in {min_count} texts or more. Received: {len(listed)} texts of "
                f"{len(counts)} words, each in fewer. Pass more texts, or a smaller `min_count`."
            )
        words = tuple(word for _, word in ordered)
        return cls(words, np.array([-n for n, _ in ordered]), len(listed), tokenize)

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self._ids

    def __repr__(self) -> str:
        return f"Vocabulary({len(self.words)} words of {self.texts} texts)"

    @property
    def size(self) -> int:
        """How many numbers there are, with padding and unknown: an Embedding's `input_dim`."""
        return len(self.words) + FIRST

    @property
    def rarity(self) -> np.ndarray:
        """[words] 1 + ln((1 + N)/(1 + n)) of a word in n of N texts: the weight of a rare word."""
        return 1 + np.log((1 + self.texts) / (1 + self.counts))

    def keep(self, words: Iterable[str]) -> Vocabulary:
        """The vocabulary of some of the words alone, in the order they have here.

        Raises:
            InputError: For a word that is not in it.
        """
        wanted = set(words)
        if unknown := sorted(wanted - set(self.words)):
            raise InputError(
                f"`words` must be words of the vocabulary. Received: {unknown[0]!r}"
                f"{f' and {len(unknown) - 1} more' if len(unknown) > 1 else ''}, not in it."
            )
        kept = [i for i, word in enumerate(self.words) if word in wanted]
        return replace(self, words=tuple(self.words[i] for i in kept), counts=self.counts[kept])

    def ids(self, texts: Iterable[str], *, length: int) -> np.ndarray:
        """[texts, length] of int32: the numbers of the first words in order, then padding.

        For networks that read words one after another. Words that are not known are 1.
        """
        check_whole(1, length=length)
        listed = checked_texts(texts)
        ids = np.full((len(listed), length), PADDING, "int32")
        for row, text in enumerate(listed):
            numbers = [self._ids.get(word, UNKNOWN) for word in self.tokenize(text)][:length]
            ids[row, : len(numbers)] = numbers
        return ids

    def decode(self, ids: Iterable[int]) -> list[str]:
        """The words of one row of numbers; "?" for one that is not known, nothing for padding."""
        names = {PADDING: None, UNKNOWN: "?"}
        found = [names.get(int(i), "") for i in ids]
        numbers = [int(i) for i in ids]
        if numbers and (min(numbers) < 0 or max(numbers) >= self.size):
            raise InputError(
                f"`ids` must be from 0 to {self.size - 1}. Received: ids from {min(numbers)} to "
                f"{max(numbers)}."
            )
        return [
            self.words[number - FIRST] if name == "" else name
            for number, name in zip(numbers, found, strict=True)
            if name is not None
        ]

    def bags(self, texts: Iterable[str]) -> dict[str, np.ndarray]:
        r"""The distinct words of each text, and how much each weighs.

        A word that occurs k times weighs (1 + ln k)·rarity, and the weights of a text have length
        one: Σ a² = 1. What is not known is left out, so that a text of unknown words weighs
        nothing.

        Returns:
            `"words"` [texts, most words] of int32, padded with 0, and `"weights"` of float32 in the
            same shape, 0 where padded.
        """
        listed, rarity = checked_texts(texts), self.rarity
        bags = []
        for text in listed:
            counts = Counter(self.tokenize(text))
            numbers = np.array([i for w in counts if (i := self._ids.get(w)) is not None], int)
            times = np.array([k for w, k in counts.items() if w in self._ids], float)
            weights = (1 + np.log(times)) * rarity[numbers - FIRST]
            if len(numbers) > LONGEST:
                most = np.sort(np.argsort(-weights, kind="stable")[:LONGEST])
                numbers, weights = numbers[most], weights[most]
            length = np.sqrt(np.sum(weights**2))
            bags.append((numbers, weights / length if length else weights))
        # Few lengths, so that few programs are compiled.
        most_words = max((len(numbers) for numbers, _ in bags), default=0)
        width = max(-(-most_words // _STEP) * _STEP, _STEP)
        words = np.full((len(listed), width), PADDING, "int32")
        weights = np.zeros((len(listed), width), "float32")
        for row, (numbers, of_text) in enumerate(bags):
            words[row, : len(numbers)], weights[row, : len(numbers)] = numbers, of_text
        return {"words": words, "weights": weights}
