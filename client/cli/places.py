"""Where the command line keeps what outlives a command: pins beside the window's, and the account of `login`."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from config import Client as Settings

_APPLICATION = "sfos"


@dataclass(frozen=True, slots=True)
class RememberedAccount:
    """Server (`host:port`) and user of the last `login`."""

    server: str
    user: str


def state_directory(settings: Settings) -> Path:
    """The directory of pins and choices: as set, or the system's place for such things."""
    if settings.state_dir != Path():
        return settings.state_dir
    import platformdirs

    return Path(platformdirs.user_state_dir(_APPLICATION, appauthor=False))


def pins_file(settings: Settings) -> Path:
    """The pinned server keys; the window uses the same."""
    return state_directory(settings) / "pins.json"


def remembered_account(settings: Settings) -> RememberedAccount | None:
    """The account of the last `login`, unless there was none or a `logout` since."""
    try:
        value = json.loads(_account_file(settings).read_text(encoding="utf-8"))
        return RememberedAccount(str(value["server"]), str(value["user"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # a convenience: whoever names server and user does without


def remember_account(settings: Settings, account: RememberedAccount) -> None:
    """Make this the account of the commands that name none. Raises: OSError."""
    path = _account_file(settings)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps({"server": account.server, "user": account.user}) + "\n", encoding="utf-8")
    temporary.replace(path)


def forget_account(settings: Settings) -> None:
    """Undo `remember_account`."""
    _account_file(settings).unlink(missing_ok=True)


def _account_file(settings: Settings) -> Path:
    return state_directory(settings) / "command-line.json"
