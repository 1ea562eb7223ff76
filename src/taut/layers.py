"""Keras's layers, with the tutorials' `layers.l1(0.01)` and `layers.l2(0.01)`.

Every name of `keras.layers` is here; the lower-case names make taut penalties, with taut's
factors: `l2(a)` is (a/2)·Σw². Those of `taut.regularizers` have Keras's: a·Σw².
"""

from typing import Any

import keras
import keras.layers as _keras_layers
import numpy as np
from keras import ops

from taut._mirror import names_beside
from taut._sums import FoldMedians, FoldMoments, FoldSums, merged
from taut.checks import check_at_least
from taut.penalties import L1, L2, ElasticNet, GroupLasso

l1 = L1
l2 = L2
elastic_net = ElasticNet
group_lasso = GroupLasso


def l1_l2(l1: float = 0.01, l2: float = 0.01) -> ElasticNet:
    """l1·Σ|w| + (l2/2)·Σw², which is `layers.l1(l1) + layers.l2(l2)`, as one elastic net."""
    check_at_least(0, l1=l1, l2=l2)
    return ElasticNet(l1 + l2, l1_ratio=l1 / (l1 + l2) if l1 else 0.0)


@keras.saving.register_keras_serializable("taut")
class Standardize(keras.layers.Layer):
    r"""z = (where(isnan(x), fill, x) − centre)·multiplier, column by column, inside the model.

    fill is the median, centre the mean and 1/multiplier the standard deviation of the rows it
    was adapted to (the last two after filling); a constant column gets multiplier 0. Of
    [rows, steps, columns] every step that is not masked counts like a row. A study such as
    `taut.regularization_path` adapts it anew, wherever in the model it is, to what reaches it of
    the training rows of each fold, so that nothing of the held-out rows enters; what is before it
    must not be trained. For `fit`, call `adapt` on what reaches it of the training rows first.

    Example:
        >>> import numpy as np, taut
        >>> layer = taut.layers.Standardize()
        >>> layer.adapt(np.array([[1.0], [3.0]]))
        >>> layer(np.array([[2.0], [3.0]]))
        Array([[0.],
               [1.]], dtype=float32)
    """

    def __init__(self, **settings: Any):
        super().__init__(**settings)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        def add(name: str, initializer: str) -> Any:
            shape = input_shape[-1:]
            return self.add_weight(name=name, shape=shape, initializer=initializer, trainable=False)

        self.fill, self.centre = add("fill", "zeros"), add("centre", "zeros")
        self.multiplier = add("multiplier", "ones")

    def call(self, x: Any) -> Any:
        x = ops.cast(x, self.compute_dtype)
        x = ops.where(ops.isnan(x), ops.convert_to_tensor(self.fill), x)
        return (x - self.centre) * self.multiplier

    def adapt(self, x: Any, mask: Any = None) -> None:
        """Learn the statistics of rows [rows, …, columns]; `mask` [rows, …] says what counts."""
        if not self.built:
            self.build(np.shape(x))
            self.built = True
        for name, value in self._statistics(x, mask).items():
            getattr(self, name).assign(value)

    def fold_values(self, x: Any, mask: Any = None) -> dict[str, np.ndarray]:
        """The same statistics by the path of the weight, without changing the layer."""
        statistics = self._statistics(x, mask)
        return {getattr(self, name).path: value for name, value in statistics.items()}

    def fold_sums(self, folds: int) -> FoldSums:
        """The same of rows in pieces, for each of `folds` folds; they are read three times."""
        paths = {n: getattr(self, n).path for n in ("fill", "centre", "multiplier")}
        return _StandardizeSums(folds, paths)

    def _statistics(self, x: Any, mask: Any) -> dict[str, np.ndarray]:
        x = _entries(x, mask)[0].astype("float64")
        fill = np.nanmedian(np.vstack([x, np.where(np.isnan(x).all(axis=0), 0, np.nan)]), axis=0)
        filled = np.where(np.isnan(x), fill, x)
        if not len(x):  # every step is masked
            return _scaled(fill, fill, np.zeros_like(fill))
        return _scaled(fill, filled.mean(axis=0), filled.std(axis=0))


def _entries(x: Any, mask: Any) -> tuple[np.ndarray, np.ndarray]:
    """[entries, columns] of what is not masked in [rows, …, columns], and the row of each."""
    x = np.asarray(x)
    shape = x.shape[:-1]
    rows = np.broadcast_to(np.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 1)), shape)
    if mask is None:
        return x.reshape(-1, x.shape[-1]), rows.reshape(-1)
    mask = np.asarray(mask, bool)
    counts = np.broadcast_to(mask.reshape(mask.shape + (1,) * (len(shape) - mask.ndim)), shape)
    return x[counts], rows[counts]


class _StandardizeSums:
    """Medians of the columns, and moments of what is not NaN."""

    def __init__(self, folds: int, paths: dict[str, str]):
        self._folds, self._paths = folds, paths
        self._medians, self._moments = FoldMedians(folds), FoldMoments(folds)
        self._rows, self._first = np.zeros(folds, np.int64), True

    def add(self, x: np.ndarray, folds: np.ndarray, mask: np.ndarray | None = None) -> None:
        x, rows = _entries(x, mask)
        folds = folds[rows]
        self._medians.add(x, folds)
        if self._first:
            self._moments.add(x, folds)
            self._rows += np.bincount(folds, minlength=self._folds)

    def end_pass(self) -> bool:
        self._first = False
        self._medians.end_pass()
        return not self._medians.settled

    def values(self) -> list[dict[str, np.ndarray]]:
        by_fold = []
        for fold in range(self._folds):
            rows = self._rows.sum() - (self._rows[fold] if self._folds > 1 else 0)
            count, mean, squares = self._moments.of_training(fold)
            fill = np.where(count > 0, self._medians.of_training(fold), 0)
            filled = np.stack([rows - count, fill, np.zeros_like(fill)])
            _, centre, squares = merged(np.stack([count, mean, squares]), filled)
            statistics = _scaled(fill, centre, np.sqrt(squares / max(rows, 1)))
            by_fold.append({self._paths[name]: value for name, value in statistics.items()})
        return by_fold


def _scaled(fill: np.ndarray, centre: np.ndarray, deviation: np.ndarray) -> dict[str, np.ndarray]:
    varies = deviation > 1e-12 * np.abs(centre)
    multiplier = np.where(varies, 1 / np.where(varies, deviation, 1), 0)
    return {"fill": fill, "centre": centre, "multiplier": multiplier}


_OURS = ("Standardize", "elastic_net", "group_lasso", "l1", "l1_l2", "l2")
__all__ = names_beside(_keras_layers, *_OURS)


def __getattr__(name: str) -> Any:
    return getattr(_keras_layers, name)


def __dir__() -> list[str]:
    return __all__
