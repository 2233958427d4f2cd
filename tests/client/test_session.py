from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from sfos.client.address import Address
from sfos.client.errors import ChangedServerKey, ConnectionLost, ServerUnreachable, UnknownServerKey
from sfos.client.net.connection import Connection
from sfos.client.net.trust import ASK, Trust, TrustStore
from sfos.client.session.session import Session
from sfos.client.watch import Changed
from sfos.protocol import (
    AlreadyExists,
    Done,
    Fingerprint,
    LocalProtocolError,
    LoginFailed,
    LogoutRequest,
    NotFound,
    PasswordRefused,
    SessionEnded,
    SessionRevoked,
    WatchRequest,
)
from tests.client.conftest import OPTIONS, PASSWORD, USER
from tests.client.cutting_relay import CuttingRelay
from tests.support.retrying import for_s
from tests.support.server_process import ServerProcess, prepare_home, run, running_server


def test_a_session_knows_who_it_is_and_where_its_files_are(session: Session) -> None:
    assert session.info.user == USER
    assert session.info.role == "user"
    assert len(session.info.home.chunk_key) == 32
    assert session.info.idle_timeout_s > 0
    assert session.api.list_folder("/") is not None


def test_an_unknown_key_is_shown_only_after_the_server_has_proven_itself(address: Address, tmp_path: Path) -> None:
    trust = Trust(TrustStore(tmp_path / "pins.json"), ASK)
    with pytest.raises(LoginFailed):
        Session.sign_in(address, USER, "not the password", trust, OPTIONS)
    with pytest.raises(UnknownServerKey) as raised:
        Session.sign_in(address, USER, PASSWORD, trust, OPTIONS)
    assert trust.store.pin_of(address) is None
    assert "localhost" in raised.value.facts.names
    trust.store.pin(address, raised.value.fingerprint)
    with Session.sign_in(address, USER, PASSWORD, trust, OPTIONS) as session:
        assert session.fingerprint == raised.value.fingerprint.grouped
        session.logout()


def test_a_changed_key_stops_before_a_byte_of_the_login(
    relay: CuttingRelay, tmp_path: Path, wait_until: Callable[..., None]
) -> None:
    Connection.open(relay.address, OPTIONS.connection).close()
    wait_until(lambda: relay.accepted == 1 and not relay.open_connections)  # what it sends as it closes has passed
    handshake_bytes, relay.passed["up"] = relay.passed["up"], 0
    trust = Trust(TrustStore(tmp_path / "pins.json"), ASK)
    trust.store.pin(relay.address, Fingerprint(b"\x01" * 32))
    with pytest.raises(ChangedServerKey) as raised:
        Session.sign_in(relay.address, USER, PASSWORD, trust, OPTIONS)
    assert raised.value.pinned_since is not None
    assert relay.passed["up"] <= handshake_bytes + 8, "a hello alone would be some 100 bytes"


@pytest.mark.parametrize(("user", "password"), [(USER, "wrong"), ("nobody", PASSWORD)])
def test_a_wrong_password_and_an_unknown_user_cannot_be_told_apart(
    address: Address, trust: Trust, user: str, password: str
) -> None:
    with pytest.raises(LoginFailed) as raised:
        Session.sign_in(address, user, password, trust, OPTIONS)
    assert str(raised.value) == LoginFailed.__doc__


def test_nobody_at_the_address_is_told_in_words(trust: Trust) -> None:
    with pytest.raises(ServerUnreachable, match="Nothing answers") as raised:
        Session.sign_in(Address("127.0.0.1", 1), USER, PASSWORD, trust, OPTIONS)
    assert raised.value.retryable


def test_something_else_at_the_address_is_told_in_words(trust: Trust) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = Address("127.0.0.1", listener.getsockname()[1])

        def answer() -> None:
            connection, _ = listener.accept()
            connection.sendall(b"220 mail.example.org ESMTP\r\n")
            connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(ServerUnreachable, match="not a server of this kind"):
            Session.sign_in(address, USER, PASSWORD, trust, OPTIONS)
        thread.join()


@pytest.mark.parametrize("by_reset", [False, True])
def test_a_server_that_ends_during_the_handshake_is_not_taken_for_something_else(trust: Trust, by_reset: bool) -> None:
    """As one that is killed just then: what was begun is cut off, by FIN or by RST."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = Address("127.0.0.1", listener.getsockname()[1])

        def end() -> None:
            connection, _ = listener.accept()
            connection.recv(65_536)
            if by_reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()

        thread = threading.Thread(target=end)
        thread.start()
        with pytest.raises(ServerUnreachable, match=r"was cut before it was encrypted .*the server has just") as told:
            Session.sign_in(address, USER, PASSWORD, trust, OPTIONS)
        thread.join()
    assert "Something answers" not in told.value.message and told.value.retryable


def test_a_peer_that_says_nothing_is_given_up_in_time(trust: Trust) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = Address("127.0.0.1", listener.getsockname()[1])
        hasty = replace(OPTIONS, connection=replace(OPTIONS.connection, connect_timeout_s=0.3))
        with pytest.raises(ServerUnreachable):
            Session.sign_in(address, USER, PASSWORD, trust, hasty)


def test_more_connections_join_without_the_password_and_a_ticket_opens_the_session_elsewhere(
    session: Session, trust: Trust
) -> None:
    with session.connect_more() as connection:
        assert connection.usable
    with Session.from_ticket(session.ticket, trust, OPTIONS) as other:
        assert other.info.user == USER
        other.api.list_folder("/")


def test_a_ticket_is_worth_nothing_after_logout(address: Address, trust: Trust) -> None:
    session = Session.sign_in(address, USER, PASSWORD, trust, OPTIONS)
    ticket = session.ticket
    session.logout()
    with pytest.raises(SessionEnded):
        Session.from_ticket(ticket, trust, OPTIONS)


def test_a_ticket_is_not_shown_to_a_server_with_another_key(session: Session, trust: Trust) -> None:
    ticket = replace(session.ticket, fingerprint=Fingerprint(b"\x09" * 32))
    with pytest.raises(ChangedServerKey):
        Session.from_ticket(ticket, trust, OPTIONS)


def test_a_closed_session_leaves_its_ticket_good(address: Address, trust: Trust) -> None:
    session = Session.sign_in(address, USER, PASSWORD, trust, OPTIONS)
    session.close()
    session.close()
    with pytest.raises(ConnectionLost):
        session.connect_more()
    with Session.from_ticket(session.ticket, trust, OPTIONS) as again:
        again.logout()


def test_a_session_that_was_ended_goes_on_with_another_sign_in_of_its_user_and_with_nobody_elses(
    address: Address, trust: Trust, folder: str
) -> None:
    first = Session.sign_in(address, USER, PASSWORD, trust, OPTIONS)
    api, watch = first.api, first.watch()
    next(watch)
    with Session.sign_in(address, USER, PASSWORD, trust, OPTIONS) as elsewhere:
        elsewhere.api.end_sessions(first.ticket.ticket_id)
        with pytest.raises(SessionRevoked):
            api.list_folder(folder)
        with pytest.raises(SessionRevoked):
            list(watch)
        elsewhere.logout()
    with Session.sign_in(address, "admin", "admin123", trust, OPTIONS) as other:
        with pytest.raises(LocalProtocolError):
            first.go_on_with(other)
        assert other.api.list_folder("/") is not None, "it is still its own"
        other.logout()
    second = Session.sign_in(address, USER, PASSWORD, trust, OPTIONS)
    ticket = second.ticket
    first.go_on_with(second)
    assert second.closed and first.ticket == ticket
    api.make_folder(f"{folder}/later")
    with first.watch(watch.cursor) as again:
        changed = next(notice for notice in again if isinstance(notice, Changed))
    assert [change.entry.name for change in changed.changes] == ["later"]
    first.logout()
    with pytest.raises(SessionEnded):
        Session.from_ticket(ticket, trust, OPTIONS)


def test_a_program_that_ends_leaves_no_session_behind_and_waits_for_no_server(
    address: Address, relay: CuttingRelay, session: Session, trust: Trust
) -> None:
    ending = Session.sign_in(address, USER, PASSWORD, trust, OPTIONS)
    watch = ending.watch()
    next(watch)
    ending.logout_at_once()
    assert ending.closed
    assert ending.ticket.ticket_id not in [entry.id for entry in session.api.sessions()]
    cut = Session.sign_in(relay.address, USER, PASSWORD, trust, OPTIONS)
    relay.refusing = True
    relay.cut_all()
    accepted = relay.accepted
    cut.logout_at_once()
    assert cut.closed
    assert relay.accepted == accepted, "it did not try to come back"
    session.api.end_sessions(cut.ticket.ticket_id)


def test_logging_out_of_a_server_that_is_gone_is_no_error(relay: CuttingRelay, trust: Trust) -> None:
    session = Session.sign_in(relay.address, USER, PASSWORD, trust, OPTIONS)
    relay.refusing = True
    relay.cut_all()
    session.logout()


@pytest.mark.parametrize("reset", [False, True])
def test_a_lost_control_connection_is_opened_again_unnoticed(
    relay: CuttingRelay, trust: Trust, reset: bool, wait_until: Callable[..., None]
) -> None:
    relay.reset = reset
    with Session.sign_in(relay.address, USER, PASSWORD, trust, OPTIONS) as session:
        relay.cut_all()
        wait_until(lambda: not relay.open_connections)  # before that, what is sent may still pass
        session.api.list_folder("/")
        assert relay.accepted == 2
        session.logout()


def test_a_change_whose_reply_was_lost_is_applied_once(relay: CuttingRelay, trust: Trust) -> None:
    with Session.sign_in(relay.address, USER, PASSWORD, trust, OPTIONS) as session:
        relay.cut_after(down=0)  # the request arrives, its reply does not
        made = session.api.make_folder("/made-once")
        assert relay.cuts == 1
        with pytest.raises(AlreadyExists):
            session.api.make_folder("/made-once")
        assert session.api.stat("/made-once").node == made.node
        session.api.delete(["/made-once"])
        session.logout()


def test_a_server_that_stays_away_is_told_after_a_while(relay: CuttingRelay, trust: Trust) -> None:
    hasty = replace(OPTIONS, connection=replace(OPTIONS.connection, retry=for_s(0.5)))
    with Session.sign_in(relay.address, USER, PASSWORD, trust, hasty) as session:
        relay.refusing = True
        relay.cut_all()
        with pytest.raises((ServerUnreachable, ConnectionLost)) as raised:
            session.api.list_folder("/")
        assert raised.value.retryable
        relay.refusing = False
        session.api.list_folder("/")
        session.logout()


def test_closing_frees_a_thread_that_waits_for_a_server_that_stays_away(
    relay: CuttingRelay, trust: Trust, wait_until: Callable[..., None]
) -> None:
    patient = replace(OPTIONS, connection=replace(OPTIONS.connection, retry=for_s(600.0)))
    session = Session.sign_in(relay.address, USER, PASSWORD, trust, patient)
    relay.refusing = True
    relay.cut_all()
    raised: list[BaseException] = []

    def look() -> None:
        try:
            session.api.list_folder("/")
        except ConnectionLost as error:
            raised.append(error)
        except ServerUnreachable as error:
            raised.append(error)

    thread = threading.Thread(target=look)
    thread.start()
    wait_until(lambda: relay.accepted >= 3)
    session.close()
    thread.join(5)
    assert not thread.is_alive()
    assert raised


def test_many_threads_share_one_session(session: Session, folder: str) -> None:
    def work(number: int) -> None:
        for step in range(10):
            session.api.make_folder(f"{folder}/{number}-{step}")
            session.api.stat(f"{folder}/{number}-{step}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(session.api.list_folder(folder)) == 80


def test_an_error_of_the_server_leaves_the_connection_as_it_was(session: Session) -> None:
    for _ in range(3):
        with pytest.raises(NotFound):
            session.api.stat("/nowhere/at/all")
    assert session.api.list_folder("/") is not None


class TestRestart:
    """A server that restarts forgets its sessions."""

    @pytest.fixture
    def home(self, tmp_path: Path) -> Path:
        return prepare_home(tmp_path / "home")

    def test_a_session_outlives_a_restart_of_the_server(self, home: Path, trust: Trust) -> None:
        with running_server(home) as server:
            address = Address.parse(server.address)
            session = Session.sign_in(address, USER, PASSWORD, trust, OPTIONS)
            before = session.ticket
        with running_server(home, port=address.port):
            session.api.list_folder("/")
            assert session.ticket != before
            session.logout()

    def test_a_session_past_its_idle_time_is_not_renewed_by_itself(
        self, home: Path, trust: Trust, wait_until: Callable[..., None]
    ) -> None:
        asked: list[str] = []

        def reauthenticate() -> str | None:
            asked.append("asked")
            return PASSWORD if len(asked) > 1 else None

        with running_server(home, {"SFOS_SECURITY_SESSION_IDLE_TIMEOUT_S": "1"}) as server:
            address = Address.parse(server.address)
            session = Session.sign_in(address, USER, PASSWORD, trust, OPTIONS, reauthenticate=reauthenticate)
            audit = home / "logs/audit.log"
            wait_until(lambda: "session_ended" in audit.read_text())
            with pytest.raises(SessionEnded):
                session.api.list_folder("/")
            session.api.list_folder("/")
            assert len(asked) == 2
            session.logout()

    def test_a_watched_session_would_be_renewed_though_no_command_came(
        self, home: Path, trust: Trust, wait_until: Callable[..., None]
    ) -> None:
        audit = home / "logs/audit.log"
        with running_server(home, {"SFOS_SECURITY_SESSION_IDLE_TIMEOUT_S": "3"}) as server:
            address = Address.parse(server.address)
            watched = Session.sign_in(address, USER, PASSWORD, trust, OPTIONS)
            left = Session.sign_in(address, USER, PASSWORD, trust, OPTIONS)
            watch = watched.watch(heartbeat_s=1)
            reader = threading.Thread(target=lambda: [None for _ in watch])
            reader.start()
            wait_until(lambda: "idle for too long" in audit.read_text())
            assert [one._membership.would_be_alive() for one in (watched, left)] == [True, False]
            watched.api.list_folder("/")
            watched.logout()
            left.close()
            reader.join(20)
            assert not reader.is_alive()

    def test_a_new_password_holds_and_other_sessions_end(self, home: Path, trust: Trust) -> None:
        with running_server(home) as server:
            address = Address.parse(server.address)
            session = Session.sign_in(address, USER, PASSWORD, trust, OPTIONS)
            other = Session.sign_in(address, USER, PASSWORD, trust, OPTIONS)
            assert session.info.must_change_password
            with pytest.raises(PasswordRefused, match="characters"):
                session.change_password(PASSWORD, "short")
            with pytest.raises(LoginFailed):
                session.change_password("not the password", "correct horse staple battery")
            session.change_password(PASSWORD, "correct horse staple battery")
            assert not session.info.must_change_password
            session.api.list_folder("/")
            with pytest.raises((SessionEnded, LoginFailed)):
                other.api.list_folder("/")
            other.close()
            session.logout()
            with pytest.raises(LoginFailed):
                Session.sign_in(address, USER, PASSWORD, trust, OPTIONS)
            Session.sign_in(address, USER, "correct horse staple battery", trust, OPTIONS).logout()

    def test_a_new_certificate_with_a_new_key_is_refused_by_a_running_session(self, home: Path, trust: Trust) -> None:
        with running_server(home) as server:
            address = Address.parse(server.address)
            session = Session.sign_in(address, USER, PASSWORD, trust, OPTIONS)
        assert run(home, "generate_certificate.py", "--new-key").returncode == 0
        with running_server(home, port=address.port):
            with pytest.raises(ChangedServerKey):
                session.api.list_folder("/")
            session.close()


def test_leaving_is_orderly_for_the_server_too_though_nobody_waits_for_it(
    server: ServerProcess, session: Session, wait_until: Callable[..., None]
) -> None:
    log = server.home / "logs/server.log"

    def ends() -> list[str]:
        return [line.rpartition(": ")[2] for line in log.read_text().splitlines() if " closed user=" in line]

    before = len(ends())
    for _ in range(20):
        connection = session.connect_more()
        connection.close()
        assert not connection.usable
    wait_until(lambda: len(ends()) == before + 20)
    assert set(ends()[before:]) == {"closed by the peer"}


def test_a_connection_that_was_aborted_tells_its_owner(session: Session, wait_until: Callable[..., None]) -> None:
    connection = session.connect_more()
    raised: list[BaseException] = []

    def wait() -> None:
        try:
            connection.send(LogoutRequest())
            connection.receive().expect(Done)
            connection.receive_event(1, WatchRequest, Done)
        except ConnectionLost as error:
            raised.append(error)

    with session.connect_more() as waiting:
        connection.close()
        connection = waiting
        waiting.abort()
        wait()
    assert raised
