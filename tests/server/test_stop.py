"""Starting, refusing to start, and stopping: in this process, and as people do it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from sfos.protocol import (
    MakeFolderRequest,
    Ref,
    ServerBusy,
    ServerStopping,
    StatRequest,
    Target,
    WatchRequest,
    raise_for_error,
)
from sfos.server.app import CannotStart, Server
from sfos.server.process.home_lock import HomeLock, HomeTaken
from sfos.server.vault.master import MasterKey
from tests.server.conftest import PASSWORDS, Running, Serve, settings
from tests.support.server_process import CHECKOUT, environment
from tests.support.wire_peer import WirePeer

STAT = StatRequest(ref=Ref(path="/"))


# --- Stopping -------------------------------------------------------------------------------------------------


def stopped(server: Running) -> threading.Thread:
    """The server, being stopped by a thread. The fixture does not stop it again."""
    thread = threading.Thread(target=server.server.stop)
    thread.start()
    return thread


@pytest.fixture
def stoppable(home: Path) -> Iterator[Running]:
    """A running server that the test itself stops."""
    loaded = settings(home, {})
    server = Running(Server(loaded), loaded, [])
    server.server.start()
    yield server
    for peer in server.peers:
        peer.close()


def test_idle_connections_and_watches_are_told_and_closed_cleanly_and_nobody_is_cut_off(stoppable: Running) -> None:
    idle = [stoppable.signed_in() for _ in range(3)]
    watching = stoppable.attached(idle[0])
    watching.call(WatchRequest())
    stranger = stoppable.greeted()
    begun = time.monotonic()
    stopping = stopped(stoppable)
    for peer in (*idle, watching, stranger):
        with pytest.raises(ServerStopping):
            raise_for_error(peer.receive()[0])
        peer.expect_end()
        peer.close()
    stopping.join()
    assert time.monotonic() - begun < 5
    assert '"cut_off":0' in stoppable.audit()


def test_a_command_that_runs_when_the_server_stops_is_answered(
    stoppable: Running, wait_until: Callable[..., None]
) -> None:
    """Another program holds the catalog, so the command waits for it when the stop begins."""
    peer, login = stoppable.login()
    catalog = stoppable.settings.server.storage_dir / login.session.home.space / "catalog.db"
    with closing(sqlite3.connect(catalog, isolation_level=None)) as held:
        held.execute("BEGIN IMMEDIATE")
        before = bytes_read(stoppable)
        request = MakeFolderRequest(op_id=os.urandom(16), target=Target(path="/made while stopping"))
        peer.send(request)
        wait_until(lambda: bytes_read(stoppable) > before)
        stopping = stopped(stoppable)
        wait_until(lambda: not listens(stoppable.server.address))
        held.execute("ROLLBACK")
    envelope, _ = peer.receive()
    assert envelope.error is None
    with pytest.raises(ServerStopping):
        raise_for_error(peer.receive()[0])
    peer.expect_end()
    peer.close()
    stopping.join()
    assert '"cut_off":0' in stoppable.audit()


def bytes_read(server: Running) -> int:
    return server.bytes_read()


def listens(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address).close()
    except ConnectionError:  # refused, or reset where it was just accepted
        return False
    return True


def test_no_new_connection_is_taken_after_the_stop(stoppable: Running) -> None:
    address = stoppable.server.address
    stoppable.server.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


def test_the_same_home_can_be_served_again_and_keeps_its_files_but_not_its_sessions(home: Path, serve: Serve) -> None:
    first_settings = settings(home, {})
    first = Running(Server(first_settings), first_settings, [])
    first.server.start()
    _, login = first.login()
    for peer in first.peers:
        peer.close()
    first.server.stop()
    _, again = serve().login()
    assert again.session.home.chunk_key == login.session.home.chunk_key
    assert again.ticket_id != login.ticket_id


# --- Refusing to start ----------------------------------------------------------------------------------------


def refusal(home: Path, **overrides: str) -> str:
    """The one line that says why the server does not start; nothing may be left open."""
    with pytest.raises(CannotStart) as refused:
        Server(settings(home, {key.replace("__", "."): value for key, value in overrides.items()}))
    line = str(refused.value)
    assert "\n" not in line
    HomeLock(home).release()  # given back
    return line


def test_a_missing_or_unreadable_certificate_names_the_script_that_makes_it(home: Path) -> None:
    certificate = home / "secrets" / "certificate.pem"
    certificate.write_text("not a certificate")
    assert "python generate_certificate.py" in refusal(home)
    certificate.unlink()
    assert "certificate.pem is missing; make it: python generate_certificate.py" in refusal(home)


def test_a_key_of_another_certificate_is_noticed(home: Path, tmp_path: Path) -> None:
    from sfos.programs import certificate as generate_certificate

    other = tmp_path / "other"
    assert generate_certificate.main(["--home", str(other)]) == 0
    shutil.copy(other / "secrets" / "private_key.pem", home / "secrets" / "private_key.pem")
    assert "do not belong together" in refusal(home)
    (home / "secrets" / "private_key.pem").write_text("x")
    assert "cannot be read as a private key" in refusal(home)


def test_missing_or_damaged_accounts_name_the_script_that_makes_them(home: Path) -> None:
    credentials = home / "secrets" / "credentials.json"
    credentials.write_text("{")
    assert "damaged" in refusal(home)
    credentials.unlink()
    assert "python create_credentials.py" in refusal(home)


def test_a_damaged_list_of_spaces_is_named(home: Path) -> None:
    (home / "secrets" / "spaces").write_bytes(b"\xff\n")
    assert "spaces is damaged" in refusal(home)


def test_with_a_password_that_everybody_knows_the_server_stays_on_this_machine(home: Path) -> None:
    from sfos.server.identity.credential_file import CredentialFile

    accounts = CredentialFile(home / "secrets" / "credentials.json")
    bob = accounts.find("bob")
    assert bob is not None
    accounts.set_verifier("bob", bob.verifier, must_change=True)
    for host in ("0.0.0.0", "::"):
        line = refusal(home, server__host=host)
        assert host in line
        assert "python create_credentials.py passwd bob" in line
    for host in ("127.0.0.1", "localhost", "127.0.0.2"):
        Server(settings(home, {"server.host": host})).stop()
    accounts.set_disabled("bob", True)
    Server(settings(home, {"server.host": "0.0.0.0"})).stop()


def test_a_port_in_use_says_so_and_what_to_do(home: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        line = refusal(home, server__port=str(port))
    assert f"port {port} is in use" in line
    assert "--port" in line


def test_a_host_that_is_not_this_machine_says_so(home: Path) -> None:
    assert "no address of this machine" in refusal(home, server__host="192.0.2.1")


@pytest.mark.parametrize("must_change", [False, True])
def test_a_host_that_is_nothing_at_all_says_so_whatever_the_passwords_are(home: Path, must_change: bool) -> None:
    from sfos.server.identity.credential_file import CredentialFile

    accounts = CredentialFile(home / "secrets" / "credentials.json")
    bob = accounts.find("bob")
    assert bob is not None
    accounts.set_verifier("bob", bob.verifier, must_change=must_change)
    for host in ("no.such.host.invalid", "256.1.1.1", "x" * 64):
        line = refusal(home, server__host=host)
        assert host in line and "neither an address nor a name" in line and "--host 127.0.0.1" in line
    for host in ("", " "):
        line = refusal(home, server__host=host)
        assert "server.host is empty" in line and "127.0.0.1" in line and "0.0.0.0" in line


def test_another_server_in_the_same_home_is_noticed(home: Path, serve: Serve) -> None:
    serve()
    with pytest.raises(CannotStart, match=f"another server \\(process {os.getpid()}\\) is running"):
        Server(settings(home, {}))
    with pytest.raises(HomeTaken):
        HomeLock(home)


def test_a_wrong_master_key_is_noticed_before_anything_is_served(home: Path) -> None:
    first_settings = settings(home, {})
    first = Running(Server(first_settings), first_settings, [])
    first.server.start()
    first.signed_in().close()
    first.server.stop()
    key = home / "secrets" / "master.key"
    right = key.read_text()
    from cryptography.fernet import Fernet

    key.write_text(Fernet.generate_key().decode() + "\n")
    assert "not made under this master key" in refusal(home)
    key.unlink()
    assert "no master key" in refusal(home)
    key.write_text(right)
    assert MasterKey.parse(right)
    Server(first_settings).stop()


# --- As a process ---------------------------------------------------------------------------------------------


@contextmanager
def process(home: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "ssl_server.py", *arguments],
        cwd=CHECKOUT,
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            yield running
        finally:
            if running.poll() is None:
                running.kill()


def ready(running: subprocess.Popen[str]) -> tuple[str, int]:
    assert running.stdout is not None
    line = running.stdout.readline()
    assert line.startswith("ready "), running.stderr.read() if running.stderr else ""
    host, _, port = line.split()[1].rpartition(":")
    return host.strip("[]"), int(port)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_server_and_it_exits_with_0_and_silence(number: signal.Signals, home: Path) -> None:
    with process(home, "--port", "0") as running:
        peer = WirePeer(ready(running))
        peer.hello()
        peer.login("alice", PASSWORDS["alice"])
        running.send_signal(number)
        with pytest.raises(ServerStopping):
            raise_for_error(peer.receive()[0])
        peer.expect_end()
        peer.close()
        out, err = running.communicate(timeout=20)
    assert (running.returncode, out, err) == (0, "", "")


def test_a_server_whose_starter_has_gone_serves_and_stops_all_the_same(
    home: Path, wait_until: Callable[..., None]
) -> None:
    """Nobody reads its line `ready …`; once that left a server behind that served, and heeded no signal any more."""
    reading, writing = os.pipe()
    os.close(reading)
    log = home / "logs" / "server.log"
    with subprocess.Popen(
        [sys.executable, "ssl_server.py", "--port", "0"],
        cwd=CHECKOUT,
        env=environment(home),
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        os.close(writing)
        try:
            wait_until(lambda: log.exists() and "listening on" in log.read_text(), 60, what="the server to listen")
            running.send_signal(signal.SIGTERM)
            assert (running.wait(30), running.stderr.read() if running.stderr else "") == (0, "")
        finally:
            if running.poll() is None:
                running.kill()


def test_a_second_signal_stops_at_once(home: Path) -> None:
    """The first waits for a connection that neither reads nor ends."""
    with process(home, "--port", "0", "--set", "server.stall_timeout_s=60") as running:
        peer = WirePeer(ready(running), receive_buffer=4096)
        peer.hello()
        peer.login("alice", PASSWORDS["alice"])
        asking = threading.Thread(target=ask_without_reading, args=(peer,))
        asking.start()
        assert running.stderr is not None
        begun = time.monotonic()
        running.send_signal(signal.SIGTERM)
        while "stopping" not in (home / "logs" / "server.log").read_text():
            assert time.monotonic() - begun < 10
        running.send_signal(signal.SIGTERM)
        running.wait(5)
        assert time.monotonic() - begun < 5
        with suppress(OSError):  # with a full window it may not have noticed yet that the server is gone
            peer.sock.shutdown(socket.SHUT_RDWR)
        asking.join()
        peer.reset()
    assert running.returncode == 3


@pytest.mark.parametrize("hung", [1, 2])
def test_commands_that_run_on_after_the_grace_period_end_with_the_process_and_the_home_stays_locked_until_then(
    home: Path, hung: int, wait_until: Callable[..., None]
) -> None:
    """Another program holds the catalog for longer than the server may take to stop."""
    slow = ("--set", "server.stop_grace_s=1", "--set", "storage.busy_timeout_s=60")
    with process(home, "--port", "0", *slow) as running:
        address = ready(running)
        peers = [WirePeer(address) for _ in range(hung)]
        for peer in peers:
            peer.hello()
            login = peer.login("alice", PASSWORDS["alice"])
        peers[0].call(MakeFolderRequest(op_id=os.urandom(16), target=Target(path="/acknowledged")))
        catalog = home / "server_storage" / login.session.home.space / "catalog.db"
        with closing(sqlite3.connect(catalog, isolation_level=None)) as held:
            held.execute("BEGIN IMMEDIATE")
            for number, peer in enumerate(peers):
                peer.send(MakeFolderRequest(op_id=os.urandom(16), target=Target(path=f"/{number}")))
            wait_until(lambda: all(has_been_read(peer) for peer in peers), what="the commands to begin")
            running.send_signal(signal.SIGTERM)
            wait_until(lambda: is_free(home), timeout_s=30)
            assert running.wait(10) == 4, "the process went on without its lock"
        assert running.stderr is not None
        assert "commands that took too long were cut off" in running.stderr.read()
        for peer in peers:
            peer.reset()
    # Who waited behind the first has changed nothing yet, and ends.
    assert "1 command(s) did not end" in (home / "logs" / "server.log").read_text()
    with process(home, "--port", "0") as running, WirePeer(ready(running)) as peer:
        peer.hello()
        peer.login("alice", PASSWORDS["alice"])
        assert peer.call(StatRequest(ref=Ref(path="/acknowledged")))[0].entry.kind == "folder"


def has_been_read(peer: WirePeer) -> bool:
    """Whether the server has taken all that was sent to it (Linux: the receive queue of its end of the connection)."""
    ours, theirs = (f":{end[1]:04X}" for end in (peer.sock.getsockname(), peer.sock.getpeername()))
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, queues = line.split()[:5]
        if local.endswith(theirs) and remote.endswith(ours):
            return int(queues.split(":")[1], 16) == 0
    return False


def is_free(home: Path) -> bool:
    try:
        HomeLock(home).release()
    except HomeTaken:
        return False
    return True


def ask_without_reading(peer: WirePeer) -> None:
    from OpenSSL import SSL

    try:
        while True:
            peer.send(StatRequest(ref=Ref(path="/" + "x" * 50_000)))
    except (SSL.Error, OSError, ServerBusy):
        return


def test_what_is_wrong_with_the_arguments_is_one_line_and_exit_code_2(home: Path) -> None:
    for arguments, said in (
        (("--port", "ninety"), "server.port = 'ninety'"),
        (("--set", "server.prot=1"), "did you mean server.port"),
    ):
        with process(home, *arguments) as running:
            out, err = running.communicate(timeout=20)
        assert running.returncode == 2
        assert said in err
        assert (out, err.count("\n")) == ("", 1)


def test_what_hinders_the_start_is_one_line_and_exit_code_1(home: Path) -> None:
    (home / "secrets" / "certificate.pem").unlink()
    with process(home, "--port", "0") as running:
        out, err = running.communicate(timeout=20)
    assert running.returncode == 1
    assert (out, err.count("\n")) == ("", 1)
    assert "python generate_certificate.py" in err


def test_a_signal_that_was_ignored_when_the_server_was_started_stays_ignored(home: Path) -> None:
    """As `nohup` does with SIGHUP, and a shell with SIGINT for what it starts in the background."""
    ignoring = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN);"
        "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", ignoring, "ssl_server.py", "--port", "0"],
        cwd=CHECKOUT,
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        with WirePeer(ready(running)) as peer:
            running.send_signal(signal.SIGINT)
            peer.hello()
            peer.login("alice", PASSWORDS["alice"])
        running.send_signal(signal.SIGTERM)
        assert running.wait(20) == 0


@pytest.mark.skipif(not socket.has_ipv6, reason="only on machines with IPv6")
def test_a_name_with_several_addresses_is_listened_on_at_all_of_them_on_one_port(serve: Serve) -> None:
    server = serve({"server.host": "localhost"})
    _, port = server.server.address
    found = {info[4][0] for info in socket.getaddrinfo("localhost", None, type=socket.SOCK_STREAM)}
    for host in found:
        with WirePeer((str(host), port)) as peer:
            peer.hello()


def test_an_ipv6_client_is_served_and_its_address_written_as_people_write_it(serve: Serve) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("only on machines with IPv6")
    server = serve({"server.host": "::1"})
    server.signed_in()
    assert '"address":"[::1]:' in server.audit()


_MISTAKEN = """
import sys
from sfos.programs import server as ssl_server
from sfos.server.app import Server
def mistaken(server):
    raise ZeroDivisionError("of ours")
Server.reload_certificate = mistaken
sys.exit(ssl_server.main(["--port", "0"]))
"""


def test_a_mistake_on_sighup_leaves_a_server_that_goes_on_and_can_be_stopped(
    home: Path, wait_until: Callable[..., None]
) -> None:
    """The thread that takes signals is the only one: had it ended, SIGTERM would be heard by nobody."""
    with subprocess.Popen(
        [sys.executable, "-c", _MISTAKEN], cwd=CHECKOUT, env=environment(home), stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline().startswith("ready ")
            server.send_signal(signal.SIGHUP)
            log = home / "logs" / "server.log"
            wait_until(lambda: "ZeroDivisionError" in log.read_text(), 30)
            server.send_signal(signal.SIGTERM)
            assert server.wait(30) == 0
        finally:
            if server.poll() is None:
                server.kill()
