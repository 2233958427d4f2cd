"""Frames: how messages lie in the byte stream. No I/O.

    uint32 header length | uint32 body length | header (JSON) | body        lengths big-endian

A message is complete in one frame, so an error never leaves half a stream to drain.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

import msgspec

from sfos.wire.errors import FrameTooLong, LocalProtocolError, MalformedMessage, RemoteProtocolError

__all__ = [
    "MAX_BODY",
    "MAX_HEADER",
    "MAX_HEADER_BEFORE_LOGIN",
    "Buffer",
    "Frame",
    "FrameDecoder",
    "encode_frame",
    "encode_prefix",
]

PREFIX = struct.Struct(">II")

# Before login a peer is nobody: a hello and a SCRAM message need a few hundred bytes, and no body.
MAX_HEADER_BEFORE_LOGIN = 8 * 1024
MAX_HEADER = 1024 * 1024
# What a decoder holds without asking `allocate`: as much as a connection's thread costs anyway.
SMALL_HEADER = 64 * 1024
# Eight chunks of the average size; large enough that one round trip hardly shows, small enough to budget.
MAX_BODY = 8 * 1024 * 1024

Buffer = bytes | bytearray | memoryview


class Frame(msgspec.Struct, frozen=True):
    """One message as bytes. `body` is empty when there is none; it is not shared with the decoder."""

    header: bytes
    body: memoryview


EMPTY_BODY = memoryview(b"")


def encode_prefix(header: Buffer, body_bytes: int) -> bytes:
    """The prefix and the header of a frame whose body of `body_bytes` follows. Raises: LocalProtocolError."""
    if not 0 < len(header) <= MAX_HEADER or not 0 <= body_bytes <= MAX_BODY:
        raise LocalProtocolError(f"a frame of {len(header)} + {body_bytes} bytes is not allowed")
    return PREFIX.pack(len(header), body_bytes) + header


def encode_frame(header: Buffer, body: Buffer = b"") -> bytes:
    """A whole frame in one piece, for messages small enough to copy."""
    return encode_prefix(header, len(body)) + body


class FrameDecoder:
    """Bytes in any split → frames, without a copy: the reader puts bytes where `buffer()` says.

    buffer() → read at most that many bytes into it → received(n) → a Frame when one is complete.
    `allocate(n)` makes the buffer of a header above SMALL_HEADER, and that of a body once its header has arrived
    whole; the server takes the bytes from its memory budget there. Lengths are checked before anything is allocated.
    """

    def __init__(
        self, max_header: int, max_body: int, allocate: Callable[[int], bytearray | memoryview] = bytearray
    ) -> None:
        self._max_header = max_header
        self._max_body = max_body
        self._allocate = allocate
        self._prefix = bytearray(PREFIX.size)
        self._start()

    def _start(self) -> None:
        self._target = memoryview(self._prefix)
        self._filled = 0
        self._body_bytes = 0
        self._header: bytes | None = None
        self._in_prefix = True

    def set_limits(self, max_header: int, max_body: int) -> None:
        """Apply to the next frame whose prefix is read; a session's limits rise at login."""
        self._max_header = max_header
        self._max_body = max_body

    @property
    def mid_frame(self) -> bool:
        """Whether a frame has begun and is not complete."""
        return not self._in_prefix or self._filled > 0

    def buffer(self) -> memoryview:
        """Room for the next bytes: never empty, and never past the end of the part that is being read."""
        return self._target[self._filled :]

    def received(self, count: int) -> Frame | None:
        """Take note of `count` bytes put into `buffer()`. Raises: FrameTooLong, MalformedMessage."""
        self._filled += count
        if self._filled < len(self._target):
            return None
        if self._in_prefix:
            header_bytes, body_bytes = PREFIX.unpack(self._prefix)
            if header_bytes == 0:
                raise MalformedMessage("A message without a header.")
            if header_bytes > self._max_header or body_bytes > self._max_body:
                raise FrameTooLong(
                    f"A message of {header_bytes} + {body_bytes} bytes, where at most"
                    f" {self._max_header} + {self._max_body} are allowed."
                )
            self._in_prefix = False
            self._body_bytes = body_bytes
            make = bytearray if header_bytes <= SMALL_HEADER else self._allocate
            self._target, self._filled = memoryview(make(header_bytes)), 0
            return None
        if self._header is None:
            self._header = bytes(self._target)
            if self._body_bytes:
                self._target, self._filled = memoryview(self._allocate(self._body_bytes)), 0
                return None
            frame = Frame(self._header, EMPTY_BODY)
        else:
            frame = Frame(self._header, self._target)
        self._start()
        return frame

    def feed(self, data: Buffer) -> Iterator[Frame]:
        """The frames that `data` completes; for tests and small messages."""
        rest = memoryview(data)
        while rest:
            target = self.buffer()
            count = min(len(target), len(rest))
            target[:count] = rest[:count]
            rest = rest[count:]
            frame = self.received(count)
            if frame is not None:
                yield frame

    def end(self) -> None:
        """The stream has ended. Raises: RemoteProtocolError when it ended within a frame."""
        if self.mid_frame:
            raise RemoteProtocolError("The connection ended in the middle of a message.")
