"""The command `taut`: fit, predict, report, demo. A thin layer over the library."""

from taut.cli.app import main

__all__ = ["main"]
