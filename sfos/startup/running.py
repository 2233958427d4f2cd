"""Address of the server that runs in a home, told by it to the programs at home there: so that nobody on the same
computer has to know its port, and none of them asks whoever listens on the usual one."""

from __future__ import annotations

import contextlib
from pathlib import Path

_FILE = ".server.address"
_MOST_BYTES = 512
_FOR_ALL = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - what a server listens on, and where to reach it


def tell_address(home: Path, address: str) -> None:
    """Let others know where the server of `home` listens, `host:port`. Who cannot be told has to know."""
    host, _, port = address.rpartition(":")
    with contextlib.suppress(OSError):
        (home / _FILE).write_text(f"{_FOR_ALL.get(host, host)}:{port}\n", encoding="utf-8")


def forget_address(home: Path) -> None:
    """Take it back, for the server ends."""
    with contextlib.suppress(OSError):
        (home / _FILE).unlink()


def address_in(home: Path) -> str:
    """Where the server of `home` listens, or did when it was killed; "" if it has ended, or there was none."""
    try:
        with (home / _FILE).open("rb") as file:
            return file.read(_MOST_BYTES).decode("ascii", "replace").partition("\n")[0]
    except OSError:
        return ""
