"""A folder on the server, as the plan of an upload needs to know it."""

from __future__ import annotations

from collections.abc import Iterable

from client.api import Api
from client.local_names import numbered
from protocol import MUST_NOT_EXIST, AlreadyExists, Entry, Ref, fold_name

_MOST_NUMBERS = 1000


class RemoteFolder:
    """A folder on the server, and what is in it as far as it matters."""

    def __init__(self, api: Api, node: int, path: str, entries: Iterable[Entry] | None) -> None:
        """`entries`: what is in it; None if names are to be asked for one by one."""
        self._api = api
        self.node = node
        self.path = path
        self._above = path.rstrip("/") + "/"
        self._named = None if entries is None else {entry.name: entry for entry in entries}
        self._folded: dict[bytes, Entry] | None = None

    def path_of(self, name: str) -> str:
        """For people."""
        return self._above + name

    @property
    def is_listed(self) -> bool:
        """Whether it is known what is in it; otherwise each question goes to the server."""
        return self._named is not None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is in it; False also if that is not known."""
        return self._named is not None and not self._named

    def named(self, name: str) -> Entry | None:
        """What is known to have exactly this name."""
        return None if self._named is None else self._named.get(name)

    def find(self, name: str) -> Entry | None:
        """What has this name in it."""
        if self._named is None:
            return self._api.exists(Ref(path=self.path_of(name)))
        found = self._named.get(name)
        return self._by_folded_name().get(fold_name(name)) if found is None and self._named else found

    def _by_folded_name(self) -> dict[bytes, Entry]:
        """Made when it is needed: most names are there as they are, or the folder is new."""
        assert self._named is not None
        if self._folded is None:
            self._folded = {fold_name(name): entry for name, entry in self._named.items()}
        return self._folded

    def free_name(self, name: str) -> str:
        """The first numbered name that nothing has yet. Raises: AlreadyExists."""
        for number in range(2, _MOST_NUMBERS):
            candidate = numbered(name, number)
            if self.find(candidate) is None:
                if self._named is not None:  # so that the next file of this name gets the next number
                    taken = Entry(node=0, parent=self.node, name=candidate, kind="file", revision=MUST_NOT_EXIST)
                    self._named[candidate] = self._by_folded_name()[fold_name(candidate)] = taken
                return candidate
        raise AlreadyExists(subject=name)
