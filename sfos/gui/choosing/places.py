"""Places of this computer where people keep things. Blocks on the disk: ask from a thread."""

from __future__ import annotations

import os
import re
import string
import sys
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_ICONS = {
    "DESKTOP": "display",
    "DOCUMENTS": "file-earmark-text",
    "DOWNLOAD": "download",
    "MUSIC": "music-note-beamed",
    "PICTURES": "image",
    "VIDEOS": "film",
}
_NAMES = {"DESKTOP": "Desktop", "DOCUMENTS": "Documents", "DOWNLOAD": "Downloads", "MUSIC": "Music",
          "PICTURES": "Pictures", "VIDEOS": "Videos"}  # fmt: skip
_USER_DIR = re.compile(r'^XDG_([A-Z]+)_DIR="(.*)"$')
_MOST_BOOKMARKS = 20
_MOST_DISKS = 20


@dataclass(frozen=True, slots=True)
class Place:
    """A folder under the name that people know it by."""

    name: str
    path: Path
    icon: str


def places(home: Path, environ: Mapping[str, str] = os.environ) -> tuple[Place, ...]:
    """The home, what is usual in it, the desktop's bookmarks, and disks; those that are there, each once."""
    found: dict[Path, Place] = {}
    for place in _candidates(home, environ):
        try:
            if place.path not in found and place.path.is_dir():
                found[place.path] = place
        except (OSError, ValueError):  # a name that cannot be one, an empty drive
            continue
    return tuple(found.values())


def _candidates(home: Path, environ: Mapping[str, str]) -> Iterator[Place]:
    yield Place("Home", home, "house")
    config = Path(environ.get("XDG_CONFIG_HOME", "") or home / ".config")
    named = _user_directories(config / "user-dirs.dirs", home)
    for key, icon in _ICONS.items():
        path = named.get(key, home / _NAMES[key])
        if path != home:  # so it says that there is none
            yield Place(path.name or str(path), path, icon)
    yield from _bookmarks(config / "gtk-3.0" / "bookmarks")
    if sys.platform == "win32":
        for letter in string.ascii_uppercase:
            yield Place(f"{letter}:", Path(f"{letter}:\\"), "hdd")
        return
    yield Place("Computer", Path("/"), "pc-display")
    user = home.name
    for above in (Path("/media") / user, Path("/run/media") / user, Path("/mnt"), Path("/Volumes")):
        yield from (Place(disk.name, disk, "hdd") for disk in _inside(above))


def _user_directories(file: Path, home: Path) -> dict[str, Path]:
    """Directories as xdg-user-dirs names them, which may be in the person's own language."""
    named = {}
    for line in _lines(file):
        match = _USER_DIR.match(line.strip())
        if match:
            named[match[1]] = Path(match[2].replace("$HOME", str(home), 1))
    return named


def _bookmarks(file: Path) -> Iterator[Place]:
    for line in _lines(file)[:_MOST_BOOKMARKS]:
        address, _, label = line.strip().partition(" ")
        parts = urllib.parse.urlsplit(address)
        if parts.scheme == "file" and not parts.netloc:
            path = Path(urllib.parse.unquote(parts.path))
            yield Place(label or path.name or "/", path, "bookmark")


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text("utf-8", "replace").splitlines()
    except OSError:
        return []


def _inside(folder: Path) -> list[Path]:
    try:
        return sorted(each for each in folder.iterdir() if not each.name.startswith("."))[:_MOST_DISKS]
    except OSError:
        return []
