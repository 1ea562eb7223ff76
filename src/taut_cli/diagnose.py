"""`taut diagnose`: does a model overfit, why, and what would help."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from taut_cli import options as option
from taut_cli.console import attempt, console, load, say_json, say_warning
from taut_cli.errors import UsageError
from taut_cli.output import check_file, check_table, write_file
from taut_cli.predict import check_run
from taut_cli.saved_model import saved_model

if TYPE_CHECKING:
    import pandas

    from taut.catalogue import Catalogue

FAILED = 1


def diagnose(
    subject: Annotated[
        Path,
        typer.Argument(
            metavar="RUN|MODEL.keras",
            help="Run directory of taut fit, or a trained model that Keras saved.",
            show_default=False,
        ),
    ],
    table: Annotated[
        Path | None,
        typer.Argument(
            metavar="TABLE", help="The rows that MODEL learned from.", show_default=False
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--target", "-t", metavar="COLUMN", help="What MODEL predicts.", show_default=False
        ),
    ] = None,
    validation: Annotated[
        Path | None,
        typer.Option(metavar="TABLE", help="Rows that MODEL has not seen.", show_default=False),
    ] = None,
    groups: option.Groups = None,
    features: option.Features = None,
    epochs: Annotated[
        int | None, typer.Option(help="Epochs that MODEL was trained for; 100 if not given.")
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Rows in a batch of its training.")] = 32,
    minutes: option.Minutes = None,
    trials: Annotated[
        bool, typer.Option(help="Train it otherwise, to measure what would help.")
    ] = True,
    ignore: Annotated[
        str | None,
        typer.Option(metavar="CODE,…", help="Verdicts to leave out.", show_default=False),
    ] = None,
    fail_on: Annotated[
        str | None,
        typer.Option(
            metavar="CODE,…",
            help="Verdicts that make it exit with 1, such as overfitting,leakage.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE.json", help="Write it to a file.", show_default=False
        ),
    ] = None,
    junit: Annotated[
        Path | None,
        typer.Option(metavar="FILE.xml", help="Write verdicts as test cases.", show_default=False),
    ] = None,
    lang: option.Lang = "en",
    seed: option.Seed = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    quiet: option.Quiet = False,
    as_json: option.AsJson = False,
) -> None:
    """Say whether a model overfits, why, and what would help, each with what was measured.

    The exit code is 0 whatever the verdict, unless --fail-on names it.
    """
    with attempt() as state:
        for file, suffix, name in ((out, ".json", "--out"), (junit, ".xml", "--junit")):
            if file is not None:
                check_file(file, force=force, suffix=suffix, option=name)
        given = {"--target": target, "TABLE": table}
        of_run = subject.is_dir() or subject.suffix != ".keras"
        if of_run:
            check_run(subject, name="RUN|MODEL.keras", model=True)
            if extra := [name for name, value in given.items() if value is not None]:
                raise UsageError(
                    f"A run has its own table. Received: {', '.join(extra)} beside a run. Leave "
                    "it out, or give a MODEL.keras."
                )
        else:
            check_model(subject, table, target, validation)
        for name, value in (("epochs", epochs), ("batch-size", batch_size)):
            if value is not None and value < 1:
                raise UsageError(f"--{name} must be at least 1. Received: {value}.")
        if minutes is not None and not minutes > 0:
            raise UsageError(f"--minutes must be more than 0. Received: {minutes:g}.")
        load(state, quiet=quiet or as_json)

        from taut.catalogue import catalogue
        from taut.diagnosis import Diagnosis, codes_of
        from taut.run import DIAGNOSIS
        from taut_cli.show import show_diagnosis

        muted, failing = codes_of(ignore), codes_of(fail_on)
        if of_run:
            if not (subject / DIAGNOSIS).is_file():
                raise UsageError(
                    f"RUN must hold a diagnosis. Received: {subject}, which has no {DIAGNOSIS}: it "
                    "was fitted with --no-diagnosis, or by an older taut. Run taut fit again."
                )
            found = Diagnosis.load(subject / DIAGNOSIS).without(muted)
        else:
            from taut.engine.resumable import resumable

            with resumable() as job:
                if minutes is None:  # otherwise what is trained depends on the time
                    state.kept = job.left
                found = of_model(
                    subject,
                    table,  # type: ignore[arg-type]
                    target,  # type: ignore[arg-type]
                    validation,
                    groups=groups,
                    features=features,
                    epochs=epochs,
                    batch_size=batch_size,
                    budget=minutes,
                    trials=trials,
                    ignore=muted,
                    seed=seed,
                    lang=lang,
                    quiet=quiet or as_json,
                )
        state.check()

        def done(file: Path) -> None:
            before = "" if state.written is None else f"{state.written} is whole and "
            state.written = f"{before}{file}"

        if out is not None:

            def save(temporary: Path) -> None:
                found.save(temporary, overwrite=True)

            write_file(out, save, done=lambda: done(out))
        if junit is not None:
            from taut.diagnosis.junit import junit_xml

            text = junit_xml(found, failing, name=subject.name)

            def write(temporary: Path) -> None:
                temporary.write_text(text, "utf-8")

            write_file(junit, write, done=lambda: done(junit))
        if not of_run:
            job.forget()
        if as_json:
            say_json({**found.plain(), "failed": [c for c in found.codes if c in failing]})
        else:
            show_diagnosis(console(quiet=quiet), found, say=catalogue(lang))
        if any(code in failing for code in found.codes):
            raise typer.Exit(FAILED)


def check_model(
    model: Path, table: Path | None, target: str | None, validation: Path | None
) -> None:
    """Refuses, before anything is loaded, what cannot be diagnosed."""
    if not model.is_file():
        raise UsageError(f"There is no file {str(model)!r}. Check the path.")
    if table is None or target is None:
        missing = "TABLE" if table is None else "--target"
        raise UsageError(
            f"A model is diagnosed on its rows: give TABLE and --target. Received: no {missing}."
        )
    check_table(table)
    if validation is not None:
        check_table(validation)


def of_model(
    path: Path,
    table: Path,
    target: str,
    validation: Path | None,
    *,
    groups: str | None,
    features: Sequence[str] | None,
    lang: option.Language,
    quiet: bool,
    **settings: Any,
) -> Any:
    """The diagnosis of a saved model, on the columns of a table in their order."""
    import taut
    from taut.catalogue import catalogue
    from taut.frames.read import read_table
    from taut.progress import Display

    say = catalogue(lang)
    frame = read_table(table)
    names = _inputs(frame, target, groups, features)
    forms: dict[str, str] = {}
    x, y, of_rows = _arrays(frame, names, target, groups, table, forms, say)
    held_out: Any = None
    pair: Any = of_rows
    if validation is not None:
        other = read_table(validation)
        new_x, new_y, new_groups = _arrays(other, names, target, groups, validation, forms, say)
        held_out = new_x, new_y
        pair = None if of_rows is None else (of_rows, new_groups)
    model = saved_model(path, "taut.diagnose")
    with Display(console(stderr=True, quiet=quiet)) as display:
        return taut.diagnose(
            model, x, y, validation=held_out, groups=pair, callbacks=[display], **settings
        )


def _inputs(
    frame: pandas.DataFrame, target: str, groups: str | None, features: Sequence[str] | None
) -> list[str]:
    columns = list(map(str, frame.columns))
    if features:
        return option.read_names(features, columns)
    return [name for name in columns if name not in (target, groups)]


def _arrays(
    frame: pandas.DataFrame,
    names: Sequence[str],
    target: str,
    groups: str | None,
    table: Path,
    forms: dict[str, str],
    say: Catalogue,
) -> tuple[Any, Any, Any]:
    """Inputs, target and groups; `forms` is how the first table writes numbers, by column."""
    import numpy as np
    import pandas as pd

    from taut.errors import InputError
    from taut.frames.schema import require_columns
    from taut.frames.values import missing, read, unreadable

    try:
        require_columns(frame, [c for c in (*names, target, groups) if c is not None])
    except InputError as error:
        raise InputError(f"{table}: {error}") from None
    without = missing(frame[target])
    if without.all():
        raise InputError(
            f"Rows with a value in {target!r} are needed. Received: none in {table}. Choose "
            "another column, or add them."
        )
    if without.any():
        rows = f"Dropped {without.sum()} of {len(frame)} rows"
        _tell(table, f"{rows}: their target {target!r} is missing.", say)
        frame = frame.loc[~without]
    if not forms:
        forms |= _forms(frame, [*names, target], table, say)
    values = {name: read(frame[name], "numeric", forms[name]) for name in names if name in forms}
    wrong = [
        name
        for name in names
        if name not in forms or unreadable(frame[name], "numeric", values[name]).any()
    ]
    if wrong:
        raise InputError(
            "MODEL reads numbers. Received: text in the columns "
            f"{', '.join(map(repr, wrong[:5]))} of {table}. Encode them as for its training, or "
            "name the columns it reads by --features."
        )
    x = np.column_stack([np.empty((len(frame), 0)), *(values[name] for name in names)])
    y: Any = frame[target].astype(str).to_numpy()
    if target in forms:
        numbers = read(frame[target], "numeric", forms[target])
        whole = pd.api.types.is_integer_dtype(frame[target].dtype)
        y = y if np.isnan(numbers).any() else numbers.astype(np.int64) if whole else numbers
    of_rows = None if groups is None else frame[groups].astype(str).to_numpy()
    return x.astype("float32"), y, of_rows


def _forms(
    frame: pandas.DataFrame, names: Sequence[str], table: Path, say: Catalogue
) -> dict[str, str]:
    """How the columns that hold numbers write them, as `taut fit` reads them."""
    from taut.frames.column_options import distinct_texts, only
    from taut.frames.numbers import decimal_sign
    from taut.frames.values import find_notation

    decimal = only(map(decimal_sign, distinct_texts(frame, names)))
    found = {name: find_notation(frame[name], decimal=decimal) for name in names}
    for name, notation in found.items():
        if notation.kind == "numeric" and notation.doubt:
            _tell(table, f"Column {name!r}: {notation.doubt}.", say)
    return {n: form for n, (kind, form, _) in found.items() if kind in ("numeric", "boolean")}


def _tell(table: Path, sentence: str, say: Catalogue) -> None:
    """What was done with a table."""
    words = f"{table}{say('clause.reason')}{say.stored(sentence)}"
    say_warning(words, say("page.warning"))
