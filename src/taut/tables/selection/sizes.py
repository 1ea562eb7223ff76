"""How well the tables' own network predicts from sets of inputs, out of fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from taut.engine import Callback, Lane, Split, predict_lanes, train_lanes
from taut.tables.candidates import Schedule, Setting, bins_for
from taut.tables.network import network
from taut.tables.selection.readers import InputRows, held_out
from taut.tables.trained import WIDTH, FoldedTable, candidate_of, compile_, row_loss


@dataclass(frozen=True)
class BestSettings:
    """What predicts best from all inputs.

    Attributes:
        settings: A few of the best settings.
        losses: [rows] out-of-fold losses of the mean of their predictions, one network a fold and
            setting; None where they are not known.
        quick: Whether they had a shorter schedule.
        epochs: Of the schedule, at most.
    """

    settings: Sequence[Setting] = (
        Setting("L1", 1e-3, bins=False),
        Setting("L2", 1e-2, bins=False),
        Setting("L1", 1e-2, bins=False, hidden=False),
    )
    losses: np.ndarray | None = None
    quick: bool = False
    epochs: int | None = None


def losses_of_sets(
    data: InputRows,
    folds: Sequence[Split],
    sets: Sequence[np.ndarray],
    best: BestSettings,
    *,
    seed: int,
    callbacks: Sequence[Callback] = (),
) -> np.ndarray:
    """[sets, held] out-of-fold losses of the mean of some settings' networks on sets of inputs.

    Args:
        data: The rows.
        folds: The folds.
        sets: For each set, [folds, inputs] the input numbers that it has in each fold.
        best: Which networks are trained on each, and how.
        seed: Of initial weights and the order of rows.
        callbacks: Told of the progress.
    """
    read = np.unique(np.concatenate([np.ravel(of_set) for of_set in sets]))
    data = data.of(data.columns(read))
    rows, count = data.rows, len(folds)
    bins = bins_for(rows.numbers)
    columns, outputs = rows.encoded.shape[1], rows.outputs
    model = network(columns, outputs, numbers=rows.numbers, bins=bins, classes=None)
    longest = max(len(split.train) for split in folds)
    schedule = Schedule.of(longest, quick=best.quick, most=best.epochs)
    compile_(model, schedule, longest, outputs)
    inputs = model.get_layer("inputs")
    learned = FoldedTable(rows, list(folds)).learned(model)
    lanes = []
    for of_set in sets:
        for setting in best.settings:
            candidate = candidate_of(model, setting)
            for fold in range(count):
                values = {**learned[fold], **candidate.values}
                reads = np.isin(data.input_of, of_set[fold]).astype(float)
                values[inputs.multiplier.path] = values[inputs.multiplier.path] * reads
                if bins:
                    slope = values[inputs.slope.path]
                    values[inputs.slope.path] = slope * reads[: rows.numbers, None]
                lanes.append(Lane(candidate.strengths, fold, seed, values))
    record = train_lanes(
        model,
        rows.encoded.astype("float32"),
        rows.y,
        lanes,
        splits=list(folds),
        sample_weight=rows.weight,
        epochs=schedule.epochs,
        batch_size=schedule.batch_size,
        # As where the table's networks are chosen: one epoch for all folds of a setting.
        groups=np.repeat(np.arange(len(lanes) // count), count).tolist(),
        width=WIDTH,
        callbacks=callbacks,
    )
    held = held_out(folds)
    losses = np.empty((len(sets), len(rows.y)))
    numbers = np.arange(len(lanes)).reshape(len(sets), -1, count)
    most = max(len(split.held_out) for split in folds)
    for fold, split in enumerate(folds):
        padded = np.resize(split.held_out, most)  # one shape, so that one program predicts
        lanes_of = numbers[:, :, fold].ravel().tolist()
        raw = predict_lanes(model, record, rows.encoded[padded].astype("float32"), lanes=lanes_of)
        predicted = raw[:, : len(split.held_out)].astype(float)
        if outputs > 1:
            predicted = softmax(predicted, axis=-1)
        mean = predicted.reshape(len(sets), -1, *predicted.shape[1:]).mean(axis=1)
        losses[:, split.held_out] = row_loss(mean, rows.y[split.held_out])
    return losses[:, held]
