"""What selects whole inputs: a path of penalties on them, and how many a half may select."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from taut.checks import check_share, check_whole
from taut.errors import InputError, UnsupportedError
from taut.optimizers.selection import Entry
from taut.optimizers.selectors import ending
from taut.penalties import L2, GroupLasso
from taut.structure import input_readers
from taut.studies.axes import Axes, Axis, PartStrength
from taut.studies.stability import least_threshold, most_per_half
from taut.studies.strengths import given_strengths

LATER = 1e-3
"""Strength of L2 on the weights that read no input: else the network evades the penalty, by small
weights on the inputs and large ones behind them."""
THRESHOLD = 0.9
"""Of the frequencies: among those of one bound, high ones let a half select more inputs."""
BELOW, REACH = 3.0, 100.0
"""A found path begins so far below the strength that leaves nothing, and ends so far below that."""


def inputs_of(model: Any) -> int:
    """How many inputs a model has.

    Raises:
        InputError: If there is one.
        UnsupportedError: If it is not known what reads each.
    """
    readers = input_readers(model)
    if readers is None:
        raise UnsupportedError(
            "`stability_selection` needs a model of which it is known what reads each input. "
            f"Received: {model.name!r}, whose inputs are read by layers without a weight for each, "
            "such as an embedding, a reshaping or a custom layer. Begin the model with Dense "
            "layers, or use `taut.fit_table(…, sparse=True)`."
        )
    inputs = sum(of_tensor.count for of_tensor in readers)
    if inputs < 2:
        raise InputError("There must be at least two inputs to select from. Received: 1.")
    return inputs


def controlled(
    inputs: int,
    pairs: int,
    false_selections: float,
    threshold: float | None,
    per_half: int | None,
) -> tuple[int, float]:
    """q and τ, of which what is not given follows from the bound that is to hold.

    Raises:
        InputError: If they cannot be, or none keeps the bound.
    """
    if threshold is not None:
        check_share(threshold=threshold)
        if threshold <= 0.5:
            raise InputError(
                "`threshold` must be above 0.5: no bound holds otherwise. Received: "
                f"threshold={threshold!r}."
            )
    if per_half is not None and per_half >= inputs:
        raise InputError(
            f"`per_half` must be less than the {inputs} inputs. Received: per_half={per_half}."
        )
    if per_half is not None and threshold is not None:
        return per_half, float(threshold)
    if per_half is not None:
        return per_half, least_threshold(inputs, false_selections, per_half, pairs=pairs)
    threshold = THRESHOLD if threshold is None else float(threshold)
    most = most_per_half(inputs, false_selections, threshold, pairs=pairs)
    return min(most, inputs - 1), threshold


def axes_of_inputs(model: Any, strengths: Any) -> Axes:
    """A group lasso on what reads each input tensor, along one axis, and L2 on the rest."""
    if isinstance(strengths, (int, np.integer)):
        check_whole(2, strengths=strengths)
        axis = Axis("strength", None, int(strengths))
    else:
        values = given_strengths(strengths, or_number=True)
        axis = Axis("strength", values, len(values))
    paths = [v.path for v in model.weights]
    entries = []
    readers: Sequence[Any] = input_readers(model) or ()
    for of_tensor in readers:
        names = [f"(^|/){re.escape(ending(v.path, paths))}$" for v, _ in of_tensor.readers]
        selector = tuple(names) if len(names) > 1 else names[0]
        entries.append(Entry(selector, GroupLasso(0.0, groups="inputs", weights="unit")))
    parts: list[tuple[PartStrength, ...]] = [(PartStrength(0, 1.0),)] * len(entries)
    parts.append((PartStrength(None, LATER),))
    return Axes(
        entries=(*entries, Entry(None, L2(LATER))),
        parts=tuple(parts),
        axes=(axis,),
        title="GroupLasso",
    )


def telling(asked: Axes, found: Axes) -> Axes:
    """Where inputs come in, for axes whose strengths were found: not where none or all are read."""
    axes: list[Axis] = []
    for before, after in zip(asked.axes, found.axes, strict=True):
        if before.values is None and after.values is not None:
            top, bottom = after.values[0] / BELOW, after.values[-1]
            values = np.geomspace(top, max(top / REACH, min(bottom, top)), after.count)
            after = replace(after, values=values)
        axes.append(after)
    return replace(found, axes=tuple(axes))
