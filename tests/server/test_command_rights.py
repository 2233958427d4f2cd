"""Who may give which command: nobody before hello and sign-in, and no user for another or for administrators."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from sfos.protocol import (
    COMMANDS,
    ROOT_NODE,
    Access,
    AccountsRequest,
    AddAccountRequest,
    AnySessionsRequest,
    AttachRequest,
    AuditTailRequest,
    ChangeAccountRequest,
    ChangePasswordRequest,
    ChangesRequest,
    CopyRequest,
    DeleteItem,
    DeleteRequest,
    EndAnySessionsRequest,
    EndSessionsRequest,
    GetChunksRequest,
    HaveRequest,
    HelloRequest,
    LiftPenaltiesRequest,
    ListRequest,
    LoginRequired,
    LogoutRequest,
    MakeFolderRequest,
    ManifestRequest,
    MoveRequest,
    OutOfOrder,
    PenaltiesRequest,
    PermissionDenied,
    PutChunksRequest,
    Ref,
    RemoveAccountRequest,
    Request,
    SessionEnded,
    SessionsRequest,
    StatRequest,
    Target,
    UsageRequest,
    WatchRequest,
    attach_proof,
    pack_commit,
)
from tests.server.conftest import Running
from tests.support.wire_peer import WirePeer


def op_id() -> bytes:
    return os.urandom(16)


# One request of each command that is right in form, to be given by whoever may not give it.
REQUESTS: dict[str, Request] = {
    "logout": LogoutRequest(),
    "change_password": ChangePasswordRequest(verifier="x"),
    "sessions": SessionsRequest(),
    "end_sessions": EndSessionsRequest(),
    "admin_accounts": AccountsRequest(),
    "admin_add_account": AddAccountRequest(name="x", verifier="x"),
    "admin_change_account": ChangeAccountRequest(name="alice", role="admin"),
    "admin_remove_account": RemoveAccountRequest(name="alice"),
    "admin_sessions": AnySessionsRequest(),
    "admin_end_sessions": EndAnySessionsRequest(user="alice"),
    "admin_penalties": PenaltiesRequest(),
    "admin_lift_penalties": LiftPenaltiesRequest(),
    "admin_audit": AuditTailRequest(),
    "stat": StatRequest(ref=Ref(node=ROOT_NODE)),
    "list": ListRequest(folders=(Ref(node=ROOT_NODE),)),
    "manifest": ManifestRequest(ref=Ref(node=ROOT_NODE)),
    "get_chunks": GetChunksRequest(wants=1),
    "changes": ChangesRequest(since="x"),
    "watch": WatchRequest(),
    "usage": UsageRequest(),
    "have": HaveRequest(ids=1),
    "put_chunks": PutChunksRequest(chunks=1),
    "commit": pack_commit(bytes(16), [], [])[0],
    "make_folder": MakeFolderRequest(op_id=bytes(16), target=Target(path="/x")),
    "move": MoveRequest(op_id=bytes(16), source=Ref(node=2), target=Target(path="/x")),
    "copy": CopyRequest(op_id=bytes(16), source=Ref(node=2), target=Target(path="/x")),
    "delete": DeleteRequest(op_id=bytes(16), items=(DeleteItem(ref=Ref(node=2)),)),
}


def test_no_command_that_needs_a_session_is_carried_out_without_one(server: Running) -> None:
    guarded = {name for name, spec in COMMANDS.items() if spec.access is not Access.ANYONE}
    assert guarded == set(REQUESTS)
    peer = server.greeted()
    for command, request in REQUESTS.items():
        with pytest.raises(LoginRequired):
            peer.call(command, request)


def test_nothing_is_answered_before_hello(server: Running) -> None:
    peer = server.connect()
    for command, request in {**REQUESTS, "attach": AttachRequest(ticket_id="x", proof=bytes(32))}.items():
        with pytest.raises(OutOfOrder):
            peer.call(command, request)
    peer.hello()


OTHERS: dict[str, Callable[[str], Request]] = {
    "stat": lambda space: StatRequest(ref=Ref(space=space, node=ROOT_NODE)),
    "list": lambda space: ListRequest(folders=(Ref(node=ROOT_NODE), Ref(space=space, node=ROOT_NODE))),
    "manifest": lambda space: ManifestRequest(ref=Ref(space=space, node=ROOT_NODE)),
    "get_chunks": lambda space: GetChunksRequest(space=space, wants=1),
    "changes": lambda space: ChangesRequest(space=space, since="x"),
    "watch": lambda space: WatchRequest(space=space),
    "usage": lambda space: UsageRequest(space=space),
    "have": lambda space: HaveRequest(space=space, ids=1),
    "put_chunks": lambda space: PutChunksRequest(space=space, chunks=1),
    "commit": lambda space: pack_commit(op_id(), [], [], space=space)[0],
    "make_folder": lambda space: MakeFolderRequest(op_id=op_id(), target=Target(space=space, path="/x")),
    "move": lambda space: MoveRequest(op_id=op_id(), source=Ref(path="/x"), target=Target(space=space, path="/x")),
    "copy": lambda space: CopyRequest(op_id=op_id(), source=Ref(space=space, node=2), target=Target(path="/x")),
    "delete": lambda space: DeleteRequest(
        op_id=op_id(), items=(DeleteItem(ref=Ref(path="/x")), DeleteItem(ref=Ref(space=space, node=2)))
    ),
}


# What these name is no space: accounts, sessions, penalties.
ADMINISTRATORS = {name for name, spec in COMMANDS.items() if spec.access is Access.ADMIN}
WITHOUT_A_SPACE = {"logout", "change_password", "sessions", "end_sessions", *ADMINISTRATORS}


def test_no_command_of_administrators_is_carried_out_for_a_user(server: Running) -> None:
    peer = server.signed_in("alice")
    before = server.accounts.accounts()
    for command in ADMINISTRATORS:
        with pytest.raises(PermissionDenied):
            peer.call(command, REQUESTS[command])
    assert server.accounts.accounts() == before


def test_no_message_of_administrators_can_name_a_file_or_a_space() -> None:
    for command in ADMINISTRATORS:
        spec = COMMANDS[command]
        for message in (spec.request, spec.reply):
            assert {"ref", "target", "space", "node", "path", "home"}.isdisjoint(message.__struct_fields__), command


@pytest.mark.parametrize("user", ["bob", "root"])
def test_no_command_opens_the_space_of_another_user_not_even_for_an_administrator(user: str, server: Running) -> None:
    alice_space = server.login("alice")[1].session.home.space
    peer: WirePeer = server.signed_in(user)
    assert set(OTHERS) == set(REQUESTS) - WITHOUT_A_SPACE
    for command, make in OTHERS.items():
        for space in (alice_space, "0" * 32):
            with pytest.raises(PermissionDenied):
                peer.call(command, make(space), b"")


def test_an_attach_with_a_wrong_proof_or_an_unknown_ticket_is_refused_alike_and_cut_off(server: Running) -> None:
    owner = server.signed_in()
    said = []
    for ticket_id, ticket in ((owner.ticket_id, bytes(32)), ("f" * 32, owner.ticket)):
        peer = server.greeted()
        with pytest.raises(SessionEnded) as refused:
            peer.call("attach", AttachRequest(ticket_id=ticket_id, proof=attach_proof(ticket, peer.exporter)))
        said.append(refused.value.info())
    assert said[0] == said[1]
    assert "attach_failed" in server.audit()


def test_a_proof_made_for_one_connection_is_worth_nothing_on_another(server: Running) -> None:
    owner = server.signed_in()
    proof = attach_proof(owner.ticket, server.greeted().exporter)
    peer = server.greeted()
    with pytest.raises(SessionEnded):
        peer.call("attach", AttachRequest(ticket_id=owner.ticket_id, proof=proof))


def test_hello_with_another_version_says_which_ones_meet_and_closes(server: Running) -> None:
    peer = server.connect()
    peer.send("hello", HelloRequest(version=2))
    envelope, _ = peer.receive()
    assert envelope.error is not None
    assert envelope.error.code == "unsupported_version"
    assert "version 1" in envelope.error.message
    assert "version 2" in envelope.error.message
    peer.expect_end()
