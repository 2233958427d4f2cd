"""A strip above the list for what lasts: offline, an error of the program, a default password still in use."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from tkinter import ttk

from sfos.gui.look import styles
from sfos.gui.look.theme import Theme
from sfos.gui.model import Notice

_LOOK = {
    "warning": (styles.NOTICE, styles.NOTICE_TEXT, "exclamation-triangle", "warning"),
    "error": (styles.ALARM, styles.ALARM_TEXT, "exclamation-octagon", "danger"),
    "info": (styles.NOTICE, styles.NOTICE_TEXT, "info-circle", "accent"),
    "success": (styles.NOTICE, styles.NOTICE_TEXT, "check-circle", "success"),
}


class Banner(ttk.Frame):
    """Shows one notice at a time and takes no room without one.

    `width`: of the place it stands in, in pixels, where that would grow with the text and then shrink again line by
    line.
    """

    def __init__(self, parent: tk.Misc, theme: Theme, *, icon: str | None = None, width: int = 0) -> None:
        super().__init__(parent)
        self._theme = theme
        self._own_icon = icon
        self._width = width
        self._notice: Notice | None = None
        px = theme.px
        self._icon = ttk.Label(self)
        self._icon.grid(row=0, column=0, padx=(px(14), px(10)), pady=px(8), sticky="n")
        self._text = ttk.Label(self, justify="left", anchor="w")
        self._text.grid(row=0, column=1, sticky="ew", pady=px(7))
        self._action = ttk.Button(self, style=styles.LINK)
        self._action.grid(row=0, column=2, padx=(px(12), 0))
        self._other = ttk.Button(self, style=styles.LINK)
        self._other.grid(row=0, column=3, padx=(px(4), 0))
        self._close = ttk.Button(self, style=styles.TOOL)
        self._close.grid(row=0, column=4, padx=(px(4), px(8)))
        self.columnconfigure(1, weight=1)
        self.bind("<Configure>", lambda event: self._wrap(event.width))
        theme.on_change(self._recolour)

    def show(
        self,
        notice: Notice | None,
        *,
        act: Callable[[], None] | None = None,
        other: Callable[[], None] | None = None,
        close: Callable[[], None] | None = None,
    ) -> None:
        """Show `notice`; `act` is behind its action, `other` behind its other one, `close` (None: it cannot be closed)
        behind the cross.
        """
        self._notice = notice
        if notice is None:
            if self.winfo_manager() == "grid":
                self.grid_remove()
            return
        self._text.configure(text=notice.text)
        for button, name, command in ((self._action, notice.action, act), (self._other, notice.other, other)):
            if name and command:
                button.configure(text=name, command=command)
                button.grid()
            else:
                button.grid_remove()
        if close:
            self._close.configure(command=close)
            self._close.grid()
        else:
            self._close.grid_remove()
        self._recolour()
        if self._width:
            self._wrap(self._width)
        if self.winfo_manager() != "pack":
            self.grid()

    @property
    def notice(self) -> Notice | None:
        """Notice that is shown now."""
        return self._notice

    def invoke(self, *, other: bool = False) -> None:
        """Do what the action, or the other one, does, as a click would."""
        (self._other if other else self._action).invoke()

    def _recolour(self) -> None:
        notice = self._notice
        if notice is None:
            return
        theme = self._theme
        frame, text, icon, colour = _LOOK[notice.severity]
        self.configure(style=frame)
        self._text.configure(style=text)
        self._icon.configure(style=text, image=theme.icon(self._own_icon or icon, getattr(theme.palette, colour), 15))
        alarm = notice.severity == "error"
        for button in (self._action, self._other):
            button.configure(style=styles.ALARM_LINK if alarm else styles.NOTICE_LINK)
        self._close.configure(
            style=styles.ALARM_TOOL if alarm else styles.NOTICE_TOOL, image=theme.icon("x-lg", theme.palette.muted, 12)
        )

    def _wrap(self, width: int) -> None:
        taken = self._theme.px(60) + sum(
            widget.winfo_reqwidth() for widget in (self._action, self._other, self._close) if widget.winfo_manager()
        )
        self._text.configure(wraplength=max(self._theme.px(120), width - taken))
