"""The range of strengths, found from the data by pilot lanes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from taut.engine import Lane
from taut.engine.initial import InitialValues
from taut.engine.through_fit import as_it_was
from taut.objective import Objective
from taut.studies.axes import Axes
from taut.studies.folded import FoldedRows, Pilot
from taut.studies.kept_penalties import Reached, reached
from taut.studies.strengths import find_range
from taut.studies.training_settings import Settings

GRADIENT_ROWS = 4096


def ranged(
    model: Any,
    rows: FoldedRows,
    axes: Axes,
    settings: Settings,
    lane: Lane,
) -> Axes:
    """The axes, with values where only their number was given.

    Args:
        model: A study's.
        rows: The first fold is trained and measured on.
        axes: The range of each is found while the others are 0.
        settings: How pilot lanes are trained, `width` side by side on each device.
        lane: What pilot lanes are like.
    """
    of_strength, parts = reached(model, axes)
    whole = []
    for k, axis in enumerate(axes.axes):
        if axis.values is None:

            def strengths(value: float, k: int = k) -> tuple[float, ...]:
                point = [value if other == k else 0.0 for other in range(len(axes.axes))]
                return tuple(part.at(point) for part in of_strength)

            pilot = rows.pilot(model, settings, f"range_{k}" if k else "range")
            varied = [part for part in parts if part.strength.axis == k]
            count = 2 * (settings.width or 1)
            top, bottom = strength_range(model, pilot, lane, count, strengths, varied)
            axis = replace(axis, values=np.geomspace(top, bottom, axis.count))
        whole.append(axis)
    return replace(axes, axes=tuple(whole))


def strength_range(
    model: Any,
    pilot: Pilot,
    lane: Lane,
    lanes: int,
    strengths: Callable[[float], tuple[float, ...]],
    varied: Sequence[Reached],
) -> tuple[float, float]:
    """The top and the bottom of an axis, found on the first fold by lanes like `lane`.

    Args:
        model: A study's.
        pilot: Rows, and how to train on them.
        lane: What pilot lanes are like, but for their strengths.
        lanes: How many to spend.
        strengths: The optimizer's strengths at a value on the axis.
        varied: What follows the axis.
    """
    lane = replace(lane, strengths=strengths(0.0))
    rows = pilot.rows[:GRADIENT_ROWS]

    def some(arrays: Any) -> Any:
        return keras.tree.map_structure(lambda a: keras.ops.convert_to_tensor(a[rows]), arrays)

    weight = None if pilot.weight is None else some(pilot.weight)
    # The same weights in every process, so that a study that was interrupted finds the same grid.
    with as_it_was(model):  # to which a penalty may refer
        trainable, others, _ = InitialValues(model)(lane)
        for variables, values in (
            (model.trainable_variables, trainable),
            (model.non_trainable_variables, others),
        ):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        gradients = Objective(model).gradients(some(pilot.x), some(pilot.y), weight)
    # Of a sum, what makes zeros decides what is left.
    sparse = [part for part in varied if part.part.sparse]
    units = [
        float(np.abs(gradients[i]).max()) / part.strength.factor
        for part in sparse or varied
        for i in part.variables
        if part.strength.factor > 0
    ]
    return find_range(
        pilot.train,
        lambda value: replace(lane, strengths=strengths(value)),
        lanes,
        unit=max(units, default=0.0) or 1.0,
        penalised=sorted({i for part in sparse for i in part.variables}),
        sparse=bool(sparse),
    )
