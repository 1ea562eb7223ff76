"""The regularization path on real data, trained for real."""

import keras
import numpy as np
import pytest

import taut
from taut.errors import InputError

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="lanes need JAX")

SHORT = {"strengths": 5, "cv": 3, "epochs": 25, "batch_size": 64}


def network(inputs, loss="mse", activation=None, units=8):
    model = keras.Sequential(
        [
            keras.Input((inputs,)),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.Dense(1, activation=activation),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.02), loss=loss)
    return model


def wanted(name, diabetes, breast_cancer):
    if name == "classes":
        return network(30, "binary_crossentropy", "sigmoid"), *breast_cancer
    x, y = diabetes
    return network(10), x, y * {"quantity": 1.0, "large quantity": 1e4}[name]


def kernels(model):
    return [w for w in model.get_weights() if w.ndim == 2]


def losses(model, x, y):
    y = y[:, None]
    function = keras.losses.get(model.loss)
    return float(np.mean(function(y, model.predict(x, verbose=0, batch_size=512))))


@pytest.fixture(scope="module")
def path(diabetes):
    return taut.regularization_path(network(10), *diabetes, **SHORT, seeds=2)


@pytest.mark.parametrize(
    ("penalty", "name"),
    [
        (taut.L1, "classes"),
        pytest.param(taut.L1, "quantity", marks=pytest.mark.slow),
        pytest.param(taut.L1, "large quantity", marks=pytest.mark.slow),
        pytest.param(taut.L2, "classes", marks=pytest.mark.slow),
        (taut.L2, "large quantity"),
        pytest.param(taut.ElasticNet, "quantity", marks=pytest.mark.slow),
    ],
)
def test_the_top_leaves_nothing_and_the_bottom_changes_nothing(
    name, penalty, diabetes, breast_cancer
):
    model, x, y = wanted(name, diabetes, breast_cancer)
    found = taut.regularization_path(model, x, y, penalty=penalty, **SHORT)
    free = taut.regularization_path(model, x, y, penalty=penalty, **SHORT | {"strengths": [0]})
    top = found.strengths[0]
    assert (np.diff(found.strengths) < 0).all()
    lanes = found.table.set_index(["strength", "fold"]).sort_index()
    unpenalised = free.table.set_index("fold")
    for fold, one in enumerate(found.models(top)):
        if penalty is not taut.L2:
            assert not any(w.any() for w in kernels(one))
        # A constant is predicted, so the bias alone has to learn what it can.
        output = one.predict(x, verbose=0)
        assert np.ptp(output) <= 1e-2 * (1 + np.abs(output).max())
        assert lanes.loc[(top, fold), "train_loss"] >= unpenalised.loc[fold, "train_loss"]
    change = abs(found.summary["train_loss"].iloc[-1] - free.summary["train_loss"].iloc[0])
    spread = found.summary["train_loss"].iloc[0] - free.summary["train_loss"].iloc[0]
    assert change <= 0.02 * spread
    assert set(found.table["status"]) == {"finished"}


def test_the_table_has_a_line_a_training_and_the_summary_a_line_a_strength(path):
    table, summary = path.table, path.summary
    assert len(table) == 5 * 3 * 2
    assert not table.duplicated(["strength", "fold", "seed"]).any()
    np.testing.assert_array_equal(summary["strength"], path.strengths)
    by_fold = table.groupby(["strength", "fold"])["held_out_loss"].mean().unstack()
    by_fold = by_fold.loc[path.strengths].to_numpy()
    np.testing.assert_allclose(summary["held_out_loss"], by_fold.mean(axis=1))
    expected = by_fold.std(axis=1, ddof=1) / np.sqrt(3)
    np.testing.assert_allclose(summary["standard_error"], expected)
    assert "F = 3" in path.standard_error_note
    means = table.groupby("strength")[["train_loss", "nonzero"]].mean().loc[path.strengths]
    np.testing.assert_allclose(summary["train_loss"], means["train_loss"])
    np.testing.assert_allclose(summary["nonzero"], means["nonzero"])
    assert summary["nonzero"].iloc[0] == 0 < summary["nonzero"].iloc[-1]


def test_the_choices_follow_from_the_summary(path):
    summary = path.summary.set_index("strength")
    best = summary["held_out_loss"].idxmin()
    assert path.best_strength == best
    bound = summary.loc[best, ["held_out_loss", "standard_error"]].sum()
    assert path.one_se_strength == max(summary.index[summary["held_out_loss"] <= bound])
    assert path.one_se_strength >= path.best_strength


def test_models_reproduce_the_losses_of_the_table(path, diabetes):
    from taut.studies import folds

    x, y = diabetes
    splits = folds(y, 3, seed=0)
    for strength in (path.best_strength, path.strengths[-1]):
        lines = path.table[path.table["strength"] == strength]
        models = path.models(strength)
        assert len(models) == 6
        for (_, line), model in zip(lines.iterrows(), models, strict=True):
            rows = splits[line["fold"]].held_out
            assert losses(model, x[rows], y[rows]) == pytest.approx(line["held_out_loss"], rel=1e-4)
            assert sum(int((w != 0).sum()) for w in kernels(model)) == line["nonzero"]
            assert float(model.optimizer.strengths[0].numpy()) == pytest.approx(strength)
    assert len(path.models()) == 6


def test_the_certificate_is_that_of_a_model(path, diabetes):
    from taut.studies import folds

    x, y = diabetes
    rows = folds(y, 3, seed=0)[0].train
    again = taut.stationarity(path.models()[0], x[rows], y[rows])
    assert path.certificate.largest == pytest.approx(again.largest, rel=1e-4)
    assert "several layers" in path.certificate.note


def test_the_plot_is_a_chart_of_the_numbers(path):
    import altair

    chart = path.plot()
    assert isinstance(chart, altair.LayerChart)
    text = chart.to_json()
    assert "one standard error" in text
    assert f"{path.best_strength:.6g}"[:5] in text


def test_an_equal_seed_gives_equal_numbers_and_the_model_stays(diabetes):
    model = network(10)
    before = [w.copy() for w in model.get_weights()]
    given = SHORT | {"strengths": [0.1, 0.01], "epochs": 5}
    one, same = (taut.regularization_path(model, *diabetes, **given) for _ in range(2))
    other = taut.regularization_path(model, *diabetes, **given, seed=1)
    assert one.table.equals(same.table)
    assert not np.allclose(one.table["held_out_loss"], other.table["held_out_loss"])
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not isinstance(model.optimizer, taut.Proximal)


def test_strengths_given_are_sorted_and_kept(diabetes):
    given = SHORT | {"strengths": [0, 1.0, 0.01, 1.0], "epochs": 2}
    found = taut.regularization_path(network(10), *diabetes, **given, penalty="l2")
    assert list(found.strengths) == [1.0, 0.01, 0.0]
    assert found.penalty == "L2"
    assert sorted(set(found.table["strength"])) == [0.0, 0.01, 1.0]
    assert found.plot().to_json()  # on a logarithmic axis, without 0
    with pytest.raises(InputError, match=r"nearest is 0\.01"):
        found.models(0.02)


def test_numbers_of_any_two_values_are_classes(diabetes):
    x, y = diabetes
    y = np.where(y > 0, 2.5, -1.5).astype("float32")
    given = SHORT | {"strengths": [0.1], "epochs": 2}
    found = taut.regularization_path(network(10), x, y, **given)
    assert np.isfinite(found.table["held_out_loss"]).all()


def test_patience_stops_early_and_keeps_the_best_epoch(breast_cancer):
    model = network(30, "binary_crossentropy", "sigmoid", units=32)
    given = SHORT | {"strengths": [0.0, 1e-3], "epochs": 60, "batch_size": 16}
    found = taut.regularization_path(model, *breast_cancer, **given, patience=3)
    assert "stopped" in set(found.table["status"])
    held_out = found.record.held_out_loss
    at = found.table["best_epoch"].to_numpy()
    np.testing.assert_array_equal(at, np.nanargmin(held_out, axis=1))
    np.testing.assert_allclose(found.table["held_out_loss"], np.nanmin(held_out, axis=1))


def test_a_strength_that_diverges_is_told_and_not_chosen(diabetes):
    x, y = diabetes
    # Too long a step for the weights, but not for a bias alone.
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(0.6), loss="mse")
    given = SHORT | {"strengths": [1e-6, 10.0], "epochs": 60, "batch_size": 442}
    with pytest.warns(RuntimeWarning, match="trainings diverged: strength=1e-06, fold=0, seed=0"):
        found = taut.regularization_path(model, x, y, **given)
    assert set(found.table.query("strength < 1")["status"]) == {"diverged"}
    assert found.best_strength == 10.0
    weight = np.where(np.arange(len(y)) == 0, 1e30, 1.0).astype("float32")
    with pytest.raises(InputError, match="on some fold of every strength"):
        taut.regularization_path(model, x, y, **given, sample_weight=weight)
    huge = np.full_like(y, 1e30)
    with pytest.raises(InputError, match="diverge"):
        taut.regularization_path(model, x, huge, **SHORT)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"strengths": [-1.0]}, "`strengths`"),
        ({"strengths": [float("nan")]}, "`strengths`"),
        ({"strengths": []}, "`strengths`"),
        ({"strengths": 1}, "`strengths`"),
        ({"strengths": "many"}, "`strengths`"),
        ({"cv": 1}, "`cv`"),
        ({"cv": 443}, "`cv`"),
        ({"seeds": 0}, "`seeds`"),
        ({"seeds": 1.5}, "`seeds`"),
        ({"epochs": 0}, "`epochs`"),
        ({"batch_size": 0}, "`batch_size`"),
        ({"penalty": "l3"}, "penalty"),
        ({"penalty": taut.NonNegative()}, "whose strength can vary"),
    ],
)
def test_what_cannot_be_is_told(options, words, diabetes):
    given = {"strengths": [0.1], "cv": 3, "epochs": 1} | options
    with pytest.raises(InputError, match=words):
        taut.regularization_path(network(10), *diabetes, **given)


def test_class_weights_are_in_the_certificate(breast_cancer):
    x, y = breast_cancer
    model = keras.Sequential([keras.Input((30,)), keras.layers.Dense(1, activation="sigmoid")])
    model.compile("adam", loss="binary_crossentropy")
    given = {"strengths": [0.1, 0.01], "cv": 2, "epochs": 20}
    classes = taut.regularization_path(model, x, y, class_weight={0: 3.0}, **given)
    rows = np.where(y == 0, 3.0, 1.0)
    weights = taut.regularization_path(model, x, y, sample_weight=rows, **given)
    assert classes.certificate.largest == pytest.approx(weights.certificate.largest, rel=1e-4)


def test_finding_the_range_leaves_what_a_penalty_refers_to(diabetes):
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(1)])
    model.compile("adam", loss="mse")
    model.layers[0].kernel.assign(np.full((10, 1), 5.0))
    found = taut.regularization_path(
        model, *diabetes, penalty=taut.L2SP, strengths=2, cv=2, epochs=3
    )
    for trained in found.models():
        (reference,) = trained.optimizer.constants
        np.testing.assert_array_equal(reference.numpy(), np.full((10, 1), 5.0))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"warm_start": "up", "warm_epochs": 9}, "`warm_epochs` must not exceed"),
        ({"warm_start": "up", "warm_epochs": 0}, "`warm_epochs` must be an integer >= 1"),
        ({"halving": True, "patience": 1, "epochs": 1}, "at least 2 epochs"),
        ({"halving": True}, "it needs `patience`"),
        ({"width": 0}, "`width` must be an integer >= 1"),
    ],
)
def test_what_the_study_needs_is_checked_before_the_pilots(options, words, diabetes, monkeypatch):
    monkeypatch.setattr("taut.studies.folded.train_lanes", None)
    with pytest.raises(InputError, match=words):
        taut.regularization_path(
            network(10), *diabetes, **{"strengths": 4, "cv": 2, "epochs": 4, **options}
        )
