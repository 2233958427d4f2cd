"""Statistics of a space."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, func, select

from sfos.server.catalog.schema import chunks, commits, contents, nodes, past
from sfos.server.catalog.space_row import read_space_row
from sfos.server.catalog.statement import Statement
from sfos.server.spaces.operations.context import SpaceContext

_COUNT_BY_KIND = Statement(
    select(func.count(nodes.c.node)).where(nodes.c.space == bindparam("space"), nodes.c.kind == bindparam("kind"))
)
_PAST = Statement(select(func.count()).select_from(past).where(past.c.space == bindparam("space")))
_COMMITS = Statement(select(func.count()).select_from(commits).where(commits.c.space == bindparam("space")))
_LISTS = Statement(select(func.count()).select_from(contents).where(contents.c.space == bindparam("space")))
_CHUNKS = Statement(
    select(func.count(), func.coalesce(func.sum(chunks.c.length), 0), func.count(chunks.c.pending_since)).where(
        chunks.c.space == bindparam("space")
    )
)


@dataclass(frozen=True, slots=True)
class SpaceStats:
    """Counts of one space. `bytes_plain`: of all chunks before sealing; `bytes_stored`: after it; `bytes_rows`: of all
    rows. The last two together are what a quota counts."""

    space: str
    files: int
    folders: int
    symlinks: int
    past_states: int
    commits: int
    lists: int
    chunks: int
    pending_chunks: int
    bytes_current: int
    bytes_plain: int
    bytes_stored: int
    bytes_rows: int


def space_stats(context: SpaceContext) -> SpaceStats:
    """Count everything. Reads whole tables. Raises: SfosError."""
    with context.catalog.read() as tx:
        row = read_space_row(tx)

        def count(statement: Statement, **parameters: object) -> int:
            (found,) = tx.one(statement, **parameters) or (0,)
            return int(found)

        files, folders, symlinks = (count(_COUNT_BY_KIND, kind=kind) for kind in (1, 2, 3))
        stored, plain, pending = tx.one(_CHUNKS) or (0, 0, 0)
        return SpaceStats(
            space=context.space_id,
            files=files,
            folders=folders,
            symlinks=symlinks,
            past_states=count(_PAST),
            commits=count(_COMMITS),
            lists=count(_LISTS),
            chunks=int(stored),
            pending_chunks=int(pending),
            bytes_current=row.bytes_current,
            bytes_plain=int(plain),
            bytes_stored=row.bytes_stored,
            bytes_rows=row.bytes_rows,
        )
