"""The laws of a loss in which the outputs of a larger model take a part."""

import keras
import numpy as np
import pytest
from keras import layers, losses

import taut
from taut.compaction import compact, multiply_adds
from taut.compaction.distilled import TEMPERATURE, Distilled, distilled
from tests.compaction.mortal import drawn, numbers, relu, x_

LOSSES = {
    "sparse": (losses.SparseCategoricalCrossentropy, "softmax", np.array([0, 2, 1])),
    "classes": (losses.CategoricalCrossentropy, "softmax", np.eye(3, dtype="float32")),
    "binary": (losses.BinaryCrossentropy, "sigmoid", np.float32([[1, 0, 1]] * 3)),
}
Z = np.array([[2, 0, -1], [0.5, 1, 0], [-1, 3, 0.2]], "float32")
LARGE = np.array([[1, 0.5, -2], [0, -1, 2], [0, 1, 0]], "float32")


def activated(kind, z):
    return numbers(keras.activations.get(kind)(keras.ops.convert_to_tensor(z)))


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("from_logits", [True, False])
def test_it_is_the_formula(name, from_logits):
    kind, activation, y = LOSSES[name]
    plain = kind(from_logits=from_logits)
    z, large = (a if from_logits else activated(activation, a) for a in (Z, LARGE))
    loss = Distilled(plain, 0.3)
    given, made = (activated(activation, a / TEMPERATURE) for a in (LARGE, Z))
    if name == "binary":
        soft = -(given * np.log(made) + (1 - given) * np.log(1 - made)).mean(1)
    else:
        soft = -(given * np.log(made)).sum(1)
    expected = 0.7 * numbers(plain(y, z)) + 0.3 * TEMPERATURE**2 * soft.mean()
    np.testing.assert_allclose(numbers(loss(loss.targets(y, large), z)), expected, rtol=1e-4)


@pytest.mark.parametrize("name", LOSSES)
def test_with_no_share_it_is_the_compiled_loss_and_with_all_the_large_model_is_its_least(name):
    kind, _, y = LOSSES[name]
    plain = kind(from_logits=True)
    none, whole = Distilled(plain, 0.0), Distilled(plain, 1.0)
    np.testing.assert_allclose(
        numbers(none(none.targets(y, LARGE), Z)), numbers(plain(y, Z)), rtol=1e-6
    )
    targets = whole.targets(y, LARGE)
    least = numbers(whole(targets, LARGE))
    moved = np.eye(3, dtype="float32") - 1 / 3
    for change in (moved, -moved):
        assert numbers(whole(targets, LARGE + 0.3 * change)) > least + 1e-3


def network(last=3, activation=None):
    return drawn(keras.Sequential([x_(4), relu(8, "a"), layers.Dense(last, activation)]))


@pytest.mark.parametrize(
    ("loss", "y", "holds"),
    [
        ("sparse_categorical_crossentropy", np.zeros(5), True),
        (losses.SparseCategoricalCrossentropy(True), np.zeros((5, 1)), True),
        (losses.sparse_categorical_crossentropy, np.zeros(5), True),
        (losses.CategoricalCrossentropy(label_smoothing=0.1), np.zeros((5, 3)), True),
        (losses.SparseCategoricalCrossentropy(ignore_class=0), np.zeros(5), False),
        (losses.CategoricalCrossentropy(axis=0), np.zeros((5, 3)), False),
        (losses.CategoricalFocalCrossentropy(), np.zeros((5, 3)), False),
        ("binary_crossentropy", np.zeros((5, 1)), False),  # of another shape than the outputs
        ("mse", np.zeros((5, 3)), False),
        (lambda y, p: keras.ops.mean((y - p) ** 2), np.zeros((5, 3)), False),
    ],
)
def test_for_which_losses_it_is_known(loss, y, holds):
    model = network()
    model.compile("sgd", loss)
    assert (distilled(model, y, 0.5) is not None) == holds


def test_weights_of_a_loss_and_several_outputs_are_left_alone():
    model = network()
    model.compile("sgd", "categorical_crossentropy", loss_weights=[2.0])
    assert distilled(model, np.zeros((5, 3)), 0.5) is None
    two = keras.Model(model.inputs, [model.outputs[0], layers.Dense(3)(model.outputs[0])])
    two.compile("sgd", "categorical_crossentropy")
    assert distilled(two, [np.zeros((5, 3))] * 2, 0.5) is None


@pytest.fixture(scope="module")
def task():
    draw = np.random.default_rng(0)
    x = draw.normal(size=(32, 4)).astype("float32")
    return x, (x[:, :3]).argmax(1)


def compacted(task, model, **options):
    target = multiply_adds(model) // 2
    return compact(model, *task, target_macs=target, epochs=1, measure=False, **options)


def test_the_smaller_model_is_compiled_as_the_model_was_and_keeps_its_optimizer(task):
    model = drawn(taut.Sequential([x_(4), relu(8, "a"), layers.Dense(3, "softmax")]))
    loss = losses.SparseCategoricalCrossentropy()
    model.compile("adam", loss, metrics=["accuracy"], weight_regularizer=taut.L1(1e-3))
    before = [numbers(w) for w in model.weights]
    result = compacted(task, model)
    assert "labels and, to a share of 0.5" in result.report.training
    assert "trained on labels and" in repr(result)
    small = result.model
    assert numbers(small.optimizer.iterations) == 1  # 32 rows are one step
    found = small.evaluate(*task, return_dict=True, verbose=0)
    made = numbers(small(task[0]))
    assert found["accuracy"] == pytest.approx((made.argmax(1) == task[1]).mean())
    picked = made[np.arange(len(made)), task[1]]
    np.testing.assert_allclose(loss(task[1], made), -np.log(picked).mean(), rtol=1e-4)
    for ours, theirs in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(ours, numbers(theirs))


def test_other_losses_are_trained_on_labels_alone_and_say_so(task):
    x, labels = task
    model = network()
    model.compile("sgd", "mse")
    y = np.eye(3, dtype="float32")[labels]
    result = compacted((x, y), model)
    assert result.report.training.startswith("labels alone: ")
    without = compacted((x, y), model, distillation=0.0)
    assert without.report.training == "labels alone"
    for ours, theirs in zip(result.model.weights, without.model.weights, strict=True):
        np.testing.assert_array_equal(numbers(ours), numbers(theirs))
    with pytest.raises(taut.InputError, match="`distillation` must be"):
        compacted((x, y), model, distillation=1.5)
