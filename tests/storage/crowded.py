"""Spaces that are full: rows by the thousand, real ones (sealed names, codes, digest), written past the program."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice

from sqlalchemy import Connection, func, insert, select, update

from sfos.protocol import ROOT_NODE
from sfos.server.catalog.head import Head, write_head
from sfos.server.catalog.schema import chunks, nodes, past, spaces
from sfos.server.catalog.space_row import read_space_row
from sfos.server.catalog.states import EndedAs, State, StateKind, mac_of
from sfos.server.catalog.weights import ALL_ROWS_BYTES
from sfos.server.spaces.operations.context import SpaceContext
from sfos.server.vault.rows import Digest

_BATCH = 10_000
Row = dict[str, object]


def state_of(
    context: SpaceContext, node: int, parent: int, name: str, *, folder: bool = False, seq: int = 1, size: int = 0
) -> State:
    """A row that the space would take for its own."""
    state = State(
        node=node,
        parent=parent,
        name_key=context.names.key(parent, name),
        seq_from=seq,
        kind=int(StateKind.FOLDER if folder else StateKind.FILE),
        name=context.names.seal_name(parent, name),
        size=size,
        mtime_ns=0,
        attrs=None,
        content=None,
        mac=b"",
    )
    return state._replace(mac=mac_of(context.rows, state))


def add_live(context: SpaceContext, states: Iterable[State]) -> None:
    """Live rows, counted as the program counts them."""
    rows = iter(states)
    while batch := list(islice(rows, _BATCH)):
        _write(context, [one._asdict() for one in batch], [], context.rows.live([one.mac for one in batch]))


def add_past(context: SpaceContext, states: Iterable[tuple[State, int, EndedAs]]) -> None:
    """Closed rows: (state, when it ended, how)."""
    rows = iter(states)
    while batch := list(islice(rows, _BATCH)):
        closed = [one._asdict() | {"seq_to": seq_to, "ended_as": int(end)} for one, seq_to, end in batch]
        _write(context, [], closed, context.rows.ended((one.mac, seq_to, int(end)) for one, seq_to, end in batch))


def add_pending_chunks(context: SpaceContext, count: int) -> None:
    """Rows of chunks that somebody has put and not committed; their tokens are nowhere."""
    with context.catalog.core() as connection:
        connection.execute(
            insert(chunks),
            [
                {
                    "space": context.catalog.space,
                    "id": os.urandom(32),
                    "key_no": 1,
                    "location": f"small:{number}",
                    "offset": 0,
                    "sealed_len": 100,
                    "length": 1,
                    "pending_since": 1,
                    "pending_by": "somebody",
                }
                for number in range(count)
            ],
        )
        _count_rows(context, connection)


def tree(context: SpaceContext, first: int, folders: int, files: int, *, parent: int = ROOT_NODE) -> Iterator[State]:
    """So many folders in `parent` with so many files each, under ids from `first` on."""
    node = first
    for number in range(folders):
        folder = node
        yield state_of(context, node, parent, f"folder {number} of {first}", folder=True)
        node += 1
        for file in range(files):
            yield state_of(context, node, folder, f"file {file}")
            node += 1


def _write(context: SpaceContext, live: list[Row], closed: list[Row], digest_delta: Digest) -> None:
    with context.catalog.read() as tx:
        row = read_space_row(tx)
    digest = context.rows.open_digest(row.digest, row.epoch, row.seq) + digest_delta
    sealed = context.rows.seal_digest(digest, row.epoch, row.seq)
    with context.catalog.core() as connection:
        for table, rows in ((nodes, live), (past, closed)):
            if rows:
                connection.execute(insert(table), [{"space": context.catalog.space, **one} for one in rows])
        connection.execute(
            update(spaces).values(
                next_node=max(row.next_node, _highest(connection) + 1),
                files_current=select(func.count()).where(nodes.c.kind == int(StateKind.FILE)).scalar_subquery(),
                entries_current=select(func.count()).select_from(nodes).scalar_subquery() - 1,
                digest=sealed,
            )
        )
        _count_rows(context, connection)
    write_head(context.directory, Head(row.epoch, row.seq, sealed))


def _count_rows(context: SpaceContext, connection: Connection) -> None:
    counted = connection.execute(select(ALL_ROWS_BYTES), {"space": context.catalog.space}).scalar_one()
    connection.execute(update(spaces).values(bytes_rows=counted))


def _highest(connection: Connection) -> int:
    found = [connection.execute(select(func.max(table.c.node))).scalar() or 0 for table in (nodes, past)]
    return max(found)
