"""Questions to the desktop that the window runs on. They may take a moment: ask from a thread."""

from __future__ import annotations

import html
import shutil
import subprocess
import sys

from sfos.gui.look.palette import Mode

_TIMEOUT_S = 2.0


def system_mode() -> Mode | None:
    """Whether the desktop is light or dark; None if it does not say."""
    if sys.platform == "win32":
        return _windows_mode()
    if sys.platform == "darwin":
        # The key exists only in dark mode.
        return "dark" if _asked(["defaults", "read", "-g", "AppleInterfaceStyle"]).startswith("Dark") else "light"
    answer = _asked(["gsettings", "get", "org.gnome.desktop.interface", "color-scheme"])
    if "dark" in answer:
        return "dark"
    return "light" if answer else None


def can_notify() -> bool:
    """Whether the desktop shows messages of programs, as far as one can know."""
    return sys.platform == "darwin" or (sys.platform != "win32" and shutil.which("notify-send") is not None)


def notify(title: str, text: str) -> None:
    """Show a message on the desktop, if it shows such things."""
    if not can_notify():
        return
    if sys.platform == "darwin":
        # As arguments of the script, not in its text: a file's name must not become a part of a program.
        script = "on run texts\ndisplay notification (item 2 of texts) with title (item 1 of texts)\nend run"
        _asked(["osascript", "-e", script, title, text])
    else:
        _asked(["notify-send", "--app-name", title, "--", title, html.escape(text, quote=False)])


def _asked(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _windows_mode() -> Mode | None:
    answer = _asked(
        [
            "reg",
            "query",
            r"HKCU\Software\Microsoft\Windows\CurrentVersion\Themes\Personalize",
            "/v",
            "AppsUseLightTheme",
        ]
    )
    if "0x0" in answer:
        return "dark"
    return "light" if "0x1" in answer else None
