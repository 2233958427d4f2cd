"""Rows as clients see them: entries, revisions, cursors. Each of the last two is opaque to clients.

    revision   <seq>.<12 hex digits of the epoch>                a state: the commit that it began with
    cursor     <seq>.<node>.<12 hex digits of the epoch>         after all nodes up to `node` that changed in `seq`
    page       <seq>.<folder>.<name key>.<12 hex digits>         where a list goes on, as of `seq`

The epoch is random and new after each restore of a backup, so none of them is taken for one of another history.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec

from sfos.protocol import (
    Attributes,
    AttributesRead,
    Cursor,
    Entry,
    Kind,
    MalformedMessage,
    ResyncRequired,
    Revision,
    decoder_of,
)
from sfos.server.catalog.space_row import SpaceRow
from sfos.server.catalog.states import ROOT_PARENT, State, StateKind, mac_of
from sfos.server.disk.storage_faults import TokenDamaged
from sfos.server.spaces.operations.context import SpaceContext

_EPOCH_DIGITS = 12  # 48 bits: two epochs of one space never meet
KIND_NAMES: dict[int, Kind] = {StateKind.FILE: "file", StateKind.FOLDER: "folder", StateKind.SYMLINK: "symlink"}
KIND_NUMBERS: dict[Kind, StateKind] = {"file": StateKind.FILE, "folder": StateKind.FOLDER, "symlink": StateKind.SYMLINK}
# What an entry costs as JSON beside its name and attributes; counted high, for bodies have a limit.
_ENTRY_BYTES = 420
_KEPT_ATTRIBUTES = 256  # few modes are in use; a link has 4 KiB at the most

_MAX_ID = 2**63 - 1

_encoder = msgspec.json.Encoder()


def epoch_tag(epoch: bytes) -> str:
    """The form of an epoch in revisions and cursors."""
    return epoch.hex()[:_EPOCH_DIGITS]


def revision_of(context: SpaceContext, seq: int) -> Revision:
    """The revision of a state that began with `seq`."""
    return f"{seq}.{context.epoch_tag}"


def to_entry(context: SpaceContext, state: State, *, path: str | None = None) -> Entry:
    """Raises: TokenDamaged."""
    return Entry(
        node=state.node,
        parent=state.parent,
        name=name_of(context, state),
        kind=KIND_NAMES[state.kind],
        revision=revision_of(context, state.seq_from),
        size=state.size,
        mtime_ns=state.mtime_ns,
        content=state.content,
        attrs=None if state.attrs is None else decode_attrs(context.names.open_attrs(state.node, state.attrs)),
        path=path,
    )


def to_entries(context: SpaceContext, states: Sequence[State]) -> list[Entry]:
    """`to_entry` of many; what is alike in them is read once. Raises: TokenDamaged."""
    names = _names_of(context, states)
    attrs = context.names.open_attrs_of([state.node for state in states], [state.attrs for state in states])
    read = {plain: decode_attrs(plain) for plain in set(attrs) if plain is not None}  # few modes are in use
    tag = context.epoch_tag
    return [
        Entry(
            node=state.node,
            parent=state.parent,
            name=name,
            kind=KIND_NAMES[state.kind],
            revision=f"{state.seq_from}.{tag}",
            size=state.size,
            mtime_ns=state.mtime_ns,
            content=state.content,
            attrs=None if plain is None else read[plain],
        )
        for state, name, plain in zip(states, names, attrs, strict=True)
    ]


def _names_of(context: SpaceContext, states: Sequence[State]) -> list[str]:
    names = [""] * len(states)
    inside: dict[int, list[int]] = {}
    for at, state in enumerate(states):
        inside.setdefault(state.parent, []).append(at)
    inside.pop(ROOT_PARENT, None)
    for parent, ordinals in inside.items():
        opened = context.names.open_names(parent, [states[at].name for at in ordinals])
        for at, name in zip(ordinals, opened, strict=True):
            names[at] = name.decode()
    return names


def name_of(context: SpaceContext, state: State) -> str:
    """Raises: TokenDamaged."""
    return "" if state.parent == ROOT_PARENT else context.names.open_name(state.parent, state.name)


def check_row(context: SpaceContext, state: State) -> None:
    """Check that the row is as it was written. Done wherever its content is served or carried on; `verify` does it for
    all.

    Raises: TokenDamaged.
    """
    if mac_of(context.rows, state) != state.mac:
        raise TokenDamaged(f"the row of node {state.node} is not authentic")


def authentic(context: SpaceContext, states: Collection[State]) -> set[int]:
    """Those nodes of many live states for which `check_row` would not raise, for half of what as many calls cost."""
    codes = context.rows.codes(states)
    return {state.node for state, code in zip(states, codes, strict=True) if code is not None and code == state.mac}


@lru_cache(_KEPT_ATTRIBUTES)
def encode_attrs(attrs: Attributes | None) -> bytes | None:
    """Attributes as they are sealed into a row; None where there is nothing to keep."""
    return None if attrs is None or attrs == Attributes() else _encoder.encode(attrs)


def encode_fields(attrs: AttributesRead) -> bytes:
    """Attributes as `encode_attrs` has them, with those of a newer version of this program."""
    return _encoder.encode(attrs.fields())


@lru_cache(_KEPT_ATTRIBUTES)
def decode_attrs(plain: bytes) -> AttributesRead:
    """The attributes that were sealed into a row, also those of a newer version of this program."""
    return decoder_of(AttributesRead).decode(plain)


def encoded_bytes(states: Sequence[State]) -> list[int]:
    """How much room each state's entry takes at the most in a body."""
    return [_ENTRY_BYTES + 2 * len(state.name) + 2 * len(state.attrs or b"") for state in states]


class Position(NamedTuple):
    """A place in the history: all that changed before `seq`, and in `seq` the nodes up to `node`."""

    seq: int
    node: int


def write_cursor(epoch: bytes, position: Position) -> Cursor:
    """The opaque form. A whole commit is written as the place before the next: (seq, a node above all)."""
    return f"{position.seq}.{position.node}.{epoch_tag(epoch)}"


def cursor_after(row: SpaceRow) -> Cursor:
    """The cursor of one who has seen everything up to the row's commit."""
    return write_cursor(row.epoch, Position(row.seq + 1, 0))


def read_cursor(row: SpaceRow, cursor: Cursor) -> Position:
    """Raises: ResyncRequired if it is of another epoch, from before the horizon or from the future."""
    (seq, node), tag = _numbers(cursor, 2)
    if tag != epoch_tag(row.epoch) or not row.horizon < seq <= row.seq + 1:
        raise ResyncRequired
    if node > _MAX_ID:
        raise MalformedMessage("A cursor cannot be read.")
    return Position(seq, node)


class PagePosition(NamedTuple):
    """Where a list goes on: as of `at`, in the folder of that ordinal, behind that name key."""

    at: int
    folder: int
    after: bytes


def write_page(epoch: bytes, position: PagePosition) -> str:
    """The opaque form."""
    return f"{position.at}.{position.folder}.{int.from_bytes(position.after, 'big')}.{epoch_tag(epoch)}"


def read_page(row: SpaceRow, text: str) -> PagePosition:
    """Raises: ResyncRequired, MalformedMessage."""
    (at, folder, after), tag = _numbers(text, 3)
    if tag != epoch_tag(row.epoch) or not row.horizon <= at <= row.seq:
        raise ResyncRequired
    if after >= 2**128:
        raise MalformedMessage("A cursor cannot be read.")
    return PagePosition(at, folder, after.to_bytes(16, "big"))


def _numbers(text: str, count: int) -> tuple[list[int], str]:
    parts = text.split(".")
    if len(parts) != count + 1 or not all(part.isascii() and part.isdigit() for part in parts[:-1]):
        raise MalformedMessage("A cursor cannot be read.")
    return [int(part) for part in parts[:-1]], parts[-1]
