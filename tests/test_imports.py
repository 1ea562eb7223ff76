"""Imports go one way, and the command starts at once."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import taut
import taut_cli

SOURCE = Path(taut.__file__).parent
COMMAND = Path(taut_cli.__file__).parent
HEAVY = {"keras", "jax", "pandas", "sklearn", "numpy", "altair", "skops", "pyarrow", "scipy"}
MODULES = sorted(SOURCE.rglob("*.py"))
COMMANDS = sorted(COMMAND.rglob("*.py"))


def _inside_type_checking(tree):
    return {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for statement in node.body
        for child in ast.walk(statement)
    }


def imports(tree, *, package=("taut",), top_level=False):
    """Dotted names that a module imports when it runs, `from a import b` as `a.b`."""
    hidden = _inside_type_checking(tree)
    if top_level:
        hidden |= {
            id(child)
            for node in ast.walk(tree)
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            for child in ast.walk(node)
        }
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package[: len(package) - node.level + 1] if node.level else ()
            home = ".".join([*parents, *([node.module] if node.module else [])])
            yield from (f"{home}.{alias.name}" for alias in node.names)


def parse(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def test_the_contracts_of_pyproject_hold():
    """Layers, circles, and what may not be imported: see `[tool.importlinter]`."""
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    root = SOURCE.parents[1]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


def test_every_folder_of_modules_is_a_package():
    """The contracts do not see others."""
    for path in (*MODULES, *COMMANDS):
        assert path.with_name("__init__.py") in (*MODULES, *COMMANDS)


def test_no_two_modules_have_one_name():
    names = [path.name for path in MODULES if path.name not in ("__init__.py", "__main__.py")]
    assert len(set(names)) == len(names)


def test_keras_is_imported_after_its_backend_is_picked():
    """By `_backend`, which imports none, nor anything of taut's that would."""
    names = set(imports(parse(SOURCE / "_backend.py"), top_level=True))
    assert not {name.split(".")[0] for name in names} & (HEAVY | {"taut"})
    package = parse(SOURCE / "__init__.py").body
    lines = [ast.unparse(node) for node in package]
    picked = lines.index("_backend.prepare()")
    assert {name.split(".")[0] for node in package[:picked] for name in _imported(node)} == {
        *("sys", "typing", "taut", "taut_cli")
    }  # of which the command's way out loads nothing heavy: see below
    assert "import keras" in lines[picked:]


def _imported(node):
    return imports(ast.Module([node], []))


def _words(tree):
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return names | {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def test_the_engine_names_no_penalty_and_writes_no_files_but_checkpoints():
    for path in sorted((SOURCE / "engine").rglob("*.py")):
        files = set() if path.name == "archive.py" else {"open", "write_text"}
        assert not _words(parse(path)) & ({"L1", "L2", "ElasticNet", "Proximal"} | files)


def test_studies_contain_no_training_loop():
    loops = {"fit", "train_on_batch", "stateless_apply", "stateless_call", "vmap"}
    for path in sorted((SOURCE / "studies").rglob("*.py")):
        assert not _words(parse(path)) & loops


@pytest.mark.parametrize("path", COMMANDS, ids=lambda p: p.name)
def test_the_command_imports_the_library_inside_the_commands(path):
    names = set(imports(parse(path), top_level=True))
    allowed = {"taut"} if path.name == "show.py" else set()  # imported inside a command itself
    assert not {name.split(".")[0] for name in names} & ((HEAVY | {"taut"}) - allowed)


def test_internals_of_keras_have_one_home():
    homes = {
        path.relative_to(SOURCE).parts[0]
        for path in MODULES
        for name in imports(parse(path))
        if name.startswith(("keras.src", "keras._"))
    }
    assert homes == {"_keras"}


def _printed_by(code):
    """What a fresh process prints last, as JSON; any warning ends it."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_command_loads_no_library():
    loaded = _printed_by("import json, sys, taut_cli\nprint(json.dumps(list(sys.modules)))")
    loaded = {name.split(".")[0] for name in loaded}
    assert "taut_cli" in loaded
    assert not loaded & (HEAVY | {"taut", "torch", "tensorflow"})


AFTER_KERAS = """
import json, sys
import keras
finders, modules = [*sys.meta_path, *sys.path_hooks], set(sys.modules)
import taut
def known(name):
    return keras.saving.get_registered_object(f"taut>{name}") is not None
print(json.dumps({
    "finders": [str(f) for f in (*sys.meta_path, *sys.path_hooks) if f not in finders],
    "modules": sorted(set(sys.modules) - modules),
    "known": list(filter(known, ["Sequential", "Standardize", "TableInputs", "L1"])),
}))
"""


@pytest.fixture(scope="module")
def after_keras():
    """A fresh process that imports Keras, and then taut."""
    return _printed_by(AFTER_KERAS)


def test_there_is_no_finder_of_taut_s(after_keras):
    assert after_keras["finders"] == []


def test_keras_knows_the_classes_of_saved_models(after_keras):
    assert after_keras["known"] == ["Sequential", "Standardize", "TableInputs", "L1"]


def test_the_package_loads_little_that_keras_does_not(after_keras):
    """Keras loads pandas, SciPy and a part of scikit-learn itself where they are installed."""
    loaded = {name.split(".")[0] for name in after_keras["modules"]}
    assert "taut" in loaded
    assert not loaded & (HEAVY - {"jax"} | {"jinja2", "vl_convert", "torch", "tensorflow"})


def test_public_names_resolve():
    assert len(set(taut.__all__)) == len(taut.__all__)
    for name in taut.__all__:
        assert getattr(taut, name) is not None
    assert set(dir(taut)) == set(taut.__all__)
    with pytest.raises(AttributeError, match="no_such_name"):
        taut.no_such_name  # noqa: B018


PARTS = [
    *("callbacks", "conventions", "diagnosis", "engine", "layers", "models", "objective"),
    *("optimizers", "penalties", "recommendation", "regularizers", "studies", "testing"),
]


@pytest.mark.parametrize("name", [*PARTS, "report"])
def test_public_names_of_the_parts_resolve(name):
    module = __import__(f"taut.{name}", fromlist=["x"])
    for public in getattr(module, "__all__", ()):
        assert hasattr(module, public)
