"""Model of the window, as plain frozen values: presenters make them, views draw them. No behaviour, no Tk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from sfos.gui.nodes import HOME, NodeKey, key_of
from sfos.gui.rows import Rows, size_of
from sfos.protocol import ROOT_NODE, Entry, PasswordPolicy

SortColumn = Literal["name", "size", "modified", "type"]


@dataclass(frozen=True, slots=True)
class Sort:
    """Sorting of the list by a column; folders always come first."""

    column: SortColumn = "name"
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Crumb:
    """One folder on the way from the root."""

    node: int
    name: str
    space: str = HOME

    @classmethod
    def of(cls, entry: Entry) -> Crumb:
        """The folder `entry` as a step of the way."""
        key = key_of(entry)
        return cls(key.node, entry.name, key.space)

    @property
    def key(self) -> NodeKey:
        """The folder among those of all spaces."""
        return NodeKey(self.space, self.node)


@dataclass(frozen=True, slots=True)
class FolderPath:
    """A folder and the way to it, root first."""

    crumbs: tuple[Crumb, ...] = (Crumb(ROOT_NODE, ""),)

    @property
    def node(self) -> int:
        """The folder itself."""
        return self.crumbs[-1].node

    @property
    def key(self) -> NodeKey:
        """The folder itself, among those of all spaces."""
        return self.crumbs[-1].key

    @property
    def path(self) -> str:
        """Absolute path; `/` for the root."""
        return "/" + "/".join(crumb.name for crumb in self.crumbs[1:])

    def child(self, node: int, name: str) -> FolderPath:
        """The folder `name` in this one, of the same space."""
        return FolderPath((*self.crumbs, Crumb(node, name, self.crumbs[-1].space)))

    def into(self, entry: Entry) -> FolderPath:
        """The folder `entry`, which is in this one."""
        return FolderPath((*self.crumbs, Crumb.of(entry)))

    def parent(self) -> FolderPath | None:
        """The folder above; None above the root."""
        return FolderPath(self.crumbs[:-1]) if len(self.crumbs) > 1 else None


Phase = Literal["blank", "loading", "skeleton", "ready", "failed"]


@dataclass(frozen=True, slots=True)
class Listing:
    """The file list. `rows` is what is shown: sorted and filtered; `total` counts without the filter. `partial`: the
    rest is still on its way.

    `phase`: "loading" for the first 150 ms (the old rows stay), then "skeleton"; "failed" with `problem`.
    """

    folder: FolderPath = FolderPath()
    rows: Rows = field(default_factory=lambda: Rows.of(()))
    total: int = 0
    sort: Sort = Sort()
    filter: str = ""
    phase: Phase = "blank"
    problem: str | None = None
    partial: bool = False
    can_back: bool = False
    can_forward: bool = False


@dataclass(frozen=True, slots=True)
class Selection:
    """Entries selected, in the order of the list; `focus` is the row under the keyboard."""

    entries: Sequence[Entry] = ()
    focus: Entry | None = None

    @property
    def size_bytes(self) -> int:
        """Bytes of the selected files; folders count nothing here."""
        return size_of(self.entries)


ConnectionPhase = Literal["signed_out", "connecting", "online", "offline"]


@dataclass(frozen=True, slots=True)
class Connection:
    """State of the connection with the server. `retry_in_s`: seconds to the next attempt while offline."""

    phase: ConnectionPhase = "signed_out"
    server: str = ""
    user: str = ""
    retry_in_s: int | None = None
    problem: str | None = None
    must_change_password: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """Usage of the space; `stored_bytes` counts history too, `entries` folders and links. A quota None: no limit.

    `history_bytes`: how much of it history holds, at the least.
    """

    current_bytes: int = 0
    files: int = 0
    stored_bytes: int = 0
    quota_bytes: int | None = None
    entries: int = 0
    quota_entries: int | None = None
    history_bytes: int = 0


Direction = Literal["up", "down"]
TransferPhase = Literal["waiting", "running", "asking", "paused", "retrying", "done", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Transfer:
    """One row of the transfer panel: a file, or a batch of them with the file now under way.

    `eta_s` is None until the estimate is stable. `fraction` 0 to 1, None while the total is not known. `queued`: its
    place, from 0, among those that wait for their turn; None once it has begun. `arrived`: what was fetched is here;
    `opens`: and it is a file, which can be opened.
    """

    key: int
    direction: Direction
    title: str
    place: str
    phase: TransferPhase
    done_bytes: int = 0
    total_bytes: int = 0
    fraction: float | None = None
    bytes_per_s: float = 0.0
    eta_s: float | None = None
    note: str = ""
    finished_at: str = ""
    queued: int | None = None
    arrived: bool = False
    opens: bool = False


@dataclass(frozen=True, slots=True)
class TransferBoard:
    """The transfer panel as a whole. Limits are bytes a second; None: there is none."""

    active: tuple[Transfer, ...] = ()
    completed: tuple[Transfer, ...] = ()
    failed: tuple[Transfer, ...] = ()
    cancelled: tuple[Transfer, ...] = ()
    up_bytes_per_s: float = 0.0
    down_bytes_per_s: float = 0.0
    done_bytes: int = 0
    total_bytes: int = 0
    eta_s: float | None = None
    all_paused: bool = False
    up_limit: int | None = None
    down_limit: int | None = None


Severity = Literal["info", "success", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence for the person. `action` names what a click on it does, if it does something; `other` what else.

    `lasting`: it stays until another takes its place, for it tells of what is under way.
    """

    text: str
    severity: Severity = "info"
    action: str | None = None
    other: str | None = None
    lasting: bool = False


class Say(Protocol):
    """Telling a person something that passes; `act` is behind the notice's action, `other` behind the other one."""

    def __call__(
        self, notice: Notice, *, act: Callable[[], object] | None = None, other: Callable[[], object] | None = None
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Version:
    """Version of a file, one of two, in words: where it is, its size and its time; `newer` marks the younger one."""

    heading: str
    lines: tuple[str, ...]
    newer: bool = False


@dataclass(frozen=True, slots=True)
class Conflicting:
    """Two versions of a name: `coming` would replace `existing`. `place`: the folder of both."""

    name: str
    place: str
    existing: Version
    coming: Version


@dataclass(frozen=True, slots=True)
class SignInState:
    """State of the form for signing in. `keep_refused`: why "keep me signed in" cannot be offered; None: it can.
    `wrong`: the field that `problem` is about. `notice`: why one is here again. `held_up`: the server lets nobody try
    for a while."""

    server: str = ""
    user: str = ""
    busy: bool = False
    problem: str | None = None
    keep: bool = False
    keep_refused: str | None = "Looking for a keyring…"
    wrong: Literal["server", "user", "password"] | None = None
    notice: Notice | None = None
    held_up: bool = False


@dataclass(frozen=True, slots=True)
class NewPasswordState:
    """State of the form for a new password. `old`: the one to be replaced.

    `forced`: an administrator has given the old one, and the server does nothing before there is another.
    """

    user: str = ""
    old: str = field(default="", repr=False)
    policy: PasswordPolicy = field(default_factory=PasswordPolicy)
    forced: bool = False
    busy: bool = False
    problem: str = ""
