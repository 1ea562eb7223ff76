"""What item models cost on a million interactions: EASE and SLIM beside scikit-learn's elastic net.

    pip install -e . && OMP_NUM_THREADS=1 python benchmarks/item_models.py

6,000 users and 3,700 items, drawn as ratings of films are: a few popular items, a few busy users,
tastes of 12 factors. CPU seconds of `fit`, frames read and all. The peer is what implementations
of SLIM do, an `ElasticNet(positive=True)` of scikit-learn for each item, on sparse columns without
the item itself, at the same objective and a tolerance of 1e-4; it is timed on 20 items, and times
3,700/20. The largest difference of the weights of these items is printed beside it.
"""

import argparse
import time

import numpy as np
import pandas as pd
from scipy.sparse import csc_array
from sklearn.linear_model import ElasticNet

from taut.recommendation import EASE, SLIM

USERS, ITEMS, FACTORS = 6_000, 3_700, 12
TIMED = 20


def interactions(count, seed=0):
    """Who met what, a frame; each user the items of most popularity, taste and chance."""
    draw = np.random.default_rng(seed)
    popular = np.log(draw.gamma(0.4, size=ITEMS) + 0.01)
    busy = draw.lognormal(0, 1, size=USERS)
    tastes, items = draw.normal(size=(USERS, FACTORS)), draw.normal(size=(ITEMS, FACTORS))
    met = []
    for taste, share in zip(tastes, busy / busy.sum(), strict=True):
        number = int(np.clip(share * count, 5, 0.6 * ITEMS))
        liking = popular + 0.5 * items @ taste + draw.gumbel(size=ITEMS)
        met.append(np.argpartition(-liking, number)[:number])
    users = np.repeat(np.arange(USERS), [len(of_user) for of_user in met])
    return pd.DataFrame({"user": users, "item": np.concatenate(met)})


def peer(frame, model, l2):
    """CPU seconds of all items by scikit-learn, and how far its weights of some are from ours."""
    ids = model.ratings.items
    rows, columns = (
        frame["user"].to_numpy("int32"),
        np.searchsorted(ids, frame["item"]).astype("int32"),
    )
    x = csc_array((np.ones(len(frame)), (rows, columns)), shape=(USERS, len(ids)))
    total = model.strength + l2
    net = ElasticNet(
        total / USERS, l1_ratio=model.strength / total, positive=True, fit_intercept=False
    )
    spent, apart = 0.0, 0.0
    for item in np.random.default_rng(1).choice(len(ids), TIMED, replace=False):
        others, target = x.copy(), x[:, [item]].toarray().ravel()
        others.data[others.indptr[item] : others.indptr[item + 1]] = 0.0
        start = time.process_time()
        net.fit(others, target)
        spent += time.process_time() - start
        apart = max(apart, float(np.abs(net.coef_ - model.weights.column(item)).max()))
    return spent * len(ids) / TIMED, apart


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--interactions", type=int, default=1_150_000, help="asked for, about")
    parser.add_argument("--chosen", action="store_true", help="also with the strength chosen")
    options = parser.parse_args()
    met = interactions(options.interactions)
    print(f"{len(met):,} interactions of {USERS:,} users and {met['item'].nunique():,} items")
    slim = SLIM()
    systems = {"EASE, λ = 200": EASE(strength=200.0), "SLIM, λ₁ = 5": slim}
    if options.chosen:
        systems |= {"EASE, chosen": EASE(), "SLIM, chosen": SLIM(strength=None)}
    for name, system in systems.items():
        start = time.process_time()
        model = system.fit(met)
        print(f"{name}: {time.process_time() - start:.1f} s", flush=True)
        if system is slim:
            spent, apart = peer(met, model, slim.l2)
            print(f"the same by scikit-learn: {spent:.0f} s; weights differ by {apart:.1g} at most")
