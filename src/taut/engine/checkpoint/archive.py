"""Checkpoints: one file that holds a study as far as it is, replaced as a whole.

The file is a NumPy archive (zip): arrays without pickle, each with a checksum that is compared
when it is read. It is written under a temporary name, synced, and renamed.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from taut.checks import check_at_least, path_given
from taut.engine import processes
from taut.engine.ledger import Ledger
from taut.engine.state import LaneState
from taut.errors import InputError
from taut.files import replace_file

Tree = Any
FORMAT = 3


class Checkpoint:
    """Where a study is saved, and when it was last.

    Args:
        path: The file; its folder must exist.
        seconds: Save when so many seconds have passed since the last time.
        study: Digests of what makes the study, by name: a file of another study is refused.
        least_seconds: Save nothing of a study before it has taken so long.
        most_bytes: Save nothing of a study whose weights take more.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        seconds: float,
        study: Mapping[str, str],
        *,
        least_seconds: float = 0.0,
        most_bytes: int | None = None,
    ):
        check_at_least(0, checkpoint_seconds=seconds)
        self.path: Path = path_given(checkpoint=path)
        self._seconds, self._study = seconds, dict(study)
        self._least, self._most = least_seconds, most_bytes
        self._begun = self._saved = time.monotonic()
        self.seconds_before: float = 0.0
        """What the calls took from whose file this one goes on."""
        self._warned = False
        if processes.first():
            self._check_folder()

    def due(self) -> bool:
        return bool(processes.agreed(time.monotonic() - self._saved) >= self._seconds)

    def worth(self) -> bool:
        """Whether the study has taken long enough to be saved."""
        return time.monotonic() - self._begun >= self._least

    def load(self, ledger: Ledger, like: LaneState) -> dict[str, Any] | None:
        """Give the ledger what was saved; returns the numbers saved with it, None without a file.

        Args:
            ledger: Of the same study, before it began.
            like: The state of some lane, for its structure.

        Raises:
            InputError: If the file cannot be read, is damaged, or is of another study.
        """
        saved = self._read()
        if saved is None:
            return None
        about, arrays = saved
        try:
            _restore(ledger, about["ledger"], arrays, like)
            self.seconds_before = float(about.get("seconds", 0.0))  # older files lack it
            return about["numbers"]
        except Exception as error:
            raise self._damaged(error) from error

    def save(
        self, ledger: Ledger, states: Mapping[int, LaneState], numbers: dict[str, Any]
    ) -> None:
        """Write the ledger, the states of lanes in training and some numbers; replace the file.

        A full disk, or whatever else is in the way of a file, must not end a long study: it is told
        by a warning, the last whole file stays, and the next time it is tried again.
        """
        self._saved = time.monotonic()
        if not processes.first() or not self.worth():
            return
        states = {**ledger.states, **states}
        if self._most is not None and _bytes(ledger, states) > self._most:
            return
        parts, arrays = _flatten(ledger, states)
        about = {
            "format": FORMAT,
            "study": self._study,
            "ledger": parts,
            "numbers": numbers,
            "seconds": self.seconds_before + self._saved - self._begun,
        }
        try:
            everything = {**arrays, "about": np.array(json.dumps(about))}
            replace_file(self.path, lambda file: np.savez(file, allow_pickle=False, **everything))
        except Exception as error:
            if not self._warned:
                self._warned = True
                reason = getattr(error, "strerror", None) or error
                warnings.warn(
                    f"The checkpoint {self.path} could not be written ({reason}); "
                    "what it held before is whole. The study goes on, and will try again.",
                    RuntimeWarning,
                    stacklevel=2,
                )
        self._saved = time.monotonic()

    def _read(self) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
        """What was written, as (JSON, arrays); None without a file.

        Raises:
            InputError: If the file cannot be read, is damaged, or is of another study.
        """
        try:
            with open(self.path, "rb") as file, np.load(file, allow_pickle=False) as archive:
                about = json.loads(str(archive["about"]))
                if about["format"] != FORMAT:
                    raise InputError(
                        f"A checkpoint must be of format {FORMAT}. Received: {self.path} of format "
                        f"{about['format']}. Use the taut that wrote it, or delete it."
                    )
                other = [k for k, v in self._study.items() if about["study"].get(k) != v]
                if other:
                    raise InputError(
                        "A checkpoint continues the study that wrote it. Received: "
                        f"{self.path}, of a study with other {', '.join(other)}. Give another "
                        "`checkpoint`; or, to begin anew, delete the file, or, where `checkpoint` "
                        "is a folder, all that the study wrote there."
                    )
                arrays = {name: archive[name] for name in archive.files if name != "about"}
        except FileNotFoundError:
            return None
        except InputError:
            raise
        except Exception as error:  # whatever NumPy and zipfile make of damaged bytes
            raise self._damaged(error) from error
        return about, arrays

    def _damaged(self, error: Exception) -> InputError:
        return InputError(
            f"A checkpoint must be whole. Received: {self.path}, which cannot be read "
            f"({type(error).__name__}: {error}). "
            "Restore it from a copy, or delete it: what it held is trained again."
        )

    def _check_folder(self) -> None:
        folder = self.path.parent
        reason = "is a folder" if self.path.is_dir() else None
        if not folder.is_dir():
            reason = f"its folder {folder} does not exist"
        elif reason is None:
            try:
                with tempfile.NamedTemporaryFile(prefix=f".{self.path.name}.", dir=folder):
                    pass
            except OSError as error:
                reason = f"its folder cannot be written ({error.strerror or error})"
        if reason:
            raise InputError(
                f"`checkpoint` must be a file in a folder that can be written. Received: "
                f"{self.path}: {reason}."
            )


def _bytes(ledger: Ledger, states: Mapping[int, LaneState]) -> int:
    snapshots = [tree for of_lane in ledger.snapshots.values() for _, tree in of_lane]
    trees = [list(ledger.kept.values()), list(states.values()), snapshots]
    return sum(leaf.nbytes for leaf in jax.tree.leaves(trees))


def _flatten(
    ledger: Ledger, states: Mapping[int, LaneState]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The ledger as JSON and arrays: like trees are stacked leaf by leaf."""
    snapshots = [
        (i, epoch, tree) for i, of_lane in ledger.snapshots.items() for epoch, tree in of_lane
    ]
    trees = {
        "kept": list(ledger.kept.values()),
        "states": list(states.values()),
        "snapshots": [tree for _, _, tree in snapshots],
    }
    parts = {
        "status": ledger.status,
        "rung": ledger.rung,
        "kept": list(ledger.kept),
        "states": list(states),
        "snapshots": [[i, epoch] for i, epoch, _ in snapshots],
        "types": {},
    }
    arrays = {"losses": ledger.losses, "ran": ledger.ran, "best_epoch": ledger.best_epoch}
    for name, group in trees.items():
        for k, leaves in enumerate(zip(*map(jax.tree.leaves, group), strict=True)):
            stacked = np.stack(leaves)
            parts["types"][f"{name}/{k}"] = stacked.dtype.name
            # Types that NumPy does not know, such as bfloat16, travel as bytes.
            known = stacked.dtype.kind in "biuf"
            arrays[f"{name}/{k}"] = stacked if known else stacked.view(np.uint8)
    return parts, arrays


def _restore(
    ledger: Ledger, parts: dict[str, Any], arrays: dict[str, np.ndarray], like: LaneState
) -> None:
    """Fill the ledger; `like` is a state of some lane."""
    ledger.losses, ledger.ran = arrays["losses"], arrays["ran"]
    ledger.best_epoch = arrays["best_epoch"]
    ledger.status, ledger.rung = parts["status"], parts["rung"]

    def trees(name: str, like: Tree) -> list[Tree]:
        structure = jax.tree.structure(like)
        keys = [f"{name}/{k}" for k in range(structure.num_leaves)] if parts[name] else []
        leaves = [arrays[key].view(np.dtype(parts["types"][key])) for key in keys]
        numbers = range(len(parts[name]))
        return [jax.tree.unflatten(structure, [leaf[n] for leaf in leaves]) for n in numbers]

    ledger.kept = dict(zip(parts["kept"], trees("kept", like.best), strict=True))
    ledger.states = dict(zip(parts["states"], trees("states", like), strict=True))
    ledger.snapshots = {}
    pairs = zip(parts["snapshots"], trees("snapshots", like.best), strict=True)
    for (i, epoch), tree in pairs:
        ledger.snapshots.setdefault(i, []).append((epoch, tree))
