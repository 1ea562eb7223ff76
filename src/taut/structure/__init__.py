"""How a model's weights divide into inputs, units and rows, and what its layers undo."""

from taut.structure.evasion import rescaled_by
from taut.structure.inputs import InputReaders, input_readers
from taut.structure.views import VariableStructure, View, structure

__all__ = [
    "InputReaders",
    "VariableStructure",
    "View",
    "input_readers",
    "rescaled_by",
    "structure",
]
