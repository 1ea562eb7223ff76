"""Texts and labels in, a network that reads few words or all out."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from taut.checks import check_whole, names_given
from taut.engine import Callback, Lane, Split, train_lanes
from taut.errors import InputError
from taut.progress import displayed
from taut.text.bag_networks import bag_network, untrained
from taut.text.fit_in_order import fit_in_order
from taut.text.gru_reader import GRUReader
from taut.text.text_labels import LabelledTexts
from taut.text.text_model import TextModel
from taut.text.training_length import BATCH, epochs_for, rising_rate
from taut.text.vocabulary import Vocabulary
from taut.text.words_by_strength import path_of
from taut.text.words_of_texts import Tokenize


@displayed
def fit_text(
    texts: Iterable[str],
    labels: Iterable[Any],
    *,
    words: int | Iterable[str] | None = None,
    width: int = 16,
    reader: GRUReader | None = None,
    min_count: int = 2,
    tokenize: Tokenize | None = None,
    seed: int = 0,
    callbacks: Sequence[Callback] | None = None,
) -> TextModel:
    r"""Fit a network that tells classes of texts apart, on all words or on a chosen few.

    The network is softmax(W·Σ_t a_t·e(w_t) + b): a row e(w) for each word, weighed by how often it
    is in the text and how rare elsewhere (`taut.text.Vocabulary.bags`). It is trained on all texts
    for the number of epochs that has the least held-out loss on three folds; texts of the same
    words stay on one side of a fold. A number of words is chosen by a group lasso (`word_path`),
    and the network is then fitted anew on these words without penalty, since a penalty that
    chooses also shrinks. With a `reader` a GRU reads the words in order beside the sum, and of its
    units, and of the words, those that say nothing are removed exactly (`taut.text.GRUReader`).

    Args:
        texts: The texts to train on. Set others aside first for the number that you report.
        labels: A label each, text or numbers.
        words: How many words the network may read at most, or which; all of the texts unless given.
        width: Numbers in the row of a word.
        reader: `taut.text.GRUReader()` for a network that reads words in order; none unless given.
        min_count: Words that are in fewer texts are left out.
        tokenize: From a text to its words; `taut.text.words_of` unless given. It is not saved.
        seed: Seeds folds, initial weights and the order of rows.
        callbacks: Told of the progress; a display on the terminal unless given.

    Returns:
        A `TextModel`.

    Raises:
        InputError: For texts or labels that cannot be used; before any training. Texts without a
            word are named by their row numbers.

    Warns:
        UserWarning: If fewer words are read than were asked for.

    Example:
        >>> model = taut.fit_text(texts, labels, words=100)  # doctest: +SKIP
        >>> model.predict(["Late goal decides the match"])  # doctest: +SKIP
    """
    check_whole(0, seed=seed)
    check_whole(1, width=width)
    if not (reader is None or isinstance(reader, GRUReader)):
        raise InputError(
            f"`reader` must be a `taut.text.GRUReader`, or None. Received: reader={reader!r:.60}."
        )
    if isinstance(words, str) or not (words is None or isinstance(words, Iterable)):
        check_whole(1, words=words)
    wanted = names_given(words=words) if isinstance(words, Iterable) else ()
    data = LabelledTexts.checked(texts, labels, tokenize)
    vocabulary = Vocabulary.of_split(data.words, data.tokenize, min_count=min_count)
    if isinstance(words, Iterable):
        vocabulary = vocabulary.keep(wanted)
        if not len(vocabulary):
            raise InputError("`words` must hold at least one word. Received none.")
    elif words is not None and words < len(vocabulary):
        chosen = path_of(data, vocabulary, seed, callbacks or ()).keep(words)
        if len(chosen) < words:
            warnings.warn(
                f"{len(chosen)} words are read, of {words} that were asked for: the least strength "
                "of the path keeps no more. Without `words` all are read.",
                UserWarning,
                stacklevel=3,
            )
        vocabulary = vocabulary.keep(chosen)
    if reader is not None:
        return fit_in_order(
            data, vocabulary, reader, width=width, seed=seed, callbacks=callbacks or ()
        )
    bags, most = vocabulary.bags_of_split(data.words), epochs_for(len(data.y))

    def network(rows: int) -> Any:
        rate = rising_rate(rows, most)
        return bag_network(vocabulary.size, len(data.classes), width=width, learning_rate=rate)

    epochs = _best_epochs(network, bags, data, most, seed, callbacks or ())
    everything = np.arange(len(data.y))
    record = train_lanes(
        network(len(everything)),
        bags,
        data.y,
        [Lane(seed=seed)],
        splits=[Split(everything)],
        epochs=epochs,
        batch_size=BATCH,
        callbacks=callbacks or (),
    )
    # Not compiled: what an optimizer keeps would take twice the room of the weights.
    fitted = record.give_weights(0, untrained(vocabulary.size, len(data.classes), width))
    return TextModel(fitted, vocabulary, data.classes)


def _best_epochs(
    network: Any,
    bags: Any,
    data: LabelledTexts,
    most: int,
    seed: int,
    callbacks: Sequence[Callback],
) -> int:
    """How many epochs have the least held-out loss over the folds, of `most`."""
    folds = [Split(train, held_out) for train, held_out in data.folds(seed)]
    record = train_lanes(
        network(max(len(fold.train) for fold in folds)),
        bags,
        data.y,
        [Lane(split=k, seed=seed) for k in range(len(folds))],
        splits=folds,
        epochs=most,
        batch_size=BATCH,
        groups=[0] * len(folds),
        callbacks=callbacks,
    )
    return int(record.best_epoch[0]) + 1
