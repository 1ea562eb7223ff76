"""Charts are saved with the scripts that draw them."""

import sys

import pytest

from taut.charts import altair, offline
from taut.errors import InputError


def test_a_saved_page_asks_no_server(tmp_path):
    alt = altair()
    chart = alt.Chart(alt.Data(values=[{"a": 1}])).mark_point().encode(x="a:Q")
    before = chart.to_dict()
    offline(chart).save(str(tmp_path / "chart.html"))
    page = (tmp_path / "chart.html").read_text("utf-8")
    assert "<script src=" not in page
    assert 'import("http' not in page
    assert len(page) > 500_000  # Vega itself
    assert chart.to_dict() == before


def test_without_altair_it_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "altair", None)
    with pytest.raises(InputError, match="pip install altair"):
        altair()
