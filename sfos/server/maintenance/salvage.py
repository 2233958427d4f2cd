"""Reads whatever can still be read of a space's directory, however damaged it is. Writes nothing there.

Tables are read forwards and backwards, so that one damaged page costs the rows on it and not all behind it. A chunk
whose row is lost is found by its id, which its file's name bears and the table of small ones too.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sfos.protocol import Buffer
from sfos.server.catalog.chunk_rows import ChunkRow
from sfos.server.catalog.statement import Row
from sfos.server.catalog.states import State
from sfos.server.chunks.local import CHUNKS_DIRECTORY, SMALL_FILE
from sfos.server.chunks.scratch import SCRATCH_BYTES
from sfos.server.disk.refusals import is_shortage, refusal, told
from sfos.server.disk.sqlite import refusal_of
from sfos.server.disk.storage_faults import CatalogUnreadable, ReadingRefused, TokenDamaged
from sfos.server.spaces.directory import CATALOG_FILE
from sfos.server.vault.keyring import SpaceKeys
from sfos.server.vault.sealing import Sealer, TokenType

_DISK = re.compile(r"disk:([0-9a-f]{2}/([0-9a-f]{64})-[0-9a-f]{8})")
_SMALL = re.compile(r"small:([0-9]{1,19})")
_COPY_TRIES = 5


class Remains:
    """The readable part of one space. A context manager; belongs to one thread. `losses`: what could not be read."""

    def __init__(self, directory: Path, keys: SpaceKeys, scratch: Path) -> None:
        """`scratch`: an empty directory for copies of databases that were not closed properly. All methods raise
        ReadingRefused where too little is at hand to read with: all would look lost."""
        self.losses: list[str] = []
        self._catalog: sqlite3.Connection | None
        self._small: sqlite3.Connection | None
        self._directory = directory
        self._keys = keys
        self._sealer = Sealer(keys, lambda: 0)
        self._scratch = scratch
        self._found = {name: _signatures(directory / name) for name in (CATALOG_FILE, SMALL_FILE)}
        self._catalog = self._small = None
        try:
            self._catalog = self._opened(CATALOG_FILE)
            self._small = self._opened(SMALL_FILE)
        except BaseException:
            self.__exit__()
            raise
        self._rows: dict[bytes, ChunkRow] | None = None
        self._by_id: dict[bytes, list[str]] | None = None

    def __enter__(self) -> Remains:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in (self._catalog, self._small):
            if connection is not None:
                connection.close()

    def changed(self) -> list[str]:
        """The databases written to by somebody since they were opened here: what was read may be of two states."""
        return [name for name, before in self._found.items() if _signatures(self._directory / name) != before]

    def states(self) -> list[State]:
        """The live states."""
        columns = ", ".join(State._fields)
        rows = self._table("nodes", columns, ("parent", "name_key"))
        return [State(*row) for row in rows if _is_state(row)]

    def files_counted(self) -> int | None:
        """Number of files, as the catalog counts them."""
        with contextlib.suppress(sqlite3.Error):
            if self._catalog is not None:
                sql = "SELECT files_current FROM spaces WHERE space = ?"
                for (files,) in self._catalog.execute(sql, (self._keys.space,)):
                    return int(files)
        return None

    def lists(self) -> dict[bytes, tuple[int, int, bytes]]:
        """(Number of chunks, key number, sealed list) of each content of several chunks."""
        rows = self._table("contents", "content, chunks, key_no, list", ("rowid",))
        return {content: (count, key_no, sealed) for content, count, key_no, sealed in rows if _is_list(count, sealed)}

    def open_list(self, content: bytes, count: int, key_no: int, sealed: bytes, record_bytes: int) -> bytes:
        """The packed records. Raises: TokenDamaged."""
        return self._sealer.open(sealed, TokenType.LIST, content, count * record_bytes, key_no)

    def chunk(self, chunk_id: bytes, length: int) -> bytes:
        """The data of a chunk, from wherever a sound copy of it lies. Raises: TokenDamaged for the first one tried."""
        if self._rows is None:
            rows = self._table("chunks", ", ".join(f'"{name}"' for name in ChunkRow._fields), ("id",))
            at = ChunkRow._fields.index("location")
            sound = [ChunkRow._make(row) for row in rows if isinstance(row[at], str)]
            self._rows = {row.id: row for row in sound}
        row = self._rows.get(chunk_id)
        fault: TokenDamaged | None = None
        if row is not None:
            try:
                return self._opened_chunk(row.location, chunk_id, length, row.key_no)
            except TokenDamaged as error:
                fault = TokenDamaged(f"chunk {chunk_id.hex()[:16]}… at {row.location}: {error.detail}")
        for location in self._places(chunk_id):
            for key_no in self._keys.data:
                with contextlib.suppress(TokenDamaged):
                    return self._opened_chunk(location, chunk_id, length, key_no)
        raise fault or TokenDamaged(f"chunk {chunk_id.hex()[:16]}…: no row and no sound file of it")

    def stored(self) -> Iterator[tuple[str, bytes]]:
        """(Location, chunk id) of all that lies in the stores."""
        root = self._directory / CHUNKS_DIRECTORY
        for path in sorted(root.glob("*/*")):
            found = _DISK.fullmatch(f"disk:{path.parent.name}/{path.name}")
            if found:
                yield found[0], bytes.fromhex(found[2])
        for location, chunk in self._small_rows():
            yield f"small:{location}", chunk

    def token(self, location: str) -> Buffer:
        """The token there. Raises: TokenDamaged."""
        on_disk, in_small = _DISK.fullmatch(location), _SMALL.fullmatch(location)
        try:
            if on_disk:
                with (self._directory / CHUNKS_DIRECTORY / on_disk[1]).open("rb") as file:
                    return file.read(SCRATCH_BYTES)
            if in_small and self._small is not None:
                for (token,) in self._small.execute("SELECT token FROM tokens WHERE location = ?", (in_small[1],)):
                    if isinstance(token, bytes):
                        return token
        except FileNotFoundError:
            pass
        except (OSError, sqlite3.Error) as error:
            raise TokenDamaged(f"it cannot be read: {self._why(error, CHUNKS_DIRECTORY)}") from error
        raise TokenDamaged("not there")

    def _opened_chunk(self, location: str, chunk_id: bytes, length: int, key_no: int) -> bytes:
        return self._sealer.open(self.token(location), TokenType.CHUNK, chunk_id, length, key_no)

    def _places(self, chunk_id: bytes) -> list[str]:
        if self._by_id is None:  # only damage makes anyone ask
            self._by_id = {}
            for location, found in self.stored():
                self._by_id.setdefault(found, []).append(location)
        return self._by_id.get(chunk_id, [])

    def _small_rows(self) -> list[tuple[int, bytes]]:
        found: dict[int, bytes] = {}
        if self._small is not None:
            for order in ("ASC", "DESC"):
                try:
                    # Row by row: what comes before the damage stays.
                    found.update(self._small.execute(f"SELECT location, chunk FROM tokens ORDER BY location {order}"))  # noqa: S608
                except sqlite3.Error as error:
                    self._lose(f"{SMALL_FILE} cannot be read to its end: {self._why(error, SMALL_FILE)}")
                else:
                    break
        return list(found.items())

    def _table(self, table: str, columns: str, order: tuple[str, ...]) -> list[Row]:
        """All rows that can be read, from the front and, if that ends early, from the back."""
        found: dict[Row, None] = {}
        if self._catalog is None:
            return []
        for direction in ("ASC", "DESC"):
            by = ", ".join(f"{column} {direction}" for column in order)
            # All parts are constants of this module.
            sql = f"SELECT {columns} FROM {table} WHERE space = ? ORDER BY {by}"  # noqa: S608
            try:
                for row in self._catalog.execute(sql, (self._keys.space,)):
                    found[row] = None
            except sqlite3.Error as error:
                why = self._why(error, CATALOG_FILE)
                self._lose(f"{CATALOG_FILE}: table {table} cannot be read to its end: {why}")
            else:
                break
        return list(found)

    def _lose(self, what: str) -> None:
        if what not in self.losses:
            self.losses.append(what)

    def _why(self, error: Exception, name: str) -> str:
        """The error as a loss says it. Raises: ReadingRefused, where going on would only lose more."""
        path = self._directory / name
        refused = refusal_of(error, path) if isinstance(error, sqlite3.Error) else refusal(error)
        if is_shortage(refused):
            raise ReadingRefused(f"{path}: {told(error if refused is None else refused)}") from error
        return told(error)

    def _opened(self, name: str) -> sqlite3.Connection | None:
        path = self._directory / name
        if not path.is_file():
            if name == CATALOG_FILE:
                self._lose(f"{name} is not there")
            return None
        try:
            return _open_unchanged(path, self._scratch)
        except (OSError, sqlite3.Error, CatalogUnreadable) as error:
            self._lose(f"{name} cannot be opened: {self._why(error, name)}")
            return None


def _open_unchanged(path: Path, scratch: Path) -> sqlite3.Connection:
    """A connection that neither writes nor makes a file beside `path`: to a copy, if a write-ahead log is to be read.

    Raises: OSError, sqlite3.Error, CatalogUnreadable.
    """
    log = path.with_name(path.name + "-wal")
    if not log.is_file() or not log.stat().st_size:
        uri = f"{path.absolute().as_uri()}?immutable=1"
        return sqlite3.connect(uri, uri=True, isolation_level=None)
    for _ in range(_COPY_TRIES):
        before = _signatures(path)
        copy = scratch / path.name
        shutil.copyfile(path, copy)
        if log.is_file():
            shutil.copyfile(log, copy.with_name(log.name))
        if before == _signatures(path):
            return sqlite3.connect(copy, isolation_level=None)
    raise CatalogUnreadable(f"{path} changes all the time; stop the server first")


def _signatures(path: Path) -> list[tuple[int, int] | None]:
    """Length and time of the database at `path` and of its write-ahead log: every write to it changes one of them."""
    found: list[tuple[int, int] | None] = []
    for one in (path, path.with_name(path.name + "-wal")):
        try:
            status = one.stat()
        except FileNotFoundError:
            found.append(None)
        else:
            found.append((status.st_size, status.st_mtime_ns) if status.st_size else None)
    return found


def _is_state(row: Row) -> bool:
    """Whether the columns have the types that everything else counts on: damage need not look like damage to SQLite."""
    node, parent, name_key, seq_from, kind, name, size, mtime_ns, attrs, content, mac = row
    numbers = (node, parent, seq_from, kind, size, mtime_ns)
    blobs = (name_key, name, mac, *(one for one in (attrs, content) if one is not None))
    return all(isinstance(one, int) for one in numbers) and all(isinstance(one, bytes) for one in blobs)


def _is_list(count: object, sealed: object) -> bool:
    return isinstance(count, int) and isinstance(sealed, bytes)
