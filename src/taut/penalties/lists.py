"""Penalties take an array or a list of arrays: what the difference is, said here alone."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

METHODS = ("value", "prox", "distance", "critical_strength")


def takes_lists(method: Callable[..., Any]) -> Callable[..., Any]:
    """One of `METHODS`, as a class has written it, so that it takes arrays and lists of arrays.

    A class is written for one array, or for lists (on groups, or `Penalty.for_lists`). The arrays
    of a list belong together where the penalty is on groups; elsewhere each is treated alone, by
    `Penalty.each`, and values add up. An array is a list of one.
    """

    @functools.wraps(method)
    def for_both(self: Any, w: Any, *others: Any) -> Any:
        # The steps or gradients, of the form of w, come before the strength.
        w, others = _as_tensors(w), tuple(map(_as_tensors, others))
        shaped, strength = others[:-1], others[-1:]
        if not isinstance(w, (list, tuple)):
            if self.groups is None and not self.for_lists:
                return method(self, w, *others)
            one_step = method.__name__ == "prox" and not ops.ndim(shaped[0])
            listed = shaped if one_step else [[a] for a in shaped]
            results = method(self, [w], *listed, *strength)
            return results[0] if isinstance(results, list) else results
        if self.groups is not None:
            return method(self, w, *others)
        columns = [a if isinstance(a, (list, tuple)) else [a] * len(w) for a in shaped]
        rows = zip(self.each(len(w)), w, *columns, strict=True)
        results = [for_both(penalty, *row, *strength) for penalty, *row in rows]
        if method.__name__ == "value":
            return sum(results)
        return ops.max(ops.stack(results)) if method.__name__ == "critical_strength" else results

    return for_both


def _as_tensors(given: Any) -> Any:
    """Arrays of NumPy, with which torch alone does not compute, as tensors; all else as it is."""
    if keras.backend.backend() != "torch":
        return given
    if isinstance(given, (list, tuple)):
        return type(given)(map(_as_tensors, given))
    return ops.convert_to_tensor(given) if isinstance(given, np.ndarray) else given
