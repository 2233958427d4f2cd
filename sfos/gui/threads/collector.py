"""Collection of garbage that holds itself: in Tk's thread, and in no other."""

from __future__ import annotations

import gc

from sfos.gui.threads.bridge import TaskBridge

_COLLECT_S = 1.0


class Collector:
    """Runs Python's cyclic garbage collection in Tk's thread alone, for as long as it is on.

    Left to itself it runs in whichever thread happens to allocate; when it then finds a dialog that was closed, Tk
    variables and images are deleted from a worker thread, which tkinter either refuses or waits for.
    """

    def __init__(self, bridge: TaskBridge) -> None:
        self._bridge = bridge
        self._was_enabled = gc.isenabled()
        self._thresholds = gc.get_threshold()
        gc.disable()
        self._schedule()

    def stop(self) -> None:
        """Leave it to Python again."""
        if self._was_enabled:
            gc.enable()

    def _schedule(self) -> None:
        self._timer = self._bridge.call_later(_COLLECT_S, self._look)

    def _look(self) -> None:
        # The same generations at the same counts as Python's own; the oldest is looked at rarely, for it costs most.
        counts = gc.get_count()
        for generation in (2, 1, 0):
            if counts[generation] > self._thresholds[generation]:
                gc.collect(generation)
                break
        self._schedule()
