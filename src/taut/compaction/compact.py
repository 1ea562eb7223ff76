"""A model without its dead units: smaller, with the same outputs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from taut._data import as_arrays
from taut._keras.given_model import check_keras_model
from taut._keras.model_graphs import input_structure
from taut.checks import check_at_least, check_share, check_whole
from taut.compaction.analysis import Analysis
from taut.compaction.compact_result import CompactResult, Moved, Report, prepared
from taut.compaction.compiled_alike import compile_alike
from taut.compaction.costs import costs
from taut.compaction.equality import GIVEN, Equality, apart, compared, forward_all
from taut.compaction.kept_units import Kept
from taut.compaction.multiply_adds import multiply_adds, uncounted
from taut.compaction.nearly_dead import without_nearly_dead
from taut.compaction.on_values import has_weights
from taut.compaction.plan import Plan, plan
from taut.compaction.probe_rows import flat_rows, joined, random_rows
from taut.compaction.reconstruction import reconstruct
from taut.compaction.remade import Remaking, remade
from taut.compaction.to_target import Tried, within_budget
from taut.compaction.traced import input_names, trace
from taut.compaction.trained_on import train_on
from taut.compaction.unit_groups import UnitGroups
from taut.errors import InputError
from taut.objective.rows import checked_arrays
from taut.progress import FitDisplay


class UnequalError(InputError):
    """The smaller model's outputs are not those of the model: nothing is returned."""


def compact(
    model: Any,
    x: Any = None,
    y: Any = None,
    *,
    target_macs: int | None = None,
    epochs: int = 10,
    batch_size: int = 32,
    distillation: float = 0.5,
    tolerance: float = 0.0,
    ignore: Sequence[Any] = (),
    measure: bool = True,
    seed: int = 0,
) -> CompactResult:
    """The model without the units, inputs and words that are dead: smaller, with the same outputs.

    A feature is needed if it is an output of the model, or if a needed feature is made of it: read
    with weights other than zero, and no constant that goes into a bias exactly. All others go:

        act(W·[x; c] + b) = act(W₁·x + (b + W₂·c)),    c constant for every row.

    Args:
        model: A built Sequential or Functional model; it is not changed.
        x: Rows that the model takes, [rows, …] or a tree of these: the first 1024 are compared,
            and the latency is measured on them. Random ones are always compared.
        y: The targets of `x`, for the training of `target_macs`.
        target_macs: A budget of multiply-adds of one row: units are switched off by a penalty on
            multiply-adds, at the smallest strength that is found to meet it, which
            `report.search` tells; what is left is trained on, as the model was compiled. Its
            outputs are then its own.
        epochs: Of this training. With 0 what is left is fitted instead, by least squares, to what
            the layers made of `x` before: neither `y` nor a compiled model is needed.
        batch_size: Of this training.
        distillation: λ from 0 to 1, the share that the outputs of `model` have in the loss of this
            training, where that is one cross-entropy (`report.training` tells).
        tolerance: Slices of weights (what makes one unit, what a layer reads of one input, the row
            of a word) of at most this Euclidean norm are taken for zero. The result then tells how
            far that moved the outputs.
        ignore: Layers, or their names, that stay as they are with all that they read and make.
        measure: Whether the sizes of the files and the latencies are measured.
        seed: Of the random rows, and of the order of rows in this training.

    Returns:
        The smaller model, what must still be fed, what was removed, and the measured report.

    Raises:
        UnsupportedError: For a model whose own `call` decides what it computes.
        InputError: If the model is not built, `x` is not what it takes, `ignore` names no layer of
            it, its outputs depend on no input (all units are dead) or are nowhere finite, or the
            budget is below what one unit a layer takes.
        UnequalError: If the smaller model's outputs differ by more than rounding; nothing is
            returned.

    Example:
        >>> import keras, numpy as np, taut
        >>> hidden = keras.layers.Dense(3, activation="relu", name="hidden")
        >>> model = keras.Sequential([keras.Input((2,)), hidden, keras.layers.Dense(1)])
        >>> hidden.set_weights([np.array([[1.0, 0.0, 2.0], [1.0, 0.0, -1.0]]), np.ones(3)])
        >>> result = taut.compact(model, measure=False)
        >>> result.to_frame()
            layer  kind  before  after
        0  hidden  unit       3      2
        >>> result.model.count_params()
        9
    """
    check_keras_model(built=True, model=model)
    _check_activations(model)
    check_at_least(0, tolerance=tolerance)
    check_whole(0, seed=seed)
    traced = trace(model)
    flat = None if x is None else flat_rows(model, x)
    given = None if flat is None else [a[:GIVEN] for a in flat]
    rows = joined(given, random_rows(model, traced, given, seed))
    places = _ignored(model, ignore)
    exact, zeroed = model, 0
    search: tuple[Tried, ...] = ()
    fixed: tuple[Kept, ...] = ()
    if target_macs is not None:
        check_whole(1, target_macs=target_macs, batch_size=batch_size)
        check_whole(0, epochs=epochs)
        check_share(distillation=distillation)
        flat, y = _training_rows(model, flat, y, epochs)
        with FitDisplay("choosing the units that stay"):
            exact, search, fixed = _within(model, target_macs, places, rows)
            if search and not epochs:
                reconstruct(model, exact, flat, seed)
    if tolerance:
        exact, zeroed = _within_tolerance(exact, tolerance, places)
    smaller, planned, equality = _smaller(exact, places, rows, tolerance)
    planned.kept += fixed
    names, inputs = tuple(input_names(model)), tuple(planned.inputs)
    fed = prepared(rows, names, inputs)
    moved = _moved(model, smaller, rows, fed, tolerance, zeroed) if tolerance else None
    before, after = costs((model, smaller), (rows, fed), measure=measure)
    lost = compile_alike(model, smaller)
    if lost is not None:
        planned.kept.append(Kept("optimizer", 0, lost))
    training = ""
    if flat is not None and search and epochs:
        training = train_on(
            model,
            smaller,
            (flat, prepared(flat, names, inputs)),
            y,
            epochs=epochs,
            batch_size=batch_size,
            distillation=distillation,
            seed=seed,
        )
    return CompactResult(
        model=smaller,
        inputs=inputs,
        removed=tuple(planned.removed),
        kept=tuple(planned.kept),
        vocabulary=planned.vocabulary,
        report=Report(before, after, equality, moved, search, uncounted(model), training),
        names=names,
    )


def _check_activations(model: Any) -> None:
    for layer in model._flatten_layers():
        activation: Any = getattr(layer, "activation", None)
        if has_weights(activation) and not activation.built:
            raise InputError(
                f"`model` must be built. Received: {model.name!r}, of whose layer {layer.name!r} "
                f"the activation, a {type(activation).__name__}, has no weights yet. Call the "
                "model on data first, or make the activation a layer of its own."
            )


def _training_rows(
    model: Any, flat: list[np.ndarray] | None, y: Any, epochs: int
) -> tuple[list[np.ndarray], Any]:
    """The rows that what is left is trained on, as arrays, checked before any work."""
    if flat is None or (epochs and (y is None or not model.compiled)):
        raise InputError(
            "`target_macs` trains the model: it needs `x`, `y` and a compiled model, or `x` alone "
            "with `epochs=0`. Received: "
            f"x {'missing' if flat is None else 'given'}, y {'missing' if y is None else 'given'}, "
            f"{model.name!r} {'compiled' if model.compiled else 'not compiled'}."
        )
    if unknown := uncounted(model):
        raise InputError(
            "`target_macs` needs layers whose multiply-adds are known. Received: "
            f"{', '.join(map(repr, unknown))}. Give each a method `multiply_adds()` that returns "
            "those of one row."
        )
    if not epochs:
        return flat, None
    y = as_arrays(y, "y")
    counts = {len(a) for a in keras.tree.flatten(y) if a.ndim}
    if counts != {len(flat[0])}:
        raise InputError(
            f"`x` and `y` must have the same rows. Received: {len(flat[0])} rows of x and "
            f"{sorted(counts)} of y."
        )
    x = keras.tree.pack_sequence_as(input_structure(model), flat)
    return flat, checked_arrays(model, x, y, None)[1]


def _within(
    model: Any, target: int, ignore: Collection[int], rows: list[np.ndarray]
) -> tuple[Any, tuple[Tried, ...], tuple[Kept, ...]]:
    """The model as it is if it is in the budget without dead units, or else with some more off."""

    def count(changed: Any) -> int | None:
        planned = _planned(changed, ignore)
        if planned is None:
            return None
        small = remade(changed, planned.change)
        fed = prepared(rows, tuple(input_names(model)), tuple(planned.inputs))
        return multiply_adds(small, shapes=[a.shape[1:] for a in fed])

    def groups_of(copy: Any) -> UnitGroups:
        traced, stays = trace(copy), _stays(copy, ignore)
        return UnitGroups(copy, traced, Analysis(traced, stays), stays)

    left = count(model)
    if left is None or left <= target:  # of a dead model `compact` tells
        return model, (), ()
    return within_budget(model, target=target, count=count, groups_of=groups_of)


def _stays(model: Any, ignore: Collection[int]) -> set[int]:
    layers = model._flatten_layers(include_self=False)
    return {id(layers[place]) for place in ignore}


def _within_tolerance(model: Any, tolerance: float, ignore: Collection[int]) -> tuple[Any, int]:
    """The model without its nearly dead slices; as it is if nothing more goes without them."""
    exact, zeroed = without_nearly_dead(model, tolerance)
    before, after = _planned(model, ignore), _planned(exact, ignore)
    same = before is not None and after is not None and before.removed == after.removed
    return (model, 0) if same else (exact, zeroed)


def _planned(model: Any, ignore: Collection[int]) -> Plan | None:
    """What the model is without what is dead; None where all is."""
    traced, stays = trace(model), _stays(model, ignore)
    analysis = Analysis(traced, stays)
    return plan(model, traced, analysis, stays) if analysis.depends_on_inputs else None


def _smaller(
    model: Any, ignore: Collection[int], rows: list[np.ndarray], tolerance: float
) -> tuple[Any, Plan, Equality]:
    """The model without what is exactly dead, proved to be equal on some rows."""
    planned = _planned(model, ignore)
    if planned is None:
        raise InputError(_all_dead(model, tolerance))
    smaller = remade(model, planned.change)
    names, inputs = tuple(input_names(model)), tuple(planned.inputs)
    wide = (
        lambda: remade(model, Remaking(dtype="float64")),
        lambda: remade(model, replace(planned.change, dtype="float64")),
    )

    def copy() -> Any:
        return remade(model, Remaking())

    def prepare(flat: list[np.ndarray]) -> list[np.ndarray]:
        return prepared(flat, names, inputs)

    equality = compared((model, smaller), wide, copy, rows, prepare)
    if not equality.holds:
        copied = apart(forward_all(model, rows), forward_all(copy(), rows))
        raise UnequalError(_unequal(model, equality, copied))
    return smaller, planned, equality


def _moved(
    model: Any,
    smaller: Any,
    rows: list[np.ndarray],
    fed: list[np.ndarray],
    tolerance: float,
    zeroed: int,
) -> Moved:
    pairs = zip(forward_all(model, rows), forward_all(smaller, fed), strict=True)
    differences = np.concatenate([np.abs(a - b).ravel() for a, b in pairs])
    return Moved(tolerance, zeroed, float(differences.max()), float(differences.mean()))


def _ignored(model: Any, ignore: Any) -> set[int]:
    """The places of the layers that stay, and of those inside them, among all layers."""
    if isinstance(ignore, (str, keras.layers.Layer)):
        ignore = [ignore]
    if not isinstance(ignore, Iterable):
        raise InputError(
            "`ignore` must be a list of layers of the model, or of their names. Received: "
            f"ignore={ignore!r}."
        )
    layers = model._flatten_layers(include_self=False)
    found: set[int] = set()
    for wanted in ignore:
        mine = [layer for layer in layers if layer is wanted or layer.name == wanted]
        if not mine:
            raise InputError(
                "`ignore` must hold layers of the model, or their names. Received: "
                f"{getattr(wanted, 'name', wanted)!r}; it has {sorted(la.name for la in layers)}."
            )
        inner = {id(part) for layer in mine for part in layer._flatten_layers()}
        found |= {place for place, layer in enumerate(layers) if id(layer) in inner}
    return found


def _all_dead(model: Any, tolerance: float) -> str:
    remedy = (
        "Train with a smaller strength: `taut.regularization_path` shows at which strengths units "
        "live, and `critical_strength` of a penalty from which on none does."
    )
    if tolerance:
        remedy = f"With tolerance={tolerance:g} too much is taken for zero: give a smaller one."
    return (
        "`compact` needs a model whose outputs depend on what it is fed. Received: "
        f"{model.name!r}, all of whose units are dead: it makes the same of every row. {remedy}"
    )


def _unequal(model: Any, equality: Equality, copied: float) -> str:
    if not copied <= equality.allowed:
        return (
            "`compact` makes models of the configurations and the weights of layers. Received: "
            f"{model.name!r}, of which a mere copy of that kind makes outputs up to {copied:.3g} "
            "apart: some layer holds what these do not, such as an attribute that `get_config` "
            "lacks, or a Normalization whose weights were set without `finalize_state()`. Nothing "
            "is returned. Save and load the model: that is what can be compacted."
        )
    exact = equality.double
    double = "" if exact is None else f" ({exact:.3g} in double precision)"
    return (
        "The smaller model must make what the model makes. Received: "
        f"{model.name!r}, where outputs lie up to {equality.largest:.3g} apart{double}, and "
        f"rounding explains {equality.allowed:.3g}. Nothing is returned. Pass the layers that are "
        "your own in `ignore=`, and please report it if all are Keras's."
    )
