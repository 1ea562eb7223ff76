"""Altair, imported when a chart is drawn, and charts that are saved with all they need."""

from __future__ import annotations

import json
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


class _ForScripts(json.JSONEncoder):
    """JSON that may stand in a script of a page: no text in it can end the script."""

    def encode(self, o: Any) -> str:
        return super().encode(o).replace("<", "\\u003c")


_WRITTEN = {"json_kwds": {"cls": _ForScripts}}


def offline(chart: Any) -> Any:
    """A chart whose `save("chart.html")` writes the scripts too, and loads none from elsewhere.

    Altair's own default asks a server for them whenever the page is opened. It also writes names as
    they are, so that one with "</script>" in it ends the page's script and begins another: here, as
    a page and in a notebook, they stay names.
    """
    kind = type(chart)
    # Beside Altair's attributes, which are what is drawn.
    vars(chart).update(
        save=partial(kind.save, chart, inline=True, **_WRITTEN),
        to_html=partial(kind.to_html, chart, **_WRITTEN),
        _repr_mimebundle_=partial(_in_notebook, chart),
    )
    return chart


def _in_notebook(chart: Any, *args: Any, **options: Any) -> Any:
    shown = type(chart)._repr_mimebundle_(chart, *args, **options)
    bundle = shown[0] if isinstance(shown, tuple) else shown
    if bundle and "text/html" in bundle:
        spec = chart.to_dict(context={"pre_transform": False})
        written = json.dumps(spec, cls=_ForScripts)
        bundle["text/html"] = bundle["text/html"].replace(json.dumps(spec), written)
    return shown
