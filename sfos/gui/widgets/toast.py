"""A short message at the lower edge that goes away by itself: what was done."""

from __future__ import annotations

import tkinter as tk
from tkinter import ttk

from sfos.gui.look.palette import palette_for
from sfos.gui.look.theme import Theme
from sfos.gui.model import Notice

_SHOWN_MS = 4_000
_LONGER_MS = 8_000  # for what went wrong: it takes longer to read
_ICONS = {"info": "info-circle", "success": "check-circle", "warning": "exclamation-triangle", "error": "x-octagon"}
_COLOURS = {"info": "accent", "success": "success", "warning": "warning", "error": "danger"}


class Toast:
    """One message at a time, placed over `parent`; a click sends it away."""

    def __init__(self, parent: tk.Misc, theme: Theme) -> None:
        self._parent = parent
        self._theme = theme
        self._after: str | None = None
        self._box: tk.Frame | None = None
        self.text = ""

    def show(self, notice: Notice) -> None:
        """Show `notice` in place of the one before it."""
        self.hide()
        theme, palette = self._theme, self._theme.palette
        px = theme.px
        # The other palette's surface stands out from anything below it.
        self._box = tk.Frame(self._parent, background=palette.text, borderwidth=0)
        colour = getattr(palette_for("dark" if palette.mode == "light" else "light"), _COLOURS[notice.severity])
        ttk.Label(self._box, image=theme.icon(_ICONS[notice.severity], colour, 15), background=palette.text).pack(
            side="left", padx=(px(14), px(10)), pady=px(10)
        )
        room = max(px(200), self._parent.winfo_width() - px(120))
        ttk.Label(
            self._box,
            text=notice.text,
            background=palette.text,
            foreground=palette.surface,
            wraplength=min(px(560), room),
        ).pack(side="left", padx=(0, px(16)), pady=px(9))
        for widget in (self._box, *self._box.winfo_children()):
            widget.bind("<Button-1>", lambda _event: self.hide())
        self._box.place(relx=0.5, rely=1.0, y=-px(44), anchor="s")
        self._box.lift()
        self.text = notice.text
        shown = _LONGER_MS if notice.severity in ("error", "warning") else _SHOWN_MS
        self._after = self._parent.after(shown, self.hide)

    def hide(self) -> None:
        """Send it away."""
        if self._after is not None:
            self._parent.after_cancel(self._after)
            self._after = None
        if self._box is not None:
            self._box.destroy()
            self._box = None
        self.text = ""
