"""The laws of EASE and SLIM, and of rankings."""

import contextlib
import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.linear_model import ElasticNet

from taut.errors import EdgeWarning, InputError
from taut.penalties import L1, L2, NonNegative
from taut.recommendation import EASE, SLIM, ItemModel, hold_out, ndcg
from taut.recommendation.item_weights import (
    FactoredWeights,
    MatrixWeights,
    ease,
    nonnegative_minimum,
    slim,
)
from taut.recommendation.ranking_scores import gains


def met(rows, items, seed=0, share=0.3):
    return (np.random.default_rng(seed).random((rows, items)) < share).astype(float)


def dense(weights, items):
    return np.stack([weights.row(j) for j in range(items)])


@pytest.mark.parametrize("rows", [60, 12], ids=["more rows", "fewer rows"])
def test_ease_is_the_ridge_without_the_diagonal(rows):
    x, strength = met(rows, 20), 3.0
    weights = ease(csr_array(x))(strength)
    assert isinstance(weights, MatrixWeights if rows > 20 else FactoredWeights)
    b = dense(weights, 20)
    for j in range(20):
        others = np.delete(np.arange(20), j)
        a = x[:, others]
        column = np.linalg.solve(a.T @ a + strength * np.eye(19), a.T @ x[:, j])
        np.testing.assert_allclose(b[others, j], column, atol=1e-10)
        assert b[j, j] == 0
        np.testing.assert_allclose(weights.column(j), b[:, j], atol=1e-12)
    some = csr_array(met(5, 20, seed=2))
    np.testing.assert_allclose(weights.scores(some), some.toarray() @ b, atol=1e-10)


def test_slim_is_the_elastic_net_of_scikit_learn():
    x, l1, l2 = met(80, 15), 2.0, 4.0
    b = dense(slim(csr_array(x), l2)(l1), 15)
    n = len(x)
    reference = ElasticNet(
        alpha=(l1 + l2) / n,
        l1_ratio=l1 / (l1 + l2),
        positive=True,
        fit_intercept=False,
        tol=1e-12,
        max_iter=100_000,
    )
    for j in range(15):
        others = np.delete(np.arange(15), j)
        reference.fit(x[:, others], x[:, j])
        np.testing.assert_allclose(b[others, j], reference.coef_, atol=1e-7)
        np.testing.assert_array_equal(b[others, j] == 0, reference.coef_ < 1e-9)
        assert b[j, j] == 0
    assert 20 < (b > 0).sum() < 15 * 14 - 20


def test_slim_is_a_fixed_point_of_taut_s_proximal_step():
    x, l1, l2 = met(80, 15, seed=4), 1.5, 4.0
    penalty = L1(l1) + L2(l2) + NonNegative()
    b = dense(slim(csr_array(x), l2)(l1), 15)
    for j in range(15):
        others = np.delete(np.arange(15), j)
        a, w = x[:, others], b[others, j]
        step = 1e-3
        moved = np.asarray(
            penalty.prox((w - step * a.T @ (a @ w - x[:, j])).astype("float32"), step, 1.0)
        )
        np.testing.assert_allclose(moved, w, atol=1e-6)


def test_items_met_together_no_more_often_have_no_weight():
    x = met(60, 15, seed=1)
    together = x.T @ x
    l1 = float(np.median(together[np.triu_indices(15, 1)]))
    b = dense(slim(csr_array(x), 1.0)(l1), 15)
    assert (b[together <= l1] == 0).all()
    assert (b > 0).any()
    most = together[~np.eye(15, dtype=bool)].max()
    assert dense(slim(csr_array(x), 1.0)(most), 15).max() == 0
    assert dense(slim(csr_array(x), 1.0)(most - 0.01), 15).max() > 0


@pytest.mark.parametrize("seed", range(6))
def test_the_active_set_ends_at_the_best_of_all_subsets(seed):
    draw = np.random.default_rng(seed)
    root = draw.normal(size=(9, 6))
    square, right = root.T @ root + 0.1 * np.eye(6), draw.normal(size=6) * 3
    best, value = np.zeros(6), 0.0
    for size in range(1, 7):
        for part in map(list, itertools.combinations(range(6), size)):
            b = np.zeros(6)
            b[part] = np.linalg.solve(square[np.ix_(part, part)], right[part])
            if (b >= 0).all() and (new := b @ square @ b / 2 - right @ b) < value:
                best, value = b, new
    np.testing.assert_allclose(nonnegative_minimum(square, right), best, atol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_wherever_the_active_set_starts_it_ends_at_one_minimum(seed):
    draw = np.random.default_rng(seed)
    root = draw.normal(size=(50, 40))
    square, right = root.T @ root + 0.1 * np.eye(40), draw.normal(size=40) * 3
    right[3] = -np.inf
    best = nonnegative_minimum(square, right)
    start = draw.gamma(0.5, size=40) * (draw.random(40) < 0.7)
    np.testing.assert_allclose(nonnegative_minimum(square, right, start), best, atol=1e-9)
    np.testing.assert_allclose(nonnegative_minimum(square, right, best), best, atol=1e-9)
    assert best[3] == 0
    assert 5 < np.count_nonzero(best) < 39


def test_strengths_that_were_tried_before_change_nothing():
    x = csr_array(met(80, 15))
    again = slim(x, 4.0)
    for l1 in (2.0, 30.0, 0.5, 12.0):  # at 30 no item is able, at 12 some
        np.testing.assert_allclose(dense(again(l1), 15), dense(slim(x, 4.0)(l1), 15), atol=1e-12)
    of_items = ease(x)
    of_items(3.0)
    np.testing.assert_array_equal(dense(of_items(7.0), 15), dense(ease(x)(7.0), 15))


def test_ndcg_of_rankings_that_can_be_counted():
    values = np.array([[4.0, 3.0, 2.0, 1.0], [1.0, 2.0, 3.0, -np.inf]])
    found = gains(values, np.array([0, 0, 1]), np.array([0, 2, 0]), 3)
    first = (1 + 1 / 2) / (1 + 1 / np.log2(3))
    np.testing.assert_allclose(found, [first, 1 / np.log2(4)])
    np.testing.assert_allclose(gains(values, np.array([0, 1]), np.array([3, 0]), 2), [0, 0])


def test_equal_scores_rank_in_the_order_of_the_items():
    values = np.zeros((1, 6))
    values[0, 4] = 1
    found = [gains(values, np.array([0]), np.array([item]), 3)[0] for item in range(6)]
    np.testing.assert_allclose(found, [1 / np.log2(3), 1 / np.log2(4), 0, 0, 1, 0])


@pytest.fixture(scope="module")
def groups():
    """Users who like even or odd items."""
    draw = np.random.default_rng(0)
    lines = []
    for user in range(60):
        likes = draw.permutation(np.arange(user % 2, 30, 2))[:8]
        lines += [(f"u{user}", int(item)) for item in (*likes, draw.integers(0, 30))]
    return pd.DataFrame(lines, columns=["user", "item"]).drop_duplicates(ignore_index=True)


@pytest.fixture(
    scope="module",
    params=[EASE(), SLIM(strength=None, l2=5.0)],
    ids=["EASE", "SLIM"],
)
def fitted(request, groups):
    kept, held = hold_out(groups, seed=2)
    return request.param.fit(kept), kept, held


def test_it_ranks_what_was_held_out_before_the_rest(fitted):
    model, _, held = fitted
    assert ndcg(model, held).mean() > 0.5
    choice = model.choice
    assert choice.losses[choice.strengths.index(choice.chosen)] == min(choice.losses)
    assert choice.held_out == 60


def test_ndcg_is_that_of_the_recommendations(fitted, monkeypatch):
    model, _, held = fitted
    expected = []
    for user, mine in held.groupby("user"):
        places = np.flatnonzero(model.recommend(user, 10)["item"].isin(mine["item"]))
        best = (1 / np.log2(np.arange(2, 2 + min(len(mine), 10)))).sum()
        expected.append((1 / np.log2(places + 2)).sum() / best)
    np.testing.assert_allclose(ndcg(model, held), expected)
    monkeypatch.setattr("taut.recommendation.ranked.AT_A_TIME", 70)
    np.testing.assert_allclose(ndcg(model, held), expected)


def test_scores_of_pairs_are_those_of_all(fitted, monkeypatch):
    """Also where few users are scored at a time, in any order, with some unknown."""
    model, _, held = fitted
    lines = pd.concat([held, held.assign(user="?"), held.assign(item=1000)])
    lines = lines.sample(frac=1, random_state=0)
    r = model.ratings
    scores = np.vstack([model.scores(np.arange(len(r.users))), model.scores(np.array([-1]))])
    who = pd.Index(r.users).get_indexer(lines["user"])
    what = pd.Index(r.items).get_indexer(lines["item"])
    expected = np.where(what >= 0, scores[who, what], 0.0)
    for at_a_time in (1 << 24, 70):
        monkeypatch.setattr("taut.recommendation.ranked.AT_A_TIME", at_a_time)
        np.testing.assert_allclose(model.predict(lines["user"], lines["item"]), expected)
    assert model.predict([], []).shape == (0,)


def test_what_was_seen_does_not_count_as_held_out(fitted):
    model, kept, held = fitted
    strangers = held.assign(user=held["user"] + "?")
    every = pd.concat([held, held, kept, strangers, held.assign(item=1000)])
    np.testing.assert_array_equal(ndcg(model, every), ndcg(model, held))
    for nothing, words in ((kept, "0 of unknown users"), (strangers, "0 of unknown items, 0 seen")):
        with pytest.raises(InputError, match=words):
            ndcg(model, nothing)
    with pytest.raises(InputError, match=r"without \['item'\]"):
        ndcg(model, held.drop(columns="item"))
    with pytest.raises(InputError, match="k=0"):
        ndcg(model, held, k=0)
    with pytest.raises(InputError, match="the column 'user'"):
        hold_out(held.drop(columns="user"))
    with pytest.raises(InputError, match="known user"):
        model.because(None, 4)


def test_recommendations_were_not_met(fitted):
    model, kept, _ = fitted
    for user in ("u0", "u31"):
        mine = set(kept.loc[kept["user"] == user, "item"])
        frame = model.recommend(user, 100)
        assert set(frame["item"]) == set(model.ratings.items.tolist()) - mine
        np.testing.assert_allclose(model.predict(user, frame["item"]), frame["score"])
    assert len(model.recommend(None, 4)) == 4


def test_what_speaks_for_an_item_was_met(fitted):
    model, kept, _ = fitted
    mine = set(kept.loc[kept["user"] == "u4", "item"])
    item = model.recommend("u4", 1)["item"][0]
    reasons = model.because("u4", item, 100)
    assert set(reasons["item"]) <= mine
    if isinstance(model.weights, MatrixWeights):
        assert reasons["weight"].min() > 0
    near = model.similar_items(4, 3)["item"].tolist()
    assert sum(i % 2 == 0 for i in near) >= 2


def test_folding_in_is_what_was_there(fitted):
    model, kept, _ = fitted
    mine = kept[kept["user"] == "u4"]
    again = model.fold_in(mine.assign(user="new"))
    np.testing.assert_allclose(
        again.predict("new", model.ratings.items), model.predict("u4", model.ratings.items)
    )
    assert "new" not in model.ratings.users
    few = model.fold_in(mine.iloc[:2])
    assert few.ratings.by_user[few.ratings.users.tolist().index("u4")] == 2


def test_item_models_are_saved(fitted, tmp_path):
    model, _, _ = fitted
    again = ItemModel.load(model.save(tmp_path / "model.npz"))
    assert repr(again) == repr(model)
    pd.testing.assert_frame_equal(again.recommend("u5"), model.recommend("u5"))
    pd.testing.assert_frame_equal(again.to_frame(), model.to_frame())
    from taut.recommendation import RatingModel

    with pytest.raises(ValueError, match="rating model"):
        RatingModel.load(tmp_path / "model.npz")


def test_whatever_byte_is_another_one_it_is_told(fitted, tmp_path):
    path = fitted[0].save(tmp_path / "model.npz")
    whole = path.read_bytes()
    for at in range(9, len(whole), len(whole) // 60):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :])
        with contextlib.suppress(InputError):
            # Not all bytes count, but none may end in another error.
            ItemModel.load(path)


def test_the_best_at_an_edge_is_told(groups):
    with pytest.warns(EdgeWarning, match="the first or the last"):
        EASE(strength=(1e5, 1e6)).fit(groups)


def test_the_order_of_lines_changes_nothing(groups):
    model, other = EASE().fit(groups), EASE().fit(groups.sample(frac=1, random_state=0))
    assert model.choice.losses == pytest.approx(other.choice.losses)
    pd.testing.assert_frame_equal(model.recommend("u1"), other.recommend("u1"))


def test_features_rank_items_that_nobody_met(groups):
    kinds = pd.DataFrame({"item": range(32), "kind": ["even", "odd"] * 16})
    model = EASE(strength=5.0).fit(groups, item_features=kinds)
    scores = dict(zip(*model.recommend("u0", 100).to_dict("list").values(), strict=True))
    assert scores[30] > scores[31]  # user 0 likes even ones


def test_held_out_lines_are_a_share_of_each_user_s(groups):
    kept, held = hold_out(groups, share=0.25, seed=3)
    assert len(kept) + len(held) == len(groups)
    before, after = (frame["user"].value_counts() for frame in (groups, held))
    np.testing.assert_array_equal(after.reindex(before.index), np.round(0.25 * before))
    kept, _ = hold_out(groups, share=0.99)
    assert set(kept["user"]) == set(groups["user"])  # nobody is held out altogether
