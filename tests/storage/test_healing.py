"""Damaged and lost chunks: whoever uploads their data again heals every file that has them."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from sfos.protocol import DataDamaged, StorageFailed
from sfos.server.chunks.small import SmallStore
from sfos.server.chunks.tiered import TieredStore
from sfos.server.maintenance.gc import collect_garbage
from sfos.server.maintenance.verify import verify_space
from sfos.server.spaces.operations.context import SpaceContext
from sfos.server.spaces.registry import SpaceRegistry
from tests.storage.conftest import SPACE_ID
from tests.storage.desk import Desk

pytestmark = pytest.mark.allows_errors("damage is logged")

BIG = os.urandom(90_000)
SMALL = b"a small content"


def chunk_file(context: SpaceContext) -> Path:
    (path,) = (path for path in (context.directory / "chunks").rglob("*") if path.is_file())
    return path


def flip(context: SpaceContext) -> None:
    path = chunk_file(context)
    token = bytearray(path.read_bytes())
    token[500] ^= 1
    path.write_bytes(token)


def remove(context: SpaceContext) -> None:
    chunk_file(context).unlink()


def cut(context: SpaceContext) -> None:
    os.truncate(chunk_file(context), 1_000)


@pytest.mark.parametrize("found_by", ["read", "verify"])
def test_a_damaged_chunk_is_asked_for_again_and_heals_all_files_that_have_it(
    desk: Desk, context: SpaceContext, found_by: str
) -> None:
    desk.put("/one", BIG)
    desk.put("/two", BIG)
    flip(context)
    if found_by == "read":
        with pytest.raises(DataDamaged):
            desk.read("/one")
    else:
        assert not verify_space(context, full=True).clean
    ids = [record.chunk_id for record, _ in desk.cut(BIG)]
    assert desk.have(ids) == [False]
    records = [record for record, _ in desk.cut(BIG)]
    results, missing = desk.commit([desk.item("/three", records)], records)
    assert (results[0].error is not None, missing) == (True, ids)
    stored = desk.bytes_of_chunks()
    desk.put("/three", BIG)
    assert desk.have(ids) == [True]
    assert desk.tree() == dict.fromkeys(("/one", "/two", "/three"), BIG)
    assert desk.bytes_of_chunks() == stored
    chunk_file(context)  # the damaged one is gone


@pytest.mark.parametrize("data", [SMALL, BIG], ids=["small", "one chunk"])
@pytest.mark.parametrize("number", [0, 7, -1, 2**40])
def test_a_chunk_whose_row_names_a_wrong_key_is_asked_for_again(
    desk: Desk, context: SpaceContext, number: int, data: bytes
) -> None:
    desk.put("/one", data)
    harm(context, f"UPDATE chunks SET key_no = {number}")
    with pytest.raises(DataDamaged):
        desk.read("/one")
    assert not verify_space(context, full=True).clean
    assert desk.have([record.chunk_id for record, _ in desk.cut(data)]) == [False]
    desk.put("/two", data)
    assert (desk.read("/one"), desk.read("/two")) == (data, data)
    assert verify_space(context, full=True).clean


@pytest.mark.parametrize("harm", [remove, cut])
def test_a_chunk_that_is_not_there_is_stored_anew_when_its_data_come(
    desk: Desk, context: SpaceContext, harm: Callable[[SpaceContext], None]
) -> None:
    desk.put("/one", BIG)
    harm(context)
    desk.upload(BIG)  # nobody has read it yet
    assert desk.read("/one") == BIG


def small_store(context: SpaceContext) -> SmallStore:
    store = context.store
    assert isinstance(store, TieredStore)
    small = store._stores["small"]
    assert isinstance(small, SmallStore)
    return small


def remove_small(context: SpaceContext) -> None:
    with small_store(context)._connection() as connection:
        connection.execute("DELETE FROM tokens")


@pytest.mark.parametrize(("harm", "data"), [(remove, BIG), (cut, BIG), (remove_small, SMALL)])
def test_what_a_quick_verification_misses_is_asked_for_again(
    desk: Desk, context: SpaceContext, harm: Callable[[SpaceContext], None], data: bytes
) -> None:
    desk.put("/one", data)
    harm(context)
    ids = [record.chunk_id for record, _ in desk.cut(data)]
    assert desk.have(ids) == [True]
    assert len(verify_space(context, full=False).findings) == 1
    assert desk.have(ids) == [False]
    desk.put("/another", data)
    assert desk.read("/one") == data
    assert verify_space(context, full=False).findings == []


def test_a_commit_that_changes_nothing_heals_all_the_same(desk: Desk, context: SpaceContext) -> None:
    desk.put_many({"/one": SMALL})
    with small_store(context)._connection() as connection:
        connection.execute("UPDATE tokens SET token = zeroblob(length(token))")
    with pytest.raises(DataDamaged):
        desk.read("/one")
    before = desk.space.cursor()
    desk.put_many({"/one": SMALL})
    assert desk.space.cursor() == before
    assert desk.read("/one") == SMALL


def test_a_damaged_pending_chunk_stays_pending_when_it_is_put_again(desk: Desk, context: SpaceContext) -> None:
    records = desk.upload(BIG)
    flip(context)
    assert not verify_space(context, full=True).clean
    desk.upload(BIG)
    desk.commit([desk.item("/one", records)], records)
    assert desk.read("/one") == BIG


LISTED = os.urandom(250_000)  # three chunks

LIST_FAULTS = {
    "a flipped bit": "UPDATE contents SET list = CAST(substr(list, 1, 40) || x'00' || substr(list, 42) AS BLOB)",
    "cut short": "UPDATE contents SET list = substr(list, 1, 50)",
    "its count changed": "UPDATE contents SET chunks = 2",
    "its key number changed": "UPDATE contents SET key_no = 7",
    "its row taken out": "DELETE FROM contents",
    "its references taken out with it": "DELETE FROM content_chunks; DELETE FROM contents",
}


def harm(context: SpaceContext, script: str) -> None:
    with closing(sqlite3.connect(context.catalog.path)) as connection, connection:
        connection.executescript(script)


@pytest.mark.parametrize("fault", LIST_FAULTS)
@pytest.mark.parametrize("again", ["the same file", "another file"])
def test_a_damaged_list_is_healed_by_uploading_the_file_again(
    desk: Desk, context: SpaceContext, fault: str, again: str
) -> None:
    desk.put("/one", LISTED, mtime_ns=5)
    desk.put("/two", LISTED)
    harm(context, LIST_FAULTS[fault])
    with pytest.raises(DataDamaged):
        desk.read("/one")
    assert not verify_space(context, full=False).clean
    desk.put("/one" if again == "the same file" else "/three", LISTED, mtime_ns=5)
    assert (desk.read("/one"), desk.read("/two")) == (LISTED, LISTED)
    collect_garbage(context, grace_ms=86_400_000)  # of a list that left no trace nobody else sees that it was counted
    assert verify_space(context, full=True).clean
    before = desk.space.cursor()
    desk.put("/one", LISTED, mtime_ns=5)
    assert desk.space.cursor() == before, "what is sound is not written again"


@pytest.mark.parametrize("data", [SMALL, BIG, LISTED], ids=["small", "one chunk", "several chunks"])
def test_lost_rows_of_chunks_are_there_again_after_the_same_upload(
    desk: Desk, context: SpaceContext, data: bytes
) -> None:
    put = desk.put if data is not SMALL else lambda path, data: desk.put_many({path: data})
    put("/one", data)
    stored = desk.bytes_of_chunks()
    harm(context, f"DELETE FROM chunks; UPDATE spaces SET bytes_stored = bytes_stored - {stored}")
    with pytest.raises(DataDamaged):
        desk.read("/one")
    put("/one", data)
    assert desk.read("/one") == data
    assert verify_space(context, full=True).clean
    collect_garbage(context, grace_ms=0)
    assert desk.read("/one") == data


@pytest.mark.parametrize("next_node", ["-5", "1", "(SELECT max(node) FROM nodes)", "(SELECT max(node) FROM past)"])
@pytest.mark.parametrize("change", ["put", "make_folder"])
def test_no_node_gets_the_id_of_another_where_the_next_one_was_lowered(
    desk: Desk, context: SpaceContext, next_node: str, change: str, caplog: pytest.LogCaptureFixture
) -> None:
    desk.put_many({"/moved": SMALL, "/one": SMALL, "/two": BIG, "/gone": SMALL})
    gone = desk.stat("/gone").node
    desk.delete("/gone")
    desk.move("/moved", "/last")
    before = {entry.node for entry in desk.entries("/").values()} | {gone}
    harm(context, f"UPDATE spaces SET next_node = {next_node}")
    assert [finding.about for finding in verify_space(context, full=False).findings] == ["counters"]
    if change == "put":
        desk.put_many({"/new": SMALL})
    else:
        desk.make_folder("/new")
    assert desk.stat("/new").node not in before
    assert "the next node's id" in caplog.text and SPACE_ID in caplog.text
    assert desk.read("/one") == SMALL
    assert verify_space(context, full=True).clean
    caplog.clear()
    desk.put("/newer", BIG)
    assert not caplog.records, "it is told once"


@pytest.mark.leaves_damage
@pytest.mark.parametrize("node", ["9223372036854775807", "x'AABB'", "'many'"])
def test_a_row_with_an_impossible_node_keeps_nobody_from_writing(desk: Desk, context: SpaceContext, node: str) -> None:
    desk.put_many({"/one": SMALL, "/two": SMALL})
    harm(
        context,
        f"PRAGMA ignore_check_constraints = 1; UPDATE nodes SET node = {node} WHERE node = {desk.stat('/two').node}",
    )
    desk.put("/three", BIG)
    assert (desk.read("/one"), desk.read("/three")) == (SMALL, BIG)
    assert not verify_space(context, full=False).clean


@pytest.mark.parametrize("loss", ["gone", "empty"])
def test_after_the_small_chunks_were_lost_no_location_comes_twice(
    new_registry: Callable[..., SpaceRegistry], tmp_path: Path, loss: str
) -> None:
    day_ms = 86_400_000
    clock = [1_700_000_000_000]
    directory = tmp_path / "server_storage" / SPACE_ID
    with closing(new_registry(now_ms=lambda: clock[0])) as first, first.lease(SPACE_ID) as space:
        for number in range(5):
            Desk(space).upload(b"never committed %d" % number)
    for path in directory.glob("small.db*"):
        path.unlink()
    if loss == "empty":
        (directory / "small.db").touch()
    clock[0] += 1
    registry = new_registry(now_ms=lambda: clock[0])
    with registry.lease(SPACE_ID) as space:
        desk = Desk(space)
        files = {f"/new{number}": b"new %d" % number for number in range(10)}
        for path_, data in files.items():
            desk.put(path_, data)
        clock[0] += 2 * day_ms
        with registry.inspect(SPACE_ID) as opened:
            collect_garbage(opened, grace_ms=day_ms)
            assert verify_space(opened, full=True).clean
        assert desk.tree() == files


def test_the_loss_of_the_small_chunks_is_said_once_and_what_is_left_is_served(
    new_registry: Callable[..., SpaceRegistry], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(new_registry()) as first, first.lease(SPACE_ID) as space:
        Desk(space).put("/big", BIG)
        Desk(space).put("/small", SMALL)
    for path in (tmp_path / "server_storage" / SPACE_ID).glob("small.db*"):
        path.unlink()
    with new_registry().lease(SPACE_ID) as space:
        desk = Desk(space)
        assert [record.message.count("small.db") for record in caplog.records if record.levelname == "ERROR"] == [1]
        assert desk.read("/big") == BIG
        with pytest.raises(DataDamaged):
            desk.read("/small")
        desk.put("/again", SMALL)
        assert desk.read("/small") == SMALL


@pytest.mark.parametrize("harm", ["small.db", "chunks"])
def test_stores_that_cannot_be_opened_are_one_clear_line(
    new_registry: Callable[..., SpaceRegistry], tmp_path: Path, caplog: pytest.LogCaptureFixture, harm: str
) -> None:
    with closing(new_registry()) as first, first.lease(SPACE_ID) as space:
        Desk(space).put("/small", SMALL)
    path = tmp_path / "server_storage" / SPACE_ID / harm
    if harm == "chunks":
        path.rmdir()
    path.write_bytes(b"this is no database" * 1_000)
    with pytest.raises(StorageFailed), new_registry().lease(SPACE_ID):
        pass
    (record,) = (record for record in caplog.records if record.levelname == "ERROR")
    assert str(path) in record.message
    assert record.exc_info is None
