"""A running server looks after its store by itself, and lets go of it only when that is done."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from sfos.server.app import Server
from sfos.server.maintenance import upkeep
from sfos.server.maintenance.gc import Collected, collect_garbage
from sfos.server.process.home_lock import HomeLock, HomeTaken
from sfos.server.spaces.operations.context import SpaceContext
from tests.server.conftest import Serve, settings
from tests.storage.desk import Desk

QUICK = {
    "storage.gc_every_s": "0.02",
    "storage.expire_every_s": "0.02",
    "storage.gc_grace_s": "2",
    "storage.history_kept_s": "0",
    "storage.free_space_floor_bytes": "0",
}


def test_a_server_expires_and_collects_on_its_schedule(serve: Serve, wait_until: Callable[..., None]) -> None:
    running = serve(QUICK)
    spaces = running.server.services.spaces
    with spaces.lease("a" * 32) as space:
        desk = Desk(space)
        desk.put("/file", os.urandom(250_000))
        desk.put("/file", b"small")
        with spaces.inspect("a" * 32) as context:
            wait_until(lambda: len(list(context.store.list_stored())) == 1, timeout_s=30)
        assert desk.read("/file") == b"small"


def test_a_server_keeps_its_home_until_its_upkeep_has_ended(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_work, go_on = threading.Event(), threading.Event()

    def collect(context: SpaceContext, grace_ms: int, stopping: Callable[[], bool]) -> Collected:
        at_work.set()
        assert go_on.wait(60)
        return collect_garbage(context, grace_ms, stopping)

    monkeypatch.setattr(upkeep, "collect_garbage", collect)
    server = Server(settings(home, QUICK))
    server.start()
    with server.services.spaces.lease("a" * 32) as space:
        Desk(space).put("/file", b"data")
    assert at_work.wait(30)
    stopper = threading.Thread(target=server.stop)
    stopper.start()
    stopper.join(0.3)
    with pytest.raises(HomeTaken):
        HomeLock(home)
    go_on.set()
    stopper.join()
    HomeLock(home).release()
    assert not any(thread.name == "upkeep" for thread in threading.enumerate())


def test_an_interval_of_nothing_is_never(serve: Serve) -> None:
    serve({"storage.gc_every_s": "0", "storage.expire_every_s": "0"})
    assert not any(thread.name == "upkeep" for thread in threading.enumerate())
