"""Kill a small study at random moments, again and again: does any kill lose or change a result?

    pip install -e . && python benchmarks/kills.py [--times 1000]

Each attempt starts the study of tests/engine/study.py in a process of its own (13 lanes with warm
starts and dropout, a checkpoint whenever it looks up), lets it train for a random time, and sends
kill -9. When a study gets to its end, its record is compared bit for bit with that of a run without
kills, its checkpoint is deleted, and the next study begins. The processes are forked from one that
has imported everything, so that an attempt takes a second; JAX keeps what it compiled on disk.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
os.environ["KERAS_BACKEND"] = "jax"

EPOCHS = 40


def in_child(checkpoint, out):
    """Run the study in a forked process; its digest goes to the file `out`."""
    number = os.fork()
    if number:
        return number
    try:
        from tests.engine.study import digest, record_of

        found = digest(record_of(checkpoint, EPOCHS))
        Path(out).write_text(found)
    finally:
        os._exit(0)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    import jax

    import taut.engine  # noqa: F401 (imports, but starts no backend of JAX)

    draw = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jax.config.update("jax_compilation_cache_dir", str(folder / "compiled"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        out, checkpoint = folder / "out", folder / "study.npz"
        times = []
        for _ in range(2):  # the second compiles nothing
            started = time.monotonic()
            os.waitpid(in_child(None, out), 0)
            times.append(time.monotonic() - started)
        expected, length = out.read_text(), times[-1]
        print(f"a study takes {length:.2f} s; its record is {expected}", flush=True)

        kills = ends = wrong = resumed = before_first = 0
        started = time.monotonic()
        while kills < arguments.times:
            out.unlink(missing_ok=True)
            held = checkpoint.exists()
            child = in_child(checkpoint, out)
            deadline = time.monotonic() + draw.uniform(0, 1.15 * length)
            ended = False
            while time.monotonic() < deadline and not ended:
                ended = os.waitpid(child, os.WNOHANG)[0] == child
                time.sleep(0.001)
            if not ended:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                kills += 1
                resumed += held
                before_first += not checkpoint.exists()
            elif not out.exists():
                wrong += 1
                print("a study ended with an error", flush=True)
                checkpoint.unlink(missing_ok=True)
            if out.exists():
                ends += 1
                wrong += out.read_text() != expected
                checkpoint.unlink(missing_ok=True)
            if kills and kills % 100 == 0 and not ended:
                print(f"{kills} kills, {ends} studies ended, {wrong} wrong", flush=True)
        left = sorted(path.name for path in folder.iterdir() if path.name.startswith("."))
    print(
        f"{kills} kills in {time.monotonic() - started:.0f} s: {resumed} of a study that had been "
        f"saved, {before_first} before its first checkpoint; {ends} studies ended, "
        f"{wrong} with another record; temporary files left: {len(left)}"
    )
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
