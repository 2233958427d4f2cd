"""Two spaces whose nodes have the same numbers, over real TLS: neither is ever taken for the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import pytest
from msgspec.structs import replace

from sfos.client.local.destination import Destination
from sfos.client.local.scan import LocalEntry, look_at
from sfos.client.local.writing import NOTHING
from sfos.client.nodes import NodeKey
from sfos.client.session.session import Session
from sfos.client.transfer import OnConflict
from sfos.client.transfer.conflicts import Answers
from sfos.client.transfer.down import files as down
from sfos.client.transfer.down.fetch import Fetcher
from sfos.client.transfer.down.files import FileToFetch
from sfos.client.transfer.down.plan import DownloadPlanner
from sfos.client.transfer.down.roots import Root, Roots
from sfos.client.transfer.up import files as up
from sfos.client.transfer.up.files import FileToSend
from sfos.client.transfer.up.plan import UploadPlanner
from sfos.client.transfer.up.send import Sender
from sfos.client.watch import Changed, WatchResumed
from sfos.protocol import (
    LENGTH,
    Change,
    ChangesReply,
    ChangesRequest,
    CommitRequest,
    CopyRequest,
    DeleteItem,
    DeleteRequest,
    Entry,
    GetChunksReply,
    GetChunksRequest,
    HaveReply,
    HaveRequest,
    ItemResult,
    ItemsReply,
    ListedFolder,
    ListReply,
    ListRequest,
    MakeFolderRequest,
    MoveRequest,
    NodeReply,
    Ref,
    RemoteProtocolError,
    Request,
    SpaceInfo,
    StatReply,
    StatRequest,
    Target,
    UsageReply,
    UsageRequest,
    WatchEvent,
    WatchReply,
    WatchRequest,
    chunk_id,
    encode_array,
    encode_event,
    encode_frame,
    encode_result,
    pack_results,
)
from tests.client.scripted_server import CHUNK_KEY, SPACE, Answer, RawAnswer, ScriptedServer
from tests.client.test_carrying_out import run_of
from tests.support.entry_lists import packed

HOME = SPACE.space
TEAM = "7" * 32
TEAM_INFO = SpaceInfo(space=TEAM, given_chunk_key=b"t" * 32, given_cut_seed=2, cursor="team")
# Of each space: node 1 has the folder 7, which has the file 8.
NAMES = {HOME: {7: "mine", 8: "diary"}, TEAM: {7: "ours", 8: "plan"}}


def entry(space: str, node: int) -> Entry:
    kind: Literal["folder", "file"] = "folder" if node == 7 else "file"
    parent = 1 if node == 7 else 7
    return Entry(node=node, parent=parent, name=NAMES[space][node], kind=kind, revision="1", path=f"/{node}")


class TwoSpaces:
    """Both, honestly. `asked`: the requests; `tells`: whether replies say the space, as they need not."""

    def __init__(self, server: ScriptedServer, *, tells: bool) -> None:
        self.asked: list[Request[Any]] = []
        self._tells = tells
        server.handlers |= {
            StatRequest: self._stat,
            ListRequest: self._list,
            UsageRequest: self._usage,
            ChangesRequest: self._changes,
            WatchRequest: self._watch,
            MoveRequest: self._changed,
            CopyRequest: self._changed,
            MakeFolderRequest: self._changed,
            DeleteRequest: self._delete,
        }

    def last(self, kind: type[Request[Any]]) -> Request[Any]:
        return next(request for request in reversed(self.asked) if isinstance(request, kind))

    def _said(self, space: str) -> str | None:
        return space if self._tells else None

    def _stat(self, request: Request[Any], body: bytes) -> Answer:
        assert isinstance(request, StatRequest)
        self.asked.append(request)
        space = request.ref.space or HOME
        return StatReply(entry=replace(entry(space, request.ref.node or 7), space=self._said(space))), b""

    def _list(self, request: Request[Any], body: bytes) -> Answer:
        assert isinstance(request, ListRequest)
        self.asked.append(request)
        (space,) = {ref.space or HOME for ref in request.folders}
        nodes = [ref.node or 1 for ref in request.folders]
        inside = [replace(entry(space, 7 if node == 1 else 8), parent=node) for node in nodes]
        head_bytes, columns = packed(inside)
        folders = tuple(ListedFolder(node=node, space=self._said(space)) for node in nodes)
        return ListReply(at="c", folders=folders, head_bytes=head_bytes), columns

    def _usage(self, request: Request[Any], body: bytes) -> Answer:
        assert isinstance(request, UsageRequest)
        self.asked.append(request)
        return UsageReply(bytes_current=1, files_current=1, entries_current=2, bytes_stored=3), b""

    def _change(self, space: str) -> bytes:
        return encode_array([Change(entry=entry(space, 8), space=self._said(space))])

    def _changes(self, request: Request[Any], body: bytes) -> Answer:
        assert isinstance(request, ChangesRequest)
        self.asked.append(request)
        return ChangesReply(cursor="d"), self._change(request.space or HOME)

    def _watch(self, request: Request[Any], body: bytes) -> Answer:
        assert isinstance(request, WatchRequest)
        self.asked.append(request)
        event = self._change(request.space or HOME)

        def frames(request_id: int) -> bytes:
            begun = encode_frame(encode_result(request_id, WatchReply(cursor="c")))
            return begun + encode_frame(encode_event(request_id, WatchEvent(cursor="d")), event)

        raise RawAnswer(frames, hang_up=False)

    def _changed(self, request: Request[Any], body: bytes) -> Answer:
        self.asked.append(request)
        assert isinstance(request, MoveRequest | CopyRequest | MakeFolderRequest)
        return NodeReply(node=8, revision="2", cursor="d", space=self._said(request.target.space or HOME)), b""

    def _delete(self, request: Request[Any], body: bytes) -> Answer:
        self.asked.append(request)
        assert isinstance(request, DeleteRequest)
        results_bytes, missing, packed_results = pack_results([ItemResult() for _ in request.items])
        return ItemsReply(cursor="d", results_bytes=results_bytes, missing=missing), packed_results


@pytest.fixture(params=[False, True], ids=["silent", "telling"])
def spaces(request: pytest.FixtureRequest, server: ScriptedServer) -> Iterator[TwoSpaces]:
    yield TwoSpaces(server, tells=request.param)


def test_a_session_gives_what_works_in_each_space(session: Session) -> None:
    assert session.space() is session.space(HOME) is session.api
    assert session.api.info == SPACE
    team = session.space(TEAM_INFO)
    assert session.space(TEAM) is team
    assert (team.info, team.root, session.api.root) == (TEAM_INFO, NodeKey(TEAM, 1), NodeKey(HOME, 1))


def test_entries_of_equal_nodes_have_different_keys(spaces: TwoSpaces, session: Session) -> None:
    home, team = session.space(), session.space(TEAM_INFO)
    for look in (
        lambda api: api.stat("/7"),
        lambda api: api.stat(NodeKey(api.info.space, 8)),
        lambda api: api.list_folder(NodeKey(api.info.space, 7))[0],
        lambda api: api.list_folders([NodeKey(api.info.space, 7)])[0].entries[0],
        lambda api: team.stat(NodeKey(api.info.space, 8)),  # whoever is asked
        lambda api: home.list_folder(NodeKey(api.info.space, 7))[0],
        lambda api: api.list_folders(["/7"])[0].columns[0].entry(0),
        lambda api: api.changes("c")[0][0].entry,
    ):
        mine, ours = look(home), look(team)
        assert mine.space is None  # as it always was
        assert ours.space == TEAM
        # Whoever is asked for the key, it is the same: an entry says itself of which space it is.
        assert {home.key_of(mine), team.key_of(mine)} == {NodeKey(HOME, mine.node)}
        assert {home.key_of(ours), team.key_of(ours)} == {NodeKey(TEAM, ours.node)}


def test_requests_name_the_space_but_for_the_home(spaces: TwoSpaces, session: Session) -> None:
    home, team = session.space(), session.space(TEAM_INFO)
    for api, space in ((home, None), (team, TEAM)):
        api.usage()
        api.changes("c")
        api.make_folder("/x")
        api.list_folder("/7")
        usage, changes, made, listed = spaces.asked[-4:]
        assert isinstance(usage, UsageRequest) and usage.space == space
        assert isinstance(changes, ChangesRequest) and changes.space == space
        assert isinstance(made, MakeFolderRequest) and made.target == Target(space=space, path="/x")
        assert isinstance(listed, ListRequest) and listed.folders == (Ref(space=space, path="/7"),)


def test_what_is_of_one_space_is_meant_there_whoever_is_asked(spaces: TwoSpaces, session: Session) -> None:
    home, team = session.space(), session.space(TEAM_INFO)
    mine, ours = home.stat(NodeKey(HOME, 8)), team.stat(NodeKey(TEAM, 8))
    meant_home = {Ref(node=8), Ref(space=HOME, node=8)}  # a home's node may be named without or with it
    for api in (home, team):
        for place, refs in (
            (ours, {Ref(space=TEAM, node=8)}),
            (NodeKey(TEAM, 8), {Ref(space=TEAM, node=8)}),
            (mine, meant_home),
            (NodeKey(HOME, 8), meant_home),
        ):
            api.delete([place, DeleteItem(ref=api.naming.ref(place), if_revision="1")])
            request = spaces.last(DeleteRequest)
            assert isinstance(request, DeleteRequest)
            assert {item.ref for item in request.items} <= refs
            api.move(place, Target(space=TEAM, parent=1, name="x"))
            moved = spaces.last(MoveRequest)
            assert isinstance(moved, MoveRequest)
            assert moved.source in refs and moved.target.space == TEAM


def test_a_node_of_the_home_is_never_sent_bare_by_who_asks_another_space(spaces: TwoSpaces, session: Session) -> None:
    team = session.space(TEAM_INFO)
    team.delete([session.api.stat(NodeKey(HOME, 8)), NodeKey(HOME, 8), DeleteItem(ref=Ref(node=8))])
    request = spaces.last(DeleteRequest)
    assert isinstance(request, DeleteRequest)
    assert [item.ref.space for item in request.items] == [HOME, HOME, TEAM]


def test_folders_of_two_spaces_with_equal_nodes_are_listed_apart(spaces: TwoSpaces, session: Session) -> None:
    places = [NodeKey(TEAM, 7), NodeKey(HOME, 7), NodeKey(TEAM, 1), NodeKey(TEAM, 7)]
    listings = session.api.list_folders(places)
    assert [listing.entries[0].name for listing in listings] == ["plan", "diary", "ours", "plan"]
    assert [listing.space for listing in listings] == [TEAM, None, TEAM, TEAM]


def test_a_walk_stays_in_its_space(spaces: TwoSpaces, session: Session) -> None:
    walks = [
        [(listing.path, [found.name for found in listing.entries]) for listing in api.walk(api.root)]
        for api in (session.space(), session.space(TEAM_INFO))
    ]
    assert walks == [
        [((), ["mine"]), (("mine",), ["diary"])],
        [((), ["ours"]), (("ours",), ["plan"])],
    ]


def test_replies_to_changes_say_of_which_space_the_node_is(spaces: TwoSpaces, session: Session) -> None:
    home, team = session.space(), session.space(TEAM_INFO)
    for change in (
        lambda api: api.make_folder("/x"),
        lambda api: api.move("/a", "/b"),
        lambda api: api.copy("/a", "/b"),
    ):
        assert (change(home).space, change(team).space) == (None, TEAM)


def test_watches_tell_of_their_space(spaces: TwoSpaces, session: Session) -> None:
    for api, space in ((session.space(), None), (session.space(TEAM_INFO), TEAM)):
        with api.watch() as watch:
            notices = [next(watch), next(watch)]
        assert isinstance(notices[0], WatchResumed)
        assert isinstance(notices[1], Changed)
        (change,) = notices[1].changes
        assert (change.space, change.entry.space) == (space, space)
        assert api.naming.changed(change) == NodeKey(space or HOME, 8)
        request = spaces.last(WatchRequest)
        assert isinstance(request, WatchRequest) and request.space == space


def test_a_list_that_mixes_up_two_spaces_is_refused(server: ScriptedServer, session: Session) -> None:
    def mixed(request: Request[Any], body: bytes) -> Answer:
        head_bytes, columns = packed([entry(TEAM, 8)])
        folders = (ListedFolder(node=7), ListedFolder(node=7, space=TEAM))
        return ListReply(at="c", folders=folders, head_bytes=head_bytes), columns

    server.handlers[ListRequest] = mixed
    with pytest.raises(RemoteProtocolError, match="two spaces"):
        session.api.list_folders(["/mine", "/mounted"])


def test_what_lies_in_another_space_than_was_asked_keeps_it(server: ScriptedServer, session: Session) -> None:
    def crossed(request: Request[Any], body: bytes) -> Answer:
        head_bytes, columns = packed([entry(TEAM, 8)])
        return ListReply(at="c", folders=(ListedFolder(node=7, space=TEAM),), head_bytes=head_bytes), columns

    server.handlers[ListRequest] = crossed
    (found,) = session.api.list_folder("/mounted")
    assert session.api.key_of(found) == NodeKey(TEAM, 8)
    server.handlers[StatRequest] = lambda request, body: (StatReply(entry=replace(entry(HOME, 8), space=HOME)), b"")
    assert session.space(TEAM_INFO).stat("/up").space is None  # back in the home, by whichever way


def test_contents_of_a_space_without_its_secrets_stay_closed(spaces: TwoSpaces, session: Session) -> None:
    bare = session.space("6" * 32)
    assert bare.info.given_chunk_key is None
    assert session.space(TEAM_INFO).info.chunk_key != CHUNK_KEY


@pytest.mark.parametrize("info", [SPACE, TEAM_INFO], ids=["home", "team"])
def test_plans_look_into_the_space_that_is_given(
    spaces: TwoSpaces, session: Session, tmp_path: Path, info: SpaceInfo
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    run = run_of(session)
    answers = Answers(OnConflict.REPLACE)
    planner = UploadPlanner(run, info, answers, follow_symlinks=False)
    list(planner.plan([tmp_path / "folder", tmp_path / "file"], "/7", None))
    roots, row = Roots(), run.ledger.add(tmp_path, "/7", "file", 0)
    roots.add(row, Root(entry(info.space, 8)))
    with closing(Destination(tmp_path)) as destination:
        list(DownloadPlanner(run, info, answers, destination, roots).plan_again([row]))
    looked = [request.ref.space for request in spaces.asked if isinstance(request, StatRequest)]
    listed = [ref.space for request in spaces.asked if isinstance(request, ListRequest) for ref in request.folders]
    assert len(looked) == 4 and listed  # where to upload to, the folder and the file, and what is to be fetched
    assert {*looked, *listed} == {None if info is SPACE else TEAM}


@pytest.mark.parametrize("info", [SPACE, TEAM_INFO], ids=["home", "team"])
def test_files_are_sent_to_their_space_and_fetched_from_it(
    server: ScriptedServer, session: Session, tmp_path: Path, info: SpaceInfo
) -> None:
    content = b"of this space"
    name = chunk_id(info.chunk_key, content)
    asked: list[HaveRequest | CommitRequest | GetChunksRequest] = []

    def have(request: Request[Any], body: bytes) -> Answer:
        assert isinstance(request, HaveRequest)
        asked.append(request)
        assert body == name
        return HaveReply(), b"\0"

    def commit(request: Request[Any], body: bytes) -> Answer:
        assert isinstance(request, CommitRequest)
        asked.append(request)
        results_bytes, missing, results = pack_results([ItemResult(node=8, revision="1")])
        return ItemsReply(cursor="d", results_bytes=results_bytes, missing=missing), results

    def get_chunks(request: Request[Any], body: bytes) -> Answer:
        assert isinstance(request, GetChunksRequest)
        asked.append(request)
        return GetChunksReply(chunks=1), LENGTH.pack(len(content)) + content

    server.handlers |= {HaveRequest: have, CommitRequest: commit, GetChunksRequest: get_chunks}
    (tmp_path / "file").write_bytes(content)
    run = run_of(session)
    local = look_at(tmp_path / "file")
    assert isinstance(local, LocalEntry)
    sent = FileToSend(run.ledger.add(local.path, "/file", "file", len(content)), local, 1, "file", None)
    Sender(run, info).send([up.Step(files=[sent])])
    found = replace(entry(info.space, 8), size=len(content), content=name)
    fetched = FileToFetch(run.ledger.add(tmp_path, "/file", "file", len(content)), found, (), "fetched", NOTHING)
    with closing(Destination(tmp_path)) as destination:
        Fetcher(run, info, destination).fetch([down.Step(files=[fetched])])
    assert (tmp_path / "fetched").read_bytes() == content
    assert [type(request) for request in asked] == [HaveRequest, CommitRequest, GetChunksRequest]
    assert {request.space for request in asked} == {None if info is SPACE else TEAM}
