"""A 64-64 network trained on all rows reaches a stationary point of J', whatever the penalty."""

import keras
import numpy as np
import pytest

import taut
from taut.objective import Stationarity
from tests.conftest import some_slow

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="thousands of steps that only JAX compiles"
)

PENALTIES = {
    "L1": taut.L1(2e-3),
    "L1 + L2": taut.L1(1e-3) + taut.L2(1e-2),
    "L2SP": taut.L2SP(1e-2),
    "MCP": taut.MCP(0.05),
    "SCAD + L2": taut.SCAD(2e-3) + taut.L2(1e-2),
    "GroupLasso inputs": taut.GroupLasso(5e-3, groups="inputs"),
    "SparseGroupLasso": taut.SparseGroupLasso(3e-3, groups="inputs"),
    "NormBall": taut.NormBall(1.0),
    "Hierarchical": {
        ("skip", "first"): taut.Hierarchical(0.1, hierarchy=2.0),
        "second|last": taut.L2(1e-2),
    },
}


def network(penalty, optimizer="sgd"):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((10,))
    hidden = keras.layers.Dense(64, activation="tanh", name="first")(inputs)
    hidden = keras.layers.Dense(64, activation="tanh", name="second")(hidden)
    outputs = keras.layers.Dense(1, name="last")(hidden)
    if isinstance(penalty, dict):
        skip = keras.layers.Dense(1, use_bias=False, name="skip")(inputs)
        outputs = keras.layers.Add()([outputs, skip])
    model = taut.models.Model(inputs, outputs)
    model.compile(optimizer, "mse", weight_regularizer=penalty)
    return model


@pytest.mark.parametrize("name", some_slow(PENALTIES, ("L1", "GroupLasso inputs")))
def test_fista_certifies_every_penalty(name, diabetes):
    x, y = diabetes
    model = network(PENALTIES[name])
    before = taut.stationarity(model, x, y).largest
    minimum = taut.FISTA(tolerance=1e-3).minimise(model, x, y)
    certificate = taut.stationarity(model, x, y).largest
    assert minimum.converged
    assert certificate == pytest.approx(minimum.residual, rel=0.05)
    assert certificate <= 1.01e-3 < before
    rises = minimum.objective[1:] - minimum.objective[:-1]
    assert rises.max() <= 1e-5 * abs(minimum.objective[0])


@pytest.mark.parametrize(
    ("residual", "words"),
    [
        (2e-5, "converged: largest residual 2.0e-05, of <b>"),
        (0.3, "not converged: largest residual 3.0e-01, of <b>; train longer, or lower"),
        (np.nan, "not converged: largest residual nan, of <b>"),
    ],
)
def test_a_certificate_says_in_words_whether_it_converged(residual, words):
    certificate = Stationarity({"a": 1e-6, "<b>": residual}, residual, 1.0, None, "A note.")
    assert certificate.converged == (not words.startswith("not"))
    assert repr(certificate).startswith(f"Stationarity({words}")
    assert f"\n{words}" in str(certificate)
    html = certificate._repr_html_()
    assert words.replace("<b>", "&lt;b&gt;") in html
    assert html.count("<tr") == 3
