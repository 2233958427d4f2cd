"""Looking at what is selected: the details pane, and the large preview in its own window."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from dataclasses import dataclass

from sfos.client.api import Api
from sfos.gui import wording
from sfos.gui.look import kinds
from sfos.gui.look.theme import Theme
from sfos.gui.model import Listing, Selection
from sfos.gui.nodes import key_of
from sfos.gui.preview.area import PreviewArea
from sfos.gui.preview.details import DetailsPane
from sfos.gui.preview.presenter import PreviewPresenter, Shown, details_of, with_picture_size
from sfos.gui.preview.window import PreviewWindow
from sfos.gui.threads.bridge import TaskBridge
from sfos.protocol import Entry


@dataclass(frozen=True, slots=True)
class Areas:
    """Areas that previews are drawn in: `pane` while `pane_shown()`, and a window of its own over `root`."""

    pane: DetailsPane
    pane_shown: Callable[[], bool]
    root: tk.Misc
    theme: Theme


class Viewer:
    """Shows the selection beside the list, and single files large. `listing()`: what the list shows now."""

    def __init__(
        self,
        areas: Areas,
        bridge: TaskBridge,
        api: Api,
        max_bytes: int,
        *,
        listing: Callable[[], Listing],
        on_download: Callable[[Entry], None],
        on_step: Callable[[Entry], None],
        on_closed: Callable[[], None],
    ) -> None:
        """`on_step`: the large preview went on to another file of the list; `on_closed`: it was closed by hand."""
        self._areas, self._listing = areas, listing
        self._on_download, self._on_step, self._on_closed = on_download, on_step, on_closed
        self._selection = Selection()
        self._closed = False
        self.pane = PreviewPresenter(bridge, api, max_bytes, self._show_in_pane)
        self.large = PreviewPresenter(bridge, api, max_bytes, self._show_large)
        self._big: PreviewWindow | None = None

    def close(self) -> None:
        """Close the large preview, and fetch nothing more."""
        self._closed = True
        self.close_large()
        self.pane.show(None)

    def close_large(self) -> None:
        """Close the large preview, if it is open."""
        if self._big is not None:
            self._big.close()

    # --- beside the list -------------------------------------------------------------------------------------------

    def show(self, selection: Selection) -> None:
        """Show `selection`, or without one the folder."""
        self._selection = selection
        entries = selection.entries
        one = entries[0] if len(entries) == 1 else None
        if not self._areas.pane_shown():
            self.pane.show(None)
            return
        self.pane.show(one)
        self._describe()
        if one is None:
            icon, colour = ("files", "muted") if entries else (kinds.FOLDER.icon, kinds.FOLDER.colour)
            self._areas.pane.preview.show_message(icon, "", colour)

    def _describe(self) -> None:
        listing = self._listing()
        details = details_of(self._selection, listing.folder.path, listing.total, wording.local_now())
        shown = self.pane.shown
        if self._selection.entries == (shown.entry,):
            details = with_picture_size(details, shown.block)
        self._areas.pane.show(details.title, details.subtitle, details.facts)

    def _show_in_pane(self, shown: Shown) -> None:
        if not self._closed:
            _draw(self._areas.pane.preview, shown)
            if shown.block is not None:
                self._describe()

    # --- large -----------------------------------------------------------------------------------------------------

    @property
    def large_window(self) -> PreviewWindow | None:
        """The window with the large preview, while it is open."""
        return self._big

    def open_large(self, entry: Entry) -> None:
        """Show `entry` in a window of its own."""
        if self._big is None:
            self._big = PreviewWindow(
                self._areas.root, self._areas.theme, on_page=self.large.turn_to, on_step=self._step,
                on_download=self._download, on_close=self._big_closed,
            )  # fmt: skip
            self._big.open()
        self.large.show(entry, at_once=True)

    def renew(self, listing: Listing) -> None:
        """Show the large preview's file as `listing` has it now."""
        shown = self.large.shown.entry
        if self._big is not None and shown is not None:
            row = listing.rows.get(key_of(shown))
            if row is not None and row != shown:
                self.large.show(row, at_once=True)

    def _step(self, step: int) -> None:
        rows, shown = self._listing().rows, self.large.shown.entry
        here = rows.position(key_of(shown)) if shown is not None else None
        there = rows.next_file(here, step) if here is not None else None
        if there is not None:
            self._on_step(rows[there])
            self.large.show(rows[there], at_once=True)

    def _show_large(self, shown: Shown) -> None:
        if self._big is None or shown.entry is None:
            return
        details = details_of(Selection((shown.entry,)), self._listing().folder.path, 0, wording.local_now())
        details = with_picture_size(details, shown.block)
        self._big.describe(details.title, details.subtitle)
        _draw(self._big.preview, shown)

    def _download(self) -> None:
        if self.large.shown.entry is not None:
            self._on_download(self.large.shown.entry)

    def _big_closed(self) -> None:
        self._big = None
        self.large.show(None)
        if not self._closed:
            self._on_closed()


def _draw(area: PreviewArea, shown: Shown) -> None:
    if shown.block is not None:
        area.show(shown.block, shown.icon, shown.colour)
    else:
        area.show_message(shown.icon, shown.message, shown.colour, working=shown.working)
