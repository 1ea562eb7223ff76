"""A study of a model as it was compiled: its penalties stay, whoever treats them."""

import keras
import numpy as np
import pandas as pd
import pytest

import taut
from taut import layers, models, regularizers
from taut.errors import InputError
from taut.studies.as_compiled import as_compiled
from taut.studies.training_settings import Settings

X = np.random.default_rng(0).random((60, 5))
Y = np.random.default_rng(1).integers(0, 2, (60, 1))


def tutorial():
    model = models.Sequential(
        [
            layers.Input((5,)),
            layers.Dense(8, activation="relu", kernel_regularizer=regularizers.l1(0.01)),
            layers.Dense(1, activation="sigmoid", kernel_regularizer=regularizers.l2(0.02)),
        ]
    )
    model.compile(optimizer="adam", loss="binary_crossentropy")
    return model


def test_regularizers_of_layers_that_are_treated_by_steps_are_studied():
    """Their copies have no optimizer when they are compared, and so would add them to the loss."""
    study = as_compiled(tutorial(), X, Y, cv=2)
    assert study.strengths == pytest.approx((0.01, 0.04))  # Keras's l2(a) is taut's L2(2a)
    record = study.rows.train(
        study.copy, [study.lane(0, 0)], Settings.checked(epochs=1, batch_size=32), "a"
    )
    assert np.isfinite(record.train_loss).all()


@pytest.mark.parametrize("optimizer", ["adam", taut.Proximal("adam", taut.L1(0.03))])
def test_plain_models_are_studied_with_what_they_have(optimizer):
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(1, "sigmoid")])
    model.compile(optimizer, "binary_crossentropy")
    study = as_compiled(model, X, Y, cv=2)
    assert study.strengths == pytest.approx(() if optimizer == "adam" else (0.03,))


def test_further_penalties_begin_at_nothing():
    model = tutorial()
    path = taut.regularization_path(
        model, X, Y, penalty=taut.L2, strengths=[0.1], cv=2, epochs=1, callbacks=[]
    )
    assert len(path.kept_penalties) == 2


STUDIES = {
    "path": lambda *given, **more: taut.regularization_path(*given, strengths=[0.1], **more),
    "choose": lambda *given, **more: taut.choose_model(*given, strengths=[0.1], **more),
    "learning": taut.learning_curve,
    "seeds": taut.seed_variance,
    "capacity": lambda model, *given, **more: taut.capacity_curve(
        lambda _: model, [1, 2], *given, **more
    ),
    "epochs": taut.epoch_curve,
    "stability": taut.stability_selection,
    "noise": taut.label_noise,
}


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.parametrize("case", ["one class", "one label", "unknown label"])
def test_labels_that_tell_nothing_apart_are_one_error_before_training(name, case, monkeypatch):
    monkeypatch.setattr("taut.studies.folded.train_lanes", None)
    y = {"one class": np.ones(60), "one label": np.array(["b"] * 60)}
    weights = {"unknown label": {"yes": 2.0, "n": 1.0}}.get(case)
    message = "two classes at least|of one class" if weights is None else "'n' for the classes"
    targets = y.get(case, np.where(Y[:, 0], "yes", "no"))
    with pytest.raises(InputError, match=message):
        STUDIES[name](tutorial(), X, targets, class_weight=weights, epochs=2, callbacks=[])


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.parametrize("what", ["y", "sample_weight"])
def test_rows_in_another_order_are_one_error_before_training(name, what, monkeypatch):
    monkeypatch.setattr("taut.studies.folded.train_lanes", None)
    x, y = pd.DataFrame(X), pd.Series(Y[:, 0])
    given = {"y": y, "sample_weight": pd.Series(np.ones(60))}
    given[what] = given[what].sample(frac=1, random_state=0)
    with pytest.raises(InputError, match=f"`{what}` must be in the order of"):
        STUDIES[name](tutorial(), x, given.pop("y"), epochs=2, callbacks=[], **given)
