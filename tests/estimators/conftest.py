"""Data and settings of estimators that are fitted in no time."""

import numpy as np
import pytest

SMALL = {"hidden_layer_sizes": (8,), "epochs": 80, "batch_size": 256, "learning_rate": 0.05}
"""All rows in one batch, filled up: fits of many sizes share one program."""


@pytest.fixture(scope="session")
def rows():
    """Inputs [120, 6], of which the first and the fourth matter, and classes 0 and 1."""
    x = np.random.default_rng(0).normal(size=(120, 6)).astype("float32")
    return x, (2 * x[:, 0] + np.abs(x[:, 3]) > 0.5).astype(int)
