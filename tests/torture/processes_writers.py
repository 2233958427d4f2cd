"""Clients that write all the time, and know at each moment what must be on the server.

A writer has a folder of its own. Each of its changes is one commit, made under the revision that the writer saw last
and repeated under the same op_id until it is answered: a change that was lost, or applied twice, shows as a conflict
of revisions, in the tree, or in the number of commits.
"""

from __future__ import annotations

import os
import random
import threading
from pathlib import Path

from sfos.client.address import Address
from sfos.client.api import Api
from sfos.client.net.trust import ACCEPT_NEW, Trust, TrustStore
from sfos.client.options import ClientOptions, ConnectionOptions
from sfos.client.session.session import Session
from sfos.protocol import (
    MUST_NOT_EXIST,
    ChunkRecord,
    CommitItem,
    DeleteItem,
    Entry,
    PutChunksRequest,
    Ref,
    Target,
    chunk_id,
    content_id,
    pack_commit,
    pack_records,
    unpack_results,
)
from tests.support.retrying import for_s

USER, PASSWORD = "user1", "user123"
_FILES = 5  # that a writer has at a time
_PIECE = 300_000
# Restarts take seconds on a busy machine; a writer gives up only when the server does not come back at all.
PATIENT = ClientOptions(ConnectionOptions(connect_timeout_s=10.0, login_timeout_s=60.0, retry=for_s(120.0)))

State = tuple[bytes, str]  # a file's content and revision


class Doubt(Exception):
    """The server's answer does not fit what the writer knows."""


class Gate:
    """Lets writers through, or holds them between two changes, where nothing is under way."""

    def __init__(self, writers: int) -> None:
        self._writers = writers
        self._changed = threading.Condition()
        self._held = 0
        self._open = True
        self._over = False

    def passing(self) -> bool:
        """For writers: wait while it is shut; whether to go on."""
        with self._changed:
            self._held += 1
            self._changed.notify_all()
            while not self._open and not self._over:
                self._changed.wait()
            self._held -= 1
            return not self._over

    def leave(self) -> None:
        """For a writer that ends before the others."""
        with self._changed:
            self._writers -= 1
            self._changed.notify_all()

    def shut(self, timeout_s: float) -> bool:
        """Hold the writers; whether all of them have come to it in time."""
        with self._changed:
            self._open = False
            return self._changed.wait_for(lambda: self._held >= self._writers, timeout_s)

    def open(self) -> None:
        """Let them go on."""
        with self._changed:
            self._open = True
            self._changed.notify_all()

    def end(self) -> None:
        """Let them go for good."""
        with self._changed:
            self._over = True
            self._changed.notify_all()


def sign_in(address: Address, pins: Path) -> Session:
    """A session that outlives restarts of the server."""
    return Session.sign_in(address, USER, PASSWORD, Trust(TrustStore(pins), ACCEPT_NEW), PATIENT)


def commits_so_far(api: Api) -> int:
    """How many commits the space has seen."""
    (root,) = api.list_folders(["/"])
    return int(root.at.split(".")[0])


class Writer:
    """Makes random changes until its gate says that it is over, or something is wrong: then `failure` says what."""

    def __init__(self, number: int, session: Session, gate: Gate, seed: int) -> None:
        self.folder = f"/writer{number}"
        self.files: dict[str, State] = {}
        self.acknowledged = 0
        self.failure: str | None = None
        self._api = session.api
        self._key = session.info.home.chunk_key
        self._session = session
        self._gate = gate
        self._chance = random.Random(seed)
        self.thread = threading.Thread(target=self._run, name=f"writer-{number}")

    def _run(self) -> None:
        try:
            while self._gate.passing():
                self._change()
                self.acknowledged += 1
        except Exception as error:  # the top of this thread: whatever it is, is a finding
            self.failure = f"{self.folder}: {type(error).__name__}: {error}"
            self._gate.leave()
        finally:
            self._session.close()

    def give_up(self) -> None:
        """Fail in what is under way, instead of going on until the server is there again. From any thread."""
        self._session.close()

    def _change(self) -> None:
        if self.files and self._chance.random() < 0.15:
            self._delete(self._chance.choice(sorted(self.files)))
        elif self.files and self._chance.random() < 0.15:
            self._move(self._chance.choice(sorted(self.files)), f"moved{self.acknowledged}")
        else:
            self._put(f"file{self._chance.randrange(_FILES)}")

    def _put(self, name: str) -> None:
        size = self._chance.choice((0, 1, 900, 5_000, 20_000, 60_000, 150_000, 450_000))
        if not size and name in self.files and not self.files[name][0]:
            size = 900  # the same again would be no change, and no commit
        content = self._chance.randbytes(size)
        pieces = [content[at : at + _PIECE] for at in range(0, size, _PIECE)]
        records = [ChunkRecord(chunk_id(self._key, piece), len(piece)) for piece in pieces]
        inline = list(zip(records, pieces, strict=True)) if size < 100_000 else []
        if not inline and pieces:
            body = pack_records(records) + content
            self._api.caller.call(PutChunksRequest(chunks=len(records)), body)
        revision = self.files[name][1] if name in self.files else MUST_NOT_EXIST
        item = CommitItem(
            target=Target(path=f"{self.folder}/{name}"),
            size=size,
            content=content_id(self._key, pack_records(records)),
            chunks=len(records),
            if_revision=revision,
        )
        reply, results_body = self._api.caller.call(*pack_commit(os.urandom(16), [item], records, inline))
        (result,), missing = unpack_results(reply, results_body)
        if result.error is not None or result.revision is None:
            raise Doubt(f"putting {name} of {revision} gives {result.error}, missing {len(missing)}")
        self.files[name] = content, result.revision

    def _delete(self, name: str) -> None:
        item = DeleteItem(ref=Ref(path=f"{self.folder}/{name}"), if_revision=self.files[name][1])
        (result,) = self._api.delete([item])
        if result.error is not None:
            raise Doubt(f"deleting {name} gives {result.error}")
        del self.files[name]

    def _move(self, name: str, to: str) -> None:
        content, revision = self.files[name]
        reply = self._api.move(f"{self.folder}/{name}", f"{self.folder}/{to}", if_revision=revision)
        del self.files[name]
        self.files[to] = content, reply.revision

    def differences(self, reader: Api) -> list[str]:
        """Where the server's tree is not what this writer knows. Call it while the gate is shut."""
        folder = reader.exists(self.folder)
        found = {entry.name: entry for entry in (reader.list_folder(folder) if folder else [])}
        wrong = [f"{self.folder}/{name} is lost" for name in self.files.keys() - found.keys()]
        wrong += [f"{self.folder}/{name} should be gone" for name in found.keys() - self.files.keys()]
        for name in self.files.keys() & found.keys():
            content, revision = self.files[name]
            if found[name].revision != revision:
                wrong.append(f"{self.folder}/{name} has revision {found[name].revision}, not {revision}")
            elif _read(reader, found[name]) != content:
                wrong.append(f"{self.folder}/{name} does not read back")
        return wrong


def _read(reader: Api, entry: Entry) -> bytes:
    return reader.read_range(entry)
