"""Answers that a lying server is told to give, and clients that do not wait long for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from sfos.client.net.trust import Trust
from sfos.client.session.session import Session
from sfos.protocol import Entry, ListedFolder, ListReply, Request, chunk_id
from tests.client.conftest import OPTIONS
from tests.client.scripted_server import CHUNK_KEY, PASSWORD, USER, Answer, RawAnswer, ScriptedServer
from tests.support.entry_lists import packed
from tests.support.retrying import for_s, times

HASTY = replace(
    OPTIONS,
    connection=replace(OPTIONS.connection, retry=for_s(0.2)),
    transfer=replace(OPTIONS.transfer, retry=times(1, 0.01)),
)
ROOT = Entry(node=1, parent=0, name="", kind="folder", revision="1", path="/")


def file(name: str, content: bytes = b"content", node: int = 7) -> Entry:
    return Entry(
        node=node,
        parent=1,
        name=name,
        kind="file",
        revision="1",
        size=len(content),
        content=chunk_id(CHUNK_KEY, content),
    )


def sign_in(server: ScriptedServer, trust: Trust) -> None:
    with Session.sign_in(server.address, USER, PASSWORD, trust, HASTY):
        pass


def answering(*answers: Answer) -> Callable[[Request[Any], bytes], Answer]:
    """A handler that gives these answers in turn, the last one again and again."""
    left = list(answers)
    return lambda request, body: left.pop(0) if len(left) > 1 else left[0]


def raw(data: bytes, drip_s: float = 0.0) -> Callable[[Request[Any], bytes], Answer]:
    def handler(request: Request[Any], body: bytes) -> Answer:
        raise RawAnswer(data, drip_s=drip_s)

    return handler


def listing(*entries: Entry, node: int = 1, more: str | None = None) -> Answer:
    head_bytes, body = packed(entries)
    return ListReply(at="c", folders=(ListedFolder(node=node),), next=more, head_bytes=head_bytes), body
