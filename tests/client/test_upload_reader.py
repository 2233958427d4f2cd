"""The second thread beside the one that reads files to be sent."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pytest

from sfos.client.api import Api
from sfos.client.commands import Caller
from sfos.client.errors import FileChanged
from sfos.client.local.chunking import Cutter, SourceFile, Stamp, name_whole, open_source
from sfos.client.local.scan import LocalEntry, look_at
from sfos.client.transfer.events import ItemState
from sfos.client.transfer.known_chunks import KnownChunks
from sfos.client.transfer.ledger import Ledger
from sfos.client.transfer.pieces import name_pieces
from sfos.client.transfer.switch import Switch
from sfos.client.transfer.up import reader as reader_module
from sfos.client.transfer.up.block import LARGE_BLOCK_BYTES, Block
from sfos.client.transfer.up.files import FileToSend, SendingFile
from sfos.client.transfer.up.queue import SendQueue
from sfos.client.transfer.up.reader import Reader
from sfos.client.transfer.up.sending import Sending
from sfos.protocol import MAX_CHUNK_BYTES, MIN_CHUNK_BYTES, ChunkRecord, Entry, SpaceInfo, chunk_id

SPACE = SpaceInfo(space="0" * 32, given_chunk_key=b"k" * 32, given_cut_seed=1, cursor="c")
API = Api(cast("Caller", None), lambda: SPACE)  # of which nothing is asked


@pytest.fixture
def companion() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as companion:
        yield companion


def test_pieces_are_named_in_their_order_by_two(companion: ThreadPoolExecutor) -> None:
    pieces = [memoryview(bytes([at]) * 300_000) for at in range(20)]
    assert name_pieces(b"k" * 32, pieces, companion) == [chunk_id(b"k" * 32, piece) for piece in pieces]


def test_naming_does_not_wait_for_a_companion_that_has_something_else_to_do(companion: ThreadPoolExecutor) -> None:
    go_on = threading.Event()
    busy = companion.submit(go_on.wait)
    pieces = [memoryview(bytes([at]) * 10_000) for at in range(3)]
    assert name_pieces(b"k" * 32, pieces, companion) == [chunk_id(b"k" * 32, piece) for piece in pieces]
    go_on.set()
    assert busy.result()


class Sent(SendQueue):
    """As if every block were sent at once; what was in it is written over."""

    def __init__(self) -> None:
        self.sending = Sending(API, Ledger(1), Switch(), blocks=4, block_bytes=MIN_CHUNK_BYTES)
        super().__init__(self.sending)
        self.contents: dict[bytes, bytes] = {}

    def put(self, block: Block) -> None:
        for _, record, start in block.chunks:
            self.contents[record.chunk_id] = bytes(block.buffer[start : start + record.length])
        block.buffer[:] = bytes(len(block.buffer))
        self.sending.block_done(block)

    def ask_known(self, file: SendingFile, earlier: Entry) -> None:
        """The earlier version had every chunk of the later one but those of its second half."""
        with open_source(file.todo.local.path) as source:
            records = name_whole(SPACE, Cutter(SPACE.cut_seed), source)[1]
        half = len(records) // 2
        file.known = KnownChunks([*records[:half], *(ChunkRecord(bytes(32), one.length) for one in records[half:])])

    def reading_ended(self) -> bool:
        return False

    def read(self, files: list[FileToSend]) -> None:
        reader = Reader(self.sending, self, follow_symlinks=False)
        reader.take(files)
        reader.read_all()


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[SendingFile]:
    """Files that the reader has begun with, in that order."""
    made: list[SendingFile] = []

    def begin(todo: FileToSend) -> SendingFile:
        made.append(SendingFile(todo))
        return made[-1]

    monkeypatch.setattr(reader_module, "SendingFile", begin)
    return made


def planned(queue: Sent, path: Path, earlier: Entry | None = None) -> FileToSend:
    local = look_at(path)
    assert isinstance(local, LocalEntry)
    row = queue.sending.ledger.add(path, f"/{path.name}", "file", local.stamp.size)
    return FileToSend(row, local, 1, path.name, None, earlier)


@pytest.mark.parametrize(
    "size",
    [
        MIN_CHUNK_BYTES + 1,
        LARGE_BLOCK_BYTES - 1,
        LARGE_BLOCK_BYTES,
        LARGE_BLOCK_BYTES + 1,
        2 * LARGE_BLOCK_BYTES + MAX_CHUNK_BYTES,
    ],
)
@pytest.mark.parametrize("noisy", [True, False])
def test_a_file_read_into_blocks_has_the_pieces_that_the_stream_has(
    tmp_path: Path, size: int, noisy: bool, noise: bytes, begun: list[SendingFile]
) -> None:
    content = (noise * (size // len(noise) + 1))[:size] if noisy else bytes(size)
    paths = [tmp_path / "first", tmp_path / "second"]
    for path in paths:
        path.write_bytes(content)
    queue = Sent()
    queue.read([planned(queue, path) for path in paths])
    with open_source(paths[0]) as source:
        content_name, records = name_whole(SPACE, Cutter(SPACE.cut_seed), source)
    assert len(begun) == 2
    for file in begun:
        assert file.records == records
        assert file.content == content_name
        assert b"".join(queue.contents[record.chunk_id] for record in file.records) == content
    assert queue.sending.blocks.free == 4, "a block was lost"


@pytest.fixture(scope="module")
def noise() -> bytes:
    return random.Random("companion").randbytes(3_000_001)


def test_a_file_that_shrinks_under_the_companion_is_read_anew_and_the_next_one_is_whole(
    tmp_path: Path, noise: bytes, monkeypatch: pytest.MonkeyPatch, begun: list[SendingFile]
) -> None:
    shrinking, whole = tmp_path / "shrinking", tmp_path / "whole"
    for path in (shrinking, whole):
        path.write_bytes(noise * 6)
    queue = Sent()
    files = [planned(queue, path) for path in (shrinking, whole)]
    cut = Cutter.cut_front

    def cut_and_shrink(cutter: Cutter, data: memoryview, *, ended: bool, most: int | None = None) -> list[int]:
        if Stamp.of(shrinking.stat()).size > LARGE_BLOCK_BYTES:
            with shrinking.open("r+b") as other:
                other.truncate(LARGE_BLOCK_BYTES)
        return cut(cutter, data, ended=ended, most=most)

    monkeypatch.setattr(Cutter, "cut_front", cut_and_shrink)
    with ThreadPoolExecutor(1) as threads:
        threads.submit(queue.read, files).result(60)
    assert sum(record.length for record in begun[0].records) == LARGE_BLOCK_BYTES
    assert sum(record.length for record in begun[1].records) == len(noise) * 6
    assert files[1].row.state is ItemState.ACTIVE
    assert threading.active_count() == 1


@pytest.mark.parametrize("failing", range(1, 10))
def test_wherever_reading_fails_no_block_is_lost(
    tmp_path: Path, noise: bytes, monkeypatch: pytest.MonkeyPatch, failing: int, begun: list[SendingFile]
) -> None:
    """While chunks are cut, guessed step by step, guessed ahead; and in the fifth block, where the guesses go wrong."""
    path = tmp_path / "changing"
    path.write_bytes(noise * 24)
    queue = Sent()
    earlier = Entry(node=9, parent=1, name=path.name, kind="file", revision="1", size=2 * LARGE_BLOCK_BYTES)
    todo = planned(queue, path, earlier)
    fill = SourceFile.fill
    fills = 0

    def fill_or_fail(source: SourceFile, buffer: memoryview) -> tuple[int, bool]:
        nonlocal fills
        fills += 1
        if fills == failing:
            raise FileChanged(subject=str(path))
        return fill(source, buffer)

    monkeypatch.setattr(SourceFile, "fill", fill_or_fail)
    with ThreadPoolExecutor(1) as threads:
        threads.submit(queue.read, [todo]).result(60)
    assert begun[0].over, "it was read anew"
    assert queue.sending.blocks.free == 4, "a block was lost"
