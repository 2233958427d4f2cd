"""A file in place of an earlier version: divided by guesses at its chunks, exactly as cutting would divide it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from sfos.client.local.chunking import Cutter
from sfos.client.transfer.known_chunks import KnownChunks
from sfos.client.transfer.pieces import Divider, bytes_of
from sfos.protocol import AVERAGE_CHUNK_BYTES, MAX_CHUNK_BYTES, MIN_CHUNK_BYTES, ChunkRecord, chunk_id

KEY, SEED = b"k" * 32, 7
BLOCK = 2 * MAX_CHUNK_BYTES
Edit = Callable[[bytes], bytes]


class CountingCutter(Cutter):
    """Counts the bytes of the chunks that it found."""

    cut_bytes = 0

    def cut_front(self, data: memoryview, *, ended: bool, most: int | None = None) -> list[int]:
        lengths = super().cut_front(data, ended=ended, most=most)
        self.cut_bytes += sum(lengths)
        return lengths


@pytest.fixture
def companion() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as companion:
        yield companion


@pytest.fixture
def cutter() -> CountingCutter:
    return CountingCutter(SEED)


@pytest.fixture
def divider(cutter: CountingCutter, companion: ThreadPoolExecutor) -> Divider:
    return Divider(cutter, KEY, companion)


@pytest.fixture(scope="module")
def content() -> bytes:
    return random.Random("known").randbytes(20_000_000)


def records_of(content: bytes) -> list[ChunkRecord]:
    """As cutting finds them."""
    records, rest = [], memoryview(content)
    for length in Cutter(SEED).cut_front(rest, ended=True):
        records.append(ChunkRecord(chunk_id(KEY, rest[:length]), length))
        rest = rest[length:]
    return records


def divided(divider: Divider, content: bytes, known: KnownChunks) -> list[ChunkRecord]:
    """As a reader divides it: block by block, told ahead where that can be."""
    records: list[ChunkRecord] = []
    at = 0
    while at + BLOCK < len(content):
        data = memoryview(content)[at : at + BLOCK]
        lengths = divider.foretell(data, known)
        found = divider.name(data, lengths, known) if lengths is not None else []
        if lengths is None or len(found) < len(lengths.each):
            found += divider.divide(data[bytes_of(found) :], known, ended=False)
        records += found
        at += bytes_of(found)
    return records + divider.divide(memoryview(content)[at:], known, ended=True)


def in_place(content: bytes, *places: int) -> bytes:
    changed = bytearray(content)
    for place in places:
        changed[place] ^= 1
    return bytes(changed)


EDITS: dict[str, Edit] = {
    "the same": lambda content: content,
    "a byte before it": lambda content: b"x" + content,
    "a byte within it": lambda content: content[:7_000_000] + b"x" + content[7_000_000:],
    "a byte behind it": lambda content: content + b"x",
    "much behind it": lambda content: content + content[::-1],
    "its end taken away": lambda content: content[:-3_000_000],
    "its front taken away": lambda content: content[5_000_000:],
    "a part taken out": lambda content: content[:4_000_000] + content[9_000_000:],
    "a byte changed": lambda content: in_place(content, 10_000_000),
    "a byte of every chunk changed": lambda content: in_place(content, *range(0, len(content), MIN_CHUNK_BYTES)),
    "a byte of every third megabyte changed": lambda content: in_place(content, *range(0, len(content), 3_000_000)),
    "its halves in another order": lambda content: content[11_000_000:] + content[:11_000_000],
    "itself twice": lambda content: content * 2,
    "something else": lambda content: content[::-1],
    "zeros put into it": lambda content: content[:6_000_000] + bytes(9 * MAX_CHUNK_BYTES) + content[6_000_000:],
    "nothing but zeros": lambda content: bytes(20_000_000),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_a_later_version_has_the_chunks_that_cutting_finds(divider: Divider, content: bytes, edit: Edit) -> None:
    before, after = content, edit(content)
    assert divided(divider, after, KnownChunks(records_of(before))) == records_of(after)
    assert divided(divider, before, KnownChunks(records_of(after))) == records_of(before)


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_between_long_runs_of_zeros_it_has_them_too(divider: Divider, content: bytes, edit: Edit) -> None:
    before = bytes(3 * MAX_CHUNK_BYTES) + content[:9_000_000] + bytes(5 * MAX_CHUNK_BYTES + 1) + content[9_000_000:]
    after = edit(before)
    assert divided(divider, after, KnownChunks(records_of(before))) == records_of(after)


@pytest.mark.parametrize("name", ["the same", "a byte before it", "a byte behind it", "a byte changed"])
def test_little_is_cut_where_little_has_changed(
    divider: Divider, cutter: CountingCutter, content: bytes, name: str
) -> None:
    before = b"".join(content[at:] + content[:at] for at in (0, 1_000_003, 2_000_005))
    assert divided(divider, EDITS[name](before), KnownChunks(records_of(before)))
    assert cutter.cut_bytes < 2 * BLOCK, "the first block, and where it changed"


def test_without_an_earlier_version_everything_is_cut(divider: Divider, cutter: CountingCutter, content: bytes) -> None:
    assert divided(divider, content, KnownChunks()) == records_of(content)
    assert cutter.cut_bytes == len(content)


def test_what_something_else_was_known_of_is_cut(divider: Divider, cutter: CountingCutter, content: bytes) -> None:
    assert divided(divider, content, KnownChunks(records_of(content[::-1]))) == records_of(content)
    assert cutter.cut_bytes == len(content)


@pytest.mark.parametrize("length", [1_000, MIN_CHUNK_BYTES - 1])
def test_a_list_that_no_client_of_ours_made_is_not_followed(divider: Divider, content: bytes, length: int) -> None:
    """Its names are right, so only the lengths give it away: followed, it would be handed on for ever."""
    begin = records_of(content)[:12]
    places = [*range(bytes_of(begin), bytes_of(begin) + 1_000_000, length), len(content)]
    odd = [ChunkRecord(chunk_id(KEY, content[a:b]), b - a) for a, b in pairwise(places)]
    assert divided(divider, content, KnownChunks(begin + odd)) == records_of(content)


def test_the_last_chunk_of_what_has_grown_is_cut_anew(divider: Divider, content: bytes) -> None:
    """The old last chunk ended with its file: where there is more now, it ends elsewhere."""
    short = content[: 10 * AVERAGE_CHUNK_BYTES]
    known = KnownChunks(records_of(short))
    assert divided(divider, content, known) == records_of(content)
    assert records_of(short)[-1] not in records_of(content)
