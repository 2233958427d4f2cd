"""A whole home on a disk without a free byte: accounts, the audit log, deleting, maintenance, and a fresh start."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sfos.programs import accounts as accounts_program
from sfos.programs import manage
from sfos.protocol import (
    MIN_ITERATIONS,
    AddAccountRequest,
    ChangeAccountRequest,
    DeleteItem,
    DeleteRequest,
    ListRequest,
    LoginFailed,
    MakeFolderRequest,
    Ref,
    RemoveAccountRequest,
    StorageFull,
    Target,
    UsageRequest,
    make_verifier,
)
from sfos.server.audit.verify import verify_audit
from tests.server.conftest import PASSWORDS, Running, Serve
from tests.support.small_disk import fill, needs_a_small_disk, small_disk
from tests.support.wire_peer import WirePeer

pytestmark = [
    needs_a_small_disk,
    pytest.mark.allows_errors("the disk is full, and the log says so"),
]

MIB = 2**20
SMALL = {"storage.reserve_bytes": "8 MiB", "storage.free_space_floor_bytes": "0"}


@pytest.fixture
def home(template: Path, tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 64 * MIB) as disk:
        yield Path(shutil.copytree(template, disk / "home"))


def folder(peer: WirePeer, name: str) -> None:
    peer.call(MakeFolderRequest(op_id=os.urandom(16), target=Target(path=f"/{name}")))


def delete(peer: WirePeer, name: str) -> None:
    peer.call(DeleteRequest(op_id=os.urandom(16), items=(DeleteItem(ref=Ref(path=f"/{name}")),)))


def names(peer: WirePeer) -> int:
    return peer.call(UsageRequest())[0].entries_current


def look_after(server: Running, alice: WirePeer, root: WirePeer) -> None:
    """Everything that has to go on."""
    with pytest.raises(StorageFull):
        folder(alice, "new")
    peer_sees = names(alice)
    delete(alice, f"folder {peer_sees}")
    assert names(alice) == peer_sees - 1
    verifier = make_verifier("a new account's own", os.urandom(16), MIN_ITERATIONS).format()
    root.call(AddAccountRequest(name="carol", verifier=verifier))
    root.call(RemoveAccountRequest(name="carol"))
    root.call(ChangeAccountRequest(name="bob", disabled=True))
    with pytest.raises(LoginFailed):
        server.greeted().login("bob", PASSWORDS["bob"])
    root.call(ChangeAccountRequest(name="bob", disabled=False))
    server.signed_in("bob")  # who has never been here, and gets a space


def test_at_0_bytes_free_users_delete_and_administrators_administer_and_the_audit_log_lacks_nothing(
    serve: Serve, home: Path
) -> None:
    server = serve(SMALL)
    alice, root = server.signed_in("alice"), server.signed_in("root")
    for number in range(1, 4):
        folder(alice, f"folder {number}")
    fill(home.parent)
    look_after(server, alice, root)
    events = [json.loads(line)["event"] for line in server.audit().splitlines()]
    assert [events.count(event) for event in ("account_added", "account_removed", "account_changed")] == [1, 1, 2]
    assert "lost_before" not in server.audit()
    assert verify_audit(server.settings.logging.audit_file, home / "secrets").findings == []


def test_a_server_is_started_anew_on_a_disk_without_a_free_byte(serve: Serve, home: Path) -> None:
    first = serve(SMALL)
    alice = first.signed_in("alice")
    for number in range(1, 4):
        folder(alice, f"folder {number}")
    alice.close()
    first.server.stop()
    first.server.stop = lambda *_: 0  # type: ignore[method-assign]
    fill(home.parent)
    again = serve(SMALL)
    look_after(again, again.signed_in("alice"), again.signed_in("root"))


def test_the_programs_beside_the_server_work_at_0_bytes_free(
    serve: Serve, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(SMALL)
    alice = server.signed_in("alice")
    folder(alice, "folder 1")
    fill(home.parent)
    delete(alice, "folder 1")
    common = ["--home", str(home), "--set", "storage.reserve_bytes=8 MiB", "--set", "storage.history_kept_s=0"]
    for command in ("expire", "gc", "stats", "verify"):
        assert manage.main([*common, command]) == 0, capsys.readouterr()
    assert accounts_program.main([*common, "disable", "bob"]) == 0, capsys.readouterr()
    with pytest.raises(LoginFailed):
        server.greeted().login("bob", PASSWORDS["bob"])
    assert alice.call(ListRequest(folders=(Ref(path="/"),)))[0].folders[0].error is None


def test_the_programs_work_at_0_bytes_free_without_a_server_too(
    serve: Serve, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Databases that nobody has open need files of their own even to be read."""
    first = serve(SMALL)
    folder(first.signed_in("alice"), "folder 1")
    first.server.stop()
    first.server.stop = lambda *_: 0  # type: ignore[method-assign]
    common = ["--home", str(home), "--set", "storage.reserve_bytes=8 MiB", "--set", "storage.free_space_floor_bytes=0"]
    for number, words in enumerate(
        (
            ["verify", "--full"],
            ["gc"],
            ["expire"],
            ["stats"],
            ["backup", str(tmp_path / "backup")],
            ["recover", "alice", str(tmp_path / "recovered")],
            ["rotate-key"],
            ["shred", "alice", "--yes"],
        )
    ):
        fill(home.parent, f"filled {number}")
        assert manage.main([*common, *words]) == 0, (words, capsys.readouterr())
