"""The window, used as a person uses it: real clicks and keys, a real server, real files."""

from __future__ import annotations

import itertools
import os
import time
from pathlib import Path

import pytest
from PIL import Image

from client.address import Address
from client.session import Session
from client.trust import TrustStore
from gui import choices
from gui.commands import Command
from gui.preview.blocks import PictureBlock, TextBlock
from gui.views.dialogs.base import Dialog
from gui.views.dialogs.conflict import ConflictDialog
from gui.views.dialogs.sign_in import SignInCard
from gui.views.dialogs.trust import ChangedKeyCard, TrustCard
from protocol import Fingerprint, Ref
from tests.gui.conftest import Hand, sign_in
from tests.support.server_process import ServerProcess

pytestmark = [pytest.mark.display, pytest.mark.timeout(180)]


def write(path: Path, content: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def put(session: Session, folder: str, tmp_path: Path, *names: str) -> None:
    from client.transfer import TransferEngine

    files = [write(tmp_path / "put" / name, f"content of {name}") for name in names]
    with TransferEngine(session) as engine:
        assert engine.upload(files, folder).wait(30)


# --- Signing in ---------------------------------------------------------------------------------------------------


def test_the_first_start_asks_for_the_password_then_shows_the_fingerprint_then_the_files(
    signed_out: Hand, server: ServerProcess, home: Path
) -> None:
    hand = signed_out
    card = hand.app.gate.card
    assert isinstance(card, SignInCard)
    assert card.server.get() == server.address
    hand.click(card.password)
    hand.type("user123")
    hand.click(card.submit)
    hand.wait(lambda: isinstance(hand.app.gate.card, TrustCard), what="the fingerprint")
    trust = hand.app.gate.card
    assert isinstance(trust, TrustCard)
    assert trust.trust.instate(["disabled"]), "trusting takes the tick first"
    hand.click(trust.check, x=12)
    assert trust.trust.instate(["!disabled"])
    hand.click(trust.trust)
    hand.wait(lambda: hand.app.workspace is not None)
    hand.wait(lambda: not hand.app.gate.shown)
    assert "user1" in hand.app.root.title()


def test_a_server_that_is_not_trusted_is_not_entered(signed_out: Hand) -> None:
    hand = signed_out
    card = hand.app.gate.card
    assert isinstance(card, SignInCard)
    hand.click(card.password)
    hand.type("user123")
    hand.press("Return")
    hand.wait(lambda: isinstance(hand.app.gate.card, TrustCard))
    hand.press("Escape")
    hand.wait(lambda: isinstance(hand.app.gate.card, SignInCard))
    assert hand.app.workspace is None


def test_a_wrong_password_is_told_in_the_form_and_can_be_corrected(signed_out: Hand) -> None:
    hand = signed_out
    card = hand.app.gate.card
    assert isinstance(card, SignInCard)
    hand.click(card.password)
    hand.type("wrong")
    hand.press("Return")
    hand.wait(lambda: "Wrong user name or password" in str(card._problem.cget("text")), what="the reason")
    assert card.password.instate(["!disabled"])
    hand.press("ctrl+a")
    hand.type("user123")
    hand.press("Return")
    hand.wait(lambda: isinstance(hand.app.gate.card, TrustCard))


def test_a_server_that_does_not_answer_is_told_in_the_form(signed_out: Hand) -> None:
    hand = signed_out
    card = hand.app.gate.card
    assert isinstance(card, SignInCard)
    hand.click(card.server)
    hand.press("ctrl+a")
    hand.type("127.0.0.1:1")
    hand.click(card.password)
    hand.type("x")
    hand.press("Return")
    hand.wait(lambda: "check that the server runs" in str(card._problem.cget("text")), what="the reason")


def test_a_changed_key_blocks_and_replacing_it_takes_the_servers_name(
    signed_out: Hand, server: ServerProcess, tmp_path: Path
) -> None:
    address = Address.parse(server.address)
    store = TrustStore(signed_out.app._state_dir / "pins.json")
    other = Fingerprint.of(b"another key")
    store.pin(address, other)
    hand = signed_out
    card = hand.app.gate.card
    assert isinstance(card, SignInCard)
    hand.click(card.password)
    hand.type("user123")
    hand.press("Return")
    hand.wait(lambda: isinstance(hand.app.gate.card, ChangedKeyCard), what="the warning")
    warning = hand.app.gate.card
    assert isinstance(warning, ChangedKeyCard)
    assert hand.app.root.focus_get() is warning.disconnect, "Return by habit takes the safe way"
    hand.click(warning.replace)
    assert store.pin_of(address).fingerprint == other  # type: ignore[union-attr]
    hand.click(warning.typed)
    hand.type("127.0.0.1")
    hand.wait(lambda: warning.replace.instate(["!disabled"]))
    hand.click(warning.replace)
    hand.wait(lambda: hand.app.workspace is not None, what="the workspace")
    assert store.pin_of(address).fingerprint != other  # type: ignore[union-attr]


def test_disconnecting_from_a_changed_key_keeps_the_old_pin(
    signed_out: Hand, server: ServerProcess, tmp_path: Path
) -> None:
    address = Address.parse(server.address)
    store = TrustStore(signed_out.app._state_dir / "pins.json")
    other = Fingerprint.of(b"another key")
    store.pin(address, other)
    hand = signed_out
    card = hand.app.gate.card
    assert isinstance(card, SignInCard)
    hand.click(card.password)
    hand.type("user123")
    hand.press("Return")
    hand.wait(lambda: isinstance(hand.app.gate.card, ChangedKeyCard))
    hand.press("Return")
    hand.wait(lambda: isinstance(hand.app.gate.card, SignInCard))
    assert store.pin_of(address).fingerprint == other  # type: ignore[union-attr]


def test_without_a_keyring_keeping_the_password_is_refused_with_the_reason(signed_out: Hand) -> None:
    hand = signed_out
    card = hand.app.gate.card
    assert isinstance(card, SignInCard)
    hand.wait(lambda: "no keyring" in str(card._keep_why.cget("text")), what="the reason")
    assert card._keep_box.instate(["disabled"])


def test_signing_out_returns_to_the_form(hand: Hand) -> None:
    hand.app.run_command(Command.SIGN_OUT)
    hand.wait(lambda: isinstance(hand.app.gate.card, SignInCard))
    assert hand.app.workspace is None
    sign_in(hand)
    assert hand.space.browser.place.path == "/"


# --- Files --------------------------------------------------------------------------------------------------------


def test_dropped_files_and_folders_are_uploaded_shown_and_come_back_equal(hand: Hand, tmp_path: Path) -> None:
    picture = tmp_path / "in" / "Ferien bilder" / "hero {1} ü.png"
    picture.parent.mkdir(parents=True)
    Image.new("RGB", (400, 300), "navy").save(picture)
    note = write(tmp_path / "in" / "notes.md", "# Hello\n\nsome **text**\n")
    hand.app._dropped((picture.parent, note), 0, 0)
    hand.wait(lambda: hand.names() == ["Ferien bilder", "notes.md"], what="both in the list")
    hand.wait(lambda: not hand.space.transfers.unfinished)
    hand.click_row("Ferien bilder", times=2)
    hand.wait(lambda: hand.names() == [picture.name], what="the folder's content")
    hand.press("alt+Up")
    hand.wait(lambda: "notes.md" in hand.names())
    hand.app.window.files.moves.select_all()
    hand.press("ctrl+d")
    hand.wait(lambda: (hand.downloads / "notes.md").exists() and not hand.space.transfers.unfinished)
    assert (hand.downloads / "notes.md").read_bytes() == note.read_bytes()
    assert (hand.downloads / "Ferien bilder" / picture.name).read_bytes() == picture.read_bytes()


def test_an_upload_shows_in_the_panel_and_then_among_the_completed(hand: Hand, tmp_path: Path) -> None:
    write(tmp_path / "big.bin", os.urandom(6_000_000))
    hand.space.transfers.set_limit(1_000_000)
    hand.space.orders.upload([tmp_path / "big.bin"])
    hand.wait(lambda: hand.app.window.transfers_shown, what="the panel")
    board = hand.space.transfers.board
    assert board.active[0].title == "big.bin"
    hand.wait(lambda: (hand.space.transfers.board.active[0].fraction or 0) > 0.1, what="progress")
    hand.space.transfers.set_limit(None)
    hand.wait(lambda: hand.space.transfers.board.completed, what="the end")
    assert hand.app.window.transfers.tab == "completed"


def test_a_transfer_is_paused_goes_on_and_is_cancelled_by_the_buttons_of_its_row(hand: Hand, tmp_path: Path) -> None:
    write(tmp_path / "big.bin", os.urandom(5_000_000))
    hand.space.transfers.set_limit(300_000)
    hand.space.orders.upload([tmp_path / "big.bin"])
    hand.wait(lambda: hand.app.window.transfers_shown)
    rows = hand.app.window.transfers.rows
    columns = rows._columns(rows.winfo_width())
    hand.click(rows, columns.first_button, 23)
    hand.wait(lambda: hand.space.transfers.board.active[0].phase == "paused", what="the pause")
    hand.click(rows, columns.first_button, 23)
    hand.wait(lambda: hand.space.transfers.board.active[0].phase == "running", what="going on")
    hand.click(rows, columns.second_button, 23)
    hand.wait(lambda: not hand.space.transfers.board.active, what="the cancellation")
    assert hand.space.transfers.board.failed[0].phase == "cancelled"
    assert hand.names() == []


def test_a_file_that_cannot_be_read_stands_among_the_failed_with_its_reason(hand: Hand, tmp_path: Path) -> None:
    hand.space.orders.upload([tmp_path / "not-there.txt"])
    hand.wait(lambda: hand.space.transfers.board.failed, what="the failure")
    row = hand.space.transfers.board.failed[0]
    assert row.title == "not-there.txt"
    assert row.note
    hand.wait(lambda: hand.app.window.transfers_shown)


def test_a_new_folder_is_made_renamed_and_deleted_by_keys(hand: Hand, session: Session, folder: str) -> None:
    hand.press("ctrl+shift+n")
    hand.wait(lambda: hand.dialog(Dialog) is not None)
    hand.press("ctrl+a")
    hand.type("first")
    hand.press("Return")
    hand.wait(lambda: hand.names() == ["first"], what="the new folder")
    hand.wait(hand.app.window.files.selected, what="its selection")
    hand.app.window.files.take_focus()
    hand.press("F2")
    hand.wait(lambda: hand.dialog(Dialog) is not None)
    hand.press("ctrl+a")
    hand.type("second")
    hand.press("Return")
    hand.wait(lambda: hand.names() == ["second"], what="the new name")
    hand.app.window.files.take_focus()
    hand.press("Delete")
    hand.wait(lambda: hand.dialog(Dialog) is not None, what="the question")
    hand.press("Return")
    hand.wait(lambda: hand.dialog(Dialog) is None)
    assert hand.names() == ["second"], "Return by habit does no harm"
    hand.app.window.files.take_focus()
    hand.press("Delete")
    hand.wait(lambda: hand.dialog(Dialog) is not None)
    hand.press("Tab", "Return")
    hand.wait(lambda: hand.names() == [], what="the deletion")
    assert session.api.list_folder(folder) == []


def test_a_name_that_is_not_allowed_is_refused_while_it_is_typed(hand: Hand) -> None:
    hand.press("ctrl+shift+n")
    hand.wait(lambda: hand.dialog(Dialog) is not None)
    hand.press("ctrl+a")
    hand.type("a/b")
    dialog = hand.dialog(Dialog)
    assert isinstance(dialog, Dialog)
    hand.press("Return")
    hand.app.root.update()
    assert hand.dialog(Dialog) is not None
    dialog.cancel()


def test_what_another_client_changes_shows_within_a_second(
    hand: Hand, session: Session, folder: str, tmp_path: Path
) -> None:
    put(session, folder, tmp_path, "theirs.txt")
    began = time.monotonic()
    hand.wait(lambda: hand.names() == ["theirs.txt"], 5, what="their file")
    entry = session.api.list_folder(folder)[0]
    session.api.move(Ref(node=entry.node), f"{folder}/renamed.txt")
    hand.wait(lambda: hand.names() == ["renamed.txt"], 5, what="the new name")
    session.api.delete([f"{folder}/renamed.txt"])
    hand.wait(lambda: hand.names() == [], 5, what="the deletion")
    assert time.monotonic() - began < 5


def test_a_folder_deleted_by_others_while_it_is_shown_leads_to_the_one_above(
    hand: Hand, session: Session, folder: str
) -> None:
    session.api.delete([folder])
    hand.wait(lambda: hand.space.browser.place.path == "/", what="the folder above")
    assert "was deleted" in hand.app.window.toast.text


def test_a_folder_renamed_by_others_while_it_is_shown_keeps_its_rows_and_changes_its_name(
    hand: Hand, session: Session, folder: str, tmp_path: Path
) -> None:
    put(session, folder, tmp_path, "a.txt")
    hand.row("a.txt")
    session.api.move(folder, folder + "-new")
    hand.wait(lambda: hand.space.browser.place.path == folder + "-new", what="the new name")
    assert hand.names() == ["a.txt"]


def test_cut_and_paste_moves_and_copying_beside_the_original_numbers_the_copy(
    hand: Hand, session: Session, folder: str, tmp_path: Path
) -> None:
    put(session, folder, tmp_path, "a.txt")
    session.api.make_folder(f"{folder}/sub")
    hand.click_row("a.txt")
    hand.press("ctrl+c", "ctrl+v")
    hand.wait(lambda: "a (2).txt" in hand.names(), what="the copy")
    hand.click_row("a.txt")
    hand.press("ctrl+x")
    hand.click_row("sub", times=2)
    hand.wait(lambda: hand.space.browser.place.path == f"{folder}/sub")
    hand.press("ctrl+v")
    hand.wait(lambda: hand.names() == ["a.txt"], what="the moved file")
    assert sorted(e.name for e in session.api.list_folder(folder)) == ["a (2).txt", "sub"]


# --- The overwrite question ---------------------------------------------------------------------------------------


def ask_conflict(hand: Hand, session: Session, folder: str, tmp_path: Path) -> Path:
    put(session, folder, tmp_path, "same.txt")
    hand.row("same.txt")
    mine = write(tmp_path / "mine" / "same.txt", "mine")
    hand.space.orders.upload([mine])
    hand.wait(lambda: hand.dialog(ConflictDialog) is not None, what="the question")
    hand.wait(lambda: bool(hand.dialog(ConflictDialog).winfo_viewable()))  # type: ignore[union-attr]
    return mine


def answer(hand: Hand, label: str) -> None:
    dialog = hand.dialog(ConflictDialog)
    assert dialog is not None
    todo = list(dialog.winfo_children())
    while todo:
        widget = todo.pop()
        if widget.winfo_class() == "TButton" and widget.cget("text") == label:
            hand.click(widget)
            return
        todo += widget.winfo_children()
    pytest.fail(f"no button {label}")


@pytest.mark.parametrize(
    ("label", "names", "content"),
    [
        ("Replace", ["same.txt"], b"mine"),
        ("Skip", ["same.txt"], b"content of same.txt"),
        ("Keep both", ["same.txt", "same (2).txt"], b"content of same.txt"),
        ("Cancel", ["same.txt"], b"content of same.txt"),
    ],
)
def test_the_overwrite_question_does_what_its_buttons_say(
    hand: Hand, session: Session, folder: str, tmp_path: Path, label: str, names: list[str], content: bytes
) -> None:
    ask_conflict(hand, session, folder, tmp_path)
    answer(hand, label)
    hand.wait(lambda: not hand.space.transfers.unfinished, what="the end of the transfer")
    hand.wait(lambda: sorted(hand.names()) == sorted(names), what="the list")
    entry = next(e for e in session.api.list_folder(folder) if e.name == "same.txt")
    assert session.api.read_range(entry) == content
    if label == "Skip":
        hand.wait(lambda: hand.space.transfers.board.completed, what="all skipped to be a success")


# --- Previews -----------------------------------------------------------------------------------------------------


def test_pictures_and_code_are_previewed_beside_the_list(hand: Hand, tmp_path: Path) -> None:
    Image.new("RGB", (640, 480), "teal").save(tmp_path / "p.png")
    write(tmp_path / "code.py", "def hello():\n    return 1\n")
    hand.space.orders.upload([tmp_path / "p.png", tmp_path / "code.py"])
    hand.click_row("p.png")
    pane = hand.space.viewer.pane
    hand.wait(lambda: isinstance(pane.shown.block, PictureBlock), what="the picture")
    hand.click_row("code.py")
    hand.wait(lambda: isinstance(pane.shown.block, TextBlock), what="the code")
    text = hand.app.window.details.preview._text.text
    hand.wait(lambda: "def hello" in text.get("1.0", "end"))
    assert "keyword" in text.tag_names("1.0")


def test_space_opens_a_large_preview_and_arrows_walk_through_the_files(hand: Hand, tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        write(tmp_path / name, f"this is {name}")
    hand.space.orders.upload([tmp_path / "a.txt", tmp_path / "b.txt"])
    hand.row("b.txt")
    hand.click_row("a.txt")
    hand.press("space")
    hand.wait(lambda: hand.space.viewer.large_window is not None)
    large = hand.space.viewer.large
    hand.wait(lambda: large.shown.block is not None and large.shown.entry.name == "a.txt", what="a.txt")
    window = hand.space.viewer.large_window
    assert window is not None
    hand.wait(lambda: str(hand.app.root.focus_displayof() or "").startswith(str(window)), what="its focus")
    hand.press("Right")
    hand.wait(lambda: large.shown.block is not None and large.shown.entry.name == "b.txt", what="b.txt")
    hand.press("space")
    hand.wait(lambda: hand.space.viewer.large_window is None)


def test_a_kind_without_a_preview_says_so(hand: Hand, tmp_path: Path) -> None:
    hand.space.orders.upload([write(tmp_path / "x.exe", b"MZ\0\0"), write(tmp_path / "odd.xyz", b"\0\1\2" * 50)])
    for name in ("x.exe", "odd.xyz"):
        hand.click_row(name)
        hand.wait(
            lambda: "no preview" in getattr(hand.space.viewer.pane.shown.block, "reason", ""), what="the sentence"
        )


# --- The list -----------------------------------------------------------------------------------------------------


def test_a_click_on_a_heading_sorts_and_a_second_one_turns_the_order_round(
    hand: Hand, session: Session, folder: str, tmp_path: Path
) -> None:
    put(session, folder, tmp_path, "file10.txt", "file2.txt", "Alpha.txt")
    session.api.make_folder(f"{folder}/zoo")
    hand.wait(lambda: hand.names() == ["zoo", "Alpha.txt", "file2.txt", "file10.txt"], what="natural order")
    tree = hand.app.window.files.tree
    hand.click(tree, 60, 12)
    hand.wait(lambda: hand.names() == ["zoo", "file10.txt", "file2.txt", "Alpha.txt"], what="the other way round")
    size_at = int(tree.column("#0", "width")) + 20
    hand.click(tree, size_at, 12)
    hand.wait(lambda: hand.space.browser.listing.sort.column == "size")
    assert hand.names()[0] == "zoo"


def test_home_end_shift_and_typing_move_through_the_list(
    hand: Hand, session: Session, folder: str, tmp_path: Path
) -> None:
    put(session, folder, tmp_path, "apple.txt", "banana.txt", "berry.txt", "cherry.txt")
    hand.row("cherry.txt")
    files = hand.app.window.files
    files.take_focus()

    def chosen() -> list[str]:
        return [entry.name for entry in files.selected()]

    hand.press("End")
    hand.wait(lambda: chosen() == ["cherry.txt"])
    hand.press("Home")
    hand.wait(lambda: chosen() == ["apple.txt"])
    hand.press("shift+Down", "shift+Down")
    hand.wait(lambda: chosen() == ["apple.txt", "banana.txt", "berry.txt"])
    hand.press("shift+Up")
    hand.wait(lambda: chosen() == ["apple.txt", "banana.txt"])
    hand.press("shift+End")
    hand.wait(lambda: len(chosen()) == 4)
    hand.press("b")
    hand.wait(lambda: chosen() == ["banana.txt"], what="the first b")
    hand.press("e")
    hand.wait(lambda: chosen() == ["berry.txt"], what="be")
    hand.press("ctrl+a")
    hand.wait(lambda: len(chosen()) == 4)


def test_the_search_field_filters_and_escape_shows_all_again(
    hand: Hand, session: Session, folder: str, tmp_path: Path
) -> None:
    put(session, folder, tmp_path, "one.txt", "two.txt")
    hand.row("two.txt")
    hand.press("ctrl+f")
    hand.type("TW")
    hand.wait(lambda: hand.names() == ["two.txt"])
    hand.type("qq")
    hand.wait(hand.app.window.placeholder.winfo_ismapped, what="nothing found")
    hand.press("Escape")
    hand.wait(lambda: hand.names() == ["one.txt", "two.txt"])


def test_delete_and_ctrl_a_in_the_search_field_belong_to_the_field(
    hand: Hand, session: Session, folder: str, tmp_path: Path
) -> None:
    put(session, folder, tmp_path, "one.txt")
    hand.click_row("one.txt")
    hand.press("ctrl+f")
    hand.type("on")
    hand.press("ctrl+a", "Delete")
    hand.app.root.update()
    assert hand.dialog(Dialog) is None
    assert hand.app.window.toolbar.search.entry.get() == ""


def test_a_typed_path_goes_there_and_a_wrong_one_is_explained(hand: Hand, session: Session, folder: str) -> None:
    session.api.make_folder(f"{folder}/deep")
    hand.press("ctrl+l")
    hand.press("ctrl+a")
    hand.type(f"{folder}/deep")
    hand.press("Return")
    hand.wait(lambda: hand.space.browser.place.path == f"{folder}/deep", what="the typed folder")
    hand.press("alt+Left")
    hand.wait(lambda: hand.space.browser.place.path == folder, what="back")
    hand.press("alt+Right")
    hand.wait(lambda: hand.space.browser.place.path == f"{folder}/deep", what="forward")
    hand.press("ctrl+l")
    hand.press("ctrl+a")
    hand.type("/nowhere")
    hand.press("Return")
    hand.wait(lambda: "Cannot go to" in hand.app.window.toast.text, what="the explanation")


def test_f6_walks_through_the_panes(hand: Hand) -> None:
    window = hand.app.window
    window.show_transfers(True)
    hand.app.root.update()
    seen = []
    for _ in range(4):
        seen.append(str(hand.app.root.focus_get()))
        hand.press("F6")
    assert len(set(seen)) == 4, seen


def test_twenty_thousand_rows_fill_without_stalling_the_window(hand: Hand) -> None:
    from gui.model import Listing
    from protocol import Entry

    rows = tuple(
        Entry(node=10_000 + n, parent=1, name=f"file {n:05}.txt", kind="file", revision="1", size=n)
        for n in range(20_000)
    )
    ticks: list[float] = []

    def tick() -> None:
        ticks.append(time.perf_counter())
        hand.app.root.after(1, tick)

    tick()
    place = hand.space.browser.place
    hand.app.window.show_listing(Listing(place.child(9, "many"), rows, len(rows), phase="ready"))
    hand.wait(lambda: len(hand.app.window.files.tree.get_children()) == len(rows), 30, what="all rows")
    gaps = [later - earlier for earlier, later in itertools.pairwise(ticks)]
    # 8 ms a slice; the bound leaves room for a machine that runs other things too.
    assert max(gaps) < 2.0, max(gaps)  # UX asks for 0.01; this bound only finds a fill in one piece
    hand.space.browser.refresh()


# --- Away and back ------------------------------------------------------------------------------------------------


def test_theme_and_panes_are_remembered(hand: Hand) -> None:
    hand.app.run_command(Command.THEME)
    hand.app.run_command(Command.DETAILS_PANE)
    assert hand.app.theme.mode == "dark"
    assert not hand.app.window.details_shown
    hand.wait(lambda: not choices.load(hand.app._state_dir).details, what="the choices on the disk")
    assert choices.load(hand.app._state_dir).theme == "dark"
    hand.app.run_command(Command.DETAILS_PANE)


@pytest.mark.allows_errors("provokes an error in a callback")
def test_an_error_in_a_callback_is_logged_and_shown(hand: Hand, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> None:
        raise ValueError("planted")

    hand.app.root.after(1, broken)
    hand.wait(lambda: hand.app.window.banner.notice is not None and "went wrong" in hand.app.window.banner.notice.text)
    assert "ValueError: planted" in caplog.text
    hand.app.bridge.post(broken)
    hand.wait(lambda: caplog.text.count("ValueError: planted") >= 2)


def test_closing_during_a_transfer_asks_first(hand: Hand, tmp_path: Path) -> None:
    write(tmp_path / "big.bin", os.urandom(5_000_000))
    hand.space.transfers.set_limit(200_000)
    hand.space.orders.upload([tmp_path / "big.bin"])
    hand.wait(lambda: hand.space.transfers.board.active)
    hand.app.close()
    hand.wait(lambda: hand.dialog(Dialog) is not None, what="the question")
    dialog = hand.dialog(Dialog)
    assert isinstance(dialog, Dialog)
    dialog.cancel()
    assert hand.app.workspace is not None
