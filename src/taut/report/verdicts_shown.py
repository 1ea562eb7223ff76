"""What a run's diagnosis says, ready to print."""

from __future__ import annotations

from typing import Any

from taut import readable
from taut.catalogue import Catalogue
from taut.diagnosis.diagnosis_result import Diagnosis
from taut.report.scale import spanning

MOST_TRIED = 12


def shown(diagnosis: Diagnosis | None, say: Catalogue) -> dict[str, Any] | None:
    """Verdicts as sentences, changes with their gains on one axis, evidence; None without one."""
    if diagnosis is None:
        return None
    helps = "diagnosed.helps" if diagnosis.advice else "diagnosed.nothing_helped"
    tried = sorted(diagnosis.tried, key=lambda advice: -advice.gain)[:MOST_TRIED]
    scale = spanning((v for a in tried for v in (a.gain, a.low, a.high)), zero=True)
    places = readable.decimals((a.high - a.low) / 2 for a in tried)
    return {
        "verdicts": [
            {
                "code": verdict.code,
                "sentence": verdict.text(lang=say.lang),
                "strength": verdict.strength_text(lang=say.lang),
            }
            for verdict in diagnosis.verdicts
        ],
        "sentence": say(helps) if tried else "",
        "zero": scale.at(0.0),
        "ticks": scale.ticks(),
        "tried": [
            {
                "what": advice.what,
                "helps": advice.clear,
                "doubt": readable.signed(advice.doubt) if advice.low > 0 else "",
                "shown": readable.fixed(advice.gain, places, sign=True),
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
        "lanes": readable.fixed(diagnosis.lanes, 0),
    }


def _number(value: float | None) -> str:
    return readable.short(value)


def _ends(low: float | None, high: float | None, say: Catalogue) -> str:
    if low is None or high is None:
        return readable.MISSING
    return say("interval", low=readable.short(low), high=readable.short(high))
