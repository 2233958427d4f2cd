"""Lists and trees that no honest server sends: each ends, with a reason."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from sfos.client.listing import Detail
from sfos.client.session.session import Session
from sfos.client.tree import load_tree
from sfos.protocol import (
    MAX_DEPTH,
    ChangesReply,
    ChangesRequest,
    Entry,
    ListedFolder,
    ListReply,
    ListRequest,
    NamesIn,
    RemoteProtocolError,
    Request,
    TooMuch,
    pack_names,
)
from tests.client.hostile_server.answers import answering, file, listing
from tests.client.scripted_server import Answer, ScriptedServer
from tests.support.entry_lists import packed


@pytest.fixture(params=["at once", "page by page"])
def list_root(request: pytest.FixtureRequest, session: Session) -> Callable[[], list[Entry]]:
    """Lists the root folder, in both ways in which a folder is listed."""
    if request.param == "at once":
        return lambda: session.api.list_folder("/")
    return lambda: [entry for page in session.api.read_folder("/") for entry in page.entries()]


def test_entries_of_a_folder_that_was_not_asked_for_are_refused(
    server: ScriptedServer, list_root: Callable[[], list[Entry]]
) -> None:
    stray = Entry(node=9, parent=5, name="stray", kind="file", revision="1")
    server.handlers[ListRequest] = answering(listing(file("fine"), stray))
    with pytest.raises(RemoteProtocolError):
        list_root()


def names(*runs: tuple[NamesIn, list[bytes]], more: str | None = None) -> Answer:
    head_bytes, body = pack_names(runs)
    return ListReply(at="c", folders=(ListedFolder(node=1),), next=more, head_bytes=head_bytes), body


def test_names_in_a_folder_that_was_not_asked_for_are_refused(server: ScriptedServer, session: Session) -> None:
    server.handlers[ListRequest] = answering(names((NamesIn(folder=5, count=1), [b"stray"])))
    with pytest.raises(RemoteProtocolError, match="not in the folders"):
        session.api.list_folders(["/"], Detail.NAMES)


def test_names_without_an_end_are_given_up(
    server: ScriptedServer, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    cursors = map(str, itertools.count())
    server.handlers[ListRequest] = lambda request, body: names(more=next(cursors))
    with pytest.raises(RemoteProtocolError, match="no end"):
        session.api.list_folders(["/"], Detail.NAMES)
    assert server.requests.count(ListRequest) == 2
    monkeypatch.setattr("sfos.client.listing._MOST_ENTRIES", 1000)
    server.handlers[ListRequest] = lambda request, body: names(
        (NamesIn(folder=1, count=100), [b"x"] * 100), more=next(cursors)
    )
    with pytest.raises(TooMuch, match="more than 1,000 entries"):
        session.api.list_folders(["/"], Detail.NAMES)


def test_a_tree_of_names_that_leads_into_itself_is_walked_once(server: ScriptedServer, session: Session) -> None:
    itself = NamesIn(folder=1, count=2, folders=((0, 1), (1, 1)))
    server.handlers[ListRequest] = lambda request, body: names((itself, [b"again", b"and again"]))
    assert [listing.path for listing in session.api.walk("/", Detail.NAMES)] == [(), ("again",)]


def test_a_list_without_an_end_is_given_up(server: ScriptedServer, list_root: Callable[[], list[Entry]]) -> None:
    server.handlers[ListRequest] = answering(listing(file("a"), more="x"), listing(more="x"))
    with pytest.raises(RemoteProtocolError, match="no end"):
        list_root()


def test_a_list_that_goes_round_in_circles_is_given_up_at_the_first_page_that_comes_again(
    server: ScriptedServer, session: Session, list_root: Callable[[], list[Entry]]
) -> None:
    cursors = itertools.cycle("abc")
    server.handlers[ListRequest] = lambda request, body: listing(file("x"), more=next(cursors))
    with pytest.raises(RemoteProtocolError, match="no end"):
        list_root()
    assert server.requests.count(ListRequest) == 4
    server.handlers[ChangesRequest] = lambda request, body: (ChangesReply(cursor=next(cursors), more=True), b"[]")
    with pytest.raises(RemoteProtocolError, match="no end"):
        session.api.changes("c")
    assert server.requests.count(ChangesRequest) == 2


def test_a_list_or_tree_that_would_fill_the_memory_is_given_up_with_a_reason(
    server: ScriptedServer, session: Session, list_root: Callable[[], list[Entry]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sfos.client.listing._MOST_ENTRIES", 1000)
    numbers = itertools.count(10)
    entries = [file(f"x{number}", node=number) for number in range(10, 110)]
    server.handlers[ListRequest] = lambda request, body: listing(*entries, more=str(next(numbers)))
    with pytest.raises(TooMuch, match="more than 1,000 entries"):
        list_root()
    server.handlers[ListRequest] = two_folders_in_each
    with pytest.raises(TooMuch, match="more than 1,000 entries"):
        list(session.api.walk("/"))
    with pytest.raises(TooMuch, match="more than 1,000 entries"):
        load_tree(session.api)


def two_folders_in_each(request: Request[Any], body: bytes) -> Answer:
    assert isinstance(request, ListRequest)
    nodes = [ref.node or 1 for ref in request.folders]
    inside = [
        Entry(node=2 * node + one, parent=node, name=f"f{one}", kind="folder", revision="1")
        for node in nodes
        for one in (0, 1)
    ]
    head_bytes, body = packed(inside)
    return ListReply(at="c", folders=tuple(ListedFolder(node=node) for node in nodes), head_bytes=head_bytes), body


def test_a_tree_deeper_than_any_can_be_is_given_up(server: ScriptedServer, session: Session) -> None:
    def deeper(request: Request[Any], body: bytes) -> Answer:
        assert isinstance(request, ListRequest)
        node = request.folders[0].node or 1
        inside = Entry(node=node + 1, parent=node, name="f", kind="folder", revision="1")
        return listing(inside, node=node)

    server.handlers[ListRequest] = deeper
    with pytest.raises(RemoteProtocolError, match="nested deeper"):
        list(session.api.walk("/"))
    assert server.requests.count(ListRequest) <= MAX_DEPTH + 1


def test_another_number_of_folders_than_asked_for_is_refused(
    server: ScriptedServer, list_root: Callable[[], list[Entry]]
) -> None:
    server.handlers[ListRequest] = answering((ListReply(at="c"), b""))
    with pytest.raises(RemoteProtocolError):
        list_root()


def test_a_folder_that_contains_itself_does_not_keep_a_walk_for_ever(server: ScriptedServer, session: Session) -> None:
    again = Entry(node=1, parent=1, name="again", kind="folder", revision="1")
    server.handlers[ListRequest] = answering(listing(again))
    assert len(list(session.api.walk("/"))) <= 2
