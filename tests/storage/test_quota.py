"""Quotas in bytes and in files: enforced in the transaction, named when met, never in the way of deletions."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable

import pytest

from sfos.protocol import OpIdReused, QuotaExceeded, StorageFailed
from sfos.server.disk.stopped_paths import stop
from sfos.server.spaces.operations import uploads
from sfos.server.spaces.operations.context import Caller, SpaceContext
from sfos.server.spaces.registry import SpaceRegistry
from sfos.server.spaces.space import Space
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
