"""The checks of the data, which need no further training, as findings and verdicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from taut.diagnosis.array_inputs import NotChecked
from taut.diagnosis.diagnosis_result import Finding, Verdict
from taut.diagnosis.leakage import leaked_groups, leaked_rows
from taut.diagnosis.leaky_columns import leaked_columns
from taut.diagnosis.shift import distribution_shift
from taut.diagnosis.subject import Rows
from taut.diagnosis.words import CHECKS, named, percent
from taut.errors import InputError


@dataclass
class DataFaults:
    """What the checks found; `left_out` says what could not be checked, and why."""

    verdicts: list[Verdict] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    leaking: tuple[int, ...] = ()
    """Numbers of the inputs that tell the target."""
    doubtful: np.ndarray | None = None
    """Rows to learn from whose labels look wrong, where these matter."""

    @property
    def codes(self) -> set[str]:
        return {verdict.code for verdict in self.verdicts}

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
    drawn: tuple[Sequence[str], np.ndarray, np.ndarray] | None = None,
    single_inputs: bool,
    of_classes: bool | None,
    seed: int,
) -> DataFaults:
    """Run every check that the rows allow; one that fails says so, and costs no other.

    Args:
        train: The rows that the model learned from.
        held_out: Rows that it has not seen; None without.
        names: Of the inputs of a table.
        drawn: Names, and the inputs of both sets, where those of the rows were chosen by the rows
            to learn from; both sets are compared by these.
        single_inputs: Whether to seek inputs that are the target; not where that is known already.
        of_classes: Whether the target is classes; None where that is not known.
        seed: Draws samples.
    """
    faults = DataFaults()
    if single_inputs:
        _columns(faults, train, names, of_classes, seed)
    if held_out is None:
        faults.left_out.append(f"{CHECKS['leak_rows']}: no rows were held out by a split of yours")
    else:
        _rows(faults, train, held_out, seed)
        _groups(faults, train, held_out)
        _shift(faults, train, held_out, drawn or (names, train.table, held_out.table), seed)
    return faults


def _columns(
    faults: DataFaults, train: Rows, names: Sequence[str], of_classes: bool | None, seed: int
) -> None:
    table, target = train.table, train.target
    if table is None or target is None:
        faults.left_out.append(f"{CHECKS['leak_column']}: needs one table and one target a row")
        return
    found = faults.check(
        CHECKS["leak_column"],
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
            f"{named(found.inputs)} explains {percent(found.explained)} of the target by itself; "
            f"all others together {percent(max(found.others, 0.0))}.",
        )
        numbers = {"names": named(found.inputs)}
        faults.verdicts.append(Verdict("leak_column", "clear", numbers, evidence))
        faults.leaking = tuple(k for k, name in enumerate(names) if name in found.inputs)


def _rows(faults: DataFaults, train: Rows, held_out: Rows, seed: int) -> None:
    import keras

    def joined(tree: Any) -> np.ndarray:
        leaves = [np.asarray(a, float).reshape(len(a), -1) for a in keras.tree.flatten(tree)]
        return leaves[0] if len(leaves) == 1 else np.concatenate(leaves, axis=1)

    inputs = keras.tree.flatten(train.x)
    alone = len(inputs) == 1
    found = faults.check(
        CHECKS["leak_rows"],
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
        faults.left_out.append(f"{CHECKS['leak_groups']}: no `groups` were given")
        return
    found = faults.check(
        CHECKS["leak_groups"], lambda: leaked_groups(train.groups, held_out.groups)
    )
    if found is None:
        return
    faults.findings.append(Finding("groups on both sides of the split", float(len(found.groups))))
    if found.leaked:
        numbers = {"count": str(len(found.groups))}
        evidence = (
            f"{percent(found.share)} of the held-out rows are of groups that were learned from, "
            f"such as {named([str(g) for g in found.groups])}.",
        )
        faults.verdicts.append(Verdict("leak_groups", "clear", numbers, evidence))


def _shift(
    faults: DataFaults,
    train: Rows,
    held_out: Rows,
    drawn: tuple[Sequence[str], np.ndarray | None, np.ndarray | None],
    seed: int,
) -> None:
    names, learned, new = drawn
    if learned is None or new is None:
        faults.left_out.append(f"{CHECKS['shift']}: needs one table of inputs")
        return
    # Where groups are on both sides, that is a fault of its own, and rows are compared.
    apart = (
        train.groups is not None
        and held_out.groups is not None
        and not set(train.groups.tolist()) & set(held_out.groups.tolist())
    )
    found = faults.check(
        CHECKS["shift"],
        lambda: distribution_shift(
            learned,
            new,
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
        numbers = {"names": named(found.inputs) if found.inputs else "several inputs together"}
        faults.verdicts.append(Verdict("shift", "clear", numbers, (f"{found!r}.",)))
