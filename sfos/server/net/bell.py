"""A descriptor that wakes a thread in poll(): its bell."""

from __future__ import annotations

import os
import threading


class Bell:
    """Wakes a thread that waits in poll(). Any thread may ring; only the waiting one clears.

    Its descriptor is an eventfd (Linux): a watcher must wait for its socket and for its bell at once.
    """

    def __init__(self) -> None:
        self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._lock = threading.Lock()  # so that no ring falls on a descriptor that is closed, and then another's

    def fileno(self) -> int:
        return self._fd

    def ring(self) -> None:
        with self._lock:
            if self._fd >= 0:
                os.eventfd_write(self._fd, 1)

    def clear(self) -> None:
        """Forget the rings so far. Look at what they were about only after this, or one is lost."""
        try:
            os.eventfd_read(self._fd)
        except BlockingIOError:
            return  # nobody rang

    def close(self) -> None:
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1
