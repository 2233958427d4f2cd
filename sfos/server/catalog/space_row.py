"""The one row of `spaces`: how far the history goes, and the sums that each commit carries on."""

from __future__ import annotations

import logging
from typing import NamedTuple

from sqlalchemy import ScalarSelect, Table, bindparam, case, func, select, update

from sfos.server.catalog.engine import Transaction
from sfos.server.catalog.schema import commits, nodes, past, spaces
from sfos.server.catalog.statement import Statement
from sfos.server.catalog.weights import ALL_ROWS_BYTES
from sfos.server.disk.storage_faults import CatalogUnreadable

_log = logging.getLogger(__name__)


class SpaceRow(NamedTuple):
    """`horizon`: the oldest commit from which `changes` can still start. `digest`: sealed (server.vault.rows).

    `bytes_stored`: of sealed chunks. `bytes_rows`: of all rows but this one (weights).

    `entries_current`: files, folders and links, without the root. `store_mark`: the highest mark
    of the chunk store that the catalog has ever registered (ChunkStore.mark_of); it may lag behind, and never leads.
    """

    epoch: bytes
    seq: int
    horizon: int
    next_node: int
    bytes_current: int
    files_current: int
    bytes_stored: int
    bytes_rows: int
    entries_current: int
    store_mark: int
    digest: bytes

    @property
    def bytes_kept(self) -> int:
        """All that the space makes the server keep, as quotas count it."""
        return self.bytes_stored + self.bytes_rows


_columns = tuple(spaces.c[name] for name in SpaceRow._fields)
_READ = Statement(select(*_columns).where(spaces.c.space == bindparam("space")))
# Not a sequence: sequences hand out numbers in another order than transactions commit, and events would get lost.
_BEGIN_COMMIT = Statement(
    update(spaces).where(spaces.c.space == bindparam("space")).values(seq=spaces.c.seq + 1).returning(*_columns)
)


_BEYOND_NODES = 2**62
_FEW_ROWS_BYTES = 16 * 2**20  # some 50,000 rows, which are read in 20 ms


def _highest_from_next(table: Table) -> ScalarSelect[int]:
    """The highest node in `table` among those that were not given out yet, says the row: NULL, unless it is wrong."""
    return (
        select(func.max(table.c.node))
        .where(
            table.c.space == bindparam("space"),
            table.c.node >= bindparam("next_node"),
            # A number beyond all that are given out, or no number at all, is damage of that one row.
            table.c.node < _BEYOND_NODES,
        )
        .scalar_subquery()
    )


_CARRIED_ON = ("next_node", "bytes_current", "files_current", "entries_current", "digest")
_IN_USE_ALREADY = Statement(select(_highest_from_next(nodes), _highest_from_next(past)))
_END_COMMIT = Statement(
    update(spaces)
    .where(spaces.c.space == bindparam("space"))
    .values(
        bytes_rows=spaces.c.bytes_rows + bindparam("rows"),
        **{name: bindparam(f"new_{name}") for name in _CARRIED_ON},
    )
)
_ADD_STORED = Statement(
    update(spaces)
    .where(spaces.c.space == bindparam("space"))
    .values(
        bytes_stored=spaces.c.bytes_stored + bindparam("more"),
        bytes_rows=spaces.c.bytes_rows + bindparam("rows"),
        store_mark=case((spaces.c.store_mark < bindparam("mark"), bindparam("mark")), else_=spaces.c.store_mark),
    )
)
_SET_STORE_MARK = Statement(update(spaces).where(spaces.c.space == bindparam("space")), columns=["store_mark"])
_MISCOUNTED = Statement(select(ALL_ROWS_BYTES - spaces.c.bytes_rows).where(spaces.c.space == bindparam("space")))
_COMMIT_TIME = Statement(
    select(commits.c.time_ms).where(commits.c.space == bindparam("space"), commits.c.seq == bindparam("seq"))
)


def read_space_row(tx: Transaction) -> SpaceRow:
    """The row as this transaction sees it. Raises: CatalogUnreadable."""
    row = tx.one(_READ)
    if row is None:
        raise CatalogUnreadable(f"it is not the catalog of space {tx.space.hex()}")
    return SpaceRow(*row)


def begin_commit(tx: Transaction) -> SpaceRow:
    """Take the next sequence number; the row with it. Raises: CatalogUnreadable.

    A `next_node` that damage has lowered is raised above every node that there is or was: no id comes twice.
    """
    found = tx.one(_BEGIN_COMMIT)
    if found is None:
        raise CatalogUnreadable(f"it is not the catalog of space {tx.space.hex()}")
    row = SpaceRow(*found)
    in_use = [node for node in tx.one(_IN_USE_ALREADY, next_node=row.next_node) or () if node is not None]
    if not in_use:
        return row
    healed = row._replace(next_node=max(in_use) + 1)
    _log.error(
        "space %s: damaged data: the next node's id, %d, is in use already; going on with %d",
        tx.space.hex(),
        row.next_node,
        healed.next_node,
    )
    return healed


def end_commit(tx: Transaction, row: SpaceRow, rows_bytes: int) -> None:
    """Write back what the commit has changed. `rows_bytes`: how much more its rows take than what it took away."""
    tx.run(
        _END_COMMIT,
        rows=rows_bytes,
        new_next_node=row.next_node,
        new_bytes_current=row.bytes_current,
        new_files_current=row.files_current,
        new_entries_current=row.entries_current,
        new_digest=row.digest,
    )


def add_stored_bytes(tx: Transaction, more: int, mark: int = 0, *, rows: int = 0) -> None:
    """Count sealed bytes that came (or went, if negative), and `rows`: bytes of rows that did.

    `mark`: the chunk store's for those that came; it must have got as far from now on.
    """
    if more or mark or rows:
        tx.run(_ADD_STORED, more=more, mark=mark, rows=rows)


def miscounted_rows(tx: Transaction) -> int:
    """How many bytes more all rows take than are counted: 0, unless some were lost or changed. Reads whole tables."""
    row = tx.one(_MISCOUNTED)
    return 0 if row is None else int(row[0])


def mend_rows_bytes(tx: Transaction) -> None:
    """Mend the sum of rows after some that were lost have come back, if they are few: else garbage collection does."""
    if read_space_row(tx).bytes_rows <= _FEW_ROWS_BYTES:
        add_stored_bytes(tx, 0, rows=miscounted_rows(tx))


def set_store_mark(tx: Transaction, mark: int) -> None:
    """Take the chunk store as it is now, at `mark`, for the right one."""
    tx.run(_SET_STORE_MARK, store_mark=mark)


def commit_time_ms(tx: Transaction, seq: int) -> int:
    """Time of that commit, milliseconds since 1970; 0 if there is none."""
    (time_ms,) = tx.one(_COMMIT_TIME, seq=seq) or (0,)
    return int(time_ms)
