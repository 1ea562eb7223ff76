import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from taut.catalogue import catalogue
from taut.errors import InputError
from taut.frames.columns import understand_column
from taut.frames.numbers import parse_number
from taut.frames.read import read_table
from taut.frames.understand import understand
from taut.frames.values import find_notation, levels, missing, read, unreadable

NAN = np.nan
MOMENT = dt.datetime(2020, 1, 1, 12)


def arrow(values, kind):
    return pd.Series(values, dtype=pd.ArrowDtype(kind))


# Every row: a column, how it reads, and its values as that.
COLUMNS = {
    "bool": (pd.Series([True, False]), "boolean", [1, 0]),
    "nullable bool": (pd.Series([True, None], dtype="boolean"), "boolean", [1, NAN]),
    "bool objects": (pd.Series([True, None, False]), "boolean", [1, NAN, 0]),
    "arrow bool": (arrow([None, False], pa.bool_()), "boolean", [NAN, 0]),
    "bool text": (pd.Series(["true", " FALSE", ""]), "boolean", [1, 0, NAN]),
    "int": (pd.Series([1, 2]), "numeric", [1, 2]),
    "float": (pd.Series([1.5, NAN]), "numeric", [1.5, NAN]),
    "half": (pd.Series([1.5, 2], dtype="float16"), "numeric", [1.5, 2]),
    "nullable int": (pd.Series([1, None], dtype="Int64"), "numeric", [1, NAN]),
    "nullable float": (pd.Series([1.5, None], dtype="Float32"), "numeric", [1.5, NAN]),
    "arrow int": (arrow([1, None], pa.int8()), "numeric", [1, NAN]),
    "arrow decimal": (arrow([Decimal("1.5"), None], pa.decimal128(9, 2)), "numeric", [1.5, NAN]),
    "decimals": (pd.Series([Decimal("1.5"), None]), "numeric", [1.5, NAN]),
    "large ints": (pd.Series([2**70, 1]), "numeric", [2.0**70, 1]),
    "sparse": (pd.Series(pd.arrays.SparseArray([0, 1.5, NAN])), "numeric", [0, 1.5, NAN]),
    "durations": (pd.Series(pd.to_timedelta(["36h", None])), "time", [36, NAN]),
    "duration text": (pd.Series(["1 days 12:00:00", None]), "time", [36, NAN]),
    "arrow durations": (
        arrow([dt.timedelta(hours=36), None], pa.duration("us")),
        "time",
        [36, NAN],
    ),
    "number text": (pd.Series([" 1", "2e3 ", "?", "\xa05"]), "numeric", [1, 2000, NAN, 5]),
    "arrow number text": (arrow(["1", None], pa.string()), "numeric", [1, NAN]),
    "number text, None": (pd.Series(["1", "None"]), "numeric", [1, NAN]),
    "mixed numbers": (pd.Series([1, 2.5, Decimal(3), "4", None]), "numeric", [1, 2.5, 3, 4, NAN]),
    "dates": (pd.Series([dt.date(1970, 1, 2), None]), "date", [1, NAN]),
    "moments": (pd.Series(pd.to_datetime([MOMENT, None])), "date", [18262.5, NAN]),
    "zone": (  # by its own clock
        pd.Series(pd.to_datetime([MOMENT, None]).tz_localize("Europe/Paris")),
        "date",
        [18262.5, NAN],
    ),
    "seconds": (pd.Series(np.array([MOMENT], dtype="datetime64[s]")), "date", [18262.5]),
    "arrow moments": (arrow([MOMENT, None], pa.timestamp("us", "UTC")), "date", [18262.5, NAN]),
    "arrow dates": (arrow([dt.date(1970, 1, 2), None], pa.date32()), "date", [1, NAN]),
    "date text": (pd.Series(["1970-01-02", "9999-12-31", ""]), "date", [1, 2932896, NAN]),
    "zone text": (
        pd.Series(["1970-01-02T01:00:00+02:00", "1970-01-01 00:00Z"]),
        "date",
        [23 / 24, 0],
    ),
    "text": (pd.Series([" a", "b ", "NA", None]), "category", ["a", "b", NAN, NAN]),
    "arrow text": (arrow(["a", None], pa.string()), "category", ["a", NAN]),
    "string[pyarrow]": (pd.Series(["a", None], dtype="string[pyarrow]"), "category", ["a", NAN]),
    "bytes": (pd.Series([b"a", b"\xc3\xb6"]), "category", ["a", "ö"]),
    "categories": (pd.Series(pd.Categorical(["a", None])), "category", ["a", NAN]),
    "number categories": (pd.Series(pd.Categorical([1, None, 2.0])), "category", ["1", NAN, "2"]),
    "mixed": (pd.Series([1, 1.0, "1", "a", True]), "category", ["1", "1", "1", "a", "True"]),
    "lists": (pd.Series([[1], None]), "category", ["[1]", NAN]),
    "complex": (pd.Series([1j, 2]), "category", ["1j", "(2+0j)"]),
    "periods": (
        pd.Series(pd.period_range("2020-01", periods=1, freq="M")),
        "date",
        [18262],
    ),
    "ambiguous dates": (pd.Series(["01/02/2020"]), "date", [18263]),
    "impossible date": (pd.Series(["2020-13-45"]), "category", ["2020-13-45"]),
    "underscores": (pd.Series(["1_0"]), "category", ["1_0"]),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_reads_as_what_it_holds(name):
    series, kind, values = COLUMNS[name]
    found = find_notation(series)
    assert found.kind == kind
    got = read(series, kind, found.form)
    assert got.dtype == (object if kind == "category" else np.float64)
    if kind == "category":
        assert [NAN if pd.isna(v) else v for v in got] == pytest.approx(values, nan_ok=True)
    else:
        np.testing.assert_allclose(got, values, rtol=1e-12)
    assert not unreadable(series, kind, got).any()
    none_text = np.array([value == "None" for value in series])
    np.testing.assert_array_equal(missing(series) | none_text, pd.isna(got))


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_reads_the_same_as_objects_and_in_any_order(name):
    series, kind, _ = COLUMNS[name]
    objects = series.astype(object)
    if kind != "category":
        np.testing.assert_array_equal(read(objects, kind), read(series, kind))
    backwards = read(series[::-1], kind)[::-1]
    assert pd.Series(backwards).equals(pd.Series(read(series, kind)))


def test_a_whole_number_has_one_text():
    texts = [levels(pd.Series([v], dtype=object))[0] for v in (1, 1.0, np.float32(1), "1", " 1 ")]
    assert texts == ["1"] * 5
    assert levels(pd.Series([1, None], dtype="Int64"))[0] == levels(pd.Series([1.0, NAN]))[0] == "1"


def test_values_that_cannot_be_read_are_told_from_missing_ones():
    series = pd.Series(["1", "", None, "abc", "None"])
    failed = unreadable(series, "numeric", read(series, "numeric"))
    assert failed.tolist() == [False, False, False, True, False]
    numbers = pd.Series([0.0, 1.0, 2.0, NAN])
    failed = unreadable(numbers, "boolean", read(numbers, "boolean"))
    assert failed.tolist() == [False, False, True, False]


RNG = np.random.default_rng(0)
MANY = [f"v{i}" for i in range(100)]


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("n", np.arange(200), "identifier"),
        ("n", np.arange(1, 201)[::-1], "identifier"),
        ("n", np.sort(RNG.permutation(280)[:200]), "identifier"),  # a part of a larger table
        ("n", RNG.permutation(280)[:200], "numeric"),
        ("hours", np.arange(1, 201), "numeric"),
        ("dose_mg", np.arange(200)[::-1], "numeric"),
        ("Unnamed: 0", np.arange(200), "identifier"),
        ("", 7 * np.arange(200), "identifier"),
        ("n", [str(i) for i in range(200)], "identifier"),
        ("n", np.arange(200).astype(float), "identifier"),
        ("year", np.arange(1825, 2025), "numeric"),
        ("n", np.arange(200) + 0.5, "numeric"),
        ("n", np.arange(200) - 100, "numeric"),
        ("customer_id", 7 * np.arange(200), "identifier"),
        ("CustomerID", 7 * np.arange(200), "identifier"),
        ("Id", 7 * np.arange(200), "identifier"),
        ("paid", 7 * np.arange(200), "numeric"),
        ("customer_id", np.arange(200) % 150, "numeric"),
        ("Kunden-Nr.", 7 * (np.arange(200) % 193), "identifier"),  # a few rows twice
        ("price_index", 7 * (np.arange(200) % 193), "numeric"),
        ("name", [f"p{i}" for i in range(200)], "identifier"),
        ("name", pd.Categorical([f"p{i}" for i in range(200)]), "identifier"),
        ("t", (MANY + [f"w{i}" for i in range(50)]) + MANY[:50], "text"),
        ("t", MANY * 2, "category"),
        ("t", ["a", "b"] * 100, "category"),
        ("t", [f"{'word ' * 20}{i % 60}" for i in range(200)], "text"),
        ("t", [f"{'word ' * 20}{i % 5}" for i in range(200)], "category"),
        ("c", np.ones(200), "constant"),
        ("c", ["a", "a "] * 100, "constant"),
        ("c", ["a", None] * 100, "category"),
        ("c", [1.0, None] * 100, "numeric"),
        ("e", [None] * 200, "empty"),
        ("e", ["", "NA"] * 100, "empty"),
        ("d", pd.date_range("2020", periods=200), "date"),
    ],
)
def test_kinds(name, values, kind):
    column = understand_column(name, pd.Series(values))
    assert column.kind == kind
    assert column.used == (kind in ("numeric", "category", "boolean", "date"))
    assert column.used or column.reason
    forced = understand_column(name, pd.Series(values), forced=True)
    assert forced.used == (kind not in ("constant", "empty"))


def test_missing_and_levels_are_counted():
    column = understand_column("a", pd.Series(["x", "y", " x", "", None, "?"]))
    assert (column.missing, column.levels) == (3, 2)


def test_a_word_among_numbers_is_pointed_out():
    values = [str(i % 50) for i in range(200)]
    values[7] = "many"
    column = understand_column("a", pd.Series(values))
    assert column.kind == "category"
    assert "'many'" in column.reason


@pytest.mark.parametrize("sign", ["<{}", ">= {}", "~{}", "{}+", "{} *", "<{}K"])
def test_signs_beside_numbers_are_pointed_out(sign):
    """Whether "<5" is 5, 2.5 or nothing is not known here."""
    values = pd.Series([sign.format(k) if k % 3 else str(k) for k in range(60)])
    column = understand_column("a", values)
    assert (column.kind, column.used) == ("identifier", False)
    assert f"signs that are not read, such as {sign.format(1)!r}" in column.reason


@pytest.mark.parametrize("sign", ["K", "M", "B"])
def test_a_letter_behind_whole_numbers_may_be_a_code_and_is_pointed_out(sign):
    series = pd.Series([f"{1 + k % 20}{sign}" for k in range(60)], name="a")
    column = understand_column("a", series)
    assert column.kind == "category"
    assert (
        f"numbers with {sign} behind, which may be codes, such as '1{sign}' (--kind"
        in column.reason
    )
    told = understand_column("a", series, kind="numeric")
    assert told.kind == "numeric"
    assert parse_number("2" + sign, told.form) == {"K": 2e3, "M": 2e6, "B": 2e9}[sign]


def test_a_multiplier_that_may_be_a_unit_is_told_with_the_way_back():
    frame = pd.DataFrame({"t": [f"{k / 2}K" for k in range(40)], "y": [0, 1] * 20})
    (note,) = understand(frame, target="y").notes
    assert note == "Column 't': '0.5K' was read as 500 (--kind t=category, if that is wrong)."
    assert catalogue("zh").knows(note)
    money = frame.assign(t=[f"${k / 2}K" for k in range(40)])
    assert not understand(money, target="y").notes
    notes = understand(frame, target="t").notes
    assert "In the target, '0.5K' was read as 500." in notes
    assert all(map(catalogue("zh").knows, notes))


def test_a_word_among_multiplied_numbers_is_pointed_out():
    sizes = [f"{k % 17}.5M" for k in range(40)] + [f"{k}k" for k in range(40)]
    column = understand_column("size", pd.Series([*sizes, "Varies with device"]))
    assert "numbers but for 'Varies with device'" in column.reason


@pytest.mark.parametrize(
    "word", ["-", "Unknown", "n.a.", "None", "不详", "(blank)", "NOT AVAILABLE"]
)
@pytest.mark.parametrize(
    ("values", "kind", "first"),
    [
        (["5", "7", "2,5"], "numeric", 5),
        (["1.1.1970", "2.1.1970", "31.1.1970"], "date", 0),
        (["True", "False", "true"], "boolean", 1),
        (["1:30", "2:00", "0:15"], "time", 1.5),
    ],
)
def test_words_that_say_that_there_is_no_value_are_none_and_are_told(word, values, kind, first):
    series = pd.Series([*values * 5, word])
    column = understand_column("a", series)
    assert (column.kind, column.missing, column.used) == (kind, 1, True)
    assert f"{word!r} counts as missing" in column.reason
    held = read(series, kind, column.form)
    assert held[0] == first
    assert np.isnan(held[-1])
    assert not unreadable(series, kind, held).any()
    # Without others they are a level, as an answer is.
    assert understand_column("a", pd.Series([word, "x"] * 9)).kind == "category"


def test_a_day_of_zeros_is_none():
    series = pd.Series(["2021-01-02", "0000-00-00", "0000-00-00 00:00:00", "0", "2021-03-04"] * 5)
    column = understand_column("a", series)
    assert (column.kind, column.missing) == ("date", 15)
    assert not unreadable(series, "date", read(series, "date", column.form)).any()


BIG = 2**60 + np.arange(40) % 7


def in_file(tmp_path, kind):
    gaps = pd.Series(pd.array(BIG, dtype="Int64")).mask(np.arange(40) % 9 == 4)
    frame = pd.DataFrame({"n": gaps, "whole": BIG, "y": ["a", "b"] * 20})
    path = tmp_path / f"t.{kind}"
    if kind == "csv":
        frame.to_csv(path, index=False)
    elif kind == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    elif kind == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_feather(path)
    return read_table(path)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "feather"])
def test_long_whole_numbers_keep_their_digits_also_beside_gaps(tmp_path, kind):
    """As floats the seven would be two."""
    frame = in_file(tmp_path, kind)
    schema = understand(frame, target="y")
    assert [(c.kind, c.levels, c.missing) for c in schema.columns] == [
        ("category", 7, 4),
        ("category", 7, 0),
    ]
    features, _ = schema.prepare(frame)
    assert features["whole"].tolist() == [str(n) for n in BIG]
    assert set(features["n"].dropna()) == {str(n) for n in BIG}
    for target in ("n", "whole"):
        assert understand(frame, target=target).classes == tuple(str(2**60 + k) for k in range(7))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (2**53 + 1 + np.arange(40), "identifier"),
        (np.array([10**24 + k for k in range(40)], dtype=object), "identifier"),
        (np.array([10**400 + k for k in range(40)], dtype=object), "text"),
        (2**60 + 2**20 * (np.arange(40) * 7 % 40), "numeric"),  # floats tell them apart
        (np.arange(40) ** 2, "numeric"),
        (-(2**62) - np.arange(40) % 2, "category"),
    ],
)
def test_whole_numbers_that_floats_do_not_tell_apart_are_names(values, kind):
    assert understand_column("n", pd.Series(values)).kind == kind
    assert understand_column("n", pd.Series(map(str, values))).kind == kind


def test_dates_beyond_the_nanoseconds_are_dates():
    days = np.array(["2020-01-01", "9999-12-31", "NaT", "0001-01-01"] * 5, dtype="datetime64[D]")
    expected = np.where(np.isnat(days), np.nan, days.astype(np.int64))
    for unit in ("s", "ms", "us"):
        series = pd.Series(days.astype(f"datetime64[{unit}]"))
        np.testing.assert_array_equal(read(series, "date"), expected)
        np.testing.assert_array_equal(read(series.dt.tz_localize("UTC"), "date"), expected)
        half = series + pd.Timedelta(hours=12)
        np.testing.assert_array_equal(read(half, "date"), expected + 0.5)


def test_signs_that_nobody_sees_make_no_levels():
    words = [
        "K\u00f6ln",
        "Ko\u0308ln",
        "\u200bK\u00f6ln",
        "K\u00f6ln\ufeff",
        "\xa0K\u00f6ln\u200e \u200b",
    ]
    assert set(levels(pd.Series(words))) == {"K\u00f6ln"}
    assert levels(pd.Series(["a\u200db", "\u200b"]))[0] == "a\u200db", "within a word it may be one"
    assert missing(pd.Series(["a", "\u200b"])).tolist() == [False, True]
    assert levels(pd.Series(["\u00fc".encode(), b"\xfc", b"\xe4"])).tolist() == [
        "\u00fc",
        "\u00fc",
        "\u00e4",
    ]


def test_what_files_write_for_excel_to_show_as_text_is_the_text(tmp_path):
    rows = "".join(f'="{k / 2}","=""0{k % 3}""",{k % 2}\n' for k in range(40))
    (tmp_path / "t.csv").write_text(f'="x",code,y\n{rows}')
    frame = read_table(tmp_path / "t.csv")
    features, _ = understand(frame, target="y", kind={"code": "category"}).prepare(frame)
    assert features["x"].tolist() == [k / 2 for k in range(40)]
    assert features["code"].tolist()[:3] == ["00", "01", "02"]


def test_names_without_the_signs_that_nobody_sees(tmp_path):
    (tmp_path / "t.csv").write_text("\u200bGro\u0308\u00dfe,y\xa0\n1,2\n", "utf-8")
    assert list(read_table(tmp_path / "t.csv").columns) == ["Gr\u00f6\u00dfe", "y"]
    (tmp_path / "t.csv").write_text("\u200by,y\xa0\n1,2\n", "utf-8")
    with pytest.raises(InputError, match=r"more than once.*'y'"):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize("mark", ["-", "unknown", "n.a."])
def test_a_class_that_may_stand_for_no_value_is_told(mark):
    frame = pd.DataFrame({"x": np.arange(40) % 7, "y": ["a", "b", mark, "a"] * 10})
    notes = understand(frame, target="y").notes
    assert f"{mark!r} is a class, of 10 rows: if it stands for no value, name it" in notes[0]
    assert catalogue("zh").knows(notes[0])
    assert understand(frame, target="y", na=[mark]).classes == ("a", "b")
    assert not understand(frame, target="y", task="classification").notes
