"""What `explain` says: the zeros and groups of each variable, and where a penalty is evaded."""

import keras
import numpy as np
import pytest

import taut


def network(penalty, norm=keras.layers.BatchNormalization):
    model = taut.models.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(3, activation="relu", name="first"),
            norm(name="norm"),
            keras.layers.Dense(1, name="last"),
        ]
    )
    model.compile("sgd", "mse", weight_regularizer=penalty)
    return model


@pytest.mark.parametrize("norm", [keras.layers.BatchNormalization, keras.layers.LayerNormalization])
def test_a_penalty_under_a_normalisation_is_warned_of(norm):
    explanation = taut.explain(network(taut.L2(0.1), norm))
    (warning,) = explanation.warnings
    assert "first/kernel feeds 'norm'" in warning
    assert "norm/gamma" in warning
    assert f"Warning: {warning}" in str(explanation)


def test_a_group_with_the_scale_in_it_is_not_evaded():
    of_units = taut.explain(network(taut.GroupLasso(0.1, groups="units"))).warnings
    assert not any("feeds" in warning for warning in of_units)
    assert taut.explain(network({"norm/gamma": taut.L1(0.1), "last": "l2"})).warnings == ()


def test_a_penalty_on_the_first_layer_alone_is_warned_of():
    warnings = taut.explain(network({"first": taut.L1(0.1)})).warnings
    (warning,) = (w for w in warnings if w.startswith("only"))
    assert "first/kernel" in warning
    assert "Hierarchical" in warning


def test_zero_groups_are_counted():
    model = network({"first": taut.GroupLasso(0.1), "last": taut.L1(0.2)})
    kernel = np.ones((4, 3), "float32")
    kernel[[1, 3]] = 0
    model.get_layer("first").kernel.assign(kernel)
    rows = {v.path.split("/", 1)[1]: v for v in taut.explain(model).variables}
    assert rows["first/kernel"].groups == "2 of 4 inputs"
    assert rows["first/kernel"].zeros == 6
    assert rows["last/kernel"].groups == ""
    assert rows["last/kernel"].strengths == pytest.approx((0.2,))


def test_it_works_after_freezing_without_compiling_again():
    model = network(taut.L1(0.1))
    taut.explain(model)
    model.get_layer("first").trainable = False
    assert len(taut.explain(model).variables) == 6
    x, y = np.ones((5, 4), "float32"), np.ones(5, "float32")
    residuals = taut.stationarity(model, x, y).residuals
    assert not any("first" in path for path in residuals)


def test_an_explanation_is_short_and_its_table_is_escaped():
    explanation = taut.explain(network({"(?P<one>first)": taut.L1(0.1)}))
    assert repr(explanation) == (
        f"Explanation(1 of {len(explanation.variables)} variables penalised, "
        f"{len(explanation.warnings)} warnings)"
    )
    html = explanation._repr_html_()
    assert html.count("<tr") == len(explanation.variables) + 1
    assert "(?P&lt;one&gt;first)" in html
    assert "<one>" not in html
