"""Made ratings: factors, biases, days, and what items and users are."""

import numpy as np
import pandas as pd
import pytest


def made_ratings(users=40, items=30, count=500, seed=0):
    draw = np.random.default_rng(seed)
    p, q = draw.normal(size=(users, 2)), draw.normal(size=(items, 2))
    pairs = draw.permutation(users * items)[:count]
    user, item = pairs // items, pairs % items
    noise = 0.3 * draw.normal(size=count)
    rating = 3 + 0.5 * q[item, 0] + (p[user] * q[item]).sum(axis=1) / 2 + noise
    day = draw.integers(0, 3, size=count)
    return pd.DataFrame(
        {
            "user": user + 100,
            "item": [f"i{k:02d}" for k in item],
            "rating": rating.clip(1, 5),
            "time": day * 86_400 + 7,
        }
    )


@pytest.fixture(scope="session")
def ratings():
    return made_ratings()


@pytest.fixture(scope="session")
def item_features():
    draw = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "item": [f"i{k:02d}" for k in range(32)],  # the last two have no rating
            "kind": draw.choice(["a", "b", "a|b"], size=32),
            "year": draw.integers(1950, 2000, size=32),
        }
    )
