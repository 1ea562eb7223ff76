"""Label noise: rows whose label out-of-fold networks find least plausible, and their share."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from taut._data import group_labels
from taut._weights import ClassWeight
from taut.checks import check_whole
from taut.engine import Callback
from taut.progress import displayed
from taut.studies.as_compiled import as_compiled
from taut.studies.label_noise_result import LabelNoise
from taut.studies.noisy_share import flipped_share, wide_share
from taut.studies.one_target import check_rows, one_target, probabilities
from taut.studies.out_of_fold import out_of_fold, repeated
from taut.studies.plausibility import label_margins, mean_log_probabilities, studentised
from taut.studies.training_settings import Settings
from taut.studies.trainings import check_some_trained, warn_of_left_out


@displayed
def label_noise(
    model: Any,
    x: Any,
    y: Any = None,
    *,
    cv: Any = 5,
    groups: Any = None,
    seeds: int = 5,
    epochs: int = 100,
    batch_size: int = 32,
    patience: int | None = 10,
    seed: int = 0,
    sample_weight: Any = None,
    class_weight: ClassWeight = None,
    width: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_seconds: float = 60.0,
    callbacks: Sequence[Callback] | None = None,
) -> LabelNoise:
    r"""Rank the rows by how implausible their labels are, and estimate the share of wrong ones.

    The model is trained on folds × seeds as one program, and each row predicted by the networks
    that it was held out from. With ℓ the logarithms of their probabilities, averaged over the
    seeds, the score of a row with the label y is the log odds of its label against the strongest
    rival,

        s = ℓ_y − max_{k ≠ y} ℓ_k                              (nats; below 0: another is likelier)

    and of a number that is predicted as ŷ, with the networks' disagreement v,

        s = −|z|,  z = (y − ŷ)/√(σ² + v)                       (robust standard deviations).

    The share of wrong labels is how often the networks disagree with the label where they are sure
    (`taut.studies.noisy_share.flipped_share`); of numbers, the share of residuals of a much wider
    distribution than the others (`wide_share`). Labels are taken to be
    wrong at random: what is wrong in the same way in all similar rows is not found.

    Args:
        model: A compiled and built Keras model, with one output: of a cross-entropy, or of one
            number. It is not changed.
        x: Inputs, [rows, …] or a tree of these.
        y: [rows] classes (numbers, one-hot or text) or numbers.
        cv: Number of folds, drawn anew for each seed; a scikit-learn splitter or pairs of rows are
            the same for each. Rows that no fold holds out have no score.
        groups: [rows] labels of groups, none of which is on both sides of a fold. The interval
            takes groups to be independent.
        seeds: Networks of each row, from other initial weights and folds. One network's odd
            prediction is taken for a wrong label; the mean of several is steadier.
        epochs: Epochs of a training, at most.
        batch_size: Rows in a batch.
        patience: End a training after so many epochs without a better held-out loss, and keep the
            best: before it fits the wrong labels too. None trains all epochs.
        seed: Seeds folds, initial weights and the order of rows.
        sample_weight: [rows] weights of the data loss. Rows of weight 0 are scored too.
        class_weight: Weights by class number, by label, or `"balanced"`.
        width: Trainings side by side on one device.
        checkpoint: A folder in which the study is saved as it goes, and from which it goes on.
        checkpoint_seconds: Save when so many seconds have passed.
        callbacks: Told of the progress; a display on the terminal unless given.

    Returns:
        A `LabelNoise`: every row's score, the suspects, and the share with its interval.

    Raises:
        InputError: For fewer than 20 rows, targets that are not one a row or all the same, and
            whatever `regularization_path` refuses; before any training.

    Example:
        >>> noise = taut.label_noise(model, x, y)  # doctest: +SKIP
        >>> noise.share, noise.low, noise.high  # doctest: +SKIP
        >>> noise.suspects[:10]  # rows to look at first  # doctest: +SKIP

    References:
        Northcutt, Jiang and Chuang, Confident learning: estimating uncertainty in dataset labels,
        2021. Arpit et al., A closer look at memorization in deep networks, 2017.
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
    target = one_target(model, study.rows.first()[1], "label_noise")
    check_rows(len(target.values), "label_noise")
    study, lanes = repeated(study, model, cv=cv, groups=groups, seeds=seeds, seed=seed)
    record = study.rows.train(study.copy, lanes, settings, "lanes")
    check_some_trained(record)
    warn_of_left_out(record)
    read = (lambda a: probabilities(model, a)) if target.classes else (lambda a: a.reshape(len(a)))
    predicted = out_of_fold(study, record, seeds, read)
    known = np.isfinite(predicted.reshape(seeds, len(target.values), -1)).any(axis=(0, 2))
    of_known = None if groups is None else group_labels(groups)[known]
    classes = None
    if target.classes:
        logs = mean_log_probabilities(predicted)
        score, rival = label_margins(logs, target.values)
        score = np.where(known, score, np.nan)
        likeliest = np.where(known, np.nan_to_num(logs, nan=-np.inf).argmax(axis=1), -1)
        sure, _ = label_margins(logs[known], likeliest[known])
        agrees = likeliest[known] == target.values[known]
        share = flipped_share(sure, likeliest[known], agrees, groups=of_known)
        suggested, classes = rival, np.arange(target.classes)
        if study.labels is not None:
            classes = study.labels.classes
    else:
        z, suggested = studentised(target.values, predicted)
        score, share = -np.abs(z), wide_share(z[known], groups=of_known)
    return LabelNoise(
        score=score,
        given=target.values,
        suggested=suggested,
        share=share.share,
        low=share.low,
        high=share.high,
        classes=classes,
        seeds=seeds,
        folds=len(lanes) // seeds,
        record=record,
    )
