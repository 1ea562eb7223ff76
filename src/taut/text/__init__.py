"""Texts: their words, networks that read them, and which words are worth reading."""

from taut.text.bag_networks import bag_network
from taut.text.fit_on_texts import fit_text
from taut.text.gru_reader import GRUReader
from taut.text.text_model import TextModel
from taut.text.vocabulary import Vocabulary
from taut.text.words_by_strength import WordPath, word_path
from taut.text.words_of_texts import words_of

__all__ = [
    "GRUReader",
    "TextModel",
    "Vocabulary",
    "WordPath",
    "bag_network",
    "fit_text",
    "word_path",
    "words_of",
]
