"""Sentences in lines."""

import io
import re
from itertools import pairwise

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from taut.wrapping import tell, wrapped

SENTENCES = [
    "The model is about right: nothing freer that was tried does much better (by a twentieth).",
    "有 52 个分组同时出现在训练和留出数据中：留出分数只说明对“已知分组”的预测能力。（明确）",
    "警告：测试表中 'patient id' 的 52 个组里有 52 个也在训练集中（--groups）。",
    "  - indented   with gaps",
    "",
]


@pytest.mark.parametrize("width", [14, 20, 33, 80])
@pytest.mark.parametrize("sentence", SENTENCES)
def test_lines_fit_and_nothing_is_lost(sentence, width):
    lines = [line.plain for line in wrapped(Text(sentence), width)]
    assert max(map(cell_len, lines)) <= width
    assert "".join("".join(lines).split()) == "".join(sentence.split())
    assert all(any(word in line for line in lines) for word in re.findall("[a-zA-Z-]+", sentence))
    for line, following in pairwise(lines):
        assert following[0] not in "，。：”）", "no sign that closes begins a line"
        assert line[-1] not in "（“", "nor does one that opens end it"
        assert cell_len(line) > width - 14, "nor is a line cut long before its end"


def test_a_file_has_a_line_a_sentence():
    files = [Console(file=io.StringIO(), width=20, force_terminal=t) for t in (False, True)]
    for out in files:
        tell(out, SENTENCES[1], "yellow")
    there, terminal = (out.file.getvalue() for out in files)
    assert there == SENTENCES[1] + "\n"
    assert terminal.count("\n") == 5
    out = Console(file=io.StringIO(), width=20, force_terminal=True, color_system=None)
    tell(out, "- a point of more than one line")
    assert out.file.getvalue() == "- a point of more\n  than one line\n"
