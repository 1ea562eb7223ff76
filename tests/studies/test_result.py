"""What a path's result says, shows and keeps."""

import os
import re
import warnings

import keras
import numpy as np
import pytest

import taut
from taut.engine import Lane, Record
from taut.errors import EdgeWarning, InputError
from taut.studies import PathResult
from taut.studies.kept import group_norms, input_norms
from taut.studies.stored import model_bytes

STRENGTHS = [1.0, 0.1, 0.02, 0.001]


def network():
    model = keras.Sequential(
        [
            keras.Input((10,)),
            taut.layers.Standardize(),
            keras.layers.Dense(4, activation="relu", name="first"),
            keras.layers.Dense(1, name="last"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.02), "mse", metrics=["mae"])
    return model


@pytest.fixture(scope="module")
def path(diabetes):
    penalty = taut.GroupLasso(groups="inputs")
    given = {"strengths": STRENGTHS, "cv": 3, "seeds": 2, "epochs": 15, "batch_size": 64}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EdgeWarning)
        return taut.regularization_path(network(), *diabetes, penalty=penalty, **given)


@pytest.fixture(scope="module")
def saved(path, tmp_path_factory):
    return path.save(tmp_path_factory.mktemp("saved") / "path.npz")


def test_what_is_loaded_is_what_was_saved(path, saved, diabetes):
    loaded = PathResult.load(saved)
    assert loaded.table.equals(path.table)
    assert loaded.summary.equals(path.summary)
    assert repr(loaded) == repr(path)
    assert loaded.certificate == path.certificate
    assert loaded.to_frame().equals(path.to_frame())
    assert loaded.record.lanes[0].strengths == path.record.lanes[0].strengths
    for one, other in zip(loaded.record.lanes, path.record.lanes, strict=True):
        assert (one.split, one.seed) == (other.split, other.seed)
        assert one.values.keys() == other.values.keys() != set()
        for name, value in one.values.items():
            np.testing.assert_array_equal(value, other.values[name])
    np.testing.assert_array_equal(loaded.record.held_out_loss, path.record.held_out_loss)
    for strength in (0.1, 0.001):
        for one, other in zip(path.models(strength), loaded.models(strength), strict=True):
            for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
                np.testing.assert_array_equal(a, b)
            assert one.optimizer.entries == other.optimizer.entries
            np.testing.assert_array_equal(
                one.predict(diabetes[0][:20], verbose=0), other.predict(diabetes[0][:20], verbose=0)
            )
    # It is compiled as it was, and can be trained further.
    assert set(loaded.models()[0].evaluate(*diabetes, verbose=0, return_dict=True)) >= {"mae"}


def test_arrays_of_penalties_are_saved(diabetes, tmp_path):
    x, y = diabetes
    weights = np.arange(1.0, 11.0, dtype="float32").reshape(10, 1)
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(1, name="only")])
    model.compile("sgd", "mse")
    penalty = taut.WeightedL1(weights={"only/kernel": weights})
    given = {"strengths": [0.1, 0.01], "cv": 2, "epochs": 2}
    result = taut.regularization_path(model, x, y, penalty=penalty, **given)
    loaded = PathResult.load(result.save(tmp_path / "weighted"))
    for one in (result, loaded):
        (constants,) = one.models()[0].optimizer.constants
        np.testing.assert_array_equal(constants.numpy(), weights)


class Scaled(keras.layers.Dense):
    """A layer that is not registered with Keras."""


def squared(y, prediction):
    return keras.ops.mean(keras.ops.square(y - prediction), axis=-1)


@pytest.mark.slow
def test_own_layers_and_losses_are_loaded_by_name(diabetes, tmp_path):
    x, y = diabetes
    model = keras.Sequential([keras.Input((10,)), Scaled(1)])
    model.compile("sgd", squared)
    given = {"strengths": [0.1, 0.01], "cv": 2, "epochs": 2}
    result = taut.regularization_path(model, x, y[:, None], **given)
    file = result.save(tmp_path / "own")
    with pytest.raises(InputError, match=r"\(TypeError: Could not locate .*custom_objects="):
        PathResult.load(file)
    own = {"Scaled": Scaled, "squared": squared}
    loaded = PathResult.load(file, custom_objects=own).models(0.1)[0]
    np.testing.assert_array_equal(loaded.predict(x), result.models(0.1)[0].predict(x))


def test_what_could_not_be_loaded_is_not_saved():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", lambda y, prediction: squared(y, prediction))
    with pytest.raises(InputError, match=r"cannot be saved \(TypeError: it has a lambda"):
        model_bytes(model)


def test_a_file_that_cannot_be_written_loses_nothing(path, saved, tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"`path` must be a new file.*overwrite=True"):
        path.save(saved)
    with pytest.raises(InputError, match=r"can be written.*No such file"):
        path.save(tmp_path / "nowhere" / "path.npz")
    before = saved.read_bytes()

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(InputError, match="No space left on device"):
        path.save(saved, overwrite=True)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_what_is_no_saved_path_is_refused(saved, tmp_path):
    with pytest.raises(InputError, match="there is none"):
        PathResult.load(tmp_path / "missing")
    damaged = tmp_path / "damaged"
    damaged.write_bytes(saved.read_bytes()[: saved.stat().st_size // 2])
    with pytest.raises(InputError, match="must be whole"):
        PathResult.load(damaged)
    other = tmp_path / "other.npz"
    np.savez(other, about=np.array('{"kind": "a recipe", "format": 3}'))
    with pytest.raises(InputError, match="a recipe of format 3"):
        PathResult.load(other)


def test_objects_in_a_file_are_not_unpickled(saved, tmp_path):
    with np.load(saved) as archive:
        arrays = dict(archive)
    arrays["record/train_loss"] = np.array([print], dtype=object)
    evil = tmp_path / "evil.npz"
    np.savez(evil, allow_pickle=True, **arrays)
    with pytest.raises(InputError, match=r"must be whole.*allow_pickle=False"):
        PathResult.load(evil)


def test_the_frame_counts_what_the_weights_say(path):
    frame = path.to_frame().set_index("strength")
    assert list(frame.index) == STRENGTHS
    assert (frame["trainings"] == 6).all()
    for strength, line in frame.iterrows():
        kernels = path.weights(strength)
        first, last = (next(a for p, a in kernels.items() if e in p) for e in ENDS)
        inputs = (first != 0).any(axis=2).sum(axis=1)
        hidden = (last != 0).any(axis=2).sum(axis=1)
        nonzero = (first != 0).sum((1, 2)) + (last != 0).sum((1, 2))
        assert line["inputs_kept"] == pytest.approx(inputs.mean())
        assert line["groups_kept"] == pytest.approx((inputs + hidden).mean())
        assert line["nonzero"] == pytest.approx(nonzero.mean())
        assert line["zeros"] == pytest.approx(44 - nonzero.mean())
        lines = path.table[path.table["strength"] == strength]
        by_fold = lines.groupby("fold")["held_out_mae"].mean()
        assert line["held_out_mae"] == pytest.approx(by_fold.mean())
        expected = by_fold.std(ddof=1) / np.sqrt(3)
        assert line["held_out_mae_standard_error"] == pytest.approx(expected)
    assert frame["inputs_kept"].iloc[0] < frame["inputs_kept"].iloc[-1] == 10
    same = path.summary.set_index("strength")["standard_error"]
    np.testing.assert_allclose(frame["held_out_loss_standard_error"], same)


ENDS = ("first/kernel", "last/kernel")


def test_weights_are_those_of_the_models(path):
    weights = path.weights(0.0200001)  # as it may be printed
    for number, model in enumerate(path.models(0.02)):
        for variable in model.trainable_variables:
            np.testing.assert_array_equal(weights[variable.path][number], variable.numpy())
    assert path.weights().keys() == weights.keys()
    with pytest.raises(InputError, match=r"nearest is 0\.02"):
        path.weights(0.03)
    for other in (None, [0.02], "0.02", np.nan):
        with pytest.raises(InputError, match="`strength` must be a number"):
            path.models({"strength": other})


def test_norms_are_those_of_the_groups(path):
    norms = path.group_norms()
    assert norms.groupby("layer")["group"].nunique().to_dict() == {"first": 10, "last": 4}
    line = norms.query("layer == 'first' and group == 3 and strength == 0.001").iloc[0]
    kernel = path.weights(0.001)[next(p for p in path.weights() if ENDS[0] in p)]
    lines = path.table[path.table["strength"] == 0.001].reset_index()
    at = lines.query(f"fold == {line['fold']} and seed == {line['seed']}").index[0]
    assert line["norm"] == pytest.approx(np.linalg.norm(kernel[at, 3]))


def test_norms_of_lists_of_inputs():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="only")])
    optimizer = taut.Proximal("sgd", taut.GroupLasso(0.1, groups=[[0, 2], [1]])).bind(model)
    model.compile(optimizer, "mse")
    optimizer.build(model.trainable_variables)
    kernel = np.array([[[3.0, 0.0], [0.0, 0.0], [0.0, 4.0]]])
    nothing = np.zeros((1, 1))
    record = Record(
        (Lane(),), nothing, nothing, ("finished",), *[np.zeros(1, int)] * 2,
        (kernel, np.ones((1, 2))), (), 0, 1,
    )  # fmt: skip
    assert next(iter(group_norms(model, record).values())).tolist() == [[5.0, 0.0]]
    assert input_norms(model, record).tolist() == [[3.0, 0.0, 4.0]]


@pytest.mark.parametrize("by", ["strength", "inputs", "groups"])
def test_charts_show_the_numbers(path, by):
    chart = path.plot(by=by)
    text = chart.to_json()
    assert "least held-out loss" in text
    data = [value for part in chart.to_dict()["datasets"].values() for value in part]
    if by == "groups":
        assert {"first 0", "last 3"} <= {line["name"] for line in data if "name" in line}
        assert any("seed" in line for line in data)
    else:
        best = path.summary["held_out_loss"].min()
        assert any(line.get("loss") == pytest.approx(best) for line in data)
    if by == "strength":
        assert {line["seed"] for line in data if "seed" in line} == {0, 1}


def test_groups_may_have_names(path):
    names = [f"column {k}\n" for k in range(10)]
    text = path.plot(by="groups", names=names).to_json()
    assert "column 9?" in text
    assert "last 3" in text
    with pytest.raises(InputError, match="10 of 'first', 4 of 'last'"):
        path.plot(by="groups", names=["a", "b"])
    with pytest.raises(InputError, match='`by` must be "strength"'):
        path.plot(by="width")


def test_a_result_is_short_and_says_what_was_chosen(path):
    text = repr(path)
    assert text.startswith("PathResult: GroupLasso at 4 strengths from 1 to 0.001, 3 folds × 2")
    assert f"at strength {path.best_strength:.4g}" in text
    assert "certificate: not converged: largest residual" in text
    assert len(text.splitlines()) == 4
    html = path._repr_html_()
    assert html.count("<tr") == 5
    assert "not converged" in html


def one_layer():
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.05), "mse")
    return model


@pytest.mark.parametrize(
    ("strengths", "edge", "words"),
    [
        ([0.5, 0.4, 0.3], "weakest", "weakest of the strengths, 0.3.*such as 0.03, or 0"),
        ([0.5, 0.4, 0.0], None, None),
        ([0.3, 0.5], "weakest", None),
    ],
)
def test_a_choice_at_the_edge_is_told(strengths, edge, words, diabetes, recwarn):
    given = {"strengths": strengths, "cv": 2, "epochs": 30, "batch_size": 64}
    result = taut.regularization_path(one_layer(), *diabetes, **given)
    assert result.edge == edge
    told = [str(w.message) for w in recwarn if w.category is EdgeWarning]
    assert bool(told) == bool(words)
    if words:
        assert re.search(words, told[0])


def test_the_strongest_is_an_edge_unless_it_leaves_nothing(diabetes):
    rng = np.random.default_rng(0)
    y = rng.normal(size=len(diabetes[1])).astype("float32")  # nothing to be learned
    given = {"cv": 2, "epochs": 30, "batch_size": 64}
    small = {"strengths": [0.02, 0.01, 0.001]}
    with pytest.warns(EdgeWarning, match="strongest of the strengths, 0.02.*such as 0.2"):
        result = taut.regularization_path(one_layer(), diabetes[0], y, **small, **given)
    assert result.edge == "strongest"
    large = {"strengths": [10.0, 0.01, 0.001]}
    assert taut.regularization_path(one_layer(), diabetes[0], y, **large, **given).edge is None
