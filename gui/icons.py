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
    picture = Image.new("RGBA", (size, size), (*_rgb(colour), 0))
    mask = Image.new("L", (size, size), 0)
    glyph = chr(_code_points()[name])
    font = _font(size)
    # Placed by its real ink, not by the font's ascent, which differs between releases of the icon font.
    left, top, right, bottom = font.getbbox(glyph)
    at = (round((size - (right - left)) / 2 - left), round((size - (bottom - top)) / 2 - top))
    ImageDraw.Draw(mask).text(at, glyph, font=font, fill=255)
    picture.putalpha(mask)
    return picture


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


class IconShelf:
    """All icons of one window, each drawn once for its name, size and colour."""

    def __init__(self, root: tk.Misc) -> None:
        self._root = root
        self._images: dict[tuple[str, int, str, int, int], ImageTk.PhotoImage] = {}

    def get(self, name: str, size: int, colour: str, *, pad_left: int = 0, pad_right: int = 0) -> ImageTk.PhotoImage:
        """A Tk image of the glyph, `size` real pixels square, with empty columns beside it where asked.

        The padding is how a Treeview, which has no option for it, keeps its icons away from the edge and the text.
        """
        key = (name, size, colour, pad_left, pad_right)
        if key not in self._images:
            picture = draw(name, size, colour)
            if pad_left or pad_right:
                wide = Image.new("RGBA", (size + pad_left + pad_right, size), (*_rgb(colour), 0))
                wide.paste(picture, (pad_left, 0))
                picture = wide
            self._images[key] = ImageTk.PhotoImage(picture, master=self._root)
        return self._images[key]


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
