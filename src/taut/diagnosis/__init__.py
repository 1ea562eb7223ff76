"""Evidence, verdict, advice: does a model overfit, why, and what would help.

`diagnose` puts it together. The checks on their own train nothing: each is a function of arrays
that returns a frozen result with its numbers. A check never takes for fine what it cannot know:

- what breaks a rule (a shape, text in an array, losses that are not finite) is an `InputError`;
- where the arguments are right but do not tell (too few rows, one class, images for a check of
  columns), the answer is a `NotChecked` with the reason. It is false in a condition, as in
  `if shift and shift.shifted`, and holds no numbers.

Randomness is drawn from `seed` alone, so that the same call gives the same answer. On many rows
a check looks at a sample, and its result says how many rows it has seen.
"""

from taut.diagnosis.array_inputs import NotChecked
from taut.diagnosis.calibration import Calibration, calibration_test
from taut.diagnosis.diagnosing import diagnose
from taut.diagnosis.diagnosis_result import Advice, Diagnosis, Finding, MeasuredGap, Verdict
from taut.diagnosis.generalization import Gap, generalization_gap
from taut.diagnosis.leakage import GroupLeak, RowLeak, leaked_groups, leaked_rows
from taut.diagnosis.leaky_columns import ColumnLeak, leaked_columns
from taut.diagnosis.segments import Segment, Segments, failing_segments
from taut.diagnosis.shift import Shift, distribution_shift
from taut.diagnosis.unused import InputUse, input_use, inputs_not_read
from taut.diagnosis.words import codes_of

__all__ = [
    "Advice",
    "Calibration",
    "ColumnLeak",
    "Diagnosis",
    "Finding",
    "Gap",
    "GroupLeak",
    "InputUse",
    "MeasuredGap",
    "NotChecked",
    "RowLeak",
    "Segment",
    "Segments",
    "Shift",
    "Verdict",
    "calibration_test",
    "codes_of",
    "diagnose",
    "distribution_shift",
    "failing_segments",
    "generalization_gap",
    "input_use",
    "inputs_not_read",
    "leaked_columns",
    "leaked_groups",
    "leaked_rows",
]
