"""SVG drawings as raw pixels, drawn by resvg. Runs in the worker.

A drawing may name other files: none of them is opened. What it holds itself (`data:`) is drawn.
"""

from __future__ import annotations

import io
import re
import zlib
from typing import TypedDict
from xml.etree import ElementTree as ET

from PIL import Image, ImageFont

from sfos.gui.preview import text
from sfos.gui.preview.blocks import NothingBlock, PictureBlock, TextBlock
from sfos.gui.preview.pictures import flattened

_MAX_BYTES = 32 * 1024 * 1024  # of what a compressed drawing unpacks to
_NUMBER = re.compile(r"\s*\+?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*(px|pt|pc|mm|cm|in)?\s*$", re.IGNORECASE)
_UNITS = {"": 1.0, "px": 1.0, "pt": 4 / 3, "pc": 16.0, "mm": 96 / 25.4, "cm": 96 / 2.54, "in": 96.0}
_USUAL = (300.0, 150.0)  # of a drawing that says nothing of its size, as in browsers


def drawing(data: bytes, name: str, edge: int) -> PictureBlock | TextBlock | NothingBlock:
    """The drawing, its longer side `edge` pixels: it is as sharp at any size. What cannot be drawn is shown as text."""
    if data.startswith(b"\x1f\x8b"):
        unpacked = _unpacked(data)
        if unpacked is None:
            return NothingBlock("This drawing is damaged, or too large for a preview.")
        data = unpacked
    try:
        import resvg_py
    except ImportError:
        return text.code(data, name, complete=True)
    try:
        root = ET.fromstring(data)  # noqa: S314 - in a process with limits; expat refuses what would explode
        _forget_other_files(root)
        width, height = _size(root)
        pixels = resvg_py.svg_to_bytes(
            svg_string=ET.tostring(root, encoding="unicode"),
            background="white",
            **_fonts(root),
            width=edge if width >= height else None,
            height=edge if width < height else None,
        )
        with Image.open(io.BytesIO(pixels)) as opened:
            opened.load()
            image = opened if max(opened.size) <= edge else opened.resize(_within(opened.size, edge))
            flat = flattened(image)
    except (ET.ParseError, ValueError, OSError, OverflowError):
        return _as_text(data, name)
    except BaseException as error:  # a panic in resvg has this as its only base class
        if type(error).__name__ != "PanicException":
            raise
        return _as_text(data, name)
    return PictureBlock(flat.width, flat.height, flat.tobytes(), max(1, round(width)), max(1, round(height)))


def _as_text(data: bytes, name: str) -> TextBlock | NothingBlock:
    block = text.code(data, name, complete=True)
    if isinstance(block, NothingBlock):
        return NothingBlock("This drawing is damaged or of an unknown kind.")
    said = "This drawing is damaged and cannot be drawn; this is its text."
    return TextBlock(block.runs, block.mono, block.cut, f"{said} {block.note}".strip(), wrap=False)


def _unpacked(data: bytes) -> bytes | None:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        unpacked = unpacker.decompress(data, _MAX_BYTES)
    except zlib.error:
        return None
    return unpacked if unpacker.eof else None


def _forget_other_files(root: ET.Element) -> None:
    """Forget every reference to something that is not in the drawing: no name in it becomes a path."""
    for element in root.iter():
        for attribute, value in list(element.attrib.items()):
            if attribute.rpartition("}")[2] == "href" and not value.lstrip().startswith(("#", "data:")):
                del element.attrib[attribute]


class _Fonts(TypedDict, total=False):
    skip_system_fonts: bool
    font_family: str
    serif_family: str
    sans_serif_family: str


def _fonts(root: ET.Element) -> _Fonts:
    """Fonts for the words of a drawing: those of the system, and one that is there in place of what is missing."""
    if not any(element.tag.rpartition("}")[2] == "text" for element in root.iter()):
        return {"skip_system_fonts": True}
    for file in ("DejaVuSans.ttf", "LiberationSans-Regular.ttf", "NotoSans-Regular.ttf", "arial.ttf", "Arial.ttf"):
        try:
            family = ImageFont.truetype(file, 10).getname()[0]
        except OSError:
            continue
        if family:
            return {"font_family": family, "serif_family": family, "sans_serif_family": family}
    return {}


def _size(root: ET.Element) -> tuple[float, float]:
    """Width and height that the drawing says it has."""
    width, height = _length(root.get("width")), _length(root.get("height"))
    numbers = [_length(part) for part in re.split(r"[\s,]+", (root.get("viewBox") or "").strip())[2:4]]
    box = (numbers[0], numbers[1]) if len(numbers) == 2 and all(numbers) else None
    if width and height:
        return width, height
    if box is not None and box[0] and box[1]:
        if width:
            return width, width * box[1] / box[0]
        return (height * box[0] / box[1], height) if height else (box[0], box[1])
    return width or _USUAL[0], height or _USUAL[1]


def _length(value: str | None) -> float:
    """Pixels; 0 for what is no length of its own (a percentage, nonsense)."""
    match = _NUMBER.match(value or "")
    if match is None:
        return 0.0
    return float(match[1] + (match[2] or "")) * _UNITS[(match[3] or "").lower()]


def _within(size: tuple[int, int], edge: int) -> tuple[int, int]:
    scale = edge / max(size)
    return max(1, int(size[0] * scale)), max(1, int(size[1] * scale))
