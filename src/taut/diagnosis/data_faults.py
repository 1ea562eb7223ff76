"""The checks of the data and of the predictions, as findings and verdicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from taut.diagnosis.array_inputs import NotChecked
from taut.diagnosis.calibration import calibration_test
from taut.diagnosis.diagnosis_result import Finding, Verdict
from taut.diagnosis.leakage import leaked_groups, leaked_rows
from taut.diagnosis.leaky_columns import leaked_columns
from taut.diagnosis.segments import failing_segments
from taut.diagnosis.shift import distribution_shift
from taut.diagnosis.subject import Rows
from taut.diagnosis.words import number, percent
from taut.errors import InputError
from taut.studies.noisy_share import flipped_share
from taut.studies.plausibility import label_margins, mean_log_probabilities

NAMED = 3
"""So many names are in a sentence."""
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


@dataclass
class DataFaults:
    """What the checks found; `left_out` says what could not be checked, and why."""

    verdicts: list[Verdict] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    doubtful: np.ndarray | None = None
    """Rows to learn from whose labels look wrong, where these matter."""

    def check(self, what: str, work: Callable[[], Any]) -> Any:
        """What a check finds; None where it could not be made, which is told."""
        try:
            found = work()
        except InputError as error:
            found = NotChecked(str(error))
        except Exception as error:  # a fault of a check must not cost the diagnosis
            found = NotChecked(f"it failed ({type(error).__name__}: {error})")
        if isinstance(found, NotChecked):
            self.left_out.append(f"{what}: {found.reason}")
            return None
        return found


def data_faults(
    train: Rows,
    held_out: Rows | None,
    *,
    names: Sequence[str],
    single_inputs: bool,
    of_classes: bool | None,
    learned: Labelled | NotChecked,
    new: Labelled | NotChecked,
    level: float,
    seed: int,
) -> DataFaults:
    """Run every check that the data allow; one that fails says so, and costs no other.

    Args:
        train: The rows that the model learned from.
        held_out: Rows that it has not seen; None without.
        names: Of the inputs of a table.
        single_inputs: Whether to seek inputs that are the target; not where that is known already.
        of_classes: Whether the target is classes; None where that is not known.
        learned: The rows' classes, and what networks that have not learned from them make of them.
        new: The same of the held-out rows, by the model itself.
        level: Of intervals.
        seed: Draws samples.
    """
    faults = DataFaults()
    if single_inputs:
        _columns(faults, train, names, of_classes, seed)
    if held_out is None:
        faults.left_out.append("Rows in both sets: no rows were held out by a split of yours")
    else:
        _rows(faults, train, held_out, seed)
        _groups(faults, train, held_out)
        _shift(faults, train, held_out, names, seed)
        _calibration(faults, new, held_out.groups, seed)
        _segments(faults, held_out, names, seed)
    _labels(faults, learned, train.groups, level)
    return faults


def _columns(
    faults: DataFaults, train: Rows, names: Sequence[str], of_classes: bool | None, seed: int
) -> None:
    table, target = train.table, train.target
    if table is None or target is None:
        faults.left_out.append("Inputs that are the target: needs one table and one target a row")
        return
    found = faults.check(
        "Inputs that are the target",
        lambda: leaked_columns(
            table, target, classes=of_classes, names=names, groups=train.groups, seed=seed
        ),
    )
    if found is None:
        return
    note = f"a tree on {found.looked_at[0]!r} alone, out of fold" if found.looked_at else ""
    faults.findings.append(Finding("most explained by one input", found.explained, note=note))
    if found.leaked:
        evidence = (
            f"{_names(found.inputs)} explains {percent(found.explained)} of the target by itself; "
            f"all others together {percent(max(found.others, 0.0))}.",
        )
        numbers = {"names": _names(found.inputs)}
        faults.verdicts.append(Verdict("leak_column", "clear", numbers, evidence))


def _rows(faults: DataFaults, train: Rows, held_out: Rows, seed: int) -> None:
    import keras

    def joined(tree: Any) -> np.ndarray:
        leaves = [np.asarray(a, float).reshape(len(a), -1) for a in keras.tree.flatten(tree)]
        return leaves[0] if len(leaves) == 1 else np.concatenate(leaves, axis=1)

    inputs = keras.tree.flatten(train.x)
    alone = len(inputs) == 1
    found = faults.check(
        "Rows in both sets",
        lambda: leaked_rows(
            inputs[0] if alone else joined(train.x),
            keras.tree.flatten(held_out.x)[0] if alone else joined(held_out.x),
            y_train=joined(train.y),
            y_held_out=joined(held_out.y),
            seed=seed,
        ),
    )
    if found is None:
        return
    faults.findings.append(
        Finding(
            "held-out rows that were learned from",
            float(found.equal + found.nearly),
            note=f"{found.equal} equal, {found.nearly} nearly; {found.expected:.3g} by chance",
        )
    )
    if found.leaked:
        numbers = {
            "count": str(len(found.held_out_rows)),
            "rows": str(found.rows),
            "exact": str(found.equal),
        }
        evidence = (f"{found!r}.",)
        faults.verdicts.append(Verdict("leak_rows", "clear", numbers, evidence))


def _groups(faults: DataFaults, train: Rows, held_out: Rows) -> None:
    if train.groups is None or held_out.groups is None:
        faults.left_out.append("Groups that the split cuts: no `groups` were given")
        return
    found = faults.check(
        "Groups that the split cuts", lambda: leaked_groups(train.groups, held_out.groups)
    )
    if found is None:
        return
    faults.findings.append(Finding("groups on both sides of the split", float(len(found.groups))))
    if found.leaked:
        numbers = {"count": str(len(found.groups))}
        evidence = (
            f"{percent(found.share)} of the held-out rows are of groups that were learned from, "
            f"such as {_names([str(g) for g in found.groups])}.",
        )
        faults.verdicts.append(Verdict("leak_groups", "clear", numbers, evidence))


def _shift(
    faults: DataFaults, train: Rows, held_out: Rows, names: Sequence[str], seed: int
) -> None:
    if train.table is None or held_out.table is None:
        faults.left_out.append("Sets that are drawn differently: needs one table of inputs")
        return
    # Where groups are on both sides, that is a fault of its own, and rows are compared.
    apart = (
        train.groups is not None
        and held_out.groups is not None
        and not set(train.groups.tolist()) & set(held_out.groups.tolist())
    )
    found = faults.check(
        "Sets that are drawn differently",
        lambda: distribution_shift(
            train.table,
            held_out.table,
            names=names,
            groups_train=train.groups if apart else None,
            groups_held_out=held_out.groups if apart else None,
            seed=seed,
        ),
    )
    if found is None:
        return
    note = f"of a model that tells held-out rows from others; p = {found.p_value:.2g}"
    faults.findings.append(Finding("AUC of which set a row is in", found.auc, note=note))
    if found.shifted:
        numbers = {"names": _names(found.inputs) if found.inputs else "several inputs together"}
        faults.verdicts.append(Verdict("shift", "clear", numbers, (f"{found!r}.",)))


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


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more"
