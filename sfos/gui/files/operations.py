"""Changing the tree: new folders, names, deletion, moving and copying. Each says what came of it.

Of many things one after the other is changed, which shows how far it is and can be stopped in between.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Literal

from sfos.client.api import Api
from sfos.client.local.names import numbered
from sfos.gui import wording
from sfos.gui.files.steps import Outcome, Steps, each_of
from sfos.gui.model import FolderPath, Notice, Say
from sfos.gui.nodes import NodeKey, in_folder, key_of, key_of_reply, parent_of, ref_to
from sfos.gui.rows import folders_among, kept, nodes_of
from sfos.gui.threads.bridge import TaskBridge, Timer
from sfos.protocol import (
    AlreadyExists,
    DeleteItem,
    Entry,
    NameNotAllowed,
    SfosError,
    Working,
    check_name,
    fold_name,
    from_info,
    printable,
)

_TRIES = 50  # numbered names that are tried for a copy
PATIENCE_S = 1.0  # a change that takes longer says what is being done, and how far it is
TELL_S = 0.5
DELETED_AT_ONCE = 500  # items of one request: a request is whole or not at all, so a stop waits for it


Verb = Literal["move", "copy"]
_PAST = {"move": "moved", "copy": "copied"}
_PRESENT = {"move": "Moving", "copy": "Copying"}


@dataclass(frozen=True, slots=True)
class Clipboard:
    """Entries that were cut or copied, and the folder they came from."""

    verb: Verb
    entries: Sequence[Entry]
    source: NodeKey


def name_problem(name: str, is_taken: Callable[[str], bool], own: str = "") -> str | None:
    """Reason why `name` cannot be given here, as a sentence; None if it can. `own`: the name that is being changed."""
    try:
        folded = fold_name(check_name(name))
    except NameNotAllowed as error:
        return error.message
    if own and folded == fold_name(own):
        return None
    if is_taken(name):
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
    folders = folders_among(entries)
    what = f"{named(entries)} will be deleted"
    if folders:
        what += ", with everything inside" if len(entries) == 1 else ", folders with everything inside"
    return (
        f"{what}. The server keeps the history, but there is no command yet that brings deleted files back. "
        "Download what you may still need."
    )


class OperationsPresenter:
    """Runs one change at a time in a thread; `on_done(nodes)` names what should then be selected, if anything."""

    def __init__(
        self,
        bridge: TaskBridge,
        api: Api,
        *,
        on_notice: Say,
        on_done: Callable[[Sequence[NodeKey]], None],
    ) -> None:
        self._bridge, self._api = bridge, api
        self._on_notice, self._on_done = on_notice, on_done
        self._at_work: dict[int, Steps] = {}  # by the thread that is at it
        self.clipboard: Clipboard | None = None
        self.undo: Callable[[], None] | None = None
        """Puts back what was moved or renamed last."""

    @property
    def cut_nodes(self) -> Container[NodeKey]:
        """Nodes that the next paste moves away from where they are."""
        board = self.clipboard
        return nodes_of(board.entries) if board is not None and board.verb == "move" else frozenset()

    def note_working(self, _command: str, working: Working | None) -> None:
        """Note what the server says of a command of this thread that takes long. See WorkListener."""
        steps = self._at_work.get(threading.get_ident())
        if steps is not None:
            steps.said = working

    def make_folder(self, folder: FolderPath, name: str) -> None:
        """Make the folder `name` in `folder`."""
        self._run(
            lambda _steps: key_of_reply(self._api.make_folder(in_folder(folder.key, check_name(name)))),
            lambda node: self._done(f"“{name}” was made.", (node,)),
            f"Making “{name}”", f"“{name}” was not made",
        )  # fmt: skip

    def rename(self, entry: Entry, name: str) -> None:
        """Call `entry` by another name. A change by somebody else in the meantime is not lost by it."""
        if name == entry.name:
            return
        target, old = in_folder(parent_of(entry), check_name(name)), printable(entry.name)
        said, undo = f"“{old}” is now “{printable(name)}”.", lambda: self._put_back([entry])
        self._run(
            lambda _steps: key_of_reply(self._api.move(entry, target)),
            lambda node: self._done(said, (node,), undo=undo),
            f"Renaming “{old}”", f"“{old}” was not renamed",
        )  # fmt: skip

    # --- deletion --------------------------------------------------------------------------------------------------

    def delete(self, entries: Sequence[Entry]) -> None:
        """Delete `entries` as they were shown: what was changed since stays, and that is said."""
        what = named(entries)
        self._run(
            lambda steps: self._delete_all(entries, steps),
            lambda outcome: self._deleted(entries, outcome),
            "Deleting" if len(entries) > 1 else f"Deleting {what}", f"{what}: not deleted", len(entries),
        )  # fmt: skip

    def _delete_all(self, entries: Sequence[Entry], steps: Steps) -> Outcome:
        outcome = Outcome(entries)
        for part in steps.parts(outcome, DELETED_AT_ONCE):
            items = [
                # A folder's revision does not tell of what is inside, and may change by a rename alone.
                DeleteItem(ref=ref_to(key_of(e)), if_revision=e.revision if e.kind != "folder" else None)
                for e in part
            ]
            try:
                results = self._api.delete(items)
            except SfosError as error:
                outcome.fail(part[0], error, len(entries) - steps.reached)
                break
            for at, (entry, result) in enumerate(zip(part, results, strict=True), steps.reached):
                if result.error is None:
                    outcome.done.append(at)
                else:
                    outcome.fail(entry, from_info(result.error))
        return outcome

    def _deleted(self, entries: Sequence[Entry], outcome: Outcome) -> None:
        gone = len(outcome.done)
        if outcome.failed or outcome.left:
            self._told_partly("deleted", outcome)
            self._on_done(())
        else:
            what = named(entries) if gone == 1 else wording.count(gone, "item")
            self._done(f"{what} {_were(gone)} deleted.", ())

    # --- cut, copy, paste ------------------------------------------------------------------------------------------

    def cut(self, entries: Sequence[Entry]) -> None:
        """Move `entries` with the next paste."""
        self._take("move", entries)

    def copy(self, entries: Sequence[Entry]) -> None:
        """Copy `entries` with each paste."""
        self._take("copy", entries)

    def _take(self, verb: Verb, entries: Sequence[Entry]) -> None:
        if entries:
            self.clipboard = Clipboard(verb, kept(entries), parent_of(entries[0]))
            what = wording.count(len(entries), "item")
            self._on_notice(Notice(f"{what} {'cut' if verb == 'move' else 'copied'}. Ctrl+V pastes into a folder."))

    def paste(self, folder: FolderPath) -> None:
        """Move or copy what was taken into `folder`; a copy beside its original gets a number."""
        board = self.clipboard
        if board is None or (board.verb == "move" and board.source == folder.key):
            return
        if board.verb == "move":
            self.clipboard = None
        self.put_into(board.verb, board.entries, folder, then_select=True)

    def put_into(
        self, verb: Verb, entries: Sequence[Entry], folder: FolderPath, *, then_select: bool = False
    ) -> None:  # fmt: skip
        """Move or copy `entries` into `folder`; a copy beside its original gets a number."""
        what = named(entries)
        self._run(
            lambda steps: each_of(entries, steps, lambda entry: self._put_one(verb, entry, folder.key)),
            lambda outcome: self._put(verb, folder, outcome, then_select=then_select),
            _PRESENT[verb] if len(entries) > 1 else f"{_PRESENT[verb]} {what}", f"{what}: not {_PAST[verb]}",
            len(entries),
        )  # fmt: skip

    def _put_one(self, verb: Verb, entry: Entry, parent: NodeKey) -> NodeKey:
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

    def _put(self, verb: Verb, folder: FolderPath, outcome: Outcome, *, then_select: bool) -> None:
        nodes = outcome.nodes if then_select else []
        undo = (lambda: self._put_back(outcome.done_entries)) if verb == "move" and outcome.done else None
        if outcome.failed or outcome.left:
            self._told_partly(_PAST[verb], outcome, undo)
            self._on_done(nodes)
            return
        done = len(outcome.done)
        what = named(outcome.done_entries) if done == 1 else wording.count(done, "item")
        place = printable(folder.crumbs[-1].name) or "My files"
        self._done(f"{what} {_were(done)} {_PAST[verb]} to “{place}”.", nodes, undo=undo)

    def _put_back(self, entries: Sequence[Entry]) -> None:
        """Give `entries`, as they were, their places and names back."""

        def back(entry: Entry) -> NodeKey:
            target = in_folder(parent_of(entry), entry.name)
            return key_of_reply(self._api.move(ref_to(key_of(entry)), target))

        def done(outcome: Outcome) -> None:
            if outcome.failed or outcome.left:
                self._told_partly("put back", outcome)
                self._on_done(outcome.nodes)
            else:
                count = len(outcome.done)
                what = named(outcome.done_entries) if count == 1 else wording.count(count, "item")
                self._done(f"{what} {_were(count)} put back.", outcome.nodes)

        what = named(entries)
        self._run(
            lambda steps: each_of(entries, steps, back),
            done, f"Putting {what} back", f"{what}: not put back", len(entries),
        )  # fmt: skip

    # --- running ---------------------------------------------------------------------------------------------------

    def _run(
        self, work: Callable[[Steps], object], done: Callable[..., None], doing: str, failure: str, total: int = 1
    ) -> None:
        """Run `work` in a thread. `doing`: said if it takes long; `failure`: said before the reason why it failed."""
        steps = Steps(total)
        began = self._bridge.clock()
        timer: list[Timer] = []

        def tell() -> None:
            timer[:] = [self._bridge.call_later(TELL_S, tell)]
            text = steps.text(doing, self._bridge.clock() - began)
            action = "Stop" if total > 1 and not steps.stopped else None
            self._on_notice(Notice(text, "info", action, lasting=True), act=steps.stop)

        def work_on() -> object:
            thread = threading.get_ident()
            self._at_work[thread] = steps
            try:
                return work(steps)
            finally:
                del self._at_work[thread]

        def worked(result: object) -> None:
            timer[0].cancel()
            done(result)

        def failed(error: Exception) -> None:
            timer[0].cancel()
            self._failed(failure, error)

        timer.append(self._bridge.call_later(PATIENCE_S, tell))
        self._bridge.run_in_thread(lambda _token: work_on(), worked, failed, name="gui-change")

    def _done(
        self, text: str, nodes: Sequence[NodeKey], *, undo: Callable[[], None] | None = None
    ) -> None:  # fmt: skip
        self._on_notice(Notice(text, "success", "Undo" if undo is not None else None), act=self._undoable(undo))
        self._on_done(nodes)

    def _undoable(self, undo: Callable[[], None] | None) -> Callable[[], None] | None:
        """`undo`, which can be done once; another change takes its place."""
        if undo is None:
            self.undo = None
            return None

        def once() -> None:
            if self.undo is once:
                self.undo = None
                undo()

        self.undo = once
        return once

    def _told_partly(self, verb: str, outcome: Outcome, undo: Callable[[], None] | None = None) -> None:
        """Say what was not done, and how much was."""
        done, sentences = len(outcome.done), []
        if outcome.first_failed is not None:
            entry, error = outcome.first_failed
            sentences.append(f"“{printable(entry.name)}” was not {verb}: {_reason(error)}")
            more = outcome.failed - 1
            if more:
                sentences.append(f"{more:,} more {_were(more)} not {verb} either.")
        if outcome.left:
            left = "is" if outcome.left == 1 else "are"
            sentences.append(f"Stopped: {wording.count(outcome.left, 'item')} {left} left as before.")
        if done:
            sentences.append(f"{wording.count(done, 'item')} {_were(done)} {verb}.")
        severity: Literal["error", "warning"] = "error" if outcome.failed else "warning"
        notice = Notice(" ".join(sentences), severity, "Undo" if undo is not None else None)
        self._on_notice(notice, act=self._undoable(undo))

    def _failed(self, what: str, error: Exception) -> None:
        self._on_notice(Notice(f"{what}: {_reason(error)}", "error"))
        self._on_done(())


def _reason(error: Exception) -> str:
    return wording.reason(error) if isinstance(error, SfosError) else wording.explain(error)


def _were(count: int) -> str:
    return "was" if count == 1 else "were"
