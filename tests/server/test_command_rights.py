"""Rights to commands: nobody before hello and sign-in, and no user for another or for administrators."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from sfos.protocol import (
    COMMANDS,
    ROOT_NODE,
    Access,
    AccountsRequest,
    AddAccountRequest,
    AnySessionsRequest,
    AttachRequest,
    AttributesItem,
    AuditTailRequest,
    ChangeAccountRequest,
    ChangePasswordRequest,
    ChangesRequest,
    CommitRequest,
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
    SetAttributesRequest,
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
REQUESTS: dict[type[Request[Any]], Request[Any]] = {
    LogoutRequest: LogoutRequest(),
    ChangePasswordRequest: ChangePasswordRequest(verifier="x"),
    SessionsRequest: SessionsRequest(),
    EndSessionsRequest: EndSessionsRequest(),
    AccountsRequest: AccountsRequest(),
    AddAccountRequest: AddAccountRequest(name="x", verifier="x"),
    ChangeAccountRequest: ChangeAccountRequest(name="alice", role="admin"),
    RemoveAccountRequest: RemoveAccountRequest(name="alice"),
    AnySessionsRequest: AnySessionsRequest(),
    EndAnySessionsRequest: EndAnySessionsRequest(user="alice"),
    PenaltiesRequest: PenaltiesRequest(),
    LiftPenaltiesRequest: LiftPenaltiesRequest(),
    AuditTailRequest: AuditTailRequest(),
    StatRequest: StatRequest(ref=Ref(node=ROOT_NODE)),
    ListRequest: ListRequest(folders=(Ref(node=ROOT_NODE),)),
    ManifestRequest: ManifestRequest(ref=Ref(node=ROOT_NODE)),
    GetChunksRequest: GetChunksRequest(wants=1),
    ChangesRequest: ChangesRequest(since="x"),
    WatchRequest: WatchRequest(),
    UsageRequest: UsageRequest(),
    HaveRequest: HaveRequest(ids=1),
    PutChunksRequest: PutChunksRequest(chunks=1),
    CommitRequest: pack_commit(bytes(16), [], [])[0],
    MakeFolderRequest: MakeFolderRequest(op_id=bytes(16), target=Target(path="/x")),
    MoveRequest: MoveRequest(op_id=bytes(16), source=Ref(node=2), target=Target(path="/x")),
    CopyRequest: CopyRequest(op_id=bytes(16), source=Ref(node=2), target=Target(path="/x")),
    DeleteRequest: DeleteRequest(op_id=bytes(16), items=(DeleteItem(ref=Ref(node=2)),)),
    SetAttributesRequest: SetAttributesRequest(op_id=bytes(16), items=(AttributesItem(node=2, mtime_ns=1),)),
}


def named(commands: Iterable[type[Request[Any]]]) -> list[str]:
    return sorted(COMMANDS[command].name for command in commands)


def test_no_command_that_needs_a_session_is_carried_out_without_one(server: Running) -> None:
    guarded = {request for request, spec in COMMANDS.items() if spec.access is not Access.ANYONE}
    assert named(guarded ^ set(REQUESTS)) == [], "REQUESTS of this file lacks these, or has them too many"
    peer = server.greeted()
    for request in REQUESTS.values():
        with pytest.raises(LoginRequired):
            peer.call(request)


def test_nothing_is_answered_before_hello(server: Running) -> None:
    peer = server.connect()
    for request in (*REQUESTS.values(), AttachRequest(ticket_id="x", proof=bytes(32))):
        with pytest.raises(OutOfOrder):
            peer.call(request)
    peer.hello()


OTHERS: dict[type[Request[Any]], Callable[[str], Request[Any]]] = {
    StatRequest: lambda space: StatRequest(ref=Ref(space=space, node=ROOT_NODE)),
    ListRequest: lambda space: ListRequest(folders=(Ref(node=ROOT_NODE), Ref(space=space, node=ROOT_NODE))),
    ManifestRequest: lambda space: ManifestRequest(ref=Ref(space=space, node=ROOT_NODE)),
    GetChunksRequest: lambda space: GetChunksRequest(space=space, wants=1),
    ChangesRequest: lambda space: ChangesRequest(space=space, since="x"),
    WatchRequest: lambda space: WatchRequest(space=space),
    UsageRequest: lambda space: UsageRequest(space=space),
    HaveRequest: lambda space: HaveRequest(space=space, ids=1),
    PutChunksRequest: lambda space: PutChunksRequest(space=space, chunks=1),
    CommitRequest: lambda space: pack_commit(op_id(), [], [], space=space)[0],
    MakeFolderRequest: lambda space: MakeFolderRequest(op_id=op_id(), target=Target(space=space, path="/x")),
    MoveRequest: lambda space: MoveRequest(op_id=op_id(), source=Ref(path="/x"), target=Target(space=space, path="/x")),
    CopyRequest: lambda space: CopyRequest(op_id=op_id(), source=Ref(space=space, node=2), target=Target(path="/x")),
    DeleteRequest: lambda space: DeleteRequest(
        op_id=op_id(), items=(DeleteItem(ref=Ref(path="/x")), DeleteItem(ref=Ref(space=space, node=2)))
    ),
    SetAttributesRequest: lambda space: SetAttributesRequest(
        space=space, op_id=op_id(), items=(AttributesItem(node=2, mtime_ns=1),)
    ),
}


# What these name is no space: accounts, sessions, penalties.
ADMINISTRATORS = {request for request, spec in COMMANDS.items() if spec.access is Access.ADMIN}
WITHOUT_A_SPACE = {LogoutRequest, ChangePasswordRequest, SessionsRequest, EndSessionsRequest, *ADMINISTRATORS}


def test_no_command_of_administrators_is_carried_out_for_a_user(server: Running) -> None:
    peer = server.signed_in("alice")
    before = server.accounts.accounts()
    for command in ADMINISTRATORS:
        with pytest.raises(PermissionDenied):
            peer.call(REQUESTS[command])
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
    assert named(set(OTHERS) ^ (set(REQUESTS) - WITHOUT_A_SPACE)) == [], "these name a space: OTHERS of this file"
    for make in OTHERS.values():
        for space in (alice_space, "0" * 32):
            with pytest.raises(PermissionDenied):
                peer.call(make(space))


def test_an_attach_with_a_wrong_proof_or_an_unknown_ticket_is_refused_alike_and_cut_off(server: Running) -> None:
    owner = server.signed_in()
    said = []
    for ticket_id, ticket in ((owner.ticket_id, bytes(32)), ("f" * 32, owner.ticket)):
        peer = server.greeted()
        with pytest.raises(SessionEnded) as refused:
            peer.call(AttachRequest(ticket_id=ticket_id, proof=attach_proof(ticket, peer.exporter)))
        said.append(refused.value.info())
    assert said[0] == said[1]
    assert "attach_failed" in server.audit_of_strangers()


def test_a_proof_made_for_one_connection_is_worth_nothing_on_another(server: Running) -> None:
    owner = server.signed_in()
    proof = attach_proof(owner.ticket, server.greeted().exporter)
    peer = server.greeted()
    with pytest.raises(SessionEnded):
        peer.call(AttachRequest(ticket_id=owner.ticket_id, proof=proof))


def test_hello_with_another_version_says_which_ones_meet_and_closes(server: Running) -> None:
    peer = server.connect()
    peer.send(HelloRequest(version=2))
    envelope, _ = peer.receive()
    assert envelope.error is not None
    assert envelope.error.code == "unsupported_version"
    assert "version 1" in envelope.error.message
    assert "version 2" in envelope.error.message
    peer.expect_end()
