"""The laws of a budget of multiply-adds."""

import keras
import numpy as np
import pytest
from keras import layers

import taut
from taut.compaction import compact, multiply_adds
from taut.compaction.analysis import Analysis
from taut.compaction.plan import plan
from taut.compaction.remade import remade
from taut.compaction.to_target import switched_off, within_budget
from taut.compaction.traced import trace
from taut.compaction.unit_groups import UnitGroups
from tests.compaction.mortal import drawn, numbers, relu, x_, zero


def groups_of(model, stays=()):
    traced = trace(model)
    return UnitGroups(model, traced, Analysis(traced, stays), stays)


def branched():
    """Units that are added to each other, and a layer that mixes those that it reads."""
    inputs = keras.Input((5,), name="x")
    h = relu(6, "a")(inputs)
    h = layers.Add()([h, relu(6, "b")(h)])
    mixed = layers.LayerNormalization()(layers.Dense(5, "relu", name="mixed")(relu(7, "c")(h)))
    return drawn(keras.Model(inputs, layers.Dense(2, name="out")(mixed)))


def convolutional():
    """Borders padded with zeros, and normalisations behind convolutions."""
    image = keras.Input((6, 6, 1), name="x")
    h = layers.Conv2D(6, 3, padding="same", use_bias=False, name="a")(image)
    h = layers.ReLU()(layers.BatchNormalization(name="norm")(h))
    h = layers.SeparableConv2D(8, 3, padding="same", activation="relu", name="b")(h)
    h = layers.Conv2D(8, 3, activation="relu", name="c")(h)
    return drawn(keras.Model(image, layers.Dense(2, name="out")(layers.Flatten()(h))))


def rows(model, seed=0):
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(16, *model.inputs[0].shape[1:])).astype("float32")
    return x, draw.normal(size=(16, 2)).astype("float32")


def without_dead(model):
    """The model without dead units, and its multiply-adds; None where all are dead."""
    traced = trace(model)
    analysis = Analysis(traced)
    if not analysis.depends_on_inputs:
        return None, None
    small = remade(model, plan(model, traced, analysis).change)
    return small, multiply_adds(small)


@pytest.fixture(scope="module")
def met():
    model = branched()
    before = [numbers(v) for v in model.variables]
    target = multiply_adds(model) // 2
    copy, search, fixed = within_budget(
        model, target=target, count=lambda m: without_dead(m)[1], groups_of=groups_of
    )
    return model, before, target, search, without_dead(copy), fixed


def test_a_layer_of_which_no_unit_can_go_is_told(met):
    (kept,) = met[-1]
    assert (kept.layer, kept.count) == ("mixed", 0)
    assert "none of its units is switched off: read by 'layer_normalization" in kept.reason


def test_a_budget_that_cannot_be_met_says_what_stands_in_the_way():
    model = keras.Sequential(
        [x_(3), layers.Dense(9, lambda x: x * 2, name="own"), layers.Dense(2, name="out")]
    )
    with pytest.raises(taut.InputError, match=r"kept: own: .* function of `keras.activations`"):
        compact(model, np.ones((4, 3)), target_macs=20, epochs=0, measure=False)


def test_a_budget_is_met_and_the_model_is_not_changed(met):
    model, before, target, search, (_, left), _ = met
    for ours, theirs in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(ours, numbers(theirs))
    found = min(t.strength for t in search if t.multiply_adds <= target)
    too_weak = [t for t in search if t.strength < found]
    assert max(t.multiply_adds for t in search if t.strength >= found) == left <= target
    assert too_weak
    assert all(t.multiply_adds > target for t in too_weak)
    assert left > 0.7 * target


def test_units_that_are_added_go_together_and_what_a_layer_mixes_stays(met):
    *_, (small, _), _ = met
    units = {layer.name: layer.units for layer in small.layers if isinstance(layer, layers.Dense)}
    assert units["a"] == units["b"] < 6
    assert units["c"] < 7
    assert units["mixed"] == 5
    assert units["out"] == 2


@pytest.mark.slow
def test_a_model_within_its_budget_is_neither_changed_nor_trained():
    model = branched()
    model.compile("sgd", "mse")
    result = compact(model, *rows(model), target_macs=multiply_adds(model), measure=False)
    assert not result.report.search
    for ours, theirs in zip(model.weights, result.model.weights, strict=True):
        np.testing.assert_array_equal(numbers(ours), numbers(theirs))


def test_dead_units_count_towards_a_budget():
    model = keras.Sequential([x_(3), relu(4, "a"), layers.Dense(2, name="out")])
    drawn(model).compile("sgd", "mse")
    zero(model.layers[0].kernel, slice(None), [1, 2])
    result = compact(model, *rows(model), target_macs=10, measure=False)
    assert result.report.after.multiply_adds == 10
    assert result.removed[0].indices == (1, 2)
    assert not result.report.search


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights():
    model = convolutional()
    model.compile(keras.optimizers.Adam(0.01), "mse")
    target = multiply_adds(model) // 3
    one, other = (
        compact(model, *rows(model), target_macs=target, epochs=2, batch_size=4, seed=3)
        for _ in range(2)
    )
    assert one.report.after.multiply_adds <= target
    assert one.report.equality.double < 1e-9
    assert {r.layer for r in one.removed} == {"a", "b", "c"}
    for ours, theirs in zip(one.model.variables, other.model.variables, strict=True):
        np.testing.assert_array_equal(numbers(ours), numbers(theirs))


def test_a_budget_that_one_unit_a_layer_exceeds_is_refused():
    model = branched()
    model.compile("sgd", "mse")
    with pytest.raises(
        taut.InputError, match=r"target_macs=5 .* of which \d+ multiply-adds are left"
    ):
        compact(model, *rows(model), target_macs=5, measure=False)


def test_strengths_rise_and_each_layer_keeps_a_unit():
    groups = groups_of(branched())
    off = list(switched_off(groups))
    strengths = [strength for _, strength in off]
    assert strengths == sorted(strengths)
    gone = {group for group, _ in off}
    assert len(gone) == len(off) > 10
    for layer in groups.layers:
        assert set(layer.groups) - gone


def test_what_is_ignored_stays():
    model = branched()
    groups = groups_of(model, {id(model.get_layer("c"))})
    gone = {group for group, _ in switched_off(groups)}
    by_name = {layer.path: gone & set(layer.groups) for layer in groups.layers}
    assert by_name["mixed"]
    assert not by_name["a"] | by_name["b"]  # what it reads
    assert not by_name["c"]


def test_of_equal_units_layers_become_narrower_in_the_order_of_what_they_cost():
    model = keras.Sequential([x_(8), relu(8, "a"), relu(8, "b"), layers.Dense(1)])
    for layer in model.layers:
        layer.kernel.assign(np.ones(layer.kernel.shape))
    groups = groups_of(model)
    costs = groups.costs(groups.alive)
    a, b = (costs[layer.groups] for layer in groups.layers[:2])
    np.testing.assert_allclose(a, 16)  # 8 inputs that are read, 8 units that read it
    np.testing.assert_allclose(b, 9)
    first, _ = next(switched_off(groups))
    assert first in groups.layers[0].groups


def test_channels_of_wide_convolutions_go_in_fours():
    image = keras.Input((4, 4, 1))
    h = layers.Conv2D(26, 3, padding="same", activation="relu", name="a")(image)
    h = layers.Conv2D(21, 3, padding="same", activation="relu", name="b")(h)
    model = drawn(keras.Model(image, layers.Dense(9)(layers.GlobalAveragePooling2D()(h))))
    groups = groups_of(model)
    left, odd = {layer.path: len(layer.groups) for layer in groups.layers}, 0
    for group, _ in switched_off(groups):
        path = next(layer.path for layer in groups.layers if group in layer.groups)
        left[path] -= 1
        wide = [n for n in (left["a"], left["b"]) if n > 16 and n not in (26, 21)]
        odd = max(odd, sum(n % 4 > 0 for n in wide))
    assert odd == 1  # never two at a time, so that a budget leaves one at most
    assert left["a"] == left["b"] == 1


def test_the_worth_of_units_does_not_change_with_the_scale_of_their_layer():
    model = keras.Sequential([x_(3), relu(4, "a"), relu(4, "b"), layers.Dense(1)])
    drawn(model)
    before = [layer.worth for layer in groups_of(model).layers]
    first, second = model.layers[0], model.layers[1]
    first.set_weights([w * 3 for w in first.get_weights()])
    second.kernel.assign(second.kernel / 3)
    after = [layer.worth for layer in groups_of(model).layers]
    np.testing.assert_allclose(after[0], before[0], rtol=1e-5)


def test_what_cannot_be_trained_on_is_refused_before_the_search():
    model = branched()
    model.compile("sgd", "mse")
    x, y = rows(model)
    for bad, message in [
        (y[:3], "must have the same rows"),
        (y * np.nan, "`y` must be finite"),
        (y.astype(str), "`y` must hold numbers"),
    ]:
        with pytest.raises(taut.InputError, match=message):
            compact(model, x, bad, target_macs=10, measure=False)


def test_a_training_that_leaves_no_numbers_returns_nothing():
    model = branched()
    model.compile(keras.optimizers.SGD(1e30), "mse")
    x, y = rows(model)
    with pytest.raises(taut.InputError, match="must stay finite"):
        compact(model, x, y, target_macs=multiply_adds(model) // 2, epochs=2, measure=False)


class Counted:
    """Rows that are made into an array when they are asked for."""

    def __init__(self, array):
        self.array, self.calls = array, 0

    def __array__(self, dtype=None, copy=None):
        self.calls += 1
        return np.asarray(self.array, dtype)


def test_rows_are_made_into_arrays_once():
    model = drawn(keras.Sequential([x_(3), relu(8, "a"), layers.Dense(2, name="out")]))
    model.compile("sgd", "mse")
    x, y = map(Counted, rows(model))
    compact(model, x, y, target_macs=20, epochs=1, measure=False)
    assert (x.calls, y.calls) == (1, 1)
