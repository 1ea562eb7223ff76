"""What stops a study as a crash would."""

from taut.engine import Callback


class StopAfter(Callback):
    """Raises after so many looks at a study."""

    def __init__(self, looks):
        self.looks = looks

    def on_update(self, news):
        self.looks -= 1
        if self.looks < 0:
            raise RuntimeError("crash")
