"""`taut.fit_table` on real tables, trained for real."""

import json
from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest
import sklearn.model_selection
from scipy.special import softmax
from sklearn import metrics as sk
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

import taut
from taut.engine import Callback
from taut.errors import InputError
from taut.frames.encode import Encoder
from taut.tables.candidates import Setting
from taut.tables.ensemble import mean_of, temperature
from taut.tables.lane_weights import lane_table
from taut.tables.racing import race_of
from taut.tables.table_model import TableModel
from taut.tables.trained import Rows, Trained, train
from tests.in_threads import check_in_threads

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="lanes need JAX")

FAST = {"quick": True, "folds": 2, "penalty": "l1", "strengths": [0.01]}
SYSTEMS = ["taut", "same network, no penalty", "penalised linear"]
EVIL = "<script>alert(1)</script>"


def cancer_frame():
    data = load_breast_cancer(as_frame=True)
    return data.frame.iloc[:240, [0, 1, 6, 7, 20, 21, 27, 30]]


def wine_frame():
    data = load_wine(as_frame=True)
    return data.data.iloc[:, :7].assign(cultivar=data.target.map(data.target_names.__getitem__))


def diabetes_frame():
    return load_diabetes(as_frame=True).frame.iloc[:160, [0, 1, 2, 3, 8, 10]]


def mixed_frame():
    """Every kind of column, with holes; the target is text, and three rows lack it."""
    draw = np.random.default_rng(0)
    frame = cancer_frame().drop(columns="target").iloc[:, :3].copy()
    rows = len(frame)
    benign = load_breast_cancer().target[:rows].astype(bool)
    frame["site"] = np.where(benign, "left", draw.choice(["left", "right", "both"], rows))
    frame.loc[draw.random(rows) < 0.1, "site"] = None
    frame.loc[7, "site"] = "rare level"
    frame["smoker"] = draw.random(rows) < 0.3
    frame["seen"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(draw.integers(0, 900, rows), "D")
    frame["patient_id"] = 1000 + 7 * draw.permutation(rows)
    frame["hospital"] = "one"
    frame["nothing"] = np.nan
    frame[EVIL] = draw.normal(size=rows)
    frame.loc[draw.random(rows) < 0.2, "mean radius"] = np.nan
    frame["diagnosis"] = np.where(benign, "benign", "malignant")
    frame.loc[[3, 50, 99], "diagnosis"] = None
    return frame


class Fit:
    """A fitted model, and which rows it set aside."""

    def __init__(self, frame, target, **options):
        splitter = sklearn.model_selection.train_test_split
        rows = []

        def spy(*args, **kwargs):
            rows.extend(splitter(*args, **kwargs))
            return tuple(rows)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sklearn.model_selection, "train_test_split", spy)
            self.model = taut.fit_table(frame, target=target, **{**FAST, **options})
        frame = frame[frame[target].notna()]
        self.frame, self.target = frame, target
        self.train, self.test = (frame.iloc[np.sort(r)] for r in rows)
        self.metrics = self.model.metrics

    def output(self, frame):
        one = self.model
        return one.predict(frame) if one.schema.task == "regression" else one.predict_proba(frame)


@pytest.fixture(scope="module")
def cancer():
    options = {"penalty": "auto", "strengths": [0.02, 0.5], "folds": 3, "seeds": 2}
    return Fit(cancer_frame(), "target", **options)


@pytest.fixture(scope="module")
def wine():
    return Fit(wine_frame(), "cultivar")


@pytest.fixture(scope="module")
def diabetes_fit():
    return Fit(diabetes_frame(), "target")


@pytest.fixture(scope="module")
def mixed():
    return Fit(mixed_frame(), "diagnosis")


@pytest.fixture(
    params=["cancer", pytest.param("wine", marks=pytest.mark.slow), "diabetes_fit", "mixed"]
)
def fitted(request):
    return request.getfixturevalue(request.param)


def test_a_model_says_what_it_is_and_how_well_it_does(cancer):
    model, metrics = cancer.model, cancer.model.run.metrics
    score = metrics.test.systems[0].scores["log_loss"].value
    lines = repr(model).splitlines()
    assert lines[0] == "TableModel(target='target', task='binary')"
    assert f"mean of {metrics.choice.models} networks" in lines[1]
    assert f"log loss {score:.4g} (" in lines[2]
    columns = model.schema.columns
    first = replace(columns[0], name="<script>")
    schema = replace(model.schema, target="<b>", columns=(first, *columns[1:]))
    features = model.features.assign(feature=["<script>", *model.features["feature"][1:]])
    named = TableModel(model.model, Encoder(schema), replace(model.run, features=features))
    html = named._repr_html_()
    assert "<script>" not in html
    assert "target=&#x27;&lt;b&gt;&#x27;" in html


def test_a_run_lists_its_test_rows_and_their_predictions(fitted):
    """By their places in the table as it was given, rows without a target counted."""
    run, test = fitted.model.run, fitted.test
    rows = run.test_rows.set_index("row").loc[test.index]
    assert len(rows) == len(test) == run.metrics.split.test
    output, classes = fitted.output(test), fitted.model.schema.classes
    if not classes:
        np.testing.assert_allclose(rows["actual"], test[fitted.target])
        np.testing.assert_allclose(rows["predicted"], output)
        return
    actual = [classes.index(label) for label in test[fitted.target]]
    np.testing.assert_array_equal(rows["actual"], actual)
    np.testing.assert_array_equal(rows["predicted"], output.argmax(axis=1))
    np.testing.assert_allclose(rows["p_actual"], output[np.arange(len(test)), actual])
    np.testing.assert_allclose(rows["p_predicted"], output.max(axis=1))
    np.testing.assert_allclose(rows["p_positive"], output[:, 1])


def test_a_run_has_losses_by_epoch_and_who_reads_what(fitted):
    run = fitted.model.run
    choice, path, epochs = run.metrics.choice, run.path, run.epochs
    settings = {"best": (choice.penalty, choice.strength), "none": ("none", 0.0)}
    for name, (penalty, strength) in settings.items():
        lanes = path[(path["penalty"] == penalty) & (path["strength"] == strength)]
        lanes = lanes[lanes["network"] == choice.network] if name == "best" else lanes
        for lane in lanes.to_dict("records"):
            own = epochs[(epochs["setting"] == name) & (epochs["fold"] == lane["fold"])]
            own = own[own["seed"] == lane["seed"]].set_index("epoch")
            assert len(own) == lane["epochs"]
            kept = own.loc[lane["best_epoch"] + 1]
            np.testing.assert_allclose(kept["val_loss"], lane["val_loss"])
    inputs = len(fitted.model.schema.used)
    for lane in path.to_dict("records"):
        assert len(lane["inputs_read"]) == inputs
        assert lane["inputs_read"].count("1") == lane["inputs_kept"]
        assert 0 <= lane["nonzero"] <= lane["weights"]
    assert run.metrics.command.startswith(f"taut.fit_table(frame, target={fitted.target!r}, ")


def weights(model):
    return model.model.get_weights()


def assert_same_model(one, other):
    for a, b in zip(weights(one), weights(other), strict=True):
        np.testing.assert_array_equal(a, b)
    pd.testing.assert_frame_equal(one.path, other.path)
    pd.testing.assert_frame_equal(one.features, other.features)


# What is reported


def test_scores_are_those_of_the_predictions(fitted):
    y, output = fitted.test[fitted.target], fitted.output(fitted.test)
    classes = list(fitted.model.schema.classes)
    if not classes:
        expected = {
            "rmse": sk.root_mean_squared_error(y, output),
            "r2": sk.r2_score(y, output),
            "mae": sk.mean_absolute_error(y, output),
        }
    else:
        expected = {
            "log_loss": sk.log_loss(y, output, labels=classes),
            "accuracy": sk.accuracy_score(y, fitted.model.predict(fitted.test)),
        }
        if len(classes) == 2:
            expected["roc_auc"] = sk.roc_auc_score(y == classes[1], output[:, 1])
    test = fitted.metrics["test"]
    assert test["metrics"] == list(expected)
    assert test["primary"] == test["metrics"][0]
    assert [s["name"] for s in test["systems"]] == [*SYSTEMS, test["base"]]
    scores = {s["name"]: s["scores"] for s in test["systems"]}
    for name, value in expected.items():
        assert scores["taut"][name]["value"] == pytest.approx(value, rel=1e-5)
    for system in scores.values():
        for score in system.values():
            if "withheld" not in score:
                assert score["low"] <= score["value"] <= score["high"]
    assert not [s for s in scores["taut"].values() if "withheld" in s]
    assert len(test["differences"]) == 3 * len(expected)
    for d in test["differences"]:
        ours, theirs = scores["taut"][d["metric"]], scores[d["versus"]][d["metric"]]
        assert d["value"] == pytest.approx(ours["value"] - theirs["value"])
        assert "withheld" in d or d["low"] <= d["value"] <= d["high"]


def test_overfitting_compares_training_with_test_rows(fitted):
    def loss(part):
        y, output = part[fitted.target], fitted.output(part)
        if fitted.model.schema.task == "regression":
            return ((y - output) ** 2).mean() / fitted.train[fitted.target].std(ddof=0) ** 2
        return sk.log_loss(y, output, labels=list(fitted.model.schema.classes))

    found = fitted.metrics["overfitting"]
    assert found["train_loss"] == pytest.approx(loss(fitted.train), rel=1e-4)
    assert found["test_loss"] == pytest.approx(loss(fitted.test), rel=1e-4)


def test_every_lane_is_on_the_path(fitted):
    path, split = fitted.model.path, fitted.metrics["split"]
    settings = path.groupby(["penalty", "strength", "network"]).ngroups
    assert len(path) == split["lanes"] == settings * split["folds"] * split["seeds"]
    assert not path.duplicated(["penalty", "strength", "network", "fold", "seed"]).any()
    assert split["train"] + split["test"] == fitted.metrics["table"]["rows"] == len(fitted.frame)
    assert (split["train"], split["test"]) == (len(fitted.train), len(fitted.test))
    assert set(path["status"]) == {"finished"}
    assert (path["best_epoch"] < path["epochs"]).all()
    assert path[["train_loss", "val_loss"]].notna().all(axis=None)
    used = sum(c["used"] for c in fitted.metrics["columns"])
    assert path["inputs_kept"].between(0, used).all()


def test_strengths_given_are_the_strengths_trained(cancer, wine):
    def trained(fit):
        return set(zip(fit.model.path["penalty"], fit.model.path["strength"], strict=True))

    expected = {("L1", 0.02), ("L1", 0.5), ("L2", 0.02), ("L2", 0.5), ("none", 0.0)}
    assert trained(cancer) == expected
    assert trained(wine) == {("L1", 0.01), ("none", 0.0)}
    assert set(cancer.model.path["seed"]) == {0, 1}
    assert set(cancer.model.path["fold"]) == {0, 1, 2}


def test_the_choice_is_the_least_out_of_fold_loss(cancer):
    choice, path = cancer.metrics["choice"], cancer.model.path
    assert (choice["penalty"], choice["strength"]) in {("L1", 0.02), ("L2", 0.02)}
    means = path[path["penalty"] != "none"].groupby(["penalty", "strength"])["val_loss"].mean()
    # The mean of two seeds' predictions is scored, so the loss is at most their mean loss.
    assert choice["cv_loss"] <= means[choice["penalty"], choice["strength"]] + 1e-6
    assert choice["cv_se"] > 0
    assert choice["one_se_strength"] >= choice["strength"]
    # Whole settings predict: every fold and seed of them; two of four are hopeless.
    assert choice["models"] % 6 == 0
    # Only the L1 penalty makes zeros, so only then they say something.
    assert (choice["zero_share"] is None) == (choice["penalty"] == "L2")
    assert sum(one["models"] for one in choice["settings"]) == choice["models"]
    assert choice["stationarity"]["largest"] >= 0


def test_features_are_input_columns_with_shares(fitted):
    features, columns = fitted.model.features, fitted.metrics["columns"]
    assert sorted(features["feature"]) == sorted(c["name"] for c in columns if c["used"])
    assert set(fitted.model.selected_features_) <= set(fitted.frame.columns) - {fitted.target}
    assert fitted.model.selected_features_ == list(features["feature"][features["kept"]])
    assert fitted.metrics["features"] == {"kept": features["kept"].sum(), "of": len(features)}
    assert features["importance"].sum() == pytest.approx(1)
    assert (features["importance"] >= 0).all()
    assert features["folds_kept"].between(0, 1).all()
    assert (features["folds_kept"][features["kept"]] >= 0.5).all()


def test_a_mixed_table_is_understood_and_told(mixed):
    found = {c["name"]: (c["kind"], c["used"]) for c in mixed.metrics["columns"]}
    expected = {
        "mean radius": ("numeric", True),
        "site": ("category", True),
        "smoker": ("boolean", True),
        "seen": ("date", True),
        "patient_id": ("identifier", False),
        "hospital": ("constant", False),
        "nothing": ("empty", False),
        EVIL: ("numeric", True),
    }
    assert found.items() >= expected.items()
    assert mixed.metrics["table"] == {"rows": 237, "columns": 11, "rows_dropped": 3}
    for word in ("Dropped 3 of 240 rows", "'patient_id'", "'hospital'", "'nothing'"):
        assert any(word in note for note in mixed.metrics["notes"])
    assert mixed.metrics["target"]["classes"] == ["benign", "malignant"]


# What predicts


def test_predictions_have_the_type_of_the_target(cancer, wine, diabetes_fit, mixed):
    assert cancer.model.predict(cancer.test).dtype == np.int64
    assert set(cancer.model.predict(cancer.frame)) == {0, 1}
    assert set(wine.model.predict(wine.frame)) == {"class_0", "class_1", "class_2"}
    assert set(mixed.model.predict(mixed.frame)) == {"benign", "malignant"}
    assert diabetes_fit.model.predict(diabetes_fit.test).dtype == np.float64


def test_probabilities_are_ordered_as_the_classes(cancer, wine, mixed):
    for fit in (cancer, wine, mixed):
        probabilities = fit.model.predict_proba(fit.frame)
        classes = fit.model.schema.classes
        assert list(classes) == sorted(set(fit.frame[fit.target]))
        assert probabilities.shape == (len(fit.frame), len(classes))
        assert probabilities.min() >= 0
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
        labels = np.array(classes, object)[probabilities.argmax(axis=1)]
        assert list(fit.model.predict(fit.frame)) == list(labels)
        assert (labels == fit.frame[fit.target]).mean() > 0.85


def test_a_quantity_has_no_probabilities(diabetes_fit):
    with pytest.raises(InputError, match="predict_proba"):
        diabetes_fit.model.predict_proba(diabetes_fit.test)


def test_order_of_columns_and_rows_and_other_columns_do_not_matter(fitted):
    frame = fitted.test.drop(columns=fitted.target)
    expected = fitted.output(frame)
    other = frame[frame.columns[::-1]].assign(more="x", target_like=1.0)
    np.testing.assert_array_equal(fitted.output(other), expected)
    np.testing.assert_array_equal(fitted.output(frame[::-1])[::-1], expected)
    np.testing.assert_allclose(fitted.output(frame.iloc[[5]]), expected[[5]], rtol=1e-5)
    np.testing.assert_array_equal(fitted.output(frame.set_axis(frame.index * 0)), expected)


def test_several_threads_predict_with_one_model(diabetes_fit):
    check_in_threads(diabetes_fit.output, diabetes_fit.test, [20, 30, 40] * 4)


def test_a_saved_run_predicts_the_same_bit_for_bit(fitted, tmp_path):
    run = fitted.model.save(tmp_path / "run")
    names = {"model.keras", "preprocessing.json", "metrics.json", "path.parquet", "features.csv"}
    names |= {"test_rows.parquet", "epochs.parquet", "diagnosis.json"}
    assert {path.name for path in run.iterdir()} == names
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    loaded = taut.TableModel.load(run)
    assert type(loaded.predict(fitted.test)) is np.ndarray
    one, other = fitted.model, loaded
    np.testing.assert_array_equal(other.predict(fitted.test), one.predict(fitted.test))
    if one.schema.classes:
        np.testing.assert_array_equal(
            other.predict_proba(fitted.frame), one.predict_proba(fitted.frame)
        )
    assert other.metrics == json.loads(json.dumps(one.metrics))
    # What another release left beside it is not its encoder.
    (run / "preprocessing.skops").write_text("of another fit")
    assert taut.TableModel.load_schema(run) == one.schema
    assert other.schema == one.schema
    assert other.selected_features_ == one.selected_features_
    pd.testing.assert_frame_equal(other.path, one.path)
    with pytest.raises(InputError, match="overwrite"):
        one.save(run)
    for name in ("notes.txt", "report.html"):  # the user's own, and what another run says
        (run / name).write_text("as it was")
    assert other.save(run, overwrite=True) == run
    assert (run / "notes.txt").read_text() == "as it was"
    assert not (run / "preprocessing.skops").exists()
    assert not (run / "report.html").exists()
    file = run / "model.keras"
    file.write_bytes(file.read_bytes().replace(b'"module"', b'"m0dule"', 1))
    with pytest.raises(InputError, match="a file is damaged"):
        taut.TableModel.load(run)


def test_extreme_numbers_at_prediction_saturate(cancer):
    row = cancer.test.iloc[[0]]
    column = cancer.model.features["feature"][0]
    values = [1e5, 1e9, 1e20, 1e30, 1e45, 1e99]
    for sign in (1, -1):
        frame = pd.concat([row.assign(**{column: sign * v}) for v in values])
        found = cancer.model.predict_proba(frame)[:, 0]
        np.testing.assert_allclose(found, found[-1], atol=1e-3)


def test_a_column_that_is_gone_is_an_error_that_names_it(mixed):
    with pytest.raises(InputError, match="smoker"):
        mixed.model.predict(mixed.test.drop(columns="smoker"))
    unseen = mixed.test.assign(site="never seen", seen=pd.NaT, smoker=None)
    with pytest.warns(UserWarning, match="Column ") as caught:
        assert np.isfinite(mixed.model.predict_proba(unseen)).all()
    told = " ".join(str(one.message) for one in caught)
    for words in ("'site': levels that training did not have", "'seen' has no value", "'smoker'"):
        assert words in told
    with pytest.warns(UserWarning, match="'LEFT' was read as 'left'"):
        shouted = mixed.model.predict_proba(mixed.test.replace({"site": {"left": "LEFT"}}))
    np.testing.assert_array_equal(shouted, mixed.model.predict_proba(mixed.test))


# What is learned


def test_test_rows_do_not_enter_training(diabetes_fit):
    changed = diabetes_fit.frame.astype(float)
    where = diabetes_fit.test.index
    draw = np.random.default_rng(0)
    changed.loc[where] = draw.normal(size=(len(where), changed.shape[1])) * 1000
    again = Fit(changed, "target")
    assert list(again.test.index) == list(where)
    assert_same_model(again.model, diabetes_fit.model)
    assert again.metrics["choice"] == diabetes_fit.metrics["choice"]
    assert again.metrics["test"] != diabetes_fit.metrics["test"]


def test_an_equal_seed_gives_an_equal_model_and_another_seed_another(diabetes_fit):
    keras.utils.set_random_seed(99)
    again = Fit(diabetes_fit.frame, "target")
    assert_same_model(again.model, diabetes_fit.model)
    assert again.metrics["test"] == diabetes_fit.metrics["test"]
    other = Fit(diabetes_fit.frame, "target", seed=1)
    assert list(other.test.index) != list(again.test.index)
    one, two = (fit.model.model.get_layer("skip").kernel.numpy() for fit in (again, other))
    assert one.shape != two.shape or (one != two).any()


def test_the_table_given_is_left_alone():
    frame = mixed_frame()
    before = frame.copy(deep=True)
    Fit(frame, "diagnosis")
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize("scale", [1e-6, 1e30])
def test_the_unit_of_a_quantity_does_not_matter(diabetes_fit, scale):
    frame = diabetes_fit.frame
    scaled = Fit(frame.assign(target=frame["target"] * scale), "target")
    one, other = (fit.model.predict(frame) for fit in (diabetes_fit, scaled))
    np.testing.assert_allclose(other / scale, one, rtol=1e-3)


def line_frame(rows=400):
    draw = np.random.default_rng(0)
    x = draw.uniform(0, 10, rows)
    return pd.DataFrame({"x": x, "y": 10 + 3 * x + draw.normal(size=rows)})


@pytest.mark.parametrize("value", [9999999999, -999, 1e200, None])
@pytest.mark.slow
def test_numbers_far_outside_leave_the_others_alone(value):
    frame = line_frame()
    draw = np.random.default_rng(1)
    wrong = draw.random(len(frame)) < 0.05
    far = 10 ** draw.uniform(3, 15, len(frame))
    frame["x"] = np.where(wrong, far if value is None else value, frame["x"])
    fit = Fit(frame, "y")
    right = fit.test[fit.test["x"].between(0, 10)]
    error = fit.model.predict(right) - right["y"]
    assert 1 - (error**2).mean() / right["y"].var(ddof=0) > 0.96
    told = (
        [f"{value:.15g}" in note and "--na" in note for note in fit.metrics["notes"]]
        if value
        else []
    )
    assert told == ([True] if value else [])
    assert len(fit.metrics["notes"]) == len(told)


@pytest.mark.slow
def test_a_target_out_of_all_proportion_leaves_the_others_alone():
    frame = line_frame()
    clean = Fit(frame, "y")
    row = clean.train.index[7]
    frame.loc[row, "y"] = 1e9
    fit = Fit(frame, "y")
    assert 0.9 < fit.model.predict(clean.test).std() / clean.model.predict(clean.test).std() < 1.1
    assert fit.metrics["test"]["systems"][0]["scores"]["r2"]["value"] > 0.95
    (note,) = fit.metrics["notes"]
    assert "1 of 320 training rows (1000000000)" in note
    frame.loc[[row, clean.test.index[0]], "y"] = [0.0, -1e9]
    (note,) = Fit(frame, "y").metrics["notes"]
    assert "1 of 80 test rows (-1000000000)" in note


@pytest.mark.slow
def test_a_target_too_small_to_be_squared_is_refused():
    frame = line_frame()
    with pytest.raises(InputError, match="another unit"):
        Fit(frame.assign(y=frame["y"] * 1e-160), "y")
    assert Fit(frame * 1e-90, "y").metrics["test"]["systems"][0]["scores"]["r2"]["value"] > 0.95


@pytest.mark.slow
def test_a_table_over_its_budget_is_chosen_on_a_share_and_says_so(monkeypatch):
    monkeypatch.setattr("taut.tables.plans.WHOLE", 0.1)
    monkeypatch.setattr("taut.tables.plans.CHOOSING", 0.3)
    monkeypatch.setattr("taut.tables.plans.LAST", 0.01)
    monkeypatch.setattr("taut.tables.plans.LEAST_ROWS", 50)
    heard = []

    class Listen(Callback):
        def on_note(self, note):
            heard.append(note)

        def on_start(self, lanes, epochs):
            heard.append(len(lanes))

    options = {"strengths": [0.01, 0.03, 500.0], "penalty": "auto", "callbacks": [Listen()]}
    fit = Fit(diabetes_frame(), "target", **options)
    assert heard[-2:] == [12, 8]  # six settings; then three and none, on two folds
    assert fit.metrics["notes"] == heard[:-2]
    assert any("of 128 rows" in note for note in heard[:-2])
    path = fit.model.path
    assert path.groupby(["penalty", "strength"]).ngroups == 4
    assert "none" in set(path["penalty"])
    assert 500.0 not in set(path["strength"])
    assert (path["epochs"] == 3).all()
    assert fit.metrics["choice"]["penalty"] != "none"
    assert_same_model(Fit(diabetes_frame(), "target", **options).model, fit.model)


def test_no_penalty_is_chosen_where_rows_are_many_and_it_is_best(monkeypatch):
    monkeypatch.setattr("taut.tables.candidates.MANY_ROWS", 100)
    weak, strong = Setting("none", 0.0), Setting("L1", 5.0)
    monkeypatch.setattr("taut.tables.candidates.WEAK", ())
    monkeypatch.setattr("taut.tables.candidates.QUICK", (strong,))
    fit = Fit(diabetes_frame(), "target", strengths=None)
    assert (fit.metrics["choice"]["penalty"], fit.metrics["choice"]["strength"]) == ("none", 0)
    assert fit.metrics["choice"]["one_se_strength"] == 0
    assert set(fit.model.path["penalty"]) == {weak.penalty, strong.penalty}
    # Both predict, since at least three settings do.
    assert fit.metrics["choice"]["models"] == 4


@pytest.mark.slow
def test_permuted_labels_give_no_better_than_the_prior():
    frame = cancer_frame()
    permuted = np.random.default_rng(3).permutation(frame["target"]).astype(bool)
    fit = Fit(
        frame.assign(target=permuted), "target", test_size=0.5, strengths=[0.01, 0.3], folds=3
    )
    prior = fit.train["target"].mean()
    y = fit.test["target"].to_numpy(bool)
    ours = fit.model.predict_proba(fit.test)[np.arange(len(y)), y.astype(int)]
    gain = np.log(ours) - np.log(np.where(y, prior, 1 - prior))
    assert gain.mean() < 3 * gain.std() / np.sqrt(len(y)) + 0.01
    assert gain.mean() > -0.05  # and hardly worse
    assert fit.model.predict(fit.test).dtype == bool


@pytest.mark.slow
def test_a_strong_l1_keeps_the_input_that_matters_and_a_stronger_none():
    draw = np.random.default_rng(0)
    x = draw.normal(size=(240, 7))
    frame = pd.DataFrame(x, columns=[f"x{k}" for k in range(7)]).assign(
        y=x[:, 3] + 0.3 * draw.normal(size=240) > 0
    )
    fit = Fit(frame, "y", strengths=[0.1])
    assert fit.model.selected_features_ == ["x3"]
    share = fit.metrics["choice"]["zero_share"]
    path = fit.model.run.path.query("strength == 0.1")
    assert share == pytest.approx((1 - path["nonzero"] / path["weights"]).mean())
    assert share > 0.95
    nothing = Fit(frame, "y", strengths=[20.0])
    assert nothing.model.selected_features_ == []
    assert nothing.metrics["choice"]["zero_share"] == 1
    probabilities = nothing.model.predict_proba(frame)
    assert np.ptp(probabilities, axis=0).max() < 1e-6
    assert probabilities[0, 1] == pytest.approx(nothing.train["y"].mean(), abs=0.02)


def test_without_l1_nothing_is_left_out():
    fit = Fit(diabetes_frame(), "target", penalty="l2")
    assert set(fit.model.path["penalty"]) == {"L2", "none"}
    assert fit.metrics["choice"]["penalty"] == "L2"
    assert len(fit.model.selected_features_) == 5


@pytest.mark.slow
def test_single_refits_one_network():
    fit = Fit(diabetes_frame(), "target", single=True)
    assert fit.metrics["choice"]["models"] == 1
    assert fit.model.model.get_layer("inputs").members == 1
    statistics = fit.model.model.get_layer("inputs")
    # Its statistics are those of all training rows, not of a fold.
    features, _ = fit.model.schema.prepare(fit.train)
    encoded = fit.model._encoder.transform(features)
    np.testing.assert_allclose(statistics.centre.numpy()[0], encoded.mean(axis=0), atol=1e-5)


def test_where_one_network_cannot_be_refitted_those_of_the_folds_predict(monkeypatch):
    def full(*data, **options):
        if "stop_after" in options:
            raise MemoryError("no room")
        return train(*data, **options)

    monkeypatch.setattr("taut.tables.ensemble.train", full)
    with pytest.warns(UserWarning, match=r"one network that `single`.*no room.*networks predict"):
        model = taut.fit_table(diabetes_frame(), target="target", **FAST, single=True)
    assert model.metrics["choice"]["models"] > 1
    assert np.isfinite(model.predict(diabetes_frame())).all()


@pytest.mark.slow
def test_without_a_test_set_there_are_no_scores_but_a_report(tmp_path):
    model = taut.fit_table(diabetes_frame(), target="target", **FAST, test_size=0)
    assert model.metrics["test"] is model.metrics["overfitting"] is None
    assert model.metrics["split"] | {"train": 160, "test": 0} == model.metrics["split"]
    assert set(model.path["penalty"]) == {"L1"}
    html = taut.report.write_report(model.save(tmp_path / "run")).read_text()
    assert "No rows were set aside" in html
    assert taut.TableModel.load(tmp_path / "run").metrics["test"] is None


def test_a_quantity_of_two_values_can_be_a_regression():
    frame = diabetes_frame()
    frame["target"] = np.where(frame["target"] > 140, 7.5, 1.0)
    fit = Fit(frame, "target", task="regression")
    assert fit.metrics["target"]["task"] == "regression"
    assert 0.5 < fit.model.predict(frame).mean() < 8


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"target": "targt"}, "did you mean 'target'"),
        ({"penalty": "l3"}, "`penalty`"),
        ({"strengths": []}, "`strengths`"),
        ({"strengths": [0.1, -1]}, "`strengths`"),
        ({"strengths": [float("nan")]}, "`strengths`"),
        ({"strengths": 0.1}, "`strengths`"),
        ({"test_size": 1}, "`test_size`"),
        ({"test_size": "much"}, "`test_size`"),
        ({"test_size": float("nan")}, "`test_size`"),
        ({"folds": 1}, "`folds`"),
        ({"folds": 2.5}, "`folds`"),
        ({"folds": 500, "quick": False}, "rows"),
        ({"seeds": 0}, "`seeds`"),
        ({"seeds": "two"}, "`seeds`"),
        ({"seed": -1}, "`seed`"),
        ({"task": "clustering"}, "`task`"),
        ({"task": "binary"}, "binary"),
    ],
)
def test_bad_options_end_before_training(monkeypatch, options, words):
    monkeypatch.setattr("taut.tables.plans.train", lambda *_, **__: pytest.fail("it trained"))
    with pytest.raises(InputError, match=words):
        taut.fit_table(diabetes_frame(), **{"target": "target", **FAST, **options})


def test_callbacks_are_told(wine):
    calls = []

    class Listen(Callback):
        def on_start(self, lanes, epochs):
            calls.append(("start", len(lanes)))

        def on_update(self, news):
            calls.append(("update", news.lane_epochs, news.total_lane_epochs))

        def on_end(self):
            calls.append(("end",))

    Fit(wine.frame, "cultivar", callbacks=[Listen()])
    assert calls[0] == ("start", 4)
    assert calls[-1] == ("end",)
    done = [c[1] for c in calls if c[0] == "update"]
    assert done == sorted(done)
    assert done[-1] == calls[-2][2]


# Inside the ensemble


@pytest.fixture(scope="module")
def rows():
    """Encoded wine, a column with holes, and one that the training rows of fold 0 lack."""
    data = load_wine()
    x = data.data[:, :6].copy()
    x[::9, 2] = np.nan
    draw = np.random.default_rng(1).permutation(len(x))
    from taut.engine import Split

    splits = [Split(draw[:100], draw[100:]), Split(draw[78:], draw[:78])]
    level = np.zeros(len(x))
    level[splits[0].held_out[:9]] = 1
    return np.column_stack([x, level]), data.target, splits


def some_settings(x, y, splits, strengths=(0.0, 0.02), **options):
    settings = [Setting("L1", a) for a in strengths]
    options = {"seeds": 2, "seed": 5, "quick": True} | options
    learned_from = Rows(encoded=x, y=y, outputs=3, numbers=6)
    return train(learned_from, splits, settings, callbacks=(), **options)


@pytest.fixture(scope="module")
def trained(rows):
    return some_settings(*rows)


def member(trained, lane, x):
    model = trained.record.apply(lane, trained.model)
    return model.predict(x.astype("float32"), verbose=0).astype(float)


def test_an_ensemble_is_the_mean_of_its_members(trained, rows):
    x = rows[0]
    lanes = [0, 3, 4, 7, 6]
    model = mean_of(trained, lanes)
    mean = np.mean([softmax(member(trained, k, x), axis=-1) for k in lanes], axis=0)
    found = model.predict(x.astype("float32"), verbose=0)
    np.testing.assert_allclose(found, mean, atol=1e-5)
    model.get_layer("mean").temperature.assign(1.7)
    powered = mean ** (1 / 1.7)
    expected = powered / powered.sum(axis=1, keepdims=True)
    found = model.predict(x.astype("float32"), verbose=0)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_out_of_fold_predictions_are_those_of_models_that_did_not_see_the_row(trained, rows):
    x, y, splits = rows
    for setting in (0, 1):
        for fold, split in enumerate(splits):
            assert not set(split.train) & set(split.held_out)
            lanes = trained.cross.lanes(setting, fold)
            assert {trained.record.lanes[k].split for k in lanes} == {fold}
            expected = np.mean(
                [softmax(member(trained, k, x[split.held_out]), axis=-1) for k in lanes], 0
            )
            found = trained.out_of_fold[setting, split.held_out]
            np.testing.assert_allclose(found, expected, atol=1e-5)
    chosen = trained.out_of_fold[:, np.arange(len(y)), y]
    np.testing.assert_allclose(trained.row_loss, -np.log(np.clip(chosen, 1e-6, None)), atol=1e-9)


def test_held_out_rows_change_nothing_that_a_fold_learns(trained, rows):
    x, y, splits = rows
    changed, labels = x.copy(), y.copy()
    draw = np.random.default_rng(2)
    changed[splits[0].held_out] = draw.normal(size=(78, 7)) * 100
    labels[splits[0].held_out] = draw.integers(0, 3, 78)
    other = some_settings(changed, labels, splits)
    lanes = np.concatenate([trained.cross.lanes(s, 0) for s in (0, 1)])
    for a, b in zip(trained.record.non_trainable, other.record.non_trainable, strict=True):
        np.testing.assert_array_equal(a[lanes], b[lanes])
    np.testing.assert_array_equal(trained.record.train_loss[lanes], other.record.train_loss[lanes])
    # The other fold does train on these rows.
    rest = np.setdiff1d(np.arange(8), lanes)
    assert (trained.record.train_loss[rest] != other.record.train_loss[rest]).all()


def test_a_level_that_a_fold_never_saw_cannot_matter_to_it(trained, rows):
    x = rows[0]
    with_level, without = x.copy(), x.copy()
    with_level[:, 6], without[:, 6] = 1, 0
    for fold, matters in ((0, False), (1, True)):
        lane = int(trained.cross.lanes(0, fold)[0])
        found = np.abs(member(trained, lane, with_level) - member(trained, lane, without))
        assert found.max() > 1e-3 if matters else found.max() == 0


@pytest.mark.slow
def test_of_many_settings_the_better_are_trained_on_every_fold(rows):
    strengths = (0.0, *np.geomspace(1e-3, 0.3, 16))
    options = {"strengths": strengths, "seeds": 1, "stop_after": 4}
    whole = some_settings(*rows, **options)
    raced = some_settings(*rows, race=True, **options)
    out = [raced.left_out(s) for s in range(len(strengths))]
    assert sum(out) == len(strengths) // 3  # after the first of two folds
    np.testing.assert_array_equal(np.isinf(raced.row_loss).all(axis=1), out)
    assert not np.isinf(whole.row_loss).any()
    for s in np.flatnonzero(~np.array(out)):
        np.testing.assert_allclose(raced.row_loss[s], whole.row_loss[s], atol=1e-5)
    assert not out[int(np.argmin(whole.row_loss.mean(axis=1)))]
    names = [f"x{k}" for k in range(7)]
    table = lane_table(raced, names, names, 6)
    assert len(table) == (raced.record.epochs > 0).sum() == 2 * len(strengths) - sum(out)
    short, long = rows[2]
    unlike = [replace(short, train=short.train[:60]), long]
    assert race_of(raced.settings, unlike) is None


def test_lanes_of_a_setting_keep_a_common_epoch(trained):
    for setting in (0, 1):
        assert len(set(trained.record.best_epoch[trained.cross.lanes(setting)])) == 1


def test_temperature_undoes_overconfidence():
    draw = np.random.default_rng(0)
    logits = draw.normal(size=(4000, 3))
    y = np.array([draw.choice(3, p=p) for p in softmax(logits, axis=-1)])
    assert temperature(softmax(logits, axis=-1), y) == pytest.approx(1, abs=0.1)
    assert temperature(softmax(1.8 * logits, axis=-1), y) == pytest.approx(1.8, abs=0.15)


# Rows that belong together, follow one another, or weigh differently


def patients(people=40, rows=6):
    """Measurements that name the patient, and a label that is the patient's own by chance."""
    draw = np.random.default_rng(0)
    of = np.repeat(np.arange(people), rows)
    x = draw.normal(size=(people, 4))[of] + 0.05 * draw.normal(size=(people * rows, 4))
    ill = draw.permutation(np.arange(people) % 2)[of]
    table = pd.DataFrame(x, columns=list("abcd")).assign(patient=of, ill=ill)
    return table.sample(frac=1, random_state=0, ignore_index=True)


@pytest.mark.slow
def test_rows_of_one_patient_are_a_leak_that_groups_mend(tmp_path):
    table = patients()
    blind = taut.fit_table(table, target="ill", **FAST)
    assert "'patient' looks like a group" in blind.warnings[0]
    known = blind.metrics["test"]["systems"][0]["scores"]["accuracy"]["value"]
    model = taut.fit_table(table, target="ill", groups="patient", **FAST)
    accuracy = model.metrics["test"]["systems"][0]["scores"]["accuracy"]["value"]
    assert accuracy < 0.75 < known
    assert model.metrics["split"]["groups"] == {"column": "patient", "train": 32, "test": 8}
    assert "Nothing was learned" in model.warnings[0]
    assert "Nothing was learned" in repr(model)
    assert not any("looks like a group" in text for text in model.warnings)
    new = table.drop(columns=["patient", "ill"])
    loaded = taut.TableModel.load(model.save(tmp_path / "run"))
    np.testing.assert_array_equal(loaded.predict(new), model.predict(new))
    assert loaded.warnings == model.warnings
    html = taut.report.write_report(tmp_path / "run").read_text()
    assert html.index("Nothing was learned") < html.index("Log-loss")
    assert "8 groups of <bdi>patient</bdi>" in html


@pytest.mark.slow
def test_the_test_is_the_future(tmp_path):
    table = diabetes_frame().assign(day=np.arange(160) // 2)
    shuffled = table.sample(frac=1, random_state=1, ignore_index=True)
    options = {**FAST, "time": "day"}
    one = taut.fit_table(table, target="target", **options)
    other = taut.fit_table(shuffled, target="target", **options)
    for model in (one, other):
        assert model.metrics["split"]["time"] == {"column": "day"}
        assert model.metrics["split"]["test"] == 32
        assert "day" not in [c["name"] for c in model.metrics["columns"] if c["used"]]
        assert model.metrics["target"]["mean"] == pytest.approx(table["target"][:128].mean())
        assert np.isfinite(model.metrics["choice"]["cv_loss"])
    # What comes later has no influence on what is learned.
    table.loc[128:, "target"] = 0.0
    changed = taut.fit_table(table, target="target", **options)
    assert_same_model(changed, one)
    html = taut.report.write_report(one.save(tmp_path / "run")).read_text()
    assert "the latest by <bdi>day</bdi>" in html


@pytest.mark.slow
def test_rows_of_weight_zero_are_not_there_and_weights_count():
    table = diabetes_frame()
    draw = np.random.default_rng(0)
    wrong = table.assign(target=draw.normal(size=160) * 1000, w=0.0)
    both = pd.concat([table.assign(w=2.5), wrong], ignore_index=True)
    alone = taut.fit_table(table.assign(w=1.0), target="target", weights="w", **FAST)
    found = taut.fit_table(both, target="target", weights="w", **FAST)
    assert found.metrics["split"]["train"] == 128
    np.testing.assert_allclose(found.predict(table), alone.predict(table), rtol=1e-4)
    assert found.metrics["test"]["systems"] == alone.metrics["test"]["systems"]
    assert "weighs" in found.metrics["test"]["method"]
    # Rows of weight 9 pull the prediction to them.
    heavy = table.assign(w=np.where(table["target"] > 150, 9.0, 1.0))
    pulled = taut.fit_table(heavy, target="target", weights="w", **FAST)
    assert pulled.predict(table).mean() > alone.predict(table).mean() + 15
    assert pulled.metrics["target"]["mean"] > alone.metrics["target"]["mean"] + 15


@pytest.mark.slow
def test_an_input_that_is_the_target_is_above_everything():
    table = diabetes_frame()
    table["score"] = (2.2 * table["target"] + 3).round(-1)
    model = taut.fit_table(table, target="target", **FAST)
    assert "'score'" in model.warnings[0]
    assert model.metrics["learned"]["carriers"][0]["input"] == "score"
    clean = taut.fit_table(diabetes_frame(), target="target", **FAST)
    assert clean.warnings == []


@pytest.mark.slow
def test_a_class_that_is_never_recognised_is_told():
    draw = np.random.default_rng(0)
    table = pd.DataFrame(draw.normal(size=(400, 3)), columns=list("abc"))
    table["kind"] = np.where(np.arange(400) % 40 == 0, "fraud", "fine")
    model = taut.fit_table(table, target="kind", **FAST)
    test = model.metrics["test"]
    assert "average_precision" in test["metrics"]
    assert test["rare"] == "fraud"
    from taut.report import findings

    assert findings.classes(model.run.metrics) == [
        "None of the 2 rows of class fraud in the test set was recognised."
    ]
    assert "(always the commonest class: 0.975)" in findings.headline(model.run.metrics)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"groups": "nobody"}, "nobody"),
        ({"groups": "target"}, "another column than the target"),
        ({"groups": "sex", "time": "age"}, "cannot be combined"),
        ({"groups": "sex"}, "at least 3 groups for 2 folds"),
        ({"time": "sex"}, "at least 4 different times"),
        ({"weights": "age"}, "`weights`"),
    ],
)
def test_groups_times_and_weights_that_cannot_be_end_before_training(monkeypatch, options, words):
    monkeypatch.setattr("taut.tables.plans.train", lambda *_, **__: pytest.fail("it trained"))
    with pytest.raises(InputError, match=words):
        taut.fit_table(diabetes_frame(), target="target", **FAST, **options)


@pytest.mark.slow
def test_inputs_shuffled_a_few_at_a_time_are_as_important(monkeypatch):
    """Bounded memory: what 4·32·columns² bytes held at once is done in pieces."""
    from taut.tables import importance

    kept = []
    monkeypatch.setattr(
        "taut.tables.conclude.feature_table",
        lambda trained, *rest: kept.append((trained, *rest)) or importance.feature_table(*kept[-1]),
    )
    taut.fit_table(wine_frame(), target="cultivar", **FAST)
    [(trained, chosen, inputs, sources, _)] = kept
    assert isinstance(trained, Trained)
    pieces, predict = [], importance.predict_lanes

    def spied(model, record, x, **options):
        pieces.append(x.size)
        return predict(model, record, x, **options)

    monkeypatch.setattr(importance, "predict_lanes", spied)
    whole = importance.shuffled(trained, chosen, inputs, sources)
    assert len(pieces) == len(trained.splits)
    cells = trained.rows.encoded.shape[1] * max(len(s.held_out) for s in trained.splits)
    for at_once in (3 * cells, cells, 1):
        pieces.clear()
        monkeypatch.setattr(importance, "PIECE", at_once)
        found = importance.shuffled(trained, chosen, inputs, sources)
        np.testing.assert_allclose(found, whole, rtol=1e-5, atol=1e-7)
        assert max(pieces) <= max(at_once, cells)


def test_of_many_inputs_those_of_the_largest_weights_are_measured(monkeypatch, tmp_path):
    monkeypatch.setattr("taut.tables.importance.MOST_INPUTS", 4)
    model = taut.fit_table(wine_frame(), target="cultivar", **FAST)
    features = model.features
    unknown = features["importance"].isna()
    assert (~unknown).sum() == 4
    assert features["loss_increase"].isna().equals(unknown)
    assert features.loc[~unknown, "importance"].sum() == pytest.approx(1)
    said = features["reason"].str.contains("not measured: 4 inputs have larger weights")
    assert said.equals(unknown)
    page = taut.report.write_report(model.save(tmp_path / "run"), lang="zh").read_text()
    assert "nan" not in page
    assert "有 4 个输入变量的权重更大" in page


def test_what_fails_after_training_does_not_lose_the_model(monkeypatch, tmp_path):
    from taut.report import write_report
    from taut_cli.console import console
    from taut_cli.show import show_fit

    def fails(*_, **__):
        raise np.linalg.LinAlgError("did not converge")

    monkeypatch.setattr("taut.tables.examine.linear_prediction", fails)
    with pytest.warns(UserWarning, match=r"linear model .* must not cost.*did not converge"):
        model = taut.fit_table(wine_frame(), target="cultivar", **FAST)
    names = [s["name"] for s in model.metrics["test"]["systems"]]
    assert names == [*SYSTEMS[:2], model.metrics["test"]["base"]]
    monkeypatch.setattr("taut.tables.examine.compare", fails)
    monkeypatch.setattr("taut.tables.best_setting.stationarity", fails)
    monkeypatch.setattr("taut.tables.ensemble.temperature", fails)
    monkeypatch.setattr("taut.tables.importance.shuffled", fails)
    with pytest.warns(UserWarning, match="must not cost") as told:
        model = taut.fit_table(wine_frame(), target="cultivar", **FAST)
    for what in ("linear model", "certificate", "scores", "temperature", "importance"):
        assert any(what in str(one.message) for one in told), what
    assert model.metrics["test"] is None
    assert model.metrics["choice"]["stationarity"] is None
    assert model.features["importance"].isna().all()
    assert (model.predict_proba(wine_frame()).sum(axis=1) > 0.99).all()
    write_report(model.save(tmp_path / "run"))
    show_fit(console(), model.run)
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "could not be scored" in page
