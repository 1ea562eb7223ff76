"""Work after training, which must not lose what was trained."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def afterwards(what: str, work: Callable[[], T], missing: T, *, remedy: str = "") -> T:
    """The result of some work after training, or what stands for it where it fails.

    A failure is told by a warning. Ctrl-C is not a failure: it ends the study, which a checkpoint
    has kept.

    Args:
        what: What the work makes, at the begin of a sentence.
        work: The work.
        missing: What is returned where it raises an exception.
        remedy: A sentence on what to do about it.

    Example:
        >>> import warnings
        >>> with warnings.catch_warnings(record=True) as news:
        ...     warnings.simplefilter("always")
        ...     afterwards("The share", lambda: 1 / 0, float("nan"))
        nan
        >>> print(news[0].message)
        The share must not cost what was trained, so it is left out. Received: ZeroDivisionError: division by zero.
    """  # noqa: E501
    try:
        return work()
    except Exception as error:
        tail = f" {remedy}" if remedy else ""
        warnings.warn(
            f"{what} must not cost what was trained, so it is left out. Received: "
            f"{type(error).__name__}: {str(error).rstrip('.')}.{tail}",
            UserWarning,
            stacklevel=2,
        )
        return missing
