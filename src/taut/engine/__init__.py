"""Lanes in, record out: many variants of one model trained as one program."""

from taut.engine.initial import copy_of
from taut.engine.lanes import Lane, Record, Split
from taut.engine.predict import predict_lanes
from taut.engine.progress import Progress, Quiet
from taut.engine.train import check_model, train_lanes
from taut.engine.width import width_for

__all__ = [
    "Lane",
    "Progress",
    "Quiet",
    "Record",
    "Split",
    "check_model",
    "copy_of",
    "predict_lanes",
    "train_lanes",
    "width_for",
]
