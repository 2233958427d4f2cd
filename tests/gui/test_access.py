"""Signing in where more is asked or less is allowed: passwords that others gave, waits, sessions that were ended."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import keyring
import pytest

from sfos.client.address import Address
from sfos.client.administration import Administration
from sfos.client.net.trust import ACCEPT_NEW, Trust, TrustStore
from sfos.client.options import ClientOptions
from sfos.client.session import keyring_store
from sfos.client.session.session import Session
from sfos.gui.signing_in import presenter as access_module
from sfos.gui.signing_in.new_password import NewPasswordCard
from sfos.gui.signing_in.passwords import judge, requirements
from sfos.gui.signing_in.presenter import (
    AccessPresenter,
    AskNewPassword,
    AskSignIn,
    AskTrust,
    Entered,
    Step,
    ended_notice,
)
from sfos.gui.signing_in.sign_in_card import SignInCard
from sfos.gui.threads.bridge import TaskBridge
from sfos.gui.widgets.dialogs.base import Dialog
from sfos.protocol import LoginFailed, PasswordPolicy, SessionEnded, SessionRevoked, TooManyAttempts
from tests.gui.conftest import PASSWORD, SLOW, USER, Hand, keep_box, put, sign_in, write
from tests.gui.entrance import Entrance, entrance
from tests.support.memory_keyring import MemoryKeyring
from tests.support.server_process import ServerProcess

pytestmark = [pytest.mark.timeout(180)]

Settle = Callable[..., None]
GIVEN, OWN = "given by the administrator", "chosen by its user alone"
POLICY = PasswordPolicy()


@pytest.fixture
def trust(tmp_path: Path) -> Trust:
    return Trust(TrustStore(tmp_path / "access-pins.json"), ACCEPT_NEW)


@pytest.fixture
def admin(server: ServerProcess, trust: Trust) -> Iterator[Administration]:
    """An administrator of the server; what was held up is let go in the end."""
    with Session.sign_in(Address.parse(server.address), "admin", "admin123", trust, ClientOptions()) as session:
        yield Administration(session.api.caller, session.info.password_policy)
        Administration(session.api.caller, session.info.password_policy).lift()
        session.logout()


@pytest.fixture
def given(admin: Administration) -> Iterator[str]:
    """The name of an account whose password an administrator has just given."""
    name = f"new-{uuid4().hex[:6]}"
    admin.add(name, GIVEN)
    yield name
    admin.remove(name)


@pytest.fixture
def access(bridge: TaskBridge, trust: Trust, settle: Settle) -> Iterator[Entrance]:
    with entrance(bridge, trust, settle) as before_the_server:
        yield before_the_server


@pytest.fixture
def stranger(bridge: TaskBridge, settle: Settle, tmp_path: Path) -> Iterator[Entrance]:
    """On a computer that has never seen the server, and asks before it trusts one."""
    with entrance(bridge, Trust(TrustStore(tmp_path / "pins.json")), settle) as before_the_server:
        yield before_the_server


# --- The way in -------------------------------------------------------------------------------------------------------


def test_signing_in_takes_a_password_and_a_confirmed_fingerprint(
    stranger: Entrance, server: ServerProcess, tmp_path: Path
) -> None:
    presenter = stranger.presenter
    presenter.begin(server.address, USER)
    presenter.submit(server.address, USER, PASSWORD, False)
    asked = stranger.reach(AskTrust)
    assert not (tmp_path / "pins.json").exists()
    presenter.trust(asked.key)
    stranger.reach(AskNewPassword)
    presenter.postpone_password()
    stranger.now(Entered)
    pin = TrustStore(tmp_path / "pins.json").pin_of(Address.parse(server.address, 1))
    assert pin is not None and pin.fingerprint == asked.key.fingerprint


@pytest.mark.parametrize(
    ("server_text", "user", "password", "told"),
    [("not an address", "u", "p", "host:port"), ("h:1", "", "p", "user name"), ("h:1", "u", "", "password")],
)
def test_what_is_missing_is_told_without_asking_the_server(
    stranger: Entrance, server_text: str, user: str, password: str, told: str
) -> None:
    presenter = stranger.presenter
    presenter.submit(server_text, user, password, False)
    last = stranger.now(AskSignIn)
    assert told in (last.state.problem or "")
    assert not last.state.busy


def test_an_attempt_that_was_given_up_does_not_sign_in_later(
    stranger: Entrance, server: ServerProcess, settle: Settle, bridge: TaskBridge
) -> None:
    presenter = stranger.presenter
    presenter.begin(server.address, USER)
    presenter.submit(server.address, USER, PASSWORD, False)
    presenter.cancel()
    settle(lambda: not bridge.alive())
    assert not any(isinstance(step, Entered | AskTrust) for step in stranger.steps)


# --- A password that somebody else gave -----------------------------------------------------------------------------


def test_a_password_given_by_an_administrator_has_to_be_changed_before_one_is_let_in(
    access: Entrance, server: ServerProcess, given: str
) -> None:
    presenter = access.presenter
    presenter.submit(server.address, given, GIVEN, False)
    asked = access.reach(AskNewPassword)
    assert asked.state.forced
    assert GIVEN not in repr(asked), "the password does not get into a log by way of the state"
    presenter.postpone_password()
    assert not access.entered, "it cannot be put off"
    presenter.choose_password(OWN)
    entered = access.reach(Entered)
    assert entered.session.api.list_folder("/") == []


def test_what_the_server_or_the_policy_refuses_stays_in_the_form(
    access: Entrance, server: ServerProcess, given: str, settle: Settle
) -> None:
    presenter = access.presenter
    presenter.submit(server.address, given, GIVEN, False)
    access.reach(AskNewPassword)
    presenter.choose_password("short")
    settle(lambda: isinstance(access.steps[-1], AskNewPassword) and access.steps[-1].state.problem)
    last = access.now(AskNewPassword)
    assert "at least 10 are needed" in last.state.problem and not last.state.busy
    presenter.refuse_password()
    access.now(AskSignIn)


def test_a_keyring_that_takes_its_time_does_not_bring_the_form_back(
    access: Entrance,
    server: ServerProcess,
    settle: Settle,
    bridge: TaskBridge,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    presenter = access.presenter
    answer, asked = threading.Event(), threading.Event()

    def refusal() -> str | None:
        asked.set()
        answer.wait(30)
        return "no keyring"

    monkeypatch.setattr(keyring_store, "refusal", refusal)
    presenter.begin(server.address, USER)
    settle(asked.is_set)
    monkeypatch.undo()
    presenter.submit(server.address, USER, PASSWORD, False)
    access.reach(AskNewPassword)
    answer.set()
    settle(lambda: not bridge.alive())
    bridge.drain()
    access.now(AskNewPassword)
    presenter.refuse_password()
    settle(lambda: not bridge.alive())


def test_the_first_password_may_be_kept_for_now(access: Entrance, server: ServerProcess) -> None:
    presenter = access.presenter
    presenter.submit(server.address, USER, PASSWORD, False)
    asked = access.reach(AskNewPassword)
    assert not asked.state.forced
    presenter.postpone_password()
    access.now(Entered)


def test_a_sign_in_given_up_late_keeps_no_password(
    access: Entrance,
    server: ServerProcess,
    settle: Settle,
    bridge: TaskBridge,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    presenter = access.presenter
    reached, given_up = threading.Event(), threading.Event()
    touched: list[str] = []

    def duty(session: Session) -> None:
        session.api.usage()
        reached.set()
        given_up.wait(30)

    monkeypatch.setattr(access_module, "_duty", duty)
    for verb in ("put", "forget"):
        monkeypatch.setattr(keyring_store, verb, lambda *_about, now=verb: touched.append(now))
    presenter.submit(server.address, USER, PASSWORD, True)
    settle(reached.is_set)
    presenter.cancel()
    given_up.set()
    settle(lambda: not bridge.alive())
    assert touched == []
    assert not access.entered


@pytest.mark.parametrize("late", [False, True], ids=["while it is asked for", "when it has come"])
def test_a_sign_in_given_up_leaves_no_session_open_on_the_server(
    access: Entrance,
    server: ServerProcess,
    settle: Settle,
    bridge: TaskBridge,
    admin: Administration,
    monkeypatch: pytest.MonkeyPatch,
    late: bool,
) -> None:
    presenter = access.presenter
    before = {one.id for one in admin.sessions(USER)}
    reached, given_up = threading.Event(), threading.Event()

    def duty(session: Session) -> None:
        session.api.usage()
        reached.set()
        if not late:
            given_up.wait(30)

    monkeypatch.setattr(access_module, "_duty", duty)
    presenter.submit(server.address, USER, PASSWORD, False)
    assert reached.wait(30)
    if late:  # its thread is done, and nobody has taken what it brings
        for thread in threading.enumerate():
            if thread.name == "gui-sign-in":
                thread.join(30)
    presenter.cancel()
    given_up.set()
    settle(lambda: not bridge.alive() and not {one.id for one in admin.sessions(USER)} - before)
    assert not access.entered


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (LoginFailed(), "changed from elsewhere"),
        (SessionEnded(), "The session has ended; sign in again."),
        (SessionRevoked("Ended by an administrator."), "Ended by an administrator."),
    ],
)
def test_why_a_new_password_came_too_late_is_told_as_it_is(access: Entrance, error: Exception, said: str) -> None:
    presenter = access.presenter
    presenter._not_chosen(error)
    last = access.now(AskSignIn)
    assert said in (last.state.problem or "")
    assert ("elsewhere" in (last.state.problem or "")) == isinstance(error, LoginFailed)


@pytest.mark.display
def test_the_window_asks_twice_says_why_not_while_one_types_and_goes_on(
    signed_out: Hand, server: ServerProcess, given: str
) -> None:
    hand = signed_out
    card = hand.app.gate.card
    assert isinstance(card, SignInCard)
    card.user.delete(0, "end")
    card.user.insert(0, given)
    sign_in(hand, GIVEN, later=False)
    ask = hand.app.gate.card
    assert isinstance(ask, NewPasswordCard)
    hand.wait(lambda: hand.app.root.focus_get() is ask.fields.new, what="the keyboard in the first field")
    before = ask.choose.winfo_rooty()
    hand.type("short")
    hand.wait(lambda: ask.fields.verdict.problems, what="what is wrong with it")
    hand.app.root.update()
    assert ask.choose.winfo_rooty() == before, "the button does not move away from under the mouse"
    hand.press("Return")
    assert hand.app.gate.card is ask
    hand.press("ctrl+a")
    hand.type(OWN)
    hand.press("Tab")
    hand.type(OWN[:5])
    hand.wait(lambda: ask.fields.again.get() == OWN[:5])
    assert ask.fields.verdict.problems == () and ask.choose.instate(["disabled"])
    hand.type(OWN[5:])
    hand.wait(lambda: ask.choose.instate(["!disabled"]), what="the button")
    hand.press("Return")
    hand.wait(lambda: hand.app.workspace is not None and not hand.app.gate.shown, what="the window")
    assert server.cli("ls", "/", user=given, password=OWN).returncode == 0


@pytest.mark.parametrize(
    ("new", "again", "said", "good"),
    [
        ("", "", (), False),
        ("short", "", ("It has 5 characters; at least 10 are needed.",), False),
        ("a long enough one", "", (), False),
        ("a long enough one", "a long", (), False),
        ("a long enough one", "a lung", ("The two fields differ.",), False),
        ("a long enough one", "a long enough one", (), True),
        ("the password of old", "the password of old", ("It is the password that you have now.",), False),
    ],
)
def test_a_new_password_is_judged_while_it_is_typed(new: str, again: str, said: tuple[str, ...], good: bool) -> None:
    verdict = judge(new, again, user="anna", policy=POLICY, old="the password of old")
    assert (verdict.problems, verdict.good) == (said, good)


def test_the_requirements_are_told_as_the_server_has_them() -> None:
    assert requirements(PasswordPolicy(min_length=8, min_distinct=1, refuse_common=False)) == (
        "At least 8 characters.",
    )
    assert "3 of:" in " ".join(requirements(PasswordPolicy(min_classes=3)))


# --- Too many attempts ----------------------------------------------------------------------------------------------


def test_a_wait_is_counted_down_and_then_one_may_try_again() -> None:
    now = [100.0]
    bridge = TaskBridge(lambda: now[0])
    steps: list[Step] = []
    presenter = AccessPresenter(bridge, lambda: pytest.fail("nobody asked"), ClientOptions(), steps.append)
    presenter._failed(TooManyAttempts(retry_after_s=61.3))
    told = []
    while True:
        last = steps[-1]
        assert isinstance(last, AskSignIn)
        if not last.state.held_up:
            break
        told.append((last.state.problem or "").rpartition(" in ")[2])
        due = bridge.next_due_s()
        assert due is not None
        now[0] += due + 0.001
        bridge.drain()
    assert told[:3] == ["1:02 min.", "1:01 min.", "1:00 min."] and told[-2:] == ["2 s.", "1 s."]
    assert len(told) == 62
    assert last.state.problem == "You can try again now."
    assert bridge.next_due_s() is None


def test_too_many_wrong_passwords_hold_up_the_button_and_another_server_frees_it(
    access: Entrance, server: ServerProcess, admin: Administration, settle: Settle
) -> None:
    presenter = access.presenter

    def held_up() -> bool:
        last = access.steps[-1]
        return isinstance(last, AskSignIn) and last.state.held_up

    for _ in range(12):  # how many are free is the server's business; each one more makes the wait longer
        presenter.submit(server.address, "nobody", "wrong", False)
        settle(lambda: isinstance(access.steps[-1], AskSignIn) and not access.steps[-1].state.busy)
        if held_up():
            break
    assert held_up()
    assert "possible again in" in (access.now(AskSignIn).state.problem or "")
    presenter.submit("", "nobody", "wrong", False)
    assert not held_up()


# --- Sessions that were ended ---------------------------------------------------------------------------------------


def test_the_end_of_a_session_says_by_whose_doing() -> None:
    revoked = ended_notice(SessionRevoked("The session has ended (ended by an administrator)."), kept=2)
    assert "by an administrator" in revoked.text and "and 2 unfinished transfers go on" in revoked.text
    one = ended_notice(SessionEnded(), kept=1).text
    assert "password is changed" in one and "and 1 unfinished transfer goes on" in one
    lost = ended_notice(LoginFailed(), kept=0).text
    assert "disabled" in lost and "come back to where you were." in lost


@pytest.mark.display
def test_a_long_reason_above_the_form_does_not_make_it_wider_not_even_for_a_moment(
    signed_out: Hand, server: ServerProcess
) -> None:
    hand = signed_out
    form = hand.app.gate.card
    assert isinstance(form, SignInCard)
    hand.app.root.update()
    width, widths = form.winfo_width(), set[int]()
    form.bind("<Configure>", lambda event: widths.add(event.width))
    hand.app.access.begin(server.address, USER, notice=ended_notice(LoginFailed(), kept=2), automatic=False)
    hand.wait(lambda: widths, what="a longer form")
    hand.wait(lambda: not hand.app.bridge.alive(), what="the keyring")
    assert hand.app.gate.card is form
    assert max(widths) < width + 10, "it would shrink back line by line, for a second or two"


@pytest.mark.display
def test_after_a_session_was_ended_one_signs_in_where_one_was_and_what_was_under_way_goes_on(
    fresh_hand: Hand, admin: Administration, session: Session, folder: str, tmp_path: Path, server: ServerProcess,
    trust: Trust,
) -> None:  # fmt: skip
    hand = fresh_hand
    put(session, folder, tmp_path, "a.txt", "b.txt", "c.txt")
    hand.click_row("b.txt")
    hand.wait(lambda: hand.files.orders.selection.entries, what="the selection")
    hand.files.orders.copy()
    hand.space.transfers.set_limit(SLOW)
    hand.files.orders.upload([write(tmp_path / "big.bin", bytes(range(256)) * 4_000)])
    hand.wait(lambda: hand.space.transfers.board.active, what="the transfer")
    space, was = hand.space, hand.files.browser.listing
    admin.end_sessions(USER)
    hand.wait(lambda: isinstance(hand.app.gate.card, SignInCard), what="the form")
    card = hand.app.gate.card
    assert isinstance(card, SignInCard)
    assert card.notice is not None and "by an administrator" in card.notice.text
    assert "1 unfinished transfer goes on" in card.notice.text
    assert not hand.app.window.frame.winfo_ismapped(), "nobody reads on while nobody is signed in"
    hand.press("ctrl+u", "Delete")  # keys of what is covered
    assert hand.dialog(Dialog) is None
    with Session.sign_in(Address.parse(server.address), USER, PASSWORD, trust, ClientOptions()) as other:
        put(other, folder, tmp_path, "meanwhile.txt")
        other.logout()
    hand.wait(lambda: not hand.app.bridge.alive(), what="the keyring, and the threads of what was broken off")
    hand.click(card.password)
    hand.type(PASSWORD)
    hand.press("Return")
    hand.wait(lambda: not hand.app.gate.shown, what="the way back in")
    assert hand.space is space
    assert hand.files.browser.folder == was.folder
    assert [entry.name for entry in hand.views.list.selected()] == ["b.txt"]
    assert hand.files.state.can_paste
    hand.wait(lambda: hand.app.root.focus_get() is hand.views.list.tree, what="the keyboard")
    hand.wait(lambda: "meanwhile.txt" in hand.names(), what="what was changed meanwhile")
    space.transfers.set_limit(None)
    hand.wait(lambda: "big.bin" in hand.names(), what="the end of the upload")
    hand.wait(lambda: space.transfers.board.completed, what="its row")
    assert any("Connected" in words for words in hand.words(hand.app.window.status))
    put(space.session, folder, tmp_path, "later.txt")
    hand.wait(lambda: "later.txt" in hand.names(), what="changes, as they happen")


@pytest.mark.display
def test_who_is_kept_signed_in_goes_on_by_itself_unless_somebody_ended_the_session(
    fresh_hand: Hand, folder: str, request: pytest.FixtureRequest
) -> None:
    hand = fresh_hand
    hand.wait(lambda: hand.app.bridge.alive() == ["gui-watch"], what="all but the watch")
    request.addfinalizer(functools.partial(keyring.set_keyring, keyring.get_keyring()))
    keyring.set_keyring(MemoryKeyring())
    keyring_store.put(USER, hand.space.session.address, PASSWORD)
    space, ticket = hand.space, hand.space.session.ticket
    hand.session_ended(SessionEnded())
    assert hand.app.gate.shown
    hand.wait(lambda: not hand.app.gate.shown, what="the way back in")
    assert hand.space is space and space.session.ticket != ticket
    assert hand.files.browser.folder.path == folder
    hand.session_ended(SessionRevoked())
    card = hand.app.gate.card
    assert isinstance(card, SignInCard)
    box = keep_box(hand, card)
    hand.wait(lambda: "disabled" not in box.state(), what="the keyring")
    assert hand.app.gate.shown and not card._busy, "a person wanted it to end"
    keyring_store.forget(USER, space.session.address)


@pytest.mark.display
def test_somebody_else_who_signs_in_after_a_session_has_ended_sees_nothing_of_it(
    fresh_hand: Hand, admin: Administration, server: ServerProcess
) -> None:
    hand = fresh_hand
    admin.end_sessions(USER)
    hand.wait(lambda: isinstance(hand.app.gate.card, SignInCard), what="the form")
    hand.wait(lambda: not hand.app.bridge.alive(), what="the keyring")
    card = hand.app.gate.card
    assert isinstance(card, SignInCard)
    before = hand.space
    card.user.delete(0, "end")
    card.user.insert(0, "admin")
    sign_in(hand, "admin123")
    assert hand.space is not before
    assert hand.space.session.user == "admin" and hand.files.browser.folder.path == "/"
    assert hand.files.browser.listing.can_back is False
