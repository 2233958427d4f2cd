"""Giving commands: whoever can, is a Caller. No retries and no thoughts of its own.

A body that comes back is a memoryview (see `wire.bodies` for what is in it), taken apart by those who ask.
"""

from __future__ import annotations

from typing import Protocol

from sfos.protocol import Buffer, ReplyT, Request


class Caller(Protocol):
    """A way to the server and back: a Connection, or a Session that finds one."""

    def call(self, request: Request[ReplyT], *body: Buffer) -> tuple[ReplyT, memoryview]:
        """The reply and its body. Blocks. Raises: what the server reports, and ConnectionFailed."""
