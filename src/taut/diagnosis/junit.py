"""A diagnosis as JUnit's XML, which pipelines read: a test case for each verdict."""

from __future__ import annotations

import re
from collections.abc import Collection
from xml.etree import ElementTree

from taut.diagnosis.diagnosis_result import Diagnosis
from taut.diagnosis.words import CHECKS, CODES, OWN_GAP, THE_GAP

OF_GAP = "overfitting", "underfitting", "about_right", "not_overfitting"
XML = re.compile("[ -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(diagnosis: Diagnosis, failing: Collection[str], *, name: str) -> str:
    """One test case a verdict: failed where it holds and is among `failing`.

    One of which it is not known whether it holds is skipped, with the reason.

    Args:
        diagnosis: The diagnosis.
        failing: Codes that count as failures.
        name: Of the test suite.
    """
    held = {verdict.code: verdict for verdict in diagnosis.verdicts}
    skipped = _not_measured(diagnosis) | {verdict.code: "muted" for verdict in diagnosis.muted}
    skipped = {code: why for code, why in skipped.items() if code not in held}
    failures = [code for code in held if code in failing]
    suite = ElementTree.Element(
        "testsuite",
        name=_plain(name),
        tests=str(len(CODES)),
        failures=str(len(failures)),
        skipped=str(len(skipped)),
        time=f"{diagnosis.seconds:.3f}",
    )
    for code in CODES:
        case = ElementTree.SubElement(suite, "testcase", classname="taut.diagnose", name=code)
        if code in skipped:
            ElementTree.SubElement(case, "skipped", message=_plain(skipped[code]))
        if code not in held:
            continue
        verdict = held[code]
        kind = "failure" if code in failing else "system-out"
        element = ElementTree.SubElement(case, kind)
        if kind == "failure":
            element.set("message", _plain(verdict.text()))
        element.text = _plain("\n".join([str(verdict), *verdict.evidence]))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _not_measured(diagnosis: Diagnosis) -> dict[str, str]:
    """Codes of verdicts that nothing was measured for, with the reason."""
    reasons = dict(text.split(": ", 1) for text in diagnosis.left_out if ": " in text)
    found = {code: reasons[what] for code, what in CHECKS.items() if what in reasons}
    if diagnosis.gap is None:
        why = next(
            (reasons[what] for what in (THE_GAP, OWN_GAP) if what in reasons), "it was not measured"
        )
        found |= dict.fromkeys(OF_GAP, why)
    return found


def _plain(text: str) -> str:
    """Text without the characters that XML 1.0 cannot hold, and no file half of a pair."""
    return "".join(c for c in text if c in "\t\n\r" or XML.fullmatch(c))
