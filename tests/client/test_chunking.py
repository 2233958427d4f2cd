from __future__ import annotations

import hashlib
import os
import random
from pathlib import Path

import pytest

from sfos.client.errors import FileChanged, LocalAccess
from sfos.client.local.chunking import Cutter, Stamp, open_source
from sfos.protocol import MAX_CHUNK_BYTES, MIN_CHUNK_BYTES, ContentMismatch

SEED = 0x1234_5678_9ABC_DEF0


def cut(path: Path, seed: int = SEED) -> list[bytes]:
    with open_source(path) as source:
        pieces = [bytes(piece) for piece in Cutter(seed).cut(source)]
        source.check_unchanged()
        return pieces


def noise(size: int) -> bytes:
    return random.Random("golden").randbytes(size)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


def test_boundaries_never_move(path: Path) -> None:
    """Frozen by the first stored byte: if this fails, every client cuts anew what is stored already."""
    path.write_bytes(noise(16 * 1024 * 1024))
    assert [len(piece) for piece in cut(path)] == GOLDEN
    assert [len(piece) for piece in cut(path, seed=0)] == GOLDEN_WITHOUT_SEED


@pytest.mark.parametrize("ahead", [MAX_CHUNK_BYTES, MAX_CHUNK_BYTES + 1, 5_000_000, 9_999_999, 99_999_999])
def test_cutting_in_place_finds_the_same_boundaries(ahead: int) -> None:
    content = memoryview(noise(16 * 1024 * 1024))
    cutter, at, found = Cutter(SEED), 0, []
    while at < len(content):
        window = content[at : at + ahead]
        lengths = cutter.cut_front(window, ended=at + len(window) == len(content))
        assert lengths
        found += lengths
        at += sum(lengths)
    assert found == GOLDEN


def test_the_pieces_make_up_the_file(path: Path) -> None:
    content = noise(9_000_001)
    path.write_bytes(content)
    pieces = cut(path)
    assert b"".join(pieces) == content
    assert all(MIN_CHUNK_BYTES <= len(piece) <= MAX_CHUNK_BYTES for piece in pieces[:-1])


def test_a_byte_at_the_front_moves_few_boundaries(path: Path) -> None:
    content = noise(24 * 1024 * 1024)
    path.write_bytes(content)
    before = {hashlib.sha256(piece).digest() for piece in cut(path)}
    path.write_bytes(b"x" + content)
    after = {hashlib.sha256(piece).digest() for piece in cut(path)}
    assert len(after - before) <= 2


def test_a_file_of_one_value_is_cut_at_the_largest_size(path: Path) -> None:
    path.write_bytes(bytes(2 * MAX_CHUNK_BYTES))
    assert [len(piece) for piece in cut(path)] == [MAX_CHUNK_BYTES] * 2


def test_a_file_that_grows_while_it_is_read_is_noticed(path: Path) -> None:
    path.write_bytes(noise(1_000_000))
    with open_source(path) as source:
        pieces = Cutter(SEED).cut(source)
        next(pieces)
        with path.open("ab") as other:
            other.write(b"more")
        list(pieces)
        with pytest.raises(FileChanged):
            source.check_unchanged()


def test_a_file_that_is_truncated_while_it_is_read_is_noticed(path: Path) -> None:
    path.write_bytes(noise(12_000_000))
    with open_source(path) as source:
        pieces = Cutter(SEED).cut(source)
        next(pieces)
        os.truncate(path, 10)
        list(pieces)
        with pytest.raises(FileChanged):
            source.check_unchanged()


def test_a_file_written_in_place_is_noticed_by_its_time(path: Path) -> None:
    path.write_bytes(b"old")
    with open_source(path) as source:
        space = memoryview(bytearray(4))
        assert source.fill(space) == (3, True)
        assert space[:3] == b"old"
        path.write_bytes(b"new")
        os.utime(path, ns=(1, 1))
        with pytest.raises(FileChanged):
            source.check_unchanged()


def test_a_file_read_whole_that_grew_meanwhile_is_noticed(path: Path) -> None:
    path.write_bytes(b"old")
    with open_source(path) as source:
        path.write_bytes(b"longer")
        assert source.fill(memoryview(bytearray(99))) == (6, True)
        with pytest.raises(FileChanged):
            source.check_unchanged()


def test_a_link_is_not_read_unless_links_are_followed(path: Path, tmp_path: Path) -> None:
    path.write_bytes(b"target")
    link = tmp_path / "link"
    link.symlink_to(path)
    with pytest.raises(LocalAccess), open_source(link):
        pass
    with open_source(link, follow_symlinks=True) as source:
        space = memoryview(bytearray(9))
        assert source.fill(space) == (6, True)
        assert space[:6] == b"target"


def test_a_pipe_in_a_files_place_does_not_block(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(LocalAccess, match="not a regular file"), open_source(path):
        pass


def test_a_missing_file_is_told_in_words(path: Path) -> None:
    with pytest.raises(LocalAccess, match="no longer there"), open_source(path):
        pass


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_that_cannot_be_is_refused(seed: int) -> None:
    with pytest.raises(ContentMismatch):
        Cutter(seed)


def test_facts_tell_a_file_from_its_replacement(path: Path, tmp_path: Path) -> None:
    path.write_bytes(b"same")
    other = tmp_path / "other"
    other.write_bytes(b"same")
    os.utime(path, ns=(5, 5))
    os.utime(other, ns=(5, 5))
    assert not Stamp.of(path.stat()).same_content_as(Stamp.of(other.stat()))


GOLDEN = [
    1105613,
    1414162,
    1079031,
    503047,
    1300935,
    1075508,
    1254233,
    1270763,
    767847,
    1178916,
    1395161,
    1655472,
    1083947,
    1181108,
    511473,
]
GOLDEN_WITHOUT_SEED = [
    529795,
    1228120,
    1850429,
    1209087,
    2039655,
    586231,
    1883171,
    327573,
    1286867,
    458026,
    1944852,
    694344,
    1164369,
    1574697,
]
