"""A network that reads words in order: trained with penalties, made smaller, trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from taut.compaction import compact
from taut.engine import Callback, Lane, Split, train_lanes
from taut.errors import InputError
from taut.text.bag_networks import WORD
from taut.text.gru_reader import GRUReader, compiled
from taut.text.text_labels import LabelledTexts
from taut.text.text_model import TextModel
from taut.text.training_length import BATCH, epochs_for
from taut.text.vocabulary import FIRST, Vocabulary


def fit_in_order(
    data: LabelledTexts,
    vocabulary: Vocabulary,
    reader: GRUReader,
    *,
    width: int,
    seed: int,
    callbacks: Sequence[Callback],
) -> TextModel:
    """What `fit_text` does with a reader, of texts that are checked.

    Half as many epochs as a network on bags has at most are trained with the penalties. Words and
    units that are zero then go, by `taut.compact`, and the words from the texts. What is left is
    trained on for a third of these epochs without the penalties on words and units, since these
    also shrink; with texts held out, the epoch of these is kept that has their least loss.
    """
    epochs = -(-epochs_for(len(data.y), data.counted.sum()) // 2)
    steps = epochs * -(-len(data.y) // BATCH)
    network = reader.network(vocabulary.size, len(data.classes), steps=steps, width=width)
    start = Lane(tuple(network.optimizer.compiled_strengths), seed=seed)
    sequences = vocabulary.sequences_of_split(data.words)
    rows = {"y": data.y, "sample_weight": data.cost, "splits": [Split(np.arange(len(data.y)))]}
    record = _trained(network, sequences, rows, start, epochs, callbacks)
    smaller, vocabulary = without_the_dead(record.give_weights(0, network), vocabulary, sequences)
    again = -(-epochs // 3)
    compiled(smaller, again * -(-len(data.y) // BATCH))
    start = Lane(tuple(smaller.optimizer.compiled_strengths), seed=seed, present=True)
    words, rows = data.with_held_out()
    sequences = vocabulary.sequences_of_split(words)
    record = _trained(smaller, sequences, rows, start, again, callbacks)
    # Not compiled: what an optimizer keeps would take twice the room of the weights.
    fitted = record.give_weights(0, keras.models.clone_model(smaller))
    return TextModel(fitted, vocabulary, data.classes, in_order=True)


def without_the_dead(
    network: Any, vocabulary: Vocabulary, sequences: dict[str, np.ndarray]
) -> tuple[Any, Vocabulary]:
    """The network without units and words that are zero, and the words that are left.

    Raises:
        InputError: If no word is left.
    """
    table = np.asarray(network.get_layer(WORD).embeddings)
    kept = np.flatnonzero(table[FIRST:].any(axis=1)) + FIRST
    if not len(kept):
        raise InputError(
            "`strength` of the reader must leave a word. Received: one at which all words are "
            "zero. Make it smaller."
        )
    result = compact(network, sequences, measure=False)
    if WORD in result.vocabulary:
        # Padding is 0 and all that is not read 1, so that the words that are left follow.
        assert (result.vocabulary[WORD][kept] == np.arange(FIRST, FIRST + len(kept))).all()
    return result.model, vocabulary.keep(vocabulary.words[i - FIRST] for i in kept)


def _trained(
    network: Any,
    sequences: dict[str, np.ndarray],
    rows: dict[str, Any],
    lane: Lane,
    epochs: int,
    callbacks: Sequence[Callback],
) -> Any:
    return train_lanes(
        network,
        sequences,
        lanes=[lane],
        **rows,
        epochs=epochs,
        batch_size=BATCH,
        callbacks=callbacks,
    )
