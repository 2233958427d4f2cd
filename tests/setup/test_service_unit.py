"""docs/sfos-server.service: systemd understands it, the program understands what it says, and it is hardened."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sfos import config

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "docs" / "sfos-server.service"
MOST_EXPOSURE = 2.0  # of 10, as `systemd-analyze security` counts

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="only on machines with systemd")


def lines(key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", UNIT.read_text(), re.MULTILINE)


@needs_systemd
def test_systemd_finds_no_mistake_in_it(tmp_path: Path) -> None:
    program = tmp_path / "opt" / ".venv" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/sfos", str(tmp_path / "opt")))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if UNIT.name in line]
    assert (done.returncode, said) == (0, [])


@needs_systemd
def test_it_is_hardened(tmp_path: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=true", str(UNIT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "offline" in done.stderr:
        pytest.skip("only on machines whose systemd can look at a unit without running it")
    exposure = re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)
    assert exposure is not None, done.stdout + done.stderr
    assert float(exposure[1]) < MOST_EXPOSURE


def test_what_it_sets_are_settings_and_what_it_starts_is_there() -> None:
    environ = dict(pair.split("=", 1) for pair in lines("Environment"))
    environ["SFOS_STORAGE_MASTER_KEY_FILE"] = environ["SFOS_STORAGE_MASTER_KEY_FILE"].replace(
        "%d", "/run/credentials/x"
    )
    settings = config.load(environ=environ)
    assert str(settings.home) == "/var/lib/sfos"
    assert str(settings.storage.master_key_file) == "/run/credentials/x/master.key"
    started = [command.split()[1] for command in (*lines("ExecStart"), *lines("ExecStartPre"))]
    assert started == ["/opt/sfos/ssl_server.py"] * 2
    assert (ROOT / "ssl_server.py").exists()


def test_only_the_servers_own_start_decides_and_what_no_start_mends_is_not_tried_again() -> None:
    """systemd tries a failed ExecStartPre= again whatever its exit code: RestartPreventExitStatus= is not about it."""
    assert all(command.startswith("-") for command in lines("ExecStartPre"))
    (start,) = lines("ExecStart")
    assert not start.startswith("-")
    program = [sys.executable, str(ROOT / start.split()[1].removeprefix("/opt/sfos/")), "--set", "server.prot=1"]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=60)
    assert [str(done.returncode)] == lines("RestartPreventExitStatus"), done.stderr


def test_it_waits_longer_for_a_stop_than_the_server_takes() -> None:
    assert float(lines("TimeoutStopSec")[0]) >= config.Server().stop_grace_s + 2 + 5
