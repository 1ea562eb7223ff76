"""The recipes of the documentation that need a package of their own."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "scikit-learn.md"
TITLED = re.compile(r'^```python title="(\w+)"\n(.*?)^```', re.MULTILINE | re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize(("title", "program"), TITLED.findall(PAGE.read_text(encoding="utf-8")))
def test_recipes(title, program, tmp_path):
    pytest.importorskip(title.lower())
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "'strength'" in done.stdout
