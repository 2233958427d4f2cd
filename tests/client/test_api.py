from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from sfos.client.api import new_op_id
from sfos.client.listing import Detail
from sfos.client.session.session import Session
from sfos.client.transfer import Job, JobState, TransferEngine
from sfos.protocol import (
    AlreadyExists,
    CommitItem,
    DeleteItem,
    IsAFolder,
    LocalProtocolError,
    MovedBelowItself,
    NameNotAllowed,
    NotAFolder,
    NotFound,
    Ref,
    RevisionConflict,
    Target,
    pack_commit,
)

CONTENT = random.Random(5).randbytes(7_000_000)


@pytest.fixture
def large(
    session: Session, engine: TransferEngine, folder: str, tmp_path: Path, finish: Callable[[Job], JobState]
) -> str:
    """The path of a file of several chunks."""
    (tmp_path / "large").write_bytes(CONTENT)
    assert finish(engine.upload([tmp_path / "large"], folder)) is JobState.FINISHED
    return f"{folder}/large"


def test_a_folder_is_made_found_and_listed(session: Session, folder: str) -> None:
    made = session.api.make_folder(f"{folder}/one")
    entry = session.api.stat(f"{folder}/one")
    assert (entry.node, entry.kind, entry.path) == (made.node, "folder", f"{folder}/one")
    assert [found.name for found in session.api.list_folder(folder)] == ["one"]
    assert session.api.list_folder(Ref(node=made.node)) == []


def test_a_folder_is_read_page_by_page_and_may_be_left_half_way(session: Session, folder: str) -> None:
    count = 5_500  # more than a page
    node = session.api.stat(folder).node
    items = [CommitItem(target=Target(parent=node, name=f"{number:05}")) for number in range(count)]
    for start in range(0, count, 5_000):
        session.call(*pack_commit(new_op_id(), items[start : start + 5_000], []))
    pages = list(session.api.read_folder(folder))
    assert len(pages) > 1
    assert [entry for page in pages for entry in page.entries()] == session.api.list_folder(folder)
    columns = [page.columns() for page in pages]
    assert sorted(name for each in columns for name in each.names) == [f"{number:05}" for number in range(count)]
    assert sum(len(each.contents) for each in columns) == 32 * count
    with closing(session.api.read_folder(folder)) as begun:
        assert len(next(begun)) == len(pages[0])
    assert session.api.stat(folder).kind == "folder", "the connection is free again"
    assert list(session.api.read_folder(Ref(node=session.api.make_folder(f"{folder}/empty").node))) == []
    with pytest.raises(NotFound):
        next(session.api.read_folder(f"{folder}/none"))


def test_parents_are_made_on_request_alone(session: Session, folder: str) -> None:
    with pytest.raises(NotFound):
        session.api.make_folder(f"{folder}/a/b")
    session.api.make_folder(f"{folder}/a/b", parents=True)
    session.api.make_folder(f"{folder}/a/b", parents=True)
    with pytest.raises(AlreadyExists):
        session.api.make_folder(f"{folder}/a/b")


def test_whether_something_is_there_can_be_asked(session: Session, folder: str) -> None:
    assert session.api.exists(f"{folder}/none") is None
    assert session.api.exists(folder) is not None


def test_a_name_that_is_not_allowed_is_refused_with_a_reason(session: Session, folder: str) -> None:
    with pytest.raises(NameNotAllowed):
        session.api.make_folder(f"{folder}/bell\a")


def test_things_are_renamed_moved_and_not_put_inside_themselves(session: Session, folder: str) -> None:
    session.api.make_folder(f"{folder}/old")
    session.api.move(f"{folder}/old", f"{folder}/new")
    assert [entry.name for entry in session.api.list_folder(folder)] == ["new"]
    session.api.make_folder(f"{folder}/into")
    into = session.api.stat(f"{folder}/into")
    session.api.move(session.api.stat(f"{folder}/new"), Target(parent=into.node, name="inside"))
    assert [entry.name for entry in session.api.list_folder(into)] == ["inside"]
    with pytest.raises(MovedBelowItself):
        session.api.move(f"{folder}/into", f"{folder}/into/inside/deeper")


def test_a_change_that_was_not_seen_is_not_overwritten(session: Session, folder: str) -> None:
    session.api.make_folder(f"{folder}/a")
    seen = session.api.stat(f"{folder}/a").revision
    session.api.move(f"{folder}/a", f"{folder}/b")
    with pytest.raises(RevisionConflict):
        session.api.move(f"{folder}/b", f"{folder}/c", if_revision=seen)
    (result,) = session.api.delete([DeleteItem(ref=Ref(path=f"{folder}/b"), if_revision=seen)])
    assert result.error is not None
    assert result.error.code == RevisionConflict.code


def test_deleting_tells_of_each_item(session: Session, folder: str) -> None:
    session.api.make_folder(f"{folder}/a")
    there, missing = session.api.delete([f"{folder}/a", f"{folder}/none"])
    assert there.error is None
    assert missing.error is not None
    assert missing.error.code == NotFound.code
    assert session.api.list_folder(folder) == []


def test_many_things_are_deleted_in_as_many_requests_as_it_takes(session: Session, folder: str) -> None:
    results = session.api.delete([f"{folder}/none-{number}" for number in range(2_500)])
    assert len(results) == 2_500


def test_a_walk_comes_to_every_folder_and_only_where_it_is_let(session: Session, folder: str) -> None:
    for path in ("a/b/c", "a/d", "e"):
        session.api.make_folder(f"{folder}/{path}", parents=True)
    assert {listing.path for listing in session.api.walk(folder)} == {
        (),
        ("a",),
        ("e",),
        ("a", "b"),
        ("a", "d"),
        ("a", "b", "c"),
    }
    a = session.api.stat(f"{folder}/a").node
    without_a = session.api.walk(folder, follow=lambda node: node != a)
    assert {listing.path for listing in without_a} == {(), ("e",)}


def test_many_folders_are_listed_together_and_one_that_fails_fails_alone(session: Session, folder: str) -> None:
    session.api.make_folder(f"{folder}/a/b", parents=True)
    good, bad, again = session.api.list_folders([folder, f"{folder}/none", f"{folder}/a"])
    assert [entry.name for entry in good.entries] == ["a"]
    assert isinstance(bad.error, NotFound)
    assert [entry.name for entry in again.entries] == ["b"]


@pytest.mark.parametrize("detail", Detail)
def test_a_walk_in_any_detail_comes_to_the_same_names_and_folders(
    session: Session, folder: str, detail: Detail
) -> None:
    for path in ("a/b", "c"):
        session.api.make_folder(f"{folder}/{path}", parents=True)
    session.api.move(f"{folder}/c", Target(path=f"{folder}/a/c"))
    found = {listing.path: listing for listing in session.api.walk(folder, detail)}
    assert {path: sorted(listing.names) for path, listing in found.items()} == {
        (): ["a"], ("a",): ["b", "c"], ("a", "b"): [], ("a", "c"): [],
    }  # fmt: skip
    assert {path: listing.count for path, listing in found.items()} == {(): 1, ("a",): 2, ("a", "b"): 0, ("a", "c"): 0}
    a = session.api.stat(f"{folder}/a")
    assert found[()].folders == [(a.name, a.node)]
    if detail is not Detail.NAMES:
        (listed,) = found[()].entries
        assert (listed.node, listed.kind, listed.revision) == (a.node, a.kind, a.revision)
        assert found[()].columns[0].entry(0) == listed


def test_entries_of_a_list_of_names_are_refused(session: Session, folder: str) -> None:
    session.api.make_folder(f"{folder}/a")
    (listing,) = session.api.list_folders([folder], Detail.NAMES)
    with pytest.raises(LocalProtocolError, match="names alone"):
        _ = listing.entries


def test_what_changed_since_a_list_is_told(session: Session, folder: str) -> None:
    (listing,) = session.api.list_folders([folder])
    session.api.make_folder(f"{folder}/later")
    changes, newer = session.api.changes(listing.at)
    assert [change.entry.name for change in changes if change.entry.name == "later"]
    assert session.api.changes(newer)[0] == []


def test_a_range_of_a_file_is_read_without_the_rest(session: Session, large: str) -> None:
    entry = session.api.stat(large)
    assert session.api.read_range(entry) == CONTENT
    for offset, length in ((0, 10), (3_000_000, 2_500_000), (6_999_990, 100), (7_000_000, 1), (8_000_000, 1), (5, 0)):
        assert session.api.read_range(entry, offset, length) == CONTENT[offset : offset + length]


def test_a_file_is_read_as_a_stream(session: Session, large: str) -> None:
    assert b"".join(bytes(piece) for piece in session.api.read_stream(session.api.stat(large))) == CONTENT


def test_a_folder_cannot_be_read_nor_a_file_be_listed(session: Session, large: str, folder: str) -> None:
    with pytest.raises(IsAFolder):
        session.api.read_range(session.api.stat(folder))
    with pytest.raises(NotAFolder):
        session.api.list_folder(large)


def test_copying_stores_nothing_again_and_usage_counts_it(session: Session, large: str, folder: str) -> None:
    before = session.api.usage()
    session.api.copy(large, f"{folder}/copy")
    after = session.api.usage()
    assert after.files_current == before.files_current + 1
    assert after.bytes_current == before.bytes_current + len(CONTENT)
    assert after.bytes_stored - after.bytes_rows == before.bytes_stored - before.bytes_rows
    assert 300 < after.bytes_rows - before.bytes_rows < 1_000, "a state, a commit and its answer"
    assert session.api.read_range(session.api.stat(f"{folder}/copy")) == CONTENT
