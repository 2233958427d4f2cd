"""What SQLite can run into: a lock of another process, a full disk, a disk that fails."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import event

from protocol import ServerBusy, ServerFault, StorageFailed, StorageFull
from server.operations.context import SpaceContext, StoreLimits
from server.space import Space
from server.spaces import SpaceRegistry
from tests.storage.desk import Desk


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
    engine = space._context.catalog.engine
    pages = {"most": 0}

    def limit(connection: Any, *_: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages['most'] or 2**30}").close()

    event.listen(engine, "checkout", limit)
    pages["most"] = 1  # SQLite never goes below what is there
    before = space.cursor()
    with pytest.raises(StorageFull):
        desk.put_many({f"/f{number}": b"%d" % number for number in range(2_000)})
    assert (desk.tree(), space.cursor()) == ({"/a": b"x"}, before)
    pages["most"] = 0
    desk.put_many({f"/f{number}": b"%d" % number for number in range(2_000)})
    assert len(desk.entries("/", limit=5_000)) == 2_001


@pytest.mark.allows_errors("the failing disk is logged")
def test_after_an_error_of_the_disk_the_catalog_takes_no_more_writes(desk: Desk, space: Space) -> None:
    desk.put("/a", b"x")
    catalog = space._context.catalog
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
    with pytest.raises(StorageFailed), catalog.write():
        raise error
    with pytest.raises(StorageFailed):
        desk.put("/b", b"y")
    assert desk.tree() == {"/a": b"x"}


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
    with pytest.raises(sqlite3.OperationalError), context.catalog.core() as connection:
        connection.exec_driver_sql("INSERT INTO nothing VALUES (1)")
    with pytest.raises(sqlite3.IntegrityError), context.catalog.core() as connection:
        connection.exec_driver_sql("INSERT INTO spaces SELECT * FROM spaces")
