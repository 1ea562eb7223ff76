"""The checks of predictions on rows that were not learned from, as findings and verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from taut.diagnosis.array_inputs import NotChecked
from taut.diagnosis.calibration import calibration_test
from taut.diagnosis.data_faults import DataFaults
from taut.diagnosis.diagnosis_result import Finding, Verdict
from taut.diagnosis.segments import failing_segments
from taut.diagnosis.subject import Rows
from taut.diagnosis.words import NAMED, number, percent
from taut.studies.noisy_share import flipped_share
from taut.studies.plausibility import label_margins, mean_log_probabilities

FAILS = 2.0
"""Some rows are harder than others everywhere; a segment fails where its loss is twice theirs."""
LEARNED = 0.2
"""Networks that explain less of the base rate's loss are sure of nothing."""
NOISY = 0.03
"""A share of wrong labels that matters; the lower end of its interval must be above."""


@dataclass(frozen=True)
class Labelled:
    """Classes, and what networks that have not learned from a row make of it.

    Attributes:
        labels: [rows] class numbers.
        shares: [rows, classes] probabilities, out of fold.
    """

    labels: np.ndarray
    shares: np.ndarray

    @property
    def explained(self) -> float:
        """The share of the base rate's log-loss that is gone."""
        rows = np.arange(len(self.labels))
        loss = -np.log(np.clip(self.shares[rows, self.labels], 1e-6, 1)).mean()
        counts = np.bincount(self.labels, minlength=self.shares.shape[1]) / len(self.labels)
        base = -np.log(counts[self.labels]).mean()
        return float(1 - loss / base) if base > 0 else 0.0


def check_predictions(
    faults: DataFaults,
    train: Rows,
    held_out: Rows | None,
    *,
    names: Sequence[str],
    learned: Labelled | NotChecked,
    new: Labelled | NotChecked,
    level: float,
    seed: int,
) -> None:
    """Run the checks of predictions, and add what they find.

    Args:
        faults: What the checks of the data found.
        train: The rows that the model learned from.
        held_out: Rows that it has not seen; None without.
        names: Of the inputs of a table.
        learned: The rows' classes, and what networks that have not learned from them make of them.
        new: The same of the held-out rows, by the model itself.
        level: Of intervals.
        seed: Draws samples.
    """
    if held_out is not None:
        _calibration(faults, new, held_out.groups, seed)
        _segments(faults, held_out, names, seed)
    _labels(faults, learned, train.groups, level)


def _calibration(
    faults: DataFaults, new: Labelled | NotChecked, groups: np.ndarray | None, seed: int
) -> None:
    def work() -> Any:
        if isinstance(new, NotChecked):
            return new
        return calibration_test(new.shares, new.labels, groups=groups, seed=seed)

    found = faults.check("Probabilities against outcomes", work)
    if found is None:
        return
    note = "1 where probabilities are right; less where the model is too sure"
    faults.findings.append(
        Finding("slope of calibration", found.slope, found.slope_low, found.slope_high, note)
    )
    if found.miscalibrated:
        numbers = {"slope": f"{found.slope:.2f}", "moved": percent(found.moved)}
        faults.verdicts.append(Verdict("miscalibrated", "clear", numbers, (f"{found!r}.",)))


def _segments(faults: DataFaults, held_out: Rows, names: Sequence[str], seed: int) -> None:
    if held_out.table is None or held_out.losses is None:
        faults.left_out.append("Segments where it fails: needs one table, and a loss of each row")
        return
    found = faults.check(
        "Segments where it fails",
        lambda: failing_segments(
            held_out.table,
            held_out.losses,
            names=names,
            groups=held_out.groups,
            seed=seed,
        ),
    )
    if found is None:
        return
    faults.findings.append(
        Finding("segments where it fails", float(len(found.failing)), note=f"{found.tested} tested")
    )
    grave = [segment for segment in found.failing if segment.loss >= FAILS * segment.rest]
    if grave:
        worst = grave[0]
        numbers = {
            "names": worst.where,
            "loss": number(worst.loss),
            "others": number(worst.rest),
        }
        evidence = tuple(
            f"{s.where}: {s.rows} rows, loss {number(s.loss)} (elsewhere {number(s.rest)}), "
            f"p = {s.p_value:.2g} for all segments together."
            for s in grave[:NAMED]
        )
        faults.verdicts.append(Verdict("failing_segment", "clear", numbers, evidence))


def _labels(
    faults: DataFaults, labelled: Labelled | NotChecked, groups: np.ndarray | None, level: float
) -> None:
    """Labels that networks which have not learned from them find implausible."""

    def work() -> Any:
        if isinstance(labelled, NotChecked):
            return labelled
        if labelled.explained < LEARNED:
            return NotChecked(
                f"the networks explain {percent(max(labelled.explained, 0.0))} of the base rate's "
                "loss: their disagreement with a label tells nothing"
            )
        logs = mean_log_probabilities(labelled.shares[None])
        likeliest = logs.argmax(axis=1)
        sure, _ = label_margins(logs, likeliest)
        margins, _ = label_margins(logs, labelled.labels)
        agrees = likeliest == labelled.labels
        share = flipped_share(sure, likeliest, agrees, groups=groups, level=level)
        return share, margins

    found = faults.check("Labels that look wrong", work)
    if found is None:
        return
    share, margins = found
    note = "how often sure networks disagree with a label, out of fold"
    faults.findings.append(
        Finding("share of wrong labels", share.share, share.low, share.high, note)
    )
    if share.low > NOISY:
        numbers = {"share": percent(share.share), "row": str(int(margins.argmin()))}
        evidence = (
            f"{percent(share.share)} ({percent(share.low)} to {percent(share.high)}) of the labels "
            "disagree with networks that are sure and have not learned from them.",
        )
        faults.verdicts.append(Verdict("label_noise", "clear", numbers, evidence))
        count = round(share.share * len(margins))
        faults.doubtful = np.sort(np.argsort(margins, kind="stable")[:count])
