"""The window when the server goes away and comes back, and when the session ends."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import keyring
import pytest

from sfos.client.address import Address
from sfos.client.net.trust import ACCEPT_NEW, Trust, TrustStore
from sfos.client.options import ClientOptions
from sfos.client.session import keyring_store
from sfos.client.session.session import Session
from sfos.gui.signing_in.new_password import PasswordDialog
from sfos.gui.signing_in.sign_in_card import SignInCard
from tests.gui.conftest import PASSWORD, USER, Hand
from tests.support.memory_keyring import MemoryKeyring
from tests.support.server_process import CHECKOUT, ServerProcess, environment, run, running_server

pytestmark = [pytest.mark.display, pytest.mark.timeout(180)]


def test_an_absent_server_is_told_and_counted_down_and_its_return_noticed(
    own_home: Path, enter: Callable[[str], Hand]
) -> None:
    with running_server(own_home) as server:
        hand = enter(server.address)
        port = Address.parse(server.address, 1).port
        banner = hand.app.window.offline_banner
        server.process.kill()
        hand.wait(lambda: banner.notice is not None and "Trying again in" in banner.notice.text, what="the banner")
        assert any("Offline" in words for words in hand.words(hand.app.window.status))
    with running_server(own_home, port=port) as server:
        banner.invoke()
        hand.wait(lambda: banner.notice is None, 30, what="the connection")
        assert any("Connected" in words for words in hand.words(hand.app.window.status))
        done = server.cli("mkdir", "/made-while-you-watched")
        assert done.returncode == 0, done.stderr
        hand.wait(lambda: "made-while-you-watched" in hand.names(), what="what changed since")
        hand.leave()
        hand.wait(lambda: not hand.app.bridge.alive())


def test_a_password_changed_elsewhere_ends_the_session_with_a_reason(
    own_home: Path, enter: Callable[[str], Hand], tmp_path: Path
) -> None:
    with running_server(own_home) as server:
        hand = enter(server.address)
        trust = Trust(TrustStore(tmp_path / "other.json"), ACCEPT_NEW)
        with Session.sign_in(Address.parse(server.address, 1), USER, PASSWORD, trust, ClientOptions()) as other:
            other.change_password(PASSWORD, "a much longer password")
            hand.wait(lambda: isinstance(hand.app.gate.card, SignInCard), what="the form")
            card = hand.app.gate.card
            assert isinstance(card, SignInCard)
            assert card.notice is not None and "ended" in card.notice.text
            hand.wait(lambda: not hand.app.bridge.alive())
            other.logout()


def test_the_first_password_is_complained_of_and_changed_in_the_window(
    own_home: Path, enter: Callable[[str], Hand], request: pytest.FixtureRequest
) -> None:
    with running_server(own_home) as server:
        hand = enter(server.address)
        request.addfinalizer(functools.partial(keyring.set_keyring, keyring.get_keyring()))
        keyring.set_keyring(MemoryKeyring())
        keyring_store.put(USER, hand.space.session.address, PASSWORD)
        banner = hand.app.window.banner
        assert banner.notice is not None and "first password" in banner.notice.text
        banner.invoke()
        hand.wait(lambda: hand.dialog(PasswordDialog) is not None, what="the dialog")
        dialog = hand.dialog(PasswordDialog)
        assert isinstance(dialog, PasswordDialog)
        hand.wait(lambda: hand.app.root.focus_get() is dialog.old, what="its focus")
        hand.type("user123")
        hand.press("Tab")
        hand.type("short")
        hand.press("Tab")
        hand.type("short")
        hand.press("Return")
        hand.wait(lambda: dialog.fields.verdict.problems, what="the refusal")
        dialog.fields.new.delete(0, "end")
        dialog.fields.again.delete(0, "end")
        for entry in (dialog.fields.new, dialog.fields.again):
            hand.click(entry)
            hand.type("a much longer password")
        hand.press("Return")
        hand.wait(lambda: hand.dialog(PasswordDialog) is None, what="the change")
        assert banner.notice is None
        assert server.cli("ls", "/", password="a much longer password").returncode == 0
        assert keyring_store.get(USER, hand.space.session.address) == "a much longer password"
        hand.leave()
        hand.wait(lambda: not hand.app.bridge.alive())


@pytest.fixture
def empty_screen(monkeypatch: pytest.MonkeyPatch, display: str) -> Iterator[None]:
    """A screen on which no other window takes the keys."""
    read_end, write_end = os.pipe()
    command = ["Xvfb", "-displayfd", str(write_end), "-screen", "0", "1400x900x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=(write_end,), stderr=subprocess.DEVNULL) as screen:
        os.close(write_end)
        with os.fdopen(read_end) as answer:
            monkeypatch.setenv("DISPLAY", ":" + answer.readline().strip())
        yield
        screen.terminate()


def test_the_entry_script_opens_a_window_that_signs_in_and_ends_with_zero(
    server: ServerProcess, empty_screen: None, tmp_path: Path, wait_until: Callable[..., None]
) -> None:
    (tmp_path / "user").mkdir()
    user, password = "scripted", "chosen by its user"  # who is not asked for another password
    added = run(server.home, "create_credentials.py", "add", user, "--password-stdin", stdin=f"{password}\n")
    assert added.returncode == 0, added.stderr
    # The command line and the window share their pins.
    listed = run(tmp_path, "cli_client.py", "--server", server.address, "--user", user, "--accept-new-key", "ls", "/",
                 extra={"SFOS_PASSWORD": password})  # fmt: skip
    assert listed.returncode == 0, listed.stderr
    extra = {"DISPLAY": os.environ["DISPLAY"], "SFOS_CLIENT_SERVER": server.address}
    with subprocess.Popen(
        [sys.executable, "gui_client.py", "--user", user, "--theme", "dark"],
        cwd=CHECKOUT, env=environment(tmp_path, extra), stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip

        def find(name: str) -> str:
            command = ["xdotool", "search", "--onlyvisible", "--pid", str(process.pid), "--name", name]
            return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

        try:
            wait_until(lambda: find("SFOS"), 30, what="the window")
            window = find("SFOS").splitlines()[0]
            subprocess.run(["xdotool", "windowfocus", "--sync", window], check=True)
            subprocess.run(["xdotool", "type", "--delay", "20", password], check=True)
            subprocess.run(["xdotool", "key", "Return"], check=True)
            wait_until(lambda: find(f"{user}@"), 30, what="the window of the account")
            subprocess.run(["xdotool", "key", "ctrl+q"], check=True)
            assert process.wait(20) == 0
            left = run(tmp_path, "cli_client.py", "--server", server.address, "--user", user, "sessions", "--json")
            assert left.returncode == 0, left.stderr
            (own,) = map(json.loads, left.stdout.splitlines())  # of the command line; the window left none
            assert own["current"]
        finally:
            if process.poll() is None:
                process.kill()
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_without_a_display_the_entry_script_says_so_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "user").mkdir()
    done = run(tmp_path, "gui_client.py", extra={"DISPLAY": ":987"})
    assert done.returncode == 1
    assert done.stderr.startswith("gui_client: no display to open a window on")
    assert len(done.stderr.splitlines()) == 1


def test_wrong_settings_are_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "user").mkdir()
    done = run(tmp_path, "gui_client.py", "--set", "client.theme=pink")
    assert done.returncode == 2
    assert "client.theme" in done.stderr and "pink" in done.stderr
