"""Gives free memory back to the system. Only glibc has to be told to; other C libraries do so by themselves."""

from __future__ import annotations

import contextlib
import ctypes
import sys

from sfos.startup.large_blocks import keep_out_of_pools

_M_ARENA_MAX, _M_TRIM_THRESHOLD = -8, -1  # glibc's malloc.h
_POOLS = 2
_FREE_AT_THE_END_BYTES = 4 * 1024 * 1024


def set_up() -> None:
    """Let all threads take memory from two pools, and large blocks from the system. Call it before there are threads.

    By itself glibc makes a pool for each thread, up to eight a core, and each keeps the largest that it ever held: with
    16 clients at once the server took 392 MiB in place of 272 (measured). Python's lock leaves little to wait for.

    Once a large block has been freed it takes others like it from the pools, and puts small things where they were:
    after those 16 clients, with two left, 97 MiB of the pools' 154 were free and in pieces. With blocks from 1 MiB on
    kept out they had 51 in all. Whoever needs large blocks often uses the same again, so it costs little.
    """
    keep_out_of_pools()
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            library = ctypes.CDLL(None)
            library.mallopt(_M_ARENA_MAX, _POOLS)
            library.mallopt(_M_TRIM_THRESHOLD, _FREE_AT_THE_END_BYTES)  # else 128 KiB from now on, and many calls


def give_back() -> None:
    """Return what the allocator holds and nobody uses: what a crowd of connections had, when it has gone.

    It would be kept for the next: 64 MiB after 800 idle connections (measured), which other programs on the machine may
    need more. Takes some milliseconds, without the GIL.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
