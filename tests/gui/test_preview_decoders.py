"""The preview worker, as the process that it is: what it shows, what it refuses, how it is stopped."""

from __future__ import annotations

import base64
import gzip
import io
import struct
import subprocess
import tarfile
import threading
import wave
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sfos.gui.preview import host
from sfos.gui.preview.blocks import FactsBlock, Job, NothingBlock, PictureBlock, TableBlock, TextBlock

DAMAGED = "This image is damaged or of an unknown kind."


def never() -> bool:
    return False


def show(kind: str, data: bytes, name: str = "file", **more: object) -> object:
    job = Job(kind, name, more.pop("size", len(data)), more.pop("complete", True), **more)  # type: ignore[arg-type]
    return host.decode(job, data, never)


def text_of(block: object) -> str:
    assert isinstance(block, TextBlock), block
    return "".join(run.text for run in block.runs)


def styles_of(block: object, piece: str) -> set[str]:
    assert isinstance(block, TextBlock), block
    return {style for run in block.runs if piece in run.text for style in run.styles}


def test_text_is_shown_as_it_stands_with_its_line_ends_made_alike() -> None:
    assert text_of(show("text", "Grüße\r\nund mehr\r".encode())) == "Grüße\nund mehr\n"


def test_text_in_other_encodings_is_read() -> None:
    assert text_of(show("text", "Grüße".encode("utf-16"))) == "Grüße"
    assert text_of(show("text", "Grüße".encode("latin-1"))) == "Grüße"


def test_a_cut_through_a_character_drops_only_that_character() -> None:
    whole = "aé" * 10
    assert text_of(show("text", whole.encode()[:-1], complete=False, size=100)) == whole[:-1]


def test_binary_data_is_not_shown_as_text() -> None:
    assert isinstance(show("text", b"\x7fELF\x00\x01\x02"), NothingBlock)
    assert isinstance(show("code", bytes(range(256)) * 4, "x.py"), NothingBlock)


def test_code_has_its_parts_coloured() -> None:
    block = show("code", b"def hello():\n    return 'x'  # note\n", "a.py")
    assert text_of(block) == "def hello():\n    return 'x'  # note\n"
    assert "keyword" in styles_of(block, "def")
    assert "string" in styles_of(block, "'x'")
    assert "comment" in styles_of(block, "# note")


def test_code_in_an_unknown_language_is_plain_text() -> None:
    assert text_of(show("code", b"some words", "a.zzz")) == "some words"


def test_markdown_is_shown_as_it_is_meant() -> None:
    source = (
        b"# Title\n\nSome **bold** and `code`, a [link](http://x).\n\n- one\n  - two\n\n- [x] done\n\n"
        b"```python\nx = 1\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    )
    block = show("markdown", source, "n.md")
    text = text_of(block)
    assert "# Title" not in text and "Title\n" in text
    assert "http://x" not in text
    assert "h1" in styles_of(block, "Title")
    assert "bold" in styles_of(block, "bold")
    assert "☑" in text and "•" in text


def test_a_table_has_headings_and_rows() -> None:
    block = show("table", b"name;size\nx;1\ny;2\n", "t.csv")
    assert isinstance(block, TableBlock)
    assert block.header == ("name", "size")
    assert block.rows == (("x", "1"), ("y", "2"))


def test_a_long_table_is_cut_after_a_thousand_rows() -> None:
    block = show("table", b"n\n" + b"".join(b"%d\n" % n for n in range(5000)), "t.csv")
    assert isinstance(block, TableBlock)
    assert len(block.rows) == 1000 and block.cut


def picture_bytes(size: tuple[int, int], kind: str = "PNG", **more: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "red").save(out, kind, **more)
    return out.getvalue()


def test_a_picture_is_fitted_and_its_true_size_told() -> None:
    block = show("picture", picture_bytes((3200, 1600)), "p.png", edge=400)
    assert isinstance(block, PictureBlock)
    assert (block.width, block.height) == (400, 200)
    assert (block.true_width, block.true_height) == (3200, 1600)
    assert block.pixels[:3] == b"\xff\x00\x00"


def test_a_picture_bomb_is_refused() -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    block = show("picture", bomb + picture_bytes((9, 9))[33:], "bomb.png")
    assert isinstance(block, NothingBlock)
    assert "too large" in block.reason


def test_a_broken_picture_says_so() -> None:
    assert show("picture", picture_bytes((50, 50))[:60], "p.png") == NothingBlock(DAMAGED)
    assert show("picture", b"no picture at all", "p.png") == NothingBlock(DAMAGED)
    assert show("pdf", b"no document at all", "p.pdf") == NothingBlock("This PDF is damaged or of an unknown kind.")


def test_a_page_of_a_pdf_is_shown() -> None:
    out = io.BytesIO()
    pages = [Image.new("RGB", (100, 140), colour) for colour in ("red", "blue")]
    pages[0].save(out, "PDF", save_all=True, append_images=pages[1:])
    block = show("pdf", out.getvalue(), "d.pdf", page=1, edge=300)
    assert isinstance(block, PictureBlock)
    assert (block.page, block.pages) == (1, 2)
    middle = (block.height // 2 * block.width + block.width // 2) * 3
    red, green, blue = block.pixels[middle : middle + 3]
    assert blue > 200 and red < 60 and green < 60


def test_archives_are_listed_not_unpacked() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("folder/evil\u202ename.txt", "x" * 2000)
    block = show("archive", packed.getvalue(), "a.zip")
    assert isinstance(block, TableBlock)
    assert block.rows == (("folder/evil\\u202ename.txt", "2.0 kB"),)
    tarred = io.BytesIO()
    with tarfile.open(fileobj=tarred, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("inside.txt"))
    block = show("archive", tarred.getvalue(), "a.tar.gz")
    assert isinstance(block, TableBlock) and block.rows[0][0] == "inside.txt"


def test_audio_tells_its_length() -> None:
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(8000 * 2 * 3))
    block = show("audio", out.getvalue(), "s.wav")
    assert isinstance(block, FactsBlock)
    assert ("Length", "0:03") in block.facts


@pytest.mark.parametrize("kind", ["text", "code", "markdown", "table", "picture", "drawing", "pdf", "archive", "audio"])
def test_junk_is_answered_not_crashed_on(kind: str) -> None:
    for data in (b"", b"%PDF-1.7 junk", b"PK\x03\x04junk" + bytes(range(256)) * 20):
        assert show(kind, data, "junk.bin") is not None


def test_a_worker_that_takes_too_long_is_killed() -> None:
    block = host.decode(Job("text", "x", 1, True), b"x", never, deadline_s=0.0)
    assert isinstance(block, NothingBlock)
    assert "too long" in block.reason


def test_a_worker_nobody_waits_for_is_killed() -> None:
    gone = threading.Event()
    gone.set()
    block = host.decode(Job("text", "x", 1, True), b"x", gone.is_set)
    assert block == NothingBlock("")


def test_the_worker_sees_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SFOS_PASSWORD", "secret")
    seen: list[dict[str, str]] = []
    start = subprocess.Popen

    def spy(*args: Any, **more: Any) -> subprocess.Popen[bytes]:
        seen.append(more["env"])
        return start(*args, **more)

    monkeypatch.setattr(subprocess, "Popen", spy)
    show("text", b"x")
    assert "SFOS_PASSWORD" not in seen[0] and "PATH" in seen[0]


# --- drawings, large pictures, and what is left out -----------------------------------------------------------------

SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 20 10"><rect width="20" height="10" fill="#0000ff"/>%s</svg>'
)


def test_a_drawing_is_drawn_as_large_as_there_is_room_and_its_own_size_is_told() -> None:
    for data in (SVG % b"", gzip.compress(SVG % b"")):
        block = show("drawing", data, "d.svg", edge=400)
        assert isinstance(block, PictureBlock)
        assert (block.width, block.height, block.true_width, block.true_height) == (400, 200, 20, 10)
        assert block.pixels[:3] == b"\x00\x00\xff"


def test_a_drawing_never_opens_another_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(picture_bytes((20, 10)))
    links = b'<image href="%s" width="20" height="10"/>' % str(secret).encode()
    xlink = links.replace(b"href", b'xmlns:x="http://www.w3.org/1999/xlink" x:href')
    inside = b'<image href="data:image/png;base64,%s" width="20" height="10"/>'
    for part, first in (
        (links, b"\x00\x00\xff"), (xlink, b"\x00\x00\xff"),
        (inside % base64.b64encode(picture_bytes((20, 10))), b"\xff\x00\x00"),
    ):  # fmt: skip
        block = show("drawing", SVG % part, "d.svg", edge=100)
        assert isinstance(block, PictureBlock) and block.pixels[:3] == first


@pytest.mark.parametrize("data", [b"<svg", b"<svg xmlns='http://www.w3.org/2000/svg' width='0' height='0'/>", b"<p/>"])
def test_a_drawing_that_cannot_be_drawn_shows_its_text_and_says_so(data: bytes) -> None:
    block = show("drawing", data, "d.svg")
    assert isinstance(block, TextBlock) and text_of(block) == data.decode()
    assert "cannot be drawn" in block.note


def test_a_large_photo_is_scaled_while_it_is_decoded() -> None:
    photo = Image.new("L", (12_000, 10_000), 128)  # 120 megapixels, which whole would be refused
    out = io.BytesIO()
    photo.save(out, "JPEG", quality=30)
    block = show("picture", out.getvalue(), "p.jpg", edge=600)
    assert isinstance(block, PictureBlock), block
    assert (block.width, block.height, block.true_width) == (600, 500, 12_000)


def test_a_photo_taken_upright_is_shown_so_with_its_true_size() -> None:
    photo, out = Image.new("RGB", (400, 200), "red"), io.BytesIO()
    exif = photo.getexif()
    exif[0x0112] = 6  # turned by a quarter
    photo.save(out, "JPEG", exif=exif)
    block = show("picture", out.getvalue(), "p.jpg", edge=100)
    assert isinstance(block, PictureBlock)
    assert (block.width, block.height, block.true_width, block.true_height) == (50, 100, 200, 400)


def test_whatever_is_left_out_of_a_preview_is_said() -> None:
    assert note_of(show("text", b"all of it\n")) == ""
    assert "Only the beginning" in note_of(show("text", b"abc", complete=False, size=100))
    assert "1 very long line is shortened" in note_of(show("text", b"x" * 5_000 + b"\nshort"))
    assert "2 very long lines are shortened" in note_of(show("code", (b"x" * 5_000 + b"\n") * 2, "a.py"))
    assert "too long" in note_of(show("markdown", b"**a** b\n\n" * 40_000, "n.md"))
    assert note_of(show("table", b"a,b\n1,2\n", "t.csv")) == ""
    assert "the first 1,000 rows" in note_of(show("table", b"n\n" + b"1\n" * 2_000, "t.csv"))
    assert "60 of 70 columns" in note_of(show("table", b",".join([b"x"] * 70) + b"\n", "t.csv"))
    assert "long cells" in note_of(show("table", b"a,b\n" + b"x" * 900 + b",1\n", "t.csv"))


def note_of(block: object) -> str:
    assert isinstance(block, TextBlock | TableBlock)
    assert block.cut == bool(block.note)
    return block.note
