"""A real server in a process of its own, in a home of its own, and the programs that talk to it."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0


def environment(home: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Environment of a program of ours: `home` as SFOS_HOME and as the user's own directory, and `extra`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SFOS_", "XDG_"))}
    own = {
        "HOME": str(home / "user"),
        "SFOS_HOME": str(home),
        "XDG_RUNTIME_DIR": str(home / "run"),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        "PYTHONWARNINGS": "error",
        # The store's own disk may be fuller than a real one should be.
        "SFOS_STORAGE_FREE_SPACE_FLOOR_BYTES": "1 MiB",
    }
    return inherited | own | dict(extra or {})


def run(
    home: Path,
    *arguments: str,
    extra: Mapping[str, str] | None = None,
    stdin: str | None = None,
    timeout_s: float = 120.0,
) -> subprocess.CompletedProcess[str]:
    """Run a script of the checkout to its end."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=CHECKOUT,
        env=environment(home, extra),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


@dataclass
class ServerProcess:
    """A running `ssl_server.py`."""

    home: Path
    address: str
    process: subprocess.Popen[str]

    def cli(
        self,
        *arguments: str,
        user: str = "user1",
        password: str = "user123",
        extra: Mapping[str, str] | None = None,
        trust: Sequence[str] = ("--accept-new-key",),
        timeout_s: float = 120.0,
    ) -> subprocess.CompletedProcess[str]:
        """One command of the command line against this server."""
        return run(
            self.home,
            "cli_client.py",
            *("--server", self.address, "--user", user, *trust, *arguments),
            extra={"SFOS_PASSWORD": password, **(extra or {})},
            timeout_s=timeout_s,
        )

    def resident_bytes_peak(self) -> int:
        """The most memory that the server has held so far (VmHWM)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) * 1024


def prepare_home(home: Path) -> Path:
    """A home with a certificate and the default accounts, and room for the user's own files.

    All homes of a process have the same ones: making them takes two programs and 0.6 s.
    """
    for name in ("user", "run", "secrets"):
        (home / name).mkdir(parents=True, mode=0o700)
    for name, (content, mode) in _default_secrets().items():
        (home / "secrets" / name).write_bytes(content)
        (home / "secrets" / name).chmod(mode)
    return home


@functools.cache
def _default_secrets() -> dict[str, tuple[bytes, int]]:
    """The files that the two scripts make, with their modes, by name."""
    with tempfile.TemporaryDirectory() as directory:
        for script in ("generate_certificate.py", "create_credentials.py"):
            done = run(Path(directory), script)
            assert done.returncode == 0, done.stderr
        made = [path for path in Path(directory, "secrets").iterdir() if path.is_file()]
        return {path.name: (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) for path in made}


@contextmanager
def running_server(home: Path, extra: Mapping[str, str] | None = None, port: int = 0) -> Iterator[ServerProcess]:
    """Start `ssl_server.py` in the prepared `home`; on leaving, stop it and see that it went well."""
    log = (home / "server-output.txt").open("a")
    with (
        log,
        subprocess.Popen(
            [sys.executable, "ssl_server.py", "--port", str(port)],
            cwd=CHECKOUT,
            env=environment(home, extra),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("ready "), (home / "server-output.txt").read_text()
            yield ServerProcess(home, line.split()[1], process)
            stopped_by_itself = process.poll()
            assert stopped_by_itself in (None, -signal.SIGKILL), f"the server ended with {stopped_by_itself}"
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(STOP_TIMEOUT_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    raise
    assert process.returncode in (0, -signal.SIGKILL), (home / "server-output.txt").read_text()


def standard_library(into: Path) -> Path:
    """A real folder tree: a copy of Python's standard library (some 2,000 files or more, deep paths)."""
    source = Path(os.__file__).parent
    ignored = shutil.ignore_patterns("__pycache__", "site-packages", "dist-packages")
    return Path(shutil.copytree(source, into, symlinks=True, ignore=ignored))
