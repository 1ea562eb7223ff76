"""A path in one file: its numbers, its model and its record, of which nothing is pickled.

The file is a NumPy archive (zip): arrays with a checksum each, JSON, and the model as Keras saves
it.
"""

from __future__ import annotations

import json
import tempfile
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from taut.engine import Lane, Record
from taut.errors import InputError
from taut.files import replace_file
from taut.objective import Stationarity
from taut.studies.study_model import compiled_copy
from taut.typed_json import plain, typed

if TYPE_CHECKING:
    import pandas as pd

KIND, FORMAT = "taut regularization path", 1
_ARRAYS = ("train_loss", "held_out_loss", "epochs", "best_epoch")
_SEVERAL = ("trainable", "non_trainable")
_OF_LANE = tuple(field.name for field in fields(Lane) if field.name != "values")


def write(path: Path, result: Any) -> None:
    """Write the fields of a `PathResult`; whole, or not at all.

    Raises:
        InputError: If the model cannot be saved, or the file cannot be written.
    """
    arrays: dict[str, np.ndarray] = {"model": model_bytes(result._model)}
    simple: dict[str, Any] = {}
    tables: dict[str, list[str]] = {}
    for field in fields(result):
        value = getattr(result, field.name)
        if hasattr(value, "columns"):
            tables[field.name] = list(value.columns)
            for k, column in enumerate(value.columns):
                arrays[f"table/{field.name}/{k}"] = _plain_column(value[column])
        elif isinstance(value, np.ndarray):
            arrays[f"field/{field.name}"] = _plain_column(value)
        elif field.name not in ("record", "_model"):
            simple[field.name] = plain(value)
    about = {
        "kind": KIND,
        "format": FORMAT,
        "fields": simple,
        "tables": tables,
        "record": _record_parts(result.record, arrays),
        "penalties": [
            [entry.selector, entry.penalty and keras.saving.serialize_keras_object(entry.penalty)]
            for entry in result._model.optimizer.entries
        ],
    }
    types = {n: [a.dtype.name, a.shape] for n, a in arrays.items() if a.dtype.kind == "V"}
    # Types that NumPy does not know, such as bfloat16, travel as bytes.
    arrays |= {name: np.frombuffer(arrays[name].tobytes(), np.uint8) for name in types}
    everything = {**arrays, "about": np.array(json.dumps({**about, "types": types}))}
    try:
        replace_file(path, lambda file: np.savez(file, allow_pickle=False, **everything))
    except OSError as error:
        raise InputError(
            "A path must be saved in a folder that can be written. Received: "
            f"{str(path)!r}: {error.strerror or error}. What was there before is whole, and so is "
            "the result: save it elsewhere."
        ) from error


def read(path: Path, custom_objects: Mapping[str, Any] | None) -> dict[str, Any]:
    """The fields of what was written.

    Raises:
        InputError: If there is no such file, it is damaged, or of another kind.
    """
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            about = json.loads(str(archive["about"]))
            if about["kind"] != KIND or about["format"] != FORMAT:
                raise InputError(
                    f"The file must be a {KIND} of format {FORMAT}. Received: {str(path)!r}, a "
                    f"{about['kind']} of format {about['format']}. Use the taut that wrote it."
                )
            arrays = {name: archive[name] for name in archive.files if name != "about"}
        for name, (kind, shape) in about["types"].items():
            arrays[name] = arrays[name].view(np.dtype(kind)).reshape(shape)
        simple = {k: tuple(v) if isinstance(v, list) else v for k, v in about["fields"].items()}
        values = {**simple, **_tables(about["tables"], arrays)}
        values |= {
            name.removeprefix("field/"): array
            for name, array in arrays.items()
            if name.startswith("field/")
        }
        if values["certificate"] is not None:
            values["certificate"] = typed(Stationarity, values["certificate"])
        values["record"] = _record(about["record"], arrays)
        model = arrays["model"].tobytes()
    except FileNotFoundError as error:
        raise InputError(
            f"`path` must be a file that `save` wrote. Received: {str(path)!r}: there is none."
        ) from error
    except InputError:
        raise
    except Exception as error:  # whatever NumPy, zipfile and JSON make of damaged bytes
        raise InputError(
            f"A saved path must be whole. Received: {str(path)!r}, which cannot be read "
            f"({type(error).__name__}: {error}). Restore it from a copy."
        ) from error
    values["_model"] = _model(path, model, about["penalties"], custom_objects)
    return values


def model_bytes(model: Any) -> np.ndarray:
    """A model as Keras saves it, [bytes].

    Raises:
        InputError: If it cannot be saved, or could not be loaded.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.keras"
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "The object being serialized includes a `lambda`")
                model.save(file)
            with zipfile.ZipFile(file) as parts:
                # Keras would save its code, and load none.
                if b'"__lambda__"' in parts.read("config.json"):
                    raise TypeError("it has a lambda, which is code: write a function with a name")
        except Exception as error:  # whatever the layers of users raise
            raise InputError(
                "A path is saved with its model, as Keras saves it. Received: "
                f"{model.name!r}, which cannot be saved ({_reason(error)}). Give "
                "your layers and losses a `get_config`; the numbers can be kept by "
                "`result.to_frame().to_csv(…)`."
            ) from error
        return np.frombuffer(file.read_bytes(), np.uint8)


def _reason(error: Exception) -> str:
    """What went wrong, without the configurations that Keras adds to it."""
    text = str(error).rpartition("Exception encountered:")[2].strip().partition("\n")[0]
    text = text.partition("Full object config")[0].strip()
    return f"{type(error).__name__}: {text[:300].rstrip('.')}"


def _model(path: Path, saved: bytes, penalties: Any, custom: Mapping[str, Any] | None) -> Any:
    with tempfile.TemporaryDirectory() as folder, keras.saving.custom_object_scope(custom or {}):
        file = Path(folder) / "model.keras"
        file.write_bytes(saved)
        try:
            model = keras.saving.load_model(file)
            # With the penalties as they were asked for: those of the optimizer have lost arrays.
            request = {
                tuple(selector) if isinstance(selector, list) else selector: penalty
                and keras.saving.deserialize_keras_object(penalty)
                for selector, penalty in penalties
            }
            return compiled_copy(model, request)
        except Exception as error:
            raise InputError(
                "The model of a saved path must be one that Keras can load. Received: "
                f"{str(path)!r} ({_reason(error)}). Give your own classes and "
                "functions as `custom_objects={'name': …}`, or register them with Keras."
            ) from error


def _plain_column(column: Any) -> np.ndarray:
    """An array without objects: text as text of fixed width."""
    array = np.asarray(column)
    return array if array.dtype.kind != "O" else array.astype(str)


def _tables(columns: Mapping[str, list[str]], arrays: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    import pandas as pd

    return {
        name: pd.DataFrame({c: _column(arrays[f"table/{name}/{k}"]) for k, c in enumerate(names)})
        for name, names in columns.items()
    }


def _column(array: np.ndarray) -> Any:
    return array.tolist() if array.dtype.kind == "U" else array


def _record_parts(record: Record, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """A record as JSON, and its arrays among the others; lanes of a fold share their values."""
    arrays |= {f"record/{name}": getattr(record, name) for name in _ARRAYS}
    for name in _SEVERAL:
        arrays |= {f"record/{name}/{k}": a for k, a in enumerate(getattr(record, name))}
    values = {id(lane.values): lane.values for lane in record.lanes}
    number = {key: k for k, key in enumerate(values)}
    for k, mapping in enumerate(values.values()):
        arrays |= {f"values/{k}/{i}": np.asarray(a) for i, a in enumerate(mapping.values())}
    return {
        "lanes": [{name: plain(getattr(lane, name)) for name in _OF_LANE} for lane in record.lanes],
        "values_of": [number[id(lane.values)] for lane in record.lanes],
        "values": [list(mapping) for mapping in values.values()],
        "status": list(record.status),
        "counts": [len(getattr(record, name)) for name in _SEVERAL],
        "compiles": record.compiles,
        "width": record.width,
    }


def _record(parts: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Record:
    values = [
        {path: arrays[f"values/{k}/{i}"] for i, path in enumerate(paths)}
        for k, paths in enumerate(parts["values"])
    ]
    several: dict[str, Any] = {
        name: tuple(arrays[f"record/{name}/{k}"] for k in range(count))
        for name, count in zip(_SEVERAL, parts["counts"], strict=True)
    }
    return Record(
        lanes=tuple(
            Lane(**{**lane, "strengths": tuple(lane["strengths"])}, values=values[number])
            for lane, number in zip(parts["lanes"], parts["values_of"], strict=True)
        ),
        status=tuple(parts["status"]),
        compiles=parts["compiles"],
        width=parts["width"],
        **{name: arrays[f"record/{name}"] for name in _ARRAYS},
        **several,
    )
