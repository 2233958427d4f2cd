"""Going through folders: where one is, what is there, in which order, and what changes there by itself."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from sfos.client.api import Api
from sfos.gui import wording
from sfos.gui.files.ordering import SortedRows
from sfos.gui.model import Crumb, FolderPath, Listing, Notice, Sort, SortColumn
from sfos.gui.nodes import NodeKey, key_of, parent_of, ref_to
from sfos.gui.threads.bridge import CancelToken, Epoch, TaskBridge, Timer
from sfos.protocol import ROOT_NODE, Change, Entry, NotFound, join_path, split_path

SKELETON_S = 0.15  # shorter waits are not worth a flicker
PATCH_S = 0.1  # changes of so long are shown together
_CACHED = 50  # folders whose rows are kept
_SMALL = 2_000  # rows that may be sorted in Tk's thread


class BrowserPresenter:
    """Tells `on_listing` what the list shows, and `on_reveal` which nodes to select once they are there."""

    def __init__(
        self,
        bridge: TaskBridge,
        api: Api,
        *,
        on_listing: Callable[[Listing], None],
        on_reveal: Callable[[Sequence[NodeKey]], None],
        on_notice: Callable[[Notice], None],
    ) -> None:
        self._bridge, self._api = bridge, api
        self._on_listing, self._on_reveal, self._on_notice = on_listing, on_reveal, on_notice
        self.listing = Listing()
        self._rows = SortedRows((), Sort())
        self._cache: OrderedDict[NodeKey, dict[NodeKey, Entry]] = OrderedDict()
        self._back: list[FolderPath] = []
        self._forward: list[FolderPath] = []
        self._reading, self._sorting = Epoch(), Epoch()
        self._is_reading = self._is_sorting = False
        self._meanwhile: dict[NodeKey, Change] = {}  # what a list that is read or sorted may lack
        self._token = CancelToken()
        self._skeleton: Timer | None = None
        self._patch: Timer | None = None
        self._pending: dict[NodeKey, Change] = {}
        self._reveal: tuple[NodeKey, ...] = ()
        self._revealed: frozenset[NodeKey] = frozenset()  # those of them that have come

    # --- going somewhere -------------------------------------------------------------------------------------------

    @property
    def folder(self) -> FolderPath:
        """The folder that is shown."""
        return self.listing.folder

    def go(self, folder: FolderPath, *, reveal: Sequence[NodeKey] = ()) -> None:
        """Show `folder`, and remember where one was."""
        if self.listing.phase != "blank" and folder != self.folder:
            self._back.append(self.folder)
            self._forward.clear()
        self._open(folder, reveal)

    def go_back(self) -> None:
        """Show where one was before."""
        if self._back:
            came_from = self.folder
            self._forward.append(came_from)
            self._open(self._back.pop(), (came_from.key,))

    def go_forward(self) -> None:
        """Undo `go_back`."""
        if self._forward:
            self._back.append(self.folder)
            self._open(self._forward.pop(), ())

    def go_up(self) -> None:
        """Show the folder above, the one come from selected."""
        parent = self.folder.parent()
        if parent is not None:
            self.go(parent, reveal=(self.folder.key,))

    def go_path(self, text: str) -> None:
        """Show the folder at a typed path; for a file its folder with the file selected."""

        def work(token: CancelToken) -> tuple[FolderPath, tuple[NodeKey, ...]]:
            names = split_path("/" + text.strip().strip("/"))
            folder = FolderPath()
            for depth in range(1, len(names) + 1):
                token.check()
                entry = self._api.stat(join_path(*names[:depth]))
                if entry.kind != "folder":
                    return folder, (key_of(entry),)
                folder = folder.into(entry)
            return folder, ()

        self._bridge.run_in_thread(
            work,
            lambda found: self.go(found[0], reveal=found[1]),
            lambda error: self._on_notice(Notice(f"Cannot go to “{text}”: {wording.explain(error)}", "error")),
            name="gui-path",
        )

    def refresh(self) -> None:
        """Read the folder anew; selection and scroll position stay."""
        self._open(self.folder, ())

    def reread_all(self) -> None:
        """Forget what is kept of all folders, and read the one shown anew: changes were missed."""
        self._cache.clear()
        self.refresh()

    def reveal(self, nodes: Sequence[NodeKey]) -> None:
        """Select `nodes`, as they come into the list."""
        if nodes:
            self._wish(nodes)
            self._reveal_now()

    def chosen(self, nodes: Collection[NodeKey]) -> None:
        """Hear what the person has selected: whoever has chosen something else does not wait for what is to come."""
        if self._reveal and not self._revealed.issuperset(nodes):
            self._wish(())

    def _wish(self, nodes: Sequence[NodeKey]) -> None:
        self._reveal, self._revealed = tuple(nodes), frozenset()

    def _open(self, folder: FolderPath, reveal: Sequence[NodeKey]) -> None:
        self._token.cancel()
        self._stop_timers()
        number = self._reading.advance()
        self._sorting.advance()
        self._is_reading, self._is_sorting = True, False
        self._meanwhile.clear()
        self._wish(reveal)
        cached = self._cache.get(folder.key)
        moved = folder.key != self.folder.key
        if cached is not None and moved:
            # What is known is shown at once, and corrected when the server has answered.
            self._sorted(cached, lambda rows: self._show(folder, rows, "loading"))
        elif self.listing.phase in ("blank", "failed") or moved:
            blank = Listing(folder=folder, sort=self.listing.sort, phase="skeleton")
            self._skeleton = self._bridge.call_later(SKELETON_S, lambda: self._emit(blank))
        self._token = self._bridge.run_in_thread(
            lambda _token: self._read(folder),
            lambda rows: self._read_done(folder, rows, number),
            lambda error: self._read_failed(folder, error, number),
            name="gui-list",
        )

    def _read(self, folder: FolderPath) -> SortedRows:
        """List and sort, in a thread."""
        sort = self.listing.sort
        return SortedRows(self._api.list_folder(ref_to(folder.key)), sort)

    def _read_done(self, folder: FolderPath, rows: SortedRows, number: int) -> None:
        if not self._reading.is_current(number):
            return
        self._is_reading = False
        self._sorting.advance()  # whatever is sorted now is older
        self._keep(folder.key, rows.by_key)
        if rows.sort != self.listing.sort:  # another column was chosen while it was read
            self._sorted(rows.by_key, lambda sorted_rows: self._show(folder, sorted_rows, "ready"))
        else:
            self._show(folder, rows, "ready")

    def _read_failed(self, folder: FolderPath, error: Exception, number: int) -> None:
        if not self._reading.is_current(number):
            return
        self._is_reading = False
        self._stop_timers()
        if isinstance(error, NotFound):
            self._cache.pop(folder.key, None)
            text = "This folder is no longer there: it was moved or deleted."
        else:
            text = wording.explain(error)
        if self.listing.phase in ("loading", "ready") and self.folder.key == folder.key and folder.key in self._cache:
            # The rows on the screen are old, but better than nothing; the offline banner tells the rest.
            self._emit(replace(self.listing, phase="ready"))
            return
        self._rows = SortedRows((), self.listing.sort)
        self._emit(Listing(folder=folder, sort=self.listing.sort, phase="failed", problem=text))

    def _show(self, folder: FolderPath, rows: SortedRows, phase: str) -> None:
        self._stop_timers()
        self._rows = rows
        moved = folder.key != self.folder.key
        listing = Listing(
            folder=folder,
            rows=rows.rows("" if moved else self.listing.filter),
            total=len(rows),
            sort=rows.sort,
            filter="" if moved else self.listing.filter,
            phase="loading" if phase == "loading" else "ready",
        )
        self._emit(listing)
        self._reveal_now()
        if phase == "ready":
            meanwhile = tuple(self._meanwhile.values())
            if not self._is_reading:
                self._meanwhile.clear()
            self.apply(meanwhile)

    def _reveal_now(self) -> None:
        here = tuple(node for node in self._reveal if node in self._rows.by_key)
        if not self._revealed.issuperset(here):
            self._revealed = frozenset(here)
            if len(here) == len(self._reveal):
                self._reveal = ()
            self._on_reveal(here)

    def _emit(self, listing: Listing) -> None:
        self.listing = replace(listing, can_back=bool(self._back), can_forward=bool(self._forward))
        self._on_listing(self.listing)

    def _stop_timers(self) -> None:
        if self._skeleton is not None:
            self._skeleton.cancel()
            self._skeleton = None

    def _keep(self, node: NodeKey, by_key: dict[NodeKey, Entry]) -> None:
        self._cache[node] = by_key
        self._cache.move_to_end(node)
        while len(self._cache) > _CACHED:
            self._cache.popitem(last=False)

    # --- order and filter ------------------------------------------------------------------------------------------

    def sort_by(self, column: SortColumn) -> None:
        """Sort by `column`; the same again turns the order round."""
        old = self.listing.sort
        new = Sort(column, descending=not old.descending if old.column == column else False)
        if self.listing.phase not in ("ready", "loading"):
            self._emit(replace(self.listing, sort=new))  # what is read comes in this order
            return
        self.listing = replace(self.listing, sort=new)
        self._sorted(self._rows.by_key, lambda rows: self._show(self.folder, rows, self.listing.phase))

    def _sorted(self, by_key: dict[NodeKey, Entry], then: Callable[[SortedRows], None]) -> None:
        """Sort; many rows in a thread. Only the last that was asked for is shown."""
        sort, number = self.listing.sort, self._sorting.advance()
        entries = tuple(by_key.values())
        if len(entries) <= _SMALL:
            self._is_sorting = False
            then(SortedRows(entries, sort))
            return

        def done(rows: SortedRows) -> None:
            if self._sorting.is_current(number):
                self._is_sorting = False
                then(rows)

        self._is_sorting = True
        self._bridge.run_in_thread(
            lambda _token: SortedRows(entries, sort), done, self._bridge.on_error, name="gui-sort"
        )

    def set_filter(self, text: str) -> None:
        """Show only names that contain `text`."""
        if text != self.listing.filter and self.listing.phase in ("ready", "loading"):
            self._emit(replace(self.listing, filter=text, rows=self._rows.rows(text)))

    # --- changes by others (and by oneself) ------------------------------------------------------------------------

    def apply(self, changes: Sequence[Change]) -> None:
        """Take in what changed on the server; what comes within 100 ms is shown together."""
        for change in changes:
            key = key_of(change.entry)
            self._pending[key] = change
            if self._is_reading or self._is_sorting:  # taken in once more when the list is there
                self._meanwhile[key] = change
        if self._patch is None and self._pending:
            self._patch = self._bridge.call_later(PATCH_S, self._apply_pending)

    def _apply_pending(self) -> None:
        self._patch = None
        pending, self._pending = self._pending, {}
        touched = False
        for key, change in pending.items():
            entry = change.entry
            parent = parent_of(entry)
            for node, kept in list(self._cache.items()):
                if (node == parent or key in kept) and kept is not self._rows.by_key:
                    del self._cache[node]
            if parent == self.folder.key and not change.deleted:
                self._rows.put(entry)
                touched = True
            elif self._rows.remove(key):
                touched = True
        if self._way_changed(pending):
            return
        if touched and self.listing.phase in ("ready", "loading"):
            listing = self.listing
            self._emit(replace(listing, rows=self._rows.rows(listing.filter), total=len(self._rows)))
            self._reveal_now()

    def _way_changed(self, pending: dict[NodeKey, Change]) -> bool:
        """Whether the folder shown, or one above it, is gone or called differently; then one is taken along."""
        crumbs = self.folder.crumbs
        for index in range(1, len(crumbs)):
            change = pending.get(crumbs[index].key)
            if change is None:
                continue
            if change.deleted:
                self._on_notice(Notice(f"“{crumbs[index].name}” was deleted.", "warning"))
                self._open(FolderPath(crumbs[:index]), ())
                return True
            if parent_of(change.entry) != crumbs[index - 1].key:
                self._follow(crumbs[-1].key)
                return True
            if change.entry.name != crumbs[index].name:
                renamed = (*crumbs[:index], Crumb.of(change.entry), *crumbs[index + 1 :])
                self.listing = replace(self.listing, folder=FolderPath(renamed))
                self._emit(self.listing)
        return False

    def _follow(self, node: NodeKey) -> None:
        """The folder shown was moved with all that is in it: find the new way to it."""

        def work(_token: CancelToken) -> FolderPath:
            crumbs: list[Crumb] = []
            at = node
            while at.node != ROOT_NODE and len(crumbs) < 300:
                entry = self._api.stat(ref_to(at))
                crumbs.append(Crumb.of(entry))
                at = parent_of(entry)
            return FolderPath((FolderPath().crumbs[0], *reversed(crumbs)))

        self._bridge.run_in_thread(
            work,
            lambda folder: self._open(folder, ()),
            lambda _error: self._open(FolderPath(), ()),
            name="gui-follow",
        )
