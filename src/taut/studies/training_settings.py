"""How the lanes of a study are trained: checked once, one object that travels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taut.checks import check_at_least, check_whole, check_whole_or_none, path_given
from taut.engine import Callback
from taut.errors import InputError


@dataclass(frozen=True)
class Settings:
    """The settings of every training of a study, as `regularization_path` takes them.

    Attributes:
        folder: Where checkpoints are written; None for none.
    """

    epochs: int
    batch_size: int
    patience: int | None
    width: int | None
    folder: Path | None
    checkpoint_seconds: float
    callbacks: Sequence[Callback]

    @classmethod
    def checked(
        cls,
        *,
        epochs: int,
        batch_size: int,
        seed: int = 0,
        patience: int | None = None,
        width: int | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_seconds: float = 60.0,
        callbacks: Sequence[Callback] | None = None,
    ) -> Settings:
        """Raise for sizes and a seed that cannot be, and for a folder that cannot be made."""
        check_whole(1, epochs=epochs, batch_size=batch_size)
        check_whole(0, seed=seed)
        check_whole_or_none(1, patience=patience, width=width)
        check_at_least(0, checkpoint_seconds=checkpoint_seconds)
        folder = None if checkpoint is None else _folder(checkpoint)
        return cls(epochs, batch_size, patience, width, folder, checkpoint_seconds, callbacks or ())

    def arguments(self, name: str) -> dict[str, Any]:
        """Those of `train_lanes`, for lanes that are saved under a name."""
        return {
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "patience": self.patience,
            "width": self.width,
            "checkpoint": None if self.folder is None else self.folder / f"{name}.npz",
            "checkpoint_seconds": self.checkpoint_seconds,
            "callbacks": self.callbacks,
        }


def _folder(checkpoint: str | os.PathLike[str]) -> Path:
    folder = path_given(checkpoint=checkpoint)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(
            "`checkpoint` must be a folder, or the name of a new one in a folder that can be "
            f"written. Received: {folder}: {error.strerror or error}."
        ) from error
    return folder
