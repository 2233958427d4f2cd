from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count

import pytest

from sfos.client.address import Address
from sfos.client.errors import ConnectionLost
from sfos.client.net.connection import Connection
from sfos.client.net.trust import Trust
from sfos.client.session.session import Session
from sfos.client.watch import Changed, Resync, Watch, WatchInterrupted, WatchNotice, WatchResumed
from sfos.protocol import SessionEnded
from tests.client.conftest import OPTIONS, PASSWORD, USER
from tests.client.cutting_relay import CuttingRelay


class Follower:
    """Reads a watch in a thread of its own."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.notices: list[WatchNotice] = []
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name="follower")
        self.thread.start()

    def _run(self) -> None:
        try:
            for notice in self.watch:
                self.notices.append(notice)
        except SessionEnded as error:
            self.error = error

    def names(self) -> set[str]:
        return {
            change.entry.name for notice in self.notices if isinstance(notice, Changed) for change in notice.changes
        }

    def saw(self, kind: type[WatchNotice]) -> bool:
        return any(isinstance(notice, kind) for notice in self.notices)

    def stop(self) -> None:
        self.watch.close()
        self.thread.join(5)
        assert not self.thread.is_alive()


def test_what_another_client_changes_is_told(
    session: Session, folder: str, trust: Trust, wait_until: Callable[..., None]
) -> None:
    follower = Follower(session.watch())
    wait_until(lambda: follower.saw(WatchResumed))
    with Session.from_ticket(session.ticket, trust, OPTIONS) as other:
        other.api.make_folder(f"{folder}/from-afar")
    wait_until(lambda: "from-afar" in follower.names())
    session.api.delete([f"{folder}/from-afar"])
    wait_until(lambda: any(change.deleted for n in follower.notices if isinstance(n, Changed) for change in n.changes))
    follower.stop()


def test_nothing_is_missed_between_a_list_and_the_watch_from_its_cursor(
    session: Session, folder: str, wait_until: Callable[..., None]
) -> None:
    (listing,) = session.api.list_folders([folder])
    session.api.make_folder(f"{folder}/in-between")
    follower = Follower(session.watch(listing.at))
    wait_until(lambda: "in-between" in follower.names())
    follower.stop()


def test_after_a_broken_connection_watching_goes_on_where_it_was(
    relay: CuttingRelay, trust: Trust, wait_until: Callable[..., None]
) -> None:
    with Session.sign_in(relay.address, USER, PASSWORD, trust, OPTIONS) as session:
        follower = Follower(session.watch())
        wait_until(lambda: follower.saw(WatchResumed))
        relay.refusing = True
        relay.cut_all()
        wait_until(lambda: follower.saw(WatchInterrupted))
        relay.refusing = False
        session.api.make_folder("/while-it-was-away")
        wait_until(lambda: "while-it-was-away" in follower.names())
        interrupted = [type(notice) for notice in follower.notices]
        assert interrupted.count(WatchInterrupted) == 1, "one outage is told once"
        follower.stop()
        session.api.delete(["/while-it-was-away"])
        session.logout()


def test_a_cursor_of_another_life_of_the_space_asks_for_new_lists(
    session: Session, wait_until: Callable[..., None]
) -> None:
    cursor = session.info.home.cursor
    stale = ("0" * 32) + cursor[32:] if len(cursor) > 32 else cursor[:-1] + ("0" if cursor[-1] != "0" else "1")
    follower = Follower(session.watch(stale))
    wait_until(lambda: follower.saw(Resync))
    follower.stop()


def test_new_lists_are_asked_for_although_the_connection_breaks_just_then(
    session: Session, wait_until: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    connect, times = session.connect_more, count()

    def breaking() -> Connection:
        if next(times) == 1:  # after the connection on which the server refused the cursor
            raise ConnectionLost
        return connect()

    monkeypatch.setattr(session, "connect_more", breaking)
    follower = Follower(session.watch("1.0.000000000000"))
    wait_until(lambda: follower.saw(Resync) or follower.saw(WatchResumed))
    assert [type(notice) for notice in follower.notices] == [WatchInterrupted, Resync]
    follower.stop()


def test_the_end_of_the_session_ends_the_watch(address: Address, trust: Trust, wait_until: Callable[..., None]) -> None:
    session = Session.sign_in(address, USER, PASSWORD, trust, OPTIONS)
    other = Session.from_ticket(session.ticket, trust, OPTIONS)
    follower = Follower(other.watch())
    wait_until(lambda: follower.saw(WatchResumed))
    session.logout()
    wait_until(lambda: follower.error is not None)
    assert isinstance(follower.error, SessionEnded)
    other.close()
    follower.thread.join(5)


def test_closing_a_session_ends_its_watches(address: Address, trust: Trust, wait_until: Callable[..., None]) -> None:
    session = Session.sign_in(address, USER, PASSWORD, trust, OPTIONS)
    follower = Follower(session.watch())
    wait_until(lambda: follower.saw(WatchResumed))
    session.close()
    follower.thread.join(5)
    assert not follower.thread.is_alive()
    with Session.from_ticket(session.ticket, trust, OPTIONS) as again:
        again.logout()


def test_a_watch_that_nobody_reads_is_closed_as_well(session: Session) -> None:
    watch = session.watch()
    assert isinstance(next(watch), WatchResumed)
    watch.close()
    with pytest.raises(StopIteration):
        next(watch)
