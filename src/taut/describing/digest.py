"""A digest of what a thing computes: code, constants, closures, attributes and arrays.

The same program gives the same digest in another process: neither addresses, nor the order of sets,
nor the names that Keras counts up are in it. What cannot be described raises `Undescribed`: it is
never taken for equal.
"""

from __future__ import annotations

import enum
import functools
import hashlib
import sys
import types
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

import keras
import numpy as np
from keras import ops

from taut.describing.attributes import Named, attributes_of, ours
from taut.describing.instructions import IN_CODE, OF_MODULES, instructions
from taut.describing.packages import Undescribed, library
from taut.describing.parts import labels, layer_described

_CONTAINERS = (
    dict,
    OrderedDict,
    types.MappingProxyType,
    Mapping,
    list,
    tuple,
    deque,
    set,
    frozenset,
)
_PLAIN = (str, bool, int, float, complex, bytes, bytearray)
_CONSTANTS = (*_PLAIN, list, tuple, dict, np.ndarray)
_OF_EVERY_CLASS = (
    "__module__",
    "__qualname__",
    "__doc__",
    "__slots__",
    "__dict__",
    "__annotations__",
    "__firstlineno__",
    "__static_attributes__",
    "__dataclass_fields__",
    "__orig_bases__",
    "__parameters__",
    "__type_params__",
)
_DESCRIPTORS = (staticmethod, classmethod, property, functools.cached_property)


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


def may_differ(one: Any, another: Any, *, known: tuple[Any, Any] = (None, None)) -> bool:
    """Whether two things may compute something else: what is not known is not taken for equal.

    Args:
        one, another: As `digest_of` takes them.
        known: `known` of each.
    """
    try:
        return digest_of(one, known=known[0]) != digest_of(another, known=known[1])
    except Undescribed:
        return True


class _Describer:
    def __init__(self, names: Mapping[str, str], known: Mapping[int, str]):
        self._names, self._known = names, known
        self._open: dict[int, int] = {}  # what is being described, and how deep it lies
        self._done: dict[int, tuple[bytes, Any]] = {}  # with the thing, which keeps its id

    def of(self, item: Any) -> bytes:
        if item is None or item is Ellipsis or item is NotImplemented:
            return _hash("constant", repr(item))
        if type(item) is str:
            path = "/".join(self._names.get(part, part) for part in item.split("/"))
            return _hash("str", path)
        if type(item) in (bool, int, float, complex):
            return _hash(type(item).__name__, repr(item))
        if type(item) in (bytes, bytearray):
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
        if isinstance(item, enum.Enum):
            return self._all("enum", type(item), item.name, item.value)
        if not issubclass(type(item), np.generic) and isinstance(item, (*_CONTAINERS, *_PLAIN)):
            return _hash(*self._more_than_plain(item), self._contained(item))
        if isinstance(item, keras.KerasTensor):
            return self._all("symbolic", item.shape, str(item.dtype))
        if isinstance(item, keras.Variable):
            return self._all("variable", item.trainable, ops.convert_to_numpy(item))
        if isinstance(item, (np.ndarray, np.generic)):
            return self._array(item if isinstance(item, np.ndarray) else np.asarray(item))
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

    def _contained(self, item: Any) -> bytes:
        if isinstance(item, Named):
            return _hash("named", *sorted(_hash(k) + self.of(v) for k, v in item.items()))
        if isinstance(item, Mapping):
            return _hash("mapping", *sorted(self.of(k) + self.of(item[k]) for k in item))
        if isinstance(item, (list, tuple, deque)):
            return self._all("tuple" if isinstance(item, tuple) else "list", *item)
        if isinstance(item, (set, frozenset)):
            return _hash("set", *sorted(self.of(member) for member in item))
        plain: Any = next(kind for kind in _PLAIN if isinstance(item, kind))
        return self.of(plain.__new__(plain, item))

    def _more_than_plain(self, item: Any) -> list[bytes]:
        """What a container, number or text is beside its values, where a class is made of one."""
        kind = type(item)
        if kind in (*_CONTAINERS, *_PLAIN, Named) or kind.__module__.split(".")[0] == "keras":
            return []
        factory = getattr(item, "default_factory", None)
        return [self._all("made of", kind, Named(getattr(item, "__dict__", {})), factory)]

    def _array(self, array: np.ndarray) -> bytes:
        if isinstance(array, np.ma.MaskedArray):
            mask = np.ma.getmaskarray(array)
            return self._all("masked", np.asarray(array.filled(0)), mask, array.fill_value)
        if library(type(array).__module__) is None:
            return self._all("made of", type(array), Named(vars(array)), np.array(array))
        array = np.asarray(array)
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
            _hash(*(_hash(*group) for group in names)),
            [_hash("text", c) if isinstance(c, str) else c for c in code.co_consts],
        )

    def _function(self, item: types.FunctionType) -> bytes:
        cells = list(item.__closure__ or ())
        state = [item.__defaults__, item.__kwdefaults__, cells, Named(vars(item))]
        # What wraps a function takes over its name and module: the code knows better.
        module, name = item.__globals__.get("__name__", item.__module__), item.__code__.co_qualname
        package = library(module)
        if package is not None:
            named = package, str(module), name
            return self._all("function", *named, *(state if "<locals>" in name else ()))
        return _hash("own function", self.of(item.__code__), self.of(state), self._globals(item))

    def _globals(self, item: types.FunctionType) -> bytes:
        """What a function's code takes from outside by name."""
        used = list(instructions(item.__code__))
        attributes = {name for kind, name in used if kind in OF_MODULES}
        digests = []
        for kind, name in sorted(set(used)):
            if kind == "IMPORT_NAME":
                package = item.__globals__.get("__package__")
                module = sys.modules.get(name) or sys.modules.get(f"{package}.{name}")
                if module is None and library(name) is None:
                    raise Undescribed(f"the module {name!r}, which is not imported yet")
                value = library(name) if module is None else module
            elif kind in IN_CODE and name in item.__globals__:
                value = item.__globals__[name]
            else:
                continue  # an attribute, a builtin, or nothing yet
            if isinstance(value, types.ModuleType):
                digests.append(_hash(name) + self._module(value, attributes))
            else:
                digests.append(_hash(name) + self.of(value))
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
        module, name = getattr(item, "__module__", None), getattr(item, "__qualname__", None)
        if isinstance(name, str) and isinstance(module, str) and library(module):
            public_item: Any = sys.modules.get(module)
            for part in name.split("."):
                public_item = getattr(public_item, part, None)
            if public_item is item:
                return _hash("named", str(library(module)), module, name)
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
        if isinstance(item, (types.WrapperDescriptorType, types.MethodDescriptorType)):
            return self._all("descriptor", item.__objclass__, item.__name__)
        if hasattr(item, "__wrapped__") and library(type(item).__module__):
            # Compiled or cached, what it computes is inside; or it has a gradient of its own.
            beside = {k: v for k, v in vars(item).items() if not k.startswith("_")}
            return self._all("wrapped", type(item).__qualname__, item.__wrapped__, beside)
        if callable(getattr(item, "python_function", None)):  # of TensorFlow
            return self._all("wrapped", type(item).__qualname__, item.python_function)
        return None

    def _class(self, item: type) -> bytes:
        package = library(item.__module__)
        # Classes that `types.new_class` makes for the user may bear that module's name.
        if package is not None and (item.__module__ != "types" or item.__name__ in vars(types)):
            return _hash("class", package, item.__module__, item.__qualname__)
        members = {
            name: value
            for name, value in vars(item).items()
            if not _dunder(name)
            or callable(value)
            or (isinstance(value, (*_DESCRIPTORS, *_CONSTANTS)) and name not in _OF_EVERY_CLASS)
        }
        if issubclass(item, enum.Enum):  # Python's own bookkeeping, but for the members
            members = {k: v for k, v in members.items() if not k.startswith("_")}
            members |= {name: member.value for name, member in item.__members__.items()}
        members = {
            name: value
            for name, value in members.items()
            if not isinstance(value, (types.GetSetDescriptorType, types.MemberDescriptorType))
            and name not in ("_abc_impl", "__annotate__", "__annotate_func__", "__class__")
        }
        made_by = None if library(type(item).__module__) else type(item)
        return self._all("own class", list(item.__bases__), made_by, Named(members))

    def _object(self, item: Any) -> bytes:
        kind = type(item)
        if isinstance(item, keras.random.SeedGenerator):
            return self._all("stream", item.state)
        if hasattr(item, "to_numpy") and hasattr(item, "columns"):
            types_ = [str(t) for t in item.dtypes]
            labels_ = list(item.columns), _rows_named(item)
            return self._all("table", *labels_, types_, item.to_numpy())
        if hasattr(item, "to_numpy") and hasattr(item, "name") and library(kind.__module__):
            types_ = str(item.dtype)
            return self._all("column", item.name, _rows_named(item), types_, item.to_numpy())
        state = attributes_of(item)
        if state is not None and ours(kind):
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


def _rows_named(table: Any) -> np.ndarray | None:
    index: Any = getattr(table, "index", None)
    return index.to_numpy() if hasattr(index, "to_numpy") else None


def _dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _hash(*parts: Any) -> bytes:
    hasher = hashlib.blake2b(digest_size=20)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        hasher.update(len(data).to_bytes(8, "little"))
        hasher.update(data)
    return hasher.digest()
