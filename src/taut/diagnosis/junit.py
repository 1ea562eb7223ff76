"""A diagnosis as JUnit's XML, which pipelines read: a test case for each verdict."""

from __future__ import annotations

from collections.abc import Collection
from xml.etree import ElementTree

from taut.diagnosis.diagnosis_result import Diagnosis
from taut.diagnosis.words import CODES


def junit_xml(diagnosis: Diagnosis, failing: Collection[str], *, name: str) -> str:
    """One test case a verdict: failed where it holds and is among `failing`.

    Args:
        diagnosis: The diagnosis.
        failing: Codes that count as failures.
        name: Of the test suite.
    """
    held = {verdict.code: verdict for verdict in diagnosis.verdicts}
    muted = {verdict.code for verdict in diagnosis.muted}
    failures = [code for code in held if code in failing]
    suite = ElementTree.Element(
        "testsuite",
        name=_plain(name),
        tests=str(len(CODES)),
        failures=str(len(failures)),
        skipped=str(len(muted)),
        time=f"{diagnosis.seconds:.3f}",
    )
    for code in CODES:
        case = ElementTree.SubElement(suite, "testcase", classname="taut.diagnose", name=code)
        if code in muted:
            ElementTree.SubElement(case, "skipped", message="muted")
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


def _plain(text: str) -> str:
    """Text without the control characters that XML cannot hold."""
    return "".join(c for c in text if c in "\t\n\r" or ord(c) >= 32)
