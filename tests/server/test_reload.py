"""A certificate renewed under a running server, over real TLS."""

from __future__ import annotations

import datetime as dt
import errno
import os
import pty
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from sfos.protocol import Ref, StatRequest
from sfos.server.net import certificate
from sfos.server.net.certificate import Identity
from tests.server.conftest import PASSWORDS, Running, Serve
from tests.support.server_process import CHECKOUT, environment, running_server
from tests.support.wire_peer import WirePeer

STAT = StatRequest(ref=Ref(path="/"))
Wait = Callable[..., None]


def renew(home: Path, **options: Any) -> Identity:
    secret = home / "secrets"
    return certificate.issue(secret / "certificate.pem", secret / "private_key.pem", [], **options)


def seen_by(peer: WirePeer) -> int:
    """The serial number of the certificate that the server has shown on this connection."""
    shown = peer.tls.get_peer_certificate(as_cryptography=True)
    assert shown is not None
    return shown.serial_number


def shown_to_a_newcomer(address: tuple[str, int]) -> int:
    with WirePeer(address) as peer:
        return seen_by(peer)


def test_new_connections_see_a_renewed_certificate_and_open_ones_go_on(server: Running, home: Path) -> None:
    before = server.signed_in()
    new = renew(home)
    assert server.server.reload_certificate()
    after = server.attached(before)
    assert seen_by(after) == new.certificate.serial_number != seen_by(before)
    for peer in (before, after):
        assert peer.call(STAT)[0].entry.node
    assert server.signed_in("bob")
    assert '"event":"certificate_changed"' in server.audit() and '"same_pin":true' in server.audit()


def test_renewed_files_are_taken_without_being_told(server: Running, home: Path, wait_until: Wait) -> None:
    inside = server.signed_in()
    new = renew(home)
    wait_until(lambda: shown_to_a_newcomer(server.server.address) == new.certificate.serial_number, 20)
    assert inside.call(STAT)[0].entry.node


def test_a_key_and_a_certificate_that_come_one_after_the_other_are_taken_together(server: Running, home: Path) -> None:
    identity = server.identity
    before = shown_to_a_newcomer(server.server.address)
    old = (home / "secrets" / "certificate.pem").read_bytes()
    new = renew(home, new_key=True)
    whole = (home / "secrets" / "certificate.pem").read_bytes()
    (home / "secrets" / "certificate.pem").write_bytes(old)  # between the two writes of a renewal
    with identity._lock:  # not the server's own look meanwhile
        identity._seen = identity._tried
    identity.look()
    assert shown_to_a_newcomer(server.server.address) == before
    (home / "secrets" / "certificate.pem").write_bytes(whole)
    identity.look()
    identity.look()
    assert shown_to_a_newcomer(server.server.address) == new.certificate.serial_number
    assert '"same_pin":false' in server.audit()


@pytest.mark.allows_errors("a certificate that cannot be used is logged as an error")
@pytest.mark.parametrize("spoilt", ["certificate.pem", "private_key.pem"])
@pytest.mark.parametrize("content", [None, b"", b"junk"])
def test_a_broken_pair_is_refused_with_an_error_in_the_log_and_the_one_before_stays(
    server: Running, home: Path, caplog: pytest.LogCaptureFixture, spoilt: str, content: bytes | None
) -> None:
    before = shown_to_a_newcomer(server.server.address)
    path = home / "secrets" / spoilt
    right = path.read_bytes()
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert not server.server.reload_certificate()
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert any("stays in use" in line and spoilt in line for line in errors)
    assert shown_to_a_newcomer(server.server.address) == before
    assert '"event":"certificate_refused"' in server.audit()
    path.write_bytes(right)
    assert server.server.reload_certificate()


@pytest.mark.allows_errors("a certificate that cannot be used is logged as an error")
def test_a_key_of_another_certificate_is_refused_and_said_once(
    server: Running, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = shown_to_a_newcomer(server.server.address)
    secret = home / "secrets"
    certificate.issue(home / "other.pem", secret / "private_key.pem", [], new_key=True)
    for _ in range(5):
        server.identity.look()
    assert shown_to_a_newcomer(server.server.address) == before
    assert sum("do not belong together" in record.getMessage() for record in caplog.records) == 1


@pytest.mark.allows_errors("what cannot be read is logged as an error")
@pytest.mark.parametrize("code", [errno.EMFILE, errno.EIO])
def test_files_that_the_system_does_not_let_be_read_are_taken_at_the_next_look_and_said_once(
    server: Running, home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    identity = server.identity

    def fail(path: Path) -> NoReturn:
        raise OSError(code, os.strerror(code), str(path))

    with monkeypatch.context() as patched:
        with identity._lock:  # not the server's own look in between
            new = renew(home)
            patched.setattr(Path, "read_bytes", fail)
        for _ in range(4):
            identity.look()
    assert sum("stays in use" in record.getMessage() for record in caplog.records) == 1
    assert server.audit().count("certificate_refused") == 1
    for _ in range(2):
        identity.look()
    assert shown_to_a_newcomer(server.server.address) == new.certificate.serial_number


def test_a_certificate_that_ends_soon_is_warned_of_once_a_day(
    home: Path, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    renew(home, days=3)
    identity = serve().identity
    for _ in range(3):
        identity.look()
    assert sum("renew it" in record.getMessage() for record in caplog.records) == 1
    identity._told = dt.datetime.now(dt.UTC) - dt.timedelta(days=1, seconds=1)
    identity.look()
    assert sum("renew it" in record.getMessage() for record in caplog.records) == 2


# --- As a process -------------------------------------------------------------------------------------------------


def test_sighup_takes_the_renewed_certificate_at_once_and_does_not_stop_a_server(home: Path, wait_until: Wait) -> None:
    (home / "user").mkdir()
    with running_server(home) as server:
        host, port = server.address.rsplit(":", 1)
        address = (host, int(port))
        with WirePeer(address) as inside:
            inside.hello()
            inside.login("alice", PASSWORDS["alice"])
            for _ in range(2):
                new = renew(home)
                server.process.send_signal(signal.SIGHUP)
                wait_until(lambda: shown_to_a_newcomer(address) == new.certificate.serial_number)  # noqa: B023
            assert inside.call(STAT)[0].entry.node
        assert server.process.poll() is None


def test_a_server_whose_terminal_is_closed_stops(home: Path) -> None:
    """As when someone closes the window in which ./run.sh server runs: nobody would stop it any more."""
    ours, theirs = pty.openpty()
    on_terminal = "import os, sys; os.close(os.open(os.ttyname(0), os.O_RDWR)); os.execv(sys.executable, sys.argv[1:])"
    with subprocess.Popen(
        [sys.executable, "-c", on_terminal, sys.executable, "ssl_server.py", "--port", "0"],
        cwd=CHECKOUT,
        env=environment(home),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,  # and the first terminal that it opens becomes its own
    ) as server:
        try:
            os.close(theirs)
            assert server.stdout is not None
            assert server.stdout.readline().startswith("ready ")
            os.close(ours)
            assert server.wait(30) == 0
        finally:
            if server.poll() is None:
                server.kill()


def test_a_service_manager_is_told_when_the_server_listens_and_when_it_stops(home: Path) -> None:
    (home / "user").mkdir()
    name = f"sfos-test-{secrets.token_hex(8)}"  # in Linux's abstract space, which a long path does not limit
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name)
        manager.settimeout(30)
        with running_server(home, {"NOTIFY_SOCKET": "@" + name}):
            assert manager.recv(100) == b"READY=1"
        assert manager.recv(100) == b"STOPPING=1"
