"""The bodies of `list` replies, packed and taken apart. No I/O. The layouts stand with ListReply.

A page of entries is columns, not an object for each entry: who only compares a folder with another one looks at names,
sizes and times, and makes an Entry of what differs.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

import msgspec

from sfos.wire.attributes import AttributesRead
from sfos.wire.bodies import check_length, decode_list
from sfos.wire.chunks import CHUNK_ID_BYTES
from sfos.wire.envelopes import DECODE_ERRORS, decoder_of, message_encoder
from sfos.wire.errors import MalformedMessage, TooMuch
from sfos.wire.messages import (
    KINDS,
    MAX_INT,
    MAX_PAGE_ENTRIES,
    OTHER_KIND,
    EntriesIn,
    Entry,
    KindRead,
    ListReply,
    NamesIn,
)

__all__ = [
    "FILE_KIND",
    "FOLDER_KIND",
    "KINDS_BY_NUMBER",
    "NO_CONTENT",
    "FolderColumns",
    "FolderEntries",
    "FolderNames",
    "pack_entries",
    "pack_names",
    "unpack_entries",
    "unpack_names",
]

_encoder = message_encoder()

NO_CONTENT = bytes(CHUNK_ID_BYTES)  # stands for no content
FILE_KIND = 1 + KINDS.index("file")
FOLDER_KIND = 1 + KINDS.index("folder")
# By the number in a page's column; those that are not known yet are another kind, and 0 is none.
KINDS_BY_NUMBER: tuple[KindRead, ...] = (OTHER_KIND, *KINDS, *([OTHER_KIND] * (255 - len(KINDS))))
# What the columns of a page take for each entry, one behind the other.
_WIDTHS = (8, 8, 8, 2, 2, 1, CHUNK_ID_BYTES)
_NODES, _SIZES, _TIMES, _REVISIONS, _ATTRS, _KINDS, _CONTENTS = (sum(_WIDTHS[:at]) for at in range(len(_WIDTHS)))
ENTRY_BYTES = sum(_WIDTHS)


# ── names ───────────────────────────────────────────────────────────────────────────────────────────────────────


class FolderNames(msgspec.Struct, frozen=True):
    """Names in the folder of the node `folder`. `nodes`: of those that are folders, by their ordinals."""

    folder: int
    names: Sequence[str]
    nodes: dict[int, int]

    def __len__(self) -> int:
        return len(self.names)

    def folders(self) -> list[tuple[str, int]]:
        """Name and node of each that is a folder."""
        return [(self.names[at], node) for at, node in self.nodes.items()]


def pack_names(found: Iterable[tuple[NamesIn, Sequence[bytes]]]) -> tuple[int, bytes]:
    """(`head_bytes`, the body) of a `list` reply that bears names alone. The names are in UTF-8."""
    runs: list[NamesIn] = []
    names: list[bytes] = []
    for run, own in found:
        runs.append(run)
        names += own
    encoded = _encoder.encode(runs)
    return len(encoded), encoded + b"/".join(names)


def unpack_names(reply: ListReply, body: memoryview) -> list[FolderNames]:
    """Names out of a `list` reply that bears names alone. Raises: MalformedMessage, TooMuch."""
    if not 0 <= reply.head_bytes <= len(body):
        raise MalformedMessage("A list of names does not match its header.")
    runs = decode_list(list[NamesIn], body[: reply.head_bytes], MAX_PAGE_ENTRIES, "folders")
    joined = bytes(body[reply.head_bytes :])
    if joined.count(b"/") >= MAX_PAGE_ENTRIES:
        raise TooMuch(f"A list of {joined.count(b'/') + 1} names, where at most {MAX_PAGE_ENTRIES} are allowed.")
    try:
        names = joined.decode().split("/") if joined else []
    except UnicodeDecodeError as error:
        raise MalformedMessage(f"A list of names cannot be read: {error}") from error
    if not _divides(len(names), [run.count for run in runs]) or "" in names:
        raise MalformedMessage("A list of names does not match what it says of them.")
    found = []
    at = 0
    for run in runs:
        if any(not 0 <= ordinal < run.count for ordinal, _ in run.folders):
            raise MalformedMessage("A list of names speaks of folders that are not in it.")
        found.append(FolderNames(run.folder, names[at : at + run.count], dict(run.folders)))
        at += run.count
    return found


def _divides(count: int, parts: Sequence[int]) -> bool:
    """Whether so many are these parts together, none of them empty: a list of empty ones could be of any length."""
    return sum(parts) == count and min(parts, default=1) > 0


# ── entries ─────────────────────────────────────────────────────────────────────────────────────────────────────


def pack_entries(
    head: EntriesIn,
    *,
    nodes: Iterable[int],
    sizes: Iterable[int],
    mtimes_ns: Iterable[int],
    revisions: Iterable[int],
    attrs: Iterable[int],
    kinds: Iterable[int],
    contents: Iterable[bytes | None],
) -> tuple[int, bytes]:
    """(`head_bytes`, the body) of a `list` reply, from a page's columns.

    Raises: ValueError, TypeError, struct.error for a value that its column cannot hold.
    """
    count = len(head.names)
    hashes = [NO_CONTENT if content is None else content for content in contents]
    if not {CHUNK_ID_BYTES}.issuperset(map(len, hashes)):
        raise ValueError(f"a content's id has {CHUNK_ID_BYTES} bytes")
    encoded = _encoder.encode(head)
    numbers = f">{count}q"
    ordinals = f">{count}H"
    parts = (
        encoded,
        struct.pack(numbers, *nodes),
        struct.pack(numbers, *sizes),
        struct.pack(numbers, *mtimes_ns),
        struct.pack(ordinals, *revisions),
        struct.pack(ordinals, *attrs),
        bytes(kinds),
        b"".join(hashes),
    )
    return len(encoded), b"".join(parts)


class FolderColumns(msgspec.Struct, frozen=True, eq=False):
    """Entries of one folder as columns, of which none is longer than another.

    `kinds`: numbers, see KINDS_BY_NUMBER. `contents`: 32 bytes for each, NO_CONTENT for what has none. Equal revisions
    and attributes are the same objects.
    """

    names: Sequence[str]
    kinds: bytes
    nodes: Sequence[int]
    sizes: Sequence[int]
    mtimes_ns: Sequence[int]
    revisions: Sequence[str]
    attrs: Sequence[AttributesRead | None]
    contents: bytes


class EntryPage:
    """A page of entries as it came. What nobody asks for is not read."""

    def __init__(self, reply: ListReply, body: memoryview) -> None:
        """Raises: MalformedMessage, TooMuch."""
        head = _read_head(reply, body)
        count = len(head.names)
        if count > MAX_PAGE_ENTRIES:
            raise TooMuch(f"A list of {count} entries, where at most {MAX_PAGE_ENTRIES} are allowed.")
        self._columns = bytes(body[reply.head_bytes :])
        if len(self._columns) != count * ENTRY_BYTES or not _divides(count, [inside for _, inside in head.folders]):
            raise MalformedMessage("A list of entries does not match what it says of them.")
        if max(len(head.revisions), len(head.attrs)) > count:
            raise MalformedMessage("A list of entries does not match what it says of them.")
        self._head = head
        self.count = count
        self.names = head.names
        self.sizes = self._numbers(_SIZES, "q", 0, count)
        self.mtimes_ns = self._numbers(_TIMES, "q", 0, count)
        self.kinds = self._columns[count * _KINDS : count * (_KINDS + 1)]  # FILE_KIND and others
        if min(self.sizes, default=0) < 0 or 0 in self.kinds:
            raise MalformedMessage("A list of entries holds what no entry can.")

    def folders(self) -> list[FolderEntries]:
        """Entries of each folder, in the page's order."""
        found = []
        at = 0
        for folder, count in self._head.folders:
            found.append(FolderEntries(self, folder, at, at + count))
            at += count
        return found

    def nodes(self, begin: int, end: int) -> tuple[int, ...]:
        """Nodes of the entries from `begin` to `end`. Raises: MalformedMessage."""
        nodes = self._numbers(_NODES, "q", begin, end)
        if min(nodes, default=1) < 1:
            raise MalformedMessage("A list of entries holds what no entry can.")
        return nodes

    def entries(self, folder: int, begin: int, end: int) -> list[Entry]:
        """Entries from `begin` to `end`, which are in that folder. Raises: MalformedMessage."""
        nodes = self.nodes(begin, end)
        revisions = self._numbers(_REVISIONS, "H", begin, end)
        attributes = self._numbers(_ATTRS, "H", begin, end)
        contents_at = self.count * _CONTENTS + begin * CHUNK_ID_BYTES
        contents = self._columns[contents_at : contents_at + (end - begin) * CHUNK_ID_BYTES]
        known_attrs: tuple[AttributesRead | None, ...] = (None, *self._head.attrs)
        known_revisions = self._head.revisions
        if min(self.mtimes_ns[begin:end], default=0) < -MAX_INT:
            raise MalformedMessage("A list of entries holds what no entry can.")
        try:
            return [
                Entry(
                    node=node,
                    parent=folder,
                    name=name,
                    kind=KINDS_BY_NUMBER[kind],
                    revision=known_revisions[revision],
                    size=size,
                    mtime_ns=mtime_ns,
                    content=None if content == NO_CONTENT else content,
                    attrs=known_attrs[attrs],
                )
                for node, name, kind, revision, size, mtime_ns, content, attrs in zip(
                    nodes,
                    self.names[begin:end],
                    self.kinds[begin:end],
                    revisions,
                    self.sizes[begin:end],
                    self.mtimes_ns[begin:end],
                    [contents[at : at + CHUNK_ID_BYTES] for at in range(0, len(contents), CHUNK_ID_BYTES)],
                    attributes,
                    strict=True,
                )
            ]
        except IndexError:
            raise MalformedMessage("A list of entries speaks of what is not in it.") from None

    def columns(self, begin: int, end: int) -> FolderColumns:
        """Entries from `begin` to `end` without an object for each. Raises: MalformedMessage."""
        known_attrs: tuple[AttributesRead | None, ...] = (None, *self._head.attrs)
        known_revisions = self._head.revisions
        mtimes_ns = self.mtimes_ns[begin:end]
        if min(mtimes_ns, default=0) < -MAX_INT:
            raise MalformedMessage("A list of entries holds what no entry can.")
        contents_at = self.count * _CONTENTS
        try:
            return FolderColumns(
                names=self.names[begin:end],
                kinds=self.kinds[begin:end],
                nodes=self.nodes(begin, end),
                sizes=self.sizes[begin:end],
                mtimes_ns=mtimes_ns,
                revisions=[known_revisions[ordinal] for ordinal in self._numbers(_REVISIONS, "H", begin, end)],
                attrs=[known_attrs[ordinal] for ordinal in self._numbers(_ATTRS, "H", begin, end)],
                contents=self._columns[contents_at + begin * CHUNK_ID_BYTES : contents_at + end * CHUNK_ID_BYTES],
            )
        except IndexError:
            raise MalformedMessage("A list of entries speaks of what is not in it.") from None

    def modes(self, begin: int, end: int) -> list[int | None]:
        """Mode of each entry from `begin` to `end`, None where none is kept. Raises: MalformedMessage."""
        known = (None, *(attrs.mode for attrs in self._head.attrs))
        try:
            return [known[ordinal] for ordinal in self._numbers(_ATTRS, "H", begin, end)]
        except IndexError:
            raise MalformedMessage("A list of entries speaks of what is not in it.") from None

    def _numbers(self, column: int, code: str, begin: int, end: int) -> tuple[int, ...]:
        at = self.count * column + begin * struct.calcsize(">" + code)
        return struct.unpack_from(f">{end - begin}{code}", self._columns, at)


class FolderEntries(msgspec.Struct, frozen=True, eq=False):
    """Entries of the folder of the node `folder`: from `begin` to `end` of a page.

    `space`: set by a client on all that it takes out here, where that is not the user's home.
    """

    page: EntryPage
    folder: int
    begin: int
    end: int
    space: str | None = None

    def __len__(self) -> int:
        return self.end - self.begin

    @property
    def names(self) -> Sequence[str]:
        """Names as the server sent them."""
        return self.page.names[self.begin : self.end]

    @property
    def sizes(self) -> Sequence[int]:
        """Sizes in bytes; 0 of what is not a file."""
        return self.page.sizes[self.begin : self.end]

    @property
    def mtimes_ns(self) -> Sequence[int]:
        """Nanoseconds since 1970."""
        return self.page.mtimes_ns[self.begin : self.end]

    @property
    def kinds(self) -> bytes:
        """A number for each: FILE_KIND or another."""
        return self.page.kinds[self.begin : self.end]

    @property
    def modes(self) -> Sequence[int | None]:
        """Permission bits; None where none are kept. Raises: MalformedMessage."""
        return self.page.modes(self.begin, self.end)

    def entry(self, at: int) -> Entry:
        """Entry of that ordinal here, from 0 on. Raises: MalformedMessage."""
        return self._taken(self.begin + at, self.begin + at + 1)[0]

    def columns(self) -> FolderColumns:
        """All of them as columns, for who keeps many. Raises: MalformedMessage."""
        return self.page.columns(self.begin, self.end)

    def entries(self) -> list[Entry]:
        """All of them. Raises: MalformedMessage."""
        return self._taken(self.begin, self.end)

    def folders(self) -> list[tuple[str, int]]:
        """Name and node of each that is a folder. Raises: MalformedMessage."""
        kinds = self.kinds
        if FOLDER_KIND not in kinds:
            return []
        nodes = self.page.nodes(self.begin, self.end)
        return [(name, node) for name, node, kind in zip(self.names, nodes, kinds, strict=True) if kind == FOLDER_KIND]

    def _taken(self, begin: int, end: int) -> list[Entry]:
        entries = self.page.entries(self.folder, begin, end)
        if self.space is None:
            return entries
        return [msgspec.structs.replace(entry, space=self.space) for entry in entries]


def _read_head(reply: ListReply, body: memoryview) -> EntriesIn:
    if not 0 <= reply.head_bytes <= len(body):
        raise MalformedMessage("A list of entries does not match its header.")
    check_length(body[: reply.head_bytes], MAX_PAGE_ENTRIES, "entries")
    try:
        return decoder_of(EntriesIn).decode(body[: reply.head_bytes])
    except DECODE_ERRORS as error:
        raise MalformedMessage(f"A list of entries cannot be read: {error}") from error


def unpack_entries(reply: ListReply, body: memoryview) -> list[FolderEntries]:
    """Entries of each folder on a page. Raises: MalformedMessage, TooMuch."""
    return EntryPage(reply, body).folders()
