"""Inputs that tell the target by themselves: made from it, or known only after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from taut._data import input_names
from taut._read_only import ReadOnly
from taut.diagnosis.array_inputs import (
    NotChecked,
    columns,
    group_numbers,
    labels_as_numbers,
    numbers,
    same_rows,
    sampled,
)
from taut.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

CARRIES = 0.9
"""An input is suspect if it explains this share of what all inputs together do: the others mend the
noise of a copy a little."""
LEAST = 0.7
"""And so much of the base rate's error; less is an input that is merely good."""
LEFT = 0.5
"""And leaves at most half the error that all others leave."""
IS_TARGET = 0.97
"""Several inputs that are as good as each other are suspect if they leave nearly nothing over; two
measurements of one thing are as good as each other in many an honest table."""
AS_GOOD = 0.9
"""Inputs that explain this share of what the best one does are as good as it."""
SURE = 3.0
"""Standard errors by which an input must be better than all others together."""
FOLDS, LEAVES, LOOKED_AT, BINS = 3, (2, 20), 5, 16
MOST_ROWS, LEAST_ROWS = 2_000, 30
FEW_VALUES = 20
"""Whole numbers of no more distinct values are classes, if nothing else is said."""


@dataclass(frozen=True, eq=False)
class ColumnLeak(ReadOnly):
    """What single inputs tell of the target, beside what all the others do.

    Attributes:
        leaked: Whether an input is suspect.
        inputs: The suspects, by name; the most telling first.
        explained: Share of the base rate's squared error that the best input explains by itself.
        others: Share that all inputs explain which are not as good as that one; NaN where no
            input explains enough for them to be looked at.
        together: Share that all inputs explain; NaN likewise.
        rows: How many rows were looked at.
        looked_at: Names of the inputs that go best with the target, the best first.
        each: [looked_at] what each explains by itself, out of fold.
    """

    leaked: bool
    inputs: tuple[str, ...]
    explained: float
    others: float
    together: float
    rows: int
    looked_at: tuple[str, ...]
    each: np.ndarray

    def to_frame(self) -> pd.DataFrame:
        """One line an input that was looked at: what it explains, and whether it is suspect."""
        import pandas as pd

        suspect = [name in self.inputs for name in self.looked_at]
        frame = {"input": self.looked_at, "explained": self.each, "suspect": suspect}
        return pd.DataFrame(frame)


def leaked_columns(
    x: Any,
    y: Any,
    *,
    classes: bool | None = None,
    names: Sequence[str] | None = None,
    groups: Any = None,
    seed: int = 0,
) -> ColumnLeak | NotChecked:
    r"""An input that alone explains what all inputs explain together.

    With S the out-of-fold squared error (of classes the Brier score), an input explains
    1 − S_alone/S_base by a decision tree on its values. It is suspect if that is at least
    70%, and 90% of what all inputs explain, and if it leaves at most half the error that all others
    leave (by extremely randomised trees or ridge regression, whichever is better), by three
    standard errors. Inputs as good as each other are suspect together if they leave less than 3%.
    The five inputs by whose quantiles the target differs most are looked at.

    A single input that truly decides is suspect as well: the arrays cannot tell what is known when.

    Args:
        x: [rows, inputs]; NaN is a value of its own.
        y: [rows] or [rows, outputs] targets; classes as whole numbers, or one column a class.
        classes: Whether `y` are classes; if not given, whole numbers of up to 20 values are.
        names: Of the inputs.
        groups: [rows] groups, which folds do not cut.
        seed: Draws the folds, and the rows, where there are more than 2,000.

    Returns:
        What was found; `NotChecked` for images, under 30 rows, or a target that does not vary.

    Raises:
        InputError: If shapes do not fit, or arrays hold no numbers.

    Example:
        >>> import numpy as np
        >>> from taut.diagnosis import leaked_columns
        >>> draw = np.random.default_rng(0)
        >>> x = draw.normal(size=(300, 4))
        >>> y = x[:, 0] + x[:, 1] + draw.normal(size=300)
        >>> x[:, 3] = y + 0.1 * draw.normal(size=300)
        >>> leaked_columns(x, y, names=["a", "b", "c", "paid"]).inputs
        ('paid',)
    """
    array = columns("x", x)
    if isinstance(array, NotChecked):
        return array
    target = numbers("y", y)
    same_rows(x=array, y=target)
    names = input_names(names, array.shape[1])
    units = group_numbers("groups", groups, len(array))
    if len(array) < LEAST_ROWS:
        return NotChecked(f"{len(array)} rows tell too little of single inputs: 30 are needed.")
    rows = sampled(len(array), MOST_ROWS, seed)
    outputs = _outputs(target, classes)[rows]
    outputs = outputs[:, outputs.std(axis=0) > 0]
    if not outputs.shape[1]:
        return NotChecked("The target does not vary, so nothing can explain it.")
    outputs = (outputs - outputs.mean(axis=0)) / outputs.std(axis=0)
    array = array[rows]
    held = _folds(np.arange(len(rows)) if units is None else units[rows], seed)
    if len(held) < 2:
        return NotChecked("There is one group, and folds do not cut groups.")
    looked_at = most_alike(array, outputs, LOOKED_AT)
    base = _by_row(outputs, _out_of_fold(array, outputs, held, _nothing))
    alone = [_alone(array[:, [j]], outputs, held) for j in looked_at]
    each = np.array([1 - one.mean() / base.mean() for one in alone])
    order = np.argsort(-each, kind="stable")
    looked_at, alone, each = [looked_at[i] for i in order], [alone[i] for i in order], each[order]
    best = 0
    found = {
        "explained": float(each[best]),
        "rows": len(rows),
        "looked_at": tuple(names[j] for j in looked_at),
        "each": each,
    }
    if each[best] < LEAST:
        return ColumnLeak(leaked=False, inputs=(), others=np.nan, together=np.nan, **found)
    as_good = [j for j, share in zip(looked_at, each, strict=True) if share >= AS_GOOD * each[best]]
    rest = [j for j in range(array.shape[1]) if j not in as_good]
    by_others = _all(array[:, rest], outputs, held, seed) if rest else base
    together = min(alone[best], _all(array, outputs, held, seed), key=lambda one: one.mean())
    others = float(1 - by_others.mean() / base.mean())
    whole = float(1 - together.mean() / base.mean())
    gain = by_others - alone[best]
    clear = gain.mean() > SURE * gain.std() / np.sqrt(len(gain))
    least = LEAST if len(as_good) == 1 and rest else IS_TARGET
    leaked = bool(
        clear
        and each[best] >= max(least, CARRIES * whole)
        and 1 - each[best] <= LEFT * (1 - max(others, 0.0))
    )
    inputs = tuple(names[j] for j in as_good) if leaked else ()
    return ColumnLeak(leaked=leaked, inputs=inputs, others=others, together=whole, **found)


def most_alike(x: np.ndarray, outputs: np.ndarray, count: int) -> list[int]:
    """The columns by whose quantiles (or few values) centred outputs differ most, best first.

    Args:
        x: [rows, inputs]; NaN is a value of its own.
        outputs: [rows, outputs], each of mean zero.
        count: How many.
    """
    between = np.zeros(x.shape[1])
    for j, column in enumerate(x.T):
        distinct, codes = np.unique(column, return_inverse=True)
        if len(distinct) > BINS:
            codes = np.searchsorted(np.nanquantile(column, np.arange(1, BINS) / BINS), column)
            codes[np.isnan(column)] = BINS + 1
        counts = np.maximum(np.bincount(codes), 1)
        sums = np.stack([np.bincount(codes, output) for output in outputs.T])
        between[j] = (sums**2 / counts).sum()
    return [int(j) for j in np.argsort(-between, kind="stable")[:count]]


def _outputs(y: np.ndarray, classes: bool | None) -> np.ndarray:
    """Targets as [rows, outputs]; classes as indicators."""
    if y.ndim > 2:
        raise InputError(
            f"`y` must be [rows] or [rows, outputs]. Received: shape {y.shape}. Choose the outputs "
            "that single inputs may tell."
        )
    flat = y.reshape(len(y), -1)
    if flat.shape[1] > 1:
        return flat
    if classes is None:
        classes = bool((flat == np.rint(flat)).all()) and len(np.unique(flat)) <= FEW_VALUES
    if not classes:
        return flat
    codes = labels_as_numbers(flat[:, 0])
    indicators = np.eye(codes.max() + 1)[codes]
    return indicators[:, 1:] if indicators.shape[1] == 2 else indicators


def _folds(units: np.ndarray, seed: int) -> list[np.ndarray]:
    """Which rows each fold holds out; rows of a unit are in one fold."""
    distinct, codes = np.unique(units, return_inverse=True)
    fold = np.random.default_rng(seed).permutation(np.arange(len(distinct)) % FOLDS)[codes]
    return [fold == k for k in range(min(FOLDS, len(distinct)))]


def _by_row(outputs: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    return ((outputs - predicted) ** 2).sum(axis=1)


def _out_of_fold(
    x: np.ndarray, y: np.ndarray, held: list[np.ndarray], make: Callable[[], Any]
) -> np.ndarray:
    predicted, target = np.zeros_like(y), y[:, 0] if y.shape[1] == 1 else y
    for out in held:
        model = make()
        if model is None:
            predicted[out] = y[~out].mean(axis=0)
        else:
            predicted[out] = model.fit(x[~out], target[~out]).predict(x[out]).reshape(out.sum(), -1)
    return predicted


def _nothing() -> None:
    """The model that looks at no input."""


def _filled(x: np.ndarray) -> np.ndarray:
    return np.clip(np.nan_to_num(x, nan=-3e38), -3e38, 3e38).astype("float32")


def _alone(x: np.ndarray, y: np.ndarray, held: list[np.ndarray]) -> np.ndarray:
    """Squared errors by row of a tree on one input: of few rows a leaf, or many, the better."""
    from sklearn.tree import DecisionTreeRegressor

    errors = [
        _by_row(
            y,
            _out_of_fold(
                _filled(x),
                y,
                held,
                lambda leaf=leaf: DecisionTreeRegressor(min_samples_leaf=leaf, random_state=0),
            ),
        )
        for leaf in LEAVES
    ]
    return min(errors, key=lambda one: one.mean())


def _all(x: np.ndarray, y: np.ndarray, held: list[np.ndarray], seed: int) -> np.ndarray:
    """Squared errors by row of what uses all given inputs: trees or ridge, the better."""
    from sklearn.ensemble import ExtraTreesRegressor
    from sklearn.linear_model import Ridge

    def trees() -> Any:
        return ExtraTreesRegressor(20, min_samples_leaf=2, max_features=0.5, random_state=seed)

    missing = np.isnan(x)
    middle = np.where(missing, 0, x).sum(axis=0) / np.maximum((~missing).sum(axis=0), 1)
    centred = np.where(missing, 0, x - middle)
    spread = centred.std(axis=0)
    centred = centred / np.where(spread > 1e-12 * np.abs(middle), spread, 1.0)
    by_trees = _by_row(y, _out_of_fold(_filled(x), y, held, trees))
    by_ridge = _by_row(y, _out_of_fold(centred, y, held, lambda: Ridge(alpha=1.0)))
    return min(by_trees, by_ridge, key=lambda one: one.mean())
