"""Which inputs a network needs: an order by a path, how many of them, and each by itself."""

from taut.tables.selection.select import InputSelection, select_inputs

__all__ = ["InputSelection", "select_inputs"]
