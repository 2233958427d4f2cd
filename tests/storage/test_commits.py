"""Putting files in place: what lands, what is refused, and that a repeated request applies once."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import msgspec
import pytest

from sfos.protocol import (
    AlreadyExists,
    AnswerForgotten,
    Attributes,
    AttributesRead,
    BadChunk,
    ChunkRecord,
    CommitItem,
    ContentMismatch,
    CopyRequest,
    IsAFolder,
    MakeFolderRequest,
    MalformedMessage,
    MissingChunks,
    MoveRequest,
    NameNotAllowed,
    NotAFolder,
    NotFound,
    OpIdReused,
    QuotaExceeded,
    Ref,
    RevisionConflict,
    StorageFull,
    Target,
    chunk_id,
    pack_commit,
    sent_back,
    unpack_results,
)
from sfos.server.maintenance.verify import verify_space
from sfos.server.spaces.operations.context import SpaceContext, StoreLimits
from sfos.server.spaces.registry import SpaceRegistry
from sfos.server.spaces.space import Caller, Space
from sfos.server.spaces.stored_answers import pack_items_done
from sfos.server.vault.sealing import sealed_size
from tests.storage.conftest import SPACE_ID
from tests.storage.desk import Desk, new_op

SIZES = [0, 1, 99_999, 100_000, 100_001, 350_000]


@pytest.mark.parametrize("size", SIZES)
def test_a_file_reads_back_as_it_was_put(desk: Desk, size: int) -> None:
    data = os.urandom(size)
    desk.put("/file.bin", data)
    assert desk.read("/file.bin") == data
    assert desk.stat("/file.bin").size == size


def test_parents_are_made_and_found_again(desk: Desk) -> None:
    desk.put_many({"/a/b/c/one": b"1", "/a/b/two": b"2", "/A/B/three": b"3"})
    assert desk.tree() == {"/a": None, "/a/b": None, "/a/b/c": None, "/a/b/c/one": b"1", "/a/b/two": b"2"} | {
        "/a/b/three": b"3"
    }
    usage = desk.space.usage(desk.caller)
    assert (usage.files_current, usage.bytes_current) == (3, 3)


def test_an_entry_says_what_was_put(desk: Desk) -> None:
    records = desk.upload(b"data")
    attrs = Attributes(mode=0o755)
    (result,), _ = desk.commit([desk.item("/Ünïcode 名.txt", records, mtime_ns=-5, attrs=attrs)], records)
    entry = desk.stat("/Ünïcode 名.txt")
    assert (entry.node, entry.revision) == (result.node, result.revision)
    assert (entry.name, entry.kind, entry.size, entry.mtime_ns) == ("Ünïcode 名.txt", "file", 4, -5)
    assert entry.attrs == AttributesRead(mode=0o755)
    assert entry.path == "/Ünïcode 名.txt"
    assert entry.content == records[0].chunk_id


def test_names_differ_in_more_than_case_or_unicode_form(desk: Desk) -> None:
    first = desk.put("/Stra\u00dfe", b"1")
    again = desk.put("/STRASSE", b"2")
    assert again.node == first.node
    assert list(desk.entries("/")) == ["STRASSE"]
    desk.put("/e\u0301", b"composed on the way in")
    assert desk.stat("/\u00c9").name == "\u00e9"


def test_a_symlink_keeps_where_it_points(desk: Desk) -> None:
    item = desk.item("/link", kind="symlink", attrs=Attributes(link="../else where"))
    desk.commit([item])
    entry = desk.stat("/link")
    assert (entry.kind, entry.content) == ("symlink", None)
    assert entry.attrs == AttributesRead(link="../else where")
    with pytest.raises(NotFound):
        desk.read("/link")


def test_a_folder_as_an_item_is_made_or_brought_up_to_date(desk: Desk) -> None:
    desk.commit([desk.item("/folder", kind="folder", mtime_ns=5)])
    first = desk.stat("/folder")
    assert (first.kind, first.mtime_ns) == ("folder", 5)
    desk.put("/folder/file", b"x")
    desk.commit([desk.item("/folder", kind="folder", mtime_ns=7, attrs=Attributes(mode=0o700))])
    second = desk.stat("/folder")
    assert (second.node, second.mtime_ns, second.attrs) == (first.node, 7, AttributesRead(mode=0o700))
    assert desk.read("/folder/file") == b"x"


def test_the_same_again_is_no_new_version(desk: Desk) -> None:
    first = desk.put("/a", b"data", mtime_ns=3)
    cursor = desk.space.cursor()
    assert desk.put("/a", b"data", mtime_ns=3) == first
    assert desk.space.cursor() == cursor
    assert desk.put("/a", b"data", mtime_ns=4).revision != first.revision


def test_good_items_land_and_each_bad_one_has_its_reason(desk: Desk) -> None:
    desk.make_folder("/folder")
    desk.put("/file", b"old")
    records = desk.upload(b"good")
    unknown = ChunkRecord(b"\x01" * 32, 5)
    items = [
        desk.item("/good", records),
        desk.item("/folder", records),
        desk.item("/file/below", records),
        desk.item("/bad\x07name", records),
        desk.item("/missing", [unknown]),
        desk.item("/file", kind="folder"),
        desk.item("/", records),
        CommitItem(target=Target(path="/wrong-size"), size=5, content=records[0].chunk_id, chunks=1),
        CommitItem(target=Target(path="/wrong-id"), size=4, content=b"\x02" * 32, chunks=1),
        CommitItem(target=Target(), size=4, content=records[0].chunk_id, chunks=1),
        desk.item("/link", kind="symlink"),
        desk.item(Target(parent=999, name="x"), records),
    ]
    sent = [*records, *records, *records, *records, unknown, *records, *records, *records, *records, *records]
    results, missing = desk.commit(items, sent)
    assert [result.error and result.error.code for result in results] == [
        None,
        IsAFolder.code,
        NotAFolder.code,
        NameNotAllowed.code,
        MissingChunks.code,
        NotAFolder.code,
        NameNotAllowed.code,
        ContentMismatch.code,
        ContentMismatch.code,
        MalformedMessage.code,
        MalformedMessage.code,
        NotFound.code,
    ]
    assert missing == [unknown.chunk_id]
    assert desk.tree() == {"/good": b"good", "/folder": None, "/file": b"old"}


def test_atomic_means_all_or_nothing(desk: Desk) -> None:
    records = desk.upload(b"good")
    before = desk.space.cursor()
    results, _ = desk.commit(
        [desk.item("/a", records), desk.item("/b/c", records, if_revision="7.000000000000")],
        [*records, *records],
        atomic=True,
    )
    assert [result.error and result.error.code for result in results] == ["tree_error", "revision_conflict"]
    assert desk.tree() == {}
    assert desk.space.cursor() == before
    results, _ = desk.commit([desk.item("/a", records), desk.item("/b/c", records)], [*records, *records], atomic=True)
    assert not any(result.error for result in results)


@pytest.mark.parametrize("second", ["/new/x", "/NEW/X"])
def test_of_two_items_of_one_name_the_second_is_refused_and_the_first_stays(desk: Desk, second: str) -> None:
    one, two = desk.upload(b"one"), desk.upload(b"two!")
    results, _ = desk.commit([desk.item("/new/x", one), desk.item(second, two)], [*one, *two])
    assert [result.error and result.error.code for result in results] == [None, "already_exists"]
    assert desk.tree() == {"/new": None, "/new/x": b"one"}


def test_the_two_unicode_forms_of_a_name_are_one_name_to_a_commit(desk: Desk) -> None:
    desk.put("/\u00e9", b"before")
    one, two = desk.upload(b"one"), desk.upload(b"two!")
    results, _ = desk.commit([desk.item("/\u00e9", one), desk.item("/e\u0301", two)], [*one, *two])
    assert [result.error and result.error.code for result in results] == [None, "already_exists"]
    assert desk.read("/\u00e9") == b"one"


def test_items_may_lie_below_what_items_before_them_make(desk: Desk) -> None:
    records = desk.upload(b"x")
    items = [
        desk.item("/d", kind="folder", attrs=Attributes(mode=0o700)),
        desk.item("/d/x", records),
        desk.item("/d/e/f", kind="folder"),
        desk.item("/d/e/f/x", records),
        desk.item("/d/e", kind="folder", attrs=Attributes(mode=0o711)),
        desk.item("/f", records),
        desk.item("/f/x", records),
        desk.item("/g/x", records),
        desk.item("/g", records),
    ]
    results, _ = desk.commit(items, records * 6)
    assert [result.error and result.error.code for result in results] == [
        *([None] * 6),
        "not_a_folder",
        None,
        "is_a_folder",
    ]
    assert desk.tree() == {"/d": None, "/d/e": None, "/d/e/f": None, "/g": None} | dict.fromkeys(
        ("/d/x", "/d/e/f/x", "/f", "/g/x"), b"x"
    )
    assert desk.stat("/d/e").attrs == AttributesRead(mode=0o711)


def test_if_revision_refuses_what_was_not_seen(desk: Desk) -> None:
    created = desk.put("/a", b"1", if_revision="0")
    with pytest.raises(AlreadyExists):
        desk.put("/a", b"2", if_revision="0")
    changed = desk.put("/a", b"2", if_revision=created.revision)
    with pytest.raises(RevisionConflict):
        desk.put("/a", b"3", if_revision=created.revision)
    with pytest.raises(RevisionConflict):
        desk.put("/gone", b"3", if_revision=changed.revision)
    with pytest.raises(RevisionConflict):
        desk.delete("/a", if_revision=created.revision)
    with pytest.raises(RevisionConflict):
        desk.move("/a", "/b", if_revision=created.revision)
    assert desk.tree() == {"/a": b"2"}
    desk.move("/a", "/b", if_revision=changed.revision)
    with pytest.raises(RevisionConflict):
        desk.delete("/b", if_revision=changed.revision)
    desk.delete("/b", if_revision=desk.stat("/b").revision)


def test_of_many_writers_with_the_same_revision_exactly_one_wins(desk: Desk, space: Space) -> None:
    revision = desk.put("/a", b"start").revision
    outcomes: list[str] = []

    def write(number: int) -> None:
        try:
            Desk(space, f"u{number}").put("/a", b"by %d" % number, if_revision=revision)
            outcomes.append("won")
        except RevisionConflict:
            outcomes.append("lost")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["lost"] * 15 + ["won"]


def test_no_update_of_many_threads_is_lost(desk: Desk, space: Space) -> None:
    """8 threads, each reading, changing and writing 25 times with retries: every one of the 200 must be there."""
    desk.put("/count", b"0")
    failures: list[BaseException] = []

    def work() -> None:
        own = Desk(space)
        try:
            for _ in range(25):
                while True:
                    entry = own.stat("/count")
                    value = int(own.read("/count"))
                    try:
                        own.put("/count", b"%d" % (value + 1), if_revision=entry.revision)
                        break
                    except RevisionConflict:
                        continue
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert desk.read("/count") == b"200"


def test_a_repeated_commit_gets_the_first_reply_and_applies_once(desk: Desk, space: Space) -> None:
    record, data = desk.cut(b"data")[0]
    request, body = pack_commit(new_op(), [desk.item("/a", [record])], [record], [(record, data)])
    first = desk.send_commit(request, body)
    desk.delete("/a")
    cursor = space.cursor()
    assert desk.send_commit(request, body) == first
    assert space.cursor() == cursor
    assert desk.tree() == {}


def test_the_same_commit_sent_by_many_threads_at_once_applies_once(desk: Desk, space: Space) -> None:
    record, data = desk.cut(b"data")[0]
    request, body = pack_commit(new_op(), [desk.item("/a", [record])], [record], [(record, data)])
    replies: list[object] = []

    def send() -> None:
        replies.append(desk.send_commit(request, body))

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(replies) == 8
    assert all(reply == replies[0] for reply in replies)
    assert desk.bytes_of_chunks() == sealed_size(4)


def test_an_op_id_cannot_be_used_for_another_request(desk: Desk, space: Space) -> None:
    op_id, record = new_op(), desk.upload(b"data")[0]
    first = MakeFolderRequest(op_id=op_id, target=Target(path="/a"))
    desk.send(first)
    node = desk.stat("/a").node
    others: list[Callable[[], object]] = [
        lambda: desk.commit([desk.item("/b", kind="folder")], op_id=op_id),
        lambda: desk.send(MakeFolderRequest(op_id=op_id, target=Target(path="/b"))),
        lambda: Desk(space, "somebody else").send(first),
        lambda: desk.send(MoveRequest(op_id=op_id, source=Ref(path="/a"), target=Target(path="/b"))),
        lambda: desk.send(CopyRequest(op_id=op_id, source=Ref(path="/a"), target=Target(path="/b"))),
    ]
    for other in others:
        with pytest.raises(OpIdReused):
            other()
    assert desk.send(first).node == node
    commit_id = new_op()
    desk.commit([desk.item("/c", [record])], [record], op_id=commit_id)
    for item in (desk.item("/d", [record]), desk.item("/c", [record], mtime_ns=1)):
        with pytest.raises(OpIdReused):
            desk.commit([item], [record], op_id=commit_id)
    again = desk.commit([desk.item("/c", [record])], [record], [(record, b"data")], op_id=commit_id)
    assert again[0][0].node == desk.stat("/c").node
    assert desk.tree() == {"/a": None, "/c": b"data"}


def test_the_replies_of_earlier_versions_are_given_again(desk: Desk, space: Space, context: SpaceContext) -> None:
    request = MakeFolderRequest(op_id=new_op(), target=Target(path="/a"))
    reply = desk.send(request)
    header = msgspec.json.encode(reply)
    old = context.names.seal_reply(request.op_id, len(header).to_bytes(4, "big") + header)
    with context.catalog.core() as connection:
        connection.exec_driver_sql("UPDATE commits SET reply = ? WHERE op_id = ?", (old, request.op_id))
        connection.exec_driver_sql("UPDATE spaces SET bytes_rows = bytes_rows - 16")  # a fingerprint less
    assert desk.send(request) == reply


def test_a_request_of_long_ago_is_not_carried_out_again(desk: Desk, space: Space, context: SpaceContext) -> None:
    request = MakeFolderRequest(op_id=new_op(), target=Target(path="/a"))
    desk.send(request)
    with context.catalog.core() as connection:
        forgotten = "(SELECT sum(length(reply)) FROM commits)"
        connection.exec_driver_sql(f"UPDATE spaces SET bytes_rows = bytes_rows - {forgotten}")
        connection.exec_driver_sql("UPDATE commits SET reply = NULL")
    desk.delete("/a")
    with pytest.raises(AnswerForgotten):
        desk.send(request)
    assert desk.tree() == {}


def test_a_chunk_that_is_not_what_its_id_says_is_refused_and_nothing_stored(desk: Desk, space: Space) -> None:
    record = ChunkRecord(chunk_id(desk.key, b"right"), 5)
    with pytest.raises(BadChunk):
        space.put_chunks(desk.caller, [record], memoryview(b"wrong"))
    with pytest.raises(BadChunk):
        desk.commit([desk.item("/a", [record])], [record], [(record, b"wrong")])
    assert desk.bytes_of_chunks() == 0


def test_a_list_that_lies_about_a_length_is_refused(desk: Desk) -> None:
    data = os.urandom(250_000)
    records = desk.upload(data)
    lying = [*records[:-1], ChunkRecord(records[-1].chunk_id, records[-1].length + 1)]
    results, _ = desk.commit([desk.item("/a", lying)], lying)
    assert results[0].error is not None
    assert results[0].error.code == ContentMismatch.code


@pytest.mark.parametrize("change", ["short", "long", "records", "items"])
def test_bodies_that_do_not_match_their_header_are_refused_whole(desk: Desk, space: Space, change: str) -> None:
    record, data = desk.cut(b"data")[0]
    request, body = pack_commit(new_op(), [desk.item("/a", [record])], [record], [(record, data)])
    if change == "short":
        body = body[:-1]
    elif change == "long":
        body += b"x"
    elif change == "records":
        request = type(request)(op_id=request.op_id, items_bytes=request.items_bytes, records=9, inline=1)
    else:
        request = type(request)(op_id=request.op_id, items_bytes=request.items_bytes - 1, records=1, inline=1)
    with pytest.raises(MalformedMessage):
        desk.send_commit(request, body)
    assert desk.tree() == {}


def test_missing_chunks_are_named_once_and_the_retry_succeeds(desk: Desk) -> None:
    data = os.urandom(450_000)
    pieces = desk.cut(data)
    desk.upload(data[:200_000])
    records = [record for record, _ in pieces]
    results, missing = desk.commit([desk.item("/a", records), desk.item("/b", records)], [*records, *records])
    assert {result.error.code for result in results if result.error} == {MissingChunks.code}
    assert missing == [record.chunk_id for record in records[2:]]
    desk.upload(data[200_000:])
    desk.put("/a", data)
    assert desk.read("/a") == data


def test_below_the_floor_of_free_space_whatever_grows_is_refused_and_deletes_still_work(
    new_registry: Callable[..., SpaceRegistry],
) -> None:
    with new_registry().lease(SPACE_ID) as space:
        desk = Desk(space)
        desk.put("/a", b"data")
    full = new_registry(limits=StoreLimits(free_floor_bytes=2**60))
    with full.lease(SPACE_ID) as space:
        desk = Desk(space)
        with pytest.raises(StorageFull):
            desk.put("/b", b"other")
        with pytest.raises(StorageFull):
            desk.put_many({"/b": b"other"})
        assert desk.read("/a") == b"data"
        with pytest.raises(StorageFull):
            desk.move("/a", "/c")
        desk.delete("/a")
        assert desk.tree() == {}


def test_a_quota_counts_stored_bytes_history_and_pending_included(desk: Desk, space: Space) -> None:
    bounded = Desk(space, quota_bytes=250_000)
    bounded.put("/a", os.urandom(90_000))
    bounded.delete("/a")  # its bytes stay, in the history
    bounded.upload(os.urandom(90_000))
    with pytest.raises(QuotaExceeded):
        bounded.put("/c", os.urandom(90_000))
    with pytest.raises(QuotaExceeded):
        bounded.put_many({"/c": os.urandom(90_000)})
    usage = space.usage(Caller("u1", 250_000))
    assert usage.quota_bytes == 250_000
    assert 180_000 < usage.bytes_stored - usage.bytes_rows < 181_000
    desk.put("/c", os.urandom(90_000))  # without a quota


def test_thousands_of_items_land_in_one_commit(desk: Desk) -> None:
    files = {f"/d{number % 50}/f{number}": b"%d" % number for number in range(5_000)}
    cursor = desk.space.cursor()
    desk.put_many(files)
    assert {path: data for path, data in desk.tree().items() if data is not None} == files
    changes, _ = desk.changes(cursor, limit=700)
    assert len(changes) == 5_050
    assert len({change.entry.revision for change in changes}) == 1


def test_unpacked_results_are_what_the_reply_says(desk: Desk, space: Space) -> None:
    request, body = pack_commit(new_op(), [desk.item("/a", kind="folder")], [])
    reply, results = pack_items_done(desk.send_commit(request, body))
    assert reply.cursor == space.cursor()
    assert unpack_results(reply, memoryview(results))[0][0].node == desk.stat("/a").node


def test_names_and_attributes_are_right_whatever_becomes_of_the_items_beside_them(
    desk: Desk, context: SpaceContext
) -> None:
    """They are sealed together before the items land; items that fail, replace or make folders shift node ids."""
    records = desk.upload(b"x")
    lacking = [ChunkRecord(b"l" * 32, 4)]
    desk.put_many({f"/d/old{number}": b"" for number in range(10)})
    for round_ in range(2):
        items = []
        used: list[ChunkRecord] = []
        for number in range(40):
            own = lacking if number % 7 == 3 else records if number % 5 else []
            path = {0: "/d/new", 1: "/d/old", 2: f"/fresh{number % 3}/"}[number % 3] + str(number)
            attrs = None if number % 11 == 5 else Attributes(mode=number + round_ * 100)
            items.append(desk.item(path, own, attrs=attrs))
            used += own
        results, missing = desk.commit(items, used)
        assert missing == [b"l" * 32]
        failed = {number for number, result in enumerate(results) if result.error}
        assert failed == {number for number in range(40) if number % 7 == 3}
        for number, item in enumerate(items):
            if number not in failed:
                assert item.target.path is not None
                entry = desk.stat(item.target.path)
                assert (entry.attrs and sent_back(entry.attrs), entry.path) == (item.attrs, item.target.path)
    assert not verify_space(context, full=True).findings
