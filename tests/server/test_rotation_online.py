"""Keys are rotated beside a running server, which goes on, notices, and needs no restart."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from sfos.programs import manage as manage_storage
from sfos.protocol import (
    ChunkRecord,
    ChunkWant,
    CommitItem,
    GetChunksRequest,
    PutChunksRequest,
    Ref,
    StatRequest,
    Target,
    chunk_id,
    pack_commit,
    pack_records,
    pack_wants,
    unpack_lengths,
    unpack_results,
)
from sfos.server.maintenance.verify import verify_space
from sfos.server.vault.keyring import read_keys, wrapped_under
from sfos.server.vault.master import MasterKey
from tests.server.conftest import Running
from tests.storage.desk import Desk

ROOT = Path(__file__).resolve().parents[2]
LARGE = 70_000  # its token is a file of its own
SMALL = 500

WaitUntil = Callable[..., None]


class Uploader:
    """Someone who uploads all the while, a large and a small file in turn."""

    def __init__(self, server: Running, user: str) -> None:
        self._peer, login = server.login(user)
        self._key = login.session.home.chunk_key
        self.files: dict[str, bytes | None] = {}
        self.failure: BaseException | None = None
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Uploader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._enough.is_set():
                self.put(os.urandom(SMALL if len(self.files) % 2 else LARGE))
        except BaseException as error:
            self.failure = error

    def put(self, data: bytes) -> None:
        path = f"/{len(self.files)}"
        record = ChunkRecord(chunk_id(self._key, data), len(data))
        self._peer.call(PutChunksRequest(chunks=1), pack_records([record]) + data)
        item = CommitItem(
            target=Target(path=path), kind="file", size=len(data), content=record.chunk_id, chunks=1, mtime_ns=1
        )
        request, body = pack_commit(os.urandom(16), [item], [record], [])
        reply, results = self._peer.call(request, body)
        ((result,), missing) = unpack_results(reply, memoryview(results))
        assert (result.error, missing) == (None, [])
        self.files[path] = data


class Reader:
    """Someone of the same account who reads the newest file all the while, as soon as it is there."""

    def __init__(self, server: Running, uploader: Uploader, user: str) -> None:
        self._peer, _ = server.login(user)
        self._uploader = uploader
        self.read: set[str] = set()
        self.failure: BaseException | None = None
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._enough.is_set():
                if files := list(self._uploader.files.items()):
                    path, data = files[-1]
                    assert self.get(path) == data
                    self.read.add(path)
        except BaseException as error:
            self.failure = error

    def get(self, path: str) -> bytes:
        entry = self._peer.call(StatRequest(ref=Ref(path=path)))[0].entry
        assert entry.content is not None
        want = ChunkWant(node=entry.node, content=entry.content, first=0, chunks=1)
        request = GetChunksRequest(wants=1)
        reply, body = self._peer.call(request, pack_wants([want]))
        assert (reply.chunks, reply.stopped) == (1, None)
        _, data = unpack_lengths(memoryview(body), 1)
        return bytes(data)


def user_id(server: Running, user: str) -> str:
    account = server.accounts.find(user)
    assert account is not None
    return account.user_id


def numbers(server: Running, space_id: str) -> set[int]:
    """The data keys under which chunks are sealed."""
    with server.server.services.spaces.inspect(space_id) as context, context.catalog.read() as tx:
        return {number for (number,) in tx.execute("SELECT DISTINCT key_no FROM chunks")}


@pytest.mark.timeout(180)
def test_keys_are_rotated_and_the_rotation_killed_at_every_step_while_someone_uploads(
    server: Running, home: Path, wait_until: WaitUntil
) -> None:
    """Takes a few seconds: some fifteen rotations, each killed once and ended."""
    key_file, storage = server.settings.storage.master_key_file, server.settings.server.storage_dir
    first = key_file.read_text()
    space_id = user_id(server, "alice")
    with Uploader(server, "alice") as alice, Reader(server, alice, "alice") as reader:
        wait_until(lambda: alice.failure or len(alice.files) >= 4)
        before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in storage.glob("*/chunks/*/*")}
        program = [sys.executable, "-m", "tests.storage.rotating", str(home)]
        done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        assert int(done.stdout.split()[-2]) >= 6
        newest = read_keys(storage / space_id, bytes.fromhex(space_id), MasterKey.parse(key_file.read_text())).current
        wait_until(lambda: alice.failure or newest in numbers(server, space_id), 20)
        assert manage_storage.main(["--home", str(home), "rotate-key", "--drop-old"]) == 0
        more, read_by_now = len(alice.files) + 4, len(reader.read)
        wait_until(lambda: alice.failure or reader.failure or len(alice.files) >= more)
        wait_until(lambda: reader.failure or len(reader.read) > read_by_now)
    assert (alice.failure, reader.failure) == (None, None)
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in before} == before
    assert len(key_file.read_text().split()) == 1
    assert first.strip() not in key_file.read_text()

    server.signed_in("bob").call(StatRequest(ref=Ref(path="/")))  # whose space is made only now
    fingerprint = MasterKey.parse(key_file.read_text()).fingerprints()[0]
    spaces = server.server.services.spaces
    assert {wrapped_under(storage / one) for one in spaces.space_ids()} == {fingerprint}
    assert len(spaces.space_ids()) == 2
    with spaces.lease(space_id) as space, spaces.inspect(space_id) as context:
        assert Desk(space).tree() == alice.files
        assert verify_space(context, full=True).findings == []


@pytest.mark.allows_errors("the damage is logged")
def test_keys_that_lack_what_is_in_use_are_not_taken_over(
    server: Running, home: Path, wait_until: WaitUntil, caplog: pytest.LogCaptureFixture
) -> None:
    """An older keys file put back: what is sealed under the newer data key would never open again."""
    keys_file = server.settings.server.storage_dir / user_id(server, "alice") / "keys"
    with Uploader(server, "alice") as alice:
        wait_until(lambda: alice.failure or alice.files)
        older = keys_file.read_bytes()
        assert manage_storage.main(["--home", str(home), "rotate-key"]) == 0
        wait_until(lambda: alice.failure or 2 in numbers(server, user_id(server, "alice")), 20)
        saved = keys_file.read_bytes()
        keys_file.write_bytes(older)
        wait_until(lambda: any("goes on with the keys that it has" in record.message for record in caplog.records), 20)
        more = len(alice.files) + 2
        wait_until(lambda: alice.failure or len(alice.files) >= more)
        keys_file.write_bytes(saved)
    assert alice.failure is None
    with server.server.services.spaces.lease(user_id(server, "alice")) as space:
        assert Desk(space).tree() == alice.files
