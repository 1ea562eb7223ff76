"""Reads a run directory: the files, checked, and nothing else."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taut.errors import InputError
from taut.formulas import unguard

if TYPE_CHECKING:
    import pandas

FILES = ("metrics.json", "path.parquet", "features.csv")
_KEYS = ("table", "target", "columns", "notes", "split", "choice", "test", "features")
_PATH = ("penalty", "strength", "fold", "seed", "train_loss", "val_loss", "inputs_kept", "status")
_FEATURES = ("feature", "kept", "importance", "folds_kept", "reason")


@dataclass(frozen=True)
class Run:
    """What a fit saved about itself.

    Attributes:
        name: The directory's name, for the commands that the page shows.
        metrics: `metrics.json` as it is.
        path: One row for each lane of the path.
        features: One row for each input column.
    """

    name: str
    metrics: dict[str, Any]
    path: pandas.DataFrame
    features: pandas.DataFrame


def load_run(directory: str | Path, *, name: str | None = None) -> Run:
    """Reads what `taut fit` wrote.

    Args:
        directory: A run directory.
        name: What to call it; its own name when not given.

    Raises:
        InputError: It is no run directory, or a file in it is missing or cannot be read.
    """
    import pandas

    directory = Path(directory)
    missing = [file for file in FILES if not (directory / file).is_file()]
    if missing:
        what = "has no" if directory.is_dir() else "does not exist; expected in it:"
        raise InputError(
            f"A run directory, as `taut fit` writes it, holds {', '.join(FILES)}. "
            f"Received: {directory}, which {what} {', '.join(missing)}."
        )
    try:
        metrics = json.loads((directory / "metrics.json").read_text(encoding="utf-8"))
        path = pandas.read_parquet(directory / "path.parquet")
        if "network" in path:  # a path is drawn for one network: the one that was chosen
            own = metrics["choice"].get("network", "full")
            path = path[(path["network"] == own) | (path["penalty"] == "none")]
        # A column may be called "NA" or "null": names are read as they are.
        features = pandas.read_csv(
            directory / "features.csv", dtype={"feature": str, "reason": str}, keep_default_na=False
        )
        features["feature"] = features["feature"].map(unguard)
        for column in ("importance", "folds_kept"):
            features[column] = pandas.to_numeric(features[column], errors="coerce")
    except (ValueError, KeyError, OSError) as error:
        raise InputError(
            f"The files of a run must be as `taut fit` wrote them. Received: {directory}, "
            f"where one cannot be read ({type(error).__name__}: {error}). Fit it again."
        ) from error
    _check("metrics.json", _KEYS, metrics if isinstance(metrics, dict) else (), directory)
    if metrics["test"] is None:  # no rows were set aside
        metrics["test"] = {"metrics": [], "primary": None, "systems": [], "differences": []}
    _check("path.parquet", _PATH, path.columns, directory)
    _check("features.csv", _FEATURES, features.columns, directory)
    return Run(name or directory.resolve().name, metrics, path, features)


def _check(file: str, expected: tuple[str, ...], received: Any, directory: Path) -> None:
    missing = [key for key in expected if key not in received]
    if missing:
        raise InputError(
            f"{file} must hold {', '.join(expected)}. Received: {directory / file}, which lacks "
            f"{', '.join(missing)}. Fit it again with this version of taut."
        )
