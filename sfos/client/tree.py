"""Where nodes are, as far as it has been seen: the paths of changes, and what was renamed rather than changed."""

from __future__ import annotations

import msgspec

from sfos.client.api import Api
from sfos.protocol import MAX_DEPTH, ROOT_NODE, Change, NotFound, Ref

_MOST_KNOWN = 100_000  # some 20 MB; of what is renamed beyond that, only the new name is told


class Seen(msgspec.Struct, frozen=True):
    """Where a change took place (None: in a folder that is gone), and where its node was before, if that is known."""

    path: str | None
    before: str | None = None


class KnownTree:
    """Nodes and their places, kept up to date by `see`; the paths of other folders are asked of the server."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._places: dict[int, tuple[int, str]] = {}
        self._asked: dict[int, str] = {}

    def learn(self, folder: str) -> None:
        """Look at what is in the folder and below it, up to a bound. One that cannot be listed teaches nothing."""
        for listing in self._api.walk(folder):
            for entry in listing.entries:
                if len(self._places) >= _MOST_KNOWN:
                    return
                self._places[entry.node] = (entry.parent, entry.name)

    def forget(self) -> None:
        """Something was missed: nothing is known any more."""
        self._places.clear()
        self._asked.clear()

    def see(self, change: Change) -> Seen:
        """Take note of a change; where it took place."""
        entry = change.entry
        place = (entry.parent, entry.name)
        known = self._places.get(entry.node)
        before = self._path(known) if known is not None and known != place and not change.deleted else None
        if entry.kind == "folder":
            self._asked.clear()  # renamed, moved or deleted: paths below it are different now
        if change.deleted:
            self._places.pop(entry.node, None)
        elif known is not None or len(self._places) < _MOST_KNOWN:
            self._places[entry.node] = place
        return Seen(self._path(place), before)

    def _path(self, place: tuple[int, str]) -> str | None:
        names: list[str] = []
        for _ in range(MAX_DEPTH + 1):  # a hostile server could put a folder into itself
            folder, name = place
            names.append(name)
            if folder in self._places:
                place = self._places[folder]
                continue
            above = self._asked_path(folder)
            return None if above is None else "/".join((above, *reversed(names)))
        return None

    def _asked_path(self, node: int) -> str | None:
        if node == ROOT_NODE:
            return ""
        if node not in self._asked:
            try:
                path = self._api.stat(Ref(node=node)).path
            except NotFound:
                return None
            if path is None:
                return None
            self._asked[node] = path.rstrip("/")
        return self._asked[node]
