"""A real tree up and down through real programs; nothing of it to be seen on the server's disk."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.server_process import ServerProcess, prepare_home, run, running_server, standard_library

CANARY = b"The heron stood in the shallow water and did not move until evening."
CANARY_NAME = "heron-in-the-shallows.txt"


def test_the_standard_library_comes_back_as_it_was_put(server: ServerProcess, tmp_path: Path) -> None:
    tree = standard_library(tmp_path / "lib")
    (tree / "empty").mkdir()
    (tree / "empty.txt").touch()
    (tree / "a link").symlink_to("os.py")
    (tree / "ünï cödé 日本").write_text("x")
    script = tree / "script.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    done = server.cli("put", "-r", str(tree), "/")
    assert done.returncode == 0, done.stderr
    listed = server.cli("ls", "-R", "/lib")
    assert listed.returncode == 0
    assert "os.py" in listed.stdout

    back = tmp_path / "back"
    back.mkdir()
    done = server.cli("get", "-r", "/lib", str(back))
    assert done.returncode == 0, done.stderr
    compared = subprocess.run(
        ["diff", "-r", "--no-dereference", str(tree), str(back / "lib")], capture_output=True, text=True, check=False
    )
    assert compared.returncode == 0, compared.stdout[:2_000]
    assert (back / "lib/script.sh").stat().st_mode & 0o777 == 0o755
    assert (back / "lib/os.py").stat().st_mtime_ns == (tree / "os.py").stat().st_mtime_ns


@pytest.mark.parametrize("size", [0, 1, 65_535, 256 * 1024, 4 * 2**20, 4 * 2**20 + 1, 20 * 2**20 + 7])
def test_a_file_of_any_size_comes_back_byte_for_byte(server: ServerProcess, tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    source = tmp_path / f"file-{size}"
    source.write_bytes(content)
    assert server.cli("put", str(source), "/").returncode == 0
    target = tmp_path / "back"
    assert server.cli("get", f"/file-{size}", str(target)).returncode == 0
    assert target.read_bytes() == content


def test_no_sentence_and_no_name_is_to_be_found_in_the_home(tmp_path: Path) -> None:
    home = prepare_home(tmp_path / "home")
    source = tmp_path / CANARY_NAME
    source.write_bytes(CANARY)
    large = tmp_path / f"large-{CANARY_NAME}"
    large.write_bytes(CANARY * 100_000)
    with running_server(home) as server:
        folder = f"/{CANARY_NAME}-folder"
        assert server.cli("mkdir", folder).returncode == 0
        assert server.cli("put", str(source), str(large), folder).returncode == 0
        assert server.cli("mv", f"{folder}/{CANARY_NAME}", f"{folder}/renamed-{CANARY_NAME}").returncode == 0
        assert server.cli("cat", f"{folder}/renamed-{CANARY_NAME}").stdout.encode() == CANARY
        found = _where(home, CANARY, CANARY_NAME.encode())
    assert found == []
    assert _where(home, CANARY, CANARY_NAME.encode()) == []
    assert _where(tmp_path, CANARY, CANARY_NAME.encode()) != []  # the search itself can find


def _where(root: Path, *needles: bytes) -> list[str]:
    """The files below `root` that hold one of `needles`, in the name or in the content."""
    found = []
    for path in root.rglob("*"):
        haystack = os.fsencode(path.name) + (b"\n" + path.read_bytes() if path.is_file() else b"")
        found += [f"{path}: {needle!r}" for needle in needles if needle in haystack]
    return found


def test_memory_stays_bounded_with_a_file_that_is_larger_than_it(tmp_path: Path) -> None:
    """256 MiB through processes that may hold 250 MiB at the most; the run with 2 GiB is in bench/."""
    source = tmp_path / "large"
    block = os.urandom(2**20)
    with source.open("wb") as file:
        for number in range(256):
            file.write(number.to_bytes(8, "big") + block[8:])
    home = prepare_home(tmp_path / "home")
    with running_server(home) as server:
        client = _peak_of(server, "put", str(source), "/")
        assert client < 250 * 2**20
        client = _peak_of(server, "get", "/large", str(tmp_path / "back"))
        assert client < 250 * 2**20
        assert server.resident_bytes_peak() < 250 * 2**20
    assert subprocess.run(["cmp", str(source), str(tmp_path / "back")], check=False).returncode == 0


def _peak_of(server: ServerProcess, *command: str) -> int:
    """The client's largest resident size in bytes, asked of the system when it has ended."""
    report = server.home / "user" / "peak"
    program = (
        "import os, sys\n"
        "child = os.posix_spawn(sys.executable, [sys.executable, *sys.argv[1:]], os.environ)\n"
        "_, status, usage = os.wait4(child, 0)\n"
        "with open(os.environ['PEAK'], 'w') as report:\n    report.write(str(usage.ru_maxrss))\n"
        "sys.exit(os.waitstatus_to_exitcode(status))\n"
    )
    arguments = ("--server", server.address, "--user", "user1", "--accept-new-key", *command)
    done = run(
        server.home,
        *("-c", program, "cli_client.py", *arguments),
        extra={"SFOS_PASSWORD": "user123", "PEAK": str(report)},
    )
    assert done.returncode == 0, done.stderr
    return int(report.read_text()) * 1024
