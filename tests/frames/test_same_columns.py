"""Inputs that say the same as another are left out, and said."""

import numpy as np
import pandas as pd
import pytest

from taut.catalogue import catalogue
from taut.frames.understand import understand

ROWS = 60
RNG = np.random.default_rng(0)
NUMBERS = RNG.normal(size=ROWS)
LEVELS = RNG.choice(["red", "green", "blue"], ROWS)
DAYS = pd.Timestamp("2024-01-01") + pd.to_timedelta(RNG.permutation(ROWS), "D")
GAPS = np.where(np.arange(ROWS) % 7 == 0, np.nan, NUMBERS)
FLAGS = NUMBERS > 0
TARGET = RNG.choice(["yes", "no"], ROWS)


def left_out(first, second, **options):
    frame = pd.DataFrame({"first": first, "second": second, "other": RNG.normal(size=ROWS)})
    schema = understand(frame.assign(target=TARGET), target="target", **options)
    used = [column.name for column in schema.used]
    return [name for name in ("first", "second") if name not in used], schema


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (NUMBERS, NUMBERS),
        (NUMBERS, 1.8 * NUMBERS + 32),
        (NUMBERS, 1 - NUMBERS),
        (NUMBERS, 1e30 * NUMBERS),
        (GAPS, 2.54 * GAPS),
        (LEVELS, LEVELS),
        (LEVELS, [{"red": "R", "green": "G", "blue": "B"}[level] for level in LEVELS]),
        (FLAGS, np.where(FLAGS, "m", "f")),
        (FLAGS, np.where(FLAGS, 2, 1)),
        (DAYS, DAYS.strftime("%d.%m.%Y")),
    ],
)
def test_of_two_that_say_the_same_the_first_stays(first, second):
    names, schema = left_out(first, second)
    assert names == ["second"]
    [note] = [note for note in schema.notes if "says the same" in note]
    assert "'second' ('first')" in note
    assert (
        next(c for c in schema.columns if c.name == "second").reason == "says the same as 'first'"
    )
    assert catalogue("zh").knows(note)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (NUMBERS, NUMBERS + 1e-4 * RNG.normal(size=ROWS)),
        (NUMBERS, NUMBERS**3),  # a network reads another scale otherwise
        (NUMBERS, GAPS),  # where it is missing, it tells something
        (GAPS, np.where(np.arange(ROWS) % 7 == 1, np.nan, NUMBERS)),
        (LEVELS, np.where(LEVELS == "red", "R", "other")),
        (LEVELS, RNG.permutation(LEVELS)),
        (DAYS, DAYS + pd.Timedelta(days=1)),  # another day of the week
    ],
)
def test_what_differs_stays(first, second):
    assert left_out(first, second)[0] == []


def test_what_was_asked_for_stays():
    both = {"features": ["first", "second"]}
    assert left_out(NUMBERS, NUMBERS, **both)[0] == []
    assert left_out(NUMBERS, NUMBERS, kind={"second": "numeric"})[0] == ["first"]
