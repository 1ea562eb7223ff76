"""`import taut` against `import keras`: fresh processes in turn, medians.

    pip install -e . && python benchmarks/import_time.py

The last line imports what most programs use of taut.
"""

import os
import statistics
import subprocess
import sys
import time

ROUNDS = 9
CODES = {
    "import keras": "import keras",
    "import taut": "import taut",
    "import keras, taut": "import taut, keras",
    "from taut import models, layers": "from taut import models, layers",
}


def main():
    times = {name: [] for name in CODES}
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    for _ in range(ROUNDS):
        for name, code in CODES.items():
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True, env=environment)
            times[name].append(time.perf_counter() - started)
    base = statistics.median(times["import keras"])
    for name, found in times.items():
        median = statistics.median(found)
        print(f"{name:34}{median:7.2f} s{median / base:7.2f} × import keras")


if __name__ == "__main__":
    main()
