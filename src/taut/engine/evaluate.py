"""The compiled metrics of lanes on their held-out rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops, tree

from taut._keras.compiled_model import compiled_metrics
from taut._keras.model_calls import set_keras_mask
from taut.engine.data.sources import Rows
from taut.engine.lanes import Record, Split
from taut.engine.predictions import predict_with_masks
from taut.errors import InputError


def held_out_metrics(
    model: Any, record: Record, x: Any, y: Any, splits: Sequence[Split], sample_weight: Any = None
) -> dict[str, np.ndarray]:
    """Every metric that the model was compiled with, with the weights that each lane kept.

    Args:
        model: The model that the lanes were trained from.
        record: What `train_lanes` returned.
        x: Inputs, [rows, …] or a tree of these.
        y: Targets, [rows, …] or a tree of these.
        splits: As in `train_lanes`.
        sample_weight: [rows] weights, for the `weighted_metrics`.

    Returns:
        By the name of the metric, [lanes]; empty for a model without metrics. A metric of several
        numbers, such as `keras.metrics.F1Score()` by class, has a name for each (`f1_score_0`, …).

    Raises:
        InputError: For lanes of several targets.
    """

    def pick(arrays: Any, rows: np.ndarray) -> Any:
        return None if arrays is None else tree.map_structure(lambda a: a[rows], arrays)

    pieces = (
        (number, Rows(*(pick(arrays, split.held_out) for arrays in (x, y, sample_weight))))
        for number, split in enumerate(splits)
        if len(split.held_out)
    )
    return held_out_metrics_of(model, record, pieces)


def held_out_metrics_of(
    model: Any, record: Record, pieces: Iterable[tuple[int, Rows]]
) -> dict[str, np.ndarray]:
    """`held_out_metrics` of rows that come in pieces: (number of the split, held-out rows)."""
    if any(lane.target for lane in record.lanes):
        raise InputError(
            "Metrics are measured against one `y`. Received: lanes with other targets. Give the "
            "record of lanes of one target."
        )
    metrics = compiled_metrics(model)
    if metrics is None:
        return {}
    states: dict[int, list[np.ndarray]] = {}
    for number, rows in pieces:
        lanes = [i for i, lane in enumerate(record.lanes) if lane.split == number]
        if not lanes:
            continue
        predictions, masks = predict_with_masks(model, record, rows.x, lanes=lanes)
        weight = rows.weight
        if weight is not None:
            # Metrics multiply weights and masks, which must have as many axes.
            rank = max([1, *(mask.ndim - 1 for mask in masks if mask is not None)])
            weight = tree.map_structure(
                lambda a, r=rank: a.reshape(a.shape + (1,) * (r - a.ndim)), weight
            )
        for place, lane in enumerate(lanes):
            prediction = tree.map_structure(
                lambda a, p=place: ops.convert_to_tensor(a[p]), predictions
            )
            for leaf, mask in zip(tree.flatten(prediction), masks, strict=True):
                if mask is not None:  # without it, padding would be measured too
                    set_keras_mask(leaf, ops.convert_to_tensor(mask[place]))
            metrics.reset_state()
            for variable, value in zip(metrics.variables, states.get(lane, ()), strict=False):
                variable.assign(value)
            metrics.update_state(rows.y, prediction, sample_weight=weight)
            states[lane] = [np.array(ops.convert_to_numpy(v)) for v in metrics.variables]
    measured: dict[str, np.ndarray] = {}
    for lane, state in states.items():
        for variable, value in zip(metrics.variables, state, strict=True):
            variable.assign(value)
        for name, number in numbers_of(metrics.result()):
            values = measured.setdefault(name, np.full(len(record.lanes), np.nan))
            values[lane] = number
    metrics.reset_state()
    return measured


def numbers_of(results: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Names and numbers of what metrics return.

    A metric of several numbers, such as one by class, has a name for each: `f1_score_0`, …; a mean
    over them would be a choice of nobody's. Of a metric that returns a dict its own names count.
    """
    for name, result in results.items():
        if isinstance(result, Mapping):
            yield from numbers_of(result)
            continue
        values = np.asarray(ops.convert_to_numpy(result), float)
        if values.size == 1:
            yield name, float(values.reshape(-1)[0])
            continue
        for at in np.ndindex(values.shape):
            yield "_".join([name, *map(str, at)]), float(values[at])
