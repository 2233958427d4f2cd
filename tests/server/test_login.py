"""Signing in: who gets in, what the others learn, and how long they wait."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

import pytest

from sfos.protocol import (
    MIN_ITERATIONS,
    ChangePasswordRequest,
    ClientExchange,
    ConnectionIntercepted,
    LoginFailed,
    LoginFinishRequest,
    LoginStartRequest,
    MalformedMessage,
    OutOfOrder,
    PasswordRefused,
    ReauthenticationRequired,
    Ref,
    ServerBusy,
    SessionEnded,
    StatRequest,
    TooManyAttempts,
    Verifier,
    make_verifier,
)
from tests.server.conftest import PASSWORDS, Running, Serve
from tests.support.wire_peer import WirePeer

NEW = "a new and better password"


def new_verifier(password: str = NEW) -> Verifier:
    return make_verifier(password, os.urandom(16), MIN_ITERATIONS)


def salt_and_iterations(server: Running, user: str) -> str:
    """Salt and iterations that the server tells of a user before any proof, without the nonce."""
    peer = server.greeted()
    first = ClientExchange(user, "x", peer.exporter).first()
    message: str = peer.call(LoginStartRequest(message=first))[0].message
    return message.split(",", 1)[1]


def refusal(server: Running, user: str, password: str) -> LoginFailed:
    with pytest.raises(LoginFailed) as refused:
        server.greeted().login(user, password)
    return refused.value


def test_a_wrong_password_an_unknown_user_and_a_disabled_one_are_told_the_same(serve: Serve) -> None:
    server = serve({"security.login_attempts": "100"})
    server.accounts.set_disabled("bob", True)
    said = [
        refusal(server, "alice", "wrong"),
        refusal(server, "nobody", "wrong"),
        refusal(server, "bob", PASSWORDS["bob"]),
        refusal(server, "Bobby, =; tables", "wrong"),
    ]
    assert len({error.info() for error in said}) == 1


@pytest.mark.parametrize("user", ["alice", "nobody", "someone-else"])
def test_salt_and_iterations_of_a_name_are_the_same_at_each_try_whether_it_exists_or_not(
    user: str, server: Running
) -> None:
    seen = {salt_and_iterations(server, user) for _ in range(3)}
    assert len(seen) == 1
    assert seen.pop().endswith(",i=600000")


def test_disabling_an_account_does_not_show_in_its_salt(server: Running) -> None:
    before = salt_and_iterations(server, "bob")
    server.accounts.set_disabled("bob", True)
    assert salt_and_iterations(server, "bob") == before


def test_a_proof_bound_to_another_connection_does_not_open_a_session(server: Running) -> None:
    peer, other = server.greeted(), server.greeted()
    exchange = ClientExchange("alice", PASSWORDS["alice"], other.exporter)
    start = peer.call(LoginStartRequest(message=exchange.first()))[0].message
    with pytest.raises(ConnectionIntercepted):
        peer.call(LoginFinishRequest(message=exchange.final(start)))
    assert "bound to another TLS session" in server.audit_of_strangers()


@pytest.mark.parametrize("gs2", ["n,,", "y,,", "p=tls-unique,,", "p=tls-exporter,a=bob,"])
def test_no_sign_in_without_our_channel_binding_is_begun(gs2: str, server: Running) -> None:
    with pytest.raises(MalformedMessage):
        server.greeted().call(LoginStartRequest(message=f"{gs2}n=alice,r={'x' * 24}"))


def test_login_finish_without_login_start_is_out_of_order_and_a_start_serves_one_finish(server: Running) -> None:
    peer = server.greeted()
    with pytest.raises(OutOfOrder):
        peer.call(LoginFinishRequest(message="c=x,r=y,p=z"))
    exchange = ClientExchange("alice", "wrong", peer.exporter)
    start = peer.call(LoginStartRequest(message=exchange.first()))[0].message
    final = LoginFinishRequest(message=exchange.final(start))
    with pytest.raises(LoginFailed):
        peer.call(final)
    with pytest.raises(OutOfOrder):
        peer.call(final)


def test_after_a_wrong_password_the_right_one_opens_a_session_on_the_same_connection(server: Running) -> None:
    peer = server.greeted()
    with pytest.raises(LoginFailed):
        peer.login("alice", "wrong")
    assert peer.login("alice", PASSWORDS["alice"]).session.user == "alice"


def test_too_many_wrong_passwords_lead_to_a_growing_wait_that_says_how_long(serve: Serve) -> None:
    server = serve({"security.login_attempts": "2", "security.penalty_base_s": "30"})
    for _ in range(3):
        refusal(server, "alice", "wrong")
    with pytest.raises(TooManyAttempts) as refused:
        server.greeted().login("alice", PASSWORDS["alice"])
    assert refused.value.retry_after_s is not None
    assert 0 < refused.value.retry_after_s <= 30
    assert "login_held_up" in server.audit_of_strangers()


def test_a_hundred_sign_ins_begun_in_advance_are_not_all_tried(serve: Serve) -> None:
    server = serve({"security.login_attempts": "1", "security.penalty_base_s": "30"})
    begun = []
    for _ in range(4):
        peer = server.greeted()
        exchange = ClientExchange("alice", "wrong", peer.exporter)
        start = peer.call(LoginStartRequest(message=exchange.first()))[0].message
        begun.append((peer, LoginFinishRequest(message=exchange.final(start))))
    outcomes = []
    for peer, final in begun:
        with pytest.raises((LoginFailed, TooManyAttempts)) as refused:
            peer.call(final)
        outcomes.append(refused.value.code)
    assert outcomes == ["login_failed", "login_failed", "too_many_attempts", "too_many_attempts"]


@pytest.mark.parametrize("change", ["disabled", "removed", "another password"])
def test_an_account_that_changes_between_the_two_halves_of_a_sign_in_is_not_let_in(
    server: Running, change: str
) -> None:
    peer = server.greeted()
    exchange = ClientExchange("alice", PASSWORDS["alice"], peer.exporter)
    start = peer.call(LoginStartRequest(message=exchange.first()))[0].message
    if change == "disabled":
        server.accounts.set_disabled("alice", True)
    elif change == "removed":
        server.accounts.remove("alice")
    else:
        server.accounts.set_verifier("alice", new_verifier())
    with pytest.raises(LoginFailed):
        peer.call(LoginFinishRequest(message=exchange.final(start)))


def test_the_wait_ends_by_itself(serve: Serve, wait_until: Callable[..., None]) -> None:
    server = serve({"security.login_attempts": "1", "security.penalty_base_s": "0.2"})
    for _ in range(2):
        refusal(server, "alice", "wrong")

    def is_let_in() -> bool:
        with server.greeted() as peer:
            try:
                return bool(peer.login("alice", PASSWORDS["alice"]))
            except TooManyAttempts:
                return False

    wait_until(is_let_in)


# --- Changing the password ------------------------------------------------------------------------------------


def change(peer: WirePeer, verifier: Verifier) -> None:
    peer.call(ChangePasswordRequest(verifier=verifier.format()))


@pytest.mark.allows_errors("the accounts are away on purpose")
@pytest.mark.parametrize("away", ["gone", "damaged"])
def test_accounts_that_cannot_be_read_for_a_moment_end_no_session_and_sign_ins_are_asked_to_come_again(
    away: str, server: Running, caplog: pytest.LogCaptureFixture, wait_until: Callable[..., None]
) -> None:
    inside, path = server.signed_in(), server.accounts.path
    kept = path.read_bytes()
    if away == "gone":
        path.unlink()
    else:
        path.write_bytes(b"{")
    wait_until(lambda: "accounts cannot be read" in caplog.text)
    stranger = server.greeted()
    for _ in range(2):
        with pytest.raises(ServerBusy, match="cannot check accounts just now") as told:
            stranger.login("alice", PASSWORDS["alice"])
        assert told.value.retryable and told.value.retry_after_s
    assert inside.call(StatRequest(ref=Ref(path="/")))[0].entry.node
    path.write_bytes(kept)
    path.chmod(0o600)
    stranger.login("alice", PASSWORDS["alice"])
    said = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(said) == 1, "one line, not one a second"


def test_a_changed_password_is_the_one_that_opens_from_then_on(server: Running) -> None:
    change(server.signed_in(), new_verifier())
    assert server.greeted().login("alice", NEW)
    refusal(server, "alice", PASSWORDS["alice"])
    assert "password_changed" in server.audit()


def test_changing_the_password_ends_the_users_other_sessions_at_once_and_keeps_this_one(server: Running) -> None:
    other = server.signed_in()
    attached_to_other = server.attached(other)
    bob = server.signed_in("bob")
    peer = server.signed_in()
    companion = server.attached(peer)
    change(peer, new_verifier())
    other.expect_cut()
    attached_to_other.expect_cut()
    for alive in (peer, companion, bob):
        assert alive.call(StatRequest(ref=Ref(path="/")))[0].entry.node
    with pytest.raises(SessionEnded):
        server.attached(other)


def test_it_clears_the_must_change_flag(server: Running) -> None:
    server.accounts.set_verifier("bob", server.accounts.find("bob").verifier, must_change=True)  # type: ignore[union-attr]
    peer, login = server.login("bob")
    assert login.session.must_change_password
    change(peer, new_verifier())
    assert not server.accounts.find("bob").must_change  # type: ignore[union-attr]
    attached = server.greeted().attach(peer)
    assert not attached.session.must_change_password


def test_a_connection_that_only_attached_must_prove_the_password_first(server: Running) -> None:
    attached = server.attached(server.signed_in())
    with pytest.raises(ReauthenticationRequired):
        change(attached, new_verifier())
    again = attached.login("alice", PASSWORDS["alice"])
    assert again.ticket_id == attached.ticket_id
    change(attached, new_verifier())


def test_a_session_cannot_become_another_users(server: Running) -> None:
    peer = server.signed_in("alice")
    with pytest.raises(OutOfOrder):
        peer.login("bob", PASSWORDS["bob"])
    assert peer.call(StatRequest(ref=Ref(path="/")))[0].entry.node


def test_a_verifier_that_protects_badly_or_is_none_is_refused(server: Running) -> None:
    peer = server.signed_in()
    present = server.accounts.find("alice")
    assert present is not None
    weak = Verifier(4096, os.urandom(16), bytes(32), bytes(32))
    costly = Verifier(5_000_000, os.urandom(16), bytes(32), bytes(32))
    salted_alike = Verifier(MIN_ITERATIONS, present.verifier.salt, bytes(32), bytes(32))
    for verifier in (weak, costly, salted_alike):
        with pytest.raises(PasswordRefused):
            change(peer, verifier)
    for text in ("", "md5abc", "SCRAM-SHA-256$600000:AAAA$BBBB:CCCC"):
        with pytest.raises(MalformedMessage):
            peer.call(ChangePasswordRequest(verifier=text))
    assert server.accounts.find("alice") == present
