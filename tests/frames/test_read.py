import gzip

import numpy as np
import pandas as pd
import pytest

from taut.catalogue import catalogue
from taut.errors import InputError
from taut.frames.as_frame import NOTES
from taut.frames.read import read_table
from taut.frames.understand import understand
from taut.frames.values import find_notation, read

FRAME = pd.DataFrame(
    {
        "age": [31.5, np.nan, 40.0],
        "<script>alert(1)</script>": ["a, b", 'say "x"', "ö"],
        "n": [1, 2, 3],
        "smoker": [True, False, True],
    }
)


def write(frame, path):
    if path.suffix in (".parquet", ".pq"):
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if ".tsv" in path.name else ",")
    return path


@pytest.mark.parametrize(
    "name", ["t.csv", "T.CSV", "t.csv.gz", "v1.2.csv", "t.tsv", "t.tsv.gz", "t.parquet", "t.pq"]
)
def test_every_format_gives_the_same_table(tmp_path, name):
    pd.testing.assert_frame_equal(read_table(write(FRAME, tmp_path / name)), FRAME)
    pd.testing.assert_frame_equal(read_table(str(tmp_path / name)), FRAME)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_separator_is_taken_from_the_first_line(tmp_path, separator):
    path = tmp_path / "t.csv"
    FRAME.to_csv(path, index=False, sep=separator, encoding="utf-8-sig")
    pd.testing.assert_frame_equal(read_table(path), FRAME)


def test_marks_of_missing_values_do_not_turn_numbers_into_text(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a, b,c\n1, ?,None\n2, NA,Mild\n3, 5,\n")
    frame = read_table(path)
    assert frame["b"].tolist()[2] == 5
    assert frame["b"].isna().tolist() == [True, True, False]
    assert frame["c"].tolist()[:2] == ["None", "Mild"], "None is a level, or a class"
    assert frame["c"].isna().tolist() == [False, False, True]


def test_text_columns_stay_as_they_are_written(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("code,flag,n\n01,true,1\n02,,2\n")
    frame = read_table(path, text=["code", "flag", "not there"])
    assert frame["code"].tolist() == ["01", "02"]
    assert frame["flag"].tolist()[0] == "true"
    assert frame["flag"].isna().tolist() == [False, True]
    assert frame["n"].tolist() == [1, 2]


def test_a_named_index_of_a_parquet_file_is_a_column(tmp_path):
    FRAME.set_index("n").to_parquet(tmp_path / "t.parquet")
    frame = read_table(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(frame[list(FRAME)], FRAME)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("t.doc", b"x", "ends in one of .csv"),
        ("t.xlsx", b"x", "cannot be read"),
        ("t.gz", b"x", "ends in one of .csv"),
        ("t", b"x", "ends in one of .csv"),
        ("t.csv", None, "no file"),
        ("t.csv", b"", "empty"),
        ("t.csv", b"\n\n  \n", "empty"),
        ("t.csv", b"a,b\n", "needs rows"),
        ("t.csv", b"a,b,a\n1,2,3\n", "'a'"),
        ("t.csv", b'\xef\xbb\xbf"a, x",b,"a, x"\n1,2,3\n', "'a, x'"),
        ("t.csv", b"1,2,1\n1,2,3\n", "first line"),
        ("t.csv", b"a,b\n1,2,3\n4,5,6\n", r"names 2 columns\. Received: 3 in line 2"),
        ("t.csv", b"t\n\na,b\n1,2,3\n4,5\n", r"names 2 columns\. Received: 3 in line 4"),
        ("t.csv", b"a,b\n1,2\n4,5,6\n", r"names 2 columns\. Received: 3 in line 3\. Put fields"),
        (
            "t.csv",
            b'a,b\n1,"2\n',
            r"quote .* must be closed\. Received: one that is opened in row 1",
        ),
        ("t.csv.gz", b"a,b\n1,2\n", "cannot be read"),
        ("t.csv.gz", gzip.compress(b"a,b\n1,2\n" * 99, mtime=0)[:-20], "cannot be read"),
        ("t.csv.gz", gzip.compress(b"a,b\n1,2\n", mtime=0)[:10] + b"\xff" * 40, "cannot be read"),
        ("t.csv", b"a" * 200_000 + b"\n1\n", "cannot be read"),
        ("t.parquet", b"a,b\n1,2\n", "cannot be read as what its name says"),
    ],
)
def test_bad_files_are_refused(tmp_path, name, content, says):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="(?s)" + says):
        read_table(path)


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ([], "a folder without a table. Give the file"),
        (["_SUCCESS", "part-00000.csv", ".part-00000.csv.crc"], r"1 tables?: 'part-00000.csv'"),
        (
            ["_SUCCESS", *(f"day=1/part-0000{k}.snappy.parquet" for k in range(4))],
            r"4 tables: 'day=1/part-00000.snappy.parquet', .*, …\. .*pandas.read_parquet",
        ),
        (["part-00000.csv.gz", "part-00001.csv.gz"], r"2 tables: .*pandas.read_csv"),
    ],
)
@pytest.mark.parametrize("name", ["out", "t.csv"])
def test_a_folder_is_refused_with_what_is_in_it(tmp_path, files, says, name):
    for file in ["", *files]:
        (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name / file).touch() if file else (tmp_path / name).mkdir()
    with pytest.raises(InputError, match=f"A table is one file.*{says}"):
        read_table(tmp_path / name)


@pytest.mark.parametrize(
    "address", ["https://example.org/t.csv", "s3://bucket/t.parquet", "http://a.b/c"]
)
def test_an_address_is_no_file(address):
    with pytest.raises(InputError, match=r"an address: download the file, and give that"):
        read_table(address)


ROWS = [f"{k}.5,{'ab'[k % 2]},{k}" for k in range(9)]


def with_quotes(*places):
    return "\n".join(
        ["x,city,y", *(r.replace(",", ',"', 1) if k in places else r for k, r in enumerate(ROWS))]
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (with_quotes(2, 5), "opened in line 4, which would take the rows up to line 7"),
        (with_quotes(1, 2), "opened in line 3, which would take the rows up to line 4"),
        (with_quotes(1, 2).replace(",", "\t"), "opened in line 3"),
        (with_quotes(3), "opened in row 4"),
    ],
)
def test_a_quote_that_is_left_open_does_not_take_rows_without_a_word(tmp_path, text, says):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=says):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize(
    "field",
    [
        '"a\nb"',
        '"a\n""b"',
        '"a""\n""b"',
        '"a,\nb" ',
        '5" pipe',
        '"a\n\n,\nb"',
        '"""\n"',
        'a "b" c',
        '""',
    ],
)
def test_quotes_that_are_closed_are_no_fault(tmp_path, field):
    rows = [row.replace(",a,", f",{field},").replace(",b,", f",{field},") for row in ROWS]
    for sign in (",", "\t", ";"):
        text = "\n".join(["x,city,y", *rows]).replace(",", sign)
        (tmp_path / "t.csv").write_text(text)
        assert read_table(tmp_path / "t.csv")["y"].tolist() == list(range(9)), sign


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_fields_in_single_quotes_lose_them_and_this_is_told(tmp_path, separator):
    rows = [["'Smith, J; Jr'", "'01'", "'<=50K'"], ["'O''Neil\tX'", "2", "'>50K'"]] * 9
    lines = ["name,n,pay".replace(",", separator), *map(separator.join, rows)]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    frame = read_table(tmp_path / "t.csv", text=["n"])
    assert frame.iloc[:2].values.tolist() == [
        ["Smith, J; Jr", "01", "<=50K"],
        ["O'Neil\tX", "2", ">50K"],
    ]
    assert "single quotes" in frame.attrs[NOTES][0]
    (tmp_path / "t.csv").write_text("\n".join(lines) + f"\n'Wu, L'{separator}'4")
    with pytest.raises(InputError, match="must be closed"):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize(
    "texts",
    [
        ["'s-Hertogenbosch", "Rotterdam"],  # opens no field
        ["'quoted'", "plain"],  # around some texts of a column
        ["'n' roll", "'tis"],
        ['"it\'s, so"', "'plain'"],  # beside double quotes
    ],
)
def test_apostrophes_that_are_text_stay(tmp_path, texts):
    (tmp_path / "t.csv").write_text("\n".join(["n,name", *[f"1,{text}" for text in texts * 9]]))
    frame = read_table(tmp_path / "t.csv")
    assert frame["name"].tolist() == [text.strip('"') for text in texts * 9]
    assert not frame.attrs[NOTES]


CUT_ROWS = [f"{k},2024-01-{k + 10},{k % 3}.5,{('yes', 'no')[k % 2]}" for k in range(12)]


@pytest.mark.parametrize(
    ("last", "told"),
    [
        ("9,2024-01-31", "in field 2 of 4"),
        ("9", "in field 1 of 4"),
        ("9,2024-01-31,1.5,", "behind ''"),
        ("9,2024-01-31,1.5,y", "behind 'y'"),
        ("9,2024-01-31,1.5,no", ""),
        ("9,2024-01-31,1.5,never", ""),
    ],
)
@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_a_file_that_is_cut_off_is_told_where_it_shows(tmp_path, name, last, told):
    def notes(text):
        (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith("z") else text)
        return " ".join(read_table(tmp_path / name).attrs[NOTES])

    text = "\n".join(["n,day,x,ill", *CUT_ROWS, last]).encode()
    assert told in notes(text)
    assert ("cut off" in notes(text)) == bool(told)
    assert "cut off" not in notes(text + b"\n"), "a line that ends is whole"


@pytest.mark.parametrize(("last", "told"), [("2024-01-3", True), ("2024-01-31", False), ("", True)])
def test_a_last_field_shorter_than_all_others_may_be_cut_off(tmp_path, last, told):
    rows = [f"{k};2024-01-{k + 10}" for k in range(12)]
    (tmp_path / "t.csv").write_text("\n".join(["n;day", *rows, f"9;{last}"]))
    assert bool(read_table(tmp_path / "t.csv").attrs[NOTES]) == told
    rows[3] = "3;"  # where a field may be empty, the last one may
    (tmp_path / "t.csv").write_text("\n".join(["n;day", *rows, "9;"]))
    assert not read_table(tmp_path / "t.csv").attrs[NOTES]


def test_signs_that_control_a_machine_are_no_value(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"a,b\r\n1,6.2\x1a\r\n2,\x024\r\n3,5\r\n\x1a")
    frame = read_table(tmp_path / "t.csv")
    assert len(frame) == 3
    values = read(frame["b"], *find_notation(frame["b"])[:2])
    assert values.tolist() == [6.2, 4.0, 5.0]


@pytest.mark.parametrize("cells", [("", "Bonn", "1"), ("2.5", "Bad Ems", "1"), ("2.5", "Bonn", "")])
@pytest.mark.parametrize("before", [3, 300])
def test_cells_of_a_table_of_fixed_width_do_not_move(tmp_path, cells, before):
    rows = [("x", "city", "y"), *[(f"{k}.5", "Köln", k) for k in range(before)], cells]
    text = "".join(f"{a:<9}{b:<9}{c:<5}\n" for a, b, c in rows)
    (tmp_path / "t.txt").write_text(text, "utf-8")
    says = rf"Received: [24] in line {before + 2} of .*names 3 columns.*read_fwf"
    with pytest.raises(InputError, match=says):
        read_table(tmp_path / "t.txt")
    (tmp_path / "t.txt").write_text(text[: text.rindex("\n", 0, -1)], "utf-8")
    assert read_table(tmp_path / "t.txt")["y"].tolist() == list(range(before))


ESCAPED = {
    "quotes": (r'"say \"hi, you\" now",\N,1', 'say "hi, you" now'),
    "quotes without a separator": (r'"say \"hi\" now",\N,1', 'say "hi" now'),
    "a separator": (r"x\,z,\N,1", "x,z"),
    "backslashes too": (r'"C:\\a, \"b\"",\N,1', 'C:\\a, "b"'),
}


@pytest.mark.parametrize("name", ESCAPED)
@pytest.mark.parametrize("before", [0, 30_000])
def test_backslashes_escape_as_spark_and_hive_write_them(tmp_path, name, before):
    line, value = ESCAPED[name]
    path = tmp_path / "t.csv"
    path.write_text("a,b,y\n" + "N,N,0\n" * before + f"{line}\n\\N,2,0\nlast,N,1")
    frame = read_table(path)
    assert len(frame) == before + 3
    assert frame["a"].tolist()[-3::2] == [value, "last"]
    assert frame["b"].isna().tolist()[-3:] == [True, False, False]
    assert frame["a"].isna().tolist()[-3:] == [False, True, False]
    (note,) = frame.attrs[NOTES]
    assert note.startswith("A backslash stands before")
    assert catalogue("zh").knows(note)


@pytest.mark.parametrize(
    "lines",
    [
        ['"C:\\dir\\"', '"D:\\x"'],
        ["C:\\dir\\", "D:\\x"],
        ["$\\alpha$", "\\beta"],
        ['"a\nb\\"', "\\,\\"],
    ],
)
def test_backslashes_that_are_text_stay(tmp_path, lines):
    path = tmp_path / "t.csv"
    path.write_text("a;y\n" + "".join(f"{line};{k}\n" for k, line in enumerate(lines)))
    frame = read_table(path)
    assert frame["a"].tolist() == [line.strip('"') for line in lines]
    assert not frame.attrs[NOTES]


def test_duplicated_names_in_parquet_are_refused(tmp_path):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table([[1], [2]], names=["a", "a"]), tmp_path / "t.parquet")
    with pytest.raises(InputError, match="'a'"):
        read_table(tmp_path / "t.parquet")


def test_columns_without_a_name_are_not_duplicates(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(",a,\n0,5,1\n1,6,2\n")
    assert read_table(path)["a"].tolist() == [5, 6]


def test_codes_keep_their_zeros_and_labels_too(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x,zip,y\n" + "".join(f"{k},{k % 7:05d},{k % 2:02d}\n" for k in range(40)))
    schema = understand(read_table(path), target="y", kind={"zip": "category"})
    assert schema.classes == ("00", "01")
    new = read_table(path, text=schema.as_written)
    features, codes = schema.prepare(new)
    assert features["zip"].tolist()[:2] == ["00000", "00001"]
    assert codes.tolist()[:2] == [0, 1]


def test_a_cover_page_is_no_table_and_the_other_sheets_are_named(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["Report"])
    book.create_sheet("Data").append(["a", "b"])
    book["Data"].append([1, 2])
    book.save(tmp_path / "t.xlsx")
    with pytest.raises(InputError, match=r"--sheet reads another: Data"):
        read_table(tmp_path / "t.xlsx")
    assert read_table(tmp_path / "t.xlsx", sheet="Data")["b"].tolist() == [2]


def test_empty_rows_are_none_and_told(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,\n,\n,2\n,\n,\n")
    frame = read_table(path)
    assert frame["b"].tolist()[1:] == [2]
    between, end = frame.attrs[NOTES]
    assert between == "Left out 1 empty row between the others."
    assert end == "Left out 2 empty rows at the end."
    assert all(catalogue("zh").knows(note) for note in (between, end))
    path.write_text("a,b\n,\n,\n")
    with pytest.raises(InputError, match="needs rows"):
        read_table(path)


@pytest.mark.parametrize(
    ("lower", "names"),
    [
        (["a", "b", "y"], ["a", "b", "y"]),
        (["mean", "sd", "mean"], ["x mean", "x sd", "z mean"]),
        (["1st", 2, "y"], None),  # a row of the table
    ],
)
def test_names_below_merged_cells(tmp_path, lower, names):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["x", None, "z"], lower, [1.5, "u", 2], [2.5, "v", 3]):
        book.active.append(row)
    book.active.merge_cells("A1:B1")
    book.save(tmp_path / "t.xlsx")
    frame = read_table(tmp_path / "t.xlsx")
    assert list(frame.columns) == (names or ["x", "Unnamed: 1", "z"])
    assert len(frame) == (2 if names else 3)


def test_a_column_without_a_name_is_no_merged_cell(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["name", None, "town"], ["Ann", "x", "Rome"], ["Bob", "y", "Bonn"]):
        book.active.append(row)
    book.save(tmp_path / "t.xlsx")
    assert read_table(tmp_path / "t.xlsx")["town"].tolist() == ["Rome", "Bonn"]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("rows", [6, 60_000])
def test_names_that_come_again_are_no_row(tmp_path, end, rows):
    """As where files were put together."""
    lines = [f"{k},{'ab'[k % 2]},{k % 3}" for k in range(rows)]
    text = end.join(["a title", "n,x y,z", *lines[:4], "n,x y,z", *lines[4:], "n,x y,z"])
    (tmp_path / "t.csv").write_text(text, newline="")
    frame = read_table(tmp_path / "t.csv")
    assert frame["n"].tolist() == list(range(rows))
    assert frame["z"].dtype.kind == "i"
    note = frame.attrs[NOTES][-1]
    assert note == "Left out 2 rows that repeat the names of the columns."
    assert catalogue("zh").knows(note)


def test_rows_of_letters_may_be_as_the_names_are(tmp_path):
    (tmp_path / "t.csv").write_text("x,o,x2\n" + "x,o,x2\no,x,o\n" * 9)
    assert len(read_table(tmp_path / "t.csv")) == 18


def test_names_that_come_again_in_a_sheet_are_no_row(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["a", "b"], [1, "u"], ["a", "b"], [2, "v"]):
        book.active.append(row)
    book.save(tmp_path / "t.xlsx")
    frame = read_table(tmp_path / "t.xlsx")
    assert frame["a"].tolist() == [1, 2]
    assert frame.attrs[NOTES] == ["Left out 1 row that repeats the names of the columns."]
