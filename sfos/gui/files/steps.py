"""A change of many things in steps: how far it is, and what came of each."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from sfos.gui import wording
from sfos.gui.nodes import NodeKey
from sfos.gui.rows import picked
from sfos.protocol import Entry, SfosError, Working, in_words

_SECONDS_FROM_S = 5.0  # a single change that takes so long shows the seconds: that they run says that it goes on


@dataclass(slots=True)
class Outcome:
    """Outcome for several `entries`: positions of those that were `done`, with the `nodes` that they are now; the first
    that failed, and how many; and as many `left` as had not been begun when it was stopped."""

    entries: Sequence[Entry]
    done: array[int] = field(default_factory=lambda: array("I"))
    nodes: list[NodeKey] = field(default_factory=list)
    first_failed: tuple[Entry, Exception] | None = None
    failed: int = 0
    left: int = 0

    @property
    def done_entries(self) -> Sequence[Entry]:
        """Those that were done, as they were before."""
        return picked(self.entries, self.done)

    def fail(self, entry: Entry, error: Exception, count: int = 1) -> None:
        """Take in that `entry` failed; `count`: with others."""
        self.first_failed = self.first_failed or (entry, error)
        self.failed += count


class Steps:
    """A change in `total` steps, as its thread sees it."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.reached = 0  # written by the thread alone
        self.said: Working | None = None  # by the server, of the step that takes long; written by the thread alone
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Begin no further step."""
        self._stopped.set()

    @property
    def stopped(self) -> bool:
        """Whether somebody stopped it."""
        return self._stopped.is_set()

    def text(self, doing: str, passed_s: float) -> str:
        """How far it is, as a sentence that goes on."""
        if self.stopped:
            return "Stopping…"
        said = self.said
        if said is not None and said.behind:
            far = f", {said.done:,} so far" if said.done else ""
            return f"{doing}: waits until another change of this account has ended ({in_words(said.behind)}{far})…"
        if self.total > 1:
            return f"{doing} {self.reached:,} of {self.total:,}…"
        if said is not None and said.done > 1:
            return f"{doing}: {said.done:,} so far…"
        return f"{doing}… {wording.duration(passed_s)}" if passed_s >= _SECONDS_FROM_S else f"{doing}…"

    def parts(self, outcome: Outcome, at_once: int) -> Iterator[Sequence[Entry]]:
        """So many of its entries after each other, one part a step, until it is stopped; it hears of the rest."""
        entries = outcome.entries
        for start in range(0, len(entries), at_once):
            if self.stopped:
                outcome.left = len(entries) - start
                return
            part = tuple(entries[start : start + at_once])
            yield part
            self.reached = start + len(part)


def each_of(entries: Sequence[Entry], steps: Steps, change: Callable[[Entry], NodeKey]) -> Outcome:
    """Change one after the other. Each has a fate of its own; all are reported."""
    outcome = Outcome(entries)
    for (entry,) in steps.parts(outcome, 1):
        try:
            outcome.nodes.append(change(entry))
            outcome.done.append(steps.reached)
        except SfosError as error:
            outcome.fail(entry, error)
    return outcome
