"""Rows that are nearly equal: far nearer to one row than to the next ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from taut.diagnosis.array_inputs import middle_and_spread, sampled
from taut.diagnosis.equal_rows import TWICE

NEIGHBOURS = 5
"""A near copy is far nearer than the fifth neighbour; so up to four copies of a row are seen."""
NEAR, NEAR_AT_MOST = 0.1, 0.5
"""The ratio of the two distances: chance allows less in many dimensions, so more is found there."""
MOST_HELD_OUT, MOST_TRAIN, MOST_COLUMNS = 1_000, 20_000, 128
"""Rows and columns that distances are computed for, in under a second. Equal rows are sought in
all."""


@dataclass(frozen=True)
class Near:
    """Rows nearly equal to training rows, their probability by chance, and what was compared."""

    rows: np.ndarray
    partners: np.ndarray
    p_value: float
    compared: int
    dimension: float


def near_rows(
    train: np.ndarray, held_out: np.ndarray, equal: np.ndarray, image: bool, seed: int
) -> Near:
    from scipy import stats

    nothing = np.empty(0, int)
    candidates = np.flatnonzero(~equal)
    candidates = candidates[sampled(len(candidates), MOST_HELD_OUT, seed)]
    kept = sampled(len(train), MOST_TRAIN, seed)
    if len(kept) <= NEIGHBOURS + 1:
        return Near(nothing, nothing, 1.0, 0, 0.0)
    points, queries = _scaled(train[kept], held_out[candidates], image, seed)
    reference = sampled(len(points), MOST_HELD_OUT, seed + 1)
    own, _ = _neighbours(points, points[reference], reference)
    # The fourth and fifth neighbour tell the dimension, whatever copies there are.
    inner = own[:, NEIGHBOURS - 2] / np.maximum(own[:, NEIGHBOURS - 1], 1e-12)
    middle = min(max(float(np.median(inner)), 1e-9), 1 - 1e-9)
    dimension = np.log(2) / ((NEIGHBOURS - 1) * -np.log(middle))
    if not len(candidates):
        return Near(nothing, nothing, 1.0, 0, dimension)
    distance, partner = _neighbours(points, queries)
    wanted = 1e-3 / (len(queries) * (NEIGHBOURS - 1))
    ratio = float(np.clip(wanted ** (1 / dimension), NEAR, NEAR_AT_MOST))
    near = (distance[:, 0] > 0) & (distance[:, 0] <= ratio * distance[:, -1])
    found, rows = int(near.sum()), len(queries)
    own = own[own[:, 0] > 0]  # equal rows are left out on both sides
    within = int((own[:, 0] <= ratio * own[:, -1]).sum())
    p_value = 1.0
    if found / rows > TWICE * within / max(len(own), 1):
        table = [[found, rows - found], [within, len(own) - within]]
        p_value = float(stats.fisher_exact(table, alternative="greater")[1])
    distinct = np.array([len(np.unique(c)) for c in train[kept].T]) if found else np.empty(0)
    if found and (distinct[distinct > 1] > len(kept) / 2).all():
        chance = 1 - (1 - ratio**dimension) ** (NEIGHBOURS - 1)
        # A smooth density is an idealisation: ten times its chance is granted.
        p_smooth = float(stats.binom.sf(found - 1, rows, min(1.0, 10 * chance + 1e-4)))
        p_value = min(1.0, 2 * min(p_value, p_smooth))
    return Near(candidates[near], kept[partner[near]], p_value, rows, float(dimension))


def _scaled(
    train: np.ndarray, held_out: np.ndarray, image: bool, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Standardised columns with missing values at zero and marked; many columns are projected."""
    middle, spread = middle_and_spread(train)
    if image:  # pixels are of one unit, and some hardly ever vary
        spread = np.full_like(spread, spread.max())
    missing = np.isnan(train).any(axis=0)
    parts = [
        np.concatenate([np.nan_to_num((x - middle) / spread), np.isnan(x)[:, missing]], axis=1)
        for x in (train, held_out)
    ]
    if parts[0].shape[1] > MOST_COLUMNS:  # distances survive a random projection (Johnson, 1984)
        project = np.random.default_rng(seed).standard_normal((parts[0].shape[1], MOST_COLUMNS))
        parts = [part @ project / np.sqrt(MOST_COLUMNS) for part in parts]
    return parts[0].astype("float32"), parts[1].astype("float32")


def _neighbours(
    points: np.ndarray, queries: np.ndarray, themselves: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Sorted distances [queries, neighbours], and the nearest point of each."""
    squares, count = (points**2).sum(axis=1), NEIGHBOURS
    distances, nearest = [], []
    for start in range(0, len(queries), 250):
        part = queries[start : start + 250]
        score = squares - 2 * part @ points.T
        if themselves is not None:
            score[np.arange(len(part)), themselves[start : start + 250]] = np.inf
        close = np.argpartition(score, count - 1, axis=1)[:, :count]
        exact = np.linalg.norm(points[close] - part[:, None], axis=2)
        order = np.argsort(exact, axis=1, kind="stable")
        distances.append(np.take_along_axis(exact, order, axis=1))
        nearest.append(np.take_along_axis(close, order, axis=1)[:, 0])
    return np.concatenate(distances), np.concatenate(nearest)
