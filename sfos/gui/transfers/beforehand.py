"""Uploads before they begin: looked through, and asked about where more would go than the person may expect."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sfos.client.local.survey import Survey, survey
from sfos.gui import wording
from sfos.gui.model import FolderPath, Notice
from sfos.gui.threads.bridge import CancelToken, TaskBridge, Timer
from sfos.protocol import printable

MANY_FILES = 1_000  # more of them are asked about
_PATIENCE_S = 0.3  # a look that is over before that is not told of


@dataclass(frozen=True, slots=True)
class UploadQuestion:
    """A question in words. `without_hidden`: what a button says that leaves out what is hidden; "" for no such one."""

    title: str
    lines: tuple[str, ...]
    verb: str
    without_hidden: str = ""


class QuestionView(Protocol):
    """A dialog, first while files are counted, then with the question."""

    def count(self, files: int) -> None:
        """Show how many there are so far."""

    def ask(self, question: UploadQuestion) -> None:
        """Show the question."""

    def close(self) -> None:
        """Go away without an answer."""


class Begin(Protocol):
    """Begins an upload."""

    def __call__(self, paths: Sequence[Path], place: FolderPath, *, hidden: bool = True) -> None:
        """Begin; `hidden`: with all that is hidden in folders."""


@dataclass(frozen=True, slots=True)
class _Asked:
    paths: tuple[Path, ...]
    place: FolderPath


class UploadsBeforehand:
    """Looks through one upload after the other, in their order, and begins each by `begin`.

    `view(on_upload, on_cancel)` makes the dialog; `on_upload` is told whether hidden things go along.
    """

    def __init__(
        self,
        bridge: TaskBridge,
        *,
        begin: Begin,
        view: Callable[[Callable[[bool], None], Callable[[], None]], QuestionView],
        on_notice: Callable[[Notice], None],
        home: Path,
        wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        """`wanted`: whether there are to be questions at all."""
        self._bridge, self._begin, self._view, self._on_notice = bridge, begin, view, on_notice
        self._home, self._wanted = home, wanted
        self._queue: deque[_Asked] = deque()
        self._now: _Asked | None = None
        self._token = CancelToken()
        self._patience: Timer | None = None
        self._dialog: QuestionView | None = None
        self._files = 0
        self._closed = False

    def upload(self, paths: Sequence[Path], place: FolderPath) -> None:
        """Put `paths` into `place`, if the person wants that."""
        if paths and not self._closed:
            self._queue.append(_Asked(tuple(paths), place))
            self._next()

    def close(self) -> None:
        """Forget what has not begun."""
        self._closed = True
        self._queue.clear()
        self._over()

    def _next(self) -> None:
        if self._now is not None or not self._queue:
            return
        asked = self._now = self._queue.popleft()
        if not self._wanted():
            self._go_on(hidden=True)
            return
        self._files = 0
        home = self._home

        def look(token: CancelToken) -> Survey:
            def told(files: int) -> None:
                self._bridge.post_latest("upload survey", lambda: self._counted(token, files))

            return survey(asked.paths, home=home, wanted=token.check, told=told)

        self._patience = self._bridge.call_later(_PATIENCE_S, self._show_counting)
        self._token = self._bridge.run_in_thread(look, self._looked, self._failed, name="gui-survey")

    def _show_counting(self) -> None:
        self._patience = None
        self._open().count(self._files)

    def _counted(self, token: CancelToken, files: int) -> None:
        if token is self._token and not token.cancelled:
            self._files = files
            if self._dialog is not None:
                self._dialog.count(files)

    def _open(self) -> QuestionView:
        if self._dialog is None:
            self._dialog = self._view(lambda hidden: self._go_on(hidden=hidden), self._cancelled)
        return self._dialog

    def _looked(self, found: Survey) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        asked = self._now
        assert asked is not None
        question = question_of(found, asked.paths, asked.place, self._home)
        if question is None:
            self._go_on(hidden=True)
        else:
            self._open().ask(question)

    def _failed(self, error: Exception) -> None:
        self._on_notice(Notice(f"Nothing was uploaded: {wording.explain(error)}", "error"))
        self._cancelled()

    def _go_on(self, *, hidden: bool) -> None:
        asked = self._now
        self._over()
        if asked is not None:
            self._begin(asked.paths, asked.place, hidden=hidden)
        self._next()

    def _cancelled(self) -> None:
        self._over()
        self._next()

    def _over(self) -> None:
        """Be done with the one at hand."""
        self._now = None
        self._token.cancel()
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        dialog, self._dialog = self._dialog, None
        if dialog is not None:
            dialog.close()


def question_of(found: Survey, paths: Sequence[Path], place: FolderPath, home: Path) -> UploadQuestion | None:
    """The question, or None where nothing is to be asked."""
    hidden = found.hidden_files + found.hidden_folders
    if found.files <= MANY_FILES and not found.homes and not hidden:
        return None
    lines = []
    for path in found.homes:
        if path.resolve() == home.resolve():
            lines.append("This is your whole home folder, with settings, keys and passwords that programs keep there.")
        else:
            lines.append(f"“{printable(str(path))}” holds your whole home folder, and what else is on this computer.")
    if hidden:
        names = _some([printable(name) for name in found.hidden_names])
        several = "is" if hidden == 1 else "are"
        lines.append(f"{wording.count(hidden, 'item')} {several} hidden: {names}.")
    lines.append(f"All of it goes to {printable(place.path)} on the server." if found.files else "")
    more = "" if found.counted_all else "more than "
    files = wording.count(found.files, "file")
    of = f" of {_what(paths)}" if len(paths) > 1 or found.folders else ""
    title = f"Upload {more}{files} ({wording.size(found.size_bytes)}){of}?"
    visible = found.files - found.hidden_files
    without = f"Without hidden ({visible:,})" if hidden and found.counted_all else "Without hidden" if hidden else ""
    return UploadQuestion(title, tuple(line for line in lines if line), f"Upload {files}", without)


def _what(paths: Sequence[Path]) -> str:
    if len(paths) > 1:
        return wording.count(len(paths), "item")
    return f"“{printable(paths[0].name or str(paths[0]))}”"


def _some(names: Sequence[str]) -> str:
    """`.ssh`, `.ssh and .cache`, `.a, .b, .c and others`."""
    if len(names) > 3:
        return ", ".join(names[:3]) + " and others"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
