"""Changes of the strengths and the epochs that are tried of a model, and the lanes' strengths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from taut._weights import mean_weight
from taut.diagnosis.fold_trainer import Plan
from taut.diagnosis.subject import Subject
from taut.errors import InputError
from taut.optimizers.selection import Entry
from taut.penalties import L1, L2
from taut.studies.as_compiled import AsCompiled, as_compiled, penalised
from taut.studies.axes import Axis, PartStrength

LONGER = 3
"""Times the epochs, of the trainings that show whether more of them would help."""
STRENGTHS = {"L2": (0.1, 0.01, 0.001), "L1": (0.01, 0.001)}
"""Tried, times the loss of looking at nothing: a strength is in units of the trained loss."""
MORE_L1 = (0.01, 0.003, 0.001, 0.0003)


@dataclass(frozen=True)
class Request:
    """One change of the strengths or the epochs, in all folds."""

    code: str
    what: str
    strengths: tuple[float, ...]
    setting: float | None = None
    epochs: int = 1
    """Times the epochs of a training."""


@dataclass(frozen=True)
class AddedStrengths:
    """The optimizer's strengths for added ones, or with the model's own taken away."""

    parts: tuple[PartStrength, ...]
    added: bool

    def at(self, l1: float, l2: float) -> tuple[float, ...]:
        return tuple(part.at((l1, l2)) for part in self.parts)

    @property
    def without(self) -> tuple[float, ...]:
        return (0.0,) * len(self.parts)

    @property
    def own(self) -> bool:
        """Whether the model has penalties of its own."""
        return any(part.axis is None and part.factor > 0 for part in self.parts)


def with_strengths(
    subject: Subject, arguments: Mapping[str, Any], plan: Plan
) -> tuple[AsCompiled, AddedStrengths]:
    """The study with an L1 and an L2 beside the model's own penalties, where that is possible."""
    rows = subject.train
    entry = Entry(None, L1(0.0) + L2(0.0))
    parts = ((PartStrength(0, 1.0), PartStrength(1, 1.0)),)
    axes = (Axis("L1", None, 1), Axis("L2", None, 1))
    try:
        study, of_strength = penalised(
            subject.model, rows.x, rows.y, (entry,), parts, axes, **arguments
        )
        return study, AddedStrengths(of_strength, added=True)
    except InputError as error:
        reason = str(error)
    study = as_compiled(subject.model, rows.x, rows.y, **arguments)
    plan.left_out.append(f"L1 and L2: they cannot be added to the model's penalties ({reason})")
    kept = tuple(PartStrength(None, strength) for strength in study.strengths)
    return study, AddedStrengths(kept, added=False)


def requests_for(subject: Subject, axes: AddedStrengths, small: bool) -> list[Request]:
    """What is tried of the same architecture, the most important first."""
    # In a training the loss is Σ w·l / n, beside which the strengths stand.
    unit = subject.unit * mean_weight(subject.train.sample_weight)
    l1 = MORE_L1 if small else STRENGTHS["L1"]
    requests = [
        Request("longer", f"{LONGER} times the epochs", axes.at(0, 0), LONGER, epochs=LONGER)
    ]
    if axes.own:
        requests.append(Request("unpenalised", "no penalty", axes.without, 0.0))
    if axes.added:
        for share in STRENGTHS["L2"]:
            strength = _round(share * unit)
            what = f"L2 at strength {strength:g}"
            requests.append(Request("l2", what, axes.at(0, strength), strength))
        for share in l1:
            strength = _round(share * unit)
            what = f"L1 at strength {strength:g}"
            requests.append(Request("l1", what, axes.at(strength, 0), strength))
    return requests


def _round(strength: float) -> float:
    return float(f"{strength:.1g}")
