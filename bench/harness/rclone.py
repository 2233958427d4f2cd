"""rclone: `rclone serve webdav` (over TLS) and `rclone serve sftp`, each in front of a crypt remote on local files."""

from __future__ import annotations

import secrets
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

from bench.harness.data import remove
from bench.harness.processes import Command, daemon, free_port, must
from bench.harness.side import Store, environment, program

_USER = "bench"


class Rclone(Store):
    """The client is rclone too, with its defaults (four transfers at a time)."""

    def __init__(self, place: Path, protocol: Literal["webdav", "sftp"], certificate: tuple[Path, Path]) -> None:
        """`certificate`: certificate and private key for webdav; self-signed, and not checked by the client."""
        self.title = f"rclone {protocol} + crypt"
        self.note = "encrypted at rest, no fsync"
        self._protocol = protocol
        self._certificate = certificate
        self._place = place / f"rclone-{protocol}"
        self._store = self._place / "store"
        self._environment = environment(self._place)
        self._options: tuple[str, ...] = ()
        self._running = ExitStack()

    def start(self, stack: ExitStack) -> None:
        """See Side."""
        self._program = program("rclone")
        said = subprocess.run([self._program, "version"], capture_output=True, text=True, check=True).stdout
        self.version = said.split()[1].removeprefix("v")
        self._store.mkdir(parents=True, mode=0o700)
        self.port = free_port()
        password = secrets.token_urlsafe(18)
        self._write_config(self.port, password)
        serve = ["serve", self._protocol, "crypt:", "--addr", f"127.0.0.1:{self.port}"]
        serve += ["--user", _USER, "--pass", password]
        if self._protocol == "webdav":
            # Copies: the other server's home, where they were made, is emptied between the parts of a run.
            for name, source in zip(("certificate.pem", "key.pem"), self._certificate, strict=True):
                (self._place / name).write_bytes(source.read_bytes())
            serve += ["--cert", str(self._place / "certificate.pem"), "--key", str(self._place / "key.pem")]
        self._serve = self._rclone(*serve)
        stack.callback(self._running.close)
        self._restart()

    def _restart(self) -> None:
        """A server that has not yet seen the store: it remembers for minutes what is in its folders."""
        self._running.close()
        running = daemon(self._serve, self._place / "server.log", port=self.port)
        self.server_pid = self._running.enter_context(running).pid

    def _write_config(self, port: int, password: str) -> None:
        config = self._place / "rclone.conf"
        config.write_text(
            f"[crypt]\ntype = crypt\nremote = {self._store}\npassword = {self._obscured(secrets.token_urlsafe(24))}\n"
            + (
                f"[server]\ntype = webdav\nurl = https://127.0.0.1:{port}/\nvendor = other\n"
                if self._protocol == "webdav"
                else f"[server]\ntype = sftp\nhost = 127.0.0.1\nport = {port}\n"
            )
            + f"user = {_USER}\npass = {self._obscured(password)}\n"
        )
        config.chmod(0o600)

    def _obscured(self, secret: str) -> str:
        said = subprocess.run(
            [self._program, "obscure", "-"],
            input=secret,
            env=self._environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return said.stdout.strip()

    def empty(self) -> None:
        """See Side."""
        remove(self._store)
        self._store.mkdir(mode=0o700)
        self._restart()

    def reach(self, port: int | None) -> None:
        """See Side."""
        if port is None:
            self._options = ()
        elif self._protocol == "webdav":
            self._options = ("--webdav-url", f"https://127.0.0.1:{port}/")
        else:
            self._options = ("--sftp-port", str(port))

    def _rclone(self, *arguments: str) -> Command:
        own = ("--config", str(self._place / "rclone.conf"), "--cache-dir", str(self._place / "cache"))
        return Command((self._program, *own, *arguments), self._environment)

    def _client(self, *arguments: str) -> Command:
        return self._rclone("--no-check-certificate", *self._options, *arguments)

    def put_file(self, source: Path, name: str) -> Command:
        """See Side."""
        return self._client("copyto", str(source), f"server:{name}")

    def get_file(self, name: str, target: Path) -> Command:
        """See Side."""
        return self._client("copyto", f"server:{name}", str(target))

    def put_folder(self, source: Path, name: str) -> Command:
        """See Side."""
        return self._client("copy", str(source), f"server:{name}")

    def get_folder(self, name: str, target: Path) -> Command:
        """See Side."""
        return self._client("copy", f"server:{name}", str(target))

    def provide_names(self, source: Path, name: str) -> None:
        """See Side. Straight to the crypt remote, since through its server it would take an hour."""
        must(self._rclone("copy", "--transfers", "16", str(source), f"crypt:{name}"))
        self._restart()

    def list_names(self, name: str, *, recursive: bool) -> Command:
        """See Side."""
        return self._client("lsf", *(["-R"] if recursive else []), f"server:{name}")
