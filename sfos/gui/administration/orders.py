"""Orders of an administrator: each command with the question it asks first, if it asks one."""

from __future__ import annotations

from collections.abc import Callable

from sfos.client.administration import Administration
from sfos.gui import wording
from sfos.gui.administration.account_dialogs import (
    AddAccountDialog,
    LimitsDialog,
    NewAccount,
    PasswordShownDialog,
    ResetPasswordDialog,
)
from sfos.gui.administration.presenter import AdminPresenter
from sfos.gui.model import Notice
from sfos.gui.page import Desk, Room
from sfos.gui.widgets.dialogs.ask import confirm
from sfos.protocol import AccountEntry, PasswordRefused, Role, printable


class AdminOrders:
    """Carries out commands on one session. All return at once."""

    def __init__(
        self, room: Room, desk: Desk, admin: Administration, presenter: AdminPresenter, find: Callable[[], None]
    ) -> None:
        """`find`: puts the keyboard into the field that filters."""
        self._root, self._theme, self._desk = room.root, room.theme, desk
        self._admin, self._presenter, self.find = admin, presenter, find

    def refresh(self) -> None:
        """Read anew what is shown."""
        self._presenter.refresh()

    def more_audit(self) -> None:
        """Read further back."""
        self._presenter.more_audit()

    def copy(self) -> None:
        """Put the selected rows into the system's clipboard; of the audit log the lines as they are there."""
        state = self._presenter.state
        chosen = [row for row in state.rows if row.key in state.selected]
        if state.tab == "audit":
            lines = [(state.known.audit or ())[int(row.key)] for row in chosen]
        else:
            lines = ["\t".join(row.cells) for row in chosen]
        self._root.clipboard_clear()
        self._root.clipboard_append("\n".join(map(printable, lines)))
        self._desk.say(Notice(f"Copied {wording.count(len(lines), 'line')}."))

    # --- accounts --------------------------------------------------------------------------------------------------

    def _account(self) -> AccountEntry:
        account = self._presenter.state.account
        assert account is not None  # else the command is not on offer
        return account

    def _defaults(self) -> tuple[int, int]:
        found = self._presenter.state.known.accounts
        return (found.default_quota_bytes, found.default_quota_files) if found is not None else (0, 0)

    def _generate(self, name: str) -> str:
        try:
            return self._admin.generate_password(name)
        except PasswordRefused:
            return ""  # requirements that nothing made up meets; the person can

    def ask_account(self) -> None:
        """Ask for a new account."""

        def submit(asked: NewAccount) -> None:
            self._presenter.order(
                lambda admin: admin.add(
                    asked.name, asked.password, asked.role, asked.quota_bytes, asked.quota_files
                ),
                lambda _entry: "", refused=dialog.refuse,
                done=lambda entry: shown(entry, asked.password),
            )  # fmt: skip

        def shown(entry: AccountEntry, password: str) -> None:
            dialog.close()
            self._show_password(entry.name, password, f"The account “{printable(entry.name)}” was added.")

        dialog = AddAccountDialog(
            self._root, self._theme, defaults=self._defaults(), generate=lambda: self._generate(""), on_submit=submit
        )
        dialog.open()

    def ask_password(self) -> None:
        """Ask for another password of the selected account."""
        name = self._account().name

        def submit(password: str) -> None:
            self._presenter.order(
                lambda admin: admin.reset_password(name, password), lambda _entry: "", refused=dialog.refuse,
                done=lambda _entry: shown(password),
            )  # fmt: skip

        def shown(password: str) -> None:
            dialog.close()
            self._show_password(name, password, f"“{printable(name)}” has a new password.")

        dialog = ResetPasswordDialog(
            self._root, self._theme, name, generate=lambda: self._generate(name), on_submit=submit
        )
        dialog.open()

    def _show_password(self, name: str, password: str, sentence: str) -> None:
        PasswordShownDialog(self._root, self._theme, name, password, sentence).open()

    def ask_limits(self) -> None:
        """Ask how much the selected account may store."""
        account = self._account()
        dialog = LimitsDialog(
            self._root, self._theme, account, defaults=self._defaults(),
            on_submit=lambda quota_bytes, quota_files: self._presenter.set_limits(
                account.name, quota_bytes, quota_files, done=lambda _entry: dialog.close(), refused=dialog.refuse
            ),
        )  # fmt: skip
        dialog.open()

    def ask_role(self, role: Role) -> None:
        """Ask whether the selected account shall have another role."""
        name = self._account().name
        admin = role == "admin"
        text = (
            "Administrators add and remove accounts, end sessions and read the audit log."
            if admin
            else "The account keeps its files, and can administer nothing any more."
        )
        confirm(
            self._root, self._theme, text=f"{text} It is signed out everywhere.",
            title=f"Make “{printable(name)}” {'an administrator' if admin else 'an ordinary user'}?", verb="Change",
            on_yes=lambda: self._presenter.set_role(name, role),
        )  # fmt: skip

    def ask_disable(self) -> None:
        """Ask whether the selected account shall be kept from signing in."""
        name = self._account().name
        confirm(
            self._root, self._theme, title=f"Disable “{printable(name)}”?", verb="Disable", danger=True,
            text="It is signed out everywhere at once, and cannot sign in until it is enabled again. Its files stay.",
            on_yes=lambda: self._presenter.set_disabled(name, True),
        )  # fmt: skip

    def enable(self) -> None:
        """Let the selected account sign in again."""
        self._presenter.set_disabled(self._account().name, False)

    def ask_remove(self) -> None:
        """Ask whether the selected account shall go."""
        name = self._account().name
        confirm(
            self._root, self._theme, title=f"Remove “{printable(name)}”?", verb="Remove", danger=True,
            text="This cannot be undone. Its files stay on the server's disk, but no account reaches them any more: "
            "a new account of that name will not get them.",
            on_yes=lambda: self._presenter.remove(name),
        )  # fmt: skip

    # --- sessions and waits ----------------------------------------------------------------------------------------

    def show_sessions_of(self) -> None:
        """Show where the selected account is signed in."""
        self._presenter.open("sessions", filter=self._account().name)

    def ask_sign_out_account(self) -> None:
        """Ask whether the selected account shall be signed out everywhere."""
        name = self._account().name
        confirm(
            self._root, self._theme, title=f"Sign “{printable(name)}” out everywhere?", verb="Sign out", danger=True,
            text="What its programs are doing stops. It can sign in again.",
            on_yes=lambda: self._presenter.end_all_of(name),
        )  # fmt: skip

    def end_sessions(self) -> None:
        """Sign out the selected sessions."""
        self._presenter.end_sessions(self._presenter.state.sessions)

    def lift(self) -> None:
        """Let the selected ones try again at once."""
        self._presenter.lift(self._presenter.state.selected)

    def ask_lift_all(self) -> None:
        """Ask whether nobody shall have to wait any more."""
        confirm(
            self._root, self._theme, title="Lift all waits?", verb="Lift all",
            text="Whoever is guessing passwords now may go on at once, too.", on_yes=lambda: self._presenter.lift(()),
        )  # fmt: skip
