"""The penalties of other packages, exactly: the factors that each puts before penalty and loss.

Every function returns the `Terms` of the objective that is minimised here,

    mean of the loss over rows and outputs + l1·Σ|w| + l2·Σw²,

that is the other package's objective up to a factor and a constant. Other packages are
recognised by the names of their classes, so that none of them need be installed.
"""

from taut.penalties.conventions.from_others import FromOthers
from taut.penalties.conventions.others import from_keras
from taut.penalties.conventions.terms import Terms

__all__ = ["FromOthers", "Terms", "from_keras"]
