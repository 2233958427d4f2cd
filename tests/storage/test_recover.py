"""Files come out with the master key alone, as many of them as the damage leaves, and the rest is named."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from sfos.programs import manage as manage_storage
from sfos.protocol import MIN_ITERATIONS, Attributes, make_verifier
from sfos.server.disk.storage_faults import KeysDamaged, MasterKeyWrong
from sfos.server.identity.credential_file import CredentialFile
from sfos.server.maintenance.recover import NotEmpty, Recovered, recover_space
from sfos.server.maintenance.salvage import Remains
from sfos.server.maintenance.which_space import NoSuchSpace, find_space
from sfos.server.spaces.registry import SpaceRegistry
from sfos.server.vault.master import MasterKey
from tests.storage.conftest import SPACE_ID
from tests.storage.desk import Desk

Files = dict[str, bytes]
Recover = Callable[[], Recovered]

FILES: Files = {
    "/docs/deep/big.bin": os.urandom(350_000),
    "/docs/small.txt": b"a small one",
    "/docs/same.txt": b"a small one",
    "/Ünïcode 名前.txt": b"names survive",
    "/empty": b"",
}


@pytest.fixture
def files(new_registry: Callable[..., SpaceRegistry]) -> Files:
    """A store with FILES in it, closed."""
    registry = new_registry()
    with registry.lease(SPACE_ID) as space:
        desk = Desk(space)
        for path, data in FILES.items():
            desk.put(path, data, mtime_ns=1_234_567_890_123_456_789)
        desk.put("/gone", b"deleted later")
        desk.delete("/gone")
        link = desk.item("/link", kind="symlink", attrs=Attributes(link="docs/small.txt"))
        folder = desk.item("/bare", kind="folder", attrs=Attributes(mode=0o750))
        results, _ = desk.commit([link, folder])
        assert [result.error for result in results] == [None, None]
    registry.close()
    return dict(FILES)


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    return tmp_path / "server_storage" / SPACE_ID


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def recover(files: Files, stored: Path, out: Path, master: MasterKey) -> Recover:
    return lambda: recover_space(stored, SPACE_ID, master, out)


def written(out: Path) -> Files:
    return {f"/{path.relative_to(out)}": path.read_bytes() for path in out.rglob("*") if path.is_file()}


def snapshot(directory: Path) -> dict[Path, tuple[int, int]]:
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in directory.rglob("*")}


def chunk_files(stored: Path) -> list[Path]:
    return sorted(stored.glob("chunks/*/*"))


def test_every_live_file_comes_out_as_it_was(recover: Recover, files: Files, out: Path) -> None:
    done = recover()
    assert done.losses == []
    assert (done.files, done.links, done.incomplete) == (len(files), 1, 0)
    assert (out / "link").readlink() == Path("docs/small.txt")
    (out / "link").unlink()
    assert written(out) == files
    assert (out / "docs/small.txt").stat().st_mtime_ns == 1_234_567_890_123_456_789
    assert (out / "bare").stat().st_mode & 0o777 == 0o750


def test_the_store_is_left_as_it_was(recover: Recover, stored: Path) -> None:
    before = snapshot(stored)
    recover()
    assert snapshot(stored) == before


def test_a_store_that_was_never_closed_is_read_to_its_last_commit(
    new_registry: Callable[..., SpaceRegistry], stored: Path, out: Path, master: MasterKey
) -> None:
    with new_registry().lease(SPACE_ID) as space:
        Desk(space).put("/last", b"still in the write-ahead log")
        before = snapshot(stored)
        assert recover_space(stored, SPACE_ID, master, out).losses == []
        assert snapshot(stored) == before
    assert written(out) == {"/last": b"still in the write-ahead log"}


def test_a_store_that_changes_meanwhile_is_said(
    new_registry: Callable[..., SpaceRegistry],
    stored: Path,
    out: Path,
    master: MasterKey,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with new_registry().lease(SPACE_ID) as space:
        desk = Desk(space)
        desk.put("/first", b"1")
        real = Remains.lists

        def lists(remains: Remains) -> dict[bytes, tuple[int, int, bytes]]:
            desk.put("/second", b"2")
            return real(remains)

        monkeypatch.setattr(Remains, "lists", lists)
        (loss,) = recover_space(stored, SPACE_ID, master, out).losses
    assert "changed meanwhile" in loss
    assert written(out) == {"/first": b"1"}


def test_a_directory_with_something_in_it_is_refused(recover: Recover, out: Path) -> None:
    out.mkdir()
    (out / "mine").write_bytes(b"precious")
    with pytest.raises(NotEmpty):
        recover()
    assert written(out) == {"/mine": b"precious"}


def test_a_wrong_key_or_no_keys_file_is_said_and_nothing_is_written(recover: Recover, stored: Path, out: Path) -> None:
    with pytest.raises(MasterKeyWrong):
        recover_space(stored, SPACE_ID, MasterKey.parse("A" * 43 + "="), out)
    (stored / "keys").unlink()
    with pytest.raises(KeysDamaged):
        recover()
    assert not out.exists()


@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_a_file_that_lacks_a_chunk_comes_out_incomplete_and_the_bytes_are_named(
    harm: str, recover: Recover, files: Files, stored: Path, out: Path
) -> None:
    path = chunk_files(stored)[0]
    token = bytearray(path.read_bytes())
    token[300] ^= 4
    if harm == "remove":
        path.unlink()
    else:
        path.write_bytes(token if harm == "flip" else token[:-16])
    done = recover()
    (loss,) = done.losses
    assert loss.startswith("/docs/deep/big.bin.incomplete: bytes ")
    found, whole = (out / "docs/deep/big.bin.incomplete").read_bytes(), files["/docs/deep/big.bin"]
    first, end = (int(word) for word in loss.split("bytes ")[1].split(" are")[0].split(" to "))
    assert found == whole[:first] + bytes(end + 1 - first) + whole[end + 1 :]
    assert written(out).keys() - {"/docs/deep/big.bin.incomplete", "/link"} == files.keys() - {"/docs/deep/big.bin"}


def test_chunks_without_rows_are_found_by_their_ids(recover: Recover, files: Files, stored: Path, out: Path) -> None:
    harm_catalog(stored, "DELETE FROM chunks")
    assert recover().losses == []
    (out / "link").unlink()
    assert written(out) == files


def test_what_has_lost_its_folder_is_kept_below_lost_and_found(
    recover: Recover, files: Files, stored: Path, out: Path
) -> None:
    harm_catalog(stored, "DELETE FROM nodes WHERE kind = 2 AND node IN (SELECT parent FROM nodes WHERE parent <> 1)")
    done = recover()
    assert done.losses
    assert sorted(written(out).values()) == sorted([*files.values()])
    assert (out / "lost+found").is_dir()


def test_a_row_that_was_tampered_with_is_said(recover: Recover, stored: Path) -> None:
    harm_catalog(stored, "UPDATE nodes SET mtime_ns = 7 WHERE kind = 1 AND size = 0")
    assert [loss for loss in recover().losses if "/empty" in loss and "not authentic" in loss]


@pytest.mark.parametrize(
    ("change", "lost"),
    [
        ("UPDATE contents SET list = 7", {"/docs/deep/big.bin"}),
        ("UPDATE contents SET chunks = 'abc'", {"/docs/deep/big.bin"}),
        ("UPDATE chunks SET location = x'0102', key_no = 'abc', sealed_len = 'abc'", set()),
    ],
)
def test_values_of_a_wrong_type_cost_what_only_they_could_say(
    recover: Recover, files: Files, stored: Path, out: Path, change: str, lost: set[str]
) -> None:
    with sqlite3.connect(stored / "catalog.db") as connection:
        connection.execute(change)
    connection.close()
    assert bool(recover().losses) == bool(lost)
    assert {path: data for path, data in written(out).items() if path != "/link"} == {
        path: data for path, data in files.items() if path not in lost
    }


def test_a_folder_that_is_also_a_link_leads_nowhere(recover: Recover, stored: Path, out: Path, tmp_path: Path) -> None:
    """Two rows of one name, the one a link: nothing may be written through it."""
    harm_catalog(
        stored,
        "UPDATE nodes SET name = (SELECT name FROM nodes WHERE kind = 3) WHERE kind = 2 AND parent = 1",
    )
    before = snapshot(tmp_path / "server_storage")
    recover()
    assert snapshot(tmp_path / "server_storage") == before
    assert (out / "link").is_dir()
    assert not (out / "link").is_symlink()


def test_pages_of_zeros_in_the_catalog_cost_what_was_on_them_and_are_said(
    new_registry: Callable[..., SpaceRegistry], stored: Path, out: Path, master: MasterKey
) -> None:
    registry = new_registry()
    files = {f"/file-{number:04}": f"content {number}".encode() for number in range(800)}
    with registry.lease(SPACE_ID) as space:
        Desk(space).put_many(files)
    registry.close()
    with sqlite3.connect(stored / "catalog.db") as connection:
        (page,) = connection.execute("PRAGMA page_size").fetchone()
        pages = connection.execute("SELECT pageno FROM dbstat WHERE name = 'nodes' AND pagetype = 'leaf'").fetchall()
    connection.close()
    with (stored / "catalog.db").open("r+b") as file:
        file.seek((pages[len(pages) // 2][0] - 1) * page)
        file.write(bytes(page))
    done = recover_space(stored, SPACE_ID, master, out)
    found = written(out)
    assert found.items() <= files.items()
    assert len(files) * 0.8 < len(found) < len(files)
    assert f"the catalog counted {len(files)} files, and rows of {len(found)} can be read" in done.losses
    assert any("table nodes cannot be read to its end" in loss for loss in done.losses)


@pytest.mark.parametrize("harm", ["remove", "junk"])
def test_without_a_catalog_the_chunks_come_out(harm: str, recover: Recover, stored: Path, out: Path) -> None:
    if harm == "remove":
        (stored / "catalog.db").unlink()
    else:
        (stored / "catalog.db").write_bytes(os.urandom(20_000))
    done = recover()
    assert any("names are lost" in loss for loss in done.losses)
    assert b"a small one" in written(out).values()
    assert done.chunks == len(written(out)) == 7


def harm_catalog(stored: Path, sql: str) -> None:
    connection = sqlite3.connect(stored / "catalog.db")
    assert connection.execute(sql).rowcount > 0
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def test_the_script_recovers_by_id_or_by_name_and_says_what_is_lost(
    files: Files,
    stored: Path,
    out: Path,
    tmp_path: Path,
    master_text: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SFOS_MASTER_KEY", master_text)
    home = ["--home", str(tmp_path)]
    assert manage_storage.main([*home, "recover", SPACE_ID, str(out)]) == 0
    assert f"{len(files)} files" in capsys.readouterr().out
    assert manage_storage.main([*home, "recover", SPACE_ID, str(out)]) == 1
    assert "is not empty" in capsys.readouterr().err
    assert manage_storage.main([*home, "recover", "nobody", str(tmp_path / "other")]) == 1
    assert "neither a user 'nobody'" in capsys.readouterr().err
    chunk_files(stored)[0].unlink()
    assert manage_storage.main([*home, "recover", SPACE_ID, str(tmp_path / "other")]) == 1
    assert "NOT RECOVERED AS IT WAS: /docs/deep/big.bin.incomplete" in capsys.readouterr().out


def test_a_user_is_found_by_name_and_an_id_that_is_another_users_name_is_refused(tmp_path: Path) -> None:
    accounts = CredentialFile(tmp_path / "credentials.json")
    storage = tmp_path / "server_storage"
    alice = accounts.add("alice", make_verifier("a password for alice", bytes(16), MIN_ITERATIONS))
    with pytest.raises(NoSuchSpace, match="nothing is stored"):
        find_space("alice", storage, accounts)
    (storage / alice.user_id).mkdir(parents=True)
    assert find_space("alice", storage, accounts) == alice.user_id
    assert find_space(alice.user_id, storage, accounts) == alice.user_id
    accounts.add(alice.user_id, make_verifier("a password for mallory", bytes(16), MIN_ITERATIONS))
    with pytest.raises(NoSuchSpace, match="another's"):
        find_space(alice.user_id, storage, accounts)
    with pytest.raises(NoSuchSpace):
        find_space("../" + alice.user_id, storage, accounts)
