"""Progress of a transfer on a terminal: a bar for the whole and a line for each file under way. In a pipe: nothing.

The numbers are the transfer's own (its totals never jump back, its estimate is told only when stable); rich draws.
Nothing is drawn in the first moments, so that a small transfer neither flickers nor pays for loading rich.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

from sfos.cli.front import output
from sfos.cli.front.shell import Shell
from sfos.client.transfer import Item, Progress
from sfos.protocol import counted, printable

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

_APPEARS_AFTER_S = 0.4
_FILES_SHOWN = 4
_BAR_CELLS = 24
_SHORTEST_BAR_CELLS = 8  # a shorter one says nothing, and gives its place to the names
_LABEL_CELLS = 38
_SHORTEST_LABEL_CELLS = 8
_RIGHT_MARGIN_CELLS = 3  # where the terminal shows the ^C that was typed: on a further line it would stay
_INDENT = "  "
_LONGEST_LEFT_S = 100 * 3600.0  # what hardly moves (the server was away for a moment) has no end that could be told


class ProgressView(Protocol):
    """View of a transfer's state. One thread at a time."""

    def show(self, progress: Progress) -> None:
        """Show `progress`, the state now."""

    def line(self, write: Callable[[], object]) -> None:
        """Call `write`, which prints whole lines or asks something, with nothing drawn meanwhile."""

    def close(self) -> None:
        """Draw nothing from now on; what was drawn goes."""


class NoProgress:
    """View that shows nothing, for pipes and for --quiet."""

    def show(self, progress: Progress) -> None:
        pass

    def line(self, write: Callable[[], object]) -> None:
        write()

    def close(self) -> None:
        pass


class TerminalProgress:
    """Bars on standard error."""

    def __init__(self, shell: Shell, clock: Callable[[], float] = time.monotonic) -> None:
        self._shell = shell
        self._clock = clock
        self._appears_at = clock() + _APPEARS_AFTER_S
        self._live: Live | None = None

    def show(self, progress: Progress) -> None:
        if self._clock() < self._appears_at:
            return
        if self._live is None:
            self._live = self._start()
        self._live.update(bars(progress, self._live.console.width), refresh=True)

    def line(self, write: Callable[[], object]) -> None:
        self.close()
        write()

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _start(self) -> Live:
        from rich.console import Console
        from rich.live import Live

        console = Console(file=self._shell.stderr, highlight=False, emoji=False, markup=False)
        live = Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False)
        live.start()
        return live


def view(shell: Shell) -> ProgressView:
    """Bars if somebody looks at standard error, otherwise nothing."""
    return TerminalProgress(shell) if shell.shows_progress else NoProgress()


class Row(NamedTuple):
    """One line of what is drawn. `share`: per cent, or nothing while the whole is not known."""

    label: str
    done: int
    total: int
    share: str
    figures: str


def rows(progress: Progress) -> list[Row]:
    """A row for the whole, then one for each of the first files under way; of a single file one row is enough."""
    whole = Row(
        total_label(progress),
        progress.bytes_done,
        progress.bytes_total,
        percent(progress.bytes_done, progress.bytes_total) if progress.planned else "",
        total_figures(progress),
    )
    if progress.planned and progress.items_total == 1 and progress.active:
        return [whole._replace(label=printable(item_name(progress.active[0])))]
    return [
        whole,
        *(
            Row(
                _INDENT + printable(item_name(item)),
                item.bytes_done,
                item.size,
                percent(item.bytes_done, item.size),
                f"{output.size(item.bytes_done)} of {output.size(item.size)}",
            )
            for item in progress.active[:_FILES_SHOWN]
        ),
    ]


def bars(progress: Progress, columns: int) -> Table:
    """Draw progress for a terminal of that width: where it is narrow, bars get shorter and go, then names do."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    lines = rows(progress)
    fixed_cells = max(len(line.share) for line in lines) + max(len(line.figures) for line in lines) + 2  # the gaps
    room = columns - _RIGHT_MARGIN_CELLS - fixed_cells
    label_cells = min(_LABEL_CELLS, max(output.cell_width(line.label) for line in lines))
    bar_cells = min(_BAR_CELLS, room - label_cells - 1)
    if bar_cells < _SHORTEST_BAR_CELLS:
        bar_cells = 0
        label_cells = max(_SHORTEST_LABEL_CELLS, min(label_cells, room))
    grid = Table.grid(padding=(0, 1))
    for line in lines:
        bar = ProgressBar(total=max(1, line.total), completed=line.done, width=bar_cells)
        grid.add_row(
            Text(shortened(line.label, label_cells), no_wrap=True),
            *([bar] if bar_cells else []),
            Text(line.share, no_wrap=True, justify="right"),
            Text(line.figures, no_wrap=True),
        )
    return grid


def total_label(progress: Progress) -> str:
    """`12 of 40 items`; while they are still being counted, `12 of 40 items so far`."""
    files = counted(progress.items_total, "item")
    return f"{progress.items_done:,} of {files}" + ("" if progress.planned else " so far")


def total_figures(progress: Progress) -> str:
    """Bytes, speed, and the time left once it can be told."""
    parts = [f"{output.size(progress.bytes_done)} of {output.size(progress.bytes_total)}"]
    if progress.speed > 0:
        parts.append(f"{output.size(round(progress.speed))}/s")
    left = progress.bytes_total - progress.bytes_done
    if progress.planned and progress.speed_stable and 0 < left < progress.speed * _LONGEST_LEFT_S:
        parts.append(f"{output.duration(left / progress.speed)} left")
    return ", ".join(parts)


def percent(done: int, total: int) -> str:
    """Never 100 before the end, never above."""
    if done >= total:
        return "100%"
    return f"{max(0, done) * 100 // total}%"


def item_name(item: Item) -> str:
    """The last name of the item's path on the server."""
    return item.remote.rstrip("/").rsplit("/", 1)[-1]


def shortened(text: str, cells: int) -> str:
    """`text` in at most `cells` columns; the middle gives way to “…”, since both ends tell names apart."""
    if output.cell_width(text) <= cells:
        return text
    head, tail = "", ""
    room = cells - 1
    front, back = list(text), list(text)
    while True:
        for_head = output.cell_width(head) <= output.cell_width(tail)
        character = front.pop(0) if for_head else back.pop()
        if output.cell_width(head + tail + character) > room:
            return f"{head}…{tail}"
        if for_head:
            head += character
        else:
            tail = character + tail
