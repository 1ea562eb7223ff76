"""What the trained networks show of leaks: inputs that carry everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from taut._mean_loss import mean_and_error
from taut.diagnosis.leaky_columns import most_alike
from taut.run_metrics import Carrier
from taut.tables.trained import Trained

CARRIES = 0.95
"""The share of what is explained above which one input is suspect."""
EXPLAINED, IS_TARGET = 0.1, 0.95
"""Of the base rate's error: less explains too little to ask about; more leaves nothing over."""
HALF = 0.5
SURE = 3.0
LOOKED_AT, MOST_ROWS = 5, 20_000
LEAVES = 2, 20
"""Rows of a leaf, the better of the two: a code of many values needs few, noise needs many."""


def carriers(
    trained: Trained,
    predicted: np.ndarray,
    sources: Sequence[str],
    groups: np.ndarray | None,
    importance: Mapping[str, float],
) -> tuple[Carrier, ...]:
    r"""Inputs that carry more than 95% of what all inputs together explain.

    With S the out-of-fold squared error (of probabilities, the Brier score), an input's share is

        (S_base − S_alone) / (S_base − S_all)

    where S_base looks at no input, S_alone is a decision tree on the columns of this input, and
    S_all is what predicts (or the tree, if that is better). An input is suspect if its share
    exceeds 95% and either it leaves less than a twentieth of S_base (it may be the target) or
    half of the importance is its own (or others say the same: one of several good inputs); or if
    95% of the importance is its own. Where less than a tenth of S_base is explained nothing is
    said, nor of a single input that leaves more than a twentieth. The five inputs that go best
    with the target by themselves are looked at, and the most important one.

    Args:
        trained: The trained lanes.
        predicted: Out-of-fold [rows, outputs] predictions of those that predict.
        sources: Input column of each encoded column.
        groups: [rows] group numbers, for the standard error.
        importance: Input to its share of all inputs' importance (see `importance.shuffled`).

    Returns:
        Of each its share, at most 1, and what it explains of S_base by itself; the worst first.
    """
    y, outputs, held = trained.rows.y, predicted.shape[-1], trained.held
    weight, groups = trained.held_weight, None if groups is None else groups[held]
    squared_base = _squared(trained.base_rate(outputs), y)[held]
    squared_all = _squared(predicted, y)[held]
    names = list(dict.fromkeys(sources))
    suspects = []
    looked_at = _most_alike(trained, names, sources, outputs)
    looked_at.append(max(names, key=lambda name: importance.get(name, 0.0)))
    for name in dict.fromkeys(looked_at):
        columns = np.flatnonzero(np.asarray(sources, object) == name)
        trees = [_squared(_alone(trained, columns, outputs, n), y)[held] for n in LEAVES]
        squared = min(trees, key=lambda errors: float(np.average(errors, weights=weight)))
        losses = np.stack([squared_base, squared, squared_all])
        gains = np.stack([squared_base - squared, squared_base - squared_all])
        (base_loss, alone, together), _ = mean_and_error(losses, weight, groups)
        gain, error = mean_and_error(gains, weight, groups)
        most, important = base_loss - min(alone, together), importance.get(name, 0.0)
        if base_loss <= 0 or most < EXPLAINED * base_loss or (gain <= SURE * error).all():
            continue
        share, explained = float(gain[0] / most), float(gain[0] / base_loss)
        whole = explained >= IS_TARGET
        if len(names) == 1:
            suspect = whole
        else:
            suspect = important > CARRIES or (share > CARRIES and (whole or important >= HALF))
        if suspect:
            share = max(share, important) if important > CARRIES else share
            suspects.append(Carrier(name, share, explained))
    return tuple(sorted(suspects, key=lambda carrier: -carrier.explained))


def _squared(predicted: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Squared error by row, [rows, outputs] to [rows]; of classes, over all their probabilities."""
    if predicted.shape[-1] == 1:
        return (predicted[:, 0] - y) ** 2
    return ((predicted - np.eye(predicted.shape[-1])[np.asarray(y, int)]) ** 2).sum(axis=1)


def _alone(trained: Trained, columns: np.ndarray, outputs: int, leaf: int) -> np.ndarray:
    """Out-of-fold predictions of a decision tree on some columns only, `leaf` rows a leaf."""
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    x = np.nan_to_num(np.asarray(trained.rows.encoded[:, columns], "float32"), nan=-3e38)
    predicted = np.zeros((len(x), outputs))
    draw = np.random.default_rng(0)
    for split in trained.splits:
        rows = split.train
        if len(rows) > MOST_ROWS:
            rows = np.sort(draw.choice(rows, MOST_ROWS, replace=False))
        kind = DecisionTreeRegressor if outputs == 1 else DecisionTreeClassifier
        tree: Any = kind(min_samples_leaf=leaf, random_state=0)
        tree.fit(x[rows], trained.rows.y[rows], sample_weight=trained.rows.counted(rows))
        if outputs == 1:
            predicted[split.held_out, 0] = tree.predict(x[split.held_out])
        else:
            there = np.asarray(tree.classes_, int)
            predicted[np.ix_(split.held_out, there)] = tree.predict_proba(x[split.held_out])
    return predicted


def _most_alike(
    trained: Trained, names: Sequence[str], sources: Sequence[str], outputs: int
) -> list[str]:
    """The inputs by whose quantiles the target differs most."""
    rows = np.arange(len(trained.rows.y))
    if len(rows) > MOST_ROWS:
        rows = np.random.default_rng(0).choice(rows, MOST_ROWS, replace=False)
    y = trained.rows.y[rows]
    indicators = y[:, None] if outputs == 1 else np.eye(outputs)[np.asarray(y, int)]
    centred = indicators - indicators.mean(axis=0)
    order = most_alike(trained.rows.encoded[rows], centred, len(sources))
    return list(dict.fromkeys(sources[j] for j in order))[:LOOKED_AT]


def carrier_sentence(suspects: Sequence[Carrier], target: str) -> str:
    """Why inputs that carry everything are suspect."""
    names = [repr(carrier.input) for carrier in suspects]
    if len(suspects) == 1:
        parts = f"Input {names[0]} carries {_percent(suspects[0].share)} of"
        alone, known, made, columns = "", "Is it", "it was made", "column"
    else:
        parts = f"Inputs {', '.join(names)} each carry more than {CARRIES:.0%} of"
        alone, known, made, columns = f"{names[0]} ", "Are they", "they were made", "columns"
    left = 1 - suspects[0].explained  # the first explains most
    whole = ""
    if left <= 1 - IS_TARGET:
        rest = f"{100 * left:.2g}%" if left > 5e-4 else "nothing"
        whole = f", and {alone}alone leaves {rest} of the error: it may be the target itself"
    only = "is known" if len(suspects) == 1 else "are known"
    return (
        f"{parts} what is explained{whole}. {known} known before {target!r} is? If {made} from "
        f"the target, or {only} only afterwards, the scores below are worth nothing: drop the "
        f"{columns} and fit again."
    )


def _percent(share: float) -> str:
    return "all" if share >= 0.9995 else f"{100 * share:.3g}%"
