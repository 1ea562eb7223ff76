"""Lanes in, record out: many variants of one model trained as one program."""

from taut.engine.aftermath import afterwards
from taut.engine.data.group_hash import group_hash
from taut.engine.data.parquet import ParquetRows
from taut.engine.data.sources import ArraySource, DatasetSource, Source
from taut.engine.evaluate import held_out_metrics, held_out_metrics_of
from taut.engine.halving import Halving, rungs_for
from taut.engine.lanes import Lane, Record, Split
from taut.engine.model_copy import copy_of
from taut.engine.news import Callback, LaneEnd, News
from taut.engine.predictions import predict_lanes
from taut.engine.race import Race
from taut.engine.study import check_model
from taut.engine.train import train_lanes
from taut.engine.width import lanes_at_a_time, width_for

__all__ = [
    "ArraySource",
    "Callback",
    "DatasetSource",
    "Halving",
    "Lane",
    "LaneEnd",
    "News",
    "ParquetRows",
    "Race",
    "Record",
    "Source",
    "Split",
    "afterwards",
    "check_model",
    "copy_of",
    "group_hash",
    "held_out_metrics",
    "held_out_metrics_of",
    "lanes_at_a_time",
    "predict_lanes",
    "rungs_for",
    "train_lanes",
    "width_for",
]
