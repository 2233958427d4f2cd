"""Buffers for sealed tokens, used again and again: a fresh megabyte costs more than sealing it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from sfos.protocol import MAX_CHUNK_BYTES
from sfos.server.vault.sealing import sealed_size

# The longest token, one block more that `update_into` asks for, and a byte by which a file that is too long shows.
SCRATCH_BYTES = sealed_size(MAX_CHUNK_BYTES) + 64


class ScratchBuffers:
    """Lends buffers of SCRATCH_BYTES; at most `keep` idle ones are kept. Safe from several threads."""

    def __init__(self, keep: int = 2) -> None:
        self._idle: deque[bytearray] = deque(maxlen=keep)

    @contextmanager
    def lend(self) -> Iterator[memoryview]:
        """A buffer that nobody else has meanwhile, with whatever was in it before."""
        try:
            buffer = self._idle.pop()
        except IndexError:
            buffer = bytearray(SCRATCH_BYTES)
        try:
            yield memoryview(buffer)
        finally:
            self._idle.append(buffer)
