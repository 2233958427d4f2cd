"""Quotas: what counts, and what is said to who has used theirs up.

All that a space makes the server keep counts in bytes: sealed chunks, pending ones too, and rows with what is in them.
What only takes away is never refused, for it is the way out.
"""

from __future__ import annotations

from sfos.protocol import QuotaExceeded, readable_size
from sfos.server.catalog.engine import Transaction
from sfos.server.catalog.space_row import SpaceRow, read_space_row
from sfos.server.catalog.weights import CHUNK_BYTES, REFERENCE_BYTES, STATE_BYTES
from sfos.server.spaces.operations.context import Caller, SpaceContext
from sfos.server.vault.sealing import sealed_size

_DAY_S = 86_400
_PIECE_BYTES = 2**20  # into so long ones clients cut on average
_NAME_BYTES = 64  # of a name and its attributes, sealed: more than most
_OF_PIECE_BYTES = sealed_size(_PIECE_BYTES) - _PIECE_BYTES + CHUNK_BYTES + REFERENCE_BYTES + 36
_OF_FILE_BYTES = sealed_size(0) + CHUNK_BYTES


def history_bytes(row: SpaceRow) -> int:
    """Bytes that earlier versions, deleted files, commits and uploads under way hold, at the least.

    All but what the files of now would take if no two had a piece in common: to know what they have would mean to read
    all rows.
    """
    pieces = row.bytes_current // _PIECE_BYTES
    now = row.bytes_current + pieces * _OF_PIECE_BYTES + row.files_current * _OF_FILE_BYTES
    return max(0, row.bytes_kept - now - row.entries_current * (STATE_BYTES + _NAME_BYTES))


def check_bytes(context: SpaceContext, caller: Caller, tx: Transaction, more: int) -> None:
    """Check that `more` bytes may be kept. Raises: QuotaExceeded."""
    if caller.quota_bytes is None:
        return
    row = read_space_row(tx)
    if row.bytes_kept + more > caller.quota_bytes:
        raise QuotaExceeded(_sentence(context, caller.quota_bytes, row, more))


def check_entries(caller: Caller, row: SpaceRow, more: int) -> None:
    """Check that there may be so many files and folders more. Raises: QuotaExceeded."""
    if caller.quota_files is not None and more > 0 and row.entries_current + more > caller.quota_files:
        raise QuotaExceeded(
            f"Your quota of {caller.quota_files:,} files and folders is used up; delete some or ask the administrator."
        )


def _sentence(context: SpaceContext, quota_bytes: int, row: SpaceRow, more: int) -> str:
    kept, history = readable_size(row.bytes_kept), history_bytes(row)
    said = f"Your quota of stored bytes ({readable_size(quota_bytes)}) has no room for {readable_size(more)} more:"
    said += f" {kept} are stored, and {readable_size(history)} of that or more is history"
    said += " (earlier versions, deleted files, unfinished uploads)."
    if row.bytes_stored <= quota_bytes < row.bytes_kept:
        said += f" Names, lists and the history's entries count too: {readable_size(row.bytes_rows)}."
    after_s = context.limits.history_kept_s
    when = "once the administrator lets it end" if after_s is None else f"by itself after {after_s / _DAY_S:.3g} days"
    return f"{said} Deleting works; what is deleted is history first, and is freed {when}. The administrator can help."
