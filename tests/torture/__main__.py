"""`./run.sh torture`: try to break every promise of docs/reliability.md for an hour, or until the figures are reached.

Exit codes: 0 nothing broken · 1 a promise is broken, each with the line that repeats it · 2 wrong arguments ·
130 interrupted, after the figures so far.
"""

from __future__ import annotations

import logging
import signal
import sys

from tests.support.salted_once import remember_salted_passwords
from tests.torture.registry import SCENARIOS
from tests.torture.runner import main


def _sum_up(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _sum_up)  # who stops it in the background wants its figures too
    logging.getLogger().addHandler(logging.NullHandler())  # every fault that is provoked is logged, ten thousand times
    remember_salted_passwords()
    sys.exit(main(sys.argv[1:], SCENARIOS, sys.stdout))
