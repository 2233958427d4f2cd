"""The transfers of the window: what is told of them, their order, and that the unfinished ones outlive it."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sfos.client.address import Address
from sfos.client.net.trust import ACCEPT_NEW, Trust, TrustStore
from sfos.client.options import ClientOptions, TransferOptions
from sfos.client.session.session import Session
from sfos.client.transfer import TransferEngine, queue_file
from sfos.client.transfer.queue_file import Kept, KeptDownload, KeptUpload
from sfos.gui.model import Crumb, FolderPath, Notice, Transfer
from sfos.gui.nodes import HOME, NodeKey
from sfos.gui.threads.bridge import TaskBridge
from sfos.gui.transfers.conflict_dialog import ConflictDialog
from sfos.gui.transfers.conflicts import ConflictsPresenter
from sfos.gui.transfers.interrupted import InterruptedPresenter
from sfos.gui.transfers.keeping import TransferKeeper
from sfos.gui.transfers.presenter import TransfersPresenter
from sfos.gui.transfers.work import Download, Upload
from sfos.protocol import Entry
from tests.gui.conftest import PASSWORD, SLOW, USER, Hand, put, said_to, sign_in, write

Settle = Callable[..., None]


@dataclass
class Panel:
    """A presenter on a session's engine, and what it told."""

    transfers: TransfersPresenter
    folder: FolderPath
    notices: list[Notice] = field(default_factory=list)
    queue_changes: list[tuple[Kept, ...]] = field(default_factory=list)

    def titles(self) -> list[str]:
        return [row.title for row in self.transfers.board.active]

    def row(self, title: str) -> Transfer:
        board = self.transfers.board
        rows = (*board.active, *board.completed, *board.failed, *board.cancelled)
        return next(row for row in rows if row.title == title)


@pytest.fixture
def panel(bridge: TaskBridge, session: Session, folder: str) -> Iterator[Panel]:
    entry = session.api.stat(folder)
    conflicts = ConflictsPresenter(bridge, lambda _question, _answer: lambda: None)
    told = Panel(None, FolderPath((*FolderPath().crumbs, Crumb(entry.node, entry.name))))  # type: ignore[arg-type]
    told.transfers = TransfersPresenter(
        bridge, for_job=conflicts.for_job, on_board=lambda _board: None, on_notice=said_to(told.notices),
        on_queue=lambda: told.queue_changes.append(told.transfers.unfinished_work()),
    )  # fmt: skip
    with TransferEngine(session, TransferOptions(parallel_jobs=1), told.transfers.listen) as engine:
        told.transfers.use(engine, None)
        yield told


def upload(panel: Panel, tmp_path: Path, *names: str, size: int = 2_000_000) -> None:
    for name in names:
        panel.transfers.upload([write(tmp_path / name, os.urandom(size))], panel.folder)


# --- Order ----------------------------------------------------------------------------------------------------------


def test_what_waits_changes_places_and_what_has_begun_does_not(panel: Panel, settle: Settle, tmp_path: Path) -> None:
    panel.transfers.set_limit(SLOW)
    upload(panel, tmp_path, "a", "b", "c", "d")
    settle(lambda: [row.queued for row in panel.transfers.board.active] == [None, 0, 1, 2])
    for title, action, expected in (
        ("d", "top", ["a", "d", "b", "c"]),
        ("c", "up", ["a", "d", "c", "b"]),
        ("d", "down", ["a", "c", "d", "b"]),
        ("a", "down", ["a", "c", "d", "b"]),
    ):
        panel.transfers.act(panel.row(title).key, action)
        settle(lambda now=expected: panel.titles() == now, what=f"{action} of {title}")
    panel.transfers.act(panel.row("d").key, "top")
    panel.transfers.act(panel.row("a").key, "cancel")
    settle(lambda: panel.titles() == ["d", "c", "b"] and panel.row("d").phase == "running", what="the next one's turn")


# --- Cancelled ------------------------------------------------------------------------------------------------------


def test_what_was_cancelled_is_not_a_failure_and_can_be_tried_again(
    panel: Panel, settle: Settle, session: Session, folder: str, tmp_path: Path
) -> None:
    panel.transfers.set_limit(SLOW)
    upload(panel, tmp_path, "big", size=300_000)
    settle(lambda: panel.titles() == ["big"])
    panel.transfers.act(panel.row("big").key, "cancel")
    settle(lambda: panel.transfers.board.cancelled)
    assert panel.transfers.board.failed == ()
    assert not any(notice.severity == "error" for notice in panel.notices)
    panel.transfers.set_limit(None)
    panel.transfers.act(panel.row("big").key, "retry")
    settle(lambda: panel.transfers.board.completed)
    assert panel.transfers.board.cancelled == ()
    assert [entry.name for entry in session.api.list_folder(folder)] == ["big"]


def test_what_is_begun_anew_counts_what_is_skipped_anew(
    panel: Panel, settle: Settle, session: Session, folder: str, tmp_path: Path
) -> None:
    session.api.delete([folder])
    upload(panel, tmp_path, "one")
    settle(lambda: panel.transfers.board.failed)
    (work,) = panel.transfers._work.values()
    assert not work.job.progress.planned
    work.skipped = 1  # before it broke off
    panel.transfers.act(panel.row("one").key, "retry")
    assert work.skipped == 0


def test_a_file_called_like_a_number_of_items_is_one_file(panel: Panel, settle: Settle, tmp_path: Path) -> None:
    upload(panel, tmp_path, "14 items", size=10)
    settle(lambda: panel.notices)
    assert panel.notices[-1].text == "“14 items” was uploaded."
    panel.transfers.upload([write(tmp_path / "x", "1"), write(tmp_path / "y", "2")], panel.folder)
    settle(lambda: len(panel.notices) == 2)
    assert panel.notices[-1].text == "2 items were uploaded."


# --- Written down ---------------------------------------------------------------------------------------------------


def test_what_is_unfinished_is_known_in_its_order_and_what_is_over_is_not(
    panel: Panel, settle: Settle, tmp_path: Path
) -> None:
    upload(panel, tmp_path, "small", size=10)
    settle(lambda: panel.transfers.board.completed)
    panel.transfers.set_limit(SLOW)
    upload(panel, tmp_path, "a", "b", "c")
    settle(lambda: panel.titles() == ["a", "b", "c"])
    panel.transfers.act(panel.row("c").key, "up")
    kept = panel.transfers.unfinished_work()
    assert kept == tuple(
        KeptUpload((os.fsencode(tmp_path / name),), panel.folder.node, panel.folder.path) for name in ("a", "c", "b")
    )
    assert panel.queue_changes[-1] == kept
    panel.transfers.act(panel.row("c").key, "cancel")
    settle(lambda: len(panel.queue_changes[-1]) == 2)


def test_what_ended_with_the_session_is_kept_and_not_tried_again_by_itself(
    bridge: TaskBridge, session: Session, folder: str, settle: Settle, tmp_path: Path
) -> None:
    trust = Trust(TrustStore(tmp_path / "pins.json"), ACCEPT_NEW)
    place = FolderPath((*FolderPath().crumbs, Crumb(session.api.stat(folder).node, folder[1:])))
    conflicts = ConflictsPresenter(bridge, lambda _question, _answer: lambda: None)
    notices: list[Notice] = []
    transfers = TransfersPresenter(
        bridge, for_job=conflicts.for_job, on_board=lambda _board: None, on_notice=said_to(notices)
    )
    with (
        Session.sign_in(session.address, USER, PASSWORD, trust, ClientOptions()) as mine,
        TransferEngine(mine, TransferOptions(), transfers.listen) as engine,
    ):
        transfers.use(engine, None)
        transfers.set_limit(400_000)
        transfers.upload((write(tmp_path / "big", os.urandom(2_000_000)),), place)
        settle(lambda: any(row.fraction for row in transfers.board.active), what="progress")
        session.api.end_sessions()
        settle(lambda: transfers.board.failed, 60, what="the failure")
        kept = (KeptUpload((os.fsencode(tmp_path / "big"),), place.node, place.path),)
        assert transfers.unfinished_work() == kept
        assert "goes on by itself" not in notices[-1].text
        transfers.server_is_back()
        assert transfers.unfinished == 0


def test_the_file_is_for_its_owner_alone_and_gone_when_nothing_waits(tmp_path: Path) -> None:
    path = queue_file.file_for(tmp_path / "state", Address("localhost", 8443), "../anna")
    assert path.parent == tmp_path / "state"
    odd = KeptUpload((b"/home/anna/\xff not text",), 7, "/docs")
    kept: tuple[Kept, ...] = (odd, KeptDownload((5, 6), b"/home/anna"))
    queue_file.save(path, kept)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert queue_file.load(path) == kept
    assert os.fsencode(queue_file.path_of(odd.paths[0])) == odd.paths[0]
    queue_file.save(path, ())
    assert not path.exists()


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"version":2,"transfers":[]}', b'{"transfers":[{"type":"x"}]}', b"\xff"]
)
def test_a_file_that_makes_no_sense_counts_as_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "transfers-x.json"
    path.write_bytes(content)
    path.chmod(0o600)
    assert queue_file.load(path) == ()


def test_a_file_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "transfers-x.json"
    queue_file.save(path, [KeptUpload((b"/etc/passwd",), 1, "/")])
    path.chmod(0o644)
    assert queue_file.load(path) == ()


def test_of_too_many_the_longest_is_left_out_and_named_and_all_others_stay(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "transfers-x.json"
    many = KeptDownload(tuple(range(10**9, 10**9 + 200_000)), b"/home/anna")
    first, last = KeptUpload((b"/a",), 1, "/"), KeptUpload((b"/z",), 1, "/docs")
    queue_file.save(path, [first, many, last])
    assert queue_file.load(path) == (first, last)
    assert "download to /home/anna of 200000 items" in caplog.text


def test_what_just_fits_is_kept_whole_and_one_sign_more_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "transfers-x.json"
    short, long = KeptUpload((b"/a",), 1, "/"), KeptUpload((b"/a", b"/b"), 1, "/")
    queue_file.save(path, [short, long])
    whole = path.stat().st_size
    monkeypatch.setattr(queue_file, "MAX_BYTES", whole + 1)  # the last one has no comma
    queue_file.save(path, [short, long])
    assert queue_file.load(path) == (short, long)
    monkeypatch.setattr(queue_file, "MAX_BYTES", whole - 1)
    queue_file.save(path, [short, long])
    assert queue_file.load(path) == (short,)


def test_what_changes_is_written_soon_and_nothing_before_it_is_known_what_is_there(
    bridge: TaskBridge, settle: Settle, tmp_path: Path
) -> None:
    path = tmp_path / "transfers-x.json"
    old, new = KeptUpload((b"/old",), 1, "/"), KeptUpload((b"/new",), 1, "/")
    queue_file.save(path, [old])
    wanted: list[Kept] = [new]
    first = TransferKeeper(bridge, path, lambda: tuple(wanted))
    first.last_words()()
    assert queue_file.load(path) == (new, old), "a window that closes at once loses nothing"
    keeper = TransferKeeper(bridge, path, lambda: tuple(wanted))
    found: list[tuple[Kept, ...]] = []
    keeper.load(found.append)
    settle(lambda: found == [(new, old)])
    keeper.changed()
    settle(lambda: queue_file.load(path) == (new,))
    wanted.clear()
    keeper.changed()
    settle(lambda: not path.exists())


def test_a_write_that_failed_is_tried_again(tmp_path: Path, wait_until: Callable[..., None]) -> None:
    now = [0.0]
    bridge = TaskBridge(lambda: now[0])
    path = tmp_path / "state" / "transfers-x.json"
    wanted: tuple[Kept, ...] = (KeptUpload((b"/new",), 1, "/"),)
    keeper = TransferKeeper(bridge, path, lambda: wanted)
    found: list[tuple[Kept, ...]] = []
    keeper.load(found.append)
    wait_until(lambda: found, pump=bridge.drain)
    path.parent.write_text("a file in the folder's place")
    keeper.changed()
    now[0] += 1
    bridge.drain()
    wait_until(lambda: bridge.next_due_s() is not None, what="the next attempt", pump=bridge.drain)
    path.parent.unlink()
    for seconds in (60, 1):  # the attempt, and the moment that each change waits for others
        now[0] += seconds
        bridge.drain()
    wait_until(lambda: queue_file.load(path) == wanted, pump=bridge.drain)
    bridge.close()


def test_after_the_last_words_of_a_session_nothing_is_written_over_the_list_of_the_next_one(
    tmp_path: Path, wait_until: Callable[..., None]
) -> None:
    now = [0.0]
    bridge = TaskBridge(lambda: now[0])
    path = tmp_path / "transfers-x.json"
    old, new = KeptUpload((b"/old",), 1, "/"), KeptUpload((b"/new",), 1, "/")
    wanted: list[Kept] = [old]
    queue_file.save(path, [old])
    keeper = TransferKeeper(bridge, path, lambda: tuple(wanted))
    found: list[tuple[Kept, ...]] = []
    keeper.load(found.append)
    wait_until(lambda: found, pump=bridge.drain)
    keeper.last_words()()
    queue_file.save(path, [new])
    wanted.clear()
    keeper.changed()  # such as an offer that was being looked up when the session ended
    now[0] += 60
    bridge.drain()
    wait_until(lambda: not bridge.alive(), pump=bridge.drain)
    assert queue_file.load(path) == (new,)
    bridge.close()


# --- Going on -------------------------------------------------------------------------------------------------------


def test_what_is_offered_goes_on_as_it_is_now_and_what_is_gone_is_told(
    bridge: TaskBridge, session: Session, folder: str, settle: Settle, tmp_path: Path
) -> None:
    put(session, folder, tmp_path, "here.txt", "gone.txt")
    nodes = {entry.name: entry.node for entry in session.api.list_folder(folder)}
    session.api.move(f"{folder}/here.txt", f"{folder}/renamed.txt")
    session.api.delete([f"{folder}/gone.txt"])
    started: list[Upload | Download] = []
    offers: list[Notice | None] = []
    notices: list[Notice] = []
    presenter = InterruptedPresenter(
        bridge, session.api, start=started.append, on_offer=offers.append, on_notice=notices.append,
        on_queue=lambda: None,
    )  # fmt: skip
    presenter.offer((
        KeptDownload((nodes["here.txt"], nodes["gone.txt"]), os.fsencode(tmp_path)),
        KeptUpload((b"/x",), 5, "/a", hidden=False),
    ))  # fmt: skip
    assert offers[-1] is not None and offers[-1].text.startswith("2 transfers were not finished")
    presenter.go_on()
    settle(lambda: len(started) == 2)
    fetched = started[0]
    assert isinstance(fetched, Download)
    assert [(type(entry), entry.name) for entry in fetched.entries] == [(Entry, "renamed.txt")]
    assert started[1] == Upload((Path("/x"),), NodeKey(HOME, 5), "/a", hidden=False)
    assert "1 item" in notices[0].text
    assert presenter.kept == () and offers[-1] is None


@pytest.mark.display
@pytest.mark.timeout(180)
def test_a_transfer_that_is_asking_when_one_signs_out_is_kept(
    fresh_hand: Hand, session: Session, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand = fresh_hand
    put(session, folder, tmp_path, "same.txt")
    hand.row("same.txt")
    mine = write(tmp_path / "same.txt", "mine")
    space, files = hand.space, hand.files
    files.orders.upload([mine])
    hand.wait(lambda: hand.dialog(ConflictDialog) is not None, what="the question")
    close, waited = files.viewer.close, threading.Event()

    def close_late() -> None:
        """The worst of luck: the question's CANCEL has reached its job before anything else is closed."""
        hand.wait_until(lambda: not space.transfers.unfinished, what="the end of the job")
        close()
        waited.set()

    monkeypatch.setattr(files.viewer, "close", close_late)
    hand.leave()
    hand.wait(lambda: not hand.app.bridge.alive(), what="the end of the session")
    assert waited.is_set()
    path = queue_file.file_for(hand.state_dir, space.session.address, space.session.user)
    place = files.browser.folder
    assert queue_file.load(path) == (KeptUpload((os.fsencode(mine),), place.node, place.path),)
    path.unlink()


@pytest.mark.display
@pytest.mark.timeout(180)
def test_a_download_and_an_upload_go_on_in_the_next_window_and_nothing_is_fetched_twice(
    fresh_hand: Hand, session: Session, folder: str, tmp_path: Path
) -> None:
    hand = fresh_hand
    content = os.urandom(6_000_000)
    with TransferEngine(session) as engine:
        assert engine.upload([write(tmp_path / "there.bin", content)], folder).wait(60)
    hand.row("there.bin")
    hand.space.engine.set_rates(SLOW, 500_000)  # neither is over before it is broken off, however busy the machine is
    hand.click_row("there.bin")
    hand.wait(lambda: hand.files.orders.selection.entries, what="the selection")
    hand.press("ctrl+d")
    hand.files.orders.upload([write(tmp_path / "mine.bin", os.urandom(3_000_000))])
    hand.wait(
        lambda: any((row.fraction or 0) > 0.3 for row in hand.space.transfers.board.active if row.direction == "down"),
        60,
        what="a third of it",
    )
    hand.leave()
    hand.wait(lambda: not hand.app.bridge.alive(), what="the end of the session")
    partial = [path for path in hand.downloads.iterdir() if path.name != "there.bin"]
    assert partial, "what was fetched stays for the next time"
    sign_in(hand)
    banner = hand.app.window.offer_banner
    hand.wait(lambda: banner.notice is not None, what="the offer")
    assert banner.notice is not None and banner.notice.text.startswith("2 transfers")
    banner.invoke()
    hand.wait(lambda: len(hand.space.transfers.board.completed) == 2, 60, what="both")
    assert banner.notice is None
    assert (hand.downloads / "there.bin").read_bytes() == content
    assert [path.name for path in hand.downloads.iterdir()] == ["there.bin"]
    assert sorted(entry.name for entry in session.api.list_folder(folder)) == ["mine.bin", "there.bin"]
    kept = queue_file.file_for(hand.state_dir, hand.space.session.address, hand.space.session.user)
    hand.wait(lambda: not kept.exists(), what="the end of the file")
    hand.go(folder)
