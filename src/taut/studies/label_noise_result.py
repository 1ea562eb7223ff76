"""What `label_noise` returns: a score of every row, the suspects, and the share of wrong labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from taut._read_only import ReadOnly
from taut.engine import Record
from taut.text_table import html_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False, eq=False)
class LabelNoise(ReadOnly):
    """Rows by how implausible their labels are, and how many labels are wrong.

    Attributes:
        score: [rows] the lower, the less plausible. Of classes the log odds of the label against
            its strongest rival, in nats: below 0 another class is likelier. Of numbers minus the
            size of the studentised residual. NaN of rows that no fold held out.
        given: [rows] class numbers, or numbers, as they were given.
        suggested: [rows] of classes the number of the label's strongest rival; of numbers the mean
            prediction.
        share: Estimated share of rows whose label is wrong.
        low: The lower end of its 95% interval, which is of chance alone: of numbers, it does not
            know which wrong ones are too near to be seen (`taut.studies.noisy_share.wide_share`).
        high: The upper end.
        classes: [classes] their labels, or numbers; None where the target is a number.
        seeds: Networks that predicted each row.
        folds: Folds of each seed.
        record: The engine's record of every lane.
    """

    score: np.ndarray
    given: np.ndarray
    suggested: np.ndarray
    share: float
    low: float
    high: float
    classes: np.ndarray | None
    seeds: int
    folds: int
    record: Record

    @property
    def ranked(self) -> np.ndarray:
        """[scored rows] row numbers, the least plausible label first."""
        order = np.argsort(self.score, kind="stable")  # NaN is last
        return order[: int(np.isfinite(self.score).sum())]

    @property
    def suspects(self) -> np.ndarray:
        """Row numbers of the least plausible labels: as many as the estimated share says.

        Of classes only rows of which another class is likelier.
        """
        first = self.ranked[: round(self.share * len(self.ranked))]
        return first if self.classes is None else first[self.score[first] < 0]

    def to_frame(self) -> pd.DataFrame:
        """One line a row, the least plausible label first.

        Returns:
            row; given and suggested, by label where there are classes; score; suspect. Rows without
            a score are last.
        """
        import pandas as pd

        order = np.argsort(self.score, kind="stable")
        named = (lambda a: a) if self.classes is None else (lambda a: self.classes[a])  # type: ignore[index]
        return pd.DataFrame(
            {
                "row": order,
                "given": named(self.given)[order],
                "suggested": named(self.suggested)[order],
                "score": self.score[order],
                "suspect": np.isin(order, self.suspects),
            }
        )

    def plot(self) -> Any:
        """The distribution of the scores as an Altair chart, suspects apart.

        Raises:
            InputError: If Altair is not installed.
        """
        from taut.studies.noise_plots import label_noise_chart

        return label_noise_chart(self)

    def __repr__(self) -> str:
        title, *lines = self._sentences()
        return "\n".join([title, *(f"  {line}" for line in lines)])

    def _repr_html_(self) -> str:
        table = self.to_frame().head(10)
        return html_of(self._sentences(), table)

    def _sentences(self) -> list[str]:
        rows, suspects = len(self.ranked), self.suspects
        lines = [
            f"LabelNoise: {rows} rows, each predicted by {self.seeds} network"
            f"{'s' * (self.seeds != 1)} that had not seen it ({self.folds} folds)",
            f"wrong labels: {self.share:.1%} of the rows (95% interval {self.low:.1%} to "
            f"{self.high:.1%})",
        ]
        if len(suspects):
            first = ", ".join(map(str, suspects[:5]))
            lines.append(
                f"{len(suspects)} suspect row{'s' * (len(suspects) != 1)}, the least plausible "
                f"first: {first}{', …' * (len(suspects) > 5)}"
            )
        if missing := len(self.score) - rows:
            lines.append(f"{missing} rows were never held out, and have no score")
        return lines
