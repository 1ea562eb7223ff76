"""What a text counts, what stays together, and what the user holds out."""

from dataclasses import fields

import numpy as np
import pandas as pd
import pytest

import taut
from taut.errors import InputError
from taut.text import TextModel, fit_on_texts, words_by_strength
from taut.text.text_labels import LabelledTexts
from tests.text.news import written

TEXTS, LABELS = written(24, seed=3)
WEIGHTS = np.resize([1, 2, 0, 1, 3, 1, 0.0], 24)
"""Whole numbers: how often a text is there."""
TIMES = WEIGHTS.astype(int)
CLASSES = ["film", "sport", "trade"]


def checked(texts=TEXTS, labels=LABELS, **given):
    return LabelledTexts.checked(texts, labels, None, **given)


def repeated(values):
    return [value for value, times in zip(values, TIMES, strict=True) for _ in range(times)]


def fit(texts=TEXTS, labels=LABELS, **given):
    return taut.fit_text(texts, labels, **{"callbacks": (), "width": 4, **given})


@pytest.fixture(scope="module")
def held_out():
    texts, labels = written(12, seed=5)
    return [f"{text} unheard unheard{k % 2}" for k, text in enumerate(texts)], labels


def check_equal(one, other):
    """Two fits' data, vocabularies or models hold the same numbers."""
    for field in fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
            np.testing.assert_array_equal(a, b)
        else:
            assert a == b


@pytest.mark.parametrize("order", ["beside", "after"])
@pytest.mark.parametrize("extra", [{}, {"class_weight": "balanced"}])
def test_a_weight_of_two_is_the_text_twice_and_one_of_zero_is_none(order, extra):
    places = np.repeat(np.arange(24), TIMES)
    if order == "after":
        kept = np.flatnonzero(TIMES)
        again = np.flatnonzero(TIMES > 1)
        places = np.concatenate([kept, again, np.flatnonzero(TIMES > 2)])
    given = [TEXTS[i] for i in places], [LABELS[i] for i in places]
    groups = np.arange(24) // 2
    one = checked(sample_weight=WEIGHTS, groups=groups, **extra)
    other = checked(*given, groups=groups[places], **extra)
    check_equal(one, other)
    check_equal(checked(sample_weight=WEIGHTS, **extra), checked(*given, **extra))
    check_equal(one.vocabulary(2), other.vocabulary(2))
    assert one.vocabulary(2).texts == len(places)


def test_models_of_weights_and_of_copies_are_one_and_are_saved_as_one(held_out, tmp_path):
    fresh = written(12, seed=4)[0]
    weighed = fit(sample_weight=WEIGHTS, validation=held_out)
    copied = fit(repeated(TEXTS), repeated(LABELS), validation=held_out)
    np.testing.assert_array_equal(weighed.predict_proba(fresh), copied.predict_proba(fresh))
    assert weighed.words.equals(copied.words)
    again = TextModel.load(weighed.save(tmp_path / "model"))
    np.testing.assert_array_equal(again.predict_proba(fresh), weighed.predict_proba(fresh))
    assert again.words.equals(weighed.words)
    check_equal(again.vocabulary, weighed.vocabulary)


def test_words_are_counted_by_weight():
    vocabulary = checked(sample_weight=np.full(24, 0.1)).vocabulary(1)
    every = checked().vocabulary(10)
    assert set(vocabulary.words) == set(every.words)
    assert vocabulary.texts == 2.4
    np.testing.assert_allclose(vocabulary.counts, every.counts / 10, rtol=1e-12)
    assert repr(vocabulary).endswith("of 2.4 texts)")
    assert checked(sample_weight=[1e30, *[1.0] * 23]).vocabulary(1).texts == 1e30
    with pytest.raises(InputError, match=r"0\.24 texts .* or larger `sample_weight`"):
        checked(sample_weight=np.full(24, 0.01)).vocabulary(1)


def test_what_counts_nothing_may_be_anything():
    texts = [None, "", *TEXTS, 3.0]
    labels = ["another", "film", *LABELS, np.nan]
    data = checked(texts, labels, sample_weight=[0, 0, *WEIGHTS, 0])
    check_equal(data, checked(sample_weight=WEIGHTS))
    with pytest.raises(InputError, match="without any, in row 1"):
        checked(texts, labels, sample_weight=[0, 1, *WEIGHTS, 0])
    with pytest.raises(InputError, match="none, in row 26"):
        checked(texts, labels, sample_weight=[0, 0, *WEIGHTS, 1])


def test_the_loss_is_the_weighted_mean():
    """Texts that are of two classes have the shares of their weights."""
    texts = [*["goal bank"] * 2, *["coach profit"] * 2, *TEXTS]
    labels = ["sport", "trade"] * 2
    others = ["bank goal"] * 2 + ["profit coach"] * 2
    model = fit(
        texts,
        labels + LABELS,
        sample_weight=[9, 1, 1, 9, *[0.1] * 24],
        min_count=1,
        validation=(others, labels, [9, 1, 1, 9]),
    )
    p = model.predict_proba(["goal bank", "coach profit"])
    np.testing.assert_allclose(p[[0, 1], [1, 2]], 0.9, atol=0.05)


def test_slopes_and_weights_of_words_are_those_of_the_formula():
    weight = np.resize([1, 2, 3.0], 24)
    data = checked(sample_weight=weight, class_weight={"film": 4})
    share = np.where(np.array(LABELS) == "film", 4, 1) * weight
    share /= share.sum()
    vocabulary = data.vocabulary(2)
    bags = vocabulary.bags(TEXTS)
    x = np.zeros((24, vocabulary.size))
    np.add.at(x, (np.arange(24)[:, None], bags["words"]), bags["weights"])
    y = np.eye(3)[data.y]
    expected = np.linalg.norm(x.T @ (share[:, None] * (share @ y - y)), axis=1)[2:]
    slopes = words_by_strength._slopes(vocabulary, bags, y, data.shares)
    np.testing.assert_allclose(slopes, expected, rtol=1e-5)
    sizes = words_by_strength._mean_weights(vocabulary, bags, data.shares)
    np.testing.assert_allclose(sizes, np.sqrt(share @ x**2)[2:], rtol=1e-5)


def test_classes_have_weights_by_label():
    labels = [CLASSES.index(label) + 10 for label in LABELS]
    cost = checked(labels=labels, class_weight={10: 3}).cost
    np.testing.assert_allclose(cost, np.where(np.array(labels) == 10, 9, 3) / 5)
    of_series = checked(labels=labels, class_weight=pd.Series({10: 3.0, 12: 1.0})).cost
    np.testing.assert_array_equal(of_series, cost)
    weight = np.where(np.array(LABELS) == "film", 5.0, 1.0)
    assert checked(sample_weight=weight, class_weight="balanced").cost is None
    for given, match in (
        ({1: 3}, "must name classes"),  # no numbers of classes, which these labels are not
        ({10: 0, 11: 0}, "above 0 for two classes"),
        ({10: -1}, "finite numbers >= 0"),
        ({10: None}, "finite numbers >= 0"),
        ("even", "balanced"),
        (2, "must map labels"),
        ([3, 1, 1], "must map labels"),
        (pd.Series({1: 3.0}), "must name classes"),
    ):
        with pytest.raises(InputError, match=match):
            checked(labels=labels, class_weight=given)


def test_a_class_of_weight_zero_is_left_out():
    rows = np.array(LABELS) != "film"
    pick = lambda listed: [one for one, kept in zip(listed, rows, strict=True) if kept]  # noqa: E731
    others = (["film star", "bank"], ["film", "trade"])
    found = checked(class_weight={"film": 0, "trade": 2}, validation=others, sample_weight=WEIGHTS)
    left = {"texts": pick(TEXTS), "labels": pick(LABELS), "sample_weight": WEIGHTS[rows]}
    same = checked(**left, class_weight={"trade": 2}, validation=[part[1:] for part in others])
    for name in ("words", "y", "classes", "same", "counted", "cost"):
        np.testing.assert_array_equal(
            np.asarray(getattr(found, name), object), np.asarray(getattr(same, name), object)
        )
    assert found.held_out is not None
    assert found.held_out.words == [["bank"]]
    with pytest.raises(InputError, match="none but those of 'film'"):
        checked(class_weight={"film": 0}, validation=(["film star"], ["film"]))


def test_no_group_is_cut():
    groups = np.resize([f"author {k}" for k in range(7)], 24)
    data = checked(groups=groups)
    for split in data.folds(seed=0):
        assert not set(groups[split.train]) & set(groups[split.held_out])
    assert len(np.concatenate([split.held_out for split in data.folds(seed=0)])) == 24


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"groups": ["a", "b"] * 12}, "at least 3 groups for 3 folds. Received: 2"),
        ({"groups": ["a"] * 23}, "one label for each of the 24 rows"),
        ({"groups": [*["a", "b", "c"] * 7, "a", "b", np.nan]}, "missing values, first in row 23"),
        ({"sample_weight": [1.0] * 23}, r"one weight for each of the 24 rows"),
        ({"sample_weight": [-1.0] * 24}, ">= 0"),
        ({"sample_weight": [np.nan, *[1.0] * 23]}, "finite"),
        ({"sample_weight": [0] * 24}, "not zero everywhere"),
        ({"sample_weight": [1e300] * 24}, "finite"),
        ({"sample_weight": "weights"}, "not the name of a column"),
        ({"sample_weight": ["one"] * 24}, "must be numbers"),
        ({"sample_weight": [None] * 24}, "must be finite"),
        ({"sample_weight": [1.0] * 8 + [0.0] * 16, "labels": LABELS[:8]}, "one label for each"),
    ],
)
def test_weights_and_groups_that_cannot_be(given, match, monkeypatch):
    monkeypatch.setattr(fit_on_texts, "train_lanes", None)  # before any training
    monkeypatch.setattr(fit_on_texts, "path_of", None)
    with pytest.raises(InputError, match=match):
        fit(**{"words": 3, **given})


def test_weights_in_another_order_than_the_texts_are_refused():
    frame = pd.DataFrame({"text": TEXTS, "label": LABELS, "weight": WEIGHTS})
    for name in ("sample_weight", "groups"):
        with pytest.raises(InputError, match="in the order of `labels`"):
            checked(frame["text"], frame["label"], **{name: frame["weight"][::-1]})


def test_texts_held_out_choose_the_epoch_and_teach_nothing(held_out):
    texts, labels = held_out[0], held_out[1][1:] + held_out[1][:1]  # wrong: best before training
    seen = []

    def train(*args, **kwargs):
        record = original(*args, **kwargs)
        seen.append((record, kwargs["splits"]))
        return record

    original = fit_on_texts.train_lanes
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit_on_texts, "train_lanes", train)
        model = fit(validation=(texts, labels))
    check_equal(model.vocabulary, checked().vocabulary(2))
    ((record, (split,)),) = seen
    assert split.train.tolist() == list(range(24))
    assert record.best_epoch[0] == record.held_out_loss[0].argmin() < record.epochs[0] - 1
    p = model.predict_proba(texts)[np.arange(12), np.searchsorted(CLASSES, labels)]
    assert -np.log(p).mean() == pytest.approx(record.held_out_loss[0].min(), rel=1e-4)


def test_weights_of_texts_held_out_weigh_their_loss(held_out):
    weight = np.resize([2, 0, 1.0], 12)
    data = checked(validation=(*held_out, weight), class_weight={"film": 3})
    words, rows = data.with_held_out()
    assert len(words) == 32
    of_class = np.where(np.array(held_out[1]) == "film", 3, 1)
    expected = (weight * of_class)[weight > 0]
    np.testing.assert_allclose(rows["sample_weight"][24:], expected / expected.mean())


@pytest.mark.parametrize(
    ("validation", "given", "match"),
    [
        (TEXTS, {}, r"must be \(texts, labels\)"),
        ((TEXTS,), {}, r"must be \(texts, labels\)"),
        ((["new"], ["chess"]), {}, "among those of `labels`. Received: 'chess'"),
        ((["new"], [1]), {}, "Of `validation`: `labels` must be text"),
        ((["new"], ["film", "film"]), {}, "1 texts and 2 labels"),
        (([None], ["film"]), {}, "Of `validation`: `texts` must be str"),
        (([], []), {}, "Of `validation`: `texts` must be one or more"),
        ((["new"], ["film"], [0]), {}, "not zero everywhere"),
        ((["new"], ["film"]), {"groups": range(24)}, "must be two"),
        ((["new"], ["film"]), {"groups": (range(24), [3])}, "1 in both, .* row 0 of `validation`"),
        ((["new"], ["film"]), {"groups": (range(24), [])}, "one label for each of the 1 rows"),
    ],
)
def test_texts_held_out_that_cannot_be(validation, given, match):
    with pytest.raises(InputError, match=match):
        checked(validation=validation, **given)


def test_texts_held_out_may_be_empty_and_are_told_where_they_are_learned():
    data = checked(validation=(["", "zeppelin"], ["film", "sport"]))
    assert data.held_out.words == [[], ["zeppelin"]]
    with pytest.warns(UserWarning, match="1 of 2 texts of `validation` are also .* row 1"):
        checked(validation=(["new", TEXTS[5]], ["film", "sport"]))
    # Of few texts none need be held out.
    few = checked(["one two", "three"], [0, 1], validation=(["four"], [0]))
    assert few.y.tolist() == [0, 1]


def test_a_score_is_weighted(model, fresh_news):
    texts, labels = fresh_news
    wrong = ["film"] * len(texts)
    weight = np.where(np.array(labels) == "film", 9.0, 1.0)
    right = model.predict(texts) == "film"
    expected = np.average(right, weights=weight)
    assert model.score(texts, wrong, sample_weight=weight) == pytest.approx(expected)
    assert model.score(texts, wrong) < expected - 0.3
    assert model.score([*texts, None], [*wrong, None], sample_weight=[*weight, 0]) == expected
