"""What a run's diagnosis says, ready to print."""

from __future__ import annotations

from typing import Any

from taut.diagnosis.diagnosis_result import Diagnosis
from taut.diagnosis.words import HELPS, LANGUAGES, NOTHING_HELPED, STRENGTHS
from taut.report import text
from taut.report.catalogue import Catalogue
from taut.report.scale import spanning

MOST_TRIED = 12


def shown(diagnosis: Diagnosis | None, say: Catalogue) -> dict[str, Any] | None:
    """Verdicts as sentences, changes with their gains on one axis, evidence; None without one."""
    if diagnosis is None:
        return None
    at = LANGUAGES.index(say.lang)
    tried = sorted(diagnosis.tried, key=lambda advice: -advice.gain)[:MOST_TRIED]
    scale = spanning((v for a in tried for v in (a.gain, a.low, a.high)), zero=True)
    places = text.decimals((a.high - a.low) / 2 for a in tried)
    return {
        "verdicts": [
            {
                "code": verdict.code,
                "sentence": verdict.text(lang=say.lang),
                "strength": STRENGTHS[verdict.strength][at] if verdict.strength else "",
            }
            for verdict in diagnosis.verdicts
        ],
        "sentence": (HELPS if diagnosis.advice else NOTHING_HELPED)[at] if tried else "",
        "zero": scale.at(0.0),
        "ticks": scale.ticks(),
        "tried": [
            {
                "what": advice.what,
                "helps": advice.clear,
                "shown": text.fixed(advice.gain, places, sign=True),
                "interval": say.interval(advice.low, advice.high, places, sign=True),
                "at": scale.at(advice.gain),
                "low": scale.at(advice.low),
                "high": scale.at(advice.high),
            }
            for advice in tried
        ],
        "evidence": [
            {
                "what": finding.what,
                "value": _number(finding.value),
                "interval": _ends(finding.low, finding.high, say),
                "note": finding.note,
            }
            for finding in diagnosis.evidence
        ],
        "left_out": diagnosis.left_out,
        "lanes": text.fixed(diagnosis.lanes, 0),
    }


def _number(value: float | None) -> str:
    return text.short(value)


def _ends(low: float | None, high: float | None, say: Catalogue) -> str:
    if low is None or high is None:
        return text.MISSING
    return say("interval", low=text.short(low), high=text.short(high))
