"""A catalog in which someone changed one value to another, in any column of any row, or took a row out."""

from __future__ import annotations

import random
import sqlite3
import traceback
from collections.abc import Sequence
from contextlib import closing

from sfos.protocol import SfosError
from sfos.server.maintenance.verify import verify_space
from sfos.server.spaces.operations.context import SpaceContext
from tests.storage.after_crash import start_over
from tests.storage.crashing import SPACE_ID, open_registry, work
from tests.storage.desk import Desk
from tests.torture.scenario import Context, Figures, Scenario

TABLES = ("spaces", "commits", "nodes", "past", "contents", "content_chunks", "chunks")
# What no verification looks at, for it says nothing about anybody's files.
UNSEEN = {
    ("spaces", "horizon"): "how far back clients may ask",
    ("spaces", "small_mark"): "from where on small chunks are looked through",
    (
        "spaces",
        "next_node",
    ): "a higher one wastes numbers; a lower one is raised (tests/storage/test_healing.py)",
    ("spaces", "schema_version"): "seen when the space is opened",
    ("spaces", "unidata_version"): "seen when the space is opened",
    ("commits", "reply"): "sealed; who repeats a request finds it damaged",
    ("chunks", "offset"): "a mark that the chunk is hurt: it is asked for again",
    ("chunks", "pending_since"): "when an upload may be collected",
    ("chunks", "pending_by"): "who may finish an upload",
}
Value = int | float | bytes | str | None


def run(context: Context) -> Figures:
    """One value after another; each is put back before the next."""
    home = context.workplace / "home"
    start_over(home)
    work(home, lambda _: None)
    path = home / "server_storage" / SPACE_ID / "catalog.db"
    with (
        closing(open_registry(home)) as registry,
        registry.lease(SPACE_ID) as space,
        registry.inspect(SPACE_ID) as inner,
        closing(sqlite3.connect(path, isolation_level=None)) as rows,
    ):
        desk = Desk(space)
        tree = desk.tree()
        for table in TABLES:
            rows.execute(f"CREATE TEMP TABLE sound_{table} AS SELECT * FROM main.{table}")
        while context.going():
            _one_round(context, inner, desk, tree, rows)
    return context.figures()


def _one_round(
    context: Context, inner: SpaceContext, desk: Desk, tree: dict[str, bytes | None], rows: sqlite3.Connection
) -> None:
    dice = context.random
    table = dice.choice(TABLES)
    columns = [str(column[1]) for column in rows.execute(f"PRAGMA main.table_info({table})")]
    row: Sequence[Value] = dice.choice(rows.execute(f"SELECT * FROM sound_{table}").fetchall())
    at = dice.randrange(len(columns) + 1)
    column = columns[at] if at < len(columns) else "row taken out"
    new = [*row[:at], _changed(row[at], dice), *row[at + 1 :]] if at < len(columns) else None
    if (table, column) in UNSEEN or not _replace(rows, table, columns, row, new):
        return
    what = f"{table}.{column}" + (f" made {new[at]!r} of {row[at]!r}" if new else "")
    context.count("damaged rows")
    try:
        if verify_space(inner, full=True).findings:
            context.count("found by verify")
        else:
            context.broken(f"verify finds nothing wrong with {what}")
        for path in _wrong(desk, tree):
            context.broken(f"{what}: {path} reads back as something else")
    except Exception as error:  # whatever escapes from a damaged catalog is a finding
        context.broken(f"{what}: {error!r} got out\n{traceback.format_exc(limit=-5)}")
    finally:
        _put_back(rows)


def _changed(value: Value, dice: random.Random) -> Value:
    """Another value: a near one, any of the same kind, or one of another kind."""
    if dice.randrange(8) == 0:
        return dice.choice(("abc", 1.5, b"\x01\x02", dice.randrange(100)))
    near = dice.randrange(8) > 0
    if isinstance(value, int):
        return value + dice.choice((-1, 1, 100)) if near else dice.randrange(-(2**63), 2**63)
    if isinstance(value, str) and value:
        return value[:-1] + ("x" if value[-1] != "x" else "y") if near else f"{dice.random()}"
    if isinstance(value, bytes) and value and near:
        at = dice.randrange(len(value))
        return value[:at] + bytes([value[at] ^ 1 << dice.randrange(8)]) + value[at + 1 :]
    return dice.randbytes(dice.randrange(1, 50))  # what may be missing is bytes too


def _replace(
    rows: sqlite3.Connection, table: str, columns: list[str], row: Sequence[Value], new: Sequence[Value] | None
) -> bool:
    """Put `new` in the place of `row`; False if the table cannot hold it, or if it is what was there."""
    if new is not None and list(new) == list(row):
        return False
    rows.execute("BEGIN IMMEDIATE")
    try:
        rows.execute(f"DELETE FROM main.{table} WHERE " + " AND ".join(f"{name} IS ?" for name in columns), row)
        if new is not None:
            rows.execute(f"INSERT INTO main.{table} VALUES ({', '.join('?' * len(new))})", new)
    except sqlite3.IntegrityError:
        rows.execute("ROLLBACK")
        return False
    rows.execute("COMMIT")
    return True


def _put_back(rows: sqlite3.Connection) -> None:
    """Everything as it was; verification may have marked chunks as hurt."""
    rows.execute("BEGIN IMMEDIATE")
    for table in TABLES:
        rows.execute(f"DELETE FROM main.{table}")
        rows.execute(f"INSERT INTO main.{table} SELECT * FROM sound_{table}")
    rows.execute("COMMIT")


def _wrong(desk: Desk, tree: dict[str, bytes | None]) -> list[str]:
    """The files that are given out with other bytes. Those that are refused, or not found, are not."""
    wrong = []
    for path, content in tree.items():
        if content is None:
            continue
        try:
            if desk.read(path) != content:
                wrong.append(path)
        except SfosError:  # NotFound is one
            continue
    return wrong


SCENARIO = Scenario(
    name="damaged-rows",
    promise="A catalog with a changed value, or without a row, gives out no wrong byte, and verify says so.",
    figure="2,000 damaged rows, every one detected",
    goal={"damaged rows": 2_000},
    run=run,
)
