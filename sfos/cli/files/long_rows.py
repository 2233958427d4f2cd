"""Lines of `ls -l` for one folder, without an object for each entry: a million of them take some 150 MB."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from sfos.cli.front import output
from sfos.cli.front.options import SortBy
from sfos.client.entry_table import TextColumn
from sfos.protocol import FOLDER_KIND, KINDS_BY_NUMBER, FolderEntries

_AT_ONCE = 5_000  # lines that are made together


class LongRows:
    """Entries of one folder as columns, in the order in which they came."""

    def __init__(self) -> None:
        self._names = TextColumn()
        self._kinds = bytearray()  # numbers, see KINDS_BY_NUMBER
        self._sizes = array("q")
        self._mtimes_ns = array("q")
        self._links: dict[int, str] = {}  # where links point

    def extend(self, part: FolderEntries) -> None:
        """Add a page of them. Raises: MalformedMessage."""
        columns, begin = part.columns(), len(self._names)
        self._names.extend(columns.names)
        self._kinds += columns.kinds
        self._sizes.extend(columns.sizes)
        self._mtimes_ns.extend(columns.mtimes_ns)
        links = ((at, attrs.link) for at, attrs in enumerate(columns.attrs, begin) if attrs is not None)
        self._links.update({at: link for at, link in links if link is not None})

    def lines(
        self, by: SortBy = SortBy.NAME, *, folders_first: bool = False, reverse: bool = False, in_bytes: bool = False
    ) -> Iterator[list[str]]:
        """Lines, some thousand at a time, as `output.arrange` and `output.long_rows` have them."""
        order = self._order(by, folders_first=folders_first, reverse=reverse)
        size_cells = max(map(len, self._shown_sizes(in_bytes=in_bytes)), default=0)
        time_cells = self._time_cells()
        for begin in range(0, len(order), _AT_ONCE):
            rows = [self._row(at, in_bytes=in_bytes) for at in order[begin : begin + _AT_ONCE]]
            yield output.aligned_long(rows, size_cells, time_cells)

    def _order(self, by: SortBy, *, folders_first: bool, reverse: bool) -> array[int]:
        keys = self._names.part(0, len(self._names))
        order = sorted(range(len(keys)), key=keys.__getitem__)
        for at, name in enumerate(keys):  # in place: both lists at once would be the most of it
            keys[at] = output.folded(name)
        order.sort(key=keys.__getitem__)
        del keys
        if by is SortBy.SIZE:
            order.sort(key=lambda at: -self._sizes[at])
        elif by is SortBy.TIME:
            order.sort(key=lambda at: -self._mtimes_ns[at])
        if reverse:
            order.reverse()
        if folders_first:
            order.sort(key=lambda at: self._kinds[at] != FOLDER_KIND)
        return array("I", order)

    def _shown_sizes(self, *, in_bytes: bool) -> Iterator[str]:
        for kind, size_bytes in zip(self._kinds, self._sizes, strict=True):
            yield output.long_size(KINDS_BY_NUMBER[kind], size_bytes, in_bytes=in_bytes)

    def _time_cells(self) -> int:
        """Width of all times: they are equally wide, but for the dash of those that no calendar has."""
        widths = (len(output.moment(time_ns)) for time_ns in self._mtimes_ns)
        return next((width for width in widths if width > 1), 1)

    def _row(self, at: int, *, in_bytes: bool) -> tuple[str, str, str, str]:
        kind = KINDS_BY_NUMBER[self._kinds[at]]
        return output.long_row(
            kind, self._sizes[at], self._mtimes_ns[at], self._names[at], self._links.get(at), in_bytes=in_bytes
        )
