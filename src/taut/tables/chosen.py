"""What was chosen, in numbers: who predicts, zeros that the penalty made, the grid's edge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from taut.engine import afterwards
from taut.objective import stationarity
from taut.studies import choose
from taut.tables.committee import Trained, row_loss
from taut.tables.peers import base_prediction
from taut.tables.selected import live_columns
from taut.tables.uncertainty import mean_and_error

UNKNOWN: dict[str, Any] = dict.fromkeys(("loss", "base_loss", "gain", "se", "anything"))
"""What `learned` returns where it could not be measured."""
LEAST_PATH = 3
SURE = 1.96


def describe(
    trained: Trained,
    kept: Sequence[int],
    *,
    models: int,
    rule: str,
    single: bool,
    candidates: Sequence[int],
) -> dict[str, Any]:
    """The `choice` part of `metrics.json`.

    Args:
        trained: The trained lanes.
        kept: Settings that predict, best first.
        models: Networks that predict.
        rule: How they were chosen, in words.
        single: Whether one refitted network predicts.
        candidates: Settings that could have been chosen.
    """
    best = int(kept[0])
    setting = trained.settings[best]
    other = trained.settings[_one_standard_error(trained, best)]
    by_fold = trained.fold_losses(best)
    lane = int(trained.lanes(best)[0])
    who = [best] if single else list(kept)
    return {
        "penalty": setting.penalty,
        "strength": setting.strength,
        "network": setting.network,
        "rule": rule,
        "cv_loss": float(np.mean(by_fold)),
        "cv_se": float(np.std(by_fold, ddof=1) / np.sqrt(len(by_fold))),
        "one_se_penalty": other.penalty,
        "one_se_strength": other.strength,
        "models": models,
        "settings": [
            {
                "penalty": trained.settings[k].penalty,
                "strength": trained.settings[k].strength,
                "network": trained.settings[k].network,
                "models": 1 if single else len(trained.healthy([k])),
            }
            for k in who
        ],
        "edge": edge(trained, best, candidates),
        # Only L1 makes zeros; what else is exactly 0 says nothing of the penalty.
        "zero_share": zero_share(trained, lane) if setting.penalty == "L1" else None,
        "stationarity": afterwards("The certificate", lambda: _certificate(trained, lane), None),
    }


def _one_standard_error(trained: Trained, best: int) -> int:
    """The largest strength within one standard error, on the best setting's own path."""
    own = trained.settings[best]
    path = [
        i
        for i, s in enumerate(trained.settings)
        if (s.penalty, s.network) == (own.penalty, own.network)
    ]
    strengths = np.array([trained.settings[i].strength for i in path])
    by_fold = np.array([trained.fold_losses(i) for i in path])
    return path[choose(by_fold, strengths).one_standard_error]


def edge(trained: Trained, best: int, candidates: Sequence[int]) -> str | None:
    """ "weakest" or "strongest" if the best strength is the last that was tried on that side.

    It is compared with the strengths of its penalty on its own network, or, where these are
    fewer than three, on all networks.
    """
    own = trained.settings[best]
    if own.penalty == "none":
        return None
    tried = [trained.settings[i] for i in candidates if trained.settings[i].penalty == own.penalty]
    path = [s.strength for s in tried if s.network == own.network]
    if len(set(path)) < LEAST_PATH:
        path = [s.strength for s in tried]
    if len(set(path)) < 2:
        return None
    return {min(path): "weakest", max(path): "strongest"}.get(own.strength)


def zero_share(trained: Trained, lane: int) -> float:
    """The share of exact zeros among the weights of a lane that data reach.

    Weights on columns or pieces that are constant in the fold, and those of a part of the network
    that is switched off, count neither way: nothing ever pulled at them.
    """
    nonzero, used = count_weights(trained, lane)
    return 1 - nonzero / used if used else 1.0


def count_weights(trained: Trained, lane: int) -> tuple[int, int]:
    """Weights of a lane that are not zero, and all, among those that data reach."""
    live, (linear, hidden) = live_columns(trained, lane)
    nonzero = used = 0
    pairs = zip(trained.model.trainable_variables, trained.record.trainable, strict=True)
    for variable, stacked in pairs:
        if variable.name != "kernel":
            continue
        layer = variable.path.split("/")[-2]
        array = stacked[lane, 0]
        if not (linear if layer == "skip" else hidden):
            continue
        if layer in ("skip", "first"):
            array = array[live]
        nonzero, used = nonzero + int(np.count_nonzero(array)), used + array.size
    return nonzero, used


def _certificate(trained: Trained, lane: int) -> dict[str, Any]:
    """Of one of the models that were chosen, on the rows that it was trained on."""
    model = trained.record.apply(lane, trained.model)
    rows = trained.splits[trained.record.lanes[lane].split].train
    weight = None if trained.weight is None else trained.weight[rows]
    found = stationarity(model, trained.encoded[rows], trained.y[rows], sample_weight=weight)
    return {"largest": found.largest, "note": found.note}


def learned(
    trained: Trained, predicted: np.ndarray, groups: np.ndarray | None = None
) -> dict[str, Any]:
    """The out-of-fold loss against that of looking at no input: the base rate of each fold.

    Args:
        trained: The trained lanes.
        predicted: Out-of-fold [rows, outputs] predictions of those that predict.
        groups: [rows] group numbers: the error is then that of groups.

    Returns:
        `loss`, `base_loss`, `gain` (their difference, above zero where something was learned),
        its standard error `se`, and `anything`: whether the gain exceeds 1.96 of them, and what
        estimating the base rate itself costs (2/rows of it for each free share or mean), which
        nearly the same in every row has nearly no standard error.
    """
    outputs, held = predicted.shape[-1], trained.held
    base = np.zeros_like(predicted)
    for split in trained.splits:
        own = None if trained.weight is None else trained.weight[split.train]
        found = base_prediction(
            trained.y[split.train], len(split.held_out), outputs=outputs, weights=own
        )
        base[split.held_out] = found.reshape(len(found), outputs)
    y, weight = trained.y[held], None if trained.weight is None else trained.weight[held]
    losses = np.stack([row_loss(p[held], y) for p in (predicted, base)])
    losses = np.stack([*losses, losses[1] - losses[0]])
    mean, error = mean_and_error(losses, weight, None if groups is None else groups[held])
    loss, base_loss, gain = map(float, mean)
    estimated = 2 * max(outputs - 1, 1) / len(held) * base_loss
    return {
        "loss": loss,
        "base_loss": base_loss,
        "gain": gain,
        "se": float(error[2]),
        "anything": bool(gain > max(SURE * float(error[2]), estimated)),
    }
