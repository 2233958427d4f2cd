from __future__ import annotations

import os
import random
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from client.api import Listing, Place
from client.connection import ASKING_UNANSWERED_BYTES
from client.errors import LocalAccess
from client.session import Session
from client.transfer import Conflict, ConflictAnswer, ItemState, Job, JobState, OnConflict, TransferEngine
from protocol import ChunkWant, GetChunksReply, GetChunksRequest, IsAFolder, NotFound, pack_wants

Finish = Callable[[Job], JobState]


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything in a local folder: files with their content, folders as None, links as where they point."""
    found: dict[str, bytes | None] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}".encode()
        else:
            found[name] = None if path.is_dir() else path.read_bytes()
    return found


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.mkdir()
    return path


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "to"


@pytest.fixture
def put(session: Session, engine: TransferEngine, folder: str, finish: Finish) -> Callable[[Path], None]:
    """Uploads what is in a local folder."""

    def put(path: Path) -> None:
        assert finish(engine.upload(sorted(path.iterdir()), folder)) is JobState.FINISHED

    return put


def test_a_tree_comes_back_as_it_was(
    session: Session,
    engine: TransferEngine,
    folder: str,
    source: Path,
    to: Path,
    put: Callable[[Path], None],
    finish: Finish,
) -> None:
    (source / "tree/a/b/empty").mkdir(parents=True)
    for number, size in enumerate((0, 1, 262_143, 262_144, 262_145, 4 * 1024 * 1024, 9_000_001)):
        (source / f"tree/a/{size}").write_bytes(noise(size, number))
    for number in range(400):
        (source / f"tree/a/b/f{number}").write_bytes(f"{number}".encode())
    (source / "tree/link").symlink_to("../outside")
    (source / "tree/a/1").chmod(0o640)
    os.utime(source / "tree/a", ns=(1, 1_400_000_000_000_000_000))
    put(source)
    job = engine.download([session.api.stat(f"{folder}/tree")], to)
    assert finish(job) is JobState.FINISHED
    assert tree(to) == tree(source)
    assert stat.S_IMODE((to / "tree/a/1").stat().st_mode) == 0o640
    for name in ("a/1", "a/9000001", "a"):
        assert (to / "tree" / name).stat().st_mtime_ns == (source / "tree" / name).stat().st_mtime_ns
    assert job.progress.bytes_done == job.progress.bytes_total


def test_the_root_of_a_space_comes_as_what_is_in_it(
    session: Session, engine: TransferEngine, folder: str, to: Path, finish: Finish
) -> None:
    session.api.make_folder(f"{folder}/inside")
    assert finish(engine.download([session.api.stat("/")], to)) is JobState.FINISHED
    assert (to / folder[1:] / "inside").is_dir()


def test_one_file_can_get_another_name(
    session: Session,
    engine: TransferEngine,
    folder: str,
    source: Path,
    to: Path,
    put: Callable[[Path], None],
    finish: Finish,
) -> None:
    (source / "file").write_bytes(b"x")
    put(source)
    assert finish(engine.download([session.api.stat(f"{folder}/file")], to, rename_to="other")) is JobState.FINISHED
    assert tree(to) == {"other": b"x"}


def test_what_is_here_already_is_not_fetched_again(
    session: Session,
    engine: TransferEngine,
    folder: str,
    source: Path,
    to: Path,
    put: Callable[[Path], None],
    finish: Finish,
) -> None:
    (source / "large").write_bytes(noise(3_000_000))
    (source / "small").write_bytes(b"small")
    put(source)
    entries = session.api.list_folder(folder)
    assert finish(engine.download(entries, to)) is JobState.FINISHED
    again = engine.download(entries, to)
    assert finish(again) is JobState.FINISHED
    assert {item.state for item in again.items()} == {ItemState.UNCHANGED}
    assert again.progress.bytes_moved == 0


@pytest.mark.parametrize("odd", ["plain", ".hidden", "UPPER", "größer"])
def test_of_a_folder_that_is_here_only_what_differs_is_fetched(
    session: Session,
    engine: TransferEngine,
    folder: str,
    source: Path,
    to: Path,
    put: Callable[[Path], None],
    finish: Finish,
    odd: str,
) -> None:
    names = ("same", "changed", "gone", "empty", "folder", odd)
    for name in names:
        (source / name).write_bytes(b"" if name == "empty" else name.encode() * 10)
    put(source)
    entry = session.api.stat(folder)
    first = engine.download([entry], to, rename_to="back")
    assert finish(first) is JobState.FINISHED
    assert len(first.items()) == len(names) + 1
    back = to / "back"
    assert tree(back) == tree(source)
    (back / "changed").write_bytes(b"mine")
    (back / "gone").unlink()
    (back / "folder").unlink()
    (back / "folder").mkdir()
    again = engine.download([entry], to, rename_to="back")
    assert finish(again) is JobState.FAILED
    states = {item.remote.rsplit("/", 1)[1]: item.state for item in again.items()}
    assert states.pop("folder") is ItemState.FAILED
    assert {name for name, state in states.items() if state is ItemState.DONE} == {"changed", "gone"}
    assert {name for name, state in states.items() if state is ItemState.UNCHANGED} == set(names) - {
        "changed",
        "gone",
        "folder",
    }
    (back / "folder").rmdir()
    again.retry_failed()
    assert finish(again) is JobState.FINISHED
    assert tree(back) == tree(source)


@pytest.mark.parametrize("size", [0, 1_000, 3_000_000])
def test_contents_alone_decide_what_is_the_same_where_that_is_wished(
    session: Session,
    engine: TransferEngine,
    folder: str,
    source: Path,
    to: Path,
    put: Callable[[Path], None],
    finish: Finish,
    size: int,
) -> None:
    (source / "file").write_bytes(noise(size))
    put(source)
    entries = session.api.list_folder(folder)
    to.mkdir()
    (to / "file").write_bytes(noise(size))
    os.utime(to / "file", ns=(1, 1))
    job = engine.download(entries, to, checksum=True)
    assert finish(job) is JobState.FINISHED
    assert [item.state for item in job.items()] == [ItemState.UNCHANGED]
    assert job.progress.bytes_moved == 0
    if size:
        (to / "file").write_bytes(bytes(size))
        os.utime(to / "file", ns=(entries[0].mtime_ns, entries[0].mtime_ns))
        job = engine.download(entries, to, checksum=True)
        assert finish(job) is JobState.FINISHED
        assert [item.state for item in job.items()] == [ItemState.DONE]
        assert tree(to) == {"file": noise(size)}


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
    session: Session,
    engine: TransferEngine,
    folder: str,
    source: Path,
    to: Path,
    put: Callable[[Path], None],
    finish: Finish,
    size: int,
    policy: OnConflict,
    kept: dict[str, str],
) -> None:
    versions = {"theirs": noise(size), "mine": b"mine"}
    (source / "file.txt").write_bytes(versions["theirs"])
    os.utime(source / "file.txt", ns=(1, 10**18))
    put(source)
    to.mkdir()
    (to / "file.txt").write_bytes(versions["mine"])
    assert finish(engine.download(session.api.list_folder(folder), to, policy)) is JobState.FINISHED
    assert tree(to) == {name: versions[version] for name, version in kept.items()}


def test_who_is_asked_decides_and_cancel_leaves_everything_as_it_was(
    session: Session,
    engine: TransferEngine,
    folder: str,
    source: Path,
    to: Path,
    put: Callable[[Path], None],
    finish: Finish,
) -> None:
    (source / "file").write_bytes(b"theirs")
    put(source)
    to.mkdir()
    (to / "file").write_bytes(b"mine, and longer")
    asked: list[Conflict] = []

    def cancel(conflict: Conflict) -> ConflictAnswer:
        asked.append(conflict)
        return ConflictAnswer(OnConflict.CANCEL)

    entries = session.api.list_folder(folder)
    assert finish(engine.download(entries, to, cancel)) is JobState.CANCELLED
    assert asked[0].local == to / "file"
    assert tree(to) == {"file": b"mine, and longer"}
    job = engine.download(entries, to, lambda conflict: ConflictAnswer(OnConflict.REPLACE))
    assert finish(job) is JobState.FINISHED
    assert tree(to) == {"file": b"theirs"}


def test_what_goes_into_a_new_folder_is_fetched_while_others_are_still_listed(
    session: Session,
    engine: TransferEngine,
    folder: str,
    source: Path,
    to: Path,
    put: Callable[[Path], None],
    finish: Finish,
    wait_until: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number in range(40):
        (source / f"tree/{number:02}").mkdir(parents=True)
        (source / f"tree/{number:02}/file").write_bytes(noise(50, number))
    put(source)
    entries = session.api.list_folder(folder)
    list_folders, asked = session.api.list_folders, []

    def listing(places: Sequence[Place]) -> list[Listing]:
        asked.append(len(places))
        if len(asked) == 3:  # the folder itself, the first of those in it, and now the others
            wait_until(lambda: any(to.glob("tree/*/file")))
        return list_folders(places)

    monkeypatch.setattr(session.api, "list_folders", listing)
    assert finish(engine.download(entries, to)) is JobState.FINISHED
    assert sum(asked) == 41
    assert tree(to / "tree") == tree(source / "tree")


def test_sending_does_not_wait_for_a_server_that_waits_for_its_replies_to_be_taken(
    session: Session, folder: str, source: Path, put: Callable[[Path], None]
) -> None:
    (source / "file").write_bytes(noise(200_000))
    put(source)
    (entry,) = session.api.list_folder(folder)
    assert entry.content is not None
    wants = pack_wants([ChunkWant(entry.node, entry.content, 0, 1)] * 335)
    with session.connect_more() as connection:
        connection.set_timeout(5.0)  # by which a write that waits would fail
        connection.ask_ahead()
        assert connection.unanswered_bytes == ASKING_UNANSWERED_BYTES
        count = ASKING_UNANSWERED_BYTES // len(wants)
        for _ in range(count):  # 4 MiB are the answer to each: more than all buffers hold
            connection.send("get_chunks", GetChunksRequest(wants=335), wants)
        assert [connection.receive().expect(GetChunksReply).chunks for _ in range(count)] == [20] * count


def test_links_in_the_destination_are_not_followed(
    session: Session,
    engine: TransferEngine,
    folder: str,
    source: Path,
    to: Path,
    tmp_path: Path,
    put: Callable[[Path], None],
    finish: Finish,
) -> None:
    (source / "sub").mkdir()
    (source / "sub/file").write_bytes(b"x")
    (source / "fine").write_bytes(b"y")
    put(source)
    outside = tmp_path / "outside"
    outside.mkdir()
    to.mkdir()
    (to / "sub").symlink_to(outside)
    job = engine.download(session.api.list_folder(folder), to)
    assert finish(job) is JobState.FAILED
    (failed,) = job.failed_items()
    assert isinstance(failed.error, LocalAccess)
    assert not list(outside.iterdir())
    assert (to / "fine").read_bytes() == b"y"


def test_a_link_from_the_server_is_not_a_way_out_for_what_comes_after_it(
    session: Session,
    engine: TransferEngine,
    folder: str,
    source: Path,
    to: Path,
    tmp_path: Path,
    put: Callable[[Path], None],
    finish: Finish,
) -> None:
    """As rsync's CVE-2024-12087: first a link, later a folder of the same name with something in it."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (source / "sub").symlink_to(outside)
    put(source)
    assert finish(engine.download(session.api.list_folder(folder), to)) is JobState.FINISHED
    session.api.delete([f"{folder}/sub"])
    (source / "sub").unlink()
    (source / "sub").mkdir()
    (source / "sub/evil").write_bytes(b"x")
    put(source)
    assert finish(engine.download(session.api.list_folder(folder), to)) is JobState.FAILED
    assert not list(outside.iterdir())


def test_a_folder_in_a_files_place_fails_that_file(
    session: Session,
    engine: TransferEngine,
    folder: str,
    source: Path,
    to: Path,
    put: Callable[[Path], None],
    finish: Finish,
) -> None:
    (source / "file").write_bytes(b"x")
    put(source)
    (to / "file").mkdir(parents=True)
    job = engine.download(session.api.list_folder(folder), to)
    assert finish(job) is JobState.FAILED
    assert isinstance(job.failed_items()[0].error, IsAFolder)
    (to / "file").rmdir()
    job.retry_failed()
    assert finish(job) is JobState.FINISHED
    assert tree(to) == {"file": b"x"}


def test_a_file_deleted_meanwhile_fails_alone(
    session: Session,
    engine: TransferEngine,
    folder: str,
    source: Path,
    to: Path,
    put: Callable[[Path], None],
    finish: Finish,
) -> None:
    (source / "gone").write_bytes(b"x")
    (source / "stays").write_bytes(b"y")
    (source / "gone-large").write_bytes(noise(2_000_000))
    put(source)
    entries = session.api.list_folder(folder)
    never = [entry for entry in entries if entry.name == "gone"]
    session.api.delete([f"{folder}/gone-large"])
    job = engine.download([*entries, *(_with_another_node(entry) for entry in never)], to)
    finish(job)
    assert (to / "stays").read_bytes() == b"y"
    assert all(item.error is not None for item in job.failed_items())


def _with_another_node(entry: object) -> object:
    import msgspec

    return msgspec.structs.replace(entry, node=10**9, name="never-was")  # type: ignore[type-var]


def test_an_interrupted_download_goes_on_from_what_is_right_of_its_partial_file(
    session: Session,
    engine: TransferEngine,
    folder: str,
    source: Path,
    to: Path,
    put: Callable[[Path], None],
    finish: Finish,
) -> None:
    content = noise(20_000_000, 5)
    (source / "file").write_bytes(content)
    put(source)
    (entry,) = session.api.list_folder(folder)
    assert entry.content is not None
    from client.local_files import partial_name

    to.mkdir()
    partial = bytearray(content[:15_000_000])
    partial[100] ^= 1  # the first chunk is damaged
    (to / partial_name(entry.content, "file")).write_bytes(partial)
    job = engine.download([entry], to)
    assert finish(job) is JobState.FINISHED
    assert tree(to) == {"file": content}
    assert 5_000_000 < job.progress.bytes_moved < 13_000_000


def test_a_partial_file_that_is_longer_than_the_file_is_cut(
    session: Session,
    engine: TransferEngine,
    folder: str,
    source: Path,
    to: Path,
    put: Callable[[Path], None],
    finish: Finish,
) -> None:
    content = noise(2_000_000, 6)
    (source / "file").write_bytes(content)
    put(source)
    (entry,) = session.api.list_folder(folder)
    assert entry.content is not None
    from client.local_files import partial_name

    to.mkdir()
    (to / partial_name(entry.content, "file")).write_bytes(content + b"more")
    job = engine.download([entry], to)
    assert finish(job) is JobState.FINISHED
    assert tree(to) == {"file": content}
    assert job.progress.bytes_moved < 100_000


def test_a_server_that_has_nothing_of_that_name_fails_the_whole(
    session: Session, engine: TransferEngine, folder: str, to: Path, finish: Finish
) -> None:
    session.api.make_folder(f"{folder}/gone")
    entry = session.api.stat(f"{folder}/gone")
    session.api.delete([entry])
    job = engine.download([entry], to)
    assert finish(job) is JobState.FAILED
    assert isinstance(job.failed_items()[0].error, NotFound)
