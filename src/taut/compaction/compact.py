"""A model without its dead units: smaller, with the same outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras

from taut.compaction.analysis import Analysis
from taut.compaction.compact_result import CompactResult, Report, prepared
from taut.compaction.costs import costs
from taut.compaction.equality import GIVEN, Equality, compared
from taut.compaction.plan import plan
from taut.compaction.probe_rows import flat_rows, joined, random_rows
from taut.compaction.remade import Remaking, remade
from taut.compaction.traced import input_names, trace
from taut.errors import InputError


class UnequalError(InputError):
    """The smaller model's outputs are not those of the model: nothing is returned."""


def compact(
    model: Any,
    x: Any = None,
    *,
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
        ignore: Layers, or their names, that stay as they are with all that they read and make.
        measure: Whether the sizes of the files and the latencies are measured.
        seed: Of the random rows.

    Returns:
        The smaller model, what must still be fed, what was removed, and the measured report.

    Raises:
        UnsupportedError: For a model whose own `call` decides what it computes.
        InputError: If the model is not built, `x` is not what it takes, `ignore` names no layer of
            it, or its outputs depend on no input: all units are dead.
        UnequalError: If the smaller model's outputs differ by more than rounding; nothing is
            returned.

    Example:
        >>> import keras, numpy as np, taut
        >>> hidden = keras.layers.Dense(3, activation="relu", name="hidden")
        >>> model = keras.Sequential([keras.Input((2,)), hidden, keras.layers.Dense(1)])
        >>> hidden.kernel.assign(np.array([[1.0, 0.0, 2.0], [1.0, 0.0, -1.0]]))  # doctest: +SKIP
        >>> taut.compact(model).model.count_params()  # doctest: +SKIP
        9
    """
    if not isinstance(model, keras.Model) or not model.built:
        raise InputError(
            "`compact` needs a built Keras model. Received: "
            f"{getattr(model, 'name', model)!r}. Add a `keras.Input`, or call it on data first."
        )
    traced = trace(model)
    given = None if x is None else [a[:GIVEN] for a in flat_rows(model, x)]
    kept_layers = _ignored(model, ignore)
    analysis = Analysis(traced, kept_layers)
    if not analysis.depends_on_inputs:
        raise InputError(_all_dead(model))
    planned = plan(model, traced, analysis, kept_layers)
    smaller = remade(model, planned.change)
    names, inputs = tuple(input_names(model)), tuple(planned.inputs)
    rows = joined(given, random_rows(model, traced, given, seed))

    def small_rows(flat: Any) -> Any:
        return prepared(flat, names, inputs)

    wide = (
        lambda: remade(model, Remaking(dtype="float64")),
        lambda: remade(model, replace(planned.change, dtype="float64")),
    )
    equality = compared((model, smaller), wide, rows, small_rows)
    if not equality.holds:
        raise UnequalError(_unequal(model, equality))
    _compile_alike(model, smaller)
    before, after = costs((model, smaller), (rows, small_rows(rows)), measure=measure)
    return CompactResult(
        model=smaller,
        inputs=inputs,
        removed=tuple(planned.removed),
        kept=tuple(planned.kept),
        vocabulary=planned.vocabulary,
        report=Report(before, after, equality),
        names=names,
    )


def _ignored(model: Any, ignore: Sequence[Any]) -> set[int]:
    """The ids of the layers that stay, and of those inside them."""
    if isinstance(ignore, (str, keras.layers.Layer)):
        ignore = [ignore]
    layers = model._flatten_layers(include_self=False)
    found: set[int] = set()
    for wanted in ignore:
        mine = [la for la in layers if la is wanted or la.name == wanted]
        if not mine:
            raise InputError(
                "`ignore` must hold layers of the model, or their names. Received: "
                f"{getattr(wanted, 'name', wanted)!r}; it has {sorted(la.name for la in layers)}."
            )
        for layer in mine:
            found |= {id(inner) for inner in layer._flatten_layers()}
    return found


def _all_dead(model: Any) -> str:
    return (
        "`compact` needs a model whose outputs depend on what it is fed. Received: "
        f"{model.name!r}, all of whose units are dead: it makes the same of every row. Train with "
        "a smaller strength: `taut.regularization_path` shows at which strengths units live, and "
        "`critical_strength` of a penalty from which on none does."
    )


def _unequal(model: Any, equality: Equality) -> str:
    exact = equality.double
    double = "" if exact is None else f" ({exact:.3g} in double precision)"
    return (
        "The smaller model must make what the model makes. Received: "
        f"{model.name!r}, where outputs lie up to {equality.largest:.3g} apart{double}, and "
        f"rounding explains {equality.allowed:.3g}. Nothing is returned. Pass the layers that are "
        "your own in `ignore=`, and please report it if all are Keras's."
    )


def _compile_alike(model: Any, smaller: Any) -> None:
    if not model.compiled:
        return
    config = model.get_compile_config()
    if config is not None:
        smaller.compile_from_config(config)
