"""Going through folders: where one is, what is there, in which order, and what changes there by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial

from sfos.client.api import Api
from sfos.gui import wording
from sfos.gui.files.known_folders import KnownFolders
from sfos.gui.files.ordering import ArrivingRows, SortedRows
from sfos.gui.model import Crumb, FolderPath, Listing, Notice, Phase, Sort, SortColumn
from sfos.gui.nodes import NodeKey, key_of, parent_of, ref_to
from sfos.gui.rows import Rows
from sfos.gui.threads.bridge import CancelToken, Epoch, TaskBridge, Timer
from sfos.protocol import ROOT_NODE, Change, Entry, NotFound, join_path, split_path

SKELETON_S = 0.15  # shorter waits are not worth a flicker
PATCH_S = 0.1  # changes of so long are shown together
PART_S = 1.0  # of what takes longer to read, that is shown which has come
_SMALL = 2_000  # rows that may be sorted in Tk's thread
_FEW, _MANY = 5, 200  # changes that may be taken in there: to however many rows, and to so few


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
        self._rows = SortedRows.of((), Sort())
        self._known = KnownFolders()
        self._back: list[FolderPath] = []
        self._forward: list[FolderPath] = []
        self._reading, self._sorting = Epoch(), Epoch()
        self._is_reading = self._is_sorting = self._is_partial = False
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
        self._known.clear()
        self.refresh()

    def reveal(self, nodes: Sequence[NodeKey]) -> None:
        """Select `nodes`, as they come into the list."""
        if nodes:
            self._wish(nodes)
            self._reveal_now()

    def chosen(self, entries: Sequence[Entry]) -> None:
        """Hear of the person's selection: whoever has chosen something else does not wait for what is to come."""
        if self._reveal and not all(key_of(entry) in self._revealed for entry in entries):
            self._wish(())

    @property
    def folders_here(self) -> Rows:
        """Folders in it, all of them."""
        return self._rows.folders

    def has_name(self, name: str) -> bool:
        """Whether something in the folder is called `name`, ignoring case."""
        return self._rows.has_name(name)

    def _wish(self, nodes: Sequence[NodeKey]) -> None:
        self._reveal, self._revealed = tuple(nodes), frozenset()

    def _open(self, folder: FolderPath, reveal: Sequence[NodeKey]) -> None:
        self._token.cancel()
        self._stop_timers()
        number = self._reading.advance()
        self._sorting.advance()
        self._is_reading, self._is_sorting, self._is_partial = True, False, False
        self._meanwhile.clear()
        self._wish(reveal)
        moved = folder.key != self.folder.key
        known = self._known.get(folder.key) if moved else None
        if known is not None:
            # What is known is shown at once, and corrected when the server has answered.
            self._sort(known, lambda rows: self._show(folder, rows, "loading"))
        elif self.listing.phase in ("blank", "failed") or moved:
            blank = Listing(folder=folder, sort=self.listing.sort, phase="skeleton")
            self._skeleton = self._bridge.call_later(SKELETON_S, lambda: self._emit(blank))
        sort = self.listing.sort
        self._token = self._bridge.run_in_thread(
            lambda token: self._read(folder, sort, number, token),
            lambda rows: self._read_done(folder, rows, number),
            lambda error: self._read_failed(folder, error, number),
            name="gui-list",
        )

    def _read(self, folder: FolderPath, sort: Sort, number: int, token: CancelToken) -> SortedRows:
        """List and sort, in a thread; of what takes long, tell what there is so far."""
        arriving = ArrivingRows()
        began = self._bridge.clock()
        due = PART_S
        with closing(self._api.read_folder(ref_to(folder.key))) as pages:
            for page in pages:
                token.check()
                arriving.add(page)
                if self._bridge.clock() - began >= due:
                    part = partial(self._read_partly, folder, arriving.rows(sort), number)
                    self._bridge.post(part)
                    due = 2 * (self._bridge.clock() - began)  # each costs as long as there is much
        return arriving.rows(sort)

    def _read_partly(self, folder: FolderPath, rows: SortedRows, number: int) -> None:
        is_blank = folder.key != self.folder.key or self.listing.phase == "skeleton"
        if not self._reading.is_current(number) or not (is_blank or self._is_partial):
            return
        self._known.make_room(rows.size)
        if rows.sort == self.listing.sort:  # else the whole is sorted as it is wanted now
            self._is_partial = True
            self._show(folder, rows, "loading")

    def _read_done(self, folder: FolderPath, rows: SortedRows, number: int) -> None:
        if not self._reading.is_current(number):
            return
        self._is_reading = self._is_partial = False
        self._sorting.advance()  # whatever is sorted now is older
        self._sort(rows, lambda rows: self._show(folder, rows, "ready"))

    def _read_failed(self, folder: FolderPath, error: Exception, number: int) -> None:
        if not self._reading.is_current(number):
            return
        self._is_reading = False
        self._stop_timers()
        if isinstance(error, NotFound):
            self._known.forget(folder.key)
            text = "This folder is no longer there: it was moved or deleted."
        else:
            text = wording.explain(error)
        here = self.listing.phase in ("loading", "ready") and self.folder.key == folder.key
        if here and folder.key in self._known and not self._is_partial:
            # The rows on the screen are old, but better than nothing; the offline banner tells the rest.
            self._emit(replace(self.listing, phase="ready"))
            return
        self._is_partial = False
        self._rows = SortedRows.of((), self.listing.sort)
        self._emit(Listing(folder=folder, sort=self.listing.sort, phase="failed", problem=text))

    def _show(self, folder: FolderPath, rows: SortedRows, phase: Phase) -> None:
        self._stop_timers()
        self._rows = rows
        if not self._is_partial:
            self._known.keep(folder.key, rows)
        moved = folder.key != self.folder.key
        listing = Listing(
            folder=folder,
            rows=rows.rows("" if moved else self.listing.filter),
            total=len(rows),
            sort=rows.sort,
            filter="" if moved else self.listing.filter,
            phase=phase,
            partial=self._is_partial,
        )
        self._emit(listing)
        self._reveal_now()
        self._catch_up()

    def _catch_up(self) -> None:
        """Take in what changed while the rows were read or sorted."""
        if not (self._is_reading or self._is_sorting):
            meanwhile = tuple(self._meanwhile.values())
            self._meanwhile.clear()
            self.apply(meanwhile)

    def _reveal_now(self) -> None:
        known = self._rows.here(self._reveal)
        here = tuple(node for node in self._reveal if node in known)
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

    # --- order and filter ------------------------------------------------------------------------------------------

    def sort_by(self, column: SortColumn) -> None:
        """Sort by `column`; the same again turns the order round."""
        old = self.listing.sort
        new = Sort(column, descending=not old.descending if old.column == column else False)
        if self.listing.phase not in ("ready", "loading"):
            self._emit(replace(self.listing, sort=new))  # what is read comes in this order
            return
        self.listing = replace(self.listing, sort=new)
        self._sort(self._rows, lambda rows: self._show(self.folder, rows, self.listing.phase))

    def _sort(self, rows: SortedRows, then: Callable[[SortedRows], None]) -> None:
        """Sort as it is wanted now."""
        sort = self.listing.sort
        if rows.sort == sort:
            self._sorting.advance()
            self._is_sorting = False
            then(rows)
        else:
            self._in_order(lambda: rows.sorted_by(sort), then, at_once=len(rows) <= _SMALL)

    def _in_order(self, work: Callable[[], SortedRows], then: Callable[[SortedRows], None], *, at_once: bool) -> None:
        """Bring rows in order, in a thread unless `at_once`. Only the last that was asked for is shown."""
        number = self._sorting.advance()
        self._is_sorting = not at_once
        if at_once:
            then(work())
            return
        self._meanwhile.update(self._pending)

        def done(rows: SortedRows) -> None:
            if self._sorting.is_current(number):
                self._is_sorting = False
                then(rows)

        self._bridge.run_in_thread(lambda _token: work(), done, self._bridge.on_error, name="gui-sort")

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
        self._known.take(pending.values(), self.folder.key)
        if self._way_changed(pending):
            return
        # What is sorted, or has come in part only, takes them in when it is there.
        if self.listing.phase in ("ready", "loading") and not (self._is_sorting or self._is_partial):
            self._change_rows(pending)

    def _change_rows(self, pending: dict[NodeKey, Change]) -> None:
        rows, here = self._rows, self.folder.key
        changes = {
            key: change.entry if parent_of(change.entry) == here and not change.deleted else None
            for key, change in pending.items()
        }
        few = len(changes) <= _FEW or (len(changes) <= _MANY and len(rows) <= _SMALL)
        if not few:
            self._meanwhile.update(pending)  # should another order be asked for before they are in
        self._in_order(lambda: rows.changed(changes), lambda now: self._changed(now, pending), at_once=few)

    def _changed(self, rows: SortedRows, pending: dict[NodeKey, Change]) -> None:
        if not self._is_reading:
            for key, change in pending.items():
                if self._meanwhile.get(key) is change:
                    del self._meanwhile[key]
        if rows is not self._rows:
            self._rows = rows
            self._known.keep(self.folder.key, rows)
            self._emit(replace(self.listing, rows=rows.rows(self.listing.filter), total=len(rows)))
            self._reveal_now()
        self._catch_up()

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
