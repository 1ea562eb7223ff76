"""Laws of inputs without use."""

import keras
import numpy as np
import pytest

from taut.diagnosis import NotChecked, input_use, inputs_not_read
from taut.errors import InputError

WEIGHTS = np.array([1.0, 0.5, 0.0, 0.02])


def predict(x):
    return x @ WEIGHTS


def squared(y, predicted):
    return (y - predicted) ** 2


def table(rows, seed=0):
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(rows, 4))
    return x, predict(x) + draw.normal(size=rows)


def test_an_input_that_is_read_nowhere_costs_nothing_and_one_that_hardly_is_has_no_use():
    use = input_use(predict, squared, *table(2000), names=list("abcd"))
    assert use.not_read == ("c",)
    assert set(use.without_use) == {"c", "d"}
    assert use.to_frame()["input"].tolist()[:2] == ["a", "b"]
    assert abs(use.cost[2]) < 1e-12


def test_the_interval_covers_the_cost_which_is_twice_the_variance_that_an_input_brings():
    inside = 0
    for seed in range(60):
        use = input_use(predict, squared, *table(150, seed))
        inside += use.low[0] <= 2 * WEIGHTS[0] ** 2 <= use.high[0]
    assert inside >= 52


def test_few_rows_do_not_show_that_an_input_has_no_use():
    use = input_use(predict, squared, *table(20))
    assert "input 3" not in use.without_use or use.high[3] < 0.01 * use.loss
    assert "input 0" not in use.without_use


def test_an_input_fitted_to_noise_is_harmful():
    x, y = table(1000)
    worse = input_use(lambda x: predict(x) + x[:, 2], squared, x, y)
    assert worse.cost[2] > 0  # permuted noise is noise: it is no better
    wrong = input_use(lambda x: predict(x) - 2 * x[:, 0], squared, x, y)
    assert wrong.harmful == ("input 0",)


def test_groups_widen_the_interval():
    x, y = (np.repeat(one, 10, axis=0) for one in table(40))
    rows = input_use(predict, squared, x, y)
    groups = input_use(predict, squared, x, y, groups=np.repeat(np.arange(40), 10))
    assert (groups.high - groups.low)[0] > 1.5 * (rows.high - rows.low)[0]


def test_any_keras_model_is_asked_a_few_times():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="softmax")])
    kernel = np.array([[1, -1], [0, 0], [0.5, 0]], "float32")
    model.layers[0].set_weights([kernel, np.zeros(2, "float32")])
    calls = []

    def asked(x):
        calls.append(len(x))
        return model(x.astype("float32"), training=False)

    x = np.random.default_rng(0).normal(size=(100, 3)).astype("float32")
    y = (x[:, 0] > 0).astype(int)
    use = input_use(asked, lambda y, p: -np.log(p[np.arange(len(y)), y]), x, y)
    assert use.not_read == ("input 1",)
    assert len(calls) <= 3
    assert inputs_not_read(model).tolist() == [False, True, False]


def test_what_reads_an_input_must_be_known():
    inputs = keras.Input((3,))
    outputs = keras.layers.Add()([keras.layers.Dense(3)(inputs), inputs])
    assert isinstance(inputs_not_read(keras.Model(inputs, outputs)), NotChecked)


def test_what_cannot_be_told_is_not_checked_and_bad_input_gets_one_sentence():
    x, y = table(30)
    assert isinstance(input_use(predict, squared, x[:9], y[:9]), NotChecked)
    assert isinstance(input_use(predict, squared, np.zeros((30, 2, 2)), y), NotChecked)
    with pytest.raises(InputError, match="as many predictions"):
        input_use(lambda x: x[:5, 0], squared, x, y)
    with pytest.raises(InputError, match="one loss a row"):
        input_use(predict, lambda y, p: np.mean((y - p) ** 2), x, y)
