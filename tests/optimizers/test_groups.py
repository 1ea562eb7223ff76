"""Group penalties on real data: the solutions of skglm and celer, by FISTA and by optimizers."""

import celer
import keras
import numpy as np
import pytest
import skglm
from skglm.datafits import LogisticGroup
from skglm.penalties import WeightedGroupL2
from skglm.solvers import GroupProxNewton
from skglm.utils.data import grp_converter
from sklearn.datasets import load_wine

import taut
from taut.errors import InputError
from tests.conftest import minimise, some_slow, standardised

DIABETES = [[0, 1], [2], [3, 4, 5], [6, 7, 8, 9]]
CANCER = [[j, j + 10, j + 20] for j in range(10)]  # mean, error and worst of one measurement


def linear(inputs, loss, penalty, *, outputs=1, optimizer="sgd"):
    keras.utils.set_random_seed(0)
    model = taut.models.Sequential([keras.Input((inputs,)), keras.layers.Dense(outputs)])
    model.compile(optimizer, loss, weight_regularizer=penalty)
    return model


def fitted(model):
    return [w.astype("float64") for w in model.get_weights()]


def norms(w, groups):
    """Σ_g √|g|·‖w_g‖."""
    return sum(np.sqrt(w[g].size) * np.linalg.norm(w[g]) for g in groups)


@pytest.mark.slow
@pytest.mark.parametrize("share", some_slow([0.8, 0.4, 0.2, 0.1, 0.02], (0.8,)))
def test_group_lasso_is_that_of_skglm_and_celer(share, diabetes):
    x, y = diabetes
    rows, scales = len(y), np.sqrt([len(g) for g in DIABETES])
    critical = max(
        np.linalg.norm(x[:, g].T @ y) / rows / c for g, c in zip(DIABETES, scales, strict=True)
    )
    strength = share * critical
    model = linear(10, "mse", taut.GroupLasso(2 * strength, groups=DIABETES))
    assert taut.FISTA(tolerance=1e-6).minimise(model, x, y).converged
    w, b = fitted(model)
    x, y = x.astype("float64"), y.astype("float64")

    def objective(w, b):
        return ((y - x @ w.ravel() - b) ** 2).mean() / 2 + strength * norms(w.ravel(), DIABETES)

    for package in (skglm, celer):
        peer = package.GroupLasso(
            groups=DIABETES, alpha=strength, weights=scales, tol=1e-12, fit_intercept=True
        ).fit(x, y)
        least = objective(peer.coef_, peer.intercept_)
        np.testing.assert_array_equal(w.ravel() != 0, peer.coef_.ravel() != 0)
        assert abs(objective(w, b) - least) < 1e-7 * least


@pytest.mark.filterwarnings("ignore:.*is faster on contiguous arrays")
@pytest.mark.parametrize("share", some_slow([0.8, 0.4, 0.2, 0.1, 0.05], (0.2, 0.05)))
@pytest.mark.slow
def test_logistic_group_lasso_is_that_of_skglm(share, breast_cancer):
    x, y = breast_cancer
    rows, signs, scales = len(y), 2.0 * y - 1, np.full(10, np.sqrt(3))
    pull = x.T @ (y - y.mean()) / rows
    strength = share * max(np.linalg.norm(pull[g]) / np.sqrt(3) for g in CANCER)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model = linear(30, loss, taut.GroupLasso(float(strength), groups=CANCER))
    assert taut.FISTA(tolerance=1e-6).minimise(model, x, y).converged
    w, b = fitted(model)
    x = x.astype("float64")
    order, pointers = grp_converter(CANCER, 30)
    peer = skglm.GeneralizedLinearEstimator(
        LogisticGroup(pointers, order),
        WeightedGroupL2(strength, scales, pointers, order),
        GroupProxNewton(fit_intercept=True, tol=1e-10, max_iter=200),
    ).fit(x, signs)

    def objective(w, b):
        return np.logaddexp(0, -signs * (x @ w.ravel() + b)).mean() + strength * norms(
            w.ravel(), CANCER
        )

    least = objective(peer.coef_, np.ravel(peer.intercept_)[0])
    np.testing.assert_array_equal(w.ravel() != 0, peer.coef_.ravel() != 0)
    assert abs(objective(w, b) - least) < 1e-7 * least


@pytest.mark.parametrize("share", [0.8, 0.4, 0.2, 0.1, 0.05])
def test_multinomial_group_lasso_is_the_minimum(share):
    x, y = load_wine(return_X_y=True)
    x, rows, classes = standardised(x), len(y), np.eye(3)[y]
    pull = x.T @ (classes - classes.mean(0)) / rows
    strength = share * float(np.linalg.norm(pull, axis=1).max() / np.sqrt(3))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model = linear(13, loss, taut.GroupLasso(strength, groups="inputs"), outputs=3)
    assert taut.FISTA(tolerance=1e-6).minimise(model, x, y).converged
    w, b = fitted(model)
    x = np.hstack([x.astype("float64"), np.ones((rows, 1))])

    def probabilities(v):
        logits = x @ v
        e = np.exp(logits - logits.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)

    def objective(v):
        losses = -np.log(probabilities(v)[np.arange(rows), y])
        return losses.mean() + strength * norms(v[:-1], range(13))

    # No package here solves it: plain proximal gradients in double precision, until they stand.
    v, step = np.zeros((14, 3)), 2 * rows / np.linalg.norm(x, 2) ** 2
    for _ in range(200_000):
        new = v - step * x.T @ (probabilities(v) - classes) / rows
        size = np.linalg.norm(new[:-1], axis=1, keepdims=True)
        new[:-1] *= np.maximum(1 - step * strength * np.sqrt(3) / np.maximum(size, 1e-300), 0)
        if np.abs(new - v).max() < 1e-12:
            break
        v = new
    np.testing.assert_array_equal((w != 0).any(1), (v[:-1] != 0).any(1))
    found, least = objective(np.vstack([w, b])), objective(v)
    assert abs(found - least) < 1e-7 * least


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda rate: keras.optimizers.SGD(0.1, momentum=0.5),
        lambda rate: keras.optimizers.Adam(rate),
        lambda rate: keras.optimizers.RMSprop(rate, momentum=0.5),
    ],
    ids=["sgd", "adam", "rmsprop"],
)
@pytest.mark.parametrize(
    "penalty",
    [
        lambda a: taut.GroupLasso(a, groups=DIABETES),
        lambda a: taut.SparseGroupLasso(a, groups=DIABETES, l1_ratio=0.3),
        lambda a: taut.L1(0.3 * a) + taut.GroupLasso(0.7 * a, groups=DIABETES),
        lambda a: taut.L2(0.1) + taut.GroupLasso(a, groups=DIABETES),
    ],
    ids=["group", "sparse group", "L1 + group", "L2 + group"],
)
def test_optimizers_reach_the_minimum_of_fista(optimizer, penalty, diabetes):
    x, y = diabetes
    exact = linear(10, "mse", penalty(0.15))
    assert taut.FISTA(tolerance=1e-6).minimise(exact, x, y).converged
    rate = keras.optimizers.schedules.CosineDecay(0.02, 3000)
    model = linear(10, "mse", penalty(0.15), optimizer=optimizer(rate))
    model.optimizer.build(model.trainable_variables)
    minimise(model, x, y, 3000)
    for found, expected in zip(fitted(model), fitted(exact), strict=True):
        np.testing.assert_array_equal(found != 0, expected != 0)
        np.testing.assert_allclose(found, expected, atol=2e-5)
    assert 0 < np.count_nonzero(fitted(model)[0]) < 10
    assert taut.stationarity(model, x, y).largest < 1e-4


def test_a_group_may_span_layers_that_read_the_same_inputs(diabetes):
    x, y = diabetes
    inputs = keras.Input((10,))
    hidden = keras.layers.Dense(8, activation="tanh", name="hidden")(inputs)
    skip = keras.layers.Dense(1, name="skip")(inputs)
    outputs = keras.layers.Add()([keras.layers.Dense(1, name="last")(hidden), skip])
    model = taut.models.Model(inputs, outputs)
    model.compile(
        "sgd", "mse", weight_regularizer={"skip|hidden": taut.GroupLasso(0.1, groups="inputs")}
    )
    result = taut.FISTA(tolerance=1e-3).minimise(model, x, y)
    assert result.converged
    first = model.get_layer("hidden").kernel.numpy()
    direct = model.get_layer("skip").kernel.numpy()
    chosen = (first != 0).any(1)
    np.testing.assert_array_equal(chosen, (direct != 0).any(1))
    assert 0 < chosen.sum() < 10
    rows = {v.path.split("/")[-2]: v.groups for v in taut.explain(model).variables if v.groups}
    assert rows == dict.fromkeys(("hidden", "skip"), f"{10 - chosen.sum()} of 10 inputs")


def test_a_tuple_of_selectors_is_one_group_in_any_model(diabetes):
    class Subclassed(taut.models.Model):
        def __init__(self):
            super().__init__()
            self.one = keras.layers.Dense(3, name="one")
            self.two = keras.layers.Dense(1, name="two")

        def call(self, x):
            return keras.ops.sum(self.one(x), axis=1, keepdims=True) + self.two(x)

    x, y = diabetes
    model = Subclassed()
    model(x[:1])
    penalty = taut.GroupLasso(0.15, groups="inputs")
    model.compile("sgd", "mse", weight_regularizer={("one", "two"): penalty})
    model.optimizer.build(model.trainable_variables)
    (term,) = model.optimizer.terms
    assert [v.path.split("/")[-2] for v in term.variables] == ["one", "two"]
    assert taut.FISTA(tolerance=1e-4).minimise(model, x, y).converged
    chosen = (model.one.kernel.numpy() != 0).any(1)
    np.testing.assert_array_equal(chosen, (model.two.kernel.numpy() != 0).any(1))
    assert 0 < chosen.sum() < 10


@pytest.mark.slow
def test_units_take_their_bias_and_scale_along_but_not_the_outputs(diabetes):
    x, y = diabetes
    keras.utils.set_random_seed(0)
    model = taut.models.Sequential(
        [
            keras.Input((10,)),
            keras.layers.Dense(16, name="first"),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.ReLU(),
            keras.layers.Dense(1, name="last"),
        ]
    )
    rate = keras.optimizers.schedules.CosineDecay(0.01, 600)
    model.compile(
        keras.optimizers.Adam(rate), "mse", weight_regularizer=taut.GroupLasso(0.02, groups="units")
    )
    model.fit(x, y, epochs=40, verbose=0)
    dead = (model.get_layer("first").kernel.numpy() == 0).all(0)
    assert 0 < dead.sum() < 16
    for weight in (model.get_layer("first").bias, *model.get_layer("norm").trainable_variables):
        np.testing.assert_array_equal(weight.numpy() == 0, dead)
    penalised = {v.path.split("/", 1)[1]: v.penalty for v in taut.explain(model).variables}
    assert penalised["last/kernel"] == penalised["last/bias"] == "—"


def test_a_saved_model_keeps_its_groups(diabetes, tmp_path):
    x, y = diabetes
    model = linear(10, "mse", taut.GroupLasso(0.1, groups=DIABETES), optimizer="adam")
    model.fit(x, y, epochs=2, verbose=0)
    model.optimizer.strengths[0].assign(0.07)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.optimizer.strengths[0].numpy(), 0.07)
    assert [t.grouping for t in again.optimizer.terms] == [
        t.grouping for t in model.optimizer.terms
    ]
    for one in (model, again):
        one.fit(x, y, epochs=3, verbose=0, shuffle=False)
    for ours, theirs in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


def test_a_plain_keras_model_is_bound_or_told(diabetes):
    x, y = diabetes
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(1)])
    optimizer = taut.Proximal("sgd", taut.GroupLasso(0.1, groups="inputs"))
    model.compile(optimizer, "mse")
    with pytest.raises(InputError, match=r"optimizer\.bind\(model\)"):
        model.fit(x, y, epochs=1, verbose=0)
    bound = taut.Proximal("sgd", taut.GroupLasso(0.1, groups="inputs")).bind(model)
    model.compile(bound, "mse")
    model.fit(x, y, epochs=1, verbose=0)
    assert bound.terms[0].grouping.count == 10


@pytest.mark.parametrize(
    "request_",
    [
        taut.GroupLasso(0.05, groups="units"),
        {("first/kernel", "last"): taut.GroupLasso(0.05, groups="units")},
        {lambda v: "first" in v.path: taut.GroupLasso(0.05, groups="units"), "last": "l2"},
    ],
    ids=["every weight", "a tuple", "a callable"],
)
def test_a_plain_keras_model_keeps_its_groups_when_saved(request_, diabetes, tmp_path):
    x, y = diabetes
    model = keras.Sequential(
        [
            keras.Input((10,)),
            keras.layers.Dense(1, name="first"),
            keras.layers.Dense(1, name="last"),
        ]
    )
    model.compile(taut.Proximal("adam", request_).bind(model), "mse")
    model.fit(x, y, epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    for one in (model, again):
        one.fit(x, y, epochs=2, verbose=0, shuffle=False)
    groupings = [[t.grouping for t in m.optimizer.terms] for m in (model, again)]
    assert groupings[0] == groupings[1] != []
    for ours, theirs in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


def test_a_layers_own_group_penalty_is_kept_when_saved(diabetes, tmp_path):
    x, y = diabetes
    own = taut.GroupLasso(0.05) + taut.L1(0.01)
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(2, kernel_regularizer=own)])
    model.compile(taut.Proximal("adam").bind(model), "mse")
    model.fit(x, np.stack([y, y], 1), epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    again.fit(x, np.stack([y, y], 1), epochs=1, verbose=0)
    assert [t.grouping.count for t in again.optimizer.terms] == [10]


def test_a_bias_goes_with_its_weights():
    model = network()
    request = {"first": None, ".*": taut.GroupLasso(0.1, groups="units")}
    model.compile("adam", "mse", weight_regularizer=request)
    penalties = {v.path.split("/", 1)[1]: v.penalty for v in taut.explain(model).variables}
    assert penalties["first/bias"] == "—"
    assert penalties["last/bias"] == "GroupLasso"


def network():
    return taut.models.Sequential(
        [
            keras.Input((10,)),
            keras.layers.Dense(6, activation="relu", name="first"),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.Dense(1, name="last"),
        ]
    )


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"frist": taut.GroupLasso()}, r"(?s)at least one trainable.*frist.*first/kernel"),
        ({("first", "last"): taut.GroupLasso()}, r"(?s)same number of inputs.*10.*6"),
        ({"first": taut.GroupLasso(groups=[[0, 1], [2]])}, "lists of 3 inputs"),
        ({"first": taut.GroupLasso(groups="rows")}, "none of them divides into rows"),
        ({"first/bias": taut.GroupLasso()}, "none of them divides into inputs"),
        ({("frist", "last"): taut.GroupLasso()}, "frist.*matches none"),
        ({"first": taut.Hierarchical()}, "skip layer's and the first layer's"),
        ({"first/bias": taut.NuclearNorm()}, "must be on matrices"),
        ({"norm": taut.L1()}, r"(?s)at least one variable.*norm/gamma: a scale"),
    ],
)
def test_what_cannot_be_grouped_is_told_at_compile(request_, words):
    with pytest.raises(InputError, match=words):
        network().compile("adam", "mse", weight_regularizer=request_)


def test_a_penalty_on_frozen_weights_is_told_at_compile():
    model = network()
    model.get_layer("first").trainable = False
    with pytest.raises(InputError, match=r"trainable.*first/kernel.*Set"):
        model.compile("adam", "mse", weight_regularizer={"first": taut.GroupLasso()})
