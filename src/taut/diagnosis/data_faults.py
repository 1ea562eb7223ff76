"""The checks of the data, as findings and verdicts."""

from __future__ import annotations

from dataclasses import dataclass, field

from taut.diagnosis.result import Finding, Verdict
from taut.diagnosis.subject import Subject
from taut.diagnosis.trials import Trials


@dataclass
class DataFaults:
    """What the checks found; `left_out` says what could not be checked, and why."""

    verdicts: list[Verdict] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def data_faults(subject: Subject, trials: Trials | None, *, level: float) -> DataFaults:
    """Run every check that the data allow; one that fails says so, and costs no other."""
    faults = DataFaults()
    return faults
