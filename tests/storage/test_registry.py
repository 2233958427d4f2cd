"""Spaces as a server keeps them: made on demand, shared, closed when idle, never under anyone's hands."""

from __future__ import annotations

import _sqlite3
import ctypes
import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from sfos import config
from sfos.protocol import NotFound, ServerStopping, SfosError, StorageMissing
from sfos.server.disk.storage_faults import MasterKeyMissing
from sfos.server.home import open_spaces
from sfos.server.spaces.registry import SpaceRegistry
from sfos.server.spaces.space import Space
from tests.storage.conftest import SPACE_ID
from tests.storage.desk import Desk

BAD_IDS = ["", "x", "..", "../" + "0" * 29, "0" * 31, "0" * 33, "A" * 32, "0" * 31 + "/", "0" * 31 + "\n", "０" * 32]


@pytest.mark.parametrize("space_id", BAD_IDS)
def test_only_an_opaque_id_ever_becomes_a_path(registry: SpaceRegistry, tmp_path: Path, space_id: str) -> None:
    with pytest.raises(NotFound), registry.lease(space_id):
        pass
    assert list((tmp_path / "server_storage").iterdir()) == []


def test_a_space_is_made_when_first_asked_for_and_only_then(registry: SpaceRegistry) -> None:
    with pytest.raises(NotFound), registry.lease(SPACE_ID, create=False):
        pass
    assert registry.space_ids() == []
    with registry.lease(SPACE_ID) as space:
        info = space.info()
    assert registry.space_ids() == [SPACE_ID]
    with registry.lease(SPACE_ID, create=False) as space:
        assert space.info() == info


def test_every_space_has_keys_and_chunks_of_its_own(registry: SpaceRegistry) -> None:
    with registry.lease("a" * 32) as one, registry.lease("b" * 32) as two:
        assert one.info().chunk_key != two.info().chunk_key
        assert one.info().cut_seed != two.info().cut_seed
        Desk(one).put("/secret", b"mine")
        assert Desk(two).tree() == {}
        assert Desk(two).have([record.chunk_id for record, _ in Desk(one).cut(b"mine")]) == [False]


def test_many_threads_asking_for_a_new_space_get_the_same_one(registry: SpaceRegistry) -> None:
    keys: list[bytes] = []

    def ask() -> None:
        with registry.lease(SPACE_ID) as space:
            keys.append(space.info().chunk_key)

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 12
    assert len(set(keys)) == 1


def test_two_registries_that_make_the_same_space_agree_on_one(
    new_registry: Callable[..., SpaceRegistry], tmp_path: Path
) -> None:
    registries = [new_registry() for _ in range(4)]
    keys: list[bytes] = []

    def ask(registry: SpaceRegistry) -> None:
        with registry.lease(SPACE_ID) as space:
            keys.append(space.info().chunk_key)

    threads = [threading.Thread(target=ask, args=(registry,)) for registry in registries]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 4
    assert len(set(keys)) == 1
    assert list((tmp_path / "temp").iterdir()) == []


def open_catalogs(tmp_path: Path) -> int:
    links = [path for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    targets = []
    for link in links:
        try:
            targets.append(str(link.readlink()))
        except OSError:
            continue
    return len({target for target in targets if target.startswith(str(tmp_path)) and target.endswith("catalog.db")})


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="only on Linux")
def test_only_the_last_used_spaces_stay_open_and_all_work(
    new_registry: Callable[..., SpaceRegistry], tmp_path: Path
) -> None:
    registry = new_registry(keep_open=3)
    for round_ in range(2):
        for number in range(8):
            with registry.lease(f"{number:032x}") as space:
                Desk(space).put("/a", b"%d %d" % (round_, number))
    assert open_catalogs(tmp_path) <= 3
    for number in range(8):
        with registry.lease(f"{number:032x}") as space:
            assert Desk(space).read("/a") == b"1 %d" % number


def test_pages_of_idle_spaces_are_let_go_of(registry: SpaceRegistry) -> None:
    sqlite = ctypes.CDLL(_sqlite3.__file__)  # whose symbols include those of what it is linked to
    sqlite.sqlite3_memory_used.restype = ctypes.c_longlong
    with registry.lease(SPACE_ID) as space:
        for number in range(60):
            Desk(space).put(f"/{number}", os.urandom(30_000))
    before = sqlite.sqlite3_memory_used()
    registry.forget_pages()
    assert sqlite.sqlite3_memory_used() < before - 2**20
    with registry.lease(SPACE_ID) as space:
        assert len(Desk(space).read("/59")) == 30_000


def test_pages_are_let_go_of_while_idle_spaces_are_closed(new_registry: Callable[..., SpaceRegistry]) -> None:
    """Each lease closes the other space, just as its connections are being looked at."""
    registry = new_registry(keep_open=1)
    names = [f"{number:032x}" for number in range(2)]
    done = threading.Event()

    def forget() -> None:
        while not done.is_set():
            registry.forget_pages()

    with ThreadPoolExecutor(1) as beside:
        forgetting = beside.submit(forget)
        try:
            for number in range(60):
                with registry.lease(names[number % 2]) as space:
                    Desk(space).put(f"/{number}", b"x")
        finally:
            done.set()
        forgetting.result()
    for parity, name in enumerate(names):
        with registry.lease(name) as space:
            assert len(Desk(space).entries("/")) == 30, parity


def test_a_lent_space_is_not_closed_however_many_others_are_asked_for(
    new_registry: Callable[..., SpaceRegistry],
) -> None:
    registry = new_registry(keep_open=1)
    with registry.lease(SPACE_ID) as held:
        Desk(held).put("/a", b"x")
        for number in range(4):
            with registry.lease(f"{number:032x}"):
                pass
        assert Desk(held).read("/a") == b"x"
        with registry.lease(SPACE_ID) as again:
            Desk(again).put("/b", b"y")
        assert Desk(held).read("/b") == b"y"


def test_many_threads_over_few_open_spaces_come_to_no_harm(new_registry: Callable[..., SpaceRegistry]) -> None:
    registry = new_registry(keep_open=2)
    failures: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            for round_ in range(10):
                with registry.lease(f"{(seed + round_) % 5:032x}") as space:
                    Desk(space).put(f"/by {seed}", b"%d" % round_)
                    assert Desk(space).read(f"/by {seed}") == b"%d" % round_
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_listeners_hear_of_commits_when_they_are_durable_and_no_lock_is_held(registry: SpaceRegistry) -> None:
    heard: list[tuple[str, int]] = []

    def listen(space_id: str) -> None:
        with registry.lease(space_id) as space:  # would wait for ever if a lock were held
            heard.append((space_id, len(Desk(space).entries("/"))))

    stop = registry.commit_feed.listen(listen)
    with registry.lease(SPACE_ID) as space:
        desk = Desk(space)
        desk.make_folder("/a")
        desk.delete("/nothing") if desk.exists("/nothing") else None
        desk.upload(b"no commit")
        desk.delete("/a")
        stop()
        desk.make_folder("/b")
    assert heard == [(SPACE_ID, 1), (SPACE_ID, 0)]


@pytest.mark.allows_errors("the failing listener is logged")
def test_a_listener_that_fails_hurts_neither_the_commit_nor_the_others(registry: SpaceRegistry) -> None:
    heard: list[str] = []

    def fail(space_id: str) -> None:
        raise ZeroDivisionError

    registry.commit_feed.listen(fail)
    registry.commit_feed.listen(heard.append)
    with registry.lease(SPACE_ID) as space:
        Desk(space).make_folder("/a")
    assert heard == [SPACE_ID]


def test_a_closed_registry_lends_nothing(new_registry: Callable[..., SpaceRegistry]) -> None:
    registry = new_registry()
    registry.close()
    with pytest.raises(ServerStopping), registry.lease(SPACE_ID):
        pass


@pytest.mark.allows_errors("what cannot be opened is logged")
def test_a_space_that_cannot_be_opened_can_be_once_it_is_mended(registry: SpaceRegistry, tmp_path: Path) -> None:
    directory = tmp_path / "server_storage" / SPACE_ID
    directory.mkdir()
    for _ in range(2):
        with pytest.raises(SfosError), registry.lease(SPACE_ID):
            pass
    directory.rmdir()
    with registry.lease(SPACE_ID) as space:
        assert isinstance(space, Space)


@pytest.mark.allows_errors("the missing storage is logged")
def test_a_space_that_there_was_is_missed_and_not_made_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = config.load(environ={"SFOS_STORAGE_FREE_SPACE_FLOOR_BYTES": "0"}, home=tmp_path)
    storage, away = settings.server.storage_dir, tmp_path / "away"
    with closing(open_spaces(settings)) as registry, registry.lease(SPACE_ID) as space:
        Desk(space).put("/a", b"precious")
    storage.rename(away)  # as if it were not mounted
    with closing(open_spaces(settings)) as registry:
        assert str(storage) in caplog.text
        for create in (True, False):
            with pytest.raises(StorageMissing), registry.lease(SPACE_ID, create=create):
                pass
        with pytest.raises(NotFound), registry.lease("1" * 32, create=False):
            pass
        with registry.lease("1" * 32):  # a new account
            pass
        assert [path.name for path in storage.iterdir()] == ["1" * 32]
        (away / SPACE_ID).rename(storage / SPACE_ID)
        with registry.lease(SPACE_ID) as space:
            assert Desk(space).read("/a") == b"precious"


@pytest.mark.allows_errors("the missing storage is logged")
def test_a_home_from_before_the_list_of_spaces_gets_one_from_what_is_there(tmp_path: Path) -> None:
    settings = config.load(environ={}, home=tmp_path)
    with closing(open_spaces(settings)) as registry, registry.lease(SPACE_ID):
        pass
    (tmp_path / "secrets" / "spaces").unlink()
    open_spaces(settings).close()
    shutil.rmtree(settings.server.storage_dir)
    with closing(open_spaces(settings)) as registry, pytest.raises(StorageMissing), registry.lease(SPACE_ID):
        pass
    settings.storage.master_key_file.unlink()
    with pytest.raises(MasterKeyMissing):  # what is missing needs the old key
        open_spaces(settings)
