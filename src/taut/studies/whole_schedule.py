"""A schedule of learning rates that a training on fewer rows goes through to its end."""

from __future__ import annotations

import weakref
from typing import Any

import keras
from keras import ops

from taut._keras.kept_state import schedule_of
from taut.engine.model_copy import give_state
from taut.studies.study_model import compiled_copy

_copies: weakref.WeakKeyDictionary[Any, dict[float, Any]] = weakref.WeakKeyDictionary()


@keras.saving.register_keras_serializable("taut")
class WholeSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Another schedule, `factor` times as fast: its rate at step t is that at `factor`·t.

    Example:
        >>> import keras
        >>> from taut.studies.whole_schedule import WholeSchedule
        >>> cosine = keras.optimizers.schedules.CosineDecay(0.1, 100)
        >>> float(WholeSchedule(cosine, 1.25)(80)) == float(cosine(100)) == 0.0
        True
    """

    def __init__(self, schedule: Any, factor: float):
        self.schedule, self.factor = schedule, factor

    def __call__(self, step: Any) -> Any:
        return self.schedule(ops.cast(step, "float32") * self.factor)

    def get_config(self) -> dict[str, Any]:
        schedule = keras.saving.serialize_keras_object(self.schedule)
        return {"schedule": schedule, "factor": self.factor}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> WholeSchedule:
        return cls(keras.saving.deserialize_keras_object(config["schedule"]), config["factor"])


def with_whole_schedule(model: Any, factor: float) -> Any:
    """A study's copy of a model whose schedule is `factor` times as fast.

    Schedules count steps. A training on fewer rows has fewer of them in as many epochs, and would
    end before its rate has fallen: it is compared at its noisiest.

    Args:
        model: Compiled; it is not changed, and returned where its rate has no schedule.
        factor: Steps of a training on all rows by those of a training on fewer.
    """
    schedule = schedule_of(model.optimizer)
    if schedule is None or factor == 1:
        return model
    copies = _copies.setdefault(model, {})
    if factor not in copies:
        rate = WholeSchedule(schedule, factor)
        entries = getattr(model.optimizer, "entries", ())
        request = {entry.selector: entry.penalty for entry in entries}
        copies[factor] = compiled_copy(model, request or None, learning_rate=rate)
    give_state(model, copies[factor])
    return copies[factor]
