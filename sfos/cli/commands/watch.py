"""`watch`: changes as they happen, one line each, until Ctrl+C."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Iterator, Sequence
from datetime import datetime
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

import msgspec

from sfos.cli.front import output
from sfos.cli.front.command import SessionCommand, Subject
from sfos.cli.front.paths import RemotePath
from sfos.cli.front.shell import Shell
from sfos.protocol import ROOT_NODE, Change, Entry, NotFound, Ref, SfosError

if TYPE_CHECKING:
    from sfos.client.api import Api
    from sfos.client.session.session import Session
    from sfos.client.watch import Resync, Watch, WatchInterrupted, WatchNotice, WatchResumed

_MOST_KNOWN = 100_000  # some 50 MB; of what is renamed beyond that, only the new name is told
_LOOK_S = 0.2  # on Windows a wait without an end cannot be interrupted by Ctrl+C


class WatchOptions(msgspec.Struct, frozen=True):
    """`watch`. `count`: stop after so many changes."""

    paths: tuple[str, ...] = ("/",)
    json: bool = False
    count: int | None = None


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="*", metavar="PATH", default=["/"], help="only what is in these (default: /)")
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    parser.add_argument("--count", type=_positive, metavar="N", help="stop after N changes")


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"“{text}” is not a number from 1 on")
    return int(text)


def run(session: Session, shell: Shell, options: WatchOptions) -> int:
    """Print changes until `options.count` of them are printed. Raises: KeyboardInterrupt; AccessError at the end."""
    from sfos.client.watch import Changed, Resync, WatchInterrupted, WatchResumed  # here: --help needs none of it

    folders = tuple(RemotePath.parse(text).path.rstrip("/") for text in options.paths)
    places = _Places(session.api)
    _learn(places, folders)
    printed = 0
    interrupted = False
    # From the session's cursor on: what happens between here and the watch's beginning is not lost.
    with session.watch(session.info.home.cursor) as changes:
        shell.note(
            f"Watching {', '.join(f or '/' for f in folders)} of {session.user}@{session.address}; Ctrl+C ends it."
        )
        for notice in _notices(changes):
            if not isinstance(notice, Changed):
                if isinstance(notice, Resync):
                    _learn(places, folders)
                if interrupted or not isinstance(notice, WatchResumed):  # the first notice: it has begun
                    _tell(shell, options, notice)
                interrupted = isinstance(notice, WatchInterrupted)
                continue
            for change in notice.changes:
                seen = places.see(change)
                if not _is_in(seen.path, folders) and not (seen.before and _is_in(seen.before, folders)):
                    continue
                _print(shell, options, change, seen)
                printed += 1
                if options.count is not None and printed >= options.count:
                    return 0
            if not notice.more:
                places.settle()
    return 0


class _Seen(msgspec.Struct, frozen=True):
    """Path of a change (None: in a folder that is gone), and the path of its node before, if that is known."""

    path: str | None
    before: str | None = None


class _Places:
    """Paths of nodes, from what was listed and told since; the paths of other folders are asked of the server."""

    def __init__(self, api: Api) -> None:
        from sfos.client.tree import RemoteTree

        self._api = api
        self._tree = RemoteTree(api.naming)
        self._asked: dict[int, str] = {}

    def learn(self, folder: str) -> None:
        """Look at what is in the folder and below it, up to a bound. One that cannot be listed teaches nothing."""
        from sfos.client.nodes import NodeKey

        for listing in self._api.walk(folder):
            if len(self._tree) + len(listing.entries) > _MOST_KNOWN:
                return
            if listing.node is not None:
                self._tree.take_list(NodeKey(listing.space or self._api.naming.home, listing.node), listing.entries)

    def forget(self) -> None:
        """Forget all nodes: something was missed."""
        self._tree.clear()
        self._asked.clear()

    def see(self, change: Change) -> _Seen:
        """Take note of a change; where it took place."""
        entry = change.entry
        known = self._tree.get(self._api.naming.changed(change))
        moved = known is not None and (known.parent, known.name) != (entry.parent, entry.name) and not change.deleted
        before = self._path(known) if known is not None and moved else None
        if entry.kind == "folder":
            self._asked.clear()  # renamed, moved or deleted: paths below it are different now
        if known is not None or change.deleted or len(self._tree) < _MOST_KNOWN:
            self._tree.take(change)
        return _Seen(self._path(entry), before)

    def settle(self) -> None:
        """Settle deletions, once all that belongs to one moment has been seen."""
        self._tree.settle()

    def _path(self, entry: Entry) -> str | None:
        top, names = self._tree.trace(entry)
        above = None if top is None else self._asked_path(top)
        return None if above is None else "/".join((above, *names))

    def _asked_path(self, node: int) -> str | None:
        if node == ROOT_NODE:
            return ""
        if node not in self._asked:
            try:
                path = self._api.stat(Ref(node=node)).path
            except NotFound:
                return None
            if path is None:
                return None
            self._asked[node] = path.rstrip("/")
        return self._asked[node]


def _learn(places: _Places, folders: Sequence[str]) -> None:
    """List the folders anew, so that a rename of anything in them can be told. A folder that cannot be listed is
    watched all the same."""
    places.forget()
    for folder in folders:
        places.learn(folder or "/")


def _is_in(path: str | None, folders: Sequence[str]) -> bool:
    """Whether it is one of the folders or below; what is nowhere any more (None) may have been anywhere."""
    return path is None or any(path == folder or path.startswith(folder + "/") for folder in folders)


def _notices(changes: Watch) -> Iterator[WatchNotice]:
    """Notices of `changes`, read in a thread of its own, so that Ctrl+C is heard at once on every system."""
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


def _print(shell: Shell, options: WatchOptions, change: Change, seen: _Seen) -> None:
    if options.json:
        value: dict[str, object] = {"change": "deleted" if change.deleted else "changed"}
        if seen.before is not None:
            value = {"change": "moved", "from": seen.before}
        shell.result(output.json_line({**value, **output.entry_json(change.entry, seen.path)}))
    elif seen.before is not None:
        now = datetime.now().astimezone()
        names = [output.display_name(change.entry, path) for path in (seen.before, seen.path)]
        shell.result(f"{now:%H:%M:%S}  moved    {names[0]} -> {names[1]}")
    else:
        shell.result(output.change_line(change, seen.path, datetime.now().astimezone()))
    shell.flush()  # whoever reads a pipe wants each line when it happens


def _tell(shell: Shell, options: WatchOptions, notice: Resync | WatchInterrupted | WatchResumed) -> None:
    from sfos.client.watch import Resync, WatchInterrupted

    if isinstance(notice, Resync):
        if options.json:
            shell.result(output.json_line({"change": "resync"}))
            shell.flush()
        shell.warn("Some changes were missed, or a backup was restored: read the lists anew.")
    elif isinstance(notice, WatchInterrupted):
        shell.note(f"{output.error_line('', notice.error)} Trying again …")
    else:
        shell.note("Connected again; nothing was missed.")


COMMAND = SessionCommand(
    words="watch [PATH…]",
    summary="show changes as they happen",
    subject=Subject.LOOKING,
    options=WatchOptions,
    arguments=_arguments,
    run=run,
)
