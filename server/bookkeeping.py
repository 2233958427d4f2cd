"""What has to reach the disk now and then, in a thread of its own: a slow disk holds nobody up but this."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

_log = logging.getLogger(__name__)


class Bookkeeper:
    """Calls each of `chores` every `every_s` seconds, from `start` to `stop`."""

    def __init__(self, chores: Sequence[Callable[[], None]], every_s: float) -> None:
        self._chores = chores
        self._every_s = every_s
        self._stopping = threading.Event()
        self._said = ""
        self._thread = threading.Thread(target=self._run, name="bookkeeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Return once no chore runs any more. Nothing is called a last time."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._every_s):
            for chore in self._chores:
                try:
                    chore()
                except OSError as error:
                    # Tried again next time; saying so each time would bury all else.
                    if self._said != str(error):
                        _log.error("what has to be kept cannot be written: %s", error)
                    self._said = str(error)
