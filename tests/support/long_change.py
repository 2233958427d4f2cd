"""A change of an account that takes as long as a test wants, at a real server in another process."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sfos.client.session.session import Session
from sfos.protocol import MakeFolderRequest, Target


@contextmanager
def held_catalog(storage_dir: Path, space: str) -> Iterator[None]:
    """Another program writes to the space, so that who has begun to change something waits within SQLite."""
    with closing(sqlite3.connect(storage_dir / space / "catalog.db", isolation_level=None)) as held:
        held.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def long_change(session: Session, home: Path) -> Iterator[None]:
    """A folder is being made in the account's home for as long as the block lasts; what changes something waits."""
    begun = threading.Event()

    def make_one() -> None:
        with session.connect_more() as connection:
            connection.on_working = lambda _command, _working: begun.set()
            connection.call(MakeFolderRequest(op_id=os.urandom(16), target=Target(path=f"/{os.urandom(4).hex()}")))

    # Of two that wait, the server tells the second that it waits for the first: so one has surely begun.
    both = [threading.Thread(target=make_one) for _ in range(2)]
    with held_catalog(home / "server_storage", session.info.home.space):
        for thread in both:
            thread.start()
        assert begun.wait(30)
        yield
    for thread in both:
        thread.join(30)
        assert not thread.is_alive()
