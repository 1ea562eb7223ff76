"""A GRU that reads the words of a text in order, beside the sum over them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from taut.checks import check_at_least, check_whole
from taut.errors import InputError
from taut.models import Model
from taut.penalties import L2, GroupLasso
from taut.text.bag_networks import WORD

READER, HEAD = "reader", "head"
"""Names of the GRU and of the last layer."""
WORD_SHARE = 0.1
"""The strength on a word against that on a unit: there are more words than units."""
HEAD_STRENGTH = 0.01
RATE = 0.01


@dataclass(frozen=True, kw_only=True)
class GRUReader:
    r"""softmax(W·Σ_t a_t·[e(w_t), h_t] + b), h_t the state of a GRU at word t; words and units few.

    Beside the sum over words of `bag_network` stands that over the states of a GRU that reads them
    one after another, from the left and, if `bidirectional`, also from the right. It minimises

        J + α·Σ_k ‖all that makes unit k of the GRU‖₂ + (α/10)·Σ_w ‖e(w)‖₂ + (0.01/2)·‖W‖²

    so that a unit goes to zero unless the order of words says more than their sum, and a word
    unless either reads it; `taut.compact` takes them out. The last term is there because W would
    grow as the others shrink.

    Args:
        units: Of each direction, to begin with.
        bidirectional: Whether words are also read from the end to the start.
        strength: α, where J is the mean cross-entropy of a text. It is not chosen: hold texts out,
            and compare a few, from 0.001 to 0.03. Where order says all, 0.01 may remove it.

    Raises:
        InputError: If `units` is no integer >= 1, or `strength` is negative or not finite.

    Example:
        >>> GRUReader(units=4)
        GRUReader(units=4, bidirectional=True, strength=0.02)
        >>> taut.fit_text(texts, labels, reader=GRUReader(units=4))  # doctest: +SKIP

    References:
        Cho and others, Learning phrase representations using RNN encoder-decoder, 2014.
        Schuster and Paliwal, Bidirectional recurrent neural networks, 1997.
    """

    units: int = 16
    bidirectional: bool = True
    strength: float = 0.02

    def __post_init__(self) -> None:
        check_whole(1, units=self.units)
        check_at_least(0, strength=self.strength)
        if not isinstance(self.bidirectional, bool):
            raise InputError(
                "`bidirectional` must be True or False. Received: "
                f"bidirectional={self.bidirectional!r:.60}."
            )

    def network(self, size: int, classes: int, *, steps: int, width: int = 16) -> Any:
        """The network, compiled with its penalties and a learning rate that falls over `steps`.

        Args:
            size: Numbers of words, `Vocabulary.size`.
            classes: How many classes.
            steps: Batches that it will be trained on.
            width: Numbers in a row e(w).

        Returns:
            A Keras model of what `Vocabulary.sequences` gives, with layers "word", "reader" and
            "head".

        Raises:
            InputError: If a number is no integer >= 1.
        """
        check_whole(1, size=size, classes=classes, steps=steps, width=width)
        words = keras.Input((None,), dtype="int32", name="words")
        weights = keras.Input((None,), name="weights")
        # Masked, or a GRU that reads from the end would begin with the padding.
        rows = layers.Embedding(size, width, mask_zero=True, name=WORD)(words)
        states = self._reader()(rows)
        both = layers.Concatenate(name="both")([rows, states])
        pooled = layers.Dot(axes=1, name="pooled")([weights, both])
        output = layers.Dense(classes, activation="softmax", name=HEAD)(pooled)
        model = Model({"words": words, "weights": weights}, output)
        penalties = {
            WORD: GroupLasso(WORD_SHARE * self.strength, groups="rows", weights="unit"),
            READER: GroupLasso(self.strength, groups="units", weights="unit"),
        }
        return compiled(model, steps, **penalties)

    def _reader(self) -> Any:
        if not self.bidirectional:
            return layers.GRU(self.units, return_sequences=True, name=READER)
        one = layers.GRU(self.units, return_sequences=True)
        return layers.Bidirectional(one, name=READER)


def compiled(model: Any, steps: int, **penalties: Any) -> Any:
    """Such a network with the penalty on its last layer, and further ones by layer."""
    model.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(RATE, steps)),
        loss="sparse_categorical_crossentropy",
        weight_regularizer={**penalties, HEAD: L2(HEAD_STRENGTH)},
    )
    model.optimizer.build(model.trainable_variables)
    return model
