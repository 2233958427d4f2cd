#!/usr/bin/env python3
"""A catalog of a million live nodes and two million closed states, and how long a client then waits.

    python bench/million.py [--nodes 1000000] [--versions 2] [--keep DIR] [--json FILE]

The tree: one folder of 100,000 files, one of 10,000, the rest in folders of 1,000; each file has had two versions
before. Rows are real ones (sealed names, codes, digest), so that `manage_storage.py verify` finds nothing wrong with
them. Timed are whole commands through `sfos.server.spaces.space.Space`, and for listings also the rows alone, which is
what the figures of the design are about. Each figure is the median of its runs; deletions and overwrites run once each
time.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cryptography.fernet import Fernet
from sqlalchemy import func, insert, select

from sfos.protocol import (
    ROOT_NODE,
    ChunkRecord,
    CommitItem,
    Cursor,
    DeleteItem,
    Ref,
    Target,
    chunk_id,
    encode_array,
    unpack_entries,
    unpack_names,
)
from sfos.server.catalog.schema import chunks, commits, nodes, past, spaces
from sfos.server.catalog.space_row import read_space_row
from sfos.server.catalog.states import LookBack, State, StateKind, entries_page, mac_of
from sfos.server.commands.files import pack_name_page, pack_page
from sfos.server.maintenance.verify import verify_space
from sfos.server.spaces.operations.context import Caller, SpaceContext, StoreLimits
from sfos.server.spaces.registry import SpaceRegistry
from sfos.server.spaces.space import IdempotencyKey, Space
from sfos.server.vault.master import MasterKey
from sfos.server.vault.rows import Digest

SPACE_ID = "0123456789abcdef" * 2
BIG_FOLDER, OVERWRITTEN, ORDINARY = 100_000, 10_000, 1_000
NODES_IN_COMMIT = 1_000
BATCH = 50_000
ME = Caller("bench")
FILE_BYTES = 4_096


@dataclass(frozen=True)
class Figure:
    """One line of the result. `design_s`: the design's figure, None where it has none; the target is twice that.

    `floor_s`: what the same rows cost through the sqlite3 module alone, on this machine in this run. Where a machine is
    slower than the one that the design was measured on, it shows whether that is the machine or the program.
    """

    what: str
    measured_s: float
    design_s: float | None = None
    note: str = ""
    floor_s: float | None = None

    def reached(self, slower: float) -> bool:
        """Whether it is within twice the design's figure on a machine that is `slower` times slower."""
        return self.design_s is None or self.measured_s <= 2 * self.design_s * slower


def tree(count: int) -> Iterator[tuple[int, str, StateKind]]:
    """(Parent, name, kind) of `count` nodes below the root, in the order of their ids, which begin with 2."""
    made = 0
    sizes = iter([BIG_FOLDER, OVERWRITTEN])
    while made < count:
        size = next(sizes, ORDINARY)
        folder = ROOT_NODE + 1 + made
        yield ROOT_NODE, f"folder {made}", StateKind.FOLDER
        made += 1
        for number in range(min(size, count - made)):
            yield folder, f"file {number:06}.txt", StateKind.FILE
            made += 1


class Filler:
    """Writes the rows of a history in which each node got a new version `versions` times."""

    def __init__(self, context: SpaceContext, versions: int) -> None:
        self._context = context
        self._versions = versions
        self._digest = Digest()
        self._seq = 0
        self.content = chunk_id(context.keys.chunk_id, b"x" * FILE_BYTES)

    def fill(self, count: int) -> None:
        """All nodes, then all versions: round after round of commits of a thousand nodes each."""
        per_round = -(-count // NODES_IN_COMMIT)
        files = 0
        for index, batch in enumerate(_batches(enumerate(tree(count), ROOT_NODE + 1), BATCH)):
            live: list[dict[str, object]] = []
            closed: list[dict[str, object]] = []
            for node, (parent, name, kind) in batch:
                files += kind == StateKind.FILE
                first = 1 + (node - ROOT_NODE - 1) // NODES_IN_COMMIT
                begins = [first + round_ * per_round for round_ in range(self._versions + 1)]
                if kind == StateKind.FOLDER:
                    begins = begins[:1]
                states = [self._state(node, parent, name, kind, seq) for seq in begins]
                live.append(self._row(states[-1]))
                closed += [self._row(old) | {"seq_to": new.seq_from, "ended_as": 1} for old, new in pairwise(states)]
                self._digest += self._context.rows.live([states[-1].mac])
                self._digest += self._context.rows.ended((old.mac, new.seq_from, 1) for old, new in pairwise(states))
            with self._context.catalog.core() as connection:
                connection.execute(insert(nodes), live)
                if closed:
                    connection.execute(insert(past), closed)
            print(f"\r{(index + 1) * BATCH:,} nodes", end="", file=sys.stderr)
        print(file=sys.stderr)
        self._finish(count, files, per_round * (self._versions + 1))

    def _state(self, node: int, parent: int, name: str, kind: StateKind, seq: int) -> State:
        names = self._context.names
        content = self.content if kind == StateKind.FILE else None
        state = State(
            node=node,
            parent=parent,
            name_key=names.key(parent, name),
            seq_from=seq,
            kind=int(kind),
            name=names.seal_name(parent, name),
            size=FILE_BYTES if content else 0,
            mtime_ns=seq * 1_000_000_000,
            attrs=None,
            content=content,
            mac=b"",
        )
        return state._replace(mac=mac_of(self._context.rows, state))

    def _row(self, state: State) -> dict[str, object]:
        return {"space": self._context.catalog.space, **state._asdict()}

    def _finish(self, count: int, files: int, seqs: int) -> None:
        context = self._context
        space = context.catalog.space
        op_ids = [os.urandom(16) for _ in range(seqs)]
        made = [
            {"space": space, "seq": seq, "time_ms": seq, "actor": "bench", "op_id": op_id, "reply": None}
            for seq, op_id in enumerate(op_ids, 1)
        ]
        digest = self._digest + context.rows.commits(
            context.rows.commit_code(seq, seq, "bench", op_id) for seq, op_id in enumerate(op_ids, 1)
        )
        with context.catalog.read() as tx:
            row = read_space_row(tx)
        digest += context.rows.open_digest(row.digest, row.epoch, 0)
        with context.catalog.core() as connection:
            connection.execute(insert(commits), made)
            # Only moved out of its pending state by a commit; here the rows were written around them.
            connection.execute(chunks.update().values(pending_since=None, pending_by=None))
            connection.execute(
                spaces.update().values(
                    seq=seqs,
                    next_node=ROOT_NODE + 1 + count,
                    files_current=files,
                    entries_current=select(func.count()).select_from(nodes).scalar_subquery() - 1,  # but the root
                    bytes_current=files * FILE_BYTES,
                    digest=context.rows.seal_digest(digest, row.epoch, seqs),
                )
            )


T = TypeVar("T")


def _batches(rows: Iterator[T], size: int) -> Iterator[list[T]]:
    while batch := list(islice(rows, size)):
        yield batch


def seconds(work: Callable[[], object], runs: int = 1) -> float:
    """The median time of `work`."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def list_whole(space: Space, node: int) -> int:
    """List a folder page by page; how many entries it has."""
    found, cursor = 0, None
    while True:
        page = space.list_entries([Ref(node=node)], limit=5_000, cursor=cursor)
        reply, body = pack_page(page)
        found += sum(len(run.entries()) for run in unpack_entries(reply, memoryview(body)))
        cursor = page.next
        if cursor is None:
            return found


def list_names(space: Space, node: int) -> int:
    """List the names of a folder page by page, as `ls` asks for them; how many there are."""
    found, cursor = 0, None
    while True:
        page = space.list_names([Ref(node=node)], limit=5_000, cursor=cursor)
        reply, body = pack_name_page(page)
        found += sum(len(run.names) for run in unpack_names(reply, memoryview(body)))
        cursor = page.next
        if cursor is None:
            return found


def changes(space: Space, since: Cursor, limit: int = 1_000) -> bytes:
    """A page of changes, as it is sent."""
    return encode_array(space.changes(since, limit).changes)


def overwrite(space: Space, record: ChunkRecord, count: int) -> None:
    """Commit `count` files anew, 5,000 at a time."""
    parent = ROOT_NODE + 1 + BIG_FOLDER + 1
    for first in range(0, count, 5_000):
        items = [
            CommitItem(
                target=Target(parent=parent, name=f"file {number:06}.txt"),
                size=record.length,
                mtime_ns=time.time_ns(),
                content=record.chunk_id,
                chunks=1,
            )
            for number in range(first, min(first + 5_000, count))
        ]
        done = space.put_items(ME, IdempotencyKey(os.urandom(16)), items, [record] * len(items))
        errors = [result.error for result in done.results if result.error is not None]
        assert not errors, errors[0]


class Floor:
    """Time that SQLite itself takes for the rows of a folder: one connection, no program around it."""

    _COLUMNS = ", ".join(State._fields)

    def __init__(self, context: SpaceContext, folder: int) -> None:
        self._path = context.catalog.path
        self._where = (context.catalog.space, folder)

    def page(self, limit: int, runs: int) -> float:
        """Fetching rows as tuples."""
        sql = f"SELECT {self._COLUMNS} FROM nodes WHERE space = ? AND parent = ? ORDER BY name_key LIMIT {limit}"
        with closing(sqlite3.connect(self._path)) as connection:
            return seconds(lambda: connection.execute(sql, self._where).fetchall(), runs)

    def deletion(self) -> float:
        """Moving the rows to `past`, taken back again."""
        columns = ", ".join(column.name for column in past.columns)
        values = columns.replace("seq_to", "999999999").replace("ended_as", "4")
        with closing(sqlite3.connect(self._path, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            start = time.perf_counter()
            from_nodes = "FROM nodes WHERE space = ? AND parent = ?"
            connection.execute(f"INSERT INTO past ({columns}) SELECT {values} {from_nodes}", self._where)
            connection.execute(f"DELETE {from_nodes}", self._where)
            took_s = time.perf_counter() - start
            connection.execute("ROLLBACK")
        return took_s


def measure(space: Space, context: SpaceContext, record: ChunkRecord) -> list[Figure]:
    """All figures, in an order in which none spoils the next."""
    big, overwritten = ROOT_NODE + 1, ROOT_NODE + 1 + BIG_FOLDER + 1

    def rows_of(limit: int) -> int:
        with context.catalog.read() as tx:
            now = read_space_row(tx).seq
            return len(entries_page(tx, big, after=bytes(16), limit=limit, then=LookBack(now, now)))

    def page_of_1000() -> object:
        return pack_page(space.list_entries([Ref(node=big)], limit=1_000))

    floor = Floor(context, big)
    figures = [
        Figure(
            "page of 1,000, rows alone", seconds(lambda: rows_of(1_000), 51), 0.00055, floor_s=floor.page(1_000, 51)
        ),
        Figure(
            "page of 1,000, whole command",
            seconds(page_of_1000, 51),
            None,
            "names opened, columns",
        ),
        Figure(
            "folder of 100,000, rows alone",
            seconds(lambda: rows_of(BIG_FOLDER), 5),
            0.08,
            floor_s=floor.page(BIG_FOLDER, 5),
        ),
        Figure("folder of 100,000, whole command", seconds(lambda: list_whole(space, big), 5), None, "20 pages"),
        Figure("folder of 100,000, names alone", seconds(lambda: list_names(space, big), 5), None, "20 pages"),
        Figure("stat by path", seconds(lambda: space.stat(Ref(path="/folder 0/file 000007.txt")), 501)),
    ]
    before = space.cursor()
    figures.append(
        Figure(
            "overwriting 10,000 files, 2 commits",
            seconds(lambda: overwrite(space, record, OVERWRITTEN), 3),
            0.34,
            "a single table took 8-40 s; 0.34 s is 10,000 new rows with blobs",
        )
    )
    since = space.cursor()
    figures.append(Figure("changes, nothing new", seconds(lambda: changes(space, since), 501)))
    overwrite(space, record, 1)
    figures.append(Figure("changes since the last commit", seconds(lambda: changes(space, since), 501)))
    figures.append(Figure("changes, page of 1,000 of 10,000", seconds(lambda: changes(space, before, 1_000), 21)))
    key = IdempotencyKey(os.urandom(16))
    delete_floor_s = floor.deletion()
    deletion = seconds(lambda: space.delete(ME, key, [DeleteItem(ref=Ref(node=big))]))
    figures.append(Figure("deleting a folder of 100,000", deletion, 0.84, floor_s=delete_floor_s))
    figures.append(Figure("changes since that deletion", seconds(lambda: changes(space, since), 101)))
    figures.append(Figure("folder of 10,000 after that", seconds(lambda: list_whole(space, overwritten), 5)))
    return figures


def slowness(figures: list[Figure]) -> float:
    """How many times slower this machine is now than the design's, judged by SQLite alone; at least 1."""
    page = next((figure for figure in figures if figure.design_s and figure.floor_s), None)
    return 1.0 if page is None else max(1.0, (page.floor_s or 0) / (page.design_s or 1))


def report(figures: list[Figure]) -> str:
    """The table that people read."""
    slower = slowness(figures)
    lines = [f"{'':36} {'measured':>12} {'sqlite3':>12} {'design':>10}"]
    for figure in figures:
        design = "-" if figure.design_s is None else f"{figure.design_s * 1_000:,.2f} ms"
        floor = "-" if figure.floor_s is None else f"{figure.floor_s * 1_000:,.2f} ms"
        verdict = "" if figure.design_s is None else ("  within twice" if figure.reached(slower) else "  MISSED")
        measured = f"{figure.measured_s * 1_000:,.2f} ms"
        lines.append(f"{figure.what:36} {measured:>12} {floor:>12} {design:>10}{verdict}  {figure.note}")
    lines.append(f"SQLite alone needs {slower:.1f} times the design's time for a page here and now; judged with that.")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=1_000_000)
    parser.add_argument("--versions", type=int, default=2, help="closed states of each file")
    parser.add_argument("--keep", type=Path, help="make the store there and keep it (or use the one that is there)")
    parser.add_argument("--make-only", action="store_true", help="make the store (see --keep) and measure nothing")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--verify", action="store_true", help="look for damage afterwards")
    options = parser.parse_args()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)  # as ssl_server.py has it: what is timed is the server's work
    figures: list[Figure] = []
    home = options.keep or Path(tempfile.mkdtemp(prefix="sfos-million-"))
    home.mkdir(parents=True, exist_ok=True)
    key_file = home / "master.key"
    if not key_file.exists():
        key_file.write_bytes(Fernet.generate_key())
    try:
        registry = SpaceRegistry(
            home / "storage",
            home / "temp",
            MasterKey.parse(key_file.read_text()),
            limits=StoreLimits(free_floor_bytes=0),
        )
        with closing(registry), registry.lease(SPACE_ID) as space, registry.inspect(SPACE_ID) as context:
            data = b"x" * FILE_BYTES
            record = ChunkRecord(chunk_id(space.info().chunk_key, data), len(data))
            if space.usage(ME).files_current == 0:
                upload(space, record, data)
                start = time.perf_counter()
                Filler(context, options.versions).fill(options.nodes)
                print(
                    f"made in {time.perf_counter() - start:.0f} s,"
                    f" {context.catalog.path.stat().st_size / 2**20:,.0f} MiB"
                )
            figures = [] if options.make_only else measure(space, context, record)
            print(report(figures))
            if options.verify:
                start = time.perf_counter()
                found = verify_space(context, full=False)
                print(
                    f"verify: {found.findings or 'clean'}, {found.states:,} states, {time.perf_counter() - start:.1f} s"
                )
        if options.json:
            options.json.write_text(json.dumps([asdict(figure) for figure in figures], indent=2))
    finally:
        if options.keep is None:
            shutil.rmtree(home)
    return 0 if all(figure.reached(slowness(figures)) for figure in figures) else 1


def upload(space: Space, record: ChunkRecord, data: bytes) -> None:
    """Store the one chunk that all files consist of."""
    space.put_chunks(ME, [record], memoryview(data))


if __name__ == "__main__":
    sys.exit(main())
