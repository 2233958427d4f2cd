"""One connection to a server: requests and their replies, over a TLS stream.

    open (TCP, TLS 1.3) → the owner checks `key` against the pins → hello → login or attach → commands, or watch

It has one owner at a time, as its stream has. Requests may be pipelined: `send` several, then `receive` as often;
replies come in order. Whoever pipelines keeps to the rule against deadlocks: at most `unanswered_bytes` of requests
without an answer while a reply is outstanding that may exceed LARGE_REPLY_BYTES, so that sending never waits for the
server, which may be waiting for us to take a reply.
"""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from sfos.client.address import Address
from sfos.client.net.stream import FrameStream
from sfos.client.options import ConnectionOptions
from sfos.protocol import (
    ACTIONS,
    MAX_HEADER,
    MAX_HEADER_BEFORE_LOGIN,
    Buffer,
    ChangingRequest,
    CommandSpec,
    Frame,
    LocalProtocolError,
    MalformedMessage,
    OutOfOrder,
    Reply,
    ReplyEnvelope,
    ReplyT,
    Request,
    SfosError,
    Working,
    decode_reply,
    decode_result,
    encode_prefix,
    encode_request,
    from_info,
    reply_type,
    spec_of,
)

MAX_DEPTH = 32  # requests without an answer
SMALL_UNANSWERED_BYTES = 16 * 1024  # what every socket's buffers hold, so that sending it never blocks
ASKING_UNANSWERED_BYTES = 64 * 1024  # what they hold after `ask_ahead`
LARGE_REPLY_BYTES = 64 * 1024

_MOST_SIGNS = 10  # of work, beside one for each second: a server that says so without an end keeps nobody busy

_ASKING_BUFFER_BYTES = 256 * 1024  # asked for; a system may give less, and counts its own records in


class Answer(msgspec.Struct, frozen=True):
    """The reply to a request: its content, or the error that the server reports (not raised). `body`: see `receive`."""

    request_id: int
    reply: Reply | None
    error: SfosError | None
    body: memoryview

    def expect(self, kind: type[ReplyT]) -> ReplyT:
        """The content. Raises: the server's error."""
        if self.error is not None:
            raise self.error
        assert isinstance(self.reply, kind)
        return self.reply

    def reply_to(self, request: Request[ReplyT]) -> ReplyT:
        """The content, as the type of `request` says it. Raises: the server's error."""
        return self.expect(reply_type(request))


WorkListener = Callable[[str, Working | None], None]
"""Told, each second, of what the server says while it works on a command, and then None; first the command's name."""


class _Asked(msgspec.Struct, frozen=True):
    request_id: int
    spec: CommandSpec
    at_s: float


class Connection(FrameStream):
    """See the module. Make one by `Connection.open`; use it as a context manager or `close` it."""

    def __init__(self, sock: socket.socket, address: Address, options: ConnectionOptions) -> None:
        super().__init__(sock, address, options)
        self._action = options.action
        self.features: frozenset[str] = frozenset()  # that the server has named; none before it has answered hello
        self._asked: deque[_Asked] = deque()
        self._next_id = 1
        self._max_header = MAX_HEADER_BEFORE_LOGIN
        self._has_events = False
        self.on_working: WorkListener | None = None
        self.unanswered_bytes = SMALL_UNANSWERED_BYTES

    @property
    def outstanding(self) -> int:
        """Number of requests without an answer yet."""
        return len(self._asked)

    def opened(self) -> None:
        """A session has begun: from now on larger headers are taken."""
        self._max_header = MAX_HEADER

    def ask_ahead(self) -> None:
        """For who asks for much and sends little: more may be unanswered, since the system holds more of it.

        Not for uploads: such a buffer no longer grows with the link (Linux).
        """
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _ASKING_BUFFER_BYTES)
        given = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        self.unanswered_bytes = max(SMALL_UNANSWERED_BYTES, min(ASKING_UNANSWERED_BYTES, given // 4))

    def request(self, request: Request[Any], *body: Buffer) -> Answer:
        """Send one request and wait for its reply. Raises: ConnectionLost, RemoteProtocolError."""
        if self._asked:
            raise LocalProtocolError("a single request while others are under way")
        self.send(request, *body)
        return self.receive()

    def call(self, request: Request[ReplyT], *body: Buffer) -> tuple[ReplyT, memoryview]:
        """Send one request, and wait for its typed reply and body. Raises: like `request`, and whatever the server
        reports."""
        answer = self.request(request, *body)
        return answer.reply_to(request), answer.body

    def send(self, request: Request[Any], *body: Buffer) -> int:
        """Send a request and return its id. `body`: pieces, sent one after the other. Raises: ConnectionLost."""
        spec = spec_of(type(request))
        body_bytes = sum(len(piece) for piece in body)
        if len(self._asked) >= MAX_DEPTH or body_bytes > spec.request_body:
            raise LocalProtocolError(f"{spec.name}: too many requests under way, or a body of {body_bytes} bytes")
        if isinstance(request, ChangingRequest):
            request = self._of_its_action(request)
        request_id, self._next_id = self._next_id, self._next_id + 1
        front = encode_prefix(encode_request(request_id, request), body_bytes)
        self._write(front, body)
        self._asked.append(_Asked(request_id, spec, time.monotonic()))
        return request_id

    def _of_its_action(self, request: ChangingRequest[ReplyT]) -> ChangingRequest[ReplyT]:
        """The request with its action, or without for a server that has not named this feature."""
        action = (request.action or self._action) if ACTIONS in self.features else None
        return request if action == request.action else msgspec.structs.replace(request, action=action)

    def receive(self) -> Answer:
        """The reply to the oldest request without one. Blocks as long as the server says that it works on it, and then
        up to the timeout.

        Raises: ConnectionLost; RemoteProtocolError. An error that the server reports is in the answer.
        """
        if not self._asked:
            raise LocalProtocolError("nothing was asked")
        asked = self._asked[0]
        frame, envelope = self._answer_to(asked)
        if envelope.id == 0 and envelope.error is not None:
            self._failed = True  # said of the connection, not of a request: too many connections, stopping
            raise from_info(envelope.error)
        if envelope.id != asked.request_id or envelope.is_event:
            self._failed = True
            raise OutOfOrder("The server answered something that was not asked.")
        self._asked.popleft()
        if envelope.error is not None:
            return Answer(asked.request_id, None, from_info(envelope.error), frame.body)
        return Answer(asked.request_id, self._decode(asked.spec.reply, envelope.result), None, frame.body)

    def _answer_to(self, asked: _Asked) -> tuple[Frame, ReplyEnvelope]:
        """The next frame that is no mere sign of work."""
        signs = 0
        try:
            while True:
                frame = self._read(self._max_header, asked.spec.reply_body)
                envelope = self._envelope(frame)
                working = envelope.working
                if working is None:
                    return frame, envelope
                signs += 1
                most = _MOST_SIGNS + time.monotonic() - asked.at_s  # they pile up where nobody reads for a while
                if envelope.id != asked.request_id or frame.body or signs > most:
                    self._failed = True
                    raise OutOfOrder("The server said that it works on something that was not asked, or too often.")
                if self.on_working is not None:
                    self.on_working(asked.spec.name, working)
        finally:
            if signs and self.on_working is not None:
                self.on_working(asked.spec.name, None)

    @contextmanager
    def lent_answer(self) -> Iterator[Answer]:
        """`receive`, with a body in memory that is used for the next one again, which saves page faults.

        It is valid within the block only. Not within another such block.
        """
        with self._lent_memory():
            answer = self.receive()
            try:
                yield answer
            finally:
                if answer.body:  # those without bytes share one that stays
                    answer.body.release()

    def receive_event(
        self, request_id: int, watch: type[Request[Any]], kind: type[ReplyT]
    ) -> tuple[ReplyT, memoryview]:
        """The next event of a watch. Raises: ConnectionLost, RemoteProtocolError, and an error that ends the watch."""
        self._has_events = True
        frame = self._read(self._max_header, spec_of(watch).reply_body)
        envelope = self._envelope(frame)
        if envelope.error is not None:
            self._failed = True
            raise from_info(envelope.error)
        if not envelope.is_event or envelope.id != request_id:
            self._failed = True
            raise OutOfOrder("The server sent something that is no event of this watch.")
        event = self._decode(kind, envelope.event)
        assert isinstance(event, kind)
        return event, frame.body

    def _envelope(self, frame: Frame) -> ReplyEnvelope:
        """Envelope of a frame. A frame that cannot be read answers nothing, so no request gets its reply any more."""
        try:
            return decode_reply(frame.header)
        except MalformedMessage:
            self._failed = True
            raise

    def _decode(self, kind: type[Reply], raw: msgspec.Raw) -> Reply:
        try:
            return decode_result(kind, raw)
        except MalformedMessage:
            self._failed = True
            raise

    @property
    def _more_may_come(self) -> bool:
        return bool(self._asked) or self._has_events
