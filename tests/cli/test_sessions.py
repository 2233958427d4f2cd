"""Sessions as their user sees and ends them from the command line."""

from __future__ import annotations

import json

from sfos.client.address import Address
from sfos.client.net.trust import ACCEPT_NEW, Trust, TrustStore
from sfos.client.options import ClientOptions, ConnectionOptions
from sfos.client.session.session import Session
from sfos.protocol import SessionRevoked
from tests.cli.conftest import FIRST, Cli
from tests.support.retrying import for_s


def other_session(cli: Cli) -> Session:
    """A window of the same user on another computer, that would sign in again by itself."""
    options = ClientOptions(ConnectionOptions(retry=for_s(5.0), client_name="a window"))
    address = Address.parse(cli.server.address)
    trust = Trust(TrustStore(cli.directory / "pins.json"), ACCEPT_NEW)
    return Session.sign_in(address, cli.user, FIRST, trust, options, reauthenticate=lambda: FIRST)


def sessions(cli: Cli) -> list[dict[str, object]]:
    return [json.loads(line) for line in cli.ok("sessions", "--json").splitlines()]


def signed_in(changer: Cli) -> Cli:
    done = changer("login", extra={"SFOS_PASSWORD": FIRST})
    assert done.code == 0, done.err
    return changer


def test_sessions_shows_from_where_with_what_and_since_when(changer: Cli) -> None:
    cli = signed_in(changer)
    with other_session(cli) as other:
        found = sessions(cli)
        assert {entry["client"] for entry in found} == {"sfos command line", "a window"}
        assert [entry["current"] for entry in found] == [True, False]
        assert found[1]["session"] == other.ticket.ticket_id
        table = cli.ok("sessions").splitlines()
        assert table[0].split()[:3] == ["session", "address", "program"]
        assert "this one" in table[1]
        assert "a window" in table[2]
        other.logout()


def test_logout_of_another_session_cuts_it_and_it_does_not_sign_in_again_by_itself(changer: Cli) -> None:
    cli = signed_in(changer)
    with other_session(cli) as other:
        done = cli("logout", other.ticket.ticket_id[:6])
        assert (done.code, done.err[:5]) == (0, "Ended"), done.err
        for _ in range(2):
            try:
                other.api.stat("/")
            except SessionRevoked:
                continue
            raise AssertionError("the session goes on")
    assert len(sessions(cli)) == 1
    assert cli("logout", "ffff").code == 4


def test_logout_all_ends_every_session_this_one_too(changer: Cli) -> None:
    cli = signed_in(changer)
    with other_session(cli) as other:
        done = cli("logout", "--all")
        assert done.code == 0
        assert "Ended 1 other session" in done.err
        assert "Signed out" in done.err
        try:
            other.api.stat("/")
        except SessionRevoked:
            pass
        else:
            raise AssertionError("the session goes on")
    assert cli("ls").code == 77  # no ticket is left, and no password at hand


def test_one_session_and_all_of_them_is_a_mistake(changer: Cli) -> None:
    try:
        changer("logout", "--all", "3f2a")
    except SystemExit as ended:
        assert ended.code == 2
