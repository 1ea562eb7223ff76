"""Networks on texts in ONNX Runtime: sums of any length, a reader of one."""

import importlib.util
import os
import subprocess
import sys

import keras
import pytest

from taut.errors import UnsupportedError
from taut.text import GRUReader, bag_network

EXPORT = """
import warnings
warnings.simplefilter("ignore")
import keras, numpy as np, onnxruntime, taut
from taut.text import GRUReader, TextModel, Vocabulary, bag_network

texts = ["red green blue", "green blue blue sun moon", "red sun moon red", "moon"]
vocabulary = Vocabulary.learn(texts, min_count=1)
fixed = [{
    "words": keras.InputSpec(shape=(None, 8), dtype="int32", name="words"),
    "weights": keras.InputSpec(shape=(None, 8), dtype="float32", name="weights"),
}]
for network, signature, lengths in (
    (bag_network(vocabulary.size, 2), None, (1, 5, 32)),
    (GRUReader(units=2).network(vocabulary.size, 2, steps=1, width=4), fixed, (8,)),
):
    model = TextModel(network, vocabulary, np.array([0, 1]), in_order=signature is not None)
    expected = model.predict_proba(texts)
    network.export("model.onnx", format="onnx", verbose=False, input_signature=signature)
    session = onnxruntime.InferenceSession("model.onnx")
    for length in lengths:
        cut = {name: a[:, :length] for name, a in model.inputs(texts).items()}
        made = session.run(None, cut)[0]
        shown = expected if length > 4 else keras.ops.convert_to_numpy(network(cut))
        np.testing.assert_allclose(made, shown, atol=1e-5)
"""


@pytest.fixture
def reader():
    return GRUReader(units=1).network(4, 2, steps=1, width=2)


def test_a_reader_of_any_length_is_not_exported_to_a_network_that_fails(reader, monkeypatch):
    written = []
    monkeypatch.setattr(keras.Model, "export", lambda self, *given, **named: written.append(given))
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(UnsupportedError, match=r"one number of steps.* 'weights', 'words' of the"):
        reader.export("model.onnx", format="onnx")
    assert not written
    shape = {"shape": (None, 8)}
    signature = [{name: keras.InputSpec(**shape, name=name) for name in ("words", "weights")}]
    reader.export("model.onnx", "onnx", False, signature)
    reader.export("model.onnx", format="onnx", input_signature=signature)
    reader.export("model")
    bag_network(4, 2).export("model.onnx", format="onnx")
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    reader.export("model.onnx", format="onnx")
    assert len(written) == 5


@pytest.mark.slow
@pytest.mark.skipif(
    any(importlib.util.find_spec(n) is None for n in ("torch", "onnx", "onnxruntime")),
    reason="exporting needs torch, onnx and onnxruntime",
)
def test_networks_run_in_onnx_runtime(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", EXPORT],
        cwd=tmp_path,
        env={**os.environ, "KERAS_BACKEND": "torch"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
