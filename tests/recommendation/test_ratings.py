"""What is refused, and in which words."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import polars
import pytest

from taut import InputError
from taut.recommendation import EASE, SLIM, MatrixFactorization
from taut.recommendation.ratings import Columns, read_ratings, session_codes
from taut.recommendation.side_features import read_features

FRAME = pd.DataFrame({"user": [1, 1, 2, 2], "item": list("abab"), "rating": [1.0, 2.0, 3.0, 4.0]})
TWICE = pd.concat([FRAME, FRAME.iloc[:1]])
BAD = {
    "empty": (FRAME.iloc[:0], "empty frame"),
    "no column": (FRAME.drop(columns="item"), r"without \['item'\]"),
    "one user": (FRAME.iloc[:2], "two users at least"),
    "one item": (FRAME.iloc[[0, 2]], "two items at least"),
    "twice": (TWICE, r"1 lines of pairs.*user 1, item 'a'.*drop_duplicates"),
    "no rating": (FRAME.assign(rating=[1.0, np.nan, 3.0, 4.0]), "1 of 4 that are not"),
    "infinite": (FRAME.assign(rating=[1.0, np.inf, 3.0, 4.0]), "finite"),
    "too large to be squared": (FRAME.assign(rating=[1.0, -1e200, 3.0, 4.0]), "less than 1e.100"),
    "complex": (FRAME.assign(rating=[1.0, 1j, 3.0, 4.0]), "must be numbers"),
    "words": (FRAME.assign(rating=["good", "bad", "3", "4"]), "must be numbers"),
    "no id": (
        FRAME.assign(user=pd.array([1, None, 2, 2], "Int64")),
        "1 of 4 in `user` that are missing",
    ),
    "float ids": (FRAME.assign(user=[1.5, 1.0, 2.0, 2.0]), "integers, or texts"),
    "no frame": ([1, 2, 3], "A table is a data frame"),
}


@pytest.mark.parametrize("case", BAD)
def test_ratings_that_are_refused(case):
    frame, words = BAD[case]
    with pytest.raises(InputError, match=words):
        MatrixFactorization(strength=1.0).fit(frame)


@pytest.mark.parametrize("model", [EASE(strength=1.0), SLIM()], ids=["EASE", "SLIM"])
@pytest.mark.parametrize("case", ["empty", "one user", "one item", "float ids"])
def test_interactions_that_are_refused(case, model):
    frame, words = BAD[case]
    with pytest.raises(InputError, match=words):
        model.fit(frame)


@pytest.mark.parametrize(
    "settings",
    [
        {"rank": 0},
        {"strength": 0.0},
        {"strength": []},
        {"strength": "large"},
        {"strength": np.array(-1.0)},
        {"sweeps": 1.5},
        {"tolerance": 0},
        {"rating": None},
        {"time": "user"},
    ],
    ids=str,
)
def test_settings_that_are_refused(settings):
    with pytest.raises(InputError, match="Received"):
        MatrixFactorization(**settings).fit(FRAME)


def test_constant_ratings_are_predicted_as_such():
    model = MatrixFactorization(rank=2, strength=1.0).fit(FRAME.assign(rating=3.0))
    np.testing.assert_allclose(model.predict([1, 2, 9], ["a", "b", "z"]), 3.0)


def test_few_ratings_need_a_strength():
    with pytest.raises(InputError, match="ten ratings"):
        MatrixFactorization().fit(FRAME)
    with pytest.raises(InputError, match="users who have three"):
        EASE().fit(FRAME)


def test_every_kind_of_frame_and_of_id_says_the_same():
    fit = MatrixFactorization(rank=2, strength=1.0).fit
    values = fit(FRAME).predict([1, 2], ["a", "b"])
    frames = [
        polars.from_pandas(FRAME),
        FRAME.assign(item=FRAME["item"].astype("category")),
        FRAME.assign(rating=FRAME["rating"].astype("Float64")),
        FRAME.assign(rating=FRAME["rating"].astype(object)),
        FRAME.assign(rating=list(map(Decimal, [1, 2, 3, 4]))),
        FRAME.set_index(np.array([3, 3, 1, 0])),
    ]
    for frame in frames:
        np.testing.assert_allclose(fit(frame).predict([1, 2], ["a", "b"]), values)
    texts = fit(FRAME.assign(user=FRAME["user"].astype(str)))
    np.testing.assert_allclose(texts.predict(["1", "2"], ["a", "b"]), values)


def test_questions_that_are_refused():
    model = MatrixFactorization(rank=2, strength=1.0).fit(FRAME)
    with pytest.raises(InputError, match=r"known user.*fold_in"):
        model.recommend(77)
    with pytest.raises(InputError, match="`user` must be one id"):
        model.recommend([1, 2])
    with pytest.raises(InputError, match="`users` must be integers"):
        model.predict(["1"], ["a"])
    with pytest.raises(InputError, match="one length"):
        model.predict([1, 2], ["a", "b", "a"])
    with pytest.raises(InputError, match="known item"):
        model.similar_items("z")
    with pytest.raises(InputError, match="`k`"):
        model.recommend(1, 0)
    with pytest.raises(InputError, match="known items"):
        model.recommend(1, among=["z"])
    with pytest.raises(InputError, match="models with times"):
        model.predict(1, "a", 5)
    with pytest.raises(InputError, match=r"Items must be known.*'z'"):
        model.fold_in(FRAME.iloc[:1].assign(item="z"))
    with pytest.raises(InputError, match="strength"):
        model.plot()


def test_features_that_are_refused():
    features = pd.DataFrame({"item": list("aab"), "year": [1, 2, 3]})
    for frame, words in [
        (features, "one line for each id"),
        (features.drop(columns="item"), "the column 'item'"),
        (features[["item"]].iloc[1:], "differs between ids"),
        (features.iloc[1:].assign(item=[1, 2]), "`item` must be texts"),
        (features.iloc[1:].assign(item=["x", "y"]), "none of them rated"),
        (features.iloc[1:, [0, 1, 1]], "different names"),
        (features.iloc[1:].assign(year=[1.0, np.inf]), "`year` with 1 that are infinite"),
        (features.iloc[1:].assign(year=[1.0, 1j]), "real numbers"),
    ]:
        with pytest.raises(InputError, match=words):
            MatrixFactorization(strength=1.0).fit(FRAME, item_features=frame)


def test_features_are_on_one_scale():
    frame = pd.DataFrame(
        {"item": list("abcd"), "year": [1990, None, 2000, 2010], "kind": ["x|y", "x", "", None]}
    )
    ids, values, names = read_features(frame, "item")
    assert ids.tolist() == list("abcd")
    assert names == ["year", "year²", "kind=x", "kind=y"]
    values = values.toarray()
    np.testing.assert_allclose((values[:, :2] ** 2).sum() / 4, 1)
    np.testing.assert_allclose((values[:, 2:] ** 2).sum() / 4, 1)
    assert (values[1, :2] == 0).all()
    assert (values[2, 2:] == 0).all()


def test_features_of_any_kind():
    frame = pd.DataFrame(
        {
            "item": list("badc"),
            "seen": pd.array([True, None, False, True], dtype="boolean"),
            "date": pd.to_datetime(["2020-01-03", None, "2020-01-01", "2020-01-02"]),
            "tags": [["x", "y|z"], [], None, ("x",)],
        }
    )
    ids, values, names = read_features(frame, "item")
    assert ids.tolist() == list("abcd")
    assert names == ["seen", "seen²", "date", "date²", "tags=x", "tags=y", "tags=z"]
    values = values.toarray()
    assert (values[0] == 0).all()  # a: nothing is known
    assert values[1, 2] == -values[3, 2] > 0 == values[2, 2]  # dates of b, d and c
    np.testing.assert_array_equal(values[:, 4] != 0, [False, True, True, False])


DATES = [dt.datetime(2020, 1, day) for day in (3, 1, 1, 2)]


@pytest.mark.parametrize(
    ("given", "same"),
    [
        ([date.date() for date in DATES], DATES),
        (pd.Series(DATES, dtype=object), DATES),
        (pd.Series(DATES).astype("date32[pyarrow]"), DATES),
        (pd.Series(DATES).dt.to_period("D"), DATES),
        (pd.Series([2, None, 0, 1], dtype=object), [2.0, np.nan, 0.0, 1.0]),
        ([Decimal("0.2"), None, Decimal(0), Decimal("0.1")], [2.0, np.nan, 0.0, 1.0]),
        (pd.to_timedelta([2, None, 0, 1], "D"), [2.0, np.nan, 0.0, 1.0]),
        ([2e306, np.nan, 0.0, 1e306], [2.0, np.nan, 0.0, 1.0]),
        ([2e-200, np.nan, 0.0, 1e-200], [2.0, np.nan, 0.0, 1.0]),
        (pd.Series([True, None, False, True], dtype=object), [1.0, np.nan, 0.0, 1.0]),
    ],
    ids=str,
)
def test_numbers_and_dates_are_no_categories_however_they_are_held(given, same):
    frames = [pd.DataFrame({"item": list("abcd")}).assign(f=f) for f in (given, same)]
    (_, one, names), (_, other, _) = (read_features(frame, "item") for frame in frames)
    assert names == ["f", "f²"]
    np.testing.assert_allclose(one.toarray(), other.toarray(), atol=1e-12)


def test_a_title_for_each_item_takes_little_room():
    many = 20_000
    frame = pd.DataFrame({"item": np.arange(many), "title": [f"film {k}" for k in range(many)]})
    assert read_features(frame, "item")[1].nnz == many


def test_users_without_ratings_are_what_their_features_say():
    users = pd.DataFrame({"user": [1, 2, 3, 4], "group": ["x", "y", "x", "y"]})
    ratings = FRAME.assign(rating=[1.0, 1.0, 5.0, 5.0])
    model = MatrixFactorization(rank=1, strength=0.5).fit(ratings, user_features=users)
    near_one, near_two, unknown = model.predict([3, 4, 5], "a")
    assert near_one < unknown < near_two
    assert model.recommend(3)["item"].tolist() == ["a", "b"]
    mine = FRAME.iloc[[0]].assign(user=4, rating=1.0)
    with_group = model.fold_in(mine)
    assert with_group.features[0].shape == (4, 2)
    assert (with_group.features[0] != model.features[0]).nnz == 0


def test_who_met_what_twice_has_met_it():
    once, twice = (EASE(strength=1.0).fit(frame) for frame in (FRAME, TWICE))
    np.testing.assert_array_equal(
        twice.predict([1, 2], ["a", "b"]), once.predict([1, 2], list("ab"))
    )
    assert len(once.fold_in(TWICE.iloc[[0, 4]]).ratings) == 3


def test_columns_are_named_by_texts():
    for settings in ({"user": 0}, {"item": None}, {"time": 3}, {"user": ["user"]}):
        with pytest.raises(InputError, match="named by texts"):
            MatrixFactorization(strength=1.0, **settings).fit(FRAME)
    with pytest.raises(InputError, match="without"):
        MatrixFactorization(strength=1.0, user="").fit(FRAME)


@pytest.mark.parametrize("times", [1.5e12 + FRAME["rating"], [np.inf] * 4, [-1e30] * 4])
def test_times_in_other_units_are_refused(times):
    with pytest.raises(InputError, match="milliseconds by 1000"):
        MatrixFactorization(time="time", strength=1.0).fit(FRAME.assign(time=times))


def test_times_are_seconds_or_dates():
    times = pd.to_datetime(
        ["2020-01-01 01:00", "2020-01-01 23:00", "2020-01-02 00:00", "2020-01-03 00:00"]
    )
    of_dates = read_ratings(FRAME.assign(time=times), Columns(time="time")).day
    seconds = times.as_unit("s").astype("int64")
    of_seconds = read_ratings(FRAME.assign(time=seconds), Columns(time="time")).day
    np.testing.assert_array_equal(of_dates, of_seconds)
    days = [date.date() for date in times]
    for same in (days, pd.Series(days).astype("date32[pyarrow]"), times.astype(object)):
        of_same = read_ratings(FRAME.assign(time=same), Columns(time="time")).day
        np.testing.assert_array_equal(of_same, of_dates)
    np.testing.assert_array_equal(of_dates - of_dates[0], [0, 0, 1, 2])
    for wrong, words in [
        (["x"] * 4, "seconds or dates"),
        ([True] * 4, "seconds or dates"),
        ([1.0, None, 2.0, 3.0], "have a time"),
    ]:
        with pytest.raises(InputError, match=words):
            MatrixFactorization(time="time").fit(FRAME.assign(time=wrong))


def test_sessions_are_found():
    keys = np.array([[0, 5], [0, 9], [2, -3]])
    user, day = np.array([0, 0, 2, 2, -1]), np.array([9, 6, -3, 5, 5])
    np.testing.assert_array_equal(session_codes(keys, user, day), [1, -1, 2, -1, -1])
