"""Getting in: address, trust, password; and staying signed in, where the system has a keyring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from client.address import DEFAULT_PORT, Address
from client.errors import ChangedServerKey, ConnectionFailed, UnknownServerKey
from client.options import ClientOptions
from gui import wording
from gui.keyring_store import PasswordKeeper
from gui.model import SignInState
from gui.tasks import CancelToken, TaskBridge
from protocol import LoginFailed, SfosError, TooManyAttempts

if TYPE_CHECKING:  # OpenSSL and its like take a fifth of a second to load: the window is shown before
    from client.session import Session
    from client.trust import Trust

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
class Entered:
    """Signed in."""

    session: Session


Step = AskSignIn | AskTrust | WarnChanged | Entered


class AccessPresenter:
    """Tells `on_step` what to show next, until `Entered`. `open_trust` is called in a thread."""

    def __init__(
        self,
        bridge: TaskBridge,
        open_trust: Callable[[], Trust],
        options: ClientOptions,
        keeper: PasswordKeeper,
        on_step: Callable[[Step], None],
    ) -> None:
        self._bridge, self._open_trust, self._options = bridge, open_trust, options
        self._keeper, self._on_step = keeper, on_step
        self._state = SignInState()
        self._token = CancelToken()
        self._password = ""

    def begin(self, server: str, user: str, *, problem: str | None = None, automatic: bool = True) -> None:
        """Show the form; sign in by itself if the keyring has the password and `automatic` is set."""
        self._state = SignInState(server, user, problem=problem)
        self._on_step(AskSignIn(self._state, fresh=True))

        def work(_token: CancelToken) -> tuple[str | None, str | None]:
            # Looking for a keyring loads its backends, which takes a while: not on Tk's thread.
            refused = self._keeper.refusal()
            address = _address(server)
            kept = self._keeper.get(str(address), user) if refused is None and address and user else None
            return refused, kept

        def found(result: tuple[str | None, str | None]) -> None:
            refused, kept = result
            self._state = replace(self._state, keep_refused=refused, keep=kept is not None)
            if kept is not None and automatic and not self._state.busy and problem is None:
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

        def work(token: CancelToken) -> Session:
            from client.session import Session

            session = Session.sign_in(address, user, password, self._open_trust(), self._options)
            if token.cancelled:
                session.close()
            token.check()
            if self._keeper.refusal() is None:
                if keep:
                    self._keeper.put(str(address), user, password)
                else:
                    self._keeper.forget(str(address), user)
            return session

        self._token = self._bridge.run_in_thread(work, self._entered, self._failed, name="gui-sign-in")

    def cancel(self) -> None:
        """Give up the attempt under way."""
        if self._state.busy:
            self._token.cancel()
            self._state = replace(self._state, busy=False, problem=None)
            self._show()

    def _entered(self, session: Session) -> None:
        self._password = ""
        self._state = replace(self._state, busy=False, problem=None)
        self._on_step(Entered(session))

    def _failed(self, error: Exception) -> None:
        if isinstance(error, UnknownServerKey):
            self._on_step(AskTrust(error))
        elif isinstance(error, ChangedServerKey):
            self._on_step(WarnChanged(error))
        else:
            self._back_to_form(sign_in_problem(error), "server" if isinstance(error, ConnectionFailed) else None)

    def _back_to_form(self, problem: str | None, wrong: Literal["server"] | None = None) -> None:
        self._password = ""
        self._state = replace(self._state, busy=False, problem=problem, wrong=wrong)
        self._on_step(AskSignIn(self._state, fresh=True))

    def _show(self) -> None:
        self._on_step(AskSignIn(self._state, fresh=False))

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


def _address(text: str) -> Address | None:
    try:
        return Address.parse(text)
    except ValueError:
        return None


def sign_in_problem(error: Exception) -> str:
    """Why signing in failed and what to do, in one sentence or two."""
    if isinstance(error, LoginFailed):
        return "Wrong user name or password."
    if isinstance(error, TooManyAttempts) and error.retry_after_s:
        return f"Too many failed attempts. Try again in {wording.duration(error.retry_after_s)}."
    if isinstance(error, SfosError):
        return error.message
    return wording.explain(error)
