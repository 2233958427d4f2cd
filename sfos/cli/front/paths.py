"""Destinations by the rules of cp, for uploads, downloads, moves and copies alike. Pure; nothing is looked up here.

    destination is a folder        each source goes into it, under its own name
    destination is a file          one file takes its place
    destination is missing         one source gets that name; with a trailing “/” only a folder does
    several sources                the destination must be a folder

A source that means “what is in here” (`.`, `folder/.`, the root) has no name: its content goes to the destination.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import Enum

import msgspec

from sfos.protocol import (
    AlreadyExists,
    Entry,
    NameNotAllowed,
    NotAFolder,
    NotFound,
    SfosError,
    fold_name,
    join_path,
    printable,
    split_path,
)


class RemotePath(msgspec.Struct, frozen=True):
    """A path on the server as it was typed, made absolute. `as_folder`: it ended in “/”; `contents`: in “/.”."""

    path: str
    as_folder: bool = False
    contents: bool = False

    @classmethod
    def parse(cls, text: str) -> RemotePath:
        """The path in `text`; a missing first “/” is added, `.` and `..` are resolved by name alone.

        Raises: NameNotAllowed.
        """
        if not text:
            raise NameNotAllowed("A path cannot be empty.")
        parts = text.split("/")
        names: list[str] = []
        for part in parts:
            if part == "..":
                del names[-1:]
            elif part not in ("", "."):
                names.append(part)
        checked = split_path(join_path(*names))
        return cls(
            join_path(*checked),
            as_folder=parts[-1] in ("", ".", ".."),
            contents=not checked or (parts[-1] == "." and len(parts) > 1),
        )

    @property
    def name(self) -> str:
        """The last name; "" for the root."""
        return self.path.rsplit("/", 1)[1]

    @property
    def parent(self) -> str:
        """The folder it is in; the root's is the root."""
        return self.path.rsplit("/", 1)[0] or "/"

    def child(self, name: str) -> str:
        """The path of `name` in here."""
        return self.path.rstrip("/") + "/" + name


class Standing(Enum):
    """Kind of thing at a destination now."""

    MISSING = "missing"
    FILE = "file"
    FOLDER = "folder"

    @classmethod
    def of(cls, there: Entry | None) -> Standing:
        """Standing of an entry as a destination (None: nothing is there)."""
        if there is None:
            return cls.MISSING
        return cls.FOLDER if there.kind == "folder" else cls.FILE


class Source(msgspec.Struct, frozen=True):
    """Source to be placed. `name`: its own, or None for the content of a folder."""

    name: str | None
    is_folder: bool


class TakenNames:
    """The names that a command's sources get at the destination: of two alike, the second would replace the first."""

    def __init__(self) -> None:
        self._taken: set[bytes] = set()

    def take(self, name: str) -> None:
        """Raises: AlreadyExists, if a source before has the name, in whatever case."""
        try:
            key = fold_name(name)
        except UnicodeEncodeError:  # a local name that is no text: whoever uploads it is told so
            return
        if key in self._taken:
            raise AlreadyExists("Another source of this command has that name already.")
        self._taken.add(key)


def goes_inside(sources: Sequence[Source], destination: str, standing: Standing, *, as_folder: bool) -> bool:
    """Whether `sources` go into `destination` (as people wrote it), or one source takes its place and name.

    Raises: NotAFolder, NotFound, with what to do.
    """
    shown = printable(destination)
    if standing is Standing.FOLDER:
        return True
    if len(sources) > 1:
        raise _no_folder(shown, standing, "several things need a folder to go into")
    source = sources[0]
    if standing is Standing.FILE:
        if source.is_folder:
            raise NotAFolder("A folder cannot take the place of a file.", subject=shown)
        if as_folder:
            raise NotAFolder(subject=shown)
        return False
    if as_folder and not source.is_folder:
        raise _no_folder(shown, standing, "the “/” at the end asks for a folder")
    return False


def _no_folder(shown: str, standing: Standing, why: str) -> SfosError:
    if standing is Standing.FILE:
        return NotAFolder(f"This is not a folder, and {why}.", subject=shown)
    return NotFound(f"There is no such folder, and {why}; make it first (mkdir -p).", subject=shown)


def nesting_note(
    source: str, destination: str, inside: Collection[str], there: Collection[str], name: str
) -> str | None:
    """Word to who gives a command a second time, whose first time made `destination` out of the folder `source`.

    `inside`: the names in the folder; `there`: those in the destination, of which the folder's own `name` is none if it
    goes there for the first time. None: nothing points to that.
    """
    folded = {fold_name(one) for one in there}
    if destination.endswith("/") or fold_name(name) in folded or folded.isdisjoint(fold_name(one) for one in inside):
        return None
    source, destination = printable(source.rstrip("/")), printable(destination)
    return (
        f"“{destination}” holds things of “{source}” already, and the folder goes into it as “{printable(name)}”; "
        f"to bring “{destination}” itself up to date: “{source}/.”"
    )
