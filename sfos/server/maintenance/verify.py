"""Looks for damage in a space: everything that the rows say is compared with everything else.

One snapshot of the catalog is read (no writer waits for it), then the chunk store's listing; with `full`, every chunk
is opened and its id computed anew. All of it is read in some order and side by side, so that a space of any size takes
some MiB of memory. What is found names the files that are hurt, as far as their names can be read.
Chunks that are damaged or gone are marked in the catalog, so that whoever uploads their data again mends them.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field

from sfos.protocol import SfosError
from sfos.server.catalog.engine import Transaction
from sfos.server.catalog.head import Head, read_head
from sfos.server.catalog.space_row import SpaceRow, miscounted_rows, read_space_row
from sfos.server.catalog.wrong_values import wrong_values
from sfos.server.disk.refusals import refusal, told
from sfos.server.disk.sqlite import DatabaseError, is_passing_code
from sfos.server.disk.storage_faults import StorageFault, TokenDamaged
from sfos.server.maintenance.findings import Finding, Findings
from sfos.server.maintenance.progress import Progress, silent
from sfos.server.maintenance.verify_contents import check_contents
from sfos.server.maintenance.verify_rows import check_rows
from sfos.server.maintenance.verify_stored import check_stored, check_tokens
from sfos.server.spaces.operations.context import SpaceContext

# The last five: SQLite keeps any number, text or bytes in any column, if someone puts them there.
_STOPPED_BY = (
    *(StorageFault, SfosError, DatabaseError, OSError),
    *(struct.error, OverflowError, ValueError, TypeError, AttributeError),
)
# What the check of SQLite's pages says of one that it could not read.
_UNREAD_PAGE = re.compile(r"unable to get the page\. error code=([0-9]+)")


@dataclass(slots=True)
class Verified:
    """Result of a verification, and how much it looked at.

    `orphans`: files without a row, which gc will remove. `newer`: those of them newer than all that the catalog knows.
    `packed`: chunks and lists that a newer version of this program has packed; nothing is known to be wrong with them.
    `unread`: what the system did not let it look at; nothing is known to be wrong with that either.
    """

    findings: list[Finding] = field(default_factory=list)
    unread: list[Finding] = field(default_factory=list)
    states: int = 0
    chunks: int = 0
    bytes_stored: int = 0
    opened: int = 0
    orphans: int = 0
    newer: int = 0
    packed: int = 0

    @property
    def clean(self) -> bool:
        """Whether all was looked at, and nothing is wrong."""
        return not self.findings and not self.unread


def verify_space(context: SpaceContext, *, full: bool, progress: Progress = silent) -> Verified:
    """Look at everything. Never raises for what is wrong with the space, nor for what cannot be read, but says it."""
    result = Verified()
    findings = Findings(context)
    try:
        _verify(context, result, findings, progress, full=full)
    except _STOPPED_BY as error:
        _note_end(findings, error)
    try:
        found = findings.named()
    except (SfosError, DatabaseError) as error:
        _note_end(findings, error)
        found = findings.nameless()
    result.findings = [one for one in found if not one.unread]
    result.unread = [one for one in found if one.unread]
    return result


def _note_end(findings: Findings, error: Exception) -> None:
    """Note that the rest was not looked at."""
    if (refused := refusal(error)) is not None:
        findings.add("catalog", told(refused), unread=True)
    else:
        findings.add("catalog", f"it cannot be read to its end: {error}")


def _verify(context: SpaceContext, result: Verified, findings: Findings, progress: Progress, *, full: bool) -> None:
    progress("database pages", 0, 1)
    for fault in context.faults:
        findings.add("small", str(fault))
    _check_pages(context, findings)
    head = _read_head(context, findings)  # before the snapshot: a running server would be ahead of it at once
    with context.catalog.read() as tx:
        row = read_space_row(tx)
        for wrong in wrong_values(tx):
            findings.add("row", wrong)
        check_rows(context, tx, row, findings, result, progress)
        result.packed += check_contents(context, tx, findings, progress)
        check_stored(context, tx, row, findings, result, progress, vouched=head is not None)
        _check_rows_bytes(tx, row, findings)
    if head is not None:
        _check_head(context, row, head, findings)
    if full:
        check_tokens(context, findings, result, progress)


def _check_rows_bytes(tx: Transaction, row: SpaceRow, findings: Findings) -> None:
    """The sum that quotas count, beside a recount."""
    if more := miscounted_rows(tx):
        detail = f"the rows take {row.bytes_rows + more} bytes, and are counted as {row.bytes_rows}; gc mends that"
        findings.add("counters", detail)


def _check_pages(context: SpaceContext, findings: Findings) -> None:
    """SQLite's own view of its file (the pages and the indexes)."""
    with context.catalog.read() as tx:
        for (message,) in tx.execute("PRAGMA integrity_check(10)"):
            if message != "ok":
                unread = _UNREAD_PAGE.search(message)
                findings.add(
                    "catalog", f"SQLite: {message}", unread=unread is not None and is_passing_code(int(unread[1]))
                )
        for table, *_ in tx.execute("PRAGMA foreign_key_check"):
            findings.add("catalog", f"a row of {table} refers to one that is not there")


def _read_head(context: SpaceContext, findings: Findings) -> Head | None:
    try:
        head = read_head(context.directory)
    except (OSError, ValueError) as error:
        findings.add("head", f"the HEAD file cannot be read: {told(error)}", unread=refusal(error) is not None)
        return None
    if head is None:
        findings.add("head", "the HEAD file is not there, so a catalog that was put back would not be noticed")
    return head


def _check_head(context: SpaceContext, row: SpaceRow, head: Head, findings: Findings) -> None:
    if head.epoch != row.epoch:
        findings.add("head", "the HEAD file is of another epoch than the catalog")
    elif head.seq > row.seq:
        findings.add("head", f"the catalog is at {row.seq}, and was at {head.seq} already: an old one was put back")
    elif head.seq == row.seq and head.digest != row.digest:
        findings.add("head", f"at {row.seq} the catalog is not the one that the HEAD file knows")
    else:
        try:
            context.rows.open_digest(head.digest, head.epoch, head.seq)
        except TokenDamaged:
            findings.add("head", "the HEAD file is not authentic")
