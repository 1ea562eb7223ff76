"""What `Proximal` is, what it refuses, and whom it penalises."""

import keras
import numpy as np
import pytest

import taut
from taut.errors import InputError, UnsupportedError
from taut.optimizers.metric import STEPS


def network(optimizer):
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(3, name="first"),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.Dense(1, name="last"),
        ]
    )
    model.compile(optimizer=optimizer, loss="mse")
    optimizer.build(model.trainable_variables)
    return model


def penalised(model):
    return {"/".join(v.path.split("/")[-2:]): v.penalty for v in taut.explain(model).variables}


@pytest.mark.parametrize("kind", STEPS, ids=lambda kind: kind.__name__)
def test_it_is_the_keras_optimizer(kind):
    optimizer = taut.Proximal(kind.__name__.lower(), taut.L1(0.1))
    assert isinstance(optimizer, kind)
    assert isinstance(optimizer, taut.Proximal)
    assert float(optimizer.learning_rate) == pytest.approx(float(kind().learning_rate))


@pytest.mark.parametrize("bound", [False, True])
def test_a_wholly_frozen_model_has_nothing_to_penalise(bound):
    x, y = np.zeros((4, 3)), np.zeros((4, 1))
    model = (taut.Sequential if bound else keras.Sequential)(
        [keras.Input((3,)), keras.layers.Dense(1)]
    )
    model.trainable = False
    model.compile(taut.Proximal("adam", taut.L1(0.1)), "mse")
    model.evaluate(x, y, verbose=0)
    with pytest.raises(InputError, match="whose weights are all frozen"):
        taut.stationarity(model, x, y)
    with pytest.raises(InputError, match="which has none that may be trained"):
        taut.regularization_path(model, x, y)
    before = [np.array(w) for w in model.get_weights()]
    with pytest.warns(UserWarning, match="does not have any trainable weights"):
        model.fit(x, y, verbose=0)
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", STEPS, ids=lambda kind: kind.__name__)
def test_serialisation_round_trip(kind):
    rate = keras.optimizers.schedules.CosineDecay(0.1, 10)
    plain = kind(rate, weight_decay=0.0) if "W" in kind.__name__ else kind(rate)
    optimizer = taut.Proximal(plain, {"kernel": taut.L1(0.1) + taut.L2(0.2), "x": None})
    config = keras.saving.serialize_keras_object(optimizer)
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is type(optimizer)
    assert again.get_config() == optimizer.get_config()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (keras.optimizers.Lion, "sign of its momentum.*Use Adam"),
        (keras.optimizers.Muon, "orthogonal.*Use Adam"),
        (keras.optimizers.Ftrl, "sum of all gradients.*Use Adagrad"),
        (keras.optimizers.ScheduleFreeAdamW, "averages.*use_ema"),
        (
            lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam()),
            r"LossScaleOptimizer\(taut.Proximal",
        ),
        (
            lambda: keras.optimizers.MultiOptimizer(
                keras.optimizers.OptimizerMap(keras.optimizers.Adam())
            ),
            "give it a `taut.Proximal`",
        ),
    ],
    ids=["Lion", "Muon", "Ftrl", "ScheduleFreeAdamW", "LossScaleOptimizer", "MultiOptimizer"],
)
def test_the_optimizers_that_are_refused_and_why(make, reason):
    with pytest.raises(UnsupportedError, match=f"known step.*{reason}"):
        taut.Proximal(make(), taut.L1(0.1))


def test_the_error_for_another_optimizer_names_those_that_work():
    class Adam(keras.optimizers.Adam):
        """One of someone else's, with a familiar name."""

    with pytest.raises(UnsupportedError, match=r"(?s)known for SGD, .*Adafactor.*Received: Adam\."):
        taut.Proximal(Adam(), taut.L1(0.1))


@pytest.mark.parametrize(
    "make",
    [lambda: keras.optimizers.SGD(0.1, clipnorm=1.0), keras.optimizers.Adafactor],
    ids=["clipped", "Adafactor"],
)
def test_steps_of_the_gradient_are_refused_on_several_devices(make, monkeypatch):
    # Elsewhere it takes a process of its own: TensorFlow is told of devices when it starts.
    monkeypatch.setattr("taut.optimizers.proximal.replicas", lambda: 2)
    with pytest.raises(UnsupportedError, match="on 2 devices"):
        network(taut.Proximal(make(), taut.L1(0.1)))
    network(taut.Proximal("adam", taut.L1(0.1)))


def test_decay_and_used_optimizers_are_refused():
    with pytest.raises(UnsupportedError, match="`weight_decay` must be 0"):
        taut.Proximal(keras.optimizers.AdamW(1e-3), taut.L1(0.1))
    used = keras.optimizers.SGD(0.1)
    used.build([keras.Variable(np.zeros(2))])
    with pytest.raises(InputError, match="must be new"):
        taut.Proximal(used, taut.L1(0.1))
    with pytest.raises(InputError, match="already Proximal"):
        taut.Proximal(taut.Proximal("sgd", "l1"), taut.L1(0.1))


def test_weights_are_penalised_but_not_biases_and_scales():
    found = penalised(network(taut.Proximal("sgd", taut.L1(0.1))))
    assert {k for k, v in found.items() if v == "L1"} == {"first/kernel", "last/kernel"}


def test_selectors():
    seen = []

    def scales(variable):
        seen.append(variable.path)
        return variable.path.endswith("gamma")

    optimizer = taut.Proximal(
        "sgd", {"last": taut.L1(0.1), "first/bias": taut.L2(0.3), scales: "l2", "first": None}
    )
    model = network(optimizer)
    found = penalised(model)
    assert found["last/kernel"] == "L1"
    assert found["last/bias"] == "—", "a pattern that names no variable means the weights"
    assert found["first/bias"] == "L2", "a pattern that names the bias reaches it"
    assert found["norm/gamma"] == "L2", "a callable decides alone"
    assert found["first/kernel"] == "—", "None leaves out"
    assert seen
    assert [float(s.numpy()) for s in optimizer.strengths] == pytest.approx([0.1, 0.3, 0.01])


def test_a_layer_is_a_selector():
    layer = keras.layers.Dense(1, name="chosen")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), layer])
    model.compile(optimizer=taut.Proximal("sgd", {layer: taut.L1(0.1)}), loss="mse")
    found = [v.penalty for v in taut.explain(model).variables]
    assert found == ["—", "—", "L1", "—"]


def test_a_selector_that_matches_nothing_lists_the_paths():
    with pytest.raises(InputError, match=r"(?s)pattern 'frist'.*first/kernel.*last/bias"):
        network(taut.Proximal("sgd", {"frist": taut.L1(0.1)}))
    with pytest.raises(InputError, match="regular expression"):
        taut.Proximal("sgd", {"(": taut.L1(0.1)})


def test_strengths_can_be_assigned_while_training(diabetes):
    x, y = diabetes
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(1)])
    model.compile(optimizer=taut.Proximal(keras.optimizers.SGD(0.1), taut.L1(0.0)), loss="mse")
    model.fit(x, y, epochs=3, verbose=0)
    assert np.count_nonzero(model.get_weights()[0]) == 10
    model.optimizer.strengths[0].assign(10.0)
    model.fit(x, y, epochs=3, verbose=0)
    assert np.count_nonzero(model.get_weights()[0]) == 0


def test_a_layers_own_penalty_is_lifted_out_of_the_loss_and_comes_back(diabetes):
    x, y = diabetes
    own = taut.L1(0.2)
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(1, kernel_regularizer=own)])
    model.compile(optimizer=taut.Proximal(keras.optimizers.SGD(0.1), None), loss="mse")
    history = model.fit(x, y, epochs=30, verbose=0).history
    assert float(keras.ops.convert_to_numpy(sum(model.losses))) == 0
    assert 0 < np.count_nonzero(model.get_weights()[0]) < 10
    prediction = model.predict(x, verbose=0).ravel()
    assert history["loss"][-1] == pytest.approx(((prediction - y) ** 2).mean(), rel=0.05)
    model.compile(optimizer="sgd", loss="mse")
    weights = np.abs(model.get_weights()[0]).sum()
    total = float(keras.ops.convert_to_numpy(sum(model.losses)))
    assert total == pytest.approx(0.2 * weights, rel=1e-5)


def test_keras_l1_leaves_no_exact_zero_where_ours_leaves_many(diabetes):
    x, y = diabetes
    theirs = keras.Sequential(
        [
            keras.Input((10,)),
            keras.layers.Dense(
                32, activation="relu", kernel_regularizer=keras.regularizers.L1(0.05)
            ),
            keras.layers.Dense(1),
        ]
    )
    theirs.compile(optimizer="adam", loss="mse")
    theirs.fit(x, y, epochs=30, verbose=0)
    ours = keras.Sequential(
        [keras.Input((10,)), keras.layers.Dense(32, activation="relu"), keras.layers.Dense(1)]
    )
    ours.compile(optimizer=taut.Proximal("adam", {"dense": taut.L1(0.05)}), loss="mse")
    ours.fit(x, y, epochs=30, verbose=0)
    assert (theirs.get_weights()[0] == 0).sum() == 0
    assert (ours.get_weights()[0] == 0).sum() > 200


def test_certificate_and_explanation_say_what_they_are(diabetes):
    x, y = diabetes
    model = network(taut.Proximal("adam", taut.L1(0.1)))
    certificate = taut.stationarity(model, x[:, :4], y)
    assert certificate.largest == max(certificate.residuals.values()) > 1e-2
    assert "not the global minimum" in certificate.note
    assert "largest" in str(certificate)
    text = str(taut.explain(model))
    assert "a bias" in text
    assert "0 of 12" in text
    unbuilt = keras.Sequential([keras.layers.Dense(1)])
    with pytest.raises(InputError, match="built"):
        taut.explain(unbuilt)
    with pytest.raises(InputError, match="compiled and built"):
        taut.stationarity(unbuilt, x, y)
