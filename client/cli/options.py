"""What the user asked for, as plain data: one class for each command. `parser` makes them, the commands read them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Conflict(Enum):
    """What to do where something of that name is already there."""

    DEFAULT = "default"  # on the server: replace, its history keeps what was there; on this computer: ask or refuse
    REPLACE = "replace"
    SKIP = "skip"
    NEWER = "newer"
    KEEP_BOTH = "keep-both"


class SortBy(Enum):
    """The order of a listing."""

    NAME = "name"
    SIZE = "size"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """Where to, as whom, and what to trust. None: as configured or remembered."""

    server: str | None = None
    user: str | None = None
    accept_new_key: bool = False
    pin: str | None = None
    password_file: str | None = None


@dataclass(frozen=True, slots=True)
class SpeechOptions:
    """How much is said."""

    quiet: bool = False
    verbose: bool = False
    debug: bool = False


@dataclass(frozen=True, slots=True)
class ListOptions:
    """`ls`."""

    paths: tuple[str, ...] = ("/",)
    long: bool = False
    recursive: bool = False
    json: bool = False
    bytes: bool = False
    folders_first: bool = False
    sort: SortBy = SortBy.NAME
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class StatOptions:
    """`stat`."""

    paths: tuple[str, ...]
    json: bool = False


@dataclass(frozen=True, slots=True)
class UsageOptions:
    """`usage`."""

    json: bool = False
    bytes: bool = False


@dataclass(frozen=True, slots=True)
class CatOptions:
    """`cat`."""

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PutOptions:
    """`put`. The last of several `paths` is the destination; of one path, it is the root folder."""

    paths: tuple[str, ...]
    recursive: bool = False
    conflict: Conflict = Conflict.DEFAULT


@dataclass(frozen=True, slots=True)
class GetOptions:
    """`get`. The last of several `paths` is the destination; of one path, it is the current directory."""

    paths: tuple[str, ...]
    recursive: bool = False
    conflict: Conflict = Conflict.DEFAULT


@dataclass(frozen=True, slots=True)
class MakeFolderOptions:
    """`mkdir`."""

    paths: tuple[str, ...]
    parents: bool = False


@dataclass(frozen=True, slots=True)
class MoveOptions:
    """`mv`. The last path is the destination."""

    paths: tuple[str, ...]
    conflict: Conflict = Conflict.DEFAULT


@dataclass(frozen=True, slots=True)
class CopyOptions:
    """`cp`. The last path is the destination."""

    paths: tuple[str, ...]
    recursive: bool = False
    conflict: Conflict = Conflict.DEFAULT


@dataclass(frozen=True, slots=True)
class RemoveOptions:
    """`rm`."""

    paths: tuple[str, ...]
    recursive: bool = False
    force: bool = False


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """`watch`. `count`: stop after so many changes."""

    paths: tuple[str, ...] = ("/",)
    json: bool = False
    count: int | None = None


@dataclass(frozen=True, slots=True)
class LoginOptions:
    """`login`. `remember`: keep the password in the keyring."""

    remember: bool = False


@dataclass(frozen=True, slots=True)
class LogoutOptions:
    """`logout`. `forget`: also delete the password from the keyring."""

    forget: bool = False


@dataclass(frozen=True, slots=True)
class PasswordOptions:
    """`passwd`."""


CommandOptions = (
    ListOptions
    | StatOptions
    | UsageOptions
    | CatOptions
    | PutOptions
    | GetOptions
    | MakeFolderOptions
    | MoveOptions
    | CopyOptions
    | RemoveOptions
    | WatchOptions
    | LoginOptions
    | LogoutOptions
    | PasswordOptions
)


@dataclass(frozen=True, slots=True)
class Invocation:
    """A whole command line."""

    connection: ConnectionOptions
    speech: SpeechOptions
    command: CommandOptions
