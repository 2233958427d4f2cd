"""The application: one window, from opening to closing; who is signed in comes and goes within it."""

from __future__ import annotations

import logging
import threading
import types
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sfos import PRODUCT, __version__, config
from sfos.client.local import directories
from sfos.client.options import ClientOptions
from sfos.gui.choices import Memory
from sfos.gui.commands import Offer
from sfos.gui.look.palette import Mode
from sfos.gui.look.theme import Theme, Window
from sfos.gui.model import Connection, Direction, Notice, TransferBoard
from sfos.gui.page import PageMaker
from sfos.gui.shell import desktop
from sfos.gui.shell.actions import WindowActions
from sfos.gui.shell.commands import COMMANDS
from sfos.gui.shell.main_window import MainWindow, Reactions
from sfos.gui.shell.places import PLACES
from sfos.gui.signing_in.first_server import server_to_offer
from sfos.gui.signing_in.gate import Gate
from sfos.gui.signing_in.new_password import NewPasswordCard
from sfos.gui.signing_in.presenter import (
    AccessPresenter,
    AskNewPassword,
    AskSignIn,
    AskTrust,
    Entered,
    Step,
    WarnChanged,
    ended_notice,
)
from sfos.gui.signing_in.sign_in_card import SignInCard
from sfos.gui.signing_in.trust_cards import ChangedKeyCard, TrustCard
from sfos.gui.threads.bridge import TaskBridge, TkPump
from sfos.gui.threads.collector import Collector
from sfos.gui.widgets.dialogs.ask import confirm
from sfos.gui.widgets.dialogs.base import Dialog
from sfos.protocol import SessionEnded

if TYPE_CHECKING:  # loaded by `_open_trust`, in a thread, while the window is already there
    from sfos.client.net.trust import Trust
    from sfos.client.session.session import Session
    from sfos.gui.shell.workspace import Workspace

_log = logging.getLogger(__name__)

_SIZE = (1360, 840)
_LOAD_S = 0.1  # the first picture of the window comes first


class App:
    """Builds the window and runs it until it is closed."""

    def __init__(
        self,
        settings: config.Config,
        *,
        server: str = "",
        user: str = "",
        mode: Mode | None = None,
        places: Sequence[PageMaker] = PLACES,
    ) -> None:
        """`server`, `user`, `mode`: what the command line says; it outranks what was remembered."""
        self._settings = settings.client
        self._state_dir = directories.state_directory(settings.client)
        self.bridge = TaskBridge()
        self.bridge.on_error = self._report
        self.memory = Memory(self.bridge, self._state_dir, settings.client)
        chosen = self.memory.now
        asked = mode or _mode(settings.client.theme) or chosen.theme
        strong = chosen.contrast == "high"
        self.root = Window(PRODUCT, asked or "light", high_contrast=strong)
        self.theme = Theme(
            self.root, asked or "light", scale=settings.client.ui_scale or None,
            text_scale=chosen.text_scale, high_contrast=strong,
        )  # fmt: skip
        self._pump = TkPump(self.root, self.bridge)
        self._collector = Collector(self.bridge)
        self._closing = False
        self.closed = False
        self.workspace: Workspace | None = None
        self.gate = Gate(self.root, self.theme)
        self.access = AccessPresenter(
            self.bridge, self._open_trust, ClientOptions.of(settings.client, f"window {__version__}"), self._step
        )
        self._hooks()
        self._place_window()
        self.access.begin(server or server_to_offer(settings, self.memory.now.server), user or self._user())
        # Before it shows: a window that is closed while the rest is made would be destroyed under it.
        self.root.protocol("WM_DELETE_WINDOW", self.close)
        self.root.deiconify()
        self.root.update_idletasks()  # the form is on the screen; what it covers can be made behind it
        self.window = MainWindow(self.root, self.theme, self._reactions(), places)
        self.actions = WindowActions(
            self.window, self.theme, __version__, memory=self.memory, bridge=self.bridge,
            follow_system=self._follow_system, fingerprint=self._fingerprint,
            sign_out=self._ask_sign_out, close=self.close,
        )  # fmt: skip
        self.window.offer(Offer(COMMANDS, self.window.state, lambda: self.actions))
        if asked is None:
            self._follow_system()
        self.root.after_idle(self._late)

    def run(self) -> None:
        """Blocks until the window is closed."""
        self.root.mainloop()

    # --- opening ---------------------------------------------------------------------------------------------------

    def _user(self) -> str:
        return self._settings.user or self.memory.now.user

    def _place_window(self) -> None:
        root, px = self.root, self.theme.px
        most = root.winfo_screenwidth(), root.winfo_screenheight()
        chosen = self.memory.now
        width = min(chosen.width or px(_SIZE[0]), most[0])
        height = min(chosen.height or px(_SIZE[1]), most[1])
        root.geometry(f"{width}x{height}+{(most[0] - width) // 2}+{(most[1] - height) // 3}")
        icon = self.theme.icon("safe2-fill", self.theme.palette.accent, 48)
        root.iconphoto(True, str(icon))

    def _late(self) -> None:
        """Load whatever the first picture of the window need not wait for."""
        if not self._closing:
            self.bridge.call_later(_LOAD_S, self._load)

    def _load(self) -> None:
        """Load, in a thread, what signing in will need."""
        self.bridge.run_in_thread(lambda _token: self._open_trust(), lambda _trust: None, self._report, name="gui-load")

    def _open_trust(self) -> Trust:
        """The pins. For threads: loads besides what a session needs, so that Tk's thread need not."""
        import sfos.gui.shell.workspace  # noqa: F401
        from sfos.client.net.trust import Trust, TrustStore

        for page in self.window.pages:
            page.load()
        return Trust(TrustStore(directories.pins_file(self._settings)))

    def _follow_system(self) -> None:
        def found(mode: Mode | None) -> None:
            if mode is not None and self.memory.now.theme is None:
                self.theme.set_mode(mode)

        self.bridge.run_in_thread(
            lambda _token: desktop.system_mode(), found, lambda _error: None, name="gui-system-theme"
        )

    # --- errors of the program itself ------------------------------------------------------------------------------

    def _hooks(self) -> None:
        """Let nothing fail unseen: an error that nobody caught is logged and shown."""

        def in_tk(_kind: type[BaseException], error: BaseException, _trace: types.TracebackType | None) -> None:
            self._report(error)

        previous = threading.excepthook

        def in_thread(args: Any) -> None:
            if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
                error = args.exc_value
                self.bridge.post(lambda: self._report(error))
            else:
                previous(args)

        self.root.report_callback_exception = in_tk  # how tkinter wants it
        self._previous_hook = previous
        threading.excepthook = in_thread

    def _report(self, error: BaseException) -> None:
        if self.closed:
            # Tk still tells half-destroyed widgets of their new size.
            _log.debug("an error while the window went away", exc_info=error)
            return
        _log.error("an error nobody caught", exc_info=error)
        text = f"Something went wrong in this program ({type(error).__name__}). The log says more; your files are safe."
        self.window.banner.show(Notice(text, "error"), close=lambda: self.window.banner.show(None))

    # --- getting in ------------------------------------------------------------------------------------------------

    def _step(self, step: Step) -> None:
        access = self.access
        match step:
            case AskSignIn(state=state, fresh=fresh):
                card = self.gate.card
                if not isinstance(card, SignInCard):
                    card = self.gate.show(
                        lambda parent, theme: SignInCard(
                            parent, theme, state, on_submit=access.submit, on_cancel=access.cancel
                        )
                    )
                    fresh = True
                assert isinstance(card, SignInCard)
                card.show(state)
                if fresh and not state.busy:
                    card.take_focus(state.wrong)
            case AskTrust(key=unknown):
                self.gate.show(
                    lambda parent, theme: TrustCard(
                        parent, theme, unknown, on_trust=lambda: access.trust(unknown), on_cancel=access.distrust
                    )
                )
            case WarnChanged(key=changed):
                self.gate.show(
                    lambda parent, theme: ChangedKeyCard(
                        parent, theme, changed,
                        on_replace=lambda: access.replace_key(changed), on_disconnect=access.distrust,
                    )
                )  # fmt: skip
            case AskNewPassword(state=asked):
                form = self.gate.card
                if not isinstance(form, NewPasswordCard):
                    self.gate.show(
                        lambda parent, theme: NewPasswordCard(
                            parent, theme, asked, on_choose=access.choose_password,
                            on_later=access.postpone_password, on_sign_out=access.refuse_password,
                        )
                    )  # fmt: skip
                else:
                    form.show(asked)
            case Entered(session=session):
                self._enter(session)

    def _enter(self, session: Session) -> None:
        if self._closing:
            return
        self.memory.remember(server=str(session.address), user=session.user)
        from sfos.gui.shell.workspace import Workspace

        if self.workspace is not None and self.workspace.goes_on_with(session):
            self.workspace.go_on(session, self._uncover)
            return
        self._end_workspace(logout=False)  # of somebody whose session had ended
        # Laid out and filled behind the card, and uncovered whole.
        self.window.show()
        self.window.prefer_aside(self.memory.now.details)
        self.workspace = Workspace(
            session, self.window, self.bridge, self._settings, state_dir=self._state_dir,
            memory=self.memory, on_session_ended=self._session_ended, on_sign_out=self._ask_sign_out,
        )  # fmt: skip
        self.workspace.start()
        self.root.update_idletasks()
        self.gate.leave()

    def _uncover(self) -> None:
        """Show again all that was there when the session ended."""
        self.window.show()
        self.gate.leave()
        if self.window.page is not None:
            self.window.page.take_focus()

    def _leave(self, *, logout: bool) -> None:
        if self.workspace is None:
            return
        address, user = str(self.workspace.session.address), self.workspace.session.user
        self._end_workspace(logout=logout)
        self.access.begin(address, user, automatic=False)

    def _end_workspace(self, *, logout: bool) -> None:
        workspace, self.workspace = self.workspace, None
        if workspace is None:
            return
        workspace.close(logout=logout)
        self.window.hide()
        self.window.show_connection(Connection())
        self.window.show_board(TransferBoard())
        window = self.window
        for banner in (window.offline_banner, window.banner, window.offer_banner, window.edited_banner):
            banner.show(None)

    def _session_ended(self, error: Exception) -> None:
        """Cover the window with the form: signed in again, one is where one was, and what was under way goes on."""
        workspace = self.workspace
        if workspace is None:
            return
        notice = ended_notice(error, kept=len(workspace.unfinished()))
        workspace.sleep()
        for child in self.root.winfo_children():
            if isinstance(child, Dialog) and child.modal:
                child.cancel()
        self.window.hide()
        self.window.show_connection(Connection())
        self.window.offline_banner.show(None)
        # Who is kept signed in is so here too, unless somebody wanted this session to end.
        automatic = type(error) is SessionEnded
        session = workspace.session
        self.access.begin(str(session.address), session.user, notice=notice, automatic=automatic, again=True)

    # --- what the person does --------------------------------------------------------------------------------------

    def _reactions(self) -> Reactions:
        def when_in(action: Callable[..., Any]) -> Callable[..., Any]:
            """`action` of the workspace, while there is one."""

            def act(*values: Any) -> None:
                if self.workspace is not None:
                    action(self.workspace, *values)

            return act

        return Reactions(
            transfer=when_in(lambda space, key, action: space.transfers.act(key, action)),
            pause_all=when_in(lambda space, paused: space.transfers.pause_all(paused)),
            limit=self._set_limit,
            clear=when_in(lambda space, tab: space.transfers.clear(tab)),
            close=self.close,
        )

    def _fingerprint(self) -> str:
        return self.workspace.session.fingerprint if self.workspace is not None else ""

    def _set_limit(self, direction: Direction, limit: int | None) -> None:
        self.memory.remember(**{"upload_limit" if direction == "up" else "download_limit": limit or 0})

    def _ask_sign_out(self) -> None:
        left = self._left_undone()
        if left:
            confirm(
                self.root, self.theme, title="Sign out now?", verb="Sign out", text=left,
                on_yes=lambda: self._leave(logout=True),
            )  # fmt: skip
        else:
            self._leave(logout=True)

    def _left_undone(self) -> str:
        """Sentences about what the end of the session breaks off; "" for nothing."""
        workspace = self.workspace
        if workspace is None:
            return ""
        cut = ""
        if self.memory.now.ask_leaving and workspace.transfers.unfinished:
            cut = "Transfers are under way. They stop now, and can go on when you sign in again."
        return " ".join(filter(None, (cut, workspace.unsaved)))

    # --- closing ---------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the window; asks first if that cuts off transfers."""
        if self._closing:
            return
        left = self._left_undone()
        if left:
            confirm(self.root, self.theme, title="Close the window?", verb="Close", text=left, on_yes=self.close_now)
        else:
            self.close_now()

    def close_now(self) -> None:
        """Close without asking: refuse new work, cancel, wait for the threads (5 s at most), destroy."""
        if self._closing:
            return
        self._closing = True
        if self.root.state() == "normal":
            self.memory.remember(width=self.root.winfo_width(), height=self.root.winfo_height())
        self.access.close()
        if self.workspace is not None:
            self.workspace.close(at_once=True)  # nobody else has its ticket: left there, it looks like a stranger's
            self.workspace = None
        self.root.withdraw()
        self._pump.shut_down(self._destroy)

    def _destroy(self) -> None:
        self.closed = True
        threading.excepthook = self._previous_hook
        self._collector.stop()
        # Views have timers of their own (a tool tip, a toast); none may fire into a window that is gone. They are
        # cancelled in Tcl: `after_cancel` also deletes the command, which the timer's widget does again on its end.
        for timer in self.root.tk.splitlist(self.root.tk.call("after", "info")):
            self.root.tk.call("after", "cancel", timer)
        self.root.destroy()


def _mode(setting: str) -> Mode | None:
    return "light" if setting == "light" else "dark" if setting == "dark" else None
