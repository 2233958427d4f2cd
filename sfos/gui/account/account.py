"""Commands for one's own account: another password, and a look at where one is signed in."""

from __future__ import annotations

from collections.abc import Callable

from sfos.client.session import keyring_store
from sfos.client.session.session import Session
from sfos.gui import wording
from sfos.gui.account.sessions import SessionsPresenter
from sfos.gui.account.sessions_dialog import SessionsDialog
from sfos.gui.look.theme import Theme, Window
from sfos.gui.model import Notice
from sfos.gui.signing_in.new_password import PasswordDialog
from sfos.gui.threads.bridge import CancelToken, TaskBridge
from sfos.protocol import LoginFailed


class Account:
    """The account of one session. `on_changed`: it has a new password."""

    def __init__(
        self,
        root: Window,
        theme: Theme,
        bridge: TaskBridge,
        session: Session,
        *,
        say: Callable[[Notice], None],
        on_changed: Callable[[], None],
        on_sign_out: Callable[[], None],
    ) -> None:
        self._root, self._theme, self._bridge, self._session = root, theme, bridge, session
        self._say, self._on_changed, self._on_sign_out = say, on_changed, on_sign_out

    def change_password(self) -> None:
        """Ask for the old and the new password, until the server takes them or the person gives up."""
        session = self._session
        policy = session.info.password_policy

        def submit(old: str, new: str) -> None:
            def work(_token: CancelToken) -> None:
                session.change_password(old, new)
                keyring_store.renew(session.user, session.address, new)

            self._bridge.run_in_thread(work, lambda _nothing: changed(), refused, name="gui-password")

        def refused(error: Exception) -> None:
            wrong = isinstance(error, LoginFailed)  # its own sentence is about signing in
            reason = "The current password is not right." if wrong else wording.explain(error)
            if dialog.winfo_exists():
                dialog.show_problem(reason, current=wrong)
            else:  # given up meanwhile, which did not stop it
                self._say(Notice(f"The password was not changed: {reason}", "error"))

        def changed() -> None:
            dialog.close()
            self._on_changed()
            self._say(Notice("The password was changed.", "success"))

        dialog = PasswordDialog(self._root, self._theme, user=session.user, policy=policy, on_submit=submit)
        dialog.open()

    def show_sessions(self) -> None:
        """Show where one is signed in."""
        presenter = SessionsPresenter(self._bridge, self._session.api)
        dialog = SessionsDialog(
            self._root, self._theme, on_end=presenter.end, on_end_others=presenter.end_others,
            on_sign_out=self._on_sign_out, on_close=presenter.close,
        )  # fmt: skip
        presenter.on_state = dialog.show
        dialog.open()
        presenter.load()
