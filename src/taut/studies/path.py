"""The regularization path: strengths × folds × seeds as one program, and what it says."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from taut._data import check_rows_given
from taut._weights import ClassWeight, weight_arrays
from taut.checks import check_whole, check_whole_or_none
from taut.engine import Callback, Lane, afterwards, check_model, rungs_for, width_for
from taut.engine.data.sources import as_source, is_source
from taut.errors import InputError
from taut.penalties import L1, Penalty
from taut.progress import displayed
from taut.studies.axes import axes_of
from taut.studies.crossvalidate import crossvalidate
from taut.studies.folded import FoldedRows, folded_arrays
from taut.studies.grid import Candidate, Grid
from taut.studies.kept_penalties import kept_texts, reached, with_kept
from taut.studies.labels import labelled
from taut.studies.make_result import make_result, warn_of_diverged, warn_of_edge
from taut.studies.range import ranged
from taut.studies.result import PathResult
from taut.studies.scoring import scoring_of
from taut.studies.study_model import study_copy
from taut.studies.training_settings import Settings
from taut.studies.trainings import check_start
from taut.studies.warm import check_warm_start, disagreement


@displayed
def regularization_path(
    model: Any,
    x: Any,
    y: Any = None,
    *,
    penalty: type[Penalty] | Penalty | str | Mapping[Any, Any] = L1,
    strengths: int | Sequence[float] | Mapping[Any, int | Sequence[float]] = 30,
    cv: Any = 5,
    groups: Any = None,
    scoring: Any = None,
    seeds: int = 1,
    start: str = "fresh",
    epochs: int = 100,
    batch_size: int = 32,
    patience: int | None = None,
    warm_start: str | None = None,
    warm_epochs: int | None = None,
    halving: bool = False,
    seed: int = 0,
    sample_weight: Any = None,
    class_weight: ClassWeight = None,
    width: int | None = None,
    memory: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_seconds: float = 60.0,
    callbacks: Sequence[Callback] | None = None,
) -> PathResult:
    r"""Train a model at many strengths × folds × seeds as one program, and choose.

    Every training minimises J(w) + α·R(w) from fresh initial weights, with the model's own loss
    and optimizer (made proximal). Layers that learn statistics of the inputs, such as
    `taut.layers.Standardize`, are adapted inside each fold. With `patience`, each training
    keeps its epoch of least held-out loss, so the chosen loss is somewhat optimistic: report
    the final figure on rows that this study has not seen.

    Data larger than memory are streamed: a `taut.engine.Source` such as `ParquetRows`, a
    `keras.utils.PyDataset`, or arrays with `memory`. All lanes then advance together over each
    batch, and a row's fold is a hash of its content (see `taut.engine.stream.train_streamed`). A
    grid of strengths is found by training in memory on some thousand rows drawn from everywhere
    (`taut.studies.streamed.PILOT_ROWS`; at least 30 epochs, where there are more rows): list
    the strengths where that is not enough.

    Args:
        model: A compiled and built Keras model. It is not changed.
        x: Inputs, [rows, …] or a tree of these; or a source of rows.
        y: Targets, [rows, …] or a tree of these; not with a source, which brings its own. Labels
            (text) where the loss is one of classes: they are numbered in their order.
        penalty: A penalty class, instance or name; a sum of penalties; or a mapping from selectors
            to these, as `taut.Proximal` takes it. One strength is replaced by the path's; of
            several, the path's strength multiplies each. What the model was compiled with besides
            stays as it is, as do penalties of its layers: see `PathResult.kept_penalties`.
        strengths: How many, on a grid chosen from the data: its top leaves nothing, its bottom
            changes nothing; or a list of strengths. Or a mapping from selectors of `penalty` to
            either: each varies on its own, and the path has all combinations. The range of each is
            found with the others at 0.
        cv: Number of folds (stratified for classes), a scikit-learn splitter, or pairs of rows;
            of streamed rows a number, and not stratified.
        groups: [rows] labels of groups, such as patients: no group is on both sides of a fold. A
            number of folds then deals out groups, a splitter is given them.
        scoring: What the two choices are by: "loss", the held-out data loss; the name of a compiled
            metric; the name of a scorer of scikit-learn, or one of `make_scorer`; or a function
            (y, prediction) -> float of which larger is better. It is given the held-out rows'
            `sample_weight`, by that name, where there are any, and refused if it knows none;
            `class_weight` is of the training alone. `patience` and `halving` go by the loss.
        seeds: Trainings of each strength and fold, from different initial weights.
        start: "fresh" draws the trainable weights anew for each training, by their own
            initialisers; "present" starts from the weights that the model has (pretrained ones,
            to which `taut.L2SP` refers), and seeds then draw dropout and the order of rows
            alone. What is not trained (frozen weights, what layers were adapted to) is kept.
        epochs: Epochs of a training.
        batch_size: Rows in a batch.
        patience: Stop after this many epochs without a better held-out loss; None never stops.
        warm_start: Start a training from where the neighbouring strength ended: "down" from
            strong to weak, "up", "both" (each strength twice) or None. Faster, for a warm
            training has fewer epochs; the two chosen strengths are trained from fresh weights
            too, and `warm_disagreement` says how far the two differ.
        warm_epochs: Epochs of a warm training; a fifth of `epochs` unless given.
        halving: Drop hopeless strengths early, by successive halving after an eighth, a quarter
            and half of the epochs (`taut.engine.Halving`). They are no longer candidates, and
            the path has no full curve then. With `patience` only.
        seed: Seeds folds, initial weights and the order of rows.
        sample_weight: [rows] weights of the data loss.
        class_weight: Weights >= 0 by class number, as in Keras, or by label, 1 for those left out;
            or `"balanced"`, n/(K·n_k) for the n_k of n rows in class k of K.
        width: Trainings side by side on one device; unless given at most 16, and on a CPU 1 for
            convolutions and for more than some thousand weights (see `taut.engine.width`).
        memory: Stream the rows, and take at most so many bytes for them and for the lanes; 1 GiB
            for a source unless given.
        checkpoint: A folder, made if need be, in which the study is saved as it goes. The same
            call goes on from there; see `train_lanes`.
        checkpoint_seconds: Save when so many seconds have passed.
        callbacks: Told of the progress; a display on the terminal unless given.

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
    axes = with_kept(model, axes_of(penalty, strengths))
    check_start(start)
    check_whole(1, seeds=seeds)
    check_whole_or_none(1, memory=memory)
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
    warm_epochs = check_warm_start(warm_start, warm_epochs, epochs, axes.names)
    rungs = _rungs(epochs, patience, warm_start) if halving else ()
    rows: FoldedRows
    if not is_source(x):
        check_rows_given(x, y, sample_weight=sample_weight, groups=groups)
    labels = None if is_source(x) else labelled(model, y)
    if labels is not None:
        y, class_weight = labels.y, labels.class_weight(class_weight)
    if is_source(x) or memory is not None:
        from taut.studies.streamed import FoldedStream

        rows = FoldedStream(
            as_source(x, y, sample_weight, groups),
            cv=cv,
            seed=seed,
            class_weight=class_weight,
            memory=memory,
            batch_size=batch_size,
            trainings=axes.size * seeds,
            warm_start=warm_start,
        )
    else:
        rows = folded_arrays(
            model,
            x,
            y,
            cv=cv,
            seed=seed,
            sample_weight=sample_weight,
            class_weight=class_weight,
            groups=groups,
        )
    listed = [axis.name for axis in axes.axes if axis.values is not None]
    few = rows.first()
    copy = study_copy(model, axes.entries, few[0])
    classes = None if labels is None else labels.classes
    score = scoring_of(copy, scoring, *few, classes, weight_arrays(sample_weight))
    rows.check_score(copy, score)
    values = rows.learned(copy)
    present = start == "present"
    of_strength, parts = reached(copy, axes)
    penalised = sorted(
        {i for part in parts if part.strength.axis is not None for i in part.variables}
    )
    axes = ranged(
        copy,
        rows,
        axes,
        replace(settings, width=width or width_for(copy, axes.size * rows.folds * seeds)),
        Lane((), 0, seed, values[0], present=present),
    )
    points = axes.points()
    candidates = [Candidate(tuple(part.at(point) for part in of_strength)) for point in points]
    grid = Grid(candidates, rows.folds, range(seed, seed + seeds))
    trained = crossvalidate(
        copy,
        rows,
        grid,
        settings,
        values=values,
        present=present,
        warm_start=warm_start,
        warm_epochs=warm_epochs,
        rungs=rungs,
    )
    record = trained.record
    metrics: dict[str, np.ndarray] = afterwards(
        "The held-out metrics",
        lambda: rows.metrics(copy, record),
        {},
        remedy="Measure them by `result.models()`.",
    )
    if score.measure is not None:
        scores = afterwards(
            f"The score {score.name!r}",
            lambda: {score.name: rows.scores(copy, record, score.measure)},  # type: ignore[arg-type]
            {},
        )
        metrics = {**metrics, **scores}
    result = make_result(
        copy,
        axes,
        trained,
        penalised,
        kept_texts(copy, parts),
        score,
        classes,
        metrics,
        rows.certify,
    )
    warn_of_diverged(record)
    warn_of_edge(result, listed=listed)
    if warm_start is None:
        return result
    strength_of = {c.strengths: float(s) for c, (s,) in zip(candidates, points, strict=True)}
    chosen = result.best_strength, result.one_se_strength

    def compared() -> Any:
        again = replace(
            grid, candidates=[c for c in candidates if strength_of[c.strengths] in chosen]
        )
        cold = crossvalidate(
            copy, rows, again, settings, values=values, name="cold", present=present
        )
        return disagreement(record, trained.directions, cold.record, penalised, strength_of)

    difference = afterwards("The comparison with trainings from fresh weights", compared, None)
    return replace(result, warm_disagreement=difference)


def _rungs(epochs: int, patience: int | None, warm_start: str | None) -> tuple[int, ...]:
    """The epochs after which `halving` drops strengths."""
    if warm_start or patience is None:
        raise InputError(
            "`halving` compares strengths that train side by side, by their best epoch so far: it "
            f"needs `patience`, and no warm starts. Received: patience={patience}, "
            f"warm_start={warm_start!r}."
        )
    rungs = rungs_for(epochs)
    if rungs[-1:] != (epochs // 2,):
        raise InputError(f"`halving` needs at least 2 epochs. Received: epochs={epochs}.")
    return rungs
