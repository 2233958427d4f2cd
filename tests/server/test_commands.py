"""Every command once, through the wire, against a real server."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from sfos.protocol import (
    COMMANDS,
    COMMANDS_BY_NAME,
    MIN_ITERATIONS,
    ROOT_NODE,
    AccountsRequest,
    AddAccountRequest,
    AnySessionsRequest,
    AttachRequest,
    Attributes,
    AttributesItem,
    AuditTailRequest,
    ChangeAccountRequest,
    ChangePasswordRequest,
    ChangesRequest,
    ChunkRecord,
    ChunkWant,
    CommitItem,
    CommitRequest,
    CopyRequest,
    DeleteItem,
    DeleteRequest,
    Done,
    EndAnySessionsRequest,
    EndSessionsRequest,
    GetChunksRequest,
    HaveRequest,
    HelloRequest,
    LiftPenaltiesRequest,
    ListRequest,
    LoginFinishRequest,
    LoginStartRequest,
    LogoutRequest,
    MakeFolderRequest,
    ManifestRequest,
    MoveRequest,
    NotFound,
    OutOfOrder,
    PenaltiesRequest,
    PutChunksRequest,
    Ref,
    RemoveAccountRequest,
    Request,
    SessionEnded,
    SessionRevoked,
    SessionsRequest,
    SetAttributesRequest,
    StatRequest,
    Target,
    UsageRequest,
    WatchRequest,
    chunk_id,
    content_id,
    decode_changes,
    make_verifier,
    pack_commit,
    pack_ids,
    pack_records,
    pack_wants,
    raise_for_error,
    unpack_ids,
    unpack_lengths,
    unpack_records,
    unpack_results,
)
from sfos.server.commands.handlers import HANDLERS
from tests.server.conftest import Running
from tests.support.entry_lists import unpacked

DATA = b"the quick brown fox " * 50_000


def op_id() -> bytes:
    return os.urandom(16)


class Scene:
    """Someone who has signed in and stored one file, /notes/fox.txt."""

    def __init__(self, server: Running) -> None:
        self.server = server
        self.peer, login = server.login()
        self.space = login.session.home
        self.key = self.space.chunk_key
        self.record = ChunkRecord(chunk_id(self.key, DATA), len(DATA))
        self.content = content_id(self.key, pack_records([self.record]))

    def put(self) -> None:
        body = pack_records([self.record]) + DATA
        assert self.peer.call(PutChunksRequest(chunks=1), body)[0].stored == 1

    def commit(self, path: str = "/notes/fox.txt") -> int:
        self.put()
        item = CommitItem(target=Target(path=path), size=len(DATA), content=self.content, chunks=1)
        request, body = pack_commit(op_id(), [item], [self.record])
        reply, reply_body = self.peer.call(request, body)
        results, missing = unpack_results(reply, reply_body)
        assert not missing
        assert results[0].error is None
        assert results[0].node is not None
        return results[0].node


def do_hello(scene: Scene) -> None:
    peer = scene.server.connect()
    assert peer.hello().version == 1
    with pytest.raises(OutOfOrder):
        peer.hello()


def do_login(scene: Scene) -> None:
    login = scene.server.login("bob")[1]
    assert (login.session.user, login.session.role) == ("bob", "user")
    assert login.session.home.space != scene.space.space
    assert len(login.ticket) == 32


def do_attach(scene: Scene) -> None:
    other = scene.server.connect()
    other.hello()
    assert other.attach(scene.peer).session.user == "alice"
    with pytest.raises(OutOfOrder):
        other.attach(scene.peer)


def do_logout(scene: Scene) -> None:
    reply, _ = scene.peer.call(LogoutRequest())
    assert reply == Done()
    scene.peer.expect_end()


def do_change_password(scene: Scene) -> None:
    verifier = make_verifier("another long password", os.urandom(16), MIN_ITERATIONS)
    scene.peer.call(ChangePasswordRequest(verifier=verifier.format()))
    assert scene.server.accounts.find("alice").verifier == verifier  # type: ignore[union-attr]


def do_sessions(scene: Scene) -> None:
    (entry,) = scene.peer.call(SessionsRequest())[0].sessions
    assert (entry.id, entry.user, entry.current) == (scene.peer.ticket_id, "alice", True)


def do_end_sessions(scene: Scene) -> None:
    other = scene.server.signed_in("alice")
    assert scene.peer.call(EndSessionsRequest())[0].ended == 1
    with pytest.raises(SessionEnded):
        raise_for_error(other.receive()[0])


def do_stat(scene: Scene) -> None:
    node = scene.commit()
    entry = scene.peer.call(StatRequest(ref=Ref(path="/notes/fox.txt")))[0].entry
    assert (entry.node, entry.name, entry.size, entry.path) == (node, "fox.txt", len(DATA), "/notes/fox.txt")
    with pytest.raises(NotFound):
        scene.peer.call(StatRequest(ref=Ref(path="/nothing")))


def do_list(scene: Scene) -> None:
    scene.commit()
    reply, body = scene.peer.call(ListRequest(folders=(Ref(node=ROOT_NODE), Ref(path="/notes"))))
    assert [folder.error for folder in reply.folders] == [None, None]
    assert sorted(entry.name for entry in unpacked(reply, body)) == ["fox.txt", "notes"]


def do_manifest(scene: Scene) -> None:
    scene.commit()
    reply, body = scene.peer.call(ManifestRequest(ref=Ref(path="/notes/fox.txt")))
    assert (reply.content, reply.size, reply.chunks) == (scene.content, len(DATA), 1)
    assert unpack_records(body) == [scene.record]


def do_get_chunks(scene: Scene) -> None:
    node = scene.commit()
    wants = pack_wants([ChunkWant(node, scene.content, 0, 1)])
    reply, body = scene.peer.call(GetChunksRequest(wants=1), wants)
    lengths, data = unpack_lengths(body, reply.chunks)
    assert lengths == [len(DATA)]
    assert data == DATA


def do_changes(scene: Scene) -> None:
    node = scene.commit()
    reply, body = scene.peer.call(ChangesRequest(since=scene.space.cursor))
    assert node in [change.entry.node for change in decode_changes(body)]
    assert not reply.more


def do_watch(scene: Scene) -> None:
    watcher = scene.server.attached(scene.peer)
    watch_id = watcher.send(WatchRequest())
    envelope, _ = watcher.receive()
    assert (envelope.id, envelope.error) == (watch_id, None)
    node = scene.commit()
    envelope, body = watcher.receive()
    assert envelope.id == watch_id
    assert node in [change.entry.node for change in decode_changes(body)]


def do_usage(scene: Scene) -> None:
    scene.commit()
    usage = scene.peer.call(UsageRequest())[0]
    assert (usage.bytes_current, usage.files_current) == (len(DATA), 1)
    assert usage.bytes_stored > len(DATA)


def do_have(scene: Scene) -> None:
    scene.put()
    ids = [scene.record.chunk_id, bytes(32)]
    assert bytes(scene.peer.call(HaveRequest(ids=2), pack_ids(ids))[1]) == b"\x01\x00"


def do_put_chunks(scene: Scene) -> None:
    scene.put()


def do_commit(scene: Scene) -> None:
    item = CommitItem(target=Target(path="/a.txt"), size=len(DATA), content=scene.content, chunks=1)
    request, body = pack_commit(op_id(), [item], [scene.record])
    reply, reply_body = scene.peer.call(request, body)
    results, missing = unpack_results(reply, reply_body)
    assert results[0].error is not None
    assert results[0].error.code == "missing_chunks"
    assert missing == [scene.record.chunk_id]
    assert unpack_ids(pack_ids(missing)) == missing
    scene.commit("/a.txt")


def do_make_folder(scene: Scene) -> None:
    made = scene.peer.call(MakeFolderRequest(op_id=op_id(), target=Target(path="/new")))[0]
    assert scene.peer.call(StatRequest(ref=Ref(path="/new")))[0].entry.node == made.node


def do_move(scene: Scene) -> None:
    node = scene.commit()
    request = MoveRequest(op_id=op_id(), source=Ref(node=node), target=Target(path="/moved.txt"))
    assert scene.peer.call(request)[0].node == node
    assert scene.peer.call(StatRequest(ref=Ref(path="/moved.txt")))[0].entry.node == node


def do_copy(scene: Scene) -> None:
    node = scene.commit()
    request = CopyRequest(op_id=op_id(), source=Ref(node=node), target=Target(path="/copy.txt"))
    copied = scene.peer.call(request)[0]
    assert copied.node != node
    assert scene.peer.call(StatRequest(ref=Ref(path="/copy.txt")))[0].entry.content == scene.content


def do_delete(scene: Scene) -> None:
    scene.commit()
    items = (DeleteItem(ref=Ref(path="/notes")), DeleteItem(ref=Ref(path="/nothing")))
    reply, body = scene.peer.call(DeleteRequest(op_id=op_id(), items=items))
    results, _ = unpack_results(reply, body)
    assert results[0].error is None
    assert results[1].error is not None
    assert results[1].error.code == "not_found"
    with pytest.raises(NotFound):
        scene.peer.call(StatRequest(ref=Ref(path="/notes/fox.txt")))


def do_set_attributes(scene: Scene) -> None:
    scene.commit()
    entry = scene.peer.call(StatRequest(ref=Ref(path="/notes/fox.txt")))[0].entry
    items = (
        AttributesItem(node=entry.node, mtime_ns=5, attrs=Attributes(mode=0o600), if_revision=entry.revision),
        AttributesItem(node=2**40, mtime_ns=5),
    )
    reply, body = scene.peer.call(SetAttributesRequest(op_id=op_id(), items=items))
    results, _ = unpack_results(reply, body)
    assert results[0].error is None
    assert results[1].error is not None
    assert results[1].error.code == "not_found"
    after = scene.peer.call(StatRequest(ref=Ref(path="/notes/fox.txt")))[0].entry
    assert after.attrs is not None
    assert (after.mtime_ns, after.attrs.mode, after.content, after.revision) == (
        5,
        0o600,
        entry.content,
        results[0].revision,
    )


# --- Administrators ---


def do_admin_accounts(scene: Scene) -> None:
    root = scene.server.signed_in("root")
    reply = root.call(AccountsRequest(limit=2))[0]
    assert [(entry.name, entry.role, entry.sessions) for entry in reply.accounts] == [
        ("alice", "user", 1),
        ("bob", "user", 0),
    ]
    assert reply.more
    reply = root.call(AccountsRequest(after="bob"))[0]
    assert [(entry.name, entry.role, entry.sessions) for entry in reply.accounts] == [("root", "admin", 1)]
    assert not reply.more


def do_admin_add_account(scene: Scene) -> None:
    verifier = make_verifier("first password of carol", os.urandom(16), MIN_ITERATIONS).format()
    root = scene.server.signed_in("root")
    request = AddAccountRequest(name="carol", verifier=verifier, quota_bytes=5)
    for _ in range(2):  # a repeat after a lost reply
        account = root.call(request)[0].account
        assert (account.name, account.role, account.must_change, account.quota_bytes) == ("carol", "user", True, 5)


def do_admin_change_account(scene: Scene) -> None:
    root = scene.server.signed_in("root")
    account = root.call(ChangeAccountRequest(name="alice", disabled=True))[0].account
    assert (account.disabled, account.role, account.sessions) == (True, "user", 0)
    with pytest.raises(SessionEnded):
        raise_for_error(scene.peer.receive()[0])


def do_admin_remove_account(scene: Scene) -> None:
    root = scene.server.signed_in("root")
    root.call(RemoveAccountRequest(name="alice"))
    assert scene.server.accounts.find("alice") is None
    with pytest.raises(NotFound):
        root.call(RemoveAccountRequest(name="alice"))


def do_admin_sessions(scene: Scene) -> None:
    root = scene.server.signed_in("root")
    found = root.call(AnySessionsRequest())[0].sessions
    assert {(entry.user, entry.current) for entry in found} == {("alice", False), ("root", True)}
    found = root.call(AnySessionsRequest(user="alice"))[0].sessions
    assert [entry.id for entry in found] == [scene.peer.ticket_id]


def do_admin_end_sessions(scene: Scene) -> None:
    root = scene.server.signed_in("root")
    assert root.call(EndAnySessionsRequest(user="alice"))[0].ended == 1
    with pytest.raises(SessionRevoked, match="administrator"):
        raise_for_error(scene.peer.receive()[0])
    scene.peer.expect_end()


def do_admin_penalties(scene: Scene) -> None:
    scene.server.server.services.penalties.failed("192.0.2.1", "alice")
    reply = scene.server.signed_in("root").call(PenaltiesRequest())[0]
    assert [(entry.kind, entry.name, entry.failures) for entry in reply.penalties] == [
        ("account", "alice", 1),
        ("address", "192.0.2.1", 1),
    ]
    assert reply.total == 2


def do_admin_lift_penalties(scene: Scene) -> None:
    penalties = scene.server.server.services.penalties
    penalties.failed("2001:db8::/64", "alice")
    root = scene.server.signed_in("root")
    request = LiftPenaltiesRequest(kind="address", name="2001:db8::7")
    assert [root.call(request)[0].ended for _ in range(2)] == [1, 0]
    assert [entry.kind for entry in penalties.current()] == ["account"]


def do_admin_audit(scene: Scene) -> None:
    reply, body = scene.server.signed_in("root").call(AuditTailRequest(lines=2))
    lines = bytes(body).splitlines()
    assert reply.lines == len(lines) == 2
    assert b'"user":"alice"' in lines[0]
    assert b'"user":"root"' in lines[1]


ONCE: dict[type[Request[Any]], Callable[[Scene], None]] = {
    HelloRequest: do_hello,
    LoginStartRequest: do_login,
    LoginFinishRequest: do_login,
    AttachRequest: do_attach,
    LogoutRequest: do_logout,
    ChangePasswordRequest: do_change_password,
    SessionsRequest: do_sessions,
    EndSessionsRequest: do_end_sessions,
    AccountsRequest: do_admin_accounts,
    AddAccountRequest: do_admin_add_account,
    ChangeAccountRequest: do_admin_change_account,
    RemoveAccountRequest: do_admin_remove_account,
    AnySessionsRequest: do_admin_sessions,
    EndAnySessionsRequest: do_admin_end_sessions,
    PenaltiesRequest: do_admin_penalties,
    LiftPenaltiesRequest: do_admin_lift_penalties,
    AuditTailRequest: do_admin_audit,
    StatRequest: do_stat,
    ListRequest: do_list,
    ManifestRequest: do_manifest,
    GetChunksRequest: do_get_chunks,
    ChangesRequest: do_changes,
    WatchRequest: do_watch,
    UsageRequest: do_usage,
    HaveRequest: do_have,
    PutChunksRequest: do_put_chunks,
    CommitRequest: do_commit,
    MakeFolderRequest: do_make_folder,
    MoveRequest: do_move,
    CopyRequest: do_copy,
    DeleteRequest: do_delete,
    SetAttributesRequest: do_set_attributes,
}


def test_every_command_has_exactly_one_handler_and_no_handler_is_without_a_command() -> None:
    without = sorted(COMMANDS[command].name for command in set(HANDLERS) ^ set(COMMANDS))
    assert without == [], "their handler has no line in a table of sfos/server/commands"


def test_every_command_has_its_work_here() -> None:
    assert sorted(COMMANDS[command].name for command in set(ONCE) ^ set(COMMANDS)) == [], (
        "ONCE of this file lacks these"
    )


@pytest.mark.parametrize("command", COMMANDS, ids=COMMANDS_BY_NAME)
def test_every_command_does_its_work_through_the_wire(command: type[Request[Any]], server: Running) -> None:
    ONCE[command](Scene(server))
