"""Classes of rows, and what networks that have not learned from them make of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from taut._keras.compiled_model import loss_of_classes
from taut.diagnosis.array_inputs import NotChecked
from taut.diagnosis.data_faults import DataFaults
from taut.diagnosis.label_contrast import label_contrast
from taut.diagnosis.subject import Subject
from taut.diagnosis.trials import Trials
from taut.errors import InputError
from taut.studies.noisy_share import Share
from taut.studies.one_target import one_target, probabilities
from taut.studies.plausibility import label_margins, mean_log_probabilities

UNLIKE = {"leak_rows", "leak_groups", "shift"}
"""With these, held-out rows are not as hard as those learned from."""
MOST_SHARES = 1_000_000
"""Probabilities of both sides that each trial may keep."""

NOTHING_BESIDE = NotChecked("no held-out rows that are drawn alike are there to compare with")


@dataclass(frozen=True)
class Labelled:
    """Classes, and what networks that have not learned from a row make of it.

    Attributes:
        labels: [rows] class numbers.
        shares: [rows, classes] probabilities, out of fold.
    """

    labels: np.ndarray
    shares: np.ndarray

    @cached_property
    def margins(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """[rows] the log odds of each label, those of the likeliest class, and that class."""
        logs = mean_log_probabilities(self.shares[None])
        likeliest = logs.argmax(axis=1)
        return label_margins(logs, self.labels)[0], label_margins(logs, likeliest)[0], likeliest

    @property
    def explained(self) -> float:
        """The share of the base rate's log-loss that is gone."""
        rows = np.arange(len(self.labels))
        loss = -np.log(np.clip(self.shares[rows, self.labels], 1e-6, 1)).mean()
        counts = np.bincount(self.labels, minlength=self.shares.shape[1]) / len(self.labels)
        base = -np.log(counts[self.labels]).mean()
        return float(1 - loss / base) if base > 0 else 0.0


@dataclass(frozen=True)
class Contrast:
    """The rows to learn from against those held out, by networks that know the labels of neither.

    Attributes:
        share: The share of wrong labels, beyond that of the held-out rows.
        learned: The rows' classes, and what the networks make of them.
    """

    share: Share
    learned: Labelled


def labelled_rows(model: Any, y: Any, prediction: Any) -> Labelled | NotChecked:
    """Classes, and the probabilities that a prediction has for them."""
    if prediction is None:
        return NotChecked("it needs networks trained in folds")
    if not loss_of_classes(model):
        return NotChecked("the loss is not one of classes; of numbers use `taut.label_noise`")
    try:
        target = one_target(model, y, "diagnose")
        shares = probabilities(model, prediction)
    except InputError as error:
        return NotChecked(str(error))
    return Labelled(target.values.astype(int), shares)


def comparable(subject: Subject, faults: DataFaults) -> bool:
    """Whether labels learned from can be compared with those of held-out rows drawn alike."""
    held_out = subject.held_out
    if held_out is None or not loss_of_classes(subject.model) or faults.codes & UNLIKE:
        return False
    both = subject.train, held_out
    try:
        classes = max(one_target(subject.model, rows.y, "diagnose").classes for rows in both)
    except InputError:
        return False
    return classes * sum(map(len, both)) <= MOST_SHARES


def contrast_of(subject: Subject, trials: Trials | None, level: float) -> Contrast | NotChecked:
    """How many more labels are wrong than of the held-out rows, by the mean of all networks."""
    both = None if trials is None else trials.mean_shares
    if both is None or subject.held_out is None:
        return NOTHING_BESIDE
    train, held_out = subject.train, subject.held_out
    labels = [one_target(subject.model, rows.y, "diagnose").values for rows in (train, held_out)]
    learned, new = (
        Labelled(values.astype(int), shares) for values, shares in zip(labels, both, strict=True)
    )
    share = label_contrast(
        (learned.labels, learned.shares),
        (new.labels, new.shares),
        groups=(train.groups, held_out.groups),
        level=level,
    )
    return share if isinstance(share, NotChecked) else Contrast(share, learned)
