"""The words that a group lasso keeps, strength by strength."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from taut._read_only import ReadOnly
from taut._weights import ClassWeight
from taut.checks import check_whole
from taut.engine import Callback, Lane, Split, train_lanes
from taut.errors import InputError
from taut.progress import displayed
from taut.text.bag_networks import linear_bag_network
from taut.text.text_labels import LabelledTexts
from taut.text.training_length import BATCH, epochs_for
from taut.text.vocabulary import FIRST, Vocabulary
from taut.text.words_of_texts import Tokenize

if TYPE_CHECKING:
    import pandas as pd

SHARES = np.geomspace(0.5, 0.02, 8)
"""Strengths of a path, as shares of the critical one."""
ROUNDING = 1e-12
MOST_WORDS = 4000
"""Words that are offered: those of the steepest slope where no word is read."""


@dataclass(frozen=True, repr=False, eq=False)
class WordPath(ReadOnly):
    """What `word_path` returns.

    Attributes:
        strengths: [strengths] α, the largest first.
        critical: The strength from which on no word is kept.
        vocabulary: The words that were offered.
        classes: [classes] the labels.
        effects: [strengths, words, classes] the rows of the embedding less their means over the
            classes: how much a word speaks for each class.
        kept: [strengths, words] of bool: whether the row is not exactly zero.
        weights: [words] √(weighted mean over the texts of a²), of the weight a of a word in a bag.
        losses: [strengths] the training data loss at the end.
    """

    strengths: np.ndarray
    critical: float
    vocabulary: Vocabulary
    classes: np.ndarray
    effects: np.ndarray
    kept: np.ndarray
    weights: np.ndarray
    losses: np.ndarray

    def keep(self, count: int) -> list[str]:
        """So many words: the better half of those at the largest strength that keeps twice as many.

        Better is what moves the network more: ‖e(w)‖·√(mean over texts of a²). A strength that
        keeps just as many shrinks its words so much that their order is worse.

        Args:
            count: How many; fewer are given where no strength of the path keeps as many.

        Returns:
            The words, the best first.
        """
        check_whole(1, count=count)
        counts = self.kept.sum(axis=1)
        enough = np.flatnonzero(counts >= 2 * count)
        at = int(enough[0]) if len(enough) else int(counts.argmax())
        moves = np.linalg.norm(self.effects[at], axis=1) * self.weights
        order = np.lexsort((-moves, ~self.kept[at]))[: min(count, int(counts[at]))]
        return [self.vocabulary.words[i] for i in order]

    def to_frame(self) -> pd.DataFrame:
        """One line a strength: strength, words kept, training loss."""
        import pandas as pd

        return pd.DataFrame(
            {
                "strength": self.strengths,
                "words": self.kept.sum(axis=1),
                "train_loss": self.losses,
            }
        )

    def words(self) -> pd.DataFrame:
        """One line a word that some strength keeps, those that enter first before others.

        Returns:
            word; class, for which it speaks most at the least strength; effect, how much; enters,
            the largest strength that keeps it; texts, in how many it was.
        """
        import pandas as pd

        kept = np.flatnonzero(self.kept.any(axis=0))
        first = self.kept[:, kept].argmax(axis=0)
        last = self.effects[-1, kept]
        frame = pd.DataFrame(
            {
                "word": [self.vocabulary.words[i] for i in kept],
                "class": self.classes[last.argmax(axis=1)],
                "effect": last.max(axis=1),
                "enters": self.strengths[first],
                "texts": self.vocabulary.counts[kept],
            }
        )
        order = ["enters", "effect"]
        return frame.sort_values(order, ascending=False, ignore_index=True)

    def plot(self, *, words: int = 8) -> Any:
        """How the words of each class enter as the strength falls, a panel a class.

        Args:
            words: So many of a class, those of most effect at the least strength.

        Raises:
            InputError: If that is no integer >= 1, or Altair is not installed.
        """
        from taut.text.word_plots import path_chart

        check_whole(1, words=words)
        return path_chart(self, words)

    def __repr__(self) -> str:
        counts = self.kept.sum(axis=1)
        return (
            f"WordPath({len(self.strengths)} strengths, {self.strengths[0]:.3g} to "
            f"{self.strengths[-1]:.3g}: {counts[0]} to {counts[-1]} words)"
        )

    def _repr_html_(self) -> str:
        table = self.to_frame().to_html(index=False, border=0, float_format="%.4g")
        return f"<p><b>{escape(repr(self))}</b></p>{table}"


@displayed
def word_path(
    texts: Iterable[str],
    labels: Iterable[Any],
    *,
    min_count: int = 2,
    tokenize: Tokenize | None = None,
    seed: int = 0,
    sample_weight: Any = None,
    class_weight: ClassWeight = None,
    callbacks: Sequence[Callback] | None = None,
) -> WordPath:
    r"""Which words tell the classes apart, from a few to many.

    At each strength α it minimises over the rows e(w) and the offsets b

        (1/n)·Σ_i −ln softmax(Σ_t a_it·e(w_it) + b)[y_i] + α·Σ_w ‖e(w)‖₂

    which is convex: the group lasso of the multinomial regression on bags (`Vocabulary.bags`). All
    strengths are trained as one program. The critical strength is the largest ‖slope of e(w)‖ at
    zero. At most 4,000 words are offered, those of the largest slopes.

    Args:
        texts: The texts to train on.
        labels: A label each, text or numbers.
        min_count: Words that are in fewer texts are left out.
        tokenize: From a text to its words; `taut.text.words_of` unless given.
        seed: Seeds the order of rows.
        sample_weight: [texts] numbers >= 0, as of `taut.fit_text`.
        class_weight: Weights by label, or `"balanced"`, likewise.
        callbacks: Told of the progress; a display on the terminal unless given.

    Returns:
        A `WordPath`.

    Raises:
        InputError: For texts or labels that cannot be used; before any training.

    Example:
        >>> path = taut.word_path(texts, labels)  # doctest: +SKIP
        >>> taut.fit_text(texts, labels, words=path.keep(100))  # doctest: +SKIP

    References:
        Vincent, Hansen, Sparse group lasso and high dimensional multinomial classification, 2014.
        Fan and Lv, Sure independence screening for ultrahigh dimensional feature space, 2008.
    """
    check_whole(0, seed=seed)
    data = LabelledTexts.checked(
        texts, labels, tokenize, sample_weight=sample_weight, class_weight=class_weight
    )
    vocabulary = data.vocabulary(min_count)
    return path_of(data, vocabulary, seed, callbacks or ())


def path_of(
    data: LabelledTexts, vocabulary: Vocabulary, seed: int, callbacks: Sequence[Callback]
) -> WordPath:
    """The path of texts that are checked."""
    targets = np.eye(len(data.classes))[data.y]
    shares = data.shares
    slopes = _slopes(vocabulary, vocabulary.bags_of_split(data.words), targets, shares)
    if len(vocabulary) > MOST_WORDS:
        steepest = np.argsort(-slopes, kind="stable")[:MOST_WORDS]
        vocabulary = vocabulary.keep(vocabulary.words[i] for i in steepest)
    bags = vocabulary.bags_of_split(data.words)
    critical = float(_slopes(vocabulary, bags, targets, shares).max())
    if critical <= ROUNDING:
        raise InputError(
            "Some word must be more frequent in one class than in another. Received: texts in "
            "which none is. Pass more texts, or a smaller `min_count`."
        )
    strengths = critical * SHARES
    rows, epochs = np.arange(len(data.y)), epochs_for(len(data.y), data.counted.sum())
    steps = epochs * -(-len(rows) // BATCH)
    model = linear_bag_network(vocabulary.size, len(data.classes), steps=steps)
    record = train_lanes(
        model,
        bags,
        data.y,
        [Lane((float(s),), seed=seed) for s in strengths],
        splits=[Split(rows)],
        sample_weight=data.cost,
        epochs=epochs,
        batch_size=BATCH,
        callbacks=callbacks,
    )
    names = [variable.name for variable in model.trainable_variables]
    table = record.trainable[names.index("embeddings")][:, FIRST:]
    return WordPath(
        strengths=strengths,
        critical=critical,
        vocabulary=vocabulary,
        classes=data.classes,
        effects=table - table.mean(axis=2, keepdims=True),
        kept=(table != 0).any(axis=2),
        weights=_mean_weights(vocabulary, bags, shares),
        losses=record.kept_losses()[0],
    )


def _slopes(
    vocabulary: Vocabulary, bags: dict[str, np.ndarray], targets: np.ndarray, shares: np.ndarray
) -> np.ndarray:
    """[words] the norm of the slope of each word's row where all rows are zero."""
    from scipy.sparse import csr_array

    # Sparse: texts times words times classes would not fit in memory.
    ends = np.arange(0, bags["words"].size + 1, bags["words"].shape[1])
    amounts = bags["weights"].ravel().astype(float)
    shape = len(targets), vocabulary.size
    x = csr_array((amounts, bags["words"].ravel(), ends), shape=shape)
    slopes = x.T @ ((shares @ targets - targets) * shares[:, None])
    return np.linalg.norm(slopes[FIRST:], axis=1)


def _mean_weights(
    vocabulary: Vocabulary, bags: dict[str, np.ndarray], shares: np.ndarray
) -> np.ndarray:
    """[words] the root of the weighted mean square of each word's weight."""
    squares = np.bincount(
        bags["words"].reshape(-1),
        weights=(bags["weights"].astype(float) ** 2 * shares[:, None]).reshape(-1),
        minlength=vocabulary.size,
    )
    return np.sqrt(squares[FIRST:])
