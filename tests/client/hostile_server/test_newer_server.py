"""A server of other features than this client's: both work with what both have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from sfos.client.errors import KindUnknown
from sfos.client.net.trust import Trust
from sfos.client.session.session import Session
from sfos.client.transfer import ItemRemarked, ItemState, JobState, OnConflict, TransferEngine, TransferEvent
from sfos.protocol import (
    AttributesRead,
    ChangingRequest,
    CommitRequest,
    ContentClosed,
    GetChunksReply,
    GetChunksRequest,
    HaveRequest,
    HelloReply,
    HelloRequest,
    ListRequest,
    MakeFolderRequest,
    NodeReply,
    PutChunksRequest,
    Request,
    SetAttributesRequest,
    SignInIncomplete,
    SpaceInfo,
    StatReply,
    StatRequest,
    pack_lengths,
)
from tests.client.conftest import Finish
from tests.client.hostile_server.answers import HASTY, ROOT, answering, file, listing
from tests.client.scripted_server import PASSWORD, USER, Answer, ScriptedServer, session_info

LATER = replace(file("later", node=9), kind="other", size=0, content=None)


class Changes:
    """The changing requests that the server got."""

    def __init__(self, server: ScriptedServer, *features: str) -> None:
        self.seen: list[ChangingRequest[Any]] = []
        self.hello: list[HelloRequest] = []
        server.handlers[HelloRequest] = self._hello
        server.handlers[MakeFolderRequest] = self._make_folder
        self._features = features

    def _hello(self, request: Request[Any], _: bytes) -> Answer:
        assert isinstance(request, HelloRequest)
        self.hello.append(request)
        return HelloReply(version=1, features=self._features), b""

    def _make_folder(self, request: Request[Any], _: bytes) -> Answer:
        assert isinstance(request, ChangingRequest)
        self.seen.append(request)
        return NodeReply(node=2, revision="1", cursor="c"), b""


def test_changes_say_their_action_to_a_server_that_asks_for_it(server: ScriptedServer, trust: Trust) -> None:
    changes = Changes(server, "from next year", "actions")
    for _ in range(2):
        with Session.sign_in(server.address, USER, PASSWORD, trust, HASTY) as session:
            session.api.make_folder("/a")
            session.api.make_folder("/b")
    actions = [request.action for request in changes.seen]
    assert all(action is not None and len(action) == 16 for action in actions)
    assert actions[0] == actions[1]
    assert len({request.op_id for request in changes.seen}) == 4


def test_a_server_that_names_no_features_gets_none_of_their_fields(server: ScriptedServer, trust: Trust) -> None:
    changes = Changes(server)
    with Session.sign_in(server.address, USER, PASSWORD, trust, HASTY) as session:
        session.api.make_folder("/a")
    assert [request.action for request in changes.seen] == [None]


def test_what_is_of_a_later_kind_is_left_out_of_a_download_by_name(
    server: ScriptedServer, session: Session, engine: TransferEngine, tmp_path: Path, finish: Finish
) -> None:
    server.handlers[ListRequest] = answering(listing(file("fine", node=8), LATER))
    server.handlers[GetChunksRequest] = answering((GetChunksReply(chunks=1), pack_lengths([7]) + b"content"))
    job = engine.download([ROOT], tmp_path / "to")
    assert finish(job) is JobState.FAILED
    assert [(item.remote, type(item.error)) for item in job.failed_items()] == [("/later", KindUnknown)]
    assert [path.name for path in (tmp_path / "to").iterdir()] == ["fine"]


def test_what_is_of_a_later_kind_is_not_replaced_by_an_upload(
    server: ScriptedServer, session: Session, engine: TransferEngine, tmp_path: Path, finish: Finish
) -> None:
    (tmp_path / "later").write_bytes(b"mine")
    server.handlers[StatRequest] = answering((StatReply(entry=LATER), b""))  # what is in the way
    job = engine.upload([tmp_path / "later"], ROOT, OnConflict.REPLACE)
    assert finish(job) is JobState.FAILED
    assert [type(item.error) for item in job.failed_items()] == [KindUnknown]
    assert CommitRequest not in server.requests


def test_a_space_that_gives_no_keys_can_be_listed_and_not_read(
    server: ScriptedServer, trust: Trust, tmp_path: Path, finish: Finish
) -> None:
    server.info = replace(session_info(), home=SpaceInfo(space="0" * 32, cursor="c"))
    server.handlers[ListRequest] = answering(listing(file("fine", node=8)))
    server.handlers[GetChunksRequest] = answering((GetChunksReply(chunks=1), pack_lengths([7]) + b"content"))
    (tmp_path / "mine").write_bytes(b"mine")
    with Session.sign_in(server.address, USER, PASSWORD, trust, HASTY) as session, TransferEngine(session) as engine:
        assert [entry.name for entry in session.api.list_folder("/")] == ["fine"]
        with pytest.raises(ContentClosed):
            session.api.read_range(file("fine"), 0, 7)
        for job in (engine.download([ROOT], tmp_path / "to"), engine.upload([tmp_path / "mine"], ROOT)):
            assert finish(job) is JobState.FAILED
            assert {type(item.error) for item in job.failed_items()} == {ContentClosed}
    assert list((tmp_path / "to").iterdir()) == []
    assert not {HaveRequest, PutChunksRequest, CommitRequest} & set(server.requests)


def test_a_server_that_asks_for_more_than_a_password_is_not_taken_for_an_impostor(
    server: ScriptedServer, trust: Trust
) -> None:
    server.info = None
    with pytest.raises(SignInIncomplete):
        Session.sign_in(server.address, USER, PASSWORD, trust, HASTY)


def test_a_mode_alone_is_not_sent_to_a_server_that_cannot_set_it_and_that_is_said(
    server: ScriptedServer, session: Session, tmp_path: Path, finish: Finish
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    path.chmod(0o600)
    there = replace(file("file"), mtime_ns=path.stat().st_mtime_ns, attrs=AttributesRead(mode=0o644), path="/file")
    server.handlers[StatRequest] = answering((StatReply(entry=there), b""))
    events: list[TransferEvent] = []
    with TransferEngine(session, listener=events.append) as engine:
        job = engine.upload([path], ROOT)
        assert finish(job) is JobState.FINISHED
    assert [item.state for item in job.items()] == [ItemState.UNCHANGED]
    (remark,) = [event.sentence for event in events if isinstance(event, ItemRemarked)]
    assert "update the server" in remark
    assert not {SetAttributesRequest, CommitRequest} & set(server.requests)
