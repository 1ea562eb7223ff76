"""What the weights of a lane read: which inputs, how strongly, and how many are exactly zero."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from taut.tables.trained import Trained


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


def input_weights(trained: Trained, lane: int, sources: Sequence[str], numbers: int) -> pd.Series:
    """The norm of all weights of a lane that read an input column, by input.

    A weight counts if the part of the network behind it is there (its gate is 1).
    """
    model, record = trained.model, trained.record
    trainable = _by_name(model.trainable_variables, record.trainable)
    live, (linear, hidden) = live_columns(trained, lane)
    squares = linear * (trainable["skip/kernel"][lane, 0].astype(float) ** 2).sum(axis=1)
    squares = squares + hidden * (trainable["first/kernel"][lane, 0].astype(float) ** 2).sum(axis=1)
    # A column that is constant in the fold reaches nothing, whatever its weights.
    squares = squares * live
    pieces = (len(live) - len(sources)) // numbers if numbers else 0
    input_names = [*sources, *(name for name in sources[:numbers] for _ in range(pieces))]
    return pd.Series(squares).groupby(np.asarray(input_names, object), sort=False).sum().pow(0.5)


def live_columns(trained: Trained, lane: int) -> tuple[np.ndarray, tuple[float, float]]:
    """Which columns behind the inputs layer vary in a lane's fold, and the gates (0 or 1) of its
    linear part and of its hidden part."""
    fixed = _by_name(trained.model.non_trainable_variables, trained.record.non_trainable)
    live = [fixed["inputs/multiplier"][lane, 0] != 0]
    if "inputs/slope" in fixed:
        live.append((fixed["inputs/slope"][lane, 0] != 0).ravel())
    linear, hidden = fixed["combine/gates"][lane, 0]
    return np.concatenate(live), (float(linear), float(hidden))


def _by_name(variables: Sequence[Any], arrays: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    names = ("/".join(variable.path.split("/")[-2:]) for variable in variables)
    return dict(zip(names, arrays, strict=True))


def lane_table(
    trained: Trained, inputs: Sequence[str], sources: Sequence[str], numbers: int
) -> pd.DataFrame:
    """One line a training, as in `path.parquet`."""
    record, candidate_of = trained.record, trained.cross.candidate_of
    training, held_out = record.kept_losses()
    lanes = np.argsort(candidate_of, kind="stable")
    lanes = lanes[record.epochs[lanes] > 0]  # what a race left out was no training
    settings = [trained.settings[candidate_of[k]] for k in lanes]
    read = [input_weights(trained, k, sources, numbers) > 0 for k in lanes]
    weights = [count_weights(trained, k) for k in lanes]
    return pd.DataFrame(
        {
            "penalty": [s.penalty for s in settings],
            "strength": [s.strength for s in settings],
            "network": [s.network for s in settings],
            "fold": [record.lanes[k].split for k in lanes],
            "seed": [record.lanes[k].seed for k in lanes],
            "train_loss": training[lanes].astype(float),
            "val_loss": held_out[lanes].astype(float),
            "best_epoch": record.best_epoch[lanes].astype(int),
            "epochs": record.epochs[lanes].astype(int),
            "nonzero": [nonzero for nonzero, _ in weights],
            "weights": [used for _, used in weights],
            "inputs_kept": [int(r.sum()) for r in read],
            # A digit an input, in the order of the columns: 1 where it is read.
            "inputs_read": [
                "".join("01"[int(r.get(name, False))] for name in inputs) for r in read
            ],
            "status": [record.status[k] for k in lanes],
        }
    )


def epoch_table(trained: Trained, best: int, bare: int) -> pd.DataFrame:
    """One line an epoch of each network of the best setting and of that without a penalty."""
    record, parts = trained.record, []
    for name, setting in (("best", best), ("none", bare)):
        for lane in trained.cross.lanes(setting).ravel().tolist() if setting >= 0 else ():
            ran = int(record.epochs[lane])
            parts.append(
                pd.DataFrame(
                    {
                        "setting": name,
                        "fold": record.lanes[lane].split,
                        "seed": record.lanes[lane].seed,
                        "epoch": np.arange(1, ran + 1),
                        "train_loss": record.train_loss[lane, :ran].astype(float),
                        "val_loss": record.held_out_loss[lane, :ran].astype(float),
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)
