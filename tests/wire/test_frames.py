"""Frames in every split, with every limit, and cut at every byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfos.protocol import (
    MAX_BODY,
    MAX_HEADER,
    MAX_HEADER_BEFORE_LOGIN,
    Frame,
    FrameDecoder,
    FrameTooLong,
    LocalProtocolError,
    MalformedMessage,
    RemoteProtocolError,
    encode_frame,
    encode_prefix,
)

HELLO = b'{"id":1,"command":"hello","args":{"version":1}}'


def decoder() -> FrameDecoder:
    return FrameDecoder(MAX_HEADER, MAX_BODY)


def contents(frames: list[Frame]) -> list[tuple[bytes, bytes]]:
    return [(frame.header, bytes(frame.body)) for frame in frames]


def test_a_frame_has_these_bytes_on_the_wire() -> None:
    assert encode_frame(b'{"id":1}', b"\x00\xff") == b'\x00\x00\x00\x08\x00\x00\x00\x02{"id":1}\x00\xff'
    assert encode_prefix(HELLO, 0) == b"\x00\x00\x00\x2f\x00\x00\x00\x00" + HELLO


FRAMES = [(HELLO, b""), (b"{}", b"x" * 70_000), (b"[]", b"\x00"), (b"9" * 9_000, b"")]
STREAM = b"".join(encode_frame(header, body) for header, body in FRAMES)


def test_the_whole_stream_at_once_gives_the_frames() -> None:
    assert contents(list(decoder().feed(STREAM))) == FRAMES


def test_the_stream_byte_by_byte_gives_the_same_frames() -> None:
    one = decoder()
    assert contents([frame for byte in STREAM for frame in one.feed(bytes([byte]))]) == FRAMES


@given(st.lists(st.integers(1, 30_000)))
def test_the_stream_in_any_split_gives_the_same_frames(sizes: list[int]) -> None:
    one, at, frames = decoder(), 0, []
    for size in [*sizes, len(STREAM)]:
        frames += list(one.feed(STREAM[at : at + size]))
        at += size
    assert contents(frames) == FRAMES
    one.end()


def test_a_stream_that_ends_within_a_frame_is_an_error_at_every_byte() -> None:
    stream = encode_frame(HELLO, b"body")
    for cut in range(1, len(stream)):
        one = decoder()
        assert not list(one.feed(stream[:cut]))
        with pytest.raises(RemoteProtocolError, match="in the middle of a message"):
            one.end()


def test_a_stream_may_end_between_frames() -> None:
    one = decoder()
    assert len(list(one.feed(encode_frame(HELLO)))) == 1
    one.end()


@pytest.mark.parametrize(("header", "body"), [(8193, 0), (1, 1), (2**32 - 1, 0), (1, 2**32 - 1)])
def test_a_frame_that_is_too_long_is_refused_before_anything_is_allocated(header: int, body: int) -> None:
    def allocate(_: int) -> bytearray:
        raise AssertionError("allocated for a length that was not checked")

    one = FrameDecoder(MAX_HEADER_BEFORE_LOGIN, 0, allocate)
    with pytest.raises(FrameTooLong, match="where at most 8192 \\+ 0 are allowed"):
        list(one.feed(header.to_bytes(4, "big") + body.to_bytes(4, "big")))


def test_a_frame_of_exactly_the_limits_passes() -> None:
    one = FrameDecoder(len(HELLO), 4)
    assert contents(list(one.feed(encode_frame(HELLO, b"body")))) == [(HELLO, b"body")]


def test_limits_that_rise_at_login_hold_for_the_next_frame() -> None:
    one = FrameDecoder(len(HELLO), 0)
    list(one.feed(encode_frame(HELLO)))
    one.set_limits(MAX_HEADER, 4)
    assert contents(list(one.feed(encode_frame(b"{}", b"body")))) == [(b"{}", b"body")]


def test_a_frame_without_a_header_is_malformed() -> None:
    with pytest.raises(MalformedMessage, match="without a header"):
        list(decoder().feed(bytes(8)))


def test_the_body_is_allocated_only_when_its_header_has_arrived() -> None:
    asked: list[int] = []

    def allocate(count: int) -> bytearray:
        asked.append(count)
        return bytearray(count)

    one = FrameDecoder(MAX_HEADER, MAX_BODY, allocate)
    stream = encode_frame(HELLO, b"body")
    list(one.feed(stream[: 8 + len(HELLO) - 1]))
    assert asked == []
    list(one.feed(stream[8 + len(HELLO) - 1 :]))
    assert asked == [4]


def test_a_large_header_comes_from_the_same_budget_as_a_body() -> None:
    asked: list[int] = []

    def allocate(count: int) -> bytearray:
        asked.append(count)
        return bytearray(count)

    header = b"[" + b" " * 100_000 + b"]"
    one = FrameDecoder(MAX_HEADER, MAX_BODY, allocate)
    assert contents(list(one.feed(encode_frame(header, b"body")))) == [(header, b"body")]
    assert asked == [len(header), 4]


def test_the_buffer_never_reaches_past_the_frame_that_is_read() -> None:
    one = decoder()
    assert len(one.buffer()) == 8
    one.buffer()[:8] = encode_prefix(HELLO, 3)[:8]
    one.received(8)
    assert len(one.buffer()) == len(HELLO)


def test_a_body_is_not_shared_with_the_next_frame() -> None:
    one = decoder()
    (first,) = one.feed(encode_frame(b"{}", b"first"))
    (second,) = one.feed(encode_frame(b"{}", b"other"))
    assert bytes(first.body) == b"first"
    assert bytes(second.body) == b"other"


@pytest.mark.parametrize(("header", "body"), [(b"", 0), (b"x" * (MAX_HEADER + 1), 0), (b"{}", MAX_BODY + 1)])
def test_we_never_send_a_frame_that_the_other_side_would_refuse(header: bytes, body: int) -> None:
    with pytest.raises(LocalProtocolError):
        encode_prefix(header, body)


@given(st.binary(max_size=200))
def test_junk_is_refused_or_waited_for_but_never_crashes(junk: bytes) -> None:
    one = FrameDecoder(MAX_HEADER_BEFORE_LOGIN, 0)
    try:
        for frame in one.feed(junk):
            assert 0 < len(frame.header) <= MAX_HEADER_BEFORE_LOGIN
            assert len(frame.body) == 0
    except RemoteProtocolError:
        pass
