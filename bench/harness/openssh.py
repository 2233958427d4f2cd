"""OpenSSH's sftp, and rsync over ssh: an sshd of their own on a high port, with throw-away keys."""

from __future__ import annotations

import getpass
import os
import subprocess
from contextlib import ExitStack, suppress
from pathlib import Path

from bench.harness.data import remove
from bench.harness.processes import Command, daemon, free_port, must
from bench.harness.side import Store, environment, program

_PRIVILEGE_SEPARATION = Path("/run/sshd")  # where Debian's sshd, run by root, insists on finding a directory
_HOST = "bench"


class SshServer:
    """An sshd that lets this user in by one key; what both of its sides share."""

    def __init__(self, place: Path) -> None:
        self.place = place / "ssh"
        self.root = self.place / "store"
        self.config = self.place / "client.conf"
        self.environment = environment(self.place)
        self.port: int | None = None

    def start(self, stack: ExitStack) -> None:
        """Start it, once. Raises: NotInstalled, ProgramFailed."""
        if self.port is not None:
            return
        server, keygen = program("sshd"), program("ssh-keygen")
        self.root.mkdir(parents=True, mode=0o700)
        for name in ("host", "user"):
            must(Command((keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(self.place / name)), self.environment))
        port = free_port()
        (self.place / "known_hosts").write_text(f"{_HOST} {(self.place / 'host.pub').read_text()}")
        (self.place / "server.conf").write_text(
            f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {self.place}/host\nPidFile none\n"
            f"AuthorizedKeysFile {self.place}/user.pub\nStrictModes no\nUsePAM no\nMaxStartups 100\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n"
            "Subsystem sftp internal-sftp\n"
        )
        self.config.write_text(
            f"Host {_HOST}\nHostName 127.0.0.1\nPort {port}\nUser {getpass.getuser()}\nHostKeyAlias {_HOST}\n"
            f"IdentityFile {self.place}/user\nIdentitiesOnly yes\nUserKnownHostsFile {self.place}/known_hosts\n"
            "StrictHostKeyChecking yes\nBatchMode yes\nLogLevel ERROR\n"
        )
        if os.geteuid() == 0 and not _PRIVILEGE_SEPARATION.exists():
            _PRIVILEGE_SEPARATION.mkdir(mode=0o755)
            stack.callback(self._remove_privilege_separation)
        arguments = (server, "-D", "-e", "-f", str(self.place / "server.conf"))
        stack.enter_context(daemon(Command(arguments, self.environment), self.place / "server.log", port=port))
        self.port = port

    def _remove_privilege_separation(self) -> None:
        with suppress(OSError):
            _PRIVILEGE_SEPARATION.rmdir()

    def version(self) -> str:
        """OpenSSH's."""
        said = subprocess.run([program("ssh"), "-V"], capture_output=True, text=True, check=True).stderr
        return said.split(",")[0].split()[0].removeprefix("OpenSSH_")

    def empty(self) -> None:
        """Nothing is stored."""
        remove(self.root)
        self.root.mkdir(mode=0o700)


class Sftp(Store):
    """`sftp -b`, with the defaults of the installed OpenSSH."""

    title = "OpenSSH sftp"
    note = "plain at rest, no fsync"

    def __init__(self, server: SshServer) -> None:
        self._server = server
        self._options: tuple[str, ...] = ()

    def start(self, stack: ExitStack) -> None:
        """See Side."""
        self._program = program("sftp")
        self._server.start(stack)
        self.version = self._server.version()
        self.port = self._server.port

    def empty(self) -> None:
        """See Side."""
        self._server.empty()

    def reach(self, port: int | None) -> None:
        """See Side."""
        self._options = () if port is None else ("-o", f"Port={port}")

    def _batch(self, line: str) -> Command:
        arguments = (self._program, "-q", "-F", str(self._server.config), *self._options, "-b", "-", _HOST)
        return Command(arguments, self._server.environment, stdin=line + "\n")

    def _at(self, name: str) -> str:
        return str(self._server.root / f"sftp-{name}")

    def put_file(self, source: Path, name: str) -> Command:
        """See Side."""
        return self._batch(f'put "{source}" "{self._at(name)}"')

    def get_file(self, name: str, target: Path) -> Command:
        """See Side."""
        return self._batch(f'get "{self._at(name)}" "{target}"')

    def put_folder(self, source: Path, name: str) -> Command:
        """See Side. `put -r` puts a folder into one that is there, so the folder gets its name by that."""
        target = Path(self._at(name))
        return self._batch(f'-mkdir "{target}"\nput -r "{source}" "{target}"')

    def get_folder(self, name: str, target: Path) -> Command:
        """See Side."""
        return self._batch(f'get -r "{self._at(name)}" "{target}"')

    def received(self, target: Path, source: Path) -> Path:
        """See Side."""
        return target / source.name if source.is_dir() else target

    def provide_names(self, source: Path, name: str) -> None:
        """See Side."""
        Path(self._at(name)).symlink_to(source)

    def list_names(self, name: str, *, recursive: bool) -> Command | None:
        """See Side. sftp has no recursive listing."""
        return None if recursive else self._batch(f'ls -1 "{self._at(name)}/"')


class Rsync(Store):
    """`rsync -a` over the same sshd."""

    title = "rsync over ssh"
    note = "plain at rest, no fsync"

    def __init__(self, server: SshServer) -> None:
        self._server = server
        self._options = ""

    def start(self, stack: ExitStack) -> None:
        """See Side."""
        self._program = program("rsync")
        self._server.start(stack)
        said = subprocess.run([self._program, "--version"], capture_output=True, text=True, check=True).stdout
        self.version = said.split()[2]
        self.port = self._server.port

    def empty(self) -> None:
        """See Side."""
        self._server.empty()

    def reach(self, port: int | None) -> None:
        """See Side."""
        self._options = "" if port is None else f" -o Port={port}"

    def _rsync(self, *arguments: str) -> Command:
        shell = f'{program("ssh")} -F "{self._server.config}"{self._options}'
        return Command((self._program, "-e", shell, *arguments), self._server.environment)

    def _at(self, name: str) -> str:
        return f"{_HOST}:{self._server.root}/rsync-{name}"

    def put_file(self, source: Path, name: str) -> Command:
        """See Side."""
        return self._rsync("-a", str(source), self._at(name))

    def get_file(self, name: str, target: Path) -> Command:
        """See Side."""
        return self._rsync("-a", self._at(name), str(target))

    def put_folder(self, source: Path, name: str) -> Command:
        """See Side."""
        return self._rsync("-a", f"{source}/", f"{self._at(name)}/")

    def get_folder(self, name: str, target: Path) -> Command:
        """See Side."""
        return self._rsync("-a", f"{self._at(name)}/", f"{target}/")

    def provide_names(self, source: Path, name: str) -> None:
        """See Side."""
        (self._server.root / f"rsync-{name}").symlink_to(source)

    def list_names(self, name: str, *, recursive: bool) -> Command:
        """See Side."""
        return self._rsync("--list-only", *(["-r"] if recursive else []), f"{self._at(name)}/")
