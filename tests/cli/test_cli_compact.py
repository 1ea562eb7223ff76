"""`taut compact`: a saved model, and a run."""

import json
import os
import signal
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.compaction.mortal import CASES


@pytest.fixture
def saved(here):
    model, _ = CASES["dense_unread_units_and_inputs"].build()
    model.save(here / "m.keras")
    return model


def test_a_saved_model_becomes_smaller(taut, saved, here):
    result = taut("compact", "m.keras")
    assert result.exit_code == 0, result.output
    assert "m.keras: weights 74 → 39" in result.stdout
    small = keras.models.load_model(here / "m.compact.keras")
    facts = json.loads((here / "m.compact.json").read_text())
    (fed,) = facts["inputs"]
    x = np.random.default_rng(0).normal(size=(4, 5)).astype("float32")
    np.testing.assert_allclose(
        small.predict(x[:, fed["columns"]], verbose=0), saved.predict(x, verbose=0), atol=1e-5
    )
    again = taut("compact", "m.keras")
    assert again.exit_code == 2
    assert "--force" in again.stderr
    assert taut("compact", "m.keras", "--force", "--json", "-q").exit_code == 0
    nothing = taut("compact", "m.compact.keras", "--json")
    assert json.loads(nothing.stdout)["compact"] is None
    assert not Path(here / "m.compact.compact.keras").exists()


def test_what_stays_is_told_with_a_remedy(taut, here):
    hidden = keras.layers.Dense(3, "relu", name="hidden", kernel_initializer="zeros")
    model = keras.Sequential(
        [
            keras.Input((2,)),
            hidden,
            keras.layers.LayerNormalization(name="norm"),
            keras.layers.Dense(1),
        ]
    )
    hidden.kernel.assign([[1.0, 0.0, 2.0], [1.0, 0.0, -1.0]])
    model.save(here / "m.keras")
    result = taut("compact", "m.keras")
    assert result.exit_code == 0, result.output
    told = result.stdout.splitlines()
    assert told[0] == "m.keras: nothing was removed: 1 dead unit stays, for the reasons below"
    assert told[1].startswith("kept: hidden: 1 dead stay: read by 'norm'")


@pytest.mark.parametrize(
    ("at", "files", "words"),
    [
        (0, [], "nothing was written"),
        (1, ["m.compact.keras"], "m.compact.keras is whole"),  # put off until the rename is done
        (2, ["m.compact.keras", "m.compact.json"], "m.compact.keras is whole"),
    ],
)
def test_an_interrupt_leaves_both_files_or_says_which(
    taut, saved, here, monkeypatch, at, files, words
):
    replace, done = os.replace, []

    def interrupted(*paths):
        if len(done) == at:
            os.kill(os.getpid(), signal.SIGINT)
        done.append(paths)
        replace(*paths)

    monkeypatch.setattr("taut_cli.output.os.replace", interrupted)
    result = taut("compact", "m.keras")
    assert result.exit_code == 130
    assert {path.name for path in here.iterdir()} == {"m.keras", *files}
    assert words in result.stderr


def _save_with_a_layer_of_its_own(path):
    class Mine(keras.layers.Layer):
        def call(self, x):
            return x

    keras.Sequential([keras.Input((2,)), Mine()]).save(path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["absent.keras"], "no file"),
        (["absent"], "a model that Keras saved (.keras). Received: absent, which is no directory"),
        (["text.keras"], "Keras can load by itself. Received: 'text.keras'"),
        (["own.keras"], "its class 'Mine' is not one of Keras). A model with layers or functions"),
        (["m.keras", "--out", "small.h5"], ".keras"),
        (["m.keras", "--tolerance", "-1"], "`tolerance`"),
    ],
)
def test_bad_input(taut, saved, here, arguments, words):
    (here / "text.keras").write_text("no model")
    _save_with_a_layer_of_its_own(here / "own.keras")
    before = sorted(here.iterdir())
    result = taut("compact", *arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert sorted(here.iterdir()) == before


def test_a_run_becomes_a_run_with_the_same_inputs(taut, fits, table, here):
    from taut.tables.network import network

    assert taut("fit", table, "--target", "ill").exit_code == 0
    model = network(6, 2, numbers=4, bins=2, members=2, classes=True)
    draw = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(draw.normal(size=variable.shape))
    for name in ("kernel", "bias"):
        variable = getattr(model.get_layer("first"), name)
        value = np.array(keras.ops.convert_to_numpy(variable))
        value[..., 10:] = 0  # dead in both members
        variable.assign(value)
    model.save(here / "taut-run" / "model.keras")
    result = taut("compact", "taut-run")
    assert result.exit_code == 0, result.output
    small = keras.models.load_model(here / "taut-run-compact" / "model.keras")
    assert small.get_layer("first").units == 10
    assert (here / "taut-run-compact" / "metrics.json").is_file()
    x = draw.normal(size=(5, 6)).astype("float32")
    np.testing.assert_allclose(small.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-5)
