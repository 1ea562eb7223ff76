"""Ids stay what they are: no number becomes a text, no large one another."""

import jax
import numpy as np
import pandas as pd
import polars
import pyarrow
import pytest

from taut import InputError
from taut.recommendation import EASE, MatrixFactorization
from taut.recommendation.rating_ids import codes_of, numbered

FRAME = pd.DataFrame({"user": [1, 1, 2, 2], "item": list("abab"), "rating": [1.0, 2.0, 3.0, 4.0]})
NUMBERS, TEXTS = np.array([3, 5, 8]), np.array(["1", "a", "b"])


@pytest.mark.parametrize(
    "values",
    [
        [5, 3, 5],
        (5, 3, 5),
        iter([5, 3, 5]),
        np.array([5, 3, 5], "uint8"),
        np.array([5, 3, 5], object),
        pd.Series([5, 3, 5], index=[9, 9, 9]),
        pd.Series([5, 3, 5], dtype="category"),
        pd.array([5, 3, 5], dtype="Int64"),
        polars.Series([5, 3, 5]),
        pyarrow.array([5, 3, 5]),
        pyarrow.chunked_array([[5], [3, 5]]),
        jax.numpy.array([5, 3, 5]),
    ],
    ids=lambda values: type(values).__name__,
)
def test_numbers_in_whatever_column(values):
    assert codes_of(values, NUMBERS, "users").tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    "values",
    [
        ["b", "z", "1"],
        pd.Series(["b", "z", "1"], dtype="category"),
        polars.Series(["b", "z", "1"]),
        pyarrow.array(["b", "z", "1"]),
        pd.Series(["b", "z", "1"]).astype(
            pd.ArrowDtype(pyarrow.dictionary(pyarrow.int32(), pyarrow.string()))
        ),
    ],
)
def test_texts_in_whatever_column(values):
    assert codes_of(values, TEXTS, "items").tolist() == [2, -1, 0]


def test_one_id_and_none_at_all():
    assert codes_of(8, NUMBERS, "users").tolist() == [2]
    assert codes_of("a", TEXTS, "items").tolist() == [1]
    for known in (NUMBERS, TEXTS):
        assert codes_of([], known, "users").shape == (0,)


def test_places_and_ids_are_one_another():
    values = np.random.default_rng(0).integers(-50, 50, 300)
    for column in (values, values.astype(str)):
        ids, codes = numbered(column, "user")
        expected, places = np.unique(column, return_inverse=True)
        np.testing.assert_array_equal(ids, expected)
        np.testing.assert_array_equal(codes, places)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["1", 1], "of int and str"),
        ([True, 1], "of bool and int"),
        ([1.0, 2.0], r"of float.*astype\(int\)"),
        ([1.5, 2.0], r"of float.*astype\(str\)"),
        ([1, None], "1 of 2 in `user` that are missing"),
        (["a", np.nan, pd.NaT], "2 of 3"),
        ([2**63], r"less than 2\*\*63"),
        (np.array([2**63 + 5], "uint64"), r"less than 2\*\*63"),
        ([-(2**70)], r"less than 2\*\*63"),
        (["a\0", "a"], "zero byte"),
    ],
)
def test_what_is_no_id(values, message):
    with pytest.raises(InputError, match=message):
        numbered(values, "user")
    with pytest.raises(InputError, match=message):
        codes_of(values, NUMBERS, "user")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (b"abc", "of bytes"),  # as a list it would be three integers
        ({1, 2}, "whose order is known. Received: a set"),
        ({1: "a"}, "Received: a dict"),
        (polars.DataFrame({"user": [1]}), "a flat list"),
    ],
)
def test_what_is_no_list_of_ids(values, message):
    with pytest.raises(InputError, match=message):
        codes_of(values, NUMBERS, "users")


@pytest.mark.parametrize(
    "model",
    [MatrixFactorization(rank=2, strength=1.0).fit(FRAME), EASE(strength=1.0).fit(FRAME)],
    ids=["factors", "items"],
)
class TestModel:
    def test_further_users_have_ids_of_the_same_kind(self, model):
        with pytest.raises(InputError, match="`user` must be integers, as in the ratings"):
            model.fold_in(FRAME.iloc[:1].assign(user="me"))
        assert model.fold_in(FRAME.iloc[:1].assign(user=7)).ratings.users.tolist() == [1, 2, 7]

    def test_numbers_are_not_read_as_texts(self, model):
        with pytest.raises(InputError, match="of int and str"):
            model.predict([1, 1], ["a", 1])
        with pytest.raises(InputError, match="must be texts"):
            model.predict(1, 1)

    def test_pairs_are_not_taken_from_columns_in_two_orders(self, model):
        with pytest.raises(InputError, match="`items` must be in the order of `users`"):
            model.predict(FRAME["user"], FRAME["item"][::-1])

    def test_items_to_choose_from_may_be_any_list(self, model):
        folded = model.fold_in(FRAME.iloc[:1].assign(user=7))
        for among in (iter(["b", "a"]), {"b", "a"}, pyarrow.array(["b", "a"])):
            assert folded.recommend(7, among=among)["item"].tolist() == ["b"]
        assert len(folded.recommend(7, among=[])) == 0
        with pytest.raises(InputError, match=r"known items. Received: \['z'\]"):
            folded.recommend(7, among=(item for item in "abz"))
        with pytest.raises(InputError, match="a list of items"):
            folded.recommend(7, among="ab")
