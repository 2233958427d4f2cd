"""The chunks of an earlier version of a file, as a guess at those of the version that takes its place.

Where a chunk ends is decided by its own bytes alone. So where cutting would begin a chunk, and the bytes from there on
are those of a chunk that is known, cutting would end it in the same place: a name that is right proves the guess. The
name has to be computed anyway; what the proof saves is the cutting, which costs more and holds Python's lock. (Had some
other client cut the earlier version in its own way, its boundaries would be kept, which does no harm.)
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from sfos.protocol import MIN_CHUNK_BYTES, ChunkRecord

_SURE = 8  # so many right in a row, a block of them: so will be the next ones
_MOST_MISSES = 3  # in a row: then nothing is guessed until a known chunk is met


class KnownChunks:
    """Goes along with the later version, chunk by chunk. In one thread."""

    def __init__(self, records: Sequence[ChunkRecord] = ()) -> None:
        """`records`: all those of the earlier version, in order. None: nothing is guessed."""
        cut_as_here = all(record.length >= MIN_CHUNK_BYTES for record in records[:-1])
        self._records = records if cut_as_here else ()
        self._next = 0
        self._right = 0  # so many came in a row as guessed; as many are guessed at once: a wrong one costs the rest
        self._misses = 0

    @property
    def is_sure(self) -> bool:
        """Whether many came as guessed."""
        return self._right >= _SURE

    def lengths(self, available: int, *, ended: bool) -> list[int] | None:
        """The bytes of the chunks that should come next, out of those `available`; None: cut them, nothing is known.

        Empty where the next one may need more than those. `ended`: there are no more.
        """
        records, last = self._records, len(self._records) - 1
        if self._next > last or self._misses >= _MOST_MISSES:
            return None
        until = last if self.is_sure else min(last, self._next + max(1, self._right))
        lengths: list[int] = []
        at = self._next
        while at < until and records[at].length <= available:
            lengths.append(records[at].length)
            available -= records[at].length
            at += 1
        if lengths:
            return lengths
        # The last one ended with its file and not where its bytes said: it comes again only at an end.
        length = records[at].length
        if ended:
            return [length] if at == last and length == available else None
        return [] if available <= length else None

    def expects(self, chunk_id: bytes) -> bool:
        """Whether this is the chunk that should come next."""
        return self._next < len(self._records) and self._records[self._next].chunk_id == chunk_id

    def came(self, chunk_id: bytes) -> None:
        """Tell which chunk came next."""
        if self.expects(chunk_id):
            self._next += 1
            self._right += 1
            self._misses = 0
            return
        place = self._places.get(chunk_id)
        self._right = 0
        self._misses = self._misses + 1 if place is None else 0
        self._next = (self._next if place is None else place) + 1  # one that is unknown took the other's place

    def has(self, chunk_id: bytes) -> bool:
        """Whether the earlier version has this chunk anywhere."""
        return chunk_id in self._places

    @cached_property
    def _places(self) -> dict[bytes, int]:
        """Place of each chunk; the first one, of a chunk that is there more than once."""
        places: dict[bytes, int] = {}
        for at, record in enumerate(self._records):
            places.setdefault(record.chunk_id, at)
        return places
