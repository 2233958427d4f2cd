"""Contents of archives, and the tags of audio files. Nothing is unpacked. Runs in the worker."""

from __future__ import annotations

import io
import tarfile
import zipfile
import zlib

from sfos.gui import wording
from sfos.gui.preview.blocks import MAX_ROWS, FactsBlock, NothingBlock, TableBlock
from sfos.protocol import printable

_BROKEN = (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, ValueError, zlib.error, NotImplementedError)


def archive(data: bytes, name: str) -> TableBlock | NothingBlock:
    """The names and sizes in a ZIP or TAR archive, compressed or not."""
    try:
        if zipfile.is_zipfile(io.BytesIO(data)):
            return _zip(data)
        return _tar(data)
    except _BROKEN as error:
        if name.lower().endswith((".gz", ".bz2", ".xz")):
            return NothingBlock("One compressed file, not an archive of several. Download it to open it.")
        return NothingBlock(f"This archive cannot be read: {error}")


def _zip(data: bytes) -> TableBlock:
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        infos = opened.infolist()
        rows = tuple(
            (printable(info.filename), "—" if info.is_dir() else wording.size(info.file_size))
            for info in infos[:MAX_ROWS]
        )
        total = sum(info.file_size for info in infos)
    return _listing(rows, len(infos), total)


def _tar(data: bytes) -> TableBlock:
    rows: list[tuple[str, str]] = []
    total = count = 0
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:*") as opened:
        for member in opened:
            count += 1
            total += member.size
            if len(rows) < MAX_ROWS:
                rows.append((printable(member.name), wording.size(member.size) if member.isfile() else "—"))
    return _listing(tuple(rows), count, total)


def _listing(rows: tuple[tuple[str, str], ...], count: int, total: int) -> TableBlock:
    note = f"{wording.count(count, 'entry', 'entries')} · {wording.size(total)} unpacked"
    if count > len(rows):
        note += f" · the first {len(rows):,} are shown"
    return TableBlock(("Name", "Size"), rows, cut=count > len(rows), note=note)


def audio(data: bytes, name: str, size_bytes: int) -> FactsBlock | NothingBlock:
    """Title, artist, length and the like."""
    from tinytag import TinyTag, TinyTagException

    try:
        tag = TinyTag.get(filename=name, file_obj=io.BytesIO(data))
    except (TinyTagException, OSError, ValueError, IndexError) as error:
        return NothingBlock(f"This audio file cannot be read: {error}")
    facts: list[tuple[str, str]] = []
    for label, value in (
        ("Title", tag.title),
        ("Artist", tag.artist),
        ("Album", tag.album),
        ("Year", tag.year),
        ("Genre", tag.genre),
    ):
        if value:
            facts.append((label, printable(str(value))[:200]))
    # A file cut short cannot tell its length.
    if tag.duration and len(data) == size_bytes:
        minutes, seconds = divmod(round(tag.duration), 60)
        facts.append(("Length", f"{minutes}:{seconds:02}"))
    if tag.bitrate:
        facts.append(("Bit rate", f"{round(tag.bitrate)} kbit/s"))
    if tag.samplerate:
        facts.append(("Sample rate", f"{tag.samplerate / 1000:g} kHz"))
    if not facts:
        return NothingBlock("This audio file says nothing of itself.")
    return FactsBlock(tuple(facts))
