"""Dates and times as people write them."""

import datetime as dt
import math

import numpy as np
import pytest

from taut.frames.date_texts import parse_time
from taut.frames.dates import (
    date_order,
    date_part,
    find_date_form,
    parse_date,
    varying_parts,
)

EPOCH = dt.datetime(1970, 1, 1)


def days(*moment):
    return (dt.datetime(*moment) - EPOCH).total_seconds() / 86400


# Every row: the texts of a column, the form, and the moments.
COLUMNS = [
    (["31.12.2024", "01.02.2023"], "dmy", [(2024, 12, 31), (2023, 2, 1)]),
    (["1.2.2024", "13.2.2024"], "dmy", [(2024, 2, 1), (2024, 2, 13)]),
    (["13/02/2020", "01/03/2020"], "dmy", [(2020, 2, 13), (2020, 3, 1)]),
    (["01/13/2020", "02/03/2020"], "mdy", [(2020, 1, 13), (2020, 2, 3)]),
    (["2012/01/01", "2012/12/31"], "ymd", [(2012, 1, 1), (2012, 12, 31)]),
    (["2012-1-5"], "ymd", [(2012, 1, 5)]),
    (["2012-01", "2013-12"], "ymd", [(2012, 1, 1), (2013, 12, 1)]),
    (["2020-01-02 10:30:00", "2020-01-03"], "ymd", [(2020, 1, 2, 10, 30), (2020, 1, 3)]),
    (["2020-01-02T10:30"], "ymd", [(2020, 1, 2, 10, 30)]),
    (["1/13/2024 3:05 PM", "1/14/2024 12:00 AM"], "mdy", [(2024, 1, 13, 15, 5), (2024, 1, 14)]),
    (["31.12.2024, 23:59"], "dmy", [(2024, 12, 31, 23, 59)]),
    (["31 Jan 2024", "1-Feb-2024"], "ymd", [(2024, 1, 31), (2024, 2, 1)]),
    (["Jan 31, 2024", "March 1st, 2024"], "ymd", [(2024, 1, 31), (2024, 3, 1)]),
    (["2024年1月31日"], "ymd", [(2024, 1, 31)]),
    (["1. März 2024", "24. Dez. 2024"], "ymd", [(2024, 3, 1), (2024, 12, 24)]),
    (["1er août 2024", "2 févr. 2024"], "ymd", [(2024, 8, 1), (2024, 2, 2)]),
    (["Wednesday, January 31, 2024"], "ymd", [(2024, 1, 31)]),
    (["Mi., 31.01.2024"], "dmy", [(2024, 1, 31)]),
    (["Wed Jan  3 10:30:00 2024"], "ymd", [(2024, 1, 3, 10, 30)]),
    (["Wed, 31 Jan 2024 10:30:00 GMT"], "ymd UTC", [(2024, 1, 31, 10, 30)]),
    (["31/Jan/2024:10:30:00 +0000"], "ymd UTC", [(2024, 1, 31, 10, 30)]),
    (["12/2019", "1-2020"], "ymd", [(2019, 12, 1), (2020, 1, 1)]),
    (["2020Q1", "2020-Q4"], "ymd", [(2020, 1, 1), (2020, 10, 1)]),
    (["1987 Jan", "1988-Feb-03"], "ymd", [(1987, 1, 1), (1988, 2, 3)]),
    (["2024M01", "2024m1", "2024 M12"], "ymd", [(2024, 1, 1), (2024, 1, 1), (2024, 12, 1)]),
    (["01Jan1987", "03FEB1988:12:00:00"], "ymd", [(1987, 1, 1), (1988, 2, 3, 12)]),
    (["2024 W01", "2024w02"], "ymd", [(2024, 1, 1), (2024, 1, 8)]),
    (["Q2 2020", "q3/2021"], "ymd", [(2020, 4, 1), (2021, 7, 1)]),
    (["2020-W53", "2021W01", "2021-W01-7"], "ymd", [(2020, 12, 28), (2021, 1, 4), (2021, 1, 10)]),
    (["-", "0000-00-00", "2020-01-02"], "ymd", [None, None, (2020, 1, 2)]),
    # One offset is a zone; summer and winter of one place are its clock; others are in UTC.
    (["2024-01-01T10:00:00Z"], "ymd UTC", [(2024, 1, 1, 10)]),
    (["2024-01-01 10:00+02:00"], "ymd +02:00", [(2024, 1, 1, 10)]),
    (
        ["2024-01-01 10:00+01:00", "2024-07-01 10:00+02:00"],
        "ymd",
        [(2024, 1, 1, 10), (2024, 7, 1, 10)],
    ),
    (
        ["2024-01-01 10:00+01:00", "2024-01-01 10:00-05:00"],
        "ymd UTC",
        [(2024, 1, 1, 9), (2024, 1, 1, 15)],
    ),
]


@pytest.mark.parametrize(("texts", "form", "moments"), COLUMNS)
def test_a_column_of_dates_is_read_in_its_own_order(texts, form, moments):
    assert find_date_form(texts) == (form, "")
    got = [parse_date(text, form) for text in texts]
    expected = [math.nan if moment is None else days(*moment) for moment in moments]
    np.testing.assert_allclose(got, expected, atol=1e-9)


@pytest.mark.parametrize(
    "texts",
    [
        ["13/13/2020"],
        ["13/01/2020", "01/13/2020"],  # no one order
        ["2020-02-30"],
        ["2024-01-01 25:00"],
        ["1001-1"],
        ["2009-10", "2012-13"],  # seasons
        ["20240131"],
        ["12 monkeys 2020"],
        ["Marathon 2020"],
        ["13/2020"],
        ["2021-W53"],
        ["Q5 2020"],
        ["Jan 20"],
        ["-", "0000-00-00"],
        ["1.2"],
        [],
    ],
)
def test_what_is_no_date_is_left_alone(texts):
    assert find_date_form(texts) is None


@pytest.mark.parametrize(
    ("text", "first"), [("01/02/2020", "mdy"), ("01.02.2020", "dmy"), ("01-02-2020", "dmy")]
)
def test_what_the_column_leaves_open_is_named_and_can_be_decided(text, first):
    form, doubt = find_date_form([text])
    assert form == first
    assert text in doubt
    for order, moment in (("dmy", (2020, 2, 1)), ("mdy", (2020, 1, 2))):
        form, doubt = find_date_form([text], order=order)
        assert (parse_date(text, form), doubt) == (days(*moment), "")
    assert find_date_form(["01/01/2020"])[1] == "", "either order is this day"


def test_years_of_two_digits_are_told():
    assert find_date_form(["Dec-15", "Jan-99"])[0] == "ymd"
    assert parse_date("Dec-15", "ymd") == days(2015, 12, 1)
    assert "two digits" in find_date_form(["Dec-15"])[1]
    form, doubt = find_date_form(["31.12.69", "31.12.70"])
    assert [parse_date(t, form) for t in ("31.12.69", "31.12.70")] == [
        days(2069, 12, 31),
        days(1970, 12, 31),
    ]
    assert "two digits" in doubt


@pytest.mark.parametrize(
    ("texts", "order"),
    [
        (["13/01/2020"], "dmy"),
        (["01/13/2020"], "mdy"),
        (["01/02/2020"], None),
        (["2020-01-13"], None),
        (["a"], None),
    ],
)
def test_the_order_that_a_column_shows_beyond_doubt(texts, order):
    assert date_order(texts) == order


def test_a_later_date_in_another_order_is_not_read():
    assert math.isnan(parse_date("12/31/2020", "dmy"))
    assert math.isnan(parse_date("2020-12-31x", "ymd"))


def test_moments_are_read_on_the_clock_of_the_zone():
    for text in ("2024-07-01T10:00Z", "2024-07-01 12:00+02:00", "2024-07-01 12:00"):
        assert parse_date(text, "ymd Europe/Paris") == days(2024, 7, 1, 12)
    assert parse_date("2024-07-01 12:00+02:00", "") == days(2024, 7, 1, 10), "of older runs"


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("08:30", 8.5),
        ("PT1H30M", 1.5),
        ("P0DT0H51M0S", 0.85),
        ("0:00:36", 0.01),
        ("36:00:00", 36),
        ("3:05 pm", 15 + 5 / 60),
        ("8:61", None),
        ("-1:30", -1.5),
        ("2 days 01:30:00", 49.5),
        ("-1 days +22:30:00", -1.5),
        ("1 day, 2:00:00", 26),
        ("5h 30m", 5.5),
        ("1 hr 15 min", 1.25),
        ("2d 6h", 54),
        ("5m", None),
        ("3d", None),
        ("2 days", None),
        ("", None),
    ],
)
def test_times_are_hours(text, hours):
    assert parse_time(text) == pytest.approx(math.nan if hours is None else hours, nan_ok=True)


def test_the_parts_of_a_date():
    moments = [(2024, 1, 1, 0), (2024, 2, 29, 13, 30), (2024, 12, 31, 23), (1969, 12, 31, 6)]
    values = np.array([*(days(*moment) for moment in moments), np.nan])
    np.testing.assert_allclose(date_part(values, "hour"), [0, 13.5, 23, 6, np.nan])
    np.testing.assert_array_equal(date_part(values, "weekday"), [0, 3, 1, 2, np.nan])
    month = date_part(values, "month")
    np.testing.assert_array_equal(np.floor(month), [1, 2, 12, 12, np.nan])
    np.testing.assert_allclose(month, [1, 2 + 28 / 31, 12 + 30 / 31, 12 + 30 / 31, np.nan])
    assert varying_parts(values) == ("month", "weekday", "hour")
    assert varying_parts(np.array([days(2024, 1, 1), days(2024, 1, 8), np.nan])) == ()
    assert varying_parts(np.array([days(2024, 1, 1), days(2024, 1, 9)])) == ("weekday",)
    assert varying_parts(np.array([np.nan])) == ()


@pytest.mark.parametrize("text", ["a" * 300_000, "1" * 300_000, "ab 1 " * 60_000, "Mon " * 60_000])
def test_a_long_text_costs_no_more_than_its_length(text):
    assert find_date_form([text]) is None
    assert math.isnan(parse_time(text))
