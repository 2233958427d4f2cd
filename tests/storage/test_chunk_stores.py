"""The contract of chunk stores (sfos/server/chunks/store.py), asked of every implementation."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from sfos.server.chunks.disk import DiskStore
from sfos.server.chunks.files import LocalFiles, SyncFailed
from sfos.server.chunks.small import SmallStore
from sfos.server.chunks.store import ChunkStore
from sfos.server.chunks.tiered import TieredStore
from sfos.server.disk.locks import locked
from sfos.server.disk.storage_faults import StoreStopped

SMALL = 2_000  # the tiered store's border in these tests
MakeStore = Callable[..., ChunkStore]


@pytest.fixture
def syncing() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def make_disk(home: Path, syncing: ThreadPoolExecutor, files: LocalFiles | None = None) -> DiskStore:
    for name in ("chunks", "temp"):
        (home / name).mkdir(exist_ok=True)
    return DiskStore(home / "chunks", home / "temp", syncing, files=files)


def make_small(home: Path, syncing: ThreadPoolExecutor, files: LocalFiles | None = None) -> SmallStore:
    return SmallStore(home / "small.db", lambda: 1_000, files=files)


def make_tiered(home: Path, syncing: ThreadPoolExecutor, files: LocalFiles | None = None) -> TieredStore:
    return TieredStore(make_small(home, syncing, files), make_disk(home, syncing, files), SMALL)


@pytest.fixture(params=[make_disk, make_small, make_tiered], ids=["disk", "small", "tiered"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path, syncing: ThreadPoolExecutor) -> MakeStore:
    """Opens the store of this test's directory."""
    make: Callable[..., ChunkStore] = request.param
    return lambda files=None: make(tmp_path, syncing, files)


@pytest.fixture
def store(reopen: MakeStore) -> Iterator[ChunkStore]:
    with closing(reopen()) as opened:
        yield opened


def token_of(number: int, length: int = 1_500) -> tuple[bytes, bytes]:
    """A chunk id, and bytes that look like no other token's; every third one is beyond the tiered store's border."""
    return number.to_bytes(32, "big"), (number.to_bytes(4, "big") * length)[: length + 1_000 * (number % 3)]


def put(store: ChunkStore, *tokens: tuple[bytes, bytes]) -> list[str]:
    with store.batch() as batch:
        for chunk_id, token in tokens:
            batch.add(chunk_id, memoryview(token))
        return batch.finish()


def read(store: ChunkStore, location: str, length: int) -> bytes:
    return bytes(store.read(location, length, memoryview(bytearray(length + 1))))


def test_what_was_put_is_read_back(store: ChunkStore) -> None:
    tokens = [token_of(number) for number in range(7)]
    for location, (_, token) in zip(put(store, *tokens), tokens, strict=True):
        assert read(store, location, len(token)) == token


def test_it_is_still_there_after_closing_and_opening(reopen: MakeStore) -> None:
    tokens = [token_of(number) for number in range(5)]
    with closing(reopen()) as store:
        locations = put(store, *tokens)
    with closing(reopen()) as store:
        assert [read(store, at, len(token)) for at, (_, token) in zip(locations, tokens, strict=True)] == [
            token for _, token in tokens
        ]


def test_the_buffer_of_a_token_is_free_once_add_returns(store: ChunkStore) -> None:
    buffer = bytearray(b"a" * 3_000)
    with store.batch() as batch:
        batch.add(bytes(32), memoryview(buffer))
        buffer[:] = b"b" * 3_000
        (location,) = batch.finish()
    assert read(store, location, 3_000) == b"a" * 3_000


def test_tokens_taken_in_together_have_their_locations_in_order_beside_others(store: ChunkStore) -> None:
    tokens = [token_of(number) for number in range(50)]
    with store.batch() as batch:
        batch.add(tokens[0][0], memoryview(tokens[0][1]))
        batch.add_short(tokens[1:49])
        batch.add_short([])
        batch.add(tokens[49][0], memoryview(tokens[49][1]))
        locations = batch.finish()
    assert [read(store, at, len(token)) for at, (_, token) in zip(locations, tokens, strict=True)] == [
        token for _, token in tokens
    ]
    assert {one.location: one.chunk_id for one in store.list_stored()} == dict(
        zip(locations, [one for one, _ in tokens], strict=True)
    )


def test_an_empty_batch_has_no_locations(store: ChunkStore) -> None:
    assert put(store) == []


def test_a_location_is_never_used_twice_not_even_after_deletion(store: ChunkStore) -> None:
    seen: set[str] = set()
    for _ in range(20):
        (location,) = put(store, token_of(1))
        assert location not in seen
        seen.add(location)
        store.delete([location])


def test_a_store_tells_what_it_holds_without_reading_it(store: ChunkStore) -> None:
    chunk, token = token_of(2)
    (location,) = put(store, (chunk, token))
    assert store.holds(location, len(token))
    assert not store.holds(location, len(token) - 1)
    store.delete([location])
    assert not store.holds(location, len(token))


def test_a_store_tells_where_something_lies_and_where_nothing_does(store: ChunkStore) -> None:
    locations = put(store, *map(token_of, range(6)))
    store.delete(locations[:3])
    assert store.which_are_there([*locations, "nowhere"]) == set(locations[3:])


def test_a_store_is_not_behind_the_mark_of_what_it_holds(store: ChunkStore) -> None:
    locations = put(store, *map(token_of, range(6)))
    assert store.behind(store.mark_of(locations)) is None


def test_the_same_chunk_put_twice_lies_in_two_places(store: ChunkStore) -> None:
    one, two = put(store, token_of(1), token_of(1))
    store.delete([one])
    assert read(store, two, len(token_of(1)[1])) == token_of(1)[1]


def test_what_was_deleted_is_gone_and_may_be_deleted_again(store: ChunkStore) -> None:
    (location,) = put(store, token_of(1))
    store.delete([location])
    store.delete([location])
    with pytest.raises(FileNotFoundError):
        read(store, location, 10)


def test_a_batch_that_is_left_without_finish_leaves_nothing(store: ChunkStore, tmp_path: Path) -> None:
    with store.batch() as batch:
        for number in range(3):
            chunk_id, token = token_of(number)
            batch.add(chunk_id, memoryview(token))
    assert list(store.list_stored()) == []
    assert not list((tmp_path / "temp").glob("*"))


def test_a_batch_that_fails_in_the_middle_leaves_nothing(store: ChunkStore, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), store.batch() as batch:
        batch.add(token_of(2)[0], memoryview(token_of(2)[1]))
        raise ZeroDivisionError
    assert list(store.list_stored()) == []
    assert not list((tmp_path / "temp").glob("*"))


def test_the_list_names_all_that_is_stored_with_id_and_length(store: ChunkStore) -> None:
    tokens = [token_of(number) for number in range(2_500 if isinstance(store, SmallStore) else 30)]
    locations = put(store, *tokens)
    store.delete(locations[:5])
    stored = {one.location: one for one in store.list_stored()}
    assert stored.keys() == set(locations[5:])
    for location, (chunk_id, token) in list(zip(locations, tokens, strict=True))[5:]:
        assert stored[location].chunk_id == chunk_id
        assert stored[location].sealed_len == len(token)
        assert stored[location].stored_ms > 0


def test_damage_in_length_is_handed_on_for_opening_to_find(store: ChunkStore) -> None:
    _, token = token_of(2)
    (location,) = put(store, (bytes(32), token))
    assert len(read(store, location, len(token) + 50)) == len(token)
    assert len(read(store, location, len(token) - 50)) != len(token) - 50


def test_many_threads_put_read_and_delete_at_once(store: ChunkStore) -> None:
    failures: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            for round_ in range(8):
                tokens = [token_of(seed * 1_000 + round_ * 10 + number) for number in range(4)]
                locations = put(store, *tokens)
                for location, (_, token) in zip(locations, tokens, strict=True):
                    assert read(store, location, len(token)) == token
                store.delete(locations[:2])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(list(store.list_stored())) == 8 * 8 * 2


def test_compaction_gives_room_back_and_keeps_the_rest(store: ChunkStore, tmp_path: Path) -> None:
    tokens = [(number.to_bytes(32, "big"), os.urandom(1_900)) for number in range(500)]
    locations = put(store, *tokens)
    store.compact()
    before = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    store.delete(locations[1:])
    store.compact()
    after = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert after < before / 3
    assert read(store, locations[0], 1_900) == tokens[0][1]


class FailingSync(LocalFiles):
    """A disk whose fsync fails once, and then pretends that all is well."""

    def __init__(self) -> None:
        self.fail = True

    def sync(self, descriptor: int) -> None:
        if self.fail:
            self.fail = False
            raise OSError(errno.EIO, "no")
        super().sync(descriptor)


@pytest.mark.allows_errors("a failed fsync is logged as critical")
@pytest.mark.parametrize("make", [make_disk, make_tiered], ids=["disk", "tiered"])
def test_after_a_failed_fsync_the_store_takes_nothing_more_and_still_reads(
    make: Callable[..., ChunkStore], tmp_path: Path, syncing: ThreadPoolExecutor
) -> None:
    files = FailingSync()
    files.fail = False
    with closing(make(tmp_path, syncing, files)) as store:
        big = (bytes(32), b"x" * 5_000)
        (location,) = put(store, big)
        files.fail = True
        with pytest.raises(StoreStopped):
            put(store, big)
        with pytest.raises(StoreStopped):
            put(store, big)  # although the disk would say yes now
        assert read(store, location, 5_000) == big[1]
        assert [one.location for one in store.list_stored()] == [location]
        store.delete([location])
    assert not list((tmp_path / "temp").glob("*"))


@pytest.mark.allows_errors("a failed fsync is logged as critical")
def test_a_batch_begun_before_a_failed_fsync_puts_nothing_on_the_disk_after_it(
    tmp_path: Path, syncing: ThreadPoolExecutor
) -> None:
    files = FailingSync()
    files.fail = False
    store = make_disk(tmp_path, syncing, files)
    with store.batch() as begun_before:
        begun_before.add(bytes(32), memoryview(b"x" * 5_000))
        begun_before._syncs[0].result()
        files.fail = True
        with pytest.raises(StoreStopped):
            put(store, token_of(1))
        with pytest.raises(StoreStopped):
            begun_before.finish()
    assert list(store.list_stored()) == []
    assert not list((tmp_path / "temp").glob("*"))


def fail_to_sync(store: SmallStore) -> None:
    """Let the disk of a store fail while it commits."""

    def fail(_: sqlite3.Connection) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
        raise error

    with pytest.raises(StoreStopped):
        store._write(fail)


@pytest.mark.allows_errors("a failed fsync is logged as critical")
def test_a_database_that_could_not_be_synced_is_written_by_nobody_who_had_begun_before(
    tmp_path: Path, syncing: ThreadPoolExecutor
) -> None:
    with closing(make_small(tmp_path, syncing)) as store:
        (location,) = put(store, token_of(1))
        with store.batch() as begun_before:
            begun_before.add(bytes(32), memoryview(b"x"))
            fail_to_sync(store)
            with pytest.raises(StoreStopped):
                begun_before.finish()
        for write in (store.compact, lambda: store.delete([location]), lambda: store.go_on_above(5)):
            with pytest.raises(StoreStopped):
                write()
        assert [stored.location for stored in store.list_stored()] == [location]


@pytest.mark.allows_errors("a failed fsync is logged as critical")
def test_who_opens_a_store_anew_after_a_failed_fsync_reads_and_does_not_write(
    tmp_path: Path, syncing: ThreadPoolExecutor
) -> None:
    small, files = make_small(tmp_path, syncing), FailingSync()
    files.fail = False
    disk = make_disk(tmp_path, syncing, files)
    locations = [put(store, token_of(1))[0] for store in (small, disk)]
    with closing(small):
        fail_to_sync(small)
    files.fail = True
    with pytest.raises(StoreStopped):
        put(disk, token_of(1))
    chunk_id, token = token_of(1)
    makes: tuple[Callable[..., ChunkStore], ...] = (make_small, make_disk)
    for make, location in zip(makes, locations, strict=True):
        with closing(make(tmp_path, syncing)) as store:
            with pytest.raises(StoreStopped):
                put(store, (chunk_id, token))
            assert read(store, location, len(token)) == token


class ShortOfDescriptors(LocalFiles):
    """Fails at one kind of step, as the system does when it has no descriptors, no rights or no quota left."""

    def __init__(self, step: str, error: int) -> None:
        self.step, self.error = step, error

    def _fail(self, step: str) -> None:
        if step == self.step:
            raise OSError(self.error, os.strerror(self.error))

    def create(self, path: Path) -> int:
        self._fail("create")
        return super().create(path)

    def make_directory(self, path: Path) -> None:
        self._fail("make_directory")
        super().make_directory(path)

    def sync_directory(self, path: Path) -> None:
        self._fail("sync_directory")
        super().sync_directory(path)


@pytest.mark.parametrize("step", ["create", "make_directory", "sync_directory"])
@pytest.mark.parametrize("error", [errno.EMFILE, errno.ENFILE, errno.EACCES, errno.EDQUOT])
def test_what_is_no_failed_fsync_fails_one_batch_and_the_store_goes_on(
    tmp_path: Path, syncing: ThreadPoolExecutor, step: str, error: int
) -> None:
    files = ShortOfDescriptors(step, error)
    store = make_disk(tmp_path, syncing, files)
    with pytest.raises(OSError) as caught:
        put(store, token_of(1))
    assert caught.value.errno == error
    files.step = ""
    (location,) = put(store, token_of(1))
    assert read(store, location, len(token_of(1)[1])) == token_of(1)[1]


class FailingDirectorySync(LocalFiles):
    def sync_directory(self, path: Path) -> None:
        raise SyncFailed(errno.ENOSPC, os.strerror(errno.ENOSPC))


class FailingClose(LocalFiles):
    def close(self, descriptor: int) -> None:
        super().close(descriptor)
        raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.mark.allows_errors("a failed fsync is logged as critical")
@pytest.mark.parametrize("files", [FailingDirectorySync(), FailingClose()], ids=["directory", "close"])
def test_a_write_back_that_failed_stops_the_store(
    tmp_path: Path, syncing: ThreadPoolExecutor, files: LocalFiles
) -> None:
    store = make_disk(tmp_path, syncing, files)
    with pytest.raises(StoreStopped):
        put(store, token_of(1), token_of(2))
    store.files = LocalFiles()
    with pytest.raises(StoreStopped):
        put(store, token_of(1))


class FullDisk(LocalFiles):
    def write(self, descriptor: int, data: memoryview) -> None:
        super().write(descriptor, data[:100])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_nothing_behind_and_the_store_goes_on(tmp_path: Path, syncing: ThreadPoolExecutor) -> None:
    store = make_disk(tmp_path, syncing, FullDisk())
    with pytest.raises(OSError, match="No space"):
        put(store, token_of(1))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    store.files = LocalFiles()
    put(store, token_of(1))


class ShortWrite(LocalFiles):
    def write(self, descriptor: int, data: memoryview) -> None:
        super().write(descriptor, data[:-1])


def test_a_write_that_lost_bytes_is_noticed_before_anything_is_promised(
    tmp_path: Path, syncing: ThreadPoolExecutor
) -> None:
    store = make_disk(tmp_path, syncing, ShortWrite())
    with pytest.raises(OSError, match="not as long"):
        put(store, token_of(1))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


class Recorded(LocalFiles):
    """Notes the order of what matters for durability."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self._names: dict[int, str] = {}

    def create(self, path: Path) -> int:
        descriptor = super().create(path)
        self._names[descriptor] = path.name
        return descriptor

    def sync(self, descriptor: int) -> None:
        super().sync(descriptor)
        self.steps.append(f"sync {self._names[descriptor]}")

    def rename(self, source: Path, target: Path) -> None:
        super().rename(source, target)
        self.steps.append(f"rename {source.name}")

    def sync_directory(self, path: Path) -> None:
        super().sync_directory(path)
        self.steps.append("sync directory")


def test_every_file_is_synced_before_it_is_renamed_and_the_directory_last(
    tmp_path: Path, syncing: ThreadPoolExecutor
) -> None:
    files = Recorded()
    put(make_disk(tmp_path, syncing, files), *[token_of(number) for number in range(5)])
    renames = [step for step in files.steps if step.startswith("rename")]
    assert len(renames) == 5
    for step in renames:
        assert files.steps.index(step.replace("rename", "sync")) < files.steps.index(step)
    assert files.steps[-1] == "sync directory"
    assert files.steps.count("sync directory") == 1


def test_foreign_files_in_the_directory_are_listed_without_an_id(tmp_path: Path, syncing: ThreadPoolExecutor) -> None:
    store = make_disk(tmp_path, syncing)
    (tmp_path / "chunks" / "aa").mkdir()
    (tmp_path / "chunks" / "aa" / "notes.txt").write_text("mine")
    assert [(one.location, one.chunk_id) for one in store.list_stored()] == [("aa/notes.txt", None)]


def test_whoever_makes_the_database_has_the_lock_on_its_directory(
    tmp_path: Path, wait_until: Callable[..., None]
) -> None:
    opened: list[SmallStore] = []
    thread = threading.Thread(target=lambda: opened.append(SmallStore(tmp_path / "small.db", lambda: 0)))
    with locked(tmp_path):
        thread.start()
        wait_until((tmp_path / "small.db").exists)
        assert (tmp_path / "small.db").stat().st_size == 0
        assert not opened
    thread.join()
    opened[0].close()
    with locked(tmp_path), closing(SmallStore(tmp_path / "small.db", lambda: 0)) as again:  # needs no lock any more
        assert again.highest_location() == 0
