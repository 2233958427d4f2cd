"""Faults that SQLite can run into: a lock of another process, a full disk, a disk that fails."""

from __future__ import annotations

import os
import resource
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from sfos.protocol import ServerBusy, ServerFault, StorageFailed, StorageFull
from sfos.server.catalog import engine
from sfos.server.catalog.engine import Catalog
from sfos.server.disk import sqlite
from sfos.server.spaces.operations.context import SpaceContext, StoreLimits
from sfos.server.spaces.registry import SpaceRegistry
from sfos.server.spaces.space import Space
from tests.storage.conftest import SPACE_ID
from tests.storage.desk import Desk
from tests.support.leaks import open_descriptors


def catalog_of(space: Space) -> Catalog:
    """The very one that the space works with, and its connections."""
    return space._context.catalog


@pytest.fixture
def registry(new_registry: Callable[..., SpaceRegistry]) -> SpaceRegistry:
    return new_registry(limits=StoreLimits(free_floor_bytes=0, busy_timeout_s=0.2))


def test_a_lock_held_by_another_program_is_an_error_that_can_be_retried(desk: Desk, context: SpaceContext) -> None:
    desk.put("/a", b"x")
    with closing(sqlite3.connect(context.catalog.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ServerBusy) as caught:
            desk.make_folder("/b")
        assert caught.value.retryable
        assert desk.read("/a") == b"x"  # readers wait for nobody
        other.execute("ROLLBACK")
    desk.make_folder("/b")


def test_a_full_disk_under_the_catalog_changes_nothing_and_later_all_works(desk: Desk, space: Space) -> None:
    desk.put("/a", b"x")

    def limit(pages: int) -> None:
        with catalog_of(space).read() as tx:  # on the one connection that a single thread uses
            tx.execute(f"PRAGMA max_page_count = {pages}")

    limit(1)  # SQLite never goes below what is there
    before = space.cursor()
    with pytest.raises(StorageFull):
        desk.put_many({f"/f{number}": b"%d" % number for number in range(2_000)})
    assert (desk.tree(), space.cursor()) == ({"/a": b"x"}, before)
    limit(2**30)
    desk.put_many({f"/f{number}": b"%d" % number for number in range(2_000)})
    assert len(desk.entries("/", limit=5_000)) == 2_001


@contextmanager
def no_file_longer_than(size_bytes: int) -> Iterator[None]:
    """The system refuses writes, as it does where a quota is used up: not with ENOSPC, which SQLite knows by name."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_quota_met_under_the_catalog_refuses_the_request_and_stops_nothing(desk: Desk, context: SpaceContext) -> None:
    desk.put_many({f"/folder/{number}": b"x" for number in range(1_500)})
    before = desk.space.cursor()
    with no_file_longer_than(context.catalog.path.stat().st_size // 4096 * 4096):
        with pytest.raises(StorageFull):
            desk.copy("/folder", "/copy")
        with pytest.raises(StorageFull):
            desk.copy("/folder", "/copy")
        assert (desk.space.cursor(), len(desk.entries("/folder", limit=5_000))) == (before, 1_500)
    desk.copy("/folder", "/copy")
    assert list(context.directory.glob(".room-*")) == []


def test_a_probe_for_room_has_no_name_any_more_when_it_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a process that is killed then would leave 1 MiB for ever."""
    grown: list[list[Path]] = []
    real = os.posix_fallocate

    def allocate(descriptor: int, offset: int, size: int) -> None:
        real(descriptor, offset, size)
        grown.append(list(tmp_path.iterdir()))

    monkeypatch.setattr(os, "posix_fallocate", allocate)
    error = sqlite3.OperationalError()
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_WRITE
    assert not sqlite.is_full(error, tmp_path / "catalog.db")
    assert grown == [[]]


def test_a_quota_met_at_opening_is_a_full_disk_and_not_a_catalog_to_be_restored(
    new_registry: Callable[..., SpaceRegistry], caplog: pytest.LogCaptureFixture
) -> None:
    with closing(new_registry()) as registry, registry.lease(SPACE_ID) as space:
        Desk(space).put("/a", b"x")
    registry = new_registry()
    # Less than the -shm file has.
    with no_file_longer_than(16 * 1024), pytest.raises(StorageFull), registry.lease(SPACE_ID):
        pass
    assert "backup" not in caplog.text
    with registry.lease(SPACE_ID) as space:
        assert Desk(space).read("/a") == b"x"


def test_a_quota_met_under_the_small_chunks_refuses_the_request_and_stops_nothing(
    desk: Desk, context: SpaceContext
) -> None:
    desk.put("/a", b"x")
    files = {f"/{number}": os.urandom(40_000) for number in range(40)}
    with no_file_longer_than(512 * 1024):
        with pytest.raises(StorageFull):
            desk.put_many(files)
        assert desk.tree() == {"/a": b"x"}
    desk.put_many(files)
    assert desk.tree() == {"/a": b"x", **files}


@pytest.mark.allows_errors("the failing disk is logged")
def test_a_write_that_failed_for_another_reason_is_refused_and_stops_nothing_either(desk: Desk, space: Space) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_WRITE
    with pytest.raises(StorageFailed), catalog_of(space).write():
        raise error
    desk.put("/b", b"y")


@pytest.mark.parametrize("code", ["SQLITE_IOERR_FSYNC", "SQLITE_IOERR_DIR_FSYNC", "SQLITE_IOERR", "SQLITE_IOERR_CLOSE"])
@pytest.mark.allows_errors("the failing disk is logged")
def test_after_a_failed_fsync_the_catalog_takes_no_more_writes(desk: Desk, space: Space, code: str) -> None:
    desk.put("/a", b"x")
    catalog = catalog_of(space)
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = getattr(sqlite3, code)
    with pytest.raises(StorageFailed), catalog.write():
        raise error
    with pytest.raises(StorageFailed):
        desk.put("/b", b"y")
    assert desk.tree() == {"/a": b"x"}


@pytest.mark.allows_errors("the failing disk is logged")
def test_after_a_failed_fsync_nobody_in_the_process_writes_who_opens_the_catalog_anew(
    desk: Desk, space: Space, registry: SpaceRegistry
) -> None:
    desk.put("/a", b"x")
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
    with pytest.raises(StorageFailed), catalog_of(space).write():
        raise error
    with registry.inspect(SPACE_ID) as opened:
        with pytest.raises(StorageFailed), opened.catalog.write():
            pass
        with pytest.raises(StorageFailed), opened.catalog.core():
            pass
        assert Desk(Space(opened)).tree() == {"/a": b"x"}
    with pytest.raises(StorageFailed):
        desk.put("/b", b"y")


def test_readers_see_one_state_while_a_writer_is_at_work(desk: Desk, space: Space) -> None:
    """A commit of a thousand files is there as a whole or not at all, whenever one looks."""
    done = threading.Event()
    seen: set[int] = set()
    failures: list[BaseException] = []

    def look() -> None:
        try:
            while not done.is_set():
                seen.add(len(Desk(space).entries("/", limit=5_000)))
        except BaseException as error:
            failures.append(error)

    readers = [threading.Thread(target=look) for _ in range(3)]
    for reader in readers:
        reader.start()
    for round_ in range(4):
        desk.put_many({f"/{round_} {number}": os.urandom(4) for number in range(500)})
    done.set()
    for reader in readers:
        reader.join()
    assert not failures
    assert seen <= {0, 500, 1_000, 1_500, 2_000}


@pytest.mark.allows_errors("the mistake is logged")
def test_a_row_that_breaks_the_rules_is_our_mistake_and_not_the_disks(desk: Desk, context: SpaceContext) -> None:
    desk.put("/a", b"x")
    with pytest.raises(ServerFault), context.catalog.write() as tx:
        tx.execute("INSERT INTO nodes SELECT * FROM nodes")
    with context.catalog.write() as tx:
        assert tx.execute("SELECT count(*) FROM nodes") == [(2,)]


def test_what_goes_wrong_while_a_catalog_is_made_is_sqlites_own_error(context: SpaceContext) -> None:
    """And not SQLAlchemy's wrapping of it, which nobody who opens a space expects: it reached the top of the server."""
    with pytest.raises(engine.CatalogError) as caught, context.catalog.core() as connection:
        connection.exec_driver_sql("INSERT INTO nothing VALUES (1)")
    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
    with pytest.raises(engine.CatalogError) as caught, context.catalog.core() as connection:
        connection.exec_driver_sql("INSERT INTO spaces SELECT * FROM spaces")
    assert isinstance(caught.value.__cause__, sqlite3.IntegrityError)


def test_a_crowd_of_readers_leaves_no_descriptor_for_each_of_them(context: SpaceContext) -> None:
    catalog = context.catalog
    all_here = threading.Barrier(100)

    def read() -> None:
        all_here.wait()
        with catalog.read() as tx:
            threading.Event().wait(0.001)
            assert tx.execute("SELECT 1") == [(1,)]

    crowd = [threading.Thread(target=read) for _ in range(100)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    assert list(open_descriptors().values()).count(str(catalog.path.resolve())) < 40


def test_readers_that_all_read_within_their_own_reading_wait_for_nobody_for_ever(context: SpaceContext) -> None:
    catalog = context.catalog
    all_reading = threading.Barrier(20)

    def read() -> None:
        with catalog.read() as outer:
            all_reading.wait()
            with catalog.read() as inner:
                assert outer.execute("SELECT 1") == inner.execute("SELECT 1")

    crowd = [threading.Thread(target=read) for _ in range(20)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join(60)
    assert not any(one.is_alive() for one in crowd)


@pytest.mark.parametrize("error", [MemoryError(), sqlite3.OperationalError("unable to open database file")])
def test_who_waits_for_a_connection_gets_one_when_those_of_others_could_not_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(sqlite, "_SOON_S", 3_600.0)
    all_here, let_go, works = threading.Barrier(17), threading.Event(), threading.Event()

    def connect() -> sqlite3.Connection:
        if works.is_set():
            return sqlite3.connect(tmp_path / "database", check_same_thread=False)
        all_here.wait()
        let_go.wait()
        raise error

    with closing(sqlite.ConnectionPool(connect, kept=2, most=16)) as pool:

        def read(found: list[object]) -> None:
            try:
                lent = pool.lend(may_wait=True)
            except (MemoryError, sqlite3.Error) as failure:
                found.append(failure)
            else:
                found += lent.cursor.execute("SELECT 1")
                pool.give_back(lent)

        early: list[object] = []
        late: list[object] = []
        crowd = [threading.Thread(target=read, args=(early,), daemon=True) for _ in range(16)]
        for one in crowd:
            one.start()
        all_here.wait()
        works.set()
        waiting = threading.Thread(target=read, args=(late,), daemon=True)
        waiting.start()
        let_go.set()
        for one in (*crowd, waiting):
            one.join(30)
        assert len(early) == 16
        assert late == [(1,)]


def test_a_connection_given_back_while_its_catalog_is_being_closed_is_closed_too(context: SpaceContext) -> None:
    catalog = engine.Catalog(context.catalog.path, context.catalog.space)

    class ClosedMeanwhile(deque[sqlite.Lent]):
        def __len__(self) -> int:  # asked after `_closed` was, and before the connection is kept
            catalog.close()
            return 0

    catalog._pool._idle = ClosedMeanwhile()
    with catalog.read() as tx:
        assert tx.execute("SELECT 1") == [(1,)]
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        tx.execute("SELECT 1")
