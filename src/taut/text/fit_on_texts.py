"""Texts and labels in, a network that reads few words or all out."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

from taut._weights import ClassWeight
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
    sample_weight: Any = None,
    class_weight: ClassWeight = None,
    groups: Any = None,
    validation: Any = None,
    callbacks: Sequence[Callback] | None = None,
) -> TextModel:
    r"""Fit a network that tells classes of texts apart, on all words or on a chosen few.

    The network is softmax(W·Σ_t a_t·e(w_t) + b): a row e(w) for each word, weighed by how often it
    is in the text and how rare elsewhere (`taut.text.Vocabulary.bags`). It is trained on all texts
    for the number of epochs that has the least held-out loss on three folds, or on `validation`;
    texts of the same words stay on one side of a fold. A number of words is chosen by a group lasso
    (`word_path`), and the network is then fitted anew on these words without penalty, since a
    penalty that chooses also shrinks. With a `reader` a GRU reads the words in order beside the
    sum, and of its units, and of the words, those that say nothing are removed exactly
    (`taut.text.GRUReader`).

    Args:
        texts: The texts to train on. Set others aside first for the number that you report.
        labels: A label each, text or numbers.
        words: How many words the network may read at most, or which; all of the texts unless given.
        width: Numbers in the row of a word.
        reader: `taut.text.GRUReader()` for a network that reads words in order; none unless given.
        min_count: Words that are in fewer texts are left out.
        tokenize: From a text to its words; `taut.text.words_of` unless given. It is not saved.
        seed: Seeds folds, initial weights and the order of rows.
        sample_weight: [texts] numbers >= 0: how much a text counts in training, in the choices and
            in the counts of words. A text of weight 2 is one that is there twice, one of weight 0
            is left out.
        class_weight: Weights >= 0 by label, 1 for those left out; 0 leaves the texts of a class
            out; or `"balanced"`, W/(K·W_k) for the weight W_k of all texts of class k of K. They
            multiply `sample_weight` in the loss, and count no words.
        groups: [texts] labels of groups, such as authors: no group is on both sides of a fold.
            They alone say then which texts stay together. A `reader` has no folds. With
            `validation` two, (labels of the rows of `texts`, labels of the rows of `validation`),
            that have no group in common.
        validation: (texts, labels), or (texts, labels, weights), of texts that you hold out
            yourself. They take the place of the folds: the epoch of their least loss is kept, with
            a `reader` of the last training. They are not trained on, and their words not counted.
        callbacks: Told of the progress; a display on the terminal unless given.

    Returns:
        A `TextModel`.

    Raises:
        InputError: For texts or labels that cannot be used; before any training. Texts without a
            word are named by their row numbers.

    Warns:
        UserWarning: If fewer words are read than were asked for, or texts of `validation` are also
            among `texts`.

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
    data = LabelledTexts.checked(
        texts,
        labels,
        tokenize,
        sample_weight=sample_weight,
        class_weight=class_weight,
        groups=groups,
        validation=validation,
    )
    # Too few groups are told before any training.
    folds = data.folds(seed) if reader is None and data.held_out is None else []
    vocabulary = data.vocabulary(min_count)
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
    found, rows = data.with_held_out()
    bags, most = vocabulary.bags_of_split(found), epochs_for(len(data.y), data.counted.sum())

    def network(rows: int) -> Any:
        rate = rising_rate(rows, most)
        return bag_network(vocabulary.size, len(data.classes), width=width, learning_rate=rate)

    epochs = _best_epochs(network, bags, data, folds, most, seed, callbacks or ())
    record = train_lanes(
        network(len(data.y)),
        bags,
        lanes=[Lane(seed=seed)],
        **rows,
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
    folds: Sequence[Split],
    most: int,
    seed: int,
    callbacks: Sequence[Callback],
) -> int:
    """How many epochs have the least held-out loss over the folds, of `most`; without folds all."""
    if not folds:
        return most
    record = train_lanes(
        network(max(len(fold.train) for fold in folds)),
        bags,
        data.y,
        [Lane(split=k, seed=seed) for k in range(len(folds))],
        splits=folds,
        sample_weight=data.cost,
        epochs=most,
        batch_size=BATCH,
        groups=[0] * len(folds),
        callbacks=callbacks,
    )
    return int(record.best_epoch[0]) + 1
