"""How much is stored, and how much may be: what the side bar says of it."""

from __future__ import annotations

from sfos.gui import wording
from sfos.gui.model import Usage
from sfos.protocol import UsageReply

_WORTH_SAYING = 0.05  # a history of so much of what is stored


def usage_of(reply: UsageReply) -> Usage:
    """Usage, out of the server's reply."""
    return Usage(
        reply.bytes_current, reply.files_current, reply.bytes_stored, reply.quota_bytes,
        reply.entries_current, reply.quota_files, reply.bytes_history or 0,
    )  # fmt: skip


def usage_text(usage: Usage) -> str:
    """A line on the bytes; and one on the files and folders, where their number has a limit."""
    if usage.quota_bytes is not None:
        lines = [f"{wording.size(usage.stored_bytes)} of {wording.size(usage.quota_bytes)} used"]
        if usage.history_bytes >= usage.stored_bytes * _WORTH_SAYING:
            left = max(0, usage.quota_bytes - usage.stored_bytes)
            lines.append(f"{wording.size(usage.history_bytes)} of it history, {wording.size(left)} left")
    else:
        lines = [f"{wording.size(usage.current_bytes)} in {wording.count(usage.files, 'file')}"]
    if usage.quota_entries is not None:
        lines.append(f"{usage.entries:,} of {wording.count(usage.quota_entries, 'item')} used")
    return "\n".join(lines)


def history_share(usage: Usage) -> float:
    """Share of the bar that history takes, from 0 to 1, where the bar is of bytes."""
    if not usage.quota_bytes or not usage.history_bytes:
        return 0.0
    if used_share(usage) != min(1.0, usage.stored_bytes / usage.quota_bytes):
        return 0.0
    held = max(0, usage.history_bytes - max(0, usage.stored_bytes - usage.quota_bytes))
    return min(1.0, held / usage.quota_bytes)


def used_share(usage: Usage) -> float | None:
    """Share used of whichever limit is nearest, from 0 to 1; None without any limit."""
    shares = [
        min(1.0, used / quota) if quota else 1.0
        for used, quota in ((usage.stored_bytes, usage.quota_bytes), (usage.entries, usage.quota_entries))
        if quota is not None
    ]
    return max(shares, default=None)
