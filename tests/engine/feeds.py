"""The ways in which rows reach lanes, as functions of one signature."""

from taut.engine.study import arrays_of, check_model, study_of
from taut.engine.through_fit import train_through_fit

ROWS = ("splits", "targets", "sample_weight", "class_weight", "sharers")


def through_fit(model, x, y, lanes, **options):
    """`train_lanes` as it is on other backends than JAX, whatever the backend."""
    check_model(model)
    rows = {"splits": None, "targets": None, "sample_weight": None, "class_weight": None}
    rows |= {"sharers": 1} | {k: v for k, v in options.items() if k in ROWS}
    arrays = arrays_of(model, x, y, **rows)
    settings = {k: v for k, v in options.items() if k not in ROWS}
    return train_through_fit(study_of(model, arrays, lanes, **settings), arrays)
