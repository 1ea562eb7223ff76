"""Masked steps, and rows that only fill a batch, are seen by nothing, on every backend."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import taut
from taut.engine import Lane, Record, Split, train_lanes
from taut.engine.data.batches import Batches
from taut.engine.evaluate import held_out_metrics

RNG = np.random.default_rng(1)
ROWS, STEPS = 23, 5
LENGTHS = RNG.integers(1, STEPS + 1, size=ROWS)
WORDS = np.where(
    np.arange(STEPS) < LENGTHS[:, None], RNG.integers(1, 9, size=(ROWS, STEPS)), 0
).astype("int32")
TAGS = (WORDS % 3).astype("int32")
WEIGHT = RNG.uniform(0.2, 3, size=ROWS).astype("float32")
# Folds of unequal sizes, of which neither is whole batches.
SPLITS = [Split(np.arange(13), np.arange(13, ROWS)), Split(np.arange(9, ROWS), np.arange(9))]


def tagger(**arguments):
    model = keras.Sequential(
        [
            keras.Input((STEPS,), dtype="int32"),
            layers.Embedding(9, 4, mask_zero=True),
            layers.Dense(3, activation="softmax"),
        ]
    )
    optimizer = taut.Proximal(keras.optimizers.SGD(0.5), taut.L1(0.01))
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", **arguments)
    optimizer.build(model.trainable_variables)
    return model


@pytest.mark.parametrize("weighted", [False, True])
def test_masked_steps_are_left_out_of_small_batches_and_folds(weighted):
    model = tagger()
    start = model.get_weights()
    weight = WEIGHT if weighted else None
    lanes = [Lane((0.01,), fold, None) for fold in (0, 1)]
    record = train_lanes(
        model, WORDS, TAGS, lanes, splits=SPLITS, epochs=2, batch_size=8, sample_weight=weight
    )
    # Keras wants weights by step, where the loss and the mask are.
    shaped = np.repeat(WEIGHT[:, None], STEPS, 1) if weighted else None
    for fold, split in enumerate(SPLITS):
        model.set_weights(start)
        for epoch in range(2):
            for rows in Batches(SPLITS, 8).train(fold, None, epoch):
                rows = rows[rows >= 0]
                if len(rows):
                    own = None if shaped is None else shaped[rows]
                    model.train_on_batch(WORDS[rows], TAGS[rows], sample_weight=own)
        for values, variable in zip(record.trainable, model.trainable_variables, strict=True):
            np.testing.assert_allclose(values[fold], ops.convert_to_numpy(variable), atol=2e-6)
        rows = split.held_out
        own = None if shaped is None else shaped[rows]
        expected = model.test_on_batch(WORDS[rows], TAGS[rows], sample_weight=own)
        expected = expected[0] if isinstance(expected, list) else expected
        counted = WEIGHT[rows].mean() if weighted else 1.0  # a record has Σ w·l / Σ w
        assert record.held_out_loss[fold, -1] == pytest.approx(float(expected) / counted, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("weighted", [False, True])
def test_compiled_metrics_have_the_mask(weighted):
    model = tagger(metrics=["accuracy"], weighted_metrics=["accuracy"])
    weight = WEIGHT if weighted else None
    lanes = [Lane((0.01,), fold, None) for fold in (0, 1)]
    record = train_lanes(model, WORDS, TAGS, lanes, splits=SPLITS, epochs=8, batch_size=8)
    assert isinstance(record, Record)
    found = held_out_metrics(model, record, WORDS, TAGS, SPLITS, weight)
    for fold, split in enumerate(SPLITS):
        record.apply(fold, model)
        right = ops.convert_to_numpy(model(WORDS)).argmax(-1) == TAGS
        here = (WORDS > 0)[split.held_out]
        right = right[split.held_out]
        own = here * (WEIGHT[split.held_out][:, None] if weighted else 1.0)
        assert found["accuracy"][fold] == pytest.approx(right[here].mean(), abs=1e-6)
        weighed = (right * own).sum() / own.sum()
        assert found["weighted_accuracy"][fold] == pytest.approx(weighed, abs=1e-6)
