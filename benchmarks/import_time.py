"""`import taut` against `import keras`, and the command: fresh processes in turn, medians.

    pip install -e . && python benchmarks/import_time.py

Seconds of the clock, and seconds of the processor, which other programs disturb less.
"""

import os
import resource
import statistics
import subprocess
import sys
import time

ROUNDS = 9
ARGUMENTS = {
    "import keras": ["-c", "import keras"],
    "import taut": ["-c", "import taut"],
    "taut --version": ["-m", "taut_cli", "--version"],
    "taut fit missing.csv -t y": ["-m", "taut_cli", "fit", "missing.csv", "-t", "y"],
}


def processor_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main():
    times = {name: [] for name in ARGUMENTS}
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    for _ in range(ROUNDS):
        for name, arguments in ARGUMENTS.items():
            clock, processor = time.perf_counter(), processor_seconds()
            subprocess.run([sys.executable, *arguments], env=environment, capture_output=True)
            times[name].append((time.perf_counter() - clock, processor_seconds() - processor))
    for name, seconds in times.items():
        clock, processor = map(statistics.median, zip(*seconds, strict=True))
        print(f"{name:28}{clock:7.2f} s{processor:7.2f} s of processor")


if __name__ == "__main__":
    main()
