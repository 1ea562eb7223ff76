"""Any of the supported Keras optimizers with penalties, each treated by its exact prox."""

from __future__ import annotations

import math
import warnings
import weakref
from collections.abc import Sequence
from typing import Any, Self

import keras
from keras import ops

from taut._keras.kept_state import schedule_of
from taut._keras.optimizer_updates import (
    HookedUpdates,
    Update,
    made_class,
    replicas,
    settings_of,
)
from taut.errors import InputError
from taut.optimizers.averages import Averages
from taut.optimizers.exact_step import apply_prox
from taut.optimizers.metric import (
    NEED_BEFORE,
    STEPS,
    check_replicas,
    keras_class,
    momentum_shape,
)
from taut.optimizers.plain_keras import NAMED, resolved
from taut.optimizers.request import Request, lifts
from taut.optimizers.selection import Assignment, Entry, without_penalty
from taut.optimizers.terms import Term
from taut.penalties import Penalty

ALIVE: weakref.WeakSet[Any] = weakref.WeakSet()
"""The `Proximal` optimizers that there are."""


class Proximal(HookedUpdates):
    r"""A Keras optimizer that minimises J'(w) = J(w) + Σ α·R(w) exactly.

    After each of the optimizer's own updates, every penalised weight goes through

        w ← prox_{s·αR}(w),

    with s the optimizer's metric: the step, by coordinate, at which it moves along a constant
    gradient (see `taut.optimizers.metric`). So at convergence w = prox_{s·αR}(w − s·∇J(w)),
    a stationary point of J', with true zeros where R has them. Momentum, learning-rate
    schedules, clipping, gradient accumulation and averages of the weights (`use_ema`) keep that
    law.

    The object *is* the Keras optimizer (`Proximal("adam", …)` is a `keras.optimizers.Adam`), so
    it goes wherever Keras takes one. The penalty is not in the loss that Keras reports.

    What layers have of their own is treated too: penalties of taut (`kernel_regularizer=
    taut.L1(…)`), which come before the mapping; Keras's L1, L2 and L1L2, converted exactly and
    added to what the mapping says; and Keras's constraints, where a penalty equals them. Each
    model that is compiled with such an optimizer leaves those regularizers out of its loss, no
    other does; a model that is not compiled does so once the optimizer is bound to it.

    Args:
        optimizer: A name or an instance of SGD, Adam, AdamW, Adamax, Nadam, RMSprop, Adagrad,
            Adadelta, Lamb or Adafactor.
        penalty: A penalty, a name, a Keras regularizer, or a mapping from selectors to these,
            where the first selector that matches a variable counts and None means no penalty.
            A selector is a name in the variable's path or a regular expression on it, a layer,
            or a callable from variable to bool.

    Attributes:
        strengths: One scalar Keras variable a penalty (each part of a sum has its own), in the
            order of the mapping, then layers' own penalties; assign to one to change a strength
            while training (`taut.callbacks.StrengthSchedule` does). The strengths of Keras's own
            regularizers are among them where no penalty is asked for besides.
        compiled_strengths: The numbers that they start from, which are saved with the optimizer:
            those of the penalties, unless `set_strengths` gave others.
        constants: Variables that keep the arrays of penalties, such as a reference.
        has_model: Whether a compiled model is known to be trained by it.

    Raises:
        UnsupportedError: For another optimizer, and for `weight_decay` (decoupled decay is the
            gradient of no penalty, so no J' would be minimised). When built, for a layer's Keras
            constraint that no penalty equals, or that does not go with the penalty there.
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

    built: bool  # kept by Keras

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
        request = penalty if isinstance(penalty, Request) else Request(penalty)
        super().__init__(**settings_of(inner))  # type: ignore[call-arg]
        self._kind = keras_class(inner)
        self._request = request
        self._plan = _Held([])
        self._terms = _Held([])
        self.has_model = False
        ALIVE.add(self)
        self.strengths: list[Any] = []
        self.compiled_strengths: list[float] = []
        self._set_strengths = _Held(None)
        self.constants: list[Any] = []
        self.momentum_steps: list[Any] = []
        self._strengths_of = _Held({})
        self._averages = _Held(None)

    def bind(self, model: Any) -> Self:
        """Tell the optimizer which model it is for, before `compile`; return it.

        Models of `taut.models` do this by themselves. Penalties on groups need it, because only
        the model knows what reads an input or makes a unit; and with it a request that cannot
        be met is told now, not when training starts.

        Raises:
            InputError: If nothing is penalised, if a selector matches nothing or only frozen
                weights, or if a penalty on groups finds no groups, or groups of different
                lengths.
        """
        request = self._request
        request.bind(model)
        if model.built:
            plan = self.assignments(model.trainable_variables)
            request.warn(plan, request.terms(plan))
        return self

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The selectors and penalties as they were requested."""
        return self._request.entries

    @property
    def terms(self) -> list[Term]:
        """The terms of αR(w), with the variables of each; empty until built."""
        return self._terms.value

    def assignments(self, variables: list[Any] | None = None) -> list[Assignment]:
        """What each variable gets; of `variables` where the optimizer is not built yet.

        Raises:
            InputError: If a selector matches no variable.
        """
        return self._plan.value or self._request.assignments(variables or [])

    def lifted(self, model: Any) -> set[int]:
        """The ids of the variables whose regularizers it treats, so that no loss may have them."""
        if self.built:
            return lifts(self.terms)
        return self._request.foreseen_lifts(model.trainable_variables)

    def may_train(self, model: Any) -> bool:
        """Whether it is for a model that is not compiled: bound to it, or of no known model."""
        bound = self._request.model
        return bound is model if bound is not None else self.built and not self.has_model

    def build(self, variables: list[Any]) -> None:
        request = self._request
        model = request.model
        # Keras builds it over no variables when it reads an HDF5 file: over the true ones later.
        if self.built or (not variables and (model is None or model.trainable_variables)):
            return
        check_replicas(self, replicas())
        plan = self.assignments(variables)
        super().build(variables)  # type: ignore[misc]
        terms = request.terms(plan, self._add_constants)
        penalised = {id(v) for term in terms for v in term.variables}
        self._plan = _Held([a if id(a.variable) in penalised else without_penalty(a) for a in plan])
        self._terms = _Held(terms)
        # The mapping's own entries first, in its order; then layers' own penalties.
        entries = [*self.entries, *(term.entry for term in terms)]
        numbers: dict[int, list[Any]] = {}
        for entry in entries:
            if id(entry) not in numbers and entry.penalty is not None:
                numbers[id(entry)] = [self._add_strength(part) for part in entry.penalty.parts]
        self._strengths_of = _Held(
            {
                id(term): [*numbers.get(id(term.entry), ()), *self._own_strengths(term)]
                for term in terms
            }
        )
        if self._set_strengths.value is not None:
            self.set_strengths(self._set_strengths.value)
        for variable in variables:
            shape = momentum_shape(self, variable) if id(variable) in penalised else None
            step = None
            if shape is not None:
                # By names of their own: an HDF5 file tells variables apart by these.
                name = f"{variable.path.replace('/', '_')}_momentum_step_{len(self.momentum_steps)}"
                step = self.add_variable(  # type: ignore[attr-defined]
                    shape=shape, dtype=variable.dtype, name=name
                )
            self.momentum_steps.append(step)
        if self.use_ema:  # type: ignore[attr-defined]
            self._averages = _Held(Averages(self, terms))
        request.warn(self._plan.value, terms)

    def stateless_apply(
        self, optimizer_variables: Any, grads: Any, trainable_variables: Any
    ) -> tuple[Any, Any]:
        if not len(grads):
            # On other backends Keras warns itself. No error: it would cost the model its weights,
            # which Keras for JAX has given to the step.
            asked = [entry.penalty for entry in self.entries if entry.penalty is not None]
            warnings.warn(
                "The model does not have any trainable weights, so nothing is trained"
                + (f", and {', '.join(map(repr, asked))} penalises nothing" if asked else "")
                + ". Set `trainable = True` and compile again.",
                UserWarning,
                stacklevel=2,
            )
            return trainable_variables, optimizer_variables
        return super().stateless_apply(optimizer_variables, grads, trainable_variables)  # type: ignore[misc]

    def set_strengths(self, strengths: Sequence[float]) -> None:
        """Start from other strengths, as if the model had been compiled with them.

        Args:
            strengths: One for each of `strengths`, finite numbers >= 0; where the optimizer is not
                built yet, they are checked when it is.

        Raises:
            InputError: If there are more or fewer, or one is out of its range.
        """
        values = [float(s) for s in strengths]
        wrong = any(not math.isfinite(s) or s < 0 for s in values)
        if wrong or (self.strengths and len(values) != len(self.strengths)):
            count = f", one for each of the {len(self.strengths)}" if self.strengths else ""
            raise InputError(
                f"`strengths` must be finite numbers >= 0{count}. Received: strengths={values}."
            )
        self._set_strengths = _Held(values)
        for variable, value in zip(self.strengths, values, strict=bool(self.strengths)):
            variable.assign(value)
        if self.strengths:
            self.compiled_strengths = values

    def _own_strengths(self, term: Term) -> list[Any]:
        layer_parts = term.parts[term.requested :]
        # Fixed beside a request, so that lanes set the strengths of the request alone.
        free = 0 if self.entries else term.regularizers
        return [self._add_strength(part, fixed=i >= free) for i, part in enumerate(layer_parts)]

    def _add_strength(self, part: Penalty, *, fixed: bool = False) -> Any:
        number = len(self.constants) if fixed else len(self.strengths)
        variable = self.add_variable(  # type: ignore[attr-defined]
            shape=(),
            initializer=keras.initializers.Constant(part.strength),
            dtype="float32",
            name=f"fixed_strength_{number}" if fixed else f"strength_{number}",
        )
        if fixed:
            self.constants.append(variable)
        else:
            self.strengths.append(variable)
            self.compiled_strengths.append(part.strength)
        return variable

    def _add_constants(self, variables: Any, arrays: Any, name: str) -> list[Any]:
        added = []
        for variable, array in zip(variables, arrays, strict=True):
            # Not by `assign`: Keras for TensorFlow may be tracing, and would do it at every step.
            initial = _Constant(array)
            added.append(self.add_variable_from_reference(variable, name, initial))  # type: ignore[attr-defined]
        self.constants.extend(added)
        return added

    def strengths_of(self, term: Term) -> list[Any]:
        """The strength variables of a term's penalties, one a part."""
        return self._strengths_of.value[id(term)]

    def _keeps_constraint(self, variable: Any) -> bool:
        return any(t.constraints and any(v is variable for v in t.variables) for t in self.terms)

    def _needs_gradient(self, variable: Any) -> bool:
        return any(v is variable for term in self.terms for v in term.variables)

    def _needs_before(self, variable: Any) -> bool:
        term = next((t for t in self.terms if any(v is variable for v in t.variables)), None)
        return term is not None and (term.scalar_step or issubclass(self._kind, NEED_BEFORE))

    def _after_updates(self, updates: list[Update], learning_rate: Any) -> None:
        apply_prox(self, self._kind, updates, learning_rate, self._averages.value)

    def cast_strengths(self, term: Term) -> list[Any]:
        """The strengths of a term's penalty in the precision of its weights."""
        return [ops.cast(s, term.variables[0].dtype) for s in self.strengths_of(term)]

    def _update_model_variables_moving_average(self, trainable_variables: Any) -> None:
        super()._update_model_variables_moving_average(trainable_variables)  # type: ignore[misc]
        if self.use_ema:  # type: ignore[attr-defined]
            self._averages.value.write()

    def plain(self) -> Any:
        """A new Keras optimizer with the same settings, without the penalties."""
        settings = super().get_config()  # type: ignore[misc]
        schedule = schedule_of(self)
        if schedule is not None:
            settings["learning_rate"] = schedule
        return self._kind.from_config(settings)

    def get_config(self) -> dict[str, Any]:
        inner = super().get_config()  # type: ignore[misc]
        config = {
            "optimizer": {"class_name": self._kind.__name__, "config": inner},
            **self._request.config(self._plan.value, self.terms),
        }
        if self._set_strengths.value is not None:
            config["strengths"] = self._set_strengths.value
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        del custom_objects
        kind = NAMED[config["optimizer"]["class_name"].lower()]
        inner = kind.from_config(config["optimizer"]["config"])
        made = cls(inner, Request.from_config(config))
        made._set_strengths = _Held(config.get("strengths"))
        return made


class _Constant:
    """An initializer: the array itself."""

    def __init__(self, array: Any):
        self._array = array

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return ops.reshape(ops.convert_to_tensor(self._array, dtype), shape)


class _Held:
    """Hides its content from the tracking of Keras, which would copy lists and dicts."""

    def __init__(self, value: Any):
        self.value = value


def _resolve(optimizer: Any) -> Any:
    if isinstance(optimizer, Proximal):
        raise InputError(
            "`optimizer` must be a plain Keras optimizer. Received one that is already Proximal. "
            "Give it all penalties at once, as a mapping from selectors or as a sum."
        )
    return resolved(optimizer)


def _make(kind: type) -> type:
    name = f"Proximal{kind.__name__}"
    bases = (Proximal, made_class(kind))
    made = type(name, bases, {"__doc__": Proximal.__doc__, "__module__": __name__})
    # Keras finds the class by its module when a saved model is loaded.
    globals()[name] = made
    return keras.saving.register_keras_serializable("taut", name)(made)


_PROXIMAL = {kind: _make(kind) for kind in STEPS}
