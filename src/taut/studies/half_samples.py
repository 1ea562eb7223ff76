"""Stability selection: the inputs that networks on halves of the rows select again and again."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from taut._data import check_rows_given, group_labels, input_names
from taut._weights import ClassWeight
from taut.checks import check_above, check_whole, check_whole_or_none
from taut.engine import Callback, Lane, Record, Split, check_model, width_for
from taut.engine.lanes import DIVERGED
from taut.errors import InputError
from taut.penalties import Penalty
from taut.progress import displayed
from taut.studies.axes import axes_of
from taut.studies.folded import FoldedArrays, classes_of, folded_arrays
from taut.studies.kept import input_norms
from taut.studies.kept_penalties import reached, with_kept
from taut.studies.labels import labelled
from taut.studies.one_target import check_rows
from taut.studies.range import ranged
from taut.studies.stability import (
    both_bounds,
    complementary_pairs,
    first_by_area,
    stability,
)
from taut.studies.stability_result import StabilitySelection
from taut.studies.study_model import study_copy
from taut.studies.training_settings import Settings
from taut.studies.trainings import check_some_trained, means_without_nan, warn_of_left_out
from taut.studies.whole_inputs import axes_of_inputs, controlled, inputs_of, telling


@displayed
def stability_selection(
    model: Any,
    x: Any,
    y: Any = None,
    *,
    penalty: type[Penalty] | Penalty | str | Mapping[Any, Any] | None = None,
    strengths: int | Sequence[float] = 5,
    pairs: int = 25,
    false_selections: float = 1.0,
    threshold: float | None = None,
    per_half: int | None = None,
    names: Sequence[str] | None = None,
    groups: Any = None,
    epochs: int = 100,
    batch_size: int = 32,
    seed: int = 0,
    sample_weight: Any = None,
    class_weight: ClassWeight = None,
    width: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_seconds: float = 60.0,
    callbacks: Sequence[Callback] | None = None,
) -> StabilitySelection:
    r"""Select inputs by how often networks on halves of the rows do, with a bound on false ones.

    The rows are halved at random, `pairs` times, and on each half the model is trained at several
    strengths of a penalty on whole inputs. A half selects the q inputs of largest

        a_j = Σ_α ‖w_j(α)‖ / max_k ‖w_k(α)‖                     (from 0 to the number of strengths)

    with w_j all weights that read input j: those that come in first on the path, and stay. (Steps
    on batches leave inputs of noise a little weight at every strength, so to be exactly zero is no
    sign; the order of the norms is right long before.) An input is selected whose frequency, the
    share of the halves that selected it, is at least the threshold τ. The expected number of
    inputs selected by chance is then bounded (`taut.studies.stability.expected_false`), by
    Meinshausen and Bühlmann and, more sharply, by Shah and Samworth. An input counts as chosen
    by chance if a half selects it no more often than one drawn blindly; the bounds say nothing of
    an input that is only correlated with what matters, and that halves therefore select often.

    Args:
        model: A compiled and built Keras model of which it is known what reads each input (see
            `taut.structure.input_readers`). It is not changed. Inputs should be of one scale: begin
            it with `taut.layers.Standardize`, which learns inside each half, or scale them.
        x: Inputs, [rows, inputs] or a tree of these.
        y: Targets, [rows, …]; text where the loss is one of classes.
        penalty: On whole inputs; unless given a group lasso on all weights that read one input,
            and an L2 of 0.001 on the others. As `regularization_path` takes it.
        strengths: How many, from a third of the least strength that leaves nothing, which pilot
            lanes find, to a hundredth of that; or a list.
        pairs: B, of complementary halves: 2·B·strengths trainings.
        false_selections: The bound that is to hold: q is as large as it allows, or, where
            `per_half` is given, τ as small. Not used where both are given.
        threshold: τ, above 0.5; 0.9 unless it, or `per_half`, is given.
        per_half: q, inputs that a half selects.
        names: Of the inputs; columns of a data frame, or "input 0", … unless given.
        groups: [rows] labels of groups, each of which is in one half as a whole.
        epochs: Epochs of a training.
        batch_size: Rows in a batch.
        seed: Seeds halves, initial weights and the order of rows.
        sample_weight: [rows] weights of the data loss.
        class_weight: Weights by class number, by label, or `"balanced"`.
        width: Trainings side by side on one device.
        checkpoint: A folder in which the study is saved as it goes, and from which it goes on.
        checkpoint_seconds: Save when so many seconds have passed.
        callbacks: Told of the progress; a display on the terminal unless given.

    Returns:
        A `StabilitySelection`: the frequencies, what is selected, and the bounds.

    Raises:
        InputError: For fewer than 20 rows, fewer than two inputs, a control that no q or τ keeps,
            and whatever `regularization_path` refuses; before any training.
        UnsupportedError: If it is not known what reads the inputs.

    Example:
        >>> chosen = taut.stability_selection(model, x, y, false_selections=1)  # doctest: +SKIP
        >>> chosen.selected, chosen.bound  # doctest: +SKIP

    References:
        Meinshausen and Bühlmann, Stability selection, 2010.
        Shah and Samworth, Variable selection with error control: another look at stability
        selection, 2013.
    """
    check_model(model)
    check_whole(1, pairs=pairs)
    check_whole_or_none(1, per_half=per_half)
    check_above(0, false_selections=false_selections)
    settings = Settings.checked(
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        width=width,
        checkpoint=checkpoint,
        checkpoint_seconds=checkpoint_seconds,
        callbacks=callbacks,
    )
    inputs = inputs_of(model)
    named = input_names(names if names is not None else getattr(x, "columns", None), inputs)
    per_half, threshold = controlled(inputs, pairs, false_selections, threshold, per_half)
    axes = axes_of_inputs(model, strengths) if penalty is None else axes_of(penalty, strengths)
    axes = with_kept(model, axes)
    check_rows_given(x, y, sample_weight=sample_weight, groups=groups)
    labels = labelled(model, y)
    if labels is not None:
        y, class_weight = labels.y, labels.class_weight(class_weight)
    rows = _halved(
        model, x, y, pairs, seed, groups, sample_weight=sample_weight, class_weight=class_weight
    )
    copy = study_copy(model, axes.entries, rows.first()[0])
    values = rows.learned(copy)
    of_strength, _ = reached(copy, axes)
    pilot = replace(settings, width=width or width_for(copy, 2 * pairs * axes.size))
    axes = telling(axes, ranged(copy, rows, axes, pilot, Lane((), 0, seed, values[0])))
    points = axes.points()
    lanes = [
        Lane(tuple(part.at(point) for part in of_strength), half, seed + half, values[half])
        for half in range(2 * pairs)
        for point in points
    ]
    record = rows.train(copy, lanes, settings, "lanes")
    check_some_trained(record)
    warn_of_left_out(record)
    norms = _norms(copy, record, len(points))
    selected = first_by_area(norms, per_half)
    found = stability(selected)
    # What halves select at most is what the bounds are of; a half may select fewer.
    first, second = both_bounds(per_half, inputs, threshold, pairs=pairs)
    return StabilitySelection(
        frequency=found.frequency,
        both=found.both,
        threshold=threshold,
        per_half=per_half,
        pairs=pairs,
        bound_meinshausen_buhlmann=first,
        bound_shah_samworth=second,
        strengths=points[:, 0] if points.shape[1] == 1 else points,
        norms=means_without_nan(norms, axis=0),
        names=named,
        record=record,
    )


def _halved(
    model: Any, x: Any, y: Any, pairs: int, seed: int, groups: Any, **weights: Any
) -> FoldedArrays:
    """The checked rows in halves: splits 2b and 2b + 1 are one pair."""
    rows = folded_arrays(model, x, y, cv=2, seed=seed, groups=groups, **weights)
    leaves = [np.asarray(leaf) for leaf in keras.tree.flatten(rows.first()[1])]
    check_rows(len(leaves[0]), "stability_selection")
    if all((leaf == leaf[:1]).all() for leaf in leaves):
        raise InputError(
            "`stability_selection` needs targets that differ. Received: the same target in all "
            f"{len(leaves[0])} rows."
        )
    halves = complementary_pairs(
        len(leaves[0]),
        pairs,
        seed=seed,
        labels=classes_of(model, rows.first()[1]),
        groups=None if groups is None else group_labels(groups),
    )
    return rows.with_splits([Split(*p) for one, two in halves for p in ((one, two), (two, one))])


def _norms(model: Any, record: Record, strengths: int) -> np.ndarray:
    """[halves, strengths, inputs]; NaN of what diverged."""
    norms = input_norms(model, record)
    assert norms is not None  # the copy has the layers of the model that was asked
    diverged = np.array([status == DIVERGED for status in record.status])
    norms[diverged] = np.nan
    return norms.reshape(-1, strengths, norms.shape[1])
