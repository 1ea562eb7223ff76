"""What stops a study as a crash would."""

from taut.engine import Callback


class StopAfter(Callback):
    """Raises after so many looks at a study, once some lane is left to be trained."""

    def __init__(self, looks):
        self.looks = looks

    def on_update(self, news):
        self.looks -= 1
        if self.looks < 0 and news.ended < news.lanes:  # at the end it would only be told
            raise RuntimeError("crash")
