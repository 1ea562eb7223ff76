"""How much of a held-out loss is luck: of initial weights, of the order of rows, of the split."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from taut._read_only import ReadOnly
from taut._weights import ClassWeight
from taut.checks import check_whole
from taut.engine import Callback, Record
from taut.engine.redraw import redrawn
from taut.errors import InputError, UnsupportedError
from taut.progress import displayed
from taut.studies.as_compiled import as_compiled
from taut.studies.training_settings import Settings
from taut.studies.trainings import (
    check_folds,
    check_level,
    training_table,
    warn_of_left_out,
)
from taut.studies.variance_components import NAMES, Components, variance_components
from taut.text_table import html_of

if TYPE_CHECKING:
    import pandas as pd

SURE = 1.96
"""Standard deviations beyond which a normal difference is more than luck, at 5%."""
WORDS = {
    "split": "the split",
    "weights": "initial weights",
    "order": "order of rows and dropout",
    "both": "weights and order together",
}


@dataclass(frozen=True, repr=False, eq=False)
class SeedVariance(ReadOnly):
    """What `seed_variance` returns.

    Attributes:
        loss: The mean held-out loss.
        components: Variances, with what is known of them.
        table: One line a training: fold, weights and order (numbers within the fold), seed,
            train_loss, held_out_loss, best_epoch, epochs, status.
        record: The engine's record of every lane.
    """

    loss: float
    components: Components
    table: pd.DataFrame
    record: Record

    @property
    def seed_deviation(self) -> float:
        """Standard deviation of the loss of one training on one split: weights and order."""
        return self.components.deviation(*NAMES[1:])[0]

    def more_than_luck(self, seeds: int = 1) -> float:
        r"""How far apart the losses of two models must be to be more than luck of the seed.

        Both on the same split, each the mean of so many seeds; two models of the same spread:

            1.96·√(2·σ²/k),    σ² = σ²_weights + σ²_order + σ²_both

        With equal models, 5% of differences are larger. The split is not in it: it is the same.

        Args:
            seeds: k, trainings of each model that are averaged.

        Raises:
            InputError: If `seeds` is no integer >= 1.
        """
        check_whole(1, seeds=seeds)
        return float(SURE * self.seed_deviation * np.sqrt(2 / seeds))

    def to_frame(self, level: float = 0.95) -> pd.DataFrame:
        """One line a component, then all of the seed, then all.

        Args:
            level: Of the intervals.

        Returns:
            component; deviation, its standard deviation in units of the loss, with low and high;
            share, of the total variance; degrees, of freedom.
        """
        import pandas as pd

        check_level(level)
        known = self.components
        parts = {**{name: (name,) for name in NAMES}, "seed": NAMES[1:], "total": NAMES}
        total = sum(known.variance.values())
        lines = []
        for name, of in parts.items():
            deviation, low, high = known.deviation(*of, level=level)
            share = sum(known.variance[k] for k in of) / total if total else np.nan
            line = {"component": name, "deviation": deviation, "low": low, "high": high}
            lines.append(line | {"share": share, "degrees": known.degrees.get(name)})
        return pd.DataFrame(lines).astype({"degrees": "Int64"})

    def plot(self) -> Any:
        """The standard deviation of each component as an Altair chart, with 95% intervals.

        Raises:
            InputError: If Altair is not installed.
        """
        from taut.studies.curve_plots import variance_chart

        return variance_chart(self)

    def sentences(self) -> list[str]:
        """What was found, one sentence a line."""
        lines = [f"SeedVariance: held-out loss {self.loss:.4g}, {len(self.table)} trainings"]
        for name in NAMES:
            deviation, low, high = self.components.deviation(name)
            lines.append(
                f"{WORDS[name]}: standard deviation {deviation:.2g} ({low:.2g} to {high:.2g})"
            )
        lines.append(
            f"two models, each trained once on the same split, differ by more than luck of the "
            f"seed from {self.more_than_luck():.2g} on; as means of 5 seeds from "
            f"{self.more_than_luck(5):.2g} on"
        )
        return lines

    def __repr__(self) -> str:
        return "\n  ".join(self.sentences())

    def _repr_html_(self) -> str:
        return html_of(self.sentences(), self.to_frame(), float_format="%.3g")


@displayed
def seed_variance(
    model: Any,
    x: Any,
    y: Any = None,
    *,
    weights: int = 4,
    orders: int = 4,
    cv: Any = 5,
    groups: Any = None,
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
) -> SeedVariance:
    r"""Measure how much of a held-out loss is luck, and of what.

    On each split every one of some draws of the initial weights is trained with every one of some
    orders of the rows (with dropout masks): splits × weights × orders trainings as one program.
    The two are separated exactly: trainings of equal weights begin at the same numbers, trainings
    of equal order see the same batches. The held-out losses are taken apart as

        y = μ + split + weights + order + both together

    by the method of moments (see `taut.studies.variance_components.variance_components`). "split"
    is which rows were trained on and which held out, "both" what neither explains alone: training
    is chaotic, so it is often the largest of the seed's.

    Args:
        model: A compiled and built Keras model. It is not changed.
        x: Inputs, [rows, …] or a tree of these.
        y: Targets, [rows, …] or a tree of these; text where the loss is one of classes.
        weights: Draws of the initial weights on each split, 2 at least.
        orders: Orders of the rows on each split, 2 at least.
        cv: The splits: number of folds, a scikit-learn splitter such as `ShuffleSplit(10)`, or
            pairs of rows.
        groups: [rows] labels of groups; no group is on both sides of a split.
        epochs: Epochs of a training.
        batch_size: Rows in a batch.
        patience: Stop after this many epochs without a better held-out loss, and keep the best
            epoch; None never stops, and keeps the last.
        seed: Seeds splits, weights and orders.
        sample_weight: [rows] weights of the data loss.
        class_weight: Weights >= 0 by class number, as in Keras, or by label, 1 for those left out;
            or `"balanced"`, n/(K·n_k) for the n_k of n rows in class k of K.
        width: Trainings side by side on one device; see `regularization_path`.
        checkpoint: A folder, made if need be, in which the study is saved as it goes.
        checkpoint_seconds: Save when so many seconds have passed.
        callbacks: Told of the progress; a display on the terminal unless given.

    Returns:
        A `SeedVariance`.

    Raises:
        InputError: For rows or numbers that cannot be, before any training; if a training
            diverged, for then its losses have no variance.

    Example:
        >>> luck = taut.seed_variance(model, x, y, epochs=50)  # doctest: +SKIP
        >>> luck.more_than_luck()  # doctest: +SKIP

    References:
        Bouthillier et al., Accounting for variance in machine learning benchmarks, 2021.
    """
    check_whole(2, weights=weights, orders=orders)
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
    study = as_compiled(
        model,
        x,
        y,
        cv=cv,
        seed=seed,
        groups=groups,
        sample_weight=sample_weight,
        class_weight=class_weight,
    )
    folds = len(study.rows.splits)
    check_folds(folds, "What is luck of the split")
    lanes, places = [], []
    for split in range(folds):
        for i in range(weights):
            begin = initial_weights(study.copy, seed + split * weights + i)
            for j in range(orders):
                # A lane's seed draws weights too, which these numbers replace.
                lane = study.lane(split, seed + split * orders + j)
                lanes.append(replace(lane, values={**begin, **lane.values}))
                places.append((split, i, j))
    record = study.rows.train(study.copy, lanes, settings, "seed-variance")
    columns = dict(zip(("fold", "weights", "order"), zip(*places, strict=True), strict=True))
    table = training_table(record, {name: list(values) for name, values in columns.items()})
    warn_of_left_out(record)
    losses = table["held_out_loss"].to_numpy().reshape(folds, weights, orders)
    if not np.isfinite(losses).all():
        raise InputError(
            "No training may diverge, for a loss that is not finite has no variance. Received: "
            f"{(~np.isfinite(losses)).sum()} of {losses.size} that did. Lower the learning rate, "
            "or check inputs and loss."
        )
    return SeedVariance(float(losses.mean()), variance_components(losses), table, record)


def initial_weights(model: Any, seed: int) -> dict[str, np.ndarray]:
    """What a seed draws for the trainable weights, by path: the same whatever else a lane draws.

    Raises:
        UnsupportedError: If two weights have one path, or an initialiser cannot be seeded.
    """
    paths = [v.path for v in model.trainable_variables]
    if twice := sorted({path for path in paths if paths.count(path) > 1}):
        raise UnsupportedError(
            "Initial weights are given to trainings by the path of the weight, which must be its "
            f"own. Received: several named {twice[0]!r}. Give layers different names."
        )
    return dict(zip(paths, redrawn(model, seed)[0], strict=True))
