"""What `fit_table(sparse=True)` takes on a table of very many numbers.

    python benchmarks/wide_table.py [--rows 100] [--columns 10000] [--draw 0]

Three numbers of all (±x, noise of deviation 0.3) decide between two classes. Told are the inputs
of the sparse network, seconds of CPU (imports off the clock, compilation on it) and the largest
resident memory of the process, of which some 0.36 GB are the imports.
"""

import argparse
import os
import resource
import time

os.environ["TAUT_CACHE"] = "0"

import taut  # isort: skip (before JAX starts)
import numpy as np
import pandas as pd


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--columns", type=int, default=10_000)
    parser.add_argument("--draw", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.draw)
    x = rng.normal(size=(options.rows, options.columns))
    frame = pd.DataFrame(x, columns=[f"x{j}" for j in range(options.columns)])
    sign = x[:, 0] + x[:, 1] - x[:, 2] + 0.3 * rng.normal(size=options.rows) > 0
    frame["class"] = np.where(sign, "a", "b")
    begun = time.process_time()
    model = taut.fit_table(frame, target="class", sparse=True, seed=options.draw, callbacks=[])
    seconds = time.process_time() - begun
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    kept = model.sparse.selected_features_ if model.sparse else []
    print(f"reads {', '.join(kept) or 'none'}; {seconds:.0f} s of CPU, {largest:.2f} GB at most")


if __name__ == "__main__":
    main()
