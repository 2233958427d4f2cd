"""Icons: glyphs of the Bootstrap Icons font that ttkbootstrap bundles, drawn by Pillow at the size they are shown.

No picture files, crisp at every scale, and any colour. Images are kept for the life of the window: Tk shows nothing
once Python has collected a `PhotoImage`.
"""

from __future__ import annotations

import functools
import importlib.resources
import io
import json
import tkinter as tk
from typing import Literal

from PIL import Image, ImageDraw, ImageFont, ImageTk

_PACKAGE = "ttkbootstrap"


@functools.cache
def _code_points() -> dict[str, int]:
    text = importlib.resources.files(_PACKAGE).joinpath("assets/icons/glyphmap.json").read_text("utf-8")
    names: dict[str, int] = json.loads(text)
    return names


@functools.cache
def _font_bytes() -> bytes:
    return importlib.resources.files(_PACKAGE).joinpath("assets/icons/bootstrap.ttf").read_bytes()


@functools.lru_cache(maxsize=32)
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(io.BytesIO(_font_bytes()), size)


def draw(name: str, size: int, colour: str) -> Image.Image:
    """The glyph `name` as a `size` × `size` RGBA picture in `colour` (`#rrggbb`) on nothing.

    The font's em box is the icon's 16-unit grid, so at the size of the em the strokes fall on whole pixels.
    Raises KeyError for a name that the font lacks.
    """
    wide = Image.new("L", (size * 2, size * 2), 0)
    ImageDraw.Draw(wide).text((size // 2, size // 2), chr(_code_points()[name]), font=_font(size), fill=255)
    mask = Image.new("L", (size, size), 0)
    # Placed by its real ink: the font's own metrics put some glyphs a few pixels too high.
    ink = wide.getbbox()
    if ink is not None:
        left, top, right, bottom = ink
        mask.paste(wide.crop(ink), ((size - (right - left)) // 2, (size - (bottom - top)) // 2))
    picture = Image.new("RGBA", (size, size), (*_rgb(colour), 0))
    picture.putalpha(mask)
    return picture


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


class IconShelf:
    """All icons of one window, each drawn once for its name, size and colour."""

    def __init__(self, root: tk.Misc) -> None:
        self._root = root
        self._images: dict[tuple[str, int, str, int, int, int], ImageTk.PhotoImage] = {}

    def cap(self, thick: int, colour: str, side: Literal["left", "right"]) -> ImageTk.PhotoImage:
        """A Tk image of `cap`."""
        key = (f"cap {side}", thick, colour, 0, 0, 0)
        if key not in self._images:
            self._images[key] = ImageTk.PhotoImage(cap(thick, colour, side), master=self._root)
        return self._images[key]

    def get(
        self, name: str, size: int, colour: str, *, pad_left: int = 0, pad_right: int = 0, pad_y: int = 0
    ) -> ImageTk.PhotoImage:
        """A Tk image of the glyph, `size` real pixels square, with empty space round it where asked; no name: no glyph.

        The padding is how a Treeview or a menu, which have no option for it, keep their icons away from the edge and
        the text, and their rows apart.
        """
        key = (name, size, colour, pad_left, pad_right, pad_y)
        if key not in self._images:
            picture = Image.new("RGBA", (size + pad_left + pad_right, size + 2 * pad_y), (*_rgb(colour), 0))
            if name:
                picture.paste(draw(name, size, colour), (pad_left, pad_y))
            self._images[key] = ImageTk.PhotoImage(picture, master=self._root)
        return self._images[key]


def cap(thick: int, colour: str, side: Literal["left", "right"]) -> Image.Image:
    """Half a disc, `thick` pixels high: the smooth end of a bar."""
    over = 4
    disc = Image.new("L", (thick * over, thick * over), 0)
    ImageDraw.Draw(disc).ellipse((0, 0, thick * over - 1, thick * over - 1), fill=255)
    mask = disc.resize((thick, thick), Image.Resampling.LANCZOS)
    half = thick // 2
    mask = mask.crop((0, 0, half, thick) if side == "left" else (thick - half, 0, thick, thick))
    picture = Image.new("RGBA", mask.size, (*_rgb(colour), 0))
    picture.putalpha(mask)
    return picture


def rounded_box(size: int, radius: int, fill: str, border: str | None, width: int) -> Image.Image:
    """A `size` square with round corners, to be stretched by its middle as the body of a button or a field."""
    over = 4  # drawn larger and shrunk: Pillow's own rounded rectangle has jagged corners
    picture = Image.new("RGBA", (size * over, size * over), (0, 0, 0, 0))
    ImageDraw.Draw(picture).rounded_rectangle(
        (0, 0, size * over - 1, size * over - 1),
        radius * over,
        fill=fill,
        outline=border,
        width=width * over if border else 0,
    )
    return picture.resize((size, size), Image.Resampling.LANCZOS)
