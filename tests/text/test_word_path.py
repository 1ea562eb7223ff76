"""The path of a group lasso on words: its critical strength, its minimum, the words it keeps."""

import numpy as np
import pytest

import taut
from taut.errors import InputError
from taut.text import words_by_strength
from tests.text.news import COMMON, SUBJECTS


def minimum(bags, y, words, classes, strength, steps=4000):
    """The rows that minimise the mean log-loss + strength·Σ‖row‖, by proximal gradient steps."""
    x = np.zeros((len(y), words))
    np.add.at(x, (np.arange(len(y))[:, None], bags["words"]), bags["weights"])
    targets = np.eye(classes)[y]
    rows, offsets = np.zeros((words, classes)), np.zeros(classes)
    step = 1 / (np.linalg.norm(np.column_stack([x, np.ones(len(y))]), 2) ** 2 / len(y))
    past_rows, past_offsets, momentum = rows, offsets, 1.0
    for _ in range(steps):
        grown = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = (momentum - 1) / grown
        at = rows + ahead * (rows - past_rows), offsets + ahead * (offsets - past_offsets)
        logits = x @ at[0] + at[1]
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        residual = (p / p.sum(axis=1, keepdims=True) - targets) / len(y)
        moved = at[0] - step * x.T @ residual
        norms = np.linalg.norm(moved, axis=1, keepdims=True)
        past_rows, past_offsets, momentum = rows, offsets, grown
        rows = moved * np.maximum(1 - step * strength / np.maximum(norms, 1e-30), 0)
        offsets = at[1] - step * residual.sum(axis=0)
    return rows


def test_each_strength_reaches_the_minimum(path, news):
    texts, labels = news
    y = np.unique(labels, return_inverse=True)[1]
    bags = path.vocabulary.bags(texts)
    for at in (0, 2, 4):
        rows = minimum(bags, y, path.vocabulary.size, 3, path.strengths[at])[2:]
        rows -= rows.mean(axis=1, keepdims=True)
        scale = np.abs(rows).max()
        np.testing.assert_allclose(path.effects[at] / scale, rows / scale, atol=0.03)


def test_nothing_is_kept_from_the_critical_strength_on(news, monkeypatch):
    monkeypatch.setattr(words_by_strength, "SHARES", np.array([1.02, 0.9]))
    path = taut.word_path(*news)
    assert path.kept.sum(axis=1).tolist()[0] == 0
    assert path.kept.sum(axis=1).tolist()[1] > 0


def test_words_of_the_subjects_come_before_those_of_all(path):
    of_subjects = {word for words in SUBJECTS.values() for word in words}
    assert set(path.keep(18)) == of_subjects
    frame = path.words()
    for word, subject in zip(frame["word"], frame["class"], strict=True):
        assert word in SUBJECTS[subject] or word in COMMON


def test_as_many_words_as_asked_for(path):
    counts = path.kept.sum(axis=1)
    assert (np.diff(path.strengths) < 0).all()
    assert len(path.keep(5)) == 5
    assert len(path.keep(10_000)) == counts.max()
    with pytest.raises(InputError, match="count"):
        path.keep(0)


def test_a_picture_has_a_panel_a_class(path):
    titles = [panel["title"] for panel in path.plot(words=3).to_dict()["concat"]]
    assert titles == sorted(SUBJECTS)
    assert len(path.to_frame()) == len(path.strengths)


def test_no_more_words_are_offered_than_can_be(news, monkeypatch):
    monkeypatch.setattr(words_by_strength, "MOST_WORDS", 6)
    monkeypatch.setattr(words_by_strength, "SHARES", np.array([0.1]))
    path = taut.word_path(*news)
    of_subjects = {word for words in SUBJECTS.values() for word in words}
    assert len(path.vocabulary) == 6
    assert set(path.vocabulary.words) <= of_subjects


def test_texts_that_tell_nothing():
    with pytest.raises(InputError, match="more frequent in one class"):
        taut.word_path(["one two", "two one", "one two one two"] * 2, ["a"] * 3 + ["b"] * 3)
