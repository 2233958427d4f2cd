"""Layout of a backup directory, and copying in and out of it durably.

    sfos-backup                                      says that this is one
    stores/<space>/chunks/<xx>/<chunk id>-<8 hex>    chunks, shared by all snapshots, under the names they always had
    stores/<space>/small-<epoch>.db                  small chunks; their numbers mean something within one epoch only
    snapshots/<number>-<time>/<space>/               catalog.db, keys, HEAD
    snapshots/<number>-<time>/credentials.json       the accounts, or nobody could say whose space is whose
    snapshots/<number>-<time>/losses                 what could not be backed up, if anything

A snapshot is made under a name that begins with a dot, and gets its own when all it names is durable.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from sfos.server.disk.durable_files import sync_directory
from sfos.server.disk.sqlite import open_database
from sfos.server.disk.storage_faults import StorageFault

MARKER = "sfos-backup"
STORES = "stores"
SNAPSHOTS = "snapshots"
LOSSES_FILE = "losses"
ACCOUNTS_FILE = "credentials.json"

_SNAPSHOT = re.compile(r"(\d{6,})-[0-9TZ]+")
_DISK_LOCATION = re.compile(r"disk:([0-9a-f]{2}/[0-9a-f]{64}-[0-9a-f]{8})")
_SMALL_LOCATION = re.compile(r"small:([0-9]{1,19})")


class NoBackup(StorageFault):
    """This directory holds no complete backup."""


@dataclass(frozen=True, slots=True)
class Named:
    """Chunks that a catalog names. `on_disk`: path below chunks/ → bytes. `small`: number → (chunk id, bytes)."""

    epoch: bytes
    seq: int
    digest: bytes
    on_disk: dict[str, int]
    small: dict[int, tuple[bytes, int]]


def read_named(catalog: Path) -> Named:
    """Read the chunks named by a catalog that nobody writes to. Raises: DatabaseError, NoBackup for a name that is no
    location."""
    with open_database(catalog, "ro") as connection:
        row = connection.execute("SELECT epoch, seq, digest FROM spaces").fetchone()
        if row is None:
            raise NoBackup(f"{catalog} is empty")
        epoch, seq, digest = row
        on_disk: dict[str, int] = {}
        small: dict[int, tuple[bytes, int]] = {}
        for chunk, location, length in connection.execute("SELECT id, location, sealed_len FROM chunks"):
            if disk := _DISK_LOCATION.fullmatch(location):
                on_disk[disk[1]] = length
            elif (number := _SMALL_LOCATION.fullmatch(location)) and int(number[1]) < 2**63:
                small[int(number[1])] = (chunk, length)
            else:
                raise NoBackup(f"{catalog}: {location!r} is no location")
    return Named(epoch, seq, digest, on_disk, small)


def snapshots_in(directory: Path) -> list[Path]:
    """The complete ones, the oldest first."""
    root = directory / SNAPSHOTS
    found = [path for path in root.iterdir() if _SNAPSHOT.fullmatch(path.name)] if root.is_dir() else []
    return sorted(found, key=lambda path: int(path.name.partition("-")[0]))


def small_file(epoch: bytes) -> str:
    """The name of the database of small chunks of an epoch."""
    return f"small-{epoch.hex()}.db"


def copy_durably(source: Path, target: Path) -> None:
    """Copy a file, whole or not at all; its name is durable once the directory is synced. Raises: OSError."""
    half_copied = target.with_name(f".{target.name}")
    with source.open("rb") as reading:
        descriptor = os.open(half_copied, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as writing:
            shutil.copyfileobj(reading, writing, 1024 * 1024)
            writing.flush()
            os.fsync(writing.fileno())
    half_copied.replace(target)


def copy_chunks(source: Path, target: Path, wanted: dict[str, int], losses: list[str]) -> int:
    """Copy the chunk files that `target` lacks, durably; how many. What cannot be copied whole is said in `losses`."""
    count = 0
    touched: set[Path] = set()
    for path, length in wanted.items():
        copy = target / path
        with contextlib.suppress(FileNotFoundError):
            if copy.stat().st_size == length:
                continue
        try:
            found = (source / path).stat().st_size
            if found != length:
                losses.append(f"chunk file {path} has {found} bytes, not {length}")
                continue
            if copy.parent not in touched:
                copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            copy_durably(source / path, copy)
        except FileNotFoundError:
            losses.append(f"chunk file {path} is not there")
            continue
        touched.add(copy.parent)
        count += 1
    for directory in touched:
        sync_directory(directory)
    if target.is_dir():
        sync_directory(target)
    return count
