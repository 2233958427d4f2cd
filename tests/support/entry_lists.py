"""Pages of entries from entries, as a server that has no catalog makes them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from sfos.protocol import KINDS, Buffer, EntriesIn, Entry, FolderEntries, ListReply, pack_entries, unpack_entries

_KIND_NUMBERS: dict[str, int] = {kind: number for number, kind in enumerate(KINDS, start=1)}
_KIND_OF_LATER = 200


def packed(entries: Sequence[Entry]) -> tuple[int, bytes]:
    """(`head_bytes`, the body) of a `list` reply."""
    revisions = list(dict.fromkeys(entry.revision for entry in entries))
    attrs = list(dict.fromkeys(entry.attrs for entry in entries if entry.attrs is not None))
    return pack_entries(
        EntriesIn(
            folders=tuple((folder, len(list(run))) for folder, run in groupby(entry.parent for entry in entries)),
            names=tuple(entry.name for entry in entries),
            revisions=tuple(revisions),
            attrs=tuple(attrs),
        ),
        nodes=[entry.node for entry in entries],
        sizes=[entry.size for entry in entries],
        mtimes_ns=[entry.mtime_ns for entry in entries],
        revisions=[revisions.index(entry.revision) for entry in entries],
        attrs=[0 if entry.attrs is None else 1 + attrs.index(entry.attrs) for entry in entries],
        kinds=[_KIND_NUMBERS.get(entry.kind, _KIND_OF_LATER) for entry in entries],
        contents=[entry.content for entry in entries],
    )


def parts_of(entries: Sequence[Entry]) -> tuple[FolderEntries, ...]:
    """The entries as a client gets them."""
    head_bytes, body = packed(entries)
    return tuple(unpack_entries(ListReply(at="c", head_bytes=head_bytes), memoryview(body)))


def unpacked(reply: ListReply, body: Buffer) -> list[Entry]:
    """The entries of a page."""
    return [entry for part in unpack_entries(reply, memoryview(body)) for entry in part.entries()]
