"""Contents going out: the list of a file's chunks, and the chunks themselves.

Chunks are named by a node's content and ordinals, never by their ids, so that nobody reads what no node of the space
has or had. Tokens are opened straight into the body that goes out.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from sqlalchemy import bindparam, func, select

from sfos.protocol import (
    LENGTH,
    MAX_BODY,
    RECORD,
    Buffer,
    ChunkWant,
    DataDamaged,
    IsAFolder,
    MalformedMessage,
    NotFound,
    PlainRecord,
    Ref,
    Revision,
    SfosError,
)
from sfos.server.catalog.chunk_rows import HURT, ChunkRow, chunk_rows, find_chunk, mark_hurt
from sfos.server.catalog.engine import Transaction
from sfos.server.catalog.schema import past
from sfos.server.catalog.statement import Statement
from sfos.server.catalog.states import HAD_CONTENT, State, StateKind
from sfos.server.catalog.wanted import Wanted, find_wanted
from sfos.server.disk.storage_faults import CodecUnknown, KeyNotThere, TokenDamaged
from sfos.server.process.waiting import look
from sfos.server.spaces.operations.contents import listed_records, packed_records
from sfos.server.spaces.operations.context import SpaceContext
from sfos.server.spaces.operations.destinations import find_ref, subject_of
from sfos.server.spaces.operations.entries import authentic, check_row, revision_of
from sfos.server.spaces.operations.guard import as_storage_error
from sfos.server.vault.sealing import ShortToken, TokenType
from sfos.server.vault.tokens import OPEN_SLACK, SHORT_TOKEN_BYTES

_log = logging.getLogger(__name__)

_OPENED_AT_ONCE = 64  # short tokens: what they hold is in memory twice, and then still in the processor's cache
MOST_RECORDS = MAX_BODY // RECORD.size  # of a manifest at once
_MARKED_AT_ONCE = 1_000  # chunks to a transaction, which others wait for
# A reply has no more chunks, however short they are; clients ask for some thousand small ones at a time.
MOST_CHUNKS = 50_000
_LOOKED_UP_AT_ONCE = 4_096  # wants: those behind what fits are looked up in vain
# A reply ends when more than this has been read for it, in lists of chunks and in states that its nodes had before.
_MOST_LIST_BYTES = 16 * 1024 * 1024
_MOST_VERSIONS = 100_000

_COUNT_STATES = Statement(
    select(func.count()).select_from(past).where(past.c.space == bindparam("space"), past.c.node == bindparam("node"))
)


class Manifest(NamedTuple):
    """Chunks of a file: of `chunks` in all, those from `first` on."""

    node: int
    revision: Revision
    content: bytes
    size: int
    chunks: int
    first: int
    records: list[PlainRecord]


class ChunkData(NamedTuple):
    """Data of chunks, one after the other, with their lengths. `stopped`: why the next one could not be read, if so."""

    lengths: list[int]
    data: memoryview
    stopped: SfosError | None


TakeMemory = Callable[[int, int], memoryview]
"""`take_memory(chunks, size_bytes)`: at least so many bytes, to put so many chunks into; with whatever is in them."""


def manifest(context: SpaceContext, ref: Ref, *, first: int, limit: int) -> Manifest:
    """See Space.manifest."""
    with context.catalog.read() as tx:
        state = find_ref(context, tx, ref)
        if state.kind != StateKind.FILE or state.content is None:
            raise (IsAFolder if state.is_folder else NotFound)(
                None if state.is_folder else "This has no content.", subject=subject_of(ref)
            )
        check_row(context, state)
        packed = packed_records(context, tx, state.content, state.size)
    chunks = len(packed) // RECORD.size
    begin = min(first, chunks)
    end = min(begin + limit, begin + MOST_RECORDS)
    return Manifest(
        node=state.node,
        revision=revision_of(context, state.seq_from),
        content=state.content,
        size=state.size,
        chunks=chunks,
        first=first,
        records=list(RECORD.iter_unpack(packed[begin * RECORD.size : end * RECORD.size])),
    )


def get_chunks(context: SpaceContext, wants: Sequence[ChunkWant], max_bytes: int, take_memory: TakeMemory) -> ChunkData:
    """See Space.get_chunks."""
    chosen = _Chosen(min(max_bytes, MAX_BODY))
    with context.catalog.read() as tx:
        try:
            for start in range(0, len(wants), _LOOKED_UP_AT_ONCE):
                if not _choose_all(context, tx, wants[start : start + _LOOKED_UP_AT_ONCE], chosen):
                    break
        except (SfosError, TokenDamaged) as error:
            chosen.stopped = error if isinstance(error, SfosError) else as_storage_error(error, context.space_id)
    if not chosen.rows:
        raise chosen.stopped or MalformedMessage("No chunk is wanted.")
    return _read_all(context, chosen, take_memory)


@dataclass(slots=True)
class _Chosen:
    """The chunks that go into one reply. `room`: bytes left in its body.

    What is read for it has a bound too, whatever the reply could hold: the first chunk is always served.
    """

    room: int
    rows: list[ChunkRow] = field(default_factory=list)
    stopped: SfosError | None = None
    lists: dict[bytes, bytes] = field(default_factory=dict)
    _list_bytes: int = 0
    _before: dict[tuple[int, bytes], State] = field(default_factory=dict)
    _versions: int = 0

    def take(self, row: ChunkRow) -> bool:
        """Add a chunk, if it fits or is the first."""
        self.room -= row.length + LENGTH.size
        if self.rows and (self.room < 0 or len(self.rows) >= MOST_CHUNKS):
            return False
        self.rows.append(row)
        return True

    def most(self, records: Sequence[tuple[bytes, int]]) -> int:
        """How many of `records` need to be looked at: those that fit, and the one that does not."""
        room = self.room
        for count, (_, length) in enumerate(records, 1):
            room -= length + LENGTH.size
            if room < 0:
                return max(count, 1)
        return len(records)

    def records_of(self, context: SpaceContext, tx: Transaction, content: bytes) -> bytes | None:
        """The records of a content of several chunks; None if too many lists have been opened. Raises: TokenDamaged."""
        if content not in self.lists:
            if self.rows and self._list_bytes > _MOST_LIST_BYTES:
                return None
            records = self.lists[content] = listed_records(context, tx, content)
            self._list_bytes += len(records)
        return self.lists[content]

    def state_before(self, context: SpaceContext, tx: Transaction, want: ChunkWant) -> State | None:
        """A closed state in which the node had the content; None if too many have been looked through.

        Raises: NotFound, TokenDamaged.
        """
        key = (want.node, want.content)
        if key not in self._before:
            if self.rows and self._versions > _MOST_VERSIONS:
                return None
            if want.node >= 2**63:
                raise _no_such_content(want)
            ((count,),) = tx.all(_COUNT_STATES, node=want.node)
            self._versions += count + 1
            row = tx.one(HAD_CONTENT, node=want.node, content=want.content)
            if row is None:
                raise _no_such_content(want)
            state = self._before[key] = State(*row)
            check_row(context, state)
        return self._before[key]


def _no_such_content(want: ChunkWant) -> NotFound:
    return NotFound("The file does not have this content.", subject=f"node {want.node}")


def _choose_all(context: SpaceContext, tx: Transaction, wants: Sequence[ChunkWant], chosen: _Chosen) -> bool:
    """Take the chunks of these runs; False when no more fit. Raises: as `_choose`."""
    # The id is an unsigned number on the wire, and a signed one in the database.
    found = find_wanted(tx, [want.node for want in wants if want.node < 2**63])
    sound = authentic(context, found.states.values())
    return all(_choose(context, tx, want, found, sound, chosen) for want in wants)


def _choose(
    context: SpaceContext, tx: Transaction, want: ChunkWant, found: Wanted, sound: Container[int], chosen: _Chosen
) -> bool:
    """Take the chunks of one run; False when no more fit. `sound`: the nodes whose state now is known to be authentic.

    Raises: NotFound, TokenDamaged, MalformedMessage.
    """
    if want.chunks == 0:  # any number of them would fit
        raise MalformedMessage("No chunk is wanted.")
    state = found.states.get(want.node)
    single = found.chunks.get(want.content)
    if state is None or state.content != want.content:
        state = chosen.state_before(context, tx, want)
        if state is None:
            return False
        single = single or find_chunk(tx, want.content)
    elif want.node not in sound:
        check_row(context, state)
    if single is not None and single.length == state.size:
        if want.first != 0 or want.chunks > 1:
            raise MalformedMessage("The file has only one chunk.")
        return chosen.take(single)
    records = chosen.records_of(context, tx, want.content) if state.size else b""
    if records is None:
        return False
    if (want.first + want.chunks) * RECORD.size > len(records):
        raise MalformedMessage("The file does not have that many chunks.")
    count = min(want.chunks, MOST_CHUNKS - len(chosen.rows) + 1)
    wanted = list(RECORD.iter_unpack(records[want.first * RECORD.size : (want.first + count) * RECORD.size]))
    looked_at = wanted[: chosen.most(wanted)]
    rows = chunk_rows(tx, {chunk_id for chunk_id, _ in looked_at})
    for chunk_id, length in looked_at:
        row = rows.get(chunk_id)
        if row is None or row.length != length:
            raise TokenDamaged(f"the catalog does not have the chunk {chunk_id.hex()[:16]}… of node {want.node}")
        if not chosen.take(row):
            return False
    return len(looked_at) == len(wanted)


def _read_all(context: SpaceContext, chosen: _Chosen, take_memory: TakeMemory) -> ChunkData:
    lengths = [row.length for row in chosen.rows]
    memory = take_memory(len(lengths), sum(lengths) + OPEN_SLACK)
    end = done = 0
    try:
        for length in _open_all(context, chosen.rows, memory):
            end += length
            done += 1
    except (TokenDamaged, OSError) as error:
        chosen.stopped = as_storage_error(error, context.space_id)
    if done == 0:
        raise chosen.stopped or DataDamaged()
    return ChunkData(lengths[:done], memory[:end], chosen.stopped)


def _open_all(context: SpaceContext, rows: Sequence[ChunkRow], target: memoryview) -> Iterator[int]:
    """Put the data of the chunks into `target`, one after the other; the length of each, once it is there.

    Raises: as `open_chunk`.
    """
    at = 0
    with context.scratch.lend() as scratch:
        for start in range(0, len(rows), _OPENED_AT_ONCE):
            look()
            part = rows[start : start + _OPENED_AT_ONCE]
            tokens = context.store.read_short([row.location for row in part]) if len(part) > 1 else {}
            wanted = [(row, tokens.get(row.location)) for row in part]
            short = [
                ShortToken(token, row.id, row.length, row.key_no)
                for row, token in wanted
                if token is not None and len(token) <= SHORT_TOKEN_BYTES
            ]
            opened = context.sealer.open_short(short, TokenType.CHUNK)
            for row, token in wanted:
                end = at + row.length
                if token is None or len(token) > SHORT_TOKEN_BYTES:
                    open_chunk(context, row, scratch, target[at:], token)
                else:
                    try:
                        target[at:end] = next(opened)
                    except TokenDamaged as error:
                        raise _noted(context, row, error) from error
                yield row.length
                at = end


def open_chunk(
    context: SpaceContext, row: ChunkRow, scratch: memoryview, target: memoryview, token: Buffer | None = None
) -> None:
    """Put the data of a chunk at the front of `target`, which has OPEN_SLACK bytes more. `token`: if it is at hand.

    What is found damaged is marked, so that whoever has the data is asked for them again.
    Raises: TokenDamaged, also for bytes that are not there; KeyNotThere; OSError.
    """
    try:
        if token is None:
            token = context.store.read(row.location, row.sealed_len, scratch)
        context.sealer.open_into(token, TokenType.CHUNK, row.id, row.length, row.key_no, target)
    except (TokenDamaged, OSError) as error:
        raise _noted(context, row, error) from error


def _noted(context: SpaceContext, row: ChunkRow, error: TokenDamaged | OSError) -> TokenDamaged | OSError:
    """Error to raise for a chunk. The chunk is marked, unless the error says nothing about what lies there."""
    told: TokenDamaged | OSError = error
    if isinstance(error, FileNotFoundError):
        told = TokenDamaged(f"chunk {row.id.hex()[:16]}… at {row.location}: not there")
    elif isinstance(error, TokenDamaged):
        told = type(error)(f"chunk {row.id.hex()[:16]}… at {row.location}: {error.detail}")
    unread = isinstance(error, OSError) and error.errno == errno.EIO
    if unread or (isinstance(told, TokenDamaged) and not isinstance(told, KeyNotThere | CodecUnknown)):
        mark_as_hurt(context, [row])
    return told


def mark_as_hurt(context: SpaceContext, rows: Iterable[ChunkRow]) -> None:
    """Let these chunks, found damaged or gone, be asked for again; not those whose row says another place by now."""
    unmarked = iter([row for row in rows if row.offset != HURT])
    try:
        while batch := list(islice(unmarked, _MARKED_AT_ONCE)):
            with context.catalog.write() as tx:
                for row in batch:
                    mark_hurt(tx, row)
    except SfosError as error:  # they stay unmarked until someone looks at them again
        _log.warning("space %s: a damaged chunk could not be marked: %s", context.space_id, error)
