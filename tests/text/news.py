"""Texts on three subjects, of words of their own and words that all share."""

import numpy as np

SUBJECTS = {
    "film": ["actor", "scene", "screen", "director", "star", "award"],
    "sport": ["goal", "match", "coach", "league", "striker", "cup"],
    "trade": ["shares", "bank", "profit", "market", "prices", "export"],
}
COMMON = ["the", "of", "and", "said", "year", "new", "with", "from", "people", "after"]


def written(count, seed):
    """Texts, each of 4 words of its subject and 8 of all."""
    rng = np.random.default_rng(seed)
    labels = [list(SUBJECTS)[i % 3] for i in range(count)]
    texts = [
        " ".join(rng.permutation([*rng.choice(SUBJECTS[label], 4), *rng.choice(COMMON, 8)]))
        for label in labels
    ]
    return texts, labels
