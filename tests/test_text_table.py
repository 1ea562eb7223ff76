"""Texts in columns."""

import pytest

from taut.text_table import text_table

NAMES = ["kernel", "层二/kernel", "[bold]b[/bold]", "a" * 300]


@pytest.mark.parametrize("header", [(), ("name", "size")])
def test_columns_begin_below_one_another_whatever_is_in_them(header, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    lines = text_table([[name, "12"] for name in NAMES], header=header).splitlines()
    assert lines[-4:] == [
        "kernel" + 296 * " " + "12",
        "层二/kernel" + 291 * " " + "12",
        "[bold]b[/bold]" + 288 * " " + "12",
        "a" * 300 + "  12",
    ]
    rule = 304 * "─"
    assert lines[:-4] == (["name" + 298 * " " + "size", rule + "──"] if header else [])


def test_nothing_follows_the_last_letter_of_a_line():
    table = text_table([["a", ""], ["bb", "c"]], header=["x", "y"])
    assert table == "x   y\n─────\na\nbb  c"
