"""Models and strengths, chosen among on the same rows, and the chosen one on all."""

import warnings

import keras
import numpy as np
import pandas as pd
import pytest
from keras import layers

import taut
from taut.engine import Lane, Record, Split, train_lanes
from taut.errors import EdgeWarning, InputError
from taut.studies.model_choice_result import choice_of
from taut.studies.whole_schedule import WholeSchedule

jax_only = pytest.mark.skipif(keras.backend.backend() != "jax", reason="slow elsewhere")
STRENGTHS = [0.1, 0.01, 0.001, 0.0]
CROSS_ENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def made(held_out, status="finished", fold=0):
    """The record of lanes that end with these held-out losses, a fold each from `fold` on."""
    held_out = np.asarray(held_out, float)[:, None]
    count = len(held_out)
    return Record(
        lanes=tuple(Lane((), fold + k, 0) for k in range(count)),
        train_loss=held_out / 2,
        held_out_loss=held_out,
        status=(status,) * count,
        epochs=np.ones(count, int),
        best_epoch=np.zeros(count, int),
        trainable=(),
        non_trainable=(),
        compiles=0,
        width=1,
    )


def images(rows=60):
    x = np.random.default_rng(0).integers(0, 255, (rows, 6, 6, 1)).astype("uint8")
    y = (x.mean(axis=(1, 2, 3)) > 127).astype("int32")
    return x, y


def network(*between, outputs=2, loss=CROSS_ENTROPY, rate=0.02):
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Rescaling(1 / 255),
            layers.Flatten(),
            *between,
            layers.Dense(outputs),
        ]
    )
    model.compile(keras.optimizers.Adam(rate), loss)
    return model


def test_the_least_mean_is_chosen_and_the_price_counted():
    tried = {
        ("b", 0.1): [made([2.0]), made([4.0], fold=1)],
        ("a", 0.01): [made([1.0]), made([2.0], fold=1)],
        ("a", 0.1): [made([1.0, 1.0], "diverged")],
        ("b", 0.01): [made([1.5, 1.4])],
        ("b", 0.001): [made([0.1])],  # on the first fold alone
    }
    choice = choice_of(["a", "b"], tried, np.array([1.0, 0.1, 0.01]), [0.5, 0.75])
    assert (choice.best_model, choice.best_strength, choice.edge) == ("b", 0.01, "weakest")
    assert choice.summary["model"].tolist() == ["a", "a", "b", "b", "b"]
    assert choice.summary["strength"].tolist() == [0.1, 0.01, 0.1, 0.01, 0.001]
    np.testing.assert_allclose(choice.summary["held_out_loss"], [np.inf, 1.5, 3.0, 1.45, 0.1])
    assert choice.summary["finalist"].tolist() == [True] * 4 + [False]
    assert choice.summary["held_out_loss_standard_error"][2] == pytest.approx(1.0)
    assert choice.trainings == pytest.approx(4 * 1.25 + 0.5)
    assert choice.best_of("a")["strength"] == 0.01
    assert "b: held-out loss 1.45 at strength 0.01, the weakest; chosen" in repr(choice)
    assert "2 of 9 trainings diverged" in repr(choice)
    assert "<table" in choice._repr_html_()
    choice.plot().to_dict()
    with pytest.raises(InputError, match="one of"):
        choice.best_of("c")
    inside = choice_of(["a", "b"], tried, np.array([0.1, 0.01, 0.001]), [0.5, 0.8])
    assert inside.edge is None
    with pytest.raises(InputError, match="must not diverge everywhere"):
        choice_of(["a"], {("a", 0.1): tried["a", 0.1]}, np.array([0.1]), [1, 1])


@jax_only
def test_candidates_and_the_model_on_all_rows_are_what_they_are_alone():
    x, y = images()
    pairs = [(np.arange(20, 60), np.arange(20))]
    models = {"dropout": network(layers.Dropout(0.3))}
    before = models["dropout"].get_weights()
    choice = taut.choose_model(models, x, y, strengths=STRENGTHS, cv=pairs, epochs=4, seed=3)
    settings = {"epochs": 4, "cv": pairs, "seed": 3}
    for name, model in models.items():
        mine = choice.summary[choice.summary["model"] == name]
        assert 2 <= len(mine) <= 3  # of four strengths
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", EdgeWarning)  # of the few that were tried
            # Of 60 rows 40 are trained on.
            path = taut.regularization_path(
                model,
                x,
                y,
                penalty=taut.L2,
                strengths=list(mine["strength"] * 1.5**0.5),
                **settings,
            )
        for column in ("train_loss", "held_out_loss"):
            np.testing.assert_array_equal(mine[column], path.summary[column])
    assert all((a == b).all() for a, b in zip(before, models["dropout"].get_weights(), strict=True))

    chosen = models[choice.best_model]
    chosen.compile(taut.Proximal(keras.optimizers.Adam(0.02), taut.L2(0.0)), CROSS_ENTROPY)
    alone = train_lanes(
        chosen, x, y, [Lane(choice.best_strength, seed=3)], splits=[Split(np.arange(60))], epochs=4
    )
    for mine, its in zip(choice.model.trainable_variables, alone.trainable, strict=True):
        np.testing.assert_array_equal(mine, its[0])
    # Dropout is off.
    np.testing.assert_array_equal(choice.model(x), choice.model(x))


@jax_only
def test_a_schedule_goes_through_to_its_end_on_fewer_rows():
    """Of 50 rows 40 are trained on: 20 steps where the schedule has 25."""
    x, y = images(50)
    pair = np.arange(10, 50), np.arange(10)

    def scheduled(steps, penalty=None):
        model = network()
        adam = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.02, steps))
        model.compile(taut.Proximal(adam, penalty) if penalty else adam, CROSS_ENTROPY)
        return model

    settings = {"epochs": 5, "batch_size": 10}
    choice = taut.choose_model(scheduled(25), x, y, strengths=[0.01], cv=[pair], **settings)
    shorter = train_lanes(
        scheduled(20, taut.L2(0.0)),
        x,
        y,
        [Lane(0.01 * 1.25**0.5)],
        splits=[Split(*pair)],
        **settings,
    )
    assert choice.table["held_out_loss"][0] == pytest.approx(shorter.held_out_loss[0, -1], rel=1e-5)
    whole = train_lanes(
        scheduled(25, taut.L2(0.0)), x, y, [Lane(0.01)], splits=[Split(np.arange(50))], **settings
    )
    np.testing.assert_array_equal(choice.model.get_weights()[0], whole.trainable[0][0])


def test_a_schedule_of_fewer_steps_is_saved_with_what_it_follows():
    cosine = keras.optimizers.schedules.CosineDecay(0.1, 100)
    faster = WholeSchedule(cosine, 1.25)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(faster))
    for step in (0, 7, 80):
        assert (
            float(again(step)) == float(faster(step)) == pytest.approx(float(cosine(step * 1.25)))
        )


@pytest.mark.slow
@jax_only
def test_the_best_three_of_the_first_fold_go_on_to_the_other():
    x, y = images()
    given = {"strengths": np.geomspace(10, 0.01, 7), "groups": np.arange(60) // 4, "epochs": 3}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EdgeWarning)
        choice = taut.choose_model(network(), x, y, callbacks=(), **given)
    assert choice.models == ("model",)
    first, other = (choice.table[choice.table["fold"] == k] for k in (0, 1))
    assert 3 <= len(first) <= 4
    best = first.sort_values("held_out_loss")["strength"][:3]
    assert sorted(other["strength"]) == sorted(best)
    assert choice.summary["finalist"].sum() == 3
    assert choice.trainings == pytest.approx((len(first) + 3) / 2, rel=0.1)


@jax_only
@pytest.mark.slow
def test_augmentation_is_drawn_by_the_seed_trains_and_is_off_afterwards():
    x, y = images(200)
    augmented = [layers.RandomFlip("horizontal"), layers.RandomTranslation(0.2, 0.2)]
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Rescaling(1 / 255),
            *augmented,
            layers.Conv2D(3, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    model.compile(keras.optimizers.Adam(0.02), CROSS_ENTROPY)
    models = {"augmented": model, "plain": network()}
    one, again, other = (
        taut.choose_model(models, x, y, strengths=[0.01], cv=2, epochs=3, seed=seed)
        for seed in (0, 0, 1)
    )
    pd.testing.assert_frame_equal(one.table, again.table)
    assert (one.table["held_out_loss"] != other.table["held_out_loss"]).all()
    predicted = one.model.predict(x, verbose=0)
    np.testing.assert_array_equal(predicted, one.model.predict(x, verbose=0))
    np.testing.assert_allclose(predicted, one.model(x, training=False), atol=1e-5)
    assert one.table["model"].tolist() == ["augmented", "augmented", "plain", "plain"]


@jax_only
def test_text_labels_and_a_study_that_goes_on(tmp_path):
    x, y = images()
    given = {"strengths": [0.1, 0.01], "epochs": 2, "checkpoint": tmp_path / "study"}
    labels = np.array(["dark", "light"])[y]
    first = taut.choose_model({"it": named_network()}, x, labels, **given)
    files = sorted(p.name for p in given["checkpoint"].iterdir())
    assert files[-1] == "model-0-all.npz"
    assert first.classes.tolist() == ["dark", "light"]
    again = taut.choose_model({"it": named_network()}, x, labels, **given)
    pd.testing.assert_frame_equal(first.table, again.table)
    assert sorted(p.name for p in given["checkpoint"].iterdir()) == files


@jax_only
@pytest.mark.slow
def test_what_diverged_is_told_and_never_chosen():
    x, y = images()
    wild = network(rate=1e38)
    with pytest.warns(RuntimeWarning, match="1 of 2 candidates diverged: 'wild' at 0.01"):
        choice = taut.choose_model(
            {"wild": wild, "tame": network()}, x, y, strengths=[0.01], epochs=3
        )
    assert choice.best_model == "tame"
    with pytest.raises(InputError, match="must not diverge everywhere"):
        taut.choose_model(wild, x, y, strengths=[0.01], epochs=3)


@jax_only
@pytest.mark.slow
def test_a_training_on_all_rows_that_fails_does_not_lose_the_choice(monkeypatch):
    x, y = images()

    def fails(*_):
        raise MemoryError("no room")

    monkeypatch.setattr("taut.studies.model_choice._Search.refit", fails)
    with pytest.warns(UserWarning, match="The training on all rows .* no room"):
        choice = taut.choose_model(network(), x, y, strengths=[0.01], epochs=1)
    assert choice.model is None
    assert choice.best_strength == 0.01


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"models": {}}, "dict of these by name"),
        ({"models": {1: network()}}, "dict of these by name"),
        ({"models": {"a": network(), "b": network(loss="mse")}}, "one loss"),
        ({"models": {"a": network(), "b": network(outputs=3)}}, "one shape of outputs"),
        ({"strengths": 10}, "list of finite numbers"),
        ({"strengths": [-0.1]}, "list of finite numbers"),
        ({"strengths": []}, "list of finite numbers"),
        ({"epochs": 0}, "epochs"),
        ({"y": np.full(60, 2)}, "class"),
        ({"y": None}, "must be given"),
        ({"x": np.full((60, 6, 6, 1), np.nan)}, "finite"),
        ({"cv": 1}, "at least 2 folds"),
    ],
)
def test_bad_input_is_refused_before_any_training(given, message, monkeypatch):
    import taut.studies.folded

    monkeypatch.setattr(taut.studies.folded, "train_lanes", _never)
    x, y = images()
    call = {"models": network(), "x": x, "y": y, "strengths": [0.01], **given}
    with pytest.raises(InputError, match=message):
        taut.choose_model(call.pop("models"), call.pop("x"), call.pop("y"), **call)


def named_network():
    """With names of its own: Keras would number layers on."""
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1), name="image"),
            layers.Rescaling(1 / 255, name="scale"),
            layers.Flatten(name="flat"),
            layers.Dense(2, name="out"),
        ],
        name="it",
    )
    model.compile(keras.optimizers.Adam(0.02, name="adam"), CROSS_ENTROPY)
    return model


def _never(*_, **__):
    raise AssertionError("it trained")
