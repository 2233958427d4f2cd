"""Writes to disk now and then whatever has to get there, in a thread of its own: a slow disk holds up nobody else."""

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
        self._said = [""] * len(chores)
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
            for number, chore in enumerate(self._chores):
                try:
                    chore()
                except OSError as error:
                    if self._is_new(number, error):
                        _log.error("what has to be kept cannot be written: %s", error)
                except Exception as error:  # a fault of ours in one chore must not end them all
                    if self._is_new(number, error):
                        _log.exception("a chore of the bookkeeper failed")

    def _is_new(self, number: int, error: Exception) -> bool:
        """Whether that chore failed in another way before. It is tried again next time; to say so each time would bury
        all else.
        """
        said, self._said[number] = self._said[number], f"{type(error).__name__}: {error}"
        return said != self._said[number]
