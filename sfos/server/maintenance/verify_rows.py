"""Verification of the tree and its history: every row's code, name and place, the digest over all, the counters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Protocol

from sqlalchemy import BigInteger, and_, bindparam, exists, func, literal, select

from sfos.protocol import ROOT_NODE
from sfos.server.catalog.engine import Transaction
from sfos.server.catalog.schema import commits, nodes, past
from sfos.server.catalog.space_row import SpaceRow
from sfos.server.catalog.statement import Row, Statement
from sfos.server.catalog.states import LIVE_COLUMNS, PAST_COLUMNS, ROOT_NAME_KEY, ROOT_PARENT, EndedAs, State, StateKind
from sfos.server.disk.storage_faults import TokenDamaged
from sfos.server.maintenance.findings import Findings
from sfos.server.maintenance.progress import Progress
from sfos.server.spaces.operations.context import SpaceContext
from sfos.server.spaces.operations.entries import check_row, name_of
from sfos.server.vault.rows import Digest

_BATCH = 1_000

_ALL_LIVE = Statement(select(*LIVE_COLUMNS).where(nodes.c.space == bindparam("space")))
_ALL_PAST = Statement(  # each with the beginning of the node's live state, if it has one
    select(past.c.seq_to, past.c.ended_as, nodes.c.seq_from.label("began"), *PAST_COLUMNS)
    .select_from(past.outerjoin(nodes, and_(nodes.c.space == past.c.space, nodes.c.node == past.c.node)))
    .where(past.c.space == bindparam("space"))
    .order_by(past.c.node, past.c.seq_from)
)
_ROOT = Statement(
    select(nodes.c.kind, nodes.c.parent).where(nodes.c.space == bindparam("space"), nodes.c.node == bindparam("node"))
)
_PAST_COUNT = Statement(select(func.count()).select_from(past).where(past.c.space == bindparam("space")))
_folder = nodes.alias()
_IN_NO_FOLDER = Statement(  # one node of each parent that is no folder
    select(nodes.c.parent, func.min(nodes.c.node))
    .where(nodes.c.space == bindparam("space"), nodes.c.parent != ROOT_PARENT)
    .group_by(nodes.c.parent)
    .having(
        ~exists().where(
            _folder.c.space == bindparam("space"),
            _folder.c.node == nodes.c.parent,
            _folder.c.kind == int(StateKind.FOLDER),
        )
    )
)
_below = select(literal(ROOT_NODE, BigInteger).label("node")).cte("below", recursive=True)
_below = _below.union(
    select(_folder.c.node).where(
        _folder.c.space == bindparam("space"),
        _folder.c.parent == _below.c.node,
        _folder.c.kind == int(StateKind.FOLDER),
    )
)
_NOT_BELOW_ROOT = Statement(
    select(nodes.c.node)
    .where(
        nodes.c.space == bindparam("space"),
        nodes.c.kind == int(StateKind.FOLDER),
        nodes.c.node.not_in(select(_below.c.node)),
    )
    .order_by(nodes.c.node)
)
_ALL_COMMITS = Statement(
    select(commits.c.seq, commits.c.time_ms, commits.c.actor, commits.c.op_id)
    .where(commits.c.space == bindparam("space"))
    .order_by(commits.c.seq)
)


class Counts(Protocol):
    """Where to say how many states were looked at."""

    states: int


def check_rows(
    context: SpaceContext, tx: Transaction, row: SpaceRow, findings: Findings, counts: Counts, progress: Progress
) -> None:
    """Look at all rows of the tree and its history."""
    found = tx.one(_PAST_COUNT)
    total = row.entries_current + 1 + (0 if found is None else int(found[0]))
    live = _Live(context, row, findings)
    digest = live.look(tx, lambda done: progress("rows", done, total))
    closed = _Past(context, row, findings)
    digest += closed.look(tx, lambda done: progress("rows", live.count + done, total))
    digest += _check_commits(context, tx, row, findings)
    counts.states = live.count + closed.count
    try:
        if context.rows.open_digest(row.digest, row.epoch, row.seq) != digest:
            findings.add("digest", "the rows are not those that were written: one was taken out, put in or put back")
    except TokenDamaged as error:
        findings.add("digest", error.detail)
    _compare(findings, "current files", live.files, row.files_current)
    _compare(findings, "current bytes", live.bytes, row.bytes_current)
    _compare(findings, "current entries", live.count - 1, row.entries_current)
    if max(live.highest, closed.highest) >= row.next_node:
        findings.add("counters", "the next node's id is in use already")


class _Live:
    """A pass over the live rows."""

    def __init__(self, context: SpaceContext, row: SpaceRow, findings: Findings) -> None:
        self._context = context
        self._row = row
        self._findings = findings
        self.count = self.files = self.bytes = self.highest = 0

    def look(self, tx: Transaction, step: Callable[[int], None]) -> Digest:
        """Check all live rows; the sum of their elements."""
        digest = Digest()
        for batch in _batches(tx.each(_ALL_LIVE)):
            step(self.count)
            states = [State(*columns) for columns in batch]
            digest += self._context.rows.live(state.mac for state in states)
            for state in states:
                self._check(state)
        self._check_tree(tx)
        return digest

    def _check(self, state: State) -> None:
        self.count += 1
        self.highest = max(self.highest, state.node)
        _check_state(self._context, state, self._findings)
        if state.kind == StateKind.FILE:
            self.files += 1
            self.bytes += state.size
        if state.seq_from > self._row.seq:
            self._findings.add("row", f"node {state.node} began with a commit that was not made yet")

    def _check_tree(self, tx: Transaction) -> None:
        """Check that every node is in a folder, and every folder below the root."""
        if tx.one(_ROOT, node=ROOT_NODE) != (int(StateKind.FOLDER), ROOT_PARENT):
            self._findings.add("row", "the root folder is not there")
            return
        for parent, node in tx.each(_IN_NO_FOLDER):
            self._findings.add("row", f"node {node} is in {parent}, which is no folder")
        for (folder,) in tx.each(_NOT_BELOW_ROOT):
            self._findings.add("row", f"folder {folder} is not below the root")


class _Past:
    """A pass over the closed rows, node by node in the order of time."""

    def __init__(self, context: SpaceContext, row: SpaceRow, findings: Findings) -> None:
        self._context = context
        self._row = row
        self._findings = findings
        self._last = (0, 0)
        self.count = self.highest = 0

    def look(self, tx: Transaction, step: Callable[[int], None]) -> Digest:
        """Check all closed rows; the sum of their elements."""
        digest = Digest()
        for batch in _batches(tx.each(_ALL_PAST)):
            step(self.count)
            states = [(seq_to, ended_as, began, State(*columns)) for seq_to, ended_as, began, *columns in batch]
            digest += self._context.rows.ended((state.mac, seq_to, end) for seq_to, end, _, state in states)
            for seq_to, ended_as, began, state in states:
                self._check(seq_to, ended_as, began, state)
        return digest

    def _check(self, seq_to: int, ended_as: int, began: int | None, state: State) -> None:
        self.count += 1
        self.highest = max(self.highest, state.node)
        _check_state(self._context, state, self._findings)
        node, last_end = self._last
        if (
            not state.seq_from < seq_to <= self._row.seq
            or (node == state.node and state.seq_from < last_end)
            or (began is not None and began < seq_to)
        ):
            self._findings.add("row", f"two states of node {state.node} hold at the same time, near {seq_to}")
        if ended_as not in tuple(EndedAs):
            self._findings.add("row", f"a state of node {state.node} ended in an unknown way")
        self._last = (state.node, seq_to)


def _check_state(context: SpaceContext, state: State, findings: Findings) -> None:
    """Check that a row is authentic, and that its name belongs to its folder."""
    try:
        check_row(context, state)
        name = name_of(context, state)
        if state.attrs is not None:
            context.names.open_attrs(state.node, state.attrs)
    except TokenDamaged as error:
        findings.add("row", f"node {state.node}: {error.detail}")
        return
    key = ROOT_NAME_KEY if state.parent == ROOT_PARENT else context.names.key(state.parent, name)
    if key != state.name_key:
        findings.add("row", f"node {state.node} cannot be found by its name")


def _check_commits(context: SpaceContext, tx: Transaction, row: SpaceRow, findings: Findings) -> Digest:
    digest = Digest()
    last_seq, last_time = None, 0
    for batch in _batches(tx.each(_ALL_COMMITS)):
        digest += context.rows.commits(context.rows.commit_code(*columns) for columns in batch)
        for seq, time_ms, _, _ in batch:
            if (last_seq is not None and seq != last_seq + 1) or time_ms < last_time:
                findings.add("row", f"the commits around {seq} are not in order")
            last_seq, last_time = seq, time_ms
    if (last_seq or 0) != row.seq:
        findings.add("row", f"the last commit is {last_seq}, and should be {row.seq}")
    return digest


def _compare(findings: Findings, what: str, counted: int, kept: int) -> None:
    if counted != kept:
        findings.add("counters", f"{what} are {counted}, and counted as {kept}")


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    rest = iter(rows)
    while batch := list(islice(rest, _BATCH)):
        yield batch
