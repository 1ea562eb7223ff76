"""Choose the Keras backend, and set JAX up, before Keras is imported."""

import contextlib
import importlib.util
import json
import os
import platform
import sys
import time
import warnings
import zlib
from pathlib import Path

import platformdirs

PROGRAMS_BYTES = 1 << 30
WORTH_KEEPING = 0.02
"""Seconds of compilation from which on a program is kept on disk."""
DAY = 86400.0


def prepare() -> None:
    """Set `KERAS_BACKEND` to JAX unless the user has chosen, and set JAX up.

    JAX sees every core as a device, and keeps compiled programs on disk.

    The user's choice is, in this order: Keras is already imported; the environment variable
    `KERAS_BACKEND`; a `keras.json` that names another backend than TensorFlow (Keras itself
    writes TensorFlow into that file at its first import, so there it is no choice). Where Keras
    is imported already and fell back on TensorFlow without a choice, a warning says so; where it
    has failed for want of TensorFlow, it can be imported again after this.
    """
    if "keras" in sys.modules:
        chosen = sys.modules["keras"].config.backend()
        if chosen == "tensorflow" and not os.environ.get("KERAS_BACKEND"):
            warnings.warn(
                "Keras was imported before taut, and so runs on TensorFlow, its default: studies "
                "train one model after another there, not as one program. Write `import taut` "
                "above `import keras`, or set KERAS_BACKEND=tensorflow if TensorFlow is meant.",
                stacklevel=3,
            )
    else:
        chosen = os.environ.get("KERAS_BACKEND") or _configured_backend()
        if chosen is None and importlib.util.find_spec("jax"):
            chosen = os.environ["KERAS_BACKEND"] = "jax"
    if chosen == "jax":
        _one_device_per_core()
        _keep_programs()


def _configured_backend() -> str | None:
    """The backend that the user's `keras.json` names, unless it is Keras's own entry."""
    home = os.environ.get("KERAS_HOME") or Path("~/.keras").expanduser()
    try:
        name = json.loads((Path(home) / "keras.json").read_text()).get("backend")
        return None if name == "tensorflow" else name
    except (OSError, ValueError, AttributeError):
        return None


def cache_folder() -> Path | None:
    """The user's cache folder, or the one that `TAUT_CACHE` names; None where that is 0."""
    wanted = os.environ.get("TAUT_CACHE", "")
    if wanted == "0":
        return None
    return Path(wanted) if wanted else Path(platformdirs.user_cache_dir("taut", False))


def _keep_programs() -> None:
    """Have JAX keep compiled programs on disk, so that another process need not compile them.

    They are in the user's cache folder, one folder a kind of machine; once a day the oldest beyond
    1 GiB are removed. `TAUT_CACHE` names another folder, or is 0 for none; where the user has
    told JAX where to keep them, or the folder cannot be written, nothing is changed.
    """
    folder = cache_folder()
    if folder is None or "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    folder = folder / f"programs-{_machine()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if not os.access(folder, os.W_OK | os.X_OK):
        return
    _remove_oldest(folder)
    if "jax" not in sys.modules:
        os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder)
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", str(WORTH_KEEPING))
        return
    config = sys.modules["jax"].config
    if config.jax_compilation_cache_dir is None:
        config.update("jax_compilation_cache_dir", str(folder))
        config.update("jax_persistent_cache_min_compile_time_secs", WORTH_KEEPING)


def _remove_oldest(folder: Path, most: int = PROGRAMS_BYTES) -> None:
    # JAX can bound the folder itself, but then reads all of it for each program that it writes.
    looked = folder / "looked-through"
    with contextlib.suppress(OSError):
        if looked.exists() and time.time() - looked.stat().st_mtime < DAY:
            return
        looked.touch()
        files = [(entry.stat(), entry.path) for entry in os.scandir(folder) if entry.is_file()]
        files.sort(key=lambda file: file[0].st_mtime)
        total = sum(stat.st_size for stat, _ in files)
        for stat, path in files:
            if total <= most:
                break
            os.unlink(path)
            total -= stat.st_size


def _machine() -> str:
    """A name for processors that can run each other's programs."""
    able = platform.processor()
    # To the first processor's line: of hundreds of processors the file is long.
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as lines:
        able = next((line for line in lines if line.startswith(("flags", "Features"))), able)
    return f"{platform.machine()}-{zlib.crc32(able.encode()):08x}"


def _one_device_per_core() -> None:
    # XLA runs one small program on one core. Lanes are sharded over as many CPU devices as
    # there are cores; ordinary Keras code goes on using the first. JAX reads the setting when
    # its backends start: later it has no effect, and the engine then uses the devices it finds.
    if "host_platform_device_count" in os.environ.get("XLA_FLAGS", ""):
        return
    if "JAX_NUM_CPU_DEVICES" in os.environ:
        return
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    if "jax" not in sys.modules:
        os.environ["JAX_NUM_CPU_DEVICES"] = str(cores)
        return
    with contextlib.suppress(AttributeError, RuntimeError):  # JAX may have started
        sys.modules["jax"].config.update("jax_num_cpu_devices", cores)
