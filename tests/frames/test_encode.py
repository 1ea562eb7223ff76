import json
import warnings

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from taut.errors import InputError
from taut.frames.encode import Encoder
from taut.frames.levels import Levels
from taut.frames.preprocessing import fold_preprocessing
from taut.frames.schema import Schema
from taut.frames.understand import understand
from taut.typed_json import plain, typed

N = 200


def table(seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": rng.normal(40, 10, N),
            "gap": np.where(rng.random(N) < 0.2, np.nan, rng.normal(size=N)),
            "sex": rng.choice(["f", "m"], N),
            "<b>": rng.choice(["x", "y", None], N),
            "zip_": rng.choice([f"z{i}" for i in range(40)], N),
            "zip": rng.choice(["_z1", "z2", "nan level"], N),
            "flag": rng.choice([True, False], N),
            "when": pd.date_range("2020", periods=N),
            "y": rng.choice(["M", "B"], N),
        }
    )
    return frame


@pytest.fixture
def fitted():
    frame = table()
    schema = understand(frame, target="y")
    features, _ = schema.prepare(frame)
    return Encoder(schema).fit(features), features


def column(encoder, encoded, name):
    return encoded[:, encoder.names.index(name)]


def test_every_encoded_column_has_a_name_and_its_source(fitted):
    encoder, features = fitted
    encoded = encoder.transform(features)
    assert encoded.dtype == np.float64
    assert encoded.shape == (N, len(encoder.names)) == (N, len(encoder.sources))
    assert set(encoder.sources) == set(features)
    assert len(set(encoder.names)) == len(encoder.names)
    counts = pd.Series(encoder.sources).value_counts()
    assert counts.to_dict() == {
        "age": 1, "gap": 2, "sex": 1, "<b>": 3, "zip_": 25, "zip": 3, "flag": 1, "when": 3
    }  # fmt: skip


def test_encoded_columns_hold_what_their_names_say(fitted):
    encoder, features = fitted
    encoded = encoder.transform(features)
    for name in ("age", "gap", "flag", "when"):
        values = features[name].to_numpy()
        there = np.sort(values[~np.isnan(values)])
        low, middle, high = (there[round(q * (len(there) - 1))] for q in (0.25, 0.5, 0.75))
        expected = (values - middle) / (high - low)
        np.testing.assert_allclose(column(encoder, encoded, name), expected, atol=1e-12)
    gap = column(encoder, encoded, "gap is missing")
    np.testing.assert_array_equal(gap, features["gap"].isna())
    for name, source in zip(encoder.names, encoder.sources, strict=True):
        if f"{source} = " in name and "(other)" not in name:
            level = name.removeprefix(f"{source} = ")
            np.testing.assert_array_equal(column(encoder, encoded, name), features[source] == level)
    np.testing.assert_array_equal(
        column(encoder, encoded, "<b> is missing"), features["<b>"].isna()
    )
    kept = [name.removeprefix("zip_ = ") for name in encoder.names if name.startswith("zip_ = ")]
    others = ~features["zip_"].isin(kept)
    np.testing.assert_array_equal(column(encoder, encoded, "zip_ = (other)"), others)
    assert not np.isnan(np.delete(encoded, encoder.names.index("gap"), axis=1)).any()


def test_unknown_levels_count_as_rare_or_as_none(fitted):
    encoder, _ = fitted
    new = table().head(1).assign(**{"zip_": "new", "<b>": "new", "sex": "new", "zip": None})
    encoded = encoder.transform(encoder.schema.prepare(new, require_target=False)[0])
    categories = [i for i, s in enumerate(encoder.sources) if s in ("zip_", "<b>", "sex", "zip")]
    assert encoded[0, categories].sum() == 1
    assert column(encoder, encoded, "zip_ = (other)") == 1


def test_a_number_first_missing_at_prediction_is_nan(fitted):
    encoder, features = fitted
    encoded = encoder.transform(features.head(2).assign(age=np.nan))
    assert np.isnan(column(encoder, encoded, "age")).all()


def test_rows_are_encoded_one_by_one(fitted):
    encoder, features = fitted
    whole = encoder.transform(features)
    parts = [encoder.transform(features.iloc[[row]]) for row in range(5)]
    np.testing.assert_array_equal(np.concatenate(parts), whole[:5])


MIXTURES = [["age"], ["gap"], ["sex"], ["zip_"], ["<b>", "when"], ["age", "gap", "zip", "zip_"]]


@pytest.mark.parametrize("only", MIXTURES)
def test_any_mixture_of_kinds_is_saved_and_loaded(tmp_path, only):
    frame = table()
    schema = understand(frame, target="y", features=only)
    features, _ = schema.prepare(frame)
    encoder = Encoder(schema).fit(features)
    encoder.save(tmp_path / "preprocessing.json")
    loaded = Encoder.load(tmp_path / "preprocessing.json")
    assert loaded.schema == schema
    assert (loaded.names, loaded.sources) == (encoder.names, encoder.sources)
    later, _ = schema.prepare(table(seed=1))
    np.testing.assert_array_equal(loaded.transform(later), encoder.transform(later))


@pytest.mark.parametrize("only", MIXTURES)
def test_a_file_of_a_release_that_used_skops_encodes_as_scikit_learn_did(tmp_path, only):
    frame = table()
    schema = understand(frame, target="y", features=only)
    features, _ = schema.prepare(frame)
    numbers = [c.name for c in schema.used if c.kind != "category"]
    categories = [c.name for c in schema.used if c.kind == "category"]
    one_hot = OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        max_categories=25,
        drop="if_binary",
        sparse_output=False,
    )
    missing = MissingIndicator(features="missing-only", error_on_new=False)
    parts = [("missing", missing, numbers), ("category", one_hot, categories)]
    transformer = ColumnTransformer(parts, sparse_threshold=0).fit(features)
    encoder = Encoder(schema).fit(features)
    scales = {
        name: {**plain(scale), "marks": [list(plain(mark).values()) for mark in scale.marks]}
        for name, scale in encoder.scales.items()
    }
    state = {
        "schema": json.dumps(plain(schema)),
        "columns": json.dumps([encoder.sources, encoder.names]),
        "scales": json.dumps(scales),
        "transformer": transformer,
    }
    skops.io.dump(state, tmp_path / "preprocessing.skops")
    loaded = Encoder.load(tmp_path / "preprocessing.skops")
    assert loaded.schema == schema
    assert (loaded.names, loaded.sources) == (encoder.names, encoder.sources)
    later, _ = schema.prepare(
        table(seed=1).assign(zip="new", sex=["f", "m", "new", "f"] * (N // 4))
    )
    encoded = loaded.transform(later)
    np.testing.assert_array_equal(encoded, encoder.transform(later))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of unknown levels
        theirs = transformer.transform(later)
    ours = encoded[:, encoder.numbers :]
    np.testing.assert_array_equal(ours, np.asarray(theirs, float).reshape(ours.shape))


@pytest.mark.parametrize("count", [1, 2, 3, 24, 25, 26, 40])
@pytest.mark.parametrize("blank", [False, True])
def test_levels_are_those_of_scikit_learn(count, blank):
    draw = np.random.default_rng(count)
    some = np.array([*(f"level {k}" for k in range(count)), np.nan][: count + blank], object)
    series = pd.Series(np.concatenate([some, draw.choice(some, 150)]), dtype=object, name="c")
    one_hot = OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        max_categories=25,
        drop="if_binary",
        sparse_output=False,
    ).fit(series.to_frame())
    later = pd.Series([*draw.choice(some, 50), "unknown"], dtype=object, name="c")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        expected = one_hot.transform(later.to_frame())
    levels = Levels.of(series)
    np.testing.assert_array_equal(levels.encode(later), expected)
    assert len(levels.columns) == expected.shape[1]


def test_a_file_with_other_types_is_refused(tmp_path, fitted):
    path = tmp_path / "p.skops"
    skops.io.dump({"schema": "{}", "transformer": FunctionTransformer(table)}, path)
    with pytest.raises(InputError, match=r"test_encode.*table"):
        Encoder.load(path)
    skops.io.dump({"other": 1}, path)
    with pytest.raises(InputError, match="not written by taut"):
        Encoder.load(path)
    path.write_text("no archive")
    with pytest.raises(InputError, match="not written by taut"):
        Encoder.load(path)
    for content in ("no archive", "[]", '{"schema": {}, "scales": {}, "levels": {}}', "{"):
        (tmp_path / "p.json").write_text(content)
        with pytest.raises(InputError, match="not written by taut"):
            Encoder.load(tmp_path / "p.json")
    with pytest.raises(InputError, match="no file"):
        Encoder.load(tmp_path / "none.json")


def test_an_encoder_must_be_fitted(fitted, tmp_path):
    encoder, features = fitted
    for act in (lambda e: e.transform(features), lambda e: e.save(tmp_path / "p.json")):
        with pytest.raises(InputError, match="fit"):
            act(Encoder(encoder.schema))


def test_preprocessing_is_that_of_scikit_learn_on_these_rows_alone(fitted):
    encoder, features = fitted
    encoded = encoder.transform(features)
    rows = np.arange(0, N, 2)
    scaled = fold_preprocessing(encoded, rows)
    imputer = SimpleImputer(strategy="median").fit(encoded[rows])
    scaler = StandardScaler().fit(imputer.transform(encoded[rows]))
    expected = scaler.transform(imputer.transform(encoded))
    varies = encoded[rows].std(axis=0) != 0
    np.testing.assert_allclose(scaled.apply(encoded)[:, varies], expected[:, varies], atol=1e-9)

    changed = encoded.copy()
    changed[1::2] = 1e6
    again = fold_preprocessing(changed, rows)
    for name in ("fill", "centre", "multiplier"):
        np.testing.assert_array_equal(getattr(again, name), getattr(scaled, name))
    mask = np.isin(np.arange(N), rows)
    np.testing.assert_array_equal(fold_preprocessing(encoded, mask).centre, scaled.centre)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e9 + 0.1, -3e-9, np.nan])
def test_a_column_that_is_constant_in_the_fold_cannot_matter(value):
    encoded = np.column_stack([np.full(50, value), np.linspace(0, 1, 50), np.linspace(0, 1, 50)])
    encoded[40:, 0] = 123.0
    encoded[:40, 2] = np.where(np.arange(40) % 2, 1.0, -1.0)  # of deviation exactly 1
    scaled = fold_preprocessing(encoded, np.arange(40))
    assert scaled.multiplier[0] == 0
    assert scaled.multiplier[1] > 0
    assert scaled.multiplier[2] == 1
    assert (scaled.apply(encoded)[:, 0] == 0).all()
    assert np.isfinite(scaled.apply(encoded)).all()


def test_rounding_noise_is_not_scaled_up():
    encoded = 1e9 + np.where(np.arange(40) % 2, 0.0, 1.2e-7)[:, None]
    assert np.ptp(encoded) > 0
    assert fold_preprocessing(encoded, np.arange(40)).multiplier[0] == 0


def test_categories_all_missing_in_training_rows_are_encoded():
    frame = table()
    schema = understand(frame, target="y", features=["<b>", "gap"])
    features, _ = schema.prepare(frame)
    features.loc[:49, ["<b>", "gap"]] = np.nan
    encoder = Encoder(schema).fit(features.head(50))
    encoded = encoder.transform(features)
    assert encoded.shape == (N, len(encoder.names))
    assert np.isfinite(fold_preprocessing(encoded, np.arange(50)).apply(encoded)).all()


def test_dates_give_the_parts_that_vary():
    frame = table()
    frame["when"] = pd.date_range("2020-03-01 05:00", periods=N, freq="7h")
    frame.loc[:9, "when"] = pd.NaT
    frame["when: hour"] = np.arange(N) % 7 + 0.5  # a column may have any name
    schema = understand(frame, target="y", features=["when", "when: hour", "sex"])
    features, _ = schema.prepare(frame)
    encoder = Encoder(schema).fit(features)
    encoded = encoder.transform(features)
    assert encoder.names == (
        "when", "when: hour", "when: month", "when: weekday", "when: hour", "when is missing",
        "sex = m",
    )  # fmt: skip
    assert encoder.sources[:6] == ("when", "when: hour", "when", "when", "when", "when")
    assert encoder.numbers == 5
    for k, expected in ((3, frame["when"].dt.day_of_week), (4, frame["when"].dt.hour)):
        np.testing.assert_array_equal(encoded[:, k], expected)  # folds standardise


def test_an_encoder_of_a_release_without_parts_still_encodes():
    frame = table()
    schema = understand(frame, target="y", features=["when", "age"])
    old = plain(schema)
    for column in old["columns"]:
        for key in ("form", "parts", "doubt"):
            del column[key]
    del old["na"], old["target_form"]
    schema = typed(Schema, old)
    features, _ = schema.prepare(frame)
    assert Encoder(schema).fit(features).names == ("age", "when")


def test_levels_that_are_written_in_another_way_are_those_of_training():
    """As a file writes whole numbers that another program held beside gaps: 3.0."""
    known = Levels(kept=("a1", "3", "05"), rare=())
    matched, told = known.match(pd.Series(["A1", "\uff21\uff11", "3.0", "5", "05.0"], name="c"))
    assert matched.tolist() == ["a1", "a1", "3", "5", "05"]
    assert "levels that training did not have in 1 row of 5 ('5')" in told[-1]


def test_levels_unknown_to_training_are_matched_or_told():
    frame = table().assign(sex=np.where(np.arange(N) % 2, "Yes", "no"))
    schema = understand(frame, target="y", features=["sex", "<b>", "age"])
    features, _ = schema.prepare(frame)
    encoder = Encoder(schema).fit(features)
    same, told = encoder.match_levels(features)
    assert told == []
    pd.testing.assert_frame_equal(same, features)
    new = frame.head(10).assign(sex=["YES", " yes", "Yes", "maybe", "maybe"] * 2, age=np.nan)
    new["<b>"] = None
    matched, told = encoder.match_levels(schema.prepare(new, require_target=False)[0])
    assert matched["sex"].tolist() == ["Yes", "Yes", "Yes", "maybe", "maybe"] * 2
    told = " ".join(told)
    for words in ("'age' has no value", "'<b>' has no value", "'YES' was read as 'Yes' (2 rows)"):
        assert words in told
    assert "'sex': levels that training did not have in 4 rows of 10 ('maybe')" in told
    # Two known levels that differ by case: a third may be either.
    frame["sex"] = np.where(np.arange(N) % 2, "yes", np.where(np.arange(N) % 4, "Yes", "no"))
    schema = understand(frame, target="y", features=["sex"])
    assert "'yes' and 'Yes' are different levels" in " ".join(schema.notes) or (
        "'Yes' and 'yes' are different levels" in " ".join(schema.notes)
    )
    features, _ = schema.prepare(frame)
    encoder = Encoder(schema).fit(features)
    matched, told = encoder.match_levels(features.assign(sex="YES"))
    assert set(matched["sex"]) == {"YES"}
    assert "did not have" in told[0]
