"""Getting in: address, trust, password, if need be a new password; and staying signed in, where there is a keyring."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from sfos.client.address import DEFAULT_PORT, Address
from sfos.client.errors import ChangedServerKey, ConnectionFailed, UnknownServerKey
from sfos.client.options import ClientOptions
from sfos.client.session import keyring_store
from sfos.gui import wording
from sfos.gui.model import NewPasswordState, Notice, SignInState
from sfos.gui.threads.bridge import Cancelled, CancelToken, TaskBridge, Timer
from sfos.protocol import (
    LoginFailed,
    LoginRequired,
    PasswordChangeRequired,
    SessionEnded,
    SessionRevoked,
    SfosError,
    TooManyAttempts,
)

if TYPE_CHECKING:  # OpenSSL and its like take a fifth of a second to load: the window is shown before
    from sfos.client.net.trust import Trust
    from sfos.client.session.session import Session

LATER_S = 0.15


@dataclass(frozen=True, slots=True)
class AskSignIn:
    """Show the form. `fresh`: with the keyboard in its first empty field."""

    state: SignInState
    fresh: bool


@dataclass(frozen=True, slots=True)
class AskTrust:
    """Show the fingerprint of a server never seen before."""

    key: UnknownServerKey


@dataclass(frozen=True, slots=True)
class WarnChanged:
    """Show that the server's key is another one."""

    key: ChangedServerKey


@dataclass(frozen=True, slots=True)
class AskNewPassword:
    """Signed in with a password that is not to be kept: ask for another."""

    state: NewPasswordState


@dataclass(frozen=True, slots=True)
class Entered:
    """Signed in."""

    session: Session


Step = AskSignIn | AskTrust | WarnChanged | AskNewPassword | Entered


class AccessPresenter:
    """Tells `on_step` what to show next, until `Entered`. `open_trust` is called in a thread."""

    def __init__(
        self,
        bridge: TaskBridge,
        open_trust: Callable[[], Trust],
        options: ClientOptions,
        on_step: Callable[[Step], None],
    ) -> None:
        self._bridge, self._open_trust, self._options = bridge, open_trust, options
        self._tell = on_step
        self._last: Step | None = None
        self._state = SignInState()
        self._token = CancelToken()
        self._password = ""
        self._wait_timer: Timer | None = None
        self._choice = NewPasswordState()
        self._goes_on: str | None = None  # who, if their session has ended and they are where they were
        self._session: Session | None = None  # signed in, and not let in before a new password is chosen

    def _on_step(self, step: Step) -> None:
        self._last = step
        self._tell(step)

    def begin(
        self, server: str, user: str, *, notice: Notice | None = None, automatic: bool = True, again: bool = False
    ) -> None:
        """Show the form; sign in by itself if the keyring has the password and `automatic` is set.

        `notice`: why one is here again. `again`: this user goes on with what was there, and has been advised before.
        """
        self._stop_waiting()
        self._goes_on = user if again else None
        self._state = SignInState(server, user, notice=notice)
        self._on_step(AskSignIn(self._state, fresh=True))

        def work(_token: CancelToken) -> tuple[str | None, str | None]:
            # Looking for a keyring loads its backends, which takes a while: not on Tk's thread.
            refused = keyring_store.refusal()
            address = _address(server)
            return refused, keyring_store.get(user, address) if address and user else None

        def found(result: tuple[str | None, str | None]) -> None:
            refused, kept = result
            self._state = replace(self._state, keep_refused=refused, keep=kept is not None)
            if not isinstance(self._last, AskSignIn):
                return  # the keyring took its time, and one is past the form already
            if kept is not None and automatic and not self._state.busy:
                self.submit(server, user, kept, True)
            else:
                self._show()

        def failed(error: Exception) -> None:
            found((f"The keyring failed: {wording.explain(error)}", None))

        # A moment later: loading its backends would compete with drawing the window for the first time.
        self._bridge.call_later(LATER_S, lambda: self._bridge.run_in_thread(work, found, failed, name="gui-keyring"))

    def submit(self, server: str, user: str, password: str, keep: bool) -> None:
        """Try to sign in with what was typed."""
        address = _address(server)
        problem: str | None = None
        wrong: Literal["server", "user", "password"] | None = None
        if address is None:
            wrong, problem = "server", f"Write the server as host:port, for example localhost:{DEFAULT_PORT}."
        elif not user:
            wrong, problem = "user", "Type your user name."
        elif not password:
            wrong, problem = "password", "Type your password."
        self._stop_waiting()
        self._state = replace(
            self._state, server=server, user=user, keep=keep, problem=problem, wrong=wrong, busy=problem is None
        )
        if address is None or problem is not None:
            self._on_step(AskSignIn(self._state, fresh=True))
            return
        self._password = password
        self._show()
        self._connect(address)

    def _connect(self, address: Address) -> None:
        user, password, keep = self._state.user, self._password, self._state.keep

        def work(token: CancelToken) -> tuple[Session, Duty]:
            from sfos.client.session.session import Session

            session = Session.sign_in(address, user, password, self._open_trust(), self._options)
            try:
                token.check()
                duty = _duty(session)
                token.check()  # given up even now, what was typed is not kept
            except Cancelled:
                session.logout()
                raise
            except BaseException:
                session.close()
                raise
            if keep:
                keyring_store.put(user, address, password)
            else:
                keyring_store.forget(user, address)
            return session, duty

        self._token = self._bridge.run_in_thread(
            work, self._signed_in, self._failed, unwanted=lambda found: self._sign_out(found[0]), name="gui-sign-in"
        )

    def cancel(self) -> None:
        """Give up the attempt under way."""
        if self._state.busy:
            self._token.cancel()
            self._state = replace(self._state, busy=False, problem=None)
            self._show()

    def _signed_in(self, found: tuple[Session, Duty]) -> None:
        session, duty = found
        if duty is None or (duty == "advised" and session.user == self._goes_on):
            self._enter(session)
            return
        self._session = session
        self._choice = NewPasswordState(
            session.user, self._password, session.info.password_policy, forced=duty == "forced"
        )
        self._on_step(AskNewPassword(self._choice))

    def _enter(self, session: Session) -> None:
        self._password = ""
        self._session = None
        self._choice = NewPasswordState()
        self._state = replace(self._state, busy=False, problem=None, notice=None)
        self._on_step(Entered(session))

    def _failed(self, error: Exception) -> None:
        if isinstance(error, UnknownServerKey):
            self._on_step(AskTrust(error))
        elif isinstance(error, ChangedServerKey):
            self._on_step(WarnChanged(error))
        elif isinstance(error, TooManyAttempts) and error.retry_after_s:
            self._password = ""
            self._wait_until(self._bridge.clock() + error.retry_after_s, fresh=True)
        else:
            self._back_to_form(sign_in_problem(error), "server" if isinstance(error, ConnectionFailed) else None)

    def _back_to_form(self, problem: str | None, wrong: Literal["server"] | None = None) -> None:
        self._password = ""
        self._state = replace(self._state, busy=False, problem=problem, wrong=wrong)
        self._on_step(AskSignIn(self._state, fresh=True))

    def _show(self) -> None:
        self._on_step(AskSignIn(self._state, fresh=False))

    # --- too many attempts -----------------------------------------------------------------------------------------

    def _wait_until(self, end: float, *, fresh: bool = False) -> None:
        """Count down, and offer the button again at the `end`."""
        left = math.ceil(end - self._bridge.clock())
        if left > 0:
            text = f"Too many failed attempts. Signing in is possible again in {wording.countdown(left)}."
            self._wait_timer = self._bridge.call_later(
                min(1.0, end - self._bridge.clock() - left + 1), lambda: self._wait_until(end)
            )
        else:
            self._wait_timer, text = None, "You can try again now."
        self._state = replace(self._state, busy=False, problem=text, wrong=None, held_up=left > 0)
        self._on_step(AskSignIn(self._state, fresh=fresh))

    def _stop_waiting(self) -> None:
        if self._wait_timer is not None:
            self._wait_timer.cancel()
            self._wait_timer = None
        self._state = replace(self._state, held_up=False)

    # --- a new password --------------------------------------------------------------------------------------------

    def choose_password(self, new: str) -> None:
        """Take `new` in place of the password that one has signed in with, and go on."""
        session, old = self._session, self._password
        if session is None or self._choice.busy:
            return
        self._show_choice(busy=True)

        def work(_token: CancelToken) -> None:
            session.change_password(old, new)
            keyring_store.renew(session.user, session.address, new)

        self._bridge.run_in_thread(work, lambda _nothing: self._enter(session), self._not_chosen, name="gui-password")

    def _show_choice(self, *, busy: bool = False, problem: str = "") -> None:
        self._choice = replace(self._choice, busy=busy, problem=problem)
        self._on_step(AskNewPassword(self._choice))

    def _not_chosen(self, error: Exception) -> None:
        if isinstance(error, LoginFailed):
            self._end_session()
            self._back_to_form("Your password was changed from elsewhere meanwhile. Sign in with the new one.")
        elif isinstance(error, (SessionEnded, LoginRequired)):  # it lay unused for too long, or somebody ended it
            self._end_session()
            self._back_to_form(sign_in_problem(error))
        else:
            self._show_choice(problem=sign_in_problem(error))

    def postpone_password(self) -> None:
        """Go on with the password as it is, where the server allows it."""
        if self._session is not None and not self._choice.forced and not self._choice.busy:
            self._enter(self._session)

    def refuse_password(self) -> None:
        """Choose none: sign out again."""
        self._end_session()
        self._back_to_form(None)

    def _end_session(self) -> None:
        session, self._session = self._session, None
        self._choice = NewPasswordState()
        if session is not None:
            self._sign_out(session)

    def _sign_out(self, session: Session) -> None:
        self._bridge.run_in_thread(
            lambda _token: session.logout(), lambda _nothing: None, lambda _error: None, name="gui-session-end"
        )

    def close(self) -> None:
        """The window closes: leave nothing open."""
        self._end_session()

    # --- who the server is -----------------------------------------------------------------------------------------

    def trust(self, key: UnknownServerKey) -> None:
        """The person has compared the fingerprint: pin it and sign in."""
        self._settle(lambda: self._open_trust().store.pin(key.address, key.fingerprint), key.address)

    def replace_key(self, key: ChangedServerKey) -> None:
        """The person insists: pin the new key in place of the old one, and sign in."""
        self._settle(lambda: self._open_trust().store.replace(key.address, key.pinned, key.seen), key.address)

    def _settle(self, change: Callable[[], None], address: Address) -> None:
        self._on_step(AskSignIn(self._state, fresh=True))
        self._bridge.run_in_thread(
            lambda _token: change(),
            lambda _nothing: self._connect(address),
            self._failed,
            name="gui-pin",
        )

    def distrust(self) -> None:
        """The person does not trust the server: nothing more is sent to it."""
        self._back_to_form("Not connected: you did not confirm the server's key.")


# What has to be done about the password: nothing, or choosing another, which the server insists on or only advises.
Duty = Literal["forced", "advised"] | None


def _duty(session: Session) -> Duty:
    """In a thread: asks the server for something small, for it does not say by itself whether it insists."""
    if not session.info.must_change_password:
        return None
    try:
        session.api.usage()
    except PasswordChangeRequired:
        return "forced"
    return "advised"


def _address(text: str) -> Address | None:
    try:
        return Address.parse(text)
    except ValueError:
        return None


def sign_in_problem(error: Exception) -> str:
    """Reason why signing in failed and what to do, in one sentence or two."""
    return error.message if isinstance(error, SfosError) else wording.explain(error)


def ended_notice(error: Exception, *, kept: int) -> Notice:
    """Why one is no longer signed in, and by whose doing, as far as the server tells it.

    `kept`: how many transfers had not come to their end, and are kept.
    """
    if isinstance(error, SessionRevoked):
        text = error.message
    elif isinstance(error, SessionEnded):
        text = f"{error.message} That happens when it is not used for long, and when your password is changed."
    elif isinstance(error, LoginFailed):
        text = "Your password was changed, or an administrator has disabled your account."
    else:
        text = wording.explain(error)
    text += " You come back to where you were"
    if kept:
        goes = "goes" if kept == 1 else "go"
        text += f", and {wording.count(kept, 'unfinished transfer')} {goes} on"
    text += "."
    return Notice(text, "warning")
