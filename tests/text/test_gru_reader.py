"""Words in order: padding changes nothing, and what is zero is taken out exactly."""

import numpy as np
import pytest
from keras import ops

import taut
from taut.errors import InputError
from taut.objective.objective import Objective
from taut.text import GRUReader, TextModel, Vocabulary, fit_on_texts
from taut.text.fit_in_order import without_the_dead

TEXTS = ["red green blue", "green blue blue sun moon", "red sun moon red", "moon"]


@pytest.fixture(scope="module")
def vocabulary():
    return Vocabulary.learn(TEXTS, min_count=1)


@pytest.fixture(
    scope="module",
    params=[True, pytest.param(False, marks=pytest.mark.slow)],
    ids=["both ways", "one way"],
)
def network(request, vocabulary):
    reader = GRUReader(units=3, bidirectional=request.param)
    return reader.network(vocabulary.size, 2, steps=1, width=4)


@pytest.fixture(scope="module")
def mortal(vocabulary):
    """Units 1 of both directions and two words are zero; the biases of the others are not."""
    network = GRUReader(units=3).network(vocabulary.size, 2, steps=1, width=4)
    for part in (
        network.get_layer("reader").forward_layer,
        network.get_layer("reader").backward_layer,
    ):
        for variable in part.trainable_variables:
            values = np.random.default_rng(variable.shape[0]).normal(size=variable.shape)
            values.reshape(*variable.shape[:-1], 3, 3)[..., 1] = 0
            variable.assign(values)
    table = network.get_layer("word").embeddings
    values = np.array(table)
    values[[0, 1, *vocabulary.ids(["green moon"], length=2)[0]]] = 0
    table.assign(values)
    return network


def output(model, arrays):
    return ops.convert_to_numpy(model(arrays))


def test_padding_changes_nothing(network, vocabulary):
    arrays = vocabulary.sequences(TEXTS)
    # As short as can be: after many steps of padding a state hardly moves any more.
    shorter = {name: a[:, :5] for name, a in arrays.items()}
    assert arrays["words"].shape[1] > 5
    assert not arrays["words"][:, 5:].any()
    np.testing.assert_allclose(output(network, shorter), output(network, arrays), atol=1e-6)


@pytest.mark.slow
def test_order_changes_something(network, vocabulary):
    there, back = (output(network, vocabulary.sequences([t])) for t in ("red sun", "sun red"))
    assert np.abs(there - back).max() > 1e-4


@pytest.mark.slow
def test_a_text_without_words_has_the_probabilities_of_no_text(network, vocabulary):
    network.get_layer("head").bias.assign([1.0, 0.0])
    model = TextModel(network, vocabulary, np.array(["a", "b"]), in_order=True)
    with pytest.warns(UserWarning, match="no text"):
        p = model.predict_proba(["", TEXTS[1], "unheard"])
    np.testing.assert_allclose(p[[0, 2]], [[np.e / (1 + np.e), 1 / (1 + np.e)]] * 2, atol=1e-6)
    np.testing.assert_allclose(p[1:2], model.predict_proba(TEXTS[1:2]), atol=1e-6)


def test_the_weights_of_a_sequence_sum_to_those_of_the_bag(vocabulary):
    texts = [*TEXTS, "unheard", "red red unheard blue red"]
    bags, sequences = vocabulary.bags(texts), vocabulary.sequences(texts)
    sums = [
        np.stack([np.bincount(w, a, vocabulary.size) for w, a in zip(*of.values(), strict=True)])
        for of in (bags, sequences)
    ]
    np.testing.assert_allclose(*sums, atol=1e-6)
    assert vocabulary.decode(sequences["words"][5]) == ["red", "red", "blue", "red"]


def test_of_a_long_text_the_first_words_are_read():
    vocabulary = Vocabulary.learn(["end word"], min_count=1)
    sequences = vocabulary.sequences(["word " * 400 + "end"])
    assert sequences["words"].shape == (1, 416)
    assert vocabulary.decode(sequences["words"][0]) == ["word"] * 400
    np.testing.assert_allclose(sequences["weights"].sum(), 1, atol=1e-6)


@pytest.mark.slow
def test_dead_units_and_words_are_taken_out_exactly(mortal, vocabulary):
    arrays = vocabulary.sequences(TEXTS)
    result = taut.compact(mortal, arrays, measure=False)
    assert result.model.get_layer("reader").forward_layer.units == 2
    assert result.model.get_layer("reader").backward_layer.units == 2
    assert result.model.get_layer("word").input_dim == vocabulary.size - 2
    np.testing.assert_allclose(
        output(result.model, result.prepare(arrays)), output(mortal, arrays), atol=1e-6
    )


@pytest.mark.slow
def test_the_words_that_are_left_keep_their_rows(mortal, vocabulary):
    smaller, left = without_the_dead(mortal, vocabulary, vocabulary.sequences(TEXTS))
    assert set(left.words) == {"red", "blue", "sun"}
    for word in left.words:
        rows = [
            np.array(model.get_layer("word").embeddings)[known.ids([word], length=1)[0, 0]]
            for model, known in ((mortal, vocabulary), (smaller, left))
        ]
        np.testing.assert_array_equal(*rows)


def test_without_a_word_left_it_is_told(vocabulary):
    network = GRUReader(units=1).network(vocabulary.size, 2, steps=1, width=2)
    network.get_layer("word").embeddings.assign(np.zeros((vocabulary.size, 2)))
    with pytest.raises(InputError, match="must leave a word"):
        without_the_dead(network, vocabulary, vocabulary.sequences(TEXTS))


def test_penalties_are_those_of_the_formula(vocabulary):
    network = GRUReader(units=2, strength=0.5).network(vocabulary.size, 2, steps=1, width=4)
    reader = network.get_layer("reader")
    norms = [
        np.linalg.norm(
            np.concatenate([np.array(v).reshape(-1, 3, 2)[..., k].ravel() for v in part])
        )
        for part in (
            reader.forward_layer.trainable_variables,
            reader.backward_layer.trainable_variables,
        )
        for k in range(2)
    ]
    rows = np.linalg.norm(np.array(network.get_layer("word").embeddings), axis=1)
    squares = np.sum(np.array(network.get_layer("head").kernel) ** 2)
    expected = 0.5 * np.sum(norms) + 0.05 * rows.sum() + 0.005 * squares
    assert Objective(network).penalty() == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_it_is_learned_saved_and_loaded(news, fresh_news, tmp_path):
    reader = GRUReader(units=4, strength=0.01)
    model = taut.fit_text(*news, reader=reader, width=8, callbacks=())
    assert model.score(*fresh_news) > 0.9
    assert len(model.vocabulary) < len({word for text in news[0] for word in text.split()})
    again = TextModel.load(model.save(tmp_path / "model"))
    assert again.in_order
    np.testing.assert_array_equal(
        again.predict_proba(fresh_news[0]), model.predict_proba(fresh_news[0])
    )
    assert repr(again) == repr(model)
    assert ", in order, 3 classes" in repr(again)


@pytest.mark.slow
def test_a_reader_knows_weights_and_texts_held_out(news, fresh_news):
    texts, labels = (part[:30] for part in news)
    settings = {
        "reader": GRUReader(units=2, strength=0.01),
        "width": 4,
        "validation": ([f"unheard {text}" for text in fresh_news[0]], fresh_news[1]),
        "callbacks": (),
    }
    weight = np.resize([1, 2, 0, 1.0], 30)
    weighed = taut.fit_text(texts, labels, sample_weight=weight, **settings)
    places = np.repeat(np.arange(30), weight.astype(int))
    copied = taut.fit_text([texts[i] for i in places], [labels[i] for i in places], **settings)
    assert "unheard" not in weighed.vocabulary
    np.testing.assert_array_equal(
        weighed.predict_proba(fresh_news[0]), copied.predict_proba(fresh_news[0])
    )


@pytest.mark.slow
def test_what_order_alone_tells_is_learned():
    """Every text has the same words: their sum is no help."""
    draw = np.random.default_rng(0)

    def written(count):
        common = ["the", "of", "and", "said", "year"]
        labels = draw.integers(0, 2, size=count).tolist()
        pairs = [("dog", "man") if label else ("man", "dog") for label in labels]
        texts = [f"{a} bites {b} {' '.join(draw.choice(common, 2))}" for a, b in pairs]
        return texts, labels

    texts, labels = written(300)
    fresh = written(100)
    model = taut.fit_text(texts, labels, reader=GRUReader(strength=0.003), callbacks=())
    assert model.score(*fresh) > 0.95
    assert taut.fit_text(texts, labels, callbacks=()).score(*fresh) < 0.7


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"units": 0}, "units=0"),
        ({"units": 2.5}, "units"),
        ({"strength": -1}, "strength=-1"),
        ({"strength": float("nan")}, "strength=nan"),
        ({"bidirectional": 1}, "bidirectional=1"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(InputError, match=message):
        GRUReader(**settings)


def test_a_reader_that_is_none(news, monkeypatch):
    monkeypatch.setattr(fit_on_texts, "train_lanes", None)  # before any training
    with pytest.raises(InputError, match="GRUReader"):
        taut.fit_text(*news, reader="gru", callbacks=())
