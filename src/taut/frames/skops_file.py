"""The encoder of a run that taut 0.3 wrote: scikit-learn's transformers in a file of skops."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import skops.io
from skops.io.exceptions import UntrustedTypesFoundException

from taut.errors import InputError

_MARK = ("value", "count", "least", "most")


def read_state(path: Path) -> dict[str, Any]:
    """What `Encoder.save` writes as JSON today.

    No types are trusted beyond the ones that skops itself vouches for (NumPy, scikit-learn).

    Raises:
        InputError: the file holds other types.
        KeyError, TypeError, ValueError, AttributeError: it is damaged.
    """
    try:
        state = skops.io.load(path, trusted=[])
    except UntrustedTypesFoundException as error:
        raise InputError(
            f"{str(path)!r} was not written by taut: it holds types that taut does not load. "
            f"{error}"
        ) from error
    except zipfile.BadZipFile as error:
        raise ValueError(str(error)) from error
    scales = json.loads(state["scales"])
    for scale in scales.values():
        scale["marks"] = [dict(zip(_MARK, mark, strict=True)) for mark in scale["marks"]]
    fitted, numbers = state["transformer"].named_transformers_, list(scales)
    schema = json.loads(state["schema"])
    names = [c["name"] for c in schema["columns"] if c["used"] and c["kind"] == "category"]
    levels = {}
    if names:
        encoder = fitted["category"]
        rare = encoder.infrequent_categories_
        for name, categories, few in zip(names, encoder.categories_, rare, strict=True):
            known = list(map(_level, categories))
            rare_ones = [] if few is None else list(map(_level, few))
            kept = [level for level in known if level not in rare_ones]
            levels[name] = {"kept": kept, "rare": rare_ones}
    missing = [numbers[i] for i in fitted["missing"].features_] if numbers else []
    return {"schema": schema, "scales": scales, "missing": missing, "levels": levels}


def _level(level: Any) -> str | None:
    return None if isinstance(level, float) and np.isnan(level) else str(level)
