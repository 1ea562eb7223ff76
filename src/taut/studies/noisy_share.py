"""The share of wrong labels, with an interval: by likelihood, from out-of-fold predictions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2, norm

from taut._mean_loss import wilson

SUREST, FEW = 0.1, 100
"""The share of the rows that are looked at first, and so many of them where there are few."""
ALIKE = 0.5
"""Standard errors within which further rows disagree no more often than those before."""
SHARES = np.concatenate([np.linspace(0, 0.05, 26)[:-1], np.linspace(0.05, 0.5, 91)])
SCALES, WIDER = np.geomspace(0.5, 1.5, 30), np.geomspace(3, 30, 10)
"""The grid of shares, up to one half, of standard deviations, and of how many times as wide the
distribution of wrong numbers is."""
NEAR = 2.0
"""Standard deviations within which a wrong number cannot be told from a right one."""
BINS = 200


@dataclass(frozen=True)
class Share:
    """An estimated share, from 0 to 1, with the ends of its interval."""

    share: float
    low: float
    high: float


def flipped_share(
    confidence: np.ndarray,
    predicted: np.ndarray,
    agrees: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    level: float = 0.95,
) -> Share:
    r"""The share of flipped labels: how often sure networks disagree with the label.

    Where a network that was not trained on a row is sure, it is right, and a disagreement is a
    flip; where it is not, a disagreement may as well be its own error. So the share is the mean of
    the disagreement over the surest rows of each predicted class. These are first the surest tenth
    (a third, up to 100 rows, where there are few), and then as many more, step by step, as disagree
    no more often than these, up to chance: to count all rows would call a hard problem noisy.
    Flips are taken to be as frequent among the sure rows as among the others.

    Where the disagreement falls up to the surest rows, it has no level to be read off; the share is
    then an upper bound, and the interval begins at 0. Its ends are Wilson's.

    Args:
        confidence: [rows] how sure the prediction is, by any monotone measure.
        predicted: [rows] the predicted class.
        agrees: [rows] whether it is the label.
        groups: [rows] group numbers; groups, not rows, are then taken to be independent.
        level: Of the interval.

    References:
        Patrini et al., Making deep neural networks robust to label noise, 2017 (anchor points).
        Northcutt, Jiang and Chuang, Confident learning, 2021.
    """
    sure = surest(confidence, predicted, agrees, groups=groups)
    return share_among(*sure, agrees, groups=groups, level=level)


def share_among(
    inside: np.ndarray,
    level_off: bool,
    agrees: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    level: float = 0.95,
) -> Share:
    """What `flipped_share` reads off the rows that `surest` has found."""
    rows, wrong = len(inside), 1.0 - np.asarray(agrees, float)
    share = float(wrong[inside].mean())
    plain = max(share * (1 - share), 1 / rows) / inside.sum()
    count = inside.sum() * min(1.0, plain / max(_variance(wrong, inside, groups), 1e-12))
    low, high = wilson(share, count, float(norm.ppf((1 + level) / 2)))
    return Share(share, low if level_off else 0.0, high)


def surest(
    confidence: np.ndarray,
    predicted: np.ndarray,
    agrees: np.ndarray,
    *,
    groups: np.ndarray | None = None,
) -> tuple[np.ndarray, bool]:
    """[rows] whether `flipped_share` counts a row, and whether disagreement has levelled off."""
    rows = len(confidence)
    wrong = 1.0 - np.asarray(agrees, float)
    place = _places(np.asarray(confidence), np.asarray(predicted))
    first = max(SUREST, min(1 / 3, FEW / rows))
    edges = np.append(np.arange(first, 1.0, first / 2), 1.0)
    inside = place <= edges[0]
    level_off = False
    for edge in edges[1:]:
        further = (place <= edge) & ~inside
        if not further.any():
            continue
        error = np.sqrt(_variance(wrong, inside, groups) + _variance(wrong, further, groups))
        if wrong[further].mean() > wrong[inside].mean() + ALIKE * error:
            break
        inside |= further
        level_off = True
    return inside, level_off


def _places(confidence: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """[rows] the share of rows of the same predicted class that are as sure, or surer."""
    place = np.empty(len(confidence))
    for number in np.unique(predicted):
        of_class = np.flatnonzero(predicted == number)
        order = of_class[np.argsort(-confidence[of_class], kind="stable")]
        place[order] = (np.arange(len(order)) + 1) / len(order)
    return place


def _variance(wrong: np.ndarray, chosen: np.ndarray, groups: np.ndarray | None) -> float:
    """Of the mean over the chosen rows, or groups of rows; not 0 where all are alike."""
    count = int(chosen.sum())
    share = (wrong[chosen].sum() + 0.5) / (count + 1)
    plain = share * (1 - share) / count
    if groups is None:
        return plain
    apart = wrong[chosen] - wrong[chosen].mean()
    sums = np.bincount(np.unique(groups[chosen], return_inverse=True)[1], weights=apart)
    return max(plain, float((sums**2).sum()) / count**2)


def wide_share(z: np.ndarray, *, groups: np.ndarray | None = None, level: float = 0.95) -> Share:
    r"""The share of wrong numbers: of residuals that belong to a much wider distribution.

        z ∼ (1 − η)·N(0, σ²) + η·N(0, (kσ)²) where |z| > 2σ,  k ≥ 3,

    by greatest likelihood on a grid of η, σ and k, with the interval of the profile likelihood of
    η. A wrong number within 2σ of what is predicted cannot be told from a right one, and is not
    counted. Heavy tails of right numbers are, and so are large errors of the networks: the
    residuals cannot tell them apart. The interval is of chance alone, and knows neither.

    Args:
        z: [rows] studentised out-of-fold residuals.
        groups: [rows] group numbers; groups, not rows, are then taken to be independent.
        level: Of the interval.

    References:
        Tukey, A survey of sampling from contaminated distributions, 1960.
    """
    z = np.asarray(z, float)
    squares = (z / max(1.4826 * float(np.median(np.abs(z))), 1e-12)) ** 2
    # Residuals of about equal size are counted together, by the mean of their squares.
    parts = np.array_split(np.sort(squares), min(BINS, len(z)))
    means, counts = (np.array([f(part) for part in parts]) for f in (np.mean, len))
    sigma, k, shares = SCALES[:, None], WIDER[None, :], SHARES[:, None, None, None]
    core = np.exp(-0.5 * means / sigma[..., None] ** 2) / sigma[..., None]
    wide = sigma * k
    far = np.exp(-0.5 * means / wide[..., None] ** 2) / wide[..., None]
    far *= (means > (NEAR * sigma[..., None]) ** 2) / (2 * norm.sf(NEAR / k[..., None]))
    density = (1 - shares) * core[None] + shares * far[None]
    likelihood = (np.log(density + 1e-300) * counts).sum(axis=-1)
    profile = likelihood.reshape(len(SHARES), -1).max(axis=1)
    best = int(profile.argmax())
    factor = 1.0
    if groups is not None and best:
        at = np.unravel_index(likelihood[best].argmax(), likelihood[best].shape)
        scales = SCALES[at[0]], SCALES[at[0]] * WIDER[at[1]]
        of_core, of_far = (np.exp(-0.5 * squares / s**2) / s for s in scales)
        of_far *= (squares > (NEAR * scales[0]) ** 2) / (2 * norm.sf(NEAR / WIDER[at[1]]))
        mixed = (1 - SHARES[best]) * of_core + SHARES[best] * of_far
        factor = _design(SHARES[best] * of_far / mixed - SHARES[best], groups)
    inside = np.flatnonzero(profile >= profile[best] - factor * chi2.ppf(level, 1) / 2)
    ends = max(inside[0] - 1, 0), min(inside[-1] + 1, len(SHARES) - 1)
    low, high = (_crossing(profile, best, end, factor, level) for end in ends)
    return Share(float(SHARES[best]), low, high)


def _crossing(profile: np.ndarray, best: int, end: int, factor: float, level: float) -> float:
    """The share, between two of the grid, at which the profile crosses the level."""
    bound = profile[best] - factor * chi2.ppf(level, 1) / 2
    if profile[end] >= bound:
        return float(SHARES[end])
    inner = end + (1 if end < best else -1)
    part = (profile[inner] - bound) / (profile[inner] - profile[end])
    return float(SHARES[inner] + part * (SHARES[end] - SHARES[inner]))


def _design(residuals: np.ndarray, groups: np.ndarray) -> float:
    """How many times the variance of a sum of residuals is that of independent rows."""
    sums = np.bincount(np.unique(groups, return_inverse=True)[1], weights=residuals)
    return max(float((sums**2).sum() / max((residuals**2).sum(), 1e-300)), 1.0)
