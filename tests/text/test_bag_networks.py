"""A word whose row is zero is not there, and can be left out exactly."""

import numpy as np
import pytest

import taut
from taut.text import Vocabulary, bag_network

TEXTS = ["red green blue", "green blue blue", "red sun moon", "moon sun green"]


@pytest.fixture
def vocabulary():
    return Vocabulary.learn(TEXTS, min_count=1)


@pytest.fixture
def network(vocabulary):
    """With rows of zero for two words, and a column that is zero for all."""
    model = bag_network(vocabulary.size, 3, width=4)
    table = model.get_layer("word").embeddings
    values = np.array(table)
    values[[vocabulary.ids([word], length=1)[0, 0] for word in ("green", "moon")]] = 0
    values[:, 2] = 0
    table.assign(values)
    return model


def output(model, bags):
    return np.asarray(model(bags))


def test_words_of_zero_rows_can_be_left_out_of_the_text(network, vocabulary):
    bags = vocabulary.bags(TEXTS)
    zero = ~np.array(network.get_layer("word").embeddings).any(axis=1)
    fewer = {name: np.where(zero[bags["words"]], 0, a) for name, a in bags.items()}
    assert fewer["weights"].astype(bool).sum() < bags["weights"].astype(bool).sum()
    np.testing.assert_array_equal(output(network, fewer), output(network, bags))


def test_neither_order_nor_padding_matters(network, vocabulary):
    bags = vocabulary.bags(TEXTS)
    turned = {name: np.pad(a, ((0, 0), (3, 0)))[:, ::-1].copy() for name, a in bags.items()}
    np.testing.assert_allclose(output(network, turned), output(network, bags), atol=1e-6)


def test_compaction_takes_the_rows_out(network, vocabulary):
    bags = vocabulary.bags(TEXTS)
    result = taut.compact(network, bags, measure=False)
    assert result.model.get_layer("word").output_dim == 3
    # Of 8 rows two words are zero: they share one.
    assert result.model.get_layer("word").input_dim == vocabulary.size - 1
    np.testing.assert_allclose(
        output(result.model, result.prepare(bags)), output(network, bags), atol=1e-6
    )
