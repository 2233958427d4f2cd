"""Placeholder where there is no list: empty, nothing found, still loading, or why it failed."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from tkinter import ttk

from sfos.gui.look import styles
from sfos.gui.look.theme import Theme
from sfos.gui.model import Listing

_SKELETON = (0.50, 0.66, 0.55, 0.71, 0.60, 0.44, 0.63, 0.52)  # how long the grey names are, as a share


class Placeholder(ttk.Frame):
    """Covers the list while `show` says so."""

    def __init__(
        self,
        parent: tk.Misc,
        theme: Theme,
        *,
        on_retry: Callable[[], None],
        on_upload: Callable[[], None],
        on_clear_filter: Callable[[], None],
    ) -> None:
        super().__init__(parent, style=styles.SURFACE)
        self._theme = theme
        self._on_retry, self._on_upload, self._on_clear = on_retry, on_upload, on_clear_filter
        self._listing: Listing | None = None
        self._drop_target = ""
        self._canvas = tk.Canvas(self, highlightthickness=0, borderwidth=0)
        self._canvas.place(relwidth=1, relheight=1)
        self._canvas.bind("<Configure>", lambda _event: self._draw())
        self._button = ttk.Button(self, style=styles.PRIMARY)
        theme.on_change(self._draw)

    def show(self, listing: Listing) -> bool:
        """Cover the list if there is a reason to; whether it is covered."""
        self._listing = listing
        covered = listing.phase in ("skeleton", "failed") or (listing.phase == "ready" and not listing.rows)
        if covered:
            self._draw()
        return covered

    def announce_drop(self, text: str) -> None:
        """Say in the empty folder what a drop now would do; "" ends that."""
        self._drop_target = text
        self._draw()

    def _draw(self) -> None:
        canvas, theme = self._canvas, self._theme
        canvas.configure(background=theme.palette.surface)
        canvas.delete("all")
        self._button.place_forget()
        listing = self._listing
        width, height = self.winfo_width(), self.winfo_height()
        if listing is None or width < 10:
            return
        if listing.phase == "skeleton":
            self._draw_skeleton(width)
        elif listing.phase == "failed":
            name = listing.folder.crumbs[-1].name or "My files"
            self._say(
                "exclamation-triangle", theme.palette.danger, f"Could not open “{name}”", listing.problem or "",
                ("Try again", self._on_retry),
            )  # fmt: skip
        elif listing.filter:
            self._say(
                "search", theme.palette.muted, "Nothing found", f"No name in this folder contains “{listing.filter}”.",
                ("Clear the search", self._on_clear),
            )  # fmt: skip
        else:
            self._draw_empty(width, height)

    def _draw_empty(self, width: int, height: int) -> None:
        theme = self._theme
        px, palette = theme.px, theme.palette
        margin = px(24)
        if width > px(280) and height > px(240):
            self._canvas.create_rectangle(
                margin, margin, width - margin, height - margin,
                outline=palette.accent if self._drop_target else palette.border,
                dash=(px(6), px(4)), width=px(2) if self._drop_target else max(1, px(1)),
            )  # fmt: skip
        hint = self._drop_target or "Drop files or folders here, or press Ctrl+U"
        self._say("cloud-arrow-up", palette.accent, "This folder is empty", hint, ("Upload files…", self._on_upload))

    def _say(self, icon: str, colour: str, title: str, text: str, action: tuple[str, Callable[[], None]]) -> None:
        theme, canvas = self._theme, self._canvas
        px, palette = theme.px, theme.palette
        width, height = self.winfo_width(), self.winfo_height()
        y = max(px(20), height // 2 - px(90))
        centre = width // 2
        canvas.create_image(centre, y, image=theme.icon(icon, colour, 48), anchor="n")
        y += px(66)
        wrap = min(px(460), width - px(60))
        for words, font, ink, gap in (
            (title, "SfHeadingFont", palette.text, 8),
            (text, "TkDefaultFont", palette.muted, 16),
        ):
            item = canvas.create_text(
                centre, y, text=words, font=font, fill=ink, anchor="n", width=wrap, justify="center"
            )
            y = canvas.bbox(item)[3] + px(gap)
        self._button.configure(text=action[0], command=action[1])
        self._button.place(x=centre, y=y, anchor="n")

    def _draw_skeleton(self, width: int) -> None:
        """Grey bars where names will stand, so that nothing jumps when they come."""
        px = self._theme.px
        grey = self._theme.palette.trough
        row = px(styles.ROW_HEIGHT)
        y = px(30)
        for share in _SKELETON:
            middle = y + row // 2
            self._canvas.create_rectangle(px(12), middle - px(8), px(28), middle + px(8), fill=grey, outline="")
            end = px(38) + int(width * 0.5 * share)
            self._canvas.create_rectangle(px(38), middle - px(5), end, middle + px(5), fill=grey, outline="")
            self._canvas.create_rectangle(
                width - px(120), middle - px(5), width - px(40), middle + px(5), fill=grey, outline=""
            )
            y += row
