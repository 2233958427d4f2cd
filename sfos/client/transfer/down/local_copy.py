"""Chunks that a file on this computer shares with the version that is to take its place: they are not fetched.

It is divided as for an upload, with the chunks of the coming version as a guess at its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor

from sfos.client.errors import LocalFileError
from sfos.client.local.chunking import Cutter, SourceFile
from sfos.client.transfer.known_chunks import KnownChunks
from sfos.client.transfer.pieces import Divider
from sfos.protocol import MAX_CHUNK_BYTES, ChunkRecord, SpaceInfo

_log = logging.getLogger(__name__)

_READ_BYTES = 2 * MAX_CHUNK_BYTES
_TRIED_BYTES = 32 * 1024 * 1024  # without a chunk in common: then there will hardly be any


def chunks_in_common(
    space: SpaceInfo,
    source: SourceFile,
    records: list[ChunkRecord],
    wanted: Collection[bytes],
    check: Callable[[], None],
) -> Iterator[tuple[bytes, memoryview]]:
    """Chunks of the file `source` that are `wanted`, with their names; the data is valid until the next.

    `records`: all those of the coming version. `check` is called now and then, to raise what shall end it. A file that
    cannot be read any further is at its end.
    """
    coming = frozenset(name for name, _ in records)
    found_any, tried = False, 0
    with ThreadPoolExecutor(1, "transfer-reader") as companion:
        divider = Divider(Cutter(space.cut_seed), space.chunk_key, companion)
        try:
            for name, data in _chunks(source, divider, KnownChunks(records), check):
                tried += len(data)
                found_any = found_any or name in coming
                if name in wanted:
                    yield name, data
                elif not found_any and tried >= _TRIED_BYTES:
                    return
        except LocalFileError as error:
            _log.debug("no more is taken from what is here: %s", error)


def _chunks(
    source: SourceFile, divider: Divider, known: KnownChunks, check: Callable[[], None]
) -> Iterator[tuple[bytes, memoryview]]:
    buffer = memoryview(bytearray(_READ_BYTES))
    kept, ended = 0, False
    while not ended:
        check()
        count, ended = source.fill(buffer[kept:])
        data = buffer[: kept + count]
        for name, length in divider.divide(data, known, ended=ended):
            yield name, data[:length]
            data = data[length:]
        kept = len(data)
        buffer[:kept] = data
