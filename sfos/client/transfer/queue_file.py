"""Transfers that had not come to their end when their program ended: one small file for each user of each server.

    state directory/transfers-<hash of user and server>.json     mode 0600, gone when nothing waits

It has what was asked for (paths here, numbers and names there), and nothing that opens anything.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from sfos.client.address import Address
from sfos.client.errors import LocalFileError
from sfos.client.local.private_files import MAX_BYTES, PrivateJson

_log = logging.getLogger(__name__)


class KeptUpload(msgspec.Struct, frozen=True, omit_defaults=True, tag="upload"):
    """`paths`: as the system spells them, which need not be text. `node`, `path`: of the folder on the server.
    `hidden`: hidden things in those paths go along."""

    paths: tuple[bytes, ...]
    node: int
    path: str
    hidden: bool = True

    @property
    def count(self) -> int:
        """Number of files and folders that were asked for."""
        return len(self.paths)

    @property
    def title(self) -> str:
        """Title for the log."""
        return f"upload to {self.path}"


class KeptDownload(msgspec.Struct, frozen=True, tag="download"):
    """`nodes`: what is to be fetched; `folder`: where to."""

    nodes: tuple[int, ...]
    folder: bytes

    @property
    def count(self) -> int:
        """Number of files and folders that were asked for."""
        return len(self.nodes)

    @property
    def title(self) -> str:
        """Title for the log."""
        return f"download to {path_of(self.folder)}"


Kept = KeptUpload | KeptDownload


class _File(msgspec.Struct, frozen=True):
    version: int = 1
    transfers: tuple[Kept, ...] = ()


def file_for(directory: Path, address: Address, user: str) -> Path:
    """File that keeps the transfers of `user` at this server."""
    # Hashed: a name from outside is never a part of a path.
    name = hashlib.sha256(f"{user}\0{address}".encode()).hexdigest()[:32]
    return directory / f"transfers-{name}.json"


def load(path: Path) -> tuple[Kept, ...]:
    """Transfers that were kept, in their order. A file that cannot be read, or that others may have written, counts as
    none."""
    try:
        kept = PrivateJson(path, _File, secret=True).read()
    except (LocalFileError, OSError) as error:
        _log.warning("the unfinished transfers cannot be read: %s", error)
        return ()
    return kept.transfers if kept is not None and kept.version == 1 else ()


def save(path: Path, transfers: Sequence[Kept]) -> None:
    """Keep `transfers` in place of what was kept before. Blocks on the disk. Raises: SfosError, OSError."""
    kept = _what_fits(tuple(transfers))
    if kept:
        PrivateJson(path, _File, secret=True).write(_File(transfers=kept))
    else:
        path.unlink(missing_ok=True)


def _what_fits(transfers: tuple[Kept, ...]) -> tuple[Kept, ...]:
    """Transfers without the longest ones, if all together would be too long a file: so as few as can be are lost."""
    sizes = [len(msgspec.json.encode(each)) + 1 for each in transfers]  # a comma each
    too_much = len(msgspec.json.encode(_File())) + sum(sizes) - MAX_BYTES
    dropped: set[int] = set()
    for index in sorted(range(len(sizes)), key=sizes.__getitem__, reverse=True):
        if too_much <= 0:
            break
        dropped.add(index)
        too_much -= sizes[index]
        lost = transfers[index]
        _log.warning("too long to be kept: the unfinished %s of %d items", lost.title, lost.count)
    return tuple(each for index, each in enumerate(transfers) if index not in dropped)


def spelled(path: Path) -> bytes:
    """`path` as it is kept."""
    return os.fsencode(path)


def path_of(spelling: bytes) -> Path:
    """The path that was kept."""
    return Path(os.fsdecode(spelling))
