"""A study draws the trainable weights anew and keeps all else; its copies are the model."""

import functools

import keras
import numpy as np
import pytest
from keras import layers, ops

import taut
from taut.diagnosis.variants import resized
from taut.engine import Split
from taut.engine.data.batches import Batches
from taut.errors import InputError, UnsupportedError
from taut.studies.as_compiled import as_compiled
from taut.studies.study_model import compiled_copy
from taut.studies.whole_schedule import with_whole_schedule
from tests.conftest import some_slow

RNG = np.random.default_rng(0)
X = (RNG.normal(size=(96, 3)) * [1.0, 50.0, 400.0] + [0.0, 100.0, -900.0]).astype("float32")
Z = ((X - X.mean(0)) / X.std(0)).astype("float32")
Y = (Z @ np.array([[1.0], [-2.0], [0.5]]) + 0.1 * RNG.normal(size=(96, 1))).astype("float32")
SETTINGS = {"strengths": [1e-6, 1e-7], "cv": 3, "epochs": 60, "batch_size": 16}
jax_only = pytest.mark.skipif(keras.backend.backend() != "jax", reason="streams need JAX")


def model_of(*some, loss="mse", rate=0.05, metrics=None, inputs=3):
    model = keras.Sequential([keras.Input((inputs,)), *some])
    model.compile(keras.optimizers.Adam(rate), loss=loss, metrics=metrics)
    return model


def adapted():
    layer = layers.Normalization()
    layer.adapt(X)
    return model_of(layer, layers.Dense(1))


def as_saved(model, folder):
    file = folder / "chosen.keras"
    model.save(file)
    return keras.models.load_model(file)


@pytest.mark.parametrize("memory", [None, pytest.param(1 << 26, marks=jax_only)])
def test_an_adapted_normalization_is_kept(memory, tmp_path):
    result = taut.regularization_path(adapted(), X, Y, memory=memory, **SETTINGS)
    fitted = adapted()
    fitted.fit(X[:64], Y[:64], epochs=60, batch_size=16, verbose=0)
    reached = fitted.evaluate(X[64:], Y[64:], verbose=0)
    assert reached < 0.1
    assert result.summary["held_out_loss"].max() < 0.1
    chosen = result.models()[0]
    expected = chosen.predict(X, verbose=0)
    assert np.mean((expected - Y) ** 2) < 0.1
    np.testing.assert_array_equal(as_saved(chosen, tmp_path).predict(X, verbose=0), expected)


def test_a_model_with_lora_trains_its_small_matrices_alone():
    model = model_of(layers.Dense(8), layers.Dense(1))
    model.fit(Z, Z @ np.ones((3, 1)), epochs=150, verbose=0)
    y = model.predict(Z, verbose=0)
    model.layers[0].enable_lora(2)
    model.layers[1].trainable = False
    model.compile(keras.optimizers.Adam(0.01), "mse")
    before = model.layers[0]._kernel.numpy()
    result = taut.regularization_path(model, Z, y, **{**SETTINGS, "epochs": 3})
    assert result.summary["held_out_loss"].max() < 1e-3
    trained = result.models()[0]
    np.testing.assert_array_equal(trained.layers[0]._kernel.numpy(), before)
    np.testing.assert_array_equal(trained.layers[1].kernel.numpy(), model.layers[1].kernel.numpy())
    assert [v.shape for v in trained.trainable_variables] == [
        v.shape for v in model.trainable_variables
    ]


def half_frozen():
    model = model_of(layers.Dense(4), layers.Dense(1))
    model.layers[0].kernel.trainable = False  # and its bias trains
    model.compile(taut.Proximal("adam", taut.L1()), "mse")
    return model


def test_a_frozen_weight_in_a_layer_that_trains_is_kept():
    model = half_frozen()
    frozen = model.layers[0].kernel.numpy()
    record = taut.train_lanes(model, Z, Y, [taut.engine.Lane((0.01,), 0, 7)], epochs=2)
    assert [a.shape[1:] for a in record.trainable] == [(4,), (4, 1), (1,)]
    np.testing.assert_array_equal(record.non_trainable[0][0], frozen)
    result = taut.regularization_path(model, Z, Y, **{**SETTINGS, "epochs": 2})
    for trained in result.models():
        np.testing.assert_array_equal(trained.layers[0].kernel.numpy(), frozen)


@keras.saving.register_keras_serializable("taut.tests.kept")
class Masked(layers.Dense):
    def build(self, shape):
        super().build(shape)
        self.mask = self.add_weight(
            name="mask", shape=self.kernel.shape, initializer="ones", trainable=False
        )

    def call(self, x):
        return ops.matmul(x, self.kernel * self.mask) + self.bias


def test_a_mask_set_by_hand_is_kept():
    model = model_of(Masked(4), layers.Dense(1))
    mask = np.array([[1, 0, 1, 0], [0, 0, 1, 1], [1, 1, 0, 0]], "float32")
    model.layers[0].mask.assign(mask)
    result = taut.regularization_path(model, Z, Y, **{**SETTINGS, "epochs": 2})
    for trained in result.models():
        np.testing.assert_array_equal(trained.layers[0].mask.numpy(), mask)


@keras.saving.register_keras_serializable("taut.tests.kept")
class Memory(layers.Layer):
    """Keeps its state beside its weights, and saves it in a way of its own."""

    def build(self, shape):
        self.shift = np.zeros(shape[-1], "float32")

    def call(self, x):
        return x + ops.convert_to_tensor(self.shift)

    def save_own_variables(self, store):
        store["shift"] = self.shift

    def load_own_variables(self, store):
        self.shift = np.array(store["shift"])


def test_a_layer_that_saves_its_state_itself_is_kept():
    model = model_of(Memory(), layers.Dense(1))
    model.layers[0].shift = np.array([5.0, -3.0, 1.0], "float32")
    result = taut.regularization_path(model, Z, Y, **{**SETTINGS, "epochs": 1})
    np.testing.assert_array_equal(result.models()[0].layers[0].shift, [5, -3, 1])


@keras.saving.register_keras_serializable("taut.tests.kept")
class Forgetful(layers.Layer):
    """Neither its configuration nor its weights hold `factor`, which counts in one mode only."""

    def __init__(self, factor=1.0, only_training=False, **kwargs):
        super().__init__(**kwargs)
        self.factor, self.only_training = factor, only_training

    def call(self, x, training=False):
        return x if self.only_training and not training else x * self.factor

    def get_config(self):
        return {"name": self.name, "only_training": self.only_training}


@pytest.mark.parametrize("only_training", [False, True])
def test_a_copy_that_is_another_model_is_refused_and_named(only_training):
    forgetful = Forgetful(3.0, only_training, name="forgetful")
    model = model_of(forgetful, layers.Dense(1))
    with pytest.raises(UnsupportedError, match="whose copy differs in 'forgetful'"):
        taut.regularization_path(model, Z, Y, **SETTINGS)


@pytest.mark.slow
def test_spectral_normalisation_keeps_its_vector():
    model = model_of(layers.SpectralNormalization(layers.Dense(4)), layers.Dense(1))
    model.fit(Z, Y, epochs=2, verbose=0)
    result = taut.regularization_path(model, Z, Y, **{**SETTINGS, "epochs": 2})
    chosen = result.models()[0]
    again = result.record.apply(0, result.models()[0])
    np.testing.assert_array_equal(
        again.predict(Z, verbose=0).shape, chosen.predict(Z, verbose=0).shape
    )


# Losses and metrics without `get_config`.


def powered(y, prediction, power=2.0):
    return ops.mean(ops.abs(y - prediction) ** power, axis=-1)


class Powered(keras.losses.Loss):
    def __init__(self, power):
        super().__init__()
        self.power = power

    def call(self, y, prediction):
        return powered(y, prediction, self.power)


class Called:
    __name__ = "called"

    def __init__(self, power):
        self.power = power

    def __call__(self, y, prediction):
        return powered(y, prediction, self.power)


LOSSES = {
    "partial": lambda: functools.partial(powered, power=2.0),
    "lambda": lambda: lambda y, prediction: powered(y, prediction),
    "class": lambda: Powered(2.0),
    "object": lambda: Called(2.0),
}


@pytest.mark.slow
@pytest.mark.parametrize("memory", [None, pytest.param(1 << 26, marks=jax_only)])
@pytest.mark.parametrize("kind", LOSSES)
def test_a_loss_needs_no_configuration(kind, memory):
    settings = {**SETTINGS, "epochs": 3, "memory": memory}
    expected = taut.regularization_path(model_of(layers.Dense(1)), Z, Y, **settings)
    found = taut.regularization_path(
        model_of(layers.Dense(1), loss=LOSSES[kind]()), Z, Y, **settings
    )
    np.testing.assert_allclose(
        found.summary["held_out_loss"], expected.summary["held_out_loss"], rtol=1e-5
    )
    assert found.models()[0].evaluate(Z, Y, verbose=0) > 0


class Scaled(keras.metrics.MeanAbsoluteError):
    """Its configuration does not hold its factor."""

    def __init__(self, factor=1.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def result(self):
        return self.factor * super().result()


def test_a_metric_keeps_what_its_configuration_does_not_hold():
    plain, scaled = (
        taut.regularization_path(
            model_of(layers.Dense(1), metrics=[Scaled(factor, name="scaled")]), Z, Y, **SETTINGS
        )
        for factor in (1.0, 10.0)
    )
    np.testing.assert_allclose(
        scaled.table["held_out_scaled"], 10 * plain.table["held_out_scaled"], rtol=1e-5
    )


# A second path of the same model.


def changeable(rate=0.001, dropout=0.1, power=2.0, trainable=True):
    model = model_of(
        layers.Dense(4, activation="tanh"),
        layers.Dropout(dropout),
        layers.Dense(1),
        loss=Powered(power),
        rate=rate,
    )
    model.layers[0].bias.trainable = trainable
    return model


CHANGES = {
    "rate": (lambda model: setattr(model.optimizer, "learning_rate", 0.05), {"rate": 0.05}),
    "loss": (lambda model: setattr(model.loss, "power", 3.0), {"power": 3.0}),
    "layer": (lambda model: setattr(model.layers[1], "rate", 0.5), {"dropout": 0.5}),
    "trainability": (
        lambda model: setattr(model.layers[0].bias, "trainable", False),
        {"trainable": False},
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", some_slow(CHANGES, ("rate", "loss")))
def test_a_second_path_sees_what_has_changed(name):
    def loss_of(model):
        path = taut.regularization_path(model, Z, Y, **{**SETTINGS, "epochs": 10})
        return path.summary["held_out_loss"].to_numpy()

    change, settings = CHANGES[name]
    model = changeable()
    first = loss_of(model)
    change(model)
    second = loss_of(model)
    np.testing.assert_array_equal(second, loss_of(changeable(**settings)))
    if name != "trainability":  # in ten epochs from 0 a bias moves too little
        assert np.abs(first / second - 1).max() > 1e-3


# Present weights.


def pretrained():
    model = model_of(layers.Dense(1), rate=0.01)
    model.set_weights([np.array([[1.0], [-2.0], [0.5]]), np.zeros(1)])
    return model


@pytest.mark.parametrize("memory", [None, pytest.param(1 << 26, marks=jax_only)])
def test_a_path_starts_from_the_present_weights(memory):
    settings = {**SETTINGS, "epochs": 1, "memory": memory}
    model = pretrained()
    present = taut.regularization_path(model, Z, Y, start="present", **settings)
    fresh = taut.regularization_path(model, Z, Y, **settings)
    assert present.summary["train_loss"].max() < 0.1 < fresh.summary["train_loss"].min()


def test_l2sp_stays_at_the_present_weights():
    model = pretrained()
    settings = {**SETTINGS, "strengths": [1e6, 1e-6], "epochs": 20, "seeds": 2}
    result = taut.regularization_path(
        model, Z, -Y, penalty=taut.L2SP, start="present", warm_start=None, **settings
    )
    for held, free in zip(result.models(1e6), result.models(1e-6), strict=True):
        np.testing.assert_allclose(held.layers[0].kernel, model.layers[0].kernel, atol=1e-4)
        assert np.abs(free.get_weights()[0] - model.get_weights()[0]).max() > 0.1


@pytest.mark.parametrize("own", [False, True])
def test_a_reference_stays_what_it_was_when_the_optimizer_was_built(own):
    penalty = taut.L2SP(0.5)
    model = model_of(layers.Dense(1, kernel_regularizer=penalty if own else None))
    model.compile(taut.Proximal("adam", None if own else penalty), "mse")
    model.optimizer.build(model.trainable_variables)
    kernel = model.layers[0].kernel
    before = np.array(ops.convert_to_numpy(kernel))
    kernel.assign(kernel + 7)
    copies = [as_compiled(model, Z, Y, cv=2).copy]
    copies += taut.regularization_path(
        model, Z, Y, penalty={"bias": taut.L2}, **{**SETTINGS, "epochs": 1}
    ).models()
    for copy in copies:
        references = [ops.convert_to_numpy(v) for v in copy.optimizer.constants]
        np.testing.assert_array_equal([a for a in references if a.shape == (3, 1)], [before])


def test_a_warm_path_begins_at_the_present_weights():
    result = taut.regularization_path(
        pretrained(), Z, Y, start="present", warm_start="up", **{**SETTINGS, "epochs": 2}
    )
    assert result.table["train_loss"].max() < 0.1
    assert result.warm_disagreement["cold_train_loss"].max() < 0.1


def test_start_is_checked():
    with pytest.raises(InputError, match='`start` must be "fresh" or "present"'):
        taut.regularization_path(pretrained(), Z, Y, start="warm", **SETTINGS)


class Falling(keras.optimizers.schedules.LearningRateSchedule):
    """Not registered with Keras."""

    def __init__(self, rate):
        self.rate = rate

    def __call__(self, step):
        return self.rate / (1 + ops.cast(step, "float32"))

    def get_config(self):
        return {"rate": self.rate}


def decaying(jit="auto"):
    model = model_of(layers.Dense(4, "relu"), layers.Dense(1))
    optimizer = keras.optimizers.AdamW(Falling(0.05), weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_list=[model.layers[0].kernel], var_names=["bias"])
    model.compile(optimizer, "mse", jit_compile=jit)
    return model


def test_a_study_without_penalties_trains_as_the_model_is_compiled():
    model, split = decaying(), Split(np.arange(64), np.arange(64, 96))
    study = as_compiled(model, Z, Y, cv=[(split.train, split.held_out)])
    assert study.strengths == ()
    lane = study.lane(0, 3, present=True)
    record = taut.train_lanes(study.copy, Z, Y, [lane], splits=[split], epochs=2, batch_size=24)
    for epoch in range(2):
        for rows in Batches([split], 24).train(0, 3, epoch):
            rows = rows[rows >= 0]
            model.train_on_batch(Z[rows], Y[rows])
    for variable, values in zip(model.trainable_variables, record.trainable, strict=True):
        np.testing.assert_allclose(values[0], ops.convert_to_numpy(variable), atol=1e-6)


def test_a_faster_schedule_keeps_what_does_not_decay():
    copy = as_compiled(decaying(jit=False), Z, Y, cv=2).copy
    assert copy.jit_compile is False
    faster = with_whole_schedule(copy, 2.0).optimizer
    assert isinstance(faster, keras.optimizers.AdamW)
    assert not isinstance(faster, taut.Proximal)
    assert float(faster._learning_rate(1)) == pytest.approx(0.05 / 3)
    decay = [faster._use_weight_decay(v) for v in faster._trainable_variables]
    assert decay == [False, False, True, False]
    with pytest.raises(UnsupportedError, match="`weight_decay` must be 0 or None"):
        taut.regularization_path(decaying(), Z, Y, **SETTINGS)


def test_optimizers_inside_of_one_keep_what_no_configuration_holds():
    model = model_of(layers.Dense(4, "relu"), layers.Dense(1))
    inside = keras.optimizers.AdamW(Falling(0.05), weight_decay=0.5)
    inside.exclude_from_weight_decay(var_list=[model.layers[1].kernel])
    chosen = keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.3), {".*/kernel": inside})
    model.compile(keras.optimizers.MultiOptimizer(chosen), "mse")
    copy = as_compiled(model, Z, Y, cv=2).copy
    (found,) = [o for o in copy.optimizer.optimizers if isinstance(o, keras.optimizers.AdamW)]
    assert found is not inside
    assert found._learning_rate is inside._learning_rate
    assert [found._use_weight_decay(layer.kernel) for layer in copy.layers] == [True, False]
    assert taut.train_lanes(model, Z, Y, [taut.engine.Lane()], epochs=1).status == ("finished",)


def test_a_schedule_need_not_be_registered():
    schedule = Falling(0.1)
    proximal = taut.Proximal(keras.optimizers.Adam(schedule), taut.L1(0.1))
    assert proximal.plain()._learning_rate is schedule
    model = model_of(layers.Dense(1))
    model.compile(proximal, "mse")
    assert compiled_copy(model, taut.L1()).optimizer._learning_rate is schedule


def test_a_constraint_and_a_regularizer_set_on_a_variable_are_kept():
    model = model_of(layers.Dense(4), layers.Dense(1))
    first, last = model.layers
    first.kernel.constraint = keras.constraints.MaxNorm(2.0)
    first.bias.regularizer = keras.regularizers.L2(0.5)
    last.kernel_constraint = keras.constraints.NonNeg()  # too late for Keras: of no effect
    copy = compiled_copy(model, None, Z)
    assert copy.layers[0].kernel.constraint is first.kernel.constraint
    assert copy.layers[0].bias.regularizer is first.bias.regularizer
    assert copy.layers[1].kernel.constraint is None


@keras.saving.register_keras_serializable("taut.tests.kept")
class Longer(keras.optimizers.SGD):
    """Its configuration does not hold `factor`."""

    def __init__(self, *args, factor=1.0, **settings):
        super().__init__(*args, **settings)
        self.factor = factor

    def update_step(self, gradient, variable, learning_rate):
        variable.assign_sub(self.factor * learning_rate * gradient)


def among_chosen(optimizer):
    def choose(variable):
        return optimizer

    return keras.optimizers.MultiOptimizer(choose)


INSIDE = {
    "alone": lambda optimizer: optimizer,
    "scaled": keras.optimizers.LossScaleOptimizer,
    "among several": lambda optimizer: keras.optimizers.MultiOptimizer(
        keras.optimizers.OptimizerMap(keras.optimizers.SGD(), {".*kernel": optimizer})
    ),
    "chosen": among_chosen,
}


@pytest.mark.parametrize("again", [compiled_copy, resized], ids=["copied", "resized"])
@pytest.mark.parametrize("inside", INSIDE)
def test_an_optimizer_that_its_configuration_does_not_make_is_refused(inside, again):
    model = model_of(layers.Dense(2), layers.Dense(1))
    arguments = (None, Z) if again is compiled_copy else (2,)
    model.compile(INSIDE[inside](Longer(0.1)), "mse")
    model.optimizer.build(model.trainable_variables)
    again(model, *arguments)
    model.compile(INSIDE[inside](Longer(0.1, factor=5.0)), "mse")
    model.optimizer.build(model.trainable_variables)
    with pytest.raises(UnsupportedError, match="Longer, whose 'factor'"):
        again(model, *arguments)


class Shrinking(keras.regularizers.Regularizer):  # not registered, as all of these
    def __init__(self, factor=1.0):
        self.factor = factor

    def __call__(self, w):
        return self.factor * ops.sum(ops.square(w))

    def get_config(self):
        return {"factor": self.factor}


class Constants(keras.initializers.Initializer):
    def __init__(self, value=1.0):
        self.value = value

    def __call__(self, shape, dtype=None, **_):
        return ops.full(shape, self.value, dtype)

    def get_config(self):
        return {"value": self.value}


def test_parts_of_layers_need_not_be_registered():
    parts = {"kernel_initializer": Constants(0.5), "bias_regularizer": Shrinking(0.3)}
    copy = compiled_copy(model_of(layers.Dense(2, **parts), layers.Dense(1)), None, Z)
    assert copy.layers[0].kernel_initializer.value == 0.5
    assert copy.layers[0].bias.regularizer.factor == 0.3


class Forgotten(Constants):
    def get_config(self):
        return {}


def test_an_initializer_that_its_configuration_does_not_make_is_refused():
    model = model_of(layers.Dense(2, kernel_initializer=Forgotten(0.5)), layers.Dense(1))
    with pytest.raises(UnsupportedError, match=r"another `kernel_initializer` than .* Forgotten"):
        taut.regularization_path(model, Z, Y, **SETTINGS)
    model.layers[0].kernel_initializer = Forgotten()
    taut.regularization_path(model, Z, Y, **{**SETTINGS, "epochs": 1})


def test_functions_in_layers_are_the_very_same_in_a_copy():
    def scaled(factor):
        return lambda x: ops.relu(x) * factor

    def inner(x):
        return ops.sin(x)

    first, second = scaled(2.0), scaled(3.0)
    model = model_of(layers.Lambda(first), layers.Dense(2, activation=second), layers.Dense(1))
    model.layers[2].activation = inner
    copy = compiled_copy(model, None, Z)
    found = copy.layers[0].function, copy.layers[1].activation, copy.layers[2].activation
    assert found == (first, second, inner)
    assert [f.__name__ for f in found] == ["<lambda>", "<lambda>", "inner"]


class Tripled:
    def __call__(self, x):
        return 3 * x

    def called(self, x):
        return 2 * self(x)


def test_what_is_called_but_no_function_is_the_very_same_in_a_copy():
    called = Tripled()
    functions = [functools.partial(ops.leaky_relu, negative_slope=0.3), called, called.called]
    if keras.backend.backend() == "jax":
        import jax

        functions += [jax.nn.relu, jax.jit(jax.numpy.tanh), jax.numpy.absolute]
    model = model_of(*(layers.Dense(2, activation=f) for f in functions), layers.Dense(1))
    copy = compiled_copy(model, None, Z)
    for one in (model, copy):
        assert [layer.activation for layer in one.layers[: len(functions)]] == functions


def test_functions_of_keras_that_it_does_not_find_by_name_are_kept():
    model = model_of(layers.Dense(2, activation=ops.sin), layers.Dense(1, activation=ops.tanh))
    copy = compiled_copy(model, None, Z)
    assert [layer.activation for layer in copy.layers[:2]] == [ops.sin, ops.tanh]
    assert ops.sin.__name__ == "sin"
