"""Blocks that make up a preview: frozen values that cross from the worker to the window as MessagePack."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

MAX_RUNS = 60_000  # styled pieces of one text; more would stall the Text widget
MAX_ROWS = 1_000
MAX_COLUMNS = 60  # of a table; more are said to be there
MAX_PIXELS = 100_000_000  # that a picture has where it cannot be decoded smaller; more say so (decompression bombs)
EDGE = 1_600  # the longest edge, in pixels, at which a picture is handed over


class Block(msgspec.Struct, frozen=True, tag=True):
    """One kind of preview."""


class Run(msgspec.Struct, frozen=True, array_like=True):
    """A piece of text and the names of its styles (see gui.preview.rich_text)."""

    text: str
    styles: tuple[str, ...] = ()


class TextBlock(Block, frozen=True):
    """Styled text. `mono`: in the fixed font. `wrap`: lines that are too long go on below, else they are scrolled to.
    `cut`: there is more, and `note` says so."""

    runs: tuple[Run, ...]
    mono: bool
    cut: bool = False
    note: str = ""
    wrap: bool = True


class PictureBlock(Block, frozen=True):
    """A picture as raw RGB rows. `true_width`, `true_height`: of the file; `page` of `pages` for documents."""

    width: Annotated[int, Meta(ge=1, le=EDGE)]
    height: Annotated[int, Meta(ge=1, le=EDGE)]
    pixels: bytes
    true_width: int = 0
    true_height: int = 0
    page: int = 0
    pages: int = 0
    note: str = ""


class TableBlock(Block, frozen=True):
    """Rows under headings; of numbers the window shows the text as it stands. `cut`: there are more."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    cut: bool = False
    note: str = ""


class FactsBlock(Block, frozen=True):
    """Labels and values, where there is nothing to look at."""

    facts: tuple[tuple[str, str], ...]
    note: str = ""


class NothingBlock(Block, frozen=True):
    """Reason why there is no preview."""

    reason: str


AnyBlock = TextBlock | PictureBlock | TableBlock | FactsBlock | NothingBlock


class Job(msgspec.Struct, frozen=True):
    """Order to the worker. The file's bytes follow it; `page` from 0."""

    kind: Literal["text", "code", "markdown", "table", "picture", "drawing", "pdf", "archive", "audio"]
    name: str
    size_bytes: int
    complete: bool
    page: int = 0
    edge: Annotated[int, Meta(ge=16, le=EDGE)] = EDGE


encode = msgspec.msgpack.encode
_decoder: msgspec.msgpack.Decoder[AnyBlock] = msgspec.msgpack.Decoder(AnyBlock)


def decode(data: bytes) -> AnyBlock:
    """The block in `data`. Raises: msgspec.MsgspecError for anything else."""
    block = _decoder.decode(data)
    if isinstance(block, PictureBlock) and len(block.pixels) != block.width * block.height * 3:
        raise msgspec.ValidationError("a picture's pixels do not match its size")
    return block
