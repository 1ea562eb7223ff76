"""The diagnosis as a whole: verdicts on models whose state is known, and what it refuses."""

import json
import re
from dataclasses import replace

import keras
import numpy as np
import pytest
from sklearn.model_selection import ShuffleSplit

import taut
from taut.catalogue import LANGUAGES, catalogue
from taut.diagnosis import Diagnosis, Verdict
from taut.diagnosis.diagnosis_result import in_importance
from taut.diagnosis.fold_trainer import FoldTrainer, Plan, Trial
from taut.diagnosis.gains import chosen, interval_over_folds
from taut.diagnosis.given_subject import subject_of
from taut.diagnosis.trial_requests import with_strengths
from taut.diagnosis.trials import try_more, try_out
from taut.diagnosis.variants import resized, with_dropout
from taut.diagnosis.words import CODES, codes_of
from taut.studies.training_settings import Settings

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="trains many lanes, which other backends do one by one"
)


def rows(count, noise=0.3, inputs=6, seed=0):
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(count, inputs)).astype("float32")
    y = (x[:, 0] - x[:, 1] + noise * draw.normal(size=count) > 0).astype("float32")
    return x, y


def network(units=16, optimizer="adam"):
    layers = [
        keras.Input((6,)),
        keras.layers.Dense(units, "relu"),
        keras.layers.Dense(1, "sigmoid"),
    ]
    model = keras.Sequential(layers)
    model.compile(optimizer, "binary_crossentropy")
    return model


@pytest.fixture(scope="module")
def overfitted():
    x, y = rows(60, noise=2.0)
    model = network(64, keras.optimizers.Adam(0.02))
    model.fit(x, y, epochs=60, verbose=0)
    return model, x, y


@pytest.fixture(scope="module")
def diagnosed(overfitted):
    model, x, y = overfitted
    return taut.diagnose(model, x, y, validation=rows(300, noise=2.0, seed=1), callbacks=[])


def test_a_network_that_learned_noise_by_heart_overfits(diagnosed):
    assert "overfitting" in diagnosed.codes
    assert "about_right" not in diagnosed.codes
    assert diagnosed.gap.low > 0.1 * diagnosed.gap.base_loss


def test_what_is_advised_was_measured_to_help(diagnosed, overfitted):
    assert diagnosed.advice
    assert all(a.low > 0 for a in diagnosed.advice)
    assert set(diagnosed.advice) <= set(diagnosed.tried)
    gains = [a.gain for a in diagnosed.advice]
    assert gains == sorted(gains, reverse=True)


def test_the_gap_is_that_of_the_model_itself(diagnosed, overfitted):
    model, x, y = overfitted
    new_x, new_y = rows(300, noise=2.0, seed=1)
    expected = model.evaluate(new_x, new_y, verbose=0) - model.evaluate(x, y, verbose=0)
    assert diagnosed.gap.estimate == pytest.approx(expected, abs=1e-5)


def test_the_model_is_left_as_it_was(overfitted):
    model, x, y = overfitted
    before = [np.array(w) for w in model.get_weights()]
    taut.diagnose(model, x, y, trials=False, callbacks=[])
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_what_is_saved_is_what_is_loaded(diagnosed, tmp_path):
    path = diagnosed.save(tmp_path / "d.json")
    assert Diagnosis.load(path) == diagnosed
    with pytest.raises(taut.InputError, match="new file"):
        diagnosed.save(path)
    path.write_text("{}")
    with pytest.raises(taut.InputError, match="save"):
        Diagnosis.load(path)


def test_muted_verdicts_are_kept_apart(diagnosed):
    quiet = diagnosed.without(codes_of("overfitting"))
    assert "overfitting" not in quiet.codes
    assert "overfitting" in [v.code for v in quiet.muted]


def test_without_a_verdict_that_is_said(diagnosed):
    silent = diagnosed.without(diagnosed.codes)
    assert not silent.verdicts
    assert repr(silent).startswith("No verdict but what `ignore` mutes.")
    assert "<li>No verdict" in silent._repr_html_()
    assert replace(silent, muted=()).text(lang="zh").startswith("没有结论")


def test_several_outputs_are_named_where_inputs_are_permuted():
    x, y = rows(40)
    read = keras.Input((6,))
    model = keras.Model(
        read,
        {
            "a": keras.layers.Dense(1, name="a")(read),
            "b": keras.layers.Dense(1, "sigmoid", name="b")(read),
        },
    )
    model.compile("sgd", {"a": "mse", "b": "binary_crossentropy"})
    both = {"a": y, "b": y}
    found = taut.diagnose(model, x, both, validation=(x, both), trials=False, callbacks=[])
    assert "Inputs without use: needs one target a row, not one for each output" in found.left_out
    assert not any("it failed" in text for text in found.left_out)


def test_tables_and_pictures_have_what_was_measured(diagnosed):
    frame = diagnosed.to_frame()
    assert set(frame["kind"]) == {"verdict", "evidence", "tried"}
    assert (frame["kind"] == "tried").sum() == len(diagnosed.tried)
    names = json.dumps(diagnosed.plot().to_dict())
    assert all(a.what in names for a in diagnosed.tried)
    assert "overfits" in repr(diagnosed)
    assert "过拟合" in diagnosed.text(lang="zh")
    assert "<b>overfitting</b>" in diagnosed._repr_html_()


@pytest.mark.slow
def test_too_few_epochs_are_underfitting():
    x, y = rows(400)
    model = network()
    model.fit(x, y, epochs=2, verbose=0)
    found = taut.diagnose(model, x, y, validation=rows(300, seed=1), callbacks=[])
    assert "underfitting" in found.codes
    assert found.advice[0].code == "longer"
    # The loss falls to the last epoch that was tried: to stop there is to train longer.
    assert "stop" not in {a.code for a in found.tried}


SUBJECT = {"validation": None, "groups": None, "sample_weight": None, "class_weight": None}
SUBJECT |= {"epochs": 5, "batch_size": 32, "names": None, "seed": 0}


@pytest.mark.parametrize("given", [{0: 1, 1: 3}, "balanced"])
def test_weights_of_classes_are_weights_of_rows(given):
    x, y = rows(60)
    model, new = network(), rows(40, seed=1)
    shares = np.bincount(y.astype(int)) / len(y)
    of_class = np.array([1.0, 3.0]) if given != "balanced" else 0.5 / shares
    weights, new_weights = (of_class[labels.astype(int)] for labels in (y, new[1]))
    options = {**SUBJECT, "validation": new, "class_weight": given}
    found = subject_of(model, x, y, **options)
    options = {**SUBJECT, "validation": (*new, new_weights), "sample_weight": weights}
    same = subject_of(model, x, y, **options)
    assert found.held_out is not None
    assert same.held_out is not None
    np.testing.assert_allclose(found.train.weights, weights, rtol=1e-6)
    np.testing.assert_allclose(found.held_out.weights, new_weights, rtol=1e-6)
    assert found.base == pytest.approx(same.base)
    assert found.held_out.loss == pytest.approx(same.held_out.loss)
    text = np.array(["no", "yes"])
    labels = {"no": 1, "yes": 3} if given != "balanced" else given
    named = {**SUBJECT, "validation": (new[0], text[new[1].astype(int)]), "class_weight": labels}
    told = subject_of(model, x, text[y.astype(int)], **named)
    np.testing.assert_allclose(told.train.weights, weights, rtol=1e-6)
    with pytest.raises(taut.InputError, match="Multiply them"):
        subject_of(model, x, y, **{**options, "sample_weight": None, "class_weight": given})


def test_a_trial_of_several_seeds_is_the_mean_of_trials_of_one():
    x, y = rows(60)
    options = {**SUBJECT, "validation": rows(40, seed=1)}
    subject = replace(subject_of(network(), x, y, **options), shifted=True, contrasted=True)
    plan = Plan(None)
    study, axes = with_strengths(subject, {"cv": 2, "seed": 0}, plan)
    settings = Settings.checked(epochs=3, batch_size=32)
    both = FoldTrainer(study, subject, plan, seeds=2)
    lanes = [*both.lanes(axes.at(0, 0)), *both.part_lanes(axes.at(0, 0), 3)]
    record = both.train(lanes, settings, "both")
    whole = both.trial("as_is", "as it is", record, range(4))
    alone = FoldTrainer(study, subject, plan)
    of_seed = [alone.trial("as_is", "as it is", record, at) for at in both.by_seed(range(4))]
    assert not np.allclose(of_seed[0].losses, of_seed[1].losses, rtol=1e-3)
    for name in ("losses", "train_losses", "elsewhere"):
        of_each = [getattr(trial, name) for trial in of_seed]
        np.testing.assert_allclose(getattr(whole, name), np.mean(of_each, axis=0), rtol=1e-5)
    for side in (0, 1):
        shares = [trial.shares[side] for trial in of_seed]
        np.testing.assert_allclose(whole.shares[side], np.mean(shares, axis=0), rtol=1e-5)
    parts = [alone.parts(record, first) for first in (4, 10)]
    for found, one, other in zip(both.parts(record, 4), *parts, strict=True):
        np.testing.assert_allclose(found, (one + other) / 2, rtol=1e-5)


def test_weights_of_steps_weigh_the_steps():
    draw = np.random.default_rng(0)
    x = draw.normal(size=(30, 4, 2)).astype("float32")
    y = x[..., :1] + draw.normal(size=(30, 4, 1))
    weights = draw.random((30, 4)) * (draw.random((30, 4)) > 0.3)
    weights[:3] = 0
    model = keras.Sequential([keras.Input((4, 2)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    options = {**SUBJECT, "sample_weight": weights}
    subject = subject_of(model, x, y, **options)
    squares = ((model.predict(x, verbose=0) - y) ** 2)[..., 0]
    assert subject.train.loss == pytest.approx(np.average(squares, weights=weights))
    constants = np.average(y[..., 0], axis=0, weights=weights)
    base = np.average((y[..., 0] - constants) ** 2, weights=weights)
    assert subject.base == pytest.approx(base)
    by_output = {"a": np.ones(30), "b": np.ones(30)}
    made = keras.Input((2,))
    two = keras.Model(made, {k: keras.layers.Dense(1, name=k)(made) for k in by_output})
    two.compile("sgd", "mse")
    options = {**SUBJECT, "sample_weight": by_output}
    with pytest.raises(taut.InputError, match="weights by output"):
        subject_of(two, x[:, 0], dict.fromkeys(by_output, y[:, 0]), **options)


@pytest.mark.slow
def test_inputs_and_rows_can_be_left_out(overfitted):
    model, x, y = overfitted
    subject = subject_of(model, x, y, **SUBJECT)
    trials = try_out(subject, cv=2, seconds=None, callbacks=())
    more = try_more(trials, unused=[2, 3], doubtful=np.array([0, 7]))
    assert set(more.tried) - set(trials.tried) == {"drop_inputs", "clean_rows"}
    (dropped,), (cleaned,) = more.tried["drop_inputs"], more.tried["clean_rows"]
    assert len(dropped.losses) == len(cleaned.losses) == len(x)
    assert not np.allclose(dropped.losses, trials.as_is.losses)
    assert not np.allclose(cleaned.losses, trials.as_is.losses)
    nothing = try_more(trials, unused=[0, 1, 2, 3, 4, 5])
    of_fold = nothing.tried["drop_inputs"][0].losses
    assert len(np.unique(of_fold.round(5))) <= 4  # a fold's class shares, at most


@pytest.mark.slow
def test_without_rows_that_were_held_out_folds_are():
    x, y = rows(100)
    model = network()
    model.fit(x, y, epochs=5, verbose=0)
    found = taut.diagnose(model, x, y, cv=2, callbacks=[])
    assert "folds" in found.gap.source
    assert any("Rows in both sets" in text for text in found.left_out)


def test_what_cannot_be_a_lane_keeps_the_gap():
    class Own(keras.Sequential):
        def train_step(self, *args, **kwargs):
            return super().train_step(*args, **kwargs)

    x, y = rows(50)
    model = Own([keras.Input((6,)), keras.layers.Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy")
    found = taut.diagnose(model, x, y, validation=rows(50, seed=1), callbacks=[])
    assert found.gap is not None
    assert not found.tried
    assert any("train_step" in text for text in found.left_out)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"x": rows(9)[0], "y": rows(9)[1]}, "10 rows"),
        ({"validation": rows(3)}, "5 rows"),
        ({"validation": (rows(20)[0][:, :5], rows(20)[1])}, "inputs of `x`"),
        ({"validation": rows(20), "groups": np.zeros(40)}, "two"),
        ({"ignore": "overfiting"}, "codes"),
        ({"level": 1.0}, "between 0 and 1"),
        ({"budget": 0}, "budget"),
        ({"names": ["a"]}, "one name for each of the 6 inputs"),
        ({"epochs": 0}, "epochs"),
        ({"y": None}, "`y`"),
        ({"cv": ShuffleSplit(2, random_state=0)}, "each of the 40 rows once"),
        ({"cv": 41}, "exceed the rows"),
    ],
)
def test_bad_input_is_told_before_any_training(wrong, message):
    x, y = rows(40)
    with pytest.raises(taut.InputError, match=message):
        taut.diagnose(network(), **{"x": x, "y": y, "callbacks": [], **wrong})


def test_nan_in_the_inputs_is_told():
    x, y = rows(40)
    x[3, 2] = np.nan
    with pytest.raises(taut.InputError, match="finite"):
        taut.diagnose(network(), x, y, callbacks=[])


def test_every_verdict_has_a_sentence_in_every_language():
    for lang in LANGUAGES:
        keys = {key for key in catalogue(lang).texts if key.startswith("conclusion.")}
        assert keys == {f"conclusion.{code}" for code in CODES}
    verdicts = [Verdict(code, "clear", {}) for code in reversed(CODES)]
    assert tuple(v.code for v in in_importance(verdicts)) == CODES


def test_what_a_sentence_names_is_in_its_language():
    named = Verdict("shift", "clear", {"names": "'a', 'rows' and 4 more"})
    assert "'a', 'rows' 等，另有 4 个" in named.text(lang="zh")
    tried = Verdict("underfitting", "likely", {"what": "3 times the epochs", "gain": "0.2"})
    assert "3 倍的训练轮次" in tried.text(lang="zh")
    assert tried.strength_text(lang="zh") == "很可能"


def said(diagnosis):
    """All sentences of a diagnosis that are made in English."""
    yield from (a.what for a in diagnosis.tried)
    yield from (a.doubt for a in diagnosis.tried)
    yield from (text for f in diagnosis.evidence for text in (f.what, f.note) if "'" not in text)
    yield from diagnosis.left_out
    yield from diagnosis.notes


def test_a_diagnosis_is_chinese_throughout(diagnosed, overfitted):
    model, x, y = overfitted
    for found in (diagnosed, taut.diagnose(model, x, y, trials=False, callbacks=[])):
        unknown = [sentence for sentence in said(found) if not catalogue("zh").knows(sentence)]
        assert not unknown
        words = set(re.findall(r"[A-Za-z]{2,}", found.text(lang="zh")))
        assert words <= {"dropout", "groups", "L1", "L2"}, words


def test_leakage_stands_for_all_leaks():
    assert codes_of("leakage,shift") == ("shift", "leak_column", "leak_rows", "leak_groups")


def test_a_choice_is_measured_on_rows_that_did_not_choose():
    # Each setting is best by chance on one fold: chosen there it would look good.
    fold_of = np.repeat([0, 1], 50)
    lucky = [np.where(fold_of == k, 0.0, 1.0) for k in range(2)]
    trials = [Trial("l2", f"{k}", losses, np.zeros(2), float(k)) for k, losses in enumerate(lucky)]
    assert chosen(trials, fold_of, None)[1].mean() == 1.0
    # What counts five times as much chooses.
    trials = [Trial("l2", f"{k}", losses, np.zeros(2), float(k)) for k, losses in enumerate(lucky)]
    for heavy in (0, 1):
        best, _ = chosen(trials, fold_of, np.where(fold_of == heavy, 5.0, 1.0))
        assert best is trials[heavy]


def test_the_interval_of_a_gain_covers():
    draw = np.random.default_rng(0)
    fold_of = np.arange(60) % 5
    covered = 0
    for _ in range(300):
        found = interval_over_folds(draw.normal(0.2, 1, 60), fold_of, level=0.9)
        covered += found.low <= 0.2 <= found.high
    assert covered >= 270


def test_other_sizes_keep_the_outputs_and_the_optimizer():
    model = network(10, taut.Proximal("adam", taut.L1(0.01)))
    assert resized(model, 2).layers[0].units == 20
    assert resized(model, 0.5).layers[0].units == 5
    assert resized(model, 2).output_shape == model.output_shape
    assert isinstance(resized(model, 2).optimizer, taut.Proximal)
    assert with_dropout(model).count_params() == model.count_params()


def test_models_of_other_sizes_keep_what_is_not_trained():
    learned = keras.layers.Normalization(name="learned")
    learned.adapt(np.random.default_rng(0).normal(5, 3, size=(64, 6)))
    inputs = keras.Input((6,))
    frozen = keras.layers.Dense(4, name="frozen", trainable=False)(learned(inputs))
    hidden = keras.layers.Dense(8, name="hidden", activation="relu")(frozen)
    last = keras.layers.Dense(1, name="last", kernel_regularizer=taut.L1(0.1))
    model = keras.Model(inputs, last(keras.layers.BatchNormalization()(hidden)))
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    model.compile(taut.Proximal(keras.optimizers.Adam(schedule)), "mse")
    model.optimizer.build(model.trainable_variables)
    model.optimizer.set_strengths([0.3])
    for other in (resized(model, 2), resized(model, 0.5), with_dropout(model)):
        for name in ("learned", "frozen"):
            layers = [m.get_layer(name) for m in (model, other)]
            for one, same in zip(*(layer.get_weights() for layer in layers), strict=True):
                np.testing.assert_array_equal(one, same)
        assert not other.get_layer("frozen").trainable
        assert other.optimizer._learning_rate is schedule
        assert other.optimizer.compiled_strengths == [0.3]
    model.get_layer("last").trainable = False
    with pytest.raises(taut.errors.UnsupportedError, match="last/kernel would have another size"):
        resized(model, 2)


def test_a_linear_model_grows_a_hidden_layer_and_does_not_shrink():
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    assert len(resized(model, 2).layers) == 2
    with pytest.raises(taut.InputError, match="hidden"):
        resized(model, 0.5)
