"""The weights of the data loss, and the losses that can be weighted, checked before any work."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from keras import tree

from taut._data import check_no_loader, readable_targets, whole_lists
from taut._losses import LossPart, loss_parts, outline
from taut.errors import InputError, UnsupportedError

ClassWeight = Mapping[int, float] | str | None


def checked_targets(
    model: Any,
    x: Any,
    y: Any,
    sample_weight: Any = None,
    class_weight: ClassWeight = None,
    *,
    means: bool = True,
) -> tuple[Any, Any]:
    """Targets that the losses can be asked about, and their weights.

    Args:
        model: Compiled and built.
        x: Inputs, an array [rows, …] or a tree of these.
        y: Targets, likewise.
        sample_weight: Weights [rows] for all outputs, or a tree with one array for each leaf of
            `y`; an array may have the shape of its loss's values, [rows, steps].
        class_weight: The weight of each class, 1 for those left out; or `"balanced"`,
            n/(K·n_k) for the n_k of n labels that are in class k of K.
        means: Whether to refuse losses that are not the mean of one value a row.

    Returns:
        `y`, where what has a weight of 0 is readable too (see `readable_targets`); and one weight
        a row, or of each step or pixel, for each leaf of `y`, or None without weights.

    Raises:
        InputError: If targets are not finite or not among the classes.
        InputError: If weights are negative, not finite, all 0 or of another shape than the
            loss's values, or name no class.
        UnsupportedError: For a loss that is not the mean of one value a row, with `means`.
    """
    parts = loss_parts(model, x, y)
    if means:
        check_means(parts)
    if sample_weight is not None and class_weight is not None:
        raise InputError("Give `sample_weight` or `class_weight`, not both: multiply them.")
    if class_weight is not None:
        y = readable_targets(parts, y, None)
        return y, by_class(model, x, y, class_weight)(y)
    weights = None if sample_weight is None else _checked(parts, y, sample_weight)
    return readable_targets(parts, y, weights), weights


def _checked(parts: Sequence[LossPart], y: Any, sample_weight: Any) -> Any:
    """Weights as `checked_targets` returns them."""

    weights = _numbers(sample_weight, tree_of=True)
    given, leaves = tree.flatten(weights), tree.flatten(y)
    if tree.is_nested(weights) and not _alike(weights, y, len(leaves)):
        raise InputError(
            "`sample_weight` must be one array for all outputs, or one for each in `y`, by the "
            f"same names. Received: {outline(weights)} for {outline(y)}. Give weights of 1 to "
            "an output that needs none."
        )
    for k, leaf in enumerate(given):
        whose = [part for part in parts if len(given) == 1 or k in part.leaves]
        _check(leaf, len(leaves[0]), whose)
    return weights


def _numbers(sample_weight: Any, *, tree_of: bool) -> Any:
    """Weights as numbers: a tree of arrays as it is given, or one array."""

    def leaf_weights(leaf: Any) -> np.ndarray:
        check_no_loader(leaf, "sample_weight")
        return np.asarray(leaf, np.float32 if tree_of else np.float64)

    try:
        if not tree_of:
            return leaf_weights(sample_weight)
        return tree.map_structure(leaf_weights, whole_lists(sample_weight))
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(
            "`sample_weight` must be numbers, one a row, and not the name of a column. "
            f"Received: {error}."
        ) from error


def weights_of_rows(sample_weight: Any, rows: int) -> np.ndarray:
    """[rows] float64, one weight a row; 1 unless given.

    Raises:
        InputError: For another shape, and weights that are negative, not finite or all 0.
    """
    if sample_weight is None:
        return np.ones(rows)
    weights = _numbers(sample_weight, tree_of=False)
    if weights.shape != (rows,):
        raise InputError(
            f"`sample_weight` must have the shape ({rows},): one weight a row. Received: shape "
            f"{weights.shape}."
        )
    with np.errstate(over="ignore"):  # what is beyond single precision is infinite to a network
        check_weight_values(weights.astype(np.float32), all_rows=True)
    return weights


def _alike(weights: Any, y: Any, leaves: int) -> bool:
    """Whether weights are a tree like `y`, so that no output gets those of another."""
    if isinstance(weights, Mapping) or isinstance(y, Mapping):
        names = [set(part) if isinstance(part, Mapping) else None for part in (weights, y)]
        if names[0] != names[1]:
            return False
    return len(tree.flatten(weights)) == leaves


def check_means(parts: Sequence[LossPart]) -> None:
    """Raise unless every loss is the mean of one value a row, or a step, or a pixel."""
    for part in parts:
        if part.by_row and part.mean:
            continue
        received = f"reduction={part.reduction!r}"
        if part.own_call:
            received = "a `__call__` of its own"
        elif not part.shape:
            received = "one number for the batch"
        elif not part.by_row:
            received = f"values of the shape {part.shape[1:]}, without an axis of rows"
        raise UnsupportedError(
            "The loss of a lane must be the mean of one value a row (or a step, or a pixel): "
            "batches differ in size, and losses are compared over other rows. Received: "
            f"{received}, from the loss {part.name!r}. Take the mean over the last axis only, in "
            "`call`, and leave the reduction to Keras."
        )


def mean_weight(weights: Any, rows: Any = slice(None)) -> float:
    """What some rows count on average, over all outputs and steps; 1 without weights.

    Keras's mean loss of weighted rows is Σ w·l / n, which grows with their weights; divided by this
    it is Σ w·l / Σ w, and can be compared with that of other rows.

    Args:
        weights: [rows, …] weights of the data loss, a tree of these by output, or None.
        rows: Which.
    """
    leaves = [np.asarray(leaf)[rows] for leaf in tree.flatten(weights) if leaf is not None]
    return float(np.mean([leaf.mean(dtype=np.float64) for leaf in leaves])) if leaves else 1.0


def check_weight_values(weight: np.ndarray, *, all_rows: bool = False) -> None:
    """Raise for weights that cannot be.

    Args:
        weight: [rows, …].
        all_rows: Whether these are all rows, of which some must have a weight.

    Raises:
        InputError: For weights that are not finite, below 0, or 0 everywhere.
    """
    nothing = all_rows and not weight.any()
    if not np.isfinite(weight).all() or (weight < 0).any() or nothing:
        raise InputError(
            "`sample_weight` must be finite and >= 0, and not 0 everywhere. Received: values from "
            f"{weight.min():g} to {weight.max():g}."
        )


def _check(weight: np.ndarray, rows: int, parts: Sequence[LossPart]) -> None:
    check_weight_values(weight, all_rows=True)
    for part in parts:
        steps = part.shape[1:]
        beyond = weight.shape[1:]
        fits = len(beyond) <= max(len(steps), 1) and all(
            a in (1, b) for a, b in zip(beyond, steps or (1,), strict=False)
        )
        if weight.shape[:1] != (rows,) or not fits:
            wanted = f"({rows},): one weight a row of `x`"
            if steps:
                wanted += f", or {(rows, *steps)}: one for each value of the loss {part.name!r}"
            raise InputError(
                f"`sample_weight` must have the shape {wanted}. Received: shape {weight.shape}."
            )


def labels_of(model: Any, x: Any, y: Any) -> tuple[Callable[[Any], np.ndarray], float]:
    """What gives the class of each value of the loss, for targets like `y`; how many there may be.

    Where the loss does not tell how many, there may be any number.

    Raises:
        InputError: For several outputs, or for targets that are no classes.
    """
    leaves, parts = tree.flatten(y), loss_parts(model, x, y)
    if len(leaves) != 1:
        raise InputError(
            "`class_weight` is for one output. Received: "
            f"{len(leaves)} outputs. Give `sample_weight`."
        )
    shape, values = np.shape(leaves[0]), len(parts[0].shape)
    known = parts[0].labels
    number = 2 if known == "shares" else np.inf if known is None else int(known)
    if len(shape) > values and shape[-1] > 1:
        number = shape[-1]  # a share of each
    return lambda targets: _labels(tree.flatten(targets)[0], parts), number


def by_class(model: Any, x: Any, y: Any, class_weight: Any) -> Callable[[Any], np.ndarray]:
    """What gives the weights of targets by their classes, as `class_weight` has them for `y`.

    "balanced" is by the labels of `y`; a class that is not among these counts 1.

    Raises:
        InputError: As `labels_of` and `class_weights`.
    """
    label_of, number = labels_of(model, x, y)
    classes, counts = np.unique(label_of(y), return_counts=True)
    of_class = class_weights(classes, counts, class_weight, number)
    known = {} if isinstance(class_weight, str) else _known(class_weight)
    known |= dict(zip(classes.tolist(), of_class.tolist(), strict=True))

    def weights_of(targets: Any) -> np.ndarray:
        labels = label_of(targets)
        found, codes = np.unique(labels, return_inverse=True)
        weights = np.array([known.get(int(k), 1.0) for k in found], np.float32)
        return weights[codes].reshape(labels.shape)

    return weights_of


def class_weights(
    classes: np.ndarray, counts: np.ndarray, class_weight: Any, number: float
) -> np.ndarray:
    """The weight of each class, float32.

    Args:
        classes: The class numbers that there are.
        counts: How many labels are in each.
        class_weight: The weight of each class, 1 for those left out; or `"balanced"`,
            n/(K·n_k) for the n_k of n labels that are in class k of K.
        number: How many classes the loss tells apart; some may have no label.

    Raises:
        InputError: For another word, weights that cannot be, a class that there cannot be, or if
            none of the classes is named.
    """
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise InputError(
                '`class_weight` must be "balanced" or map class numbers to weights. Received: '
                f"{class_weight!r}."
            )
        return (counts.sum() / (len(classes) * counts)).astype(np.float32)
    known = _known(class_weight)
    beyond = {k for k in set(known) - set(classes.tolist()) if not 0 <= k < number}
    if beyond or not set(known) & set(classes.tolist()):
        raise not_classes(sorted(beyond or known), classes)
    return np.array([known.get(int(k), 1.0) for k in classes], np.float32)


def not_classes(received: Sequence[Any], classes: np.ndarray) -> InputError:
    """The error that weights are given of what is no class."""
    shown = [", ".join(map(repr, some[:10])) for some in (received, classes.tolist())]
    return InputError(
        "`class_weight` must name classes of `y`; those left out have weight 1. Received: "
        f"{shown[0]} for the classes {shown[1]}."
    )


def _known(class_weight: Any) -> dict[int, float]:
    try:
        known = {k: float(w) for k, w in dict(class_weight).items()}
    except (TypeError, ValueError):
        known = {None: np.nan}
    whole = all(isinstance(k, (int, float, np.number)) and k == int(k) for k in known)
    if not known or not whole or not all(np.isfinite(w) and w >= 0 for w in known.values()):
        raise InputError(
            "`class_weight` must map whole class numbers to finite weights >= 0. Received: "
            f"{class_weight!r}."
        )
    return {int(k): w for k, w in known.items()}  # type: ignore[call-overload]


def _labels(y: np.ndarray, parts: Sequence[LossPart]) -> np.ndarray:
    """The class of each value of the loss: as Keras has it for rows, and likewise for steps."""
    steps = parts[0].shape[1:]
    if y.shape[1:] == steps or y.shape[1:] == (*steps, 1):
        labels = y.reshape(len(y), *steps)  # class numbers
    elif y.shape[1:-1] == steps:
        labels = y.argmax(-1)  # shares of classes
    else:
        raise InputError(
            "`class_weight` needs targets of one class, or one share a class, for each value of "
            f"the loss, {(len(y), *steps)}. Received: targets {y.shape}. Give `sample_weight`."
        )
    return np.round(labels).astype(np.int64)
