"""Layout of a backup directory, and copying in and out of it durably.

    sfos-backup                                      says that this is one, and of which format
    stores/<space>/chunks/<xx>/<chunk id>-<8 hex>    chunks, shared by all snapshots, under the names they always had
    stores/<space>/small-<epoch>.db                  small chunks; their numbers mean something within one epoch only
    stores/<space>/catalogs.db                       pages of the catalogs, each once (server.maintenance.catalog_pages)
    snapshots/<number>-<time>/<space>/               catalog (which of them), keys, HEAD
    snapshots/<number>-<time>/credentials.json       the accounts, or nobody could say whose space is whose
    snapshots/<number>-<time>/losses                 what could not be backed up, if anything

A snapshot is made under a name that begins with a dot, and gets its own when all it names is durable. Format 1 had
`catalog.db` in each snapshot, the whole catalog; such snapshots stay, and are restored as ever.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from sfos.server.disk.storage_faults import StorageFault

STORES = "stores"
SNAPSHOTS = "snapshots"
LOSSES_FILE = "losses"
ACCOUNTS_FILE = "credentials.json"

_BLOCK_BYTES = 1024 * 1024
_SNAPSHOT = re.compile(r"(\d{6,})-[0-9TZ]+")


class NoBackup(StorageFault):
    """This directory holds no complete backup."""


def snapshots_in(directory: Path) -> list[Path]:
    """The complete ones, the oldest first."""
    root = directory / SNAPSHOTS
    found = [path for path in root.iterdir() if _SNAPSHOT.fullmatch(path.name)] if root.is_dir() else []
    return sorted(found, key=lambda path: int(path.name.partition("-")[0]))


def small_file(epoch: bytes) -> str:
    """The name of the database of small chunks of an epoch."""
    return f"small-{epoch.hex()}.db"


class SourceUnread(OSError):
    """The disk does not give what is in the file that is to be copied."""


def copy_durably(source: Path, target: Path) -> None:
    """Copy a file, whole or not at all; its name is durable once the directory is synced. Raises: SourceUnread,
    OSError."""
    half_copied = target.with_name(f".{target.name}")
    with source.open("rb") as reading:
        descriptor = os.open(half_copied, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as writing:
                for block in _blocks(reading, source):
                    writing.write(block)
                writing.flush()
                os.fsync(writing.fileno())
        except OSError:
            half_copied.unlink()
            raise
    half_copied.replace(target)


def _blocks(file: BinaryIO, path: Path) -> Iterator[bytes]:
    """Content of the file, a piece at a time. Raises: SourceUnread."""
    try:
        while block := file.read(_BLOCK_BYTES):
            yield block
    except OSError as error:
        raise SourceUnread(error.errno, error.strerror, str(path)) from error
