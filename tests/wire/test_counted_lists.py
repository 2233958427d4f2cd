"""Lists in bodies are counted before they are decoded: what is in one takes many times as much memory as its text."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest

from sfos.protocol import (
    MAX_BODY,
    MAX_COMMIT_ITEMS,
    Attributes,
    CommitItem,
    CommitRequest,
    ItemsReply,
    ListReply,
    Target,
    TooMuch,
    decode_changes,
    pack_commit,
    unpack_commit,
    unpack_entries,
    unpack_names,
    unpack_results,
)


def many(element: bytes) -> bytes:
    """A JSON array of as many as fit a body."""
    return b"[" + b",".join([element] * ((MAX_BODY - 2) // (len(element) + 1))) + b"]"


def commit(body: bytes) -> object:
    return unpack_commit(CommitRequest(op_id=bytes(16), items_bytes=len(body)), memoryview(body))


def results(body: bytes) -> object:
    return unpack_results(ItemsReply(cursor="", results_bytes=len(body)), memoryview(body))


def names(body: bytes) -> object:
    return unpack_names(ListReply(at="", head_bytes=len(body)), memoryview(body))


def only_names(body: bytes) -> object:
    return unpack_names(ListReply(at="", head_bytes=2), memoryview(b"[]" + body[2:]))


def entries(body: bytes) -> object:
    return unpack_entries(ListReply(at="", head_bytes=len(body)), memoryview(body))


@pytest.mark.parametrize(
    ("read", "body"),
    [
        (commit, many(b'{"target":{}}')),
        (commit, many(b'{"\\u0074arget":{}}')),
        (commit, many(b'{"target":{"path":"/\\"{[,"}}')),
        (decode_changes, many(b'{"entry":{"node":1,"parent":1,"name":"","kind":"file","revision":""}}')),
        (results, many(b"{}")),
        (names, many(b'{"folder":1,"count":1}')),
        (names, b'[{"folder":1,"count":1,"folders":' + many(b"[0,1]")[: MAX_BODY - 40] + b"]}]"),
        (only_names, b"a/" * (MAX_BODY // 2)),
        (entries, b'{"folders":[],"revisions":[],"names":' + many(b'""')[: MAX_BODY - 40] + b"}"),
    ],
)
def test_a_list_of_far_too_many_is_refused_before_it_is_decoded(read: Callable[[bytes], object], body: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(TooMuch):
            read(body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * MAX_BODY  # copies of the text


@pytest.mark.parametrize("name", ["{" * 255, "[,]" * 85, '"{' * 127, "\\" * 2 + "{" * 100, "plain"])
def test_as_many_as_may_be_are_read_whatever_their_names_are_full_of(name: str) -> None:
    items = [
        CommitItem(target=Target(parent=1, name=name), kind="symlink", attrs=Attributes(link=name, mode=0o777))
        for _ in range(MAX_COMMIT_ITEMS)
    ]
    request, body = pack_commit(bytes(16), items, [])
    assert unpack_commit(request, memoryview(body)).items == items
    request, body = pack_commit(bytes(16), [*items, items[0]], [])
    with pytest.raises(TooMuch):
        unpack_commit(request, memoryview(body))
