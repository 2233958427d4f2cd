"""A real server for the transcripts of one module, and the command line against it, as processes."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

from sfos import config
from sfos.cli.main import run as run_command
from tests.cli.terminal import Terminal, in_terminal
from tests.support.server_process import CHECKOUT, ServerProcess, environment, prepare_home, run, running_server

FIRST = "user123 was here"  # what a changer's password is at first


@dataclass(frozen=True, slots=True)
class Done:
    """A program that has ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Cli:
    """The command line for one user at one server, run in `directory`."""

    server: ServerProcess
    directory: Path
    user: str = "user1"
    password: str | None = "user123"
    person: Path | None = None  # whose pins and tickets; None: those of the server's home

    def words(self, *words: str, server: str | None = None) -> list[str]:
        """The whole command."""
        return [str(CHECKOUT / "cli_client.py"), "--server", server or self.server.address, "--user", self.user, *words]

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Environment of the program."""
        own = {} if self.password is None else {"SFOS_PASSWORD": self.password}
        if self.person is not None:
            own |= {"HOME": str(self.person), "XDG_RUNTIME_DIR": str(self.person / "run")}
        return environment(self.server.home, {**own, **(extra or {})})

    def __call__(
        self,
        *words: str,
        stdin: str | None = None,
        server: str | None = None,
        extra: Mapping[str, str] | None = None,
        trust: tuple[str, ...] = ("--accept-new-key",),
    ) -> Done:
        """One command to its end, without a terminal; in this process, which saves a second of starting each time.

        What needs a process of its own (signals, pipes, terminals) has `running` and `terminal`.
        """
        environment = self.environment(extra)
        buffers = [io.BytesIO(part) for part in ((stdin or "").encode(), b"", b"")]
        streams = [io.TextIOWrapper(buffer, encoding="utf-8") for buffer in buffers]
        with ExitStack() as stack:
            stack.enter_context(mock.patch.dict(os.environ, environment, clear=True))
            stack.enter_context(contextlib.chdir(self.directory))
            for name, stream in zip(("stdin", "stdout", "stderr"), streams, strict=True):
                stack.enter_context(mock.patch.object(sys, name, stream))
            code = run_command(self.words(*trust, *words, server=server)[1:], lambda: config.load().client, os.environ)
        out, err = (buffer.getvalue().decode() for buffer in buffers[1:])
        assert "Traceback" not in err, err
        return Done(code, out, err)

    def ok(self, *words: str, stdin: str | None = None) -> str:
        """The output of a command that has to go well."""
        done = self(*words, stdin=stdin)
        assert done.code == 0, done.err
        return done.out

    @contextmanager
    def running(self, *words: str, extra: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
        """A command under way; killed at the end if it has not ended."""
        with subprocess.Popen(
            [sys.executable, *self.words("--accept-new-key", *words)],
            cwd=self.directory,
            env=self.environment(extra),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()

    def terminal(
        self, *words: str, extra: Mapping[str, str] | None = None, columns: int = 120, output: int = -1
    ) -> AbstractContextManager[Terminal]:
        """A command in a terminal."""
        return in_terminal(self.words(*words), self.environment(extra), self.directory, columns, output=output)

    def write(self, name: str, content: str | bytes = "x") -> Path:
        """A local file."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A running server with the default accounts, on which wrong passwords cost no waits."""
    home = prepare_home(tmp_path_factory.mktemp("home"))
    with running_server(home, {"SFOS_SECURITY_LOGIN_ATTEMPTS": "100"}) as server:
        yield server


@pytest.fixture
def cli(server: ServerProcess, tmp_path: Path) -> Cli:
    """The command line as user1, in a directory of the test's own; the account is empty."""
    directory = tmp_path / "here"
    directory.mkdir()
    cli = Cli(server, directory)
    names = cli.ok("ls").splitlines()
    if names:
        cli.ok("rm", "-r", "--", *names)
    return cli


@pytest.fixture
def newcomer(server: ServerProcess, tmp_path: Path) -> Cli:
    """user1 on a computer that has never seen the server; no password but what is typed or given."""
    directory, person = tmp_path / "here", tmp_path / "person"
    directory.mkdir()
    (person / "run").mkdir(parents=True, mode=0o700)
    return Cli(server, directory, password=None, person=person)


@pytest.fixture
def changer(newcomer: Cli) -> Cli:
    """A newcomer with an account of the test's own, made with the password `user123 was here`."""
    name = f"u{os.urandom(4).hex()}"
    done = run(newcomer.server.home, "create_credentials.py", "add", name, "--password-stdin", stdin=FIRST + "\n")
    assert done.returncode == 0, done.stderr
    return dataclasses.replace(newcomer, user=name)
