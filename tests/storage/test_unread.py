"""Maintenance where the system refuses something: a full disk, no descriptor left, a disk that fails.

None of it says anything about what is stored. So it is never called damage, and no file is given up for lost.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sfos import config
from sfos.programs import manage
from sfos.protocol import MIN_ITERATIONS, make_verifier
from sfos.server.home import open_spaces
from sfos.server.identity.credential_file import CredentialFile
from sfos.server.maintenance.chunk_files import copy_chunk_files
from sfos.server.maintenance.verify import verify_space
from sfos.server.spaces.registry import SpaceRegistry
from tests.storage.conftest import SPACE_ID
from tests.storage.desk import Desk
from tests.storage.failing_files import FailingFiles
from tests.support.small_disk import fill, needs_a_small_disk, small_disk

pytestmark = pytest.mark.allows_errors("a system that refuses is logged")

BIG = os.urandom(300_000)
FULL = "could not be read: No space left on device"
SETTINGS = ("--set", "storage.reserve_bytes=0", "--set", "storage.free_space_floor_bytes=0")


class Programs:
    """A home with the files of one user, `manage` on it, and what it said last."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home = home
        self._capsys = capsys
        self.said = ""
        loaded = config.load({"storage.reserve_bytes": "0", "storage.free_space_floor_bytes": "0"}, home=home)
        verifier = make_verifier("a pass phrase", bytes(16), MIN_ITERATIONS)
        self.space_id = CredentialFile(loaded.server.credentials_file).add("alice", verifier, "admin").user_id
        with closing(open_spaces(loaded)) as registry, registry.lease(self.space_id) as space:
            desk = Desk(space)
            desk.put("/docs/big.bin", BIG)
            desk.put_many({f"/many/{number}": os.urandom(2_000) for number in range(60)})

    def run(self, *arguments: str) -> int:
        self._capsys.readouterr()
        code = manage.main(["--home", str(self.home), *SETTINGS, *arguments])
        out, err = self._capsys.readouterr()
        self.said = out + err
        assert "[Errno" not in self.said
        return code


@pytest.fixture
def programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Programs:
    return Programs(tmp_path / "home", capsys)


@contextlib.contextmanager
def few_descriptors(more: int) -> Iterator[None]:
    """No more than so many files can be opened beside those that are open."""
    lowest = os.dup(0)
    os.close(lowest)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def leave(disk: Path, room_bytes: int) -> None:
    """Fill the disk but for so much."""
    fill(disk)
    filled = disk / "filled by something else"
    os.truncate(filled, filled.stat().st_size - room_bytes)


ENOUGH = 24


@needs_a_small_disk
def test_a_full_disk_is_no_damage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with small_disk(tmp_path / "disk", 16 * 2**20) as disk:
        programs = Programs(disk / "home", capsys)
        fill(disk)
        assert (programs.run("verify", "--full"), "DAMAGED" in programs.said) == (1, False)
        assert f"{programs.space_id} (alice): {FULL}" in programs.said
        for command, failed in (("gc", "not collected"), ("stats", "not counted"), ("expire", "not expired")):
            assert programs.run(command) == 1
            assert f"{programs.space_id}: {failed}: No space left on device" in programs.said
        (disk / "filled by something else").unlink()
        assert (programs.run("verify", "--full"), "clean" in programs.said) == (0, True)


def test_wherever_descriptors_run_out_nothing_is_called_damaged(programs: Programs) -> None:
    assert programs.run("verify", "--full") == 0  # and all is loaded
    unread = 0
    for more in range(ENOUGH):
        with few_descriptors(more):
            code = programs.run("verify", "--full")
        assert "DAMAGED" not in programs.said, f"{more}: {programs.said}"
        assert (code > 0) == ("could not be read" in programs.said or "Too many open files" in programs.said)
        unread += "could not be read" in programs.said
    assert code == 0 and unread
    assert programs.run("verify", "--full") == 0, "nor was anything marked"


def test_a_chunk_that_the_disk_does_not_give_is_counted_apart_and_its_file_named(
    new_registry: Callable[..., SpaceRegistry], tmp_path: Path
) -> None:
    with new_registry().lease(SPACE_ID) as space:
        desk = Desk(space)
        desk.put("/docs/big.bin", BIG)
        desk.put("/docs/other.bin", os.urandom(200_000))
    for error in (errno.EIO, errno.EMFILE):
        registry = new_registry(files=FailingFiles("read", 2, error))
        with registry.inspect(SPACE_ID) as context:
            found = verify_space(context, full=True)
        assert (found.findings, found.clean) == ([], False)
        (unread,) = found.unread
        assert unread.detail.endswith(os.strerror(error))
        assert unread.paths in {("/docs/big.bin",), ("/docs/other.bin",)}


def test_recovering_with_too_few_descriptors_gives_no_file_up_for_lost(programs: Programs, tmp_path: Path) -> None:
    target = tmp_path / "rescue"
    assert programs.run("recover", "alice", str(target)) == 0
    shutil.rmtree(target)
    refused = 0
    for more in range(ENOUGH):
        with few_descriptors(more):
            code = programs.run("recover", "alice", str(target))
        for word in ("lost", "incomplete", "counted"):
            assert word not in programs.said, f"{more}: {programs.said}"
        assert (code == 0) == ("Too many open files" not in programs.said)
        refused += code
        shutil.rmtree(target, ignore_errors=True)
    assert code == 0 and refused


@needs_a_small_disk
@pytest.mark.parametrize("room_bytes", [0, 8_192, 200_000])
def test_recovering_into_a_full_disk_leaves_nothing_partial_under_its_name(
    programs: Programs, tmp_path: Path, room_bytes: int
) -> None:
    with small_disk(tmp_path / "disk", 8 * 2**20) as disk:
        leave(disk, max(room_bytes, 4_096))  # for the directory
        assert programs.run("recover", "alice", str(disk / "rescue")) == 1
        assert "No space left on device" in programs.said and "lost:" not in programs.said
        assert all(path.read_bytes() == BIG for path in disk.rglob("big.bin"))
        assert all(path.stat().st_size == 2_000 for path in disk.glob("rescue/many/*"))


def test_a_backup_goes_on_past_a_file_that_the_disk_does_not_give(tmp_path: Path) -> None:
    source, target = tmp_path / "chunks", tmp_path / "backup"
    (source / "ab").mkdir(parents=True)
    (source / "ab" / "unread").symlink_to("/proc/self/mem")  # which the system opens, and reads nothing of at 0: EIO
    (source / "ab" / "well").write_bytes(b"")
    losses: list[str] = []
    wanted = [("ab/unread", 0), ("ab/well", 0)]
    assert copy_chunk_files(source, target, wanted, losses, lambda _: None) == 1
    assert losses == ["chunk file ab/unread could not be read: Input/output error"]
    assert [path.name for path in (target / "ab").iterdir()] == ["well"]


@needs_a_small_disk
def test_a_backup_whose_own_disk_is_full_fails_as_a_whole(programs: Programs, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 8 * 2**20) as disk:
        for room_bytes in range(4_096, 2 * 2**20, 61_440):
            leave(disk, room_bytes)
            code = programs.run("backup", str(disk / "backup"))
            snapshots = list((disk / "backup").glob("snapshots/[0-9]*"))
            if code == 0:
                break
            assert "No space left on device" in programs.said and "NOT BACKED UP" not in programs.said
            assert snapshots == []
        assert room_bytes > 200_000 and len(snapshots) == 1


@needs_a_small_disk
def test_a_restoration_onto_a_full_disk_says_so_and_leaves_nothing(
    programs: Programs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert programs.run("backup", str(tmp_path / "backup")) == 0
    refused = 0
    with small_disk(tmp_path / "disk", 8 * 2**20) as disk:
        home = disk / "home"
        for room_bytes in range(65_536, 4 * 2**20, 131_072):
            shutil.rmtree(home, ignore_errors=True)
            (home / "secrets").mkdir(parents=True)
            shutil.copy(programs.home / "secrets" / "master.key", home / "secrets")
            leave(disk, room_bytes)
            code = manage.main(["--home", str(home), *SETTINGS, "restore", str(tmp_path / "backup")])
            said = "".join(capsys.readouterr())
            if code == 0:
                break
            refused += 1
            assert "No space left on device" in said and "Errno" not in said, said
            assert "DAMAGED" not in said and "NOT RESTORED" not in said, said
            assert list((home / "server_storage").glob("*")) == []
    assert code == 0 and refused
