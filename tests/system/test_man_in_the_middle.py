"""Someone between client and server, with a certificate of their own, gets nothing that lets them in."""

from __future__ import annotations

import base64
import json
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sfos import protocol
from tests.support.server_process import ServerProcess, prepare_home, run, running_server
from tests.support.tls_relay import TlsRelay


@pytest.fixture
def relay(server: ServerProcess, tmp_path: Path) -> Iterator[TlsRelay]:
    other = tmp_path / "attacker"
    other.mkdir()
    assert run(other, "generate_certificate.py").returncode == 0
    with TlsRelay(server.address, other / "secrets/certificate.pem", other / "secrets/private_key.pem") as relay:
        yield relay


def at(
    address: str, server: ServerProcess, *trust: str, password: str = "user123", command: str = "ls"
) -> subprocess.CompletedProcess[str]:
    return ServerProcess(server.home, address, server.process).cli(command, trust=trust, password=password)


def test_a_client_without_a_pin_refuses_and_says_why(server: ServerProcess, relay: TlsRelay) -> None:
    done = at(relay.address, server, "--accept-new-key")
    assert done.returncode == 12
    assert "someone may stand between you and the server" in done.stderr
    assert done.stdout == ""


def test_what_passed_the_relay_lets_nobody_in(server: ServerProcess, relay: TlsRelay) -> None:
    at(relay.address, server, "--accept-new-key")
    seen = bytes(relay.seen)
    assert b"login_finish" in seen  # the client did go as far as the proof
    assert b"user123" not in seen
    assert base64.b64encode(b"user123")[:8] not in seen
    assert b'"ticket"' not in seen

    # The relayed proof, replayed on a connection of the attacker's own, is bound to the one it was made for.
    messages = re.findall(rb'"command":"(login_\w+)","args":(\{.*?\})\}', seen)
    assert [name for name, _ in messages] == [b"login_start", b"login_finish"]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    host, port = server.address.rsplit(":", 1)
    with context.wrap_socket(socket.create_connection((host, int(port)))) as tls:
        requests = [(b"hello", b'{"version":1}'), *messages]
        for number, (name, args) in enumerate(requests):
            tls.sendall(protocol.encode_frame(b'{"id":%d,"command":"%b","args":%b}' % (number, name, args)))
        decoder = protocol.FrameDecoder(protocol.MAX_HEADER, protocol.MAX_BODY)
        replies: list[dict[str, object]] = []
        while len(replies) < len(requests):
            replies += [json.loads(frame.header) for frame in decoder.feed(tls.recv(65_536))]
    assert "result" in replies[1]
    assert "error" in replies[2]


def test_no_pin_is_kept_of_a_server_that_did_not_prove_itself(server: ServerProcess, relay: TlsRelay) -> None:
    at(relay.address, server, "--accept-new-key")
    port = relay.address.rsplit(":", 1)[1]
    stored = [path for path in server.home.rglob("*") if path.is_file() and "pin" in path.name.lower()]
    assert all(port not in path.read_text() for path in stored)


def test_a_client_with_the_real_fingerprint_stops_before_it_sends_a_word(
    server: ServerProcess, relay: TlsRelay
) -> None:
    listed = run(server.home, "generate_certificate.py").stdout
    fingerprint = re.search(r"Fingerprint: +([0-9a-f ]+)", listed)
    assert fingerprint is not None
    assert at(server.address, server, "--pin", fingerprint[1]).returncode == 0
    done = at(relay.address, server, "--pin", fingerprint[1])
    assert done.returncode == 11
    assert bytes(relay.seen) == b""


def test_a_server_whose_key_changed_is_refused_by_a_client_that_has_a_pin(tmp_path: Path) -> None:
    home = prepare_home(tmp_path / "home")
    with running_server(home) as server:
        port = int(server.address.rsplit(":", 1)[1])
        assert server.cli("ls").returncode == 0
        assert server.cli("ls", trust=()).returncode == 0  # the pin is enough now
    assert run(home, "generate_certificate.py", "--new-key").returncode == 0
    with running_server(home, port=port) as server:
        done = server.cli("ls")  # --accept-new-key accepts unknown keys, never changed ones
        assert done.returncode == 11
        assert "not the one that was trusted" in done.stderr


def test_a_key_that_was_changed_on_purpose_is_taken_once_it_is_named(tmp_path: Path) -> None:
    home = prepare_home(tmp_path / "home")
    with running_server(home) as server:
        port = int(server.address.rsplit(":", 1)[1])
        assert server.cli("ls").returncode == 0  # a pin and a ticket of the old key are kept
    assert run(home, "generate_certificate.py", "--new-key").returncode == 0
    with running_server(home, port=port) as server:
        refused = server.cli("ls")
        assert refused.returncode == 11
        named = re.search(r"--pin ([0-9a-f]{64})", refused.stderr)
        assert named is not None
        accepted = server.cli("ls", trust=("--pin", named[1]))  # as the message says
        assert accepted.returncode == 0, accepted.stderr
        assert server.cli("ls", trust=()).returncode == 0


def test_a_renewed_certificate_with_the_same_key_is_not_noticed(tmp_path: Path) -> None:
    home = prepare_home(tmp_path / "home")
    with running_server(home) as server:
        port = int(server.address.rsplit(":", 1)[1])
        assert server.cli("ls").returncode == 0
    assert run(home, "generate_certificate.py", "--days", "30").returncode == 0
    with running_server(home, port=port) as server:
        assert server.cli("ls", trust=()).returncode == 0
