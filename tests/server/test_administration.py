"""Rights of administrators, their limits, and that each change takes effect at once."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pytest

from sfos.protocol import (
    MIN_ITERATIONS,
    AccountEntry,
    AddAccountRequest,
    AlreadyExists,
    AuditTailRequest,
    ChangeAccountRequest,
    ChangePasswordRequest,
    ChunkRecord,
    EndAnySessionsRequest,
    LiftPenaltiesRequest,
    LoginFailed,
    MakeFolderRequest,
    MalformedMessage,
    NameNotAllowed,
    NotFound,
    PasswordChangeRequired,
    PasswordRefused,
    PermissionDenied,
    PutChunksRequest,
    QuotaExceeded,
    Ref,
    RemoveAccountRequest,
    Request,
    SessionEnded,
    SessionsRequest,
    StatRequest,
    Target,
    UsageRequest,
    chunk_id,
    make_verifier,
    pack_records,
    raise_for_error,
)
from tests.server.conftest import PASSWORDS, Running
from tests.support.wire_peer import WirePeer

STAT = StatRequest(ref=Ref(path="/"))
GIVEN = "given by an administrator"
OWN = "chosen by the user herself"


def verifier(password: str, iterations: int = MIN_ITERATIONS) -> str:
    return make_verifier(password, os.urandom(16), iterations).format()


def change(peer: WirePeer, name: str, **fields: object) -> AccountEntry:
    account: AccountEntry = peer.call(ChangeAccountRequest(name=name, **fields))[0].account  # type: ignore[arg-type]
    return account


# --- Passwords that an administrator gives ------------------------------------------------------------------------


def test_a_new_account_may_do_nothing_before_it_has_chosen_its_own_password(server: Running) -> None:
    root = server.signed_in("root")
    root.call(AddAccountRequest(name="carol", verifier=verifier(GIVEN)))
    peer = server.greeted()
    assert peer.login("carol", GIVEN).session.must_change_password
    folder = MakeFolderRequest(op_id=bytes(16), target=Target(path="/x"))
    refused: tuple[Request[Any], ...] = (STAT, folder, SessionsRequest())
    for request in refused:
        with pytest.raises(PasswordChangeRequired):
            peer.call(request)
    attached = server.attached(peer)
    with pytest.raises(PasswordChangeRequired):
        attached.call(STAT)
    peer.call(ChangePasswordRequest(verifier=verifier(OWN)))
    for one in (peer, attached):
        assert one.call(STAT)[0].entry.node
    again = server.greeted()
    assert not again.login("carol", OWN).session.must_change_password


def test_a_reset_password_ends_the_sessions_at_once_and_has_to_be_changed(server: Running) -> None:
    bob, root = server.signed_in("bob"), server.signed_in("root")
    assert change(root, "bob", verifier=verifier(GIVEN)).must_change
    with pytest.raises(SessionEnded, match="password changed"):
        raise_for_error(bob.receive()[0])
    with pytest.raises(LoginFailed):
        server.greeted().login("bob", PASSWORDS["bob"])
    peer = server.greeted()
    peer.login("bob", GIVEN)
    with pytest.raises(PasswordChangeRequired):
        peer.call(STAT)


def test_an_administrator_whose_password_was_given_administers_nothing(server: Running) -> None:
    root = server.signed_in("root")
    root.call(AddAccountRequest(name="second", verifier=verifier(GIVEN), role="admin"))
    peer = server.greeted()
    peer.login("second", GIVEN)
    with pytest.raises(PasswordChangeRequired):
        change(peer, "bob", role="admin")


def test_a_given_password_does_not_keep_the_server_from_the_network(server: Running) -> None:
    """Only the default accounts' do, which everybody knows."""
    server.signed_in("root").call(AddAccountRequest(name="carol", verifier=verifier(GIVEN)))
    account = server.accounts.find("carol")
    assert account is not None
    assert (account.temporary, account.must_change) == (True, False)


@pytest.mark.parametrize(
    ("text", "error"),
    [("nonsense", MalformedMessage), (verifier("x", 600_000).replace("600000", "1000"), PasswordRefused)],
)
def test_a_verifier_that_protects_nobody_is_refused(text: str, error: type[Exception], server: Running) -> None:
    root = server.signed_in("root")
    with pytest.raises(error):
        root.call(AddAccountRequest(name="carol", verifier=text))
    with pytest.raises(error):
        change(root, "bob", verifier=text)
    assert server.accounts.find("carol") is None


@pytest.mark.parametrize("name", ["", "Carol", "../carol", "a" * 64 + "b", "car ol"])
def test_a_name_that_no_account_may_have_is_refused(name: str, server: Running) -> None:
    with pytest.raises((NameNotAllowed, MalformedMessage)):
        server.signed_in("root").call(AddAccountRequest(name=name, verifier=verifier(GIVEN)))


def test_a_name_that_is_taken_is_refused(server: Running) -> None:
    with pytest.raises(AlreadyExists):
        server.signed_in("root").call(AddAccountRequest(name="bob", verifier=verifier(GIVEN)))


# --- The last administrator ---------------------------------------------------------------------------------------


def test_the_last_enabled_administrator_is_not_disabled_demoted_or_removed(server: Running) -> None:
    root = server.signed_in("root")
    for fields in ({"disabled": True}, {"role": "user"}, {"role": "user", "quota_bytes": 5}):
        with pytest.raises(PermissionDenied, match="only enabled administrator"):
            change(root, "root", **fields)
    with pytest.raises(PermissionDenied, match="only enabled administrator"):
        root.call(RemoveAccountRequest(name="root"))
    account = server.accounts.find("root")
    assert account is not None
    assert (account.role, account.disabled, account.quota_bytes) == ("admin", False, None)
    change(root, "bob", role="admin", disabled=True)  # a disabled one does not count
    with pytest.raises(PermissionDenied):
        change(root, "root", disabled=True)
    change(root, "bob", disabled=False)
    change(root, "root", role="user")


def test_who_is_demoted_or_disabled_is_out_at_once(server: Running) -> None:
    root = server.signed_in("root")
    change(root, "bob", role="admin")
    bob = server.signed_in("bob")
    change(root, "bob", role="user")
    with pytest.raises(SessionEnded, match="role changed"):
        raise_for_error(bob.receive()[0])
    bob.expect_end()
    alice = server.signed_in("alice")
    change(root, "alice", disabled=True)
    with pytest.raises(SessionEnded, match="disabled"):
        raise_for_error(alice.receive()[0])
    alice.expect_end()
    with pytest.raises(LoginFailed):
        server.greeted().login("alice", PASSWORDS["alice"])
    change(root, "alice", disabled=False)
    assert server.signed_in("alice").call(STAT)[0].entry.node


# --- Quotas -------------------------------------------------------------------------------------------------------


def test_a_quota_holds_for_open_sessions_too_and_can_be_taken_back(
    server: Running, wait_until: Callable[..., None]
) -> None:
    root = server.signed_in("root")
    peer, login = server.login("alice")
    data = os.urandom(50_000)
    record = ChunkRecord(chunk_id(login.session.home.chunk_key, data), len(data))
    assert change(root, "alice", quota_bytes=10_000).quota_bytes == 10_000

    def quota() -> int | None:
        found: int | None = peer.call(UsageRequest())[0].quota_bytes
        return found

    assert quota() == 10_000
    with pytest.raises(QuotaExceeded):
        peer.call(PutChunksRequest(chunks=1), pack_records([record]) + data)
    change(root, "alice", quota_bytes=0)
    assert quota() is None
    peer.call(PutChunksRequest(chunks=1), pack_records([record]) + data)
    assert change(root, "alice", default_quota=True).quota_bytes is None


def test_a_quota_of_files_holds_at_once_and_is_told(server: Running) -> None:
    root, peer = server.signed_in("root"), server.signed_in("alice")

    def make(name: str) -> None:
        peer.call(MakeFolderRequest(op_id=os.urandom(16), target=Target(path=f"/{name}")))

    assert change(root, "alice", quota_files=1).quota_files == 1
    assert peer.call(UsageRequest())[0].quota_files == 1
    make("one")
    with pytest.raises(QuotaExceeded, match="files and folders"):
        make("two")
    assert change(root, "alice", default_quota_files=True).quota_files is None
    assert peer.call(UsageRequest())[0].quota_files is None
    make("two")


def test_a_quota_of_both_kinds_is_refused_and_unknown_names_are_not_found(server: Running) -> None:
    root = server.signed_in("root")
    with pytest.raises(MalformedMessage):
        change(root, "bob", quota_bytes=5, default_quota=True)
    with pytest.raises(MalformedMessage):
        change(root, "bob", quota_files=5, default_quota_files=True)
    with pytest.raises(NotFound):
        change(root, "nobody", disabled=True)


# --- What is written down -----------------------------------------------------------------------------------------


def test_each_thing_an_administrator_does_is_in_the_audit_log_with_their_name(server: Running) -> None:
    root = server.signed_in("root")
    given = verifier(GIVEN)
    root.call(AddAccountRequest(name="carol", verifier=given, role="admin"))
    change(root, "carol", verifier=verifier(OWN))
    change(root, "carol", disabled=True)
    root.call(RemoveAccountRequest(name="carol"))
    root.call(EndAnySessionsRequest(user="alice"))
    root.call(LiftPenaltiesRequest())
    root.call(AuditTailRequest(lines=5))
    lines = [json.loads(line) for line in server.audit().splitlines()]
    made = [line for line in lines if line.get("by") == "root"]
    assert [(line["event"], line.get("user")) for line in made] == [
        ("account_added", "carol"),
        ("account_changed", "carol"),
        ("account_changed", "carol"),
        ("account_removed", "carol"),
        ("sessions_ended", "alice"),
        ("penalties_lifted", None),
        ("audit_read", None),
    ]
    assert (made[0]["role"], made[1]["reset"], made[2]["disabled"]) == ("admin", True, True)
    assert given.split("$")[2] not in server.audit()
