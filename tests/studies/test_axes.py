"""A path of any penalty: at each point its trainings are those of a direct fit."""

import warnings

import keras
import numpy as np
import pytest
from sklearn.linear_model import ElasticNet

import taut
from taut.engine import Lane, train_lanes
from taut.errors import EdgeWarning, InputError, UnsupportedError
from taut.studies import folds
from taut.studies.axes import axes_of
from taut.studies.folded import FoldedArrays
from tests.conftest import some_slow

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="lanes need JAX")

SHORT = {"cv": 2, "epochs": 4, "batch_size": 64, "callbacks": ()}


def network(penalty=None, regularizer=None):
    x = keras.Input((10,))
    first = keras.layers.Dense(4, activation="relu", name="first", kernel_regularizer=regularizer)(
        x
    )
    y = keras.layers.Dense(1, name="later")(first) + keras.layers.Dense(1, name="skip")(x)
    model = keras.Model(x, y)
    optimizer = keras.optimizers.SGD(0.02)
    optimizer = optimizer if penalty is None else taut.Proximal(optimizer, penalty).bind(model)
    model.compile(optimizer, "mse")
    return model


def path(model, data, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EdgeWarning)
        return taut.regularization_path(model, *data, **SHORT | options)


def direct(request, data):
    """What `train_lanes` makes of the strengths that the model is compiled with."""
    x, y = data
    model = network(request)
    model.optimizer.build(model.trainable_variables)
    strengths = tuple(model.optimizer.compiled_strengths)
    splits = folds(y, 2, seed=0)
    lanes = [Lane(strengths, k, 0) for k in range(2)]
    return train_lanes(model, x, y, lanes, splits=splits, epochs=4, batch_size=64)


# The path's options, one of its strengths, and what a model is compiled with to be alike.
ALIKE = {
    "sum": (
        {"penalty": taut.L1(0.01) + taut.L2(0.1), "strengths": [3, 0.5]},
        3,
        taut.L1(0.03) + taut.L2(0.3),
    ),
    "classes": (
        {"penalty": {"first": taut.L1, "later": "l2"}, "strengths": [0.2, 0.1]},
        0.2,
        {"first": taut.L1(0.2), "later": taut.L2(0.2)},
    ),
    "an exception": (
        {"penalty": {"later": None, ".*kernel": taut.L1(9.0)}, "strengths": [0.2, 0.1]},
        0.2,
        {"later": None, ".*kernel": taut.L1(0.2)},
    ),
    "mapping": (
        {
            "penalty": {"first": taut.GroupLasso(0.1, groups="units"), "later": taut.L2(0.2)},
            "strengths": [2.0, 0.5],
        },
        2.0,
        {"first": taut.GroupLasso(0.2, groups="units"), "later": taut.L2(0.4)},
    ),
    "hierarchy": (
        {
            "penalty": {("skip", "first"): taut.Hierarchical(hierarchy=5.0)},
            "strengths": [0.2, 0.1],
        },
        0.2,
        {("skip", "first"): taut.Hierarchical(0.2, hierarchy=5.0)},
    ),
    "sparse groups": (
        {"penalty": taut.SparseGroupLasso(groups="inputs"), "strengths": [0.2, 0.1]},
        0.2,
        taut.SparseGroupLasso(0.2, groups="inputs"),
    ),
    "constraint": (
        {"penalty": taut.L1(0.1) + taut.NonNegative(), "strengths": [0.2, 0.1]},
        0.2,
        taut.L1(0.2) + taut.NonNegative(),
    ),
    "two strengths": (
        {
            "penalty": {"first": taut.L1(7.0), "later": taut.L2},
            "strengths": {"later": [0.5, 0.1], "first": [0.3, 0.2]},
        },
        {"first": 0.2, "later": 0.5},
        {"first": taut.L1(0.2), "later": taut.L2(0.5)},
    ),
    "one of two": (
        {
            "penalty": {"first": taut.L1, "later": taut.L2(0.5)},
            "strengths": {"first": [0.3, 0.2]},
        },
        0.2,
        {"first": taut.L1(0.2), "later": taut.L2(0.5)},
    ),
}


@pytest.mark.parametrize("name", some_slow(ALIKE, ["two strengths"]))
def test_a_point_of_a_path_is_a_direct_fit(name, diabetes):
    options, strength, request = ALIKE[name]
    result = path(network(), diabetes, **options)
    record = direct(request, diabetes)
    for one, other in zip(result.weights(strength).values(), record.trainable, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    at = result.table.iloc[result._lanes(strength)]
    np.testing.assert_allclose(at["held_out_loss"], record.kept_losses()[1], rtol=1e-4)


def compiled(model):
    """Each variable's penalties and strengths."""
    explained = taut.explain(model).variables
    return {v.path: (v.penalty, v.strengths) for v in explained if v.strengths}


@pytest.mark.slow
def test_what_the_model_was_compiled_with_stays(diabetes):
    model = network({"later": taut.L2(0.5), "skip": taut.GroupLasso(0.1, groups="inputs")})
    model.optimizer.build(model.trainable_variables)
    model.optimizer.set_strengths([0.7, 0.1])
    penalty = {"first": taut.L1, "later": taut.L1}
    result = path(model, diabetes, penalty=penalty, strengths=[0.2, 0.1])
    (trained, *_) = result.models(0.2)
    strengths = {path: (name, pytest.approx(s)) for path, (name, s) in compiled(trained).items()}
    assert strengths == {
        "first/kernel": ("L1", (0.2,)),
        "later/kernel": ("L1 + L2", (0.2, 0.7)),
        "skip/kernel": ("GroupLasso", (0.1,)),
    }
    texts = " ".join(result.kept_penalties)
    assert "L2(strength=0.7) on later/kernel" in texts
    assert "GroupLasso(strength=0.1" in texts
    assert "kept: L2(strength=0.7) on later/kernel" in repr(result)


@pytest.mark.slow
def test_a_layers_own_penalty_stays(diabetes):
    model = network(regularizer=taut.L2(0.3))
    result = path(model, diabetes, penalty=taut.L1, strengths=[0.2, 0.1])
    assert result.kept_penalties == ("L2(strength=0.3) on first/kernel",)
    found = compiled(result.models(0.2)[0])
    assert found["first/kernel"] == ("L2", pytest.approx((0.3,)))
    assert found["later/kernel"] == ("L1", pytest.approx((0.2,)))


@pytest.mark.slow
def test_a_penalty_of_the_paths_kind_is_replaced(diabetes):
    result = path(network(taut.L1(7.0)), diabetes, penalty=taut.L1, strengths=[0.2, 0.1])
    assert result.kept_penalties == ()
    assert compiled(result.models(0.2)[0])["first/kernel"] == ("L1", pytest.approx((0.2,)))


@pytest.mark.slow
def test_selectors_may_be_layers_and_functions(diabetes):
    model = network()
    layer = model.get_layer("first")
    penalty = {layer: taut.L1, lambda v: "skip/kernel" in v.path: taut.L2(0.4)}
    result = path(model, diabetes, penalty=penalty, strengths={layer: [0.2, 0.1]})
    found = compiled(result.models(0.1)[0])
    assert found == {
        "first/kernel": ("L1", pytest.approx((0.1,))),
        "skip/kernel": ("L2", pytest.approx((0.4,))),
    }


def test_several_strengths_have_a_column_each(diabetes, tmp_path):
    options, *_ = ALIKE["two strengths"]
    result = path(network(), diabetes, **options)
    assert result.axes == ("later", "first")
    assert result.strengths.tolist() == [[0.5, 0.3], [0.5, 0.2], [0.1, 0.3], [0.1, 0.2]]
    for frame in (result.summary, result.to_frame()):
        np.testing.assert_array_equal(frame[["later", "first"]], result.strengths)
    best = result.summary.loc[result.summary["held_out_loss"].idxmin()]
    assert result.best_strength == {"later": best["later"], "first": best["first"]}
    assert len(result.models({"first": 0.3, "later": 0.1})) == 2
    with pytest.raises(InputError, match="a dict with 'later', 'first'"):
        result.models(0.3)
    with pytest.raises(InputError, match=r"nearest is {'later': 0.5, 'first': 0.2}"):
        result.models({"first": 0.2, "later": 0.4})
    loaded = taut.studies.PathResult.load(result.save(tmp_path / "path.npz"))
    assert repr(loaded) == repr(result)
    assert loaded.best_strength == result.best_strength
    assert "held_out_loss" in result.plot().to_json()
    assert result.plot(by="inputs").to_json()
    with pytest.raises(InputError, match="along one strength"):
        result.plot(by="groups")


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(
            {"penalty": taut.L1(0.01) + taut.L2(0.1), "strengths": 3}, marks=pytest.mark.slow
        ),
        {"penalty": {"first": taut.L1, "later": taut.L1}, "strengths": {"first": 3, "later": 2}},
    ],
)
def test_the_range_of_each_strength_is_found(options, diabetes, monkeypatch):
    pilots, train = {}, FoldedArrays.train

    def recorded(self, model, lanes, settings, name, **rest):
        pilots[name] = lanes
        return train(self, model, lanes, settings, name, **rest)

    monkeypatch.setattr(FoldedArrays, "train", recorded)
    result = path(network(), diabetes, **options, start="present")
    frame = result.summary
    top = frame.iloc[0]
    if len(result.axes) == 1:
        assert top["nonzero"] == 0
        assert len(frame) == 3
        return
    assert len(frame) == 6
    ends = {name: frame[name].max() for name in result.axes}
    weights = result.weights(ends)
    assert not weights["first/kernel"].any()
    assert not weights["later/kernel"].any()
    assert weights["skip/kernel"].any()
    # While the range of one is found, the other is 0.
    assert {lane.strengths[1] for lane in pilots["range"]} == {0.0}
    assert {lane.strengths[0] for lane in pilots["range_1"]} == {0.0}
    assert len({lane.strengths[1] for lane in pilots["range_1"]}) > 3


def test_a_path_of_a_sum_is_the_elastic_net(diabetes):
    x, y = diabetes
    x, y = x[:200], y[:200]
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.2), "mse")
    split = [(np.arange(100, 200), np.arange(100)), (np.arange(100), np.arange(100, 200))]
    settings = {"cv": split, "epochs": 1500, "batch_size": 100, "strengths": [1.0, 0.2, 0.05]}
    penalty = taut.L1(0.4) + taut.L2(0.3)
    result = path(model, (x, y), penalty=penalty, **settings)
    for m in settings["strengths"]:
        kernel = next(iter(result.weights(m).values()))
        for fold, (rows, _) in enumerate(split):
            # J + l1·Σ|w| + l2/2·Σw², which is 2·(their objective) for MSE.
            l1, l2 = 0.4 * m, 0.3 * m
            alpha = (l1 + l2) / 2
            peer = ElasticNet(alpha, l1_ratio=l1 / (l1 + l2), tol=1e-10, max_iter=100_000)
            peer.fit(x[rows].astype(float), y[rows].astype(float))
            np.testing.assert_allclose(kernel[fold].ravel(), peer.coef_, atol=1e-4)
            assert ((kernel[fold].ravel() == 0) == (peer.coef_ == 0)).all()


@pytest.mark.parametrize(
    ("penalty", "strengths", "words"),
    [
        ({}, 3, "must not be empty"),
        (taut.NonNegative(), 3, "whose strength can vary"),
        (taut.L1(0.0) + taut.L2(0.0), 3, "one must be > 0"),
        ({"a": taut.L1}, {"b": 3}, r"selectors of `penalty`, which are 'a'\. Received: 'b'"),
        ({"a": taut.L1}, {}, "Received: none"),
        ({"a": taut.L1, "b": taut.L2}, {"a": 3}, r"own strength.*`taut.L2\(0.01\)`"),
        ({"a": taut.L1}, {"a": 1}, "at least 2"),
        ({"a": taut.L1}, {"a": [-1.0]}, "finite numbers >= 0"),
    ],
)
def test_what_cannot_vary_is_refused(penalty, strengths, words):
    with pytest.raises(InputError, match=words):
        axes_of(penalty, strengths)


def test_what_would_be_another_problem_is_refused(diabetes):
    split = network({"first/kernel": taut.L2(0.5)})
    with pytest.raises(UnsupportedError, match="weights of a group must all have the same"):
        path(split, diabetes, penalty=taut.GroupLasso(groups="inputs"), strengths=[0.1])
    with pytest.raises(UnsupportedError, match="prox of a sum"):
        path(network(taut.MCP(0.1)), diabetes, penalty=taut.L1, strengths=[0.1])
    penalty = {"first": taut.L1, "later": taut.L1}
    with pytest.raises(InputError, match="strengths of 'first', 'later', warm_start='up'"):
        path(
            network(),
            diabetes,
            penalty=penalty,
            strengths={"first": [1.0, 0.1], "later": [1.0, 0.1]},
            warm_start="up",
        )


@pytest.mark.slow
def test_streamed_rows_have_the_same_axes(diabetes):
    options = {"penalty": taut.L1(0.01) + taut.L2(0.1), "strengths": [3, 0.5], "memory": 1 << 26}
    result = path(network(), diabetes, **options)
    found = [float(s.numpy()) for s in result.models(3)[0].optimizer.strengths]
    assert found == pytest.approx([0.03, 0.3])
    assert np.isfinite(result.summary["held_out_loss"]).all()


@pytest.mark.slow
def test_warm_starts_follow_the_strength_of_a_sum(diabetes):
    penalty = taut.L2(0.1) + taut.L1(0.01)
    result = path(network(), diabetes, penalty=penalty, strengths=[1.0, 0.1], warm_start="up")
    assert set(result.warm_disagreement["strength"]) <= {1.0, 0.1}
