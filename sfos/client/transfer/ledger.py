"""The books of one job: its items, what is done, how fast. Kept by worker threads, read by anyone."""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from sfos.client.transfer.events import (
    Item,
    ItemFinished,
    ItemRemarked,
    ItemState,
    JobChanged,
    JobState,
    Progress,
    Tally,
    TransferEvent,
)
from sfos.protocol import SfosError

_SPEED_WINDOW_S = 4.0
_STABLE_AFTER_S = 2.0
_SAMPLE_S = 0.1
_ACTIVE_SHOWN = 8

_ENDED = frozenset(ItemState) - {ItemState.WAITING, ItemState.ACTIVE}


class Row(msgspec.Struct, eq=False):
    """One item, as the books hold it; `leaf`: see `Item`. Changed by the ledger alone."""

    number: int
    folder: Path
    leaf: str
    remote: str
    kind: str
    size: int
    bytes_done: int = 0
    state: ItemState = ItemState.WAITING
    error: SfosError | None = None

    def view(self) -> Item:
        """View of the row for others."""
        return Item(
            self.number,
            self.folder,
            self.leaf,
            self.remote,
            self.kind,
            self.size,
            self.bytes_done,
            self.state,
            self.error,
        )

    @property
    def local(self) -> Path:
        """See `Item`."""
        return self.folder / self.leaf


class _Unchanged(msgspec.Struct, frozen=True):
    """Files of one folder that were found to be the same on both sides, which is all there is to say of each."""

    first: int
    folder: Path
    remote: str  # the path of the folder, with a slash
    leaves: Sequence[str]
    sizes: Sequence[int]

    def view(self, number: int) -> Item:
        """One of them, as others see it."""
        leaf, size = self.leaves[number - self.first], self.sizes[number - self.first]
        remote = self.remote + leaf
        return Item(number, self.folder, leaf, remote, "file", size, size, ItemState.UNCHANGED)


class _Well:
    """Items that have come to a good end and are not kept. `folders`, `bytes`: of those that are DONE."""

    def __init__(self) -> None:
        self.states: Counter[ItemState] = Counter()
        self.folders = self.bytes = 0

    def count(self, row: Row) -> None:
        """One more."""
        self.states[row.state] += 1
        if row.state is ItemState.DONE:
            self.folders += row.kind == "folder"
            self.bytes += row.size


class Ledger:
    """Thread-safe. Totals never fall, but where all starts over; an item's bytes never fall and end at its size unless
    it fails."""

    def __init__(
        self,
        job: int,
        clock: Callable[[], float] = time.monotonic,
        *,
        tell_all: bool = True,
        keep_all: bool = True,
    ) -> None:
        """`tell_all`: whether there is an ItemFinished for each item, or for those alone that failed.

        `keep_all`: unless set, an item that came to a good end is only counted: of a million few cost memory at a time.
        """
        self._job = job
        self._clock = clock
        self._tell_all = tell_all
        self._keep_all = keep_all
        self._lock = threading.Lock()
        self._rows: dict[int, Row] = {}  # by their numbers, which grow; without those that are counted alone
        self._unchanged: list[_Unchanged] = []
        self._items = 0
        self._well = _Well()
        self._state = JobState.WAITING
        self._waiting_for: SfosError | None = None
        self._planned = False
        self._total = self._done = self._moved = 0
        self._ended = self._failed = 0
        self._active: dict[int, Row] = {}
        self._samples: deque[tuple[float, int]] = deque()
        self._moving_since: float | None = None
        self._news: list[TransferEvent] = []
        self._touched = False

    # ── items ───────────────────────────────────────────────────────────────────────────────────────────────────

    def add(self, local: Path, remote: str, kind: str, size: int, *, leaf: str = "") -> Row:
        """A new item: `local`, or `leaf` in it."""
        with self._lock:
            row = self._rows[self._items] = Row(self._items, local, leaf, remote, kind, size)
            self._items += 1
            self._total += size
            self._touched = True
            return row

    def add_files(self, folder: Path, remote: str, files: Iterable[tuple[str, str, int]]) -> list[Row]:
        """New files, each by its name in the local `folder`, its name in the `remote` one (a path with "/" at its
        end), and its size."""
        with self._lock:
            first = self._items
            rows = [
                Row(number, folder, leaf, remote + name, "file", size)
                for number, (leaf, name, size) in enumerate(files, first)
            ]
            self._items += len(rows)
            self._rows.update(zip(range(first, self._items), rows, strict=True))
            self._total += sum([row.size for row in rows])
            self._touched = True
            return rows

    def add_unchanged(self, folder: Path, remote: str, leaves: Sequence[str], sizes: Sequence[int]) -> None:
        """New items that are over at once: files of `folder` that are the same in the `remote` one, a path with "/"
        at its end. All in one, as there are so many: nothing is spent on each."""
        with self._lock:
            run = _Unchanged(self._items, folder, remote, leaves, sizes)
            if self._keep_all:
                self._unchanged.append(run)
            self._items += len(leaves)
            self._well.states[ItemState.UNCHANGED] += len(leaves)
            size = sum(sizes)
            self._total += size
            self._done += size
            self._ended += len(leaves)
            self._touched = True
            if self._tell_all:
                numbers = range(run.first, run.first + len(leaves))
                self._news += [ItemFinished(self._job, run.view(number)) for number in numbers]

    def again(self, row: Row, size: int) -> None:
        """An item that failed is tried once more; it may have another size by now."""
        with self._lock:
            if row.state is ItemState.FAILED:
                self._failed -= 1
                self._ended -= 1
            row.state, row.error = ItemState.WAITING, None
            self._resize(row, size)

    def resize(self, row: Row, size: int) -> None:
        """Correct the size of an item that turned out to have another than planned."""
        if size != row.size:
            with self._lock:
                self._resize(row, size)

    def _resize(self, row: Row, size: int) -> None:
        """Totals never fall: what it shrank by counts as done."""
        excess = max(0, row.bytes_done - size)
        self._total += max(0, size - row.size)
        self._done += max(0, row.size - size) - excess
        row.size = size
        row.bytes_done -= excess
        self._touched = True

    def begin(self, row: Row) -> None:
        """Note that something of an item is under way."""
        with self._lock:
            if row.state is ItemState.WAITING:
                row.state = ItemState.ACTIVE
                self._active[row.number] = row
                self._touched = True

    def advance(self, row: Row, bytes_done: int) -> None:
        """Note how much of an item is done; less than before changes nothing (it is being read again)."""
        with self._lock:
            bytes_done = min(bytes_done, row.size)
            if bytes_done > row.bytes_done:
                self._done += bytes_done - row.bytes_done
                row.bytes_done = bytes_done
                self._touched = True

    def end(self, row: Row, state: ItemState, error: SfosError | None = None) -> None:
        """End an item; only the first end counts."""
        with self._lock:
            self._end(row, state, error)

    def end_anew(self, row: Row, state: ItemState, error: SfosError | None = None) -> None:
        """End an item that may have failed before and was tried once more."""
        if row.state is ItemState.FAILED:
            self.again(row, row.size)
        self.end(row, state, error)

    def remark(self, row: Row, sentence: str) -> None:
        """Tell people what was left out or changed about an item that is taken all the same."""
        with self._lock:
            self._news.append(ItemRemarked(self._job, row.view(), sentence))
            self._touched = True

    def done_all_of(self, rows: Iterable[Row]) -> None:
        """Many are DONE together: as `end` has it, for a third of the cost where nothing is to be told of each."""
        with self._lock:
            waiting = ItemState.WAITING if not self._tell_all else None
            ended = done = 0
            kept, well, forgets = self._rows, self._well, not self._keep_all
            for row in rows:
                if row.state is not waiting or row.kind == "folder":
                    self._end(row, ItemState.DONE, None)
                    continue
                row.state = ItemState.DONE
                ended += 1
                done += row.size - row.bytes_done
                row.bytes_done = row.size
                if forgets:
                    well.states[ItemState.DONE] += 1
                    well.bytes += row.size
                    del kept[row.number]
            self._ended += ended
            self._done += done
            self._touched = True

    def _end(self, row: Row, state: ItemState, error: SfosError | None) -> None:
        if row.state in _ENDED:
            return
        row.state, row.error = state, error
        self._active.pop(row.number, None)
        self._ended += 1
        self._touched = True
        if state is ItemState.FAILED:
            self._failed += 1
        elif state is not ItemState.CANCELLED:
            self._done += row.size - row.bytes_done
            row.bytes_done = row.size
        if self._tell_all or state is ItemState.FAILED:
            self._news.append(ItemFinished(self._job, row.view()))
        is_well = state is not ItemState.FAILED and state is not ItemState.CANCELLED
        if is_well and not self._keep_all and self._rows.pop(row.number, None) is not None:
            self._well.count(row)

    def end_all(self, state: ItemState, error: SfosError | None) -> bool:
        """Everything that has not come to its end comes to this one; whether there was anything."""
        with self._lock:
            before = self._ended
            for row in list(self._rows.values()):
                self._end(row, state, error)
            return self._ended > before

    def start_over(self) -> None:
        """Forget all items, for the whole is asked for anew. What went over the network stays counted."""
        with self._lock:
            self._rows.clear()
            self._unchanged.clear()
            self._active.clear()
            self._well = _Well()
            self._items = self._total = self._done = self._ended = self._failed = 0
            self._planned = False
            self._touched = True

    def rows(self, first: int = 0, limit: int | None = None) -> list[Item]:
        """The items from `first` on, as far as they are kept."""
        with self._lock:
            last = self._items if limit is None else min(self._items, first + limit)
            if not self._keep_all:
                return [row.view() for number, row in self._rows.items() if first <= number < last]
            return [
                row.view() if (row := self._rows.get(number)) is not None else self._unchanged_item(number)
                for number in range(first, last)
            ]

    def _unchanged_item(self, number: int) -> Item:
        return self._unchanged[bisect_right(self._unchanged, number, key=lambda run: run.first) - 1].view(number)

    def failed_rows(self) -> list[Row]:
        """Rows that failed."""
        with self._lock:
            return [row for row in self._rows.values() if row.state is ItemState.FAILED]

    def tally(self) -> Tally:
        """Tally of the items that came to each end."""
        with self._lock:
            rows, well = self._rows.values(), self._well
            states = Counter([row.state for row in rows])
            states.update(well.states)
            done = [row for row in rows if row.state is ItemState.DONE]
            folders = [row.kind for row in done].count("folder")
            files = states[ItemState.DONE] - folders - well.folders
            return Tally(states, files, folders + well.folders, sum([row.size for row in done]) + well.bytes)

    # ── the whole ───────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def state(self) -> JobState:
        """State of the job."""
        return self._state

    @property
    def has_failures(self) -> bool:
        """Whether an item failed."""
        return self._failed > 0

    def set_state(self, state: JobState, waiting_for: SfosError | None = None) -> None:
        """Tell of a new state, or of why it does not move."""
        with self._lock:
            if (state, waiting_for) != (self._state, self._waiting_for):
                self._state, self._waiting_for = state, waiting_for
                self._touched = True
                self._news.append(JobChanged(self._job, state, waiting_for))

    def set_waiting(self, error: SfosError | None) -> None:
        """Note why the job does not move just now; None: it does."""
        if error is not self._waiting_for and not self._state.over:
            self.set_state(self._state, error)

    @property
    def planned(self) -> bool:
        """Whether all items are known, and so the totals stand."""
        return self._planned

    def set_planned(self, planned: bool) -> None:
        """Tell whether all items are known."""
        with self._lock:
            self._planned = planned
            self._touched = True

    def moved(self, count: int) -> None:
        """Count bytes that went over the network just now."""
        now = self._clock()
        with self._lock:
            self._moved += count
            self._touched = True
            if self._moving_since is None:
                self._moving_since = now
            if self._samples and now - self._samples[-1][0] < _SAMPLE_S:
                self._samples[-1] = (self._samples[-1][0], self._samples[-1][1] + count)
            else:
                self._samples.append((now, count))

    def progress(self) -> Progress:
        """Progress of the job now."""
        with self._lock:
            return self._progress(self._clock())

    def _progress(self, now: float) -> Progress:
        while self._samples and now - self._samples[0][0] > _SPEED_WINDOW_S:
            self._samples.popleft()
        moving_s = 0.0 if self._moving_since is None else now - self._moving_since
        over = min(_SPEED_WINDOW_S, max(moving_s, _SAMPLE_S))
        active = tuple(row.view() for row, _ in zip(self._active.values(), range(_ACTIVE_SHOWN), strict=False))
        return Progress(
            job=self._job,
            planned=self._planned,
            items_total=self._items,
            items_done=self._ended,
            items_failed=self._failed,
            bytes_total=self._total,
            bytes_done=self._done,
            bytes_moved=self._moved,
            speed=sum(count for _, count in self._samples) / over,
            speed_stable=moving_s >= _STABLE_AFTER_S,
            active=active,
        )

    def take_news(self) -> list[TransferEvent]:
        """Events since the last call, in order, progress first; [] if there are none."""
        with self._lock:
            if not self._touched:
                return []
            self._touched = False
            news, self._news = self._news, []
            return [self._progress(self._clock()), *news]
