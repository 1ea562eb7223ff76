"""The page: safe, self-contained, whole, and honest."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from taut.errors import InputError
from taut.readable import clean
from taut.report import write_report

VOID = {"meta", "br", "hr", "img", "link", "input", "col"}


class Page(HTMLParser):
    """The elements, attributes and text of a page; refuses tags that do not pair up."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.texts = [], [], []
        self.feed(html)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


def _write(run):
    return write_report(run).read_text(encoding="utf-8")


def _edit(run, change):
    metrics = json.loads((run / "metrics.json").read_text())
    change(metrics)
    (run / "metrics.json").write_text(json.dumps(metrics))


def test_only_its_own_script_runs_and_nothing_is_loaded(any_run):
    html = _write(any_run)
    page = Page(html)
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"img", "link", "iframe", "object", "embed", "foreignobject"}
    assert [attributes for tag, attributes in page.elements if tag == "script"] == [{}]
    for tag, attributes in page.elements:
        # The policy allows one style sheet by its hash: a style attribute would be ignored.
        assert "style" not in attributes, tag
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert name not in ("src", "href", "xlink:href", "action"), (tag, name)
            assert name.startswith("xmlns") or "//" not in (value or ""), (tag, name, value)
    assert "url(" not in html
    assert "@import" not in html
    assert len(html) < 500_000


def test_the_policy_names_the_style_sheet_and_the_script(make_run):
    html = _write(make_run())
    digests = {}
    for kind in ("style", "script"):
        source = re.search(f"<{kind}>(.*?)</{kind}>", html, re.S).group(1)  # type: ignore[union-attr]
        digests[kind] = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
    (policy,) = [
        attributes["content"]
        for tag, attributes in Page(html).elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    for kind, digest in digests.items():
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_every_name_from_data_is_text_and_stays_whole(make_run, nasty):
    run = make_run(task="multiclass", names=nasty, target=nasty[0])
    html = _write(run)
    page = Page(html)
    for name in nasty:
        assert " ".join(clean(name).split()) in page.text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202e]", html)
    assert "49" not in page.text.split("{{ 7")[1][:20]  # a name is no template


def test_every_mark_of_a_picture_has_its_colour_from_the_style(any_run):
    """So that one drawing serves light, dark and paper."""
    page = Page(_write(any_run))
    style = next(text for text in page.texts if "--accent" in text)
    kinds = set()
    for tag, attributes in page.elements:
        assert not {"fill", "stroke"} & set(attributes), tag
        if tag in ("path", "circle"):
            kinds |= set(attributes["class"].split())
    assert {"line", "grid", "held"} <= kinds
    for kind in kinds:
        assert f".{kind}" in style, kind


def test_both_panels_have_one_scale(make_run):
    """The ticks of L1 and of L2 stand at the same places, and are written in one way."""
    html = _write(make_run())
    path = html.split('id="path"')[1].split('id="inputs"')[0]
    drawings = re.findall(r'<svg class="drawing".*?</svg>', path, re.S)
    ticks = [re.findall(r'<text class="tick[^>]*>[^<]*', drawing) for drawing in drawings]
    assert len(drawings) == 4
    assert ticks[0] == ticks[2]
    assert ticks[1] == ticks[3]
    decades = re.findall(r">(10[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+)", "".join(ticks[0]))
    assert decades == ["10⁻⁴", "10⁻³", "10⁻²", "10⁻¹"]


def test_ids_are_unique(any_run):
    ids = [a["id"] for _, a in Page(_write(any_run)).elements if "id" in a]
    assert len(ids) == len(set(ids))


def test_missing_numbers_are_a_dash(make_run):
    run = make_run()

    def change(metrics):
        metrics["test"]["systems"][1]["scores"]["log_loss"] |= {"low": None, "high": float("nan")}
        metrics["seconds"] = None
        metrics["choice"]["stationarity"]["largest"] = None
        metrics["overfitting"]["unpenalised_test_loss"] = None

    _edit(run, change)
    page = Page(_write(run))
    assert not re.search(r"\b(nan|NaN|None|inf)\b", page.text)
    assert "0.312 –" in page.text


@pytest.mark.parametrize(
    ("largest", "limit", "said"),
    [
        (0.107, 0.001, "is 0.107. It is not converged (that is below 0.001)"),
        (0.0004, 0.001, "is 0.0004. It is converged (below 0.001)"),
        (None, 0.001, "is –. It is not converged"),
        (0.107, None, "is 0.107. Scaled by the strength"),  # of an earlier release
    ],
)
def test_a_certificate_says_whether_it_is_converged(make_run, largest, limit, said):
    run = make_run()
    _edit(run, lambda m: m["choice"]["stationarity"].update(largest=largest, limit=limit))
    assert said in Page(_write(run)).text


def test_code_in_a_sentence_is_code_and_what_it_quotes_is_escaped(make_run):
    run = make_run()
    _edit(run, lambda m: m.update(notes=["Say it with `--na <i>`, or not."]))
    assert "Say it with <code>--na &lt;i&gt;</code>, or not." in _write(run)
    _edit(run, lambda m: m.update(notes=["By e-mail --na <b>-1</b> (--learning-curve)."]))
    said = "By e-mail <code>--na</code> &lt;b&gt;-1&lt;/b&gt; (<code>--learning-curve</code>)."
    assert said in _write(run)


def test_a_clear_difference_is_said_and_an_unclear_one_is_not(make_run):
    better = Page(_write(make_run("a", verdict="better"))).text
    assert "Log-loss 0.083 on 114 rows" in better
    assert "no penalty (0.312): better by 0.229" in better
    worse = Page(_write(make_run("b", verdict="worse"))).text
    assert "worse by 0.229" in worse
    assert "better by" not in worse
    unclear = Page(_write(make_run("c", verdict="unclear"))).text
    assert "no clear difference" in unclear
    assert "better by" not in unclear


def test_the_path_marks_the_choice_and_the_one_standard_error_choice(make_run):
    run = make_run(penalties=("L1",))
    text = Page(_write(run)).text
    choice = json.loads((run / "metrics.json").read_text())["choice"]
    assert f"chosen {choice['strength']:.3g}" in text
    assert f"one standard error {choice['one_se_strength']:.3g}" in text


def test_divergence_is_told(make_run):
    assert "4 of 100 networks diverged" in Page(_write(make_run("a", diverged=True))).text
    assert "diverged." not in Page(_write(make_run("b"))).text


def test_a_path_without_a_finite_loss_still_has_a_page(make_run):
    import pandas

    run = make_run()
    path = pandas.read_parquet(run / "path.parquet")
    path.assign(val_loss=float("nan"), status="diverged").to_parquet(run / "path.parquet")
    assert "no path to draw" in Page(_write(run)).text


def test_only_thirty_inputs_are_drawn_and_all_are_listed(make_run):
    page = Page(_write(make_run(names=[f"probe {i}" for i in range(500)])))
    bars = [a for tag, a in page.elements if tag == "svg" and a.get("class") == "strip bar mine"]
    assert len(bars) == 30
    assert "All 500 inputs" in page.text
    assert "… and 170 more, in features.csv." in page.text
    assert all(f"probe {i} " in page.text for i in (0, 250, 499))


def test_the_name_in_the_commands_can_be_given(make_run):
    run = make_run()
    html = write_report(run, name="my run").read_text(encoding="utf-8")
    assert "taut predict 'my run' new.csv" in Page(html).text


def test_a_report_is_replaced_in_one_step(make_run, monkeypatch):
    run = make_run()
    old = _write(run)
    before = sorted(p.name for p in run.iterdir())

    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("taut.report.write.os.replace", fail)
    with pytest.raises(KeyboardInterrupt):
        write_report(run, name="other")
    assert (run / "report.html").read_text(encoding="utf-8") == old
    assert sorted(p.name for p in run.iterdir()) == before


@pytest.mark.parametrize("file", ["metrics.json", "path.parquet", "features.csv"])
def test_a_missing_or_damaged_file_is_named(make_run, file):
    run = make_run()
    (run / file).write_bytes(b"\x00 nothing of use \xff")
    with pytest.raises(InputError, match="Received"):
        write_report(run)
    (run / file).unlink()
    with pytest.raises(InputError, match=re.escape(file)):
        write_report(run)
    assert not (run / "report.html").exists()


def test_all_missing_files_are_named_at_once(tmp_path):
    with pytest.raises(InputError, match=r"metrics\.json, path\.parquet, features\.csv"):
        write_report(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        write_report(tmp_path / "nowhere")


def test_metrics_of_another_version_are_refused(make_run):
    run = make_run()
    _edit(run, lambda metrics: [metrics.pop(key) for key in ("choice", "split")])
    with pytest.raises(InputError, match="split, choice"):
        write_report(run)


def _context(metrics):
    """What a newer run tells beside its scores."""
    for name, score in (("log_loss", 0.66), ("accuracy", 0.632), ("roc_auc", 0.5)):
        base = {"value": score, "low": score - 0.05, "high": score + 0.05}
        if not any(s["name"] == "base rate" for s in metrics["test"]["systems"]):
            system = {"name": "base rate", "description": "the class shares", "scores": {}}
            metrics["test"]["systems"].append(system)
        metrics["test"]["systems"][-1]["scores"][name] = base
    metrics["test"]["base"] = "base rate"
    metrics["test"]["systems"][0]["scores"]["roc_auc"] |= {"low": None, "high": None}
    metrics["test"]["systems"][0]["scores"]["roc_auc"]["withheld"] = "4 test rows are too few"
    share = {"value": 0.0, "low": 0.0, "high": 0.41}
    metrics["test"]["rare"] = "fraud"
    metrics["test"]["classes"] = [
        {"class": "fraud", "rows": 7, "named": 0, "recognised": 0}
        | {"recall": share, "precision": {"value": None, "low": None, "high": None}},
        {"class": "<b>fine</b>", "rows": 107, "named": 114, "recognised": 107}
        | {"recall": share | {"value": 1.0}, "precision": share | {"value": 0.94}},
    ]
    metrics["warnings"] = ["Column '<b>patient</b>' looks like a group."]
    settings = [
        {"penalty": p, "strength": 0.01, "network": "full", "models": 3} for p in ("L1", "L2")
    ]
    settings.append({"penalty": "none", "strength": 0.0, "network": "full", "models": 3})
    metrics["choice"] |= {"settings": settings, "models": 9, "edge": "weakest"}
    metrics["choice"] |= {"zero_share": None, "penalty": "L2"}
    metrics["split"] |= {"groups": {"column": "who<i>", "train": 30, "test": 8}}


def test_warnings_come_first_and_scores_have_their_base_rate(make_run):
    run = make_run()
    _edit(run, _context)
    html = _write(run)
    text = Page(html).text
    assert text.index("looks like a group") < text.index("Log-loss 0.083")
    assert "Warning: Column '<b>patient</b>' looks like a group." in text
    assert "base rate: 0.660). Accuracy 0.974 (always the commonest class: 0.632)." in text
    assert "None of the 7 rows of class fraud in the test set was recognised." in text
    assert "<b>fine</b> 107 107 1.00" in text
    assert "No interval for ROC AUC: 4 test rows are too few." in text
    assert "8 groups of who<i> , of which no row was learned from" in text


def test_the_tile_says_who_predicts_and_zeros_only_where_a_penalty_makes_them(make_run):
    run = make_run()
    before = Page(_write(run)).text
    assert "of the best’s weights exactly 0 83%" in before
    assert "83% of its weights are exactly 0" in before
    _edit(run, lambda m: m["choice"].update(zero_share=0.0))
    assert "of its weights are exactly 0" not in Page(_write(run)).text
    _edit(run, _context)
    text = Page(_write(run)).text
    assert "of 3 settings (L1, L2, no penalty) predict; the best: L2 ·" in text
    assert "exactly 0" not in text.split("What it reads")[0].split("How the strength")[0]
    assert "1 with L1, 1 with L2, 1 with no penalty" in text
    assert "is the weakest that was tried with L2: a weaker one may do better" in text


def test_a_difference_without_an_interval_is_no_verdict(make_run):
    run = make_run()

    def change(metrics):
        for one in metrics["test"]["differences"]:
            one |= {"low": None, "high": None, "withheld": "4 test rows are too few"}

    _edit(run, change)
    text = Page(_write(run)).text
    assert "the difference is −0.229." in text
    assert "better by" not in text
