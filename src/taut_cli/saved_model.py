"""A model that Keras saved, read for a command."""

from __future__ import annotations

import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

_MISSING = re.compile(r"[Cc]ould not locate (class|function) '([^']*)'")


def saved_model(path: Path, function: str) -> Any:
    """The model in a file, without the state of its optimizer where that does not fit.

    Args:
        path: Of the file.
        function: The one of taut that does in Python what the command does.

    Raises:
        InputError: If Keras cannot load it by itself.
    """
    import taut
    from taut.errors import InputError

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Skipping variable loading for optimizer")
            return taut.models.load_model(path)
    except Exception as error:
        remedy = (
            "A model with layers or functions of one's own is known where they are defined: call "
            f"`{function}(model)` there."
        )
        if not zipfile.is_zipfile(path):
            remedy = "Save the model with `model.save`."
        raise InputError(
            f"MODEL must be one that Keras can load by itself. Received: {str(path)!r} "
            f"({_why(error)}). {remedy}"
        ) from error


def _why(error: Exception) -> str:
    said = str(error).strip()
    if (missing := _MISSING.search(said)) is not None:
        return f"its {missing[1]} {missing[2]!r} is not one of Keras"
    first = (said.splitlines() or [""])[0].split(". ")[0][:200].rstrip(".")
    return f"{type(error).__name__}: {first}"
