"""Messages of a peer that is newer than this side: read as far as can be, kept where they go back, never a failure."""

from __future__ import annotations

import json

import msgspec
import pytest

from sfos import protocol as p
from tests.support.entry_lists import packed, unpacked

ENTRY = {"node": 7, "parent": 1, "name": "a", "kind": "file", "revision": "1.ab"}


def read_entry(**fields: object) -> p.Entry:
    return p.decode_result(p.StatReply, msgspec.Raw(json.dumps({"entry": {**ENTRY, **fields}}).encode())).entry


def test_features_that_nobody_here_knows_are_taken_and_too_many_are_not() -> None:
    raw = msgspec.Raw(b'{"version":1,"features":["actions","from next year"]}')
    assert p.decode_args(p.HelloRequest, raw).features == ("actions", "from next year")
    assert p.decode_result(p.HelloReply, raw).features == ("actions", "from next year")
    assert p.decode_result(p.HelloReply, msgspec.Raw(b'{"version":1}')).features == ()
    for features in (["f"] * 65, ["f" * 65], "actions", [1]):
        with pytest.raises(p.MalformedMessage):
            p.decode_args(p.HelloRequest, msgspec.Raw(json.dumps({"version": 1, "features": features}).encode()))


def test_attributes_that_came_later_are_kept_and_go_back_as_they_came() -> None:
    came = {"mode": 0o640, "xattrs": {"user.a": "AQ=="}, "odd name": [1, None], "nothing": None}
    entry = read_entry(attrs=came)
    assert entry.attrs is not None
    assert (entry.attrs.mode, entry.attrs.link) == (0o640, None)
    sent = p.CommitItem(target=p.Target(path="/a"), attrs=p.sent_back(entry.attrs))
    assert json.loads(p.encode_array([sent]))[0]["attrs"] == came
    again = p.decode_result(p.StatReply, msgspec.Raw(msgspec.json.encode({"entry": {**ENTRY, "attrs": came}})))
    assert json.loads(p.message_encoder().encode(again))["entry"]["attrs"] == came
    known = p.AttributesRead(link="x")
    assert p.sent_back(known) == p.Attributes(link="x")


@pytest.mark.parametrize(
    "attrs",
    [{"mode": -1}, {"mode": 0o10000}, {"mode": True}, {"mode": "0644"}, {"link": 7}, {"link": "x" * 4097}, [], 7],
)
def test_attributes_that_no_file_has_are_refused(attrs: object) -> None:
    with pytest.raises(p.MalformedMessage):
        read_entry(attrs=attrs)


def test_attributes_in_a_list_are_kept_too() -> None:
    attrs = p.AttributesRead(mode=0o600, unknown={"tags": ["red"]})
    entry = p.Entry(node=2, parent=1, name="a", kind="file", revision="1.ab", attrs=attrs)
    head_bytes, body = packed([entry])
    (found,) = unpacked(p.ListReply(at="c", head_bytes=head_bytes), body)
    assert found.attrs == attrs
    assert found.attrs.unknown == {"tags": ["red"]}


@pytest.mark.parametrize("kind", ["mount", "device", "other", ""])
def test_a_kind_that_came_later_is_another_one(kind: str) -> None:
    assert read_entry(kind=kind).kind == p.OTHER_KIND


def test_a_kind_is_a_short_text() -> None:
    for kind in (4, None, "x" * 65):
        with pytest.raises(p.MalformedMessage):
            read_entry(kind=kind)


@pytest.mark.parametrize("number", [4, 77, 255])
def test_a_number_of_a_kind_that_came_later_is_another_one(number: int) -> None:
    entries = [p.Entry(node=node, parent=1, name=f"n{node}", kind="file", revision="1.ab") for node in (2, 3)]
    head_bytes, body = packed(entries)
    kinds_at = head_bytes + 2 * (8 + 8 + 8 + 2 + 2)
    changed = body[:kinds_at] + bytes((number, 1)) + body[kinds_at + 2 :]
    found = unpacked(p.ListReply(at="c", head_bytes=head_bytes), changed)
    assert [entry.kind for entry in found] == [p.OTHER_KIND, "file"]


def test_a_request_cannot_ask_for_a_kind_that_is_not_known() -> None:
    for kind in ("other", "mount"):
        item = {"target": {"path": "/a"}, "kind": kind}
        request = p.CommitRequest(op_id=bytes(16), items_bytes=len(json.dumps([item])))
        with pytest.raises(p.MalformedMessage):
            p.unpack_commit(request, memoryview(json.dumps([item]).encode()))


def test_an_errors_code_and_details_are_kept_and_bounded() -> None:
    details = {"commit": 7, "paths": ["/a", "/b"]}
    raised = p.from_info(p.ErrorInfo("held_back", "Too much at once.", "laptop", 3.0, details))
    assert (type(raised), raised.code, str(raised)) == (p.SfosError, "held_back", "laptop: Too much at once.")
    assert raised.details == details
    assert p.SfosError.code == "error"
    assert p.from_info(raised.info()).info() == raised.info()
    known = p.from_info(p.ErrorInfo("not_found", "No such file or folder.", None, None, {"more": 1}))
    assert (type(known), known.code, known.details) == (p.NotFound, "not_found", {"more": 1})
    assert "details" not in json.loads(p.encode_error(1, p.NotFound()))["error"]
    assert len(p.from_info(p.ErrorInfo("c" * 10_000, "m")).code) == 64


def test_where_a_node_is_can_be_said_of_all_that_names_one() -> None:
    space = "ab" * 16
    assert read_entry(space=space).space == space
    change = {"entry": {**ENTRY, "space": space}, "space": space}
    (read,) = p.decode_changes(json.dumps([change]).encode())
    assert (read.space, read.entry.space) == (space, space)
    assert msgspec.json.decode(b'{"node":1,"space":"%s"}' % space.encode(), type=p.ListedFolder).space == space
    raw = msgspec.Raw(b'{"node":1,"revision":"1.a","cursor":"2","commit":9,"space":"%s"}' % space.encode())
    reply = p.decode_result(p.NodeReply, raw)
    assert (reply.space, reply.commit) == (space, 9)


def test_a_space_without_keys_says_so_when_they_are_needed() -> None:
    space = msgspec.json.decode(b'{"space":"%s","cursor":"c"}' % (b"ab" * 16), type=p.SpaceInfo)
    for needed in ("chunk_key", "cut_seed"):
        with pytest.raises(p.ContentClosed, match="gave no keys"):
            getattr(space, needed)
    keys = b'{"space":"%s","chunk_key":"%s=","cut_seed":5,"cursor":"c"}' % (b"ab" * 16, b"A" * 43)
    with_keys = msgspec.json.decode(keys, type=p.SpaceInfo)
    assert (with_keys.chunk_key, with_keys.cut_seed) == (bytes(32), 5)
    assert msgspec.json.encode(with_keys) == keys


def test_a_sign_in_that_is_not_over_with_the_password_says_so() -> None:
    finish = p.decode_result(p.LoginFinishReply, msgspec.Raw(b'{"message":"v=x","asks":"totp"}'))
    with pytest.raises(p.SignInIncomplete, match="more than a password"):
        _ = finish.session
