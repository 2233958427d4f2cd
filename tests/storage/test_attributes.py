"""Times and modes set without content: the history has them, contents stay as they are."""

from __future__ import annotations

import pytest

from sfos.protocol import ROOT_NODE, Attributes, AttributesItem, CommitItem, ItemResult, Target
from sfos.server.spaces.operations.context import SpaceContext
from sfos.server.spaces.space import IdempotencyKey, Space
from tests.storage.desk import Desk, new_op


def set_on(desk: Desk, *items: AttributesItem, op_id: bytes | None = None) -> list[ItemResult]:
    return desk.space.set_attributes(desk.caller, IdempotencyKey(op_id or new_op()), items).results


def code_of(result: ItemResult) -> str | None:
    return result.error.code if result.error is not None else None


def test_mode_and_time_are_set_each_alone_and_both_and_the_content_stays(desk: Desk) -> None:
    content = b"x" * 250_000
    desk.put("/a", content)
    before = desk.stat("/a")
    usage = desk.space.usage(desk.caller)
    cursor = desk.space.cursor()
    for mode, mtime_ns in ((0o600, None), (None, 7), (0o755, -8)):
        attrs = None if mode is None else Attributes(mode=mode)
        (result,) = set_on(desk, AttributesItem(node=before.node, mtime_ns=mtime_ns, attrs=attrs))
        assert result.error is None
        assert result.revision == desk.stat("/a").revision
    after = desk.stat("/a")
    assert after.attrs is not None
    assert (after.attrs.mode, after.mtime_ns) == (0o755, -8)
    assert (after.node, after.content, after.size, after.name) == (before.node, before.content, before.size, "a")
    assert after.revision != before.revision
    assert desk.read("/a") == content
    now = desk.space.usage(desk.caller)
    assert (now.bytes_current, now.files_current, now.entries_current) == (
        usage.bytes_current,
        usage.files_current,
        usage.entries_current,
    )
    assert now.bytes_stored - now.bytes_rows == usage.bytes_stored - usage.bytes_rows
    assert 0 < now.bytes_rows - usage.bytes_rows < 3 * 1024  # the history of three changes counts
    changes, _ = desk.changes(cursor)
    assert [change.entry for change in changes] == [desk.entries("/")["a"]]


def test_what_is_so_already_makes_no_commit(desk: Desk) -> None:
    desk.put("/a", b"x")
    node = desk.stat("/a").node
    set_on(desk, AttributesItem(node=node, attrs=Attributes(mode=0o600), mtime_ns=5))
    revision, cursor = desk.stat("/a").revision, desk.space.cursor()
    for item in (
        AttributesItem(node=node, attrs=Attributes(mode=0o600), mtime_ns=5),
        AttributesItem(node=node, attrs=Attributes()),
        AttributesItem(node=node),
    ):
        (result,) = set_on(desk, item)
        assert (result.revision, desk.space.cursor()) == (revision, cursor)


def test_a_later_commit_of_the_same_makes_no_version(desk: Desk) -> None:
    records = desk.upload(b"x")
    desk.put("/a", b"x")
    set_on(desk, AttributesItem(node=desk.stat("/a").node, attrs=Attributes(mode=0o600), mtime_ns=5))
    revision = desk.stat("/a").revision
    entry = desk.stat("/a")
    item = CommitItem(
        target=Target(path="/a"), size=1, chunks=1, content=entry.content, mtime_ns=5, attrs=Attributes(mode=0o600)
    )
    (result,), _ = desk.commit([item], records)
    assert (result.error, result.revision) == (None, revision)


def test_good_items_are_set_and_each_bad_one_has_its_error(desk: Desk) -> None:
    desk.put("/a", b"x")
    desk.put("/gone", b"x")
    link = CommitItem(target=Target(path="/link"), kind="symlink", attrs=Attributes(link="a"))
    desk.commit([link], [])
    desk.make_folder("/d")
    a, gone = desk.stat("/a"), desk.stat("/gone")
    desk.delete("/gone")
    results = set_on(
        desk,
        AttributesItem(node=gone.node, mtime_ns=1),
        AttributesItem(node=a.node, mtime_ns=1, if_revision="1.000000000000"),
        AttributesItem(node=ROOT_NODE, mtime_ns=1),
        AttributesItem(node=desk.stat("/link").node, attrs=Attributes(link="b")),
        AttributesItem(node=desk.stat("/link").node, mtime_ns=9),
        AttributesItem(node=desk.stat("/d").node, attrs=Attributes(mode=0o700), mtime_ns=2),
        AttributesItem(node=a.node, attrs=Attributes(mode=0o640), if_revision=a.revision),
        AttributesItem(node=a.node, mtime_ns=3),
    )
    assert [code_of(result) for result in results] == [
        "not_found", "revision_conflict", "permission_denied", "malformed_message", None, None, None, None,
    ]  # fmt: skip
    entries = desk.entries("/")
    assert {name: (entry.attrs and entry.attrs.fields(), entry.mtime_ns) for name, entry in entries.items()} == {
        "a": ({"mode": 0o640}, 3),
        "d": ({"mode": 0o700}, 2),
        "link": ({"link": "a"}, 9),
    }


def test_a_repetition_gets_the_same_answer_and_changes_nothing_more(desk: Desk) -> None:
    desk.put("/a", b"x")
    node, op_id = desk.stat("/a").node, new_op()
    first = set_on(desk, AttributesItem(node=node, mtime_ns=1), op_id=op_id)
    set_on(desk, AttributesItem(node=node, mtime_ns=2))
    assert set_on(desk, AttributesItem(node=node, mtime_ns=1), op_id=op_id) == first
    assert desk.stat("/a").mtime_ns == 2


def test_attributes_of_a_newer_program_stay(desk: Desk, space: Space, context: SpaceContext) -> None:
    from sfos.protocol import AttributesRead
    from sfos.server.spaces.operations.entries import decode_attrs, encode_fields

    newer = AttributesRead(mode=0o644, unknown={"color": "red"})
    assert decode_attrs(encode_fields(newer)) == newer


@pytest.mark.parametrize("mode", [0, 0o7777])
def test_every_mode_is_kept(desk: Desk, mode: int) -> None:
    desk.put("/a", b"x")
    set_on(desk, AttributesItem(node=desk.stat("/a").node, attrs=Attributes(mode=mode)))
    attrs = desk.stat("/a").attrs
    assert attrs is not None and attrs.mode == mode
