"""A model made again from its configuration, with or without values."""

from __future__ import annotations

import threading
import types
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import keras
from keras.src.backend.common import global_state
from keras.src.saving import serialization_lib

from taut._keras.kept_state import bookkeeping
from taut._keras.model_calls import StatelessScope


def own_classes(model: Any) -> dict[str, type]:
    """The classes of layers and their parts that are not Keras's, by name.

    They need not be registered. Parts are initialisers, regularizers, constraints and activations.
    """
    things = list(model._flatten_layers())
    things += [part for layer in things for part in vars(layer).values() if _is_part(part)]
    kinds = [type(thing) for thing in things]
    return {k.__name__: k for k in kinds if not k.__module__.startswith("keras.")}


def _is_part(value: Any) -> bool:
    """Whether an attribute of a layer is an object that its configuration may hold."""
    kind = type(value)
    made = hasattr(kind, "get_config") and hasattr(kind, "from_config")
    return made and not isinstance(value, keras.layers.Layer)


@contextmanager
def deserializing(model: Any) -> Iterator[None]:
    """The layers of a model can be made again from their configurations."""
    with ExitStack() as scopes:
        # Functions written by the user, in this very process, are safe to load.
        scopes.enter_context(serialization_lib.SafeModeScope(safe_mode=False))
        scopes.enter_context(_uncompiled(model))
        # One scope: it hides those around it.
        known = own_classes(model) | scopes.enter_context(_functions_by_name(model))
        scopes.enter_context(keras.saving.custom_object_scope(known))
        yield


def rebuilt(model: Any) -> Any:
    """A model of the same configuration, built, with fresh weights and not compiled."""
    with deserializing(model):
        copy = type(model).from_config(model.get_config())
        if not copy.built and (built := model.get_build_config()):
            copy.build_from_config(built)
            copy.built = True
    return copy


def rebuilt_without_values(model: Any) -> Any:
    """As `rebuilt`, but its variables have no values yet: see `initializer_of`."""
    return built_without_values(lambda: rebuilt(model))


def built_without_values(build: Callable[[], Any]) -> Any:
    """What a function builds, whose variables have no values yet: see `initializer_of`."""
    name = "uninitialized_variables"
    waiting = list(global_state.get_global_attribute(name) or [])
    try:
        with StatelessScope(initialize_variables=False):
            return build()
    finally:
        global_state.set_global_attribute(name, waiting)  # without those just made


def note_values(model: Any) -> None:
    """Have torch know the variables of a model that have got their values after it was built.

    Keras tells torch of them when a layer is built, if they have values by then; what exports a
    model takes all others for constants.
    """
    if keras.backend.backend() == "torch":
        for layer in model._flatten_layers():
            layer._track_variables()


def initializer_of(variable: Any) -> Any:
    """What will give its first value to a variable of `rebuilt_without_values`."""
    return variable._initializer


_SAVING = threading.Lock()


@contextmanager
def _uncompiled(model: Any) -> Iterator[None]:
    """A model, and those inside of it, are as if not compiled: what they were compiled with need
    not be loaded then.
    """
    with _SAVING:
        compiled = [
            layer
            for layer in model._flatten_layers()
            if isinstance(layer, keras.Model) and layer.compiled
        ]
        for one in compiled:
            vars(one)["compiled"] = False
        try:
            yield
        finally:
            for one in compiled:
                vars(one)["compiled"] = True


@contextmanager
def _functions_by_name(model: Any) -> Iterator[dict[str, Any]]:
    """The functions in layers are loaded as the very same: lambdas, closures and `keras.ops` too.

    Keras writes a function by its name, which it may not find or may be that of another, and a
    lambda by its code, without what it takes from outside. What is callable but no function
    (`jax.nn.relu`, compiled functions, `functools.partial`) it cannot write or not read again: a
    function stands for it meanwhile. It holds while `_uncompiled` does, which is once at a time.
    """
    places = [
        (vars(layer), name, value)
        for layer in model._flatten_layers()
        for name, value in vars(layer).items()
        if name not in bookkeeping()
    ]
    own = {id(f): f for _, _, f in places if isinstance(f, types.FunctionType) and _is_lost(f)}
    others = [(of_layer, name, f) for of_layer, name, f in places if _is_other_callable(f)]
    before = {id(f): f.__name__ for f in own.values()}
    named: dict[str, Any] = {f"taut_function_{k}": f for k, f in enumerate(own.values())}
    try:
        for name, function in named.items():
            function.__name__ = name
        for of_layer, name, function in others:
            stand_in = lambda *args, _called=function, **kwargs: _called(*args, **kwargs)  # noqa: E731
            stand_in.__name__ = f"taut_function_{len(named)}"
            named[stand_in.__name__] = function
            of_layer[name] = stand_in
        yield named
    finally:
        for of_layer, name, function in others:
            of_layer[name] = function
        for function in own.values():
            function.__name__ = before[id(function)]


def _is_other_callable(value: Any) -> bool:
    """Whether an attribute is called as a function, but is none, and no object of Keras's kind."""
    if isinstance(value, (types.FunctionType, type, keras.Operation)) or not callable(value):
        return False
    return not hasattr(type(value), "get_config")


def _is_lost(function: types.FunctionType) -> bool:
    """Whether Keras does not find a function by what it writes of it."""
    module = str(function.__globals__.get("__name__", ""))
    registered = keras.saving.get_registered_name(function) != function.__name__
    found = module.partition(".")[0] == "keras" and not module.startswith("keras.src.ops.")
    return not registered and not found
