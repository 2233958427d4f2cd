"""Where this user's pins and remembered choices are kept: one place for the window and the command line."""

from __future__ import annotations

from pathlib import Path

from config import Client as Settings

_APPLICATION = "sfos"


def state_directory(settings: Settings) -> Path:
    """The directory of pins and choices: as set, or the system's place for such things."""
    if settings.state_dir != Path():
        return settings.state_dir
    import platformdirs

    return Path(platformdirs.user_state_dir(_APPLICATION, appauthor=False))


def pins_file(settings: Settings) -> Path:
    """The pinned server keys (`client.trust.TrustStore`)."""
    return state_directory(settings) / "pins.json"
