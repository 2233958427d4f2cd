"""Query plans: at a million rows a scan of `nodes` or `past` is seconds, so none may creep into what clients ask.

Small tables would hide a bad plan, and so would running the queries: the plans themselves are looked at, each through
the very statement that the program runs.
"""

from __future__ import annotations

import importlib
import pkgutil
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
    "sfos.server.maintenance.findings._CONTENTS_WITH",
    "sfos.server.maintenance.stats._COUNT_BY_KIND",
    "sfos.server.maintenance.stats._PAST",
    "sfos.server.maintenance.stats._COMMITS",
    "sfos.server.maintenance.stats._LISTS",
    "sfos.server.maintenance.stats._CHUNKS",
    "sfos.server.catalog.chunk_rows.ALL_CHUNKS",
    *(f"sfos.server.catalog.wrong_values._ROWS_WITH_ANY[{number}]" for number in range(7)),
    "sfos.server.maintenance.restore.ALL_CHUNKS",
    "sfos.server.maintenance.verify.ALL_CHUNKS",
    "sfos.server.maintenance.verify_contents._ALL_LENGTHS",
    "sfos.server.maintenance.verify_contents._ALL_LISTS",
    "sfos.server.maintenance.verify_contents._ALL_REFERENCES",
    "sfos.server.maintenance.verify_rows._ALL_COMMITS",
    "sfos.server.maintenance.verify_rows._ALL_LIVE",
    "sfos.server.maintenance.verify_rows._ALL_PAST",
}


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


def test_the_statements_are_found() -> None:
    assert len(STATEMENTS) > 50
    assert not WHOLE_TABLES - STATEMENTS.keys()


@pytest.mark.parametrize("name", sorted(STATEMENTS.keys() - WHOLE_TABLES))
def test_no_statement_scans_a_table(context: SpaceContext, name: str) -> None:
    for step in plan_of(context, STATEMENTS[name]):
        allowed = step in ("SCAN up", "SCAN below", "SCAN wanted") or "CONSTANT ROW" in step
        assert not step.startswith("SCAN") or allowed, step
        if step.startswith("SEARCH") and " up" not in step:
            # With the space alone an index is as good as none: there is one space in a file.
            assert step.count("=?") + step.count(">") + step.count("<") >= 2 or "spaces" in step, step


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


def test_a_scan_would_be_noticed(context: SpaceContext) -> None:
    whole = STATEMENTS["sfos.server.maintenance.verify_rows._ALL_LIVE"]
    assert any("SEARCH nodes USING PRIMARY KEY (space=?)" in step for step in plan_of(context, whole))
