"""Work as it can be counted: steps of SQLite's machine, and calls of functions. The same at each run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import NamedTuple

import pytest

from sfos.protocol import SfosError
from sfos.server.catalog import engine
from sfos.server.process import waiting
from sfos.server.process.waiting import Waiting, served


class Work(NamedTuple):
    """Some work. `steps`: of SQLite's machine; `calls`: of Python's and C functions."""

    steps: int
    calls: int


class Meter:
    """Counts the work of this thread. To be made before the spaces are opened that it counts for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, grain: int = 200) -> None:
        """Steps are counted to the nearest `grain` of each statement."""
        self._grain = grain
        monkeypatch.setattr(engine, "_LOOK_EVERY_STEPS", grain)
        monkeypatch.setattr(waiting, "LOOK_EVERY_S", 0.0)
        self._looks = 0
        self._calls = 0

    def of(self, work: Callable[[], object]) -> Work:
        """The work that is done in `work`, whatever that raises of the protocol's errors."""
        self._looks = self._calls = 0
        before = sys.getprofile()
        with served(Waiting(lambda: None, self._look)):
            sys.setprofile(self._called)
            try:
                work()
            except SfosError:
                pass  # what is refused may have cost all the same
            finally:
                sys.setprofile(before)
        return Work(self._looks * self._grain, self._calls)

    def _look(self) -> None:
        self._looks += 1

    def _called(self, _frame: FrameType, event: str, _argument: object) -> None:
        if event in ("call", "c_call"):
            self._calls += 1
