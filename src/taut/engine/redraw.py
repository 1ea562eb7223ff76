"""What a seed draws anew: the trainable variables and the streams of random numbers, no more."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras import ops

from taut._keras.kept_state import moving_statistics, own_variables
from taut._keras.model_rebuilt import initializer_of, rebuilt, rebuilt_without_values
from taut._keras.private_seeds import is_stream, private_seeds
from taut.describing import may_differ
from taut.engine.random_streams import global_streams
from taut.errors import UnsupportedError

WEIGHT, STREAM = 0, 1
"""What a seed is drawn for, beside the number of the variable."""


def redrawn(
    model: Any, seed: int, *, weights: bool = True
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The (trainable, non-trainable) values with which a lane of a seed begins.

    Each trainable variable is drawn by its own initialiser, seeded from the lane's seed and the
    variable's number; so are the streams of dropout. All else is kept: frozen weights, masks,
    what layers were adapted to. The one exception are the moving statistics of a batch
    normalisation that trains: they describe what the old weights made of the rows, and begin as
    its initialisers say.

    Args:
        model: A built Keras model; it is not changed.
        seed: The lane's.
        weights: Whether to draw weights; without, the streams alone.

    Raises:
        UnsupportedError: If an initialiser is not known, since the model cannot be rebuilt from
            its configuration, or cannot be seeded.
    """
    drawn: set[int] = set()
    draw: Callable[[Any, int], np.ndarray] = _taken
    if weights:
        draw = _draws(model, seed)
        drawn = {id(v) for layer in model._flatten_layers() for v in moving_statistics(layer)}
    trainable = [
        draw(v, _derived(seed, WEIGHT, i)) for i, v in enumerate(model.trainable_variables)
    ]
    others = []
    for i, variable in enumerate(model.non_trainable_variables):
        if is_stream(variable):
            stream = [_derived(seed, STREAM, i), 0]
            others.append(np.array(stream, ops.convert_to_numpy(variable).dtype))
        elif id(variable) in drawn:
            others.append(draw(variable, _derived(seed, WEIGHT, i)))
        else:
            others.append(_taken(variable, seed))
    return trainable, others


def paired(model: Any, other: Any) -> list[tuple[Any, Any]]:
    """The layers of two models of the same configuration, one beside the other.

    Raises:
        ValueError: If they have others.
    """
    ours, theirs = list(model._flatten_layers()), list(other._flatten_layers())
    if [type(layer) for layer in ours] != [type(layer) for layer in theirs]:
        raise ValueError("what its configuration makes has other layers")
    return list(zip(ours, theirs, strict=True))


def paired_variables(layer: Any, other: Any) -> Iterator[tuple[Any, Any]]:
    """A layer's own variables, each beside that of the same name and shape, or None."""
    left = own_variables(other)
    for variable in own_variables(layer):
        same = [
            i
            for i, v in enumerate(left)
            if v.name == variable.name and tuple(v.shape) == tuple(variable.shape)
        ]
        yield variable, left.pop(same[0]) if same else None


def _draws(model: Any, seed: int) -> Callable[[Any, int], np.ndarray]:
    """(variable, seed) -> a first value, from what the model's configuration says."""
    twins: dict[int, Any] = {}

    def note(other: Any) -> None:
        for layer, counterpart in paired(model, other):
            _check_initializers(layer, counterpart)
            for variable, twin in paired_variables(layer, counterpart):
                twins[id(variable)] = twin

    try:
        with private_seeds(seed):
            note(rebuilt_without_values(model))
        first = _drawn
    except UnsupportedError:
        raise
    except Exception:  # some layer makes variables of arrays, or reads them while it is built
        with private_seeds(seed), global_streams(seed), configuration_errors(model):
            note(rebuilt(model))
        first = _taken

    def draw(variable: Any, seed: int) -> np.ndarray:
        twin = twins.get(id(variable))
        if twin is None:
            raise UnsupportedError(
                "A seed draws a variable by the initialiser that made it. Received: "
                f"{variable.path!r}, which the model's configuration does not make. Put it into "
                "`build` and `get_config` of its layer, freeze it, or start from the present "
                'weights (`seed=None` of a lane, `start="present"` of a path).'
            )
        return first(twin, seed)

    return draw


def initializers(layer: Any) -> dict[str, Any]:
    """What draws a layer's weights, by the attribute that holds it."""
    kind = keras.initializers.Initializer
    return {name: value for name, value in vars(layer).items() if isinstance(value, kind)}


def _check_initializers(layer: Any, counterpart: Any) -> None:
    """Raise unless what draws a layer's weights is what the layer was made with."""
    for name, initializer in initializers(layer).items():
        if may_differ(initializer, getattr(counterpart, name, None)):
            raise UnsupportedError(
                "A seed draws weights by the initialiser that the model's configuration makes. "
                f"Received: the layer {layer.name!r}, of which it makes another `{name}` than the "
                f"layer's {type(initializer).__name__}. Hold all that it computes with in its "
                "`get_config`, or start from the present weights."
            )


def _taken(variable: Any, seed: int) -> np.ndarray:
    del seed
    return np.array(ops.convert_to_numpy(variable))


def _drawn(variable: Any, seed: int) -> np.ndarray:
    initializer = initializer_of(variable)
    if hasattr(initializer, "seed"):
        initializer = copy.copy(initializer)
        initializer.seed = seed

    def values() -> np.ndarray:
        with private_seeds(seed):
            value = initializer(variable.shape, dtype=variable.dtype)
        return np.array(ops.convert_to_numpy(ops.convert_to_tensor(value, dtype=variable.dtype)))

    drawn = values()
    if type(initializer).__module__.startswith("keras."):
        return drawn
    if _same(drawn, values()):
        return drawn
    with global_streams(seed):
        drawn = values()
    with global_streams(seed):
        again = values()
    if not _same(drawn, again):
        raise UnsupportedError(
            "An initialiser must give the same values for the same seed: draw from `keras.random`, "
            f"or with its own `seed`. Received: {initializer!r} of {variable.path!r}, which gives "
            "others each time."
        )
    return drawn


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return one.tobytes() == other.tobytes()


def _derived(seed: int, purpose: int, number: int) -> int:
    """A seed of 31 bits."""
    return int(np.random.SeedSequence([seed, purpose, number]).generate_state(1)[0]) >> 1


@contextmanager
def configuration_errors(model: Any) -> Iterator[None]:
    """Whatever goes wrong in a model's configuration is one error, with the remedy."""
    try:
        yield
    except UnsupportedError:
        raise
    except Exception as error:  # `get_config` and `build` are the user's
        # Keras puts whole configurations around the reason.
        reason = str(error).rpartition("Exception encountered: ")[2].partition("\n")[0]
        reason = reason.partition(" Full object")[0].strip(" .,")
        raise UnsupportedError(
            "A model trained from several seeds must be rebuilt from its configuration. "
            f"Received: {model.name!r}, which cannot ({reason}). Give it `get_config` and "
            "register it with keras.saving, or use `seed=None` to start from its weights."
        ) from error
