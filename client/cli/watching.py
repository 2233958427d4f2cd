"""`watch`: changes as they happen, one line each, until Ctrl+C."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime
from queue import Empty, SimpleQueue

from client.api import Api
from client.cli import output
from client.cli.options import WatchOptions
from client.cli.paths import RemotePath
from client.cli.shell import Shell
from client.session import Session
from client.watch import Changed, Resync, Watch, WatchInterrupted, WatchNotice, WatchResumed
from protocol import ROOT_NODE, Change, NotFound, Ref, SfosError

_LOOK_S = 0.2  # on Windows a wait without an end cannot be interrupted by Ctrl+C


def watch(session: Session, shell: Shell, options: WatchOptions) -> int:
    """Print changes until `options.count` of them are printed. Raises: KeyboardInterrupt; AccessError at the end."""
    folders = tuple(RemotePath.parse(text).path.rstrip("/") for text in options.paths)
    paths = NodePaths(session.api)
    printed = 0
    interrupted = False
    # From the session's cursor on: what happens between here and the watch's beginning is not lost.
    with session.watch(session.info.home.cursor) as changes:
        shell.note(
            f"Watching {', '.join(f or '/' for f in folders)} of {session.user}@{session.address}; Ctrl+C ends it."
        )
        for notice in _notices(changes):
            if not isinstance(notice, Changed):
                paths.forget()
                if interrupted or not isinstance(notice, WatchResumed):  # the first notice: it has begun
                    _tell(shell, options, notice)
                interrupted = isinstance(notice, WatchInterrupted)
                continue
            for change in notice.changes:
                path = paths.of(change)
                if path is not None and not any(path == f or path.startswith(f + "/") for f in folders):
                    continue
                _print(shell, options, change, path)
                printed += 1
                if options.count is not None and printed >= options.count:
                    return 0
    return 0


def _notices(changes: Watch) -> Iterator[WatchNotice]:
    """What `changes` tells, read in a thread of its own, so that Ctrl+C is heard at once on every system."""
    inbox: SimpleQueue[WatchNotice | SfosError | None] = SimpleQueue()

    def read() -> None:
        try:
            for notice in changes:
                inbox.put(notice)
            inbox.put(None)
        except SfosError as error:
            inbox.put(error)

    reader = threading.Thread(target=read, name="watch", daemon=True)
    reader.start()
    try:
        while True:
            try:
                notice = inbox.get(timeout=_LOOK_S)
            except Empty:
                continue
            if notice is None:
                return
            if isinstance(notice, SfosError):
                raise notice
            yield notice
    finally:
        changes.close()
        reader.join()


def _print(shell: Shell, options: WatchOptions, change: Change, path: str | None) -> None:
    if options.json:
        value = {"change": "deleted" if change.deleted else "changed", **output.entry_json(change.entry, path)}
        shell.result(output.json_line(value))
    else:
        shell.result(output.change_line(change, path, datetime.now().astimezone()))
    shell.flush()  # whoever reads a pipe wants each line when it happens


def _tell(shell: Shell, options: WatchOptions, notice: Resync | WatchInterrupted | WatchResumed) -> None:
    if isinstance(notice, Resync):
        if options.json:
            shell.result(output.json_line({"change": "resync"}))
            shell.flush()
        shell.warn("Some changes were missed, or a backup was restored: read the lists anew.")
    elif isinstance(notice, WatchInterrupted):
        shell.note(f"{output.error_line('', notice.error)} Trying again …")
    else:
        shell.note("Connected again; nothing was missed.")


class NodePaths:
    """The paths of folders by their node, asked of the server once for each folder."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._folders: dict[int, str] = {}

    def forget(self) -> None:
        """Ask anew from now on."""
        self._folders.clear()

    def of(self, change: Change) -> str | None:
        """Where the changed entry is, or was; None if its folder is gone as well."""
        entry = change.entry
        if entry.kind == "folder":
            self._folders.clear()  # renamed, moved or deleted: all paths below it are different now
        folder = self._folder(entry.parent)
        return None if folder is None else f"{folder}/{entry.name}"

    def _folder(self, node: int) -> str | None:
        if node == ROOT_NODE:
            return ""
        if node not in self._folders:
            try:
                path = self._api.stat(Ref(node=node)).path
            except NotFound:
                return None
            if path is None:
                return None
            self._folders[node] = path.rstrip("/")
        return self._folders[node]
