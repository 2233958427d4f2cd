"""The memory that long replies are made in."""

from __future__ import annotations

from sfos.server.net.reply_buffers import BUFFER_BYTES, ReplyBuffers

MIB = 1024 * 1024


def test_memory_is_lent_again_once_its_reply_has_been_sent() -> None:
    buffers = ReplyBuffers()
    room = buffers.room()
    first = room.take(MIB)
    assert len(first) == MIB
    other = buffers.room().take(MIB)
    assert other.obj is not first.obj, "the first reply is still under way"
    room.release()
    assert buffers.room().take(4 * MIB).obj is first.obj


def test_releasing_twice_does_not_lend_the_same_memory_to_two() -> None:
    buffers = ReplyBuffers()
    room = buffers.room()
    room.take(MIB)
    room.release()
    room.release()
    one, two = buffers.room().take(MIB), buffers.room().take(MIB)
    assert one.obj is not two.obj


def test_short_and_very_long_replies_have_memory_of_their_own() -> None:
    buffers = ReplyBuffers()
    for size in (0, 100, 8 * MIB):
        room = buffers.room()
        assert len(room.take(size)) == size
        room.release()
    assert not buffers.idle


def test_what_is_held_is_all_that_was_lent_and_not_what_was_asked_for() -> None:
    room = ReplyBuffers().room()
    room.take(100)
    assert room.held_bytes == 0
    room.take(MIB)
    room.take(MIB)
    assert room.held_bytes == 2 * BUFFER_BYTES
    room.release()
    assert room.held_bytes == 0


def test_only_a_few_idle_buffers_are_kept() -> None:
    buffers = ReplyBuffers(keep=2)
    rooms = [buffers.room() for _ in range(5)]
    for room in rooms:
        room.take(MIB)
    for room in rooms:
        room.release()
    assert len(buffers.idle) == 2
