"""The laws of the factorisation."""

import itertools
import pickle
from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest
from keras.ops import convert_to_numpy as numbers

from taut.errors import EdgeWarning, InputError
from taut.recommendation import MatrixFactorization, RatingModel, hold_out
from taut.recommendation.factor_choice import climb
from taut.recommendation.factor_solver import (
    conjugate_gradients,
    objective,
    solve,
)
from taut.recommendation.item_map import item_positions, readable
from taut.recommendation.rating_network import rating_codes

SETTINGS = {"rank": 3, "strength": 2.0, "sweeps": 3000, "tolerance": 2e-9}
FEW = {"rank": 3, "strength": 2.0, "tolerance": 1e-3}


@pytest.fixture(scope="module")
def rested(ratings, item_features):
    """At rest: with features and sessions."""
    fit = MatrixFactorization(time="time", **SETTINGS).fit
    return fit(ratings, item_features=item_features)


def problem(model):
    r = model.ratings
    codes = rating_codes(model)
    session = codes[:, 2] if codes.shape[1] == 3 else np.zeros(0, int)
    return r, (r.rating - model.mean) / model.scale, session, model.strengths


def with_block(factors, block, values):
    if block == "sessions":
        return replace(factors, sessions=values)
    name, part = block
    return replace(factors, **{name: replace(getattr(factors, name), **{part: values})})


BLOCKS = [(side, part) for side in ("user", "item") for part in ("rows", "maps", "variance")]


@pytest.mark.parametrize("block", [*BLOCKS, "sessions"], ids=str)
def test_the_gradient_is_zero_at_rest(rested, block):
    """By central differences, in directions drawn at random."""
    f = rested.factors
    values = f.sessions if block == "sessions" else getattr(getattr(f, block[0]), block[1])
    draw = np.random.default_rng(0)
    for _ in range(3):
        way = draw.normal(size=values.shape)
        if block != "sessions":
            if block[1] == "variance":
                way = way * values  # stays positive
                way[:, 0] = 0.0  # of biases it adds a constant
            if block[1] in ("rows", "variance"):
                way[getattr(rested.ratings, f"by_{block[0]}") == 0] = 0.0
        up, down = (
            objective(with_block(f, block, values + sign * 1e-4 * way), *problem(rested))
            for sign in (1, -1)
        )
        here = objective(f, *problem(rested))
        assert abs(up - down) / 2e-4 < 2e-4 * here / 100
        assert up > here  # and it is a minimum along the way
        assert down > here


def test_no_sweep_makes_the_objective_larger(rested):
    r, target, session, strengths = problem(rested)
    f = rested.factors
    draw = np.random.default_rng(3)

    def empty(side):
        rows = 0.1 * draw.normal(size=side.rows.shape)
        return replace(side, rows=rows, variance=np.full(rows.shape, 0.1), maps=0.0 * side.maps)

    now = replace(f, mean=0.0, user=empty(f.user), item=empty(f.item), sessions=0.0 * f.sessions)
    values = []
    for _ in range(25):
        now = solve(r, target, session, now, strengths, sweeps=1, tolerance=0.0)
        values.append(objective(now, r, target, session, strengths))
    assert (np.diff(values) <= 1e-9 * abs(values[0])).all()
    assert values[-1] < values[0] - 1


def test_the_network_has_the_same_solution(rested):
    """Its predictions are those of `predict`; the gradient of its loss over all ratings is 0."""
    network, codes = rested.network, rating_codes(rested)
    r = rested.ratings
    frame_users, frame_items = r.users[r.user], r.items[r.item]
    mine = rested.predict(frame_users, frame_items, r.day * 86_400)
    theirs = numbers(network(codes))[:, 0].clip(r.rating.min(), r.rating.max())
    np.testing.assert_allclose(theirs, mine, atol=2e-5)
    for index, variable in enumerate(network.trainable_variables):
        base = numbers(variable)
        draw = np.random.default_rng(index)
        way = draw.normal(size=base.shape)
        if base.ndim == 2:
            way[
                np.bincount(codes[:, ("user", "item").index(variable.name)], minlength=len(base))
                == 0
            ] = 0
        values = []
        for sign in (0.0, 1.0, -1.0):
            variable.assign(base + sign * 0.02 * way)
            values.append(_loss(network, codes, r.rating))
        variable.assign(base)
        still, up, down = values
        assert up > still and down > still  # noqa: PT018
        assert abs(up - down) < 0.02 * (up + down - 2 * still)


def _loss(network, codes, rating):
    """J' over all ratings, in double precision but for the network's own."""
    value = numbers(network(codes, training=True)).astype(float)[:, 0]
    return np.mean((rating - value) ** 2) + float(numbers(sum(network.losses)))


def test_a_penalty_is_counted_once_per_rating(rested):
    """Twice the batch is the same mean; a rating's own penalty is that of its rows alone."""
    network, codes = rested.network, rating_codes(rested)

    def penalty(rows):
        network(codes[rows], training=True)
        return float(numbers(sum(network.losses)))

    every = np.arange(len(codes))
    single = [penalty([k]) for k in range(20)]
    np.testing.assert_allclose(penalty(every[:20]), np.mean(single), rtol=1e-5)
    s, f = rested.strengths, rested.factors
    r, target, session, _ = problem(rested)
    u, i = r.user, r.item
    pairs = (f.user.rows[u, 1:] ** 2 * f.item.variance[i, 1:]).sum()
    pairs += (f.item.rows[i, 1:] ** 2 * f.user.variance[u, 1:]).sum()
    for side, count in ((f.user, r.by_user), (f.item, r.by_item)):
        pairs += s.rows * ((side.rows - side.centre)[count > 0] ** 2).sum()
    pairs += s.sessions * (f.sessions**2).sum()
    assert len(target) == len(session) == len(r)
    np.testing.assert_allclose(penalty(every), rested.scale**2 * pairs / len(r), rtol=1e-4)


def test_a_batch_reads_its_own_rows_alone(rested):
    network, codes = rested.network, rating_codes(rested)
    few = codes[:5]
    network(few, training=True)
    before = float(numbers(sum(network.losses)))
    table = network.get_layer("ratings").user
    base = numbers(table)
    others = np.setdiff1d(np.arange(len(base)), few[:, 0])
    moved = base.copy()
    moved[others] += 100.0
    table.assign(moved)
    network(few, training=True)
    after = float(numbers(sum(network.losses)))
    table.assign(base)
    assert before == after


def test_the_network_is_saved_by_keras(rested, tmp_path):
    rested.network.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    codes = rating_codes(rested)[:7]
    np.testing.assert_array_equal(numbers(loaded(codes)), numbers(rested.network(codes)))


def test_folding_in_ratings_of_the_training_gives_the_same_user(rested, ratings):
    mine = ratings[ratings["user"].isin([100, 117])]
    again = rested.fold_in(mine)
    for name in ("rows", "variance"):
        np.testing.assert_allclose(
            getattr(again.factors.user, name), getattr(rested.factors.user, name), atol=1e-5
        )
    np.testing.assert_allclose(again.factors.sessions, rested.factors.sessions, atol=1e-5)
    np.testing.assert_array_equal(again.session_keys, rested.session_keys)


def test_a_new_user_is_folded_in_like_one_who_was_there(ratings, item_features):
    """Almost: what the items learned from the user is missing."""
    fit = MatrixFactorization(**FEW).fit
    mine = ratings["user"] == 120
    without = fit(ratings[~mine], item_features=item_features)
    stranger = ratings[mine].assign(user=7)
    folded = without.fold_in(stranger)
    assert folded.ratings.users.tolist() == [7, *without.ratings.users.tolist()]
    assert 7 not in without.ratings.users  # what was there does not change
    seen = stranger["item"].tolist()
    told = folded.predict([7] * len(seen), seen)
    unknown = without.predict([7] * len(seen), seen)
    truth = stranger["rating"].to_numpy()
    assert np.mean((told - truth) ** 2) < 0.7 * np.mean((unknown - truth) ** 2)
    known = [u for u in without.ratings.users.tolist() if u != 7]
    np.testing.assert_allclose(
        folded.predict(known, ["i03"] * len(known)), without.predict(known, ["i03"] * len(known))
    )
    assert set(folded.recommend(7, 100)["item"]).isdisjoint(seen)


def test_folding_in_changes_nothing_for_others(rested, ratings):
    """Even where the new ratings lie far outside."""
    model = replace(rested, limits=(2.5, 3.5))  # as of a training on such
    pairs = ratings["user"], ratings["item"]
    folded = model.fold_in(ratings[ratings["user"] == 100].assign(user=7, rating=1000.0))
    np.testing.assert_array_equal(folded.predict(*pairs), model.predict(*pairs))
    assert model.predict(*pairs).max() == 3.5


def test_the_order_and_the_names_of_ids_change_nothing(ratings):
    fit = MatrixFactorization(**FEW).fit
    model = fit(ratings)
    other = fit(
        ratings.sample(frac=1, random_state=1).assign(user=lambda f: f["user"].map("u{}".format))
    )
    pairs = ratings["user"].tolist()[:50], ratings["item"].tolist()[:50]
    texts = [f"u{u}" for u in pairs[0]]
    np.testing.assert_allclose(other.predict(texts, pairs[1]), model.predict(*pairs), atol=1e-8)


def test_units_of_ratings_change_nothing(ratings):
    fit = MatrixFactorization(**FEW).fit
    model, other = fit(ratings), fit(ratings.assign(rating=7 + 20 * ratings["rating"]))
    users, items = ratings["user"].tolist(), ratings["item"].tolist()
    np.testing.assert_allclose(
        other.predict(users, items), 7 + 20 * model.predict(users, items), rtol=1e-8
    )


def test_recommendations_are_the_best_that_were_not_seen(rested, ratings):
    for user in (100, 105, 139):
        seen = set(ratings.loc[ratings["user"] == user, "item"])
        best = rested.recommend(user, k=1000)
        assert set(best["item"]) == set(rested.ratings.items) - seen
        assert best["score"].is_monotonic_decreasing
        pairs = rested.predict([user] * len(best), best["item"])
        low, high = ratings["rating"].min(), ratings["rating"].max()
        np.testing.assert_allclose(pairs, best["score"].clip(low, high), atol=1e-10)
        few = rested.recommend(user, k=3, among=best["item"].tolist()[5:9])
        assert few["item"].tolist() == best["item"].tolist()[5:8]


def mean_features(side, rated):
    return np.asarray(side.design[np.flatnonzero(rated)].mean(axis=0)).ravel()


def test_cold_items_are_what_their_features_say_and_otherwise_average(rested):
    """Nobody has rated them: who will is not known, and taken to be as for the others."""
    table, names = rested.factors.item, rested.ratings.items.tolist()
    x = mean_features(table, rested.ratings.by_item > 0)
    cold = names.index("i31")
    known = 1 + rested.features[1].shape[1]
    x[:known] = table.design[[cold]].toarray()[0, :known]
    np.testing.assert_allclose(table.rows[cold], x @ table.maps)


def test_nothing_known_is_the_average(rested):
    both = rested.predict(5, "nothing")
    f, r = rested.factors, rested.ratings
    row_u = mean_features(f.user, r.by_user > 0) @ f.user.maps
    row_i = mean_features(f.item, r.by_item > 0) @ f.item.maps
    value = f.mean + row_u[0] + row_i[0] + row_u[1:] @ row_i[1:]
    np.testing.assert_allclose(both, rested.mean + rested.scale * value)
    np.testing.assert_allclose(row_u, f.user.rows.mean(axis=0), atol=0.05)
    np.testing.assert_allclose(row_i, f.item.rows[r.by_item > 0].mean(axis=0), atol=0.05)
    assert len(rested.recommend(None, 5)) == 5
    mine = pd.DataFrame({"user": 7, "item": ["i03", "i04"], "rating": [1.0, 5.0], "time": 0})
    np.testing.assert_array_equal(rested.fold_in(mine).predict(5, "nothing"), both)


def test_it_learns_what_there_is(ratings):
    kept, held = hold_out(ratings, seed=1)
    model = MatrixFactorization(rank=3).fit(kept)
    error = np.mean((model.predict(held["user"], held["item"]) - held["rating"]) ** 2)
    assert error < 0.5 * held["rating"].var()
    choice = model.choice
    assert choice.losses[choice.strengths.index(choice.chosen)] == min(choice.losses)
    assert choice.held_out == round(len(kept) / 10)
    assert choice.to_frame()["chosen"].sum() == 1
    assert model.plot().to_dict()["layer"]


@pytest.mark.parametrize("best", [1.0, 8.0, 32.0])
def test_the_climb_finds_the_least_of_a_valley(best):
    tried = climb(lambda s: np.array([abs(np.log(s / best))]), 8.0, 2.0, 8)
    assert min(tried, key=tried.get) == best
    assert best / 2 in tried
    assert best * 2 in tried


def test_the_climb_ends_where_it_is_flat():
    tried = climb(lambda s: np.array([1.0 + 1e-5 * s]), 8.0, 2.0, 8)
    assert set(tried) == {4.0, 8.0, 16.0}


def test_what_gains_next_to_nothing_does_not_hide_the_other_side():
    losses = {4.0: 0.99999, 8.0: 1.0, 16.0: 0.9, 32.0: 0.95}
    tried = climb(lambda s: np.array([losses[s]]), 8.0, 2.0, 8)
    assert min(tried, key=tried.get) == 16.0


def test_a_climb_that_ends_on_the_way_is_told():
    with pytest.warns(EdgeWarning, match=r"still falls at strength 0\.5, the last of 5"):
        climb(lambda s: np.array([s]), 8.0, 2.0, 5)


def test_the_order_of_lines_chooses_nothing(ratings):
    fit = MatrixFactorization(rank=1).fit
    model, other = fit(ratings), fit(ratings.sample(frac=1, random_state=1))
    assert other.choice.chosen == model.choice.chosen
    np.testing.assert_allclose(other.choice.losses, model.choice.losses)


def test_held_out_errors_are_in_the_units_of_all_ratings(ratings):
    """At a very large strength the prediction is the mean of those that are kept."""
    with pytest.warns(EdgeWarning):
        model = MatrixFactorization(rank=1, strength=(1e6, 1e9)).fit(ratings.iloc[:40])
    r = model.ratings
    rows = r.sorted[np.random.default_rng(0).permutation(40)]
    loss = np.mean((r.rating[rows[:4]] - r.rating[rows[4:]].mean()) ** 2)
    assert model.scale**2 * min(model.choice.losses) == pytest.approx(loss, rel=1e-3)


def test_conjugate_gradients_end_at_the_solution():
    draw = np.random.default_rng(0)
    root = draw.normal(size=(6, 6))
    matrix, right = root @ root.T + np.eye(6), draw.normal(size=(6, 3))
    found = conjugate_gradients(lambda x: matrix @ x, right, np.zeros((6, 3)), 6)
    np.testing.assert_allclose(found, np.linalg.solve(matrix, right), rtol=1e-6)


def test_a_fit_that_ends_before_it_rests_is_told(ratings):
    with pytest.warns(UserWarning, match=r"not at rest: the last of 2 sweeps changed .* `sweeps`"):
        MatrixFactorization(rank=1, strength=1.0, sweeps=2).fit(ratings)


def test_items_without_a_name_are_shown_by_their_id(rested):
    names = {"i00": "first", "i01": float("nan"), "i02": None}
    for given in (names, pd.Series(names)):
        frame = pd.DataFrame(next(iter(rested.plot_items(given).to_dict()["datasets"].values())))
        shown = dict(zip(frame["item"], frame["name"], strict=True))
        assert shown["i00"] == "first"
        assert all(shown[item] == item for item in ("i01", "i02", "i03"))
    with pytest.raises(InputError, match="a mapping from ids"):
        rested.plot_items(["first"])


def test_saving_and_loading(rested, tmp_path):
    path = rested.save(tmp_path / "model.npz")
    again = RatingModel.load(path)
    assert repr(again) == repr(rested)
    for user in (100, 120):
        pd.testing.assert_frame_equal(again.recommend(user), rested.recommend(user))
    pd.testing.assert_frame_equal(again.similar_items("i03"), rested.similar_items("i03"))
    with pytest.raises(ValueError, match="overwrite"):
        rested.save(path)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ValueError, match="whole"):
        RatingModel.load(path)
    path.write_text("no archive")
    with pytest.raises(ValueError, match="it is no archive"):
        RatingModel.load(path)
    with pytest.raises(ValueError, match="There must be a file"):
        RatingModel.load(tmp_path / "none.npz")


def test_similar_items_are_cosines(rested):
    q = rested.factors.item.rows[:, 1:]
    names = rested.ratings.items.tolist()
    frame = rested.similar_items("i04", 100)
    assert "i04" not in set(frame["item"])
    a, b = q[names.index("i04")], q[names.index(frame["item"][0])]
    assert frame["similarity"][0] == pytest.approx(a @ b / np.sqrt(a @ a * (b @ b)))
    assert frame["similarity"].is_monotonic_decreasing


def test_the_map_has_the_most_rated_items_first(rested):
    frame = item_positions(rested, 10)
    assert len(frame) == 10
    assert frame["ratings"].is_monotonic_decreasing
    assert frame["x"].std() >= frame["y"].std() > 0
    chart = rested.plot_items({"i03": "three"}, most=32).to_dict()
    assert "three" in str(chart)


def test_no_name_on_the_map_lies_on_another():
    draw = np.random.default_rng(0)
    x, y = draw.uniform(0, 400, 200), draw.uniform(0, 300, 200)
    names = ["a" * k for k in draw.integers(1, 40, 200)]
    shown = np.flatnonzero(readable(x, y, names))
    assert shown[0] == 0
    assert 20 < len(shown) < 150
    boxes = [(x[k], x[k] + 6 + min(6 * len(names[k]), 150), y[k] - 5, y[k] + 5) for k in shown]
    for one, other in itertools.combinations(boxes, 2):
        apart = one[1] < other[0] or other[1] < one[0] or one[3] < other[2] or other[3] < one[2]
        assert apart


def test_results_tell_what_they_are(rested):
    assert "500 ratings of 32 items by 40 users" in repr(rested)
    frame = rested.to_frame()
    assert frame["ratings"].sum() == 500
    assert list(frame["item"]) == list(rested.ratings.items)


def test_nobody_changes_a_model_by_its_arrays(rested, ratings):
    before = rested.predict(ratings["user"], ratings["item"])
    for part, name in (
        (rested, "session_keys"),
        (rested.ratings, "rating"),
        (rested.ratings, "users"),
        (rested.factors.item, "rows"),
        (rested.factors, "sessions"),
    ):
        with pytest.raises(ValueError, match="read-only"):
            getattr(part, name)[0] = 0
    copy = pickle.loads(pickle.dumps(rested))
    np.testing.assert_array_equal(copy.predict(ratings["user"], ratings["item"]), before)
    with pytest.raises(ValueError, match="read-only"):
        copy.ratings.rating[0] = 0
