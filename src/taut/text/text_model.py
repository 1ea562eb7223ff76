"""A network on texts: predicts, says what its words mean, and is saved and loaded."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np

from taut.checks import check_whole, path_given
from taut.engine.outputs import outputs_of
from taut.errors import InputError
from taut.files import DAMAGED, whole_folder
from taut.readable import clean
from taut.text.given_texts import checked_labels, list_of, rows_named
from taut.text.text_rows import check_kind_of_labels, text_rows
from taut.text.vocabulary import FIRST, Vocabulary
from taut.text.words_of_texts import Tokenize, words_of

if TYPE_CHECKING:
    import pandas as pd

MODEL, VOCABULARY = "model.keras", "vocabulary.json"
FEW, BATCH = 32, 256
"""Texts are filled up to a multiple of one of these, so that a second call compiles nothing."""
SHOWN, MOST_LINES = 8, 12
"""Words and classes of the short form."""


class TextModel:
    """What `fit_text` returns.

    Attributes:
        network: The Keras model, from `inputs(texts)` to probabilities.
        vocabulary: The words that it reads.
        classes: [classes] the labels, in the order of the probabilities.
        in_order: Whether it reads words one after another, `vocabulary.sequences(texts)`.

    Raises:
        InputError: If the network has no layer "word" with a row for each number of a word, or not
            one output for each class; for classes that are not different, or of several kinds.
    """

    def __init__(
        self, network: Any, vocabulary: Vocabulary, classes: np.ndarray, *, in_order: bool = False
    ):
        self.classes: np.ndarray = _checked_classes(classes)
        self.classes.flags.writeable = False
        _check_parts(network, vocabulary, len(self.classes))
        self.network: Any = network
        self.vocabulary: Vocabulary = vocabulary
        self.in_order: bool = bool(in_order)

    def inputs(self, texts: Iterable[str]) -> dict[str, np.ndarray]:
        """What the network reads of texts: `vocabulary.bags`, or where order counts `sequences`."""
        vocabulary = self.vocabulary
        return vocabulary.sequences(texts) if self.in_order else vocabulary.bags(texts)

    def predict(self, texts: Iterable[str]) -> np.ndarray:
        """[texts] the label of the most probable class; see `predict_proba`."""
        return self.classes[self._output(texts).argmax(axis=1)]

    def predict_proba(self, texts: Iterable[str]) -> np.ndarray:
        """Probabilities [texts, classes].

        Words that the network does not know count for nothing. Of a text without a word that it
        knows, an empty one too, nothing is known: it has the probabilities of no text,
        softmax(b), and a warning names its row.

        Args:
            texts: A list of str.

        Raises:
            InputError: If `texts` is one text, or has rows that are no text.
        """
        return self._output(texts)

    def score(
        self, texts: Iterable[str], labels: Iterable[Any], *, sample_weight: Any = None
    ) -> float:
        """The share of texts whose label is predicted.

        Args:
            texts: A list of str.
            labels: A label each.
            sample_weight: [texts] how much each counts; 1 unless given.

        Raises:
            InputError: For texts that are none, and labels of another number or kind, or missing.
        """
        rows = text_rows(texts, labels, sample_weight)
        check_kind_of_labels(rows.labels, self.classes)
        right = self.classes[self._output(rows.texts).argmax(axis=1)] == rows.labels
        return float(np.average(right, weights=rows.weight))

    def effects(self) -> np.ndarray:
        r"""[words, classes] how much each word speaks for each class.

        With p(c | w) of the text that is this word alone, and p(c | ∅) of no text,

            effect(w, c) = d(w, c) − mean over classes of d(w, ·),  d = ln p(c | w) − ln p(c | ∅):

        how far the word moves the logit of the class against the mean of all classes.
        """
        numbers = np.arange(FIRST - 1, self.vocabulary.size)[:, None].astype("int32")
        weights = np.ones(numbers.shape, "float32")
        weights[0] = 0  # no text
        output = self._network_output({"words": numbers, "weights": weights})
        logs = np.log(np.maximum(output, 1e-30))
        moved = logs[1:] - logs[:1]
        return moved - moved.mean(axis=1, keepdims=True)

    @property
    def words(self) -> pd.DataFrame:
        """One line a word, by class, that of most effect first.

        Returns:
            word; class, for which it speaks most; effect, how much (see `effects`); texts, in how
            many of the training texts it is.
        """
        import pandas as pd

        effects = self.effects()
        best = effects.argmax(axis=1)
        frame = pd.DataFrame(
            {
                "word": self.vocabulary.words,
                "class": self.classes[best],
                "effect": effects[np.arange(len(best)), best],
                "texts": self.vocabulary.counts,
            }
        )
        return frame.sort_values(["class", "effect"], ascending=[True, False], ignore_index=True)

    def plot(self, *, words: int = 15) -> Any:
        """The words of most effect, a panel of bars a class.

        Args:
            words: So many of a class.

        Raises:
            InputError: If that is no integer >= 1, or Altair is not installed.
        """
        from taut.text.word_plots import effects_chart

        check_whole(1, words=words)
        return effects_chart(self.words, words)

    def save(self, directory: str | Path, *, overwrite: bool = False) -> Path:
        """Write a folder with the network and its words: whole, or not at all.

        Args:
            directory: Where.
            overwrite: Whether to replace a saved text model. Other files in its folder stay.

        Raises:
            InputError: If it exists and `overwrite` is False, or it is something else.
        """
        directory = path_given(directory=directory)
        if directory.exists() and not (overwrite and (directory / VOCABULARY).is_file()):
            raise InputError(
                "`directory` must not exist, or with overwrite=True be that of a saved text model. "
                f"Received: {str(directory)!r}, which exists. Choose another."
            )
        with whole_folder(directory, ours=(MODEL, VOCABULARY)) as new:
            self.network.save(new.parent / MODEL)
            _pack(new.parent / MODEL, new / MODEL)
            # Bytes that were no text are words too, as Python's "surrogateescape" reads them.
            (new / VOCABULARY).write_bytes(self._words_text().encode("utf-8", "surrogatepass"))
        return directory

    def _words_text(self) -> str:
        vocabulary = self.vocabulary
        stored = {
            "classes": self.classes.tolist(),
            "texts": vocabulary.texts,
            "own_tokenizer": vocabulary.tokenize is not words_of,
            "in_order": self.in_order,
            "words": list(vocabulary.words),
            "counts": vocabulary.counts.tolist(),
        }
        return json.dumps(stored, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def load(cls, directory: str | Path, *, tokenize: Tokenize | None = None) -> Self:
        """Read what `save` wrote. Nothing is unpickled.

        Args:
            directory: Where it is.
            tokenize: The tokenizer that the model was fitted with, where it had one of its own.

        Raises:
            InputError: If a file is missing or damaged, or the tokenizer is.
        """
        directory = path_given(directory=directory)
        missing = [name for name in (MODEL, VOCABULARY) if not (directory / name).is_file()]
        if missing:
            raise InputError(
                f"`directory` must be that of a saved text model. Received: {str(directory)!r} "
                f"without {', '.join(missing)}. Save one with `TextModel.save`."
            )
        import keras

        try:
            text = (directory / VOCABULARY).read_bytes().decode("utf-8", "surrogatepass")
            stored = json.loads(text)
            words, counts = tuple(stored["words"]), np.array(stored["counts"])
            own_tokenizer, in_order = stored["own_tokenizer"], stored.get("in_order", False)
            network: Any = keras.saving.load_model(directory / MODEL, compile=False)
            vocabulary = Vocabulary(words, counts, stored["texts"], tokenize or words_of)
            model = cls(network, vocabulary, stored["classes"], in_order=in_order)
        except DAMAGED as error:
            raise InputError(
                f"`directory` must be whole. Received: {str(directory)!r}, where a file is damaged "
                f"({error}). Save the model anew."
            ) from error
        if own_tokenizer != (tokenize is not None):
            raise InputError(
                "`tokenize` must be the tokenizer that the model was fitted with. Received: "
                + ("none, and it had one of its own." if own_tokenizer else "one; it had taut's.")
            )
        return model

    def _output(self, texts: Iterable[str]) -> np.ndarray:
        arrays = self.inputs(texts)
        weights = arrays["weights"]
        if unread := np.flatnonzero(~weights.any(axis=1)).tolist():
            warnings.warn(
                f"{len(unread)} of {len(weights)} texts have no word that the network knows, "
                f"{rows_named(unread)}: their probabilities are those of no text.",
                UserWarning,
                stacklevel=3,
            )
        return self._network_output(arrays)

    def _network_output(self, arrays: dict[str, np.ndarray]) -> np.ndarray:
        rows = len(arrays["words"])
        if not rows:
            return np.empty((0, len(self.classes)))
        output = outputs_of(self.network, arrays, size=FEW if rows <= FEW else BATCH)
        return output / output.sum(axis=1, keepdims=True)

    def __repr__(self) -> str:
        title, *lines = self._lines()
        return "\n".join([f"TextModel({title})", *(f"  {line}" for line in lines)])

    def _repr_html_(self) -> str:
        title, *lines = map(escape, self._lines())
        return f"<p><b>{title}</b><br>{'<br>'.join(lines)}</p>"

    def _lines(self) -> list[str]:
        frame = self.words
        lines = [f"{len(self.vocabulary)} words{', in order' if self.in_order else ''}"]
        lines[0] += f", {len(self.classes)} classes"
        for label in self.classes[:MOST_LINES]:
            top = frame.loc[frame["class"] == label, "word"].head(SHOWN)
            lines.append(clean(f"{label}: {', '.join(top) or 'no word'}"))
        if len(self.classes) > MOST_LINES:
            lines.append(f"… and {len(self.classes) - MOST_LINES} classes more: see `words`")
        return lines


def _checked_classes(classes: Any) -> np.ndarray:
    """Labels, each another, of one kind."""
    listed = list_of(classes, "classes")
    labels = checked_labels(listed, len(listed))
    if len(set(labels.tolist())) < max(len(labels), 1):
        raise InputError(
            f"`classes` must be different labels. Received: {labels.tolist()!r:.60}, of which some "
            "are equal."
        )
    return labels


def _check_parts(network: Any, vocabulary: Any, classes: int) -> None:
    """Raise unless a network has a row a word, after those of padding and unknown, and classes."""
    import keras

    if not isinstance(network, keras.Model) or not isinstance(vocabulary, Vocabulary):
        raise InputError(
            "`network` must be a Keras model, and `vocabulary` a `taut.text.Vocabulary`. Received: "
            f"a {type(network).__name__} and a {type(vocabulary).__name__}."
        )
    words = len(vocabulary)
    rows = {layer.name: layer for layer in network.layers}.get("word")
    found = getattr(rows, "input_dim", 0), network.output_shape[-1]
    if found != (words + FIRST, classes):
        raise InputError(
            f'`network` must have a layer "word" of {words + FIRST} rows, for {words} words, '
            f"padding and unknown, and {classes} outputs, one a class. Received: {found[0]} "
            f"rows and {found[1]} outputs. What `taut.compact` made smaller reads "
            "`result.prepare(bags)`."
        )


def _pack(archive: Path, packed: Path) -> None:
    """The same archive with its files deflated: Keras leaves them as they are."""
    with ZipFile(archive) as old, ZipFile(packed, "w", ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
