"""Rows that do not go with a model, and what is no model: every study says so alike, at once."""

import keras
import numpy as np
import pytest

import taut
from taut._losses import loss_parts
from taut.engine import ArraySource, Lane, train_lanes
from taut.errors import InputError

X = np.zeros((40, 4), "float32")
Y = np.arange(40) % 2


def network(inputs=4):
    model = keras.Sequential([keras.Input((inputs,)), keras.layers.Dense(1, name="out")])
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    return model


STUDIES = {
    "path": lambda *data: taut.regularization_path(*data, strengths=[0.1], cv=2),
    "choice": lambda *data: taut.choose_model(*data, strengths=[0.1]),
    "curve": lambda *data: taut.learning_curve(*data),
    "lanes": lambda *data: train_lanes(*data, [Lane()], epochs=1),
    "certificate": lambda *data: taut.stationarity(*data),
}
studies = pytest.mark.parametrize("study", STUDIES.values(), ids=STUDIES)


@studies
def test_the_shapes_that_the_model_takes_are_said(study):
    with pytest.raises(
        InputError, match=r"as the model .* takes them, \[rows, 5\]. Received: \[rows, 4\]"
    ):
        study(network(5), X, Y)
    with pytest.raises(InputError, match=r"Received: \[rows, 4\], \[rows, 4\]"):
        study(network(), [X, X], Y)
    with pytest.raises(
        InputError, match=r"for the outputs of .*\[rows, 1\].* Received: \[rows, 2\]"
    ):
        study(network(), X, np.stack([Y, Y], axis=1))


@studies
def test_one_output_is_not_compared_with_several_targets(study):
    model = network()
    model.compile("adam", "mse")
    with pytest.raises(InputError, match=r"for the outputs of .*Received: \[rows, 2\]"):
        study(model, X, np.stack([Y, Y], axis=1))
    model.compile("adam", lambda y, p: keras.ops.mean(keras.ops.square(y - p), axis=-1))
    study_of_two = STUDIES["lanes"](model, X, np.stack([Y, Y], axis=1))
    assert study_of_two.status == ("finished",)


@studies
def test_names_of_inputs_and_outputs_are_those_of_the_model(study):
    with pytest.raises(InputError, match=r"by the names of .*Received: `x` of \{'a'\}, `y` of one"):
        study(network(), {"a": X}, Y)
    with pytest.raises(InputError, match=r"by the names of .*`x` of one array, `y` of \{'b'\}"):
        study(network(), X, {"b": Y})


@studies
def test_targets_have_the_rows_of_the_inputs(study):
    with pytest.raises(InputError, match=r"(?s)(same|the 40) rows.*Received: .*\(\d+"):
        study(network(), X, Y[:30])


@pytest.mark.parametrize("name", ["path", "choice", "curve", "lanes"])
@pytest.mark.parametrize("model", [None, "model.keras", [network()]])
def test_what_is_no_model_is_said(name, model):
    with pytest.raises(InputError, match=r"must be a (compiled )?Keras model.* Received"):
        STUDIES[name](model, X, Y)


@pytest.mark.parametrize("name", ["choice", "curve"])
def test_rows_that_are_streamed_are_refused_where_they_cannot_be(name):
    with pytest.raises(InputError, match=r"needed at once\. Received: a ArraySource"):
        STUDIES[name](network(), ArraySource(X, Y), None)


@pytest.mark.parametrize("strengths", [5, 0.1, [], "abc", {"out": [0.1]}, [0.1, np.nan]])
def test_a_list_of_strengths_is_asked_for_where_a_number_is_not_taken(strengths):
    with pytest.raises(InputError) as error:
        taut.choose_model(network(), X, Y, strengths=strengths)
    assert "must be a list of finite numbers >= 0" in str(error.value)
    assert f"strengths={strengths!r}" in str(error.value)


@pytest.mark.parametrize(
    ("models", "received"),
    [({}, r"\{\}"), ({"a": 3}, r"\{'a': 'int'\}"), ({1: network()}, r"\{1: 'Sequential'\}")],
)
def test_models_by_name_are_asked_for(models, received):
    with pytest.raises(InputError, match=f"a dict of these by name. Received: {received}"):
        taut.choose_model(models, X, Y, strengths=[0.1])
    bare = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    with pytest.raises(InputError, match="must be compiled and built"):
        taut.choose_model({"a": network(), "b": bare}, X, Y, strengths=[0.1])


@pytest.mark.parametrize("name", ["path", "choice", "curve", "certificate"])
def test_a_list_of_rows_is_no_list_of_inputs(name):
    with pytest.raises(InputError, match=r"a list of 40 rows\. .*`np\.stack\(x\)`") as caught:
        STUDIES[name](network(), list(X), Y)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "sparse_categorical_crossentropy"])
def test_classes_as_the_other_loss_takes_them(loss):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, "softmax")])
    y = np.arange(6) % 3
    for made in (loss, keras.losses.get(loss)):
        model.compile("sgd", made)
        with pytest.raises(InputError, match=r"to_categorical\(y\)|argmax\(axis=-1\)"):
            loss_parts(model, np.zeros((6, 2)), np.eye(3)[y] if "sparse" in loss else y)
