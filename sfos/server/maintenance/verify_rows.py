"""Verification of the tree and its history: every row's code, name and place, the digest over all, the counters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Protocol

from sqlalchemy import bindparam, select

from sfos.protocol import ROOT_NODE
from sfos.server.catalog.engine import Transaction
from sfos.server.catalog.schema import commits, nodes, past
from sfos.server.catalog.space_row import SpaceRow
from sfos.server.catalog.statement import Row, Statement
from sfos.server.catalog.states import LIVE_COLUMNS, PAST_COLUMNS, ROOT_NAME_KEY, ROOT_PARENT, EndedAs, State, StateKind
from sfos.server.disk.storage_faults import TokenDamaged
from sfos.server.maintenance.findings import Findings
from sfos.server.spaces.operations.context import SpaceContext
from sfos.server.spaces.operations.entries import check_row, name_of
from sfos.server.vault.rows import Digest

_BATCH = 5_000

_ALL_LIVE = Statement(select(*LIVE_COLUMNS).where(nodes.c.space == bindparam("space")))
_ALL_PAST = Statement(
    select(past.c.seq_to, past.c.ended_as, *PAST_COLUMNS)
    .where(past.c.space == bindparam("space"))
    .order_by(past.c.node, past.c.seq_from)
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
    context: SpaceContext, tx: Transaction, row: SpaceRow, findings: Findings, counts: Counts
) -> dict[bytes, int]:
    """Look at all rows of the tree; the size of each content that any state has."""
    contents: dict[bytes, int] = {}
    live = _Live(context, row, findings, contents)
    digest = live.look(tx)
    closed = _Past(context, row, findings, contents, live.begins)
    digest += closed.look(tx)
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
    return contents


class _Live:
    """A pass over the live rows."""

    def __init__(self, context: SpaceContext, row: SpaceRow, findings: Findings, contents: dict[bytes, int]) -> None:
        self._context = context
        self._row = row
        self._findings = findings
        self._contents = contents
        self._folders: dict[int, int] = {}  # each folder's parent
        self._parents: dict[int, int] = {}  # a node in each folder that has any
        self.begins: dict[int, int] = {}
        self.count = self.files = self.bytes = self.highest = 0

    def look(self, tx: Transaction) -> Digest:
        """Check all live rows; the sum of their elements."""
        digest = Digest()
        for batch in _batches(tx.each(_ALL_LIVE)):
            states = [State(*columns) for columns in batch]
            digest += self._context.rows.live(state.mac for state in states)
            for state in states:
                self._check(state)
        self._check_tree()
        return digest

    def _check(self, state: State) -> None:
        self.count += 1
        self.highest = max(self.highest, state.node)
        self.begins[state.node] = state.seq_from
        self._parents[state.parent] = state.node
        _check_state(self._context, state, self._findings, self._contents)
        if state.is_folder:
            self._folders[state.node] = state.parent
        elif state.kind == StateKind.FILE:
            self.files += 1
            self.bytes += state.size
        if state.seq_from > self._row.seq:
            self._findings.add("row", f"node {state.node} began with a commit that was not made yet")

    def _check_tree(self) -> None:
        """Check that every node is in a folder, and every folder below the root."""
        if self._folders.get(ROOT_NODE) != ROOT_PARENT:
            self._findings.add("row", "the root folder is not there")
            return
        for parent, node in self._parents.items():
            if parent not in self._folders and parent != ROOT_PARENT:
                self._findings.add("row", f"node {node} is in {parent}, which is no folder")
        below_root = {ROOT_PARENT, ROOT_NODE}
        for folder in self._folders:
            way: list[int] = []
            at = folder
            while at not in below_root and at in self._folders and len(way) <= len(self._folders):
                way.append(at)
                at = self._folders[at]
            if at in below_root:
                below_root.update(way)
            else:
                self._findings.add("row", f"folder {folder} is not below the root")


class _Past:
    """A pass over the closed rows, node by node in the order of time."""

    def __init__(
        self,
        context: SpaceContext,
        row: SpaceRow,
        findings: Findings,
        contents: dict[bytes, int],
        live_from: dict[int, int],
    ) -> None:
        self._context = context
        self._row = row
        self._findings = findings
        self._contents = contents
        self._live_from = live_from
        self._last = (0, 0)
        self.count = self.highest = 0

    def look(self, tx: Transaction) -> Digest:
        """Check all closed rows; the sum of their elements."""
        digest = Digest()
        for batch in _batches(tx.each(_ALL_PAST)):
            states = [(seq_to, ended_as, State(*columns)) for seq_to, ended_as, *columns in batch]
            digest += self._context.rows.ended((state.mac, seq_to, end) for seq_to, end, state in states)
            for seq_to, ended_as, state in states:
                self._check(seq_to, ended_as, state)
        return digest

    def _check(self, seq_to: int, ended_as: int, state: State) -> None:
        self.count += 1
        self.highest = max(self.highest, state.node)
        _check_state(self._context, state, self._findings, self._contents)
        node, last_end = self._last
        began = self._live_from.get(state.node)
        if (
            not state.seq_from < seq_to <= self._row.seq
            or (node == state.node and state.seq_from < last_end)
            or (began is not None and began < seq_to)
        ):
            self._findings.add("row", f"two states of node {state.node} hold at the same time, near {seq_to}")
        if ended_as not in tuple(EndedAs):
            self._findings.add("row", f"a state of node {state.node} ended in an unknown way")
        self._last = (state.node, seq_to)


def _check_state(context: SpaceContext, state: State, findings: Findings, contents: dict[bytes, int]) -> None:
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
    if state.content is not None:
        known = contents.setdefault(state.content, state.size)
        if known != state.size:
            findings.add_content("row", f"node {state.node}: its size is not its content's", state.content)


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
