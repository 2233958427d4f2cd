"""Verification: clean stores are called clean, and every fault that is planted is found and names who is hurt."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from sfos import config
from sfos.programs import manage as manage_storage
from sfos.protocol import DataDamaged, StorageFailed
from sfos.server.disk.storage_faults import CatalogRolledBack, CatalogTooNew, CatalogUnreadable
from sfos.server.home import open_spaces
from sfos.server.maintenance import verify_rows
from sfos.server.maintenance.stats import space_stats
from sfos.server.maintenance.verify import verify_space
from sfos.server.spaces.operations.context import SpaceContext
from sfos.server.spaces.registry import SpaceRegistry
from sfos.server.spaces.space import Space
from tests.storage.backing_up import Backups
from tests.storage.conftest import SPACE_ID
from tests.storage.desk import Desk

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.leaves_damage


@pytest.fixture
def filled(desk: Desk) -> Desk:
    """A space with a little of everything."""
    desk.put("/docs/big.bin", os.urandom(350_000))
    desk.put_many({"/docs/a.txt": b"a", "/docs/b.txt": b"b", "/docs/old/c.txt": b"c"})
    desk.put("/docs/a.txt", b"a second version")
    desk.move("/docs/b.txt", "/b.txt")
    desk.copy("/docs/big.bin", "/copy.bin")
    desk.delete("/docs/old")
    desk.upload(b"pending")
    return desk


def findings(context: SpaceContext, *, full: bool = False) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for finding in verify_space(context, full=full).findings:
        found.setdefault(finding.about, []).append(finding.detail)
    return found


def sql(context: SpaceContext, statement: str) -> None:
    """Change the rows behind the program's back, foreign keys unchecked."""
    with closing(sqlite3.connect(context.catalog.path)) as connection, connection:
        connection.execute(statement)


def test_a_clean_space_is_called_clean(filled: Desk, context: SpaceContext) -> None:
    found = verify_space(context, full=True)
    assert found.clean
    assert found.opened == found.chunks
    assert found.orphans == 0
    assert found.states >= 10


def test_statistics_equal_a_recount(filled: Desk, context: SpaceContext) -> None:
    stats = space_stats(context)
    tree = filled.tree()
    assert stats.files == sum(data is not None for data in tree.values())
    assert stats.folders == 1 + sum(data is None for data in tree.values())
    assert stats.bytes_current == sum(len(data) for data in tree.values() if data is not None)
    assert stats.pending_chunks == 1


ROW_FAULTS = {
    "a live row taken out": ("DELETE FROM nodes WHERE size = 350000", "digest"),
    "a closed row taken out": ("DELETE FROM past WHERE ended_as = 1", "digest"),
    "a size changed": ("UPDATE nodes SET size = size + 1 WHERE size > 0", "row"),
    "a name of another row": (
        "UPDATE nodes SET name = (SELECT name FROM nodes WHERE size = 350000) WHERE kind = 1",
        "row",
    ),
    "a row moved to another folder": ("UPDATE nodes SET parent = 2 WHERE parent = 1 AND kind = 1", "row"),
    "a deletion called a move": ("UPDATE past SET ended_as = 2 WHERE ended_as = 3", "digest"),
    "a deletion dated back": ("UPDATE past SET seq_to = seq_to - 1 WHERE ended_as = 3", "digest"),
    "a commit taken out": ("DELETE FROM commits WHERE seq = 2", "row"),
    "a commit by someone else": ("UPDATE commits SET actor = 'u9' WHERE seq = 2", "digest"),
    "a list of another content": (
        "UPDATE contents SET content = x'" + "00" * 32 + "'",
        "list",
    ),
    "a list taken out": ("DELETE FROM contents", "list"),
    "a reference taken out": ("DELETE FROM content_chunks", "list"),
    "a chunk's row taken out": ("DELETE FROM chunks WHERE length = 100000", "list"),
    "a chunk in use marked as pending": ("UPDATE chunks SET pending_since = 1", "chunk"),
    "a chunk's row that points elsewhere": ("UPDATE chunks SET location = 'disk:00/nothing'", "chunk"),
    "a counter that is wrong": ("UPDATE spaces SET files_current = 99", "counters"),
    "stored bytes that are wrong": ("UPDATE spaces SET bytes_stored = 1", "counters"),
    "a node's id given out again": ("UPDATE spaces SET next_node = 3", "counters"),
    "the digest of another state": ("UPDATE spaces SET digest = x'" + "11" * 32 + "'", "digest"),
    "a size below nothing": ("UPDATE nodes SET size = -1 WHERE size = 350000", "row"),
    "a name that is a number": ("UPDATE nodes SET name = 7 WHERE size = 350000", "row"),
    "an end before all times": ("UPDATE past SET seq_to = -1 WHERE ended_as = 3", "catalog"),
    "a chunk longer than memory": ("UPDATE chunks SET length = 1 << 60 WHERE length = 100000", "chunk"),
    "a list longer than memory": ("UPDATE contents SET chunks = 1 << 60", "list"),
    "a small chunk in no row": ("UPDATE chunks SET location = location || 'x'", "chunk"),
    "a chunk outside of the store": ("UPDATE chunks SET location = 'disk:../catalog.db'", "chunk"),
    "a chunk in no store": ("UPDATE chunks SET location = 'elsewhere'", "chunk"),
    "the row of another space": ("UPDATE spaces SET space = x'" + "22" * 16 + "'", "catalog"),
}


@pytest.mark.parametrize("fault", ROW_FAULTS)
def test_a_planted_fault_in_the_rows_is_found(filled: Desk, context: SpaceContext, fault: str) -> None:
    statement, about = ROW_FAULTS[fault]
    sql(context, statement)
    assert about in findings(context, full=True)


@pytest.mark.allows_errors("damage is logged")
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE nodes SET size = -1 WHERE size = 350000",
        "UPDATE nodes SET name = 7 WHERE size = 350000",
        "UPDATE nodes SET node = -node WHERE kind = 2",
        "UPDATE contents SET chunks = 1 << 60",
        "UPDATE chunks SET location = 'small:x'",
        "UPDATE chunks SET location = 'disk:../keys'",
        "UPDATE chunks SET location = 'elsewhere'",
    ],
)
def test_values_that_no_program_of_ours_writes_are_damage_to_who_reads_them(
    filled: Desk, context: SpaceContext, statement: str
) -> None:
    sql(context, statement)
    with pytest.raises(DataDamaged):
        filled.read("/docs/big.bin")


# Of each table the columns that are met first by somebody.
WRONG_TYPES = {
    "spaces.epoch": ("list", "'abc'"),
    "spaces.seq": ("list", "x'0102'"),
    "spaces.digest": ("put", "1.5"),
    "spaces.next_node": ("put", "'abc'"),
    "nodes.kind": ("list", "7 WHERE size = 350000"),
    "nodes.size": ("read", "'abc'"),
    "nodes.name": ("list", "'abc'"),
    "nodes.mtime_ns": ("stat", "'abc'"),
    "nodes.attrs": ("stat", "5"),
    "nodes.mac": ("read", "'abc'"),
    "past.seq_to": ("changes", "'abc'"),
    "contents.list": ("read", "12"),
    "chunks.sealed_len": ("read", "1.5"),
    "chunks.location": ("read", "x'0102'"),
}


@pytest.mark.allows_errors("damage is logged")
@pytest.mark.parametrize("column", WRONG_TYPES)
def test_a_value_of_a_wrong_type_is_damage_to_who_meets_it_and_verify_names_the_row(
    filled: Desk, context: SpaceContext, column: str, caplog: pytest.LogCaptureFixture
) -> None:
    table, _, name = column.partition(".")
    how, value = WRONG_TYPES[column]
    beginning = filled.space.cursor()
    filled.put("/docs/a.txt", b"a third version")
    meet = {
        "list": lambda: filled.entries("/docs"),
        "read": lambda: filled.read("/docs/big.bin"),
        "stat": lambda: filled.stat("/docs/big.bin"),
        "put": lambda: filled.put("/new.txt", b"x"),
        "changes": lambda: filled.changes(beginning),
    }[how]
    sql(context, f"UPDATE {table} SET {name} = {value}")
    with pytest.raises((DataDamaged, StorageFailed)):
        meet()
    (said, *_) = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert SPACE_ID in said
    assert any(f"{table}, row" in detail and name in detail for detail in findings(context)["row"])


@pytest.mark.allows_errors("damage is logged")
@pytest.mark.parametrize("value", ["'abc'", "1.5", "x'0102'"])
@pytest.mark.parametrize("column", ["seq", "small_mark", "schema_version"])
def test_a_space_whose_own_row_has_a_wrong_type_is_not_opened(
    filled: Desk, registry: SpaceRegistry, new_registry: Callable[..., SpaceRegistry], column: str, value: str
) -> None:
    with registry.inspect(SPACE_ID) as context:
        sql(context, f"UPDATE spaces SET {column} = {value}")
    late = new_registry()
    with pytest.raises(CatalogUnreadable), late.inspect(SPACE_ID):
        pass
    with pytest.raises(StorageFailed), late.lease(SPACE_ID):
        pass


@pytest.mark.allows_errors("damage is logged")
def test_an_error_that_no_value_in_the_rows_explains_stays_what_it_is(
    filled: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistake(*_: object) -> None:
        raise TypeError("a mistake of ours")

    monkeypatch.setattr("sfos.server.spaces.operations.listing.stat", mistake)
    with pytest.raises(TypeError, match="a mistake of ours"):
        filled.stat("/docs")


@pytest.mark.allows_errors("damage is logged")
def test_what_lies_outside_of_a_store_is_neither_its_own_nor_removed_with_it(
    filled: Desk, context: SpaceContext
) -> None:
    victim = context.directory / "keys"
    for location in ("disk:../keys", f"disk:{victim}", "small:x", "elsewhere"):
        assert not context.store.holds(location, victim.stat().st_size)
        context.store.delete([location])
    assert victim.is_file()


def test_a_folder_that_is_below_itself_is_found(filled: Desk, context: SpaceContext) -> None:
    filled.make_folder("/x/y", parents=True)
    x, y = filled.stat("/x").node, filled.stat("/x/y").node
    sql(context, f"UPDATE nodes SET parent = {y} WHERE node = {x}")
    assert any("not below the root" in detail for detail in findings(context)["row"])


def chunk_files(context: SpaceContext) -> list[Path]:
    return sorted(path for path in (context.directory / "chunks").rglob("*-*") if path.is_file())


def test_a_lost_file_is_found_and_names_whom_it_hurts(filled: Desk, context: SpaceContext) -> None:
    chunk_files(context)[0].unlink()
    (finding,) = verify_space(context, full=False).findings
    assert finding.about == "chunk"
    assert finding.paths == ("/copy.bin", "/docs/big.bin")


@pytest.mark.allows_errors("damage is logged")
def test_flipped_and_swapped_bytes_are_found_by_a_full_verification(filled: Desk, context: SpaceContext) -> None:
    one, two, three, *_ = chunk_files(context)
    data = one.read_bytes()
    one.write_bytes(data[:1_000] + bytes([data[1_000] ^ 4]) + data[1_001:])
    swapped = two.read_bytes()
    two.write_bytes(three.read_bytes())
    three.write_bytes(swapped)
    assert "chunk" in findings(context, full=True)
    assert len(findings(context, full=True)["chunk"]) == 3


def test_an_old_catalog_put_back_is_found_and_not_served(
    filled: Desk, registry: SpaceRegistry, space: Space, new_registry: Callable[..., SpaceRegistry], tmp_path: Path
) -> None:
    directory = tmp_path / "server_storage" / SPACE_ID
    saved = tmp_path / "saved.db"
    _checkpoint(directory / "catalog.db")
    shutil.copy(directory / "catalog.db", saved)
    filled.put("/later", b"x")
    _checkpoint(directory / "catalog.db")
    for name in ("catalog.db-wal", "catalog.db-shm"):
        (directory / name).unlink(missing_ok=True)
    shutil.copy(saved, directory / "catalog.db")
    late = new_registry()
    with pytest.raises(CatalogRolledBack), late.inspect(SPACE_ID):
        pass
    with late.inspect(SPACE_ID, rolled_back_too=True) as context:
        assert any("an old one was put back" in detail for detail in findings(context)["head"])


def _checkpoint(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


@pytest.mark.allows_errors("a HEAD that is not there is logged")
@pytest.mark.parametrize("damage", ["gone", "garbage", "epoch", "forged"])
def test_a_head_file_that_is_not_right_is_found_and_the_space_still_opens(
    filled: Desk, registry: SpaceRegistry, tmp_path: Path, damage: str
) -> None:
    path = tmp_path / "server_storage" / SPACE_ID / "HEAD"
    magic, epoch, seq, digest = path.read_text().split()
    if damage == "gone":
        path.unlink()
    else:
        fields = {
            "garbage": ["what?"],
            "epoch": [magic, "00" * 16, seq, digest],
            "forged": [magic, epoch, f"{int(seq) - 1:020d}", digest],
        }[damage]
        path.write_text(" ".join(fields) + "\n")
    with registry.inspect(SPACE_ID) as context:
        assert "head" in findings(context)


@pytest.mark.allows_errors("what cannot be opened is logged")
def test_what_is_no_catalog_or_a_newer_one_is_a_clear_error(
    registry: SpaceRegistry, tmp_path: Path, new_registry: Callable[..., SpaceRegistry]
) -> None:
    with registry.lease(SPACE_ID) as space:
        Desk(space).put("/a", b"x")
    with registry.inspect(SPACE_ID) as context:
        sql(context, "UPDATE spaces SET schema_version = 99")
    registry.close()
    late = new_registry()
    with pytest.raises(CatalogTooNew, match="version 99"), late.inspect(SPACE_ID):
        pass
    with pytest.raises(StorageFailed), late.lease(SPACE_ID):
        pass
    path = tmp_path / "server_storage" / SPACE_ID / "catalog.db"
    path.write_bytes(b"This is not SQLite, whatever its name says." * 100)
    with pytest.raises(CatalogUnreadable), late.inspect(SPACE_ID):
        pass
    path.write_bytes(b"")
    with pytest.raises(CatalogUnreadable), late.inspect(SPACE_ID):
        pass
    path.unlink()
    with pytest.raises(CatalogUnreadable), late.inspect(SPACE_ID):
        pass


# --- the script -----------------------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home as the server leaves it, with one file of several chunks."""
    path = tmp_path / "home"
    registry = open_spaces(config.load(environ={"SFOS_STORAGE_FREE_SPACE_FLOOR_BYTES": "0"}, home=path))
    with registry.lease(SPACE_ID) as space:
        Desk(space).put("/docs/big.bin", os.urandom(250_000))
    registry.close()
    return path


Manage = Callable[..., tuple[int, str, str]]


@pytest.fixture
def manage(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Manage:
    """Runs the script within this process: (exit code, output, error output)."""
    monkeypatch.setenv("SFOS_HOME", str(home))

    def run(*words: str) -> tuple[int, str, str]:
        try:
            code = manage_storage.main(words)
        except SystemExit as stop:  # argparse
            code = int(str(stop.code))
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_the_script_runs_as_a_program(home: Path) -> None:
    result = subprocess.run(
        [sys.executable, str(ROOT / "manage_storage.py"), "verify", "--full"],
        env={**os.environ, "SFOS_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert f"{SPACE_ID}: clean" in result.stdout
    assert "3 of them opened" in result.stdout


def test_the_script_collects_and_counts(manage: Manage) -> None:
    code, output, _ = manage("gc")
    assert (code, "0 chunks removed" in output) == (0, True)
    _, output, _ = manage("stats", "--json")
    (stats,) = json.loads(output)
    assert (stats["space"], stats["files"], stats["chunks"]) == (SPACE_ID, 1, 3)
    assert "1 file (" in manage("stats", "--space", SPACE_ID)[1]


def test_the_script_names_the_hurt_file_and_fails(home: Path, manage: Manage) -> None:
    path = next(path for path in (home / "server_storage").rglob("*-*") if path.parent.parent.name == "chunks")
    token = bytearray(path.read_bytes())
    token[700] ^= 1
    path.write_bytes(token)
    assert manage("verify")[0] == 0
    code, output, _ = manage("verify", "--full")
    assert (code, "hurts /docs/big.bin" in output) == (1, True)


def test_the_script_says_what_it_cannot_do(home: Path, manage: Manage) -> None:
    assert manage("verify", "--space", "0" * 32)[0] == 1
    assert manage("nonsense")[0] == 2
    assert manage()[0] == 2
    (home / "secrets" / "master.key").unlink()
    code, _, errors = manage("verify")
    assert (code, "put the key file back" in errors) == (1, True)


def test_a_space_that_cannot_be_opened_is_reported_and_the_others_are_looked_at(home: Path, manage: Manage) -> None:
    registry = open_spaces(config.load(home=home))
    with registry.lease("a" * 32):
        pass
    registry.close()
    (home / "server_storage" / SPACE_ID / "catalog.db").write_bytes(b"")
    code, output, _ = manage("verify")
    assert code == 1
    assert f"{SPACE_ID}: DAMAGED" in output
    assert f"{'a' * 32}: clean" in output


def test_the_script_names_the_value_of_a_wrong_type_that_it_meets(home: Path, manage: Manage) -> None:
    with closing(sqlite3.connect(home / "server_storage" / SPACE_ID / "catalog.db")) as connection, connection:
        connection.execute("UPDATE commits SET time_ms = 'abc'")
    code, output, _ = manage("expire")
    assert (code, "commits, row '1': time_ms is text instead of integer" in output) == (1, True)


def held_by(work: Callable[[], object]) -> int:
    """The most bytes of Python's that `work` holds at a time."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_neither_verification_nor_backup_holds_more_for_more_files(
    desk: Desk, context: SpaceContext, backups: Backups
) -> None:
    """All that they read they read in some order, some at a time."""
    work: dict[str, Callable[[], object]] = {
        "verify": lambda: verify_space(context, full=False),
        "backup": backups.make,
    }

    def fill(front: str, count: int) -> None:
        for first in range(0, count, 1_000):
            names = {f"/{front}/{number % 9}/{number}": number for number in range(first, first + 1_000)}
            desk.put_many({path: b"%d of %s" % (number, front.encode()) for path, number in names.items()})
        for number in range(count // 500):  # files of several chunks
            desk.put(f"/{front}/several {number}", os.urandom(40_000))

    fill("few", 1_000)
    few = {name: held_by(do) for name, do in work.items()}
    fill("many", 9_000)
    many = {name: held_by(do) for name, do in work.items()}
    assert verify_space(context, full=False).findings == []
    each = {name: (many[name] - few[name]) / 9_000 for name in work}
    assert {name: bytes_ for name, bytes_ in each.items() if bytes_ > 100} == {}


def test_verification_asks_for_nothing_row_by_row_where_an_order_does(context: SpaceContext) -> None:
    """A table that is read without an index for each row of another costs its square."""
    with context.catalog.read() as tx:
        for statement in (verify_rows._ALL_PAST, verify_rows._IN_NO_FOLDER, verify_rows._NOT_BELOW_ROOT):
            sql, bound = statement.bind(context.catalog.engine.dialect, {"space": context.catalog.space})
            plan = [row[3] for row in tx.execute(f"EXPLAIN QUERY PLAN {sql}", *bound)]
            inner = [step for step in plan if "SCAN" in step and ("nodes" in step or "past" in step)]
            assert inner == [], plan
