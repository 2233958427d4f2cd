"""The small pictures that styles are made of: boxes, check marks, arrows, thumbs. Each is drawn once and kept."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable

from PIL import Image, ImageTk

from sfos.gui.look.icons import draw, rounded_box

RADIUS = 4


class StylePictures:
    """Pictures at the window's scale. ttk keeps none of them alive, so this does, those of every theme."""

    def __init__(self, root: tk.Misc, px: Callable[[float], int]) -> None:
        self._root = root
        self._px = px
        self._images: dict[tuple[str, ...], ImageTk.PhotoImage] = {}

    def box(self, fill: str, border: str | None, width: int = 1) -> ImageTk.PhotoImage:
        """A rounded box, to be stretched."""
        key = (fill, border or "", str(width))
        if key not in self._images:
            picture = rounded_box(self._px(RADIUS) * 2 + 8, self._px(RADIUS), fill, border, max(1, self._px(width)))
            self._images[key] = ImageTk.PhotoImage(picture, master=self._root)
        return self._images[key]

    def mark(self, icon: str, colour: str) -> ImageTk.PhotoImage:
        """A sign of a check button, with the gap to its text."""
        key = (icon, colour)
        if key not in self._images:
            size, gap = self._px(16), self._px(8)
            picture = Image.new("RGBA", (size + gap, size), (0, 0, 0, 0))
            picture.paste(draw(icon, size, colour), (0, 0))
            self._images[key] = ImageTk.PhotoImage(picture, master=self._root)
        return self._images[key]

    def arrow(self, icon: str | None, colour: str) -> ImageTk.PhotoImage:
        """A sign of a tree, with the gap to what follows; None: only its room."""
        key = ("arrow", icon or "", colour)
        if key not in self._images:
            size, gap = self._px(11), self._px(6)
            picture = Image.new("RGBA", (size + gap, size), (0, 0, 0, 0))
            if icon is not None:
                picture.paste(draw(icon, size, colour), (0, 0))
            self._images[key] = ImageTk.PhotoImage(picture, master=self._root)
        return self._images[key]

    def thumb(self, fill: str) -> ImageTk.PhotoImage:
        """Thumb of a scroll bar, to be stretched."""
        key = ("thumb", fill)
        if key not in self._images:
            # An empty rim keeps the thumb slim and away from the edge of the list, and the place to grab it wide.
            side, rim = self._px(12), self._px(3)
            picture = Image.new("RGBA", (side, side), (0, 0, 0, 0))
            picture.paste(rounded_box(side - 2 * rim, (side - 2 * rim) // 2, fill, None, 0), (rim, rim))
            self._images[key] = ImageTk.PhotoImage(picture, master=self._root)
        return self._images[key]
