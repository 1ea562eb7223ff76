"""Lanes in, record out: many variants of one model trained as one program."""

from taut.engine.halving import Halving, rungs_for
from taut.engine.initial import copy_of, reinitialised
from taut.engine.lanes import Lane, Record, Split
from taut.engine.predict import predict_lanes
from taut.engine.progress import Callback, LaneEnd, News
from taut.engine.train import check_model, train_lanes
from taut.engine.width import width_for

__all__ = [
    "Callback",
    "Halving",
    "Lane",
    "LaneEnd",
    "News",
    "Record",
    "Split",
    "check_model",
    "copy_of",
    "predict_lanes",
    "reinitialised",
    "rungs_for",
    "train_lanes",
    "width_for",
]
