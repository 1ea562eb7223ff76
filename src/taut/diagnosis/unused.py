"""Inputs that a model does without: by its weights, and by permuting them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from taut._data import as_numpy, input_names
from taut._mean_loss import mean_and_error
from taut._read_only import ReadOnly
from taut.diagnosis.array_inputs import (
    NotChecked,
    columns,
    group_numbers,
    losses,
    numbers,
    same_rows,
    sampled,
)
from taut.errors import InputError
from taut.structure import input_readers

if TYPE_CHECKING:
    import pandas as pd

NEGLIGIBLE = 0.01
"""An input is without use if permuting it surely costs less than this share of the loss."""
MOST_PREDICTED, LEAST_ROWS = 60_000, 20
"""Rows of all permutations together: of 50 inputs and 3 repeats 400 rows are predicted for each."""
ROUNDING = 1e-6
"""Predictions in batches of other sizes differ by so much of the largest one."""
REPEATS = 3


@dataclass(frozen=True, eq=False)
class InputUse(ReadOnly):
    """What each input does for a model's held-out loss.

    Attributes:
        names: Names of the inputs.
        cost: [inputs] by how much the mean held-out loss rises when the input is permuted.
        low: [inputs] lower end of its 95% interval, over rows (or groups).
        high: [inputs] upper end of it.
        not_read: Inputs whose values change no prediction at all.
        without_use: Inputs that surely cost less than 1% of the loss, these among them.
        harmful: Inputs without which the model is surely better, in the permuted rows.
        loss: Mean held-out loss of the rows looked at.
        rows: How many rows these are.
    """

    names: tuple[str, ...]
    cost: np.ndarray
    low: np.ndarray
    high: np.ndarray
    not_read: tuple[str, ...]
    without_use: tuple[str, ...]
    harmful: tuple[str, ...]
    loss: float
    rows: int

    def to_frame(self) -> pd.DataFrame:
        """One line an input: what permuting it costs, with its interval; the most useful first."""
        import pandas as pd

        frame = pd.DataFrame(
            {
                "input": self.names,
                "cost": self.cost,
                "low": self.low,
                "high": self.high,
                "not_read": [name in self.not_read for name in self.names],
                "without_use": [name in self.without_use for name in self.names],
            }
        )
        return frame.sort_values("cost", ascending=False, ignore_index=True, kind="stable")


def input_use(
    predict: Callable[[np.ndarray], Any],
    row_loss: Callable[[np.ndarray, np.ndarray], Any],
    x: Any,
    y: Any,
    *,
    names: Sequence[str] | None = None,
    groups: Any = None,
    repeats: int = REPEATS,
    seed: int = 0,
) -> InputUse | NotChecked:
    r"""What each input does for the held-out loss of a trained model, by permuting it.

    The cost of input j is the mean over rows of ℓ(y, f(x with x_j of another row)) − ℓ(y, f(x)),
    averaged over `repeats` permutations, with a normal interval over rows. An input is without
    use if the upper end of that is below 1% of the mean loss: what is not known to be without use
    is not called so. Inputs that stand for one another each seem to be of little use; drop them
    one at a time.

    Args:
        predict: From [rows, inputs], as `x` and of its dtype, to predictions with an axis of rows;
            of a Keras model `lambda x: model.predict(x, verbose=0)`. It is called a few times.
        row_loss: From `y` and predictions of as many rows to [rows] losses.
        x: [rows, inputs] of held-out rows.
        y: Their targets, with an axis of rows.
        names: Of the inputs.
        groups: [rows] groups, whose rows depend on one another, for the interval.
        repeats: How many permutations of each input.
        seed: Draws them, and the rows, where all permutations would be more than 60,000 rows.

    Returns:
        What was found; `NotChecked` for images, or under 20 rows.

    Raises:
        InputError: If shapes do not fit, or the losses are not one finite number a row.

    Example:
        >>> import numpy as np
        >>> from taut.diagnosis import input_use
        >>> x = np.random.default_rng(0).normal(size=(200, 3))
        >>> y = x[:, 0] + 0.5 * x[:, 1]
        >>> use = input_use(
        ...     lambda x: 0.9 * x[:, 0] + 0.4 * x[:, 1],
        ...     lambda y, predicted: (y - predicted) ** 2,
        ...     x,
        ...     y,
        ... )
        >>> use.without_use
        ('input 2',)

    References:
        Breiman, Random forests, 2001.
        Fisher, Rudin and Dominici, All models are wrong, but many are useful, 2019.
    """
    array = columns("x", x)
    if isinstance(array, NotChecked):
        return array
    given, targets = np.asarray(x).reshape(array.shape), np.asarray(y)
    same_rows(x=array, y=targets)
    names = input_names(names, array.shape[1])
    units = group_numbers("groups", groups, len(array))
    if len(array) < LEAST_ROWS:
        return NotChecked(f"{len(array)} rows tell too little of inputs: {LEAST_ROWS} are needed.")
    inputs = array.shape[1]
    most = max(MOST_PREDICTED // (inputs * repeats), 100)
    rows = sampled(len(array), most, seed)
    given, targets = given[rows], targets[rows]
    units = None if units is None else np.unique(units[rows], return_inverse=True)[1]
    before = _predicted(predict, given)
    loss = _losses(row_loss, targets, before)
    draw = np.random.default_rng(seed)
    costs, changes = np.zeros((inputs, len(rows))), np.zeros(inputs, bool)
    at_once = max(MOST_PREDICTED // (len(rows) * repeats * 4), 1)
    for start in range(0, inputs, at_once):
        some = range(start, min(start + at_once, inputs))
        parts, donors = [], []
        for j in some:
            for _ in range(repeats):
                part = given.copy()
                donors.append(_others(len(rows), draw))
                part[:, j] = part[donors[-1], j]
                parts.append(part)
        after = _predicted(predict, np.concatenate(parts))
        again = np.concatenate([targets] * len(parts))
        each = _losses(row_loss, again, after).reshape(len(some), repeats, -1)
        each = each - loss
        # A row is chance twice: as itself, and as the one whose value another row gets.
        by_donor = np.zeros_like(each)
        places = np.array(donors).reshape(each.shape)
        np.put_along_axis(by_donor, places, each, axis=2)
        costs[list(some)] = (each + by_donor).mean(axis=1) - each.mean(axis=(1, 2))[:, None]
        shape = (len(some), repeats, *before.shape)
        change = np.abs(after.reshape(shape) - before).reshape(len(some), -1).max(axis=1)
        changes[list(some)] = change > ROUNDING * np.abs(before).max()
    cost, error = mean_and_error(costs, None, units)
    low, high = cost - 1.96 * error, cost + 1.96 * error
    idle = high < NEGLIGIBLE * abs(loss.mean())
    return InputUse(
        names=names,
        cost=cost,
        low=low,
        high=high,
        not_read=tuple(np.array(names, object)[~changes]),
        without_use=tuple(np.array(names, object)[idle | ~changes]),
        harmful=tuple(np.array(names, object)[high < -NEGLIGIBLE * abs(loss.mean())]),
        loss=float(loss.mean()),
        rows=len(rows),
    )


def inputs_not_read(model: Any) -> np.ndarray | NotChecked:
    """Which inputs of a Keras model have no weight that is not zero.

    Args:
        model: A built model with one input tensor.

    Returns:
        [inputs] True where all weights that read the input are exactly zero; `NotChecked` where it
        is not known of all that reads the inputs (see `taut.structure.input_readers`).

    Raises:
        InputError: If the model is not built.

    Example:
        >>> import keras
        >>> from taut.diagnosis import inputs_not_read
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
        >>> kernel = model.layers[0].kernel
        >>> kernel.assign([[1.0, 2.0, 0.0], [0.0, 0.0, 0.0]]) is None
        False
        >>> inputs_not_read(model)
        array([False,  True])
    """
    tensors = input_readers(model)
    if tensors is None:
        return NotChecked(
            "It is not known of all layers which weights read which input: permute inputs instead."
        )
    if len(tensors) != 1:
        return NotChecked(f"The model has {len(tensors)} input tensors, and names are of one.")
    read = np.zeros(tensors[0].count, bool)
    for variable, (before, count, after) in tensors[0].readers:
        weights = np.asarray(variable.numpy()).reshape(before, count, after)
        read |= (weights != 0).any(axis=(0, 2))
    return ~read


def _others(rows: int, draw: np.random.Generator) -> np.ndarray:
    """For each row another row, each once: a turn around a random circle."""
    circle = draw.permutation(rows)
    places = np.empty(rows, int)
    places[circle] = np.roll(circle, 1 + draw.integers(rows - 1))
    return places


def _predicted(predict: Callable[[np.ndarray], Any], x: np.ndarray) -> np.ndarray:
    predicted = as_numpy(predict(x))
    if predicted.ndim == 0 or len(predicted) != len(x):
        raise InputError(
            "`predict` must return as many predictions as it is given rows. Received: shape "
            f"{predicted.shape} for {len(x)} rows."
        )
    return numbers("predict(x)", predicted)


def _losses(
    row_loss: Callable[[np.ndarray, np.ndarray], Any], y: np.ndarray, predicted: np.ndarray
) -> np.ndarray:
    array = losses("row_loss(y, predictions)", row_loss(y, predicted))
    if len(array) != len(y):
        raise InputError(
            "`row_loss` must return one loss a row. Received: "
            f"{len(array)} losses for {len(y)} rows."
        )
    return array
