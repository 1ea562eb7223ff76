"""What `stability_selection` returns: frequencies, what is selected, and the bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from taut._read_only import ReadOnly
from taut.engine import Record
from taut.errors import InputError
from taut.studies.stability import both_bounds
from taut.text_table import html_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False, eq=False)
class StabilitySelection(ReadOnly):
    """How often half of the rows selected each input, and what that bounds.

    Attributes:
        frequency: [inputs] share of the halves that selected each input, from 0 to 1.
        both: [inputs] share of the pairs of which both halves selected it.
        threshold: τ; inputs of this frequency or more are selected.
        per_half: q, how many inputs a half selected (fewer where it left fewer any weight).
        pairs: B, how many pairs of halves.
        bound_meinshausen_buhlmann: On the expected number of inputs selected by chance; None
            where it does not hold.
        bound_shah_samworth: Likewise, for unimodal distributions.
        strengths: [strengths] of the penalty, from strong to weak.
        norms: [strengths, inputs] mean norm of all weights that read the input.
        names: Of the inputs.
        record: The engine's record of every lane.
    """

    frequency: np.ndarray
    both: np.ndarray
    threshold: float
    per_half: int
    pairs: int
    bound_meinshausen_buhlmann: float | None
    bound_shah_samworth: float | None
    strengths: np.ndarray
    norms: np.ndarray
    names: tuple[str, ...]
    record: Record

    @property
    def selected(self) -> np.ndarray:
        """Numbers of the selected inputs, the most frequent first."""
        order = np.argsort(-self.frequency, kind="stable")
        return order[self.frequency[order] >= self.threshold - 1e-9]

    @property
    def bound(self) -> float | None:
        """The least of the bounds that hold; None where none does."""
        known = (self.bound_meinshausen_buhlmann, self.bound_shah_samworth)
        return min((bound for bound in known if bound is not None), default=None)

    def at(self, threshold: float) -> tuple[np.ndarray, float | None]:
        """What another threshold selects, and its bound, without training anew.

        The bound is of a threshold that was not chosen by what it selects.

        Args:
            threshold: τ, above 0.5 and at most 1.

        Returns:
            Numbers of the selected inputs, the most frequent first, and the least of the bounds.

        Raises:
            InputError: If it is not above 0.5, or above 1.
        """
        if not 0.5 < threshold <= 1:
            raise InputError(
                f"`threshold` must be above 0.5 and at most 1. Received: threshold={threshold!r}."
            )
        order = np.argsort(-self.frequency, kind="stable")
        bounds = both_bounds(self.per_half, len(self.frequency), threshold, pairs=self.pairs)
        least = min((bound for bound in bounds if bound is not None), default=None)
        return order[self.frequency[order] >= threshold - 1e-9], least

    def to_frame(self) -> pd.DataFrame:
        """One line an input, the most frequent first: number, input, frequency, both, selected."""
        import pandas as pd

        order = np.argsort(-self.frequency, kind="stable")
        return pd.DataFrame(
            {
                "number": order,
                "input": [self.names[k] for k in order],
                "frequency": self.frequency[order],
                "both": self.both[order],
                "selected": np.isin(order, self.selected),
            }
        )

    def plot(self) -> Any:
        """The frequencies of the first 40 inputs as an Altair chart, with the threshold.

        Raises:
            InputError: If Altair is not installed.
        """
        from taut.studies.noise_plots import stability_chart

        return stability_chart(self)

    def __repr__(self) -> str:
        title, *lines = self._sentences()
        return "\n".join([title, *(f"  {line}" for line in lines)])

    def _repr_html_(self) -> str:
        table = self.to_frame().head(20)
        return html_of(self._sentences(), table, float_format="%.3g")

    def _sentences(self) -> list[str]:
        chosen = self.selected
        names = ", ".join(self.names[k] for k in chosen[:10])
        lines = [
            f"StabilitySelection: {len(chosen)} of {len(self.frequency)} inputs, selected by at "
            f"least {self.threshold:.0%} of {2 * self.pairs} halves",
            f"{names}{', …' * (len(chosen) > 10)}" if len(chosen) else "no input is selected",
        ]
        known = {
            "Meinshausen and Bühlmann": self.bound_meinshausen_buhlmann,
            "Shah and Samworth": self.bound_shah_samworth,
        }
        bounds = [f"{bound:.3g} ({who})" for who, bound in known.items() if bound is not None]
        lines.append(
            f"expected by chance: at most {', '.join(bounds)}; a half selects {self.per_half}"
            if bounds
            else f"no bound holds for {self.per_half} of {len(self.frequency)} inputs a half"
        )
        if failed := sum(status == "diverged" for status in self.record.status):
            lines.append(f"{failed} of {len(self.record.lanes)} trainings diverged")
        return lines
