"""What newcomers try first: each error gives the rule, what was received and the remedy."""

import keras
import numpy as np
import pandas as pd
import pytest

import taut
from taut.engine import Lane, train_lanes
from taut.errors import InputError, UnsupportedError
from taut.text import words_of

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3)).astype("float32")
Y = (X[:, 0] > 0).astype("float32")


def network(loss="mse", outputs=1, activation=None, first=()):
    model = keras.Sequential(
        [keras.Input((3,)), *first, keras.layers.Dense(outputs, activation=activation)]
    )
    model.compile("adam", loss)
    return model


def path(x=X, y=Y, model=None, **options):
    settings = {"strengths": [0.1, 0.01], "cv": 2, "epochs": 1, **options}
    return taut.regularization_path(model or network(), x, y, **settings)


def penalised():
    model = network()
    model.compile(taut.Proximal("adam", taut.L1()), "mse")
    return model


def lanes(*given, x=X, y=Y, model=None, **options):
    return train_lanes(model or network(), x, y, *(given or ([Lane()],)), epochs=2, **options)


def with_nan(values):
    values = values.copy()
    values[7] = np.nan
    return values


BINARY = {"loss": "binary_crossentropy", "activation": "sigmoid"}
THREE = {"loss": "sparse_categorical_crossentropy", "outputs": 3, "activation": "softmax"}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: path(x=with_nan(X)), r"`x` must be finite.*1 of 60 rows, first in row 7.*Fill"),
        (lambda: path(x=with_nan(X), strengths=3), r"`x` must be finite"),
        (lambda: path(y=with_nan(Y)), r"`y` must be finite.*1 of 60 rows, first in row 7"),
        (
            lambda: path(y=np.where(Y > 0, "yes", "no")),
            r"`y` must hold.*such as 'yes'\..*np.unique",
        ),
        (lambda: path(x=np.full((60, 3), "a")), r"`x` must hold numbers"),
        (
            lambda: path(callbacks=[keras.callbacks.EarlyStopping()]),
            r"taut.engine.Callback.*EarlyStopping.*patience",
        ),
        (lambda: lanes(Lane()), r"`lanes` must be a list of `taut.engine.Lane`s.*lanes=Lane\("),
        (lambda: lanes([3]), r"`lanes` must be a list of .*Received: 3 among its items"),
        (lambda: lanes([]), r"`lanes` must hold at least one lane"),
        (lambda: lanes([Lane("a")]), r"only where the model has penalties"),
        (lambda: lanes([Lane("a")], model=penalised()), r"`strengths` must be finite numbers >= 0"),
        (lambda: lanes([Lane(split=0.5)]), r"`split` must name one of the 1 splits.*split=0\.5"),
        (lambda: lanes([Lane(target="b")]), r"`target` must name one of .*target='b'"),
        (lambda: lanes([Lane(epochs=1.5)]), r"`epochs` must be from 1 to the study's 2.*=1\.5"),
        (lambda: lanes([Lane(start="a")]), r"`start` must be the number of an earlier lane.*'a'"),
        (lambda: lanes([Lane(values=3)]), r"`values` must map paths.*values=3"),
        (lambda: lanes(splits=[(X, Y)]), r"`splits` must be a list of `taut.engine.Split`s"),
        (lambda: lanes(splits=[]), r"`splits` must hold at least one split"),
        (lambda: words_of(None), r"`text` must be str\. Received: text=None"),
        (lambda: lanes(groups=3), r"`groups` must be a list of numbers.*groups=3"),
        (lambda: lanes(halving=3), r"`halving` must be a `taut.engine.Halving` or None"),
        (lambda: lanes(race=3), r"`race` must be a `taut.engine.Race` or None"),
        (lambda: lanes(checkpoint_seconds="a"), r"`checkpoint_seconds` must be a finite number"),
        (lambda: lanes(callbacks=[keras.callbacks.History()]), r"`callbacks` of a study.*History"),
        (lambda: lanes(callbacks=taut.engine.Callback()), r"`callbacks` of a study must be a list"),
        (lambda: lanes(y=None, targets=3), r"`targets` must be a list.*targets=3"),
        (lambda: taut.explain(None), r"`model` must be a built Keras model\. Received: None"),
        (
            lambda: taut.stationarity(3, X, Y),
            r"`model` must be a Keras model.*class int",
        ),
        (
            lambda: taut.FISTA().minimize("m", X, Y),
            r"`model` must be a Keras model.*the path",
        ),
        (lambda: taut.stationarity(network(None), X, Y), r"`model` must be compiled with a loss"),
        (lambda: taut.stationarity(network(), with_nan(X), Y), r"`x` must be finite.*row 7"),
        (lambda: taut.FISTA().minimize(penalised(), with_nan(X), Y), r"`x` must be finite"),
        (lambda: taut.stationarity(network(), X[:0], Y[:0]), r"`x` must hold at least one row"),
        (lambda: lanes(y=Y[:0], x=X[:0]), r"A split must train on at least one row"),
        (lambda: path(checkpoint=3), r"`checkpoint` must be a path\. Received: checkpoint=3"),
        (lambda: path(cv="5"), r"`cv` must be a number of folds.*cv='5'"),
        (
            lambda: train_lanes(network(), X, Y, [Lane((0.1,))], epochs=1),
            r"only where the model has penalties.*lane 0.*taut.Proximal",
        ),
        (
            lambda: network().fit(X, Y, verbose=0, callbacks=[schedule()]),
            r"needs strengths.*taut.Proximal",
        ),
        (lambda: taut.L1(alpha=0.1), r"`L1` are strength\. Received: alpha=0.1.*from_sklearn"),
        (lambda: taut.L1(l1=0.1), r"Received: l1=0.1"),
        (lambda: taut.ElasticNet(l1=0.1, l2=0.2), r"strength, l1_ratio.*l1=0.1, l2=0.2.*L1\(a\)"),
        (lambda: taut.L1(np.ones(3)), r"`strength` must be a finite number"),
        (lambda: taut.L1(0.1) + taut.L1(0.1), r"Add their strengths.*taut.L1\(a \+ b\)"),
        (lambda: taut.L1(0.1) + keras.regularizers.OrthogonalRegularizer(), r"Keras"),
        (lambda: 2 * taut.L1(0.1), r"its own strength.*2 · L1"),
        (lambda: taut.Proximal("adam", taut.L1), r"the class L1\. Write `taut.L1\(0.01\)`"),
        (lambda: path(cv=(np.arange(30), np.arange(30, 60))), r"\[\(train, held_out\)\]"),
        (lambda: path(cv=0.2), r"`cv` must be a number of folds.*cv=0\.2.*ShuffleSplit"),
        (lambda: path(sample_weight="w"), r"`sample_weight` must be numbers.*name of a column"),
        (lambda: path(memory="1 GB"), r"`memory` must be an integer >= 1"),
        (lambda: path(checkpoint_seconds=None), r"`checkpoint_seconds` must be a finite number"),
        (lambda: taut.diagnose(network(), X), r"`y` must be given with arrays"),
        (
            lambda: taut.diagnose(network(), X, Y, trials=False, level="high"),
            r"`level` must be between 0 and 1",
        ),
        (
            lambda: path(cv=[(np.arange(40), np.arange(30, 60))]),
            r"must not be trained on.*10 rows on both sides, such as row 30",
        ),
        (lambda: taut.fit_table("table.csv", target="y"), r"Received: str.*read_table"),
        (lambda: taut.fit_table({"y": [1]}, target="y"), r"Received: dict.*DataFrame"),
        (
            lambda: path(y=np.arange(60) % 4, model=network(**THREE)),
            r"whole numbers from 0 to 2.*from 0 to 3",
        ),
        (lambda: path(y=np.arange(60) % 3, model=network(**BINARY)), r"from 0 to 1.*from 0 to 2"),
        (lambda: path(cv=[(Y > 0, Y <= 0)]), "row numbers, not a mask: use `np.flatnonzero`"),
        (lambda: path(start="here"), r'`start` must be "fresh" or "present"'),
        (lambda: path(warm_start=[]), r'`warm_start` must be None, "down", "up" or "both"'),
        (lambda: path(x=[[1.0], [1.0, 2.0]]), r"`x` must be an array.*differ in length"),
        (
            lambda: taut.diagnose(network(), X, Y, trials=False, names=3),
            r"`names` must be a list of names\. Received: names=3",
        ),
        (
            lambda: taut.diagnose(network(), X, Y, trials=False, ignore=3),
            r"`ignore` must be a list of names\. Received: ignore=3",
        ),
        (lambda: taut.compact(network(), ignore=3), r"`ignore` must be a list of layers.*ignore=3"),
        (
            lambda: taut.stability_selection(network(), X, Y, names=3),
            r"`names` must be a list of names\. Received: names=3",
        ),
        (
            lambda: taut.fit_table(pd.DataFrame({"y": [1, 2]}), target="y", drop=3),
            r"`drop` must be a list of names\. Received: drop=3",
        ),
        (
            lambda: taut.fit_text(["a", "b"], [0, 1], words=[3, ["a"]]),
            r"`words` must be a list of names.*\['a'\]",
        ),
    ],
)
def test_the_rule_what_was_received_and_the_remedy(call, words):
    with pytest.raises((InputError, UnsupportedError), match=f"(?s){words}"):
        call()


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 6

    def __getitem__(self, index):
        return X[10 * index : 10 * index + 10], Y[10 * index : 10 * index + 10]


@pytest.mark.parametrize(
    "study",
    [
        lambda x, y: taut.learning_curve(network(), x, y),
        lambda x, y: taut.memorization(network(**BINARY), x, y),
        lambda x, y: taut.seed_variance(network(), x, y),
        lambda x, y: taut.epoch_curve(network(), x, y),
        lambda x, y: taut.capacity_curve(lambda size: network(), [1, 2], x, y),
        lambda x, y: taut.label_noise(network(**BINARY), x, y),
        lambda x, y: taut.stability_selection(network(), x, y),
        lambda x, y: taut.choose_model({"a": network()}, x, y, strengths=[0.1, 0]),
        lambda x, y: taut.diagnose(network(), x, y),
        lambda x, y: path(x, y),
    ],
)
def test_a_loader_or_a_missing_target_is_told(study):
    pairs = ((X[i : i + 10], Y[i : i + 10]) for i in range(0, 60, 10))
    with pytest.raises(InputError, match=r"`x` must be .* a generator, which yields .*Join"):
        study(pairs, None)
    with pytest.raises(InputError, match="`y` must be given with arrays"):
        study(X, None)
    if "path" not in study.__code__.co_names:
        with pytest.raises(InputError, match=r"a Batches, which yields .*PyDataset"):
            study(Batches(), None)


def test_a_loader_is_no_rows_of_a_function_of_a_model():
    for call in (
        lambda: taut.stationarity(network(), Batches(), Y),
        lambda: taut.compact(network(), Batches(), Y, target_macs=2),
        lambda: lanes(x=iter(X)),
    ):
        with pytest.raises(InputError, match=r"`x` must be .* which yields them one part after"):
            call()


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="streams need JAX")
@pytest.mark.parametrize(
    ("loss", "good", "bad", "words"),
    [(THREE, np.arange(60) % 3, 9, "whole numbers from 0 to 2"), ({}, Y, np.nan, "be finite")],
)
def test_targets_of_streamed_rows_are_looked_at_as_they_are_read(loss, good, bad, words):
    y = np.where(IDLE, bad, good)
    with pytest.raises(InputError, match=words):
        path(y=y, model=network(**loss), memory=1 << 26)
    if bad == 9:
        path(y=y, model=network(**loss), memory=1 << 26, sample_weight=np.where(IDLE, 0.0, 1.0))


def by_names():
    inputs = {"b": keras.Input((3,), name="b"), "a": keras.Input((3,), name="a")}
    parts = [keras.layers.Dense(1)(inputs[name]) for name in ("a", "b")]
    model = keras.Model(inputs, keras.layers.Add()(parts))
    model.compile("adam", "mse")
    return model


@pytest.mark.parametrize("wrong", [{"a": X, "aa": X, "b": X}, {"a": X}, {"a": X, "c": X}])
def test_inputs_by_name_are_those_of_the_model(wrong):
    for study in (taut.regularization_path, taut.stationarity, taut.diagnose):
        with pytest.raises(InputError, match=r"by their names, 'a', 'b'\. Received: 'a'"):
            study(by_names(), wrong, Y)
    path(x={"b": X, "a": X}, model=by_names())


def schedule():
    return taut.callbacks.StrengthSchedule(lambda epoch: 1.0)


def test_what_is_clear_is_taken():
    assert Lane(0.1) == Lane((0.1,))
    assert Lane(np.float64(0.1)).strengths == (0.1,)
    rate = {"learning_rate": np.ones(2)}
    assert Lane(0.1, values=rate) == Lane(0.1, values={"learning_rate": np.ones(2)})
    assert Lane(0.1, values=rate) not in (Lane(0.1), Lane(0.1, values={"learning_rate": 3.0}))
    assert len({Lane(0.1), Lane((0.1,)), Lane(0.1, seed=1)}) == 2
    penalty = taut.L1(0.1) + keras.regularizers.L2(0.1)
    assert repr(penalty) == repr(taut.L1(0.1) + taut.L2(0.2))
    assert repr(keras.regularizers.L2(0.1) + taut.L1(0.1)) == repr(taut.L2(0.2) + taut.L1(0.1))
    assert taut.FISTA.minimize is taut.FISTA.minimise
    given = path(x=X.tolist(), y=Y.tolist())
    assert given.summary.equals(path().summary)


def test_inputs_that_the_model_fills_may_be_missing():
    x = X.copy()
    x[::5, 1] = np.nan
    model = network(first=[taut.layers.Standardize()])
    assert np.isfinite(path(x=x, model=model).table["held_out_loss"]).all()


def test_a_printed_strength_is_found():
    result = path(strengths=[1.8551834, 0.0123456789])
    for printed in ("1.85518", "1.8552", "0.0123457"):
        assert len(result.models(float(printed))) == 2
    with pytest.raises(InputError, match=r"strength=1\.8; the nearest is 1\.8551834"):
        result.models(1.8)


IDLE = np.arange(60) >= 50


@pytest.mark.parametrize(
    ("loss", "good", "bad", "words"),
    [
        (THREE, np.arange(60) % 3, 9, "must be whole numbers from 0 to 2"),
        ({}, Y, np.nan, "must be finite"),
        (BINARY, Y, 7.0, "must be from 0 to 1"),
    ],
)
def test_targets_that_no_loss_looks_at_may_be_anything(loss, good, bad, words):
    y, weight = np.where(IDLE, bad, good), np.where(IDLE, 0.0, 2.0)
    parts = np.arange(0, 60, 2), np.arange(1, 60, 2)  # others depend on all labels
    settings = {"cv": [parts, parts[::-1]], "sample_weight": weight}
    expected = path(y=good, model=network(**loss), **settings)
    found = path(y=y, model=network(**loss), **settings)
    np.testing.assert_array_equal(found.table["held_out_loss"], expected.table["held_out_loss"])
    assert np.isfinite(found.table["held_out_loss"]).all()
    with pytest.raises(InputError, match=words):  # all of them count
        path(y=y, model=network(**loss), sample_weight=np.full(60, 2.0))


@pytest.mark.parametrize("layer", [keras.layers.UnitNormalization, keras.layers.LayerNormalization])
def test_explain_names_only_what_is_there(layer):
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(4), layer(name="norm"), keras.layers.Dense(1)]
    )
    model.compile(taut.Proximal("adam", taut.L1(0.01)), "mse")
    (text,) = [text for text in taut.explain(model).warnings if "'norm'" in text]
    assert ("norm/gamma" in text) == any(v.name == "gamma" for v in model.trainable_variables)


@pytest.mark.parametrize(
    "study",
    [
        lambda seed: path(seed=seed),
        lambda seed: taut.learning_curve(network(), X, Y, seed=seed),
        lambda seed: taut.memorization(network(**BINARY), X, Y, seed=seed),
        lambda seed: taut.seed_variance(network(), X, Y, seed=seed),
        lambda seed: taut.epoch_curve(network(), X, Y, seed=seed),
        lambda seed: taut.capacity_curve(lambda size: network(), [1, 2], X, Y, seed=seed),
        lambda seed: taut.label_noise(network(**BINARY), X, Y, seed=seed),
        lambda seed: taut.stability_selection(network(), X, Y, seed=seed),
        lambda seed: taut.choose_model({"a": network()}, X, Y, strengths=[0.1, 0], seed=seed),
        lambda seed: taut.diagnose(network(), X, Y, seed=seed),
        lambda seed: taut.compact(network(), X, seed=seed),
    ],
)
def test_a_seed_that_is_no_whole_number_is_refused_before_any_training(study):
    for seed in (1.5, -1, "a", None):
        with pytest.raises(InputError, match="`seed` must be an integer >= 0"):
            study(seed)
