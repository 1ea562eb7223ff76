"""The capacity curve: networks of several sizes on the same folds, a program a size."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from taut._read_only import ReadOnly
from taut._weights import ClassWeight
from taut.checks import check_whole
from taut.engine import Callback, Record
from taut.engine.lanes import DIVERGED
from taut.errors import EdgeWarning, InputError
from taut.progress import displayed
from taut.studies.as_compiled import AsCompiled, as_compiled
from taut.studies.choice import Choice, choose, over_folds
from taut.studies.training_settings import Settings
from taut.studies.trainings import NOTE, check_folds, training_table
from taut.text_table import html_of

if TYPE_CHECKING:
    import pandas as pd

MIDDLE = 3
"""Of fewer sizes the best is always at an edge."""


@dataclass(frozen=True, repr=False, eq=False)
class CapacityCurve(ReadOnly):
    """What `capacity_curve` returns.

    Attributes:
        sizes: What `build` was called with, in the order given.
        summary: One line a size, from few weights to many: size, parameters (trainable numbers),
            trainings, failed, mean losses and their standard errors over folds (infinite where a
            training diverged), and near, whether the held-out loss is within one standard error of
            the least.
        table: One line a training: size, parameters, fold, seed, train_loss, held_out_loss,
            best_epoch, epochs, status.
        best: The size of least mean held-out loss.
        smallest_near: The size with the fewest weights within one standard error of it.
        edge: "smallest" or "largest" where `best` is at that end of three or more sizes, and a
            better one may lie beyond; otherwise None.
        standard_error_note: How the standard errors are computed.
        records: The engine's record of each size, in the order of `summary`.
    """

    sizes: tuple[Any, ...]
    summary: pd.DataFrame
    table: pd.DataFrame
    best: Any
    smallest_near: Any
    edge: str | None
    standard_error_note: str
    records: tuple[Record, ...]

    def to_frame(self) -> pd.DataFrame:
        """One line a size, as `summary`, with gap: held-out less training loss."""
        return self.summary.assign(gap=self.summary["held_out_loss"] - self.summary["train_loss"])

    def plot(self) -> Any:
        """Both losses against the number of weights as an Altair chart, with the two choices.

        Raises:
            InputError: If Altair is not installed.
        """
        from taut.studies.curve_plots import capacity_chart

        return capacity_chart(self)

    def line(self, size: Any) -> pd.Series:
        """The line of a size in `summary`.

        Raises:
            InputError: If it is none of the sizes.
        """
        if size not in self.sizes:
            raise InputError(f"`size` must be one of {self.sizes}. Received: size={size!r}.")
        return self.summary.iloc[[s == size for s in self.summary["size"]].index(True)]

    def sentences(self) -> list[str]:
        """What was found, one sentence a line."""
        lines = [
            f"CapacityCurve: {len(self.sizes)} sizes, {self.summary['parameters'].min():,} to "
            f"{self.summary['parameters'].max():,} weights"
        ]
        for what, size in (
            ("least held-out loss", self.best),
            ("smallest near", self.smallest_near),
        ):
            line = self.line(size)
            error = line["held_out_loss_standard_error"]
            error = f" ± {error:.2g}" if np.isfinite(error) else ""
            lines.append(
                f"{what}: {line['held_out_loss']:.4g}{error} at size {size!r}, "
                f"{line['parameters']:,} weights"
            )
        if self.edge:
            lines[1] += f"; the {self.edge} size"
        if failed := int(self.summary["failed"].sum()):
            lines.append(f"{failed} of {len(self.table)} trainings diverged")
        return lines

    def __repr__(self) -> str:
        return "\n  ".join(self.sentences())

    def _repr_html_(self) -> str:
        return html_of(self.sentences(), self.to_frame())


@displayed
def capacity_curve(
    build: Callable[[Any], Any],
    sizes: Sequence[Any],
    x: Any,
    y: Any = None,
    *,
    cv: Any = 5,
    groups: Any = None,
    seeds: int = 1,
    epochs: int = 100,
    batch_size: int = 32,
    patience: int | None = None,
    seed: int = 0,
    sample_weight: Any = None,
    class_weight: ClassWeight = None,
    width: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_seconds: float = 60.0,
    callbacks: Sequence[Callback] | None = None,
) -> CapacityCurve:
    r"""Train networks of several sizes on the same folds, and say which is large enough.

    Weights of other shapes are another program, so each size is one call of the engine: folds ×
    seeds lanes. The choices are the least mean held-out loss, and the network of fewest weights
    whose mean is at most the least plus its standard error s/√F.

    Args:
        build: Takes a size, and returns a compiled and built Keras model. All must have one loss.
        sizes: Two different ones at least, of any kind that `build` takes.
        x: Inputs, [rows, …] or a tree of these.
        y: Targets, [rows, …] or a tree of these; text where the loss is one of classes.
        cv: Number of folds (stratified for classes), a scikit-learn splitter, or pairs of rows; the
            folds are drawn once for all sizes.
        groups: [rows] labels of groups; no group is on both sides of a fold.
        seeds: Trainings of each size and fold, from different initial weights.
        epochs: Epochs of a training.
        batch_size: Rows in a batch.
        patience: Stop after this many epochs without a better held-out loss, and keep the best
            epoch; None never stops, and keeps the last.
        seed: Seeds folds, initial weights and the order of rows.
        sample_weight: [rows] weights of the data loss.
        class_weight: Weights >= 0 by class number, as in Keras, or by label, 1 for those left out;
            or `"balanced"`, n/(K·n_k) for the n_k of n rows in class k of K.
        width: Trainings side by side on one device; see `regularization_path`.
        checkpoint: A folder, made if need be, in which the study is saved as it goes, a file a
            size. The same call goes on from there in a new process; in the same one, where Keras
            numbers layers on, if `build` gives them names.
        checkpoint_seconds: Save when so many seconds have passed.
        callbacks: Told of the progress; a display on the terminal unless given.

    Returns:
        A `CapacityCurve`.

    Raises:
        InputError: For sizes, models, rows or numbers that cannot be, before any training; if some
            training of every size diverged.

    Example:
        >>> curve = taut.capacity_curve(build, [4, 16, 64], x, y, epochs=50)  # doctest: +SKIP
        >>> curve.smallest_near  # doctest: +SKIP

    References:
        Breiman, Friedman, Olshen and Stone, Classification and Regression Trees, 1984 (the rule of
        one standard error).
    """
    check_whole(1, seeds=seeds)
    settings = Settings.checked(
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        patience=patience,
        width=width,
        checkpoint=checkpoint,
        checkpoint_seconds=checkpoint_seconds,
        callbacks=callbacks,
    )
    data = {"sample_weight": sample_weight, "class_weight": class_weight, "seed": seed}
    studies: list[AsCompiled] = []
    for model in _built(build, sizes):
        # Drawn once: a splitter may draw others each time it is asked.
        given = {"cv": cv, "groups": groups}
        if studies:
            given = {"cv": [(s.train, s.held_out) for s in studies[0].rows.splits]}
        studies.append(as_compiled(model, x, y, **given, **data))
    folds = studies[0].rows.splits
    check_folds(len(folds), "A capacity curve")
    records = []
    for number, study in enumerate(studies):
        lanes = [
            study.lane(split, of_seed)
            for split in range(len(folds))
            for of_seed in range(seed, seed + seeds)
        ]
        records.append(study.rows.train(study.copy, lanes, settings, f"size-{number}"))
    parameters = [
        sum(math.prod(v.shape) for v in study.copy.trainable_variables) for study in studies
    ]
    curve = sizes_of(records, list(sizes), parameters, len(folds))
    if failed := int(curve.summary["failed"].sum()):
        warnings.warn(
            f"{failed} of {len(curve.table)} trainings diverged. They count as infinitely bad.",
            RuntimeWarning,
            stacklevel=3,
        )
    if curve.edge:
        warnings.warn(
            f"The least held-out loss is at the {curve.edge} of the sizes, {curve.best!r}: a "
            f"better one may lie beyond. Add one that is {curve.edge.replace('est', 'er')}.",
            EdgeWarning,
            stacklevel=3,
        )
    return curve


def sizes_of(
    records: Sequence[Record], sizes: Sequence[Any], parameters: Sequence[int], folds: int
) -> CapacityCurve:
    """The result of a record a size, whose lanes are fold by fold.

    Raises:
        InputError: If some training of every size diverged.
    """
    import pandas as pd

    order = np.argsort(parameters, kind="stable").tolist()
    lines, tables, losses = [], [], []
    for k in order:
        record = records[k]
        head = {"size": [sizes[k]] * len(record.lanes), "parameters": parameters[k]}
        table = training_table(record, {**head, "fold": [lane.split for lane in record.lanes]})
        tables.append(table)
        failed = sum(status == DIVERGED for status in record.status)
        line = {"size": sizes[k], "parameters": parameters[k], "trainings": len(table)}
        line["failed"] = failed
        for name in ("train_loss", "held_out_loss"):
            values = table[name].fillna(np.inf).to_numpy().reshape(folds, -1).mean(axis=1)
            mean, error = over_folds(values[None])
            line |= {name: mean[0], f"{name}_standard_error": error[0]}
        losses.append(values)
        lines.append(line)
    if not np.isfinite(losses).all(axis=1).any():
        raise InputError(
            "Training must not diverge at every size. Received: a loss that is not finite on some "
            "fold of every size. Lower the learning rate, or check inputs and loss."
        )
    counts = np.array([parameters[k] for k in order], float)
    chosen: Choice = choose(np.array(losses), -counts)
    edge = None
    if len(sizes) >= MIDDLE and chosen.least in (0, len(sizes) - 1):
        edge = "largest" if chosen.least else "smallest"
    in_order = [sizes[k] for k in order]
    return CapacityCurve(
        sizes=tuple(sizes),
        summary=pd.DataFrame(lines).assign(near=chosen.near),
        table=pd.concat(tables, ignore_index=True),
        best=in_order[chosen.least],
        smallest_near=in_order[chosen.one_standard_error],
        edge=edge,
        standard_error_note=NOTE,
        records=tuple(records[k] for k in order),
    )


def _built(build: Any, sizes: Any) -> list[Any]:
    """The model of every size, before any of them is trained."""
    if not callable(build):
        raise InputError(
            "`build` must be a function that takes a size and returns a compiled Keras model. "
            f"Received: {type(build).__name__}."
        )
    sizes = list(sizes) if isinstance(sizes, (list, tuple, range, np.ndarray)) else []
    if len(sizes) < 2 or any(s == other for k, s in enumerate(sizes) for other in sizes[:k]):
        raise InputError(f"`sizes` must list at least two different sizes. Received: {sizes!r}.")
    models = [build(size) for size in sizes]
    losses = {str(getattr(model, "loss", None)) for model in models}
    if len(losses) > 1:
        raise InputError(
            "Models of all sizes must have one loss, or their losses cannot be compared. Received: "
            f"{', '.join(sorted(losses))}."
        )
    return models
