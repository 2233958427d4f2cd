"""What the user asked for, as plain data: one class for each command. `parser` makes them, the commands read them.

Structs, because fifteen dataclasses cost 15 ms of every command's start (measured).
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

import msgspec


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


class ConnectionOptions(msgspec.Struct, frozen=True):
    """Where to, as whom, and what to trust. None: as configured or remembered."""

    server: str | None = None
    user: str | None = None
    accept_new_key: bool = False
    pin: str | None = None
    password_file: str | None = None


class SpeechOptions(msgspec.Struct, frozen=True):
    """How much is said."""

    quiet: bool = False
    verbose: bool = False
    debug: bool = False


class ListOptions(msgspec.Struct, frozen=True):
    """`ls`."""

    paths: tuple[str, ...] = ("/",)
    long: bool = False
    recursive: bool = False
    json: bool = False
    bytes: bool = False
    folders_first: bool = False
    sort: SortBy = SortBy.NAME
    reverse: bool = False


class StatOptions(msgspec.Struct, frozen=True):
    """`stat`."""

    paths: tuple[str, ...]
    json: bool = False


class UsageOptions(msgspec.Struct, frozen=True):
    """`usage`."""

    json: bool = False
    bytes: bool = False


class CatOptions(msgspec.Struct, frozen=True):
    """`cat`."""

    paths: tuple[str, ...]


class PutOptions(msgspec.Struct, frozen=True):
    """`put`. The last of several `paths` is the destination; of one path, it is the root folder."""

    paths: tuple[str, ...]
    recursive: bool = False
    dereference: bool = False
    checksum: bool = False
    conflict: Conflict = Conflict.DEFAULT


class GetOptions(msgspec.Struct, frozen=True):
    """`get`. The last of several `paths` is the destination; of one path, it is the current directory."""

    paths: tuple[str, ...]
    recursive: bool = False
    checksum: bool = False
    conflict: Conflict = Conflict.DEFAULT


class MakeFolderOptions(msgspec.Struct, frozen=True):
    """`mkdir`."""

    paths: tuple[str, ...]
    parents: bool = False


class MoveOptions(msgspec.Struct, frozen=True):
    """`mv`. The last path is the destination."""

    paths: tuple[str, ...]
    conflict: Conflict = Conflict.DEFAULT


class CopyOptions(msgspec.Struct, frozen=True):
    """`cp`. The last path is the destination."""

    paths: tuple[str, ...]
    recursive: bool = False
    conflict: Conflict = Conflict.DEFAULT


class RemoveOptions(msgspec.Struct, frozen=True):
    """`rm`."""

    paths: tuple[str, ...]
    recursive: bool = False
    force: bool = False


class WatchOptions(msgspec.Struct, frozen=True):
    """`watch`. `count`: stop after so many changes."""

    paths: tuple[str, ...] = ("/",)
    json: bool = False
    count: int | None = None


class LoginOptions(msgspec.Struct, frozen=True):
    """`login`. `remember`: keep the password in the keyring."""

    remember: bool = False


class LogoutOptions(msgspec.Struct, frozen=True):
    """`logout`. `session`: another one, by the beginning of its id; `every`: all of one's sessions.

    `forget`: also delete the password from the keyring.
    """

    session: str | None = None
    every: bool = False
    forget: bool = False


class SessionsOptions(msgspec.Struct, frozen=True):
    """`sessions`."""

    json: bool = False


class PasswordOptions(msgspec.Struct, frozen=True):
    """`passwd`."""

    new_password_file: str | None = None


if TYPE_CHECKING:  # few are administrators, and their options are as many again
    from sfos.cli.admin.options import AdminOptions

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
        | SessionsOptions
        | PasswordOptions
        | AdminOptions
    )


class Invocation(msgspec.Struct, frozen=True):
    """A whole command line."""

    connection: ConnectionOptions
    speech: SpeechOptions
    command: CommandOptions
