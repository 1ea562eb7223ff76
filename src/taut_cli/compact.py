"""`taut compact`: a run's networks, or a saved model, without their dead units."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from taut_cli import options as option
from taut_cli.console import attempt, clean, console, load, say_json
from taut_cli.errors import UsageError
from taut_cli.output import check_directory, check_file, write_directory, write_file
from taut_cli.predict import check_run
from taut_cli.saved_model import saved_model

if TYPE_CHECKING:
    from taut.catalogue import Catalogue

NETWORK = "model.keras"


def compact(
    subject: Annotated[
        Path,
        typer.Argument(
            metavar="RUN|MODEL.keras",
            help="Run directory of taut fit, or a saved Keras model.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="PATH",
            help="Where the smaller ones go: RUN-compact, or MODEL.compact.keras and "
            "MODEL.compact.json, if not given.",
            show_default=False,
        ),
    ] = None,
    tolerance: Annotated[
        float, typer.Option(help="Slices of weights of at most this norm are taken for zero.")
    ] = 0.0,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    lang: option.Lang = "en",
    quiet: option.Quiet = False,
    as_json: option.AsJson = False,
) -> None:
    """Make a model smaller without changing what it predicts."""
    with attempt() as state:
        of_run = subject.is_dir() or subject.suffix != ".keras"
        name = f"{subject.name}-compact" if of_run else f"{subject.stem}.compact.keras"
        place = subject.absolute().parent / name if out is None else out
        if of_run:
            check_run(subject, name="RUN|MODEL.keras", model=True)
            place = check_directory(place, force=force)
        else:
            if not subject.is_file():
                raise UsageError(f"There is no file {str(subject)!r}. Check the path.")
            for file, suffix in ((place, ".keras"), (place.with_suffix(".json"), ".json")):
                check_file(file, force=force, source=subject, suffix=suffix)
        load(state, quiet=quiet or as_json)

        files = _networks(subject) if of_run else [subject]
        results = [_compacted(file, tolerance, keep_inputs=of_run) for file in files]
        state.check()
        written = any(result.removed for result in results)

        def done() -> None:
            state.written = str(place)

        if written and of_run:
            changed = {f.relative_to(subject): r.model for f, r in zip(files, results, strict=True)}
            write_directory(
                place, lambda new: _write_run(subject, new, changed), force=force, done=done
            )
        elif written:
            _write_model(place, results[0], done)
        if as_json:
            facts = [result.facts() for result in results]
            say_json({"compact": str(place) if written else None, "networks": facts})
            return
        from taut.catalogue import catalogue
        from taut.compaction.kept_units import kept_lines

        screen, say = console(quiet=quiet), catalogue(lang)
        for file, result in zip(files, results, strict=True):
            words = f"{file}{say('clause.reason')}{_words(result, say)}"
            # Of a run's own layers it is only told what could have gone.
            kept = [one for one in result.kept if one.count or not of_run]
            for line in (words, *kept_lines(kept)):
                screen.print(Text(clean(line)), soft_wrap=True)
        if written:
            screen.print(Text(say("compact.written", file=clean(place))), soft_wrap=True)


def _networks(run: Path) -> list[Path]:
    from taut.run import SPARSE

    return [file for file in (run / NETWORK, run / SPARSE / NETWORK) if file.is_file()]


def _compacted(file: Path, tolerance: float, *, keep_inputs: bool) -> Any:
    """The result for one saved network; a run's is still fed all the columns of its table."""
    import taut

    model = saved_model(file, "taut.compact")
    kept = [t._keras_history.operation for t in model.inputs] if keep_inputs else []
    return taut.compact(model, tolerance=tolerance, ignore=kept)


def _write_run(run: Path, new: Path, models: dict[Path, Any]) -> None:
    shutil.copytree(run, new)
    for relative, model in models.items():
        (new / relative).unlink()
        model.save(new / relative)


def _write_model(place: Path, result: Any, done: Any) -> None:
    from taut.typed_json import json_text

    text = json_text(result.facts(), indent=1)

    def save(new: Path) -> None:
        whole = new.with_name(f"{new.name}.keras")
        try:
            result.model.save(whole)
            whole.replace(new)
        finally:
            whole.unlink(missing_ok=True)

    def write(new: Path) -> None:
        new.write_text(text + "\n", encoding="utf-8")
        # Within: what is said of a model is not there without it.
        write_file(place, save, done=done)

    write_file(place.with_suffix(".json"), write)


def _words(result: Any, say: Catalogue) -> str:
    words, moved = result.summary(lang=say.lang), result.report.moved
    if moved is None:
        return words
    largest = say("compact.moved", largest=f"{moved.largest:.3g}")
    return say("clause.separator").join([words, largest])
