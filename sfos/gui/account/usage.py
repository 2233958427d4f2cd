"""How much is stored, and how much may be: what the side bar says of it."""

from __future__ import annotations

from sfos.gui import wording
from sfos.gui.model import Usage
from sfos.protocol import UsageReply


def usage_of(reply: UsageReply) -> Usage:
    """Usage, out of the server's reply."""
    return Usage(
        reply.bytes_current, reply.files_current, reply.bytes_stored, reply.quota_bytes,
        reply.entries_current, reply.quota_files,
    )  # fmt: skip


def usage_text(usage: Usage) -> str:
    """A line on the bytes; and one on the files and folders, where their number has a limit."""
    if usage.quota_bytes is not None:
        lines = [f"{wording.size(usage.stored_bytes)} of {wording.size(usage.quota_bytes)} used"]
    else:
        lines = [f"{wording.size(usage.current_bytes)} in {wording.count(usage.files, 'file')}"]
    if usage.quota_entries is not None:
        lines.append(f"{usage.entries:,} of {wording.count(usage.quota_entries, 'item')} used")
    return "\n".join(lines)


def used_share(usage: Usage) -> float | None:
    """Share used of whichever limit is nearest, from 0 to 1; None without any limit."""
    shares = [
        min(1.0, used / quota) if quota else 1.0
        for used, quota in ((usage.stored_bytes, usage.quota_bytes), (usage.entries, usage.quota_entries))
        if quota is not None
    ]
    return max(shares, default=None)
