"""What an object holds, by name, as far as it says what the object computes."""

from __future__ import annotations

import re
from typing import Any

import keras

from taut.describing.packages import library


class Named(dict[str, Any]):
    """Things by Python's names, none of which is that of a layer even if it is spelt alike."""


def attributes_of(item: Any) -> Named | None:
    """The attributes of an object by name; None where it does not keep them in Python."""
    kind = type(item)
    given = [vars(base).get("__slots__", ()) for base in kind.__mro__]
    each = [
        name
        for declared in given
        for name in ([declared] if isinstance(declared, str) else declared)
    ]
    slots = [name for name in each if name not in ("__dict__", "__weakref__")]
    if not hasattr(item, "__dict__") and not slots:
        return None
    if kind.__reduce__ is not object.__reduce__ and library(kind.__module__) and not ours(kind):
        return None  # written in C, in part: it says itself what it is made of
    attributes = {name: getattr(item, name) for name in slots if hasattr(item, name)}
    attributes.update(getattr(item, "__dict__", {}))
    if isinstance(item, keras.initializers.Initializer):
        attributes.pop("seed", None)  # the lane's own decides
    if ours(kind):
        attributes = {k: v for k, v in attributes.items() if not _says_nothing(kind, k, v)}
    return Named(attributes)


def _says_nothing(kind: type, attribute: str, value: Any) -> bool:
    """Whether an attribute is Keras's own note, or a name that is only counted up, as "adam_1".

    A class of the user's may compute by the name that it was given.
    """
    if attribute not in ("name", "_name") or not isinstance(value, str):
        return attribute in ("shared_object_id", "_tracker")
    counted = re.sub(r"_\d+$", "", value).replace("_", "") == kind.__name__.replace("_", "").lower()
    return library(kind.__module__) is not None or counted


def ours(kind: type) -> bool:
    """Whether an object is Keras's or taut's, or of a class made from these."""
    return any(base.__module__.split(".")[0] in ("keras", "taut") for base in kind.__mro__)
