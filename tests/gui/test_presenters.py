"""The presenters, without a display, on a real session: going, listing, changing, watching, previewing, signing in."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sfos.client.api import new_op_id
from sfos.client.errors import ConnectionLost
from sfos.client.nodes import Place
from sfos.client.session.session import Session
from sfos.client.transfer import Conflict, ConflictAnswer, Direction, OnConflict, TransferEngine
from sfos.client.watch import Resync
from sfos.gui.files import operations as operations_module
from sfos.gui.files.browser import BrowserPresenter
from sfos.gui.files.folders import FoldersPresenter
from sfos.gui.files.operations import OperationsPresenter
from sfos.gui.files.page import summary_of
from sfos.gui.model import Conflicting, FolderPath, Listing, Notice, Selection
from sfos.gui.nodes import HOME, NodeKey, key_of
from sfos.gui.preview.blocks import NothingBlock, TextBlock
from sfos.gui.preview.presenter import PreviewPresenter, Shown
from sfos.gui.shell.watching import WatchPresenter
from sfos.gui.threads.bridge import TaskBridge
from sfos.gui.transfers.conflicts import ConflictsPresenter
from sfos.protocol import Change, CommitItem, Entry, FolderEntries, ServerFault, Target, counted, pack_commit
from tests.gui.conftest import said_to
from tests.support.long_change import long_change

Settle = Callable[..., None]


@dataclass
class Browsing:
    """A browser and what it told."""

    browser: BrowserPresenter
    folder: FolderPath
    listings: list[Listing] = field(default_factory=list)
    revealed: list[tuple[NodeKey, ...]] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        return [row.name for row in self.browser.listing.rows]


@pytest.fixture
def browsing(bridge: TaskBridge, session: Session, folder: str, settle: Settle) -> Browsing:
    entry = session.api.stat(folder)
    told = Browsing(None, FolderPath().child(entry.node, entry.name))  # type: ignore[arg-type]
    told.browser = BrowserPresenter(
        bridge, session.api, on_listing=told.listings.append, on_notice=told.notices.append,
        on_reveal=lambda nodes: told.revealed.append(tuple(nodes)),
    )  # fmt: skip
    told.browser.go(told.folder)
    settle(lambda: told.browser.listing.phase == "ready")
    return told


def put(session: Session, tmp_path: Path, folder: str, **files: str) -> None:
    paths = []
    for name, content in files.items():
        path = tmp_path / f"{name}.txt"
        path.write_text(content)
        paths.append(path)
    with TransferEngine(session) as engine:
        assert engine.upload(paths, folder).wait(30)


def changes_to(session: Session, since: str) -> Sequence[Change]:
    return session.api.changes(since)[0]


# --- Browsing -----------------------------------------------------------------------------------------------------


def test_going_back_forward_and_up_leads_where_one_was(
    browsing: Browsing, session: Session, folder: str, settle: Settle
) -> None:
    node = session.api.make_folder(f"{folder}/sub").node
    browser = browsing.browser
    browser.go(browsing.folder.child(node, "sub"))
    settle(lambda: browser.folder.path == f"{folder}/sub" and browser.listing.phase == "ready")
    assert browser.listing.can_back and not browser.listing.can_forward
    browser.go_up()
    settle(lambda: browser.folder.path == folder and browser.listing.phase == "ready")
    assert browsing.revealed[-1] == (NodeKey(HOME, node),), "the folder one came from is selected"
    browser.go_back()
    settle(lambda: browser.folder.path == f"{folder}/sub" and browser.listing.phase == "ready")
    browser.go_forward()
    settle(lambda: browser.folder.path == folder and browser.listing.phase == "ready")
    assert not browser.listing.can_forward


def test_a_known_folder_is_shown_at_once_and_then_corrected(
    browsing: Browsing, session: Session, folder: str, settle: Settle, tmp_path: Path
) -> None:
    put(session, tmp_path, folder, one="1")
    browser = browsing.browser
    browser.refresh()
    settle(lambda: browsing.names == ["one.txt"])
    browser.go(FolderPath())
    settle(lambda: browser.folder == FolderPath() and browser.listing.phase == "ready")
    put(session, tmp_path, folder, two="2")
    browser.go(browsing.folder)
    assert browsing.names == ["one.txt"], "what is known comes without asking"
    assert browser.listing.phase == "loading"
    settle(lambda: browsing.names == ["one.txt", "two.txt"])


def test_a_slow_answer_shows_a_skeleton_and_a_late_one_is_dropped(
    bridge: TaskBridge, browsing: Browsing, session: Session, folder: str, settle: Settle
) -> None:
    first = session.api.make_folder(f"{folder}/first").node
    second = session.api.make_folder(f"{folder}/second").node
    browser = browsing.browser
    with session._control_lock:  # nobody's request goes through while this is held
        browser.go(browsing.folder.child(first, "first"))
        settle(lambda: browser.listing.phase == "skeleton")
        assert browser.folder.path == f"{folder}/first"
        browser.go(browsing.folder.child(second, "second"))
    settle(lambda: browser.folder.path == f"{folder}/second" and browser.listing.phase == "ready")
    later = len(browsing.listings)
    settle(lambda: not bridge.alive())
    assert all(listing.folder.path != f"{folder}/first" for listing in browsing.listings[later:])


def test_a_folder_that_is_gone_says_so(browsing: Browsing, session: Session, folder: str, settle: Settle) -> None:
    browsing.browser.go(browsing.folder.child(999_999, "gone"))
    settle(lambda: browsing.browser.listing.phase == "failed")
    assert "no longer there" in (browsing.browser.listing.problem or "")


def test_changes_are_shown_together_and_in_order(
    browsing: Browsing, session: Session, folder: str, settle: Settle, tmp_path: Path
) -> None:
    since = session.info.home.cursor
    put(session, tmp_path, folder, b="b", a="a", c="c")
    before = len(browsing.listings)
    browsing.browser.apply(changes_to(session, since))
    settle(lambda: browsing.names == ["a.txt", "b.txt", "c.txt"])
    assert len(browsing.listings) == before + 1
    session.api.delete([f"{folder}/b.txt"])
    session.api.move(f"{folder}/a.txt", f"{folder}/z.txt")
    browsing.browser.apply(changes_to(session, since))
    settle(lambda: browsing.names == ["c.txt", "z.txt"])


@dataclass
class HeldLists:
    """Lists that have been read, and are given when they may be, but for `first` pages at once. `read`: how many have
    been."""

    session: Session
    may_come: threading.Event = field(default_factory=threading.Event)
    first: int = 0
    read: int = 0

    def read_folder(self, place: Place) -> Generator[FolderEntries, None, None]:
        found = list(type(self.session.api).read_folder(self.session.api, place))
        self.read += 1
        yield from found[: self.first]
        assert self.may_come.wait(30)
        yield from found[self.first :]


@pytest.fixture
def held(session: Session, monkeypatch: pytest.MonkeyPatch) -> HeldLists:
    lists = HeldLists(session)
    monkeypatch.setattr(session.api, "read_folder", lists.read_folder)
    return lists


def test_what_changes_while_a_folder_is_read_is_not_lost(
    browsing: Browsing, session: Session, folder: str, settle: Settle, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    put(session, tmp_path, folder, a="a", b="b")
    held: HeldLists = request.getfixturevalue("held")
    browsing.browser.refresh()
    settle(lambda: held.read)
    since = session.api.changes(session.info.home.cursor)[1]
    put(session, tmp_path, folder, c="c")
    session.api.delete([f"{folder}/a.txt"])
    browsing.browser.apply(changes_to(session, since))
    settle(lambda: browsing.names == ["c.txt"])
    browsing.browser.sort_by("name")  # the same again: the other way round
    held.may_come.set()
    settle(lambda: browsing.names == ["c.txt", "b.txt"])
    settle(lambda: not browsing.browser._bridge.alive())
    assert browsing.names == ["c.txt", "b.txt"]


def test_another_order_while_a_folder_is_read_for_the_first_time_keeps_its_content(
    browsing: Browsing, session: Session, folder: str, settle: Settle, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    node = session.api.make_folder(f"{folder}/sub").node
    put(session, tmp_path, f"{folder}/sub", a="a", b="b")
    held: HeldLists = request.getfixturevalue("held")
    browsing.browser.go(browsing.folder.child(node, "sub"))
    settle(lambda: browsing.browser.listing.phase == "skeleton")
    browsing.browser.sort_by("name")
    assert browsing.browser.listing.phase == "skeleton"
    held.may_come.set()
    settle(lambda: browsing.names == ["b.txt", "a.txt"])


def test_of_what_takes_long_that_is_shown_which_has_come(
    browsing: Browsing, session: Session, folder: str, settle: Settle, held: HeldLists, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sfos.gui.files.browser.PART_S", 0.0)
    held.first = 1
    node = session.api.make_folder(f"{folder}/sub").node
    names = [f"f{number:05}" for number in range(6_000)]
    for start in (0, 3_000):
        items = [CommitItem(target=Target(parent=node, name=name)) for name in names[start : start + 3_000]]
        session.call(*pack_commit(new_op_id(), items, []))
    since = session.api.changes(session.info.home.cursor)[1]
    browser = browsing.browser
    browser.go(browsing.folder.child(node, "sub"))
    settle(lambda: browser.listing.partial, what="the first page")
    assert browser.listing.phase == "loading" and browser.folder.key.node == node
    shown, came = browsing.names, browser.listing.total
    assert 0 < came < 6_000 and shown == sorted(shown) and set(shown) < set(names)
    assert summary_of(browser.listing, Selection()) == f"{came:,} items so far"
    browser.sort_by("name")  # the other way round
    settle(lambda: browsing.names == shown[::-1])
    session.api.delete([f"{folder}/sub/{names[0]}"])
    session.api.make_folder(f"{folder}/sub/new")
    browser.apply(changes_to(session, since))
    assert browser.listing.total == came, "what has come in part takes changes in when all is there"
    held.may_come.set()
    settle(lambda: browsing.names == ["new", *names[:0:-1]], what="all of it, and what changed meanwhile")
    assert browser.listing.phase == "ready" and not browser.listing.partial
    assert summary_of(browser.listing, Selection()) == "6,000 items"


def test_what_changes_while_a_branch_is_read_is_not_lost(
    bridge: TaskBridge, session: Session, folder: str, settle: Settle, held: HeldLists
) -> None:
    told: dict[NodeKey, list[str]] = {}
    folders = FoldersPresenter(
        bridge, session.api, lambda parent, found: told.update({parent: [f.name for f in found]})
    )
    node = key_of(session.api.stat(folder))
    session.api.make_folder(f"{folder}/a")
    folders.expand(node)
    settle(lambda: held.read)
    since = session.api.changes(session.info.home.cursor)[1]
    session.api.make_folder(f"{folder}/b")
    session.api.delete([f"{folder}/a"])
    folders.apply(changes_to(session, since))
    held.may_come.set()
    settle(lambda: told.get(node) == ["b"])


def test_a_node_revealed_before_it_is_there_is_selected_when_it_comes(
    browsing: Browsing, session: Session, folder: str, settle: Settle
) -> None:
    since = session.info.home.cursor
    node = NodeKey(HOME, session.api.make_folder(f"{folder}/new").node)
    browsing.browser.reveal((node,))
    assert browsing.revealed == []
    browsing.browser.apply(changes_to(session, since))
    settle(lambda: browsing.revealed == [(node,)])


def test_a_typed_path_to_a_file_shows_its_folder_with_the_file_selected(
    browsing: Browsing, session: Session, folder: str, settle: Settle, tmp_path: Path
) -> None:
    put(session, tmp_path, folder, note="x")
    browsing.browser.go(FolderPath())
    browsing.browser.go_path(f"{folder}/note.txt")
    settle(lambda: browsing.browser.folder.path == folder and browsing.revealed)
    assert browsing.revealed[-1] == (key_of(session.api.stat(f"{folder}/note.txt")),)


def folder_names(bridge: TaskBridge, session: Session) -> tuple[FoldersPresenter, dict[NodeKey, list[str]]]:
    """A presenter of folders, and the names that it has told of each."""
    told: dict[NodeKey, list[str]] = {}
    return FoldersPresenter(
        bridge, session.api, lambda parent, found: told.update({parent: [f.name for f in found]})
    ), told


def test_folders_are_read_once_and_kept_up_to_date(
    bridge: TaskBridge, session: Session, folder: str, settle: Settle
) -> None:
    folders, told = folder_names(bridge, session)
    node = key_of(session.api.stat(folder))
    since = session.info.home.cursor
    session.api.make_folder(f"{folder}/b2")
    folders.expand(node)
    folders.expand(node)
    settle(lambda: node in told)
    session.api.make_folder(f"{folder}/b10")
    session.api.make_folder(f"{folder}/a")
    folders.apply(changes_to(session, since))
    assert told[node] == ["a", "b2", "b10"]
    session.api.move(f"{folder}/a", f"{folder}/c")
    session.api.delete([f"{folder}/b2"])
    folders.apply(changes_to(session, since))
    assert told[node] == ["b10", "c"]


def test_a_folder_that_moves_takes_its_branch_along(
    bridge: TaskBridge, session: Session, folder: str, settle: Settle
) -> None:
    folders, told = folder_names(bridge, session)
    session.api.make_folder(f"{folder}/from/moving/inner", parents=True)
    session.api.make_folder(f"{folder}/to")
    session.api.make_folder(f"{folder}/unread")
    branches = [key_of(session.api.stat(folder + path)) for path in ("", "/from", "/from/moving", "/to")]
    for node in branches:
        folders.expand(node)
    settle(lambda: set(branches) <= set(told))
    since = session.info.home.cursor
    session.api.move(f"{folder}/from/moving", f"{folder}/to/moved")
    session.api.make_folder(f"{folder}/to/moved/more")
    folders.apply(changes_to(session, since))
    assert [told[node] for node in branches[1:]] == [[], ["inner", "more"], ["moved"]]
    session.api.move(f"{folder}/to/moved", f"{folder}/unread/moved")
    folders.apply(changes_to(session, since))
    assert [told[node] for node in branches] == [["from", "to", "unread"], [], ["inner", "more"], []]
    session.api.delete([f"{folder}/unread"])
    told.clear()
    folders.apply(changes_to(session, since))
    assert told == {branches[0]: ["from", "to"]}


# --- Changing -----------------------------------------------------------------------------------------------------


def test_a_file_changed_by_others_since_it_was_shown_is_not_deleted(
    bridge: TaskBridge, session: Session, folder: str, settle: Settle, tmp_path: Path
) -> None:
    put(session, tmp_path, folder, doc="old")
    shown = session.api.stat(f"{folder}/doc.txt")
    put(session, tmp_path, folder, doc="new and longer")
    notices: list[Notice] = []
    operations = OperationsPresenter(bridge, session.api, on_notice=said_to(notices), on_done=lambda _nodes: None)
    operations.delete([shown])
    settle(lambda: notices)
    assert notices[0].severity == "error"
    assert "was not deleted" in notices[0].text
    assert session.api.exists(f"{folder}/doc.txt") is not None


def test_a_name_that_is_taken_is_told(bridge: TaskBridge, session: Session, folder: str, settle: Settle) -> None:
    session.api.make_folder(f"{folder}/taken")
    notices: list[Notice] = []
    operations = OperationsPresenter(bridge, session.api, on_notice=said_to(notices), on_done=lambda _nodes: None)
    entry = session.api.stat(folder)
    operations.make_folder(FolderPath().child(entry.node, entry.name), "TAKEN")
    settle(lambda: notices)
    assert notices[0].severity == "error" and "already there" in notices[0].text


def test_a_long_deletion_says_how_far_it_is_and_stops_between_two_requests(
    bridge: TaskBridge, session: Session, folder: str, settle: Settle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations_module, "PATIENCE_S", 0.0)
    monkeypatch.setattr(operations_module, "TELL_S", 0.005)
    monkeypatch.setattr(operations_module, "DELETED_AT_ONCE", 1)
    for number in range(40):
        session.api.make_folder(f"{folder}/f{number}")
    entries = session.api.list_folder(folder)
    notices: list[Notice] = []

    def say(notice: Notice, *, act: Callable[[], object] | None = None, **_behind: object) -> None:
        notices.append(notice)
        if notice.action == "Stop" and len(notices) > 3:
            assert act is not None
            act()

    done: list[object] = []
    operations = OperationsPresenter(bridge, session.api, on_notice=say, on_done=done.append)
    operations.delete(entries)
    settle(lambda: done)
    assert re.fullmatch(r"Deleting \d+ of 40…", notices[0].text) and notices[0].lasting
    left = len(session.api.list_folder(folder))
    assert 0 < left < 40
    said = notices[-1].text
    assert said.startswith(f"Stopped: {counted(left, 'item')} ")
    assert said.endswith(" deleted.") and counted(40 - left, "item") in said


def test_a_change_that_waits_for_another_one_says_so(
    bridge: TaskBridge, session: Session, folder: str, home: Path, settle: Settle
) -> None:
    notices: list[Notice] = []
    done: list[object] = []
    operations = OperationsPresenter(bridge, session.api, on_notice=said_to(notices), on_done=done.append)
    session.on_working = operations.note_working
    entry = session.api.stat(folder)
    with long_change(session, home):
        operations.make_folder(FolderPath().child(entry.node, entry.name), "late")
        settle(lambda: any("waits" in notice.text for notice in notices))
    settle(lambda: done)
    waits = "Making “late”: waits until another change of this account has ended (making a folder)…"
    assert waits in [notice.text for notice in notices]
    assert notices[-1].text == "“late” was made."


# --- Watching -----------------------------------------------------------------------------------------------------


@dataclass
class Watching:
    """A presenter of a watch, and what it told."""

    bridge: TaskBridge
    session: Session
    settle: Settle
    monkeypatch: pytest.MonkeyPatch
    told: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    asked_since: list[str | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.presenter = WatchPresenter(
            self.bridge,
            self.session,
            on_changes=lambda found: self.seen.extend(change.entry.name for change in found),
            on_missed=lambda: self.told.append("missed"),
            on_online=lambda: self.told.append("online"),
            on_offline=self._offline,
            on_ended=lambda error: pytest.fail(f"signed out for {error}"),
        )

    def _offline(self, _error: object, _seconds: float) -> None:
        self.told.append("offline")
        self.presenter.try_now()

    def start(self) -> None:
        self.presenter.start(self.session.info.home.cursor)

    def start_with(self, first: Callable[[str | None], object]) -> None:
        """The first watch is none of the server's but this one, made for a cursor."""
        watch_of_session = self.session.watch

        def watch(since: str | None) -> object:
            self.asked_since.append(since)
            return first(since) if len(self.asked_since) == 1 else watch_of_session(since)

        self.monkeypatch.setattr(self.session, "watch", watch)
        self.start()


@pytest.fixture
def watching(
    bridge: TaskBridge, session: Session, settle: Settle, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Watching]:
    watching = Watching(bridge, session, settle, monkeypatch)
    yield watching
    watching.presenter.stop()
    settle(lambda: not bridge.alive())


class OddWatch:
    """Watch that goes wrong."""

    def __init__(self, cursor: str | None) -> None:
        self.cursor = cursor

    def close(self) -> None:
        """Nothing is open."""


def test_changes_arrive_as_they_happen_and_stopping_ends_the_thread(watching: Watching, folder: str) -> None:
    watching.start()
    watching.settle(lambda: watching.told)
    watching.session.api.make_folder(f"{folder}/watched")
    watching.settle(lambda: "watched" in watching.seen)
    watching.presenter.stop()
    watching.settle(lambda: not watching.bridge.alive())
    assert watching.told == ["online"]


def test_a_mistake_of_the_server_signs_nobody_out(watching: Watching) -> None:
    class Stumbling(OddWatch):
        def __iter__(self) -> Iterator[object]:
            raise ServerFault

    watching.start_with(Stumbling)
    watching.settle(lambda: "missed" in watching.told)
    assert watching.asked_since[1] is None, "what it stumbled over is left out"
    heard = [word for word in watching.told if word != "offline"]
    assert heard == ["online", "missed"], "read anew once changes are told again: in between nobody tells of any"


@pytest.mark.parametrize("lost", [False, True])
def test_after_too_much_was_missed_one_is_online_and_all_is_read_anew(watching: Watching, lost: bool) -> None:
    """`lost`: the connection breaks off just after the server has said so."""

    class TooLate(OddWatch):
        """Watch whose cursor the server does not know any more."""

        def __iter__(self) -> Iterator[object]:
            self.cursor = None
            if lost:
                raise ConnectionLost
            yield Resync(watching.session.info.home.cursor)

    watching.start_with(TooLate)
    watching.settle(lambda: "missed" in watching.told)
    assert [word for word in watching.told if word != "offline"] == ["online", "missed"]


# --- Previews -----------------------------------------------------------------------------------------------------


def test_only_the_last_of_several_quick_selections_is_fetched(
    bridge: TaskBridge, session: Session, folder: str, settle: Settle, tmp_path: Path
) -> None:
    put(session, tmp_path, folder, a="aaa", b="bbb")
    shown: list[Shown] = []
    preview = PreviewPresenter(bridge, session.api, 1_000_000, shown.append)
    first, second = (session.api.stat(f"{folder}/{name}.txt") for name in "ab")
    preview.show(first)
    preview.show(second)
    settle(lambda: isinstance(preview.shown.block, TextBlock))
    blocks = [each for each in shown if each.block is not None]
    assert [each.entry for each in blocks] == [second]
    preview.show(first, at_once=True)
    settle(lambda: preview.shown.block is not None and preview.shown.entry == first)
    preview.show(second)
    assert preview.shown.block is not None, "what was decoded before is shown at once"


def test_a_large_picture_is_not_fetched_and_an_empty_file_is_told(
    bridge: TaskBridge, session: Session, settle: Settle
) -> None:
    shown: list[Shown] = []
    preview = PreviewPresenter(bridge, session.api, 1_000, shown.append)
    preview.show(Entry(node=5, parent=1, name="x.png", kind="file", revision="1", size=2_000))
    assert isinstance(shown[-1].block, NothingBlock) and "Larger than" in shown[-1].block.reason
    preview.show(Entry(node=6, parent=1, name="x.png", kind="file", revision="1", size=0))
    assert isinstance(shown[-1].block, NothingBlock) and "empty" in shown[-1].block.reason


# --- Questions ----------------------------------------------------------------------------------------------------


@pytest.fixture
def conflict(tmp_path: Path) -> Conflict:
    remote = Entry(node=5, parent=1, name="a.txt", kind="file", revision="1", size=10, mtime_ns=10**18)
    return Conflict(Direction.UPLOAD, "a.txt", tmp_path / "a.txt", 12, 2 * 10**18, remote, "/docs/a.txt")


def test_questions_are_asked_one_after_the_other_and_answered_where_they_came_from(
    bridge: TaskBridge, settle: Settle, conflict: Conflict
) -> None:
    open_now: list[tuple[Conflicting, Callable[[ConflictAnswer], None]]] = []

    def show(question: Conflicting, answer: Callable[[ConflictAnswer], None]) -> Callable[[], None]:
        open_now.append((question, answer))
        return lambda: None

    conflicts = ConflictsPresenter(bridge, show)
    answers: list[ConflictAnswer] = []
    jobs = [conflicts.for_job() for _ in range(2)]
    threads = [threading.Thread(target=lambda job=job: answers.append(job.ask(conflict))) for job in jobs]
    for thread in threads:
        thread.start()
    settle(lambda: open_now)
    question, answer = open_now[0]
    assert question.coming.newer and not question.existing.newer
    assert question.place == "/docs"
    bridge.drain()
    assert len(open_now) == 1, "the second waits for the first"
    answer(ConflictAnswer(OnConflict.SKIP))
    settle(lambda: len(open_now) == 2)
    conflicts.close()
    settle(lambda: len(answers) == 2)
    for thread in threads:
        thread.join()
    assert {each.choice for each in answers} == {OnConflict.SKIP, OnConflict.CANCEL}
