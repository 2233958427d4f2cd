"""Interface of a space for programs: list, walk, look, make, move, copy, delete, read a piece.

Every method blocks for the network, may be called from any thread, and raises what the server reports (`protocol`'s
errors) or ConnectionLost / ServerUnreachable once reconnecting has failed. Each logical change has one op_id that is
kept over its retries. Names in the entries are what the server sent: `protocol.printable` before showing them,
`client.local.writing` before writing them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from sfos.client.commands import Caller
from sfos.client.contents import read_pieces
from sfos.client.listing import Folders, check_count
from sfos.client.nodes import NodeKey, Place, SpaceNaming
from sfos.protocol import (
    MAX_DELETE_ITEMS,
    MAX_PAGE_ENTRIES,
    AttributesItem,
    Change,
    ChangesRequest,
    CopyRequest,
    Cursor,
    DeleteItem,
    DeleteRequest,
    Entry,
    ItemResult,
    LocalProtocolError,
    MakeFolderRequest,
    MoveRequest,
    NodeReply,
    NotFound,
    RemoteProtocolError,
    Revision,
    SetAttributesRequest,
    SpaceInfo,
    StatRequest,
    Target,
    UsageReply,
    UsageRequest,
    decode_changes,
    unpack_results,
)

if TYPE_CHECKING:  # what watching, or asking for sessions, needs is loaded when somebody does
    from sfos.client.watch import Watch
    from sfos.protocol import SessionEntry

OP_ID_BYTES = 16
_ATTRIBUTES_AT_ONCE = 1_000


def new_op_id() -> bytes:
    """The name of one logical change, kept over its retries: so it is applied once."""
    return os.urandom(OP_ID_BYTES)  # what `secrets` does, without the modules that it loads


class Api(Folders):
    """One space, as a program works in it; `Session.space` gives them.

    Entries, changes and replies that come from here bear their space, unless that is the home; see `client.nodes`.
    """

    def __init__(
        self,
        caller: Caller,
        space: Callable[[], SpaceInfo],
        home: str | None = None,
        watch: Callable[[Cursor | None, SpaceNaming, float], Watch] | None = None,
    ) -> None:
        """`space`: the space and its secrets, as the session knows them now. `home`: the user's own, if it is another.

        `watch`: begins one after a cursor, of the space that is named, with so many seconds between heartbeats.
        """
        super().__init__(caller, SpaceNaming(home or space().space, space().space))
        self._space = space
        self._watch = watch

    @property
    def info(self) -> SpaceInfo:
        """The space's id, its secrets as far as they were given, and the cursor of when that was."""
        return self._space()

    @property
    def root(self) -> NodeKey:
        """The space's root folder."""
        return self.naming.root

    def key_of(self, entry: Entry) -> NodeKey:
        """The key of an entry, of whichever space it is."""
        return self.naming.key(entry)

    # ── looking ─────────────────────────────────────────────────────────────────────────────────────────────────

    def stat(self, place: Place) -> Entry:
        """Entry at `place`, with `entry.path` set. Raises: NotFound."""
        ref = self.naming.ref(place)
        return self.naming.own_entry(self.caller.call(StatRequest(ref=ref))[0].entry, ref.space)

    def exists(self, place: Place) -> Entry | None:
        """Entry at `place`, or None."""
        try:
            return self.stat(place)
        except NotFound:
            return None

    def usage(self) -> UsageReply:
        """Bytes and files of the space."""
        return self.caller.call(UsageRequest(space=self.naming.asked))[0]

    def changes(self, since: Cursor) -> tuple[list[Change], Cursor]:
        """All that changed since, and the cursor of now. Raises: ResyncRequired."""
        changes: list[Change] = []
        asked_for: set[Cursor] = set()
        while True:
            reply, body = self.caller.call(ChangesRequest(space=self.naming.asked, since=since, limit=MAX_PAGE_ENTRIES))
            changes += map(self.naming.own_change, decode_changes(body))
            if not reply.more:
                return changes, reply.cursor
            asked_for.add(since)
            if reply.cursor in asked_for:
                raise RemoteProtocolError("The server's list of changes has no end.")
            check_count(len(changes))
            since = reply.cursor

    def watch(self, since: Cursor | None = None, *, heartbeat_s: float = 20.0) -> Watch:
        """Changes after `since` (default: from now on), on a connection of its own, opened at the first `next`."""
        if self._watch is None:
            raise LocalProtocolError("nothing here can watch")
        return self._watch(since, self.naming, heartbeat_s)

    # ── changing ────────────────────────────────────────────────────────────────────────────────────────────────

    def make_folder(self, place: Target | str, *, parents: bool = False) -> NodeReply:
        """Make a folder. Raises: AlreadyExists, NotFound, NameNotAllowed.

        `parents`: also what is missing above it, and accept that it is there.
        """
        request = MakeFolderRequest(op_id=new_op_id(), target=self.naming.target(place), parents=parents)
        return self.naming.own_reply(self.caller.call(request)[0], request.target.space)

    def move(
        self, source: Place, target: Target | str, *, replace: bool = False, if_revision: Revision | None = None
    ) -> NodeReply:
        """Rename or move. Raises: NotFound, AlreadyExists, RevisionConflict, MovedBelowItself, NameNotAllowed."""
        request = MoveRequest(
            op_id=new_op_id(),
            source=self.naming.ref(source),
            target=self.naming.target(target),
            replace=replace,
            if_revision=if_revision,
        )
        return self.naming.own_reply(self.caller.call(request)[0], request.target.space)

    def copy(
        self, source: Place, target: Target | str, *, replace: bool = False, if_revision: Revision | None = None
    ) -> NodeReply:
        """Copy a file or a whole folder on the server. Raises: as `move`."""
        request = CopyRequest(
            op_id=new_op_id(),
            source=self.naming.ref(source),
            target=self.naming.target(target),
            replace=replace,
            if_revision=if_revision,
        )
        return self.naming.own_reply(self.caller.call(request)[0], request.target.space)

    def delete(self, items: Sequence[Place | DeleteItem], *, atomic: bool = False) -> list[ItemResult]:
        """Delete; folders go with all that is in them. One result each, in order (`result.error`).

        `atomic`: all or nothing; then at most 1,000 items. More items go in several requests.
        """
        if atomic and len(items) > MAX_DELETE_ITEMS:
            raise ValueError(f"at most {MAX_DELETE_ITEMS} items can be deleted together or not at all")
        wanted = [
            DeleteItem(ref=self.naming.ref(item.ref), if_revision=item.if_revision)
            if isinstance(item, DeleteItem)
            else DeleteItem(ref=self.naming.ref(item))
            for item in items
        ]
        results: list[ItemResult] = []
        for start in range(0, len(wanted), MAX_DELETE_ITEMS):
            part = tuple(wanted[start : start + MAX_DELETE_ITEMS])
            reply, body = self.caller.call(DeleteRequest(op_id=new_op_id(), items=part, atomic=atomic))
            found, _ = unpack_results(reply, body)
            if len(found) != len(part):
                raise RemoteProtocolError("The server answered for another number of items than was asked for.")
            results += found
        return results

    def set_attributes(self, items: Sequence[AttributesItem]) -> list[ItemResult]:
        """Set times and modes, without content. One result each, in order (`result.error`). In several requests, if
        need be. Raises: UnknownCommand, if the server is older and has not named SET_ATTRIBUTES."""
        results: list[ItemResult] = []
        for start in range(0, len(items), _ATTRIBUTES_AT_ONCE):
            part = tuple(items[start : start + _ATTRIBUTES_AT_ONCE])
            request = SetAttributesRequest(op_id=new_op_id(), space=self.naming.asked, items=part)
            found, _ = unpack_results(*self.caller.call(request))
            if len(found) != len(part):
                raise RemoteProtocolError("The server answered for another number of items than was asked for.")
            results += found
        return results

    # ── sessions ────────────────────────────────────────────────────────────────────────────────────────────────

    def sessions(self) -> list[SessionEntry]:
        """One's own sessions, this one among them, the one used last first."""
        from sfos.protocol import SessionsRequest  # only now, as in `end_sessions`: few commands ask

        return list(self.caller.call(SessionsRequest())[0].sessions)

    def end_sessions(self, session_id: str | None = None) -> int:
        """End one of one's own sessions, or all but this one; how many. Their connections are cut. Raises: NotFound.

        This one ends by `Session.logout`, which knows of it.
        """
        from sfos.protocol import EndSessionsRequest

        return self.caller.call(EndSessionsRequest(session=session_id))[0].ended

    # ── contents ────────────────────────────────────────────────────────────────────────────────────────────────

    def read_range(self, entry: Entry, offset: int = 0, length: int | None = None) -> bytes:
        """Bytes of a file, for previews; shorter at its end. Each chunk is verified.

        Raises: IsAFolder, NotFound, DataDamaged, BadChunk; TreeError if the file was changed meanwhile.
        """
        wanted = entry.size if length is None else length
        return b"".join(read_pieces(self.caller, self._space(), entry, offset, wanted))

    def read_stream(self, entry: Entry, offset: int = 0) -> Iterator[memoryview]:
        """The content from `offset` on in pieces of at most 4 MiB, each verified; valid until the next is asked for."""
        return read_pieces(self.caller, self._space(), entry, offset, entry.size)
