"""Studies in double precision are those in single precision, to its rounding."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import taut

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="a setting of JAX")

STUDY = Path(__file__).parent / "double_study.py"


@pytest.mark.slow
def test_a_path_in_double_precision():
    command = [sys.executable, "-W", "error::FutureWarning", str(STUDY)]
    run = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "80"}
    )
    assert run.returncode == 0, run.stderr[-3000:]
    found = json.loads(run.stdout)
    assert all(np.isfinite(losses).all() for losses in found.values())
    draw = np.random.default_rng(0)
    x = draw.normal(size=(60, 4))
    y = x[:, 0] - x[:, 1]
    model = keras.Sequential([keras.Input((4,)), taut.layers.Standardize(), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.05, momentum=0.5), loss="mse")
    single = taut.regularization_path(model, x, y, strengths=[0.2, 0.02], cv=2, epochs=30)
    # Fresh weights are others: only the stronger strength is near its minimum in so few epochs.
    ours, theirs = found["memory"][:4:2], single.table["held_out_loss"][::2]
    np.testing.assert_allclose(ours, theirs, rtol=2e-2)
