"""The mark of a restoration that is under way: the file `restoring` in the storage directory, its spaces' ids in it.

It is durable before the first byte is restored, and goes when everything is in place. So whoever finds it without a
restoration running knows that one was cut off, and that none of these spaces was ever served.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sfos.server.disk.durable_files import sync_directory, write_durably
from sfos.server.disk.storage_faults import StorageFault
from sfos.server.spaces.directory import is_space_id

MARK_FILE = "restoring"
_MAGIC = "sfos-restoring-1"


class RestoreUnfinished(StorageFault):
    """A restoration was cut off before its end; run `restore` again."""


def check_restored(storage_dir: Path) -> None:
    """Raises: RestoreUnfinished, OSError."""
    if (storage_dir / MARK_FILE).exists():
        raise RestoreUnfinished(f"{storage_dir / MARK_FILE} is there")


def set_mark(storage_dir: Path, space_ids: Iterable[str]) -> None:
    """Say durably that these spaces are being restored. Raises: OSError."""
    lines = [_MAGIC, *space_ids]
    write_durably(storage_dir / MARK_FILE, "".join(f"{line}\n" for line in lines).encode("ascii"), mode=0o600)


def read_mark(storage_dir: Path) -> list[str] | None:
    """The ids in the mark, None if there is none. Raises: RestoreUnfinished for one that is not ours, OSError.

    Each is the id of a space, for what they name is removed.
    """
    try:
        magic, *space_ids = (storage_dir / MARK_FILE).read_text("ascii", "replace").splitlines()
    except FileNotFoundError:
        return None
    except ValueError:
        magic, space_ids = "", []
    if magic != _MAGIC or not all(is_space_id(one) for one in space_ids):
        raise RestoreUnfinished(f"{storage_dir / MARK_FILE} cannot be read; empty the directory, then restore")
    return space_ids


def clear_mark(storage_dir: Path) -> None:
    """Everything is in place, or nothing is. Durable. Raises: OSError."""
    (storage_dir / MARK_FILE).unlink(missing_ok=True)
    sync_directory(storage_dir)
