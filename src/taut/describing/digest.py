"""A digest of what a thing computes: code, constants, closures, attributes and arrays.

The same program gives the same digest in another process: neither addresses, nor the order of sets,
nor the names that Keras counts up are in it. What cannot be described raises `Undescribed`: it is
never taken for equal.
"""

from __future__ import annotations

import dis
import enum
import functools
import hashlib
import sys
import types
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

import keras
import numpy as np
from keras import ops

from taut.describing.packages import Undescribed, library
from taut.describing.parts import labels, layer_described

_NOT_MEANT = ("name", "_name", "shared_object_id")
"""Entries of Keras's configurations and objects that say nothing: "adam_1" is Adam."""
_IN_CODE = ("LOAD_GLOBAL", "LOAD_NAME")
_DESCRIPTORS = (staticmethod, classmethod, property, functools.cached_property)
_OF_MODULES = ("LOAD_ATTR", "LOAD_METHOD", "IMPORT_FROM")


def digest_of(
    tree: Any, *, names: Mapping[str, str] | None = None, known: Mapping[int, str] | None = None
) -> str:
    """A digest of nested containers, arrays, functions and objects.

    Args:
        tree: What to describe.
        names: Names within paths that are only counted up, and what stands for them.
        known: What stands for some objects, by their id.

    Raises:
        Undescribed: If something in it cannot be described.
    """
    return _Describer(names or {}, known or {}).of(tree).hex()


class _Describer:
    def __init__(self, names: Mapping[str, str], known: Mapping[int, str]):
        self._names, self._known = names, known
        self._open: dict[int, int] = {}  # what is being described, and how deep it lies
        self._done: dict[int, tuple[bytes, Any]] = {}  # with the thing, which keeps its id

    def of(self, item: Any) -> bytes:
        if item is None or item is Ellipsis or item is NotImplemented:
            return _hash("constant", repr(item))
        if isinstance(item, enum.Enum):
            return self._all("enum", type(item).__qualname__, item.name)
        if isinstance(item, str):
            path = "/".join(self._names.get(part, part) for part in item.split("/"))
            return _hash("str", path)
        if isinstance(item, (bool, int, float, complex)) and not isinstance(item, np.generic):
            return _hash(type(item).__name__, repr(item))
        if isinstance(item, (bytes, bytearray)):
            return _hash("bytes", bytes(item))
        if isinstance(item, (range, np.dtype, PurePath)):
            return _hash(type(item).__name__, str(item))
        key = id(item)
        if key in self._known:
            return _hash("known", self._known[key])
        if key in self._open:  # it holds itself
            return _hash("within", str(len(self._open) - self._open[key]))
        if key not in self._done:
            self._open[key] = len(self._open)
            try:
                self._done[key] = self._new(item), item
            finally:
                del self._open[key]
        return self._done[key][0]

    def _all(self, kind: str, *items: Any) -> bytes:
        return _hash(kind, *(self.of(item) for item in items))

    def _new(self, item: Any) -> bytes:
        if isinstance(item, type):
            return self._class(item)
        if isinstance(item, Mapping):
            return self._mapping(item)
        if isinstance(item, (list, tuple, deque)):
            named = type(item).__qualname__ if hasattr(item, "_fields") else "list"
            return self._all(named, *item)
        if isinstance(item, (set, frozenset)):
            return _hash("set", *sorted(self.of(member) for member in item))
        if isinstance(item, keras.KerasTensor):
            return self._all("symbolic", item.shape, str(item.dtype))
        if isinstance(item, keras.Variable):
            return self._all("variable", item.trainable, ops.convert_to_numpy(item))
        if isinstance(item, (np.ndarray, np.generic)):
            return self._array(np.asarray(item))
        if ops.is_tensor(item):
            return self._array(np.asarray(ops.convert_to_numpy(item)))
        if isinstance(item, types.ModuleType):
            return self._module(item, None)
        if isinstance(item, keras.layers.Layer):
            return self._model(item)
        if isinstance(item, types.CodeType):
            return self._code(item)
        if isinstance(item, types.CellType):
            try:
                return self._all("cell", item.cell_contents)
            except ValueError:
                return _hash("empty cell")
        if callable(item) or isinstance(item, _DESCRIPTORS):
            digest = self._callable(item)
            if digest is not None:
                return digest
        return self._object(item)

    def _mapping(self, item: Mapping[Any, Any]) -> bytes:
        keys = [k for k in item if not (k in _NOT_MEANT and isinstance(item[k], (str, int)))]
        return _hash("mapping", *sorted(self.of(k) + self.of(item[k]) for k in keys))

    def _array(self, array: np.ndarray) -> bytes:
        shape = f"{array.dtype}{array.shape}"
        if array.dtype.hasobject:
            return self._all("objects", shape, array.ravel().tolist())
        flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        return _hash("array", shape, flat.data)

    def _code(self, code: types.CodeType) -> bytes:
        counts = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags
        names = code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars
        return self._all(
            "code",
            code.co_code,
            getattr(code, "co_exceptiontable", b""),
            counts,
            [list(group) for group in names],
            list(code.co_consts),
        )

    def _function(self, item: types.FunctionType) -> bytes:
        cells = list(item.__closure__ or ())
        state = [item.__defaults__, item.__kwdefaults__, cells, vars(item)]
        package = library(item.__module__)
        if package is not None:
            name = package, item.__module__, item.__qualname__
            return self._all("function", *name, *(state if "<locals>" in name[2] else ()))
        return _hash("own function", self.of(item.__code__), self.of(state), self._globals(item))

    def _globals(self, item: types.FunctionType) -> bytes:
        """What a function's code takes from outside by name."""
        used = list(_instructions(item.__code__))
        attributes = {name for kind, name in used if kind in _OF_MODULES}
        digests = []
        for kind, name in sorted(set(used)):
            if kind == "IMPORT_NAME":
                package = item.__globals__.get("__package__")
                module = sys.modules.get(name) or sys.modules.get(f"{package}.{name}")
                if module is None and library(name) is None:
                    raise Undescribed(f"the module {name!r}, which is not imported yet")
                value = library(name) if module is None else module
            elif kind in _IN_CODE and name in item.__globals__:
                value = item.__globals__[name]
            else:
                continue  # an attribute, a builtin, or nothing yet
            if isinstance(value, types.ModuleType):
                digests.append(self.of(name) + self._module(value, attributes))
            else:
                digests.append(self.of(name) + self.of(value))
        return _hash("globals", *digests)

    def _module(self, module: types.ModuleType, used: set[str] | None) -> bytes:
        """A package by its version; a module of the user's by what is used of it."""
        package = library(module.__name__)
        if package is not None:
            return _hash("module", package, module.__name__)
        if used is None:
            raise Undescribed(f"the module {module.__name__!r} itself")
        if id(module) in self._open:
            return _hash("module within", module.__name__)
        self._open[id(module)] = len(self._open)
        try:
            digests = []
            for name in sorted(used & set(vars(module))):
                value = vars(module)[name]
                inner = isinstance(value, types.ModuleType)
                digests.append(_hash(name, self._module(value, used) if inner else self.of(value)))
        finally:
            del self._open[id(module)]
        return _hash("module", module.__name__, *digests)

    def _callable(self, item: Any) -> bytes | None:
        if isinstance(item, types.FunctionType):
            return self._function(item)
        if isinstance(item, types.MethodType):
            return self._all("method", item.__func__, item.__self__)
        if isinstance(item, functools.partial):
            return self._all("partial", type(item), item.func, item.args, item.keywords, vars(item))
        if isinstance(item, (staticmethod, classmethod)):
            return self._all(type(item).__name__, item.__func__)
        if isinstance(item, property):
            return self._all("property", item.fget, item.fset, item.fdel)
        if isinstance(item, functools.cached_property):
            return self._all("property", item.func)
        if isinstance(item, types.BuiltinFunctionType):
            owner = item.__self__
            owner = None if isinstance(owner, types.ModuleType) else owner
            return self._all("builtin", str(item.__module__), item.__qualname__, owner)
        module, name = getattr(item, "__module__", None), getattr(item, "__qualname__", None)
        if isinstance(name, str) and isinstance(module, str) and library(module):
            public_item: Any = sys.modules.get(module)
            for part in name.split("."):
                public_item = getattr(public_item, part, None)
            if public_item is item:
                return _hash("named", str(library(module)), module, name)
        if isinstance(item, (types.WrapperDescriptorType, types.MethodDescriptorType)):
            return self._all("descriptor", item.__objclass__, item.__name__)
        if hasattr(item, "__wrapped__"):  # compiled or cached: what it computes is inside
            return self._all("wrapped", type(item).__qualname__, item.__wrapped__)
        if callable(getattr(item, "python_function", None)):  # of TensorFlow
            return self._all("wrapped", type(item).__qualname__, item.python_function)
        return None

    def _class(self, item: type) -> bytes:
        package = library(item.__module__)
        if package is not None:
            return _hash("class", package, item.__module__, item.__qualname__)
        members = {
            name: value
            for name, value in vars(item).items()
            if not _dunder(name) or callable(value) or isinstance(value, _DESCRIPTORS)
        }
        members = {
            name: value
            for name, value in members.items()
            if not isinstance(value, (types.GetSetDescriptorType, types.MemberDescriptorType))
            and name not in ("_abc_impl", "__annotate__", "__annotate_func__", "__class__")
        }
        return self._all("own class", list(item.__bases__), members)

    def _object(self, item: Any) -> bytes:
        kind = type(item)
        if isinstance(item, keras.random.SeedGenerator):
            return self._all("stream", item.state)
        if hasattr(item, "to_numpy") and hasattr(item, "columns"):
            types_ = [str(t) for t in item.dtypes]
            return self._all("table", [str(c) for c in item.columns], types_, item.to_numpy())
        state = _attributes(item)
        if state is not None and _ours(kind):
            return self._all("object", kind, state)
        try:
            made = item.__reduce_ex__(4)
        except Exception as error:  # whatever a class does there
            # A file or a lock has attributes too, which are not what it is.
            raise Undescribed(f"an object of {kind.__module__}.{kind.__qualname__}") from error
        if state is not None:
            return self._all("object", kind, state)
        if isinstance(made, str):
            return self._all("object", kind, made)
        parts = [list(p) if isinstance(p, Iterator) else p for p in made[1:]]
        return self._all("object", kind, made[0], parts)

    def _model(self, item: Any) -> bytes:
        """A model or layer that is not of the study: with its values, which are constants."""
        inner = _Describer(self._names, {**self._known, **labels(item)})
        inner._open = self._open
        values = [ops.convert_to_numpy(v) for v in item.variables]
        return inner._all(
            "model", [layer_described(layer) for layer in item._flatten_layers()], values
        )


def _attributes(item: Any) -> dict[str, Any] | None:
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
    if kind.__reduce__ is not object.__reduce__ and library(kind.__module__) and not _ours(kind):
        return None  # written in C, in part: it says itself what it is made of
    attributes = {name: getattr(item, name) for name in slots if hasattr(item, name)}
    attributes.update(getattr(item, "__dict__", {}))
    if isinstance(item, keras.initializers.Initializer):
        attributes.pop("seed", None)  # the lane's own decides
    if not _ours(kind):
        # `name` is an attribute like any other there.
        return {
            "own": sorted(attributes),
            "values": [attributes[name] for name in sorted(attributes)],
        }
    return attributes


def _ours(kind: type) -> bool:
    """Whether an object is Keras's or taut's, or of a class made from these."""
    return any(base.__module__.split(".")[0] in ("keras", "taut") for base in kind.__mro__)


def _dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _instructions(code: types.CodeType) -> Iterator[tuple[str, str]]:
    """(operation, name) of all that a code and the functions inside of it take by name."""
    kinds = (*_IN_CODE, *_OF_MODULES, "IMPORT_NAME")
    for instruction in dis.get_instructions(code):
        if isinstance(instruction.argval, str) and instruction.opname in kinds:
            yield instruction.opname, instruction.argval
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _instructions(constant)


def _hash(*parts: Any) -> bytes:
    hasher = hashlib.blake2b(digest_size=20)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        hasher.update(len(data).to_bytes(8, "little"))
        hasher.update(data)
    return hasher.digest()
