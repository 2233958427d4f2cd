"""Faults planted by hand in a home: `verify --full` names each, with the user and the files that it hurts."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from sfos import config
from sfos.programs import manage as manage_storage
from sfos.protocol import MIN_ITERATIONS, DataDamaged, StorageFailed, chunk_id, make_verifier
from sfos.server.chunks.small import SmallStore
from sfos.server.disk.sqlite import DatabaseError
from sfos.server.disk.storage_faults import CatalogUnreadable, CatalogUnvouched, SmallChunksRolledBack
from sfos.server.home import open_spaces
from sfos.server.identity.credential_file import CredentialFile
from sfos.server.spaces.operations.context import Caller
from sfos.server.spaces.operations.uploads import store_pieces
from sfos.server.spaces.registry import SpaceRegistry, wall_clock_ms
from tests.storage.desk import Desk

pytestmark = [pytest.mark.leaves_damage, pytest.mark.allows_errors("damage is logged")]

PIECE = 100_000  # what Desk cuts; its tokens are files, all of one length


@dataclass(frozen=True)
class Home:
    """A home with one user and an older copy of their databases; a server has run, and is stopped."""

    path: Path
    space_id: str
    older: Path

    @property
    def space(self) -> Path:
        return self.path / "server_storage" / self.space_id

    def chunk_of(self, path: str) -> Path:
        """The file of the first chunk of what is at `path`, which is `PIECE` bytes or more."""
        with closing(self.open()) as registry, registry.lease(self.space_id) as space:
            desk = Desk(space)
            ((record, _), *_) = desk.cut(desk.read(path))
        (found,) = self.space.glob(f"chunks/*/{record.chunk_id.hex()}-*")
        return found

    def sql(self, database: str, statement: str) -> None:
        with closing(sqlite3.connect(self.space / database)) as connection, connection:
            assert connection.execute(statement).rowcount > 0

    def put_back(self, *names: str) -> None:
        for name in names:
            for suffix in ("", "-wal", "-shm"):
                (self.space / (name + suffix)).unlink(missing_ok=True)
            shutil.copy(self.older / name, self.space / name)

    def open(self, now_ms: Callable[[], int] = wall_clock_ms) -> SpaceRegistry:
        loaded = config.load(environ={"SFOS_STORAGE_FREE_SPACE_FLOOR_BYTES": "0"}, home=self.path)
        return open_spaces(loaded, now_ms=now_ms)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    loaded = config.load(environ={"SFOS_STORAGE_FREE_SPACE_FLOOR_BYTES": "0"}, home=tmp_path)
    verifier = make_verifier("a pass phrase", bytes(16), MIN_ITERATIONS)
    account = CredentialFile(loaded.server.credentials_file).add("alice", verifier, "admin")
    made = Home(tmp_path, account.user_id, tmp_path / "older")
    made.older.mkdir()
    with closing(made.open()) as registry, registry.lease(made.space_id) as space:
        Desk(space).put("/docs/one.bin", os.urandom(PIECE))
        Desk(space).put("/docs/two.bin", os.urandom(PIECE))
        Desk(space).put("/docs/list.bin", os.urandom(2 * PIECE + 5))
        Desk(space).put("/old.txt", b"an old small file")
    for name in ("catalog.db", "small.db", "HEAD"):
        shutil.copy(made.space / name, made.older / name)
    with closing(made.open()) as registry, registry.lease(made.space_id) as space:
        Desk(space).put("/new.txt", b"a new small file")
        Desk(space).put("/docs/two.bin", os.urandom(PIECE))
    return made


Verify = Callable[[], str]


@pytest.fixture
def verify(home: Home, capsys: pytest.CaptureFixture[str]) -> Verify:
    """Runs the command; what it says of damage."""

    def run() -> str:
        code = manage_storage.main(["--home", str(home.path), "verify", "--full"])
        said = capsys.readouterr().out
        assert (code == 1) == ("DAMAGED" in said)
        return said

    return run


def hurt(said: str) -> set[str]:
    return {line.removeprefix("    hurts ") for line in said.splitlines() if line.startswith("    hurts /")}


def test_nothing_is_found_where_nothing_was_planted(verify: Verify, home: Home) -> None:
    assert verify().startswith(f"{home.space_id} (alice): clean")


def test_a_flipped_byte(verify: Verify, home: Home) -> None:
    path = home.chunk_of("/docs/one.bin")
    token = bytearray(path.read_bytes())
    token[4_321] ^= 1
    path.write_bytes(token)
    said = verify()
    assert f"{home.space_id} (alice): DAMAGED: 1 finding in " in said
    assert "not authentic" in said
    assert hurt(said) == {"/docs/one.bin"}


def test_a_deleted_chunk(verify: Verify, home: Home) -> None:
    home.chunk_of("/docs/list.bin").unlink()
    said = verify()
    assert "not there" in said
    assert hurt(said) == {"/docs/list.bin"}


def test_two_swapped_chunks(verify: Verify, home: Home) -> None:
    one, two = home.chunk_of("/docs/one.bin"), home.chunk_of("/docs/list.bin")
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    said = verify()
    assert said.count("it holds") == 2
    assert hurt(said) == {"/docs/one.bin", "/docs/list.bin"}


@pytest.mark.parametrize(
    ("statement", "named", "files"),
    [
        ("DELETE FROM nodes WHERE size = 100000 AND seq_from < 3", "one was taken out", set()),
        ("DELETE FROM past WHERE size = 100000", "one was taken out", set()),
        (
            "DELETE FROM chunks WHERE id = (SELECT content FROM nodes WHERE size = 100000 ORDER BY node LIMIT 1)",
            "nothing says what",
            {"/docs/one.bin"},
        ),
        ("DELETE FROM chunks WHERE length = 5", "has no row of that length", {"/docs/list.bin"}),
        ("DELETE FROM contents", "nothing says what", {"/docs/list.bin"}),
    ],
    ids=["of a file", "of an earlier version", "of a chunk", "of a part", "of a list"],
)
def test_a_row_taken_out(verify: Verify, home: Home, statement: str, named: str, files: set[str]) -> None:
    home.sql("catalog.db", statement)
    said = verify()
    assert f"{home.space_id} (alice): DAMAGED" in said
    assert named in said
    assert hurt(said) == files


def test_an_old_catalog_put_back_under_new_chunks(verify: Verify, home: Home) -> None:
    home.put_back("catalog.db")
    said = verify()
    assert f"{home.space_id} (alice): DAMAGED" in said
    assert "an old one was put back" in said
    assert "files without a row" in said  # the chunks that are newer than it


def test_an_old_catalog_put_back_with_its_head_under_the_chunks_of_hours(verify: Verify, home: Home) -> None:
    later = home.chunk_of("/docs/two.bin")
    home.put_back("catalog.db", "HEAD")
    hours_later = later.stat().st_mtime + 7_200
    os.utime(later, (hours_later, hours_later))
    said = verify()
    assert f"{home.space_id} (alice): DAMAGED: 1 finding in " in said
    assert "catalog: it is older than what the chunk store holds" in said
    assert "2 chunks without a row" in said


def test_an_old_catalog_put_back_with_its_head_under_the_chunks_of_a_moment_is_pointed_to(
    verify: Verify, home: Home
) -> None:
    """They may as well be what a crash has left, which is no damage."""
    home.put_back("catalog.db", "HEAD")
    said = verify()
    assert f"{home.space_id} (alice): clean" in said
    assert "2 of the files without a row are newer than all that the catalog knows" in said


def test_what_uploads_that_were_cut_off_have_left_long_before_says_nothing_of_the_catalog(
    verify: Verify, home: Home
) -> None:
    clock = [wall_clock_ms() - 7_200_000]
    with closing(home.open(lambda: clock[0])) as registry, registry.inspect(home.space_id) as context:
        for data in (b"one", b"two"):
            store_pieces(context, Caller("u1", None), {chunk_id(context.keys.chunk_id, data): memoryview(data)})
            clock[0] += 600_000
    said = verify()
    assert f"{home.space_id} (alice): clean" in said
    assert "2 files without a row" in said
    assert "newer" not in said


def test_an_old_database_of_small_chunks_put_back(verify: Verify, home: Home) -> None:
    home.put_back("small.db")
    said = verify()
    assert f"{home.space_id} (alice): DAMAGED" in said
    assert "small.db: 1 chunks are not there" in said
    assert hurt(said) == {"/new.txt"}
    again = verify()  # it is taken for what it is by now, and what it lacks is still lacking
    assert "older than its catalog" not in again
    assert hurt(again) == {"/new.txt"}


def test_an_old_database_of_small_chunks_is_found_at_opening_and_asked_for_again(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    home.put_back("small.db")
    with closing(home.open()) as registry, registry.lease(home.space_id) as space:
        desk = Desk(space)
        assert [record.message for record in caplog.records if "older than its catalog" in record.message]
        assert desk.read("/old.txt") == b"an old small file"
        ids = [record.chunk_id for record, _ in desk.cut(b"a new small file")]
        assert desk.have(ids) == [False], "nobody has read it, and yet it is known to be lost"
        with pytest.raises(DataDamaged):
            desk.read("/new.txt")
        desk.put("/again.txt", b"a new small file")
        assert desk.read("/new.txt") == b"a new small file"
    caplog.clear()
    with closing(home.open()) as registry, registry.lease(home.space_id) as space:
        assert Desk(space).read("/new.txt") == b"a new small file"
    assert not caplog.records


def test_what_a_busy_moment_hid_of_the_loss_is_found_at_the_next_opening(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.put_back("small.db")
    look = SmallStore.which_are_there

    def busy(store: SmallStore, locations: Sequence[str]) -> set[str]:
        monkeypatch.setattr(SmallStore, "which_are_there", look)
        error = sqlite3.OperationalError("database is locked")
        error.sqlite_errorcode = sqlite3.SQLITE_BUSY
        raise DatabaseError(error, store.path)

    monkeypatch.setattr(SmallStore, "which_are_there", busy)
    for _ in range(2):
        with closing(home.open()) as registry, registry.inspect(home.space_id) as context:
            assert [type(fault) for fault in context.faults] == [SmallChunksRolledBack]
    with closing(home.open()) as registry, registry.lease(home.space_id) as space:
        desk = Desk(space)
        assert desk.have([record.chunk_id for record, _ in desk.cut(b"a new small file")]) == [False]


def test_many_that_are_lost_are_all_marked(home: Home) -> None:
    files = {f"/many/{number}": b"%d" % number for number in range(1_100)}  # more than are looked at at once
    with closing(home.open()) as registry, registry.lease(home.space_id) as space:
        Desk(space).put_many(files)
    home.put_back("small.db")
    with closing(home.open()) as registry, registry.lease(home.space_id) as space:
        desk = Desk(space)
        ids = [record.chunk_id for data in files.values() for record, _ in desk.cut(data)]
        assert desk.have(ids) == [False] * 1_100
        assert desk.read("/old.txt") == b"an old small file"


def test_a_mark_at_the_end_of_all_numbers_is_refused_and_leaves_the_small_chunks_as_they_are(home: Home) -> None:
    """The mark says that small.db is behind; gone on above it, that file could never take another row."""
    home.sql("catalog.db", f"UPDATE spaces SET small_mark = {2**63 - 1}")
    with (
        closing(home.open()) as registry,
        pytest.raises(CatalogUnreadable, match="no location"),
        registry.inspect(home.space_id),
    ):
        pass
    with closing(sqlite3.connect(home.space / "small.db")) as small:
        ((highest,),) = small.execute("SELECT seq FROM sqlite_sequence")
    assert highest < 2**62
    home.sql("catalog.db", f"UPDATE spaces SET small_mark = {highest}")
    with closing(home.open()) as registry, registry.lease(home.space_id) as space:
        Desk(space).put("/later.txt", b"a later small file")


@pytest.mark.parametrize("opened_before", [False, True])
def test_no_location_of_the_newer_file_is_given_out_again(home: Home, opened_before: bool) -> None:
    """Not even by a clock that was set back: what is written now could pass for what was lost."""
    with closing(sqlite3.connect(home.space / "small.db")) as newer:
        ((highest,),) = newer.execute("SELECT max(location) FROM tokens")
    home.put_back("small.db")
    if opened_before:
        with closing(home.open()) as registry, registry.inspect(home.space_id) as context:
            assert context.faults
    with closing(home.open(lambda: 1_000)) as registry, registry.inspect(home.space_id) as context:
        assert bool(context.faults) != opened_before
        batch = context.store.batch()
        batch.add(bytes(32), memoryview(bytes(10)))
        (location,) = batch.finish()
    assert int(location.removeprefix("small:")) > highest


def test_a_look_beside_a_server_at_work_takes_nothing_for_lost(home: Home) -> None:
    """The file is ahead of the catalog all the time, and never behind what was read before it."""
    failures: list[BaseException] = []
    uploads = looks = 0
    enough = threading.Event()

    def upload(registry: SpaceRegistry) -> None:
        nonlocal uploads
        try:
            with registry.lease(home.space_id) as space:
                while not enough.is_set():
                    Desk(space).put_many({f"/many/{uploads}": b"%d" % uploads})
                    uploads += 1
        except BaseException as error:
            failures.append(error)

    with closing(home.open()) as registry, closing(home.open()) as other:
        thread = threading.Thread(target=upload, args=(registry,))
        thread.start()
        try:
            while not failures and (looks < 20 or uploads < 30):
                with other.inspect(home.space_id) as context:
                    assert context.faults == ()
                looks += 1
        finally:
            enough.set()
            thread.join()
    assert not failures


@pytest.mark.allows_errors("what cannot be opened is logged")
@pytest.mark.parametrize("files", [("small",), ("large",), ("small", "large")])
def test_a_catalog_that_lost_its_log_and_its_head_is_not_served_as_if_it_were_empty(
    tmp_path: Path, files: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """The next commit would write a new HEAD, and the next collection remove what the lost log told of."""
    contents = {"small": b"a small file", "large": os.urandom(PIECE)}
    loaded = config.load(environ={"SFOS_STORAGE_FREE_SPACE_FLOOR_BYTES": "0"}, home=tmp_path)
    verifier = make_verifier("a pass phrase", bytes(16), MIN_ITERATIONS)
    account = CredentialFile(loaded.server.credentials_file).add("alice", verifier, "admin")
    made = Home(tmp_path, account.user_id, tmp_path / "older")
    with closing(made.open()) as registry, registry.lease(made.space_id):
        pass
    with closing(made.open()) as registry, registry.lease(made.space_id) as space:
        shutil.copytree(made.space, tmp_path / "killed")
        for name in files:
            Desk(space).put(f"/{name}", contents[name])
        for path in ("chunks", "small.db", "small.db-wal"):  # as a kill leaves them
            source, target = made.space / path, tmp_path / "killed" / path
            if source.is_dir():
                shutil.copytree(source, target, dirs_exist_ok=True)
            else:
                shutil.copy(source, target)
    shutil.rmtree(made.space)
    shutil.copytree(tmp_path / "killed", made.space)
    for lost in ("HEAD", "catalog.db-wal", "catalog.db-shm"):
        (made.space / lost).unlink(missing_ok=True)
    with closing(made.open()) as registry:
        with pytest.raises(StorageFailed), registry.lease(made.space_id):
            pass
        with pytest.raises(CatalogUnvouched, match="put HEAD back"), registry.inspect(made.space_id):
            pass
    assert not (made.space / "HEAD").exists()
    assert manage_storage.main(["--home", str(tmp_path), "gc"]) == 1
    assert manage_storage.main(["--home", str(tmp_path), "verify"]) == 1
    said = capsys.readouterr().out
    assert "DAMAGED" in said
    assert "catalog: it is older than what the chunk store holds" in said
