"""Directories for pins, tickets and remembered choices: one place for the window and the command line.

As the XDG Base Directory Specification says, in a few lines of our own: platformdirs says the same (a test
compares them), and loading it takes a twentieth of a short command. On macOS and Windows it knows the system's ways.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from sfos.client.local.private_files import make_private_directory
from sfos.config import Client as Settings

_APPLICATION = "sfos"
_HAS_ITS_OWN_WAYS = sys.platform in ("win32", "darwin")


def state_directory(settings: Settings) -> Path:
    """The directory of pins and choices: as set, or the system's place for such things."""
    return settings.state_dir if settings.state_dir != Path() else _users_state()


def pins_file(settings: Settings) -> Path:
    """The pinned server keys (`client.net.trust.TrustStore`)."""
    return state_directory(settings) / "pins.json"


def runtime_directory() -> Path:
    """Directory of tickets: the user's own, emptied at logout where the system has such a place. Made if missing.

    Raises: LocalAccess.
    """
    path = _users_runtime()
    make_private_directory(path)
    return path


def _users_state() -> Path:
    if _HAS_ITS_OWN_WAYS:
        import platformdirs

        return platformdirs.user_state_path(_APPLICATION, appauthor=False)
    named = Path(os.environ.get("XDG_STATE_HOME", ""))
    # A relative path is to be ignored, the specification says.
    return (named if named.is_absolute() else Path("~/.local/state").expanduser()) / _APPLICATION


def _users_runtime() -> Path:
    if _HAS_ITS_OWN_WAYS:
        import platformdirs

        return platformdirs.user_runtime_path(_APPLICATION)
    named = Path(os.environ.get("XDG_RUNTIME_DIR", ""))
    if named.is_absolute() and _is_own(named):
        return named / _APPLICATION
    # No login session that made one (cron, containers, su): never a name in /tmp that anyone can take first.
    return _users_state() / "run"


def _is_own(path: Path) -> bool:
    """Whether it is a directory of this user's and nobody else may enter it, as the specification demands."""
    try:
        facts = path.stat()
    except OSError:
        return False
    return stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.geteuid() and not facts.st_mode & 0o077
