"""Models in one NumPy archive: arrays, and a text of JSON; nothing is pickled."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from taut.errors import InputError
from taut.files import DAMAGED, replace_file
from taut.recommendation.factor_choice import StrengthChoice
from taut.recommendation.factor_solver import Factors, Side, Strengths
from taut.recommendation.item_weights import FactoredWeights, MatrixWeights
from taut.recommendation.ratings import Columns, Ratings
from taut.typed_json import plain, typed

RATINGS, ITEMS = "taut rating model", "taut item model"
FORMATS = {RATINGS: 2, ITEMS: 1}


def save_rating_model(model: Any, path: Path) -> Path:
    """Write a `RatingModel`."""
    factors = model.factors
    arrays = {
        **_of_ratings(model.ratings),
        "sessions": factors.sessions,
        "keys": model.session_keys,
    }
    for name, side, features in (
        ("user", factors.user, model.features[0]),
        ("item", factors.item, model.features[1]),
    ):
        names = ("rows", "variance", "maps", "unknown")
        own: dict[str, Any] = {key: getattr(side, key) for key in names}
        own |= _of_sparse("design", side.design)
        if features is not None:
            own |= _of_sparse("features", features)
        arrays |= {f"{name}_side.{key}": value for key, value in own.items()}
    about = {
        "constant": factors.mean,
        "sweeps": factors.sweeps,
        "change": factors.change,
        "mean": model.mean,
        "limits": list(model.limits),
        "scale": model.scale,
        "strengths": plain(model.strengths),
    }
    return _write(path, RATINGS, model, about, arrays)


def rating_model_fields(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What `save_rating_model` wrote, as a `RatingModel` takes it."""
    about, arrays = _read(path, RATINGS)
    with _whole(path):
        sides, features = [], []
        for name in ("user", "item"):
            own = {
                k.split(".", 1)[1]: v for k, v in arrays.items() if k.startswith(f"{name}_side.")
            }
            design = _to_sparse("design", own)
            sides.append(Side(own["rows"], own["variance"], own["maps"], design, own["unknown"]))
            features.append(_to_sparse("features", own) if "features:data" in own else None)
        sweeps, change = about["sweeps"], about["change"]
        return {
            "columns": typed(Columns, about["columns"]),
            "ratings": _to_ratings(arrays),
            "factors": Factors(
                about["constant"], sides[0], sides[1], arrays["sessions"], sweeps, change
            ),
            "strengths": typed(Strengths, about["strengths"]),
            "mean": about["mean"],
            "scale": about["scale"],
            "session_keys": arrays["keys"],
            "limits": tuple(map(float, about["limits"])),
            "features": (features[0], features[1]),
            "choice": _to_choice(about["choice"]),
        }


def save_item_model(model: Any, path: Path) -> Path:
    """Write an `ItemModel`."""
    arrays, weights = _of_ratings(model.ratings), model.weights
    if isinstance(weights, FactoredWeights):
        kind = "factored"
        arrays |= {**_of_sparse("learned", weights.rows), "dual": weights.dual}
    elif isinstance(weights.matrix, np.ndarray):
        kind = "dense"
        arrays["matrix"] = weights.matrix
    else:
        kind = "sparse"
        arrays |= _of_sparse("matrix", weights.matrix.tocsr())
    about = {"strength": model.strength, "weights": kind}
    return _write(path, ITEMS, model, about, arrays)


def item_model_fields(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What `save_item_model` wrote, as an `ItemModel` takes it."""
    about, arrays = _read(path, ITEMS)
    with _whole(path):
        kind = about["weights"]
        if kind == "factored":
            weights: Any = FactoredWeights(_to_sparse("learned", arrays), arrays["dual"])
        elif kind == "dense":
            weights = MatrixWeights(arrays["matrix"])
        else:
            weights = MatrixWeights(_to_sparse("matrix", arrays).tocsc())
        columns, choice = typed(Columns, about["columns"]), _to_choice(about["choice"])
        return {
            "columns": columns,
            "ratings": _to_ratings(arrays),
            "weights": weights,
            "strength": about["strength"],
            "choice": choice,
        }


def _to_choice(stored: Any) -> StrengthChoice | None:
    return None if stored is None else typed(StrengthChoice, stored)


def _of_ratings(ratings: Ratings) -> dict[str, np.ndarray]:
    names = ("users", "items", "user", "item", "rating", "day")
    return {name: v for name in names if (v := getattr(ratings, name)) is not None}


def _to_ratings(arrays: dict[str, Any]) -> Ratings:
    names = ("users", "items", "user", "item", "rating")
    return Ratings(**{name: arrays[name] for name in names}, day=arrays.get("day"))


def _of_sparse(name: str, matrix: Any) -> dict[str, np.ndarray]:
    parts = {"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr}
    parts["shape"] = np.array(matrix.shape)
    return {f"{name}:{part}": value for part, value in parts.items()}


def _to_sparse(name: str, arrays: dict[str, Any]) -> Any:
    from scipy.sparse import csr_array

    data, indices, indptr, shape = (
        arrays[f"{name}:{part}"] for part in ("data", "indices", "indptr", "shape")
    )
    made = csr_array((data, indices, indptr), shape=tuple(shape.tolist()))
    made.check_format()
    return made


def _write(path: Path, kind: str, model: Any, about: Any, arrays: dict[str, Any]) -> Path:
    about = {
        "kind": kind,
        "format": FORMATS[kind],
        "columns": plain(model.columns),
        "choice": plain(model.choice),
        **about,
    }
    text = np.array(json.dumps(about))
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, lambda file: np.savez_compressed(file, about=text, **arrays))
    return path


def _read(path: str | os.PathLike[str], kind: str) -> tuple[Any, dict[str, Any]]:
    # Opened here: NumPy leaves the file open where it is damaged.
    with _whole(path), open(path, "rb") as file:
        if not zipfile.is_zipfile(file):  # NumPy would advise to unpickle it
            raise ValueError("it is no archive")
        file.seek(0)
        with np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        about = json.loads(str(arrays.pop("about")))
        found = about["kind"], about["format"]
    if found != (kind, FORMATS[kind]):
        raise InputError(
            f"The file must hold a {kind} of format {FORMATS[kind]}. Received: {str(path)!r} with "
            f"a {found[0]} of format {found[1]}."
        )
    return about, arrays


class _whole:
    """Whatever cannot be read is told as a file that is damaged."""

    def __init__(self, path: str | os.PathLike[str]):
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if isinstance(error, FileNotFoundError):
            raise InputError(f"There must be a file. Received: {str(self._path)!r}.") from error
        if isinstance(error, DAMAGED):
            raise InputError(
                "The file must be one that `save` wrote, and whole. Received: "
                f"{str(self._path)!r} ({error})."
            ) from error
