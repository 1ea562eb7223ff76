"""Numbers as people write them."""

import math

import pytest

from taut.frames.numbers import (
    decimal_sign,
    find_number_form,
    is_number,
    parse_number,
    signed_number,
)

NAN = math.nan
# Every row: the texts of a column, the form, and the numbers.
COLUMNS = [
    (["1", "2.5", "-3e2"], "1234.5", [1, 2.5, -300]),
    (["1,234.50", "2"], "1,234.5", [1234.5, 2]),
    (["1.234,50", "2"], "1.234,5", [1234.5, 2]),
    (["0,5", "1,25"], "1234,5", [0.5, 1.25]),
    (["1 234,5", "12"], "1234,5", [1234.5, 12]),
    (["1\xa0234,5", "1\u202f000\u202f000,25"], "1234,5", [1234.5, 1000000.25]),
    (["1\u2009234.5", "7"], "1234.5", [1234.5, 7]),
    (["1'234.50", "1\u2019000"], "1234.5", [1234.5, 1000]),
    (["1,23,456", "7"], "1,234.5", [123456, 7]),
    (["1.234.567", "7"], "1.234,5", [1234567, 7]),
    (["192.168.100.200", "192.168.100.256"], "1.234,5", [192168100200, 192168100256]),
    (["1.234", "2.5"], "1234.5", [1.234, 2.5]),
    (["\u22125", "3", "\uff0d1"], "1234.5", [-5, 3, -1]),
    (["\u22120,5", "1,5"], "1234,5", [-0.5, 1.5]),
    (["$1,234.50", "$5", "-$7", "$-8"], "1,234.5 $", [1234.5, 5, -7, -8]),
    (["$5", "6"], "1234.5 $", [5, 6]),
    (["1.234,50 €", "-2,5 €"], "1.234,5 €", [1234.5, -2.5]),
    (["£5", "£ 6.5"], "1234.5 £", [5, 6.5]),
    (["¥100", "￥5"], "1234.5 ¥", [100, 5]),
    (["12%", "0", "3.5 %"], "1234.5 %", [12, 0, 3.5]),
    (["12,5 %", "3 %"], "1234,5 %", [12.5, 3]),
    (["%12,5", "% 3"], "1234,5 %", [12.5, 3]),
    (["\u0661\u0662\u066b\u0665", "\u0663"], "1234.5", [12.5, 3]),
    (["\u0661\u066c\u0662\u0663\u0664", "\u0663"], "1234.5", [1234, 3]),
    (["\u0661\u066a", "\u0662\u066a"], "1234.5 %", [1, 2]),
    (["(1,234.50)", "3"], "1,234.5", [-1234.5, 3]),
    (["1.234,50-", "3,00"], "1.234,5", [-1234.5, 3]),
    (["5 kg", "6.5kg", "0"], "1234.5 kg", [5, 6.5, 0]),
    (["36,6 °C", "-2 °C"], "1234,5 °C", [36.6, -2]),
    (["48.1°"], "1234.5 °", [48.1]),
    (["5 m", "6 m"], "1234.5 m", [5, 6]),
    (["1", "-", "None", "#DIV/0!"], "1234.5", [1, NAN, NAN, NAN]),
    (["1,5", "-"], "1234,5", [1.5, NAN]),
    # multipliers
    (["1.2K", "3M", "954", "0", "-"], "1234.5K", [1200, 3e6, 954, 0, NAN]),
    (["5k", "-3M", "(2K)"], "1234.5K", [5000, -3e6, -2000]),
    (["€110.5M", "€600K", "€0"], "1234.5K €", [110.5e6, 600e3, 0]),
    (["£5K", "£12K", "£900"], "1234.5K £", [5000, 12000, 900]),
    (["$1.2bn", "$300mn"], "1234.5K $", [1.2e9, 3e8]),
    (["4,5 Mio. €", "800 Tsd. €", "2 Mrd €"], "1234,5K €", [4.5e6, 8e5, 2e9]),
    (["1.234,5 Mio", "2 Mio"], "1.234,5K", [1234.5e6, 2e6]),
    (["12万", "3.4亿", "900"], "1234.5K", [120_000, 340_000_000, 900]),
    (["12亿元", "5万元"], "1234.5K 元", [1.2e9, 50_000]),
    (["1.2 million", "900 thousand"], "1234.5K", [1.2e6, 9e5]),
    (["1.2 Cr", "85 Lac"], "1234.5K", [1.2e7, 8.5e6]),
    (["512MB", "1.5 GB", "64kb"], "1234.5K", [512e6, 1.5e9, 64e3]),
    (["256M", "1G"], "1234.5K", [256e6, 1e9]),
    (["$1.2m", "$300k", "$2b", "$1t", "$5"], "1234.5m $", [1.2e6, 3e5, 2e9, 1e12, 5]),
    (["0,5m €", "12m €"], "1234,5m €", [5e5, 1.2e7]),
    (["1.75m", "2m"], "1234.5 m", [1.75, 2]),  # metres
    # coordinates
    (["65.12°S", "12.5° N", "0°N"], "1234.5 °N", [-65.12, 12.5, 0]),
    (["151,2093° E", "70,5°W"], "1234,5 °E", [151.2093, -70.5]),
    (["40°26'46\"N", "33°51′54″S", "7° 30' S"], "1234.5 °N", [40.4461111, -33.865, -7.5]),
    (["N 63.5°", "S12°"], "1234.5 °N", [63.5, -12]),
    (["51.5074N", "0.1278N"], "1234.5 °N", [51.5074, 0.1278]),
]


@pytest.mark.parametrize(("texts", "form", "values"), COLUMNS)
def test_a_column_of_numbers_is_read_in_its_own_form(texts, form, values):
    found = find_number_form(texts)
    assert found == (form, "")
    assert [parse_number(text, form) for text in texts] == pytest.approx(values, nan_ok=True)


@pytest.mark.parametrize(
    "texts",
    [
        ["1.5", "2,5"],  # two decimal signs
        ["$5", "€5"],  # two currencies
        ["12%", "0.12"],  # with and without a percent sign
        ["5 kg", "6 g"],  # two units
        ["5 kg", "6"],
        ["12A", "13A"],  # seats
        ["12B", "14"],  # houses
        ["12K", "14M", "3A"],
        ["5K", "10K"],  # races
        ["5k", "100m"],
        ["12N", "14S"],  # seats
        ["95.5°N", "10°N"],  # beyond the pole
        ["10°61'N", "10°N"],
        ["51.5°N", "0.1°W"],  # a latitude and a longitude
        ["1.5b", "2b"],
        ["1.5t", "2k"],
        ["3M", "6M", "12M"],  # months
        ["2B", "3B"],
        ["500 Cr", "20"],  # credit
        ["500.25 Cr", "20.50 Cr", "3 Dr"],
        ["1.2Kg", "3M"],
        ["5 apples", "3 pears"],
        ["３", "5 m"],
        ["5班", "3班"],  # a class at school
        ["abc"],
        ["1_0"],
        ["1-2"],
        ["2-", "3"],  # marks at school
        ["1,2,3"],
        ["12,34,5"],
        ["1.2.3"],
        ["192.168.100.200", "172.100.255.101"],  # addresses
        ["--5"],
        ["(-5)"],
        ["(5"],
        ["10\xb2"],
        ["-"],
        ["", "1"],
    ],
)
def test_what_is_not_one_kind_of_number_is_left_alone(texts):
    assert find_number_form(texts) is None


def test_letters_that_are_units_too_multiply_beside_others_and_this_is_told():
    form, doubt = find_number_form(["1.2k", "0.5m", "954"])
    assert doubt == "'0.5m' was read as 500,000"
    assert [parse_number(text, form) for text in ("1.2k", "0.5m", "2b")] == [1200, 5e5, 2e9]
    found = find_number_form(["5k", "100m"], forced=True)
    assert found == ("1234.5m", "'100m' was read as 100,000,000")
    plain, _ = find_number_form(["1.2k", "3M"])
    assert parse_number("0.5m", plain) == pytest.approx(NAN, nan_ok=True), "it had none"


def test_what_the_column_leaves_open_is_named_and_can_be_decided():
    texts = ["1,234", "950"]
    form, doubt = find_number_form(texts)
    assert parse_number("1,234", form) == 1234
    assert "'1,234'" in doubt
    for sign, value in ((",", 1.234), (".", 1234)):
        form, doubt = find_number_form(texts, decimal=sign)
        assert (parse_number("1,234", form), doubt) == (value, "")
    form, _ = find_number_form(["1.234", "12.345"], decimal=",")
    assert parse_number("12.345", form) == 12345
    form, _ = find_number_form(["1.5", "12.345"], decimal=",")  # leaves nothing open
    assert parse_number("12.345", form) == 12.345


@pytest.mark.parametrize(
    ("texts", "sign"),
    [
        (["1,5"], ","),
        (["1.5"], "."),
        (["1,234.5"], "."),
        (["1.234", "2.345.678"], ","),
        (["1,234"], None),
        (["1.234"], None),
        (["12"], None),
        (["a", "1,5"], None),
        (["1,5", "1.5"], None),
        (["1,5", "-"], ","),
    ],
)
def test_the_sign_that_a_column_shows_beyond_doubt(texts, sign):
    assert decimal_sign(texts) == sign


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("1,5", "1234.5"),
        ("1,234", "1234.5"),  # never seen with thousands: it may be a decimal comma
        ("1.234", "1234,5"),
        ("12%", "1234.5"),
        ("0.12", "1234.5 %"),
        ("$5", "1234.5"),
        ("5 kg", "1234.5"),
        ("5 g", "1234.5 kg"),
        ("5", "1234.5 kg"),
        ("€5", "1234.5 $"),
    ],
)
def test_a_later_number_in_another_form_is_not_read(text, form):
    assert math.isnan(parse_number(text, form))


@pytest.mark.parametrize(
    ("text", "form", "value"),
    [("1,234.5", "1234.5", 1234.5), ("1,234,567", "", 1234567), ("5", "1234.5 $", 5)],
)
def test_a_later_number_that_is_clear_by_itself_is_read(text, form, value):
    assert parse_number(text, form) == value


@pytest.mark.parametrize(
    ("texts", "form", "values"),
    [
        (["1 year", "12 years", "0"], "1234.5 years", [1, 12, 0]),
        (["3 Tage", "1 Tag"], "1234.5 Tage", [3, 1]),
        (["1 lb", "2.5lbs"], "1234.5 lbs", [1, 2.5]),
        (["０", "3 m"], "1234.5 m", [0, 3]),
        (["35岁", "7岁"], "1234.5 岁", [35, 7]),
        (["Rs. 1,200", "Rs. 950.50"], "1,234.5 Rs.", [1200, 950.5]),
    ],
)
def test_any_word_behind_numbers_is_a_unit(texts, form, values):
    assert find_number_form(texts) == (form, "")
    assert [parse_number(text, form) for text in texts] == values
    assert math.isnan(parse_number("1 other", form))


@pytest.mark.parametrize(
    "text", ["1" + " " * 50_000 + "x", "1." * 50_000, "<" + " " * 50_000 + "1"]
)
def test_a_long_text_costs_no_more_than_its_length(text):
    assert find_number_form([text]) is None
    assert not is_number(text)
    assert not signed_number(text)
