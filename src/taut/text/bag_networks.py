"""Networks that read a bag: the distinct words of a text, each with a weight."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from taut.checks import check_whole
from taut.models import Model
from taut.penalties import GroupLasso

WORD = "word"
"""The name of the embedding: row i is the word of number i."""


def bag_network(size: int, classes: int, *, width: int = 16, learning_rate: float = 0.01) -> Any:
    r"""The probabilities softmax(W·Σ_t a_t·e(w_t) + b) of a text of words w_t weighing a_t.

    A word whose row e(w) is zero adds nothing, wherever it stands: such words can be left out of a
    text, and their rows out of the network, without any change.

    Args:
        size: Numbers of words, `Vocabulary.size`.
        classes: How many classes.
        width: Numbers in a row e(w).
        learning_rate: Of Adam.

    Returns:
        A compiled Keras model of what `Vocabulary.bags` gives. Its embedding is called "word", its
        last layer "head"; penalise rows by `{"word": taut.GroupLasso(groups="rows")}`.

    Example:
        >>> bag_network(size=100, classes=3).count_params()
        1651

    References:
        Joulin, Grave, Bojanowski, Mikolov, Bag of tricks for efficient text classification, 2016.
    """
    return _compiled(untrained(size, classes, width), learning_rate)


def untrained(size: int, classes: int, width: int) -> Any:
    """The network of `bag_network`, not compiled."""
    check_whole(1, size=size, classes=classes, width=width)
    inputs, pooled = _pooled(size, width, "uniform")
    return Model(inputs, layers.Dense(classes, activation="softmax", name="head")(pooled))


def linear_bag_network(size: int, classes: int, *, steps: int) -> Any:
    """softmax(Σ_t a_t·e(w_t) + b) with a group lasso on the rows: a convex objective.

    The learning rate falls over `steps`, so that the noise of batches does not keep words.
    """
    inputs, pooled = _pooled(size, classes, "zeros")
    output = layers.Softmax(name="head")(Offset(name="offset")(pooled))
    penalty = GroupLasso(groups="rows", weights="unit")
    falling = keras.optimizers.schedules.CosineDecay(0.1, steps, alpha=0.02)
    return _compiled(Model(inputs, output), falling, weight_regularizer={WORD: penalty})


@keras.saving.register_keras_serializable("taut")
class Offset(layers.Layer):
    """z + b: what classes have before any word is read."""

    def build(self, input_shape: Any) -> None:
        self.bias = self.add_weight(name="bias", shape=input_shape[-1:], initializer="zeros")

    def call(self, z: Any) -> Any:
        return z + self.bias


def _pooled(size: int, width: int, initializer: str) -> tuple[dict[str, Any], Any]:
    words = keras.Input((None,), dtype="int32", name="words")
    weights = keras.Input((None,), name="weights")
    table = layers.Embedding(size, width, embeddings_initializer=initializer, name=WORD)
    pooled = layers.Dot(axes=1, name="pooled")([weights, table(words)])
    return {"words": words, "weights": weights}, pooled


def _compiled(model: Any, learning_rate: Any, **settings: Any) -> Any:
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss="sparse_categorical_crossentropy",
        **settings,
    )
    return model
