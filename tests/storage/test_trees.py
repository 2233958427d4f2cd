"""Folders, moves, copies and deletions."""

from __future__ import annotations

import os

import pytest

from sfos.protocol import (
    MAX_DEPTH,
    AlreadyExists,
    Attributes,
    AttributesRead,
    CommitItem,
    IsAFolder,
    MakeFolderRequest,
    MalformedMessage,
    MovedBelowItself,
    NameNotAllowed,
    NotAFolder,
    NotFound,
    PermissionDenied,
    Ref,
    Target,
)
from sfos.server.spaces.space import Space
from tests.storage.desk import Desk, new_op


def test_a_folder_is_made_and_only_once(desk: Desk) -> None:
    made = desk.make_folder("/a")
    assert desk.stat("/a").node == made.node
    with pytest.raises(AlreadyExists):
        desk.make_folder("/A")
    with pytest.raises(NotFound):
        desk.make_folder("/b/c")
    with pytest.raises(NameNotAllowed):
        desk.make_folder("/")


def test_parents_are_made_when_asked_for_and_what_is_there_is_accepted(desk: Desk) -> None:
    made = desk.make_folder("/a/b/c", parents=True)
    assert desk.make_folder("/a/B/c", parents=True).node == made.node
    desk.put("/file", b"x")
    with pytest.raises(NotAFolder):
        desk.make_folder("/file", parents=True)
    with pytest.raises(NotAFolder):
        desk.make_folder("/file/x", parents=True)


def test_a_folder_can_be_made_in_a_parent_by_its_node(desk: Desk, space: Space) -> None:
    parent = desk.make_folder("/a").node
    request = MakeFolderRequest(op_id=new_op(), target=Target(parent=parent, name="b"), attrs=Attributes(mode=0o711))
    desk.send(request)
    assert desk.stat("/a/b").attrs == AttributesRead(mode=0o711)
    for target in (Target(parent=parent), Target(name="b"), Target(path="/x", name="b"), Target(path="/x", parent=1)):
        with pytest.raises(MalformedMessage):
            desk.send(MakeFolderRequest(op_id=new_op(), target=target))


def test_folders_can_be_nested_as_deep_as_paths_allow_and_no_deeper(desk: Desk, space: Space) -> None:
    deepest = "/d" * MAX_DEPTH
    desk.make_folder(deepest, parents=True)
    assert desk.stat(deepest).path == deepest
    with pytest.raises(NameNotAllowed):
        desk.make_folder(deepest + "/d")
    node = desk.stat(deepest).node
    with pytest.raises(NameNotAllowed):
        desk.send(MakeFolderRequest(op_id=new_op(), target=Target(parent=node, name="d")))


def test_a_target_by_node_may_lie_as_deep_as_one_by_path(desk: Desk, space: Space) -> None:
    parent = "/d" * (MAX_DEPTH - 1)
    desk.make_folder(parent, parents=True)
    target = Target(parent=desk.stat(parent).node, name="deepest")
    desk.send(MakeFolderRequest(op_id=new_op(), target=target))
    assert desk.stat(f"{parent}/deepest").kind == "folder"


def test_nothing_gets_deeper_than_allowed_by_being_moved_or_copied(desk: Desk) -> None:
    deep = "/d" * (MAX_DEPTH - 2)
    desk.make_folder(deep, parents=True)
    desk.put("/three/names/deep", b"x")
    desk.put("/two/deep", b"x")
    before = desk.space.cursor()
    for change in (desk.move, desk.copy):
        with pytest.raises(NameNotAllowed):
            change("/three", deep + "/three")
    assert desk.space.cursor() == before
    desk.copy("/two", deep + "/copied")
    desk.move("/two", deep + "/moved")
    assert desk.read(deep + "/moved/deep") == desk.read(deep + "/copied/deep") == b"x"


@pytest.mark.parametrize("path", ["", "a", "//a", "/a//b", "/a/../b", "/.", "/a\\b", "/\u202egpj.exe", "/" + "x" * 256])
def test_what_is_no_path_is_refused_everywhere(desk: Desk, path: str) -> None:
    for attempt in (desk.stat, desk.make_folder, lambda bad: desk.put(bad, b"x")):
        with pytest.raises(NameNotAllowed):
            attempt(path)


def test_stat_finds_by_path_and_by_node_and_gives_the_path(desk: Desk, space: Space) -> None:
    desk.put("/a/B/c.txt", b"x")
    entry = desk.stat("/A/b/C.TXT")
    assert entry.path == "/a/B/c.txt"
    assert space.stat(Ref(node=entry.node)) == entry
    assert desk.stat("/").path == "/"
    assert desk.stat("/").kind == "folder"
    with pytest.raises(NotFound):
        desk.stat("/a/nothing")
    with pytest.raises(NotFound):
        space.stat(Ref(node=10**18))
    with pytest.raises(NotAFolder):
        desk.stat("/a/b/c.txt/d")
    for ref in (Ref(), Ref(node=1, path="/")):
        with pytest.raises(MalformedMessage):
            space.stat(ref)


def test_a_rename_keeps_the_node_and_frees_the_name(desk: Desk) -> None:
    node = desk.put("/old", b"data").node
    assert desk.move("/old", "/new").node == node
    assert desk.tree() == {"/new": b"data"}
    desk.put("/old", b"other")
    assert desk.stat("/old").node != node


def test_a_rename_can_change_case_alone(desk: Desk) -> None:
    desk.put("/readme", b"data")
    desk.move("/readme", "/README")
    assert list(desk.entries("/")) == ["README"]
    before = desk.space.cursor()
    desk.move("/README", "/README")  # to where it is: nothing happens
    assert desk.space.cursor() == before


def test_a_moved_folder_takes_all_with_it_in_one_row(desk: Desk) -> None:
    desk.put_many({"/a/b/c": b"1", "/a/b/d/e": b"2", "/f/g": b"3"})
    cursor = desk.space.cursor()
    desk.move("/a/b", "/f/moved")
    assert desk.tree() == {
        "/a": None,
        "/f": None,
        "/f/g": b"3",
        "/f/moved": None,
        "/f/moved/c": b"1",
        "/f/moved/d": None,
        "/f/moved/d/e": b"2",
    }
    assert len(desk.changes(cursor)[0]) == 1
    assert desk.stat("/f/moved/d/e").path == "/f/moved/d/e"


def test_a_folder_cannot_be_put_inside_itself(desk: Desk) -> None:
    desk.make_folder("/a/b/c", parents=True)
    for target in ("/a/x", "/a/b/x", "/a/b/c/x"):
        with pytest.raises(MovedBelowItself):
            desk.move("/a", target)
        with pytest.raises(MovedBelowItself):
            desk.copy("/a", target)
    with pytest.raises(MovedBelowItself):
        desk.move("/a/b", "/a", replace=True)
    with pytest.raises(PermissionDenied):
        desk.move("/", "/a/x")


def test_what_is_at_the_target_stays_unless_it_may_be_replaced(desk: Desk) -> None:
    desk.put_many({"/a": b"a", "/b": b"b", "/folder/x": b"x", "/other/y": b"y"})
    for change in (desk.move, desk.copy):
        with pytest.raises(AlreadyExists):
            change("/a", "/B")
        with pytest.raises(IsAFolder):
            change("/a", "/folder", replace=True)
        with pytest.raises(NotAFolder):
            change("/folder", "/a", replace=True)
        with pytest.raises(NotFound):
            change("/a", "/nowhere/a")
        with pytest.raises(NotAFolder):
            change("/a", "/b/a")
        with pytest.raises(NotFound):
            change("/nothing", "/z")
    desk.move("/a", "/B", replace=True)
    desk.move("/folder", "/other", replace=True)
    assert desk.tree() == {"/B": b"a", "/other": None, "/other/x": b"x"}


def test_a_copy_is_a_node_of_its_own_and_stores_nothing(desk: Desk, space: Space) -> None:
    data = os.urandom(250_000)
    desk.put("/a/big", data)
    stored = desk.bytes_of_chunks()
    desk.copy("/a/big", "/copy")
    assert desk.read("/copy") == data
    desk.put("/copy", b"changed")
    assert desk.read("/a/big") == data
    assert desk.bytes_of_chunks() < stored + 200


def test_a_copy_onto_a_file_is_a_new_version_of_that_file(desk: Desk) -> None:
    desk.put_many({"/a": b"new", "/b": b"old"})
    node = desk.stat("/b").node
    assert desk.copy("/a", "/b", replace=True).node == node
    assert desk.tree() == {"/a": b"new", "/b": b"new"}
    with pytest.raises(AlreadyExists):
        desk.copy("/a", "/A", replace=True)


def test_a_copied_folder_has_all_that_was_in_it_with_its_attributes(desk: Desk) -> None:
    records = desk.upload(b"data")
    link = desk.item("/a/link", kind="symlink", attrs=Attributes(link="b"))
    program = desk.item("/a/b/program", records, attrs=Attributes(mode=0o755), mtime_ns=12)
    desk.commit([program, link], records)
    desk.copy("/a", "/copy")
    assert desk.tree() == {
        "/a": None,
        "/a/b": None,
        "/a/b/program": b"data",
        "/a/link": b"",
        "/copy": None,
        "/copy/b": None,
        "/copy/b/program": b"data",
        "/copy/link": b"",
    }
    copied = desk.stat("/copy/b/program")
    assert (copied.attrs, copied.mtime_ns) == (AttributesRead(mode=0o755), 12)
    assert desk.stat("/copy/link").attrs == AttributesRead(link="b")
    assert copied.node != desk.stat("/a/b/program").node


def test_a_deleted_folder_takes_all_with_it(desk: Desk, space: Space) -> None:
    desk.put_many({"/a/b/c": b"1", "/a/d": b"22", "/e": b"333"})
    desk.delete("/a")
    assert desk.tree() == {"/e": b"333"}
    usage = space.usage(desk.caller)
    assert (usage.files_current, usage.bytes_current) == (1, 3)
    with pytest.raises(NotFound):
        desk.delete("/a")
    desk.put("/a", b"now a file")
    assert desk.read("/a") == b"now a file"


def test_each_deletion_of_a_request_has_its_result(desk: Desk) -> None:
    desk.put_many({"/a/b": b"1", "/c": b"2"})
    results = desk.delete_all(["/a", "/a/b", "/nothing", "/", "/c"])
    assert [result.error and result.error.code for result in results] == [
        None,
        "not_found",
        "not_found",
        "permission_denied",
        None,
    ]
    assert desk.tree() == {}


def test_an_atomic_deletion_deletes_nothing_if_one_item_cannot_be(desk: Desk) -> None:
    desk.put_many({"/a/b": b"1", "/c": b"2"})
    results = desk.delete_all(["/a", "/nothing"], atomic=True)
    assert [result.error and result.error.code for result in results] == ["tree_error", "not_found"]
    assert desk.tree() == {"/a": None, "/a/b": b"1", "/c": b"2"}


def test_things_made_and_deleted_in_one_place_over_and_over_leave_a_clean_history(desk: Desk) -> None:
    for round_ in range(5):
        desk.put_many({f"/x/{number}": b"%d %d" % (round_, number) for number in range(3)})
        desk.move("/x", "/y")
        desk.copy("/y", "/x")
        desk.delete_all(["/x", "/y"])
    assert desk.tree() == {}
    assert desk.space.usage(desk.caller).files_current == 0


def test_a_repeated_move_gets_the_first_reply_though_the_source_is_gone(desk: Desk, space: Space) -> None:
    from sfos.protocol import MoveRequest

    desk.put("/a", b"x")
    request = MoveRequest(op_id=new_op(), source=Ref(path="/a"), target=Target(path="/b"))
    assert desk.send(request) == desk.send(request)


def test_a_file_may_become_a_symlink_and_back(desk: Desk) -> None:
    node = desk.put("/a", b"file").node
    desk.commit([desk.item("/a", kind="symlink", attrs=Attributes(link="x"))])
    assert (desk.stat("/a").kind, desk.stat("/a").node) == ("symlink", node)
    desk.put("/a", b"file again")
    assert desk.read("/a") == b"file again"


def test_items_in_a_parent_by_node_land_there_wherever_it_was_moved(desk: Desk) -> None:
    folder = desk.make_folder("/a").node
    desk.move("/a", "/b")
    records = desk.upload(b"data")
    item = desk.item(Target(parent=folder, name="x"), records)
    assert isinstance(item, CommitItem)
    desk.commit([item], records)
    assert desk.read("/b/x") == b"data"
