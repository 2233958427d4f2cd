"""The headers of frames: which command, which reply. No I/O.

    request   {"id": 7, "command": "stat", "args": {…}}
    reply     {"id": 7, "result": {…}}   or   {"id": 7, "error": {"code": …, "message": …}}
    event     {"id": 7, "event": {…}}                             (only on a watch connection, `id` of the watch)
    working   {"id": 7, "working": {…}}                           (before a reply that takes long)

Decoding has two steps, so that an unknown command can be answered under its id.
"""

from __future__ import annotations

import threading
from typing import Annotated, Any, TypeVar

import msgspec

from sfos.wire.attributes import AttributesRead, read_attributes
from sfos.wire.commands import Reply, ReplyT, Request, spec_of
from sfos.wire.errors import ErrorInfo, MalformedMessage, SfosError, from_info
from sfos.wire.messages import Count

__all__ = [
    "ReplyEnvelope",
    "RequestEnvelope",
    "Working",
    "decode_args",
    "decode_reply",
    "decode_request",
    "decode_result",
    "decoder_of",
    "encode_error",
    "encode_event",
    "encode_request",
    "encode_result",
    "encode_working",
    "message_encoder",
    "raise_for_error",
]

# What msgspec lets through untyped: bad UTF-8 and deep nesting. Duplicate keys it accepts, and the last one counts:
# both sides decode alike, so nothing can be smuggled past a check.
DECODE_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

RequestT = TypeVar("RequestT", bound=Request[Any])


class RequestEnvelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request whose arguments are not decoded yet."""

    id: Count
    command: str
    args: msgspec.Raw = msgspec.Raw(b"{}")


class Working(msgspec.Struct, frozen=True, omit_defaults=True):
    """A sign that the server works on a request. `done`: how many entries it has changed so far.

    `behind`: the command that the request waits for, in the same space; `done` is then that one's. For people and for
    the client's patience; nothing is decided by it.
    """

    done: Count = 0
    behind: Annotated[str, msgspec.Meta(max_length=64)] = ""


class ReplyEnvelope(msgspec.Struct, frozen=True):
    """A reply or event whose content is not decoded yet; exactly one of the four is there (an absent Raw is empty)."""

    id: Count
    result: msgspec.Raw = msgspec.Raw(b"")
    error: ErrorInfo | None = None
    event: msgspec.Raw = msgspec.Raw(b"")
    working: Working | None = None

    @property
    def is_event(self) -> bool:
        """Whether this is an event of a watch."""
        return memoryview(self.event).nbytes > 0


def _read_own_type(kind: type, decoded: object) -> object:
    """Decode a type that is not msgspec's own, for msgspec. Raises: ValueError, TypeError, which it takes for
    invalid."""
    assert kind is AttributesRead
    return read_attributes(decoded)


def _written_own_type(value: object) -> object:
    if isinstance(value, AttributesRead):
        return value.fields()
    raise TypeError(f"no message holds a {type(value).__name__}")


def message_encoder() -> msgspec.json.Encoder:
    """An encoder of messages and what is in their bodies."""
    return msgspec.json.Encoder(enc_hook=_written_own_type)


_encoder = message_encoder()
_request_decoder = msgspec.json.Decoder(RequestEnvelope)
_reply_decoder = msgspec.json.Decoder(ReplyEnvelope)
_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}
_describing = threading.Lock()


def encode_request(request_id: int, request: Request[Any]) -> bytes:
    """The header of a request."""
    name = spec_of(type(request)).name.encode("ascii")
    return b'{"id":%d,"command":"%b","args":%b}' % (request_id, name, _encoder.encode(request))


def decode_request(header: bytes) -> RequestEnvelope:
    """The first step. Raises: MalformedMessage."""
    try:
        return _request_decoder.decode(header)
    except DECODE_ERRORS as error:
        raise MalformedMessage(f"A request cannot be read: {error}") from error


def encode_result(request_id: int, reply: Reply) -> bytes:
    """The header of a reply."""
    return b'{"id":%d,"result":%b}' % (request_id, _encoder.encode(reply))


def encode_event(request_id: int, event: Reply) -> bytes:
    """The header of an event."""
    return b'{"id":%d,"event":%b}' % (request_id, _encoder.encode(event))


def encode_working(request_id: int, working: Working) -> bytes:
    """The header of a sign that the request is worked on."""
    return b'{"id":%d,"working":%b}' % (request_id, _encoder.encode(working))


def encode_error(request_id: int, error: SfosError) -> bytes:
    """The header of a reply that says what went wrong."""
    return b'{"id":%d,"error":%b}' % (request_id, _encoder.encode(error.info()))


def decode_reply(header: bytes) -> ReplyEnvelope:
    """The first step. Raises: MalformedMessage."""
    try:
        reply = _reply_decoder.decode(header)
    except DECODE_ERRORS as error:
        raise MalformedMessage(f"A reply cannot be read: {error}") from error
    signs = reply.is_event + (reply.error is not None) + (reply.working is not None)
    if (memoryview(reply.result).nbytes > 0) + signs != 1:
        raise MalformedMessage("A reply must be one of result, error, event and working.")
    return reply


def decode_args(kind: type[RequestT], raw: msgspec.Raw) -> RequestT:
    """The second step: a request's arguments. Raises: MalformedMessage, naming the field that is wrong."""
    return _decode(kind, raw, "A request")


def decode_result(kind: type[ReplyT], raw: msgspec.Raw) -> ReplyT:
    """The second step: a reply's or event's content. Raises: MalformedMessage."""
    return _decode(kind, raw, "A reply")


def raise_for_error(reply: ReplyEnvelope) -> None:
    """Raises: the error that the reply bears, if it bears one."""
    if reply.error is not None:
        raise from_info(reply.error)


T = TypeVar("T")
StructT = TypeVar("StructT", bound=msgspec.Struct)


def decoder_of(kind: type[T]) -> msgspec.json.Decoder[T]:
    """The decoder of `kind`, made when it is asked for first: making all of them would cost each start milliseconds.

    One thread at a time: msgspec shows its description of a type to others before it is complete, and two threads that
    meet a type for the first time crash the process (seen with 0.22: a server under eight clients, just after a kill).
    """
    decoder = _decoders.get(kind)
    if decoder is None:
        with _describing:
            decoder = _decoders[kind] = msgspec.json.Decoder(kind, dec_hook=_read_own_type)
    return decoder


def _decode(kind: type[StructT], raw: msgspec.Raw, what: str) -> StructT:
    decoder = decoder_of(kind)
    try:
        decoded = decoder.decode(raw)
    except DECODE_ERRORS as error:
        raise MalformedMessage(f"{what} cannot be read: {error}") from error
    assert isinstance(decoded, kind)
    return decoded
