"""Entries of a folder as a table of columns, in which each costs some 100 bytes.

A table only grows. What a row holds never changes: an entry that has changed is another row. So whoever has a sequence
of rows, in whatever thread, sees what there was when it was made, while Tk's thread goes on.
"""

from __future__ import annotations

import struct
import threading
from array import array
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import accumulate

from sfos.client.nodes import NodeKey
from sfos.protocol import (
    KINDS_BY_NUMBER,
    NO_CONTENT,
    AttributesRead,
    Entry,
    FolderEntries,
    decoder_of,
    message_encoder,
)

HOME = ""  # the space of the home in keys: what is of it bears no id
_NODE = struct.Struct("=q")
FEW = 5  # nodes that are looked for one by one
_encoder = message_encoder()
_AT_ONCE = 5_000  # names that are taken out together
_KIND_NUMBERS = {kind: number for number, kind in reversed(tuple(enumerate(KINDS_BY_NUMBER))) if number}


class TextColumn:
    """Texts behind each other, as UTF-8, each with a NUL behind it."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._ends = array("Q", [0])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, at: int) -> str:
        return self._bytes[self._ends[at] : self._ends[at + 1] - 1].decode("utf-8", "surrogatepass")

    def extend(self, texts: Iterable[str]) -> None:
        """Add these."""
        encoded = [text.encode("utf-8", "surrogatepass") + b"\0" for text in texts]
        ends = accumulate(map(len, encoded), initial=self._ends[-1])
        next(ends)
        self._bytes += b"".join(encoded)  # before what says that they are there: others may be looking
        self._ends.extend(ends)

    def joined(self, begin: int, end: int) -> str:
        """Texts from `begin` to `end`, with a NUL behind each."""
        return self._bytes[self._ends[begin] : self._ends[end]].decode("utf-8", "surrogatepass")

    def part(self, begin: int, end: int) -> list[str]:
        """Texts from `begin` to `end`, in a fifth of the time that it takes one by one."""
        texts = self.joined(begin, end).split("\0")[:-1]
        # What holds a NUL is no name, but a server can send it.
        return texts if len(texts) == end - begin else [self[at] for at in range(begin, end)]


class EntryTable:
    """Entries of one folder, whose ordinals, from 0 on, are the order in which they came. For any thread."""

    def __init__(self) -> None:
        self.names = TextColumn()
        self.kinds = bytearray()  # numbers, see KINDS_BY_NUMBER
        self.nodes = array("q")
        self.sizes = array("q")
        self.mtimes_ns = array("q")
        self._contents = bytearray()
        self._revision_of = array("I")
        self._revisions = TextColumn()  # those of each page, each once
        self._attrs_of = array("I")
        self._attrs = TextColumn()  # the same; as JSON
        self._attrs.extend(["null"])
        self._parent, self._space = 0, ""
        self._elsewhere: dict[int, tuple[int, str, str | None]] = {}  # parent, space and path, where they are others
        self._growing = threading.Lock()

    def __len__(self) -> int:
        return len(self._attrs_of)  # grown last

    def extend(self, run: FolderEntries) -> range:
        """Add a page of entries; their ordinals. Raises: MalformedMessage."""
        columns = run.columns()
        place = run.folder, run.space or HOME, None
        with self._growing:
            ordinals = range(len(self), len(self) + len(run))
            self._set_place(ordinals, place)
            self.names.extend(columns.names)
            self.kinds += columns.kinds
            self.nodes.extend(columns.nodes)
            self.sizes.extend(columns.sizes)
            self.mtimes_ns.extend(columns.mtimes_ns)
            self._contents += columns.contents
            revisions = {text: at for at, text in enumerate(dict.fromkeys(columns.revisions), len(self._revisions))}
            self._revisions.extend(revisions)
            self._revision_of.extend(map(revisions.__getitem__, columns.revisions))
            self._attrs_of.extend(self._attributes(columns.attrs))
        return ordinals

    def append(self, entry: Entry) -> int:
        """Add one; its ordinal."""
        with self._growing:
            ordinal = len(self)
            self._set_place((ordinal,), (entry.parent, entry.space or HOME, entry.path))
            self.names.extend((entry.name,))
            self.kinds.append(_KIND_NUMBERS[entry.kind])
            self.nodes.append(entry.node)
            self.sizes.append(entry.size)
            self.mtimes_ns.append(entry.mtime_ns)
            self._contents += entry.content or NO_CONTENT
            self._revision_of.append(len(self._revisions))
            self._revisions.extend((entry.revision,))
            self._attrs_of.extend(self._attributes((entry.attrs,)))
        return ordinal

    def _set_place(self, ordinals: Sequence[int], place: tuple[int, str, str | None]) -> None:
        if not len(self):
            self._parent, self._space = place[:2]
        if place != (self._parent, self._space, None):
            self._elsewhere.update(dict.fromkeys(ordinals, place))

    def _attributes(self, attrs: Sequence[AttributesRead | None]) -> Iterable[int]:
        distinct = {id(each): each for each in attrs if each is not None}
        at = {own: at for at, own in enumerate(distinct, len(self._attrs))}
        at[id(None)] = 0
        self._attrs.extend(_encoder.encode(each).decode() for each in distinct.values())
        return [at[id(each)] for each in attrs]

    def entry(self, at: int) -> Entry:
        """Entry of that ordinal."""
        parent, space, path = self._elsewhere.get(at) or (self._parent, self._space, None)
        content = bytes(self._contents[at * len(NO_CONTENT) : (at + 1) * len(NO_CONTENT)])
        attrs = self._attrs_of[at]
        return Entry(
            node=self.nodes[at],
            parent=parent,
            name=self.names[at],
            kind=KINDS_BY_NUMBER[self.kinds[at]],
            revision=self._revisions[self._revision_of[at]],
            size=self.sizes[at],
            mtime_ns=self.mtimes_ns[at],
            content=None if content == NO_CONTENT else content,
            attrs=decoder_of(AttributesRead).decode(self._attrs[attrs]) if attrs else None,
            path=path,
            space=space or None,
        )

    def key(self, at: int) -> NodeKey:
        """Key of the node of that ordinal."""
        return NodeKey(self._space_of(at), self.nodes[at])

    def _space_of(self, at: int) -> str:
        return self._elsewhere[at][1] if at in self._elsewhere else self._space

    @property
    def one_space(self) -> str | None:
        """Space of all entries; None if there are several."""
        spaces = {self._space, *(space for _, space in self._places())}
        return self._space if len(spaces) == 1 else None

    @property
    def one_folder(self) -> NodeKey | None:
        """Folder of all entries; None if there are several."""
        own = self._parent, self._space
        return NodeKey(self._space, self._parent) if {own, *self._places()} == {own} else None

    def _places(self) -> set[tuple[int, str]]:
        return {(parent, space) for parent, space, _ in self._elsewhere.values()}

    def find(self, key: NodeKey, end: int) -> int | None:
        """Ordinal of the latest state of a node among those below `end`, whether it is still there or not."""
        nodes, wanted = self.nodes.tobytes(), _NODE.pack(key.node)
        at = nodes.rfind(wanted, 0, end * _NODE.size)
        while at >= 0:
            if at % _NODE.size == 0 and self._space_of(at // _NODE.size) == key.space:
                return at // _NODE.size
            at = nodes.rfind(wanted, 0, at + _NODE.size - 1)
        return None

    def find_all(self, keys: Collection[NodeKey], end: int) -> dict[NodeKey, int]:
        """Ordinals of the latest states of many nodes; of those that there are."""
        if len(keys) <= FEW:
            found = ((key, self.find(key, end)) for key in keys)
            return {key: at for key, at in found if at is not None}
        wanted = {key.node for key in keys}
        latest = {self.key(at): at for at, node in enumerate(self.nodes[:end]) if node in wanted}
        return {key: latest[key] for key in keys if key in latest}

    def named(self, folded: str) -> bytearray:
        """For each ordinal, whether its name contains `folded`, ignoring case."""
        return self._flags(lambda names: folded in names, lambda name: folded in name)

    def named_from(self, folded: str) -> bytearray:
        """For each ordinal, whether its name begins with `folded`, ignoring case."""
        return self._flags(
            lambda names: "\0" + folded in names or names.startswith(folded), lambda name: name.startswith(folded)
        )

    def _flags(self, some: Callable[[str], bool], one: Callable[[str], bool]) -> bytearray:
        """Answers of `one` for each case-folded name; `some`: whether it is so for one of several that are joined."""
        flags = bytearray()
        for begin in range(0, len(self), _AT_ONCE):
            end = min(begin + _AT_ONCE, len(self))
            if some(self.names.joined(begin, end).casefold()):
                flags += bytes([one(name.casefold()) for name in self.names.part(begin, end)])
            else:
                flags += bytes(end - begin)
        return flags
