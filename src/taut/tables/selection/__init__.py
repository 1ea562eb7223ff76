"""Which inputs a network needs: an order by a path, how many of them, and each by itself."""

from taut.tables.selection.select import InputSelection, select_inputs
from taut.tables.selection.sizes import BestSettings

__all__ = ["BestSettings", "InputSelection", "select_inputs"]
