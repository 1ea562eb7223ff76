"""Lanes in, record out: many variants of one model trained as one program."""

from taut.engine.lanes import Lane, Record, Split
from taut.engine.progress import Progress, Quiet
from taut.engine.train import train_lanes

__all__ = ["Lane", "Progress", "Quiet", "Record", "Split", "train_lanes"]
