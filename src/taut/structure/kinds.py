"""What a layer or operation without units of its own does to the features that pass it."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import keras
from keras import layers

ATTENTION: tuple[Any, ...] = (layers.MultiHeadAttention, layers.GroupQueryAttention)

# They normalise by statistics of the very values that they get.
NORMALIZATION: tuple[Any, ...] = (
    layers.BatchNormalization,
    layers.LayerNormalization,
    layers.RMSNormalization,
    layers.GroupNormalization,
    layers.UnitNormalization,
)

_DROPOUT = (
    layers.Dropout,  # SpatialDropout is a subclass
    layers.GaussianDropout,
    layers.ActivityRegularization,
    layers.Identity,
)

_ELEMENTWISE = (
    *_DROPOUT,
    layers.AlphaDropout,
    layers.GaussianNoise,
    layers.ReLU,
    layers.LeakyReLU,
    layers.PReLU,
    layers.ELU,
    layers.Rescaling,
    layers.Normalization,
    layers.BatchNormalization,
)


def _family(*stems: str) -> tuple[type, ...]:
    """The layers of one, two and three dimensions that Keras has of these names."""
    classes = (getattr(layers, f"{stem}{rank}D", None) for stem in stems for rank in (1, 2, 3))
    return tuple(layer for layer in classes if layer is not None)


GLOBAL_POOLING = _family("GlobalMaxPooling", "GlobalAveragePooling")
POOLING = (
    *GLOBAL_POOLING,
    *_family("MaxPooling", "AveragePooling"),
    *_family("AdaptiveMaxPooling", "AdaptiveAveragePooling"),  # not in every Keras
)

_MOVES = (
    layers.Flatten,
    layers.Reshape,
    layers.Permute,
    layers.RepeatVector,
    *_family("Cropping", "ZeroPadding", "UpSampling"),
)

_MERGES = (
    layers.Add,
    layers.Subtract,
    layers.Average,
    layers.Maximum,
    layers.Minimum,
    layers.Multiply,
    layers.Concatenate,
)

_FUNCTIONS = (
    *("linear", "relu", "relu6", "leaky_relu", "elu", "celu", "selu", "gelu", "silu", "swish"),
    *("mish", "sigmoid", "tanh", "softplus", "softsign", "exponential", "log_sigmoid"),
    *("hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh", "hard_shrink", "soft_shrink"),
    *("tanh_shrink", "squareplus", "sparse_plus", "sparse_sigmoid", "threshold"),
)
_HOMOGENEOUS_FUNCTIONS = ("linear", "relu", "leaky_relu")


def _operation_names(*functions: str) -> set[str]:
    # `keras.ops.leaky_relu` on a symbolic tensor is an operation of class LeakyRelu.
    return {name.replace("_", "") for name in functions}


_ELEMENTWISE_OPERATIONS = _operation_names(*_FUNCTIONS, "identity", "exp")
_HOMOGENEOUS_OPERATIONS = _operation_names("identity", "relu", "leaky_relu", "reshape")
_MERGE_OPERATIONS = _operation_names(
    *("add", "subtract", "multiply", "maximum", "minimum", "concatenate", "stack"),
    *("true_divide", "divide"),
)
_OTHER_OPERATIONS = _operation_names(
    *("softmax", "log_softmax", "reshape", "squeeze", "expand_dims", "get_item", "transpose"),
)


def elementwise(operation: Any) -> bool:
    """Whether each feature stays where it is and depends on no other feature."""
    if not isinstance(operation, keras.layers.Layer):
        return type(operation).__name__.lower() in _ELEMENTWISE_OPERATIONS
    if isinstance(operation, layers.Activation):
        return elementwise_activation(operation.activation)
    # By its name, because taut's layers know the optimizers and not the other way round.
    name = keras.saving.get_registered_name(type(operation))
    return isinstance(operation, _ELEMENTWISE) or name == "taut>Standardize"


def merges(operation: Any) -> bool:
    """Whether what it makes is made of what it reads: units that it reads are still there."""
    if not isinstance(operation, keras.layers.Layer):
        return type(operation).__name__.lower() in _MERGE_OPERATIONS | _OTHER_OPERATIONS
    others = layers.Softmax, layers.Activation, layers.Bidirectional
    return isinstance(operation, (*_MERGES, *_MOVES, *POOLING, *NORMALIZATION, *others))


def homogeneous(operation: Any) -> bool:
    """Whether f(c·x) = c·f(x) for every c > 0."""
    plain = getattr(operation, "max_value", None) is None
    plain &= not getattr(operation, "threshold", 0)
    if not isinstance(operation, keras.layers.Layer):
        return type(operation).__name__.lower() in _HOMOGENEOUS_OPERATIONS and plain
    if isinstance(operation, layers.Activation):
        return homogeneous_activation(operation.activation)
    rectifiers = layers.ReLU, layers.LeakyReLU, layers.PReLU
    return isinstance(operation, (*rectifiers, *_DROPOUT, *POOLING, *_MOVES)) and plain


def homogeneous_activation(activation: Any) -> bool:
    """Whether a layer's own `activation` has f(c·x) = c·f(x) for every c > 0."""
    return activation is None or _is_function(activation, _HOMOGENEOUS_FUNCTIONS, homogeneous)


def elementwise_activation(activation: Any) -> bool:
    """Whether a layer's own `activation` makes each feature of that feature alone."""
    if isinstance(activation, functools.partial):
        given = (*activation.args, *activation.keywords.values())
        return _numbers(given) and elementwise_activation(activation.func)
    return activation is None or _is_function(activation, _FUNCTIONS, elementwise)


def undoes_scale(operation: Any) -> bool:
    """Whether what it makes stays the same when all that it reads is multiplied by c > 0."""
    # A frozen batch normalisation divides by its moving statistics, also in training.
    frozen = isinstance(operation, layers.BatchNormalization) and not operation.trainable
    return isinstance(operation, NORMALIZATION) and not frozen


def _is_function(function: Any, names: tuple[str, ...], layer_rule: Any) -> bool:
    if isinstance(function, keras.layers.Layer):
        return layer_rule(function)
    known = (getattr(keras.activations, name, None) for name in names)
    if any(function is candidate for candidate in known):
        return True
    # `jax.nn.relu`, `tf.nn.relu` and the like do what Keras's functions of these names do.
    package = str(getattr(function, "__module__", "")).partition(".")[0]
    return package == keras.backend.backend() and getattr(function, "__name__", None) in names


def _numbers(given: Iterable[Any]) -> bool:
    return all(isinstance(value, (bool, int, float)) for value in given)
