"""Penalties with an array for each variable: which array is whose, and what is refused."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from taut.errors import InputError
from taut.penalties import L2SP, Binding, WeightedL1


def network(name="net", *, wide=3):
    return keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(wide, name="first"),
            keras.layers.Dense(1, name="last"),
        ],
        name=name,
    )


def binding(*variables, made=None):
    def constants(arrays, name):
        kept = [keras.Variable(a, trainable=False, name=name) for a in arrays]
        if made is not None:
            made.extend(kept)
        return kept

    return Binding(
        paths=tuple(v.path for v in variables),
        values=tuple(np.array(ops.convert_to_numpy(v)) for v in variables),
        constants=constants,
    )


def numpy(x):
    return np.array(ops.convert_to_numpy(x))


def kernels(model):
    return [layer.kernel for layer in model.layers]


def centres(penalty, variables):
    pairs = zip(penalty.each(len(variables)), variables, strict=True)
    return [numpy(one.centre(ops.convert_to_tensor(v))) for one, v in pairs]


def test_without_a_reference_the_centre_is_where_training_starts():
    variables, made = kernels(network()), []
    start = [numpy(v) for v in variables]
    bound = L2SP(0.1).bind(binding(*variables, made=made))
    for variable in variables:
        variable.assign(variable + 1)
    assert [tuple(v.shape) for v in made] == [(2, 3), (3, 1)]
    assert not any(v.trainable for v in made)
    for found, expected in zip(centres(bound, variables), start, strict=True):
        np.testing.assert_array_equal(found, expected)
    value = bound.value([ops.convert_to_tensor(v) for v in variables], 2.0)
    assert float(numpy(value)) == pytest.approx(9)


def test_what_was_bound_is_read_anew_each_time():
    # A loaded optimizer, or another lane, writes the array after the penalty was bound.
    variable, made = kernels(network())[0], []
    bound = L2SP().bind(binding(variable, made=made))
    made[0].assign(np.full((2, 3), 7.0))
    np.testing.assert_array_equal(numpy(bound.centre(ops.zeros((2, 3)))), 7)


@pytest.mark.parametrize("nested", [False, True])
def test_a_model_is_a_reference_by_the_paths_of_its_weights(nested):
    pretrained, tuned = network("pretrained"), network("tuned")
    if nested:
        tuned = keras.Sequential([keras.Input((2,)), tuned]).layers[0]
    bound = L2SP(reference=pretrained).bind(binding(*kernels(tuned)))
    for found, layer in zip(centres(bound, kernels(tuned)), pretrained.layers, strict=True):
        np.testing.assert_array_equal(found, numpy(layer.kernel))


def test_a_key_is_a_path_or_its_end_and_the_longest_counts():
    variables = kernels(network())
    reference = {"kernel": 1.0, "last/kernel": np.full((3, 1), 2.0), "st/kernel": 3.0, "other": 4.0}
    bound = L2SP(reference=reference).bind(binding(*variables))
    first, last = centres(bound, variables)
    assert (first == 1).all()
    assert (last == 2).all()


@pytest.mark.parametrize("kind", ["numpy", "tensor", "variable", "list", "integers"])
def test_arrays_of_every_kind_are_taken(kind):
    given = [[1.0, 2.0]]
    arrays = {
        "numpy": np.array(given),
        "tensor": ops.convert_to_tensor(given),
        "variable": keras.Variable(given),
        "list": given,
        "integers": np.array(given, int),
    }
    assert float(numpy(L2SP(1.0, reference=arrays[kind])([[1.0, 4.0]]))) == 2.0


def test_missing_arrays_are_told_all_at_once():
    model = network()
    with pytest.raises(InputError, match=r"net/first/kernel', 'net/last/kernel'.*keys are 'x'"):
        L2SP(reference={"x": 1.0}).bind(binding(*kernels(model)))
    other = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, name="first")])
    with pytest.raises(InputError, match=r"no array for 'net/last/kernel'; the keys are"):
        WeightedL1.adaptive(other).bind(binding(*kernels(model)))


def test_a_wrong_shape_is_told():
    with pytest.raises(
        InputError, match=r"Received: shape \(2, 4\) for net/first/kernel.*\(2, 3\)"
    ):
        L2SP(reference=network(wide=4)).bind(binding(*kernels(network())))
    with pytest.raises(InputError, match="must have the shape of its variable"):
        WeightedL1(weights=np.ones(5)).bind(binding(*kernels(network())))


@pytest.mark.parametrize(
    "bad", [float("nan"), [1.0, float("inf")], "many", {"a": None}, [[1], [1, 2]]]
)
def test_arrays_must_be_finite(bad):
    with pytest.raises(InputError, match=r"`reference` must hold finite numbers\. Received"):
        L2SP(reference=bad)
    with pytest.raises(InputError, match=r"`weights` must hold finite numbers\. Received"):
        WeightedL1(weights=bad)


def test_weights_must_not_be_negative():
    with pytest.raises(InputError, match=r"`weights` must be >= 0\..*-2 for 'kernel'"):
        WeightedL1(weights={"kernel": [1.0, -2.0]})


def test_a_model_must_be_built():
    unbuilt = keras.Sequential([keras.layers.Dense(1)])
    with pytest.raises(InputError, match="`reference` must be a built Keras model"):
        L2SP(reference=unbuilt)
    with pytest.raises(InputError, match="`model` must be a built Keras model"):
        WeightedL1.adaptive(unbuilt)


def test_a_weight_alone_has_no_array_of_its_own():
    assert float(ops.convert_to_numpy(L2SP()(np.ones(3, "float32")))) == 0
    for penalty in (L2SP(reference={"kernel": 1.0}), WeightedL1(weights={"kernel": 1.0})):
        with pytest.raises(InputError, match="must be one array where the penalty is called"):
            penalty([1.0, 2.0])
    assert float(numpy(WeightedL1(0.5)([1.0, -2.0]))) == 1.5


def test_adaptive_weights_are_those_of_zou():
    model = network()
    model.layers[0].kernel.assign([[2.0, -0.5, 0.0], [1.0, 4.0, -0.25]])
    penalty = WeightedL1.adaptive(model, 0.3, exponent=2.0, epsilon=1e-3)
    assert penalty.strength == 0.3
    expected = 1 / (np.array([[2.0, 0.5, 0.0], [1.0, 4.0, 0.25]]) + 1e-3) ** 2
    np.testing.assert_allclose(penalty.weights["first/kernel"], expected, rtol=1e-6)
    bound = penalty.bind(binding(*kernels(network("again"))))
    u = numpy(bound.prox([ops.ones((2, 3)), ops.ones((3, 1))], 1.0, 0.3)[0])
    np.testing.assert_allclose(u, np.maximum(1 - 0.3 * expected, 0), atol=1e-6)


@pytest.mark.parametrize("bad", [{"exponent": -1.0}, {"epsilon": 0.0}, {"exponent": float("nan")}])
def test_adaptive_refuses_numbers_out_of_range(bad):
    with pytest.raises(InputError, match=f"`{next(iter(bad))}` must be a finite number >"):
        WeightedL1.adaptive(network(), **bad)


def test_a_weight_of_zero_is_free():
    penalty = WeightedL1(weights=[0.0, 2.0])
    critical = lambda g: float(numpy(penalty.critical_strength(ops.convert_to_tensor(g))))  # noqa: E731
    assert critical([0.0, 3.0]) == 1.5
    assert critical([1.0, 3.0]) == float("inf")


@pytest.mark.parametrize("reference", [np.eye(2, dtype="float32"), {"a": np.ones(3), "b/c": 2.0}])
def test_arrays_are_saved_and_compared(reference):
    penalty = L2SP(0.1, reference=reference)
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(penalty)))
    again = keras.saving.deserialize_keras_object(config)
    assert again == penalty
    assert hash(again) == hash(penalty)
    assert penalty.with_strength(0.2).with_strength(0.1) == penalty
    changed = L2SP(0.1, reference={"a": np.zeros(3), "b/c": 2.0})
    assert changed != penalty
    assert L2SP(0.1) != penalty


def test_unbound_it_has_no_arrays_and_its_repr_is_short():
    penalty = L2SP(0.1, reference=network())
    assert penalty.unbound() == L2SP(0.1)
    assert "first/kernel': array(2×3)" in repr(penalty)
    assert "… 1 more" in repr(penalty)
    large = WeightedL1(weights=np.ones((300, 300)))
    assert repr(large) == "WeightedL1(strength=0.01, weights=array(300×300))"
    assert large != WeightedL1(weights=np.ones((300, 300)) * (1 + 1e-12 * np.eye(300)))
    bound = penalty.bind(binding(*kernels(network())))
    assert bound == penalty
    assert bound.unbound().unbound() == L2SP(0.1)
