"""What stays though it is dead, what stands in its way, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from taut.compaction.analysis import Analysis
from taut.compaction.reasons import (
    EVENED,
    IGNORED,
    LAST,
    NO_RULE,
    NOT_FOLLOWED,
    PADDING,
    SHARED,
    TIED,
    Reason,
)
from taut.compaction.slices import zero_units
from taut.compaction.traced import Call, Trace

NAMED = 4
"""Layers of one reason that are named."""


@dataclass(frozen=True)
class Kept:
    """What stays though it is dead, or because it is not understood.

    Attributes:
        layer: The layer's name, as in `Removed`.
        count: How many dead units stay; 0 for a layer that stays as it is, of which that is not
            known or there are none.
        reason: Why.
        remedy: What to do about it, a sentence without its full stop; empty where nothing helps.
    """

    layer: str
    count: int
    reason: str
    remedy: str = ""


def told(model: Any, trace: Trace, analysis: Analysis) -> Iterator[Kept]:
    """What stays of a model: the dead units of layers that are cut, then layers that are not."""
    outputs = np.concatenate([analysis.features[tensor].atoms for tensor in trace.outputs])
    said, last = np.empty(0, int), set()
    for rule in analysis.rules.values():
        path = trace.paths[id(rule.layer)]
        passes = not rule.units()  # what it makes is what it reads, and may have been told of
        for found in rule.dead():
            name, dead = path + found.part, found.atoms[analysis.keeps(found.atoms)]
            dead = dead[~analysis.same(dead, outputs)]
            dead = dead[~analysis.same(dead, said)] if passes else dead
            said = np.concatenate([said, dead])
            if name in analysis.emptied:
                if name not in last:
                    yield Kept(name, 1, *LAST)
                last.add(name)
            elif len(dead):
                evened = path in analysis.evened
                reason = EVENED if evened else found.reason or _reason(dead, trace, analysis)
                reason = SHARED if passes and reason is TIED else reason
                yield Kept(name, len(dead), *reason)
    for path, (call, reason) in analysis.unknown.items():
        if not all(map(analysis.gone, call.makes)):
            words = f"{type(call.operation).__name__}: {reason.words}"
            unread = analysis.unread(call)
            if unread:
                words += f" ({unread} of what it makes are read with weights of zero)"
            count = zero_units(model, call.operation) + unread
            remedy = reason.remedy if count or reason not in (NO_RULE, NOT_FOLLOWED) else ""
            yield Kept(path, count, words, remedy)


def kept_lines(kept: Sequence[Kept]) -> list[str]:
    """A line for what stays for one reason: first what is dead, then what stays as it is."""
    by_reason: dict[tuple[bool, str, str], list[Kept]] = {}
    for one in sorted(kept, key=lambda one: not one.count):
        by_reason.setdefault((bool(one.count), one.reason, one.remedy), []).append(one)
    lines = []
    for (dead, reason, remedy), alike in by_reason.items():
        names = ", ".join(one.layer for one in alike[:NAMED])
        more = f" and {len(alike) - NAMED} more" if len(alike) > NAMED else ""
        stays = "stays as it is" if len(alike) == 1 else "stay as they are"
        what = f"{sum(one.count for one in alike)} dead stay" if dead else stays
        advice = f". {remedy}" if remedy else ""
        lines.append(f"kept: {names}{more}: {what}: {reason}{advice}")
    return lines


def _reason(dead: np.ndarray, trace: Trace, analysis: Analysis) -> Reason:
    if analysis.same(dead, analysis.ignored).any():
        return IGNORED
    for reading, mine in analysis.causes(dead):
        if not np.isnan(reading.value[mine]).all():
            path = trace.paths.get(id(reading.layer), getattr(reading.layer, "name", "a layer"))
            words = f"read by {path!r} ({reading.reason.words})"
            return Reason(words, reading.reason.remedy)
    call = analysis.blurred(dead)
    return TIED if call is None else _of_call(call)


def _of_call(call: Call) -> Reason:
    kind = type(call.operation).__name__
    if len(call.reads) > 1:
        return Reason(f"meets units that live in {call.path!r}", TIED.remedy)
    if kind.startswith(("ZeroPadding", "AveragePooling")):
        return Reason(f"read by {call.path!r} ({PADDING.words})", PADDING.remedy)
    return Reason(f"in one place with units that live behind {call.path!r} ({kind})")
