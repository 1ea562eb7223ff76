"""Any of the supported Keras optimizers with penalties, each treated by its exact prox."""

from __future__ import annotations

import weakref
from typing import Any, Self

import keras
from keras import ops

from taut._keras_compat import HookedUpdates
from taut.errors import InputError, UnsupportedError
from taut.optimizers.metric import STEPS, keras_class, momentum_shape
from taut.optimizers.selection import (
    Assignment,
    Entry,
    Lifted,
    assign,
    parse,
    saved_selector,
)
from taut.penalties import Penalty, sum_prox


class Proximal(HookedUpdates):
    r"""A Keras optimizer that minimises J'(w) = J(w) + Σ α·R(w) exactly.

    After each of the optimizer's own updates, every penalised weight goes through

        w ← prox_{s·αR}(w),

    with s the optimizer's metric: the step, by coordinate, at which it moves along a constant
    gradient (see `taut.optimizers.metric`). So at convergence w = prox_{s·αR}(w − s·∇J(w)),
    a stationary point of J', with true zeros where R has them. Momentum, learning-rate
    schedules, clipping and gradient accumulation keep that law.

    The object *is* the Keras optimizer (`Proximal("adam", …)` is a `keras.optimizers.Adam`), so
    it goes wherever Keras takes one. The penalty is not in the loss that Keras reports.

    Args:
        optimizer: A name or an instance of SGD, Adam, AdamW, RMSprop or Adagrad.
        penalty: A penalty, a name, a Keras regularizer, or a mapping from selectors to these,
            where the first selector that matches a variable counts and None means no penalty.
            A selector is a regular expression on the variable's path, a layer, or a callable
            from variable to bool.

    Attributes:
        strengths: One scalar Keras variable a penalty (each part of a sum has its own), in the
            order of the mapping, then layers' own penalties; assign to one to change a strength
            while training.

    Raises:
        UnsupportedError: For another optimizer; for `weight_decay` (decoupled decay is the
            gradient of no penalty, so no J' would be minimised) and for `use_ema` (averages of
            sparse weights are not sparse).
        InputError: For a penalty or selector of no known kind, or an optimizer already in use.

    Example:
        >>> import keras, taut
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        >>> model.compile(optimizer=taut.Proximal("adam", taut.L1(0.01)), loss="mse")

    References:
        Beck and Teboulle, A fast iterative shrinkage-thresholding algorithm, 2009.
        Yun, Lozano and Yang, Adaptive proximal gradient methods for structured neural
        networks, 2021.
    """

    def __new__(cls, optimizer: Any = "adam", penalty: Any = None) -> Self:
        del penalty
        if cls is not Proximal:  # Keras makes an instance of one of the classes below
            return super().__new__(cls)
        return super().__new__(_PROXIMAL[keras_class(_resolve(optimizer))])

    def __init__(self, optimizer: Any = "adam", penalty: Any = None):
        inner = _resolve(optimizer)
        if inner.built:
            raise InputError(
                "`optimizer` must be new: its state would be lost. Received one that is already "
                "built. Pass a fresh instance or a name."
            )
        entries = () if penalty is None else parse(penalty)
        config = inner.get_config()
        rate = config["learning_rate"]
        if isinstance(rate, dict):
            rate = keras.saving.deserialize_keras_object(rate)
        super().__init__(**{**config, "learning_rate": rate})  # type: ignore[call-arg]
        self._kind = keras_class(inner)
        self._entries = _Held(entries)
        self._plan = _Held([])
        self.strengths: list[Any] = []
        self.momentum_steps: list[Any] = []
        self._strength_of: dict[int, list[int]] = {}  # by id: two paths may be equal

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The selectors and penalties as they were requested."""
        return self._entries.value

    def assignments(self, variables: list[Any] | None = None) -> list[Assignment]:
        """What each variable gets; of `variables` where the optimizer is not built yet.

        Raises:
            InputError: If a selector matches no variable.
        """
        return self._plan.value or assign(variables or [], self.entries)

    def build(self, variables: list[Any]) -> None:
        if self.built:  # type: ignore[has-type]
            return
        plan = assign(variables, self.entries)
        super().build(variables)  # type: ignore[misc]
        self._plan = _Held(plan)
        # The mapping's own entries first, in its order; then layers' own penalties.
        entries = [*self.entries, *(a.entry for a in plan if a.entry is not None)]
        numbers: dict[int, list[int]] = {}
        for entry in entries:
            if id(entry) not in numbers and entry.penalty is not None:
                numbers[id(entry)] = [self._add_strength(part) for part in entry.penalty.parts]
        for assignment in plan:
            if assignment.entry is not None and assignment.parts:
                self._strength_of[id(assignment.variable)] = numbers[id(assignment.entry)]
        for variable, assignment in zip(variables, plan, strict=True):
            shape = momentum_shape(self, variable) if assignment.parts else None
            step = None
            if shape is not None:
                step = self.add_variable(  # type: ignore[attr-defined]
                    shape=shape, dtype=variable.dtype, name="momentum_step"
                )
            self.momentum_steps.append(step)
        alive = weakref.ref(self)
        for assignment in plan:
            own = assignment.variable.regularizer
            if isinstance(own, Lifted):
                own = own.penalty
            if isinstance(own, Penalty):
                assignment.variable.regularizer = Lifted(own, alive)

    def _add_strength(self, part: Penalty) -> int:
        variable = self.add_variable(  # type: ignore[attr-defined]
            shape=(),
            initializer=keras.initializers.Constant(part.strength),
            dtype="float32",
            name=f"strength_{len(self.strengths)}",
        )
        self.strengths.append(variable)
        return len(self.strengths) - 1

    def strengths_of(self, variable: Any) -> list[Any]:
        """The strength variables of the penalty on `variable`, one a part of a sum."""
        return [self.strengths[i] for i in self._strength_of.get(id(variable), ())]

    def _after_update(self, variable: Any, learning_rate: Any, clip_factor: Any) -> None:
        strengths = self.strengths_of(variable)
        if not strengths:
            return
        index = self._get_variable_index(variable)  # type: ignore[attr-defined]
        parts = self._plan.value[index].parts
        dtype = variable.dtype
        step = STEPS[self._kind](self, variable, ops.cast(learning_rate, dtype))
        if clip_factor is not None:
            # A clipped optimizer moves along the clipped gradient, so at a shorter step.
            step = step * ops.cast(clip_factor, dtype)
        values = [ops.cast(s, dtype) for s in strengths]
        variable.assign(sum_prox(parts, ops.convert_to_tensor(variable), step, values))

    def plain(self) -> Any:
        """A new Keras optimizer with the same settings, without the penalties."""
        return self._kind.from_config(super().get_config())  # type: ignore[misc]

    def get_config(self) -> dict[str, Any]:
        inner = super().get_config()  # type: ignore[misc]
        plan = self._plan.value
        return {
            "optimizer": {"class_name": self._kind.__name__, "config": inner},
            "penalties": [
                [
                    saved_selector(entry, plan),
                    None
                    if entry.penalty is None
                    else keras.saving.serialize_keras_object(entry.penalty),
                ]
                for entry in self.entries
            ],
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        del custom_objects
        inner = keras.optimizers.deserialize(config["optimizer"])
        request = {
            selector: None if penalty is None else keras.saving.deserialize_keras_object(penalty)
            for selector, penalty in config["penalties"]
        }
        return cls(inner, request or None)


class _Held:
    """Hides its content from the tracking of Keras, which would copy lists and dicts."""

    def __init__(self, value: Any):
        self.value = value


def _resolve(optimizer: Any) -> keras.optimizers.Optimizer:
    if isinstance(optimizer, str) and optimizer.lower() == "adamw":
        # Keras's default decay of 0.004 is a choice of nobody's here: the penalty replaces it.
        return keras.optimizers.AdamW(weight_decay=0.0)
    resolved = keras.optimizers.get(optimizer)
    if isinstance(resolved, Proximal):
        raise InputError(
            "`optimizer` must be a plain Keras optimizer. Received one that is already Proximal. "
            "Give it all penalties at once, as a mapping from selectors or as a sum."
        )
    if resolved.weight_decay:
        raise UnsupportedError(
            "`weight_decay` must be 0 or None in a proximal optimizer: decoupled decay is the "
            "gradient of no penalty, so no stated objective would be minimised. Received: "
            f"weight_decay={resolved.weight_decay}. Pass weight_decay=0 and a penalty with an L2 "
            "part, such as `taut.L1(a) + taut.L2(b)`."
        )
    if resolved.use_ema:
        raise UnsupportedError(
            "`use_ema` must be False in a proximal optimizer: the average of sparse weights is "
            "not sparse. Received: use_ema=True. Leave it out, and decay the learning rate."
        )
    return resolved


def _make(kind: type) -> type:
    name = f"Proximal{kind.__name__}"
    made = type(name, (Proximal, kind), {"__doc__": Proximal.__doc__, "__module__": __name__})
    # Keras finds the class by its module when a saved model is loaded.
    globals()[name] = made
    return keras.saving.register_keras_serializable("taut", name)(made)


_PROXIMAL = {kind: _make(kind) for kind in STEPS}
