"""The schema: frozen for each version, migrated step by step, and every version's stores open for ever."""

from __future__ import annotations

import base64
import json
import sqlite3
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection

from sfos import config
from sfos.protocol import QuotaExceeded, readable_size
from sfos.server.catalog.engine import Catalog
from sfos.server.catalog.migrations import MIGRATIONS, migrate
from sfos.server.catalog.schema import SCHEMA_VERSION, metadata
from sfos.server.catalog.space_row import read_space_row
from sfos.server.disk.storage_faults import CatalogTooNew
from sfos.server.home import open_spaces
from sfos.server.maintenance.expire import expire_history
from sfos.server.maintenance.gc import collect_garbage
from sfos.server.maintenance.verify import verify_space
from sfos.server.spaces.operations.context import Caller, SpaceContext
from sfos.server.spaces.registry import SpaceRegistry
from tests.storage.conftest import SPACE_ID
from tests.storage.desk import Desk

FIXTURES = Path(__file__).parent / "fixtures"
VERSIONS = range(1, SCHEMA_VERSION + 1)


@pytest.fixture
def open_version(tmp_path: Path) -> Iterator[Callable[[int], tuple[SpaceRegistry, dict[str, object]]]]:
    """Unpacks the store of a version and opens it with this program; what must be found there comes along."""
    opened: list[SpaceRegistry] = []

    def unpack(version: int) -> tuple[SpaceRegistry, dict[str, object]]:
        home = tmp_path / f"v{version}"
        with tarfile.open(FIXTURES / f"v{version}.tar.gz") as archive:
            if hasattr(tarfile, "data_filter"):
                archive.extractall(home, filter="data")
            else:  # Python before 3.11.4
                archive.extractall(home)
        settings = config.load(environ={"SFOS_STORAGE_FREE_SPACE_FLOOR_BYTES": "0"}, home=home)
        opened.append(open_spaces(settings))
        return opened[-1], json.loads((home / "expected.json").read_text())

    yield unpack
    for registry in opened:
        registry.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_store_of_every_version_opens_with_all_that_was_in_it(
    version: int, open_version: Callable[[int], tuple[SpaceRegistry, dict[str, object]]]
) -> None:
    registry, expected = open_version(version)
    space_id = str(expected["space"])
    with registry.lease(space_id, create=False) as space:
        desk = Desk(space)
        tree = {path: None if data is None else base64.b64encode(data).decode() for path, data in desk.tree().items()}
        assert tree == expected["tree"]
        assert {path: desk.stat(path).revision for path in tree} == expected["revisions"]
        attrs = expected["attrs"]
        assert isinstance(attrs, dict)
        run, link = desk.stat("/run.sh").attrs, desk.stat("/link").attrs
        assert run is not None
        assert link is not None
        assert (run.mode, link.link) == (attrs["mode"], attrs["link"])
        changes, _ = desk.changes(str(expected["cursor"]))
        assert [[change.entry.name, change.deleted] for change in changes] == expected["changed"]
        desk.put("/docs/small.txt", b"written by a later version")
        with registry.inspect(space_id) as context:
            assert verify_space(context, full=True).findings == []


def test_a_store_without_counted_entries_gets_them_and_knows_its_small_chunks(
    open_version: Callable[[int], tuple[SpaceRegistry, dict[str, object]]],
) -> None:
    """Additions of version 2, in a store that version 1 wrote."""
    registry, expected = open_version(1)
    tree = expected["tree"]
    assert isinstance(tree, dict)
    with registry.inspect(str(expected["space"])) as context:
        assert context.faults == ()
        with context.catalog.read() as tx:
            row = read_space_row(tx)
        assert row.entries_current == len(tree)
        with closing(sqlite3.connect(context.directory / "small.db")) as small:
            assert small.execute("SELECT max(location) FROM tokens").fetchone() == (row.store_mark,)


@pytest.mark.parametrize("version", [1, 2])
def test_a_store_whose_rows_were_not_counted_is_counted_anew_and_whoever_is_over_their_quota_by_that_goes_on_deleting(
    open_version: Callable[[int], tuple[SpaceRegistry, dict[str, object]]], version: int
) -> None:
    """Addition of version 3: all that is kept counts, where earlier versions counted sealed chunks alone."""
    registry, expected = open_version(version)
    with registry.lease(str(expected["space"]), create=False) as space:
        desk = Desk(space)
        usage = space.usage(desk.caller)
        assert desk.bytes_of_chunks() > 60_000
        assert usage.bytes_rows > 4_000
        desk.caller = Caller("u1", quota_bytes=desk.bytes_of_chunks() + 1_000)
        before = desk.tree()
        with pytest.raises(QuotaExceeded, match=f"entries count too: {readable_size(usage.bytes_rows)}"):
            desk.make_folder("/new")
        assert desk.tree() == before
        desk.delete("/docs")
        for path in desk.entries("/"):
            desk.delete(f"/{path}")
        assert desk.tree() == {}
        with registry.inspect(str(expected["space"])) as context:
            assert verify_space(context, full=True).findings == []
            expire_history(context, -1_000)
            for _ in range(2):
                collect_garbage(context, -1_000)
        desk.make_folder("/new")


@pytest.mark.parametrize("version", VERSIONS[:-1])
def test_a_migrated_catalog_has_the_columns_of_a_new_one(
    open_version: Callable[[int], tuple[SpaceRegistry, dict[str, object]]], context: SpaceContext, version: int
) -> None:
    registry, expected = open_version(version)
    with registry.inspect(str(expected["space"])) as migrated:
        for table in metadata.tables:
            assert columns_of(migrated, table) == columns_of(context, table)


def columns_of(context: SpaceContext, table: str) -> set[tuple[object, ...]]:
    """(Name, type, not null, place in the primary key) of each."""
    with context.catalog.read() as tx:
        return {(row[1], row[2], row[3], row[5]) for row in tx.execute(f"PRAGMA table_info({table})")}


def schema_of(path: Path) -> list[tuple[str, str, str]]:
    with closing(sqlite3.connect(path)) as connection:
        return sorted(connection.execute("SELECT type, name, coalesce(sql, '') FROM sqlite_master"))


def test_a_new_store_has_the_schema_that_its_version_was_frozen_with(
    registry: SpaceRegistry,
    open_version: Callable[[int], tuple[SpaceRegistry, dict[str, object]]],
    context: SpaceContext,
    tmp_path: Path,
) -> None:
    """If this fails after a change of the tables: raise SCHEMA_VERSION, write the migration, make the new fixture."""
    _, expected = open_version(SCHEMA_VERSION)
    frozen = tmp_path / f"v{SCHEMA_VERSION}" / "server_storage" / str(expected["space"])
    for name in ("catalog.db", "small.db"):
        assert schema_of(context.directory / name) == schema_of(frozen / name)


def test_there_is_a_migration_from_every_version_before_this_one() -> None:
    assert sorted(MIGRATIONS) == list(range(1, SCHEMA_VERSION))


_OPEN_IT = """
import sys
from pathlib import Path
from sfos import config
from sfos.server.home import open_spaces
settings = config.load(environ={"SFOS_STORAGE_FREE_SPACE_FLOOR_BYTES": "0"}, home=Path(sys.argv[1]))
registry = open_spaces(settings)
sys.stdin.readline()
with registry.inspect(sys.argv[2]):
    pass
registry.close()
"""


def test_many_that_open_an_old_store_at_once_take_it_to_the_new_version_once(
    open_version: Callable[[int], tuple[SpaceRegistry, dict[str, object]]], tmp_path: Path
) -> None:
    """The one that comes second finds its step done; it was told that the catalog is to be restored from a backup."""
    registry, expected = open_version(1)
    space_id = str(expected["space"])
    arguments = [sys.executable, "-c", _OPEN_IT, str(tmp_path / "v1"), space_id]
    others = [subprocess.Popen(arguments, stdin=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    all_here = threading.Barrier(8)
    failures: list[BaseException] = []

    def open_it() -> None:
        all_here.wait()
        try:
            with registry.inspect(space_id) as context:
                assert version_of(context) == SCHEMA_VERSION
        except BaseException as error:
            failures.append(error)

    openers = [threading.Thread(target=open_it) for _ in range(8)]
    for opener in openers:
        opener.start()
    said = [other.communicate(b"\n")[1] for other in others]
    for opener in openers:
        opener.join()
    assert failures == []
    assert [(other.returncode, text) for other, text in zip(others, said, strict=True)] == [(0, b"")] * 2


def test_an_opening_waits_for_no_writer(context: SpaceContext) -> None:
    with (
        closing(Catalog(context.catalog.path, context.catalog.space, busy_timeout_s=0.0)) as other,
        context.catalog.write() as tx,
    ):
        tx.execute("UPDATE spaces SET seq = seq")
        assert migrate(other) == SCHEMA_VERSION


def version_of(context: SpaceContext) -> int:
    with context.catalog.read() as tx:
        return int(tx.execute("SELECT schema_version FROM spaces")[0][0])


def add_column(connection: Connection, space: bytes) -> None:
    connection.exec_driver_sql("ALTER TABLE nodes ADD COLUMN colour TEXT")
    connection.exec_driver_sql("UPDATE nodes SET colour = 'red' WHERE space = ?", (space,))


def fail(connection: Connection, space: bytes) -> None:
    add_column(connection, space)
    raise ZeroDivisionError


@pytest.mark.leaves_damage
def test_steps_run_in_order_each_with_its_record(desk: Desk, context: SpaceContext) -> None:
    desk.put("/a", b"x")
    steps: list[int] = []

    def noted(connection: Connection, space: bytes) -> None:
        steps.append(2)

    last = SCHEMA_VERSION + 2
    migrations = {SCHEMA_VERSION: add_column, SCHEMA_VERSION + 1: noted}
    assert migrate(context.catalog, target=last, migrations=migrations) == SCHEMA_VERSION
    assert (version_of(context), steps) == (last, [2])
    assert migrate(context.catalog, target=last, migrations={}) == last
    with pytest.raises(CatalogTooNew):
        migrate(context.catalog, target=last - 1, migrations={})


def test_a_step_that_fails_is_undone_and_can_be_run_again(context: SpaceContext) -> None:
    now, following = SCHEMA_VERSION, SCHEMA_VERSION + 1
    with pytest.raises(ZeroDivisionError):
        migrate(context.catalog, target=following, migrations={now: fail})
    assert version_of(context) == now
    assert migrate(context.catalog, target=following, migrations={now: add_column}) == now
    assert version_of(context) == following


def test_pragmas_are_as_durability_needs_them(context: SpaceContext) -> None:
    with context.catalog.read() as tx:
        found = {
            name: tx.execute(f"PRAGMA {name}")[0][0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "trusted_schema", "journal_size_limit")
        }
        assert tx.execute("PRAGMA busy_timeout")[0][0] > 0
    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "trusted_schema": 0,
        "journal_size_limit": 64 * 2**20,
    }


def test_tables_that_carry_blobs_have_rowids_and_the_others_do_not(context: SpaceContext) -> None:
    tables = {name: sql for kind, name, sql in schema_of(context.directory / "catalog.db") if kind == "table"}
    without = {name for name, sql in tables.items() if "WITHOUT ROWID" in sql}
    assert without == {"nodes", "past", "chunks", "content_chunks"}
    assert context.space_id == SPACE_ID
