"""What code takes from outside by name."""

from __future__ import annotations

import dis
import types
from collections.abc import Iterator

IN_CODE = ("LOAD_GLOBAL", "LOAD_NAME")
OF_MODULES = ("LOAD_ATTR", "LOAD_METHOD", "IMPORT_FROM", "LOAD_CONST")
"""By which code may take something of a module; by a constant in `getattr(module, "name")`."""


def instructions(code: types.CodeType) -> Iterator[tuple[str, str]]:
    """(operation, name) of all that a code and the functions inside of it take by name."""
    kinds = (*IN_CODE, *OF_MODULES, "IMPORT_NAME")
    for instruction in dis.get_instructions(code):
        if isinstance(instruction.argval, str) and instruction.opname in kinds:
            yield instruction.opname, instruction.argval
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from instructions(constant)
