"""Requests, replies, errors and bodies: what passes, and what a typed decoder refuses."""

import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sfos.protocol as p
from tests.support.entry_lists import packed, unpacked

OP = bytes(16)


def test_a_request_has_these_bytes_on_the_wire() -> None:
    header = p.encode_request(7, p.StatRequest(ref=p.Ref(path="/é")))
    assert header == '{"id":7,"command":"stat","args":{"ref":{"path":"/é"}}}'.encode()
    envelope = p.decode_request(header)
    assert (envelope.id, envelope.command) == (7, "stat")
    assert p.decode_args(p.StatRequest, envelope.args) == p.StatRequest(ref=p.Ref(path="/é"))


def test_a_reply_an_error_and_an_event_have_these_bytes_on_the_wire() -> None:
    assert p.encode_result(7, p.WatchReply(cursor="1.ab")) == b'{"id":7,"result":{"cursor":"1.ab"}}'
    assert p.encode_event(7, p.WatchEvent(cursor="1.ab")) == b'{"id":7,"event":{"cursor":"1.ab"}}'
    assert (
        p.encode_error(7, p.NotFound(subject="/a"))
        == b'{"id":7,"error":{"code":"not_found","message":"No such file or folder.","subject":"/a"}}'
    )


@pytest.mark.parametrize(
    "args",
    [
        b"[]",
        b"null",
        b"{",
        b"",
        b'{"ref":{"path":1}}',
        b'{"ref":{"path":"/a","unknown":1}}',
        b'{"ref":{"node":0}}',
        b'{"ref":{"node":9223372036854775808}}',
        b'{"ref":{"node":1e999}}',
        b'{"ref":{"node":NaN}}',
        b'{"ref":{"path":"\\ud800"}}',
        b'{"ref":{"path":"\xff"}}',
        b'{"ref":{"space":"../../../etc"}}',
        b'{"ref":' + b"[" * 100_000,
    ],
)
def test_malformed_arguments_are_refused_with_a_typed_error(args: bytes) -> None:
    with pytest.raises(p.MalformedMessage):
        envelope = p.decode_request(b'{"id":1,"command":"stat","args":' + args + b"}")
        p.decode_args(p.StatRequest, envelope.args)


@given(st.binary(max_size=300))
def test_any_bytes_as_a_header_are_refused_with_a_typed_error(junk: bytes) -> None:
    for decode in (p.decode_request, p.decode_reply):
        with pytest.raises(p.MalformedMessage):
            decode(b"\x01" + junk)


def test_requests_forbid_unknown_fields_and_replies_ignore_them() -> None:
    reply = p.decode_reply(b'{"id":1,"result":{"cursor":"1.ab","new_in_version_9":[1]},"also_new":2}')
    assert not reply.is_event
    assert p.decode_result(p.WatchReply, reply.result).cursor == "1.ab"
    with pytest.raises(p.MalformedMessage, match="unknown"):
        p.decode_request(b'{"id":1,"command":"stat","unknown":1}')


@pytest.mark.parametrize(
    "header",
    [
        b'{"id":1}',
        b'{"id":1,"result":{},"error":{"code":"x","message":"y"}}',
        b'{"id":1,"result":{},"working":{}}',
        b'{"id":1,"event":{},"working":{}}',
    ],
)
def test_a_reply_is_exactly_one_of_result_error_event_and_working(header: bytes) -> None:
    with pytest.raises(p.MalformedMessage):
        p.decode_reply(header)


def test_a_sign_of_work_comes_back_as_it_was_and_counts_nothing_below_zero() -> None:
    for working in (p.Working(), p.Working(done=12), p.Working(done=2**40, behind="delete")):
        assert p.decode_reply(p.encode_working(3, working)) == p.ReplyEnvelope(id=3, working=working)
    assert p.decode_reply(b'{"id":3,"working":{"new_in_version_9":1}}').working == p.Working()
    for wrong in (b'{"done":-1}', b'{"done":"x"}', b'{"behind":"' + b"x" * 65 + b'"}', b"7"):
        with pytest.raises(p.MalformedMessage):
            p.decode_reply(b'{"id":3,"working":' + wrong + b"}")


def test_every_command_has_a_request_that_forbids_unknown_fields_and_a_reply_that_ignores_them() -> None:
    for request, spec in p.COMMANDS.items():
        assert request is spec.request
        assert p.COMMANDS_BY_NAME[spec.name] is spec
        assert spec.request.__struct_config__.forbid_unknown_fields, spec.name
        assert not spec.reply.__struct_config__.forbid_unknown_fields, spec.name
        assert spec.summary, spec.name
        assert 0 <= spec.request_body <= p.MAX_BODY, spec.name
        assert spec.changes == ("op_id" in spec.request.__struct_fields__), spec.name
        if spec.access is p.Access.ANYONE:
            assert spec.request_body == 0, spec.name


def test_every_error_has_a_code_of_its_own_a_sentence_and_comes_back_as_itself() -> None:
    classes = set(p.ERRORS.values())
    assert len(classes) == len(p.ERRORS)
    for code, kind in p.ERRORS.items():
        error = kind(subject="/a", retry_after_s=1.5)
        assert error.message.endswith("."), code
        again = p.from_info(error.info())
        assert type(again) is kind
        assert (again.message, again.subject, again.retry_after_s) == (error.message, "/a", 1.5)
        assert 0 < kind.exit_code < 126


def test_an_error_that_only_a_newer_server_knows_keeps_its_code_and_sentence() -> None:
    error = p.from_info(p.ErrorInfo("brand_new", "A sentence."))
    assert type(error) is p.SfosError
    assert (error.code, str(error)) == ("brand_new", "A sentence.")


def test_an_endless_error_sentence_is_cut() -> None:
    assert len(p.from_info(p.ErrorInfo("x", "y" * 10_000)).message) == 500


def test_a_reply_that_bears_an_error_raises_it() -> None:
    with pytest.raises(p.RevisionConflict):
        p.raise_for_error(p.decode_reply(p.encode_error(1, p.RevisionConflict())))


def commit_parts() -> tuple[list[p.CommitItem], list[p.ChunkRecord], list[tuple[p.ChunkRecord, bytes]]]:
    record = p.ChunkRecord(b"c" * 32, 5)
    items = [
        p.CommitItem(target=p.Target(path="/a"), size=5, content=b"c" * 32, chunks=1, if_revision="0"),
        p.CommitItem(target=p.Target(path="/d"), kind="folder"),
    ]
    return items, [record], [(record, b"hello")]


def test_a_commit_comes_back_as_it_was_packed() -> None:
    items, records, inline = commit_parts()
    request, body = p.pack_commit(OP, items, records, inline, atomic=True)
    assert (request.records, request.inline, request.atomic) == (1, 1, True)
    parts = p.unpack_commit(request, memoryview(body))
    assert parts.items == items
    assert parts.records == records
    assert parts.inline == [inline[0][0]]
    assert bytes(parts.data) == b"hello"


def test_a_commit_cut_or_lengthened_at_any_byte_is_refused() -> None:
    request, body = p.pack_commit(OP, *commit_parts())
    for cut in range(len(body)):
        with pytest.raises(p.MalformedMessage):
            p.unpack_commit(request, memoryview(body[:cut]))
    with pytest.raises(p.MalformedMessage):
        p.unpack_commit(request, memoryview(body + b"x"))


def test_a_commit_whose_items_do_not_match_its_records_is_refused() -> None:
    items, records, inline = commit_parts()
    request, body = p.pack_commit(OP, items, records * 2, inline)
    with pytest.raises(p.MalformedMessage, match="items do not match"):
        p.unpack_commit(request, memoryview(body))


def test_results_come_back_with_the_missing_ids() -> None:
    results = [p.ItemResult(node=5, revision="1.ab"), p.ItemResult(error=p.NotFound().info())]
    results_bytes, missing, body = p.pack_results(results, [b"m" * 32])
    reply = p.ItemsReply(cursor="1.ab", results_bytes=results_bytes, missing=missing)
    assert p.unpack_results(reply, memoryview(body)) == (results, [b"m" * 32])
    for wrong in (-1, results_bytes - 1, 2**40):
        with pytest.raises(p.MalformedMessage):
            p.unpack_results(msgspec.structs.replace(reply, results_bytes=wrong), memoryview(body))


def test_lists_of_changes_come_back() -> None:
    entry = p.Entry(node=2, parent=1, name="a", kind="file", revision="1.ab", content=b"c" * 32)
    changes = [p.Change(entry=entry, deleted=True)]
    assert p.decode_changes(p.encode_array(changes)) == changes
    assert p.decode_changes(b"") == []
    with pytest.raises(p.MalformedMessage):
        p.decode_changes(b'[{"entry":{"node":"x"}}]')


ENTRIES = [
    p.Entry(
        node=2,
        parent=1,
        name="é",
        kind="file",
        revision="1.ab",
        size=5,
        mtime_ns=-7,
        content=b"c" * 32,
        attrs=p.AttributesRead(mode=0o644),
    ),
    p.Entry(node=3, parent=1, name='"', kind="folder", revision="2.ab"),
    p.Entry(node=4, parent=3, name="l", kind="symlink", revision="1.ab", attrs=p.AttributesRead(link="x")),
]
HEAD = (
    '{"folders":[[1,2],[3,1]],"names":["é","\\"","l"],"revisions":["1.ab","2.ab"],"attrs":[{"mode":420},{"link":"x"}]}'
)
COLUMNS = (
    struct.pack(">9q", 2, 3, 4, 5, 0, 0, -7, 0, 0)
    + struct.pack(">6H", 0, 1, 0, 1, 0, 2)
    + bytes((1, 2, 3))
    + b"c" * 32
    + bytes(64)
)


def unpacked_columns(columns: bytes, head: str = HEAD, head_bytes: int | None = None) -> list[p.Entry]:
    encoded = head.encode()
    return unpacked(p.ListReply(at="c", head_bytes=head_bytes or len(encoded)), encoded + columns)


def test_a_list_of_entries_has_these_bytes_and_comes_back() -> None:
    head_bytes, body = packed(ENTRIES)
    assert body == HEAD.encode() + COLUMNS
    reply = p.ListReply(at="c", head_bytes=head_bytes)
    assert unpacked(reply, body) == ENTRIES
    one, two = p.unpack_entries(reply, memoryview(body))
    assert (one.folder, len(one), list(one.names), one.entry(1)) == (1, 2, ["é", '"'], ENTRIES[1])
    assert (two.folder, len(two), list(two.mtimes_ns), two.entry(0)) == (3, 1, [0], ENTRIES[2])
    head_bytes, body = packed([])
    assert p.unpack_entries(p.ListReply(at="c", head_bytes=head_bytes), memoryview(body)) == []


def test_a_page_of_entries_outlives_the_memory_that_it_came_in() -> None:
    head_bytes, body = packed(ENTRIES)
    memory = bytearray(body)
    parts = p.unpack_entries(p.ListReply(at="c", head_bytes=head_bytes), memoryview(memory))
    memory[:] = bytes(len(memory))
    assert [entry for part in parts for entry in part.entries()] == ENTRIES


def changed(at: int, to: bytes) -> bytes:
    return COLUMNS[:at] + to + COLUMNS[at + len(to) :]


@pytest.mark.parametrize(
    ("columns", "head"),
    [
        (COLUMNS[:-1], HEAD),
        (COLUMNS + b"x", HEAD),
        (b"", HEAD),
        (COLUMNS, HEAD.replace("[[1,2],", "[[1,1],")),
        (COLUMNS, HEAD.replace("[[1,2],", "[[1,3],")),
        (COLUMNS, HEAD.replace("[[1,2],[3,1]]", "[[1,4],[3,-1]]")),
        (COLUMNS, HEAD.replace("[[1,2],[3,1]]", "[[1,2],[3,1],[4,0]]")),
        (COLUMNS, HEAD.replace('["1.ab","2.ab"]', '["1.ab","2.ab","3.ab","4.ab"]')),
        (COLUMNS, HEAD.replace('"l"]', '"l","m"]')),
        (COLUMNS, HEAD.replace('"l"]', "7]")),
        (COLUMNS, HEAD.replace('["1.ab","2.ab"]', '["1.ab"]')),
        (COLUMNS, HEAD.replace(',{"link":"x"}', "")),
        (COLUMNS, HEAD[:-1]),
        (COLUMNS, HEAD.replace("é", "\\ud800")),
        (changed(0, struct.pack(">q", 0)), HEAD),
        (changed(0, struct.pack(">q", -1)), HEAD),
        (changed(24, struct.pack(">q", -1)), HEAD),
        (changed(48, struct.pack(">q", -(2**63))), HEAD),
        (changed(72, b"\xff\xff"), HEAD),
        (changed(78, b"\x00\x03"), HEAD),
        (changed(84, b"\x00"), HEAD),
    ],
)
def test_a_list_of_entries_that_contradicts_itself_is_refused(columns: bytes, head: str) -> None:
    with pytest.raises(p.MalformedMessage):
        unpacked_columns(columns, head)


@pytest.mark.parametrize("head_bytes", [-1, 1, len(HEAD), 10**6, 2**62])
def test_a_list_of_entries_whose_head_ends_elsewhere_is_refused(head_bytes: int) -> None:
    with pytest.raises(p.MalformedMessage):
        unpacked_columns(COLUMNS, head_bytes=head_bytes)


def test_a_list_of_too_many_entries_is_refused() -> None:
    entries = [msgspec.structs.replace(ENTRIES[1], name=str(number)) for number in range(5_001)]
    head_bytes, body = packed(entries)
    with pytest.raises(p.TooMuch):
        p.unpack_entries(p.ListReply(at="c", head_bytes=head_bytes), memoryview(body))


def test_what_fits_no_column_is_not_packed() -> None:
    for wrong in ({"content": b"short"}, {"size": 2**63}, {"size": "5"}, {"content": "c" * 32}):
        with pytest.raises((ValueError, TypeError, struct.error)):
            packed([msgspec.structs.replace(ENTRIES[0], **wrong)])


def test_a_list_of_names_has_these_bytes_and_comes_back() -> None:
    runs = [
        (p.NamesIn(folder=1, count=3, folders=((1, 20),)), [b"a", "é".encode(), b"c"]),
        (p.NamesIn(folder=20, count=1), [b"x"]),
    ]
    head_bytes, body = p.pack_names(runs)
    assert body == '[{"folder":1,"count":3,"folders":[[1,20]]},{"folder":20,"count":1}]a/é/c/x'.encode()
    found = p.unpack_names(p.ListReply(at="c", head_bytes=head_bytes), memoryview(body))
    assert found == [p.FolderNames(1, ["a", "é", "c"], {1: 20}), p.FolderNames(20, ["x"], {})]
    head_bytes, body = p.pack_names([])
    assert p.unpack_names(p.ListReply(at="c", head_bytes=head_bytes), memoryview(body)) == []


@pytest.mark.parametrize(
    ("head_bytes", "body"),
    [
        (1, b"[]"),
        (3, b"[]"),
        (-1, b"[]"),
        (26, b'[{"folder":1,"count":2}]  a'),
        (24, b'[{"folder":1,"count":2}]a'),
        (24, b'[{"folder":1,"count":1}]a/b'),
        (24, b'[{"folder":1,"count":2}]a//'),
        (24, b'[{"folder":1,"count":1}]\xff'),
        (25, b'[{"folder":1,"count":-1}]'),
        (24, b'[{"folder":1,"count":0}]'),
        (44, b'[{"folder":1,"count":1,"folders":[[1,2]]}]  a'),
        (42, b'[{"folder":1,"count":1,"folders":[[1,2]]}]a'),
        (43, b'[{"folder":1,"count":1,"folders":[[-1,2]]}]a'),
        (2, b"[]a"),
    ],
)
def test_a_list_of_names_that_contradicts_itself_is_refused(head_bytes: int, body: bytes) -> None:
    with pytest.raises(p.MalformedMessage):
        p.unpack_names(p.ListReply(at="c", head_bytes=head_bytes), memoryview(body))


def test_a_list_of_too_many_names_is_refused() -> None:
    head_bytes, body = p.pack_names([(p.NamesIn(folder=1, count=5_001), [b"x"] * 5_001)])
    with pytest.raises(p.TooMuch):
        p.unpack_names(p.ListReply(at="c", head_bytes=head_bytes), memoryview(body))


def test_the_proofs_of_both_sides_differ_and_hang_on_ticket_and_connection() -> None:
    proofs = {
        prove(ticket, exporter)
        for prove in (p.attach_proof, p.attach_answer)
        for ticket in (bytes(32), b"t" * 32)
        for exporter in (bytes(32), b"e" * 32)
    }
    assert len(proofs) == 8
