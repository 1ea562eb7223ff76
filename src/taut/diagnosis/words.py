"""Codes of the verdicts, and how their sentences write numbers and names."""

from __future__ import annotations

from collections.abc import Sequence

from taut.checks import names_given
from taut.errors import InputError

LEAKAGE = "leakage"
NAMED = 3
"""So many names are in a sentence."""

CODES = (
    "leak_column",
    "leak_rows",
    "leak_groups",
    "nothing_learned",
    "overfitting",
    "underfitting",
    "about_right",
    "not_overfitting",
    "too_little_evidence",
    "shift",
    "label_noise",
    "miscalibrated",
    "failing_segment",
)
"""Of all verdicts, in importance: faults of the data first, which make all other numbers doubtful.

The sentence of each is `conclusion.<code>` in the catalogue."""

CHECKS = {
    "leak_column": "Inputs that are the target",
    "leak_rows": "Rows in both sets",
    "leak_groups": "Groups that the split cuts",
    "shift": "Sets that are drawn differently",
    "label_noise": "Labels that look wrong",
    "miscalibrated": "Probabilities against outcomes",
    "failing_segment": "Segments where it fails",
}
"""What is looked for, of verdicts that are a check's: so `left_out` calls it, before a colon."""

THE_GAP, OWN_GAP = "The gap", "The model's own gap"
"""What `left_out` calls a gap that could not be measured: of a table's fit, and of a model."""


def number(value: float) -> str:
    """A number with three digits, as it is read."""
    return f"{value:.3g}"


def change(value: float) -> str:
    """The same of a difference, which has a sign."""
    return f"{value:+.3g}"


def percent(share: float) -> str:
    return f"{100 * share:.0f}%" if share >= 0.095 else f"{100 * share:.1f}%"


NOT_TRIED = "nothing freer was tried"
"""Why it may not be known whether a model underfits."""


def codes_of(given: str | Sequence[str] | None) -> tuple[str, ...]:
    """Codes of verdicts; "leakage" stands for all whose code begins with "leak".

    Args:
        given: Codes, or text with commas between them; None for none.

    Raises:
        InputError: If one is no code of a verdict.
    """
    given = () if given is None else given
    parts = given.split(",") if isinstance(given, str) else names_given(ignore=given)
    codes = [part.strip() for part in parts if part.strip()]
    if unknown := [code for code in codes if code not in (*CODES, LEAKAGE)]:
        raise InputError(
            f"Verdicts must be named by their codes: {', '.join((*CODES, LEAKAGE))}. Received: "
            f"{', '.join(map(repr, unknown))}."
        )
    leaks = [code for code in CODES if code.startswith("leak_")] if LEAKAGE in codes else []
    return tuple(dict.fromkeys([*(code for code in codes if code != LEAKAGE), *leaks]))


def named(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    shown = ", ".join(repr(name) for name in names[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more"
