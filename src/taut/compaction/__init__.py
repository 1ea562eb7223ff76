"""Dead units -> plan -> smaller model -> equality check."""

from taut.compaction.compact import UnequalError, compact
from taut.compaction.compact_result import CompactResult, Report
from taut.compaction.costs import Costs
from taut.compaction.multiply_adds import multiply_adds

__all__ = ["CompactResult", "Costs", "Report", "UnequalError", "compact", "multiply_adds"]
