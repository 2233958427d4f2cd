"""One signed-in session in the window: its account, its transfers, and what the pages get to work with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from sfos import PRODUCT, config
from sfos.client.session.session import Session
from sfos.client.transfer import ConflictAnswer, TransferEngine, queue_file
from sfos.gui.account.account import Account
from sfos.gui.account.commands import COMMANDS as ACCOUNT_COMMANDS
from sfos.gui.account.usage import usage_of
from sfos.gui.choices import Memory
from sfos.gui.commands import Offer
from sfos.gui.model import Conflicting, Connection, Notice, TransferBoard, Usage
from sfos.gui.page import Desk
from sfos.gui.shell import desktop
from sfos.gui.shell.main_window import MainWindow
from sfos.gui.shell.watching import WatchPresenter
from sfos.gui.threads.bridge import TaskBridge, Timer
from sfos.gui.transfers.beforehand import QuestionView, UploadsBeforehand
from sfos.gui.transfers.conflict_dialog import ConflictDialog
from sfos.gui.transfers.conflicts import ConflictsPresenter
from sfos.gui.transfers.interrupted import InterruptedPresenter
from sfos.gui.transfers.keeping import TransferKeeper
from sfos.gui.transfers.presenter import TransfersPresenter
from sfos.gui.transfers.rows import Limits
from sfos.gui.transfers.upload_dialog import UploadDialog
from sfos.protocol import Change, SfosError

_PANEL_S = 0.6  # a transfer that is over before that opens no panel
_USAGE_S = 1.0  # how long usage may lag behind changes: it is one more request


class Workspace:
    """Lives from signing in to signing out; after `close` nothing of it touches the window any more."""

    def __init__(
        self,
        session: Session,
        window: MainWindow,
        bridge: TaskBridge,
        settings: config.Client,
        *,
        state_dir: Path,
        memory: Memory,
        on_session_ended: Callable[[Exception], None],
        on_sign_out: Callable[[], None],
    ) -> None:
        self.session = session
        self._window, self._bridge = window, bridge
        self._on_session_ended, self._memory = on_session_ended, memory
        self._closed = False
        self._usage_timer: Timer | None = None
        self._panel_timer: Timer | None = None
        self._failed = 0
        self._connection = Connection("online", str(session.address), session.user)
        api = session.api
        self.conflicts = ConflictsPresenter(bridge, self._ask_conflict)
        self.keeper = TransferKeeper(
            bridge, queue_file.file_for(state_dir, session.address, session.user), self.unfinished
        )
        self.transfers = TransfersPresenter(
            bridge, for_job=self.conflicts.for_job, on_board=self._board, on_notice=self._say_of_transfer,
            on_queue=self.keeper.changed,
        )  # fmt: skip
        self.interrupted = InterruptedPresenter(
            bridge, api, start=self.transfers.start, on_offer=self._offer, on_notice=self._say,
            on_queue=self.keeper.changed,
        )  # fmt: skip
        self.engine = TransferEngine(session, listener=self.transfers.listen)
        self.transfers.use(self.engine)
        self._forget_memory = memory.on_change(self._preferred)
        self._preferred()
        self.beforehand = UploadsBeforehand(
            bridge, begin=self.transfers.upload, view=self._upload_dialog, on_notice=self._say, home=Path.home(),
            wanted=lambda: memory.now.ask_uploads,
        )  # fmt: skip
        self.account = Account(
            window.root, window.theme, bridge, session, say=window.say,
            on_changed=lambda: window.banner.show(None), on_sign_out=on_sign_out,
        )  # fmt: skip
        self.desk = Desk(
            session, bridge, settings, say=self._say, go_to=window.navigator.show,
            online=lambda: self._connection.phase == "online",
            upload=self.beforehand.upload, download=self.transfers.download,
            fetch=self.transfers.fetch, put_edited=self.transfers.put_edited, offer=self._offer_edited,
            state_dir=state_dir, memory=memory,
        )  # fmt: skip
        self.pages = tuple(page for page in window.pages if page.is_for(session))
        self.watch = WatchPresenter(
            bridge, session, on_changes=self._changed, on_missed=self._missed, on_online=self._online,
            on_offline=self._offline, on_ended=self._ended,
        )  # fmt: skip

    def start(self) -> None:
        """Show the first page, and begin to be told of changes."""
        info, window = self.session.info, self._window
        window.show_connection(self._connection)
        window.banner.show(None)
        if info.must_change_password:
            text = "This account still has its first password, which everyone knows who knows this program."
            window.banner.show(
                Notice(text, "warning", "Change it now"),
                act=self.account.change_password, close=lambda: window.banner.show(None),
            )  # fmt: skip
        elif self.session.warnings:
            notice = Notice(self.session.warnings[0].message, "warning")
            window.banner.show(notice, close=lambda: window.banner.show(None))
        window.show_board(self.transfers.board)
        for page in self.pages:
            page.begin(self.desk)
        window.begin(self.pages, Offer(ACCOUNT_COMMANDS, lambda: self.account, lambda: self.account))
        self.watch.start(info.home.cursor)
        self._ask_usage()
        self.keeper.load(lambda kept: None if self._closed else self.interrupted.offer(kept))
        self.pages[0].take_focus()

    def close(self, *, logout: bool = False, at_once: bool = False) -> None:
        """End everything of this session without waiting for it: its threads finish on their own.

        `logout`: on the server too; `at_once`: there, if it hears of it now.
        """
        if self._closed:
            return
        self._closed = True
        last_words = self.keeper.last_words()  # first: a transfer whose question nobody answers any more is cancelled
        self._forget_memory()
        self.conflicts.close()
        self.beforehand.close()
        self.watch.stop()
        for page in self.pages:
            page.end()
        self._window.end()
        self.transfers.forget()
        session, engine = self.session, self.engine

        def work(_token: object) -> None:
            last_words()
            engine.close(interrupt=True)
            if at_once:
                session.logout_at_once()
            elif logout:
                session.logout()
            else:
                session.close()

        self._bridge.run_in_thread(work, lambda _nothing: None, lambda _error: None, name="gui-session-end")

    # --- a session that has ended, and goes on ---------------------------------------------------------------------

    def sleep(self) -> None:
        """Do nothing more without a session, and keep all that is shown and under way for `go_on`."""
        self.transfers.signed_out()
        self._connection = Connection()
        for page in self.pages:
            page.covered()

    def goes_on_with(self, session: Session) -> bool:
        """Whether `session` is the same user's, on the same server and in the same home."""
        mine = self.session
        return (mine.address, mine.user, mine.info.home.space) == (
            session.address, session.user, session.info.home.space,
        )  # fmt: skip

    def go_on(self, session: Session, then: Callable[[], None]) -> None:
        """Take `session` in place of the one that has ended; what was under way goes on. `then`: it does."""

        def done(_nothing: None) -> None:
            if self._closed:
                return
            self._connection = Connection("online", str(self.session.address), self.session.user)
            self._window.show_connection(self._connection)
            self.watch.go_on()
            self.transfers.signed_in()
            for page in self.pages:
                page.back_online()
            self._usage_soon()
            then()

        self._bridge.run_in_thread(
            lambda _token: self.session.go_on_with(session), done, self._on_session_ended, name="gui-go-on"
        )

    @property
    def unsaved(self) -> str:
        """Sentence about what the pages would leave undone if the session ended now; "" for nothing."""
        return " ".join(filter(None, (page.unsaved for page in self.pages)))

    def unfinished(self) -> tuple[queue_file.Kept, ...]:
        """Transfers kept for the next time, if the session ends now."""
        return (*self.transfers.unfinished_work(), *self.interrupted.kept)

    # --- what the presenters say -----------------------------------------------------------------------------------

    def _say(
        self, notice: Notice, *, act: Callable[[], object] | None = None, other: Callable[[], object] | None = None
    ) -> None:
        if not self._closed:
            self._window.say(notice, act=act, other=other)

    def _say_of_transfer(
        self, notice: Notice, *, act: Callable[[], object] | None = None, other: Callable[[], object] | None = None
    ) -> None:
        if notice.severity == "success" and not self._memory.now.tell_done:
            return
        self._say(notice, act=act, other=other)
        if self._memory.now.tell_desktop and not self._closed and not self._window.in_front:
            self._bridge.run_in_thread(
                lambda _token: desktop.notify(PRODUCT, notice.text), lambda _nothing: None,
                lambda _error: None, name="gui-notify",
            )  # fmt: skip

    def _preferred(self) -> None:
        """Take up what the person prefers."""
        memory = self._memory
        self.transfers.set_limits(Limits(memory.limit("up"), memory.limit("down")))
        self.transfers.set_at_once(memory.now.at_once)

    def _offer(self, notice: Notice | None) -> None:
        if not self._closed:
            banner, interrupted = self._window.offer_banner, self.interrupted
            banner.show(
                notice, act=interrupted.go_on, other=interrupted.forget, close=lambda: banner.show(None)
            )  # fmt: skip

    def _offer_edited(
        self, notice: Notice | None, *, act: Callable[[], None] | None = None, close: Callable[[], None] | None = None
    ) -> None:
        if not self._closed or notice is None:
            self._window.edited_banner.show(notice, act=act, close=close)

    def _changed(self, changes: Sequence[Change]) -> None:
        for page in self.pages:
            page.changed(changes)
        self._usage_soon()

    def _missed(self) -> None:
        for page in self.pages:
            page.missed()
        self._usage_soon()

    def _online(self) -> None:
        was_offline = self._connection.phase == "offline"
        self.transfers.server_is_back()
        self._connection = Connection("online", str(self.session.address), self.session.user)
        self._window.show_connection(self._connection)
        self._window.offline_banner.show(None)
        if was_offline:
            self._say(Notice("Connected again.", "success"))
            for page in self.pages:
                page.back_online()

    def _offline(self, error: SfosError, seconds: int) -> None:
        self._connection = Connection("offline", str(self.session.address), self.session.user, seconds, error.message)
        self._window.show_connection(self._connection)
        self.transfers.server_is_away()
        text = f"Offline: what you see is the last known state. Trying again in {seconds} s."
        self._window.offline_banner.show(Notice(text, "warning", "Try now"), act=self.watch.try_now)

    def _ended(self, error: Exception) -> None:
        if not self._closed:
            self._on_session_ended(error)

    def _usage_soon(self) -> None:
        if self._usage_timer is None:
            self._usage_timer = self._bridge.call_later(_USAGE_S, self._ask_usage)

    def _ask_usage(self) -> None:
        self._usage_timer = None

        def done(usage: Usage) -> None:
            if not self._closed:
                self._window.side.usage.show(usage)

        def work(_token: object) -> Usage:
            return usage_of(self.session.api.usage())

        # That it fails while the server is away is told by the banner.
        self._bridge.run_in_thread(work, done, lambda _error: None, name="gui-usage")

    def _board(self, board: TransferBoard) -> None:
        if self._closed:
            return
        panel = self._window.transfers
        if board.active and self._panel_timer is None and not self._window.transfers_shown:
            self._panel_timer = self._bridge.call_later(_PANEL_S, self._open_panel)
        if not board.active:
            panel.dismissed = False
        if len(board.failed) > self._failed and not panel.dismissed:
            self._window.show_transfers(True)
        self._failed = len(board.failed)
        self._window.show_board(board)

    def _open_panel(self) -> None:
        self._panel_timer = None
        if not self._closed and self.transfers.board.active and not self._window.transfers.dismissed:
            self._window.show_transfers(True)

    def _upload_dialog(self, on_upload: Callable[[bool], None], on_cancel: Callable[[], None]) -> QuestionView:
        return UploadDialog(self._window.root, self._window.theme, on_upload=on_upload, on_cancel=on_cancel)

    def _ask_conflict(
        self, question: Conflicting, answer: Callable[[ConflictAnswer], None]
    ) -> Callable[[], None]:  # fmt: skip
        dialog = ConflictDialog(self._window.root, self._window.theme, question, answer)
        dialog.open()
        return dialog.close
