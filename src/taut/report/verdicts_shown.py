"""What the page shows of a diagnosis: verdicts, what was tried, what was left out."""

from __future__ import annotations

from typing import Any

from taut.diagnosis.diagnosis_result import Diagnosis
from taut.report import text
from taut.report.catalogue import Catalogue
from taut.report.scale import spanning

GRAVE = ("leak_", "nothing_learned", "overfitting", "underfitting", "shift", "label_noise")
"""Codes, or how they begin, that stand out on the page."""


def verdicts(diagnosis: Diagnosis | None, say: Catalogue) -> dict[str, Any] | None:
    """Sentences, and the gains of what was tried on one axis; None without a diagnosis."""
    if diagnosis is None:
        return None
    scale = spanning((v for a in diagnosis.tried for v in (a.gain, a.low, a.high)), zero=True)
    return {
        "verdicts": [
            {
                "code": verdict.code,
                "grave": verdict.code.startswith(GRAVE),
                "sentence": text.clean(verdict.text(lang=say.lang)),
                "strength": say(f"diagnosis.{verdict.strength}") if verdict.strength else "",
                "evidence": verdict.evidence,
            }
            for verdict in diagnosis.verdicts
        ],
        "tried": [
            {
                "what": advice.what,
                "clear": advice.clear,
                "gain": text.short(advice.gain),
                "interval": say(
                    "interval", low=text.short(advice.low), high=text.short(advice.high)
                ),
                "value": scale.at(advice.gain),
                "low": scale.at(advice.low),
                "high": scale.at(advice.high),
            }
            for advice in diagnosis.tried
            for ends in [(text.short(advice.low), text.short(advice.high))]
        ],
        "ticks": scale.ticks(),
        "zero": scale.at(0.0),
        "helped": bool(diagnosis.advice),
        "left_out": diagnosis.left_out,
    }
