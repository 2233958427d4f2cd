"""`python -m tests.storage.rotating HOME`: rotate the keys of a home over and over, killed at one step after the other.

After each kill another run ends what was begun, so that each kill meets a whole rotation. Says how many were killed.
"""

from __future__ import annotations

import os
import signal
import sys

from sfos.programs import manage as manage_storage
from tests.storage.kill_points import KillPoints


def rotate(home: str, at: int) -> bool:
    """Run `rotate-key` in a child that is killed at its point `at` (-1: at none); whether it was killed."""
    child = os.fork()
    if child == 0:
        KillPoints(at).install()
        os._exit(manage_storage.main(["--home", home, "rotate-key"]))
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return True
    assert os.waitstatus_to_exitcode(status) == 0
    return False


def main() -> None:
    home = sys.argv[1]
    killed = 0
    while rotate(home, killed):
        killed += 1
        assert not rotate(home, -1)
    sys.stdout.write(f"killed {killed} times\n")


if __name__ == "__main__":
    main()
