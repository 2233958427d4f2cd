"""How far maintenance is within a space, as it is told and as it is shown."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sfos.server.maintenance.expire import expire_history
from sfos.server.maintenance.gc import collect_garbage
from sfos.server.maintenance.progress import Progress
from sfos.server.maintenance.saying import progress, progress_line
from sfos.server.maintenance.verify import verify_space
from sfos.server.spaces.operations.context import SpaceContext
from tests.storage.backing_up import Backups
from tests.storage.conftest import SPACE_ID
from tests.storage.desk import Desk

Told = list[tuple[str, int, int]]


@pytest.mark.parametrize(
    ("done", "total", "since_s", "line"),
    [
        (0, 0, 9.0, "5face000… rows"),
        (0, 1_000, 9.0, "5face000… rows 0 %"),
        (450, 1_000, 1.0, "5face000… rows 45 %"),
        (250, 1_000, 10.0, "5face000… rows 25 %, 30 s left"),
        (10, 1_000, 6.0, "5face000… rows 1 %, 10 min left"),
        (1, 1_000, 60.0, "5face000… rows 0 %, 16.6 h left"),
        (1_200, 1_000, 60.0, "5face000… rows 100 %"),
    ],
)
def test_a_line_of_progress_says_how_much_is_done_and_how_long_it_may_take(
    done: int, total: int, since_s: float, line: str
) -> None:
    assert progress_line(SPACE_ID, "rows", done, total, since_s) == line


def told_by(work: Callable[[Progress], object]) -> Told:
    told: Told = []
    work(lambda what, done, total: told.append((what, done, total)))
    return told


def test_all_maintenance_of_a_space_tells_how_far_it_is(desk: Desk, context: SpaceContext, backups: Backups) -> None:
    desk.put_many({f"/{number % 5}/{number}": b"%d" % number for number in range(2_500)})
    for number in range(5):
        desk.delete(f"/{number}")
    told = {
        "verify": told_by(lambda progress: verify_space(context, full=True, progress=progress)),
        "backup": told_by(lambda progress: backups.make(progress=lambda _: progress)),
        "restore": told_by(lambda progress: backups.bring_back(progress=lambda _: progress)),
        "expire": told_by(lambda progress: expire_history(context, -1_000, progress=progress)),
        "gc": told_by(lambda progress: collect_garbage(context, -1_000, progress=progress)),
    }
    for name, lines in told.items():
        middle = [(what, done) for what, done, total in lines if 0 < done < total]
        assert middle, (name, lines)
        assert all(done <= total for _, done, total in lines), (name, lines)


def test_progress_is_shown_at_a_terminal_alone(capsys: pytest.CaptureFixture[str]) -> None:
    progress(SPACE_ID)("rows", 1, 2)
    assert capsys.readouterr().err == ""
