"""Keras's layers, with the tutorials' `layers.l1(0.01)` and `layers.l2(0.01)`.

Every name of `keras.layers` is here; the lower-case names make taut penalties.
"""

from typing import Any

import keras
import keras.layers as _keras_layers
import numpy as np
from keras import ops

from taut.penalties import L1, L2, ElasticNet, GroupLasso

l1 = L1
l2 = L2
elastic_net = ElasticNet
group_lasso = GroupLasso


@keras.saving.register_keras_serializable("taut")
class Standardize(keras.layers.Layer):
    r"""z = (where(isnan(x), fill, x) − centre)·multiplier, column by column, inside the model.

    fill is the median, centre the mean and 1/multiplier the standard deviation of the rows it
    was adapted to (the last two after filling); a constant column gets multiplier 0. A study
    such as `taut.regularization_path` adapts it anew to the training rows of each fold, so that
    nothing of the held-out rows enters; for `fit`, call `adapt` on the training rows first.

    Example:
        >>> import numpy as np, taut
        >>> layer = taut.layers.Standardize()
        >>> layer.adapt(np.array([[1.0], [3.0]]))
        >>> layer(np.array([[2.0], [3.0]]))
        Array([[0.],
               [1.]], dtype=float32)
    """

    def build(self, input_shape: Any) -> None:
        def add(name: str, initializer: str) -> Any:
            shape = input_shape[-1:]
            return self.add_weight(name=name, shape=shape, initializer=initializer, trainable=False)

        self.fill, self.centre = add("fill", "zeros"), add("centre", "zeros")
        self.multiplier = add("multiplier", "ones")

    def call(self, x: Any) -> Any:
        x = ops.where(ops.isnan(x), ops.convert_to_tensor(self.fill), x)
        return (x - self.centre) * self.multiplier

    def adapt(self, x: Any) -> None:
        """Learn the statistics of rows [rows, columns]."""
        if not self.built:
            self.build(np.shape(x))
            self.built = True
        for name, value in self._statistics(x).items():
            getattr(self, name).assign(value)

    def fold_values(self, x: Any) -> dict[str, np.ndarray]:
        """The same statistics by the path of the weight, without changing the layer."""
        return {getattr(self, name).path: value for name, value in self._statistics(x).items()}

    def _statistics(self, x: Any) -> dict[str, np.ndarray]:
        x = np.asarray(x, "float64")
        fill = np.nanmedian(np.vstack([x, np.where(np.isnan(x).all(axis=0), 0, np.nan)]), axis=0)
        filled = np.where(np.isnan(x), fill, x)
        centre, deviation = filled.mean(axis=0), filled.std(axis=0)
        varies = deviation > 1e-12 * np.abs(centre)
        multiplier = np.where(varies, 1 / np.where(varies, deviation, 1), 0)
        return {"fill": fill, "centre": centre, "multiplier": multiplier}


def __getattr__(name: str) -> Any:
    return getattr(_keras_layers, name)


def __dir__() -> list[str]:
    return sorted({*dir(_keras_layers), "Standardize", "elastic_net", "group_lasso", "l1", "l2"})
