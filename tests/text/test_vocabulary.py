"""Words and their numbers: what is known, what is not, and what a text of nothing is."""

import numpy as np
import pytest

from taut.errors import InputError
from taut.text.vocabulary import LONGEST, Vocabulary
from taut.text.words_of_texts import words_of

TEXTS = ["A late goal, a goal!", "The vote was late.", "Goal of the year"]


def test_words_are_lower_case_runs_and_single_chinese_characters():
    assert words_of("Ｇoal-2nd a don't") == ["goal", "2nd", "don"]
    assert words_of("英超 goal进球") == ["英", "超", "goal", "进", "球"]
    assert words_of("") == words_of(" .,! ") == []


def test_words_are_learned_from_the_texts_given_and_no_others():
    vocabulary = Vocabulary.learn(TEXTS, min_count=2)
    assert vocabulary.words == ("goal", "late", "the")
    assert vocabulary.counts.tolist() == [2, 2, 2]
    assert "penalty" not in vocabulary
    ids = vocabulary.ids(["penalty goal"], length=2)
    np.testing.assert_array_equal(ids, [[1, 2]])


def test_the_most_frequent_are_kept():
    texts = ["one two", "two three", "two three"]
    assert Vocabulary.learn(texts, min_count=1, max_words=2).words == ("two", "three")


def test_numbers_and_words_are_one_another():
    vocabulary = Vocabulary.learn(TEXTS, min_count=1)
    for text in TEXTS:
        ids = vocabulary.ids([text], length=10)[0]
        assert vocabulary.decode(ids) == words_of(text)
    assert vocabulary.decode(vocabulary.ids(["goal unheard"], length=3)[0]) == ["goal", "?"]
    with pytest.raises(InputError, match="from 0 to"):
        vocabulary.decode([vocabulary.size])


@pytest.mark.parametrize("ids", [[2.7], ["2"], "23", None, [[2, 3]], np.array([[2, 3]]), [np.nan]])
def test_what_is_no_row_of_numbers_is_not_read(ids):
    with pytest.raises(InputError, match="`ids` must be a list of whole numbers"):
        Vocabulary.learn(TEXTS).decode(ids)


@pytest.mark.parametrize(
    ("words", "counts", "texts", "message"),
    [
        (("one", "one"), [1, 2], 2, "one number for each"),
        (("one", "two"), [1], 2, "one number for each"),
        (("one",), [[1]] * 2, 2, "one number for each"),
        (("one",), [3], 2, "no larger than"),
        (("one",), [-1], 2, "no larger than"),
        (("one",), [np.nan], 2, "no larger than"),
        (("one",), ["1"], 2, "no larger than"),
        (("one",), [1], np.nan, "no larger than"),
        (("one",), [1], "2", "no larger than"),
    ],
)
def test_words_are_different_and_have_a_count_each(words, counts, texts, message):
    with pytest.raises(InputError, match=message):
        Vocabulary(words, np.array(counts), texts)


def test_ids_are_cut_and_padded():
    vocabulary = Vocabulary.learn(TEXTS, min_count=2)
    ids = vocabulary.ids(["goal late goal", "", "goal"], length=2)
    np.testing.assert_array_equal(ids, [[2, 3], [0, 0], [2, 0]])


def test_a_bag_weighs_frequent_words_of_the_text_and_rare_ones_of_all():
    vocabulary = Vocabulary.learn(TEXTS, min_count=1)
    bags = vocabulary.bags(["goal goal year", "unheard", ""])
    rarity = dict(zip(vocabulary.words, vocabulary.rarity, strict=True))
    expected = np.array([(1 + np.log(2)) * rarity["goal"], rarity["year"]])
    np.testing.assert_allclose(bags["weights"][0, :2], expected / np.linalg.norm(expected), 1e-6)
    assert vocabulary.decode(bags["words"][0]) == ["goal", "year"]
    assert not bags["weights"][0, 2:].any()
    assert not bags["weights"][1:].any()
    assert not bags["words"][1:].any()


def test_a_very_long_text_keeps_the_words_of_most_weight():
    rare = [f"rare{i}" for i in range(LONGEST)]
    vocabulary = Vocabulary.learn([" ".join(["common", *rare]), "common"], min_count=1)
    words = vocabulary.decode(vocabulary.bags([" ".join(["common", *rare])])["words"][0])
    assert sorted(words) == sorted(rare)


def test_some_words_alone():
    vocabulary = Vocabulary.learn(TEXTS, min_count=1)
    kept = vocabulary.keep(["year", "goal"])
    assert kept.words == ("goal", "year")
    assert kept.counts.tolist() == [2, 1]
    assert kept.texts == 3
    with pytest.raises(InputError, match="'unheard'"):
        vocabulary.keep(["goal", "unheard"])


def test_a_tokenizer_of_ones_own():
    vocabulary = Vocabulary.learn(["a|b c", "b c|a"], min_count=1, tokenize=lambda t: t.split("|"))
    assert vocabulary.words == ("a", "b c")
    np.testing.assert_array_equal(vocabulary.ids(["b c|a"], length=2), [[3, 2]])


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("a single text", "a list of texts"),
        (["fine", None, "fine", 3.0], "2 that are none, in rows 1, 3"),
        (["one", "two"], "each in fewer"),
        ([], "each in fewer"),
    ],
)
def test_texts_that_cannot_be(texts, message):
    with pytest.raises(InputError, match=message):
        Vocabulary.learn(texts)
