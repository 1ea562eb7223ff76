"""What `diagnose` was given, checked, and predicted once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from taut._data import as_arrays, check_rows_given, group_labels, input_names
from taut._keras.compiled_model import compiled_loss
from taut._keras.given_model import check_keras_model
from taut._weights import ClassWeight, by_class, checked_targets
from taut.checks import check_whole, names_given, of_argument
from taut.diagnosis.subject import Rows, Subject, base_losses_of
from taut.errors import InputError
from taut.objective.row_losses import RowLosses
from taut.studies.labels import labelled

FEWEST_ROWS = 10
"""Fewer rows to learn from are no evidence of anything."""
FEWEST_HELD_OUT = 5
PREDICTED = 1024
"""Rows that are predicted at once."""
ASSUMED_EPOCHS = 100


def subject_of(
    model: Any,
    x: Any,
    y: Any,
    *,
    validation: Any,
    groups: Any,
    sample_weight: Any,
    class_weight: ClassWeight,
    epochs: int | None,
    batch_size: int | None,
    names: Sequence[str] | None,
    seed: int,
) -> Subject:
    """Check what `diagnose` was given, and predict all rows once.

    Raises:
        InputError: For a model, rows, groups or sizes that cannot be; before any work.
    """
    check_keras_model(model=model)
    if not model.built or not model.compiled:
        raise InputError(
            "`model` must be compiled and built: the loss that it was trained with says what is "
            f"measured. Received: {model.name!r}. Call `model.compile(…)`, and "
            "`fit` it or add a `keras.Input`."
        )
    if compiled_loss(model) is None:
        raise InputError(
            "`model` must have a compiled loss. Received: "
            f"loss={getattr(model, 'loss', None)!r}. Give `compile` a loss."
        )
    check_rows_given(x, y, sample_weight=sample_weight, groups=groups)
    _check_whole_or_none(epochs=epochs, batch_size=batch_size)
    columns = _columns(x) if names is None else names_given(names=names)
    labels = labelled(model, y)
    classes = None if labels is None else labels.classes
    groups, of_held_out = _groups(groups, validation)
    train_x, train_y = _arrays(x, y if labels is None else labels.y)
    rows = len(keras.tree.flatten(train_y)[0])
    if rows < FEWEST_ROWS:
        raise InputError(
            f"A diagnosis needs {FEWEST_ROWS} rows to learn from at least. Received: {rows} rows."
        )
    if labels is not None:
        class_weight = labels.class_weight(class_weight)
    train_y, weights = checked_targets(model, train_x, train_y, sample_weight, class_weight)
    train = _rows(model, train_x, train_y, weights, groups)
    held_out = None
    if validation is not None:
        held_x, held_y, held_weights = _validation(validation, classes, of_held_out)
        _check_alike(train_x, held_x, _columns(x), validation)
        if class_weight is not None:
            if held_weights is not None:
                raise InputError(
                    "`class_weight` weighs the rows of `validation` too. Received: both it and "
                    "weights of these. Multiply them, and give `sample_weight`."
                )
            held_weights = by_class(model, train_x, train_y, class_weight)(held_y)
        with of_argument("validation"):
            held_y, held_weights = checked_targets(model, held_x, held_y, held_weights)
            held_out = _rows(model, held_x, held_y, held_weights, of_held_out)
    notes = []
    if epochs is None:
        epochs, note = _epochs(model)
        notes += note
    measured = train if held_out is None else held_out
    try:
        base = base_losses_of(model, train, measured)
    except InputError:
        base = None
    if base is None:
        notes.append(
            "The loss of looking at no input is not known for this loss: shares are of the "
            "model's own held-out loss."
        )
    table = train.table
    return Subject(
        model=model,
        train=train,
        held_out=held_out,
        epochs=epochs,
        batch_size=batch_size or _batch_size(model, rows) or 32,
        base=None if base is None else float(np.average(base, weights=measured.weights)),
        names=() if table is None else input_names(columns, table.shape[1]),
        classes=classes,
        notes=tuple(notes),
        seed=seed,
    )


def _check_whole_or_none(**numbers: int | None) -> None:
    check_whole(1, **{name: n for name, n in numbers.items() if n is not None})


def _columns(x: Any) -> Sequence[str] | None:
    return list(map(str, x.columns)) if hasattr(x, "columns") and hasattr(x, "shape") else None


def _arrays(x: Any, y: Any) -> tuple[Any, Any]:
    x, y = as_arrays(x, "x"), as_arrays(y, "y")
    counts = {len(a) for a in keras.tree.flatten((x, y)) if a.ndim}
    if len(counts) != 1 or any(not a.ndim for a in keras.tree.flatten((x, y))):
        raise InputError(
            "`x` and `y` must have the same rows. Received: shapes "
            f"{[a.shape for a in keras.tree.flatten((x, y))]}."
        )
    return x, y


def _validation(validation: Any, classes: np.ndarray | None, groups: Any) -> tuple[Any, Any, Any]:
    if not isinstance(validation, (tuple, list)) or len(validation) not in (2, 3):
        raise InputError(
            "`validation` must be (x, y) or (x, y, weights) of rows that the model has not seen. "
            f"Received: {type(validation).__name__}."
        )
    x, y, weights = (*validation, None)[:3]
    with of_argument("validation"):
        check_rows_given(x, y, sample_weight=weights, groups=groups)
    if classes is not None:
        text = np.asarray(y).reshape(-1).astype(str)
        unknown = sorted(set(text.tolist()) - set(classes.tolist()))
        if unknown:
            raise InputError(
                "The labels of `validation` must be among those of `y`. Received: "
                f"{', '.join(map(repr, unknown[:5]))}."
            )
        y = np.searchsorted(classes, text)
    with of_argument("validation"):
        x, y = _arrays(x, y)
    rows = len(keras.tree.flatten(y)[0])
    if rows < FEWEST_HELD_OUT:
        raise InputError(
            f"`validation` needs {FEWEST_HELD_OUT} rows at least. Received: {rows}. Leave it out, "
            "and folds of the rows to learn from are held out in turn."
        )
    return x, y, weights


def _check_alike(train: Any, held_out: Any, columns: Any, validation: Any) -> None:
    shapes = [[a.shape[1:] for a in keras.tree.flatten(part)] for part in (train, held_out)]
    if shapes[0] != shapes[1]:
        raise InputError(
            "`validation` must have the inputs of `x`. Received: rows of shape "
            f"{shapes[1]} where `x` has {shapes[0]}."
        )
    other = _columns(validation[0])
    if columns is not None and other is not None and list(map(str, columns)) != other:
        missing = [c for c in map(str, columns) if c not in other]
        raise InputError(
            "`validation` must have the columns of `x` in their order. Received: "
            + (f"no {', '.join(map(repr, missing[:5]))}." if missing else "another order.")
        )


def _groups(groups: Any, validation: Any) -> tuple[Any, Any]:
    """The labels of the rows to learn from, and of those held out."""
    if groups is None:
        return None, None
    both = isinstance(groups, (tuple, list)) and len(groups) == 2 and np.ndim(groups[0]) > 0
    if validation is not None and not both:
        raise InputError(
            "`groups` with `validation` must be two: (labels of the rows of x, labels of the rows "
            f"of validation). Received: {type(groups).__name__}."
        )
    return tuple(groups) if both else (groups, None)


def _rows(model: Any, x: Any, y: Any, weights: Any, groups: Any) -> Rows:
    rows = len(keras.tree.flatten(y)[0])
    groups = None if groups is None else group_labels(groups, rows)
    prediction = model.predict(x, batch_size=PREDICTED, verbose=0)
    finite = [np.isfinite(np.asarray(a)).all() for a in keras.tree.flatten(prediction)]
    if not all(finite):
        raise InputError(
            "The model must predict finite numbers. Received: NaN or infinite predictions of "
            "these rows. Fill missing inputs, or train again with a smaller learning rate."
        )
    weights, steps = _by_row(weights)
    few = keras.tree.map_structure(lambda a: a[:8], (x, y))
    try:
        losses = RowLosses(model, *few)(y, prediction, steps)
        loss = float(np.average(losses, weights=weights))
    except InputError:
        losses, loss = None, float(compiled_loss(model)(y, prediction))
    return Rows(x, y, prediction, losses, loss, weights, groups, steps)


def _by_row(weights: Any) -> tuple[np.ndarray | None, np.ndarray | None]:
    """What each row counts, and what each value of its loss does; None where all count alike."""
    leaves = keras.tree.flatten(weights)
    if len(leaves) > 1:
        raise InputError(
            "`diagnose` needs one weight a row, or one for each value of its loss, for all "
            f"outputs. Received: weights by output, {len(leaves)} of them. Study one output at a "
            "time."
        )
    if leaves[0] is None:
        return None, None
    given = np.asarray(leaves[0])
    if given.ndim == 1:
        return given, None
    flat = given.reshape(len(given), -1)
    if flat.shape[1] == 1:
        return flat[:, 0], None
    return flat.mean(axis=1), given


def _epochs(model: Any) -> tuple[int, list[str]]:
    """How many epochs the model was trained for, by its own history."""
    history = getattr(model, "history", None)
    ran = len(getattr(history, "epoch", ()) or ())
    if ran:
        return ran, []
    return ASSUMED_EPOCHS, [
        f"How many epochs the model was trained is not known: {ASSUMED_EPOCHS} were taken. "
        "Give them (`epochs=`, --epochs)."
    ]


def _batch_size(model: Any, rows: int) -> int | None:
    """The batch size that makes as many steps of an epoch as the model's own history has."""
    params = getattr(getattr(model, "history", None), "params", None) or {}
    steps = params.get("steps")
    if not steps:
        return None
    usual = [2**k for k in (5, 6, 4, 7, 3, 8, 2, 9, 1, 10, 0, 11, 12)]
    return next((b for b in usual if -(-rows // b) == steps), -(-rows // steps))
