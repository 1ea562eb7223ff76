"""The hierarchical penalty on real data: what lassonet itself finds at equal strengths.

Two things set lassonet's own training apart. Its momentum sums gradients to lr/(1−β) times the
gradient, but its prox takes the bare lr: at `lambda_` it solves the strength (1−β)·lambda_, a
tenth with its default momentum of 0.9. And its `gamma`, the L2 on the later layers, has no
gradient; it trains without, here its optimizer's weight decay does it.
"""

import warnings
from functools import partial

import keras
import numpy as np
import pytest
import torch
from lassonet import LassoNetClassifier, LassoNetRegressor
from lassonet.model import LassoNet

import taut
from tests.conftest import minimise

HIDDEN, SEED = 16, 0
LAYERS = ("layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias", "skip.weight")


def arrays(state):
    """lassonet's weights in the order and the layout of Keras: first, last, skip."""
    return [state[name].numpy().T.astype("float32") for name in LAYERS]


def beginning(inputs, outputs):
    torch.manual_seed(SEED)
    return arrays(LassoNet(inputs, HIDDEN, outputs).state_dict())


def trained_by_lassonet(x, y, strength, *, hierarchy, rate, momentum, steps, decay=0.0):
    """lassonet's weights after full-batch steps at one strength, from `beginning`."""

    def sgd(parameters, lr):
        groups = [{"params": [p]} for p in parameters]
        groups[2]["weight_decay"] = decay  # the last kernel's
        return torch.optim.SGD(groups, lr=lr, momentum=momentum)

    kind = LassoNetClassifier if y.dtype.kind == "i" else LassoNetRegressor
    peer = kind(
        hidden_dims=(HIDDEN,),
        M=hierarchy,
        optim=partial(sgd, lr=rate),
        n_iters=(0, steps),
        patience=None,
        val_size=0,
        verbose=0,
        torch_seed=SEED,
        device=torch.device("cpu"),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that inputs disappear at the first strength
        (found,) = peer.path(x, y, lambda_seq=[strength], return_state_dicts=True)
    return arrays(found.state_dict), found


def network(weights, loss, penalty, *, optimizer="sgd"):
    first, last, skip = weights[:2], weights[2:4], weights[4:]
    inputs = keras.Input((len(skip[0]),))
    outputs = skip[0].shape[1]
    hidden = keras.layers.Dense(HIDDEN, activation="relu", name="first")(inputs)
    direct = keras.layers.Dense(outputs, use_bias=False, name="skip")(inputs)
    final = keras.layers.Add()([keras.layers.Dense(outputs, name="last")(hidden), direct])
    model = taut.models.Model(inputs, final)
    model.compile(optimizer, loss, weight_regularizer=penalty)
    for name, values in (("first", first), ("last", last), ("skip", skip)):
        model.get_layer(name).set_weights(values)
    model.optimizer.build(model.trainable_variables)
    return model


def fitted(model):
    return [w for name in ("first", "last", "skip") for w in model.get_layer(name).get_weights()]


def chosen(weights):
    return np.flatnonzero(weights[4].any(1))


def objective(x, y, weights, strength, decay=0.0):
    """J' of lassonet's paper, in double precision, and the L2 on the last kernel."""
    w, b, v, c, theta = (a.astype("float64") for a in weights)
    z = np.maximum(x @ w + b, 0) @ v + c + x @ theta
    if z.shape[1] == 1:
        loss = ((z[:, 0] - y) ** 2).mean()
    else:
        loss = (np.log(np.exp(z).sum(1)) - z[np.arange(len(y)), y]).mean()
    return loss + strength * np.linalg.norm(theta, axis=1).sum() + decay / 2 * (v**2).sum()


def hierarchical(strength, hierarchy):
    return {("skip", "first"): taut.Hierarchical(strength, hierarchy=hierarchy)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("momentum", "rate", "strength", "count"),
    [
        (0.0, 0.01, 16.0, 4),
        pytest.param(0.9, 0.001, 40.0, 6, marks=pytest.mark.slow),
        pytest.param(0.0, 0.01, 4.0, 6, marks=pytest.mark.slow),
        pytest.param(0.9, 0.001, 160.0, 4, marks=pytest.mark.slow),
    ],
)
def test_the_same_steps_reach_the_same_network(momentum, rate, strength, count, diabetes):
    x, y = diabetes
    settings = {"hierarchy": 10.0, "rate": rate, "momentum": momentum, "steps": 800}
    expected, found = trained_by_lassonet(x, y, strength, **settings)
    # Its strength with momentum is another, see above; and it starts from the summed step.
    strength *= 1 - momentum
    optimizer = keras.optimizers.SGD(rate, momentum=momentum)
    model = network(beginning(10, 1), "mse", hierarchical(strength, 10.0), optimizer=optimizer)
    for step in [s for s in model.optimizer.momentum_steps if s is not None]:
        step.assign(rate / (1 - momentum))
    minimise(model, x, y, settings["steps"])
    ours = fitted(model)
    np.testing.assert_array_equal(chosen(ours), np.flatnonzero(found.selected))
    assert len(chosen(ours)) == count
    least = objective(x, y, expected, strength)
    assert abs(objective(x, y, ours, strength) - least) < 1e-5 * least
    for a, b in zip(ours, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)
    assert (abs(ours[0]).max(1) <= 10 * np.linalg.norm(ours[4], axis=1) * (1 + 1e-6)).all()


@pytest.mark.slow
def test_with_momentum_lassonet_solves_a_tenth_of_its_strength(diabetes):
    x, y = diabetes
    settings = {"hierarchy": 10.0, "rate": 0.01, "momentum": 0.9, "steps": 800}
    expected, _ = trained_by_lassonet(x, y, 40.0, **settings)

    def residual(strength):
        model = network(expected, "mse", hierarchical(strength, 10.0))
        return taut.stationarity(model, x, y).largest

    assert residual(4.0) < 3e-3
    assert residual(40.0) > 0.1


@pytest.mark.slow
def test_two_classes(breast_cancer):
    x, y = breast_cancer[0], breast_cancer[1].astype("int64")
    settings = {"hierarchy": 10.0, "rate": 0.05, "momentum": 0.0, "steps": 600}
    expected, found = trained_by_lassonet(x, y, 4.0, **settings)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.SGD(0.05)
    model = network(beginning(30, 2), loss, hierarchical(4.0, 10.0), optimizer=optimizer)
    minimise(model, x, y, settings["steps"])
    ours = fitted(model)
    np.testing.assert_array_equal(chosen(ours), np.flatnonzero(found.selected))
    assert 0 < len(chosen(ours)) < 30
    least = objective(x, y, expected, 4.0)
    assert abs(objective(x, y, ours, 4.0) - least) < 1e-5 * least


@pytest.mark.parametrize(
    ("strength", "count"), [(0.8, 4), pytest.param(0.4, 6, marks=pytest.mark.slow)]
)
@pytest.mark.slow
def test_where_lassonet_ends_is_stationary_at_its_strength(strength, count, diabetes):
    # With L2 on the later layer: without, skip and first layer shrink and it grows, for ever.
    x, y, decay = *diabetes, 0.1
    settings = {"hierarchy": 1.0, "rate": 0.1, "momentum": 0.0, "steps": 1000, "decay": decay}
    expected, found = trained_by_lassonet(x, y, strength, **settings)
    least = objective(x, y, expected, strength, decay)
    penalty = {**hierarchical(strength, 1.0), "last": taut.L2(decay)}
    model = network(expected, "mse", penalty)
    assert taut.stationarity(model, x, y).largest < 1e-3
    taut.FISTA(tolerance=1e-4, max_iterations=200).minimise(model, x, y)
    assert abs(objective(x, y, fitted(model), strength, decay) - least) < 1e-5 * least
    # From lassonet's start FISTA may end in another minimum; here it is a better one.
    model = network(beginning(10, 1), "mse", penalty)
    taut.FISTA(tolerance=1e-4, max_iterations=200).minimise(model, x, y)
    assert objective(x, y, fitted(model), strength, decay) < least
    np.testing.assert_array_equal(chosen(fitted(model)), np.flatnonzero(found.selected))
    assert len(chosen(fitted(model))) == count
