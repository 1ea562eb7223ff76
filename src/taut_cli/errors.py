"""The error of the command itself."""


class UsageError(ValueError):
    """What the command refuses before the library is there, whose error is `InputError`.

    The message alone is printed, and the command exits with code 2.
    """
