"""Drop hopeless groups of lanes early: a race from split to split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from taut.engine.lanes import Lane
from taut.errors import InputError


@dataclass(frozen=True)
class Race:
    r"""A race of groups from split to split: the better two thirds go on, `least` at least.

    The lanes of the first split are trained to their end, then those of the second, and so on.
    After each, the groups (the folds of one setting, say) are ranked by the mean, over the splits
    so far, of the held-out loss at the epoch of least such mean. The worse third is trained on no
    further split; the best of each kind always goes on, and so do `least` groups. What a group
    that goes on becomes does not depend on the others: it is trained as without a race.

    The lanes that are left out end with the status "dropped", no epochs, and weights of zero.
    Those that the group has trained before keep one epoch, the best of these.

    Splits should be as good as each other, as those of a cross-validation are: where the first
    has fewer rows than others, it is for other settings that it speaks.

    Args:
        kinds: The kind of each group, by its number; all of one unless given.
        least: So many groups go on in any case.
        after: The first split after which any are left out: a rank by few held-out rows is chance.

    References:
        Maron and Moore, The racing algorithm: model selection for lazy learners, 1997.
    """

    kinds: Sequence[int] = ()
    least: int = 8
    after: int = 1

    def check(self, lanes: Sequence[Lane], groups: Sequence[int] | None) -> None:
        """Raise one clear error if this does not fit a study."""
        if groups is None or len(groups) != len(lanes):
            raise InputError(
                "`race` is run by `groups` of lanes. Received: "
                f"{0 if groups is None else len(groups)} numbers for {len(lanes)} lanes."
            )
        if self.kinds and (min(groups) < 0 or max(groups) >= len(self.kinds)):
            raise InputError(
                "`Race.kinds` must give one number a group. Received: "
                f"{len(self.kinds)} numbers for groups from {min(groups)} to {max(groups)}."
            )

    def trainings(self, groups: int, splits: int) -> int:
        """How many lanes so many groups train, of one lane a split."""
        total = 0
        for split in range(1, splits + 1):
            total += groups
            groups = min(groups, self._wanted(groups)) if split >= self.after else groups
        return total

    def _wanted(self, groups: int) -> int:
        return max(self.least, -(-2 * groups // 3))

    def left_out(self, losses: dict[int, float]) -> list[int]:
        """The groups that go no further.

        Args:
            losses: By group that is in the race; infinite where it diverged.
        """
        order = sorted(losses, key=lambda group: losses[group])
        kinds = [self.kinds[group] if self.kinds else 0 for group in order]
        first = [order[kinds.index(kind)] for kind in dict.fromkeys(kinds)]
        rest = [group for group in order if group not in first]
        return rest[max(self._wanted(len(order)) - len(first), 0) :]


def nothing_of(weights: list[np.ndarray]) -> list[np.ndarray]:
    """What a lane has that never began."""
    return [np.zeros_like(array) for array in weights]
