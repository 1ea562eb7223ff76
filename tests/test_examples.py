"""Every example that people may copy runs: docstrings, READMEs, documentation."""

import ast
import doctest
import os
import pkgutil
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import taut

ROOT = Path(__file__).parents[1]
MODULES = ["taut", *(m.name for m in pkgutil.walk_packages(taut.__path__, "taut."))]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_docstrings(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = import_module(name)
    runner = doctest.DocTestRunner(optionflags=FLAGS, verbose=False)
    told = []
    for example in doctest.DocTestFinder(exclude_empty=True).find(module, module=module):
        runner.run(example, out=told.append)
    assert not runner.failures, "".join(told)


# The blocks of one page build on one another, as a reader goes through it.
PAGES = [ROOT / "README.md", ROOT / "README.zh-CN.md", *sorted((ROOT / "docs").glob("*.md"))]
LONG = {
    "benchmarks.md": "it has commands alone, which take hours",
    "large-data.md": "it reads files of the user's",
}


def test_the_chinese_readme_has_the_programs_of_the_english_one():
    english, chinese = ("\n".join(BLOCK.findall(p.read_text(encoding="utf-8"))) for p in PAGES[:2])
    assert ast.dump(ast.parse(english)) == ast.dump(ast.parse(chinese))


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(p, marks=() if p.name == "README.md" else pytest.mark.slow, id=p.name)
        for p in PAGES
        if p.name not in LONG
    ],
)
def test_pages(page, tmp_path):
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    if not blocks:
        return
    (tmp_path / "page.py").write_text("\n".join(blocks), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "page.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
