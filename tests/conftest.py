"""Shared by all tests: data, and a full-batch minimiser for every backend."""

import importlib.util
import os
import signal
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")
# Compiled programs are shared by the tests' processes, and not with the user's own.
os.environ["TAUT_CACHE"] = str(Path(__file__).parents[1] / ".pytest_cache" / "taut")
if importlib.util.find_spec("triton"):
    # Torch with CUDA brings triton, which crashes if it is loaded after TensorFlow.
    import torch._dynamo  # noqa: F401

import keras
import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes

import taut  # noqa: F401 (before JAX starts: it gives JAX a device a core)

QUICKLY_COMPILED = ("compaction", "diagnosis", "engine", "estimators", "optimizers", "studies")


def standardised(x):
    return ((x - x.mean(0)) / x.std(0)).astype("float32")


@pytest.fixture(scope="session")
def diabetes():
    x, y = load_diabetes(return_X_y=True)
    return standardised(x), standardised(y)


@pytest.fixture(scope="session")
def breast_cancer():
    x, y = load_breast_cancer(return_X_y=True)
    return standardised(x), y.astype("float32")


@pytest.fixture(autouse=True, scope="session")
def _signals():
    """As in a shell, whatever started the tests ignores; processes that they start inherit it."""
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGINT, before[0])
    signal.signal(signal.SIGTERM, before[1])


@pytest.fixture(autouse=True)
def _seed():
    keras.utils.set_random_seed(0)


@pytest.fixture(autouse=True, scope="module")
def _compiled_quickly(request):
    """Most of the time of some tests is XLA's, which optimises small programs that run once.

    The long tests (`pytest -m slow`) compile as a user's programs do.
    """
    here = any(part in QUICKLY_COMPILED for part in request.path.parts)
    short = "not slow" in (request.config.option.markexpr or "")
    if keras.backend.backend() != "jax" or not (here and short):
        yield
        return
    import jax

    before = jax.config.values["jax_disable_most_optimizations"]
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


def one_layer(inputs, loss, optimizer, activation=None):
    model = keras.Sequential([keras.Input((inputs,)), keras.layers.Dense(1, activation=activation)])
    model.compile(optimizer=optimizer, loss=loss)
    model.optimizer.build(model.trainable_variables)
    return model


def some_everywhere(names, everywhere):
    """Parameters: on JAX all of them, elsewhere, where steps are slow, the others are marked so.

    What one optimizer does is compared with JAX step by step in `test_backends`.
    """
    return list(names) if keras.backend.backend() == "jax" else some_slow(names, everywhere)


def slow_elsewhere(test):
    """A test of what JAX shows already, slow on the other backends."""
    return test if keras.backend.backend() == "jax" else pytest.mark.slow(test)


def some_slow(names, quick):
    """Parameters of which all but the `quick` ones are slow tests."""
    return [n if n in quick else pytest.param(n, marks=pytest.mark.slow) for n in names]


def minimise(model, x, y, steps):
    """Full-batch steps of the model's own loss and optimizer, without the overhead of `fit`."""
    backend = keras.backend.backend()
    y = y.reshape(len(y), -1)
    if backend == "jax":
        _minimise_jax(model, x, y, steps)
    elif backend == "torch":
        _minimise_torch(model, x, y, steps)
    else:
        _minimise_tensorflow(model, x, y, steps)


def fit_full_batches(model, x, y, steps):
    """The same by `fit`, with all that Keras does around an update; one epoch, for its speed."""
    x, y = np.tile(x, (steps, 1)), np.tile(y, steps)
    model.fit(x, y, batch_size=len(y) // steps, shuffle=False, verbose=0)


def _minimise_jax(model, x, y, steps):
    import jax

    loss_of = keras.losses.get(model.loss)

    def loss(trainable, non_trainable):
        prediction, _ = model.stateless_call(trainable, non_trainable, x, training=True)
        return loss_of(y, prediction).mean()

    @jax.jit
    def run(trainable, non_trainable, optimizer):
        def step(carry, _):
            grads = jax.grad(loss)(carry[0], non_trainable)
            return model.optimizer.stateless_apply(carry[1], grads, carry[0]), None

        return jax.lax.scan(step, (trainable, optimizer), None, length=steps)[0]

    trainable, optimizer = run(
        [v.value for v in model.trainable_variables],
        [v.value for v in model.non_trainable_variables],
        [v.value for v in model.optimizer.variables],
    )
    for variable, value in zip(model.trainable_variables, trainable, strict=True):
        variable.assign(value)
    for variable, value in zip(model.optimizer.variables, optimizer, strict=True):
        variable.assign(value)


def _minimise_torch(model, x, y, steps):
    import torch

    loss_of = keras.losses.get(model.loss)
    x, y = keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(y.astype("float32"))
    for _ in range(steps):
        loss = loss_of(y, model(x, training=True)).mean()
        grads = torch.autograd.grad(loss, [v.value for v in model.trainable_variables])
        with torch.no_grad():
            model.optimizer.apply(list(grads), model.trainable_variables)


def _minimise_tensorflow(model, x, y, steps):
    import tensorflow as tf

    loss_of = keras.losses.get(model.loss)
    x, y = tf.constant(x), tf.constant(y.astype("float32"))
    trainable = model.trainable_variables

    def step(i):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(loss_of(y, model(x, training=True)))
        grads = tape.gradient(loss, [v.value for v in trainable])
        model.optimizer.apply(grads, trainable)
        return i + 1

    @tf.function(autograph=False)
    def run():
        tf.while_loop(lambda i: i < steps, step, [tf.constant(0)], parallel_iterations=1)

    run()


def coefficients(model):
    return np.array(model.get_weights()[0], "float64").ravel()
