"""Keras internals of a model's state: how it is made, kept and laid out; beside `_keras_compat`."""

from __future__ import annotations

import functools
import random
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import keras
from keras import ops
from keras.src.backend.common import global_state
from keras.src.random import seed_generator
from keras.src.saving import serialization_lib

from taut._keras_compat import StatelessScope

_own = threading.local()


class _Draws:
    """Python's `random` for Keras; of a thread inside `private_seeds`, a stream of its own."""

    def randint(self, low: int, high: int) -> int:
        return (getattr(_own, "stream", None) or random).randint(low, high)

    def __getattr__(self, name: str) -> Any:
        return getattr(random, name)


# Keras draws a seed for whatever has none from Python's stream, which all threads share: to seed
# that would change what others draw, and they what is drawn here.
seed_generator.python_random = _Draws()  # type: ignore[attr-defined]


@contextmanager
def private_seeds(seed: int) -> Iterator[None]:
    """In this thread, what Keras draws without a seed comes from a stream of this seed."""
    name = seed_generator.GLOBAL_SEED_GENERATOR
    stream, generator = getattr(_own, "stream", None), global_state.get_global_attribute(name)
    _own.stream = random.Random(seed)
    global_state.set_global_attribute(name, keras.random.SeedGenerator(seed))
    try:
        yield
    finally:
        _own.stream = stream
        global_state.set_global_attribute(name, generator)


def own_variables(layer: Any) -> list[Any]:
    """A layer's variables without those of its sublayers: weights, then states of streams."""
    streams = [generator.state for generator in layer._seed_generators]
    return [*layer._trainable_variables, *layer._non_trainable_variables, *streams]


def is_stream(variable: Any) -> bool:
    """Whether a variable is the state of a stream of random numbers."""
    return variable.name == "seed_generator_state"


def moving_statistics(layer: Any) -> list[Any]:
    """What a batch normalisation that trains learns beside its weights."""
    trains = isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
    return list(layer._non_trainable_variables) if trains else []


def own_classes(model: Any) -> dict[str, type]:
    """The classes of layers that are not Keras's, by name: they need not be registered."""
    kinds = [type(layer) for layer in model._flatten_layers()]
    return {k.__name__: k for k in kinds if not k.__module__.startswith("keras.")}


@contextmanager
def deserializing(model: Any) -> Iterator[None]:
    """The layers of a model can be made again from their configurations."""
    with ExitStack() as scopes:
        scopes.enter_context(keras.saving.custom_object_scope(own_classes(model)))
        # Functions written by the user, in this very process, are safe to load.
        scopes.enter_context(serialization_lib.SafeModeScope(safe_mode=False))
        scopes.enter_context(_uncompiled(model))
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


def initializer_of(variable: Any) -> Any:
    """What will give its first value to a variable of `rebuilt_without_values`."""
    return variable._initializer


_SAVING = threading.Lock()


@contextmanager
def _uncompiled(model: Any) -> Iterator[None]:
    """Models inside of a model are saved as if not compiled: their losses need no config then."""
    inner = [
        layer
        for layer in model._flatten_layers(include_self=False)
        if isinstance(layer, keras.Model) and layer.compiled
    ]
    with _SAVING:
        for submodel in inner:
            vars(submodel)["get_compile_config"] = _nothing
        try:
            yield
        finally:
            for submodel in inner:
                vars(submodel).pop("get_compile_config", None)


def _nothing() -> None:
    return None


def carry_state(old: Any, new: Any) -> None:
    """What Keras would save of a layer, into another of the same configuration.

    That may be more than weights: a layer may save and load its state in a way of its own, and
    keep things made of it, as `Normalization` does.
    """
    store: dict[str, Any] = {}
    old.save_own_variables(store)
    new.load_own_variables({name: _as_array(value) for name, value in store.items()})
    if hasattr(old, "save_assets"):
        with tempfile.TemporaryDirectory() as folder:
            old.save_assets(folder)
            new.load_assets(folder)


def _as_array(value: Any) -> Any:
    kept = isinstance(value, keras.Variable) or ops.is_tensor(value)
    return ops.convert_to_numpy(value) if kept else value


def schedule_of(optimizer: Any) -> Any:
    """What an optimizer computes its learning rate with; None where it is a number."""
    rate = optimizer._learning_rate
    return None if isinstance(rate, keras.Variable) else rate


@functools.cache
def bookkeeping() -> frozenset[str]:
    """The attributes that Keras itself keeps of every layer and model."""
    with private_seeds(0):
        x = keras.Input((1,), name="x")
        models = [
            keras.layers.Layer(name="layer"),
            keras.Model(x, keras.layers.Dense(1, name="dense")(x), name="functional"),
            keras.Sequential([x, keras.layers.Dense(1, name="dense")], name="sequential"),
            keras.Model(name="model"),
        ]
        for model in models[1:]:
            model.compile("sgd", "mse")
    names = {name for model in models for name in vars(model)}
    # Made when a model is used.
    used = {"history", *(f"stop_{doing}" for doing in ("training", "evaluating", "predicting"))}
    return frozenset(names | used)
