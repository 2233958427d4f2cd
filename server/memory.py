"""Giving memory back to the system. What a crowd of connections used is free when it has gone, but the C library keeps
it for the next: 64 MiB after 800 idle connections (measured), which other programs on the machine may need more."""

from __future__ import annotations

import contextlib
import ctypes
import sys


def give_back() -> None:
    """Return what the allocator holds and nobody uses. Takes some milliseconds, without the GIL. Only glibc can."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # another C library: musl gives back by itself
            ctypes.CDLL(None).malloc_trim(0)
