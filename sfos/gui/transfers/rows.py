"""A job of the transfer engine as rows of the panel. Pure: everything comes in as values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sfos.client.transfer import Direction, Item, ItemState, JobState, Progress
from sfos.gui import wording
from sfos.gui.model import Transfer, TransferBoard, TransferPhase
from sfos.protocol import printable

FAILED_ROWS = 500  # rows of failed files of one job; one more says how many there are beyond
_LEAST_SPEED = 1_000.0  # bytes a second: from less, nobody can tell how long it takes
_ITEM_KEYS = 1_000_000  # failed items get negative keys: -(job × this + item + 1)

_PHASES: dict[JobState, TransferPhase] = {
    JobState.WAITING: "waiting",
    JobState.RUNNING: "running",
    JobState.PAUSED: "paused",
    JobState.FINISHED: "done",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "cancelled",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes a second that each direction may take; None: what there is."""

    up: int | None = None
    down: int | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A job as it stood at one moment. `place`: where it goes, for people; `waiting_for`: why it does not move;
    `asks`: whether it waits for the person's answer; `queued`: its place, from 0, among those that wait for their turn;
    `opens`: whether it is a single file.
    """

    number: int
    direction: Direction
    title: str
    place: str
    state: JobState
    progress: Progress
    waiting_for: str = ""
    finished_at: str = ""
    skipped: int = 0
    asks: bool = False
    queued: int | None = None
    opens: bool = False


def job_of(key: int) -> int:
    """The number of the job that a row's key belongs to."""
    return key if key >= 0 else (-key - 1) // _ITEM_KEYS


def item_key(job: int, item: int) -> int:
    """The key of the row of a failed item."""
    return -(job * _ITEM_KEYS + item + 1)


def done_bytes(progress: Progress) -> int:
    """How much is done. A piece counts as done once the server has answered for it, which on a slow line is long after
    its bytes began to move: whichever of the two is more. Both only grow.
    """
    return min(progress.bytes_total, max(progress.bytes_done, progress.bytes_moved))


def row_of(shot: Snapshot) -> Transfer:
    """The row of a job."""
    progress, state = shot.progress, shot.state
    phase = _PHASES[state]
    if phase == "running" and shot.waiting_for:
        phase = "retrying"
    elif phase == "running" and shot.asks:
        phase = "asking"
    running = state is JobState.RUNNING
    stable = running and progress.planned and progress.speed_stable and progress.speed >= _LEAST_SPEED
    arrived = state is JobState.FINISHED and shot.direction is Direction.DOWNLOAD
    return Transfer(
        key=shot.number,
        direction=direction_of(shot.direction),
        title=shot.title,
        place=_place(shot),
        phase=phase,
        done_bytes=done_bytes(progress),
        total_bytes=progress.bytes_total,
        fraction=_fraction(shot),
        bytes_per_s=progress.speed if running else 0.0,
        eta_s=(progress.bytes_total - done_bytes(progress)) / progress.speed if stable else None,
        note=_note(shot),
        finished_at=shot.finished_at,
        queued=shot.queued,
        arrived=arrived,
        opens=arrived and shot.opens,
    )


def direction_of(direction: Direction) -> Literal["up", "down"]:
    """Word of the panel for a direction."""
    return "up" if direction is Direction.UPLOAD else "down"


def _fraction(shot: Snapshot) -> float | None:
    progress = shot.progress
    if progress.bytes_total:
        fraction = done_bytes(progress) / progress.bytes_total
    elif progress.items_total:
        fraction = progress.items_done / progress.items_total
    else:
        return None
    # While it is still being counted, "all" is not all.
    return fraction if progress.planned or shot.state.over else min(fraction, 0.99)


def _place(shot: Snapshot) -> str:
    """Destination; of a batch also the file that is under way."""
    current = next((item for item in shot.progress.active if item.state is ItemState.ACTIVE), None)
    if current is not None and shot.progress.items_total > 1 and not shot.state.over:
        return f"{shot.place} · {printable(current.remote.rpartition('/')[2])}"
    return shot.place


def _note(shot: Snapshot) -> str:
    if shot.state is JobState.FINISHED:
        return f"{shot.skipped:,} skipped" if shot.skipped else ""
    if shot.waiting_for:
        return shot.waiting_for
    if shot.asks and not shot.state.over:
        return "Waits for your answer"
    if shot.state is JobState.RUNNING and not shot.progress.planned:
        return f"Counting: {wording.count(shot.progress.items_total, 'item')}"
    return ""


def failed_rows(shot: Snapshot, items: Sequence[Item]) -> tuple[Transfer, ...]:
    """A row for each file of a job that failed, with the reason; beyond `FAILED_ROWS` one that counts the others."""
    direction = direction_of(shot.direction)
    rows = [
        Transfer(
            key=item_key(shot.number, item.number),
            direction=direction,
            title=printable(item.remote.rpartition("/")[2] or item.local.name),
            place=shot.place,
            phase="failed",
            done_bytes=item.bytes_done,
            total_bytes=item.size,
            fraction=item.bytes_done / item.size if item.size else 0.0,
            note=wording.reason(item.error) if item.error is not None else "",
        )
        for item in items[:FAILED_ROWS]
    ]
    if len(items) > FAILED_ROWS:
        more = f"{len(items) - FAILED_ROWS:,} more items failed"
        key = item_key(shot.number, _ITEM_KEYS - 1)
        rows.append(Transfer(key, direction, more, shot.place, "failed", note="Trying again tries all of them"))
    return tuple(rows)


def sum_up(
    shots: Sequence[Snapshot],
    failed: Sequence[Transfer],
    limits: Limits,
) -> TransferBoard:
    """The whole panel. `failed`: the rows of failed items; rows of whole jobs are made here. Newest ends come first."""
    active = [shot for shot in shots if not shot.state.over]
    running = [shot for shot in active if shot.state is JobState.RUNNING]
    speeds = {
        direction: sum(shot.progress.speed for shot in running if shot.direction is direction)
        for direction in Direction
    }
    done = sum(done_bytes(shot.progress) for shot in active)
    total = sum(shot.progress.bytes_total for shot in active)
    speed = sum(speeds.values())
    stable = bool(running) and all(shot.progress.planned and shot.progress.speed_stable for shot in running)

    def ended(state: JobState) -> tuple[Transfer, ...]:
        return tuple(row_of(shot) for shot in reversed(shots) if shot.state is state)

    return TransferBoard(
        active=tuple(row_of(shot) for shot in active),
        completed=ended(JobState.FINISHED),
        failed=tuple(failed),
        cancelled=ended(JobState.CANCELLED),
        up_bytes_per_s=speeds[Direction.UPLOAD],
        down_bytes_per_s=speeds[Direction.DOWNLOAD],
        done_bytes=done,
        total_bytes=total,
        eta_s=(total - done) / speed if stable and speed >= _LEAST_SPEED else None,
        all_paused=bool(active) and all(shot.state is JobState.PAUSED for shot in active),
        up_limit=limits.up,
        down_limit=limits.down,
    )
