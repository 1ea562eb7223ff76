"""The only home of Keras internals: everything here may need a look when Keras changes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
from keras import ops
from keras.src import backend
from keras.src.backend.common import dtypes
from keras.src.layers.rnn.conv_lstm import ConvLSTMCell as _ConvLSTMCell
from keras.src.losses.loss import reduce_weighted_values as _reduce_weighted_values
from keras.src.models import functional

from taut.errors import UnsupportedError

Functional: Any = functional.Functional

StatelessScope: Any = backend.StatelessScope

keras_mask: Any = backend.get_keras_mask
set_keras_mask: Any = backend.set_keras_mask
symbolic_call: Any = backend.compute_output_spec
reduce_weighted_values: Any = _reduce_weighted_values

_BIASES = ("bias", "b", "intercept", "offset")
_SCALES = ("gamma", "beta", "alpha", "scale", "gain", "moving_mean", "moving_variance")


def is_bias(variable: Any) -> bool:
    """Whether a variable is a bias, which its name alone tells."""
    return variable.name in _BIASES or variable.name.endswith("_bias")


def is_normalization_scale(variable: Any) -> bool:
    """Whether a variable is the scale or offset of a normalisation, by its name."""
    return variable.name in _SCALES or variable.name.endswith(("_scale", "_gamma", "_beta"))


@dataclass(frozen=True)
class Update:
    """What a Keras optimizer has just done to a variable.

    Attributes:
        variable: The variable, after the update.
        gradient: The gradient that it took, clipped; of an embedding in TensorFlow, slices.
        before: The value before the update, if it was asked for.
        clip_factor: The clipped gradient divided by the raw one; None without clipping.
    """

    variable: Any
    gradient: Any
    before: Any
    clip_factor: Any


class HookedUpdates:
    """Mixin before a Keras optimizer: calls `_after_updates` inside the gated update.

    Keras gates an update by gradient accumulation, loss scaling and the finiteness of the
    gradients, and clips the gradients first. `_backend_update_step` is inside all of these
    gates on every backend, which a variable's `constraint` is not.
    """

    _clip_pairs: Any = None
    _suspended: Any = None

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        try:
            super().apply(grads, trainable_variables)  # type: ignore[misc]
        finally:
            suspended, self._suspended = self._suspended, None
            for variable, constraint in suspended.pairs if suspended else ():
                variable.constraint = constraint

    def _backend_apply_gradients(self, grads: Any, trainable_variables: Any) -> None:
        super()._backend_apply_gradients(grads, trainable_variables)  # type: ignore[misc]
        # What comes next in Keras's `apply` are the constraints of the variables.
        pairs = [(v, v.constraint) for v in trainable_variables if self._keeps_constraint(v)]
        self._suspended = SimpleNamespace(pairs=pairs)  # a list would be tracked
        for variable, _ in pairs:
            variable.constraint = None

    def _clip_gradients(self, grads: list[Any]) -> list[Any]:
        clipped = super()._clip_gradients(grads)  # type: ignore[misc]
        # Which variables these gradients belong to is known in `_backend_update_step` only,
        # where they arrive in the same order.
        self._clip_pairs = None if clipped is grads else list(zip(grads, clipped, strict=True))
        return clipped

    def _backend_update_step(
        self, grads: list[Any], trainable_variables: list[Any], learning_rate: Any
    ) -> None:
        before = [_copied(v) if self._needs_before(v) else None for v in trainable_variables]
        super()._backend_update_step(grads, trainable_variables, learning_rate)  # type: ignore[misc]
        pairs, self._clip_pairs = self._clip_pairs, None
        factors = [None] * len(grads)
        if pairs is not None:
            rows = zip(trainable_variables, pairs, strict=True)
            factors = [_ratio(*(dense(g, v.shape) for g in pair)) for v, pair in rows]
        rows = zip(trainable_variables, grads, before, factors, strict=True)
        self._after_updates([Update(*row) for row in rows], learning_rate)

    def _overwrite_model_variables_with_average_value(self, trainable_variables: Any) -> None:
        super()._overwrite_model_variables_with_average_value(trainable_variables)  # type: ignore[misc]
        if keras.backend.backend() == "jax":
            # Keras makes the weights and their averages one array, and the next `fit` would give
            # that away twice.
            for variable in trainable_variables:
                variable.assign(ops.copy(variable.value))

    def _keeps_constraint(self, variable: Any) -> bool:
        """Whether `_after_updates` keeps the variable's constraint, so that Keras need not."""
        raise NotImplementedError

    def _needs_before(self, variable: Any) -> bool:
        """Whether `Update.before` is wanted: it costs a copy."""
        raise NotImplementedError

    def _after_updates(self, updates: list[Update], learning_rate: Any) -> None:
        """Called once a step, when every variable has been updated."""
        raise NotImplementedError


_left_out_of_copies: dict[int, Collection[int]] = {}


_left_out: list[Callable[[Any], Collection[int]]] = []
"""What `leave_out_of_losses` was given."""


@contextmanager
def left_out_alike(model: Any, copy: Any, pairs: Iterable[tuple[Any, Any]]) -> Iterator[None]:
    """Leaves out of the losses of a copy, which has no optimizer, what its model leaves out.

    Args:
        model: The model.
        copy: Its copy.
        pairs: Variables of the model, and those of the copy.
    """
    ids = {number for left_out in _left_out for number in left_out(model)}
    _left_out_of_copies[id(copy)] = {id(theirs) for ours, theirs in pairs if id(ours) in ids}
    try:
        yield
    finally:
        del _left_out_of_copies[id(copy)]


def leave_out_of_losses(left_out: Callable[[Any], Collection[int]]) -> None:
    """Leave regularizers out of the losses of models, whatever the backend trains them with.

    Each model is asked on its own, so that a layer's regularizer may be in the loss of one model
    and not in that of another which shares the layer.

    Args:
        left_out: (model) -> the ids of the variables whose regularizers are not in its loss.
    """
    _left_out[:] = [left_out]
    keras_losses = keras.layers.Layer._get_regularization_losses

    def losses(self: Any) -> list[Any]:
        ids = _left_out_of_copies.get(id(self))
        ids = left_out(self) if ids is None else ids
        if not ids:
            return keras_losses(self)
        left = [v for v in self.trainable_weights if id(v) not in ids]
        return keras_losses(SimpleNamespace(trainable_weights=left))

    keras.layers.Layer._get_regularization_losses = losses


def replicas() -> int:
    """On how many devices `tf.distribute` trains at once."""
    if keras.backend.backend() != "tensorflow":
        return 1
    import tensorflow

    tf: Any = tensorflow
    return tf.distribute.get_strategy().num_replicas_in_sync


def made_class(kind: type) -> type:
    """What a call of an optimizer's class makes: with torch, one that updates all at once."""
    new: Any = kind.__new__
    return type(new(kind))


def _copied(variable: Any) -> Any:
    if keras.backend.backend() == "jax":
        return variable.value  # arrays of JAX do not change
    return ops.copy(ops.convert_to_tensor(variable))


def dense(gradient: Any, shape: Any) -> Any:
    """An array, also of TensorFlow's slices of one; where a row occurs twice it is summed."""
    if keras.backend.backend() != "tensorflow":
        return gradient
    import tensorflow

    tf: Any = tensorflow
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    return tf.math.unsorted_segment_sum(gradient.values, gradient.indices, shape[0])


def _ratio(raw: Any, clipped: Any) -> Any:
    safe = ops.where(ops.equal(raw, 0), ops.ones_like(raw), raw)
    return ops.where(ops.equal(raw, 0), ops.ones_like(raw), clipped / safe)


def present_values(variables: Any) -> list[np.ndarray]:
    """The values of variables, also while TensorFlow traces a function."""
    if keras.backend.backend() != "tensorflow":
        return [ops.convert_to_numpy(v) for v in variables]
    import tensorflow

    tf: Any = tensorflow
    with tf.init_scope():
        return [ops.convert_to_numpy(v) for v in variables]


def mode(model: Any, *, training: bool) -> dict[str, bool]:
    """The argument that puts a model in training or inference mode, if its `call` takes one."""
    return {"training": training} if model._call_has_training_arg else {}


@dataclass(frozen=True)
class Arrival:
    """One call of a layer: the first argument, as the layer's `call` gets it, and its mask."""

    layer: Any
    value: Any
    mask: Any


class _Enough(BaseException):
    """Ends the call of a model early; no `Exception`, to which Keras would add its own words."""


def arrivals(
    model: Any,
    layers: Any,
    x: Any,
    state: tuple[list[Any], list[Any]],
    calls: dict[int, int] | None = None,
) -> list[Arrival]:
    """What reaches some layers, in order, when the model is called in inference mode.

    Args:
        model: A built Keras model; it is left as it was.
        layers: Some of its layers, also of models inside it.
        x: Inputs.
        state: Values of its trainable and its non-trainable variables.
        calls: How often each layer is called, by its id: the model is called no further.
    """
    records: list[Arrival] = []
    left = None if calls is None else dict(calls)

    def hook(layer: Any, call: Any) -> Any:
        def hooked(*args: Any, **kwargs: Any) -> Any:
            value = args[0] if args else next(iter(kwargs.values()), None)
            mask = kwargs.get("mask")
            if mask is None and keras.ops.is_tensor(value):
                mask = backend.get_keras_mask(value)
            records.append(Arrival(layer, value, mask))
            if left is not None:
                left[id(layer)] -= 1
                if not any(left.values()):
                    raise _Enough
            return call(*args, **kwargs)

        return hooked

    before = [layer.__dict__.get("call") for layer in layers]
    try:
        for layer in layers:
            layer.__dict__["call"] = hook(layer, layer.call)
        model.stateless_call(*state, x, **mode(model, training=False))
    except _Enough:
        pass
    finally:
        for layer, instance_call in zip(layers, before, strict=True):
            del layer.__dict__["call"]
            if instance_call is not None:
                layer.__dict__["call"] = instance_call
    return records


def state_after_a_step(model: Any, x: Any, state: tuple[list[Any], list[Any]]) -> list[Any]:
    """The non-trainable values that a call in training mode leaves behind."""
    return model.stateless_call(*state, x, **mode(model, training=True))[1]


def compiled_loss(model: Any) -> Any:
    """The object that `compile` makes anew each time; None where no loss was given."""
    return model._compile_loss


def build_loss(model: Any, x: Any, y: Any) -> None:
    """Make what several losses make at their first use: a traced call must not."""
    compiled = model._compile_loss
    several = len(keras.tree.flatten(y)) > 1 or keras.tree.is_nested(compiled._user_loss)
    if not compiled.built and several:
        first_row = keras.tree.map_structure(lambda a: a[:1], (x, y))
        model._symbolic_build(data_batch=(*first_row, None))


def compile_arguments(model: Any) -> dict[str, Any]:
    """Loss and metrics as `compile` was given them, the very same objects."""
    names = ("loss", "loss_weights", "metrics", "weighted_metrics")
    return {name: model._compile_config.config[name] for name in names}


def compiled_metrics(model: Any) -> Any:
    """The metrics that `compile` was given, as one metric; None without."""
    return model._compile_metrics


_TRAINING = ("train_step", "compute_loss", "compute_loss_and_updates", "stateless_compute_loss")


def custom_training(model: Any) -> list[str]:
    """The methods by which a model's class trains in a way of its own."""
    methods = {name: getattr(type(model), name, None) for name in _TRAINING}
    return [
        name
        for name, method in methods.items()
        if method is not None and not method.__module__.startswith("keras.")
    ]


def loss_name(model: Any) -> str:
    """The name of the only compiled loss, in small letters; empty for several."""
    loss = _only_loss(model)
    while hasattr(loss, "func"):  # functools.partial
        loss = loss.func
    function = getattr(loss, "fn", loss)
    named = "" if loss is None else getattr(function, "__name__", type(function).__name__)
    return str(named).lower()


def from_logits(model: Any) -> bool:
    """Whether the only compiled loss takes what the model returns for logits."""
    loss = _only_loss(model)
    options = getattr(loss, "_fn_kwargs", None) or getattr(loss, "keywords", None) or {}
    return bool(options.get("from_logits", getattr(loss, "from_logits", False)))


def _only_loss(model: Any) -> Any:
    given = [
        loss for loss in keras.tree.flatten(model._compile_loss._user_loss) if loss is not None
    ]
    return keras.losses.get(given[0]) if len(given) == 1 else None


def measured_once(model: Any, x: Any, y: Any) -> dict[str, tuple[Any, str | None]]:
    """The compiled metrics of a few rows, by name, and whether each is better "up" or "down".

    The direction is None where Keras does not know it.
    """
    metrics = compiled_metrics(model)
    if metrics is None:
        return {}
    prediction = model(x, **mode(model, training=False))
    metrics.update_state(y, prediction)
    results = metrics.result()
    metrics.reset_state()
    directions = [getattr(metric, "_direction", None) for metric in metrics.metrics]
    return {
        name: (result, direction)
        for (name, result), direction in zip(results.items(), directions, strict=True)
    }


def loss_of_classes(model: Any) -> bool | None:
    """Whether the compiled loss is one on classes; None where it is not one of Keras's.

    Whatever it was given as: a name or its abbreviation, a function, an object under any name.
    """
    given = keras.tree.flatten(model._compile_loss._user_loss)
    given = [loss for loss in given if loss is not None]
    if len(given) != 1:
        return False  # several outputs
    loss = keras.losses.get(given[0])
    while hasattr(loss, "func"):  # functools.partial
        loss = loss.func
    kinds = [*type(loss).__mro__, loss, getattr(loss, "fn", loss)]
    words = {str(getattr(kind, "__name__", "")).lower().replace("_", "") for kind in kinds}
    if any("crossentropy" in word or "hinge" in word for word in words):
        return True
    function = getattr(loss, "fn", loss)
    definition = function if hasattr(function, "__name__") else type(loss)
    return False if str(definition.__module__).startswith("keras.") else None


def call_losses(model: Any, loss_of: Any, y: Any, prediction: Any) -> Any:
    """The compiled loss with `loss_of(part, y_true, y_pred)` in place of each of its losses.

    Which target belongs to which output, and which outputs have a loss, Keras alone decides.
    """
    compiled = model._compile_loss
    if not compiled.built:
        compiled(y, prediction)
    again = object.__new__(type(compiled))  # `copy` would save and load it
    vars(again).update(vars(compiled))
    again._flat_losses = [
        part._replace(loss=lambda y, p, _=None, part=part: loss_of(part, y, p))
        for part in compiled._flat_losses
    ]
    return again(y, prediction)


@contextmanager
def moments_of_rows(model: Any, present: Any) -> Iterator[None]:
    """Batch normalisation takes the moments of the rows that are `present`, [rows] of bool."""

    def moments_of(layer: Any) -> Any:
        def moments(inputs: Any, mask: Any) -> Any:
            if inputs.shape[0] != present.shape[0]:
                raise UnsupportedError(
                    "Batch normalisation must keep the rows of a batch on its first axis, so that "
                    f"places without a row are left out. Received: {layer.name!r} on "
                    f"{tuple(inputs.shape)} of {present.shape[0]} rows. Take a batch size that "
                    "divides the rows, or LayerNormalization."
                )
            shape = tuple(inputs.shape)[:-1]
            rows = ops.reshape(present, (-1, *[1] * (len(shape) - 1)))
            rows = ops.broadcast_to(rows, shape)
            mask = rows if mask is None else ops.logical_and(ops.cast(mask, "bool"), rows)
            statistics = type(layer)._moments(layer, inputs, mask)
            return tuple(ops.reshape(a, (-1,)) for a in statistics)

        return moments

    kind = keras.layers.BatchNormalization
    norms = [layer for layer in model._flatten_layers() if isinstance(layer, kind)]
    for layer in norms:
        vars(layer)["_moments"] = moments_of(layer)
    try:
        yield
    finally:
        for layer in norms:
            del vars(layer)["_moments"]


_OVER_PATCHES: ContextVar[bool] = ContextVar("_OVER_PATCHES", default=False)


@contextmanager
def over_patches() -> Iterator[None]:
    """On JAX, convolutions and maxima of windows that are traced here are computed over patches.

    A convolution is a matrix product. Those with groups, or with channels first, and windows that
    overlap stay what they are.
    """
    token = _OVER_PATCHES.set(True)
    backend.nn.conv, backend.nn.max_pool = _conv, _max_pool
    try:
        yield
    finally:
        _OVER_PATCHES.reset(token)


def _conv(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    last = backend.standardize_data_format(data_format) == "channels_last"
    whole = inputs.shape[-1] == kernel.shape[-2]
    if not (_OVER_PATCHES.get() and last and whole and padding in ("valid", "same")):
        return _CONV(inputs, kernel, strides, padding, data_format, dilation_rate)
    inputs, kernel = (ops.convert_to_tensor(a) for a in (inputs, kernel))
    axes = range(inputs.ndim - 2)
    strides, rates = (
        [n] * len(axes) if isinstance(n, int) else list(n) for n in (strides, dilation_rate)
    )
    sizes = list(kernel.shape[: len(axes)])
    reach = [(size - 1) * rate + 1 for size, rate in zip(sizes, rates, strict=True)]
    if padding == "same":
        more = []
        for axis in axes:
            length = inputs.shape[1 + axis]
            total = max((-(-length // strides[axis]) - 1) * strides[axis] + reach[axis] - length, 0)
            more.append((total // 2, total - total // 2))
        inputs = ops.pad(inputs, [(0, 0), *more, (0, 0)])
    ends = [
        (inputs.shape[1 + axis] - reach[axis]) // strides[axis] * strides[axis] + 1 for axis in axes
    ]

    def patch(at: tuple[int, ...]) -> Any:
        begins = [k * rate for k, rate in zip(at, rates, strict=True)]
        spans = zip(begins, ends, strides, strict=True)
        return inputs[(slice(None), *(slice(k, k + end, step) for k, end, step in spans))]

    patches = ops.concatenate([patch(at) for at in np.ndindex(*sizes)], axis=-1)
    return ops.matmul(patches, ops.reshape(kernel, (-1, kernel.shape[-1])))


def _max_pool(
    inputs: Any,
    pool_size: Any,
    strides: Any = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    last = backend.standardize_data_format(data_format) == "channels_last"
    count = inputs.ndim - 2
    sizes, steps = (
        [n] * count if isinstance(n, int) else list(n) for n in (pool_size, strides or pool_size)
    )
    if not (_OVER_PATCHES.get() and last and sizes == steps and padding == "valid"):
        return _MAX_POOL(inputs, pool_size, strides, padding, data_format)
    lengths = [n // size for n, size in zip(inputs.shape[1:-1], sizes, strict=True)]
    whole = [slice(n * size) for n, size in zip(lengths, sizes, strict=True)]
    return _maximum(inputs[(slice(None), *whole)], tuple(sizes))


def _maximum(inputs: Any, sizes: tuple[int, ...]) -> Any:
    """The maximum of each window of these sizes; its gradient goes to the first of equals."""
    import jax
    import jax.numpy as jnp

    count = len(sizes)
    lengths = [n // size for n, size in zip(inputs.shape[1:-1], sizes, strict=True)]
    pairs = [n for pair in zip(lengths, sizes, strict=True) for n in pair]

    def in_windows(inputs: Any) -> Any:
        return inputs.reshape(inputs.shape[0], *pairs, inputs.shape[-1])

    @jax.custom_vjp
    def maximum(inputs: Any) -> Any:
        return in_windows(inputs).max(tuple(range(2, 2 * count + 1, 2)))

    def forward(inputs: Any) -> Any:
        largest = maximum(inputs)
        return largest, (inputs, largest)

    def backward(saved: Any, gradient: Any) -> Any:
        inputs, largest = saved
        windows, taken = in_windows(inputs), jnp.zeros(largest.shape, bool)

        def spread(place: tuple[int, ...]) -> Any:
            nonlocal taken
            if len(place) < count:
                parts = [spread((*place, k)) for k in range(sizes[len(place)])]
                return jnp.stack(parts, len(place) + 2)
            here = [part for k in place for part in (slice(None), k)]
            first = (windows[(slice(None), *here)] == largest) & ~taken
            taken |= first
            return jnp.where(first, gradient, 0)

        return (spread(()).reshape(inputs.shape),)

    maximum.defvjp(forward, backward)
    return maximum(inputs)


_CONV: Any = backend.nn.conv
_MAX_POOL: Any = backend.nn.max_pool


def jitted(function: Any) -> Any:
    """The function compiled as one program on JAX, where operations alone compile slowly."""
    if keras.backend.backend() != "jax":
        return function
    import jax

    return jax.jit(function)


def double_precision() -> Any:
    """A context in which float64 is what it says; on JAX it is float32 outside of it."""
    if keras.backend.backend() != "jax":
        return nullcontext()
    import jax

    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(True)
    from jax import experimental

    return getattr(experimental, "enable_x64")()  # noqa: B009 (its place before JAX 0.8)


@contextmanager
def double_throughout() -> Iterator[None]:
    """`double_precision`, in which no operation of Keras makes float32 of float64 either."""
    to_single = dtypes.BIT64_TO_BIT32_DTYPE
    before = to_single["float64"]
    to_single["float64"] = "float64"
    try:
        with double_precision():
            yield
    finally:
        to_single["float64"] = before


def made_of_a_graph(kind: type) -> bool:
    """Whether a class of models is made by `kind(inputs, outputs, name=…)`."""
    return functional.functional_like_constructor(kind)


def is_graph_model(layer: Any) -> bool:
    """Whether it is a model that is known by its graph."""
    return isinstance(layer, keras.Model) and symbolic_graph(layer) is not None


def input_structure(model: Any) -> Any:
    """The symbolic inputs of a Sequential or Functional model, as they are fed."""
    return (model._functional if isinstance(model, keras.Sequential) else model)._inputs_struct


def input_name(symbolic: Any) -> str:
    """The name of what a model is fed; without a name of its own, that of its layer."""
    return symbolic._keras_history.operation.name


def give_first_value(variable: Any, value: np.ndarray) -> None:
    """Give a value to a variable that may have none yet, without asking its initializer."""
    if variable._value is not None:
        variable.assign(value)
        return
    variable._initialize(variable._convert_to_tensor(value, dtype=variable._dtype))
    variable._initializer = None


def has_value(variable: Any) -> bool:
    return variable._value is not None


ConvLSTMCell: Any = _ConvLSTMCell


def own_weights(layer: Any) -> list[Any]:
    """A layer's weights without those of its sublayers, frozen or not; an operation has none."""
    return list(getattr(layer, "_trainable_variables", ()))


def sublayers(layer: Any) -> list[Any]:
    """The layers directly inside a layer or model, each once."""
    return layer._flatten_layers(include_self=False, recursive=False)


def attention_projections(layer: Any) -> dict[str, Any]:
    """The dense layers inside a built (multi-head or grouped-query) attention layer, by role."""
    roles = {role: getattr(layer, f"_{role}_dense", None) for role in _ATTENTION_ROLES}
    return {role: dense for role, dense in roles.items() if dense is not None}


_ATTENTION_ROLES = ("query", "key", "value", "gate", "output")


@dataclass(frozen=True)
class SymbolicCall:
    """One call in the graph of a Functional model; `reads` and `makes` are symbolic tensors."""

    operation: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    reads: list[Any]
    makes: list[Any]


@dataclass(frozen=True)
class SymbolicGraph:
    """The calls of a Functional model in an order in which they can be run."""

    input_structure: Any
    inputs: list[Any]
    outputs: list[Any]
    calls: list[SymbolicCall]


def symbolic_graph(model: Any) -> SymbolicGraph | None:
    """What a Functional or Sequential model computes; None where its own `call` decides that."""
    if isinstance(model, keras.Sequential):
        if type(model).call is not keras.Sequential.call:
            return None
        model = model._functional
    if not isinstance(model, Functional) or type(model).call is not Functional.call:
        return None
    calls = [
        SymbolicCall(
            node.operation,
            node.arguments.args,
            node.arguments.kwargs,
            node.input_tensors,
            node.outputs,
        )
        for depth in sorted(model._nodes_by_depth, reverse=True)
        for node in model._nodes_by_depth[depth]
        if not node.is_input
    ]
    return SymbolicGraph(model._inputs_struct, model.inputs, model.outputs, calls)
