"""One client of several at once, in a process of its own, with the client library that the window uses.

Reads what to do as a line of JSON, signs in, says "ready", waits for a line, works until its time is over, and says as
JSON how many bytes it moved in how many seconds. Its work, again and again: a large file up and down, many small ones
up and down, a listing, and all of it deleted. Data is new each time, so that nothing is saved by being known.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench.harness.data import MIB, check_equal, make_file, make_tree
from sfos.client.address import Address
from sfos.client.net.trust import ACCEPT_NEW, Trust, TrustStore
from sfos.client.session.session import Session
from sfos.client.transfer import Job, JobState, TransferEngine

LARGE_BYTES = 16 * MIB
SMALL_FILES = 200
SMALL_BYTES = 4096
_SMALL_TOTAL = SMALL_FILES * SMALL_BYTES


@dataclass(frozen=True)
class Task:
    """Task that the harness gives a client. `place`: a directory of this client's own."""

    number: int
    port: int
    user: str
    password: str
    place: str
    seconds: float


def _finish(job: Job) -> None:
    job.wait()
    if job.state is not JobState.FINISHED:
        failed = job.failed_items()
        raise RuntimeError(f"a transfer is {job.state.value}: {failed[0].error if failed else 'no reason given'}")


def work(session: Session, engine: TransferEngine, task: Task) -> tuple[int, float]:
    """(Bytes moved, seconds), until `task.seconds` are over; the step that is under way then is finished."""
    place, folder = Path(task.place), f"/client-{task.number}"
    moved, rounds = 0, 0
    begun = time.monotonic()

    def over() -> bool:
        return time.monotonic() - begun >= task.seconds

    while not over():
        seed = f"client {task.number} {rounds}"
        large = make_file(place / "large.bin", LARGE_BYTES, seed)
        small = make_tree(place / "small", SMALL_FILES, SMALL_BYTES, seed)
        for source, size in ((large, LARGE_BYTES), (small, _SMALL_TOTAL)):
            if over():
                break
            _finish(engine.upload([source], folder))
            moved += size
            if over():
                break
            _finish(engine.download([session.api.stat(f"{folder}/{source.name}")], place / "got"))
            check_equal(place / "got" / source.name, source)
            moved += size
            session.api.list_folder(f"{folder}/{source.name}" if source.is_dir() else folder)
        if session.api.exists(folder) is not None:
            session.api.delete([folder])
        for path in (small, place / "got"):
            shutil.rmtree(path, ignore_errors=True)
        rounds += 1
    return moved, time.monotonic() - begun


def main() -> int:
    """See the module."""
    task = Task(**json.loads(sys.stdin.readline()))
    place = Path(task.place)
    place.mkdir(parents=True)
    address = Address("127.0.0.1", task.port)
    trust = Trust(TrustStore(place / "pins.json"), ACCEPT_NEW)
    with Session.sign_in(address, task.user, task.password, trust) as session, TransferEngine(session) as engine:
        print("ready", flush=True)
        sys.stdin.readline()
        moved, seconds = work(session, engine, task)
    print(json.dumps({"moved": moved, "seconds": seconds}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
