"""What is the case in a drawn situation, on 100,000 fresh rows; read by `diagnosis.py`.

The gap of the model is that on fresh rows. What a change gains is the loss on fresh rows of the
model trained again as it is, less that trained with the change, both on all rows to learn from and
with the same seeds; the mean over seeds. Networks of one shape are lanes of one program, built here
by `Situation.build` and not by what `taut.diagnose` trains with.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import taut
from taut.diagnosis import Advice
from taut.diagnosis.situations import Situation
from taut.engine import Lane, Split, predict_lanes
from taut.objective.row_losses import RowLosses, base_losses

FRESH, FRESH_GAINS, AT_ONCE = 100_000, 25_000, 12_500
"""Rows of the gap, of the gains (differences on the same rows: their seeds are what is not sure),
and of one prediction."""
SEEDS, SMALL = (3, 5), 8192
"""Seeds of large networks, and of those up to so many weights, which cost next to nothing."""
LONGER, LARGER, DROPOUT = 3, 2.0, 0.3
"""What "longer", "larger" and "dropout" are: underfitting does not depend on what was tried."""
FREER = ("longer", "larger", "unpenalised")


def truth(
    made: Situation, model, advice: Sequence[Advice], without: Sequence[int], seed: int
) -> dict:
    """The gap, and what each change gains, in units of the loss and of looking at no input.

    Args:
        made: The situation.
        model: The trained model that was diagnosed.
        advice: All that was tried: its settings are trained again.
        without: Inputs that were kept from all trainings, as telling the target.
        seed: Draws the fresh rows.
    """
    x, y = made.fresh(FRESH, seed)
    fresh = losses_of(model, x, y)
    learned = losses_of(model, made.x, made.y).mean()
    unit = float(base_losses(model, x, y, made.y).mean())
    gap, spread = fresh.mean() - learned, fresh.std() / np.sqrt(len(made.validation[1]))
    gains, errors = gains_of(made, advice, without, seed)
    return {
        "gap": float(gap / unit),
        "spread": float(spread / unit),
        "gain": max(gains[code] for code in FREER if code in gains) / unit,
        "gains": gains,
        "errors": errors,
        "fresh": float(fresh.mean()) / unit,
        "unit": unit,
    }


def losses_of(model, x, y) -> np.ndarray:
    return RowLosses(model, x[:8], y[:8])(y, model.predict(x, batch_size=4096, verbose=0))


def gains_of(
    made: Situation, advice: Sequence[Advice], without: Sequence[int], seed: int
) -> tuple[dict[str, float], dict[str, float]]:
    """By code, the gain on fresh rows, and its standard error over seeds."""
    tried_of = {a.code: a for a in advice}
    rows, own = len(made.x), made.strength
    new_x, new_y = made.more(rows, seed)
    x, y = np.concatenate([made.x, new_x]), np.concatenate([made.y, new_y])
    fresh_x, fresh_y = made.fresh(FRESH_GAINS, seed)
    splits = [Split(np.arange(rows)), Split(np.arange(2 * rows))]
    plain = {"as_is": ((0.0, own), 0, 1.0), "longer": ((0.0, own), 0, LONGER)}
    if own:
        plain["unpenalised"] = ((0.0, 0.0), 0, 1.0)
    for code, tried in tried_of.items():
        if code == "l1":
            plain[code] = ((tried.setting, own), 0, 1.0)
        elif code == "l2":
            plain[code] = ((0.0, own + tried.setting), 0, 1.0)
        elif code == "stop":
            plain[code] = ((0.0, own), 0, tried.setting / made.epochs)
        elif code == "more_rows":
            plain[code] = ((0.0, own), 1, 1.0)
        elif code == "clean_rows":
            splits.append(Split(np.setdiff1d(np.arange(rows), tried.left_out)))
            plain[code] = ((0.0, own), len(splits) - 1, 1.0)
    keep = _Without(made, without)
    same = taut.L1(0.0) + taut.L2(0.0)
    found = _losses(
        made, made.build(penalty=same), keep(x), y, splits, plain, (keep(fresh_x), fresh_y)
    )
    others = {"larger": made.build(LARGER)}
    if "smaller" in tried_of:
        others["smaller"] = made.build(tried_of["smaller"].setting)
    if "dropout" in tried_of:
        others["dropout"] = made.build(dropout=DROPOUT)
    strengths = (own,) if own else ()
    for code, model in others.items():
        lanes = {code: (strengths, 0, 1.0)}
        found |= _losses(made, model, keep(x), y, splits, lanes, (keep(fresh_x), fresh_y))
    if "drop_inputs" in tried_of:
        less = _Without(made, [*without, *tried_of["drop_inputs"].left_out])
        lanes = {"drop_inputs": (strengths, 0, 1.0)}
        found |= _losses(made, made.build(), less(x), y, splits, lanes, (less(fresh_x), fresh_y))
    as_is = found.pop("as_is")
    gains, errors = {}, {}
    for code, losses in found.items():
        count = min(len(as_is), len(losses))  # of the same seeds
        apart = as_is[:count] - losses[:count]
        gains[code] = float(apart.mean())
        errors[code] = float(apart.std(ddof=1) / np.sqrt(count))
    return gains, errors


class _Without:
    """Sets inputs to their means over the rows to learn from."""

    def __init__(self, made: Situation, inputs: Sequence[int]):
        self._inputs, self._means = list(inputs), made.x.mean(axis=0)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        x = x.copy()
        if self._inputs:
            x[:, self._inputs] = self._means[self._inputs]
        return x


def _losses(made, model, x, y, splits, plans, fresh) -> dict[str, np.ndarray]:
    """By code, [seeds] the loss on fresh rows; of strengths, a split and times the epochs."""
    model.optimizer.build(model.trainable_variables)
    seeds = SEEDS[model.count_params() <= SMALL]
    lanes = [
        Lane(strengths, split, 100 + seed, epochs=max(1, round(times * made.epochs)))
        for strengths, split, times in plans.values()
        for seed in range(seeds)
    ]
    record = taut.train_lanes(
        model, x, y, lanes, splits=splits, epochs=max(lane.epochs or 1 for lane in lanes)
    )
    row_losses = RowLosses(model, x[:8], y[:8])
    sums, count = np.zeros(len(lanes)), len(fresh[1])
    for start in range(0, count, AT_ONCE):
        part, target = (a[start : start + AT_ONCE] for a in fresh)
        sums += row_losses.of_lanes(target, predict_lanes(model, record, part)).sum(axis=1)
    means = (sums / count).reshape(len(plans), seeds)
    return dict(zip(plans, means, strict=True))
