"""How a model's weights divide into inputs, units and rows, and what its layers undo."""

from taut.structure.evasion import rescaled_by
from taut.structure.views import VariableStructure, View, structure

__all__ = ["VariableStructure", "View", "rescaled_by", "structure"]
