"""Commands of the window: each can be given at some time, by all that leads to it, and does something."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sfos.client.session.session import Session
from sfos.gui.account import commands as account_commands
from sfos.gui.commands import AnyCommand, Command, MenuName, Offer, rows_of
from sfos.gui.files import commands as files_commands
from sfos.gui.files.commands import FilesState
from sfos.gui.model import FolderPath, Listing, Selection
from sfos.gui.shell import commands as shell_commands
from sfos.gui.shell.main_window import WindowState
from sfos.gui.widgets.menus import command_menu
from sfos.protocol import Entry
from tests.gui.conftest import Hand, put

ROOMS = (shell_commands, files_commands, account_commands)
MENUS: tuple[MenuName, ...] = ("go", "tools", "upload", "selection", "folder", "settings")
EVERY = [command for room in ROOMS for command in room.COMMANDS]


def files_states() -> Iterator[FilesState]:
    """States that the list can be in, as far as commands care."""
    file = Entry(node=2, parent=1, name="a", kind="file", revision="1")
    folder = Entry(node=3, parent=1, name="b", kind="folder", revision="1")
    for way, entries, can_paste in itertools.product(
        (FolderPath(), FolderPath().child(3, "folder")), ((), (file,), (folder,), (file, folder)), (False, True)
    ):
        yield FilesState(Listing(way), Selection(entries), can_paste, can_paste)


STATES: dict[ModuleType, Sequence[Any]] = {
    shell_commands: [WindowState(*bits) for bits in itertools.product((False, True), repeat=7)],
    files_commands: list(files_states()),
    account_commands: [object()],
}


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: str(room.__name__))
def test_every_command_of_a_room_is_in_its_list_and_can_be_given_in_some_state(room: ModuleType) -> None:
    made = {value.id for value in vars(room).values() if isinstance(value, Command)}
    listed = {command.id for command in room.COMMANDS}
    assert made == listed, f"not in COMMANDS: {sorted(made - listed)}"
    never = [each.id for each in room.COMMANDS if not any(each.when(state) for state in STATES[room])]
    assert not never, f"grey for ever: {never}"


def test_no_two_commands_share_an_id_a_key_or_a_place_in_a_menu() -> None:
    from sfos.gui.look.icons import _code_points

    ids = [command.id for command in EVERY]
    assert len(ids) == len(set(ids))
    keys = [key for command in EVERY for key in (*command.keys, *command.list_keys)]
    assert len(keys) == len(set(keys))
    for menu in MENUS:
        numbers = [command.at[menu] for command in EVERY if menu in command.at]
        assert len(numbers) == len(set(numbers)), menu
    assert all(command.icon in _code_points() for command in EVERY)
    unreachable = [command.id for command in EVERY if not command.keys and not command.at]
    assert not unreachable


def test_a_menu_has_its_rows_in_order_with_lines_between_groups() -> None:
    rows = [command.id if command else None for command in rows_of(files_commands.COMMANDS, "selection")]
    assert rows == [
        "open", "preview", None, "download", "download_to", None, "cut", "copy", "copy_path", None, "rename", "delete",
        None, "details",
    ]  # fmt: skip
    settings = [command.id if command else None for command in rows_of(EVERY, "settings")]
    assert settings == [
        "settings", None, "theme", "contrast", "text_larger", "text_smaller", None,
        "side_pane", "details_pane", "transfers", None,
        "sessions", "change_password", "sign_out", None, "help", "quit",
    ]  # fmt: skip


def test_what_cannot_be_done_now_is_not_done() -> None:
    done: list[str] = []
    state: list[bool] = []
    command = Command[bool, list[str]]("x", "X", lambda possible: possible, lambda words: words.append("x"))
    offer = Offer((command,), lambda: state[-1] if state else None, lambda: done)
    for now in (None, False, True):
        if now is not None:
            state.append(now)
        offer.run(command)
        assert (command in offer.possible()) == bool(now)
    assert done == ["x"]


class Touched:
    """Stands for whoever carries commands out, and knows what was called."""

    def __init__(self, calls: list[str], name: str = "") -> None:
        self._calls, self._name = calls, name

    def __getattr__(self, name: str) -> Touched:
        return Touched(self._calls, f"{self._name}.{name}")

    def __call__(self, *_values: object) -> None:
        self._calls.append(self._name)


@pytest.mark.parametrize("command", EVERY, ids=lambda command: str(command.id))
def test_a_command_calls_who_carries_it_out(command: AnyCommand) -> None:
    calls: list[str] = []
    command.do(Touched(calls))
    assert len(calls) == 1


def pressed(keys: str) -> str:
    """How xdotool spells `keys`."""
    *modifiers, key = keys.split("+")
    key = {"Backspace": "BackSpace"}.get(key, key.lower() if len(key) == 1 else key)
    return "+".join([*map(str.lower, modifiers), key])


@pytest.mark.display
@pytest.mark.timeout(180)
def test_every_key_button_and_menu_row_gives_its_command(
    hand: Hand, session: Session, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a state where all of them can be given; only that it arrives is tried here, so that none changes the state."""
    window, offers = hand.app.window, hand.app.window.offers
    put(session, folder, tmp_path, "a.txt")
    for name in ("one", "two"):
        session.api.make_folder(f"{folder}/{name}")
        hand.go(f"{folder}/{name}")
    hand.go(folder)
    hand.files.browser.go_back()
    hand.files.browser.go_back()
    hand.files.browser.go_back()
    hand.wait(lambda: hand.files.browser.folder.path == folder and hand.files.browser.listing.can_forward)
    hand.click_row("a.txt")
    hand.wait(lambda: hand.files.orders.selection.entries)
    hand.files.orders.copy()
    hand.files.operations.undo = lambda: None
    grey = {command.id for command in EVERY} - {command.id for command in offers.possible()}
    assert not grey

    given: list[str] = []

    def arrive(offer: Offer, command: AnyCommand) -> None:
        if command in offer.possible():
            given.append(command.id)

    monkeypatch.setattr(Offer, "run", arrive)
    for command in EVERY:
        for keys in (*command.keys, *command.list_keys):
            given.clear()
            hand.views.list.take_focus()
            hand.press(pressed(keys))
            hand.wait(lambda: given, 5, what=f"{command.id} by {keys}")
            assert given == [command.id], keys
    for menu in MENUS:
        rows = offers.of_menu(menu)
        shown = command_menu(hand.app.root, hand.app.theme, rows, offers.possible(), offers.run)
        given.clear()
        for index, row in enumerate(rows):
            if row is not None:
                shown.invoke(index)
        assert given == [row.id for row in rows if row is not None], menu
        shown.destroy()
    for menu in ("go", "tools"):
        for row in offers.of_menu(menu):
            if row is not None:
                given.clear()
                hand.click(window.toolbar.button(row))
                hand.wait(lambda: given, 5, what=f"{row.id} by its button")
                assert given == [row.id]
