"""Which functions act on each unit alone, and which keep the scale."""

from functools import partial

import jax
import keras
import pytest

from taut.structure.kinds import elementwise_activation, homogeneous_activation

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="functions of JAX")


@pytest.mark.parametrize(
    ("function", "elementwise", "homogeneous"),
    [
        (None, True, True),
        (keras.activations.relu, True, True),
        (keras.activations.softmax, False, False),
        (jax.nn.relu, True, True),
        (jax.numpy.tanh, True, False),
        (jax.nn.softmax, False, False),
        (partial(jax.nn.leaky_relu, negative_slope=0.2), True, False),
        (partial(keras.activations.relu, max_value=6), True, False),
        (partial(keras.activations.softmax, axis=1), False, False),
        (partial(keras.activations.relu, max_value=[1, 2]), False, False),
        (lambda x: keras.ops.relu(x), False, False),
    ],
)
def test_what_is_known_of_functions(function, elementwise, homogeneous):
    assert elementwise_activation(function) is elementwise
    assert homogeneous_activation(function) is homogeneous


def test_a_function_of_ones_own_is_not_taken_for_one_by_its_name():
    def relu(x):
        return x / keras.ops.max(x)

    assert not elementwise_activation(relu)
