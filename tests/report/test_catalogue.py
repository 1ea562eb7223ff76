"""What the page and the diagnosis say: both languages have it, and nothing is left in English."""

import json
import re
import string
from html.parser import HTMLParser
from pathlib import Path

import pytest

import taut
from taut.catalogue import LANGUAGES, catalogue
from taut.diagnosis.words import CHECKS
from taut.errors import InputError
from taut.frames.read import read_table
from taut.frames.understand import understand
from taut.report import write_report

SOURCES = Path(taut.__file__).parent
FILLED = {"n": "11", "least": "20", "held": "9", "share": "11%", "rows": "40"}
TEXTS = {lang: catalogue(lang).texts for lang in LANGUAGES}


def placeholders(entry):
    forms = [entry] if isinstance(entry, str) else entry
    fields = (string.Formatter().parse(form) for form in forms)
    return {name.lower() for form in fields for _, name, _, _ in form if name}


def test_the_languages_have_the_same_keys_and_placeholders():
    assert list(TEXTS["en"]) == list(TEXTS["zh"])
    for key, english in TEXTS["en"].items():
        assert placeholders(english) == placeholders(TEXTS["zh"][key]), key


def test_every_text_is_used():
    """In a module or a template: by its name, or by the part before what is filled in."""
    files = [*SOURCES.rglob("*.py"), *SOURCES.rglob("*.jinja")]
    said = "\n".join(file.read_text(encoding="utf-8") for file in files)
    for key in TEXTS["en"]:
        head, _, tail = key.rpartition(".")
        families = ('"stored."', f'"{head}." ~', f'f"{head}.{{')
        used = f'"{key}"' in said or f"'{key}'" in said or any(f in said for f in families)
        assert used or head.startswith("stored"), f"{head}.{tail}"


@pytest.mark.parametrize("what", CHECKS.values())
def test_what_was_not_measured_and_why_are_said_one_after_the_other(what):
    say = catalogue("zh")
    for key, template in TEXTS["en"].items():
        if key.startswith("stored.reason.") and isinstance(template, str):
            reason = template.format(**dict.fromkeys(placeholders(template), "groups") | FILLED)
            together = say.stored(f"{what}: {reason}")
            assert together == say.stored(what) + say("clause.reason") + say.stored(reason), key


def test_chinese_has_no_english_words():
    """Names of methods, packages, files, options and symbols aside."""
    known = r"taut|lang|zh|CN|L1|L2|ROC|AUC|RMSE|R|Wilson|Clopper|Pearson|scikit|learn|metrics|json"
    known += r"|path|parquet|Python|UTF|NA|J|[a-z_]*features|strengths|groups|time|single|kind|drop"
    known += r"|AUC|dropout|fit|p|decimal|task|regression|encoding|sheet|na|date|dmy|mdy|category"
    known += r"|numeric|learning|curve|ignore|cv|label|noise|leak|column|text|features|csv"
    known += r"|GroupLasso|Proximal|tolerance|epochs"
    for key, entry in TEXTS["zh"].items():
        bare = re.sub(r"\{\w+\}", "", entry)
        words = re.findall(r"[A-Za-z][A-Za-z0-9]*", bare)
        assert all(re.fullmatch(known, word) for word in words), (key, words)
        assert not re.search(r"[一-鿿][,;:?!]|[,;:?!][一-鿿]", bare), f"{key}: Western signs"


class Text(HTMLParser):
    """The words that a reader meets: not code, not names from data, not scripts."""

    def __init__(self, page):
        super().__init__()
        self.silent, self.words, self.open = 0, [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag not in ("meta", "input", "col", "br"):
            self.open.append(tag in ("code", "bdi", "script", "style", "title"))
        for name in ("aria-label", "title", "aria-valuetext"):
            if tag != "bdi" and attributes.get(name):
                self.words.append(attributes[name])

    def handle_endtag(self, tag):
        self.open.pop()

    def handle_data(self, data):
        if not any(self.open):
            self.words.append(data)


# What `taut fit` writes, a sentence of each kind; names are in quotation marks.
WARNINGS = [
    "3 of 12 groups of '1' in the test are learned from too: rows of groups that are new may be "
    "predicted worse.",
    "5 of 40 test rows are not later than all rows learned from: the scores tell less of the "
    "future by '1'.",
    "Nothing was learned: on rows held out the loss is 0.69, and 0.692 without looking at any "
    "input. That is not better by more than the uncertainty (1.96 standard errors of the "
    "difference, each 0.01).",
    "Column '<b>' looks like a group: its 30 values occur again and again in 300 rows. Where "
    "rows of one group lie on both sides of a split, the scores say nothing about new groups. It "
    "is not used as an input. Use --groups '<b>' (groups='<b>').",
    "Input '1' carries all of what is explained. Is it known before '2' is? If it was made from "
    "the target, or is known only afterwards, the scores below are worth nothing: drop the "
    "column and fit again.",
]
NOTES = [
    "The table of test rows: Column '1': '2' was read as '3' (2 rows).",
    "The table of test rows: Column '1': levels that training did not have in 1 row of 9 ('2'); "
    "they count as its rare levels, or as none.",
    "The table of test rows: Dropped 3 of 154 rows: their target '1' is missing.",
    "By '1' each fold holds out rows later than all that it learns from; rows of one time are "
    "together. The networks of earlier folds have seen less of the recent past than --single "
    "would.",
    "Rows of one '1' are on one side of every fold, and intervals draw whole groups.",
    "Left out (constant): '1', '2'.",
    "Left out '1' (identifier): every value occurs once. To use it all the same, name it in "
    "`features` (--features), or say what it is with --kind.",
    "Column '1' is a category: numbers but for '3', '4' (--na makes these missing).",
    "By '1' the test set is the latest rows, and each fold holds out rows later than all that it "
    "learns from; rows of one time are together. The networks of earlier folds have seen less of "
    "the recent past than --single would.",
    "Column '1': years of two digits were read as 1970 to 2069 (--kind 1=category or --drop 1, if "
    "that is wrong).",
]


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_nothing_of_the_page_is_left_in_english(make_run, add_selection, task):
    run = make_run(task=task, names=["1", "2", "3"], target="4", diverged=True)
    add_selection(run, 2)
    metrics = json.loads((run / "metrics.json").read_text())
    metrics["warnings"], metrics["notes"] = WARNINGS, NOTES
    metrics["selection"]["rule"] = catalogue("en")("stored.rule.sparse")
    metrics["choice"] |= {"rule": catalogue("en")("stored.rule.ensemble"), "edge": "weakest"}
    metrics["test"]["method"] = (
        "accuracy: exact (Clopper and Pearson); other scores: percentile bootstrap of the test "
        "rows, 2000 draws; differences on the same draws"
    )
    for system in metrics["test"]["systems"]:
        system["description"] = "the penalised network, as chosen"
    if metrics["target"]["classes"]:
        metrics["target"]["classes"] = ["1", "2", "3"][: len(metrics["target"]["classes"])]
    (run / "metrics.json").write_text(json.dumps(metrics))
    page = write_report(run, lang="zh").read_text(encoding="utf-8")
    assert '<html lang="zh-CN">' in page
    said = " ".join(Text(page).words)
    said = re.sub(
        r"'<b>'|--?[a-z]+|`[a-z]+`|groups=|date|category|metrics.json|features.csv|path.parquet",
        "",
        said,
    )
    known = {"taut", "Python", "L", "ROC", "AUC", "RMSE", "R", "J", "Clopper", "Pearson", "Wilson"}
    assert set(re.findall(r"[A-Za-z]+", said)) <= known


def test_what_is_not_known_stays_english_and_says_so(make_run):
    run = make_run()
    metrics = json.loads((run / "metrics.json").read_text())
    metrics["notes"] = ["A sentence of <i>tomorrow</i>."]
    (run / "metrics.json").write_text(json.dumps(metrics))
    page = write_report(run, lang="zh").read_text(encoding="utf-8")
    assert '<span lang="en">A sentence of &lt;i&gt;tomorrow&lt;/i&gt;.</span>' in page
    assert "<span lang=" not in write_report(run).read_text(encoding="utf-8")


def test_every_variant_of_the_network_has_a_name_in_chinese():
    from taut.tables.candidates import DEFAULT, QUICK, UNPENALISED

    names = {setting.network for setting in (*DEFAULT, *QUICK, UNPENALISED)}
    assert len(names) > 3
    assert all(catalogue("zh").knows(name) for name in names)


def test_a_sentence_is_known_if_what_it_holds_is():
    say = catalogue("zh")
    known = "Column '1': '2,3' was read as 2.3 (--decimal decides)."
    assert say.knows(known)
    assert say.stored(known) == "列 '1'：'2,3' 读作 2.3（由 --decimal 决定）。"
    new = "Column '1': it is of tomorrow (--decimal decides)."
    assert not say.knows(new)
    assert say.stored(new) == "列 '1'：it is of tomorrow（由 --decimal 决定）。"
    names = "Left out (constant): 'a', 'b' and 3 more."
    assert say.stored(names) == "未使用（常数）：'a', 'b' 等，另有 3 个。"
    assert say.stored("Training takes about 1.5 h on one core.") == "在单核上训练约需 1.5 小时。"
    assert not say.knows("a long wait, in s")
    twice = "twice the rows, by the learning curve"
    halves = "it is not clear that all rows have less loss than a half of them: 0.3 (0 to 0.6)"
    parts = [say.stored(part) for part in (twice, "0.02 (-0.01 to 0.05)", halves)]
    doubted = say.stored(f"{twice}: 0.02 (-0.01 to 0.05): {halves}")
    assert doubted == say("clause.reason").join(parts)
    assert not re.search("[a-z]", doubted)


def test_reasons_are_translated_part_by_part():
    say = catalogue("zh")
    assert say.stored("written like 1,234.5; '?' counts as missing") == (
        "写法如 1,234.5；'?' 视为缺失"
    )
    assert say.stored("read by 3 of 5 models") == "5 个模型中有 3 个使用"
    assert not say.knows("every column is new; and so is this")


def test_another_language_is_refused(make_run):
    with pytest.raises(InputError, match=r'be "en" or "zh"\. Received: lang='):
        write_report(make_run(), lang="fr")


# Text files about which something is told, with forty rows of numbers `{k}` each.
TOLD = [
    "a,b,y\nkg,m,\n{k},1{k},{k}\n",
    "a b y\n{k} 1{k} 2{k} 3{k}\n",
    "title\n\na;b;y\n{k};1{k};2{k}\nTotal;5;6\n",
    "a;b;y\n{k};1{k};2{k}\nTotal;5;6\nSource: a table;;\n",
    "a,b,y\n{k},1{k},0.5{k}\n1,2,-999\n2,2,-999\n3,2,-999\n4,2,-999\n5,2,-999\n",
    "a,b,y\n<{k},1{k},{k}\n",
    "id,b,y\n90071992547409{k:02d},01{k},2{k}\n",
    "'a',b,y\n'{k}','1{k}',0.5{k}\n'7','1'",
    "lat,b,y\n{k:02d}.1234° S,1{k},0.{k:02d}5\n12.1234° S,17,0.1",
]


@pytest.mark.parametrize("content", TOLD)
def test_what_is_told_of_a_table_is_known_in_chinese(tmp_path, content):
    lines = content.split("\n")
    rows = [line.format(k=k) for line in lines if "{k" in line for k in range(40)]
    where = next(n for n, line in enumerate(lines) if "{k" in line)
    path = tmp_path / "t.csv"
    path.write_text("\n".join([*lines[:where], *rows, *lines[where + 1 :]]))
    schema = understand(read_table(path), target="y")
    say = catalogue("zh")
    told = [*schema.notes, *(column.reason for column in schema.columns)]
    assert any(told)
    assert not [sentence for sentence in told if not say.knows(sentence)]
