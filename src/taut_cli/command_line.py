"""The command that makes the same run again, for those who read its report."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from taut_cli.console import clean
from taut_cli.options import DEFAULTS, FLAGS


def fit_command(
    table: Path,
    target: str,
    out: Path,
    *,
    test: Path | None = None,
    test_sheet: str | None = None,
    options: Mapping[str, Any],
    columns: Mapping[str, Any],
    roles: Mapping[str, str | None],
    reading: Mapping[str, Any],
) -> str:
    """`taut fit TABLE --target COLUMN …`, with the options that are not the default ones.

    Example:
        >>> fit_command(Path("a b.csv"), "y", Path("run"), options={"seed": 1, "quick": True},
        ...             columns={"drop": ["k"]}, roles={"time": "day"}, reading={"sep": ";"})
        "taut fit 'a b.csv' --target y --out run --time day --drop k --sep ';' --seed 1 --quick"
    """
    words = ["taut", "fit", clean(table), "--target", clean(target), "--out", clean(out)]
    given = {"test": test, "test_sheet": test_sheet, **roles, **columns, **reading}
    given |= {name: value for name, value in options.items() if value != DEFAULTS.get(name)}
    for name, value in given.items():
        flag = f"--{FLAGS.get(name, name).replace('_', '-')}"
        if value is True:
            words.append(flag)
        elif value is False:
            words.append(f"--no-{name.replace('_', '-')}")
        elif name == "strengths":
            words += [flag, ",".join(f"{strength:g}" for strength in value)]
        elif isinstance(value, Mapping):
            for key, kind in value.items():
                words += [flag, clean(f"{key}={kind}")]
        elif isinstance(value, (list, tuple)):
            for item in value:
                words += [flag, clean(item)]
        elif value not in (None, ()):
            words += [flag, clean(value)]
    return shlex.join(words)
