"""Files dropped into the window from other programs, where tkinterdnd2 is installed and loads."""

from __future__ import annotations

import logging
import tkinter as tk
from collections.abc import Callable
from pathlib import Path

_log = logging.getLogger(__name__)


class DropTarget:
    """Takes files over `widget`. Tcl is called directly: the library's classes would have to replace our root."""

    def __init__(
        self,
        widget: tk.Misc,
        *,
        on_over: Callable[[int, int], None],
        on_leave: Callable[[], None],
        on_drop: Callable[[tuple[Path, ...], int, int], None],
    ) -> None:
        self._widget = widget
        self._on_over, self._on_leave, self._on_drop = on_over, on_leave, on_drop
        self.available = _load(widget)
        if not self.available:
            return
        call = widget.tk.call
        call("tkdnd::drop_target", "register", str(widget), ("DND_Files",))
        for event, handler in (
            ("<<DropEnter>>", self._over),
            ("<<DropPosition>>", self._over),
            ("<<DropLeave>>", self._leave),
            ("<<Drop>>", self._drop),
        ):
            command = widget.register(handler)
            call("bind", str(widget), event, f"{command} %X %Y %D")

    def _over(self, x: str, y: str, _data: str) -> str:
        self._on_over(int(x), int(y))
        return "copy"

    def _leave(self, _x: str, _y: str, _data: str) -> str:
        self._on_leave()
        return "copy"

    def _drop(self, x: str, y: str, data: str) -> str:
        self._on_leave()
        # A Tcl list: names with spaces and braces arrive whole.
        paths = tuple(Path(name) for name in map(str, self._widget.tk.splitlist(data)))
        # Let the other program's drag end before anything opens a dialog.
        self._widget.after_idle(self._on_drop, paths, int(x), int(y))
        return "copy"


def _load(widget: tk.Misc) -> bool:
    try:
        from tkinterdnd2 import TkinterDnD  # type: ignore[import-untyped]  # has no types

        TkinterDnD._require(widget.winfo_toplevel())
    except (ImportError, RuntimeError, tk.TclError) as error:
        _log.info("files cannot be dropped into the window: %s", error)
        return False
    return True
