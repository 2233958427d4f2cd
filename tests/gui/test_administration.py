"""The page for administrators: who sees it, and that each of its orders does on the server what it says."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sfos.client import quotas
from sfos.client.address import Address
from sfos.client.administration import Accounts, Administration
from sfos.client.net.trust import ACCEPT_NEW, Trust, TrustStore
from sfos.client.options import ClientOptions
from sfos.client.session.session import Session
from sfos.gui.account import commands as account_commands
from sfos.gui.administration import commands
from sfos.gui.administration.account_dialogs import (
    AddAccountDialog,
    LimitsDialog,
    PasswordShownDialog,
    ResetPasswordDialog,
    _size_text,
)
from sfos.gui.administration.page import AdministrationPage
from sfos.gui.administration.presenter import AdminPresenter, AdminState, empty_text, summary_of
from sfos.gui.administration.rows import Row, account_rows, audit_rows, matching, wait_rows
from sfos.gui.commands import AnyCommand, Command
from sfos.gui.model import Notice
from sfos.gui.page import Page
from sfos.gui.shell import commands as shell_commands
from sfos.gui.signing_in.sign_in_card import SignInCard
from sfos.gui.threads.bridge import TaskBridge
from sfos.gui.widgets.dialogs.base import Dialog
from sfos.protocol import AccountEntry, LoginFailed, PenaltyEntry, SessionEnded, SessionRevoked
from tests.gui.conftest import SIZE, USER, Hand, sign_in
from tests.support.server_process import ServerProcess, prepare_home, running_server

pytestmark = [pytest.mark.timeout(180)]

NOW = dt.datetime(2026, 11, 22, 18, 0)  # noqa: DTZ001 - as the clock on the wall shows it
ADMIN_PASSWORD = "admin123"
Settle = Callable[..., None]


# --- Words ----------------------------------------------------------------------------------------------------------


def test_accounts_and_their_limits_in_words() -> None:
    entries = (
        AccountEntry(name="anna", id="1", role="user", quota_bytes=5_000_000_000, quota_files=0, sessions=2),
        AccountEntry(name="bob", id="2", role="admin", disabled=True),
        AccountEntry(name="eve\x1b", id="3", role="user", must_change=True),
    )
    rows = account_rows(Accounts(entries, 1_000_000_000, 0), NOW)
    assert [row.cells[:6] for row in rows] == [
        ("anna", "User", "Enabled", "5.0 GB", "no limit", "2"),
        ("bob", "Administrator", "Disabled", "1.0 GB (as all)", "no limit (as all)", "–"),
        (r"eve\x1b", "User", "Has a first password", "1.0 GB (as all)", "no limit (as all)", "–"),
    ]
    assert [row.key for row in matching(rows, "ADMIN dis")] == ["bob"]


def test_a_line_of_the_audit_log_is_read_whatever_is_in_it() -> None:
    lines = [
        json.dumps({"time": "2026-11-22T17:00:00+00:00", "event": "login_failed", "user": "anna", "address": "::1",
                    "reason": "wrong\x1b[31m", "seq": 7, "mac": "x", "prev": "y"}),
        "not json \x1b", "[1]", '{"event": 5, "user": null}', "[" * 100_000,
    ]  # fmt: skip
    rows = audit_rows(lines, NOW)
    assert [row.key for row in rows] == ["4", "3", "2", "1", "0"], "the newest first"
    assert rows[-1].cells[1:] == ("Wrong sign-in", "anna", "::1", r"reason wrong\x1b[31m")
    assert rows[-1].strong and rows[3].cells[-1] == r"not json \x1b" and rows[1].cells[1:3] == ("5", "null")


def test_waits_are_told_apart_by_what_they_are_of() -> None:
    rows = wait_rows(
        (PenaltyEntry(kind="account", name="x", failures=13, wait_s=90.0), PenaltyEntry(kind="address", name="x",
                                                                                     failures=1)), NOW,
    )  # fmt: skip
    assert rows[0].key != rows[1].key
    assert [row.cells[0] for row in rows] == ["Account x", "Address x"]
    assert [row.cells[3] for row in rows] == ["2 min", "–"] and rows[1].pale


@pytest.mark.parametrize("size", [1, 999, 1_000, 1_500_000, 50_000_000_000, 2**40, 10**15])
def test_a_limit_that_is_shown_is_read_back_as_it_was(size: int) -> None:
    assert quotas.quota_bytes(_size_text(size)) == size


def test_no_two_commands_of_the_page_share_an_id_a_key_or_a_place_and_each_can_be_given() -> None:
    everything: list[AnyCommand] = [*commands.COMMANDS, *shell_commands.COMMANDS, *account_commands.COMMANDS]
    ids = [command.id for command in everything]
    assert len(ids) == len(set(ids))
    keys = [key for command in everything for key in (*command.keys, *command.list_keys)]
    assert len(keys) == len(set(keys)), sorted(key for key in keys if keys.count(key) > 1)
    for menu in {menu for command in everything for menu in command.at}:
        places = [command.at[menu] for command in everything if menu in command.at]
        assert len(places) == len(set(places)), menu
    made = {value.id for value in vars(commands).values() if isinstance(value, Command)}
    assert made == {command.id for command in commands.COMMANDS}


# --- Without a screen -----------------------------------------------------------------------------------------------


@pytest.fixture
def admin_session(server: ServerProcess, tmp_path: Path) -> Iterator[Session]:
    trust = Trust(TrustStore(tmp_path / "admin-pins.json"), ACCEPT_NEW)
    session = Session.sign_in(Address.parse(server.address), "admin", ADMIN_PASSWORD, trust, ClientOptions())
    yield session
    session.logout()


@pytest.fixture
def desk(
    bridge: TaskBridge, admin_session: Session, settle: Settle
) -> Iterator[tuple[AdminPresenter, list[Notice], Administration]]:
    notices: list[Notice] = []
    admin = Administration(admin_session.api.caller, admin_session.info.password_policy)
    presenter = AdminPresenter(
        bridge, admin, "admin", on_state=lambda _state: None, on_notice=notices.append
    )  # fmt: skip
    yield presenter, notices, admin
    presenter.close()
    settle(lambda: not bridge.alive())


def key_of(state: AdminState, word: str) -> Row:
    return next(row for row in state.rows if word in " ".join(row.cells))


def test_each_tab_shows_what_the_server_says(
    desk: tuple[AdminPresenter, list[Notice], Administration], session: Session, server: ServerProcess,
    tmp_path: Path, settle: Settle,
) -> None:  # fmt: skip
    presenter, _, _ = desk
    with pytest.raises(LoginFailed):
        trust = Trust(TrustStore(tmp_path / "wrong.json"), ACCEPT_NEW)
        Session.sign_in(Address.parse(server.address), USER, "wrong", trust, ClientOptions())
    assert empty_text(presenter.state) == "Asking the server…"
    presenter.open("accounts")
    settle(lambda: presenter.state.rows)
    assert {row.key for row in presenter.state.rows} >= {"admin", USER}
    presenter.select((USER,))
    assert presenter.state.account is not None and presenter.state.account.name == USER
    presenter.set_filter("no such thing")
    assert presenter.state.rows == () and presenter.state.selected == ()
    assert empty_text(presenter.state) == "Nothing here has “no such thing” in it."
    presenter.open("sessions")
    settle(lambda: not presenter.state.busy)
    own = key_of(presenter.state, "this window")
    rows: tuple[Row, ...] = presenter.state.rows
    other = next(row for row in rows if row.key == session.ticket.ticket_id)
    assert own.strong and other.cells[0] == USER
    presenter.select((own.key, other.key))
    assert [each.id for each in presenter.state.sessions] == [other.key], "one's own is not ended here"
    assert "2 selected" in summary_of(presenter.state)
    presenter.open("waits")
    settle(lambda: not presenter.state.busy and presenter.state.rows)
    assert key_of(presenter.state, f"Account {USER}") and key_of(presenter.state, "Address 127.0.0.1")
    presenter.open("audit")
    settle(lambda: not presenter.state.busy and presenter.state.rows)
    assert key_of(presenter.state, "Wrong sign-in")


def test_orders_are_carried_out_and_a_refusal_is_told(
    desk: tuple[AdminPresenter, list[Notice], Administration], server: ServerProcess, tmp_path: Path, settle: Settle
) -> None:
    presenter, notices, admin = desk
    admin.add("carl", "a first password 7")
    trust = Trust(TrustStore(tmp_path / "carl.json"), ACCEPT_NEW)
    carl = Session.sign_in(Address.parse(server.address), "carl", "a first password 7", trust, ClientOptions())
    presenter.open("sessions")
    settle(lambda: any(row.key == carl.ticket.ticket_id for row in presenter.state.rows))
    presenter.select((carl.ticket.ticket_id,))
    gone = presenter.state.sessions
    presenter.end_sessions(gone)
    settle(lambda: notices)
    assert notices.pop().text == "1 session was signed out."
    with pytest.raises(SessionRevoked):
        carl.api.usage()
    carl.close()
    presenter.end_sessions(gone)
    settle(lambda: notices)
    assert notices.pop().text == "Those sessions had already ended."
    presenter.set_disabled("carl", True)
    settle(lambda: notices)
    assert admin.account("carl").disabled
    notices.clear()
    presenter.set_disabled("admin", True)
    settle(lambda: notices)
    assert notices.pop().severity == "error" and not admin.account("admin").disabled
    presenter.set_role("carl", "admin")
    settle(lambda: notices)
    assert admin.account("carl").role == "admin"
    notices.clear()
    presenter.open("waits")
    presenter.lift(())
    settle(lambda: notices)
    assert "lifted" in notices.pop().text and admin.penalties().penalties == ()
    presenter.open("accounts")
    presenter.remove("carl")
    settle(lambda: notices and not presenter.state.busy and presenter.state.rows)
    assert "carl" not in {row.key for row in presenter.state.rows}


# --- In the window --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running_server(prepare_home(tmp_path_factory.mktemp("admin-home"))) as server:
        yield server


@pytest.fixture
def as_admin(signed_out: Hand, own_server: ServerProcess) -> Iterator[Hand]:
    """The window, signed in as the administrator of a server of its own."""
    card = signed_out.app.gate.card
    assert isinstance(card, SignInCard)
    for field, value in ((card.server, own_server.address), (card.user, "admin")):
        field.delete(0, "end")
        field.insert(0, value)
    sign_in(signed_out, ADMIN_PASSWORD)
    yield signed_out


def page_of(hand: Hand) -> AdministrationPage:
    page: Page = next(each for each in hand.app.window.pages if isinstance(each, AdministrationPage))
    assert isinstance(page, AdministrationPage)
    return page


def choose(hand: Hand, page: AdministrationPage, name: str) -> None:
    def row() -> str | None:
        return next((item for item in page.table.get_children() if page.table.item(item, "text") == name), None)

    hand.wait(lambda: row() is not None, what=f"{name} in the table")
    hand.app.root.update()
    box = page.table.bbox(row() or "", "#0")
    assert box
    hand.click(page.table, box[0] + 60, box[1] + box[3] // 2)
    state = page._state
    hand.wait(lambda: (now := state()) is not None and now.selected == (name,), what=f"{name} selected")


@pytest.mark.display
def test_who_is_no_administrator_has_no_such_page(fresh_hand: Hand) -> None:
    assert not any(isinstance(page, AdministrationPage) for page in fresh_hand.space.pages)


@pytest.mark.display
def test_an_account_is_added_limited_reset_and_removed_by_buttons_and_keys(
    as_admin: Hand, own_server: ServerProcess, tmp_path: Path
) -> None:
    hand, page, window = as_admin, page_of(as_admin), as_admin.app.window
    window.navigator.show(page)
    hand.wait(page.table.get_children, what="the accounts")
    assert window.root.title().startswith("Administration – ")
    hand.click(page._made[commands.ADD_ACCOUNT])
    hand.wait(lambda: hand.dialog(AddAccountDialog) is not None)
    add = hand.dialog(AddAccountDialog)
    assert isinstance(add, AddAccountDialog)
    hand.wait(lambda: hand.app.root.focus_get() is add.name, what="the keyboard")
    hand.type("anna")
    add.limits.size.insert(0, "lots")
    hand.press("Return")
    hand.wait(lambda: "Write a size" in str(add.problem.cget("text")), what="the complaint")
    add.limits.size.delete(0, "end")
    add.limits.size.insert(0, "5 GB")
    password = add.password.get()
    hand.press("Return")
    hand.wait(lambda: hand.dialog(PasswordShownDialog) is not None, what="the password")
    shown = hand.dialog(PasswordShownDialog)
    assert isinstance(shown, PasswordShownDialog)
    hand.wait(shown.winfo_viewable)
    shown.copy.invoke()
    assert hand.app.root.clipboard_get() == password
    shown.cancel()
    trust = Trust(TrustStore(tmp_path / "anna.json"), ACCEPT_NEW)
    anna = Session.sign_in(Address.parse(own_server.address), "anna", password, trust, ClientOptions())
    choose(hand, page, "anna")
    assert page.table.item(page.table.selection()[0], "values")[2] == "5.0 GB"
    hand.press("F2")
    hand.wait(lambda: hand.dialog(LimitsDialog) is not None)
    limits = hand.dialog(LimitsDialog)
    assert isinstance(limits, LimitsDialog) and limits.limits.size.get() == "5 GB"
    limits.limits.size.delete(0, "end")
    limits.limits.files.insert(0, "1,000")
    limits.submit()
    hand.wait(lambda: hand.dialog(LimitsDialog) is None, what="the new limits")
    hand.wait(
        lambda: page.table.selection() and page.table.item(page.table.selection()[0], "values")[3] == "1,000",
        what="them in the table",
    )
    window.offers.run(commands.NEW_PASSWORD)
    reset = hand.dialog(ResetPasswordDialog)
    assert isinstance(reset, ResetPasswordDialog)
    reset.password.delete(0, "end")
    reset.password.insert(0, "short")
    reset.submit()
    hand.wait(lambda: "will not do" in str(reset.problem.cget("text")), what="the refusal")
    reset.password.insert("end", " but now long enough 7")
    reset.submit()
    hand.wait(lambda: hand.dialog(PasswordShownDialog) is not None, what="the new password")
    hand.dialog(PasswordShownDialog).cancel()  # type: ignore[union-attr]
    with pytest.raises((SessionRevoked, SessionEnded)):
        anna.api.usage()
    anna.close()
    choose(hand, page, "anna")
    hand.press("Delete")
    hand.wait(lambda: hand.dialog(Dialog) is not None, what="the question")
    hand.press("Return")
    hand.wait(lambda: hand.dialog(Dialog) is None)
    assert "anna" in {str(page.table.item(item, "text")) for item in page.table.get_children()}
    hand.wait(lambda: hand.app.root.focus_get() is page.table, what="the keyboard")
    hand.press("Delete")
    hand.wait(lambda: hand.dialog(Dialog) is not None, what="the question")
    hand.press("Tab", "Return")
    hand.wait(lambda: "anna" not in {str(page.table.item(item, "text")) for item in page.table.get_children()})


@pytest.mark.display
def test_nobody_locks_themselves_out_and_each_state_offers_what_fits_it(as_admin: Hand) -> None:
    hand, page, window = as_admin, page_of(as_admin), as_admin.app.window
    window.navigator.show(page)
    choose(hand, page, "admin")
    own = {commands.DISABLE, commands.REMOVE, commands.MAKE_USER, commands.NEW_PASSWORD}
    assert not own & window.offers.possible()
    choose(hand, page, "user1")
    assert {commands.DISABLE, commands.MAKE_ADMIN, commands.LIMITS} <= window.offers.possible()
    assert not {commands.ENABLE, commands.MAKE_USER, commands.LIFT} & window.offers.possible()
    assert page._made[commands.DISABLE].winfo_ismapped()
    window.offers.run(commands.DISABLE)
    question = hand.dialog(Dialog)
    assert isinstance(question, Dialog)
    hand.wait(lambda: str(hand.app.root.focus_get()).startswith(str(question)))
    hand.press("Tab", "Return")
    hand.wait(lambda: commands.ENABLE in window.offers.possible(), what="the disabled account")
    assert page._made[commands.ENABLE].winfo_ismapped() and not page._made[commands.DISABLE].winfo_ismapped()
    window.offers.run(commands.ENABLE)
    hand.wait(lambda: commands.DISABLE in window.offers.possible(), what="the enabled account")
    window.offers.run(commands.SESSIONS_OF)
    hand.wait(lambda: page.tabs.current == "sessions" and page.filter.get() == "user1", what="its sessions")
    page.tabs.open("audit")
    hand.wait(page.table.get_children, what="the audit log")
    page.take_focus()
    hand.press("ctrl+f")
    hand.wait(lambda: hand.app.root.focus_get() is page.filter)
    hand.type("changed disabled true")
    hand.wait(lambda: len(page.table.get_children()) == 1, what="the line")
    hand.press("Return", "Home")
    hand.wait(lambda: commands.COPY_LINES in window.offers.possible(), what="the row")
    hand.press("ctrl+c")
    hand.wait(lambda: window.toast.text == "Copied 1 line.", what="the copy")
    assert json.loads(hand.app.root.clipboard_get())["event"] == "account_changed"


@pytest.mark.display
def test_in_a_narrow_window_what_has_no_room_is_in_the_menu_beside_it(as_admin: Hand) -> None:
    hand, page, root = as_admin, page_of(as_admin), as_admin.app.root
    hand.app.window.navigator.show(page)
    choose(hand, page, "user1")
    root.geometry("640x480+0+0")
    hand.wait(lambda: root.winfo_width() == 640, what="the narrow window")
    hand.wait(lambda: not page._made[commands.REMOVE].winfo_ismapped(), what="fewer buttons")
    root.update()
    parts = [part for part in page._buttons.winfo_children() if part.winfo_ismapped()]
    assert page.more in parts
    assert all(part.winfo_x() + part.winfo_reqwidth() <= page._buttons.winfo_width() for part in parts)
    assert page.tabs.winfo_reqwidth() <= page.widget.winfo_width()
    root.geometry(SIZE)
    hand.wait(page._made[commands.REMOVE].winfo_ismapped, what="all of them")
