"""What is diagnosed: a trained model, the rows that it learned from, and rows held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from taut._data import as_arrays, check_rows_given, group_labels, input_names
from taut._keras.compiled_model import compiled_loss
from taut._keras.given_model import check_keras_model
from taut._weights import ClassWeight, by_class, checked_targets
from taut.checks import check_same_order, check_whole, names_given
from taut.errors import InputError
from taut.objective.row_losses import RowLosses, base_losses
from taut.studies.labels import labelled

FEWEST_ROWS = 10
"""Fewer rows to learn from are no evidence of anything."""
FEWEST_HELD_OUT = 5
PREDICTED = 1024
"""Rows that are predicted at once."""
ASSUMED_EPOCHS = 100


@dataclass(frozen=True)
class Rows:
    """Some rows, and what the model makes of them.

    Attributes:
        x: Inputs, a tree of arrays [rows, …].
        y: Targets as the loss takes them, likewise.
        prediction: What the model returns for them, likewise.
        losses: [rows] the data loss of each; None where the loss has no value a row.
        loss: The data loss: their mean.
        weights: [rows] what each counts, or None where all count alike.
        groups: [rows] labels, or None.
        steps: [rows, steps] weights of the values of each row's loss; None where these count alike.
    """

    x: Any
    y: Any
    prediction: Any
    losses: np.ndarray | None
    loss: float
    weights: np.ndarray | None
    groups: np.ndarray | None
    steps: np.ndarray | None = None

    @property
    def sample_weight(self) -> np.ndarray | None:
        """Weights as a training takes them."""
        return self.weights if self.steps is None else self.steps

    def __len__(self) -> int:
        return len(keras.tree.flatten(self.y)[0])

    @property
    def table(self) -> np.ndarray | None:
        """[rows, inputs] where the inputs are one table of numbers."""
        leaves = keras.tree.flatten(self.x)
        return leaves[0] if len(leaves) == 1 and leaves[0].ndim == 2 else None

    @property
    def target(self) -> np.ndarray | None:
        """[rows] where there is one target a row, a class number or a quantity."""
        leaves = keras.tree.flatten(self.y)
        if len(leaves) != 1:
            return None
        y = np.asarray(leaves[0])
        if y.ndim == 2 and y.shape[1] > 1 and np.isin(y, (0, 1)).all() and (y.sum(1) == 1).all():
            return y.argmax(axis=1)
        return y.reshape(-1) if y.size == len(y) else None


@dataclass(frozen=True)
class Subject:
    """A model with its rows.

    Attributes:
        model: Compiled and built, with its trained weights.
        train: The rows that it learned from.
        held_out: Rows that it has not seen; None without.
        epochs: Epochs of a training.
        batch_size: Rows in a batch.
        base: The data loss of looking at no input, on the held-out rows, or else on the others;
            None where it is not known.
        names: Of the inputs of a table; empty for others.
        classes: [classes] labels, where the targets were text.
        notes: What had to be assumed.
        seed: Seeds whatever is drawn.
        shifted: Whether the held-out rows are drawn differently, so that gains are measured on
            them too.
        contrasted: Whether the labels of both sides are compared, so that trials keep the
            probabilities of both.
    """

    model: Any
    train: Rows
    held_out: Rows | None
    epochs: int
    batch_size: int
    base: float | None
    names: tuple[str, ...]
    classes: np.ndarray | None
    notes: tuple[str, ...]
    seed: int
    shifted: bool = False
    contrasted: bool = False

    @property
    def unit(self) -> float:
        """What a tenth is a tenth of: the loss of looking at nothing, if it is known and not 0."""
        measured = self.train if self.held_out is None else self.held_out
        return abs(self.base or measured.loss) or 1.0

    def base_losses(self, rows: Rows) -> np.ndarray | None:
        """[rows] what looking at no input costs there; None where that is not known."""
        return base_losses_of(self.model, self.train, rows)


def base_losses_of(model: Any, train: Rows, rows: Rows) -> np.ndarray | None:
    """[rows] the loss of the constant that is best on the rows learned from."""
    return base_losses(model, rows.x, rows.y, train.y, train.sample_weight, rows.steps)


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
    of_train, of_held_out = _groups(groups, validation)
    train_x, train_y = _arrays(x, y if labels is None else labels.y, "x", "y")
    rows = len(keras.tree.flatten(train_y)[0])
    if rows < FEWEST_ROWS:
        raise InputError(
            f"A diagnosis needs {FEWEST_ROWS} rows to learn from at least. Received: {rows} rows."
        )
    if labels is not None:
        class_weight = labels.class_weight(class_weight)
    train_y, weights = checked_targets(model, train_x, train_y, sample_weight, class_weight)
    train = _rows(model, train_x, train_y, weights, of_train)
    held_out = None
    if validation is not None:
        held_x, held_y, held_weights = _validation(validation, classes)
        _check_alike(train_x, held_x, _columns(x), validation)
        if class_weight is not None:
            if held_weights is not None:
                raise InputError(
                    "`class_weight` weighs the rows of `validation` too. Received: both it and "
                    "weights of these. Multiply them, and give `sample_weight`."
                )
            held_weights = by_class(model, train_x, train_y, class_weight)(held_y)
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


def _arrays(x: Any, y: Any, x_name: str, y_name: str) -> tuple[Any, Any]:
    x, y = as_arrays(x, x_name), as_arrays(y, y_name)
    counts = {len(a) for a in keras.tree.flatten((x, y)) if a.ndim}
    if len(counts) != 1 or any(not a.ndim for a in keras.tree.flatten((x, y))):
        raise InputError(
            f"`{x_name}` and `{y_name}` must have the same rows. Received: shapes "
            f"{[a.shape for a in keras.tree.flatten((x, y))]}."
        )
    return x, y


def _validation(validation: Any, classes: np.ndarray | None) -> tuple[Any, Any, Any]:
    if not isinstance(validation, (tuple, list)) or len(validation) not in (2, 3):
        raise InputError(
            "`validation` must be (x, y) or (x, y, weights) of rows that the model has not seen. "
            f"Received: {type(validation).__name__}."
        )
    x, y, weights = (*validation, None)[:3]
    check_same_order(**{"validation[0]": x, "validation[1]": y})
    if classes is not None:
        text = np.asarray(y).reshape(-1).astype(str)
        unknown = sorted(set(text.tolist()) - set(classes.tolist()))
        if unknown:
            raise InputError(
                "The labels of `validation` must be among those of `y`. Received: "
                f"{', '.join(map(repr, unknown[:5]))}."
            )
        y = np.searchsorted(classes, text)
    x, y = _arrays(x, y, "validation[0]", "validation[1]")
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


def _groups(groups: Any, validation: Any) -> tuple[np.ndarray | None, np.ndarray | None]:
    """The labels of the rows to learn from, and of those held out."""
    if groups is None:
        return None, None
    both = isinstance(groups, (tuple, list)) and len(groups) == 2 and np.ndim(groups[0]) == 1
    if validation is not None and not both:
        raise InputError(
            "`groups` with `validation` must be two: (labels of the rows of x, labels of the rows "
            f"of validation). Received: {type(groups).__name__}."
        )
    train, held_out = groups if both else (groups, None)
    return group_labels(train), None if held_out is None else group_labels(held_out)


def _rows(model: Any, x: Any, y: Any, weights: Any, groups: np.ndarray | None) -> Rows:
    rows = len(keras.tree.flatten(y)[0])
    if groups is not None and groups.shape != (rows,):
        raise InputError(
            f"`groups` must be a label for each of the {rows} rows. Received: {groups.shape}."
        )
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
