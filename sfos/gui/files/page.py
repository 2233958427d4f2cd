"""The page of the files: the first of the window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sfos.gui import wording
from sfos.gui.commands import MenuName, Offer
from sfos.gui.files.bar import BarKeys
from sfos.gui.files.commands import COMMANDS, REFRESH, SEARCH, UPLOAD_FILES, FilesState
from sfos.gui.files.views import FilesViews, Reactions
from sfos.gui.model import Listing, Selection
from sfos.gui.page import Desk, Page, Room, Stop
from sfos.gui.rows import files_among
from sfos.protocol import Change

if TYPE_CHECKING:  # loaded by `load`
    from sfos.gui.files.orders import Orders
    from sfos.gui.files.session import FilesSession


class FilesPage(Page):
    """Folders, the files in one of them, and what is selected."""

    title, icon = "Files", "folder2"

    def __init__(self, room: Room) -> None:
        self._room = room
        self.session: FilesSession | None = None
        self.views = FilesViews(room, self._reactions(), BarKeys(SEARCH.shown_keys, UPLOAD_FILES.shown_keys))
        self.widget, self.bar, self.side, self.aside = (
            self.views.centre, self.views.bar, self.views.tree, self.views.details,
        )  # fmt: skip
        self.keyboard = self.views.list.tree
        self.offer = Offer(COMMANDS, self._state, self._orders)

    def _reactions(self) -> Reactions:
        def when_in(action: Callable[..., object]) -> Callable[..., Any]:
            """`action` of the session, while there is one."""

            def act(*values: Any) -> None:
                if self.session is not None:
                    action(self.session, *values)

            return act

        return Reactions(
            go=when_in(lambda files, folder: files.go(folder)),
            go_path=when_in(lambda files, text: files.browser.go_path(text)),
            filter=when_in(lambda files, text: files.browser.set_filter(text)),
            open=when_in(lambda files, entry: files.orders.open_entry(entry)),
            select=when_in(lambda files, entries, focus: files.select(entries, focus)),
            sort=when_in(lambda files, column: files.browser.sort_by(column)),
            expand=when_in(lambda files, node: files.folders.expand(node)),
            retry=lambda: self._room.run(REFRESH),
            upload=lambda: self._room.run(UPLOAD_FILES),
            turn_page=when_in(lambda files, number: files.viewer.pane.turn_to(number)),
            context_menu=lambda x, y: self._room.menu(self.menu, x, y),
            drop_over=when_in(lambda files, y: self.views.announce_drop(y, files.browser.folder)),
            drop=when_in(lambda files, paths, y: files.drop(paths, y)),
            put_into=when_in(lambda files, entries, folder, copy: files.orders.put_into(entries, folder, copy=copy)),
            branch_menu=when_in(lambda files, folder, x, y: files.open_branch_menu(folder, x, y)),
        )

    def _state(self) -> FilesState | None:
        if self.session is None:
            return None
        self.views.list.settle_selection()
        return self.session.state

    def _orders(self) -> Orders:
        assert self.session is not None  # without one nothing is offered
        return self.session.orders

    # --- the session -----------------------------------------------------------------------------------------------

    def load(self) -> None:
        import sfos.gui.files.session  # noqa: F401

    def begin(self, desk: Desk) -> None:
        from sfos.gui.files.session import FilesSession

        self.session = FilesSession(desk, self.views, on_gone_to=lambda: desk.go_to(self))
        self.session.start()

    @property
    def unsaved(self) -> str:
        return self.session.unsaved if self.session is not None else ""

    def end(self) -> None:
        if self.session is not None:
            self.session.close()
            self.session = None

    def changed(self, changes: Sequence[Change]) -> None:
        if self.session is not None:
            self.session.changed(changes)

    def missed(self) -> None:
        if self.session is not None:
            self.session.missed()

    def covered(self) -> None:
        if self.session is not None:
            self.session.viewer.close_large()

    def back_online(self) -> None:
        if self.session is not None:
            self.session.back_online()

    # --- being shown -----------------------------------------------------------------------------------------------

    @property
    def listing(self) -> Listing:
        """Listing that the list shows."""
        return self.session.browser.listing if self.session is not None else Listing()

    @property
    def selection(self) -> Selection:
        """Selection in it."""
        return self.session.orders.selection if self.session is not None else Selection()

    def shown(self) -> None:
        self.views.in_window = True
        self.views.tree.show_folder(self.listing.folder)

    def hidden(self) -> None:
        self.views.in_window = False
        self.views.tree.show_nothing()

    def aside_shown(self) -> None:
        if self.session is not None:
            self.session.viewer.show(self.selection)

    @property
    def summary(self) -> str:
        return summary_of(self.listing, self.selection)

    @property
    def can_back(self) -> bool:
        return self.listing.can_back

    @property
    def can_forward(self) -> bool:
        return self.listing.can_forward

    def back(self) -> None:
        if self.session is not None:
            self.session.browser.go_back()

    def forward(self) -> None:
        if self.session is not None:
            self.session.browser.go_forward()

    def take_focus(self) -> None:
        self.views.list.take_focus()

    def stops(self) -> Sequence[Stop]:
        views = self.views
        stops = [Stop(views.list.tree, views.list.take_focus)]
        if views.tree.winfo_ismapped():
            stops.insert(0, Stop(views.tree.tree, views.tree.tree.focus_set))
        if self._room.aside_shown():
            stops.append(Stop(views.details.preview, views.details.preview.focus_content))
        return stops

    def menu_position(self) -> tuple[int, int] | None:
        return self.views.list.menu_position()

    @property
    def menu(self) -> MenuName:
        return "selection" if self.views.list.selected() else "folder"


def summary_of(listing: Listing, selection: Selection) -> str:
    """Summary: the number of items, and of those selected."""
    if listing.phase in ("blank", "skeleton", "failed"):
        return ""
    shown = len(listing.rows)
    text = wording.count(listing.total, "item") + (" so far" if listing.partial else "")
    if shown != listing.total:
        text = f"{shown:,} of {text}"
    if selection.entries:
        text += f" · {len(selection.entries):,} selected"
        if files_among(selection.entries):
            text += f" ({wording.size(selection.size_bytes)})"
    return text
