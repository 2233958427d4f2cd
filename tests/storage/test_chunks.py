"""Chunks in and out: resume, deduplication, what may be read, and damage that is found."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sfos.protocol import (
    MAX_BODY,
    ChunkRecord,
    ChunkWant,
    DataDamaged,
    IsAFolder,
    MalformedMessage,
    NotFound,
    Ref,
    SfosError,
    StorageFailed,
    chunk_id,
    pack_lengths,
)
from sfos.server.chunks.files import LocalFiles
from sfos.server.spaces.operations.context import SpaceContext, StoreLimits
from sfos.server.spaces.registry import SpaceRegistry
from sfos.server.spaces.space import Space
from tests.storage.conftest import SPACE_ID
from tests.storage.desk import Desk, fresh_memory


def get(space: Space, *runs: ChunkWant, max_bytes: int = MAX_BODY) -> tuple[list[bytes], SfosError | None]:
    part = space.get_chunks(runs, max_bytes, fresh_memory)
    packed_bytes = len(pack_lengths(part.lengths)) + len(part.data)
    assert packed_bytes <= max_bytes or len(part.lengths) == 1
    found, at = [], 0
    for length in part.lengths:
        found.append(bytes(part.data[at : at + length]))
        at += length
    return found, part.stopped


def test_have_counts_what_is_live_and_the_callers_own_pending_chunks(desk: Desk, space: Space) -> None:
    (live,) = desk.upload(b"committed")
    desk.put("/a", b"committed")
    (pending,) = desk.upload(b"pending")
    other = Desk(space, "u2")
    unknown = bytes(32)
    assert desk.have([live.chunk_id, pending.chunk_id, unknown]) == [True, True, False]
    assert other.have([live.chunk_id, pending.chunk_id, unknown]) == [True, False, False]
    other.upload(b"pending")
    assert other.have([pending.chunk_id]) == [True]


def test_another_callers_pending_chunk_cannot_be_committed(desk: Desk, space: Space) -> None:
    (pending,) = desk.upload(b"secret")
    other = Desk(space, "u2")
    results, missing = other.commit([other.item("/stolen", [pending])], [pending])
    assert results[0].error is not None
    assert missing == [pending.chunk_id]


def test_chunks_that_come_along_and_are_there_already_are_kept_once(
    desk: Desk, space: Space, context: SpaceContext
) -> None:
    other = Desk(space, "u2")
    files = {f"/{number}": b"%d" % number for number in range(60)}
    desk.put_many({"/live": files["/7"]})
    other.upload(files["/33"])
    before = {one.location for one in context.store.list_stored()}
    stored = desk.bytes_of_chunks()
    desk.put_many(files)
    after = list(context.store.list_stored())
    assert before <= {one.location for one in after}
    assert len(after) == len(files)
    assert desk.bytes_of_chunks() - stored == sum(one.sealed_len for one in after if one.location not in before)
    ids = [chunk_id(desk.key, data) for data in files.values()]
    assert all(Desk(space, "u3").have(ids)), "what the other had put is part of a file now"
    assert {path: desk.read(path) for path in files} == files


def test_have_answers_many_ids_in_their_order(desk: Desk) -> None:
    records = [desk.upload(b"%d" % number)[0] for number in range(20)]
    ids = [os.urandom(32) for _ in range(1_500)]
    for number, record in enumerate(records):
        ids[number * 70] = record.chunk_id
    assert [at for at, there in enumerate(desk.have(ids)) if there] == [number * 70 for number in range(20)]


def test_an_upload_goes_on_after_a_restart_of_the_server(new_registry: Callable[..., SpaceRegistry]) -> None:
    data = os.urandom(350_000)
    first = new_registry()
    with first.lease(SPACE_ID) as space:
        Desk(space).upload(data[:200_000])
    first.close()
    with new_registry().lease(SPACE_ID) as space:
        desk = Desk(space)
        records = [record for record, _ in desk.cut(data)]
        assert desk.have([record.chunk_id for record in records]) == [True, True, False, False]
        desk.upload(data[200_000:])
        desk.commit([desk.item("/a", records)], records)
        assert desk.read("/a") == data


def test_a_chunk_that_is_there_is_not_stored_again(desk: Desk, space: Space) -> None:
    data = os.urandom(250_000)
    desk.put("/a", data)
    stored = desk.bytes_of_chunks()
    record, piece = desk.cut(data)[0]
    assert space.put_chunks(desk.caller, [record, record], memoryview(piece + piece)) == 0
    desk.put("/b", data)
    assert desk.bytes_of_chunks() == stored


def test_the_data_of_chunks_must_match_their_records(desk: Desk, space: Space) -> None:
    record, piece = desk.cut(b"data")[0]
    for records, data in (([record], piece[:-1]), ([record], piece + b"x"), ([record, record], piece)):
        with pytest.raises(MalformedMessage):
            space.put_chunks(desk.caller, records, memoryview(data))


def test_the_longest_chunk_of_all_goes_in_and_out(desk: Desk) -> None:
    data = os.urandom(4 * 1024 * 1024)
    desk.put("/a", b"")
    records = desk.upload(data, cut_bytes=len(data))
    assert len(records) == 1
    desk.commit([desk.item("/a", records)], records)
    assert desk.read("/a") == data


def test_a_manifest_comes_in_pages(desk: Desk, space: Space) -> None:
    data = os.urandom(1_050_000)
    desk.put("/a", data)
    records: list[ChunkRecord] = []
    while True:
        page = space.manifest(Ref(path="/a"), first=len(records), limit=4)
        assert (page.chunks, page.first, page.size) == (11, len(records), len(data))
        if not page.records:
            break
        assert len(page.records) <= 4
        records += [ChunkRecord(*record) for record in page.records]
    assert records == [record for record, _ in desk.cut(data)]


def test_only_files_have_a_manifest(desk: Desk, space: Space) -> None:
    desk.make_folder("/folder")
    with pytest.raises(IsAFolder):
        space.manifest(Ref(path="/folder"))
    with pytest.raises(NotFound):
        space.manifest(Ref(path="/nothing"))


def test_runs_of_several_files_come_in_one_answer_as_far_as_they_fit(desk: Desk, space: Space) -> None:
    big, small = os.urandom(450_000), b"small"
    desk.put("/big", big)
    desk.put("/small", small)
    one, two = desk.stat("/big"), desk.stat("/small")
    assert one.content is not None
    assert two.content is not None
    runs = [ChunkWant(two.node, two.content, 0, 1), ChunkWant(one.node, one.content, 1, 4)]
    assert get(space, *runs) == (
        [small, big[100_000:200_000], big[200_000:300_000], big[300_000:400_000], big[400_000:]],
        None,
    )
    assert get(space, *runs, max_bytes=200_016)[0] == [small, big[100_000:200_000]]
    assert len(get(space, *runs, max_bytes=200_017)[0]) == 3
    assert get(space, *runs, max_bytes=1)[0] == [small]
    assert get(space, runs[1], max_bytes=1)[0] == [big[100_000:200_000]]


def test_a_content_can_be_read_as_long_as_the_node_has_or_had_it(desk: Desk, space: Space) -> None:
    desk.put("/a", b"first")
    first = desk.stat("/a")
    assert first.content is not None
    desk.put("/a", b"second")
    desk.put("/b", b"of another node")
    other = desk.stat("/b").content
    assert other is not None
    assert get(space, ChunkWant(first.node, first.content, 0, 1))[0] == [b"first"]
    desk.delete("/a")
    assert get(space, ChunkWant(first.node, first.content, 0, 1))[0] == [b"first"]
    for node, content in ((first.node, other), (first.node, bytes(32)), (10**9, other), (2**64 - 1, other)):
        with pytest.raises(NotFound):
            get(space, ChunkWant(node, content, 0, 1))


def test_chunks_that_a_file_does_not_have_are_refused(desk: Desk, space: Space) -> None:
    desk.put("/big", os.urandom(250_000))
    desk.put("/small", b"small")
    desk.put("/empty", b"")
    impossible = [("/big", 0, 4), ("/big", 3, 1), ("/big", 2**32 - 1, 2**32 - 1)]
    impossible += [("/small", 1, 1), ("/small", 0, 2), ("/empty", 0, 1)]
    for path, first, count in impossible:
        entry = desk.stat(path)
        assert entry.content is not None
        with pytest.raises(MalformedMessage):
            get(space, ChunkWant(entry.node, entry.content, first, count))
    entry = desk.stat("/big")
    assert entry.content is not None
    with pytest.raises(MalformedMessage):
        get(space, ChunkWant(entry.node, entry.content, 0, 0))


def test_small_files_are_read_together_as_they_are_and_as_they_were(desk: Desk, space: Space) -> None:
    data = {f"/{number}": os.urandom(50 + number) for number in range(40)}
    desk.put_many(data)
    before = desk.entries("/")
    desk.put("/7", b"another")
    desk.delete("/9")
    now = {f"/{name}": entry for name, entry in desk.entries("/").items()}
    for chosen in (sorted(now), ["/3", "/7", "/30"]):  # of a run of numbers, and here and there
        wants = [ChunkWant(entry.node, entry.content or b"", 0, 1) for entry in map(now.__getitem__, chosen)]
        assert get(space, *wants) == ([b"another" if path == "/7" else data[path] for path in chosen], None)
    wants = [ChunkWant(before[name].node, before[name].content or b"", 0, 1) for name in ("6", "7", "8", "9")]
    assert get(space, *wants) == ([data[f"/{name}"] for name in "6789"], None)


@pytest.mark.leaves_damage
@pytest.mark.allows_errors("damage is logged")
@pytest.mark.parametrize("damage", ["flip", "cut", "grow", "gone", "swap"])
def test_a_damaged_chunk_is_never_served_and_those_before_it_are(
    desk: Desk, space: Space, context: SpaceContext, damage: str
) -> None:
    data = os.urandom(450_000)
    desk.put("/a", data)
    entry = desk.stat("/a")
    assert entry.content is not None
    with context.catalog.read() as tx:
        places = {bytes(row[0]): row[1] for row in tx.execute("SELECT id, location FROM chunks")}
    files = [
        context.directory / "chunks" / places[record.chunk_id].removeprefix("disk:") for record, _ in desk.cut(data)
    ]
    _harm(files[2], files[3], damage)
    found, stopped = get(space, ChunkWant(entry.node, entry.content, 0, 5))
    assert found == [data[:100_000], data[100_000:200_000]]
    assert getattr(stopped, "code", None) == DataDamaged.code
    with pytest.raises(DataDamaged):
        get(space, ChunkWant(entry.node, entry.content, 2, 1))
    assert get(space, ChunkWant(entry.node, entry.content, 4, 1))[0] == [data[400_000:]]


def _harm(path: Path, other: Path, damage: str) -> None:
    token = path.read_bytes()
    if damage == "gone":
        path.unlink()
        return
    path.write_bytes(
        {
            "flip": token[:500] + bytes([token[500] ^ 1]) + token[501:],
            "cut": token[:-1],
            "grow": token + b"x",
            "swap": other.read_bytes(),
        }[damage]
    )


@pytest.mark.leaves_damage
@pytest.mark.allows_errors("damage is logged")
def test_the_content_of_another_file_put_into_a_row_is_found(desk: Desk, space: Space, context: SpaceContext) -> None:
    desk.put_many({"/invoice": b"pay 10", "/other": b"pay 99"})
    with context.catalog.core() as connection:
        connection.exec_driver_sql(
            "UPDATE nodes SET content = (SELECT content FROM nodes WHERE node = ?) WHERE node = ?",
            (desk.stat("/other").node, desk.stat("/invoice").node),
        )
    for attempt in (
        desk.read,
        desk.stat,
        lambda path: desk.copy(path, "/copy"),
        lambda path: desk.move(path, "/moved"),
    ):
        with pytest.raises(DataDamaged):
            attempt("/invoice")
    listed = desk.entries("/")["invoice"]  # and straight from what a list says, as small files are fetched
    assert listed.content is not None
    with pytest.raises(DataDamaged):
        desk.get(listed.node, listed.content, desk.upload(b"pay 99"))


@pytest.mark.leaves_damage
@pytest.mark.allows_errors("damage is logged")
@pytest.mark.parametrize(
    "change", ["size = size + 1", "mtime_ns = 'noon'", "mtime_ns = 'noon', mac = x''", "mac = x''", "name = 'plain'"]
)
def test_of_many_small_files_those_before_a_row_that_was_changed_are_served(
    desk: Desk, space: Space, context: SpaceContext, change: str
) -> None:
    data = {f"/{number:02}": os.urandom(50) for number in range(20)}
    desk.put_many(data)
    entries = [entry for _, entry in sorted(desk.entries("/").items())]
    with context.catalog.core() as connection:
        connection.exec_driver_sql(f"UPDATE nodes SET {change} WHERE node = ?", (entries[7].node,))
    wants = [ChunkWant(entry.node, entry.content or b"", 0, 1) for entry in entries]
    found, stopped = get(space, *wants)
    assert found == list(data.values())[:7]
    assert getattr(stopped, "code", None) == DataDamaged.code
    assert get(space, *wants[8:])[0] == list(data.values())[8:]


class BrokenDisk(LocalFiles):
    broken = False

    def sync(self, descriptor: int) -> None:
        if self.broken:
            raise OSError(5, "Input/output error")
        super().sync(descriptor)


@pytest.mark.allows_errors("a failed fsync is logged")
def test_after_a_failed_fsync_uploads_are_refused_and_everything_else_goes_on(
    new_registry: Callable[..., SpaceRegistry],
) -> None:
    files = BrokenDisk()
    with new_registry(files=files).lease(SPACE_ID) as space:
        desk = Desk(space)
        data = os.urandom(90_000)
        desk.put("/a", data)
        files.broken = True
        with pytest.raises(StorageFailed):
            desk.put("/b", os.urandom(90_000))
        files.broken = False
        with pytest.raises(StorageFailed):
            desk.put("/b", os.urandom(90_000))
        assert desk.tree() == {"/a": data}
        desk.move("/a", "/c")
        desk.delete("/c")


def test_fresh_tokens_can_be_checked_before_they_are_stored(new_registry: Callable[..., SpaceRegistry]) -> None:
    registry = new_registry(limits=StoreLimits(free_floor_bytes=0, verify_after_seal=True))
    with registry.lease(SPACE_ID) as space:
        desk = Desk(space)
        data = os.urandom(250_000)
        desk.put("/a", data)
        assert desk.read("/a") == data
