"""What is asked of a proximal optimizer: which penalties on what, of which model, and its file."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Sequence
from typing import Any, Self

import keras
from keras import ops

from taut.optimizers.own import activities, in_loss
from taut.optimizers.selection import Assignment, Entry, assign, parse, shadowed
from taut.optimizers.selectors import Matches, ending, saved_selector
from taut.optimizers.terms import Term, divide
from taut.structure import structure

_SAVED_TERMS = "blocks"
"""How files call the groups of a saved optimizer's terms; a new name would not read old ones."""


class Request:
    """Penalties by selectors, before and after it is known which variables they meet.

    It keeps no variable: an optimizer asks it with those that it is built over.

    Args:
        penalty: As `taut.Proximal` takes it.

    Attributes:
        entries: The selectors and penalties, in their order.
    """

    def __init__(self, penalty: Any = None):
        self.entries: tuple[Entry, ...] = () if penalty is None else parse(penalty)
        self._model: Any = lambda: None
        self._saved_terms: dict[int, Any] = {}
        self._saved_own_groups: list[Any] = []
        self._foreseen: tuple[Any, set[int]] | None = None
        self._has_warned = self._was_saved = False

    @property
    def model(self) -> Any:
        """The model that it is for; None where that is not known, or the model is gone."""
        return self._model()

    def bind(self, model: Any) -> None:
        """Be for a model, of which no more than a weak reference is kept."""
        self._model = weakref.ref(model)

    def assignments(self, variables: Sequence[Any]) -> list[Assignment]:
        """What each variable gets.

        Raises:
            InputError: If a selector matches no variable.
        """
        return assign(
            variables,
            self.entries,
            matches=self._matches(variables),
            structures=self._structures(),
            frozen=None if self.model is None else self.model.non_trainable_variables,
            saved=self._saved_terms,
            checked_before=self._was_saved,
        )

    def terms(self, plan: Sequence[Assignment], add_constants: Any = None) -> list[Term]:
        """The terms of αR(w) of what each variable gets.

        Args:
            plan: Of `assignments`.
            add_constants: (variables, arrays, name) -> variables for the arrays of penalties; none
                are made where the request is only checked.
        """
        return divide(
            plan,
            self._structures(),
            add_constants or _no_constants,
            self._saved_terms,
            self._saved_own_groups,
            self._matches([a.variable for a in plan]),
        )

    def _matches(self, variables: Sequence[Any]) -> Matches:
        known = [] if self.model is None else self.model.weights
        return Matches([*variables, *known], self.model)

    def _structures(self) -> Any:
        return structure(self.model) if self.model is not None and self.model.built else None

    def foreseen_lifts(self, variables: Sequence[Any]) -> set[int]:
        """What `lifts` will be once an optimizer is built over these variables.

        A loss may be asked for before that, as by `evaluate`.
        """
        key = tuple(map(id, variables))
        if self._foreseen is None or self._foreseen[0] != key:
            owns = any(v.regularizer is not None for v in variables)
            plan = self.assignments(variables) if owns else []
            self._foreseen = key, lifts(self.terms(plan))
        return self._foreseen[1]

    def warn(self, plan: Sequence[Assignment], terms: Sequence[Term]) -> None:
        """Say, once, what a user may not expect."""
        if self._has_warned:
            return
        self._has_warned = True
        variables = [a.variable for a in plan]
        sentences = [
            f"A selector takes what a later one names: {text}. The first that matches counts: put "
            "the narrower one first, or name the layer exactly."
            for text in shadowed(self.entries, plan, self._matches(variables))
        ]
        stay = in_loss(variables, lifts(terms))
        stay += [] if self.model is None else activities(self.model)
        if stay and (terms or self.entries):
            sentences.append(
                "No exact proximal step is known for these regularizers of layers, which stay in "
                f"the loss that is trained and reported: {', '.join(stay)}. Use L1, L2 or L1L2 of "
                "Keras, or a penalty of taut."
            )
        for text in sentences:
            warnings.warn(text, UserWarning, stacklevel=4)

    def config(self, plan: Sequence[Assignment], terms: Sequence[Term]) -> dict[str, Any]:
        """What a file keeps of it, and of an optimizer's terms if that is built."""
        variables = [a.variable for a in plan]
        paths, matches = [v.path for v in variables], self._matches(variables)

        def saved(entry: Entry) -> dict[str, Any]:
            chosen = [a.variable for a in plan if a.entry is entry]
            penalty = entry.penalty
            if penalty is not None and plan:
                penalty = penalty.unbound()  # its arrays are among the optimizer's variables
            groups = [
                [
                    [ending(v.path, paths), list(shape)]
                    for v, shape in zip(term.variables, term.grouping.shapes, strict=True)
                ]
                for term in terms
                if term.entry is entry and term.grouping is not None
            ]
            kept = None if penalty is None else keras.saving.serialize_keras_object(penalty)
            selector = saved_selector(entry.selector, chosen, paths, matches)
            return {"selector": selector, "penalty": kept, _SAVED_TERMS: groups}

        requested = {id(entry) for entry in self.entries}
        own_groups = [  # of layers' own penalties, which are not in the request
            [ending(term.variables[0].path, paths), list(term.grouping.shapes[0])]
            for term in terms
            if term.grouping is not None and id(term.entry) not in requested
        ]
        return {"penalties": [saved(entry) for entry in self.entries], "own_groups": own_groups}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The request that `config` keeps."""
        penalties = {
            _selector(saved["selector"]): None
            if saved["penalty"] is None
            else keras.saving.deserialize_keras_object(saved["penalty"])
            for saved in config["penalties"]
        }
        request = cls(penalties or None)
        request._saved_terms = {
            id(entry): saved[_SAVED_TERMS]
            for entry, saved in zip(request.entries, config["penalties"], strict=True)
            if saved[_SAVED_TERMS]
        }
        request._saved_own_groups = config["own_groups"]
        request._was_saved = True
        return request


def lifts(terms: Sequence[Term]) -> set[int]:
    """The ids of the variables whose regularizers these terms treat, so that no loss has them."""
    return {id(v) for term in terms if term.lifts for v in term.variables}


def _selector(saved: Any) -> Any:
    return tuple(saved) if isinstance(saved, list) else saved


def _no_constants(variables: Any, arrays: Any, name: str) -> list[Any]:
    del variables, name
    return [ops.convert_to_tensor(array) for array in arrays]
