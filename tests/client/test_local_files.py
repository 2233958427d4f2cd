from __future__ import annotations

import stat
from pathlib import Path

import pytest

from sfos.client.errors import LocalAccess
from sfos.client.local.destination import Destination
from sfos.client.local.names import partial_name
from sfos.client.local.writing import NOTHING
from sfos.protocol import AlreadyExists, AttributesRead, IsAFolder

CONTENT = memoryview(b"content")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    path = tmp_path / "outside"
    path.mkdir()
    return path


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def write(
    root: Path, folder: tuple[str, ...], name: str, *, replace: bool = True, attrs: AttributesRead | None = None
) -> None:
    destination = Destination(root)
    try:
        with destination.folder(folder) as opened:
            partial = partial_name(b"id", name)
            opened.write_file(partial, CONTENT, attrs, 1_600_000_000_123_456_789, durable=True)
            opened.place(partial, name, if_stamp=None if replace else NOTHING)
    finally:
        destination.close()


def test_a_file_gets_its_name_time_and_mode_and_leaves_nothing_else(tmp_path: Path) -> None:
    write(tmp_path / "to", ("a", "b"), "file", attrs=AttributesRead(mode=0o4750))
    path = tmp_path / "to/a/b/file"
    assert path.read_bytes() == b"content"
    assert path.stat().st_mtime_ns == 1_600_000_000_123_456_789
    assert stat.S_IMODE(path.stat().st_mode) == 0o750, "a server makes no set-user-id program here"
    assert names(path.parent) == ["file"]


def test_a_file_without_a_mode_gets_what_the_user_gives_new_files(tmp_path: Path) -> None:
    write(tmp_path, (), "file")
    (tmp_path / "own").touch()
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "own").stat().st_mode


def test_a_link_below_the_destination_is_never_followed(tmp_path: Path, outside: Path) -> None:
    root = tmp_path / "to"
    root.mkdir()
    (root / "sub").symlink_to(outside)
    with pytest.raises(LocalAccess, match="not followed"):
        write(root, ("sub",), "file")
    with pytest.raises(LocalAccess, match="not followed"):
        write(root, ("sub", "deeper"), "file")
    assert not list(outside.iterdir())


def test_a_link_in_a_files_place_is_replaced_and_not_written_through(tmp_path: Path, outside: Path) -> None:
    target = outside / "target"
    target.write_bytes(b"precious")
    (tmp_path / "file").symlink_to(target)
    write(tmp_path, (), "file")
    assert target.read_bytes() == b"precious"
    assert not (tmp_path / "file").is_symlink()


def test_a_link_in_the_temporary_files_place_is_not_written_through(tmp_path: Path, outside: Path) -> None:
    target = outside / "target"
    target.write_bytes(b"precious")
    (tmp_path / partial_name(b"id", "file")).symlink_to(target)
    write(tmp_path, (), "file")
    assert target.read_bytes() == b"precious"
    assert (tmp_path / "file").read_bytes() == b"content"
    (tmp_path / partial_name(b"id", "file")).symlink_to(target)
    destination = Destination(tmp_path)
    with destination.folder(()) as opened, pytest.raises(LocalAccess):
        opened.open_partial(partial_name(b"id", "file"))
    destination.close()


def test_the_destination_itself_may_be_a_link(tmp_path: Path, outside: Path) -> None:
    (tmp_path / "to").symlink_to(outside)
    write(tmp_path / "to", (), "file")
    assert (outside / "file").read_bytes() == b"content"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="only where there is a folder that takes no files")
def test_a_folder_that_takes_no_files_is_named() -> None:
    """A person reads it beside the remote name, which is not to blame."""
    destination = Destination(Path("/proc"))
    with (
        pytest.raises(LocalAccess, match="Nothing can be written to /proc on this computer"),
        destination.folder(()) as opened,
    ):
        opened.open_partial(partial_name(b"id", "file"))
    destination.close()


def test_what_appeared_in_the_meantime_is_not_replaced_unasked(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"theirs")
    with pytest.raises(AlreadyExists):
        write(tmp_path, (), "file", replace=False)
    assert (tmp_path / "file").read_bytes() == b"theirs"
    assert names(tmp_path) == ["file"]


def test_a_folder_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(IsAFolder):
        write(tmp_path, (), "file")
    assert names(tmp_path) == ["file"]


def test_a_file_in_a_folders_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "sub").write_bytes(b"")
    with pytest.raises(LocalAccess):
        write(tmp_path, ("sub",), "file")


def test_many_folders_keep_few_descriptors_open_and_those_in_use_stay(tmp_path: Path) -> None:
    destination = Destination(tmp_path)
    with destination.folder(("first",)) as first:
        for number in range(200):
            with destination.folder((f"f{number}",)):
                pass
        first.write_file("x", CONTENT, None, 0, durable=False)
        open_here = sum(str(tmp_path) in _target(fd) for fd in Path("/proc/self/fd").iterdir())
    assert open_here < 80
    destination.close()
    assert (tmp_path / "first/x").read_bytes() == b"content"


def _target(descriptor: Path) -> str:
    try:
        return str(descriptor.readlink())
    except OSError:
        return ""


def test_a_folder_that_was_made_is_told_from_one_that_was_there(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    destination = Destination(tmp_path)
    for name in ("old", "new"):
        with destination.folder((name,)):
            pass
    assert not destination.was_made(("old",))
    assert destination.was_made(("new",))
    destination.close()
