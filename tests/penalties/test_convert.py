"""Conversion is exact: the same function, to float precision."""

import keras
import numpy as np
import pytest
from keras import ops

import taut
from taut import penalties
from taut.errors import InputError, UnsupportedError

W = np.array([[0.5, -2.0], [0.0, 3.0]], "float32")


@pytest.mark.parametrize(
    "regularizer",
    [
        keras.regularizers.L1(0.03),
        keras.regularizers.L2(0.03),
        keras.regularizers.L1L2(0.03, 0.2),
        keras.regularizers.L1L2(0.0, 0.2),
        keras.regularizers.L1L2(0.03, 0.0),
    ],
    ids=lambda regularizer: str(regularizer.get_config()),
)
def test_keras_regularizers_convert_exactly(regularizer):
    ours = penalties.get(regularizer)
    assert float(ops.convert_to_numpy(ours(W))) == pytest.approx(
        float(ops.convert_to_numpy(regularizer(W))), rel=1e-6
    )


def test_names_and_penalties():
    assert penalties.get("l1") == taut.L1(0.01)
    assert penalties.get("L2") == taut.L2(0.01)
    penalty = taut.L1(0.3)
    assert penalties.get(penalty) is penalty


def test_what_has_no_equal_is_refused():
    with pytest.raises(UnsupportedError, match="OrthogonalRegularizer"):
        penalties.get(keras.regularizers.OrthogonalRegularizer())
    with pytest.raises(InputError, match="must be one of"):
        penalties.get("l3")
    with pytest.raises(InputError, match="Keras regularizer"):
        penalties.get(0.1)
