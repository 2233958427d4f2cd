"""Files opened with their application: fetched into a private place, watched, and offered for upload once they were
saved there.

What goes up replaces only the very state that was fetched: if somebody else has changed the file meanwhile, the person
is asked. Copies are removed when the session ends, but for those that were changed and are not on the server.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sfos.client.transfer import ItemState, Job
from sfos.gui import applications, wording
from sfos.gui.applications import NotOpened
from sfos.gui.model import FolderPath, Notice, Say
from sfos.gui.nodes import NodeKey, key_of, parent_of, ref_to
from sfos.gui.page import Desk, EditedFile
from sfos.gui.threads.bridge import Timer
from sfos.protocol import Entry, NotFound, printable

_log = logging.getLogger(__name__)

LOOK_S = 1.0  # between two looks at the copies; what was saved is offered when it has rested for so long

_Stamp = tuple[int, int]  # time and size


@dataclass(slots=True)
class Copy:
    """A copy of a file: of which state it is (`entry`), and how it was when it last was as on the server."""

    entry: Entry
    place: FolderPath
    path: Path
    clean: _Stamp
    seen: _Stamp
    declined: _Stamp | None = None
    uploading: bool = False

    @property
    def changed(self) -> bool:
        """Whether it was saved since, and is at rest."""
        now = _stamp(self.path)
        rests, self.seen = now == self.seen, now or self.seen
        return now is not None and rests and now != self.clean

    @property
    def name(self) -> str:
        """Name for people."""
        return printable(self.path.name)


class OpenedFiles:
    """The copies of one session; where a file cannot be opened, `preview` shows it."""

    def __init__(self, desk: Desk, *, on_notice: Say, preview: Callable[[Entry], None]) -> None:
        self._desk, self._bridge, self._api = desk, desk.bridge, desk.session.api
        self._directory = desk.state_dir / "opened"
        self._on_notice, self._preview = on_notice, preview
        self._copies: dict[NodeKey, Copy] = {}
        self._opening: set[NodeKey] = set()
        self._timer: Timer | None = None
        self._offered: tuple[Copy | None, int] = (None, 0)

    @property
    def unsaved(self) -> tuple[Copy, ...]:
        """Copies that were changed and are not on the server."""
        return tuple(copy for copy in self._copies.values() if _stamp(copy.path) not in (None, copy.clean))

    def open(self, entry: Entry, place: FolderPath) -> None:
        """Open the file `entry`, which is in `place`; where there is no way to, show its preview."""
        key, name = key_of(entry), printable(entry.name)
        if applications.is_program(entry.name):
            text = f"“{name}” is a program, which is not run from here. Downloaded, it is yours to decide."
            self._on_notice(Notice(text, "warning"))
        elif not applications.can_open():
            self._preview(entry)
        elif key not in self._opening:
            copy = self._copies.get(key)
            if copy is not None and (copy.entry.revision == entry.revision or copy in self.unsaved):
                self._launch(copy)  # what was edited and not uploaded is what one wants to go on with
                return
            self._opening.add(key)
            self._on_notice(Notice(f"Opening “{name}”…"))
            folder = self._directory / secrets.token_hex(8)
            folder.mkdir(mode=0o700, parents=True)
            self._desk.fetch(entry, folder, lambda job: self._fetched(entry, place, job))

    def _fetched(self, entry: Entry, place: FolderPath, job: Job) -> None:
        key = key_of(entry)
        self._opening.discard(key)
        path = next((item.local for item in job.items(0, 1)), None)
        stamp = _stamp(path) if path is not None else None
        if path is None or stamp is None:
            return  # the transfer has said why
        with contextlib.suppress(OSError):  # writable, and never executable
            path.chmod(0o600)
        self._copies[key] = copy = Copy(entry, place, path, stamp, stamp)
        self._launch(copy)

    def _launch(self, copy: Copy) -> None:
        def failed(error: Exception) -> None:
            text = str(error) if isinstance(error, NotOpened) else wording.explain(error)
            self._on_notice(Notice(text, "warning", "Preview"), act=lambda: self._preview(copy.entry))

        self._bridge.run_in_thread(
            lambda _token: applications.open_file(copy.path), lambda _nothing: None, failed, name="gui-open"
        )
        if self._timer is None:
            self._timer = self._bridge.call_later(LOOK_S, self._look)

    # --- what was saved --------------------------------------------------------------------------------------------

    def _look(self) -> None:
        self._timer = self._bridge.call_later(LOOK_S, self._look)
        changed = [
            copy for copy in self._copies.values()
            if not copy.uploading and copy.changed and copy.declined != copy.seen
        ]  # fmt: skip
        self._offer(changed[0] if changed else None, max(0, len(changed) - 1))

    def _offer(self, copy: Copy | None, others: int) -> None:
        if (copy, others) != self._offered:
            self._offered = copy, others
            self._show_offer(copy, others)

    def _show_offer(self, copy: Copy | None, others: int) -> None:
        if copy is None:
            self._desk.offer(None)
            return
        text = f"“{copy.name}” was saved by its application."
        if others:
            text += f" So {'was' if others == 1 else 'were'} {wording.count(others, 'other file')}."
        notice = Notice(text, "info", "Upload it")
        self._desk.offer(notice, act=lambda: self.upload(copy), close=lambda: self.decline(copy))

    def decline(self, copy: Copy) -> None:
        """Offer it no more, until it is saved again."""
        copy.declined = copy.seen
        self._look_now()

    def _look_now(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._look()

    def upload(self, copy: Copy) -> None:
        """Put what was saved in the place of the state that was fetched, wherever the file is by now."""
        copy.uploading = True
        stamp = _stamp(copy.path)
        self._look_now()

        def find(_token: object) -> Entry | None:
            try:
                return self._api.stat(ref_to(key_of(copy.entry)))
            except NotFound:
                return None

        def found(now: Entry | None) -> None:
            there = now or copy.entry
            path = there.path.rpartition("/")[0] or "/" if now is not None and there.path else copy.place.path
            edited = EditedFile(copy.path, copy.entry, parent_of(there), path, there.name)
            self._desk.put_edited(edited, lambda job: self._uploaded(copy, stamp, job))

        self._bridge.run_in_thread(find, found, lambda error: self._not_uploaded(copy, error), name="gui-open")

    def _not_uploaded(self, copy: Copy, error: Exception) -> None:
        copy.uploading = False
        self._on_notice(Notice(f"“{copy.name}” was not uploaded: {wording.explain(error)}", "error"))

    def _uploaded(self, copy: Copy, stamp: _Stamp | None, job: Job) -> None:
        """Take the file as it is on the server now for what the copy is of."""
        copy.uploading = False
        states = job.tally().states
        if stamp is None or not states[ItemState.DONE] + states[ItemState.UNCHANGED]:
            return  # skipped, failed or cancelled: it is still to be uploaded
        copy.clean = stamp
        self._on_notice(Notice(f"“{copy.name}” was uploaded.", "success"))

        def stat(_token: object) -> Entry:
            return self._api.stat(ref_to(key_of(copy.entry)))

        def done(entry: Entry) -> None:
            copy.entry = entry

        self._bridge.run_in_thread(stat, done, lambda _error: None, name="gui-open")

    # --- the end ---------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Watch no more, and remove the copies that hold nothing of the person's own."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        kept = {copy.path.parent for copy in self.unsaved}
        for path in kept:
            _log.info("a changed copy stays in %s", path)
        folders = [copy.path.parent for copy in self._copies.values() if copy.path.parent not in kept]
        self._copies.clear()
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        self._desk.offer(None)


def _stamp(path: Path) -> _Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None  # between two steps of an application that saves by renaming
    return found.st_mtime_ns, found.st_size
