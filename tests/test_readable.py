"""Numbers, names, axes and the summary of a path."""

import math

import numpy as np
import pandas as pd
import pytest

from taut import readable
from taut.report.path_summary import at_strength, summarise
from taut.report.scale import Scale, spanning
from taut.report.scored import Difference


@pytest.mark.parametrize(
    ("value", "places", "shown"),
    [
        (0.0834, 3, "0.083"),
        (-0.2, 2, "−0.20"),
        (-0.0004, 2, "0.00"),
        (1234567.8, 0, "1 234 568".replace(" ", "\u2009")),
        (None, 2, "–"),
        (math.nan, 2, "–"),
        (math.inf, 2, "–"),
    ],
)
def test_fixed(value, places, shown):
    assert readable.fixed(value, places) == shown


def test_a_sign_is_shown_where_asked():
    assert readable.fixed(0.2, 1, sign=True) == "+0.2"
    assert readable.fixed(-0.001, 1, sign=True) == "0.0"


@pytest.mark.parametrize("half", [0.5, 0.034, 0.099, 0.0021, 12.0, 640.0])
def test_decimals_show_two_digits_of_the_half_width(half):
    places = readable.decimals([half, 3 * half, None, math.nan])
    rounded = round(half, places)
    assert abs(rounded - half) <= 0.05 * half + 0.5 * (half >= 10)
    # No more: two digits of it, where four decimals suffice.
    assert places == 0 or 10 <= half * 10**places < 100


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.01, "0.01"),
        (0.00031622, "0.000316"),
        (3.16e-06, "3.16e−6"),
        (0, "0"),
        (12.5, "12.5"),
        (123456, "123000"),
        (None, "–"),
    ],
)
def test_short(value, shown):
    assert readable.short(value) == shown


def test_percent_says_all_and_nothing_only_where_exact():
    shown = [readable.percent(p) for p in (0, 0.0001, 0.5, 0.9999, 1)]
    assert shown == ["0%", "< 1%", "50%", "> 99%", "100%"]


def test_clean_shows_what_would_act():
    assert readable.clean("a\x1b[31m\x00\r\nb\u202ec\ud800") == r"a\x1b[31m\x00\r\nb\u202ec\ud800"
    assert readable.clean("é 特徴 👩‍🔬 <b>") == "é 特徴 👩‍🔬 <b>"


@pytest.mark.parametrize("width", [8, 21, 34])
def test_shorten_keeps_both_ends(width):
    name = "first word of a very long name that ends here"
    cut = readable.shorten(name, width)
    assert len(cut) == width
    head, tail = cut.split("…")
    assert name.startswith(head)
    assert name.endswith(tail)
    assert head
    assert tail
    assert readable.shorten("short", width) == "short"


@pytest.mark.parametrize(
    ("metric", "low", "high", "verdict"),
    [
        ("log_loss", -0.3, -0.1, "better"),
        ("log_loss", 0.1, 0.3, "worse"),
        ("accuracy", 0.1, 0.3, "better"),
        ("accuracy", -0.3, -0.1, "worse"),
        ("r2", -0.3, 0.1, "no clear difference"),
        ("r2", None, 0.1, "not known: no interval"),
        # An end that is next to zero, on whichever side: no nearer than the bootstrap can tell.
        ("log_loss", -0.3, 0.01, "perhaps better"),
        ("log_loss", -0.3, -0.01, "perhaps better"),
        ("log_loss", -0.01, 0.3, "perhaps worse"),
        ("accuracy", -0.01, 0.3, "perhaps better"),
        ("accuracy", -0.3, 0.02, "no clear difference"),
        # Few rows differ: the end is zero itself.
        ("accuracy", 0.0, 0.043, "not clear: it ends at zero"),
        ("rmse", -0.3, 0.0, "not clear: it ends at zero"),
        ("accuracy", 0.0, 0.0, "no clear difference"),
    ],
)
def test_what_a_difference_amounts_to_follows_from_its_interval(metric, low, high, verdict):
    value = None if low is None else (low + high) / 2
    assert Difference("other", metric, value, low, high, 2).verdict == verdict


@pytest.mark.parametrize("low", [-3.2, 0.0, 0.961, 1e5])
@pytest.mark.parametrize("width", [1e-3, 0.5, 40.0])
def test_ticks_are_round_and_inside(low, width):
    scale = Scale(low, low + width)
    ticks = scale.ticks()
    assert 2 <= len(ticks) <= 7
    places = [tick.at for tick in ticks]
    assert places == sorted(places)
    assert places[0] >= 0
    assert places[-1] <= 100
    assert len({tick.label for tick in ticks}) == len(ticks)


def test_an_axis_holds_its_values_and_zero():
    scale = spanning([0.2, None, math.nan, 0.9], zero=True)
    assert 0 < scale.at(0.0) < scale.at(0.2) < scale.at(0.9) < 100
    assert spanning([]).at(0.5) == 50
    assert 0 < spanning([2.0, 2.0]).at(2.0) < 100


def _lanes(losses, status=None):
    """losses [fold][seed] at one strength, as rows of a path."""
    rows = [
        ("L1", 0.1, fold, seed, 0.5 * loss, loss, 3, "finished")
        for fold, seeds in enumerate(losses)
        for seed, loss in enumerate(seeds)
    ]
    columns = "penalty strength fold seed train_loss val_loss inputs_kept status"
    frame = pd.DataFrame(rows, columns=columns.split(" "))
    for row in status or ():
        frame.loc[row, "status"] = "diverged"  # whatever loss it had reached before
    return frame


def test_the_standard_error_is_over_folds_not_over_seeds():
    losses = [[0.1, 0.3], [0.4, 0.6], [0.5, 0.5]]
    (row,) = summarise(_lanes(losses)).to_dict("records")
    folds = np.mean(losses, axis=1)
    assert row["val"] == pytest.approx(folds.mean())
    assert row["se"] == pytest.approx(folds.std(ddof=1) / math.sqrt(3))
    assert row["train"] == pytest.approx(0.5 * folds.mean())
    assert (row["lanes"], row["diverged"]) == (6, 0)


def test_diverged_lanes_are_counted_and_left_out():
    (row,) = summarise(_lanes([[0.2], [0.4], [9.0]], status=[2])).to_dict("records")
    assert row["val"] == pytest.approx(0.3)
    assert (row["lanes"], row["diverged"]) == (3, 1)
    without_status = _lanes([[0.2]]).assign(val_loss=np.inf)
    (row,) = summarise(without_status).to_dict("records")
    assert math.isnan(row["val"])
    assert row["diverged"] == 1


def test_one_fold_has_no_standard_error():
    assert math.isnan(summarise(_lanes([[0.2, 0.4]]))["se"].iloc[0])


def test_strength_zero_is_no_penalty():
    both = pd.concat([_lanes([[0.2]]), _lanes([[0.4]]).assign(strength=0.0)])
    summary = summarise(both)
    assert set(summary["penalty"]) == {"L1", "none"}
    row = at_strength(summary, "none", 0.0)
    assert row is not None
    assert row["val"] == pytest.approx(0.4)
    assert at_strength(summary, "L1", 0.1 * (1 + 1e-12)) is not None
    assert at_strength(summary, "L2", 0.1) is None
    assert at_strength(summary, "L1", None) is None


def test_a_strength_with_some_folds_is_compared_on_those():
    whole = _lanes([[0.2], [0.6], [0.7]])
    part = _lanes([[0.3], [0.8]]).assign(strength=1.0)
    summary = summarise(pd.concat([whole, part], ignore_index=True))
    assert at_strength(summary, "L1", 0.1)["val"] == pytest.approx(0.5)
    # Its folds are 0.1 below the mean of all, and it is 0.1 and 0.2 worse there.
    assert at_strength(summary, "L1", 1.0)["val"] == pytest.approx(0.5 + 0.15)
    assert at_strength(summary, "L1", 1.0)["lanes"] == 2
