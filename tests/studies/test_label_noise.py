"""Flipped labels are found, and their share, by networks that had not seen them."""

import keras
import numpy as np
import pytest

import taut
from taut.errors import InputError, UnsupportedError

jax_only = pytest.mark.skipif(keras.backend.backend() != "jax", reason="lanes need JAX")

ROWS, WRONG = 200, 20
SHORT = {"seeds": 2, "epochs": 40, "batch_size": 40, "callbacks": []}


def network(loss="binary_crossentropy", activation="sigmoid", outputs=1):
    layers = [keras.Input((3,)), keras.layers.Dense(outputs, activation=activation)]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.Adam(0.1), loss)
    return model


@pytest.fixture(scope="module")
def rows():
    """Two classes far apart, or a line, with some rows spoiled."""
    draw = np.random.default_rng(0)
    label = draw.integers(2, size=ROWS)
    x = draw.normal(size=(ROWS, 3)).astype("float32")
    x[:, 0] += 6.0 * label - 3
    wrong = np.sort(draw.permutation(ROWS)[:WRONG])
    label[wrong] = 1 - label[wrong]
    number = x @ [1.0, 2.0, -1.0] + 0.1 * draw.normal(size=ROWS)
    number[wrong] += draw.choice([-5, 5], WRONG)
    return x, label, number, wrong


@pytest.fixture(scope="module")
def flipped(rows):
    x, label, _, _ = rows
    return taut.label_noise(network(), x, np.where(label, "yes", "no"), **SHORT)


@jax_only
def test_flipped_rows_rank_first_and_are_the_suspects(rows, flipped):
    wrong = rows[3]
    assert set(flipped.ranked[:WRONG]) == set(wrong)
    assert len(np.setxor1d(flipped.suspects, wrong)) <= 4
    assert flipped.low <= WRONG / ROWS <= flipped.high
    assert (flipped.score[wrong] < 0).all()


@jax_only
def test_tables_texts_and_the_chart_have_the_numbers(flipped):
    frame = flipped.to_frame()
    assert frame["row"].tolist() == np.argsort(flipped.score, kind="stable").tolist()
    assert frame["suspect"].sum() == len(flipped.suspects)
    assert set(frame["given"]) == {"yes", "no"}
    assert (frame["given"] != frame["suggested"]).all()
    assert f"{flipped.share:.1%}" in repr(flipped)
    assert "suggested" in flipped._repr_html_()
    assert "suspect" in flipped.plot().to_json()
    with pytest.raises(AttributeError):
        flipped.share = 0.0


@jax_only
def test_moved_numbers_rank_first(rows):
    x, _, number, wrong = rows
    found = taut.label_noise(network("mae", None), x, number, **SHORT)
    assert set(found.ranked[:WRONG]) == set(wrong)
    assert found.low <= WRONG / ROWS <= found.high
    assert found.classes is None
    assert "plausible" in found.plot().to_json()
    line = found.to_frame().iloc[0]
    assert abs(line["given"] - line["suggested"]) > 3


@jax_only
@pytest.mark.parametrize("kind", ["one-hot", "logits"])
def test_the_form_of_the_labels_and_of_the_output_does_not_matter(rows, kind):
    x, label, _, wrong = rows
    if kind == "one-hot":
        y = np.eye(2)[label]
        model = network("categorical_crossentropy", "softmax", 2)
    else:
        y = label
        model = network(keras.losses.SparseCategoricalCrossentropy(from_logits=True), None, 2)
    found = taut.label_noise(model, x, y, **SHORT)
    assert set(found.ranked[:WRONG]) == set(wrong)


@jax_only
def test_rows_that_no_fold_holds_out_have_no_score(rows):
    x, label, _, _ = rows
    pairs = [(np.arange(100, ROWS), np.arange(50)), (np.arange(100, ROWS), np.arange(50, 100))]
    found = taut.label_noise(network(), x, label, cv=pairs, **SHORT)
    assert np.isfinite(found.score[:100]).all()
    assert np.isnan(found.score[100:]).all()
    assert len(found.ranked) == 100
    assert "100 rows were never held out" in repr(found)


@jax_only
def test_groups_are_held_out_as_a_whole(rows):
    x, label, _, _ = rows
    groups = np.arange(ROWS) // 4
    found = taut.label_noise(network(), x, label, groups=groups, **SHORT)
    assert found.low <= WRONG / ROWS <= found.high


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda x, y: (x, np.ones_like(y)), "two classes at least"),
        (lambda x, y: (x[:10], np.resize([0, 1], 10)), "20 rows"),
        (lambda x, y: (x, np.column_stack([y, y])), "one target"),
        (lambda x, y: (x, 0.3 + 0.5 * y), "0 and 1"),
        (lambda x, y: (np.where(x == x[3], np.nan, x), y), "NaN"),
    ],
)
def test_bad_rows_are_one_error_before_training(rows, wrong, message):
    model = network(outputs=2 if message == "one target" else 1)
    with pytest.raises(InputError, match=message):
        taut.label_noise(model, *wrong(rows[0], rows[1]), epochs=10**6)


def test_classes_without_probabilities_are_refused(rows):
    with pytest.raises(UnsupportedError, match="cross-entropy"):
        taut.label_noise(network("hinge", None), rows[0], 2 * rows[1] - 1, epochs=10**6)


@pytest.mark.parametrize("wrong", [{"seeds": 0}, {"patience": 0}, {"cv": 1}])
def test_bad_numbers_are_refused(rows, wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        taut.label_noise(network(), rows[0], rows[1], **wrong)
