"""Imports go one way, and starting is light."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import taut

SOURCE = Path(taut.__file__).parent
HEAVY = {"keras", "jax", "pandas", "sklearn", "numpy", "altair", "skops", "pyarrow", "scipy"}
MODULES = sorted(SOURCE.rglob("*.py"))


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


def package_of(path):
    return ("taut", *path.relative_to(SOURCE).parts[:-1])


def test_the_contracts_of_pyproject_hold():
    """Layers, circles, and what may not be imported: see `[tool.importlinter]`."""
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    root = SOURCE.parents[1]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


def test_no_two_modules_have_one_name():
    names = [path.name for path in MODULES if path.name not in ("__init__.py", "__main__.py")]
    assert len(set(names)) == len(names)


def test_the_package_itself_imports_nothing_heavy():
    names = set(imports(parse(SOURCE / "__init__.py"), top_level=True))
    names |= set(imports(parse(SOURCE / "_backend.py"), top_level=True))
    assert not {name.split(".")[0] for name in names} & HEAVY
    assert {n for n in names if n.startswith("taut")} == {
        *("taut._backend", "taut._mirror", "taut._register")
    }


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


@pytest.mark.parametrize("path", sorted((SOURCE / "cli").rglob("*.py")), ids=lambda p: p.name)
def test_the_command_loads_nothing_heavy_at_its_top(path):
    names = set(imports(parse(path), package=package_of(path), top_level=True))
    assert not {name.split(".")[0] for name in names} & HEAVY
    assert not {
        n
        for n in names
        if n.startswith(("taut.frames", "taut.tables", "taut.engine", "taut.studies"))
    }


def test_internals_of_keras_have_one_home():
    homes = {
        path.relative_to(SOURCE).as_posix()
        for path in MODULES
        for name in imports(parse(path))
        if name.startswith(("keras.src", "keras._"))
    }
    assert homes <= {"_keras_compat.py", "_keras_state.py"}


def _modules_after(code, *, whole=False):
    code += "\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    names = json.loads(done.stdout.splitlines()[-1])
    return set(names) if whole else {name.split(".")[0] for name in names}


@pytest.mark.parametrize("statement", ["import taut", "import taut.cli", "import taut.report"])
def test_starting_loads_nothing_heavy(statement):
    assert not _modules_after(statement) & {"keras", "jax", "sklearn", "pandas", "tensorflow"}


def test_public_names_resolve():
    assert len(set(taut.__all__)) == len(taut.__all__)
    for name in taut.__all__:
        assert getattr(taut, name) is not None
    assert set(dir(taut)) == set(taut.__all__)
    with pytest.raises(AttributeError, match="no_such_name"):
        taut.no_such_name  # noqa: B018


PARTS = [
    *("callbacks", "conventions", "engine", "layers", "models", "objective", "optimizers"),
    *("penalties", "regularizers", "studies", "testing"),
]


@pytest.mark.parametrize("part", PARTS)
def test_each_part_can_be_imported_first_and_keras_then_knows_the_classes(part):
    code = (
        f"import taut.{part}, xmlrpc.client, keras\n"
        "print(keras.saving.get_registered_object('taut>Sequential'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "taut.models.Sequential" in done.stdout


@pytest.mark.parametrize("name", [*PARTS, "report", "cli"])
def test_public_names_of_the_parts_resolve(name):
    module = __import__(f"taut.{name}", fromlist=["x"])
    for public in getattr(module, "__all__", ()):
        assert hasattr(module, public)


def test_predict_loads_nothing_that_only_a_fit_needs():
    """Up to Keras, which loads what it likes: scikit-learn, matplotlib."""
    code = "import taut.cli, taut.cli.predict, taut.frames.read, taut.tables.table_model"
    loaded = _modules_after(code, whole=True)
    assert "pandas" in loaded
    unwanted = {"keras", "jax", "sklearn", "scipy", "skops", "torch", "altair", "vl_convert"}
    assert not {name.split(".")[0] for name in loaded} & unwanted
    # With Keras come taut's models, which any saved network may hold, and the network on tables.
    loaded = _modules_after(f"{code}, taut.tables.network", whole=True)
    ours = {".".join(name.split(".")[:2]) for name in loaded if name.startswith("taut.")}
    assert not ours & {"taut.engine", "taut.studies", "taut.progress", "taut.loggers"}
    assert {name for name in loaded if name.startswith("taut.tables.")} == {
        "taut.tables.network",
        "taut.tables.table_model",
    }
    assert not {name.split(".")[0] for name in loaded} & {"skops", "altair", "vl_convert"}
