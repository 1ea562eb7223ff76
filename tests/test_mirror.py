"""The imports of Keras's tutorials, from taut."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import keras
import numpy as np
import pytest

import taut
from taut import regularizers

OURS = {"callbacks", "layers", "models", "optimizers", "regularizers"}
PUBLIC = [n for n in dir(keras) if not n.startswith("_") and n not in ("src", "version")]
MODULES = [n for n in PUBLIC if type(getattr(keras, n)) is type(keras)]


@pytest.mark.parametrize("name", PUBLIC)
def test_every_name_of_keras_is_there(name):
    ours, theirs = getattr(taut, name), getattr(keras, name)
    if name in OURS:
        assert set(dir(ours)) >= {n for n in dir(theirs) if not n.startswith("_")}
    elif name in ("Model", "Sequential"):
        assert issubclass(ours, theirs)
    else:
        assert ours is theirs


@pytest.mark.parametrize("name", MODULES)
def test_every_module_of_keras_can_be_imported_and_stays_what_it_is(name):
    module = import_module(f"taut.{name}")
    assert sys.modules[f"taut.{name}"] is module
    assert (module is getattr(keras, name)) == (name not in OURS)
    assert getattr(keras, name).__spec__.name == f"keras.{name}"


def test_modules_inside_modules_are_keras_s_and_none_of_ours_is_hidden():
    inside = [n for n in sys.modules if n.startswith("keras.") and n.count(".") > 1]
    public = [n for n in inside if not {"src", "_tf_keras"} & set(n.split("."))]
    assert "keras.datasets.mnist" in public
    for name in public:
        assert import_module("taut" + name.removeprefix("keras")) is sys.modules[name]
    source = Path(taut.__file__).parent
    files = {p.relative_to(source).with_suffix("") for p in source.rglob("*.py")}
    modules = {".".join(p.parts[:-1] if p.name == "__init__" else p.parts) for p in files}
    theirs = {n.removeprefix("keras.") for n in [*public, *(f"keras.{n}" for n in MODULES)]}
    assert modules & theirs == OURS


def test_what_lies_inside_a_module_can_be_imported_first():
    code = """
import taut.datasets.mnist, taut.optimizers.schedules
from taut.applications.vgg16 import VGG16
from taut.optimizers.schedules import ExponentialDecay
from taut.preprocessing.image import load_img
import keras
assert taut.datasets.mnist is keras.datasets.mnist
assert taut.optimizers.schedules is keras.optimizers.schedules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_star_takes_ours_and_keras_s(name):
    scope = {}
    exec(f"from taut.{name} import *", scope)
    module = import_module(f"taut.{name}")
    assert {n for n in scope if n != "__builtins__"} == set(module.__all__)
    theirs = {n for n in dir(getattr(keras, name)) if not n.startswith("_")}
    assert theirs <= set(scope)
    for public in module.__all__:
        assert scope[public] is getattr(module, public)


@pytest.mark.parametrize(
    "statement",
    [
        "import taut.nothing",
        "import taut.src",
        "import taut.losses.nothing",
        "import taut.optimizers.nothing",
        "from taut import nothing",
        "from taut import version",
        "from taut.layers import Nothing",
    ],
)
def test_what_neither_has_is_an_import_error(statement):
    with pytest.raises(ImportError, match=r"taut"):
        exec(statement)


W = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("l1", {"l1": 0.03}),
        ("l2", {"l2": 0.03}),
        ("l1_l2", {"l1": 0.03, "l2": 0.02}),
        ("L1", {}),
        ("L2", {}),
        ("L1L2", {"l2": 0.02}),
        ("OrthogonalRegularizer", {"factor": 0.3}),
    ],
)
def test_regularizers_have_keras_s_factors(name, arguments):
    ours = getattr(regularizers, name)(**arguments)
    theirs = getattr(keras.regularizers, name)(**arguments)
    assert float(ours(W)) == float(theirs(W))
    assert regularizers.serialize(ours) == keras.regularizers.serialize(theirs)


def test_the_two_factors_of_l2():
    assert float(regularizers.l2(0.1)(W)) == pytest.approx(0.1 * (W**2).sum(), rel=1e-6)
    for half in (taut.L2(0.1), taut.layers.l2(0.1)):
        assert float(half(W)) == pytest.approx(0.05 * (W**2).sum(), rel=1e-6)
    assert taut.penalties.get(regularizers.l2(0.1)) == taut.L2(0.2)


@pytest.mark.parametrize("factors", [(0.1, 0.2), (0.1, 0.0), (0.0, 0.2), (0.0, 0.0)])
def test_l1_l2_of_layers_is_the_sum_of_its_l1_and_l2(factors):
    both = taut.layers.l1_l2(l1=factors[0], l2=factors[1])
    parts = taut.layers.l1(factors[0])(W) + taut.layers.l2(factors[1])(W)
    assert float(both(W)) == pytest.approx(float(parts), rel=1e-6)


def test_taut_s_penalties_are_regularizers():
    for penalty in taut.penalties.ALL:
        name = type(penalty).__name__
        if name not in ("L1", "L2", "Sum"):
            assert getattr(regularizers, name) is type(penalty)


FALLEN_BACK = """
import sys, types
keras = types.ModuleType("keras")
keras.config = types.SimpleNamespace(backend=lambda: "tensorflow")
sys.modules["keras"] = keras
import taut._backend
"""


@pytest.mark.parametrize(("backend", "warned"), [(None, True), ("tensorflow", False)])
def test_a_backend_that_nobody_chose_is_told(backend, warned):
    code = "import os; os.environ.pop('KERAS_BACKEND', None)\n" + FALLEN_BACK
    if backend:
        code = code.replace("None)", f"None); os.environ['KERAS_BACKEND'] = {backend!r}")
    code = code.replace("import taut._backend", "import importlib.util\n" + LOAD)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert ("`import taut` above `import keras`" in done.stderr) == warned


LOAD = f"""
spec = importlib.util.spec_from_file_location("backend", {taut._backend.__file__!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
module.prepare()
"""
