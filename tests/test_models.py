"""The tutorials' code, and Keras models whose `compile` takes `weight_regularizer=`."""

import runpy
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import taut
from taut import layers, models
from taut.errors import InputError, UnsupportedError

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.parametrize("name", ["tutorial_l1", "tutorial_l2"])
def test_the_tutorials_run(name, capsys):
    namespace = runpy.run_path(str(EXAMPLES / f"{name}.py"))
    printed = capsys.readouterr().out
    assert "Epoch 10/10" in printed
    assert 0 <= float(printed.split("Test accuracy:")[1]) <= 1
    zeros = sum((w == 0).sum() for w in namespace["model"].get_weights() if w.ndim == 2)
    assert zeros > 0 or name == "tutorial_l2"


@pytest.mark.parametrize("name", ["tutorial_l1", "tutorial_l2"])
def test_only_the_import_differs_from_keras(name):
    code = (EXAMPLES / f"{name}.py").read_text()
    assert code.count("taut") == 2  # in its first line, and in the import
    assert "from taut import layers, models" in code


def data(rows=120):
    x = np.random.default_rng(0).normal(size=(rows, 6)).astype("float32")
    return x, (x[:, :1] > 0).astype("float32")


def sequential(**first):
    return models.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(8, activation="relu", name="first", **first),
            layers.Dense(1, activation="sigmoid", name="last"),
        ]
    )


def functional():
    x = keras.Input((6,))
    h = layers.Dense(8, activation="relu", name="first")(x)
    return models.Model(x, layers.Dense(1, activation="sigmoid", name="last")(h))


def fitted(model, regularizer, epochs=12, **compile_):
    options = {"optimizer": keras.optimizers.Adam(0.02), "loss": "binary_crossentropy"} | compile_
    model.compile(weight_regularizer=regularizer, **options)
    model.fit(*data(), epochs=epochs, verbose=0)
    return model


def zeros(model):
    return [int((w == 0).sum()) for w in model.get_weights()]


@pytest.mark.parametrize("build", [sequential, functional])
def test_l1_leaves_exact_zeros_in_weights_and_none_in_biases(build):
    first, bias, last, _ = zeros(fitted(build(), layers.l1(0.03)))
    assert first > 10
    assert last > 0
    assert bias < 8
    assert zeros(fitted(build(), layers.l2(0.03)))[0] == 0


CONTINUE = """
import sys
import numpy as np
model = keras.saving.load_model(sys.argv[1])
values = np.load(sys.argv[2])
assert isinstance(model.optimizer, taut.Proximal), type(model.optimizer)
print(taut.explain(model))
np.testing.assert_array_equal(model.predict(values["x"], verbose=0), values["prediction"])
assert int(model.optimizer.iterations.numpy()) == values["iterations"]
state = [np.asarray(v.value) for v in model.optimizer.variables]
for k, value in enumerate(state):
    np.testing.assert_array_equal(value, values[f"state{k}"])
logs = model.fit(values["x"], values["y"], epochs=2, shuffle=False, verbose=0).history
for k, value in enumerate(model.get_weights()):
    np.testing.assert_allclose(value, values[f"after{k}"], atol=1e-6)
assert logs["objective"][-1] > logs["loss"][-1]
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("build", "imports"), [(sequential, "import taut, keras"), (functional, "import keras, taut")]
)
def test_a_saved_model_goes_on_training_in_another_process(build, imports, tmp_path):
    model = fitted(build(), {"first": taut.L1(0.02), "last": taut.ElasticNet(0.1)})
    model.save(tmp_path / "model.keras")
    x, y = data()
    values = {"x": x, "y": y, "prediction": model.predict(x, verbose=0)}
    values["iterations"] = model.optimizer.iterations.numpy()
    values |= {f"state{k}": np.array(v) for k, v in enumerate(model.optimizer.variables)}
    model.fit(x, y, epochs=2, shuffle=False, verbose=0)
    values |= {f"after{k}": w for k, w in enumerate(model.get_weights())}
    np.savez(tmp_path / "values.npz", **values)
    arguments = [str(tmp_path / "model.keras"), str(tmp_path / "values.npz")]
    done = subprocess.run(
        [sys.executable, "-c", f"{imports}\n{CONTINUE}", *arguments], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "L1" in done.stdout
    assert "ElasticNet" in done.stdout


def penalties_of(model):
    return {
        "/".join(v.path.split("/")[-2:]): (v.penalty, v.strengths)
        for v in taut.explain(model).variables
        if v.strengths
    }


FIRST, LAST = "first/kernel", "last/kernel"


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ("l1", {FIRST: ("L1", 0.01), LAST: ("L1", 0.01)}),
        (keras.regularizers.L2(0.1), {FIRST: ("L2", 0.2), LAST: ("L2", 0.2)}),
        (keras.regularizers.L1(0.1), {FIRST: ("L1", 0.1), LAST: ("L1", 0.1)}),
        (taut.L2(0.3), {FIRST: ("L2", 0.3), LAST: ("L2", 0.3)}),
        ({"first": "l1", ".": taut.L2(0.5)}, {FIRST: ("L1", 0.01), LAST: ("L2", 0.5)}),
        ({"first/bias": taut.L1(0.2)}, {"first/bias": ("L1", 0.2)}),
        ({"first": None, None: taut.L1(0.4)}, {LAST: ("L1", 0.4)}),
        ({lambda v: v.shape[-1] == 1: "l2"}, {LAST: ("L2", 0.01), "last/bias": ("L2", 0.01)}),
    ],
)
def test_weight_regularizer_takes_many_forms(request_, expected):
    found = penalties_of(fitted(sequential(), request_, epochs=1))
    assert {k: (p, pytest.approx(s[0])) for k, (p, s) in found.items()} == expected


def test_a_layer_selects_its_weights():
    model = sequential()
    found = penalties_of(fitted(model, {model.get_layer("last"): taut.L1(0.7)}, epochs=1))
    assert found == {LAST: ("L1", (pytest.approx(0.7),))}


def test_a_layers_own_penalty_is_lifted_out_of_the_loss():
    model = fitted(sequential(kernel_regularizer=taut.L1(0.03)), None)
    assert penalties_of(model) == {FIRST: ("L1", (pytest.approx(0.03),))}
    assert zeros(model)[0] > 10
    assert zeros(model)[2] == 0
    x, y = data()
    loss = keras.losses.BinaryCrossentropy()(y, model.predict(x, verbose=0))
    assert model.evaluate(x, y, verbose=0) == pytest.approx(float(loss), rel=1e-5)


@pytest.mark.parametrize("build", [sequential, functional])
def test_losses_are_told_without_the_penalty_and_the_objective_with_it(build):
    model = build()
    model.compile("adam", "mse", metrics=["mae"], weight_regularizer=taut.L1(0.5))
    x, y = data()
    logs = model.fit(x, y, epochs=3, validation_data=(x, y), verbose=0).history
    for loss, penalty, objective in zip(
        logs["loss"], logs["penalty"], logs["objective"], strict=True
    ):
        assert objective == pytest.approx(loss + penalty)
        assert penalty > 0
    sizes = sum(np.abs(w).sum() for w in model.get_weights() if w.ndim == 2)
    assert logs["penalty"][-1] == pytest.approx(0.5 * sizes, rel=1e-5)
    expected = ((model.predict(x, verbose=0) - y) ** 2).mean()
    assert logs["val_loss"][-1] == pytest.approx(expected, rel=1e-4)


def test_early_stopping_sees_the_objective():
    stop = keras.callbacks.EarlyStopping(monitor="objective", patience=1, mode="min")
    model = sequential()
    model.compile("sgd", "mse", weight_regularizer=taut.L1(0.01))
    model.fit(*data(), epochs=2, callbacks=[stop], verbose=0)
    assert np.isfinite(stop.best)


def test_without_a_penalty_it_is_keras():
    x, y = data()
    ours, theirs = sequential(), keras.Sequential(sequential().layers)
    for model in (ours, theirs):
        model.compile(keras.optimizers.Adam(0.01), "mse")
    theirs.set_weights(ours.get_weights())
    a = ours.fit(x, y, epochs=3, shuffle=False, verbose=0).history
    b = theirs.fit(x, y, epochs=3, shuffle=False, verbose=0).history
    assert set(a) == set(b) == {"loss"}
    np.testing.assert_allclose(a["loss"], b["loss"], rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"weight_regularizer": "l3"}, InputError, "l1"),
        ({"weight_regularizer": 0.01}, InputError, "float"),
        ({"weight_regularizer": {}}, InputError, "empty"),
        ({"weight_regularizer": {"no_such": "l1"}}, InputError, "first/kernel"),
        ({"weight_regularizer": {"(": "l1"}}, InputError, "regular expression"),
        ({"weight_regularizer": {3: "l1"}}, InputError, "selector"),
        ({"weight_regularizer": "l1", "optimizer": "ftrl"}, UnsupportedError, "Use Adagrad"),
        (
            {"weight_regularizer": keras.regularizers.OrthogonalRegularizer()},
            UnsupportedError,
            "OrthogonalRegularizer",
        ),
        (
            {"weight_regularizer": "l1", "optimizer": keras.optimizers.AdamW(weight_decay=0.1)},
            UnsupportedError,
            "weight_decay",
        ),
        (
            {"weight_regularizer": "l1", "optimizer": keras.optimizers.Lion()},
            UnsupportedError,
            "Use Adam",
        ),
    ],
)
def test_what_cannot_be_is_told_when_compiling(options, error, words):
    with pytest.raises(error, match=words):
        sequential().compile(**{"optimizer": "adam", "loss": "mse", **options})


@pytest.mark.parametrize("strength", [-0.1, float("nan"), float("inf"), "0.1", None, True])
def test_a_strength_is_a_finite_number(strength):
    with pytest.raises(InputError, match="strength"):
        layers.l1(strength)


def test_every_name_of_keras_is_there():
    assert layers.Dense is keras.layers.Dense
    assert models.load_model is keras.models.load_model
    with pytest.raises(AttributeError):
        layers.NoSuchLayer  # noqa: B018


def test_a_functional_model_leaves_the_class_as_it_was(diabetes):
    x, y = diabetes
    inputs = layers.Input((10,))
    functional = models.Model(inputs, layers.Dense(1)(inputs))
    functional.compile("adam", "mse", weight_regularizer="l1")
    functional.fit(x, y, epochs=1, verbose=0)

    class Subclassed(models.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1)

        def call(self, x):
            return self.dense(x)

    model = Subclassed()
    model.compile("adam", "mse", weight_regularizer=taut.L1(10.0))
    model.fit(x, y, epochs=30, verbose=0)
    assert (model.get_weights()[0] == 0).all()


def test_regularizers_that_are_set_too_late_are_told():
    """Keras applies what a layer was built with, whatever tutorials set on it later."""
    late, early = keras.regularizers.L2(0.01), keras.regularizers.L2(0.01)
    model = models.Sequential(
        [
            keras.Input((3, 2)),
            keras.layers.Bidirectional(keras.layers.GRU(2, recurrent_regularizer=early)),
            keras.layers.Dense(2, kernel_regularizer=early, name="alike"),
            keras.layers.Dense(2, name="late"),
        ]
    )
    model.get_layer("alike").kernel_regularizer = late
    model.compile("adam", "mse")  # an equal one changes nothing
    model.get_layer("late").kernel_regularizer = late
    model.layers[0].forward_layer.cell.recurrent_regularizer = None
    with pytest.warns(UserWarning, match="when the layer is built") as warned:
        model.compile("adam", "mse")
    (text,) = [str(w.message) for w in warned if w.category is UserWarning]
    assert "Keras's L2 as kernel_regularizer of 'late', which was built with None" in text
    assert "None as recurrent_regularizer" in text
    assert "alike" not in text
    assert any("'late'" in sentence for sentence in taut.explain(model).warnings)


def test_a_loss_that_keras_drops_is_told():
    class Adding(models.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(1)

        def call(self, x):
            self.add_loss(keras.ops.mean(x))
            return self.dense(x)

    model = Adding()
    model.compile("sgd", "mse")
    x = np.ones((4, 2))
    assert model.evaluate(x, model.predict(x, verbose=0), verbose=0) == pytest.approx(1)
    with pytest.warns(UserWarning, match=r"outside of `call`"):
        model.add_loss(keras.ops.sum(model.dense.kernel))
