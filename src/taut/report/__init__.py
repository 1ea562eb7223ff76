"""The report: saved results rendered as one HTML page; nothing is trained here."""

from taut.report.write import write_report

__all__ = ["write_report"]
