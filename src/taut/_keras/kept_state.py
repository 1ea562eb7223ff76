"""What Keras keeps of a layer, a model and an optimizer."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras import ops
from keras.src.backend.common import global_state

from taut._keras.private_seeds import private_seeds


def own_variables(layer: Any) -> list[Any]:
    """A layer's variables without those of its sublayers: weights, then states of streams."""
    streams = [generator.state for generator in layer._seed_generators]
    return [*layer._trainable_variables, *layer._non_trainable_variables, *streams]


def moving_statistics(layer: Any) -> list[Any]:
    """What a batch normalisation that trains learns beside its weights."""
    trains = isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
    return list(layer._non_trainable_variables) if trains else []


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


@contextmanager
def _outside_of_scopes() -> Iterator[None]:
    """As if in no `StatelessScope`, whatever is around."""
    name = "stateless_scope"
    around = global_state.get_global_attribute(name)
    global_state.set_global_attribute(name, None)
    try:
        yield
    finally:
        global_state.set_global_attribute(name, around)


@functools.cache
def bookkeeping() -> frozenset[str]:
    """The attributes that Keras itself keeps of every layer and model.

    They are those of models made here, outside of the scope that may be around: in one that
    holds no values no variable can be made.
    """
    with private_seeds(0), _outside_of_scopes():
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
