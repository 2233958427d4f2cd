"""Listing folders: pages, snapshots, many folders at once."""

from __future__ import annotations

import msgspec
import pytest

from sfos.protocol import (
    Attributes,
    AttributesRead,
    Entry,
    FolderNames,
    MalformedMessage,
    Ref,
    ResyncRequired,
    unpack_names,
)
from sfos.server.commands.files import pack_name_page, pack_page
from sfos.server.spaces.operations.listing import EntriesPage, NamesPage
from sfos.server.spaces.space import Space
from tests.storage.desk import Desk, entries_of


def pages(space: Space, *refs: Ref, limit: int) -> list[tuple[EntriesPage, list[Entry]]]:
    found = []
    cursor = None
    while True:
        page = space.list_entries(refs, limit=limit, cursor=cursor)
        found.append((page, entries_of(page)))
        cursor = page.next
        if cursor is None:
            return found


def names_of(page: NamesPage) -> list[FolderNames]:
    """The names of a page, as a client would read them."""
    reply, body = pack_name_page(page)
    return unpack_names(reply, memoryview(body))


def test_an_empty_folder_has_one_empty_page(desk: Desk, space: Space) -> None:
    ((reply, entries),) = pages(space, Ref(path="/"), limit=10)
    assert (entries, len(reply.folders)) == ([], 1)
    assert reply.at == space.cursor()


@pytest.mark.parametrize("limit", [1, 7, 99, 100, 101, 5_000])
def test_pages_of_any_size_give_each_entry_once(desk: Desk, space: Space, limit: int) -> None:
    desk.put_many({f"/f{number}": b"" for number in range(100)})
    found = pages(space, Ref(path="/"), limit=limit)
    assert all(len(entries) <= limit for _, entries in found)
    names = [entry.name for _, entries in found for entry in entries]
    assert sorted(names) == sorted(f"f{number}" for number in range(100))
    assert [bool(reply.folders) for reply, _ in found] == [True] + [False] * (len(found) - 1)


def test_many_folders_are_listed_together_and_a_bad_one_says_why(desk: Desk, space: Space) -> None:
    desk.put_many({f"/d{number}/f{item}": b"" for number in range(20) for item in range(number)})
    desk.put("/file", b"x")
    refs = [Ref(path=f"/d{number}") for number in range(1, 20)]
    refs[3:3] = [Ref(path="/nothing"), Ref(path="/file"), Ref(node=10**9), Ref(path="no path"), Ref()]
    for limit in (1, 6, 1_000):
        found = pages(space, *refs, limit=limit)
        folders = found[0][0].folders
        assert [folder.error and folder.error.code for folder in folders][3:8] == [
            "not_found",
            "not_a_folder",
            "not_found",
            "name_not_allowed",
            "malformed_message",
        ]
        parents = [entry.parent for _, entries in found for entry in entries]
        nodes = [folder.node for folder in folders if folder.node]
        assert [nodes.count(node) for node in nodes] == [1] * 19
        assert [parents.count(node) for node in nodes] == list(range(1, 20))
        assert parents == sorted(parents, key=nodes.index), "folder after folder as asked"


def names_in_pages(space: Space, *refs: Ref, limit: int) -> list[tuple[int, str, int | None]]:
    """(Folder, name, its node if it is a folder itself) of each."""
    found = []
    cursor = None
    while True:
        page = space.list_names(refs, limit=limit, cursor=cursor)
        runs = names_of(page)
        assert sum(len(run.names) for run in runs) <= limit
        found += [(run.folder, name, run.nodes.get(at)) for run in runs for at, name in enumerate(run.names)]
        cursor = page.next
        if cursor is None:
            return found


@pytest.mark.parametrize("limit", [1, 3, 50, 5_000])
def test_a_list_of_names_says_the_same_as_a_list_of_entries(desk: Desk, space: Space, limit: int) -> None:
    tree = {f"/d{number}/{'ä' * item}f{item}.txt": b"" for number in range(5) for item in range(12)}
    desk.put_many(tree | {"/d3/sub/x": b"", '/d1/a “quoted” "name"': b""})
    desk.commit([desk.item("/d2/link", kind="symlink", attrs=Attributes(link="x"))])
    refs = [Ref(path="/"), *(Ref(path=f"/d{number}") for number in range(5)), Ref(path="/d3/sub")]
    entries = [entry for _, page in pages(space, *refs, limit=5_000) for entry in page]
    assert len(entries) == 5 + 60 + 4
    expected = [(one.parent, one.name, one.node if one.kind == "folder" else None) for one in entries]
    assert names_in_pages(space, *refs, limit=limit) == expected


def test_a_brief_list_lacks_the_attributes_of_files_and_folders_and_nothing_else(desk: Desk, space: Space) -> None:
    desk.commit(
        [
            desk.item("/folder", kind="folder", attrs=Attributes(mode=0o700)),
            desk.item("/link", kind="symlink", attrs=Attributes(link="x")),
            desk.item("/plain", kind="folder"),
        ]
    )
    ((_, entries),) = pages(space, Ref(path="/"), limit=5_000)
    assert {entry.name: entry.attrs for entry in entries} == {
        "folder": AttributesRead(mode=0o700),
        "link": AttributesRead(link="x"),
        "plain": None,
    }
    assert entries_of(space.list_entries([Ref(path="/")], brief=True)) == [
        entry if entry.kind == "symlink" else msgspec.structs.replace(entry, attrs=None) for entry in entries
    ]


def test_names_are_one_snapshot_whatever_happens_between_the_pages(desk: Desk, space: Space) -> None:
    desk.put_many({f"/a/f{number}": b"" for number in range(30)})
    page = space.list_names([Ref(path="/a")], limit=8)
    found = names_of(page)
    step = 0
    while page.next is not None:
        desk.put(f"/a/f{step}", b"changed")
        desk.delete(f"/a/f{20 + step}")
        desk.move(f"/a/f{10 + step}", f"/moved{step}")
        desk.put(f"/a/new{step}", b"new")
        step += 1
        page = space.list_names([Ref(path="/a")], limit=8, cursor=page.next)
        found += names_of(page)
    assert step == 3
    names = [name for run in found for name in run.names]
    assert sorted(names) == sorted(f"f{number}" for number in range(30))


def test_pages_are_one_snapshot_whatever_happens_between_them(desk: Desk, space: Space) -> None:
    desk.put_many({f"/a/f{number}": b"%d" % number for number in range(60)} | {"/a/sub/x": b"", "/b/y": b""})
    expected = {(entry.name, entry.revision) for entry in desk.entries("/a").values()}
    refs = (Ref(path="/a"), Ref(path="/b"))
    page = space.list_entries(refs, limit=10)
    first_at = page.at
    entries = entries_of(page)
    step = 0
    while page.next is not None:
        # Whatever may change: contents, names, places, whole folders, and the listed folders themselves.
        desk.put(f"/a/f{step}", b"changed")
        desk.delete(f"/a/f{30 + step}")
        desk.move(f"/a/f{10 + step}", f"/moved{step}")
        desk.put(f"/a/new{step}", b"new")
        if step == 2:
            desk.move("/a", "/elsewhere")
            desk.make_folder("/a")
        if step == 4:
            desk.delete("/elsewhere")
        page = space.list_entries(refs, limit=10, cursor=page.next)
        assert page.at == first_at
        entries += entries_of(page)
        step += 1
        if step >= 3:
            desk.put_many({f"/a/f{number}": b"" for number in (step, 30 + step, 10 + step)})
    assert {(entry.name, entry.revision) for entry in entries if entry.name != "y"} == expected
    assert "y" in {entry.name for entry in entries}


@pytest.mark.parametrize("cursor", ["", "x", "1.2", "1.2.3", "1.2.3.zzz", "-1.0.0.aa", "9" * 190, "1..3.a", "¹.0.0.a"])
def test_cursors_that_were_never_given_out_are_refused(space: Space, cursor: str) -> None:
    with pytest.raises((MalformedMessage, ResyncRequired)):
        space.list_entries([Ref(path="/")], cursor=cursor)


def test_a_cursor_from_the_future_or_of_another_epoch_needs_a_new_start(desk: Desk, space: Space) -> None:
    desk.put_many({f"/f{number}": b"" for number in range(5)})
    page = space.list_entries([Ref(path="/")], limit=2)
    assert page.next is not None
    at, *rest, tag = page.next.split(".")
    for cursor in (".".join([str(int(at) + 1), *rest, tag]), ".".join([at, *rest, "0" * len(tag)])):
        with pytest.raises(ResyncRequired):
            space.list_entries([Ref(path="/")], cursor=cursor)


def test_a_page_never_outgrows_a_body(desk: Desk, space: Space) -> None:
    from sfos.protocol import MAX_BODY

    link = Attributes(link="\u20ac" * 1_300)
    for start in range(0, 2_000, 1_000):
        desk.commit([desk.item(f"/l{start + n}", kind="symlink", attrs=link) for n in range(1_000)])
    found = []
    cursor = None
    while True:
        page = space.list_entries([Ref(path="/")], limit=5_000, cursor=cursor)
        _, body = pack_page(page)
        assert len(body) <= MAX_BODY
        found += entries_of(page)
        cursor = page.next
        if cursor is None:
            break
    assert len({entry.name for entry in found}) == 2_000
