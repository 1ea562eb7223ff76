"""What the page and the terminal say of selected inputs."""

import html
import io
from dataclasses import replace

import pytest
from rich.console import Console

from taut.report import write_report
from taut.report.findings import sparse
from taut.run import Run
from taut_cli.show import show_fit


def test_the_inputs_their_price_and_the_bound_are_told(make_run, add_selection):
    run = make_run()
    assert 'id="sparse"' not in write_report(run).read_text(encoding="utf-8")
    add_selection(run, 3)
    metrics = Run.load(run).metrics
    total = len(metrics.selection.inputs)
    assert sparse(metrics) == [
        f"The sparse network reads 3 of {total} inputs; log-loss 0.0040 more (\u22120.0020 to "
        "0.0100) than with all of them.",
        "Sure or stable by themselves: 2. Needed together with others: 1; each of these may stand "
        "for one like it.",
        "Each is among the first 3 to be chosen in 88% or more of 50 halves of the rows; so at "
        "most 0.21 of them are expected to be there by chance.",
    ]
    selection = metrics.selection
    always = [replace(item, frequency=1.0) for item in selection.inputs]
    sure = replace(metrics, selection=replace(selection, inputs=always))
    assert "among the first 3 to be chosen in all 50 halves of the rows; so" in sparse(sure)[2]
    seldom = [replace(item, frequency=0.0 if item.rank == 1 else 0.9) for item in selection.inputs]
    late = replace(metrics, selection=replace(selection, inputs=seldom, expected_false=None))
    assert sparse(late)[2].startswith("2 of them are among the first 3 to be chosen in more than")
    assert "not doubtful for that" in sparse(late)[3]
    page = html.unescape(write_report(run).read_text(encoding="utf-8"))
    for sentence in sparse(metrics):
        assert sentence in page
    assert "+0.0210 ± 0.0043" in page
    assert page.count(">stable</td>") == 1
    terminal = Console(file=io.StringIO(), width=200)
    show_fit(terminal, Run.load(run))
    assert sparse(metrics)[0] in terminal.file.getvalue()
    assert terminal.file.getvalue().count("+0.0210 ± 0.0043") == 3
    known = [replace(item, reason=item.reason and "asked") for item in selection.inputs]
    asked = replace(metrics, selection=replace(selection, inputs=known))
    assert len(sparse(asked)) == 2


def test_a_selection_is_a_frame_and_a_short_text(make_run, add_selection, nasty):
    run = make_run(names=nasty)
    add_selection(run, 2)
    selection = Run.load(run).metrics.selection
    frame = selection.to_frame()
    assert frame["input"].tolist() == [item.input for item in selection.inputs]
    assert frame.loc[frame["kept"], "reason"].tolist() == ["sure", "stable"]
    assert repr(selection).startswith(f"Selection(2 of {len(frame)} inputs: ")
    assert len(repr(replace(selection, inputs=selection.inputs * 100))) < 400
    assert "<script" not in selection._repr_html_()
    assert "<img" not in selection._repr_html_()
    none = replace(selection, inputs=())
    assert repr(none) == "Selection(0 of 0 inputs)"


def test_that_nothing_is_selected_is_told(make_run, add_selection):
    run = make_run()
    add_selection(run, 0)
    page = write_report(run).read_text(encoding="utf-8")
    assert "There is no sparse network" in page


def test_no_name_of_an_input_is_markup(make_run, add_selection, nasty):
    run = make_run(names=nasty)
    add_selection(run, len(nasty))
    page = write_report(run).read_text(encoding="utf-8")
    assert page.count("<script") == 1  # its own
    assert "<img" not in page


def test_a_selection_of_another_shape_is_refused(make_run, add_selection):
    import json

    from taut.errors import InputError

    run = make_run()
    add_selection(run, 1)
    metrics = json.loads((run / "metrics.json").read_text())
    metrics["selection"] = {"inputs": 3}
    (run / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(InputError):
        Run.load(run)
