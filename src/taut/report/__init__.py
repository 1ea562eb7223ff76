"""The report: saved results rendered as one HTML page; nothing is trained here."""

from taut.report.side_by_side import SideBySide, side_by_side
from taut.report.write import write_report

__all__ = ["SideBySide", "side_by_side", "write_report"]
