"""Files as people have them, each with the values that are right."""

import re
import zipfile

import numpy as np
import pandas as pd
import pytest

from taut.catalogue import catalogue
from taut.errors import InputError
from taut.frames.as_frame import NOTES
from taut.frames.read import read_table
from taut.frames.schema import Schema
from taut.frames.understand import understand
from taut.typed_json import plain, typed

N = 40
K = np.arange(N)
X = np.round(1000 + 137.5 * (K % 29) + K, 2)  # 1 000 to 5 000, with decimals
MONTH, DAY = 1 + K % 12, 1 + (K * 7) % 28
WHEN = (
    pd.to_datetime(pd.DataFrame({"year": 2021, "month": MONTH, "day": DAY})) - pd.Timestamp(0)
) / pd.Timedelta(days=1)
TEXT = np.where(K % 3, "Köln", "Bonn")


def german(value, digits=2):
    return f"{value:,.{digits}f}".replace(",", "_").replace(".", ",").replace("_", ".")


def lines(header, row, sep=","):
    return "\n".join([header, *(sep.join(map(str, row(k))) for k in K)]) + "\n"


def plain_file(sep=","):
    return lines(sep.join(["x", "city", "y"]), lambda k: (X[k], TEXT[k], k % 2), sep)


GERMAN = lines("x;city;y", lambda k: (german(X[k]), TEXT[k], k % 2), ";")
# Every row: the file's bytes, and what a column of it holds.
FILES = {
    "plain": (plain_file().encode(), {"x": X, "city": TEXT}),
    "a byte order mark": (plain_file().encode("utf-8-sig"), {"x": X, "city": TEXT}),
    "UTF-16": (plain_file(";").encode("utf-16"), {"x": X, "city": TEXT}),
    "UTF-16 without a mark": (plain_file("\t").encode("utf-16-le"), {"x": X, "city": TEXT}),
    "cp1252": (plain_file().encode("cp1252"), {"x": X, "city": TEXT}),
    "GB18030": (
        plain_file().replace("Köln", "上海").replace("Bonn", "北京").encode("gb18030"),
        {"x": X, "city": np.where(K % 3, "上海", "北京")},
    ),
    "GB18030 with euros": (
        lines("x,价格,y", lambda k: (f'"€{X[k]:,.2f}"', "上" if k % 3 else "下", k % 2)).encode(
            "gb18030"
        ),
        {"x": X, "价格": np.where(K % 3, "上", "下")},
    ),
    "Windows lines": (plain_file().replace("\n", "\r\n").encode(), {"x": X, "city": TEXT}),
    "semicolons": (plain_file(";").encode(), {"x": X, "city": TEXT}),
    "tabs": (plain_file("\t").encode(), {"x": X, "city": TEXT}),
    "pipes": (plain_file("|").encode(), {"x": X, "city": TEXT}),
    "sep= line": (("sep=;\n" + plain_file(";")).encode(), {"x": X, "city": TEXT}),
    "decimal commas": (GERMAN.encode("cp1252"), {"x": X, "city": TEXT}),
    "a header with other signs": (
        lines("a, b;c, d;y", lambda k: (german(X[k]), TEXT[k], k % 2), ";").encode(),
        {"a, b": X, "c, d": TEXT},
    ),
    "separators in quotes": (
        lines("x;city;y", lambda k: (X[k], f'"{TEXT[k]}; a, b, c, d"', k % 2), ";").encode(),
        {"x": X, "city": [f"{text}; a, b, c, d" for text in TEXT]},
    ),
    "lines in quotes": (
        lines("x,city,y", lambda k: (X[k], f'"{TEXT[k]}\nam Rhein"', k % 2)).encode(),
        {"x": X, "city": [f"{text}\nam Rhein" for text in TEXT]},
    ),
    "titles": (
        ("Report 2021\nas of 1 May; final\n\n" + plain_file()).encode(),
        {"x": X, "city": TEXT},
    ),
    "titles of full width": (("Report;;\n;;\n" + plain_file(";")).encode(), {"x": X, "city": TEXT}),
    "a title with the separator": (
        ("Report, final\n" + plain_file()).encode(),
        {"x": X, "city": TEXT},
    ),
    "a comment": (("# exported, 2021\n" + plain_file()).encode(), {"x": X, "city": TEXT}),
    "codes": (
        lines("x,code,y", lambda k: (X[k], f"{k % 3:03d}", k % 2)).encode(),
        {"x": X, "code": K % 3},
    ),
    "a separator at each end": (
        lines("x,city,y", lambda k: (X[k], TEXT[k], k % 2, "")).encode(),
        {"x": X, "city": TEXT},
    ),
    "thousands": (
        lines("x,city,y", lambda k: (f'"{X[k]:,.2f}"', TEXT[k], k % 2)).encode(),
        {"x": X},
    ),
    "dollars": (lines("x,y", lambda k: (f'"${X[k]:,.2f}"', k % 2)).encode(), {"x": X}),
    "euros": (lines("x;y", lambda k: (german(X[k]) + " €", k % 2), ";").encode("cp1252"), {"x": X}),
    "percents": (lines("x;y", lambda k: (german(X[k], 1) + "%", k % 2), ";").encode(), {"x": X}),
    "thin spaces": (
        lines(
            "x;y", lambda k: (f"{X[k]:,.2f}".replace(",", "\u202f").replace(".", ","), k % 2), ";"
        ).encode(),
        {"x": X},
    ),
    "true minus": (lines("x,y", lambda k: (f"\u2212{X[k]}", k % 2)).encode(), {"x": -X}),
    "dots are thousands beside commas": (
        lines("x;n;y", lambda k: (german(X[k]), german(1000 * k + 1000, 0), k % 2), ";").encode(),
        {"x": X, "n": 1000 * K + 1000},
    ),
    "dots are decimals without commas": (
        lines("x;n;y", lambda k: (X[k], f"{k / 1000 + 1:.3f}", k % 2), ";").encode(),
        {"n": np.round(K / 1000 + 1, 3)},
    ),
    "D.M.Y": (lines("d,y", lambda k: (f"{DAY[k]}.{MONTH[k]}.2021", k % 2)).encode(), {"d": WHEN}),
    "D/M/Y": (
        lines("d,y", lambda k: (f"{DAY[k]:02d}/{MONTH[k]:02d}/2021", k % 2)).encode(),
        {"d": WHEN},
    ),
    "M/D/Y": (
        lines("d,y", lambda k: (f"{MONTH[k]}/{DAY[k]}/2021", k % 2)).encode(),
        {"d": WHEN},
    ),
    "Y/M/D": (
        lines("d,y", lambda k: (f"2021/{MONTH[k]:02d}/{DAY[k]:02d}", k % 2)).encode(),
        {"d": WHEN},
    ),
    "ISO with a zone": (
        lines(
            "d,y", lambda k: (f"2021-{MONTH[k]:02d}-{DAY[k]:02d}T06:00:00+02:00", k % 2)
        ).encode(),
        {"d": WHEN + 0.25},
    ),
    "times": (
        lines("t,y", lambda k: (f"{k % 24:02d}:{k:02d}:36", k % 2)).encode(),
        {"t": K % 24 + K / 60 + 0.01},
    ),
    "units below the names": (
        plain_file().replace("\n", "\n[m],,[-]\n", 1).encode(),
        {"x": X, "city": TEXT},
    ),
    "a ruled line": (plain_file("|").replace("\n", "\n---|:---|--\n", 1).encode(), {"x": X}),
    "names below merged ones": (
        ("where,,result\n" + plain_file()).encode(),
        {"x": X, "city": TEXT},
    ),
    "names of the rows": (
        lines("x city y", lambda k: (f'"{k + 1}"', X[k], TEXT[k], k % 2), " ").encode(),
        {"x": X, "city": TEXT},
    ),
    "row numbers without a name": (
        lines("x,city,y", lambda k: (k, X[k], TEXT[k], k % 2)).encode(),
        {"x": X, "city": TEXT},
    ),
    "names of the rows in words": (
        lines("x;city;y", lambda k: (f"row {k}", german(X[k]), TEXT[k], k % 2), ";").encode(),
        {"x": X, "city": TEXT},
    ),
    "totals": (
        (plain_file() + f"Total,,{K.sum()}\n,,\nSource: the registry, 2021,\n").encode(),
        {"x": X, "city": TEXT},
    ),
    "integers that are distinct": (
        lines("dose,hours,y", lambda k: ((k * 37) % N, k + 1, k % 2)).encode(),
        {"dose": (K * 37) % N, "hours": K + 1},
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_the_values_are_right(tmp_path, name):
    content, columns = FILES[name]
    path = tmp_path / ("t.tsv" if name == "tabs" else "t.csv")
    path.write_bytes(content)
    frame = read_table(path)
    schema = understand(frame, target="y")
    assert schema.classes == (0, 1)
    # The schema reads a later file as this one, also after it was saved.
    schema = typed(Schema, plain(schema))
    later = read_table(path, text=schema.as_written, na=schema.na)
    for table in (frame, later):
        features, _ = schema.prepare(table)
        for column, expected in columns.items():
            got = features[column].to_numpy()
            if isinstance(expected[0], str):
                assert got.tolist() == list(expected)
            else:
                np.testing.assert_allclose(got.astype(float), expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("cp1252", "read as cp1252, with 'Köln' (--encoding"),
        ("GB18030", "read as gb18030, with '北京', '上海' (--encoding"),
        ("titles", "'Report 2021 / as of 1 May; final'"),
        ("integers that are distinct", "'dose': every whole number occurs once"),
        ("units below the names", "'[m]', '[-]': left out"),
        ("names below merged ones", "above it stands 'where result'"),
        ("names of the rows", "it begins with a row name"),
        ("row numbers without a name", "it begins with a row name"),
        ("totals", "the last 2 rows, no part of the table: 'Total', 'Source: the registry'"),
        ("plain", None),
        ("decimal commas", "cp1252"),
    ],
)
def test_what_was_decided_is_told(tmp_path, name, told):
    (tmp_path / "t.csv").write_bytes(FILES[name][0])
    notes = understand(read_table(tmp_path / "t.csv"), target="y").notes
    assert (told is None and not notes) or told in " ".join(notes)


def test_what_a_column_leaves_open_is_told_with_the_option_that_decides(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(
        lines(
            "n;d;y", lambda k: (f"{k + 1},{k + 100}", f"{1 + k % 12}/{1 + k % 9}/2021", k % 2), ";"
        )
    )
    frame = read_table(path)
    notes = " ".join(understand(frame, target="y").notes)
    for words in ("'1,100'", "--decimal", "'1/1/2021'", "--kind d=date-dmy"):
        assert words in notes
    schema = understand(frame, target="y", decimal=",", kind={"d": "date-dmy"})
    assert not schema.notes
    features, _ = schema.prepare(frame)
    np.testing.assert_allclose(features["n"], K + 1 + (K + 100) / 1000)
    assert features["d"][1] == (pd.Timestamp(2021, 2, 2) - pd.Timestamp(0)).days


def test_one_column_decides_for_another(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(
        lines(
            "n;m;d;e;y",
            lambda k: (
                f"{k},{k + 100}",
                "0,5" if k else "1,5",
                f"0{1 + k % 9}/01/2021",
                f"{1 + k % 28}/01/2021",
                k % 2,
            ),
            ";",
        )
    )
    frame = read_table(path)
    schema = understand(frame, target="y")
    assert not schema.notes
    features, _ = schema.prepare(frame)
    np.testing.assert_allclose(features["n"], K + (K + 100) / 1000)
    np.testing.assert_array_equal(np.diff(features["d"][:9]), 1)


@pytest.mark.parametrize("later", ["3.606", "3606,0", "3606"])
def test_whole_numbers_beside_decimal_commas_are_written_so_later_too(tmp_path, later):
    path = tmp_path / "t.csv"
    path.write_text(lines("n;m;y", lambda k: (3000 + k * 7 % 13, f"{k},5", k % 2), ";"))
    schema = understand(read_table(path), target="y")
    path.write_text(f"n;m\n{later};1,5\n")
    features, _ = schema.prepare(read_table(path, text=schema.as_written), require_target=False)
    assert features.to_numpy().tolist() == [[3606, 1.5]]


def test_options_of_the_reader(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(lines("a b y", lambda k: (k * 7 % 13, "é", k % 2), " ").encode("mac-roman"))
    frame = read_table(path, sep="space", encoding="mac-roman", na=["3", "é"])
    assert frame["a"].isna().sum() == (K * 7 % 13 == 3).sum()
    assert frame["b"].isna().all()
    assert read_table(path, sep=" ", encoding="mac-roman")["b"][0] == "é"
    for options, words in (
        ({"encoding": "klingon"}, "'klingon'"),
        ({"encoding": "utf-8"}, "--encoding"),
        ({"sep": "::"}, "'::'"),
        ({"na": "3"}, "list"),
    ):
        with pytest.raises(InputError, match=words):
            read_table(path, **options)


def test_marks_of_missing_values_are_remembered(tmp_path):
    b = ["-999.0", "x", "Keine", "y", "-999.0", "x", "Keine", "x"] * 5
    frame = pd.DataFrame({"a": [-999, 1, 2, 3] * 10, "b": b, "y": [0, 1, 9, 0] * 10})
    schema = understand(frame, target="y", na=["-999", "keine", 9])
    assert (schema.rows_dropped, schema.classes) == (10, (0, 1))
    features, y = typed(Schema, plain(schema)).prepare(frame)
    assert features["a"].isna().sum() == features["b"].isna().sum() == 10
    assert len(y) == 30


@pytest.mark.parametrize(
    ("kind", "expected", "used"),
    [
        ("category", "category", True),
        ("numeric", "numeric", True),
        ("date", "date", True),
        ("text", "text", False),
        ("ignore", "ignored", False),
    ],
)
def test_kinds_can_be_said(kind, expected, used):
    frame = pd.DataFrame({"a": 20210101 + K % 28, "b": K % 5 + 0.5, "y": K % 2})
    schema = understand(frame, target="y", kind={"a": kind})
    assert (schema.columns[0].kind, schema.columns[0].used) == (expected, used)
    if kind == "date":
        assert schema.prepare(frame)[0]["a"][0] == (pd.Timestamp(2021, 1, 1) - pd.Timestamp(0)).days


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"kind": {"a": "number"}}, "a=number"),
        ({"kind": {"c": "text"}}, "Missing: 'c'"),
        ({"kind": {"y": "numeric"}}, "the target 'y'"),
        ({"kind": {"b": "numeric"}}, r"'b' \(numeric\) holds 'x'.*--na"),
        ({"kind": {"b": "date"}}, r"'b' \(date\) holds 'x'"),
        ({"drop": "a"}, "`drop` must be a list"),
        ({"drop": ["c"]}, "'c'"),
        ({"drop": ["a"], "features": ["a", "b"]}, "for both: 'a'"),
        ({"drop": ["a", "b"]}, "column to learn from"),
        ({"decimal": ";"}, "`decimal`"),
        ({"na": "-"}, "`na` must be a list"),
    ],
)
def test_options_that_do_not_fit_are_refused(arguments, says):
    frame = pd.DataFrame({"a": K + 0.5, "b": ["x", "1"] * (N // 2), "y": K % 2})
    with pytest.raises(InputError, match=says):
        understand(frame, target="y", **arguments)


def test_later_numbers_in_another_notation_are_refused_and_not_misread():
    frame = pd.DataFrame({"a": [german(x) for x in X], "p": [f"{k}%" for k in K], "y": K % 2})
    schema = understand(frame, target="y")
    with pytest.raises(InputError, match=r"'a' \(numeric; written like 1.234,5\) holds '1234.5'"):
        schema.prepare(frame.assign(a="1234.5"), require_target=False)
    with pytest.raises(InputError, match="'p'"):
        schema.prepare(frame.assign(p=0.5), require_target=False)


def test_a_target_as_people_write_it():
    frame = pd.DataFrame({"a": K % 7, "y": [german(x) + " €" for x in X]})
    schema = typed(Schema, plain(understand(frame, target="y")))
    assert schema.task == "regression"
    np.testing.assert_allclose(schema.prepare(frame)[1], X)


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (K % 7, True),
        ([f"{k % 11} stars" for k in K], True),
        ([f"{k % 4},0" for k in K], True),
        (K % 3, False),
        (2 * (K % 5), False),
        (list("abcd") * 10, False),
        ((K % 7).astype("uint64") + np.uint64(1 << 63), False),  # names in digits
    ],
)
def test_counts_that_became_classes_are_told(target, told):
    frame = pd.DataFrame({"a": np.tile(K, 10) % 11, "y": np.tile(target, 10)})
    schema = understand(frame, target="y")
    assert schema.classes
    assert any("perhaps a count" in note for note in schema.notes) == told
    if schema.classes[-1] == "10 stars":
        assert schema.classes[1:3] == ("1 stars", "2 stars"), "in the order of their numbers"
        _, codes = schema.prepare(frame)
        assert codes.tolist() == [int(label.split()[0]) for label in frame["y"]]
    asked = understand(frame, target="y", task="classification")
    assert not any("perhaps a count" in note for note in asked.notes)


def test_excel(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (["Report"], [], ["when", "n", None, "city", "y"]):
        sheet.append(row)
    for k in K:
        sheet.append([pd.Timestamp(2021, MONTH[k], DAY[k]), X[k], None, str(TEXT[k]), int(k % 2)])
    book.create_sheet("more").append(["only", "names"])
    path = tmp_path / "t.xlsx"
    book.save(path)
    frame = read_table(path)
    assert list(frame) == ["when", "n", "city", "y"]
    schema = understand(frame, target="y")
    features, _ = schema.prepare(frame)
    np.testing.assert_array_equal(features["when"], WHEN)
    np.testing.assert_array_equal(features["n"], X)
    notes = " ".join(schema.notes)
    assert "row 3" in notes
    assert "--sheet" in notes
    with pytest.raises(InputError, match=r"no sheet 'x'.*Sheet, more"):
        read_table(path, sheet="x")
    with pytest.raises(InputError, match="needs columns and rows"):
        read_table(path, sheet="more")


def sheet_of(path, rows):
    book = pytest.importorskip("openpyxl").Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)
    return path


def test_what_stands_around_the_table_of_a_sheet_is_none_of_it(tmp_path):
    rows = [(float(X[k]), k, str(TEXT[k]), int(k % 2)) for k in K]
    path = sheet_of(
        tmp_path / "t.xlsx",
        [
            ("x", "n", "city", "y"),
            ("m", "years", None, None),
            *rows[:9],
            (),
            *rows[9:],
            ("Sum", 780),
        ],
    )
    frame = read_table(path)
    np.testing.assert_array_equal(frame["x"].astype(float), X)
    assert frame["city"].tolist() == list(TEXT)
    notes = " ".join(understand(frame, target="y").notes)
    for words in ("'m', 'years': left out", "Left out 1 empty row between", "table: 'Sum'."):
        assert words in notes


def test_what_a_sheet_says_of_its_size_is_not_believed(tmp_path):
    path = sheet_of(tmp_path / "t.xlsx", [("x", "y"), *((int(k), int(k % 2)) for k in K)])
    changed = tmp_path / "small.xlsx"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            new.writestr(
                name, re.sub(rb'dimension ref="[^"]+"', b'dimension ref="A1:A9"', old.read(name))
            )
    pd.testing.assert_frame_equal(read_table(changed), read_table(path))
    assert read_table(changed).shape == (N, 2)


def test_a_cell_that_is_merged_over_rows_is_the_value_of_each(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (
        ["title"],
        [None],
        ["town", "x", "y"],
        *([f"t{k // 3}" if k % 3 == 0 else None, k, 1] for k in range(9)),
    ):
        sheet.append(row)
    for cells in ("A1:C1", "A1:A2", "A4:A6", "A7:A9", "B10:C10"):
        sheet.merge_cells(cells)
    sheet["B13"] = 9
    book.save(tmp_path / "t.xlsx")
    frame = read_table(tmp_path / "t.xlsx")
    towns = frame["town"].tolist()
    assert towns[:7] == ["t0"] * 3 + ["t1"] * 3 + ["t2"]
    assert frame["town"].isna().tolist()[7:] == [True] * 3, "an empty cell is none of these"
    assert frame["x"].tolist() == [*range(9), 9]
    (note,) = (n for n in frame.attrs[NOTES] if "merged" in n)
    assert note == "Cells merged over several rows count for each of these, in 'town'."
    assert catalogue("zh").knows(note)


def test_a_hidden_sheet_and_a_chart_are_not_the_first(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["secret"])
    book.active.sheet_state = "hidden"
    book.create_sheet("shown").append(["a", "b"])
    book["shown"].append([1, 2])
    book.save(tmp_path / "t.xlsx")
    assert read_table(tmp_path / "t.xlsx")["b"].tolist() == [2]


def test_a_damaged_sheet_is_refused_in_one_sentence(tmp_path):
    path = sheet_of(tmp_path / "t.xlsx", [("x", "y"), (1, 2)])
    changed = tmp_path / "broken.xlsx"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name)[: 9 if "sheet1" in name else None])
    with pytest.raises(InputError, match="cannot be read as what its name says"):
        read_table(changed)


def test_excel_without_its_library_is_refused_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    (tmp_path / "t.xlsx").write_bytes(b"x")
    with pytest.raises(InputError, match="pip install openpyxl"):
        read_table(tmp_path / "t.xlsx")
