"""Digests of what a program computes, by which it is known again."""

from taut.describing.digest import digest_of, may_differ
from taut.describing.model_digest import model_digest
from taut.describing.packages import Undescribed, library
from taut.describing.parts import (
    layer_described,
    layers_described,
    loss_described,
    optimizer_described,
)
from taut.describing.renewed_optimizers import check_renewed

__all__ = [
    "Undescribed",
    "check_renewed",
    "digest_of",
    "layer_described",
    "layers_described",
    "library",
    "loss_described",
    "may_differ",
    "model_digest",
    "optimizer_described",
]
