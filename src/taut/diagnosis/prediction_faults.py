"""The checks of predictions on rows that were not learned from, as findings and verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from taut.diagnosis.array_inputs import NotChecked
from taut.diagnosis.calibration import calibration_test
from taut.diagnosis.data_faults import DataFaults
from taut.diagnosis.diagnosis_result import Finding, Verdict
from taut.diagnosis.labelled_rows import NOTHING_BESIDE, Contrast, Labelled
from taut.diagnosis.segments import Worded, failing_segments
from taut.diagnosis.subject import Rows
from taut.diagnosis.words import CHECKS, NAMED, number, percent
from taut.studies.noisy_share import Share, share_among, surest

FAILS = 2.0
"""Some rows are harder than others everywhere; a segment fails where its loss is twice theirs."""
LEARNED = 0.2
"""Networks that explain less of the base rate's loss are sure of nothing."""
NOISY, TOLD = 0.03, 0.1
"""A share of wrong labels that matters, which the lower end of its interval must be above; and one
that must be beyond the upper end, or it cannot be told whether labels are wrong."""


def check_predictions(
    faults: DataFaults,
    train: Rows,
    held_out: Rows | None,
    *,
    names: Sequence[str],
    learned: Labelled | NotChecked,
    new: Labelled | NotChecked,
    contrast: Contrast | NotChecked = NOTHING_BESIDE,
    worded: Worded | None = None,
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
        contrast: How many more labels are wrong than of the held-out rows.
        worded: Says which values of an input are meant; see `failing_segments`.
        level: Of intervals.
        seed: Draws samples.
    """
    if held_out is not None:
        _calibration(faults, new, held_out.groups, seed)
        _segments(faults, held_out, names, worded, seed)
    _labels(faults, learned, contrast, train.groups, level)


def _calibration(
    faults: DataFaults, new: Labelled | NotChecked, groups: np.ndarray | None, seed: int
) -> None:
    def work() -> Any:
        if isinstance(new, NotChecked):
            return new
        return calibration_test(new.shares, new.labels, groups=groups, seed=seed)

    found = faults.check(CHECKS["miscalibrated"], work)
    if found is None:
        return
    note = "1 where probabilities are right; less where the model is too sure"
    faults.findings.append(
        Finding("slope of calibration", found.slope, found.slope_low, found.slope_high, note)
    )
    if found.miscalibrated:
        numbers = {"slope": f"{found.slope:.2f}", "moved": percent(found.moved)}
        faults.verdicts.append(Verdict("miscalibrated", "clear", numbers, (f"{found!r}.",)))


def _segments(
    faults: DataFaults, held_out: Rows, names: Sequence[str], worded: Worded | None, seed: int
) -> None:
    if held_out.table is None or held_out.losses is None:
        what = CHECKS["failing_segment"]
        faults.left_out.append(f"{what}: needs one table, and a loss of each row")
        return
    found = faults.check(
        CHECKS["failing_segment"],
        lambda: failing_segments(
            held_out.table,
            held_out.losses,
            names=names,
            groups=held_out.groups,
            worded=worded,
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
    faults: DataFaults,
    labelled: Labelled | NotChecked,
    contrast: Contrast | NotChecked,
    groups: np.ndarray | None,
    level: float,
) -> None:
    """Labels that networks which have not learned from them find implausible.

    By these rows alone, wrong labels can be told from a hard problem only where networks are sure
    of some rows, and disagree more often than they expect; against held-out rows they can wherever
    those have fewer.
    """

    def work() -> list[tuple[str, Share, float, Labelled, str]] | NotChecked:
        if isinstance(labelled, NotChecked):
            return labelled
        found = []
        if labelled.explained >= LEARNED:
            _, sure, likeliest = labelled.margins
            agrees = likeliest == labelled.labels
            inside, level_off = surest(sure, likeliest, agrees, groups=groups)
            share = share_among(inside, level_off, agrees, groups=groups, level=level)
            expected = float(1 - labelled.shares.max(axis=1)[inside].mean())
            text = (
                "disagree with networks that are sure and have not learned from them, which expect "
                f"{percent(expected)}"
            )
            found.append(("share of wrong labels", share, expected, labelled, text))
        if not isinstance(contrast, NotChecked):
            what = "share of wrong labels beyond those held out"
            text = "are wrong beyond those held out, by networks that have not learned from either"
            found.append((what, contrast.share, 0.0, contrast.learned, text))
            return found
        explained = percent(max(labelled.explained, 0.0))
        return found or NotChecked(
            f"cannot be told: a hard problem looks the same to networks that explain {explained} "
            f"of the base rate's loss, and {contrast.reason}"
        )

    found = faults.check(CHECKS["label_noise"], work)
    if found is None:
        return
    for what, share, _, _, text in found:
        faults.findings.append(Finding(what, share.share, share.low, share.high, text))
    _, share, expected, by, text = max(found, key=lambda each: each[1].low - each[2])
    most = min(each[1].high for each in found)
    if share.low - expected > NOISY:
        margins = by.margins[0]
        numbers = {"share": percent(share.share), "row": str(int(margins.argmin()))}
        interval = f"{percent(share.low)} to {percent(share.high)}"
        evidence = (f"{percent(share.share)} ({interval}) of the labels {text}.",)
        faults.verdicts.append(Verdict("label_noise", "clear", numbers, evidence))
        count = round(share.share * len(margins))
        faults.doubtful = np.sort(np.argsort(margins, kind="stable")[:count])
    elif most >= TOLD:
        what = CHECKS["label_noise"]
        faults.left_out.append(f"{what}: cannot be told: up to {percent(most)} may be wrong")
