"""The command `taut`: fit, predict, report, demo. A thin layer over the library.

It is a package beside `taut` because whatever lies inside `taut` imports Keras first, which takes
seconds. Here the library is imported inside the commands, after what can be checked without it has
been checked; so help, the version and wrong options are there at once.
"""

from taut_cli.interrupts import end_at_once


def main() -> None:
    """Runs the command; Ctrl-C is heeded before what it is made of is loaded."""
    end_at_once()
    from taut_cli.app import main as run

    run()


__all__ = ["main"]
