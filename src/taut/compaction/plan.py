"""What becomes smaller, what stays and why, and what must still be fed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from taut._keras.model_graphs import symbolic_graph
from taut.compaction.analysis import Analysis
from taut.compaction.atoms import Features
from taut.compaction.embedding_cuts import EmbeddingRule, shared_rows
from taut.compaction.kept_units import Kept, told
from taut.compaction.layer_rule import Cut
from taut.compaction.remade import Remaking
from taut.compaction.traced import Call, Tensor, Trace


@dataclass(frozen=True)
class Removed:
    """What was removed from one layer or input.

    Attributes:
        layer: The layer's name behind those of the models that it is in, or the input's name.
        kind: "unit", "channel", "head", "word" or "input".
        indices: Which of them, in the numbers of the model before.
        before: How many there were.
    """

    layer: str
    kind: str
    indices: tuple[int, ...]
    before: int


@dataclass(frozen=True)
class Fed:
    """One input of the smaller model.

    Attributes:
        name: Its name, in both models.
        columns: Which of its columns (along its last axis) are fed; None for all.
        ids: The new id of each word; None where ids stay, or it has no words.
    """

    name: str
    columns: tuple[int, ...] | None = None
    ids: tuple[int, ...] | None = None


@dataclass
class Plan:
    """A smaller model: how to make it, and what to say of it."""

    change: Remaking
    inputs: list[Fed] = field(default_factory=list)
    removed: list[Removed] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    vocabulary: dict[str, np.ndarray] = field(default_factory=dict)


def plan(model: Any, trace: Trace, analysis: Analysis, ignore: Collection[int] = ()) -> Plan:
    """How the model is made without what nothing needs."""
    made = Plan(Remaking())
    _share_words(made, trace, analysis, ignore)
    made.change = Remaking(
        cuts=_cuts(trace, analysis),
        input_shapes=_input_shapes(model, trace, analysis),
        target_shapes=_target_shapes(trace, analysis),
        gone=lambda where, symbolic: _gone(trace, analysis, where, symbolic),
    )
    _feed(made, trace, analysis)
    _tell(made, trace, analysis)
    made.kept += told(model, trace, analysis)
    return made


def _cuts(trace: Trace, analysis: Analysis) -> dict[int, Cut]:
    live = {id(c.operation) for c in trace.calls if not all(map(analysis.gone, c.makes))}
    return {key: rule.cut(analysis.keeps) for key, rule in analysis.rules.items() if key in live}


def _gone(trace: Trace, analysis: Analysis, model: Any, symbolic: Any) -> bool:
    places = trace.places.get((id(model), id(symbolic)), [])
    return bool(places) and all(map(analysis.gone, places))


def _smaller(shape: tuple[int | None, ...], features: Features, analysis: Analysis) -> Any:
    if features.axis is None:
        return shape
    sizes = list(shape)
    sizes[features.axis] = int(analysis.keeps(features.atoms).sum())
    return tuple(sizes)


def _input_shapes(model: Any, trace: Trace, analysis: Analysis) -> dict[int, Any]:
    calls = {id(model): [list(trace.inputs.values())], **trace.nested}
    shapes = {}
    for inner in [model, *_graph_models(model)]:
        graph = symbolic_graph(inner)
        if graph is None or id(inner) not in calls:
            continue
        for symbolic, tensor in zip(graph.inputs, calls[id(inner)][0], strict=True):
            features = analysis.features[tensor]
            if not analysis.gone(tensor):
                operation = symbolic._keras_history.operation
                shapes[id(operation)] = _smaller(symbolic.shape, features, analysis)
    return shapes


def _graph_models(model: Any) -> list[Any]:
    return [m for m in model._flatten_layers(include_self=False) if isinstance(m, keras.Model)]


def _target_shapes(trace: Trace, analysis: Analysis) -> dict[int, Any]:
    shapes = {}
    for call in trace.calls:
        if type(call.operation).__name__ != "Reshape" or analysis.gone(call.makes[0]):
            continue
        shape, features = call.makes[0].shape, analysis.features[call.makes[0]]
        smaller = _smaller(shape, features, analysis)
        if smaller != shape:
            layer = isinstance(call.operation, keras.layers.Layer)
            first = () if layer else (call.operation.newshape[0],)
            shapes[id(call.operation)] = (*first, *smaller[1:])
    return shapes


def _share_words(made: Plan, trace: Trace, analysis: Analysis, ignore: Collection[int]) -> None:
    """Words of equal rows share one; the ids that are fed must all be those of such words."""
    fed = {tensor: name for name, tensor in trace.inputs.items()}
    for tensors, embeddings in _groups_of_words(trace, analysis):
        names = [trace.paths[id(rule.layer)] for rule in embeddings]
        if any(id(rule.layer) in ignore for rule in embeddings):
            continue
        inputs = [fed[tensor] for tensor in tensors if tensor is not None and tensor in fed]
        if len(inputs) < len(tensors):
            made.kept += [Kept(name, 0, "its words stay: more than ids is read") for name in names]
            continue
        if len({len(rule.table) for rule in embeddings}) > 1:
            made.kept += [Kept(name, 0, "its words stay: others are as many") for name in names]
            continue
        numbers = shared_rows(
            [rule.table[:, analysis.keeps(rule.made)] for rule in embeddings],
            zero_alone=any(rule.layer.mask_zero for rule in embeddings),
        )
        first = np.unique(numbers, return_index=True)[1]
        if len(first) == len(numbers):
            continue
        for rule, name in zip(embeddings, names, strict=True):
            rule.rows = first
            made.vocabulary[name] = numbers
            others = np.setdiff1d(np.arange(len(numbers)), first)
            made.removed.append(Removed(name, "word", tuple(others.tolist()), len(numbers)))
        made.inputs += [Fed(name, ids=tuple(numbers.tolist())) for name in inputs]


def _groups_of_words(
    trace: Trace, analysis: Analysis
) -> Iterator[tuple[list[Tensor | None], list[EmbeddingRule]]]:
    """Embeddings that read the same ids; None among what they read for more than fed ids."""
    live = [rule for rule in analysis.embeddings() if analysis.keeps(rule.made).any()]
    while live:
        group = [live.pop(0)]
        tensors = list(dict.fromkeys(group[0].ids))
        grown = True
        while grown:
            more = [rule for rule in live if set(rule.ids) & set(tensors)]
            grown = bool(more)
            live = [rule for rule in live if rule not in more]
            group += more
            tensors = list(dict.fromkeys([*tensors, *(t for rule in more for t in rule.ids)]))
        layers = {id(rule.layer) for rule in group}
        masking = any(rule.layer.mask_zero for rule in group)  # then word 0 stays alone
        alone = [
            tensor not in trace.outputs
            and all(
                id(call.operation) in layers
                or all(map(analysis.gone, call.makes))
                or (masking and _is_not_zero(call))
                for call in trace.calls
                if tensor in call.reads
            )
            for tensor in tensors
        ]
        yield [t if only else None for t, only in zip(tensors, alone, strict=True)], group


def _is_not_zero(call: Call) -> bool:
    if type(call.operation).__name__ != "NotEqual" or call.symbolic is None:
        return False
    others = [a for a in call.symbolic.args if not isinstance(a, keras.KerasTensor)]
    return len(others) == 1 and isinstance(others[0], (int, float)) and others[0] == 0


def _feed(made: Plan, trace: Trace, analysis: Analysis) -> None:
    words = {fed.name: fed for fed in made.inputs}
    made.inputs = []
    for name, tensor in trace.inputs.items():
        features = analysis.features[tensor]
        keeps = analysis.keeps(features.atoms)
        if not keeps.all():
            number = len(keeps) if features.axis is not None else (tensor.shape[-1] or 1)
            lost = np.flatnonzero(~keeps) if keeps.any() else np.arange(number)
            made.removed.append(Removed(name, "input", tuple(lost.tolist()), number))
        if not keeps.any():
            continue
        some = features.axis is not None and not keeps.all()
        columns = tuple(np.flatnonzero(keeps).tolist()) if some else None
        made.inputs.append(words.get(name) or Fed(name, columns=columns))


def _tell(made: Plan, trace: Trace, analysis: Analysis) -> None:
    for rule in analysis.rules.values():
        path = trace.paths[id(rule.layer)]
        for units in rule.units():
            keeps, name = analysis.keeps(units.atoms), path + units.part
            if not keeps.all():
                lost = tuple(np.flatnonzero(~keeps).tolist())
                made.removed.append(Removed(name, units.kind, lost, len(keeps)))
