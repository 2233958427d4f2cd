"""Choices that the window remembers between two runs: where one was signed in, its look, its ways. Never a secret."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from sfos import config
from sfos.client.errors import LocalFileError
from sfos.client.local.private_files import PrivateJson
from sfos.gui.look.palette import Mode
from sfos.gui.model import Direction
from sfos.gui.threads.bridge import TaskBridge

_log = logging.getLogger(__name__)

_FILE = "window.json"
MOST_AT_ONCE = 8  # transfers; each has connections and memory of its own

Rate = Annotated[int, Meta(ge=0)]
Pixels = Annotated[int, Meta(ge=0, le=20_000)]


class Choices(msgspec.Struct, frozen=True, omit_defaults=True):
    """`theme` None: as the system has it. `width`, `height`: of the window, in real pixels; 0: not known yet.

    `upload_limit`, `download_limit`: bytes a second, 0 is no limit, None as the settings file says. `at_once`:
    transfers that run at the same time. `download_dir`: where files go unless told; empty: as the settings file says.
    `upload_from`, `download_to`: folders where something was chosen last. Folders as the system spells them.
    """

    server: str = ""
    user: str = ""
    theme: Mode | None = None
    width: Pixels = 0
    height: Pixels = 0
    details: bool = True
    text_scale: Annotated[float, Meta(ge=0.7, le=2.0)] = 1.0
    contrast: Literal["normal", "high"] = "normal"
    upload_limit: Rate | None = None
    download_limit: Rate | None = None
    limit_bytes_per_s: Rate = 0
    """Of both directions, as windows before this one kept it; read, and written no more."""
    at_once: Annotated[int, Meta(ge=1, le=MOST_AT_ONCE)] = 2
    ask_delete: bool = True
    ask_uploads: bool = True
    ask_leaving: bool = True
    tell_done: bool = True
    tell_desktop: bool = True
    download_dir: bytes = b""
    upload_from: bytes = b""
    download_to: bytes = b""


def load(directory: Path) -> Choices:
    """Choices remembered; the usual ones if the file is missing or cannot be read, without complaint."""
    try:
        kept = PrivateJson(directory / _FILE, Choices).read() or Choices()
    except LocalFileError as error:
        _log.warning("the window's choices cannot be read: %s", error)
        return Choices()
    if not kept.limit_bytes_per_s:
        return kept
    both = {name: kept.limit_bytes_per_s for name in ("upload_limit", "download_limit") if getattr(kept, name) is None}
    return msgspec.structs.replace(kept, limit_bytes_per_s=0, **both)


def save(directory: Path, choices: Choices) -> None:
    """Remember `choices`. Blocks on the disk. Raises: SfosError, OSError."""
    PrivateJson(directory / _FILE, Choices).write(choices, pretty=True)


class Memory:
    """Choices as they are now, and what follows from them; kept on the disk by a thread. For Tk's thread."""

    def __init__(self, bridge: TaskBridge, directory: Path, settings: config.Client) -> None:
        """`settings`: what holds where nothing was chosen."""
        self._bridge, self._directory, self._settings = bridge, directory, settings
        self._save_lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []
        self.now = load(directory)

    def remember(self, **changed: Any) -> None:
        """Change what is given, and keep it."""
        before, self.now = self.now, msgspec.structs.replace(self.now, **changed)
        if self.now == before:
            return
        kept = self.now

        def work(_token: object) -> None:
            with self._save_lock:
                if kept is self.now:  # else a later one is on its way, and must be the last on the disk
                    save(self._directory, kept)

        def failed(error: Exception) -> None:
            _log.warning("the window's choices were not saved: %s", error)

        self._bridge.run_in_thread(work, lambda _nothing: None, failed, name="gui-choices")
        for listener in tuple(self._listeners):
            listener()

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` after each change, until the function that is returned has been called."""
        self._listeners.append(listener)

        def stop() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return stop

    # --- what follows ----------------------------------------------------------------------------------------------

    def limit(self, direction: Direction) -> int | None:
        """Bytes a second that a direction may take; None: what there is."""
        now, settings = self.now, self._settings
        if direction == "up":
            chosen, configured = now.upload_limit, settings.upload_limit_bytes_s
        else:
            chosen, configured = now.download_limit, settings.download_limit_bytes_s
        return (configured if chosen is None else chosen) or None

    @property
    def download_dir(self) -> Path:
        """Folder for downloads, unless another is named."""
        chosen = self.now.download_dir
        return Path(os.fsdecode(chosen)) if chosen else self._settings.download_dir.expanduser()

    def last_folder(self, direction: Direction) -> Path | None:
        """Folder of this computer where something was chosen last."""
        kept = self.now.upload_from if direction == "up" else self.now.download_to
        return Path(os.fsdecode(kept)) if kept else None

    def keep_folder(self, direction: Direction, folder: Path) -> None:
        """Begin there the next time."""
        self.remember(**{"upload_from" if direction == "up" else "download_to": os.fsencode(folder)})
