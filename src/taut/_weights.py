"""The weights of the data loss, and the losses that can be weighted, checked before any work."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from keras import tree

from taut._data import check_no_loader, column, one_a_row, readable_targets, whole_lists
from taut._losses import LossPart, loss_parts, outline
from taut.checks import is_number
from taut.errors import InputError, UnsupportedError

ClassWeight = Mapping[Any, float] | str | None


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

    weights = weight_arrays(sample_weight)
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


def weight_arrays(sample_weight: Any) -> Any:
    """Weights as they are given, as arrays of numbers: one, or a tree of these by output; or None.

    Raises:
        InputError: For what is no number.
    """
    if sample_weight is None:
        return None
    return tree.map_structure(column, _numbers(sample_weight, tree_of=True))


def _numbers(sample_weight: Any, *, tree_of: bool, name: str = "sample_weight") -> Any:
    """Weights as numbers: a tree of arrays as it is given, or one array."""

    def leaf_weights(leaf: Any) -> np.ndarray:
        check_no_loader(leaf, name)
        return np.asarray(leaf, np.float32 if tree_of else np.float64)

    try:
        if not tree_of:
            return leaf_weights(sample_weight)
        return tree.map_structure(leaf_weights, whole_lists(sample_weight))
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(
            f"`{name}` must be numbers, one a row, and not the name of a column. Received: {error}."
        ) from error


def weights_of_rows(sample_weight: Any, rows: int, *, name: str = "sample_weight") -> np.ndarray:
    """[rows] float64, one weight a row; 1 unless given.

    Args:
        sample_weight: [rows] numbers, also a column [rows, 1].
        rows: How many rows there are.
        name: What it is called in errors.

    Raises:
        InputError: For another shape, and weights that are negative, not finite or all 0.
    """
    if sample_weight is None:
        return np.ones(rows)
    weights = column(_numbers(sample_weight, tree_of=False, name=name))
    if weights.shape != (rows,):
        raise InputError(one_a_row(name, "weight", weights.shape, rows))
    with np.errstate(over="ignore"):  # what is beyond single precision is infinite to a network
        check_weight_values(weights.astype(np.float32), all_rows=True, name=name)
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


def check_weight_values(
    weight: np.ndarray, *, all_rows: bool = False, name: str = "sample_weight"
) -> None:
    """Raise for weights that cannot be.

    Args:
        weight: [rows, …].
        all_rows: Whether these are all rows, of which some must have a weight.
        name: What they are called in errors.

    Raises:
        InputError: For weights that are not finite, below 0, or 0 everywhere.
    """
    wrong = ~np.isfinite(weight)
    if wrong.any():
        raise InputError(_weight_values(name, f"NaN or infinite values{_of_rows(wrong, all_rows)}"))
    if (weight < 0).any():
        found = f"{weight.min():g} at least{_of_rows(weight < 0, all_rows)}"
        raise InputError(_weight_values(name, found))
    if all_rows and not weight.any():
        raise InputError(no_weight(name=name))


def no_weight(*, name: str = "sample_weight") -> str:
    """The error for rows of which none counts."""
    return _weight_values(name, "zero in every row")


def _weight_values(name: str, received: str) -> str:
    rule = f"`{name}` must be finite numbers >= 0, and not zero everywhere."
    return f"{rule} Received: {received}."


def _of_rows(wrong: np.ndarray, all_rows: bool) -> str:
    """In which rows: of a part of them the numbers say nothing."""
    rows = np.flatnonzero(wrong.reshape(len(wrong), -1).any(axis=1)) if wrong.ndim else []
    if not all_rows or not len(rows):
        return ""
    return f" in {len(rows)} of {len(wrong)} rows, first in row {rows[0]}"


def _check(weight: np.ndarray, rows: int, parts: Sequence[LossPart]) -> None:
    check_weight_shape(weight.shape, rows, parts)
    check_weight_values(weight, all_rows=True)


def check_weight_shape(shape: tuple[int, ...], rows: int | None, parts: Sequence[LossPart]) -> None:
    """Raise for weights that are neither one a row nor one for each value of a loss.

    Args:
        shape: Of the weights.
        rows: How many there are, or None for some of the rows of a source.
        parts: The losses that they weigh.

    Raises:
        InputError: For these.
    """
    for part in parts:
        steps, beyond = part.shape[1:], shape[1:]
        fits = len(beyond) <= max(len(steps), 1) and all(
            a in (1, b) for a, b in zip(beyond, steps or (1,), strict=False)
        )
        if not shape or (rows is not None and shape[0] != rows) or not fits:
            by_step = ""
            if steps:
                each = ("rows" if rows is None else rows, *steps)
                by_step = f", or one for each value of the loss {part.name!r}, {list(each)}"
            raise InputError(one_a_row("sample_weight", "weight", shape, rows, also=by_step))


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
    of_class = class_weights(class_weight, classes, counts, number=number)
    known = {} if isinstance(class_weight, str) else weights_by_label(class_weight)
    known |= dict(zip(classes.tolist(), of_class.tolist(), strict=True))

    def weights_of(targets: Any) -> np.ndarray:
        labels = label_of(targets)
        found, codes = np.unique(labels, return_inverse=True)
        weights = np.array([known.get(k, 1.0) for k in found.tolist()], np.float32)
        return weights[codes].reshape(labels.shape)

    return weights_of


def class_weights(
    class_weight: Any, classes: np.ndarray, totals: np.ndarray, *, number: float = 0
) -> np.ndarray:
    """The weight of each class, float64: the one rule of `class_weight`, wherever it is given.

    Args:
        class_weight: A mapping from labels to weights, 1 for those left out, where 0 leaves the
            rows of a class out of the loss; `"balanced"`, W/(K·W_k) for the weight W_k of the rows
            of class k of K; or None.
        classes: [classes] the labels that there are.
        totals: [classes] the W_k.
        number: Classes that the loss tells apart, from 0: some may have no row.

    Raises:
        InputError: For another word, weights that cannot be, a class that there cannot be, if none
            of the classes is named, or if fewer than two count.
    """
    if class_weight is None:
        return np.ones(len(classes))
    if isinstance(class_weight, str) and class_weight == "balanced":
        return totals.sum() / (len(classes) * totals)
    given, there = weights_by_label(class_weight), classes.tolist()
    if not all(is_number(weight) and float(weight) >= 0 for weight in given.values()):
        raise InputError(
            f"`class_weight` must hold finite numbers >= 0. Received: class_weight={given!r:.80}."
        )
    beyond = [k for k in given if k not in there and not _is_class(k, number)]
    if beyond or (given and not any(k in there for k in given)):
        raise not_classes(beyond or list(given), classes)
    weights = np.array([float(given.get(label, 1)) for label in there])
    if np.count_nonzero(weights) < min(len(there), 2):
        raise InputError(
            "`class_weight` must be above 0 for two classes of `y` or more: 0 leaves the rows of a "
            f"class out. Received: class_weight={given!r:.80}."
        )
    return weights


def weights_by_label(class_weight: Any) -> dict[Any, Any]:
    """What a mapping holds, or a series of pandas.

    Raises:
        InputError: For anything else.
    """
    if not hasattr(class_weight, "items"):
        raise InputError(
            '`class_weight` must map labels to weights, or be "balanced" or None. Received: '
            f"class_weight={class_weight!r:.80}."
        )
    return dict(class_weight.items())


def _is_class(label: Any, number: float) -> bool:
    return is_number(label) and float(label).is_integer() and 0 <= label < number


def not_classes(received: Sequence[Any], classes: np.ndarray) -> InputError:
    """The error that weights are given of what is no class."""
    shown = [", ".join(map(repr, some[:10])) for some in (received, classes.tolist())]
    return InputError(
        "`class_weight` must name classes of `y`; those left out have weight 1. Received: "
        f"{shown[0]} for the classes {shown[1]}."
    )


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
