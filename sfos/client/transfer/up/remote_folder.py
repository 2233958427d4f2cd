"""A folder on the server, as the plan of an upload needs to know it."""

from __future__ import annotations

from collections.abc import Sequence

from sfos.client.api import Api
from sfos.client.local.chunking import nearest_time_ns
from sfos.client.local.names import numbered
from sfos.client.transfer.up.files import Parent
from sfos.protocol import FILE_KIND, MUST_NOT_EXIST, AlreadyExists, Entry, FolderEntries, Ref, fold_name

_MOST_NUMBERS = 1000

LocalPlaces = tuple[tuple[int, int], "LocalPlaces"] | None
"""Local folders, each within the next, by device and inode."""


class RemoteFolder:
    """A folder on the server, or one that is to be made, and what is in it as far as it matters."""

    def __init__(
        self,
        api: Api,
        node: Parent,
        path: str,
        parts: Sequence[FolderEntries] | None,
        within: LocalPlaces = None,
    ) -> None:
        """`parts`: what is in it, as it was listed; None if names are to be asked for one by one.

        `within`: the local folders by which what goes into it was reached, as far as links are followed.
        """
        self._api = api
        self.node = node
        self.path = path
        self.within = within
        self._above = path.rstrip("/") + "/"
        self._parts = parts
        # Columns over all parts, and the place of each name in them: an Entry is made of what is asked for.
        names: list[str] = []
        sizes: list[int] = []
        mtimes_ns: list[int] = []
        modes: list[int | None] = []
        kinds = bytearray()
        for part in parts or ():
            names += part.names
            sizes += part.sizes
            mtimes_ns += part.mtimes_ns
            modes += part.modes
            kinds += part.kinds
        self._at = dict(zip(names, range(len(names)), strict=True))
        self._sizes, self._mtimes_ns, self._modes, self._kinds = sizes, mtimes_ns, modes, kinds
        self._folded: dict[bytes, int] | None = None
        self._given: dict[bytes, Entry] = {}

    def path_of(self, name: str) -> str:
        """Path for people."""
        return self._above + name

    @property
    def depth(self) -> int:
        """How many names its path has."""
        return self._above.count("/") - 1

    @property
    def is_listed(self) -> bool:
        """Whether it is known what is in it; otherwise each question goes to the server."""
        return self._parts is not None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is in it; False also if that is not known."""
        return self._parts is not None and not self._at and not self._given

    def holds(self, name: str, size: int, mtime_ns: int, mode: int) -> bool:
        """Whether a file of exactly this name, and of this size, time and mode, is known to be in it."""
        at = self._at.get(name)
        return (
            at is not None
            and (self._mtimes_ns[at] == mtime_ns or self._mtimes_ns[at] == nearest_time_ns(mtime_ns))
            and self._modes[at] == mode
            and self._sizes[at] == size
            and self._kinds[at] == FILE_KIND
        )

    def find(self, name: str) -> Entry | None:
        """Entry of this name in it, or None."""
        if self._parts is None:
            return self._api.exists(Ref(path=self.path_of(name)))
        at = self._at.get(name)
        if at is None and not self.is_empty:
            folded = fold_name(name)
            at = self._by_folded_name().get(folded)
            if at is None:
                return self._given.get(folded)
        return None if at is None else self._entry(at)

    def _by_folded_name(self) -> dict[bytes, int]:
        """Made when it is needed: most names are there as they are, or the folder is new."""
        if self._folded is None:
            self._folded = {fold_name(name): at for name, at in self._at.items()}
        return self._folded

    def _entry(self, at: int) -> Entry:
        for part in self._parts or ():
            if at < len(part):
                return part.entry(at)
            at -= len(part)
        raise IndexError(at)

    def free_name(self, name: str) -> str:
        """The first numbered name that nothing has yet. Raises: AlreadyExists."""
        for number in range(2, _MOST_NUMBERS):
            candidate = numbered(name, number)
            if self.find(candidate) is None:
                if self._parts is not None:  # so that the next file of this name gets the next number
                    taken = Entry(node=0, parent=0, name=candidate, kind="file", revision=MUST_NOT_EXIST)
                    self._given[fold_name(candidate)] = taken
                return candidate
        raise AlreadyExists(subject=name)
