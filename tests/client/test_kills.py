"""Clients that are killed in the middle of a transfer, as real processes, and what the next one then has to send.

What passes is counted by a relay, outside of the program that is tested.
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sfos.client.local.chunking import Cutter, open_source
from sfos.client.session.session import Session
from sfos.protocol import ChunkRecord, HaveRequest, chunk_id, pack_ids
from tests.client.cutting_relay import CuttingRelay
from tests.client.trees import local_files, remote_files
from tests.support.server_process import CHECKOUT, ServerProcess, environment

SIZE = 48_000_000
SMALL_FILES = 200
# What a transfer costs beside the contents: handshakes, headers, names, ids, TLS's own bytes.
OVERHEAD = 300_000
KILLED = -9


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A large file and many small ones."""
    path = tmp_path / "source"
    path.mkdir()
    (path / "large").write_bytes(random.randbytes(SIZE))
    for number in range(SMALL_FILES):
        (path / f"s{number}").write_bytes(random.randbytes(100))
    return path


class Client:
    """The command line as a process, through the relay."""

    def __init__(self, server: ServerProcess, relay: CuttingRelay) -> None:
        self._server = server
        self._relay = relay

    def _start(self, *arguments: str) -> subprocess.Popen[str]:
        address = ("--server", str(self._relay.address), "--user", "user1", "--accept-new-key")
        return subprocess.Popen(
            [sys.executable, "cli_client.py", *address, *arguments],
            cwd=CHECKOUT,
            env=environment(self._server.home, {"SFOS_PASSWORD": "user123"}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def kill_after(self, way: str, count: int, *arguments: str, once: Callable[[], object] = lambda: True) -> None:
        """Run a command and kill it as soon as more than `count` bytes have passed this `way` for it, and `once` is so.

        What has passed may still lie in the buffers of a client that had no turn to read it.
        """
        relay = self._relay
        limit = relay.passed[way] + count
        # Drained, for what it had sent still passes, and belongs to nobody else.
        with relay.drained(), self._start(*arguments) as process:

            def allow_and_kill(passing: str, more: int) -> int:
                allowed = relay.count(passing, more)
                if relay.passed[way] > limit and once():
                    process.kill()
                return allowed

            relay.allow = allow_and_kill
            try:
                said, _ = process.communicate(timeout=120)
            finally:
                relay.allow = relay.count
        assert process.returncode == KILLED, said

    def run(self, *arguments: str) -> tuple[int, int]:
        """Run a command to its end; the bytes that passed for it, up and down."""
        before = dict(self._relay.passed)
        with self._start(*arguments) as process:
            said, _ = process.communicate(timeout=120)
        assert process.returncode == 0, said
        return self._relay.passed["up"] - before["up"], self._relay.passed["down"] - before["down"]


@pytest.fixture
def client(server: ServerProcess, relay: CuttingRelay) -> Client:
    return Client(server, relay)


def bytes_lacking(session: Session, path: Path) -> int:
    """How much of the file's content the server does not have yet."""
    home = session.info.home
    with open_source(path) as source:
        cut = Cutter(home.cut_seed).cut(source)
        chunks = [ChunkRecord(chunk_id(home.chunk_key, piece), len(piece)) for piece in cut]
    ids = [chunk.chunk_id for chunk in chunks]
    _, there = session.api.caller.call(HaveRequest(ids=len(ids)), pack_ids(ids))
    return sum(chunk.length for chunk, known in zip(chunks, there, strict=True) if not known)


def test_a_second_upload_of_a_known_file_sends_no_content(
    session: Session, client: Client, folder: str, source: Path, tmp_path: Path
) -> None:
    up, _ = client.run("put", "-r", str(source), folder)
    assert up > SIZE
    up, _ = client.run("put", "-r", str(source), folder)
    assert up < 20_000, "nothing has changed"
    renamed = source.rename(tmp_path / "renamed")
    (renamed / "large").touch()
    up, _ = client.run("put", "-r", str(renamed), folder)
    assert up < OVERHEAD, "the contents are known under another name"
    assert remote_files(session, f"{folder}/renamed") == local_files(renamed)


@pytest.mark.parametrize("after", [1_000_000, 20_000_000, 40_000_000])
def test_an_upload_whose_client_was_killed_later_sends_only_what_the_server_lacks(
    session: Session, client: Client, folder: str, source: Path, after: int
) -> None:
    client.kill_after("up", after, "put", "-r", str(source), folder)
    assert "large" not in remote_files(session, f"{folder}/source"), "nothing is visible before its commit"
    lacking = bytes_lacking(session, source / "large")
    assert after < 40_000_000 or lacking < SIZE * 3 // 4, "most of what was sent has been kept"
    up, _ = client.run("put", "-r", str(source), folder)
    assert up < lacking * 1.01 + OVERHEAD
    assert remote_files(session, f"{folder}/source") == local_files(source)


@pytest.mark.parametrize("after", [12_000_000, 36_000_000])
def test_a_download_whose_client_was_killed_goes_on_from_what_is_right_of_its_partial_file(
    session: Session, client: Client, folder: str, source: Path, tmp_path: Path, after: int
) -> None:
    client.run("put", str(source / "large"), folder)
    to = tmp_path / "to"
    to.mkdir()
    something_came = lambda: any(part.stat().st_blocks for part in to.iterdir())  # noqa: E731
    client.kill_after("down", after, "get", f"{folder}/large", str(to), once=something_came)
    (partial,) = to.iterdir()
    assert partial.name.endswith(".part")
    came = partial.stat().st_blocks * 512
    assert came > 0
    with partial.open("r+b") as file:  # a part that is not as it came: it is fetched again
        file.seek(10)
        byte = file.read(1)
        file.seek(10)
        file.write(bytes([byte[0] ^ 1]))
    _, down = client.run("get", f"{folder}/large", str(to))
    assert down < SIZE - came + 4 * 1024 * 1024 + OVERHEAD
    assert local_files(to) == {"large": (source / "large").read_bytes()}
