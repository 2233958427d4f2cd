"""Data to be moved: generated from a seed, so that every run and every program gets the same bytes.

Content is the key stream of AES-128-CTR: as random as random data for all that compresses or deduplicates, and made
ten times faster than the system makes it. Files are written in pieces, since this process has to stay small.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

MIB = 1024 * 1024
_PIECE = 4 * MIB
_PER_FOLDER = 100


class NotEqual(Exception):
    """Content that came back is not the content sent."""


def random_pieces(seed: str, size: int, piece_bytes: int = _PIECE) -> Iterator[memoryview]:
    """`size` bytes that depend on `seed` alone; each piece is valid until the next."""
    stream = Cipher(AES(hashlib.sha256(seed.encode()).digest()[:16]), CTR(bytes(16))).encryptor()
    zeros, piece = bytes(piece_bytes), memoryview(bytearray(piece_bytes + 16))
    for at in range(0, size, piece_bytes):
        count = stream.update_into(zeros[: min(piece_bytes, size - at)], piece)
        yield piece[:count]


def make_file(path: Path, size: int, seed: str) -> Path:
    """A file of random bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for piece in random_pieces(seed, size):
            file.write(piece)
    return path


def make_inserted(path: Path, source: Path, first: bytes) -> Path:
    """`source` with `first` put in at its front."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file, source.open("rb") as original:
        file.write(first)
        shutil.copyfileobj(original, file, _PIECE)
    return path


def make_tree(path: Path, count: int, size: int, seed: str) -> Path:
    """`count` files of `size` random bytes each, a hundred to a folder."""
    for number, content in enumerate(random_pieces(seed, count * size, size)):
        folder = path / f"folder-{number // _PER_FOLDER:05}"
        if number % _PER_FOLDER == 0:
            folder.mkdir(parents=True)
        (folder / f"file-{number:06}.bin").write_bytes(content)
    return path


def make_names(path: Path, count: int, per_folder: int) -> Path:
    """`count` files of one byte each, `per_folder` to a folder (all in `path` itself if that is `count` or more)."""
    path.mkdir(parents=True)
    for number in range(count):
        folder = path if per_folder >= count else path / f"folder-{number // per_folder:05}"
        if number % per_folder == 0:
            folder.mkdir(exist_ok=True)
        (folder / f"a name of ordinary length {number:06}.txt").write_bytes(b"x")
    return path


def make_sparse(path: Path, size: int) -> Path:
    """A file of `size` zero bytes that takes no room."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(size)
    return path


def check_made(path: Path, size: int, seed: str) -> None:
    """Return if the file is what `make_file` would make of `size` and `seed`. Raises: NotEqual."""
    if not path.is_file() or path.stat().st_size != size:
        raise NotEqual(f"{path.name}: missing, or of another size")
    with path.open("rb") as file:
        for piece in random_pieces(seed, size):
            if file.read(len(piece)) != piece:
                raise NotEqual(f"{path.name}: other bytes than were made")


def check_equal(path: Path, original: Path) -> None:
    """Return if the two files, or the two folders with all that is in them, are equal. Raises: NotEqual."""
    if original.is_dir():
        names = sorted(entry.name for entry in original.iterdir())
        if not path.is_dir() or sorted(entry.name for entry in path.iterdir()) != names:
            raise NotEqual(f"{path.name}: other names than were sent")
        for name in names:
            check_equal(path / name, original / name)
        return
    if not path.is_file() or path.stat().st_size != original.stat().st_size:
        raise NotEqual(f"{path.name}: missing, or of another size")
    with path.open("rb") as one, original.open("rb") as other:
        while piece := one.read(_PIECE):
            if piece != other.read(_PIECE):
                raise NotEqual(f"{path.name}: other bytes than were sent")


def tree_bytes(path: Path) -> int:
    """The sizes of all files below `path`, added up."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
