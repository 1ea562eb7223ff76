"""The features of tensors, and which of them can only be removed together."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from taut.compaction.reasons import Reason


@dataclass(frozen=True)
class Features:
    """What lies side by side on one axis of a tensor.

    Attributes:
        axis: That axis, counted from the end; None for a tensor that is kept or removed whole.
        atoms: [features] of int, the atom of each. A feature can be removed where all that have
            its atom are; of a flattened image the same channel at each place has one atom.
        value: [features] of float64, what the feature is for every row; NaN where that varies.
    """

    axis: int | None
    atoms: np.ndarray
    value: np.ndarray

    def __len__(self) -> int:
        return len(self.atoms)

    @property
    def known(self) -> np.ndarray:
        return ~np.isnan(self.value)

    def valued(self, value: np.ndarray) -> Features:
        return Features(self.axis, self.atoms, np.asarray(value, float))

    def unknown(self, but: float | None = None) -> Features:
        """The same features, of unknown values; those that are `but` stay."""
        kept = np.zeros(len(self), bool) if but is None else self.value == but
        return self.valued(np.where(kept, self.value, np.nan))


@dataclass(frozen=True)
class Reading:
    """That features are needed to make others.

    Attributes:
        layer: The layer or operation that reads.
        reads: [inputs] of int, the atoms that are read.
        makes: [outputs] of int, the atoms that are made of them.
        needs: [inputs, outputs] of bool, whether the one is needed for the other.
        value: [inputs], what is read where it is known: it is needed all the same.
        reason: Why a known value is needed.
    """

    layer: object
    reads: np.ndarray
    makes: np.ndarray
    needs: np.ndarray
    value: np.ndarray
    reason: Reason


@dataclass
class Atoms:
    """Makes atoms, and ties them."""

    count: int = 0
    _pairs: list[np.ndarray] = field(default_factory=list)

    def new(self, number: int) -> np.ndarray:
        self.count += number
        return np.arange(self.count - number, self.count)

    def tie(self, one: np.ndarray, other: np.ndarray) -> None:
        """Atoms at the same place of two arrays become one."""
        pairs = np.stack([one, other])
        pairs = pairs[:, pairs[0] != pairs[1]]
        if pairs.size:
            self._pairs.append(pairs)

    def tie_all(self, atoms: np.ndarray) -> None:
        self.tie(atoms[1:], atoms[:-1])

    def whole(self, axis: int | None = None) -> Features:
        """A tensor of one new atom."""
        return Features(axis, self.new(1), np.array([np.nan]))

    def fresh(self, axis: int, number: int) -> Features:
        """New features of unknown values."""
        return Features(axis, self.new(number), np.full(number, np.nan))

    def made_whole(self, features: Features) -> Features:
        """The tensor, all its features tied: whoever reads it mixes them."""
        if features.axis is None:
            return features
        self.tie_all(features.atoms)
        return Features(None, features.atoms[:1], np.array([np.nan]))

    def along(self, features: Features, axis: int, number: int | None) -> Features:
        """The features as they lie on another axis: there all are one, `number` times.

        Args:
            features: Of a tensor.
            axis: An axis counted from the end.
            number: Its length; None where it is not known.
        """
        if features.axis == axis:
            return features
        features = self.made_whole(features)
        return Features(
            axis, np.repeat(features.atoms, number or 1), np.repeat(features.value, number or 1)
        )

    def classes(self) -> np.ndarray:
        """[atoms] of int: atoms that are tied have the same number."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        pairs = np.concatenate([np.empty((2, 0), int), *self._pairs], axis=1)
        links = coo_array((np.ones(pairs.shape[1], bool), tuple(pairs)), (self.count, self.count))
        return connected_components(links, directed=False)[1]
