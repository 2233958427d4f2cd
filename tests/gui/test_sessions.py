"""One's own sessions in the window: which there are, and their end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sfos.client.address import Address
from sfos.client.net.trust import ACCEPT_NEW, Trust, TrustStore
from sfos.client.options import ClientOptions, ConnectionOptions
from sfos.client.session.session import Session
from sfos.gui.account.commands import SESSIONS
from sfos.gui.account.sessions import SessionsPresenter
from sfos.gui.account.sessions_dialog import SessionsDialog
from sfos.gui.signing_in.sign_in_card import SignInCard
from sfos.gui.threads.bridge import TaskBridge
from sfos.protocol import SessionRevoked
from tests.gui.conftest import PASSWORD, USER, Hand
from tests.support.server_process import ServerProcess

pytestmark = [pytest.mark.timeout(180)]


@pytest.fixture
def elsewhere(server: ServerProcess, tmp_path: Path) -> Iterator[Session]:
    """A session of the same user, by a program with a hostile name."""
    trust = Trust(TrustStore(tmp_path / "elsewhere.json"), ACCEPT_NEW)
    options = ClientOptions(ConnectionOptions(client_name="a \x1b[31m phone"))
    with Session.sign_in(Address.parse(server.address), USER, PASSWORD, trust, options) as session:
        yield session
        session.logout()


def test_sessions_are_listed_with_this_one_marked_and_another_is_ended(
    bridge: TaskBridge, session: Session, elsewhere: Session, settle: Callable[..., None]
) -> None:
    presenter = SessionsPresenter(bridge, session.api)
    presenter.load()
    settle(lambda: not presenter.state.busy)
    rows = presenter.state.rows
    assert rows is not None
    assert [row.id for row in rows if row.here] == [session.ticket.ticket_id]
    other = next(row for row in rows if row.id == elsewhere.ticket.ticket_id)
    assert other.program == r"a \x1b[31m phone" and other.address == "127.0.0.1"
    elsewhere._drop_control()
    settle(lambda: next(one for one in session.api.sessions() if one.id == other.id).connections == 0)
    presenter.load()
    settle(lambda: not presenter.state.busy)
    found = {row.id: row.program for row in presenter.state.rows or ()}
    assert found[other.id] == r"a \x1b[31m phone (not connected)"
    assert other.since.startswith(("Today", "Yesterday"))
    presenter.end(other.id)
    settle(lambda: not presenter.state.busy)
    assert other.id not in [row.id for row in presenter.state.rows or ()]
    assert "signed out" in presenter.state.said
    with pytest.raises(SessionRevoked):
        elsewhere.api.list_folder("/")
    presenter.end(other.id)
    settle(lambda: not presenter.state.busy)
    assert "already ended" in presenter.state.said and not presenter.state.failed


@pytest.mark.display
def test_the_dialog_logs_out_all_others_and_then_this_window(fresh_hand: Hand, elsewhere: Session) -> None:
    hand = fresh_hand
    hand.app.window.offers.run(SESSIONS)
    dialog = hand.dialog(SessionsDialog)
    assert isinstance(dialog, SessionsDialog)
    hand.wait(lambda: dialog.table.exists(elsewhere.ticket.ticket_id), what="the other session")
    assert dialog.end.instate(["disabled"]), "nothing is chosen yet"
    hand.wait(dialog.winfo_viewable)
    hand.click(dialog.end_others)
    hand.wait(lambda: len(dialog.table.get_children()) == 1, what="the end of the others")
    assert dialog.end_others.instate(["disabled"])
    box = dialog.table.bbox(dialog.table.get_children()[0])
    assert box
    hand.click(dialog.table, box[0] + 60, box[1] + box[3] // 2)
    hand.wait(lambda: str(dialog.end.cget("text")) == "Sign out here", what="its button")
    hand.press("Delete")
    hand.wait(lambda: isinstance(hand.app.gate.card, SignInCard), what="the form")
    with pytest.raises(SessionRevoked):
        elsewhere.api.list_folder("/")
