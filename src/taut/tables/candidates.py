"""The settings that `fit_table` trains: penalty, strength, parts of the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from taut.errors import InputError
from taut.studies import given_strengths

SKIP, LATER = 3.0, 0.3
"""Strength on the linear part, and on layers after the first, in units of the first layer's."""
BINS, BIN_COLUMNS, LEAST_BINS = 16, 640, 6
UPDATES, EPOCHS = 1500, (30, 120)
LEAST_EPOCHS, LARGE_BATCH = 3, 256
"""For tables that would take longer than their budget."""
MANY_ROWS = 5000
"""From so many training rows on, weak strengths and none are candidates."""


@dataclass(frozen=True)
class Setting:
    """One strength of one penalty on one variant of the network.

    The strength α holds for the first layer; the linear part has 3α, later layers 0.3α (a linear
    model has α): inputs are chosen where they enter.

    Args:
        penalty: "L1", "L2" or "none".
        strength: α, for losses in nats or in units of the standardised target's variance.
        hidden: Whether the hidden layers are there.
        skip: Whether the linear part is there.
        bins: Whether numeric columns also come in piecewise-linear pieces.
    """

    penalty: str
    strength: float
    hidden: bool = True
    skip: bool = True
    bins: bool = True

    @property
    def network(self) -> str:
        """Which variant, in words; "full" is the network that the path is drawn for."""
        left_out = [
            name for name, there in (("bins", self.bins), ("linear part", self.skip)) if not there
        ]
        whole = "full" if self.hidden else "linear"
        return " without ".join([whole, *([" or ".join(left_out)] if left_out else [])])

    def strengths(self) -> tuple[float, ...]:
        """The strengths of L1 and L2 on the first layer, on the linear part, on later layers."""
        skip = self.strength * (SKIP if self.hidden else 1.0)
        pairs = []
        for strength in (self.strength, skip, LATER * self.strength):
            pairs += [
                strength if self.penalty == "L1" else 0.0,
                strength if self.penalty == "L2" else 0.0,
            ]
        return tuple(pairs)


UNPENALISED = Setting("none", 0.0)
WEAK = (Setting("L1", 1e-4), Setting("L2", 1e-4))

DEFAULT = (
    *(Setting("L1", a) for a in (3e-4, 1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2, 0.2)),
    *(Setting("L2", a) for a in (1e-3, 1e-2, 3e-2, 1e-1)),
    *(Setting("L1", a, skip=False) for a in (1e-3, 2e-3)),
    Setting("L2", 1e-2, skip=False),
    *(Setting("L1", a, bins=False) for a in (1e-3, 3e-3)),
    *(Setting("L2", a, bins=False) for a in (1e-2, 3e-1)),
    Setting("L1", 1e-3, bins=False, skip=False),
    Setting("L2", 3e-2, bins=False, skip=False),
    *(Setting("L1", a, bins=False, hidden=False) for a in (3e-3, 1e-2, 2e-2, 4e-2)),
    *(Setting("L2", a, bins=False, hidden=False) for a in (1e-2, 5e-1)),
    Setting("L1", 1e-2, hidden=False),
)
"""Measured on real tables (docs/benchmarks.md). The strongest leaves nothing: the class prior."""

QUICK = (
    *(Setting("L1", a) for a in (1e-3, 2e-3, 4e-3, 8e-3)),
    *(Setting("L2", a) for a in (1e-2, 3e-2, 1e-1)),
    Setting("L1", 1e-2, bins=False, hidden=False),
)


def settings(
    penalty: str,
    strengths: Sequence[float] | None,
    *,
    bins: bool,
    quick: bool = False,
    rows: int = 0,
) -> tuple[Setting, ...]:
    """What to train for the user's choice.

    Args:
        penalty: "auto" (L1 and L2), "l1" or "l2".
        strengths: Strengths of the full network; None takes the defaults, variants included.
        bins: Whether the table's numeric columns come in pieces at all.
        quick: Fewer of them.
        rows: Training rows; where they are many, the defaults hold weak strengths and none too.

    Raises:
        InputError: For another penalty, or strengths that are not finite numbers >= 0.
    """
    names = {"auto": ("L1", "L2"), "l1": ("L1",), "l2": ("L2",)}.get(str(penalty).lower())
    if names is None:
        raise InputError(f'`penalty` must be "auto", "l1" or "l2". Received: penalty={penalty!r}.')
    if strengths is not None:
        return tuple(Setting(n, float(a)) for n in names for a in given_strengths(strengths))
    wanted = [s for s in (QUICK if quick else DEFAULT) if s.penalty in names]
    if not bins:  # then the variants without them are the same networks
        wanted = [replace(s, bins=True) for s in wanted]
    if rows >= MANY_ROWS:
        wanted += [*(s for s in WEAK if s.penalty in names), UNPENALISED]
    return tuple(dict.fromkeys(wanted))


@dataclass(frozen=True)
class Schedule:
    """Rows in a batch, and epochs: about 1500 updates, within 30 to 120 epochs."""

    batch_size: int
    epochs: int

    @classmethod
    def of(cls, rows: int, *, quick: bool = False, most: int | None = None) -> Schedule:
        """The schedule for that many training rows in a fold.

        Args:
            rows: Training rows.
            quick: A third of the epochs.
            most: At most so many epochs, in batches of 256 if that leaves 1500 updates.
        """
        batch = int(2 ** np.floor(np.log2(np.clip(rows / 16, 16, 128))))
        epochs = int(np.clip(round(UPDATES / max(rows // batch, 1)), *EPOCHS))
        epochs = max(epochs // 3, 10) if quick else epochs
        if most is not None and most < epochs:
            epochs = most
            batch = LARGE_BATCH if rows * epochs >= UPDATES * LARGE_BATCH else batch
        # Batches of nearly equal size: a last one of a few rows would be noise.
        return cls(-(-rows // max(rows // batch, 1)), epochs)


def bins_for(numbers: int) -> int:
    """Pieces of each numeric column: 16, fewer for many columns, none for very many."""
    if not numbers:
        return 0
    bins = min(BINS, BIN_COLUMNS // numbers)
    return bins if bins >= LEAST_BINS else 0


__all__ = ["DEFAULT", "UNPENALISED", "Schedule", "Setting", "bins_for", "settings"]
