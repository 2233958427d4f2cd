"""What the person can tell a session to do: each command with the question it asks first, if it asks one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from sfos.client.session import keyring_store
from sfos.client.session.session import Session
from sfos.gui import wording
from sfos.gui.account.sessions import SessionsPresenter
from sfos.gui.account.sessions_dialog import SessionsDialog
from sfos.gui.commands import LOOK_COMMANDS, Command
from sfos.gui.files.browser import BrowserPresenter
from sfos.gui.files.operations import OperationsPresenter, deletion_text, name_problem, named
from sfos.gui.model import Listing, Notice, Place, Selection
from sfos.gui.preview.viewer import Viewer
from sfos.gui.shell.main_window import MainWindow
from sfos.gui.signing_in.new_password import PasswordDialog
from sfos.gui.threads.bridge import CancelToken, TaskBridge
from sfos.gui.transfers.presenter import TransfersPresenter
from sfos.gui.widgets.dialogs.ask import ask_name, confirm
from sfos.gui.widgets.dialogs.choose import choose_files, choose_folder
from sfos.protocol import Entry, LoginFailed, printable

_ALWAYS = frozenset(
    {
        Command.REFRESH, Command.EDIT_PATH, Command.SEARCH, Command.UPLOAD_FILES, Command.UPLOAD_FOLDER,
        Command.NEW_FOLDER, Command.SELECT_ALL, Command.TRANSFERS, Command.DETAILS_PANE, Command.DETAILS,
        Command.NEXT_PANE, Command.MENU, *LOOK_COMMANDS, Command.SESSIONS, Command.CHANGE_PASSWORD, Command.SIGN_OUT,
        Command.HELP, Command.QUIT,
    }
)  # fmt: skip
_ON_SELECTION = frozenset({Command.DOWNLOAD, Command.DOWNLOAD_TO, Command.DELETE, Command.COPY, Command.CUT})
_ON_ONE = frozenset({Command.OPEN, Command.RENAME, Command.COPY_PATH})


def enabled(listing: Listing, selection: Selection, *, can_paste: bool) -> frozenset[Command]:
    """The commands that mean something now."""
    entries = selection.entries
    found = set(_ALWAYS)
    for command, possible in (
        (Command.BACK, listing.can_back),
        (Command.FORWARD, listing.can_forward),
        (Command.UP, listing.place.parent() is not None),
        (Command.PASTE, can_paste),
        (Command.PREVIEW, len(entries) == 1 and entries[0].kind != "folder"),
    ):
        if possible:
            found.add(command)
    if entries:
        found |= _ON_SELECTION
    if len(entries) == 1:
        found |= _ON_ONE
    return frozenset(found)


class Orders:
    """Carries out commands on one session's presenters. `run` returns at once."""

    def __init__(
        self,
        window: MainWindow,
        bridge: TaskBridge,
        session: Session,
        download_dir: Path,
        *,
        browser: BrowserPresenter,
        operations: OperationsPresenter,
        transfers: TransfersPresenter,
        viewer: Viewer,
        refresh: Callable[[], None],
        sign_out: Callable[[], None],
    ) -> None:
        self._window, self._bridge, self._session, self._download_dir = window, bridge, session, download_dir
        self._browser, self._operations = browser, operations
        self._transfers, self._viewer = transfers, viewer
        self._refresh, self._sign_out = refresh, sign_out
        self.selection = Selection()
        self._chosen_in = Path.home()  # where files were chosen last

    def run(self, command: Command) -> bool:
        """Do what `command` says; whether it is one of these."""
        window, browser, entries = self._window, self._browser, self.selection.entries
        actions: dict[Command, Callable[[], object]] = {
            Command.BACK: browser.go_back,
            Command.FORWARD: browser.go_forward,
            Command.UP: browser.go_up,
            Command.REFRESH: browser.refresh,
            Command.EDIT_PATH: window.toolbar.breadcrumb.edit,
            Command.SEARCH: window.toolbar.search.take_focus,
            Command.OPEN: lambda: self.open_entry(entries[0]),
            Command.PREVIEW: lambda: self._viewer.open_large(entries[0]),
            Command.UPLOAD_FILES: self._choose_files,
            Command.UPLOAD_FOLDER: self._choose_folder,
            Command.DOWNLOAD: lambda: self.download(entries, self._download_dir),
            Command.DOWNLOAD_TO: self._download_to,
            Command.NEW_FOLDER: self._ask_new_folder,
            Command.RENAME: self._ask_rename,
            Command.DELETE: self._ask_delete,
            Command.COPY: lambda: self._take(self._operations.copy),
            Command.CUT: lambda: self._take(self._operations.cut),
            Command.PASTE: self._paste,
            Command.COPY_PATH: self._copy_path,
            Command.SELECT_ALL: window.files.moves.select_all,
            Command.DETAILS: lambda: self._show_details(True),
            Command.DETAILS_PANE: lambda: self._show_details(not window.details_shown),
            Command.TRANSFERS: window.toggle_transfers,
            Command.NEXT_PANE: window.next_pane,
            Command.MENU: window.open_file_menu,
            Command.CHANGE_PASSWORD: self.change_password,
            Command.SESSIONS: self.show_sessions,
        }
        action = actions.get(command)
        if action is None:
            return False
        action()
        return True

    def open_entry(self, entry: Entry) -> None:
        """Go into a folder, or look at a file."""
        if entry.kind == "folder":
            self._browser.go(self._browser.place.child(entry.node, entry.name))
        else:
            self._viewer.open_large(entry)

    def _show_details(self, shown: bool) -> None:
        if shown and self._window.details_shown:
            self._window.details.flash()
        self._window.show_details(shown)
        self._viewer.show(self.selection)

    # --- up and down -----------------------------------------------------------------------------------------------

    def _choose_files(self) -> None:
        files = choose_files(self._window.root, "Upload files", self._chosen_in)
        if files:
            self._chosen_in = files[0].parent
        self.upload(files)

    def _choose_folder(self) -> None:
        folder = choose_folder(self._window.root, "Upload a folder", self._chosen_in)
        if folder is not None:
            self._chosen_in = folder.parent
            self.upload((folder,))

    def upload(self, paths: Sequence[Path], place: Place | None = None) -> None:
        """Upload into `place`, or the folder that is shown."""
        self._transfers.upload(paths, place or self._browser.place)

    def _download_to(self) -> None:
        entries = self.selection.entries
        folder = choose_folder(self._window.root, "Download to", self._chosen_in)
        if folder is not None:
            self._chosen_in = folder
            self.download(entries, folder)

    def download(self, entries: Sequence[Entry], folder: Path | None = None) -> None:
        """Download into `folder`, or the usual one."""
        self._transfers.download(entries, folder or self._download_dir)

    # --- names and deletion ----------------------------------------------------------------------------------------

    def _taken(self) -> list[str]:
        return [entry.name for entry in self._browser.listing.rows]

    def _ask_new_folder(self) -> None:
        place = self._browser.place
        ask_name(
            self._window.root, self._window.theme, title="New folder", label="Name", value="New folder", verb="Make",
            check=lambda name: name_problem(name, self._taken()),
            on_done=lambda name: self._operations.make_folder(place, name),
        )  # fmt: skip

    def _ask_rename(self) -> None:
        entry = self.selection.entries[0]
        ask_name(
            self._window.root, self._window.theme, title="Rename", label="New name", value=entry.name, verb="Rename",
            check=lambda name: name_problem(name, self._taken(), entry.name),
            on_done=lambda name: self._operations.rename(entry, name), select_stem=entry.kind != "folder",
        )  # fmt: skip

    def _ask_delete(self) -> None:
        entries = self.selection.entries
        title = f"Delete {named(entries)}?" if len(entries) == 1 else f"Delete {len(entries):,} items?"
        confirm(
            self._window.root, self._window.theme, title=title, text=deletion_text(entries), verb="Delete", danger=True,
            on_yes=lambda: self._operations.delete(entries),
        )  # fmt: skip

    # --- cut, copy, paste ------------------------------------------------------------------------------------------

    def _take(self, verb: Callable[[Sequence[Entry]], None]) -> None:
        entries = self.selection.entries
        verb(entries)
        board = self._operations.clipboard
        cut = board is not None and board.verb == "move"
        self._window.files.show_cut(frozenset(entry.node for entry in entries) if cut else frozenset())
        self._refresh()

    def _paste(self) -> None:
        self._operations.paste(self._browser.place)
        self._refresh()

    def _copy_path(self) -> None:
        root = self._window.root
        path = f"{self._browser.place.path.rstrip('/')}/{self.selection.entries[0].name}"
        root.clipboard_clear()
        root.clipboard_append(path)
        self._window.say(Notice(f"Copied: {printable(path)}"))

    # --- the account -----------------------------------------------------------------------------------------------

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
                self._window.say(Notice(f"The password was not changed: {reason}", "error"))

        def changed() -> None:
            dialog.close()
            self._window.banner.show(None)
            self._window.say(Notice("The password was changed.", "success"))

        dialog = PasswordDialog(
            self._window.root, self._window.theme, user=session.user, policy=policy, on_submit=submit,
        )  # fmt: skip
        dialog.open()

    def show_sessions(self) -> None:
        """Show where one is signed in."""
        presenter = SessionsPresenter(self._bridge, self._session.api)
        dialog = SessionsDialog(
            self._window.root, self._window.theme, on_end=presenter.end, on_end_others=presenter.end_others,
            on_sign_out=self._sign_out, on_close=presenter.close,
        )  # fmt: skip
        presenter.on_state = dialog.show
        dialog.open()
        presenter.load()
