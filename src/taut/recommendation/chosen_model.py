"""What both kinds of fitted models have: how the strength was chosen, and a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar, Self

from taut._read_only import ReadOnly
from taut.checks import check_new_file
from taut.errors import InputError
from taut.recommendation.factor_choice import StrengthChoice


class ChosenModel(ReadOnly):
    """A frozen model that was fitted at a strength.

    Attributes:
        choice: What each strength lost on what was held out; None where one was given.
    """

    choice: StrengthChoice | None
    _write: ClassVar[Any]
    _read: ClassVar[Any]

    def plot(self) -> Any:
        """What each strength lost on what was held out, as an Altair chart.

        Raises:
            InputError: Where a strength was given, or Altair is not installed.
        """
        if self.choice is None:
            raise InputError(
                "`plot` shows how the strength was chosen. Received: a model whose strength was "
                "given. Fit with strength=None."
            )
        return self.choice.plot()

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write one NumPy archive, whole or not at all.

        Args:
            path: A new file.
            overwrite: Whether a file may be replaced.

        Raises:
            InputError: If it exists and may not be replaced.
        """
        return self._write(self, check_new_file(path, overwrite=overwrite))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote. Nothing is unpickled.

        Raises:
            InputError: If it is no such file, or is damaged.
        """
        return cls(**cls._read(path))
