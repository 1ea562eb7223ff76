"""The smaller model in int8, and in ONNX Runtime."""

import importlib.util
import os
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest
from keras import layers

from taut.compaction import compact
from tests.compaction.mortal import CASES, drawn, relu, x_, zero


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="torch alone keeps a list")
def test_what_exports_the_smaller_model_finds_its_weights():
    model, _ = CASES["dense_constant_units"].build()
    small = compact(model, measure=False).model
    found = {tensor.data_ptr() for tensor in small.state_dict().values()}
    assert found == {variable.value.data_ptr() for variable in small.variables}


@pytest.mark.slow
def test_the_smaller_model_quantises():
    model = drawn(keras.Sequential([x_(4), relu(8, "a"), layers.Dense(2, name="out")]))
    zero(model.layers[0].kernel, slice(None), [0, 3, 6])
    small = compact(model, measure=False).model
    x = np.random.default_rng(0).normal(size=(20, 4)).astype("float32")
    exact = small.predict(x, verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras tells that its input layer has no weights
        small.quantize("int8")
    assert small.get_layer("a").quantization_mode == "int8"
    rough = small.predict(x, verbose=0)
    assert np.abs(rough - exact).max() < 0.05 * np.abs(exact).max()
    # What is quantised has no rule: it stays, and is named.
    again = compact(small, measure=False)
    assert not again.removed
    assert any("quantised" in kept.reason for kept in again.kept)


KINDS = "dense_constant_units", "convolutions_same", "pooled_and_flat"
EXPORT = """
import sys, warnings
warnings.simplefilter("ignore")
import keras, numpy as np, onnxruntime
for name in sys.argv[1:]:
    model = keras.models.load_model(f"{name}.keras")
    x = np.load(f"{name}.npy")
    expected = model.predict(x, verbose=0)
    model.export(f"{name}.onnx", format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(f"{name}.onnx")
    made = session.run(None, {session.get_inputs()[0].name: x})[0]
    np.testing.assert_allclose(made, expected, rtol=1e-4, atol=1e-4)
"""


@pytest.mark.slow
@pytest.mark.skipif(
    any(importlib.util.find_spec(n) is None for n in ("torch", "onnxscript", "onnxruntime")),
    reason="exporting needs torch, onnxscript and onnxruntime",
)
def test_the_smaller_model_runs_in_onnx_runtime(tmp_path):
    for name in KINDS:
        model, _ = CASES[name].build()
        compact(model, measure=False).model.save(tmp_path / f"{name}.keras")
        shape = (3, *model.inputs[0].shape[1:])
        x = np.random.default_rng(0).normal(size=shape).astype("float32")
        np.save(tmp_path / f"{name}.npy", x)
    done = subprocess.run(
        [sys.executable, "-c", EXPORT, *KINDS],
        cwd=tmp_path,
        env={**os.environ, "KERAS_BACKEND": "torch"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
