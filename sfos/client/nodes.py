"""Nodes of several spaces: a node's number says nothing without its space, for all spaces count from 1.

    NodeKey        (space, node): the key of caches, listings and transfers
    SpaceNaming    how requests to one space name nodes, and whose nodes its replies speak of

Within this library an Entry, Change or NodeReply without a `space` is of the home, and all others bear theirs, whatever
the server left out: so none of them needs to be kept together with the space that it came from.
"""

from __future__ import annotations

import msgspec

from sfos.protocol import ROOT_NODE, Change, Entry, NodeReply, Ref, Target


class NodeKey(msgspec.Struct, frozen=True, order=True):
    """A node among those of all spaces. `space`: the space's id, of the home as well."""

    space: str
    node: int


Place = Ref | Entry | NodeKey | str  # a str is an absolute path in the space that is asked


class SpaceNaming(msgspec.Struct, frozen=True):
    """The names of nodes in requests to `space` and replies from it. `home`: the user's own space."""

    home: str
    space: str

    @property
    def asked(self) -> str | None:
        """The `space` of a request: left out for the home, so that it is what it always was."""
        return None if self.space == self.home else self.space

    @property
    def root(self) -> NodeKey:
        """The space's root folder."""
        return NodeKey(self.space, ROOT_NODE)

    def key(self, entry: Entry) -> NodeKey:
        """The key of an entry that this library gave out."""
        return NodeKey(entry.space or self.home, entry.node)

    def changed(self, change: Change) -> NodeKey:
        """The key of the node that changed."""
        return NodeKey(change.entry.space or change.space or self.home, change.entry.node)

    def ref(self, place: Place) -> Ref:
        """A reference to `place`; one without a space, and a path, is meant in the space that is asked."""
        if isinstance(place, Entry):
            return self._of(place.space or self.home, place.node)
        if isinstance(place, NodeKey):
            return self._of(place.space, place.node)
        if isinstance(place, str):
            return Ref(space=self.asked, path=place)
        if place.space is None and self.space != self.home:
            return msgspec.structs.replace(place, space=self.space)
        return place

    def _of(self, space: str, node: int) -> Ref:
        """Explicit wherever another space than the home is spoken of or asked."""
        return Ref(node=node) if space == self.home == self.space else Ref(space=space, node=node)

    def target(self, target: Target | str) -> Target:
        """A place for something, likewise."""
        if isinstance(target, str):
            return Target(space=self.asked, path=target)
        if target.space is None and self.space != self.home:
            return msgspec.structs.replace(target, space=self.space)
        return target

    def seen(self, said: str | None, asked: str | None) -> str | None:
        """The space that a reply speaks of, None for the home: as `said` there, else as it was `asked` for."""
        space = said or asked
        return None if space == self.home else space

    def own_entry(self, entry: Entry, asked: str | None) -> Entry:
        """An entry from a reply, with its space unless that is the home."""
        space = self.seen(entry.space, asked)
        return entry if space == entry.space else msgspec.structs.replace(entry, space=space)

    def own_reply(self, reply: NodeReply, asked: str | None) -> NodeReply:
        """A reply to a change, likewise."""
        space = self.seen(reply.space, asked)
        return reply if space == reply.space else msgspec.structs.replace(reply, space=space)

    def own_change(self, change: Change) -> Change:
        """A change from a reply of the space, likewise, and its entry with it."""
        space = self.seen(change.entry.space or change.space, self.asked)
        if space == change.entry.space == change.space:
            return change
        return msgspec.structs.replace(change, space=space, entry=msgspec.structs.replace(change.entry, space=space))
