"""Changing the tree: new folders, names, deletion, moving and copying. Each says what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from sfos.client.api import Api
from sfos.client.local.names import numbered
from sfos.gui import wording
from sfos.gui.model import FolderPath, Notice
from sfos.gui.nodes import NodeKey, in_folder, key_of, key_of_reply, parent_of, ref_to
from sfos.gui.threads.bridge import CancelToken, TaskBridge
from sfos.protocol import (
    AlreadyExists,
    DeleteItem,
    Entry,
    NameNotAllowed,
    SfosError,
    check_name,
    fold_name,
    from_info,
    printable,
)

_TRIES = 50  # numbered names that are tried for a copy
PATIENCE_S = 1.0  # a change that takes longer says what it waits for


@dataclass(frozen=True, slots=True)
class Clipboard:
    """Entries that were cut or copied, and the folder they came from."""

    verb: Literal["move", "copy"]
    entries: tuple[Entry, ...]
    source: NodeKey


def name_problem(name: str, taken: Sequence[str], own: str = "") -> str | None:
    """Reason why `name` cannot be given here, as a sentence; None if it can. `own`: the name that is being changed."""
    try:
        folded = fold_name(check_name(name))
    except NameNotAllowed as error:
        return error.message
    if own and folded == fold_name(own):
        return None
    if any(fold_name(other) == folded for other in taken):
        return "Something of this name is already here."
    return None


def named(entries: Sequence[Entry]) -> str:
    """The entries as a sentence names them: `“a”`, `“a” and “b”`, `“a”, “b” and 3 more`."""
    names = [f"“{printable(entry.name)}”" for entry in entries[:3]]
    if len(entries) > 3:
        names = [*names[:2], f"{len(entries) - 2:,} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def deletion_text(entries: Sequence[Entry]) -> str:
    """Warning of a deletion, in full: until there is a restore command it must not sound harmless."""
    folders = any(entry.kind == "folder" for entry in entries)
    what = f"{named(entries)} will be deleted"
    if folders:
        what += ", with everything inside" if len(entries) == 1 else ", folders with everything inside"
    return (
        f"{what}. The server keeps the history, but there is no command yet that brings deleted files back. "
        "Download what you may still need."
    )


class OperationsPresenter:
    """Runs one change at a time in a thread; `on_done(node)` names what should then be selected, if anything."""

    def __init__(
        self,
        bridge: TaskBridge,
        api: Api,
        *,
        on_notice: Callable[[Notice], None],
        on_done: Callable[[NodeKey | None], None],
    ) -> None:
        self._bridge, self._api = bridge, api
        self._on_notice, self._on_done = on_notice, on_done
        self.clipboard: Clipboard | None = None

    def make_folder(self, folder: FolderPath, name: str) -> None:
        """Make the folder `name` in `folder`."""
        self._run(
            lambda _token: key_of_reply(self._api.make_folder(in_folder(folder.key, check_name(name)))),
            lambda node: self._done(f"“{name}” was made.", node),
            f"“{name}” was not made",
        )

    def rename(self, entry: Entry, name: str) -> None:
        """Call `entry` by another name. A change by somebody else in the meantime is not lost by it."""
        if name == entry.name:
            return
        target = in_folder(parent_of(entry), check_name(name))
        self._run(
            lambda _token: key_of_reply(self._api.move(entry, target)),
            lambda node: self._done(f"“{printable(entry.name)}” is now “{name}”.", node),
            f"“{printable(entry.name)}” was not renamed",
        )

    def delete(self, entries: Sequence[Entry]) -> None:
        """Delete `entries` as they were shown: what was changed since stays, and that is said."""

        def work(_token: CancelToken) -> list[tuple[Entry, Exception]]:
            items = [
                # A folder's revision does not tell of what is inside, and may change by a rename alone.
                DeleteItem(ref=ref_to(key_of(e)), if_revision=e.revision if e.kind != "folder" else None)
                for e in entries
            ]
            results = self._api.delete(items)
            return [(e, from_info(r.error)) for e, r in zip(entries, results, strict=True) if r.error is not None]

        self._run(work, lambda failed: self._deleted(entries, failed), f"{named(entries)}: not deleted")

    def _deleted(self, entries: Sequence[Entry], failed: list[tuple[Entry, Exception]]) -> None:
        gone = len(entries) - len(failed)
        if failed:
            entry, error = failed[0]
            more = f" ({len(failed) - 1:,} more were not deleted either.)" if len(failed) > 1 else ""
            reason = getattr(error, "message", str(error))
            self._on_notice(Notice(f"“{printable(entry.name)}” was not deleted: {reason}{more}", "error"))
            self._on_done(None)
        else:
            what = named(entries) if gone == 1 else wording.count(gone, "item")
            self._done(f"{what} {'was' if gone == 1 else 'were'} deleted.", None)

    # --- cut, copy, paste ------------------------------------------------------------------------------------------

    def cut(self, entries: Sequence[Entry]) -> None:
        """Move `entries` with the next paste."""
        self._take("move", entries)

    def copy(self, entries: Sequence[Entry]) -> None:
        """Copy `entries` with each paste."""
        self._take("copy", entries)

    def _take(self, verb: Literal["move", "copy"], entries: Sequence[Entry]) -> None:
        if entries:
            self.clipboard = Clipboard(verb, tuple(entries), parent_of(entries[0]))
            what = wording.count(len(entries), "item")
            self._on_notice(Notice(f"{what} {'cut' if verb == 'move' else 'copied'}. Ctrl+V pastes into a folder."))

    def paste(self, folder: FolderPath) -> None:
        """Move or copy what was taken into `folder`; a copy beside its original gets a number."""
        board = self.clipboard
        if board is None or (board.verb == "move" and board.source == folder.key):
            return
        if board.verb == "move":
            self.clipboard = None

        def work(token: CancelToken) -> tuple[NodeKey | None, list[tuple[Entry, Exception]]]:
            last: NodeKey | None = None
            failed: list[tuple[Entry, Exception]] = []
            for entry in board.entries:
                token.check()
                try:
                    last = self._paste_one(board.verb, entry, folder.key)
                except Exception as error:  # each item has its own fate; all are reported below
                    failed.append((entry, error))
            return last, failed

        self._run(work, lambda found: self._pasted(board, found[0], found[1]), "Nothing was pasted")

    def _paste_one(self, verb: str, entry: Entry, parent: NodeKey) -> NodeKey:
        for number in range(1, _TRIES):
            name = entry.name if number == 1 else numbered(entry.name, number)
            target = in_folder(parent, name)
            try:
                if verb == "move":
                    return key_of_reply(self._api.move(entry, target))
                return key_of_reply(self._api.copy(entry, target))
            except AlreadyExists:
                # Beside its original a copy is wanted; anywhere else the name belongs to something else.
                if verb == "move" or parent != parent_of(entry):
                    raise
        raise AlreadyExists(subject=entry.name)

    def _pasted(self, board: Clipboard, last: NodeKey | None, failed: list[tuple[Entry, Exception]]) -> None:
        done = len(board.entries) - len(failed)
        verb = "moved" if board.verb == "move" else "copied"
        if failed:
            entry, error = failed[0]
            reason = getattr(error, "message", str(error))
            more = f" {wording.count(done, 'item')} {'was' if done == 1 else 'were'} {verb}." if done else ""
            self._on_notice(Notice(f"“{printable(entry.name)}” was not {verb}: {reason}{more}", "error"))
            self._on_done(last)
        else:
            self._done(f"{wording.count(done, 'item')} {'was' if done == 1 else 'were'} {verb}.", last)

    # --- running ---------------------------------------------------------------------------------------------------

    def _run(self, work: Callable[[CancelToken], object], done: Callable[..., None], failure: str) -> None:
        waiting = Notice("Waiting for the server…")
        patience = self._bridge.call_later(PATIENCE_S, lambda: self._on_notice(waiting))

        def worked(result: object) -> None:
            patience.cancel()
            done(result)

        def failed(error: Exception) -> None:
            patience.cancel()
            self._failed(failure, error)

        self._bridge.run_in_thread(work, worked, failed, name="gui-change")

    def _done(self, text: str, node: NodeKey | None) -> None:
        self._on_notice(Notice(text, "success"))
        self._on_done(node)

    def _failed(self, what: str, error: Exception) -> None:
        reason = wording.reason(error) if isinstance(error, SfosError) else wording.explain(error)
        self._on_notice(Notice(f"{what}: {reason}", "error"))
        self._on_done(None)
