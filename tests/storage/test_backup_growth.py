"""Many backups of many files: each costs what changed since the one before, and all of them stay whole."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from sfos.server.chunks import small_files
from sfos.server.disk.sqlite import open_database
from sfos.server.maintenance.backup_layout import NoBackup, snapshots_in
from sfos.server.maintenance.backup_marker import MARKER, BackupTooNew, NotForBackups
from sfos.server.maintenance.catalog_pages import BackupDamaged
from sfos.server.maintenance.expire import expire_history
from sfos.server.maintenance.gc import collect_garbage
from sfos.server.spaces.operations.context import SpaceContext
from sfos.server.spaces.registry import SpaceRegistry
from sfos.server.vault.master import MasterKey
from tests.storage.backing_up import Backups, NewRegistry
from tests.storage.conftest import SPACE_ID
from tests.storage.desk import Desk

FIXTURES = Path(__file__).parent / "fixtures"
Tree = dict[str, bytes | None]


def size_of(place: Path) -> int:
    """Bytes in all files below it."""
    return sum(path.stat().st_size for path in place.rglob("*") if path.is_file())


def hashes(tree: Tree) -> dict[str, str | None]:
    return {path: None if data is None else hashlib.sha256(data).hexdigest() for path, data in tree.items()}


def many(count: int, front: str = "") -> dict[str, bytes]:
    return {f"/{front}{number % 7}/{number}": os.urandom(60) for number in range(count)}


def collect_all(context: SpaceContext) -> None:
    """Let all history go, and whatever it alone needed."""
    expire_history(context, -1_000)
    collect_garbage(context, -1_000)


def test_a_backup_of_nothing_new_keeps_next_to_nothing(desk: Desk, backups: Backups, context: SpaceContext) -> None:
    desk.put_many(many(2_000))
    backups.make()
    catalog_bytes = (context.directory / "catalog.db").stat().st_size + (
        context.directory / "catalog.db-wal"
    ).stat().st_size
    before = size_of(backups.place)
    assert backups.make().chunks == 0
    assert size_of(backups.place) - before < 4_096 < catalog_bytes / 50
    desk.put("/one", b"more")
    backups.make()
    assert size_of(backups.place) - before < 250_000


def test_every_snapshot_comes_back_as_it_was_whatever_came_after_it(
    desk: Desk, backups: Backups, context: SpaceContext, tmp_path: Path
) -> None:
    trees: dict[str, Tree] = {}
    for round_ in range(4):
        desk.put_many(many(150, f"round {round_}/"))
        desk.put("/large", os.urandom(150_000))
        if round_ > 1:
            desk.delete(f"/round {round_ - 2}")
        trees[backups.make().snapshot.name] = desk.tree()
    for number, (name, tree) in enumerate(trees.items()):
        there = backups.at_home(tmp_path / f"home {number}")
        assert there.bring_back(name).losses == []
        assert there.tree() == tree


def test_letting_snapshots_go_takes_just_what_they_alone_needed(
    desk: Desk, backups: Backups, context: SpaceContext, tmp_path: Path
) -> None:
    stays = {f"/stays/{number}": os.urandom(70) for number in range(40)}
    desk.put_many(stays)
    desk.put_many(many(2_000, "goes/"))
    desk.put("/goes/large", os.urandom(250_000))
    backups.make()
    (small,) = backups.place.glob("stores/*/small-*.db")
    alone = small.stat().st_size
    desk.delete("/goes")
    collect_all(context)
    second, tree = backups.make(keep=2), desk.tree()
    assert second.pruned == 0
    third = backups.make(keep=2)
    assert third.pruned == 2_003
    assert small.stat().st_size < alone / 2
    assert list(backups.place.glob("stores/*/chunks/*/*")) == []
    assert tree.keys() == {"/stays", *stays}
    there = backups.at_home(tmp_path / "home")
    assert there.bring_back(second.snapshot.name).losses == []


def test_a_space_that_no_snapshot_has_any_more_leaves_nothing(desk: Desk, backups: Backups) -> None:
    with backups.new_registry().lease("a" * 32) as other:
        Desk(other).put_many({"/small": b"small", "/large": os.urandom(90_000)})
    backups.make()
    for path in sorted((backups.storage / ("a" * 32)).rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (backups.storage / ("a" * 32)).rmdir()
    assert backups.make(keep=1).pruned == 2
    assert not (backups.place / "stores" / ("a" * 32)).exists()


def test_a_chunk_that_a_restoration_names_again_is_not_let_go(
    desk: Desk, backups: Backups, context: SpaceContext, tmp_path: Path
) -> None:
    """Of a home that was restored from an old snapshot, whose chunks newer ones do not name."""
    desk.put("/large", os.urandom(250_000))
    first, tree = backups.make(), desk.tree()
    desk.delete("/large")
    collect_all(context)
    backups.make()
    backups.bring_back(first.snapshot.name)
    restored = backups.of_storage(backups.home / "server_storage").at_home(tmp_path / "third")
    for _ in range(2):
        assert restored.make(keep=1).losses == []
    assert restored.bring_back().losses == []
    assert restored.tree() == tree


def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Hear all that is said to the databases of small chunks of a backup."""
    heard: list[str] = []

    @contextmanager
    def opened(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
        with open_database(path, mode) as connection:
            connection.set_trace_callback(heard.append)
            yield connection

    monkeypatch.setattr(small_files, "open_database", opened)
    return heard


def test_small_chunks_are_copied_in_the_order_of_their_places_and_many_at_a_time(
    desk: Desk, backups: Backups, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = statements(monkeypatch)
    desk.put_many(many(1_500))
    assert backups.make().chunks == 1_500
    assert len([one for one in heard if "INTO main.tokens" in one]) == 1  # a transaction
    assert len([one for one in heard if one == "COMMIT"]) == 2  # and that of what is lacking
    inserted = [one for one in heard if one.startswith("INSERT INTO temp.lacking")]
    numbers = [int(one.partition("VALUES (")[2].partition(",")[0]) for one in inserted]
    assert len(numbers) == 1_500
    assert numbers == sorted(numbers)


def test_a_backup_of_nothing_new_reads_no_token(desk: Desk, backups: Backups, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.put_many(many(300))
    backups.make()
    heard = statements(monkeypatch)
    backups.make()
    assert [one for one in heard if "source.tokens" in one or "COMMIT" in one] == []
    (database,) = backups.place.glob("stores/*/small-*.db")
    with closing(sqlite3.connect(database)) as connection:
        (looked,) = [one for one in heard if "FROM tokens AS held" in one][-1:]
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {looked}")]
    assert "USING COVERING INDEX tokens_held" in plan[0]


@pytest.mark.leaves_damage
def test_damaged_pages_of_small_chunks_cost_just_what_lies_on_them(
    desk: Desk, backups: Backups, context: SpaceContext
) -> None:
    desk.put_many({f"/{number}": os.urandom(9_000) for number in range(60)})
    context.store.compact()  # out of the log, into the file
    path = context.directory / "small.db"
    content = bytearray(path.read_bytes())
    at = len(content) - 2 * 65_536
    content[at : at + 8] = b"\xff" * 8
    path.write_bytes(content)
    done = backups.make()
    assert 0 < len(done.losses) < 20
    assert done.chunks == 60 - len(done.losses)
    assert done.spaces == 1


@pytest.mark.parametrize("harm", ["an image is another", "an image is gone", "the database is gone", "no database"])
def test_a_catalog_that_is_not_what_was_backed_up_is_not_restored(desk: Desk, backups: Backups, harm: str) -> None:
    desk.put("/file", b"data")
    backups.make()
    (catalogs,) = backups.place.glob("stores/*/catalogs.db")
    if harm == "the database is gone":
        catalogs.unlink()
    elif harm == "no database":
        catalogs.write_bytes(b"x" * 8_192)
    else:
        with closing(sqlite3.connect(catalogs)) as connection, connection:
            if harm == "an image is gone":
                connection.execute("DELETE FROM images WHERE place = 2")
            else:
                connection.execute("UPDATE images SET image = zeroblob(4096) WHERE place = 2")
    with pytest.raises(BackupDamaged, match="restore another snapshot"):
        backups.bring_back()
    assert list((backups.home / "server_storage").iterdir()) == []


def test_backups_of_a_newer_format_are_left_alone(desk: Desk, backups: Backups) -> None:
    desk.put("/file", b"data")
    backups.make()
    marker = backups.place / MARKER
    assert marker.read_bytes() == b"sfos-backup-2\n"
    marker.write_bytes(b"sfos-backup-3\n")
    with pytest.raises(BackupTooNew):
        backups.make()
    with pytest.raises(BackupTooNew):
        backups.bring_back()
    marker.write_bytes(b"somebody else's\n")
    with pytest.raises(NotForBackups):
        backups.make()


# --- backups that version 1 of the format has made ------------------------------------------------------------------


@pytest.fixture
def older(tmp_path: Path, new_registry: NewRegistry) -> Backups:
    home = tmp_path / "older"
    with tarfile.open(FIXTURES / "backup-1.tar.gz") as archive:
        if hasattr(tarfile, "data_filter"):
            archive.extractall(home, filter="data")
        else:  # Python before 3.11.4
            archive.extractall(home)
    master = MasterKey.parse((home / "secrets" / "master.key").read_text().strip())

    def registry(*, home: Path) -> SpaceRegistry:
        return new_registry(home=home, key=master)

    accounts = home / "secrets" / "credentials.json"
    space = json.loads((home / "expected.json").read_text())["space"]
    second = tmp_path / "second home"
    return Backups(home / "server_storage", accounts, home / "backups", second, master, registry, space)


def expected_trees(older: Backups) -> dict[str, dict[str, str | None]]:
    trees: dict[str, dict[str, str | None]] = json.loads((older.place.parent / "expected.json").read_text())["trees"]
    return trees


def test_backups_of_the_format_before_are_restored(older: Backups, tmp_path: Path) -> None:
    for number, (name, tree) in enumerate(expected_trees(older).items()):
        there = older.at_home(tmp_path / f"home {number}")
        assert there.bring_back(name).losses == []
        assert hashes(there.tree()) == tree


def test_backups_of_the_format_before_are_added_to_and_let_go(older: Backups, tmp_path: Path) -> None:
    trees = expected_trees(older)
    with older.new_registry(home=older.place.parent).lease(older.space_id) as space:
        desk = Desk(space)
        desk.put("/new", b"of the newer format")
        done = older.make()
        now = hashes(desk.tree())
        assert (done.losses, done.chunks) == ([], 1)
        assert older.make(keep=3).losses == []
    kept = [path.name for path in snapshots_in(older.place)]
    assert len(kept) == 3
    for number, (name, tree) in enumerate({kept[0]: trees[kept[0]], kept[1]: now, kept[2]: now}.items()):
        there = older.at_home(tmp_path / f"home {number}")
        assert there.bring_back(name).losses == []
        assert hashes(there.tree()) == tree
    assert older.make(keep=1).losses == []
    last = older.at_home(tmp_path / "last")
    assert last.bring_back().losses == []
    assert hashes(last.tree()) == now
    with pytest.raises(NoBackup):
        last.bring_back(kept[0])


def test_a_catalog_that_names_what_is_no_location_is_not_backed_up_and_it_is_said(
    desk: Desk, backups: Backups, context: SpaceContext
) -> None:
    desk.put_many(many(10))
    desk.put("/large", os.urandom(90_000))
    wrong: Iterable[str] = ("disk:../../x", "small:007", "small:9999999999999999999", "else:1", "disk:ab/x")
    for location in wrong:
        with context.catalog.write() as tx:
            ((before,),) = tx.execute("SELECT location FROM chunks LIMIT 1")
            tx.execute("UPDATE chunks SET location = ? WHERE location = ?", location, before)
        (loss,) = backups.make().losses
        assert f"{location!r} is no location" in loss
        with context.catalog.write() as tx:
            tx.execute("UPDATE chunks SET location = ? WHERE location = ?", before, location)
    assert backups.make().losses == []
    assert SPACE_ID in {path.name for path in snapshots_in(backups.place)[-1].iterdir()}
