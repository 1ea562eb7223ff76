"""Several optimizers in one model: by Keras's `MultiOptimizer`, and by a `train_step`."""

import keras
import numpy as np
import pytest
from sklearn.linear_model import Lasso

import taut
from taut.errors import InputError, UnsupportedError
from taut.objective import Objective
from tests.conftest import fit_full_batches, minimise, slow_elsewhere

STEPS = 500


def additive(parent=keras.Model):
    """y = a(first five inputs) + b(last five inputs), each linear."""
    inputs = keras.Input((10,))
    a = keras.layers.Dense(1, name="a")(inputs[:, :5])
    b = keras.layers.Dense(1, name="b", use_bias=False)(inputs[:, 5:])
    return parent(inputs, keras.layers.Add()([a, b]))


def adam():
    return keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.05, STEPS))


def two_optimizers(first=None, second=None):
    return keras.optimizers.MultiOptimizer(
        keras.optimizers.OptimizerMap(
            first or taut.Proximal(keras.optimizers.SGD(0.1), taut.L1(0.1)),
            {"b/.*": second or taut.Proximal(adam(), taut.L1(0.1))},
        )
    )


def weights(model):
    return np.concatenate([model.get_layer(name).get_weights()[0].ravel() for name in "ab"])


@pytest.fixture
def exact(diabetes):
    x, y = diabetes
    return Lasso(alpha=0.05, tol=1e-12, max_iter=10**5).fit(x, y).coef_


def check(model, exact, x, y, rtol=1e-4):
    found = weights(model)
    np.testing.assert_array_equal(found != 0, exact != 0)
    np.testing.assert_allclose(found, exact, rtol=rtol, atol=1e-5)
    assert taut.stationarity(model, x, y).largest < 1e-4
    rows = {"/".join(v.path.split("/")[-2:]): v.penalty for v in taut.explain(model).variables}
    assert rows == {"a/kernel": "L1", "a/bias": "—", "b/kernel": "L1"}
    assert Objective(model).penalty() == pytest.approx(0.1 * np.abs(found).sum(), rel=1e-5)


@slow_elsewhere
def test_two_proximal_optimizers_reach_one_lasso(diabetes, exact):
    x, y = diabetes
    model = additive()
    model.compile(two_optimizers(), "mse")
    model.optimizer.build(model.trainable_variables)
    minimise(model, x, y, STEPS)
    check(model, exact, x, y)


def test_two_proximal_optimizers_in_fit_and_saved(diabetes, exact, tmp_path):
    x, y = diabetes
    model = additive()
    model.compile(two_optimizers(second=taut.Proximal("adam", taut.L1(0.1))), "mse")
    fit_full_batches(model, x, y, 5)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    for one in (model, again):
        fit_full_batches(one, x, y, 5)
    np.testing.assert_allclose(weights(again), weights(model), rtol=1e-5, atol=1e-7)
    assert Objective(again).penalty() == pytest.approx(Objective(model).penalty(), rel=1e-5)


def test_one_of_them_may_be_of_keras(diabetes):
    x, y = diabetes
    model = additive()
    model.compile(two_optimizers(second=keras.optimizers.Adam(0.01)), "mse")
    rows = {v.path: v for v in taut.explain(model).variables}
    assert rows["a/kernel"].penalty == "L1"
    assert rows["b/kernel"].penalty == "—"
    assert rows["b/kernel"].reason == "its optimizer is not a taut.Proximal"
    model.optimizer.optimizers[1].strengths[0].assign(10.0)
    fit_full_batches(model, x, y, 20)
    assert not weights(model)[:5].any()
    assert weights(model)[5:].all()


def test_a_model_of_ours_knows_both(diabetes):
    x, y = diabetes
    model = additive(taut.models.Model)
    first = taut.Proximal(keras.optimizers.SGD(0.1), taut.GroupLasso(0.2, groups="inputs"))
    model.compile(two_optimizers(first), "mse")
    history = model.fit(x, y, epochs=3, verbose=0).history
    assert history["penalty"][-1] == pytest.approx(Objective(model).penalty(), rel=1e-5)
    assert taut.explain(model).variables[0].groups.endswith("of 5 inputs")
    with pytest.raises(InputError, match=r"(?s)'nothing'.*matches none"):
        model.compile(two_optimizers(taut.Proximal("sgd", {"nothing": "l1"})), "mse")
    with pytest.raises(UnsupportedError, match="give it a `taut"):
        model.compile(two_optimizers(), "mse", weight_regularizer="l1")


def test_both_inside_loss_scaling(diabetes):
    x, y = diabetes
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = additive()
    finally:
        keras.config.set_dtype_policy("float32")
    model.compile(keras.optimizers.LossScaleOptimizer(two_optimizers()), "mse")
    fit_full_batches(model, x, y, 30)
    assert [v.penalty for v in taut.explain(model).variables] == ["L1", "—", "L1"]
    assert (weights(model)[:5] == 0).any()
    assert Objective(model).penalty() == pytest.approx(0.1 * np.abs(weights(model)).sum(), rel=1e-5)


def test_what_is_for_one_optimizer_says_so(diabetes):
    x, y = diabetes
    model = additive()
    model.compile(two_optimizers(), "mse")
    with pytest.raises(UnsupportedError, match="with 2"):
        taut.FISTA().minimise(model, x, y)


class TwoSteps(keras.Model):
    """A `train_step` with an optimizer for each layer."""

    def __init__(self, first, second):
        super().__init__()
        self.a = keras.layers.Dense(1, name="a")
        self.b = keras.layers.Dense(1, name="b", use_bias=False)
        self.first, self.second = first, second

    def call(self, x):
        return self.a(x[:, :5]) + self.b(x[:, 5:])

    def parts(self):
        return (self.first, self.a.trainable_variables), (self.second, self.b.trainable_variables)

    def squares(self, x, y):
        return keras.ops.mean((keras.ops.reshape(y, (-1, 1)) - self(x)) ** 2)

    def train_step(self, data):
        if keras.backend.backend() == "torch":
            return self._torch_step(*data)
        return self._tensorflow_step(*data)

    def _torch_step(self, x, y):
        import torch

        value = self.squares(x, y)
        for optimizer, variables in self.parts():
            gradients = torch.autograd.grad(value, [v.value for v in variables], retain_graph=True)
            with torch.no_grad():
                optimizer.apply(list(gradients), variables)
        return {"loss": value}

    def _tensorflow_step(self, x, y):
        import tensorflow as tf

        with tf.GradientTape(persistent=True) as tape:
            value = self.squares(x, y)
        for optimizer, variables in self.parts():
            gradients = tape.gradient(value, [v.value for v in variables])
            optimizer.apply(gradients, variables)
        return {"loss": value}

    def jax_steps(self, x, y, steps):
        """Keras for JAX has the state of one optimizer in `train_step`: a loop of one's own."""
        import jax

        def loss(values):
            trainable = [v for some in values for v in some]
            prediction, _ = self.stateless_call(trainable, [], x)
            return ((y[:, None] - prediction) ** 2).mean()

        @jax.jit
        def run(values, states):
            def step(carry, _):
                gradients = jax.grad(loss)(carry[0])
                rows = zip(self.parts(), carry[1], gradients, carry[0], strict=True)
                new = [part[0].stateless_apply(s, g, v) for part, s, g, v in rows]
                return tuple(map(list, zip(*new, strict=True))), None

            return jax.lax.scan(step, (values, states), None, length=steps)[0]

        values = [[v.value for v in variables] for _, variables in self.parts()]
        states = [[v.value for v in optimizer.variables] for optimizer, _ in self.parts()]
        for part, value, state in zip(self.parts(), *run(values, states), strict=True):
            for variable, new in zip([*part[1], *part[0].variables], [*value, *state], strict=True):
                variable.assign(new)


def test_a_train_step_with_two_optimizers(diabetes, exact):
    x, y = diabetes
    first = taut.Proximal(keras.optimizers.SGD(0.1), taut.L1(0.1))
    model = TwoSteps(first, taut.Proximal(adam(), taut.L1(0.1)))
    model(x)
    model.compile(loss="mse")
    assert "not built" in taut.explain(model).note
    for optimizer, variables in model.parts():
        optimizer.build(variables)
    if keras.backend.backend() == "jax":
        model.jax_steps(x, y, STEPS)
    else:
        fit_full_batches(model, x, y, STEPS)
    check(model, exact, x, y)
