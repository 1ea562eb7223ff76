"""What a rule is that says what an operation without weights does to features."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from taut.compaction.atoms import Atoms, Features, Reading
from taut.compaction.traced import Call

Made = tuple[list[Features], list[Reading]] | None
"""The features of what a call makes, and what else it needs; None where it is not known to keep
features apart."""
Rule = Callable[[Atoms, Call, Sequence[Features]], Made]
"""From the atoms, a call and the features of what it reads."""


def plain(*features: Features) -> Made:
    """These features, and nothing else is needed."""
    return list(features), []
