"""A second certificate of a model compiles nothing, and is of the model as it is then."""

import gc
import logging
import weakref

import jax
import keras
import numpy as np
import pytest

import taut
from taut._keras.shared_programs import _KEPT, MOST_KEPT
from taut.objective import Objective

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="JAX compiles programs")

X = np.random.default_rng(0).normal(size=(50, 4)).astype("float32")
Y = X[:, 0] - 2 * X[:, 1]


@pytest.fixture(autouse=True)
def nothing_kept():
    _KEPT.clear()


class Scaled(keras.layers.Layer):
    """A layer whose attribute is a constant of the program."""

    factor = 1.0

    def call(self, x):
        return self.factor * x


def penalties(first):
    return {"first": first + taut.L2(0.2), "last": taut.L2SP(0.1)}


def network(first=None, loss="mse"):
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(3, activation="tanh", name="first"),
            keras.layers.BatchNormalization(),
            Scaled(),
            keras.layers.Dense(1, name="last"),
        ]
    )
    model.compile(taut.Proximal("adam", penalties(first or taut.L1(0.1))), loss)
    return model


def compiled(caplog, act):
    """What `act` returns, and the names of the programs that JAX compiled for it."""
    caplog.clear()
    with jax.log_compiles(), caplog.at_level(logging.WARNING, "jax"):
        made = act()
    return made, [r.getMessage() for r in caplog.records if "Compiling" in r.getMessage()]


def changed_weights(model):
    model.set_weights([w + 0.1 for w in model.get_weights()])


CHANGES = {
    "nothing": lambda model: None,
    "training": lambda model: model.fit(X, Y, epochs=1, verbose=0),
    "weights": changed_weights,
    "strengths": lambda model: model.optimizer.set_strengths([0.5, 0.01, 0.3]),
    "moving statistics": lambda model: model.layers[1].moving_mean.assign([1.0, 2.0, 3.0]),
    "reference": lambda model: [v.assign(v + 1.0) for v in references(model)],
    "compiled again": lambda model: model.compile(model.optimizer, "mse"),
}


def references(model):
    return [v for term in Objective(model).terms for part in term.parts for v in part.kept]


@pytest.mark.parametrize("change", CHANGES)
def test_a_second_certificate_compiles_nothing_and_is_of_what_there_is(change, caplog):
    keras.utils.set_random_seed(0)
    model = network()
    first, programs = compiled(caplog, lambda: taut.stationarity(model, X, Y))
    assert programs
    CHANGES[change](model)
    again, programs = compiled(caplog, lambda: taut.stationarity(model, X, Y))
    assert not programs
    assert (again == first) == (change in ("nothing", "compiled again"))
    _KEPT.clear()
    assert taut.stationarity(model, X, Y) == again


def test_a_model_that_is_built_alike_compiles_nothing_and_has_its_own_certificate(caplog):
    model, other = network(), network()
    first = taut.stationarity(model, X, Y)
    found, programs = compiled(caplog, lambda: taut.stationarity(other, X, Y))
    assert not programs
    assert found.largest != first.largest
    _KEPT.clear()
    assert taut.stationarity(other, X, Y) == found


@pytest.mark.slow
def test_a_program_of_a_model_that_is_gone_is_traced_anew_for_other_rows():
    taut.stationarity(network(), X, Y)
    gc.collect()
    model = network()
    found = taut.stationarity(model, X[:20], Y[:20])
    _KEPT.clear()
    assert taut.stationarity(model, X[:20], Y[:20]) == found


@pytest.mark.slow
def test_the_certificate_of_a_second_path_compiles_nothing(caplog):
    model = network(loss="mse")
    model.compile("adam", "mse")
    path = lambda: taut.regularization_path(model, X, Y, strengths=[0.1, 0.01], cv=2, epochs=2)  # noqa: E731
    path()
    result, programs = compiled(caplog, path)
    assert not programs
    assert result.certificate is not None


def test_few_programs_are_kept():
    for k in range(MOST_KEPT + 3):
        model = network()
        model.layers[2].factor = 1.0 + k
        Objective(model).step(Objective(model).weights(), Objective(model).weights(), 1.0)
    assert len(_KEPT) == MOST_KEPT


def constant(model):
    model.layers[2].factor = 2.0


def frozen(model):
    model.layers[0].trainable = False
    model.compile(taut.Proximal("adam", taut.L1(0.1)), "mse")


OTHERS = {
    "loss": lambda model: model.compile(model.optimizer, "mae"),
    "attribute": constant,
    "penalty": lambda model: model.compile(taut.Proximal("adam", penalties(taut.MCP(0.1))), "mse"),
    "its shape": lambda model: model.compile(
        taut.Proximal("adam", penalties(taut.MCP(0.1, gamma=9.0))), "mse"
    ),
    "trainable": frozen,
}


@pytest.mark.parametrize("change", OTHERS)
def test_what_is_compiled_is_seen_to_change(change):
    model = network(taut.MCP(0.1) if change == "its shape" else taut.L1(0.1))
    first = taut.stationarity(model, X, Y)
    OTHERS[change](model)
    second = taut.stationarity(model, X, Y)
    assert second != first
    _KEPT.clear()
    assert taut.stationarity(model, X, Y) == second


def test_a_model_with_kept_programs_is_not_kept_alive():
    model = network()
    taut.stationarity(model, X, Y)
    taut.FISTA(max_iterations=3).minimise(model, X, Y)
    alive = weakref.ref(model)
    del model
    gc.collect()
    assert alive() is None


def test_fista_uses_the_programs_of_the_certificate(caplog):
    model = network()
    taut.FISTA(max_iterations=3).minimise(model, X, Y)
    model.optimizer.set_strengths([0.5, 0.01, 0.3])
    _, programs = compiled(caplog, lambda: taut.FISTA(max_iterations=3).minimise(model, X, Y))
    assert not programs
