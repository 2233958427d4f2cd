"""Quotas in bytes and in files: enforced in the transaction, named when met, never in the way of deletions."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing

import pytest

from sfos.protocol import Attributes, OpIdReused, QuotaExceeded, StorageFailed
from sfos.server.catalog.weights import COMMIT_BYTES
from sfos.server.disk.stopped_paths import stop
from sfos.server.maintenance.expire import expire_history
from sfos.server.maintenance.gc import collect_garbage
from sfos.server.maintenance.verify import verify_space
from sfos.server.spaces.operations import uploads
from sfos.server.spaces.operations.context import Caller, SpaceContext, StoreLimits
from sfos.server.spaces.registry import SpaceRegistry
from sfos.server.spaces.space import Space
from sfos.wire.errors import MAX_MESSAGE_CHARS
from tests.storage.clock import Clock
from tests.storage.conftest import SPACE_ID
from tests.storage.desk import Desk
from tests.storage.failing_files import FailingFiles


@pytest.fixture
def bounded(desk: Desk, space: Space) -> Desk:
    """Someone who may have five files and folders."""
    one = Desk(space)
    one.caller = Caller("u1", quota_files=5)
    return one


def entries(desk: Desk) -> int:
    return desk.space.usage(desk.caller).entries_current


def test_files_folders_and_copies_count_and_the_quota_is_named(bounded: Desk) -> None:
    bounded.put("/docs/a", b"a")
    bounded.put_many({"/docs/b": b"b", "/docs/c": b"c"})
    assert (entries(bounded), bounded.space.usage(bounded.caller).quota_files) == (4, 5)
    bounded.make_folder("/e")
    before = bounded.tree()
    with pytest.raises(QuotaExceeded, match="5 files and folders"):
        bounded.make_folder("/f")
    with pytest.raises(QuotaExceeded, match="5 files and folders"):
        bounded.put_many({"/g": b"g"})
    with pytest.raises(QuotaExceeded, match="5 files and folders"):
        bounded.copy("/docs", "/docs2")
    assert (bounded.tree(), entries(bounded)) == (before, 5)


def test_who_is_at_the_quota_can_still_overwrite_move_and_delete(bounded: Desk) -> None:
    bounded.put_many({f"/{number}": b"%d" % number for number in range(5)})
    bounded.put("/0", b"a second version")
    bounded.move("/1", "/moved")
    bounded.copy("/2", "/3", replace=True)
    bounded.delete("/4")
    bounded.put("/5", b"in its place")
    assert entries(bounded) == 5


def test_a_quota_below_what_is_there_keeps_nobody_from_making_room(desk: Desk, bounded: Desk) -> None:
    desk.put_many({f"/folder/{number}": b"x" for number in range(8)})
    desk.put("/other", b"x")
    with pytest.raises(QuotaExceeded):
        bounded.put("/more", b"x")
    bounded.delete("/folder/0")
    bounded.delete("/folder")
    assert entries(bounded) == 1
    bounded.put("/more", b"x")


def test_a_commit_that_would_go_over_it_changes_nothing_at_all(bounded: Desk) -> None:
    with pytest.raises(QuotaExceeded):
        bounded.put_many({f"/{number}": b"x" for number in range(6)})
    assert (bounded.tree(), entries(bounded)) == ({}, 0)
    bounded.put_many({f"/{number}": b"x" for number in range(5)})


def test_many_at_once_do_not_get_past_it_together(bounded: Desk, space: Space) -> None:
    refused: list[int] = []
    failures: list[BaseException] = []

    def work(number: int) -> None:
        own = Desk(space)
        own.caller = bounded.caller
        try:
            own.put(f"/{number}", b"x")
        except QuotaExceeded:
            refused.append(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (failures, len(refused), entries(bounded)) == ([], 7, 5)


def test_the_quota_of_bytes_says_that_it_is_that_one(desk: Desk, space: Space) -> None:
    narrow = Desk(space, quota_bytes=50_000)
    with pytest.raises(QuotaExceeded, match="stored bytes"):
        narrow.put("/a", os.urandom(60_000))


@pytest.mark.parametrize("size", [500, 90_000], ids=["in small.db", "in a file"])
def test_what_came_with_a_refused_commit_is_gone_at_once(bounded: Desk, context: SpaceContext, size: int) -> None:
    """Or who is refused again and again would fill the disk."""
    bounded.put_many({f"/{number}": b"%d" % number for number in range(5)})
    before = {one.location for one in context.store.list_stored()}
    for _ in range(3):
        with pytest.raises(QuotaExceeded):
            bounded.put_many({"/more": os.urandom(size)})
    assert {one.location for one in context.store.list_stored()} == before


def test_chunks_that_pass_the_first_look_at_the_quota_together_leave_nothing(
    desk: Desk, space: Space, context: SpaceContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow = Desk(space, quota_bytes=150_000)
    real = uploads.store_pieces

    def store(*args: object) -> uploads.Upload:
        done = real(*args)  # type: ignore[arg-type]
        if not narrowed:
            narrowed.append(True)
            narrow.upload(os.urandom(90_000))  # someone else of the same account is quicker
        return done

    narrowed: list[bool] = []
    monkeypatch.setattr(uploads, "store_pieces", store)
    with pytest.raises(QuotaExceeded):
        narrow.upload(os.urandom(90_000))
    assert len(list(context.store.list_stored())) == 1


def test_one_op_id_for_many_requests_at_once_stores_what_one_of_them_brings(
    desk: Desk, space: Space, context: SpaceContext
) -> None:
    """Of twelve that pass the first look together one is carried out; the others left bytes that nobody counted."""
    op_id = desk.new_op()
    together = threading.Barrier(12)
    answers: list[str] = []

    def work(number: int) -> None:
        own = Desk(space)
        data = os.urandom(90_000 if number % 2 else 900)
        pieces = own.cut(data)
        item = own.item(f"/{number}", [record for record, _ in pieces])
        together.wait()
        try:
            own.commit([item], [record for record, _ in pieces], pieces, op_id=op_id)
        except OpIdReused:
            answers.append("refused")
        else:
            answers.append("done")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == ["done", *["refused"] * 11]
    assert len(desk.tree()) == 1
    assert len(list(context.store.list_stored())) == 1


class Refused(Exception):
    """A mistake of this program, in the middle of a transaction."""


@pytest.mark.parametrize("size", [900, 90_000], ids=["in small.db", "in a file"])
@pytest.mark.parametrize("request_of", ["put_chunks", "commit"])
def test_whatever_fails_after_the_bytes_were_stored_takes_them_away_again(
    desk: Desk, context: SpaceContext, monkeypatch: pytest.MonkeyPatch, size: int, request_of: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise Refused

    monkeypatch.setattr(uploads.Upload, "register", fail)
    with pytest.raises(Refused):
        if request_of == "commit":
            desk.put_many({"/a": os.urandom(size)})
        else:
            desk.upload(os.urandom(size))
    assert list(context.store.list_stored()) == []


@pytest.mark.allows_errors("the store stops")
@pytest.mark.leaves_damage
def test_a_catalog_that_takes_no_more_writes_is_noticed_before_anything_is_stored(
    desk: Desk, context: SpaceContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop(context.catalog.path, OSError("a failed fsync"))
    with pytest.raises(StorageFailed):
        desk.upload(os.urandom(900))
    assert list(context.store.list_stored()) == []


@pytest.mark.allows_errors("the disk fails")
@pytest.mark.parametrize("step", ["rename", "make_directory", "sync_directory"])
def test_of_a_batch_that_one_of_the_two_stores_cannot_keep_nothing_stays(
    new_registry: Callable[..., SpaceRegistry], step: str
) -> None:
    """Small chunks are durable before the files of the same request get their names."""
    files = FailingFiles(step, 1, errno.EMFILE)
    registry = new_registry(files=files)
    with registry.lease(SPACE_ID) as space, registry.inspect(SPACE_ID) as context:
        desk = Desk(space)
        with pytest.raises(StorageFailed):
            desk.put_many({"/small": os.urandom(500), "/large": os.urandom(90_000), "/other": os.urandom(80_000)})
        assert list(context.store.list_stored()) == []


# --- What counts --------------------------------------------------------------------------------------------------


def names(desk: Desk) -> None:
    desk.put_many({f"/{number:04}-{'n' * 240}": b"" for number in range(2_000)})


def links(desk: Desk) -> None:
    items = [
        desk.item(f"/{number}", kind="symlink", attrs=Attributes(link=f"{number:04}" * 1_000)) for number in range(500)
    ]
    desk.commit(items)


def lists(desk: Desk) -> None:
    """Of 20,000 chunks of one byte each: what a list takes, and hardly anything else."""
    records = [record for record, _ in desk.cut(bytes(range(256)), cut_bytes=1)]
    desk.upload(bytes(range(256)), cut_bytes=1)
    for turn in range(3):
        long = (records[turn:] + records) * 40
        desk.commit([desk.item(f"/{turn}", long)], long)


def references(desk: Desk) -> None:
    """Many lists with the same chunks, each in another order."""
    records = desk.upload(bytes(range(250)) * 8, cut_bytes=8)
    for turn in range(20):
        desk.commit([desk.item(f"/{turn}", records[turn:])], records[turn:])


def tiny_chunks(desk: Desk) -> None:
    desk.upload(os.urandom(40_000), cut_bytes=10)


def versions(desk: Desk) -> None:
    for number in range(600):
        desk.put("/a", b"", mtime_ns=number)


def moves(desk: Desk) -> None:
    desk.make_folder("/0")
    for number in range(600):
        desk.move(f"/{number}", f"/{number + 1}")


def copies(desk: Desk) -> None:
    desk.put_many({f"/d/{number}": b"" for number in range(500)})
    for number in range(6):
        desk.copy("/d", f"/d{number}")


def answers(desk: Desk) -> None:
    """Long answers: of each request one item is carried out, and hundreds are not."""
    for number in range(10):
        bad = [desk.item(f"/no/{'x' * 200}/{one}/{'y' * 200}\x01", kind="file") for one in range(500)]
        desk.commit([desk.item(f"/{number}", kind="folder"), *bad])


def folders(desk: Desk) -> None:
    for number in range(600):
        desk.make_folder(f"/{number}/below", parents=True)


FILLS = (names, links, lists, references, tiny_chunks, versions, moves, copies, answers, folders)


def bytes_on_disk(context: SpaceContext) -> int:
    """Blocks of all that lies in the directory of the space, once the write-ahead logs are written back."""
    for name in ("catalog.db", "small.db"):
        with closing(sqlite3.connect(context.directory / name)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return sum(path.stat().st_size for path in context.directory.rglob("*") if path.is_file())


@pytest.mark.parametrize("work", FILLS)
def test_whatever_grows_counts_as_much_as_it_takes(
    desk: Desk, context: SpaceContext, work: Callable[[Desk], None]
) -> None:
    """Within what pages that are not full make of it. `desk` compares the sum with a recount of all rows afterwards."""
    beginning, counted = bytes_on_disk(context), desk.space.usage(desk.caller).bytes_stored
    work(desk)
    grown = bytes_on_disk(context) - beginning
    counted = desk.space.usage(desk.caller).bytes_stored - counted
    assert counted > 200_000, "or it says nothing"
    assert 0.7 * grown < counted < 1.5 * grown


@pytest.mark.parametrize("work", FILLS)
def test_whatever_grows_is_refused_at_the_quota(space: Space, desk: Desk, work: Callable[[Desk], None]) -> None:
    narrow = Desk(space, quota_bytes=200_000)
    with pytest.raises(QuotaExceeded):
        work(narrow)
    assert space.usage(desk.caller).bytes_stored <= 200_000


def test_who_is_over_the_quota_reads_and_deletes_and_what_is_deleted_counts_as_before(desk: Desk, space: Space) -> None:
    desk.put_many({f"/folder/{number}": b"%d" % number for number in range(300)})
    desk.put("/big", os.urandom(90_000))
    full = Desk(space, quota_bytes=50_000)
    before = space.usage(desk.caller).bytes_stored
    assert full.read("/folder/7") == b"7"
    full.delete("/folder/7")
    full.delete_all([f"/folder/{number}" for number in range(8, 200)])
    full.delete("/folder")
    full.delete("/big")
    assert full.tree() == {}
    assert before < space.usage(desk.caller).bytes_stored < before + 60_000, "a row and an answer for each"
    for change in (lambda: full.make_folder("/new"), lambda: full.put("/new", b"")):
        with pytest.raises(QuotaExceeded):
            change()


def test_deleting_over_the_quota_is_no_other_way_to_fill_the_disk(desk: Desk, space: Space) -> None:
    """Each request deletes one file and names 900 that are not there; the answers would take 300 kB each."""
    desk.put_many({f"/{number}": b"" for number in range(20)})
    full = Desk(space, quota_bytes=5_000)
    before = space.usage(desk.caller).bytes_stored
    long = "x" * 200
    for number in range(20):
        results = full.delete_all([f"/{number}", *(f"/{long}/{long}/{one}" for one in range(900))])
        assert [result.error is None for result in results] == [True, *[False] * 900]
    assert full.tree() == {}
    assert space.usage(desk.caller).bytes_stored < before + 20 * 2_000


def test_what_the_history_lets_go_is_free_again_to_the_last_byte(
    new_registry: Callable[..., SpaceRegistry], clock: Clock
) -> None:
    """Rows, lists, references, answers: all that was counted is taken off the sum, but for the commits themselves."""
    registry = new_registry(now_ms=clock)
    with registry.lease(SPACE_ID) as space, registry.inspect(SPACE_ID) as context:
        desk = Desk(space)
        for work in (names, lists, references, tiny_chunks):
            work(desk)
            for path in desk.entries("/", limit=5_000):
                desk.delete(f"/{path}")
        clock.ahead_ms += 8 * 86_400_000
        expire_history(context, 0)
        collect_garbage(context, 0)
        clock.ahead_ms += 1_000
        collect_garbage(context, 0)
        with context.catalog.read() as tx:
            commits = tx.execute("SELECT count(*), sum(reply IS NOT NULL) FROM commits")[0]
            usage = space.usage(desk.caller)
            assert verify_space(context, full=True).findings == []
            kept = sum(length for (length,) in tx.execute("SELECT length(reply) FROM commits WHERE reply IS NOT NULL"))
        assert usage.bytes_stored == commits[0] * COMMIT_BYTES + kept


def test_the_sentence_at_the_quota_says_what_the_history_holds_and_how_it_is_freed(
    new_registry: Callable[..., SpaceRegistry],
) -> None:
    limits = StoreLimits(free_floor_bytes=0, history_kept_s=91 * 86_400)
    with new_registry(limits=limits).lease(SPACE_ID) as space:
        desk = Desk(space, quota_bytes=3_100_000)
        for number in range(31):
            desk.put(f"/{number}", os.urandom(96_000))
        for number in range(25):
            desk.delete(f"/{number}")
        usage = space.usage(desk.caller)
        assert usage.bytes_history is not None
        assert 2_390_000 < usage.bytes_history < 2_440_000
        assert usage.history_kept_s == 91 * 86_400
        with pytest.raises(QuotaExceeded) as told:
            desk.put("/new", os.urandom(200_000))
    assert told.value.message == (
        "Your quota of stored bytes (3.1 MB) has no room for 201 kB more: 3.0 MB are stored, and 2.4 MB of that or more"
        " is history (earlier versions, deleted files, unfinished uploads). Deleting works; what is deleted is history"
        " first, and is freed by itself after 91 days. The administrator can help."
    )
    assert len(told.value.message) < MAX_MESSAGE_CHARS


def test_who_has_no_history_is_not_told_of_one(desk: Desk, space: Space) -> None:
    desk.put_many({f"/{number}": os.urandom(3_000) for number in range(200)})
    usage = space.usage(desk.caller)
    assert usage.bytes_history is not None
    assert usage.bytes_history < 0.05 * usage.bytes_stored
