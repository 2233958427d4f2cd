"""A server that sends names no honest server would: nothing of them may reach the terminal as it is.

The real server refuses such names, so this one is made up; only the answers are, the commands are the real ones.
"""

from __future__ import annotations

import io
import json
from collections.abc import Generator, Iterator
from types import SimpleNamespace
from typing import cast

import pytest

from sfos.cli.commands import ls, mv, rm, stat, watch
from sfos.cli.commands.ls import ListOptions
from sfos.cli.commands.mv import MoveOptions
from sfos.cli.commands.rm import RemoveOptions
from sfos.cli.commands.stat import StatOptions
from sfos.cli.commands.watch import WatchOptions
from sfos.cli.front.shell import Shell
from sfos.client.listing import Detail, Listing, Parts
from sfos.client.nodes import SpaceNaming
from sfos.client.session.session import Session
from sfos.client.watch import Changed, WatchInterrupted, WatchNotice, WatchResumed
from sfos.protocol import (
    AttributesRead,
    Change,
    Entry,
    ErrorInfo,
    FolderEntries,
    FolderNames,
    ItemResult,
    NotFound,
    Ref,
    ServerFault,
)
from tests.support.entry_lists import parts_of

NASTY = "a\x1b]0;owned\x07\x1b[2J\r\nroot:\u202egpj.exe\x9b31m\u2028b"


def nasty(kind: str = "file", node: int = 7) -> Entry:
    return Entry(
        node=node, parent=1, name=NASTY, kind=kind, revision="1\x1b[1m", size=5, mtime_ns=2**62,  # type: ignore[arg-type]
        attrs=AttributesRead(link=NASTY, mode=0o644), path="/" + NASTY,
    )  # fmt: skip


def in_detail(detail: Detail, *entries: Entry) -> Parts:
    if detail is not Detail.NAMES:
        return parts_of(entries)
    folders = {at: entry.node for at, entry in enumerate(entries) if entry.kind == "folder"}
    return [FolderNames(1, [entry.name for entry in entries], folders)]


class HostileApi:
    """Answers everything with names that would steer a terminal."""

    naming = SpaceNaming("0" * 32, "0" * 32)

    def stat(self, place: object) -> Entry:
        if isinstance(place, Ref) and place.node == 99:
            raise NotFound(NASTY, subject=NASTY)
        return nasty("folder" if place == "/folder" else "file")

    def list_folders(self, places: list[str], detail: Detail) -> list[Listing]:
        return [Listing((), 1, in_detail(detail, nasty(), nasty("folder", 8), nasty("symlink", 9)))]

    def read_folder(self, place: object) -> Generator[FolderEntries, None, None]:
        yield from parts_of([nasty(), nasty("folder", 8), nasty("symlink", 9)])

    def walk(self, place: object, detail: Detail = Detail.ENTRIES, *, first: object = None) -> Iterator[Listing]:
        yield Listing((), 1, in_detail(detail, nasty(), nasty("folder", 8)))
        yield Listing((NASTY,), 8, in_detail(detail, nasty("symlink", 9)))
        yield Listing((NASTY, NASTY), None, (), NotFound(NASTY))

    def exists(self, place: object) -> Entry | None:
        return None

    def move(self, source: object, target: object, *, replace: bool) -> None:
        pass

    def delete(self, items: list[object]) -> list[ItemResult]:
        return [ItemResult(error=ErrorInfo("storage_full\x1b", NASTY, NASTY)) for _ in items]


class HostileWatch:
    """Tells of three changes, and ends."""

    def __init__(self) -> None:
        in_gone_folder = Entry(node=5, parent=99, name=NASTY, kind="file", revision="r")
        changes = (Change(entry=nasty()), Change(entry=nasty(), deleted=True), Change(entry=in_gone_folder))
        self._notices: list[WatchNotice] = [
            WatchResumed("c"),
            WatchInterrupted(ServerFault(NASTY, subject=NASTY)),
            Changed(changes, "c"),
        ]

    def __iter__(self) -> Iterator[WatchNotice]:
        return iter(self._notices)

    def close(self) -> None:
        pass

    def __enter__(self) -> HostileWatch:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.fixture
def session() -> Session:
    home = SimpleNamespace(cursor="c")
    return cast(
        "Session",
        SimpleNamespace(
            api=HostileApi(), user="user1", address="host:1", info=SimpleNamespace(home=home),
            watch=lambda since: HostileWatch(),
        ),
    )  # fmt: skip


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(params=["pipe", "terminal"])
def shell(request: pytest.FixtureRequest) -> Shell:
    kind = Screen if request.param == "terminal" else io.StringIO
    return Shell(io.StringIO(), kind(), kind(), verbose=True)


def said(shell: Shell) -> list[str]:
    """All lines on both streams; every one is safe to show."""
    text = shell.stdout.getvalue() + shell.stderr.getvalue()  # type: ignore[attr-defined]
    lines = text.split("\n")
    for line in lines:
        assert line.isprintable(), ascii(line)
        assert "\u202e" not in line
    return cast("list[str]", lines)


@pytest.mark.parametrize(
    "options",
    [ListOptions(), ListOptions(long=True), ListOptions(recursive=True), ListOptions(long=True, recursive=True),
     ListOptions(json=True), ListOptions(json=True, recursive=True)],
)  # fmt: skip
def test_listings_are_escaped(session: Session, shell: Shell, options: ListOptions) -> None:
    ls.run(session, shell, options)
    lines = said(shell)
    assert any("\\x1b" in line or "\\u001b" in line for line in lines)
    if options.json:
        assert {json.loads(line)["name"] for line in lines if line.startswith("{")} == {NASTY}


@pytest.mark.parametrize("json_wanted", [False, True])
def test_stat_is_escaped(session: Session, shell: Shell, json_wanted: bool) -> None:
    stat.run(session, shell, StatOptions(paths=("/x",), json=json_wanted))
    assert "x1b" in "".join(said(shell)) or "u001b" in "".join(said(shell))


def test_errors_of_the_server_are_one_escaped_line(session: Session, shell: Shell) -> None:
    assert rm.run(session, shell, RemoveOptions(paths=("/x",))) == 1
    assert next(line for line in said(shell) if line).startswith("sfos: /x: a\\x1b")


def test_what_is_said_of_a_move_is_escaped(session: Session, shell: Shell) -> None:
    assert mv.run(session, shell, MoveOptions(paths=("/x", "/y"))) == 0
    assert "-> /y" in "".join(said(shell))


@pytest.mark.parametrize("json_wanted", [False, True])
def test_watched_changes_are_escaped(session: Session, shell: Shell, json_wanted: bool) -> None:
    assert watch.run(session, shell, WatchOptions(json=json_wanted)) == 0
    lines = [line for line in said(shell) if "deleted" in line or "changed" in line]
    assert len(lines) == 3
