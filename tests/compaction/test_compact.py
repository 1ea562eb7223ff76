"""What `compact` refuses, what it tells, and what is kept."""

import functools

import keras
import numpy as np
import pytest
from keras import layers

import taut
from taut.compaction import CompactResult, UnequalError, compact
from taut.compaction.embedding_cuts import shared_rows
from taut.compaction.linear_cuts import Linear
from tests.compaction.mortal import CASES, drawn, numbers, put, relu, x_, zero


def small(dead=(1,)):
    model = drawn(keras.Sequential([x_(3), relu(4, "a"), layers.Dense(2, name="out")]))
    zero(model.layers[0].kernel, slice(None), list(dead))
    return model


def test_a_model_with_nothing_to_remove_is_told_so():
    result = compact(small(dead=()), measure=False)
    assert not result.removed
    assert "nothing to remove" in repr(result)
    assert "taut.Proximal" in repr(result)


def test_a_model_whose_units_all_died_is_refused():
    model = small(dead=range(4))
    with pytest.raises(taut.InputError, match=r"all of whose units are dead.*smaller strength"):
        compact(model)


def test_what_is_no_built_graph_is_refused():
    class Own(keras.Model):
        def call(self, x):
            return x

    own = Own()
    own(np.zeros((1, 2), "float32"))
    with pytest.raises(taut.errors.UnsupportedError, match="`call` is Python"):
        compact(own)
    with pytest.raises(taut.InputError, match=r"must be a built Keras model"):
        compact(keras.Sequential([layers.Dense(1)]))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"x": np.zeros((4, 2))}, "as the model's input 'x' takes them"),
        ({"x": [np.zeros((4, 3)), np.zeros((4, 3))]}, "one array for each"),
        ({"ignore": ["nobody"]}, "must hold layers of the model"),
        ({"tolerance": -1.0}, "`tolerance` must be"),
    ],
)
def test_bad_arguments(given, message):
    with pytest.raises(taut.InputError, match=message):
        compact(small(), **given)


def test_an_unknown_layer_stays_and_is_named():
    @keras.saving.register_keras_serializable("tests")
    class Reversed(layers.Layer):
        def call(self, x):
            return keras.ops.flip(x, axis=-1)

    inputs = x_(3)
    y = Reversed(name="own")(relu(4, "a")(inputs))
    model = drawn(keras.Model(inputs, layers.Dense(2)(relu(3, "b")(y))))
    zero(model.get_layer("a").kernel, slice(None), 1)
    zero(model.get_layer("b").kernel, slice(None), 2)
    result = compact(model, measure=False)
    assert {r.layer: len(r.indices) for r in result.removed} == {"b": 1}
    reasons = {kept.layer: kept.reason for kept in result.kept}
    assert reasons["own"] == "Reversed: no rule"
    assert reasons["a"] == "read by 'own' (no rule)"


def test_padding_is_the_named_reason():
    model, _ = CASES["convolutions_same"].build()
    (kept,) = compact(model, measure=False).kept
    assert (kept.layer, kept.count) == ("a", 1)
    assert "'b' (pads its borders" in kept.reason


def test_ignored_layers_stay():
    model = small(dead=[0, 1])
    result = compact(model, ignore="a", measure=False)
    assert not result.removed


def test_one_unit_of_a_dead_branch_stays_where_a_layer_needs_it():
    inputs = x_(3)
    branch = layers.Dense(2, name="end")(relu(4, "start")(inputs))
    model = drawn(keras.Model(inputs, layers.Add()([layers.Dense(2)(inputs), branch])))
    zero(model.get_layer("end").kernel)
    result = compact(model, measure=False)
    assert result.model.get_layer("start").units == 1
    assert any("the last one" in kept.reason for kept in result.kept)


def test_steps_that_become_rows_are_left_alone():
    inputs = x_(4, 3)
    rows = keras.ops.reshape(relu(5, "a")(inputs), (-1, 5))
    steps = keras.ops.reshape(layers.Dense(2, name="b")(rows), (-1, 4, 2))
    model = drawn(keras.Model(inputs, layers.Dense(2)(relu(3, "c")(steps))))
    zero(model.get_layer("a").kernel, slice(None), 1)
    zero(model.get_layer("c").kernel, slice(None), 2)
    result = compact(model, measure=False)
    assert {r.layer: len(r.indices) for r in result.removed} == {"c": 1}


def test_a_rule_that_is_wrong_returns_nothing(monkeypatch):
    cut = Linear.cut

    def without_bias(self, keeps):
        made = cut(self, keeps)
        made.weights[id(self.layer), "bias"] *= 0
        return made

    monkeypatch.setattr(Linear, "cut", without_bias)
    with pytest.raises(UnequalError, match="Nothing is returned"):
        compact(CASES["dense_constant_units"].build()[0], measure=False)


def test_a_difference_that_single_precision_hides_is_found(monkeypatch):
    cut = Linear.cut

    def slightly_wrong(self, keeps):
        made = cut(self, keeps)
        made.weights[id(self.layer), "kernel"] *= 1 + 1e-8
        return made

    monkeypatch.setattr(Linear, "cut", slightly_wrong)
    with pytest.raises(UnequalError, match="in double precision"):
        compact(small(), measure=False)


def test_given_rows_are_compared_and_measured():
    x = np.random.default_rng(0).normal(size=(300, 3))
    result = compact(small(), x)
    assert result.report.equality.rows == 300 + 64
    costs = result.report.to_frame().set_index("cost")
    assert costs.loc["weights", "before"] == 26
    assert costs.loc["multiply_adds"].tolist()[:2] == [20, 15]
    assert (costs.loc[["file_bytes", "seconds_1", "seconds_256"], "after"] > 0).all()


def test_tolerance_takes_small_weights_for_zero_and_tells_what_that_moved():
    model = small()
    put(model.get_layer("a").kernel, (slice(None), 2), 1e-3)
    put(model.get_layer("a").bias, 2, 0.5)  # a constant then
    assert compact(model, measure=False).removed[0].indices == (1,)
    result = compact(model, tolerance=0.01, measure=False)
    assert result.removed[0].indices == (1, 2)
    moved = result.report.moved
    assert moved.zeroed == 1
    x = np.random.default_rng(1).normal(size=(5, 3)).astype("float32")
    apart = np.abs(model.predict(x, verbose=0) - result.model.predict(x, verbose=0)).max()
    assert 0 < apart <= moved.largest
    assert numbers(model.get_layer("a").kernel)[0, 2] == np.float32(1e-3)


def test_a_tolerance_with_which_nothing_more_goes_changes_nothing():
    model = small()
    for unit in range(4):  # one weight of each: no unit, and no input
        put(model.get_layer("out").kernel, (unit, 0), 1e-3)
    result = compact(model, tolerance=0.01, measure=False)
    assert result.removed[0].indices == (1,)
    assert (result.report.moved.zeroed, result.report.moved.largest < 1e-3) == (0, True)
    put(model.get_layer("a").kernel, (slice(None), 1), 0.5)
    put(model.get_layer("out").kernel, (slice(None), 0), 1e-3)
    assert "a larger tolerance" in repr(compact(model, tolerance=1e-4, measure=False))


def test_a_function_that_keras_cannot_save_has_no_file_and_is_no_error():
    activation = functools.partial(keras.activations.relu, max_value=6)
    model = keras.Sequential([x_(3), layers.Dense(4, activation, name="a"), layers.Dense(1)])
    zero(drawn(model).layers[0].kernel, slice(None), 1)
    result = compact(model)
    assert result.removed[0].indices == (1,)
    assert result.report.after.file_bytes is None
    assert result.report.after.seconds_1 > 0


def test_states_of_seeds_stay_where_they_were():
    @keras.saving.register_keras_serializable("tests")
    class Noisy(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.seed = keras.random.SeedGenerator(1)

        def call(self, x):
            return x + keras.random.normal(keras.ops.shape(x), seed=self.seed)

    model = keras.Sequential([x_(3), relu(4, "a"), Noisy(), layers.Dense(1)])
    before = [numbers(variable) for variable in model.variables]
    compact(model, measure=False)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(numbers(variable), value)


def test_the_result_is_saved_and_read_again(tmp_path):
    model, _ = CASES["embedding_words_and_columns"].build()
    model.compile("sgd", "mse")
    result = compact(model, measure=False)
    ids = np.arange(9)[:5][None] + np.arange(4)[:, None]
    place = result.save(tmp_path / "small")
    again = CompactResult.load(place)
    np.testing.assert_array_equal(again.prepare(ids), result.prepare(ids))
    assert (again.removed, again.inputs, again.report) == (
        result.removed,
        result.inputs,
        result.report,
    )
    np.testing.assert_array_equal(again.vocabulary["words"], result.vocabulary["words"])
    assert again.model.count_params() == result.model.count_params()
    with pytest.raises(taut.InputError, match="must not exist"):
        result.save(place)
    with pytest.raises(taut.InputError, match="one that `save` wrote"):
        result.save(place.parent, overwrite=True)
    assert result.save(place, overwrite=True) == place
    assert [path.name for path in place.parent.iterdir()] == [place.name]
    assert CompactResult.load(place).report == result.report
    file = place / "model.keras"
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b'"module"', b'"m0dule"', 1))
    with pytest.raises(taut.InputError, match="one that `save` wrote"):
        CompactResult.load(place)
    file.write_bytes(whole)
    (place / "compaction.json").write_text("{}")
    with pytest.raises(taut.InputError, match="one that `save` wrote"):
        CompactResult.load(place)


def test_ids_that_are_no_words_are_refused():
    result = compact(CASES["embedding_words_and_columns"].build()[0], measure=False)
    with pytest.raises(taut.InputError, match="ids from 0 to 8"):
        result.prepare(np.full((1, 5), 9))


def test_shared_rows_are_numbered_by_their_first_words():
    table = np.array([[0.0], [1.0], [0.0], [2.0], [1.0]])
    assert shared_rows([table], zero_alone=False).tolist() == [0, 1, 0, 2, 1]
    assert shared_rows([table], zero_alone=True).tolist() == [0, 1, 2, 3, 1]
    other = np.array([[0.0], [1.0], [0.0], [2.0], [3.0]])
    assert shared_rows([table, other], zero_alone=False).tolist() == [0, 1, 0, 2, 3]


def test_the_smaller_model_is_compiled_as_the_model_was():
    model = taut.Sequential([x_(3), relu(4, "a"), layers.Dense(1)])
    penalty = taut.GroupLasso(0.01, groups="units")
    drawn(model).compile("adam", "mse", weight_regularizer={"a": penalty})
    model.optimizer.build(model.trainable_variables)
    zero(model.layers[0].kernel, slice(None), 0)
    result = compact(model, measure=False)
    assert type(result.model) is taut.Sequential
    assert type(result.model.optimizer) is type(model.optimizer)
    assert (
        result.model.optimizer.get_config()["optimizer"]
        == (model.optimizer.get_config()["optimizer"])
    )
    result.model.fit(np.zeros((8, 3)), np.zeros((8, 1)), verbose=0)
    result.plot().to_dict()
    assert "units" in result._repr_html_()


def test_a_penalty_with_arrays_is_not_carried_over_and_that_is_told():
    model = taut.Sequential([x_(3), relu(4, "a"), layers.Dense(1)])
    drawn(model).compile(
        "adam", "mse", weight_regularizer={"a": taut.WeightedL1(0.1, weights=np.ones((3, 4)))}
    )
    zero(model.layers[0].kernel, slice(None), 0)
    result = compact(model, measure=False)
    assert type(result.model.optimizer) is type(keras.optimizers.Adam())
    assert any("compiled without it" in kept.reason for kept in result.kept)


def test_a_budget_needs_targets_and_a_compiled_model():
    x, y = np.zeros((4, 3)), np.zeros((4, 2))
    with pytest.raises(taut.InputError, match=r"needs `x`, `y` and a compiled model"):
        compact(small(), x, y, target_macs=10)
    with pytest.raises(taut.InputError, match="`target_macs` must be an integer >= 1"):
        compact(small(), x, y, target_macs=0)


def test_a_layer_whose_rule_does_not_cover_it_is_not_passed_as_elementwise():
    inverse = layers.Normalization(invert=True, mean=[1.0, 2.0, 3.0], variance=[4.0, 5.0, 6.0])
    model = drawn(keras.Sequential([x_(3), inverse, layers.Dense(2, name="out")]))
    zero(model.get_layer("out").kernel, 1)
    result = compact(model, measure=False)
    assert not result.removed
    assert "it inverts a normalisation" in result.kept[0].reason


def test_a_model_that_makes_no_finite_number_is_not_taken_for_equal():
    model = small()
    put(model.get_layer("out").bias, slice(None), np.nan)
    with pytest.raises(taut.InputError, match="no finite number of 64 rows"):
        compact(model, measure=False)


def test_rows_of_another_width_are_not_prepared():
    model = small()
    zero(model.get_layer("a").kernel, 1)
    result = compact(model, measure=False)
    for shape in ((4, 2), (4, 4), (3,)):
        with pytest.raises(taut.InputError, match="3 columns for the input 'x'"):
            result.prepare(np.zeros(shape))


def test_a_tolerance_at_which_all_is_dead_is_refused_with_its_remedy():
    with pytest.raises(taut.InputError, match=r"tolerance=100 .* give a smaller one"):
        compact(small(), tolerance=100.0, measure=False)


def test_attention_that_returns_its_scores_stays_and_is_named():
    query, key = x_(3, 4), x_(5, 4, name="key")
    heads = layers.MultiHeadAttention(2, 2, name="heads")
    made, scores = heads(query, key, return_attention_scores=True)
    model = keras.Model([query, key], [layers.Dense(2)(made), scores])
    result = compact(drawn(model), measure=False)
    (kept,) = result.kept
    assert kept.layer == "heads"
    assert "it returns its scores" in kept.reason


def test_models_of_a_fixed_number_of_rows_are_fed_as_many():
    model = keras.Sequential(
        [
            keras.Input(batch_shape=(3, 4), name="x"),
            relu(5, "a"),
            layers.Dense(1),
        ]
    )
    zero(drawn(model).get_layer("a").kernel, slice(None), [1, 2])
    result = compact(model, np.ones((10, 4)))
    assert result.model.input_shape == (3, 4)
    assert {r.layer: len(r.indices) for r in result.removed} == {"a": 2}
    assert result.report.after.file_bytes
    assert result.report.after.seconds_1 is result.report.after.seconds_256 is None
    repr(result), result.report.to_frame()
