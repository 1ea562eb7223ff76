"""The penalties of other packages, exactly: the factors that each puts before penalty and loss.

Every function returns the L1, the L2 or the elastic net with which the objective here,

    mean of the loss over rows and outputs + l1·Σ|w| + l2·Σw²,

is the other package's up to a factor and a constant: with the same rows, targets and loss, both
have the same minimisers. What has no exact equal is refused. Other packages are recognised by the
names of their classes, so that none of them need be installed. Keras's own regularizers are known
to `taut.penalties`, which takes them wherever it takes a penalty.
"""

from taut.conventions.others import (
    from_gaussian_prior,
    from_glmnet,
    from_laplace_prior,
    from_torch,
)
from taut.conventions.scikit_learn import from_sklearn

__all__ = [
    "from_gaussian_prior",
    "from_glmnet",
    "from_laplace_prior",
    "from_sklearn",
    "from_torch",
]
