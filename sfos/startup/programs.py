"""The programs' names, as they are typed: in a checkout a script at its top, otherwise what `pip install` has made."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

import sfos

Program = Literal["server", "manage", "accounts", "certificate", "command line", "window"]

_SCRIPTS: dict[Program, tuple[str, str]] = {
    "server": ("ssl_server.py", "sfos-server"),
    "manage": ("manage_storage.py", "sfos-manage"),
    "accounts": ("create_credentials.py", "sfos-accounts"),
    "certificate": ("generate_certificate.py", "sfos-certificate"),
    "command line": ("cli_client.py", "sfos"),
    "window": ("gui_client.py", "sfos-gui"),
}
_WORDS: dict[Program, str] = {
    "server": "",
    "manage": "manage",
    "accounts": "setup",
    "certificate": "setup",
    "command line": "cli",
    "window": "gui",
}
DESKTOP_EXTRA = "secure-file-orchestration[desktop]"


@cache
def checkout() -> Path | None:
    """The folder of the checkout that this program is part of; None where it was installed."""
    root = Path(__file__).resolve().parents[2]
    return root if (root / _SCRIPTS["server"][0]).is_file() else None


def short_name(program: Program) -> str:
    """The name without `.py`, with which lines about what went wrong begin."""
    script, installed = _SCRIPTS[program]
    return script.removesuffix(".py") if checkout() else installed


def script_name(program: Program) -> str:
    """The file's name, as usage texts have it."""
    return _SCRIPTS[program][0 if checkout() else 1]


def spelled(program: Program) -> str:
    """Command that a person types to run it."""
    return f"python {script_name(program)}" if checkout() else script_name(program)


def launched(program: Program) -> str:
    """Command that starts it with all that it needs: through `./run.sh` in a checkout."""
    return f"./run.sh {_WORDS[program]}".rstrip() if checkout() else spelled(program)


def version_line(program: Program, protocol_version: int) -> str:
    """Line that `--version` prints."""
    return f"{_SCRIPTS[program][1]} {sfos.__version__} (protocol {protocol_version})"
