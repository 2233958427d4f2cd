"""Orders for a folder of the left pane: commands as in the list, but about that folder and what is put into it."""

from __future__ import annotations

from collections.abc import Callable

from sfos.gui.files.operations import name_problem
from sfos.gui.files.orders import Orders
from sfos.gui.model import FolderPath, Selection
from sfos.gui.widgets.dialogs.ask import ask_name
from sfos.protocol import Entry


class BranchOrders(Orders):
    """Carries out one command of the folder's menu; `selection` is the folder itself. The root has none of its own."""

    def __init__(
        self, orders: Orders, folder: FolderPath, entry: Entry | None, go: Callable[[FolderPath], None]
    ) -> None:
        super().__init__(
            orders._desk, orders.views, browser=orders.browser, operations=orders.operations, viewer=orders._viewer,
            opened=orders._opened, renew=orders._renew,
        )  # fmt: skip
        self._folder, self._go = folder, go
        self.selection = Selection((entry,) if entry is not None else ())

    @property
    def place(self) -> FolderPath:
        return self._folder

    def _path_of_selected(self) -> str:
        return self._folder.path

    def _is_taken(self, _name: str) -> bool:
        return False  # what is in it is not known here; the server refuses what is taken

    def open_selected(self) -> None:
        """Show the folder."""
        self._go(self._folder)

    def rename(self) -> None:
        """Ask for another name of the folder."""
        entry = self.selection.entries[0]
        ask_name(
            self._root, self._theme, title="Rename", label="New name", value=entry.name, verb="Rename",
            check=lambda name: name_problem(name, lambda _name: False, entry.name),
            on_done=lambda name: self.operations.rename(entry, name),
        )  # fmt: skip
