from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sfos.client.errors import LocalAccess
from sfos.client.listing import Detail, Listing
from sfos.client.local.names import partial_name
from sfos.client.net.connection import ASKING_UNANSWERED_BYTES
from sfos.client.nodes import Place
from sfos.client.session.session import Session
from sfos.client.transfer import (
    Conflict,
    ConflictAnswer,
    ConflictPolicy,
    ItemState,
    Job,
    JobState,
    OnConflict,
    TransferEngine,
)
from sfos.protocol import ChunkWant, Entry, GetChunksReply, GetChunksRequest, IsAFolder, NotFound, pack_wants
from tests.client.conftest import Finish
from tests.client.trees import local_tree, noise


@dataclass(frozen=True)
class Traffic:
    """From a local folder to one on the server, and from there into another local one; each job to its end."""

    session: Session
    engine: TransferEngine
    folder: str
    source: Path
    to: Path
    finish: Finish

    def put(self) -> list[Entry]:
        """Upload what is in `source`, which has to go well; what is in `folder` then."""
        job = self.engine.upload(sorted(self.source.iterdir()), self.folder)
        assert self.finish(job) is JobState.FINISHED
        return self.entries()

    def entries(self) -> list[Entry]:
        """Entries of `folder`."""
        return self.session.api.list_folder(self.folder)

    def entry(self, name: str) -> Entry:
        """One of them."""
        return self.session.api.stat(f"{self.folder}/{name}")

    def get(self, entries: Sequence[Entry], policy: ConflictPolicy = OnConflict.REPLACE, **how: Any) -> Job:
        """The download of `entries` into `to`, when it is over."""
        job = self.engine.download(entries, self.to, policy, **how)
        self.finish(job)
        return job

    def get_again(self, job: Job) -> JobState:
        """Retry the items that failed; the state of the job then."""
        job.retry_failed()
        return self.finish(job)


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "to"


@pytest.fixture
def traffic(session: Session, engine: TransferEngine, folder: str, source: Path, to: Path, finish: Finish) -> Traffic:
    return Traffic(session, engine, folder, source, to, finish)


def test_a_tree_comes_back_as_it_was(traffic: Traffic, source: Path, to: Path) -> None:
    (source / "tree/a/b/empty").mkdir(parents=True)
    for number, size in enumerate((0, 1, 262_143, 262_144, 262_145, 4 * 1024 * 1024, 9_000_001)):
        (source / f"tree/a/{size}").write_bytes(noise(size, number))
    for number in range(400):
        (source / f"tree/a/b/f{number}").write_bytes(f"{number}".encode())
    (source / "tree/link").symlink_to("../outside")
    (source / "tree/a/1").chmod(0o640)
    os.utime(source / "tree/a", ns=(1, 1_400_000_000_000_000_000))
    traffic.put()
    job = traffic.get([traffic.entry("tree")])
    assert job.state is JobState.FINISHED
    assert local_tree(to) == local_tree(source)
    assert stat.S_IMODE((to / "tree/a/1").stat().st_mode) == 0o640
    for name in ("a/1", "a/9000001", "a"):
        assert (to / "tree" / name).stat().st_mtime_ns == (source / "tree" / name).stat().st_mtime_ns
    assert job.progress.bytes_done == job.progress.bytes_total


def test_the_root_of_a_space_comes_as_what_is_in_it(traffic: Traffic, to: Path) -> None:
    traffic.session.api.make_folder(f"{traffic.folder}/inside")
    assert traffic.get([traffic.session.api.stat("/")]).state is JobState.FINISHED
    assert (to / traffic.folder[1:] / "inside").is_dir()


def test_one_file_can_get_another_name(traffic: Traffic, source: Path, to: Path) -> None:
    (source / "file").write_bytes(b"x")
    traffic.put()
    assert traffic.get([traffic.entry("file")], rename_to="other").state is JobState.FINISHED
    assert local_tree(to) == {"other": b"x"}


def test_what_is_here_already_is_not_fetched_again(traffic: Traffic, source: Path) -> None:
    (source / "large").write_bytes(noise(3_000_000))
    (source / "small").write_bytes(b"small")
    entries = traffic.put()
    assert traffic.get(entries).state is JobState.FINISHED
    again = traffic.get(entries)
    assert again.state is JobState.FINISHED
    assert {item.state for item in again.items()} == {ItemState.UNCHANGED}
    assert again.progress.bytes_moved == 0


@pytest.mark.parametrize("odd", ["plain", ".hidden", "UPPER", "größer"])
def test_of_a_folder_that_is_here_only_what_differs_is_fetched(
    traffic: Traffic, source: Path, to: Path, odd: str
) -> None:
    names = ("same", "changed", "gone", "empty", "folder", odd)
    for name in names:
        (source / name).write_bytes(b"" if name == "empty" else name.encode() * 10)
    traffic.put()
    entry = traffic.session.api.stat(traffic.folder)
    first = traffic.get([entry], rename_to="back")
    assert first.state is JobState.FINISHED
    assert len(first.items()) == len(names) + 1
    back = to / "back"
    assert local_tree(back) == local_tree(source)
    (back / "changed").write_bytes(b"mine")
    (back / "gone").unlink()
    (back / "folder").unlink()
    (back / "folder").mkdir()
    again = traffic.get([entry], rename_to="back")
    assert again.state is JobState.FAILED
    states = {item.remote.rsplit("/", 1)[1]: item.state for item in again.items()}
    assert states.pop("folder") is ItemState.FAILED
    assert {name for name, state in states.items() if state is ItemState.DONE} == {"changed", "gone"}
    assert {name for name, state in states.items() if state is ItemState.UNCHANGED} == set(names) - {
        "changed",
        "gone",
        "folder",
    }
    (back / "folder").rmdir()
    assert traffic.get_again(again) is JobState.FINISHED
    assert local_tree(back) == local_tree(source)


@pytest.mark.parametrize("size", [0, 1_000, 3_000_000])
def test_contents_alone_decide_what_is_the_same_where_that_is_wished(
    traffic: Traffic, source: Path, to: Path, size: int
) -> None:
    (source / "file").write_bytes(noise(size))
    entries = traffic.put()
    to.mkdir()
    (to / "file").write_bytes(noise(size))
    os.utime(to / "file", ns=(1, 1))
    job = traffic.get(entries, checksum=True)
    assert job.state is JobState.FINISHED
    assert [item.state for item in job.items()] == [ItemState.UNCHANGED]
    assert job.progress.bytes_moved == 0
    if size:
        (to / "file").write_bytes(bytes(size))
        os.utime(to / "file", ns=(entries[0].mtime_ns, entries[0].mtime_ns))
        job = traffic.get(entries, checksum=True)
        assert job.state is JobState.FINISHED
        assert [item.state for item in job.items()] == [ItemState.DONE]
        assert local_tree(to) == {"file": noise(size)}


@pytest.mark.parametrize("size", [10, 3_000_000])
@pytest.mark.parametrize(
    ("policy", "kept"),
    [
        (OnConflict.REPLACE, {"file.txt": "theirs"}),
        (OnConflict.NEWER, {"file.txt": "mine"}),
        (OnConflict.SKIP, {"file.txt": "mine"}),
        (OnConflict.KEEP_BOTH, {"file.txt": "mine", "file (2).txt": "theirs"}),
    ],
)
def test_what_is_here_already_is_settled_by_the_policy(
    traffic: Traffic, source: Path, to: Path, size: int, policy: OnConflict, kept: dict[str, str]
) -> None:
    versions = {"theirs": noise(size), "mine": b"mine"}
    (source / "file.txt").write_bytes(versions["theirs"])
    os.utime(source / "file.txt", ns=(1, 10**18))
    traffic.put()
    to.mkdir()
    (to / "file.txt").write_bytes(versions["mine"])
    assert traffic.get(traffic.entries(), policy).state is JobState.FINISHED
    assert local_tree(to) == {name: versions[version] for name, version in kept.items()}


def test_who_is_asked_decides_and_cancel_leaves_everything_as_it_was(traffic: Traffic, source: Path, to: Path) -> None:
    (source / "file").write_bytes(b"theirs")
    traffic.put()
    to.mkdir()
    (to / "file").write_bytes(b"mine, and longer")
    asked: list[Conflict] = []

    def cancel(conflict: Conflict) -> ConflictAnswer:
        asked.append(conflict)
        return ConflictAnswer(OnConflict.CANCEL)

    entries = traffic.entries()
    assert traffic.get(entries, cancel).state is JobState.CANCELLED
    assert asked[0].local == to / "file"
    assert local_tree(to) == {"file": b"mine, and longer"}
    job = traffic.get(entries, lambda conflict: ConflictAnswer(OnConflict.REPLACE))
    assert job.state is JobState.FINISHED
    assert local_tree(to) == {"file": b"theirs"}


def test_what_goes_into_a_new_folder_is_fetched_while_others_are_still_listed(
    traffic: Traffic, source: Path, to: Path, wait_until: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        (source / f"tree/{number:02}").mkdir(parents=True)
        (source / f"tree/{number:02}/file").write_bytes(noise(50, number))
    entries = traffic.put()
    list_folders, asked = traffic.session.api.list_folders, []

    def listing(places: Sequence[Place], detail: Detail) -> list[Listing]:
        asked.append(len(places))
        if len(asked) == 3:  # the folder itself, the first of those in it, and now the others
            wait_until(lambda: any(to.glob("tree/*/file")))
        return list_folders(places, detail)

    monkeypatch.setattr(traffic.session.api, "list_folders", listing)
    assert traffic.get(entries).state is JobState.FINISHED
    assert sum(asked) == 41
    assert local_tree(to / "tree") == local_tree(source / "tree")


def test_sending_does_not_wait_for_a_server_that_waits_for_its_replies_to_be_taken(
    traffic: Traffic, source: Path
) -> None:
    (source / "file").write_bytes(noise(200_000))
    (entry,) = traffic.put()
    assert entry.content is not None
    wants = pack_wants([ChunkWant(entry.node, entry.content, 0, 1)] * 335)
    with traffic.session.connect_more() as connection:
        connection.set_timeout(5.0)  # by which a write that waits would fail
        connection.ask_ahead()
        assert connection.unanswered_bytes == ASKING_UNANSWERED_BYTES
        count = ASKING_UNANSWERED_BYTES // len(wants)
        for _ in range(count):  # 4 MiB are the answer to each: more than all buffers hold
            connection.send(GetChunksRequest(wants=335), wants)
        assert [connection.receive().expect(GetChunksReply).chunks for _ in range(count)] == [20] * count


def test_links_in_the_destination_are_not_followed(traffic: Traffic, source: Path, to: Path, tmp_path: Path) -> None:
    (source / "sub").mkdir()
    (source / "sub/file").write_bytes(b"x")
    (source / "fine").write_bytes(b"y")
    traffic.put()
    outside = tmp_path / "outside"
    outside.mkdir()
    to.mkdir()
    (to / "sub").symlink_to(outside)
    job = traffic.get(traffic.entries())
    assert job.state is JobState.FAILED
    (failed,) = job.failed_items()
    assert isinstance(failed.error, LocalAccess)
    assert not list(outside.iterdir())
    assert (to / "fine").read_bytes() == b"y"


def test_a_link_from_the_server_is_not_a_way_out_for_what_comes_after_it(
    traffic: Traffic, source: Path, tmp_path: Path
) -> None:
    """As rsync's CVE-2024-12087: first a link, later a folder of the same name with something in it."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (source / "sub").symlink_to(outside)
    traffic.put()
    assert traffic.get(traffic.entries()).state is JobState.FINISHED
    traffic.session.api.delete([f"{traffic.folder}/sub"])
    (source / "sub").unlink()
    (source / "sub").mkdir()
    (source / "sub/evil").write_bytes(b"x")
    traffic.put()
    assert traffic.get(traffic.entries()).state is JobState.FAILED
    assert not list(outside.iterdir())


def test_a_folder_in_a_files_place_fails_that_file(traffic: Traffic, source: Path, to: Path) -> None:
    (source / "file").write_bytes(b"x")
    traffic.put()
    (to / "file").mkdir(parents=True)
    job = traffic.get(traffic.entries())
    assert job.state is JobState.FAILED
    assert isinstance(job.failed_items()[0].error, IsAFolder)
    (to / "file").rmdir()
    assert traffic.get_again(job) is JobState.FINISHED
    assert local_tree(to) == {"file": b"x"}


def test_a_file_deleted_meanwhile_fails_alone(traffic: Traffic, source: Path, to: Path) -> None:
    (source / "gone").write_bytes(b"x")
    (source / "stays").write_bytes(b"y")
    (source / "gone-large").write_bytes(noise(2_000_000))
    entries = traffic.put()
    never = [entry for entry in entries if entry.name == "gone"]
    traffic.session.api.delete([f"{traffic.folder}/gone-large"])
    job = traffic.get([*entries, *(msgspec.structs.replace(entry, node=10**9, name="never-was") for entry in never)])
    assert (to / "stays").read_bytes() == b"y"
    assert all(item.error is not None for item in job.failed_items())


def test_an_interrupted_download_goes_on_from_what_is_right_of_its_partial_file(
    traffic: Traffic, source: Path, to: Path
) -> None:
    content = noise(20_000_000, 5)
    (source / "file").write_bytes(content)
    (entry,) = traffic.put()
    assert entry.content is not None
    to.mkdir()
    partial = bytearray(content[:15_000_000])
    partial[100] ^= 1  # the first chunk is damaged
    (to / partial_name(entry.content, "file")).write_bytes(partial)
    job = traffic.get([entry])
    assert job.state is JobState.FINISHED
    assert local_tree(to) == {"file": content}
    assert 5_000_000 < job.progress.bytes_moved < 13_000_000


def test_a_partial_file_that_is_longer_than_the_file_is_cut(traffic: Traffic, source: Path, to: Path) -> None:
    content = noise(2_000_000, 6)
    (source / "file").write_bytes(content)
    (entry,) = traffic.put()
    assert entry.content is not None
    to.mkdir()
    (to / partial_name(entry.content, "file")).write_bytes(content + b"more")
    job = traffic.get([entry])
    assert job.state is JobState.FINISHED
    assert local_tree(to) == {"file": content}
    assert job.progress.bytes_moved < 100_000


def test_a_server_that_has_nothing_of_that_name_fails_the_whole(traffic: Traffic) -> None:
    traffic.session.api.make_folder(f"{traffic.folder}/gone")
    entry = traffic.entry("gone")
    traffic.session.api.delete([entry])
    job = traffic.get([entry])
    assert job.state is JobState.FAILED
    assert isinstance(job.failed_items()[0].error, NotFound)
