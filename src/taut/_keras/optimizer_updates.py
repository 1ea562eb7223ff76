"""The updates of a Keras optimizer: a hook inside its gates, and arrays as a step leaves them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
from keras import ops

from taut._keras.kept_state import schedule_of


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

    def _filter_empty_gradients(self, grads: Any, vars: Any) -> tuple[list[Any], list[Any]]:
        # JAX has zeros where no loss depends on a variable, and other backends nothing at all.
        present, _ = super()._filter_empty_gradients(grads, vars)  # type: ignore[misc]
        if len(present) == len(vars):
            return list(grads), list(vars)
        filled = [
            ops.zeros(v.shape, v.dtype) if g is None and self._needs_gradient(v) else g
            for g, v in zip(grads, vars, strict=True)
        ]
        pairs = [(g, v) for g, v in zip(filled, vars, strict=True) if g is not None]
        return [g for g, _ in pairs], [v for _, v in pairs]

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
            arrays = [(dense(a, v.shape), dense(b, v.shape)) for v, (a, b) in rows]
            one = ops.ones((), arrays[0][0].dtype)
            of_all = _ratio_of_sums(arrays, one) if self.global_clipnorm else one  # type: ignore[attr-defined]
            factors = [_ratio(a, b, _ratio_of_sums([(a, b)], of_all)) for a, b in arrays]
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

    def _needs_gradient(self, variable: Any) -> bool:
        """Whether the variable must be in each update, also where no loss depends on it."""
        raise NotImplementedError

    def _needs_before(self, variable: Any) -> bool:
        """Whether `Update.before` is wanted: it costs a copy."""
        raise NotImplementedError

    def _after_updates(self, updates: list[Update], learning_rate: Any) -> None:
        """Called once a step, when every variable has been updated."""
        raise NotImplementedError


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


def _ratio(raw: Any, clipped: Any, where_none: Any) -> Any:
    none = ops.equal(raw, 0)
    return ops.where(none, ops.cast(where_none, raw.dtype), clipped / ops.where(none, 1, raw))


def _ratio_of_sums(pairs: list[Any], where_none: Any) -> Any:
    """By how much clipping shortens gradients as a whole.

    It is what stands for a weight whose own gradient is zero: that is shortened by what the others
    are, so that a batch which does not reach the weight moves it no more than one that does.
    """
    raw, clipped = (sum(ops.sum(ops.abs(pair[i])) for pair in pairs) for i in (0, 1))
    return _ratio(ops.convert_to_tensor(raw), clipped, where_none)


def settings_of(optimizer: Any) -> dict[str, Any]:
    """What makes an optimizer of Keras again; a schedule is itself, registered or not."""
    config = optimizer.get_config()
    schedule = schedule_of(optimizer)
    return config if schedule is None else {**config, "learning_rate": schedule}


def renewed(optimizer: Any, variables: Any = (), others: Any = (), **changes: Any) -> Any:
    """A new optimizer of the same settings, and what it leaves out of weight decay.

    Args:
        optimizer: Keras's own.
        variables: Those that it is for.
        others: Those that the new one is for, each in the place of its counterpart.
        **changes: Settings that are others.
    """
    if hasattr(optimizer, "optimizers"):  # MultiOptimizer
        return with_inner(optimizer, lambda one: renewed(one, variables, others, **changes))
    new = type(optimizer).from_config({**settings_of(optimizer), **changes})
    excluded = getattr(optimizer, "_exclude_from_weight_decay", None) or ()
    pattern = getattr(optimizer, "_exclude_from_weight_decay_pattern", None)
    if excluded or pattern:
        pairs = zip(variables, others, strict=True)
        new.exclude_from_weight_decay(
            var_list=[b for a, b in pairs if optimizer._var_key(a) in excluded],
            var_names=[pattern.pattern] if pattern else None,
        )
    return new


def with_inner(optimizer: Any, made: Callable[[Any], Any]) -> Any:
    """What `made` makes of an optimizer; of those inside, where it is one of Keras's wrappers."""
    if hasattr(optimizer, "inner_optimizer"):  # LossScaleOptimizer
        settings = optimizer.get_config()
        settings["inner_optimizer"] = made(optimizer.inner_optimizer)
        return type(optimizer)(**settings)
    if not hasattr(optimizer, "optimizers"):
        return made(optimizer)
    new = {id(inside): made(inside) for inside in optimizer.optimizers}  # MultiOptimizer
    choose: Any = optimizer._optimizer_map
    if isinstance(choose, keras.optimizers.OptimizerMap):
        patterns = {pattern: new[id(choose[pattern])] for pattern in choose}
        again: Any = keras.optimizers.OptimizerMap(new[id(choose.default_optimizer)], patterns)
    else:  # a function, which makes one for each variable, or chooses among those that there are
        again = lambda variable: new.get(id(one := choose(variable)), one)  # noqa: E731
    return type(optimizer)(again, optimizer.loss_scale_factor, optimizer.name)


def made_class(kind: type) -> type:
    """What a call of an optimizer's class makes: with torch, one that updates all at once."""
    new: Any = kind.__new__
    return type(new(kind))


def replicas() -> int:
    """On how many devices `tf.distribute` trains at once."""
    if keras.backend.backend() != "tensorflow":
        return 1
    import tensorflow

    tf: Any = tensorflow
    return tf.distribute.get_strategy().num_replicas_in_sync


def present_values(variables: Any) -> list[np.ndarray]:
    """The values of variables, also while TensorFlow traces a function."""
    if keras.backend.backend() != "tensorflow":
        return [ops.convert_to_numpy(v) for v in variables]
    import tensorflow

    tf: Any = tensorflow
    with tf.init_scope():
        return [ops.convert_to_numpy(v) for v in variables]
