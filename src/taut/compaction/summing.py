"""What operations do that sum products, or features: zeros among them go with what they meet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from taut.compaction.atoms import Atoms, Features, Reading
from taut.compaction.passing_rule import Made
from taut.compaction.reasons import Reason
from taut.compaction.traced import Call

_SUMMED = Reason("is summed in it")
_SCORED = Reason("weighs every feature")


def sum_of_features(atoms: Atoms, call: Call, features: Features) -> Made:
    """Σ_k x_k: a feature that is zero for every row is no part of it."""
    made = atoms.whole()
    needs = (features.value != 0)[:, None]
    reading = Reading(call.operation, features.atoms, made.atoms, needs, features.value, _SUMMED)
    return [made], [reading]


def dot(atoms: Atoms, call: Call, reads: Sequence[Features]) -> Made:
    """Σ_k x_k·y_k over features, or Σ_t a_t·h_t over steps."""
    op = call.operation
    given = op.axes if isinstance(op.axes, (tuple, list)) else (op.axes, op.axes)
    ranks = [len(tensor.shape) for tensor in call.reads]
    axes = [axis % rank - rank for axis, rank in zip(given, ranks, strict=True)]
    one, other = reads
    if axes == [one.axis, other.axis] and len(one) == len(other):
        made = atoms.whole()
        return [made], [_product(atoms, call, (one, other), made, both=op.normalize)]
    return _over_steps(atoms, call, reads, ranks, axes)


def _over_steps(
    atoms: Atoms, call: Call, reads: Sequence[Features], ranks: list[int], axes: list[int]
) -> Made:
    """A number of each step times its features."""
    over = [1 - rank for rank in ranks]
    if call.operation.normalize or sorted(ranks) != [2, 3] or axes != over:
        return None
    flat, deep = reads if ranks[0] == 2 else reads[::-1]
    if deep.axis != -1:
        return None
    flat = atoms.made_whole(flat)
    needs = np.ones((len(flat), len(deep)), bool)
    reading = Reading(call.operation, flat.atoms, deep.atoms, needs, flat.value, _SCORED)
    return [deep.unknown(but=0.0)], [reading]


def attention(atoms: Atoms, call: Call, reads: Sequence[Features]) -> Made:
    """Σ_t softmax_t(Σ_k q_k·k_tk)·v_t, whose attention weights sum to one."""
    op, query, value, key = call.operation, reads[0], reads[1], reads[-1]
    if op.score_mode != "dot" or len(call.makes) != 1 or len(reads) not in (2, 3):
        return None
    if any(f.axis != -1 for f in reads) or len(query) != len(key):
        return None
    return [value], [_product(atoms, call, (query, key), value)]


def _product(
    atoms: Atoms, call: Call, pair: tuple[Features, Features], made: Features, *, both: bool = False
) -> Reading:
    """That products of two features each are summed: one that is zero takes the other with it.

    Args:
        both: Whether both must be zero for that: where each is divided by its norm.
    """
    one, other = pair
    atoms.tie(one.atoms, other.atoms)
    zeros = one.value == 0, other.value == 0
    zero = zeros[0] & zeros[1] if both else zeros[0] | zeros[1]
    needs = np.repeat(~zero[:, None], len(made), axis=1)
    value = np.where(zero, np.nan, one.value)
    return Reading(call.operation, one.atoms, made.atoms, needs, value, _SUMMED)
