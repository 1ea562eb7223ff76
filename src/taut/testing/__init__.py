"""Check that a penalty keeps its word: for penalties of your own, and for those of taut."""

from __future__ import annotations

from collections.abc import Sequence

from taut.penalties import Penalty
from taut.testing.case import Case
from taut.testing.prox_laws import (
    law_nonexpansive,
    law_prox,
    law_prox_in_a_metric,
    law_sparse,
    law_undefined,
)
from taut.testing.shape_laws import law_compiled, law_dtypes, law_regularizer, law_serialisation
from taut.testing.slope_laws import law_critical_strength, law_distance, law_value, law_zeros

LAWS = {
    "value": law_value,
    "prox": law_prox,
    "prox in a metric": law_prox_in_a_metric,
    "nonexpansive": law_nonexpansive,
    "distance": law_distance,
    "critical strength": law_critical_strength,
    "zeros": law_zeros,
    "sparse": law_sparse,
    "undefined": law_undefined,
    "dtypes": law_dtypes,
    "compiled": law_compiled,
    "serialisation": law_serialisation,
    "regularizer": law_regularizer,
}
"""The laws by name; each takes a `Case`. See `check_penalty` for what they say."""

__all__ = ["LAWS", "Case", "check_law", "check_penalty"]


def check_penalty(
    penalty: Penalty, *, shapes: Sequence[tuple[int, ...]] | None = None, seed: int = 0
) -> None:
    """Check the laws of `taut.penalties.Penalty` for one penalty, on random weights.

    * value: αR(w) is a finite number >= 0 (infinite only outside of a constraint), and 0 at
      strength 0.
    * prox, prox in a metric: no point that a search finds has a lower objective, for one step
      and for steps by coordinate that differ by a factor of 10⁴ (not if `scalar_step`); the
      residual of stationarity of the prox's own problem is rounding.
    * nonexpansive: firmly, in the metric of the steps; where `convex`.
    * distance: its norm is the limit of ‖w − prox(w − s·g)‖/s for small s.
    * critical strength: at it w = 0 is stationary, just below it is not.
    * zeros: no NaN at zero weights, zero or huge steps, or strength 0.
    * sparse: the prox makes exact zeros if and only if `sparse`.
    * undefined: a weight that is NaN stays NaN in the prox.
    * dtypes: float16, bfloat16, float32 and float64 come out as they went in, and nearly equal.
    * compiled: it can be compiled; `jax.vmap` gives what each lane does, `tf.function` what it
      does without.
    * serialisation: saved and loaded it is equal; `with_strength` changes the strength alone.
    * regularizer: called on a weight it is the value at its own strength, and its gradient is
      finite at zero.

    It runs on the Keras backend in use; run it on each that you want to support.

    Args:
        penalty: The penalty. It is bound to weights of the shapes, as an optimizer does it.
        shapes: The shapes of the weights; those of a penalty on groups share them, as kernels
            [..., inputs, units]. None: the penalty's own `shapes`.
        seed: Of the random weights, steps and gradients.

    Raises:
        AssertionError: If a law is broken: which, and where.

    Example:
        >>> import taut
        >>> from taut.testing import check_penalty
        >>> check_penalty(taut.L1(0.1))
    """
    case = Case(penalty, shapes=shapes, seed=seed)
    for name in LAWS:
        check_law(name, case)


def check_law(name: str, case: Case) -> None:
    """Check one of `LAWS` for the penalty of a case.

    Raises:
        AssertionError: If it is broken, or the penalty raises an error.
    """
    try:
        LAWS[name](case)
    except AssertionError:
        raise
    except Exception as error:
        case.require(False, name, f"it raises {type(error).__name__}: {error}", error)
