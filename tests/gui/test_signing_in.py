"""Signing in with real clicks and keys: what is asked, in which order, and what is told when it fails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sfos.client.address import Address
from sfos.client.net.trust import TrustStore
from sfos.gui.shell.commands import SIGN_OUT
from sfos.gui.signing_in.new_password import NewPasswordCard
from sfos.gui.signing_in.sign_in_card import SignInCard
from sfos.gui.signing_in.trust_cards import ChangedKeyCard, TrustCard
from sfos.protocol import Fingerprint
from tests.gui.conftest import Hand, keep_box, resize, sign_in
from tests.support.server_process import ServerProcess

pytestmark = [pytest.mark.display, pytest.mark.timeout(180)]


@pytest.fixture
def form(signed_out: Hand) -> SignInCard:
    """The form in the window, with everything but the password filled in."""
    card = signed_out.app.gate.card
    assert isinstance(card, SignInCard)
    return card


@pytest.fixture
def other_pin(signed_out: Hand, server: ServerProcess) -> Callable[[], bool]:
    """The window knows the server under another key; whether that is still so."""
    address, other = Address.parse(server.address), Fingerprint.of(b"another key")
    store = TrustStore(signed_out.state_dir / "pins.json")
    store.pin(address, other)

    def is_kept() -> bool:
        pin = store.pin_of(address)
        return pin is not None and pin.fingerprint == other

    return is_kept


def type_password(hand: Hand, form: SignInCard, password: str) -> None:
    """Click into the field, type, and press Return."""
    hand.click(form.password)
    hand.type(password)
    hand.press("Return")


def test_the_first_start_asks_for_the_password_then_shows_the_fingerprint_then_the_files(
    signed_out: Hand, form: SignInCard, server: ServerProcess, home: Path
) -> None:
    hand = signed_out
    assert form.server.get() == server.address
    hand.click(form.password)
    hand.type("user123")
    hand.click(form.submit)
    hand.wait(lambda: isinstance(hand.app.gate.card, TrustCard), what="the fingerprint")
    trust = hand.app.gate.card
    assert isinstance(trust, TrustCard)
    assert trust.trust.instate(["disabled"]), "trusting takes the tick first"
    hand.click(trust.check, x=12)
    assert trust.trust.instate(["!disabled"])
    hand.click(trust.trust)
    hand.wait(lambda: isinstance(hand.app.gate.card, NewPasswordCard), what="the question for a password of one's own")
    hand.press("Escape")
    hand.wait(lambda: hand.app.workspace is not None)
    hand.wait(lambda: not hand.app.gate.shown)
    assert "user1" in hand.app.root.title()


def test_a_server_that_is_not_trusted_is_not_entered(signed_out: Hand, form: SignInCard) -> None:
    hand = signed_out
    type_password(hand, form, "user123")
    hand.wait(lambda: isinstance(hand.app.gate.card, TrustCard))
    hand.press("Escape")
    hand.wait(lambda: isinstance(hand.app.gate.card, SignInCard))
    assert hand.app.workspace is None


def test_a_wrong_password_is_told_in_the_form_and_can_be_corrected(signed_out: Hand, form: SignInCard) -> None:
    hand = signed_out
    type_password(hand, form, "wrong")
    hand.wait(lambda: any("Wrong user name or password" in words for words in hand.words(form)), what="the reason")
    assert form.password.instate(["!disabled"])
    hand.press("ctrl+a")
    hand.type("user123")
    hand.press("Return")
    hand.wait(lambda: isinstance(hand.app.gate.card, TrustCard))


def test_a_server_that_does_not_answer_is_told_in_the_form(signed_out: Hand, form: SignInCard) -> None:
    hand = signed_out
    hand.click(form.server)
    hand.press("ctrl+a")
    hand.type("127.0.0.1:1")
    type_password(hand, form, "x")
    hand.wait(lambda: any("check that the server runs" in words for words in hand.words(form)), what="the reason")


def test_a_changed_key_blocks_and_replacing_it_takes_the_servers_name(
    signed_out: Hand, form: SignInCard, other_pin: Callable[[], bool]
) -> None:
    hand = signed_out
    type_password(hand, form, "user123")
    hand.wait(lambda: isinstance(hand.app.gate.card, ChangedKeyCard), what="the warning")
    warning = hand.app.gate.card
    assert isinstance(warning, ChangedKeyCard)
    assert hand.app.root.focus_get() is warning.disconnect, "Return by habit takes the safe way"
    hand.click(warning.replace)
    assert other_pin()
    hand.click(warning.typed)
    hand.type("127.0.0.1")
    hand.wait(lambda: warning.replace.instate(["!disabled"]))
    hand.click(warning.replace)
    hand.wait(lambda: isinstance(hand.app.gate.card, NewPasswordCard), what="the way in")
    hand.press("Escape")
    hand.wait(lambda: hand.app.workspace is not None, what="the workspace")
    assert not other_pin()


def test_disconnecting_from_a_changed_key_keeps_the_old_pin(
    signed_out: Hand, form: SignInCard, other_pin: Callable[[], bool]
) -> None:
    hand = signed_out
    type_password(hand, form, "user123")
    hand.wait(lambda: isinstance(hand.app.gate.card, ChangedKeyCard))
    hand.press("Return")
    hand.wait(lambda: isinstance(hand.app.gate.card, SignInCard))
    assert other_pin()


def test_without_a_keyring_keeping_the_password_is_refused_with_the_reason(signed_out: Hand, form: SignInCard) -> None:
    hand = signed_out
    hand.wait(lambda: any("no keyring" in words for words in hand.words(form)), what="the reason")
    assert "disabled" in keep_box(hand, form).state()


def test_signing_out_returns_to_the_form(fresh_hand: Hand) -> None:
    hand = fresh_hand
    hand.app.window.offers.run(SIGN_OUT)
    hand.wait(lambda: isinstance(hand.app.gate.card, SignInCard))
    assert hand.app.workspace is None
    sign_in(hand)
    assert hand.files.browser.folder.path == "/"


def test_a_window_that_is_narrow_when_one_signs_in_is_folded(signed_out: Hand) -> None:
    hand = signed_out
    resize(hand, 720, 600)
    try:
        sign_in(hand)
        window = hand.app.window
        hand.wait(lambda: not window.side_shown and not window.aside_shown, what="both put away")
        resize(hand, 1200, 760)
        hand.wait(lambda: window.side_shown and window.aside_shown, what="both there")
    finally:
        resize(hand, 1200, 760)
