"""Catalogs of all snapshots of a space in one database: each of their pages once, for as long as it stays the same.

`stores/<space>/catalogs.db` numbers the states of the catalog that were backed up: generations, from 1. A page is kept
anew in a generation in which it is another than in the one before; so a catalog of a generation consists, for each
page, of the newest image up to then. A snapshot says which generation is its own, how long that is, and a hash over the
hashes of its pages, in the file `catalog`:

    sfos-catalog-pages-1 <generation> <pages> <bytes of a page> <BLAKE3, 64 hex digits>\\n

A generation is there whole or not at all. One that no snapshot came to use is like any other: the next is compared
with it. Snapshots of before this format (0 for a generation) hold their catalogs as files of their own.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from blake3 import blake3

from sfos.server.disk.durable_files import sync_directory, write_durably
from sfos.server.disk.sqlite import Connection, DatabaseError, open_database, transaction
from sfos.server.disk.storage_faults import StorageFault
from sfos.server.maintenance.progress import Progress

CATALOGS_FILE = "catalogs.db"
IMAGE_FILE = "catalog"
_MAGIC = "sfos-catalog-pages-1"
_PAGES_AT_ONCE = 2_048
_HEADER_BYTES = 100  # of a database file of SQLite; its bytes 16 and 17 are the length of a page
_LONGEST_PAGE = 65_536

_TABLES = (
    "CREATE TABLE IF NOT EXISTS generations (generation INTEGER PRIMARY KEY AUTOINCREMENT)",
    """CREATE TABLE IF NOT EXISTS versions (
        page INTEGER NOT NULL, generation INTEGER NOT NULL, hash BLOB NOT NULL, place INTEGER NOT NULL,
        PRIMARY KEY (page, generation)) WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS images (place INTEGER PRIMARY KEY, image BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS gone_files (path TEXT PRIMARY KEY, generation INTEGER NOT NULL) WITHOUT ROWID",
)
_NEWEST = "SELECT page, hash, max(generation) FROM versions WHERE page BETWEEN ? AND ? GROUP BY page"
_OF_GENERATION = """
    SELECT versions.hash, images.image FROM versions LEFT JOIN images ON images.place = versions.place
    WHERE versions.page BETWEEN ? AND ? AND versions.generation = (
        SELECT max(older.generation) FROM versions AS older
        WHERE older.page = versions.page AND older.generation <= ?)
    ORDER BY versions.page
"""
# Not needed any more: what another image had replaced by the oldest generation that is kept.
_REPLACED = """
    generation < (SELECT max(newer.generation) FROM versions AS newer
                  WHERE newer.page = versions.page AND newer.generation <= ?)
"""


class BackupDamaged(StorageFault):
    """The backup is damaged; restore another snapshot, and begin a new backup in another directory."""


@dataclass(frozen=True, slots=True)
class CatalogImage:
    """A catalog of one generation. `digest`: over the hashes of its pages."""

    generation: int
    pages: int
    page_bytes: int
    digest: bytes

    def to_line(self) -> bytes:
        """The file's content."""
        return f"{_MAGIC} {self.generation} {self.pages} {self.page_bytes} {self.digest.hex()}\n".encode("ascii")


def write_image(snapshot: Path, image: CatalogImage) -> None:
    """Note in a space's part of a snapshot which catalog it has, durably. Raises: OSError."""
    write_durably(snapshot / IMAGE_FILE, image.to_line(), mode=0o600)


def read_image(snapshot: Path) -> CatalogImage | None:
    """Catalog of a space's part of a snapshot; None where it is a file of its own. Raises: BackupDamaged, OSError."""
    path = snapshot / IMAGE_FILE
    try:
        magic, generation, pages, page_bytes, digest = path.read_text("ascii").split()
        image = CatalogImage(int(generation), int(pages), int(page_bytes), bytes.fromhex(digest))
    except FileNotFoundError:
        return None
    except ValueError:
        raise BackupDamaged(f"{path} cannot be read") from None
    if magic != _MAGIC or not (image.generation > 0 and image.pages > 0 and 0 < image.page_bytes <= _LONGEST_PAGE):
        raise BackupDamaged(f"{path} is not of this version")
    return image


class CatalogPages:
    """See the module's first lines. Used by one at a time; what each method writes is durable when it returns."""

    def __init__(self, connection: Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    def _transaction(self) -> AbstractContextManager[None]:
        return transaction(self._connection, begin="BEGIN IMMEDIATE")

    def next_generation(self) -> int:
        """Number of the generation that is added next. Raises: SqliteError."""
        row = self._connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'generations'").fetchone()
        return 1 if row is None else int(row[0]) + 1

    def add(self, catalog: Path, progress: Progress) -> CatalogImage:
        """Add the catalog in this file as the next generation. Raises: SqliteError, OSError."""
        whole = blake3()
        with catalog.open("rb") as file, self._transaction():
            page_bytes = _page_bytes_of(file)
            pages = os.fstat(file.fileno()).st_size // page_bytes
            generation = self.next_generation()
            self._connection.execute("INSERT INTO generations VALUES (?)", (generation,))
            for first in range(1, pages + 1, _PAGES_AT_ONCE):
                progress("catalog", first - 1, pages)
                block = memoryview(file.read(page_bytes * _PAGES_AT_ONCE))
                images = [block[at : at + page_bytes] for at in range(0, len(block), page_bytes)]
                hashes = [blake3(image).digest() for image in images]
                whole.update(b"".join(hashes))
                self._add_changed(generation, first, images, hashes)
        progress("catalog", pages, pages)
        return CatalogImage(generation, pages, page_bytes, whole.digest())

    def _add_changed(self, generation: int, first: int, images: list[memoryview], hashes: list[bytes]) -> None:
        known = {
            page: newest for page, newest, _ in self._connection.execute(_NEWEST, (first, first + len(images) - 1))
        }
        changed = [page for page, new in enumerate(hashes, first) if known.get(page) != new]
        if not changed:
            return
        ((place,),) = self._connection.execute("SELECT coalesce(max(place), 0) + 1 FROM images").fetchall()
        self._connection.executemany(
            "INSERT INTO images VALUES (?, ?)", ((place + at, images[page - first]) for at, page in enumerate(changed))
        )
        self._connection.executemany(
            "INSERT INTO versions VALUES (?, ?, ?, ?)",
            ((page, generation, hashes[page - first], place + at) for at, page in enumerate(changed)),
        )

    def write(self, image: CatalogImage, target: Path, progress: Progress) -> None:
        """Write the catalog into a new file, durably. Raises: BackupDamaged, SqliteError, OSError."""
        whole = blake3()
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            for first in range(1, image.pages + 1, _PAGES_AT_ONCE):
                progress("catalog", first - 1, image.pages)
                last = min(first + _PAGES_AT_ONCE - 1, image.pages)
                rows = self._connection.execute(_OF_GENERATION, (first, last, image.generation)).fetchall()
                if len(rows) != last - first + 1:
                    raise BackupDamaged(f"{self._path}: pages {first} to {last} are not all there")
                for page, (expected, found) in enumerate(rows, first):
                    if found is None or blake3(found).digest() != expected:
                        raise BackupDamaged(f"{self._path}: page {page} is not what was written")
                    whole.update(expected)
                    file.write(found)
            if whole.digest() != image.digest:
                raise BackupDamaged(f"{self._path}: generation {image.generation} is not what was written")
            file.flush()
            os.fsync(file.fileno())
        sync_directory(target.parent)
        progress("catalog", image.pages, image.pages)

    def note_files(self, directory: str, named: set[str], held: set[str]) -> None:
        """Note which files of chunks in one of their directories the next generation does not name any more, and which
        it names again. `named`, `held`: paths below chunks/. Raises: SqliteError."""
        rows = self._connection.execute(
            "SELECT path FROM gone_files WHERE path BETWEEN ? AND ?", (f"{directory}/", f"{directory}0")
        )
        known = {path for (path,) in rows}
        gone, again = held - named - known, known & named
        if not gone and not again:
            return
        generation = self.next_generation()
        with self._transaction():
            self._connection.executemany(
                "INSERT INTO gone_files VALUES (?, ?)", ((path, generation) for path in sorted(gone))
            )
            self._connection.executemany("DELETE FROM gone_files WHERE path = ?", ((path,) for path in again))

    def gone_files(self, oldest: int) -> list[str]:
        """Files of chunks that no generation from `oldest` on names, in order. Raises: SqliteError."""
        rows = self._connection.execute("SELECT path FROM gone_files WHERE generation <= ? ORDER BY path", (oldest,))
        return [path for (path,) in rows]

    def prune(self, oldest: int) -> None:
        """Let go of what only generations before `oldest` need, and give its room back. Raises: SqliteError."""
        with self._transaction():
            self._connection.execute(
                f"DELETE FROM images WHERE place IN (SELECT place FROM versions WHERE {_REPLACED})",  # noqa: S608
                (oldest,),
            )
            self._connection.execute(f"DELETE FROM versions WHERE {_REPLACED}", (oldest,))  # noqa: S608
            self._connection.execute("DELETE FROM gone_files WHERE generation <= ?", (oldest,))
            self._connection.execute("DELETE FROM generations WHERE generation < ?", (oldest,))
        self._connection.executescript("PRAGMA incremental_vacuum")


@contextlib.contextmanager
def catalog_pages(store: Path, *, create: bool) -> Iterator[CatalogPages]:
    """Pages of the catalogs of a space, in its part of the stores. Raises: BackupDamaged, DatabaseError, OSError."""
    path = store / CATALOGS_FILE
    if create:
        path.touch(mode=0o600)
    elif not path.is_file():
        raise BackupDamaged(f"{path} is not there")
    try:
        with open_database(path, "rw") as connection:
            if create:
                connection.execute("PRAGMA auto_vacuum = 2")
                for table in _TABLES:
                    connection.execute(table)
            yield CatalogPages(connection, path)
    except DatabaseError as error:
        if error.is_damaged() and error.path == path:
            raise BackupDamaged(f"{path}: {error}") from error
        raise


def _page_bytes_of(file: BinaryIO) -> int:
    header = file.read(_HEADER_BYTES)
    file.seek(0)
    stated = int.from_bytes(header[16:18], "big")
    return _LONGEST_PAGE if stated == 1 else max(stated, 512)
