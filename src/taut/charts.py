"""Altair, imported when a chart is drawn, and charts that are saved with all they need."""

from __future__ import annotations

from functools import partial
from typing import Any

from taut.errors import InputError


def altair() -> Any:
    """The module Altair.

    Raises:
        InputError: If it is not installed.
    """
    try:
        import altair as alt
    except ImportError as error:
        raise InputError(
            "`plot` needs Altair, which is not installed. Install it with "
            "`pip install altair vl-convert-python`."
        ) from error
    return alt


def offline(chart: Any) -> Any:
    """A chart whose `save("chart.html")` writes the scripts too, and loads none from elsewhere.

    Altair's own default asks a server for them whenever the page is opened.
    """
    # Beside Altair's attributes, which are what is drawn.
    vars(chart)["save"] = partial(type(chart).save, chart, inline=True)
    return chart
