"""Trees that transfers move in tests, read afterwards on this computer and on the server."""

from __future__ import annotations

import random
from pathlib import Path

from sfos.client.session.session import Session
from sfos.client.transfer import ItemState, Job


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes that no two seeds share, and that are cut as those of real files are."""
    return random.Random(seed).randbytes(size)


def local_tree(folder: Path) -> dict[str, bytes | None]:
    """Everything in a local folder: files with their content, folders as None, links as where they point."""
    found: dict[str, bytes | None] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}".encode()
        else:
            found[name] = None if path.is_dir() else path.read_bytes()
    return found


def local_files(folder: Path) -> dict[str, bytes]:
    """Files of a local tree, without its folders."""
    return {name: content for name, content in local_tree(folder).items() if content is not None}


def remote_files(session: Session, folder: str) -> dict[str, bytes]:
    """Files of a folder on the server, read back; links as where they point."""
    found: dict[str, bytes] = {}
    for listing in session.api.walk(folder):
        for entry in listing.entries:
            path = "/".join((*listing.path, entry.name))
            if entry.kind == "file":
                found[path] = session.api.read_range(entry)
            elif entry.kind == "symlink":
                assert entry.attrs is not None
                found[path] = f"-> {entry.attrs.link}".encode()
    return found


def item_states(job: Job) -> dict[str, ItemState]:
    """State of each item at its end, by the name that it has here."""
    return {item.local.name: item.state for item in job.items()}
