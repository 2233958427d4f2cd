"""Names of chunks and contents, and the packed forms of lists."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfos.protocol import (
    MAX_CHUNK_BYTES,
    ChunkRecord,
    ChunkWant,
    LocalProtocolError,
    MalformedMessage,
    chunk_id,
    chunk_ids,
    content_id,
    pack_ids,
    pack_lengths,
    pack_records,
    pack_wants,
    split_data,
    unpack_ids,
    unpack_lengths,
    unpack_records,
    unpack_wants,
)

KEY = bytes(range(32))
HASHES = st.binary(min_size=32, max_size=32)
RECORDS = st.lists(st.builds(ChunkRecord, HASHES, st.integers(1, MAX_CHUNK_BYTES)), max_size=20)


def test_ids_never_move() -> None:
    """Golden values: a change here would make every stored chunk unreachable."""
    assert chunk_id(KEY, b"").hex() == "73492b19995d71cdb1e9d74decc09809eb732f1b00bc95c27cb15f9dd4d6478f"
    assert chunk_id(KEY, b"one chunk").hex() == GOLDEN_CHUNK
    records = pack_records([ChunkRecord(chunk_id(KEY, b"one chunk"), 9), ChunkRecord(chunk_id(KEY, b"two"), 3)])
    assert content_id(KEY, records).hex() == GOLDEN_LIST


GOLDEN_CHUNK = "8dad88644d4dd2803dc34750ae79391cd04e8df7a86720814a82aa8e5a32afec"
GOLDEN_LIST = "a78005151f0441e146a903f99264d145900da97888cbd4e32651fca63bbd4b34"


def test_a_content_of_one_chunk_has_the_name_of_the_chunk() -> None:
    one = chunk_id(KEY, b"data")
    assert content_id(KEY, pack_records([ChunkRecord(one, 4)])) == one


def test_an_empty_content_has_the_name_of_no_bytes() -> None:
    assert content_id(KEY, b"") == chunk_id(KEY, b"")


def test_a_list_of_chunks_never_has_the_name_of_a_chunk_with_the_same_bytes() -> None:
    records = pack_records([ChunkRecord(bytes(32), 1), ChunkRecord(bytes(32), 2)])
    assert content_id(KEY, records) != chunk_id(KEY, records)


def test_order_and_lengths_are_part_of_the_name() -> None:
    one, two = ChunkRecord(b"a" * 32, 1), ChunkRecord(b"b" * 32, 1)
    longer = ChunkRecord(b"b" * 32, 2)
    names = {content_id(KEY, pack_records(records)) for records in ([one, two], [two, one], [one, longer])}
    assert len(names) == 3


def test_another_key_gives_other_names() -> None:
    assert chunk_id(KEY, b"data") != chunk_id(bytes(32), b"data")


@given(RECORDS)
def test_records_come_back_as_they_were_packed(records: list[ChunkRecord]) -> None:
    assert unpack_records(pack_records(records)) == records


@pytest.mark.parametrize("length", [0, MAX_CHUNK_BYTES + 1, 2**32 - 1])
def test_a_record_with_an_impossible_length_is_refused(length: int) -> None:
    with pytest.raises(MalformedMessage, match="length"):
        unpack_records(pack_records([ChunkRecord(bytes(32), length)]))


@given(st.lists(st.binary(max_size=5_000), max_size=5))
def test_many_chunks_are_named_as_each_of_them_is(pieces: list[bytes]) -> None:
    assert list(chunk_ids(KEY, pieces)) == [chunk_id(KEY, piece) for piece in pieces]


@pytest.mark.parametrize("unpack", [unpack_records, unpack_wants, unpack_ids])
def test_a_broken_record_is_refused(unpack: object) -> None:
    with pytest.raises(MalformedMessage, match="broken"):
        unpack(bytes(35))  # type: ignore[operator]
    with pytest.raises(MalformedMessage, match="broken"):
        content_id(KEY, bytes(37))


@given(st.lists(st.builds(ChunkWant, st.integers(0, 2**64 - 1), HASHES, st.integers(0, 2**32 - 1), st.integers(0, 9))))
def test_wants_come_back_as_they_were_packed(wants: list[ChunkWant]) -> None:
    assert unpack_wants(pack_wants(wants)) == wants


def test_data_is_cut_by_its_records_and_must_fit_them_exactly() -> None:
    records = [ChunkRecord(b"a" * 32, 2), ChunkRecord(b"b" * 32, 3)]
    assert [bytes(piece) for _, piece in split_data(records, memoryview(b"aabbb"))] == [b"aa", b"bbb"]
    for data in (b"aabb", b"aabbbb", b""):
        with pytest.raises(MalformedMessage):
            list(split_data(records, memoryview(data)))


def test_lengths_must_match_the_data_behind_them() -> None:
    body = memoryview(pack_lengths([2, 3]) + b"aabbb")
    lengths, data = unpack_lengths(body, 2)
    assert (lengths, bytes(data)) == ([2, 3], b"aabbb")
    for wrong in (1, 3, -1, 2**40):
        with pytest.raises(MalformedMessage):
            unpack_lengths(body, wrong)


def test_ids_are_32_bytes_each() -> None:
    ids = [bytes([n]) * 32 for n in range(3)]
    assert unpack_ids(pack_ids(ids)) == ids
    with pytest.raises(LocalProtocolError):
        pack_ids([b"short"])
