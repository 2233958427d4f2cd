"""Databases of small chunks as files: rows copied from one into another, for backups, and taken out of one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from sfos.server.chunks.small import SmallStore
from sfos.server.disk.durable_files import sync_directory
from sfos.server.disk.sqlite import open_database

_BATCH = 500


def copy_small(source: Path, target: Path, wanted: dict[int, tuple[bytes, int]], losses: list[str]) -> int:
    """Copy the `wanted` tokens (number → chunk id, bytes) that `target` lacks, durably; how many.

    They keep their numbers. What cannot be copied whole is said in `losses`. Raises: DatabaseError, OSError.
    """
    SmallStore(target, lambda: 0).close()  # makes the table
    count = 0
    with open_database(target, "rw") as writing:
        known = dict(writing.execute("SELECT location, chunk FROM tokens"))
        for number, (chunk, _) in wanted.items():
            if known.get(number, chunk) != chunk:
                losses.append(f"small chunk {number} is another one in {target}")
        lacking = [number for number in wanted if number not in known]
        if lacking and not source.is_file():
            losses.append(f"{len(lacking)} small chunks: {source.name} is not there")
        elif lacking:
            with open_database(source, "rw") as reading:  # a write-ahead log beside it is read too, which takes "rw"
                for batch in _batches(lacking):
                    rows = []
                    for number in batch:
                        row = reading.execute(_ROW, (number,)).fetchone()
                        if row is None:
                            losses.append(f"small chunk {number} is not there")
                            continue
                        _, chunk, _, token = row
                        if (chunk, len(token)) == wanted[number]:
                            rows.append(row)
                        else:
                            losses.append(f"small chunk {number} is not as its row says")
                    writing.execute("BEGIN IMMEDIATE")
                    writing.executemany(_INSERT, rows)
                    writing.execute("COMMIT")
                    count += len(rows)
        writing.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    sync_directory(target.parent)
    return count


_ROW = "SELECT location, chunk, stored_ms, token FROM tokens WHERE location = ?"
_INSERT = "INSERT INTO tokens (location, chunk, stored_ms, token) VALUES (?, ?, ?, ?)"


def prune_small(path: Path, wanted: set[int]) -> int:
    """Take all tokens out but the `wanted` ones, and give their room back; how many went. Raises: DatabaseError."""
    with open_database(path, "rw") as connection:
        stored = [number for (number,) in connection.execute("SELECT location FROM tokens")]
        going = [number for number in stored if number not in wanted]
        for batch in _batches(going):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("DELETE FROM tokens WHERE location = ?", [(number,) for number in batch])
            connection.execute("COMMIT")
        if going:
            connection.executescript("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE);")
    return len(going)


def _batches(numbers: Iterable[int]) -> Iterator[list[int]]:
    """As many as fit a transaction at a time."""
    rest = iter(numbers)
    while batch := list(islice(rest, _BATCH)):
        yield batch
