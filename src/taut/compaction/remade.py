"""A model made anew from another one's graph, with some layers smaller and some calls left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import ops

from taut._keras.kept_state import carry_state, own_variables
from taut._keras.layer_parts import give_first_value
from taut._keras.model_graphs import SymbolicGraph, is_graph_model, made_of_a_graph, symbolic_graph
from taut._keras.model_rebuilt import built_without_values, deserializing, note_values
from taut._keras.precision import attend_in_own_precision
from taut._keras.private_seeds import private_seeds
from taut.compaction.layer_rule import Cut
from taut.structure.kinds import ATTENTION

Shape = tuple[int | None, ...]


@dataclass
class Remaking:
    """What is to change.

    Attributes:
        cuts: Of layers, by their ids.
        input_shapes: New shapes of inputs, by the id of the layer that they are fed through.
        target_shapes: New shapes that tensors are reshaped to, by the id of the operation.
        gone: (model, symbolic tensor) -> whether nothing of it is left.
        dtype: The precision of all layers; as they have it unless given.
    """

    cuts: Mapping[int, Cut] = field(default_factory=dict)
    input_shapes: Mapping[int, Shape] = field(default_factory=dict)
    target_shapes: Mapping[int, Shape] = field(default_factory=dict)
    gone: Callable[[Any, Any], bool] = lambda model, tensor: False
    dtype: str | None = None


def remade(model: Any, change: Remaking) -> Any:
    """The model of the same layers and names with these changes; not compiled.

    Args:
        model: A built Sequential or Functional model; it is not changed.
        change: What is to change.
    """
    with private_seeds(0), deserializing(model):
        maker = _Maker(change)
        try:
            new = built_without_values(lambda: maker.layer(model))
        except Exception:
            # A layer that computes with its weights while it is built.
            maker = _Maker(change)
            new = maker.layer(model)
        maker.fill()
        note_values(new)
    if change.dtype == "float64":
        for layer in new._flatten_layers():
            if isinstance(layer, ATTENTION):
                attend_in_own_precision(layer)
    return new


class _Maker:
    def __init__(self, change: Remaking):
        self.change = change
        self._made: dict[int, Any] = {}
        self._olds: list[Any] = []

    def layer(self, old: Any) -> Any:
        """The new layer or operation in place of an old one, which may be shared."""
        if id(old) not in self._made:
            self._olds.append(old)  # so that no other object gets its id
            self._made[id(old)] = self._new(old)
        return self._made[id(old)]

    def _new(self, old: Any) -> Any:
        graph = symbolic_graph(old) if isinstance(old, keras.Model) else None
        if graph is None:
            return self._from_config(old)
        if isinstance(old, keras.Sequential):
            new = self._sequential(old)
        else:
            new = self._functional(old, graph)
        if new.trainable != old.trainable:
            new.trainable = old.trainable
        return new

    def _from_config(self, old: Any) -> Any:
        config = old.get_config()
        cut = self.change.cuts.get(id(old))
        if cut is not None:
            config = _not_built(_updated(config, cut.config))
        if id(old) in self.change.target_shapes:
            name = "target_shape" if "target_shape" in config else "newshape"
            config[name] = list(self.change.target_shapes[id(old)])
        if self.change.dtype is not None:
            config = _in_precision(config, self.change.dtype)
        if type(old) is keras.layers.TimeDistributed:
            config.pop("layer")
            return type(old)(self.layer(old.layer), **config)
        return type(old).from_config(config)

    def _input(self, symbolic: Any) -> Any:
        old = symbolic._keras_history.operation
        layer = isinstance(old, keras.layers.InputLayer)
        dtype = symbolic.dtype
        if self.change.dtype is not None and "float" in dtype:
            dtype = self.change.dtype
        return keras.Input(
            batch_shape=self.change.input_shapes.get(id(old), symbolic.shape),
            dtype=dtype,
            name=old.name,
            sparse=bool(symbolic.sparse),
            optional=layer and old.optional,
        )

    def _sequential(self, old: Any) -> Any:
        parts = [self._input(old.inputs[0]), *(self.layer(layer) for layer in old.layers)]
        return type(old)(parts, name=old.name)

    def _functional(self, old: Any, graph: SymbolicGraph) -> Any:
        def gone(symbolic: Any) -> bool:
            return self.change.gone(old, symbolic)

        tensors = {id(t): self._input(t) for t in graph.inputs if not gone(t)}
        for call in graph.calls:
            if all(map(gone, call.makes)):
                continue
            arguments = _filled((call.args, call.kwargs), tensors)
            made = self.layer(call.operation)(*arguments[0], **arguments[1])
            tensors.update(zip(map(id, call.makes), keras.tree.flatten(made), strict=True))
        inputs = _filled(_pruned(graph.input_structure, tensors), tensors)
        outputs = _filled(old.output, tensors)
        kind = type(old) if made_of_a_graph(type(old)) else keras.Model
        return kind(inputs, outputs, name=old.name)

    def fill(self) -> None:
        """Give every new layer its weights and what else it keeps."""
        for old in list(self._olds):
            new = self._made[id(old)]
            if not isinstance(old, keras.layers.Layer) or is_graph_model(old):
                continue
            pairs = zip(_with_sublayers(old), _with_sublayers(new), strict=True)
            for there, here in pairs:
                if id(there) in self._made and there is not old:
                    continue  # inside of a wrapper, and filled on its own
                if there.built and not here.built:  # an activation: built when it is called
                    here.build_from_config(there.get_build_config() or {})
                self._fill_one(there, here, id(old))

    def _fill_one(self, old: Any, new: Any, owner: int) -> None:
        cut = self.change.cuts.get(owner, Cut())
        mine = {name: array for (layer, name), array in cut.weights.items() if layer == id(old)}
        before = {variable.name: variable for variable in own_variables(old)}
        for place, variable in enumerate(own_variables(new)):
            if variable.name in mine:
                value = mine[variable.name]
            else:
                same = own_variables(old)[place] if not mine else before[variable.name]
                value = ops.convert_to_numpy(same)
            give_value(variable, value)
        if (not mine and not own_variables(old)) or hasattr(old, "save_assets"):
            carry_state(old, new)
        if isinstance(old, keras.layers.Normalization):
            new.finalize_state()
        for variable in own_variables(new):
            twin = before.get(variable.name)
            if twin is not None and twin.trainable != variable.trainable:
                variable.trainable = twin.trainable


def give_value(variable: Any, value: Any) -> None:
    """Give a variable its value, its first one too."""
    array = np.array(value)  # of its own: a model gives its arrays away when it is trained
    if tuple(variable.shape) != array.shape:
        raise ValueError(f"{variable.path!r} of {variable.shape} cannot be {array.shape}")
    give_first_value(variable, array)


def _with_sublayers(layer: Any) -> list[Any]:
    return layer._flatten_layers(include_self=True, recursive=True)


def _updated(config: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    new = dict(config)
    for key, value in changes.items():
        new[key] = _updated(new[key], value) if isinstance(value, dict) else value
    return new


def _not_built(config: Any) -> Any:
    """The configuration without the shapes that layers inside it were built for."""
    if isinstance(config, dict):
        return {k: _not_built(v) for k, v in config.items() if k != "build_config"}
    if isinstance(config, (list, tuple)):
        return type(config)(_not_built(value) for value in config)
    return config


def _in_precision(config: Any, dtype: str) -> Any:
    """The configuration with each precision of floating-point numbers in it replaced."""
    if isinstance(config, dict):
        return {
            key: dtype if key == "dtype" and _is_float(value) else _in_precision(value, dtype)
            for key, value in config.items()
        }
    if isinstance(config, (list, tuple)):
        return type(config)(_in_precision(value, dtype) for value in config)
    return config


def _is_float(dtype: Any) -> bool:
    if isinstance(dtype, dict):
        dtype = dtype.get("config", {}).get("name")
    return isinstance(dtype, str) and "float" in dtype


def _filled(structure: Any, tensors: Mapping[int, Any]) -> Any:
    """The structure with new tensors; those in a list that are gone are left out of it."""
    if isinstance(structure, keras.KerasTensor):
        return tensors[id(structure)]
    if isinstance(structure, dict):
        return {key: _filled(value, tensors) for key, value in structure.items()}
    if isinstance(structure, (list, tuple)):
        kept = [
            _filled(value, tensors)
            for value in structure
            if not isinstance(value, keras.KerasTensor) or id(value) in tensors
        ]
        return _like(structure, kept)
    return structure


def _pruned(structure: Any, tensors: Mapping[int, Any]) -> Any:
    """What a model is fed, without the tensors that are gone."""
    if isinstance(structure, dict):
        there = {k: _pruned(v, tensors) for k, v in structure.items()}
        return {k: v for k, v in there.items() if v is not None}
    if isinstance(structure, (list, tuple)):
        return _like(
            structure, [v for v in (_pruned(v, tensors) for v in structure) if v is not None]
        )
    return structure if id(structure) in tensors else None


def _like(structure: Any, values: Sequence[Any]) -> Any:
    if isinstance(structure, tuple) and hasattr(structure, "_fields"):
        return type(structure)(*values)
    return type(structure)(values)
