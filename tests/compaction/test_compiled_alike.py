"""The smaller model trains as the model was compiled: also what no configuration holds."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import taut
from taut.compaction import compact
from taut.studies.study_model import compiled_copy
from tests.compaction.mortal import drawn, relu, x_, zero

STEPS = 1 if keras.backend.backend() == "torch" else 2  # torch can do no more at once
X = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
Y = X.sum(1, keepdims=True)


def mortal():
    model = drawn(keras.Sequential([x_(3), relu(4, "a"), layers.Dense(1, name="out")]))
    zero(model.layers[0].kernel, slice(None), 1)
    return model


def smaller(model):
    return compact(model, measure=False).model


class Falling(keras.optimizers.schedules.LearningRateSchedule):
    """Not registered with Keras, and its configuration does not hold its rate."""

    def __init__(self, rate=1.0):
        self.rate = rate

    def __call__(self, step):
        return self.rate / (1 + ops.cast(step, "float32"))

    def get_config(self):
        return {}


class Scaled(keras.metrics.MeanAbsoluteError):
    """Its configuration does not hold its factor."""

    factor = 1.0

    def result(self):
        return self.factor * super().result()


@pytest.mark.parametrize("wrapped", [lambda o: o, keras.optimizers.LossScaleOptimizer])
def test_settings_of_a_plain_optimizer_that_no_configuration_holds(wrapped):
    model = mortal()
    schedule, metric = Falling(0.25), Scaled(name="scaled")
    metric.factor = 7.0
    adam = keras.optimizers.AdamW(
        schedule, weight_decay=0.5, use_ema=True, gradient_accumulation_steps=2, clipnorm=0.5
    )
    adam.exclude_from_weight_decay(var_list=[model.layers[1].kernel], var_names=["bias"])
    model.compile(
        wrapped(adam),
        lambda y, made: ops.mean(ops.abs(y - made) ** 3, -1),
        metrics=[metric],
        loss_weights=[2.0],
        steps_per_execution=STEPS,
        jit_compile=False,
    )
    small = smaller(model)
    assert type(small.optimizer) is type(model.optimizer)
    found = getattr(small.optimizer, "inner_optimizer", small.optimizer)
    assert type(found) is type(adam)
    assert found._learning_rate is schedule
    assert [found._use_weight_decay(v) for v in small.trainable_variables] == [
        adam._use_weight_decay(v) for v in model.trainable_variables
    ]
    names = ("weight_decay", "use_ema", "gradient_accumulation_steps", "clipnorm")
    assert all(getattr(found, name) == getattr(adam, name) for name in names)
    assert (small.steps_per_execution, small.jit_compile) == (STEPS, False)
    found, expected = (m.evaluate(X, Y, batch_size=4, verbose=0) for m in (small, model))
    assert found == pytest.approx(expected)


class Longer(keras.optimizers.SGD):
    """Its configuration does not hold `factor`."""

    factor = 1.0


def test_what_the_configuration_of_an_own_optimizer_lacks_is_told():
    model = mortal()
    optimizer = Longer(0.1)
    model.compile(optimizer, "mse")
    assert "optimizer" not in [kept.layer for kept in compact(model, measure=False).kept]
    optimizer.factor = 5.0
    (kept,) = [kept for kept in compact(model, measure=False).kept if kept.layer == "optimizer"]
    assert "get_config" in kept.reason


def test_no_scaling_of_the_loss_is_added():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = mortal()
        model.compile("sgd", "mse", auto_scale_loss=False)
        small, copy = smaller(model), compiled_copy(model, None)
    finally:
        keras.config.set_dtype_policy(policy)
    assert type(small.optimizer) is type(model.optimizer)
    assert isinstance(copy.optimizer, taut.Proximal)


def test_penalties_in_the_wrappers_of_keras_are_carried_over():
    model = mortal()
    chosen = keras.optimizers.OptimizerMap(
        taut.Proximal("adam", taut.L1(0.1)), {".*out.*": keras.optimizers.SGD(0.3)}
    )
    model.compile(keras.optimizers.MultiOptimizer(chosen), "mse")
    small = smaller(model)
    (proximal,) = [o for o in small.optimizer.optimizers if isinstance(o, taut.Proximal)]
    assert [v.path.rpartition("/")[0] for t in proximal.terms for v in t.variables] == [
        small.layers[0].path
    ]
    model.compile(keras.optimizers.LossScaleOptimizer(taut.Proximal("adam", taut.L1(0.1))), "mse")
    (term, _) = smaller(model).optimizer.inner_optimizer.terms
    assert repr(term.entry.penalty) == repr(taut.L1(0.1))
    small.fit(X, Y, verbose=0)


@pytest.mark.parametrize("select", [lambda model: model.layers[0], lambda model: is_kernel])
def test_penalties_are_the_same_objects_at_their_present_strengths(select):
    class Own(taut.L1):  # not registered
        pass

    model = mortal()
    penalty = {select(model): Own(0.1)}
    model.compile(taut.Proximal(keras.optimizers.Adam(Falling()), penalty), "mse")
    model.optimizer.build(model.trainable_variables)
    model.optimizer.strengths[0].assign(0.375)
    small = smaller(model)
    assert [type(t.parts[0]) for t in small.optimizer.terms] == [Own] * len(model.optimizer.terms)
    assert float(ops.convert_to_numpy(small.optimizer.strengths[0])) == 0.375
    assert small.optimizer.compiled_strengths == [0.1]


def is_kernel(variable):
    return variable.name == "kernel"


def test_a_reference_stays_or_is_told_to_be_lost():
    model = mortal()
    model.compile(taut.Proximal("sgd", {"out/bias": taut.L2SP(0.5)}), "mse")
    model.optimizer.build(model.trainable_variables)
    before = np.array(ops.convert_to_numpy(model.layers[1].bias))
    model.layers[1].bias.assign([3.0])
    (reference,) = smaller(model).optimizer.constants
    np.testing.assert_array_equal(ops.convert_to_numpy(reference), before)
    model.compile(taut.Proximal("sgd", taut.L2SP(0.5)), "mse")
    model.optimizer.build(model.trainable_variables)
    result = compact(model, measure=False)
    assert any("compiled without it" in kept.reason for kept in result.kept)
