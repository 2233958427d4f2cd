"""Query plans: at a million rows a scan of `nodes` or `past` is seconds, so none may creep into what clients ask.

Small tables would hide a bad plan, and so would running the queries: the plans themselves are looked at, each through
the very statement that the program runs.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator

import pytest

from sfos.server import catalog, maintenance
from sfos.server.catalog.statement import InStatement, Statement
from sfos.server.spaces import operations
from sfos.server.spaces.operations.context import SpaceContext

# Those that read a whole table on purpose: work that no client waits for, and the walk up or down a tree.
WHOLE_TABLES = {
    "sfos.server.maintenance.gc._UNUSED_LISTS",
    "sfos.server.maintenance.gc._UNUSED_CHUNKS",
    "sfos.server.maintenance.gc._FORGET_REPLIES",
    "sfos.server.maintenance.gc._REPLIES_BYTES",
    "sfos.server.catalog.space_row._MISCOUNTED",  # of a request only where it mends what was damaged
    "sfos.server.maintenance.findings._LIVE_WITH",
    "sfos.server.maintenance.findings._PAST_WITH",
    "sfos.server.maintenance.stats._COUNT_BY_KIND",
    "sfos.server.maintenance.stats._PAST",
    "sfos.server.maintenance.stats._COMMITS",
    "sfos.server.maintenance.stats._LISTS",
    "sfos.server.maintenance.stats._CHUNKS",
    "sfos.server.catalog.chunk_rows.ALL_CHUNKS",
    *(f"sfos.server.catalog.wrong_values._ROWS_WITH_ANY[{number}]" for number in range(7)),
    "sfos.server.maintenance.restore.ALL_CHUNKS",
    "sfos.server.maintenance.expire._HOW_MANY",
    "sfos.server.maintenance.findings._REFERENCES",
    "sfos.server.maintenance.gc._HOW_MANY",
    "sfos.server.maintenance.gc._HOW_MANY_OVERDUE",
    "sfos.server.maintenance.verify_contents._LENGTHS",
    "sfos.server.maintenance.verify_contents._LISTS",
    "sfos.server.maintenance.verify_contents._SIZES",
    "sfos.server.maintenance.verify_rows._IN_NO_FOLDER",
    "sfos.server.maintenance.verify_rows._NOT_BELOW_ROOT",
    "sfos.server.maintenance.verify_rows._PAST_COUNT",
    "sfos.server.maintenance.verify_stored._BY_LOCATION",
    "sfos.server.maintenance.verify_stored._HOW_MANY",
    "sfos.server.maintenance.verify_rows._ALL_COMMITS",
    "sfos.server.maintenance.verify_rows._ALL_LIVE",
    "sfos.server.maintenance.verify_rows._ALL_PAST",
}


# Those that read a stretch of an index, from somewhere on: how long it can be.
STRETCHES = {
    "sfos.server.catalog.states.LIVE_CHANGED": "a page",
    "sfos.server.spaces.operations.changes.LIVE_CHANGED": "a page",
    "sfos.server.spaces.operations.changes.ENDED[0]": "a page",
    "sfos.server.spaces.operations.changes.ENDED[1]": "a page",
    "sfos.server.catalog.space_row._IN_USE_ALREADY": "nothing: above all ids that were given out",
    "sfos.server.catalog.wanted._BETWEEN": "a run of ids that were asked for",
    "sfos.server.maintenance.expire._ENDED_UNTIL": "a batch",
    "sfos.server.maintenance.gc._OVERDUE": "a batch",
    "sfos.server.maintenance.gc._NEW_LIVE": "what began while the collection looked at the rest",
    "sfos.server.maintenance.gc._NEW_PAST": "what ended meanwhile",
}
# One value of them is in all entries of their indexes, which are made for them.
NO_CONSTRAINTS = ("space=?", "ended_as=?")


def all_statements() -> Iterator[tuple[str, Statement]]:
    for package in (catalog, maintenance, operations):
        for module_info in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            module = importlib.import_module(module_info.name)
            for name, value in vars(module).items():
                found = value if isinstance(value, tuple) else (value,)
                for number, one in enumerate(found):
                    label = f"{module_info.name}.{name}" + (f"[{number}]" if isinstance(value, tuple) else "")
                    if isinstance(one, Statement):
                        yield label, one
                    elif isinstance(one, InStatement):
                        yield from ((f"{label}#{size}", inner) for size, inner in one.statements.items())


STATEMENTS = dict(all_statements())


def plan_of(context: SpaceContext, statement: Statement) -> list[str]:
    with context.catalog.read() as tx:
        sql = statement.sql(context.catalog.engine.dialect)
        return [row[3] for row in tx.execute(f"EXPLAIN QUERY PLAN {sql}", *[None] * sql.count("?"))]


def reads_a_table(step: str) -> bool:
    """Whether a step of a plan reads a table from end to end, or an index of it.

    With the space alone an index is as good as none, for there is one space in a file; and so it is with a value that
    only has to be less or more than another: every row can be.
    """
    if step.startswith("SCAN"):
        return step not in ("SCAN up", "SCAN below", "SCAN wanted", "SCAN anon_1") and "CONSTANT ROW" not in step
    return step.startswith("SEARCH") and "spaces" not in step and not equalities(step)


def equalities(step: str) -> list[str]:
    return [one for one in re.findall(r"\w+=\?", step) if one not in NO_CONSTRAINTS]


def test_the_statements_are_found() -> None:
    assert len(STATEMENTS) > 50
    assert not (WHOLE_TABLES | STRETCHES.keys()) - STATEMENTS.keys()


@pytest.mark.parametrize("name", sorted(STATEMENTS.keys() - WHOLE_TABLES))
def test_no_statement_scans_a_table(context: SpaceContext, name: str) -> None:
    found = [step for step in plan_of(context, STATEMENTS[name]) if reads_a_table(step)]
    if name not in STRETCHES:
        assert not found
    elif "page" in STRETCHES[name] or "batch" in STRETCHES[name]:
        assert "LIMIT" in STATEMENTS[name].sql(context.catalog.engine.dialect)


@pytest.mark.parametrize("name", sorted(STRETCHES))
def test_a_stretch_is_no_table(context: SpaceContext, name: str) -> None:
    for step in plan_of(context, STATEMENTS[name]):
        assert not step.startswith("SCAN") or "CONSTANT ROW" in step
        assert not step.startswith("SEARCH") or re.search(r"[<>]|node=\?|id=\?", step), step


SORTED_BY_INDEX = [
    "sfos.server.catalog.states._ENTRIES_PAGE",
    "sfos.server.catalog.states._BRIEF_PAGE",
    "sfos.server.catalog.states._LISTED_PAGE",
    "sfos.server.catalog.states.LIVE_CHANGED",
    "sfos.server.spaces.operations.changes.ENDED[0]",
    "sfos.server.spaces.operations.changes.ENDED[1]",
]


@pytest.mark.parametrize("name", SORTED_BY_INDEX)
def test_pages_come_in_the_order_of_their_index_without_sorting(context: SpaceContext, name: str) -> None:
    assert not [step for step in plan_of(context, STATEMENTS[name]) if "TEMP B-TREE" in step]


def test_deletions_and_moves_are_found_by_their_own_small_indexes(context: SpaceContext) -> None:
    for number, index in enumerate(("past_deleted", "past_moved")):
        plan = plan_of(context, STATEMENTS[f"sfos.server.spaces.operations.changes.ENDED[{number}]"])
        assert any(index in step for step in plan), plan


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT node FROM nodes WHERE space = ?",
        "SELECT node FROM nodes WHERE space = ? AND size = ?",
        # Every row began before now: so a deletion read all of them for each of its folders.
        "SELECT node FROM nodes WHERE space = ? AND parent = ? AND seq_from < ? ORDER BY node",
        "DELETE FROM nodes WHERE space = ? AND seq_from < ?",
        "UPDATE chunks SET pending_since = ? WHERE space = ? AND id IN (?, ?) AND pending_since IS NOT NULL",
        "SELECT node FROM past WHERE space = ? AND ended_as = 2 AND seq_to > ?",
    ],
)
def test_a_scan_would_be_noticed(context: SpaceContext, sql: str) -> None:
    with context.catalog.read() as tx:
        plan = [row[3] for row in tx.execute(f"EXPLAIN QUERY PLAN {sql}", *[None] * sql.count("?"))]
    assert any(map(reads_a_table, plan)), plan
