"""The errors that taut raises on purpose, and its warnings."""


class InputError(ValueError):
    """Bad input: the message says the rule, what was received and the remedy.

    It is raised before any work starts. The command prints the message alone and exits with
    code 2; from Python it is an ordinary `ValueError`.
    """


class UnsupportedError(InputError):
    """Something that taut refuses because it cannot do it exactly; the message says why."""


class EdgeWarning(UserWarning):
    """What was chosen lies at the edge of what was tried: something better may lie beyond."""
