"""This project: `ssl_server.py` in a home of its own, and `cli_client.py`."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

import sfos
from bench.harness.data import remove
from bench.harness.processes import Command, daemon, free_port, must
from bench.harness.side import CHECKOUT, Store, environment

USER = "bench"


def as_it_is(command: Command) -> Command:
    """The command that it is given."""
    return command


class Ours(Store):
    """The session of the command line is kept between commands, as it is for people; ssh has its keys at hand too.

    `checkout`: whose programs run; `settings`: further variables for them; `serve`: what the server's command becomes.
    """

    title = "this project"
    note = "TLS 1.3; encrypted at rest; synced to disk before it says done"
    version = sfos.__version__  # this checkout's: nobody asks for that of another

    def __init__(
        self,
        place: Path,
        *,
        checkout: Path = CHECKOUT,
        settings: Mapping[str, str] | None = None,
        serve: Callable[[Command], Command] = as_it_is,
    ) -> None:
        self._checkout, self._serve = checkout, serve
        self.home = place / "ours"
        self._log = place / "ours.log"
        self.password = secrets.token_urlsafe(24)
        self._environment = environment(
            self.home / "user",
            {
                "SFOS_HOME": str(self.home),
                "SFOS_PASSWORD": self.password,
                "SFOS_SECURITY_SESSION_IDLE_TIMEOUT_S": "43200",  # slow peers take their time in between
                "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
                **(settings or {}),
            },
        )
        self._through: int | None = None
        self._running = ExitStack()

    def start(self, stack: ExitStack) -> None:
        """See Side."""
        stack.callback(self._stop)
        self.port = free_port()
        self._set_up()

    def empty(self) -> None:
        """See Side. A new server in a new home."""
        self._stop()
        remove(self.home)
        self._set_up()

    def _set_up(self) -> None:
        (self.home / "user").mkdir(parents=True, mode=0o700)
        must(self._script("generate_certificate.py"))
        self.add_account(USER)
        command = self._serve(self._script("ssl_server.py", "--port", str(self.port)))
        running = self._running.enter_context(daemon(command, self._log))
        self.server_pid = running.pid
        self.reach(None)

    def _stop(self) -> None:
        self._running.close()
        self.server_pid = None

    def add_account(self, name: str) -> None:
        """Another account with the same password."""
        add = self._script("create_credentials.py", "add", name, "--password-stdin")
        must(Command(add.arguments, add.environment, stdin=self.password + "\n"))

    @property
    def certificate(self) -> tuple[Path, Path]:
        """The server's certificate and private key, for peers that need one."""
        return self.home / "secrets" / "certificate.pem", self.home / "secrets" / "private_key.pem"

    def reach(self, port: int | None) -> None:
        """See Side. Signs in, untimed."""
        self._through = port
        must(self.cli("login"))

    def _script(self, name: str, *arguments: str) -> Command:
        return Command((sys.executable, str(self._checkout / name), *arguments), self._environment)

    def cli(self, *arguments: str) -> Command:
        """A command of the command line."""
        address = f"127.0.0.1:{self._through or self.port}"
        return self._script("cli_client.py", "--server", address, "--user", USER, "--accept-new-key", "-q", *arguments)

    def put_file(self, source: Path, name: str) -> Command:
        """See Side."""
        return self.cli("put", str(source), f"/{name}")

    def get_file(self, name: str, target: Path) -> Command:
        """See Side."""
        return self.cli("get", f"/{name}", str(target))

    def put_folder(self, source: Path, name: str) -> Command:
        """See Side."""
        return self.cli("put", "-r", f"{source}/.", f"/{name}")

    def get_folder(self, name: str, target: Path) -> Command:
        """See Side."""
        return self.cli("get", "-r", f"/{name}", str(target))

    def provide_names(self, source: Path, name: str) -> None:
        """See Side."""
        must(self.put_folder(source, name))

    def list_names(self, name: str, *, recursive: bool) -> Command:
        """See Side."""
        return self.cli("ls", *(["-R"] if recursive else []), f"/{name}")
