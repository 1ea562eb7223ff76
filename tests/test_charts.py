"""Charts are saved with the scripts that draw them."""

import json
import sys

import pandas as pd
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


def test_a_name_cannot_end_the_script_that_draws_it(tmp_path):
    alt = altair()
    name = "</script><script>alert(1)</script>"
    data = pd.DataFrame({"a": [1], "name": [name]})
    chart = offline(alt.Chart(data, title=name).mark_bar().encode(x="a:Q", y="name:N"))
    chart.save(str(tmp_path / "chart.html"), inline=False)
    shown = chart._repr_mimebundle_()
    notebook = (shown[0] if isinstance(shown, tuple) else shown)["text/html"]
    for page in ((tmp_path / "chart.html").read_text("utf-8"), chart.to_html(), notebook):
        assert "alert(1)" in page
        assert "<script>alert(1)" not in page
    chart.save(str(tmp_path / "chart.json"), inline=False)
    drawn = json.loads((tmp_path / "chart.json").read_text())
    assert drawn["title"] == name


def test_without_altair_it_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "altair", None)
    with pytest.raises(InputError, match="pip install altair"):
        altair()
