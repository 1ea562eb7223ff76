"""Texts in, labels out: what is learned, what is never seen, and what is saved."""

import contextlib
import json
import zipfile
from dataclasses import replace

import h5py
import numpy as np
import pandas as pd
import pytest

import taut
from taut.errors import InputError
from taut.text import TextModel, bag_network, fit_on_texts, text_labels, words_by_strength
from taut.text.text_labels import LabelledTexts
from tests.in_threads import check_in_threads
from tests.text.news import SUBJECTS


@pytest.fixture(scope="module")
def few(news, path):
    return taut.fit_text(*news, words=path.keep(12))


def test_it_tells_fresh_texts_apart(model, few, fresh_news):
    assert model.score(*fresh_news) > 0.9
    assert len(few.vocabulary) == 12
    assert few.score(*fresh_news) > 0.8
    assert model.predict(["goal striker coach"]).tolist() == ["sport"]


def test_words_are_those_of_the_texts_and_speak_for_their_class(model, news):
    known = {word for text in news[0] for word in text.split()}
    assert set(model.vocabulary.words) <= known
    frame = model.words
    for label, words in SUBJECTS.items():
        assert set(words) <= set(frame.loc[frame["class"] == label, "word"])


def test_an_effect_is_what_the_word_does_to_the_log_probabilities(model):
    with pytest.warns(UserWarning, match="no text"):
        p = model.predict_proba(["goal", ""])
    moved = np.log(p[0]) - np.log(p[1])
    at = model.vocabulary.words.index("goal")
    np.testing.assert_allclose(model.effects()[at], moved - moved.mean(), atol=1e-4)


def test_words_never_seen_change_nothing(model):
    before = model.predict_proba(["goal and bank"])
    after = model.predict_proba(["goal and bank zeppelin, 足球 qwertz"])
    np.testing.assert_array_equal(before, after)


def test_a_text_without_a_word_has_the_probabilities_of_no_text(model):
    with pytest.warns(UserWarning, match="2 of 3 texts have no word .* rows 0, 2"):
        p = model.predict_proba(["", "goal", "zeppelin 飞艇"])
    bias = np.array(model.network.get_layer("head").bias, float)
    np.testing.assert_allclose(p[0], np.exp(bias) / np.exp(bias).sum(), atol=1e-6)
    np.testing.assert_array_equal(p[0], p[2])
    assert len(model.predict([])) == 0


def test_the_rows_beside_it_do_not_matter(model, fresh_news):
    texts = fresh_news[0]
    together = model.predict_proba(texts)
    alone = np.concatenate([model.predict_proba([text]) for text in texts[:3]])
    np.testing.assert_allclose(together[:3], alone, atol=1e-6)


def test_several_threads_predict_with_one_model(few, fresh_news):
    check_in_threads(few.predict_proba, fresh_news[0], [40, 50, 60] * 4)


def test_saved_and_loaded_it_is_the_same(few, fresh_news, tmp_path):
    place = few.save(tmp_path / "model")
    again = TextModel.load(place)
    np.testing.assert_array_equal(
        again.predict_proba(fresh_news[0]), few.predict_proba(fresh_news[0])
    )
    assert again.words.equals(few.words)
    assert repr(again) == repr(few)
    with pytest.raises(InputError, match="must not exist"):
        few.save(place)
    (place / "notes.txt").write_text("mine")
    few.save(place, overwrite=True)
    assert (place / "notes.txt").read_text() == "mine"
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match="must not exist"):
        few.save(tmp_path / "other", overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model", "other"]


def test_the_file_holds_no_optimizer(few, tmp_path):
    few.save(tmp_path / "model")
    with zipfile.ZipFile(tmp_path / "model" / "model.keras") as archive:
        (tmp_path / "weights.h5").write_bytes(archive.read("model.weights.h5"))
    with h5py.File(tmp_path / "weights.h5") as file:
        assert "optimizer" not in file
        assert "layers" in file


def test_a_damaged_folder_is_refused(few, tmp_path):
    place = few.save(tmp_path / "model")
    words = json.loads((place / "vocabulary.json").read_text(encoding="utf-8"))
    words["words"].pop()
    (place / "vocabulary.json").write_text(json.dumps(words), encoding="utf-8")
    with pytest.raises(InputError, match="whole"):
        TextModel.load(place)
    words["words"].append(few.vocabulary.words[-1])
    for name, wrong in (("classes", ["film"] * 3), ("texts", -5), ("counts", ["1"] * 12)):
        text = json.dumps({**words, name: wrong})
        (place / "vocabulary.json").write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match="whole"):
            TextModel.load(place)
    (place / "model.keras").unlink()
    with pytest.raises(InputError, match=r"without model\.keras"):
        TextModel.load(place)


def test_whatever_byte_is_another_one_it_is_told(few, tmp_path):
    place = few.save(tmp_path / "model")
    whole = (place / "model.keras").read_bytes()
    for at in range(7, len(whole), len(whole) // 12):
        (place / "model.keras").write_bytes(whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :])
        with contextlib.suppress(InputError):
            # Not all bytes count, but none may end in another error.
            TextModel.load(place)


def test_labels_of_another_kind_are_not_wrong_but_refused(model, fresh_news):
    texts, labels = fresh_news
    with pytest.raises(InputError, match="must be text, as the classes are"):
        model.score(texts, [0] * len(texts))
    with pytest.raises(InputError, match="missing, in row 0"):
        model.score(texts, [None, *labels[1:]])
    assert model.score(texts, ["another"] * len(texts)) == 0


def test_labels_in_another_order_than_the_texts_are_refused(model, fresh_news, monkeypatch):
    monkeypatch.setattr(fit_on_texts, "train_lanes", None)
    table = pd.DataFrame(dict(zip(("text", "label"), fresh_news, strict=True)))
    drawn = table.sample(frac=1, random_state=0)
    assert model.score(drawn["text"], drawn["label"]) == model.score(*fresh_news)
    for study in (model.score, taut.fit_text, taut.word_path):
        with pytest.raises(InputError, match="in the order of `texts`"):
            study(drawn["text"], table["label"])


@pytest.mark.parametrize(
    ("module", "study"), [(fit_on_texts, taut.fit_text), (words_by_strength, taut.word_path)]
)
def test_texts_are_split_into_words_once(module, study, news, monkeypatch):
    """A tokenizer of Chinese takes longer than all else."""

    class Trained(Exception):
        pass

    def train(*args, **kwargs):
        raise Trained

    split = []
    monkeypatch.setattr(module, "train_lanes", train)
    with pytest.raises(Trained):
        study(*news, tokenize=lambda text: split.append(text) or text.split(), callbacks=())
    assert split == news[0]


def test_fewer_words_than_asked_for_are_told(news, monkeypatch):
    class Trained(Exception):
        pass

    class Path:
        def keep(self, count):
            return ["goal", "bank"][:count]

    def train(*args, **kwargs):
        raise Trained

    monkeypatch.setattr(fit_on_texts, "train_lanes", train)
    monkeypatch.setattr(fit_on_texts, "path_of", lambda *args: Path())
    with pytest.raises(Trained), pytest.warns(UserWarning, match="2 words are read, of 5"):
        taut.fit_text(*news, words=5, callbacks=())
    with pytest.raises(Trained):
        taut.fit_text(*news, words=2, callbacks=())


def test_bars_of_all_classes_have_one_scale(few):
    chart = few.plot().to_dict()
    domains = [panel["encoding"]["x"]["scale"]["domain"] for panel in chart["concat"]]
    assert len(domains) == 3
    assert all(domain == domains[0] for domain in domains)
    assert domains[0][0] == 0
    assert domains[0][1] > few.words["effect"].max()


def test_the_short_form_of_many_classes_is_short(few):
    many = TextModel(bag_network(few.vocabulary.size, 40), few.vocabulary, np.arange(40))
    assert len(repr(many).splitlines()) == 14
    assert "28 classes more" in repr(many)
    with pytest.raises(InputError, match="words=0"):
        few.plot(words=0)
    odd = TextModel(few.network, few.vocabulary, ["film\n\x1b[31m", "sport", "trade"])
    assert r"film\n\x1b[31m: " in repr(odd)
    assert len(repr(odd).splitlines()) == 4


def test_a_network_of_other_words_or_classes_is_refused(few):
    """Numbers of words that it has no row for would give NaN."""
    size, classes = few.vocabulary.size, few.classes
    for network, found in (
        (bag_network(size - 1, 3), f"{size - 1} rows and 3 outputs"),
        (bag_network(size, 2), f"{size} rows and 2 outputs"),
    ):
        with pytest.raises(InputError, match=found):
            TextModel(network, few.vocabulary, classes)
    for parts, message in (
        ((None, few.vocabulary, classes), "a NoneType and a Vocabulary"),
        ((few.network, None, classes), "a FunctionalModel and a NoneType"),
        ((few.network, few.vocabulary, ["a", "b", "a"]), "different labels"),
        ((few.network, few.vocabulary, ["a", "b", None]), "missing, in row 2"),
    ):
        with pytest.raises(InputError, match=message):
            TextModel(*parts)


def test_a_tokenizer_of_ones_own_is_asked_for(news, few, tmp_path):
    own = TextModel(few.network, few.vocabulary, few.classes)
    words = ("bytes\udce9", *few.vocabulary.words[1:])  # that were no text
    own.vocabulary = replace(few.vocabulary, words=words, tokenize=str.split)
    place = own.save(tmp_path / "own")
    with pytest.raises(InputError, match="had one of its own"):
        TextModel.load(place)
    again = TextModel.load(place, tokenize=str.split).vocabulary
    assert again.tokenize is str.split
    assert again.words == words


@pytest.mark.slow
def test_labels_that_texts_hardly_tell_are_not_learned_by_heart():
    """Held-out texts lose less than by the shares of the classes, which a constant rate does not.

    At 0.01 the first epoch is one too many, and no number of epochs the right one.
    """
    says = np.random.default_rng(7).normal(size=800)

    def reviews(count, seed):
        draw = np.random.default_rng(seed)
        words = [draw.choice(800, 15) for _ in range(count)]
        good = 1 / (1 + np.exp([-1.2 * says[row].mean() * np.sqrt(15) for row in words]))
        texts = [" ".join(f"w{k}" for k in row) for row in words]
        return texts, (draw.random(count) < good).tolist()

    model = taut.fit_text(*reviews(1200, seed=0), callbacks=())
    texts, labels = reviews(2000, seed=1)
    p = model.predict_proba(texts)[np.arange(2000), np.array(labels, int)]
    share = np.mean(labels)
    prior = -share * np.log(share) - (1 - share) * np.log(1 - share)
    assert -np.log(p).mean() < 0.985 * prior


@pytest.mark.slow
def test_chinese_texts():
    texts = [f"{a}球队赢得比赛" for a in "一二三四"] + [f"{a}股票市场下跌" for a in "一二三四"]
    labels = ["体育"] * 4 + ["财经"] * 4
    model = taut.fit_text(texts, labels, callbacks=())
    assert model.predict(["他们的球队输了", "股票"]).tolist() == ["体育", "财经"]
    assert {"球", "股"} <= set(model.vocabulary.words)


@pytest.mark.parametrize("many", [0, 10_000])
def test_equal_texts_stay_on_one_side_of_a_fold(many, monkeypatch):
    monkeypatch.setattr(text_labels, "MANY_TEXTS", many)
    texts = [f"word{i // 2} same" for i in range(24)]
    data = LabelledTexts.checked(texts, [i % 2 for i in range(24)], None)
    splits = data.folds(seed=0)
    np.testing.assert_array_equal(np.sort(np.r_[*(s.held_out for s in splits)]), np.arange(24))
    for split in splits:
        assert len(split.train) == 16
        sides = [{tuple(data.words[i]) for i in side} for side in (split.train, split.held_out)]
        assert not sides[0] & sides[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"texts": ["one", "", "!?", *["two"] * 6]}, "2 without any, in rows 1, 2"),
        ({"texts": ["one"] * 8}, "8 texts and 9 labels"),
        ({"labels": ["a"] * 9}, "two classes"),
        ({"labels": ["a"] * 8 + [None]}, "1 that are missing, in row 8"),
        ({"labels": ["a"] * 8 + [1]}, "some of text"),
        ({"texts": ["one two"] * 9}, "3 different texts"),
        ({"words": 0}, "words"),
        ({"words": "one"}, "words"),
        ({"words": ["unheard"]}, "'unheard'"),
        ({"words": []}, "at least one word"),
    ],
)
def test_what_cannot_be_learned_from(change, message):
    given = {
        "texts": [f"one two {name * 3}" for name in "pqrstuvwx"],
        "labels": ["a", "b", "c"] * 3,
        **change,
    }
    with pytest.raises(InputError, match=message):
        taut.fit_text(given.pop("texts"), given.pop("labels"), **given)
