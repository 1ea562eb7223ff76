"""The range of strengths, found from the data by pilot lanes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np

from taut.engine import Lane
from taut.engine.fit_loop import as_it_was
from taut.engine.initial import InitialValues
from taut.objective import Objective
from taut.studies.strengths import Train, find_range

GRADIENT_ROWS = 4096


def strength_range(
    model: Any,
    x: Any,
    y: Any,
    pilot: Lane,
    rows: np.ndarray,
    train: Train,
    lanes: int,
    penalised: list[int],
) -> tuple[float, float]:
    """The top and the bottom of the grid, found on the first fold by pilot lanes."""
    rows = rows[:GRADIENT_ROWS]
    tensor = keras.ops.convert_to_tensor
    some = keras.tree.map_structure(lambda a: tensor(a[rows]), x)
    # The same weights in every process, so that a study that was interrupted finds the same grid.
    targets = keras.tree.map_structure(lambda a: tensor(a[rows]), y)
    with as_it_was(model):  # to which a penalty may refer
        trainable, others, _ = InitialValues(model)(pilot)
        for variables, values in (
            (model.trainable_variables, trainable),
            (model.non_trainable_variables, others),
        ):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        gradients = Objective(model).gradients(some, targets)
    return find_range(
        train,
        lambda strength: replace(pilot, strengths=(strength,)),
        lanes,
        unit=max(float(np.abs(gradients[i]).max()) for i in penalised) or 1.0,
        penalised=penalised,
        sparse=model.optimizer.entries[0].penalty.sparse,
    )
