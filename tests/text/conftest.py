"""What is learned of texts on three subjects, once for all tests."""

import pytest

import taut
from tests.text.news import written


@pytest.fixture(scope="session")
def news():
    return written(90, seed=0)


@pytest.fixture(scope="session")
def fresh_news():
    return written(60, seed=1)


@pytest.fixture(scope="session")
def path(news):
    return taut.word_path(*news)


@pytest.fixture(scope="session")
def model(news):
    return taut.fit_text(*news)
