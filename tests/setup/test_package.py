"""The installed package: a wheel in an environment of its own, its programs run from another directory."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import sfos
from sfos.protocol import VERSION

ROOT = Path(__file__).parents[2]
PROGRAMS = ("sfos", "sfos-server", "sfos-manage", "sfos-accounts", "sfos-certificate", "sfos-gui")
TIMEOUT_S = 60

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="only on systems whose environments have bin/")


def run(*command: str | Path, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing of it is left in the checkout."""
    place = tmp_path_factory.mktemp("wheel")
    source = place / "source"
    shutil.copytree(ROOT / "sfos", source / "sfos", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "config.py", "protocol.py", "ssl_server.py"):
        shutil.copy(ROOT / name, source)
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    done = run(*build, "--wheel-dir", place, source, cwd=place)
    assert done.returncode == 0, done.stderr
    (found,) = place.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs. The libraries are those that the tests have: they are found, not installed anew."""
    place = tmp_path_factory.mktemp("installed") / "venv"
    done = run(sys.executable, "-m", "venv", "--without-pip", place, cwd=place.parent)
    assert done.returncode == 0, done.stderr
    scheme = {"base": str(place), "platbase": str(place)}
    packages = Path(sysconfig.get_path("purelib", "venv", scheme))
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = place / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", "--quiet", wheel]
    done = run(*map(str, install), cwd=place.parent)
    assert done.returncode == 0, done.stderr
    return place / "bin"


def test_the_wheel_has_the_package_and_nothing_beside_it(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"sfos", f"secure_file_orchestration-{sfos.__version__}.dist-info"}
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "sfos").rglob("*") if path.is_file()}
    assert {name for name in names if name.startswith("sfos/")} == {one for one in modules if "__pycache__" not in one}


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_program_says_its_version_and_how_it_is_used(installed: Path, tmp_path: Path, name: str) -> None:
    done = run(installed / name, "--version", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"{name} {sfos.__version__} (protocol {VERSION})\n"), done.stderr
    shown = run(installed / name, "--help", cwd=tmp_path)
    assert shown.returncode == 0
    assert shown.stdout.startswith(f"usage: {name} ")
    assert not re.search(r"run\.sh|\w+_(client|server|storage|credentials|certificate)\.py", shown.stdout)


@contextmanager
def serving(installed: Path, cwd: Path, **environ: str) -> Iterator[str]:
    """The installed server; its address."""
    with subprocess.Popen(
        [installed / "sfos-server", "--port", "0"],
        cwd=cwd,
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().removeprefix("ready ").strip()
        finally:
            server.terminate()
            assert server.wait(TIMEOUT_S) == 0


def test_the_programs_do_the_whole_job_from_another_directory(installed: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    (elsewhere / "notes.txt").write_text("Buy milk.\n")
    home = tmp_path / "a home"
    own = {"SFOS_HOME": str(home), "SFOS_PASSWORD": "user123"}
    for name in ("sfos-certificate", "sfos-accounts"):
        done = run(installed / name, cwd=elsewhere, **own)
        assert done.returncode == 0, done.stderr
    with serving(installed, elsewhere, **own) as address:
        command = [str(installed / "sfos"), "--server", address, "--user", "user1", "--accept-new-key"]
        assert run(*command, "put", "notes.txt", "/", cwd=elsewhere, **own).returncode == 0
        done = run(installed / "sfos", "--server", address, "get", "/notes.txt", "back.txt", cwd=elsewhere, **own)
        assert done.returncode == 0, done.stderr
    assert (elsewhere / "back.txt").read_text() == "Buy milk.\n"
    done = run(installed / "sfos-manage", "verify", "--full", cwd=elsewhere, **own)
    assert (done.returncode, "clean" in done.stdout) == (0, True), done.stdout + done.stderr
    assert sorted(path.name for path in elsewhere.iterdir()) == ["back.txt", "notes.txt"]
    assert {path.name for path in home.iterdir()} >= {"secrets", "server_storage", "logs"}


def test_the_home_is_the_systems_directory_for_data_unless_somebody_names_one(
    installed: Path, tmp_path: Path, own_directories: Path
) -> None:
    (tmp_path / "config.toml").write_text("[client]\nuser = 'of the working directory'\n")
    assert run(installed / "sfos-certificate", cwd=tmp_path).returncode == 0
    data = Path(os.environ["XDG_DATA_HOME"])
    assert (data / "sfos" / "secrets" / "certificate.pem").is_file()
    named, hand = tmp_path / "named", tmp_path / "by hand"
    assert run(installed / "sfos-certificate", cwd=tmp_path, SFOS_HOME=str(named)).returncode == 0
    assert (named / "secrets" / "certificate.pem").is_file()
    assert run(installed / "sfos-certificate", "--home", hand, cwd=tmp_path, SFOS_HOME=str(named)).returncode == 0
    assert (hand / "secrets" / "certificate.pem").is_file()


def test_what_is_wrong_is_said_with_the_names_of_the_installed_programs(installed: Path, tmp_path: Path) -> None:
    home = str(tmp_path / "empty")
    done = run(installed / "sfos-server", "--port", "0", cwd=tmp_path, SFOS_HOME=home)
    assert done.returncode == 1
    assert done.stderr.startswith("sfos-server: ") and ".py" not in done.stderr and "run.sh" not in done.stderr
    assert "sfos-accounts" in done.stderr or "sfos-certificate" in done.stderr
    for name in ("sfos-server", "sfos-manage", "sfos-accounts", "sfos-certificate", "sfos-gui"):
        words = ["verify"] if name == "sfos-manage" else []
        done = run(installed / name, "--set", "server.prot=1", *words, cwd=tmp_path, SFOS_HOME=home)
        assert (done.returncode, done.stderr.split(":")[0]) == (2, name)


def test_the_window_without_its_libraries_names_the_extra(installed: Path, tmp_path: Path) -> None:
    without = tmp_path / "without"
    without.mkdir()
    (without / "sitecustomize.py").write_text("import sys\nsys.modules['ttkbootstrap'] = None\n")
    done = run(installed / "sfos-gui", cwd=tmp_path, SFOS_HOME=str(tmp_path), PYTHONPATH=str(without))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.endswith("is missing; pip install 'secure-file-orchestration[desktop]' installs it\n")


@pytest.mark.display
def test_the_window_opens(installed: Path, tmp_path: Path) -> None:
    if shutil.which("xdotool") is None:
        pytest.skip("xdotool is not installed (./run.sh test installs it)")
    environ = {**os.environ, "SFOS_HOME": str(tmp_path / "home")}
    with subprocess.Popen([installed / "sfos-gui"], cwd=tmp_path, env=environ) as window:
        try:
            search = [
                "xdotool",
                "search",
                "--sync",
                "--onlyvisible",
                "--pid",
                str(window.pid),
                "--name",
                "SFOS",
            ]
            assert run(*search, cwd=tmp_path).returncode == 0
        finally:
            window.terminate()
            window.wait(TIMEOUT_S)


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_installed_program_without_its_libraries_names_what_installs_them(
    installed: Path, program: str, tmp_path: Path
) -> None:
    (libraries,) = installed.parent.glob("lib/*/site-packages/libraries.pth")
    content = libraries.read_text()
    libraries.write_text("")
    try:
        done = run(installed / program, "--version", cwd=tmp_path)
    finally:
        libraries.write_text(content)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "is not installed for" in done.stderr and "run.sh" not in done.stderr
    assert "-m pip install 'secure-file-orchestration[desktop]' installs all" in done.stderr
