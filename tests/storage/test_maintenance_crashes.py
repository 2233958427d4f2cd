"""SIGKILL in the middle of maintenance: nothing is lost, nothing is half done, and the next run ends what was begun.

Here some points of each command are taken; SFOS_TEST_ALL_CRASHES=1 takes every one, and `./run.sh torture` kills in
every system call.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.storage import child
from tests.storage.kill_points import KillPoints
from tests.storage.maintenance_kills import COMMANDS, Command

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="only on POSIX"),
    pytest.mark.allows_errors("what was cut off is logged"),
]
MOST = sys.maxsize if os.environ.get("SFOS_TEST_ALL_CRASHES") else 3


def run_to(command: Command, home: Path, at: int) -> child.Ended:
    """Run the command in a child that is killed at its point `at`."""

    def task(say: child.Say) -> None:
        points = KillPoints(at)
        points.install()
        command.script(home, lambda _: say(b"a"), None)
        say(b"p%d" % points.passed)

    return child.run(task)


def spread(total: int) -> list[int]:
    """At most MOST of the points, the first and the last among them."""
    if total <= MOST:
        return list(range(total))
    return sorted({round(n * (total - 1) / (MOST - 1)) for n in range(MOST)})


@pytest.mark.timeout(600)
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_kill_anywhere_leaves_what_was_or_what_was_to_be(command: Command, tmp_path: Path) -> None:
    template, home = tmp_path / "template", tmp_path / "home"
    command.prepare(template)
    shutil.copytree(template, home)
    counted = run_to(command, home, -1)
    assert counted.exit_code == 0, counted.said.decode()
    command.check(home, 1)
    total = int(counted.said.rpartition(b"p")[2])
    assert total >= 3
    for at in spread(total):
        shutil.rmtree(home)
        shutil.copytree(template, home)
        ended = run_to(command, home, at)
        assert ended.killed, ended.said.decode()
        command.check(home, ended.said.count(b"a"))
