"""The range of strengths, found from the data by pilot lanes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np

from taut.engine import Lane
from taut.engine.initial import InitialValues
from taut.engine.through_fit import as_it_was
from taut.objective import Objective
from taut.studies.folded import Pilot
from taut.studies.strengths import find_range

GRADIENT_ROWS = 4096


def strength_range(
    model: Any,
    pilot: Pilot,
    lane: Lane,
    lanes: int,
    penalised: list[int],
) -> tuple[float, float]:
    """The top and the bottom of the grid, found on the first fold by lanes like `lane`."""
    rows = pilot.rows[:GRADIENT_ROWS]
    tensor = keras.ops.convert_to_tensor
    inputs = keras.tree.map_structure(lambda a: tensor(a[rows]), pilot.x)
    # The same weights in every process, so that a study that was interrupted finds the same grid.
    targets = keras.tree.map_structure(lambda a: tensor(a[rows]), pilot.y)
    with as_it_was(model):  # to which a penalty may refer
        trainable, others, _ = InitialValues(model)(lane)
        for variables, values in (
            (model.trainable_variables, trainable),
            (model.non_trainable_variables, others),
        ):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        gradients = Objective(model).gradients(inputs, targets)
    return find_range(
        pilot.train,
        lambda strength: replace(lane, strengths=(strength,)),
        lanes,
        unit=max(float(np.abs(gradients[i]).max()) for i in penalised) or 1.0,
        penalised=penalised,
        sparse=model.optimizer.entries[0].penalty.sparse,
    )
