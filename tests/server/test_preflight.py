"""`ssl_server.py --check-config`: it finds what is wrong, and leaves everything as it was."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from sfos.protocol import MIN_ITERATIONS, Ref, StatRequest, make_verifier
from sfos.server.app import CannotStart, Server
from sfos.server.identity.credential_file import CredentialFile
from sfos.server.net import certificate
from sfos.server.preflight import Finding, examine
from sfos.server.spaces.restore_mark import set_mark
from tests.server.conftest import Serve, settings
from tests.support.server_process import CHECKOUT, environment


def found(home: Path, level: str, **overrides: str) -> dict[str, str]:
    """Texts that `examine` gives at this level, by subject."""
    dotted = {key.replace("__", "."): value for key, value in overrides.items()}
    return {one.subject: one.text for one in examine(settings(home, dotted), {}) if one.level == level}


def check(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "ssl_server.py", "--check-config", *arguments],
        cwd=CHECKOUT,
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def everything(home: Path) -> dict[str, tuple[int, int, bytes]]:
    """Each file and folder with its mode, time and content."""
    return {
        str(path.relative_to(home)): (
            path.stat().st_mode,
            path.stat().st_mtime_ns,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in [home, *home.rglob("*")]
    }


def test_a_home_that_is_ready_has_a_line_for_each_thing_and_exit_code_0_and_stays_as_it_was(home: Path) -> None:
    before = everything(home)
    done = check(home, "--port", "0")
    assert (done.returncode, done.stderr) == (0, "")
    assert everything(home) == before
    *lines, summary = done.stdout.splitlines()
    assert summary == "0 error(s), 0 warning(s)"
    assert all(line.startswith("ok       ") for line in lines)
    for subject in ("home", "storage", "free space", "certificate", "fingerprint", "accounts", "master key", "address"):
        assert any(f"  {subject}: " in line for line in lines)


def test_what_would_keep_it_from_starting_is_exit_code_1_and_not_even_the_home_is_made(tmp_path: Path) -> None:
    done = check(tmp_path / "nothing here", "--port", "0")
    assert (done.returncode, done.stderr) == (1, "")
    assert "error    certificate: " in done.stdout and "python generate_certificate.py" in done.stdout
    assert "error    accounts: " in done.stdout and "python create_credentials.py" in done.stdout
    assert "2 error(s)" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_wrong_settings_are_one_line_and_exit_code_2(home: Path) -> None:
    done = check(home, "--set", "server.prot=1")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_beside_a_running_server_it_says_so_and_disturbs_nothing(serve: Serve, home: Path) -> None:
    server = serve()
    port = str(server.server.address[1])
    before = everything(home / "secrets")
    findings = list(examine(settings(home, {"server.port": port}), {}))
    assert all(one.level == "ok" for one in findings)
    assert any(f"process {os.getpid()}" in one.text for one in findings if one.subject == "server")
    assert any("is in use, and a server is running in this home" in one.text for one in findings)
    assert server.signed_in()
    assert set(everything(home / "secrets")) >= set(before)


def taken_port(home: Path, held: ExitStack) -> dict[str, str]:
    listening = held.enter_context(socket.create_server(("127.0.0.1", 0)))
    return {"server__port": str(listening.getsockname()[1])}


def other_key(home: Path, held: ExitStack) -> dict[str, str]:
    certificate.issue(home / "other.pem", home / "secrets" / "private_key.pem", [], new_key=True)
    return {}


def lost_space(home: Path, held: ExitStack) -> dict[str, str]:
    (home / "secrets" / "spaces").write_text("ab" * 16 + "\n")
    (home / "secrets" / "master.key").write_bytes(Fernet.generate_key())
    return {}


def lost_master_key(home: Path, held: ExitStack) -> dict[str, str]:
    (home / "secrets" / "spaces").write_text("ab" * 16 + "\n")
    return {}


def master_key_nowhere(home: Path, held: ExitStack) -> dict[str, str]:
    return {"storage__master_key_source": "environment"}


def spoilt_master_key(home: Path, held: ExitStack) -> dict[str, str]:
    (home / "secrets" / "master.key").write_text("not a key\n")
    return {}


def spoilt_audit_key(home: Path, held: ExitStack) -> dict[str, str]:
    (home / "secrets" / "audit.key").write_text("not a key\n")
    return {}


def spoilt_list_of_spaces(home: Path, held: ExitStack) -> dict[str, str]:
    (home / "secrets" / "spaces").write_bytes(b"\xff\n")
    return {}


def spoilt_accounts(home: Path, held: ExitStack) -> dict[str, str]:
    (home / "secrets" / "credentials.json").write_text("{")
    return {}


def well_known_password(home: Path, held: ExitStack) -> dict[str, str]:
    accounts = CredentialFile(home / "secrets" / "credentials.json")
    accounts.add("user1", make_verifier("user123", bytes(16), MIN_ITERATIONS), must_change=True)
    return {"server__host": "0.0.0.0"}


def no_such_host(home: Path, held: ExitStack) -> dict[str, str]:
    return {"server__host": "203.0.113.1"}


def cut_off_restoration(home: Path, held: ExitStack) -> dict[str, str]:
    (home / "server_storage").mkdir()
    set_mark(home / "server_storage", ["a" * 32])
    return {}


def storage_in_a_file(home: Path, held: ExitStack) -> dict[str, str]:
    (home / "server_storage").write_text("")
    return {}


def other_device(home: Path, held: ExitStack) -> dict[str, str]:
    if Path("/dev/shm").stat().st_dev == home.stat().st_dev:
        pytest.skip("only on machines where /dev/shm is another device")
    return {"server__temp_dir": f"/dev/shm/{os.getpid()}"}


@pytest.mark.parametrize(
    ("spoil", "subject", "said"),
    [
        (taken_port, "address", "is in use"),
        (no_such_host, "address", "is no address of this machine"),
        (other_key, "certificate", "do not belong together"),
        (lost_space, "storage", "lacks 1 of the spaces"),
        (cut_off_restoration, "storage", "restore` again"),
        (lost_master_key, "master key", "put the key file back"),
        (master_key_nowhere, "master key", "which is not set"),
        (spoilt_master_key, "master key", "cannot be read"),
        (spoilt_audit_key, "audit log", "is not a key"),
        (spoilt_accounts, "accounts", "is damaged"),
        (spoilt_list_of_spaces, "directories", "spaces is damaged"),
        (spoilt_list_of_spaces, "master key", "spaces is damaged"),
        (well_known_password, "accounts", "user1 still has the password that everybody knows"),
        (storage_in_a_file, "storage", "is no directory"),
        (other_device, "storage", "has to be on the same device"),
    ],
)
def test_each_fault_is_an_error_under_its_subject(
    home: Path, spoil: Callable[[Path, ExitStack], dict[str, str]], subject: str, said: str
) -> None:
    assert found(home, "error") == {}
    held: AbstractContextManager[ExitStack] = ExitStack()
    with held as open_meanwhile:
        assert said in found(home, "error", **spoil(home, open_meanwhile))[subject]


def test_another_master_key_than_the_stored_spaces_need_is_an_error_for_each_of_them(home: Path, serve: Serve) -> None:
    serve().signed_in()
    assert "opens 1 of 1" in found(home, "ok")["master key"]
    (home / "secrets" / "master.key").write_bytes(Fernet.generate_key())
    assert "needs the key with fingerprint" in found(home, "error")["master key"]
    assert "opens 0 of 1" in found(home, "ok")["master key"]


@pytest.mark.parametrize("keys", [b"damaged", None])
def test_one_space_that_does_not_open_is_a_warning_while_another_one_does(
    home: Path, serve: Serve, keys: bytes | None
) -> None:
    """The server serves the others, so it shall start; it is an error if nobody would be served."""
    running = serve()
    for user in ("alice", "bob"):
        running.signed_in(user).call(StatRequest(ref=Ref(path="/")))
    of_alice, of_bob = sorted((home / "server_storage").glob("*/keys"))
    of_alice.unlink()
    if keys is not None:
        of_alice.write_bytes(keys)
    assert found(home, "error") == {}
    assert str(of_alice) in found(home, "warning")["master key"]
    assert "opens 1 of 2" in found(home, "ok")["master key"]
    of_bob.write_bytes(b"damaged too")
    assert str(of_bob) in found(home, "error")["master key"]


def test_one_known_space_that_is_not_there_is_a_warning_while_others_are(home: Path, serve: Serve) -> None:
    serve().signed_in().call(StatRequest(ref=Ref(path="/")))
    with (home / "secrets" / "spaces").open("a") as file:
        file.write("ab" * 16 + "\n")
    assert found(home, "error") == {}
    assert "lacks 1 of the spaces" in found(home, "warning")["storage"]


def test_a_credential_that_a_service_was_not_given_is_an_error_and_no_key_is_made_in_its_place(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = home / "credentials of the service"
    given.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(given))
    loaded = settings(home, {"storage.master_key_file": str(given / "master.key")})
    findings = list(examine(loaded, os.environ))
    assert [one.level for one in findings if one.subject == "master key"] == ["error"]
    with pytest.raises(CannotStart, match="should have been given"):
        Server(loaded)
    assert list(given.iterdir()) == []


@pytest.mark.parametrize(
    ("days_ago", "days", "level", "said"),
    [
        (0, 31, "ok", "valid until"),
        (0, 29, "warning", "is valid until"),
        (10, 9, "warning", "was valid until"),
        (-2, 99, "warning", "is this machine's clock right?"),
    ],
)
def test_the_certificates_dates_are_warned_of(home: Path, days_ago: int, days: int, level: str, said: str) -> None:
    now = dt.datetime.now(dt.UTC) - dt.timedelta(days=days_ago)
    secret = home / "secrets"
    certificate.issue(secret / "certificate.pem", secret / "private_key.pem", [], days=days, now=now)
    assert said in found(home, level)["certificate"]
    assert found(home, "error") == {}


@pytest.mark.parametrize("name", ["private_key.pem", "credentials.json", "."])
def test_secrets_that_others_can_read_are_warned_of(home: Path, name: str) -> None:
    path = home / "secrets" / name
    path.chmod(path.stat().st_mode | 0o040)
    assert f"chmod {'700' if name == '.' else '600'} {path}" in found(home, "warning")["permissions"]


def test_little_space_and_well_known_passwords_on_this_machine_are_warned_of(home: Path) -> None:
    well_known_password(home, ExitStack())
    if shutil.disk_usage(home).free > 2**40:
        pytest.skip("only on disks with less free space than the highest floor that can be set")
    warned = found(home, "warning", storage__free_space_floor_bytes="1024 GiB")
    assert "uploads are refused" in warned["free space"]
    assert "user1 still has the password that everybody knows" in warned["accounts"]
    assert found(home, "error") == {}


@pytest.mark.skipif(os.geteuid() == 0, reason="only on accounts that file modes hold for")
def test_a_directory_that_cannot_be_written_to_is_an_error(home: Path) -> None:
    (home / "logs").mkdir(mode=0o500)
    assert "cannot be written to" in found(home, "error")["logs"]


def test_a_finding_is_one_line_that_begins_with_its_weight() -> None:
    assert str(Finding("warning", "free space", "little")) == "warning  free space: little"
