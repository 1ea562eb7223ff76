"""The regularization path: strengths × folds × seeds as one program, and what it says."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from taut import penalties
from taut._gradients import gradients_at
from taut._keras_compat import compiled_loss, loss_name
from taut.engine import (
    Lane,
    Progress,
    Record,
    Split,
    check_model,
    copy_of,
    train_lanes,
    width_for,
)
from taut.errors import InputError
from taut.optimizers import Proximal, Stationarity, stationarity
from taut.penalties import L1, NormBall, Penalty, WithArrays
from taut.studies.choice import Choice, choose
from taut.studies.folds import fold_values, folds, is_classification
from taut.studies.strengths import Train, find_range, given_strengths

if TYPE_CHECKING:
    import pandas as pd

GRADIENT_ROWS = 4096


@dataclass(frozen=True)
class PathResult:
    """What `regularization_path` returns.

    Attributes:
        penalty: Name of the penalty.
        strengths: [strengths], from strong to weak.
        table: One line a training: strength, fold, seed, train_loss, held_out_loss, best_epoch,
            epochs, nonzero (penalised weights that are not exactly zero), status.
        summary: One line a strength: mean losses, the standard error of the held-out loss over
            folds, mean nonzero.
        best_strength: The strength of least mean held-out data loss.
        one_se_strength: The largest strength within one standard error of it.
        certificate: Residual of stationarity of one model of the best strength (the first fold
            and seed) on the rows it was trained on.
        standard_error_note: How the standard error is computed.
        record: The engine's record of every lane.
    """

    penalty: str
    strengths: np.ndarray
    table: pd.DataFrame
    summary: pd.DataFrame
    best_strength: float
    one_se_strength: float
    certificate: Stationarity
    standard_error_note: str
    record: Record
    _model: Any

    def models(self, strength: float | None = None) -> list[Any]:
        """The trained models of one strength, one a fold and seed, compiled.

        Args:
            strength: One of `strengths`; the best unless given.

        Raises:
            InputError: If the path has no such strength; the nearest is named.
        """
        strength = self.best_strength if strength is None else float(strength)
        at = np.flatnonzero(np.isclose(self.table["strength"], strength, rtol=1e-6, atol=0))
        if not len(at):
            nearest = self.strengths[np.argmin(np.abs(self.strengths - strength))]
            raise InputError(
                "`strength` must be one of the path's. "
                f"Received: strength={strength:g}; the nearest is {nearest:g}."
            )
        return [_trained(self._model, self.record, int(lane)) for lane in at]

    def plot(self) -> Any:
        """The path as an Altair chart: losses against strength, the two choices marked."""
        from taut.studies.plots import path_chart

        return path_chart(self)


def regularization_path(
    model: Any,
    x: Any,
    y: Any,
    *,
    penalty: type[Penalty] | Penalty | str = L1,
    strengths: int | Sequence[float] = 30,
    cv: Any = 5,
    seeds: int = 1,
    epochs: int = 100,
    batch_size: int = 32,
    patience: int | None = None,
    seed: int = 0,
    sample_weight: Any = None,
    width: int | None = None,
    progress: Progress | None = None,
) -> PathResult:
    r"""Train a model at many strengths × folds × seeds as one program, and choose.

    Every training minimises J(w) + α·R(w) from fresh initial weights, with the model's own loss
    and optimizer (made proximal). Layers that learn statistics of the inputs, such as
    `taut.layers.Standardize`, are adapted inside each fold. With `patience`, each training
    keeps its epoch of least held-out loss, so the chosen loss is somewhat optimistic: report
    the final figure on rows that this study has not seen.

    Args:
        model: A compiled and built Keras model. It is not changed.
        x: Inputs, [rows, …].
        y: Targets, [rows, …].
        penalty: A penalty class, instance (its strength is replaced) or name.
        strengths: How many, on a grid chosen from the data: its top leaves nothing, its bottom
            changes nothing; or a list of strengths.
        cv: Number of folds (stratified for classes), a scikit-learn splitter, or pairs of rows.
        seeds: Trainings of each strength and fold, from different initial weights.
        epochs: Epochs of a training.
        batch_size: Rows in a batch.
        patience: Stop after this many epochs without a better held-out loss; None never stops.
        seed: Seeds folds, initial weights and the order of rows.
        sample_weight: [rows] weights of the data loss.
        width: Trainings side by side on one device; unless given at most 16, and measured on
            the real program where the study takes long (see `taut.engine.width`).
        progress: Told of the progress.

    Returns:
        A `PathResult`.

    Raises:
        InputError: For strengths, folds or sizes that cannot be; before any training.

    Example:
        >>> result = taut.regularization_path(model, x, y, epochs=50)  # doctest: +SKIP
        >>> result.best_strength  # doctest: +SKIP

    References:
        Friedman, Hastie and Tibshirani, Regularization paths for generalized linear models via
        coordinate descent, 2010.
    """
    check_model(model)
    kind = _one(penalty)
    if isinstance(seeds, bool) or not isinstance(seeds, (int, np.integer)) or seeds < 1:
        raise InputError(f"`seeds` must be an integer >= 1. Received: seeds={seeds!r}.")
    count = strengths if isinstance(strengths, (int, np.integer)) else None
    if count is not None and count < 2:
        raise InputError(f"`strengths` must be at least 2. Received: strengths={strengths}.")
    given = None if count is not None else given_strengths(strengths)  # type: ignore[arg-type]
    x, y = keras.tree.map_structure(np.asarray, x), np.asarray(y)
    # Whole numbers are classes for a loss on classes only.
    classes = is_classification(y) and "crossentropy" in loss_name(model)
    splits = folds(y, cv, seed=seed, x=x, classes=classes)
    copy = _study_copy(model, kind)
    values = fold_values(copy, x, splits)
    total = (count or len(given)) * len(splits) * seeds  # type: ignore[arg-type]

    def train(lanes: list[Lane], width: int | None = width) -> Record:
        return train_lanes(
            copy,
            x,
            y,
            lanes,
            splits=splits,
            sample_weight=sample_weight,
            epochs=epochs,
            batch_size=batch_size,
            patience=patience,
            width=width,
            progress=progress,
        )

    penalised = [i for i, a in enumerate(copy.optimizer.assignments()) if a.parts]
    if given is None:
        assert count is not None
        slots = width or width_for(total)
        pilot = Lane((0.0,), 0, seed, values[0])
        top, bottom = _range(
            copy,
            x,
            y,
            pilot,
            splits[0].train,
            lambda some: train(some, slots),
            2 * slots,
            penalised,
        )
        given = np.geomspace(top, bottom, int(count))
    lanes = [
        Lane((float(s),), fold, seed + repeat, values[fold])
        for fold in range(len(splits))
        for repeat in range(seeds)
        for s in given
    ]
    record = train(lanes)
    return _result(copy, kind, given, record, penalised, x, y, splits, sample_weight)


def _one(penalty: Any) -> Penalty:
    kind = penalty() if isinstance(penalty, type) else penalties.get(penalty)
    if not isinstance(kind, Penalty) or len(kind.parts) != 1:
        raise InputError(
            "`penalty` must be one penalty with one strength, as a class, instance or name. "
            f"Received: {penalty!r}."
        )
    if kind.kind == "cone" or isinstance(kind, NormBall):
        raise InputError(
            "A path needs a penalty whose strength can vary. Received: the constraint "
            f"{kind!r}. Use `taut.L1`, or another penalty."
        )
    return kind


# What a study is compiled for is kept as long as the user's compiled model, so that a second
# study of the same shape compiles nothing.
_copies: weakref.WeakKeyDictionary[Any, dict[Any, Any]] = weakref.WeakKeyDictionary()


def _study_copy(model: Any, penalty: Penalty) -> Any:
    copies = _copies.setdefault(model.optimizer, {})
    key = repr(penalty.with_strength(0.0)), compiled_loss(model)
    if isinstance(penalty, WithArrays):
        copies.pop(key, None)  # its arrays, or the weights that it refers to, may be others
    if key not in copies:
        copies[key] = _compiled_copy(model, penalty)
        if len(copies[key].optimizer.strengths) > 1:
            del copies[key]
            raise InputError(
                "A path has one penalty, that of `penalty=`. Received: a model with penalties of "
                "its own layers (`kernel_regularizer=taut.…`). Take them out of the layers, or "
                "use Keras's regularizers there, which stay in the loss."
            )
    copy = copies[key]
    copy.set_weights(model.get_weights())
    return copy


def _compiled_copy(model: Any, penalty: Any) -> Any:
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if isinstance(optimizer, Proximal):
        optimizer = optimizer.plain()
    else:
        optimizer = type(optimizer).from_config(optimizer.get_config())
    copy = copy_of(model)
    copy.set_weights(model.get_weights())  # which `L2SP` refers to
    keras.Model.compile(copy, Proximal(optimizer, penalty).bind(copy), loss=model.loss)
    copy.optimizer.build(copy.trainable_variables)
    return copy


def _range(
    model: Any,
    x: Any,
    y: np.ndarray,
    pilot: Lane,
    rows: np.ndarray,
    train: Train,
    lanes: int,
    penalised: list[int],
) -> tuple[float, float]:
    """The top and the bottom of the grid, found on the first fold by pilot lanes."""
    rows = rows[:GRADIENT_ROWS]
    tensor = keras.ops.convert_to_tensor
    some = keras.tree.map_structure(lambda a: tensor(a[rows]), x)
    for variable in model.variables:
        if variable.path in pilot.values:
            variable.assign(pilot.values[variable.path])
    gradients = gradients_at(model, some, tensor(y[rows]))
    return find_range(
        train,
        lambda strength: replace(pilot, strengths=(strength,)),
        lanes,
        unit=max(float(np.abs(gradients[i]).max()) for i in penalised) or 1.0,
        penalised=penalised,
        sparse=model.optimizer.entries[0].penalty.sparse,
    )


def _result(
    model: Any,
    kind: Penalty,
    strengths: np.ndarray,
    record: Record,
    penalised: list[int],
    x: Any,
    y: np.ndarray,
    splits: list[Split],
    sample_weight: Any,
) -> PathResult:
    table = lane_table(record, penalised)
    if (table["status"] == "diverged").all():
        raise InputError(
            "Training must not diverge at every strength. Received: a loss that is not finite in "
            f"all of {len(table)} trainings. Lower the learning rate, or check inputs and loss."
        )
    summary, choice = summarise(table, strengths)
    # The first fold and seed come first, strength by strength.
    best, rows = _trained(model, record, choice.least), splits[0].train
    weight = None if sample_weight is None else np.asarray(sample_weight)[rows]
    certificate = stationarity(
        best,
        keras.tree.map_structure(lambda a: a[rows], x),
        y[rows],
        sample_weight=weight,
    )
    return PathResult(
        penalty=type(kind).__name__,
        strengths=strengths,
        table=table,
        summary=summary,
        best_strength=float(strengths[choice.least]),
        one_se_strength=float(strengths[choice.one_standard_error]),
        certificate=certificate,
        standard_error_note=(
            f"s/√F over the F = {len(splits)} folds (seeds averaged first), with s the sample "
            "standard deviation; folds share training rows, so it is optimistic."
        ),
        record=record,
        _model=model,
    )


def _trained(model: Any, record: Record, lane: int) -> Any:
    trained = _compiled_copy(model, model.optimizer.entries[0].penalty)
    return record.apply(lane, trained)


def lane_table(record: Record, penalised: Sequence[int]) -> pd.DataFrame:
    """One line a lane of a record of one strength a lane."""
    import pandas as pd

    training, held_out = record.kept_losses()
    count = len(record.lanes)
    nonzero = sum((record.trainable[v] != 0).reshape(count, -1).sum(axis=1) for v in penalised)
    return pd.DataFrame(
        {
            "strength": [lane.strengths[0] for lane in record.lanes],
            "fold": [lane.split for lane in record.lanes],
            "seed": [lane.seed for lane in record.lanes],
            "train_loss": training.astype(float),
            "held_out_loss": held_out.astype(float),
            "best_epoch": record.best_epoch,
            "epochs": record.epochs,
            "nonzero": np.asarray(nonzero, int),
            "status": list(record.status),
        }
    )


def summarise(table: pd.DataFrame, strengths: np.ndarray) -> tuple[pd.DataFrame, Choice]:
    """One line a strength, and the choice."""
    import pandas as pd

    healthy = table.assign(
        held_out_loss=table["held_out_loss"].where(table["status"] != "diverged", np.inf)
    )
    losses = healthy.pivot_table(
        index="strength", columns="fold", values="held_out_loss", aggfunc="mean", dropna=False
    ).loc[strengths]
    choice = choose(losses.to_numpy(), strengths)
    means = table.groupby("strength")[["train_loss", "nonzero"]].mean().loc[strengths]
    summary = pd.DataFrame(
        {
            "strength": strengths,
            "train_loss": means["train_loss"].to_numpy(),
            "held_out_loss": choice.mean,
            "standard_error": choice.standard_error,
            "nonzero": means["nonzero"].to_numpy(),
        }
    )
    return summary, choice
