"""Rights, decided here alone: the space that a request is about, and whether the session may open it.

Now everybody has their home and nothing else; administrators too. Shared folders will be further spaces here.
"""

from __future__ import annotations

from typing import Any

from sfos.protocol import PermissionDenied, spaces_named
from sfos.server.commands.calls import Call
from sfos.server.spaces.operations.context import Caller


def space_of(call: Call[Any]) -> str:
    """The id of the one space that the request names, as its spec says.

    Raises: PermissionDenied, alike for a space of others and for one that does not exist.
    """
    home = call.session.user_id
    wanted = {space or home for space in spaces_named(call.args)}
    if wanted != {home}:
        raise PermissionDenied
    return home


def caller(call: Call[Any]) -> Caller:
    """On whose behalf the storage works."""
    session, default = call.session, call.services.storage
    quota_bytes = default.quota_bytes if session.quota_bytes is None else session.quota_bytes
    quota_files = default.quota_files if session.quota_files is None else session.quota_files
    return Caller(session.user_id, quota_bytes or None, quota_files or None)
