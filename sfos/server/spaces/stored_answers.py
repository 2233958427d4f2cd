"""Answers to changes as the catalog keeps them under their op_id: a header of JSON, and a body beside it.

The form is that of the protocol's replies, in which the first version kept them.
"""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

import msgspec

from sfos.protocol import Cursor, ItemResult, ItemsReply, NodeReply, Reply, decoder_of, pack_results, unpack_results

_encoder = msgspec.json.Encoder()


class ItemsDone(msgspec.Struct, frozen=True, kw_only=True):
    """A change of many items: what became of each, in order, and the ids of chunks that are missing.

    `commit`: its number, None if nothing changed. `cursor`: where the history stands since.
    """

    results: list[ItemResult]
    missing: list[bytes] = []
    cursor: Cursor
    commit: int | None


A = TypeVar("A")
AnswerT = TypeVar("AnswerT", bound=Reply)


class AnswerForm(Protocol[A]):
    """How answers of one type are kept."""

    def encode(self, answer: A) -> tuple[bytes, bytes]:
        """Its header and its body."""

    def decode(self, header: bytes, body: bytes, /) -> A:
        """Answer that was encoded. Raises: MsgspecError for the header of another form; MalformedMessage."""


class PlainForm(Generic[AnswerT]):
    """Of answers without a body."""

    def __init__(self, kind: type[AnswerT]) -> None:
        self._kind = kind

    def encode(self, answer: AnswerT) -> tuple[bytes, bytes]:
        """The header, and nothing."""
        return _encoder.encode(answer), b""

    def decode(self, header: bytes, _body: bytes, /) -> AnswerT:
        """See AnswerForm."""
        return decoder_of(self._kind).decode(header)


class _ItemsForm:
    def encode(self, answer: ItemsDone) -> tuple[bytes, bytes]:
        reply, body = pack_items_done(answer)
        return _encoder.encode(reply), body

    def decode(self, header: bytes, body: bytes, /) -> ItemsDone:
        reply = decoder_of(ItemsReply).decode(header)
        results, missing = unpack_results(reply, memoryview(body))
        return ItemsDone(results=results, missing=missing, cursor=reply.cursor, commit=reply.commit)


NODE_ANSWERS = PlainForm(NodeReply)
ITEMS_ANSWERS = _ItemsForm()


def pack_items_done(done: ItemsDone) -> tuple[ItemsReply, bytes]:
    """The reply that says it, and its body."""
    results_bytes, missing, body = pack_results(done.results, done.missing)
    reply = ItemsReply(cursor=done.cursor, results_bytes=results_bytes, missing=missing, commit=done.commit)
    return reply, body
