"""Crowds of strangers, and a greedy user, beside somebody who signs in: from the addresses 127.0.0.x of this machine.

What each crowd does it does again and again, and whoever is cut off comes back at once. Beside all of it an
administrator and users sign in with the right password, at addresses where they have been before and where not.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from OpenSSL import SSL

from sfos.protocol import (
    MIN_ITERATIONS,
    AccessError,
    AccountsRequest,
    ClientExchange,
    ListRequest,
    LoginFinishRequest,
    LoginStartReply,
    LoginStartRequest,
    Ref,
    Request,
    SaltedPassword,
    SfosError,
    TooManyAttempts,
    make_verifier,
    salt_password,
)
from sfos.server.audit.reading import log_files, strangers_file
from sfos.server.identity.credential_file import CredentialFile
from tests.support.server_process import ServerProcess, prepare_home, run, running_server
from tests.support.wire_peer import WirePeer
from tests.torture.network_process import address_of, resident_bytes, threads_of, wait_until
from tests.torture.processes_writers import PASSWORD, USER
from tests.torture.scenario import Context, Figures

ADMIN, ADMIN_PASSWORD = "admin", "admin123"
GREEDY = "mallory"
# Fewer places than by default, so that a few crowds take all of them. 32 strangers; 24 of one address; 96 in all.
_PLACES = {
    "SFOS_SERVER_MAX_CONNECTIONS": "96",
    "SFOS_SERVER_MAX_CONNECTIONS_PER_ADDRESS": "24",
    "SFOS_SERVER_MAX_UNAUTHENTICATED": "32",
    "SFOS_LOGGING_LEVEL": "WARNING",
    "SFOS_LOGGING_CONSOLE_LEVEL": "ERROR",
    "SFOS_LOGGING_MAX_BYTES": "65536",
    "SFOS_LOGGING_BACKUPS": "3",
}
_MOST_THREADS = 96 + 16 + 16 + 64 + 16  # places, anteroom, reserve, those that leave; and the server's own
_MOST_AUDIT_BYTES = 2 * 4 * 65_536
_HELD_UP_LEAST = 30  # guesses, however soon those beside them are served
_SIGN_IN_S = 10.0  # beside a crowd on two cores, with 0.2 s of PBKDF2
_LIST = ListRequest(folders=(Ref(path="/"),))

_Crowd = Callable[[ServerProcess, threading.Event, str], None]


def strangers(context: Context) -> Figures:
    """Each crowd in turn, until the figure is reached; then the audit log is looked at."""
    home = prepare_home(context.workplace / "home")
    accounts = CredentialFile(home / "secrets" / "credentials.json")
    accounts.add(GREEDY, make_verifier(PASSWORD, GREEDY.encode().ljust(16, b"."), MIN_ITERATIONS), "user")
    with running_server(home, _PLACES) as server:
        _come(server, ADMIN, ADMIN_PASSWORD, "127.0.0.1", AccountsRequest())
        _come(server, USER, PASSWORD, "127.0.0.1", _LIST)
        crowds: dict[str, tuple[_Crowd, range]] = {
            "silence from two addresses": (_silent, range(2, 4)),
            "silence from 40 addresses": (_silent, range(2, 42)),
            "silence from more addresses than there are places": (_silent, range(2, 122)),
            "hellos from eight addresses": (_greeting, range(2, 10)),
            "guesses from the same address": (_guessing, range(1, 2)),
            "a user who takes all places": (_greedy, range(2, 11)),
        }
        while context.going():
            for name, (crowd, numbers) in crowds.items():
                if context.going():
                    _beside(context, server, name, crowd, numbers)
    _look_at_the_log(context, home)  # when the server has stopped, and has written what it has summed up
    return context.figures()


def _beside(context: Context, server: ServerProcess, name: str, crowd: _Crowd, numbers: range) -> None:
    """An administrator and a user sign in, once where they are known and once where not, beside one crowd."""
    same_address = 1 in numbers
    with _gathered(server, crowd, numbers):
        for number in range(2):
            elsewhere = f"127.0.1.{context.random.randrange(1, 255)}"
            visits: list[tuple[str, str, str, Request[Any]]] = [
                (ADMIN, ADMIN_PASSWORD, "127.0.0.1" if number else elsewhere, AccountsRequest()),
                (USER, PASSWORD, "127.0.0.1" if not number else elsewhere, _LIST),
            ]
            for user, password, source, request in visits:
                if not same_address or source == "127.0.0.1":
                    _visit(context, server, name, user, password, source, request)
            context.highest("threads of the server", threads_of(server.process.pid))
            context.highest("MiB held by the server", resident_bytes(server.process.pid) // 2**20)
        if (threads := threads_of(server.process.pid)) > _MOST_THREADS:
            context.broken(f"{name}: the server has {threads} threads")
    context.count("crowds")


def _visit(
    context: Context, server: ServerProcess, crowd: str, user: str, password: str, source: str, request: Request[Any]
) -> None:
    begun = time.monotonic()
    try:
        _come(server, user, password, source, request)
    except (SfosError, SSL.Error, OSError) as error:
        context.broken(f"beside {crowd}, {user} at {source} is kept out: {type(error).__name__} {error}")
    took = time.monotonic() - begun
    context.count("sign-ins beside a crowd")
    context.highest("ms of the slowest sign-in", int(took * 1000))
    if took > _SIGN_IN_S:
        context.broken(f"beside {crowd}, the sign-in of {user} at {source} takes {took:.1f} s")


def _come(server: ServerProcess, user: str, password: str, source: str, request: Request[Any]) -> None:
    with WirePeer(address_of(server), source=source) as peer:
        peer.hello()
        peer.login(user, password)
        with suppress(SfosError):  # "choose your own password" is an answer too
            peer.call(request)


# --- The crowds ---------------------------------------------------------------------------------------------------


@contextmanager
def _gathered(server: ServerProcess, crowd: _Crowd, numbers: range) -> Iterator[None]:
    """A thread for each address, and so many connections that no place is left."""
    over = threading.Event()
    threads = [
        threading.Thread(target=crowd, args=(server, over, f"127.0.0.{number}"), name=f"crowd-{number}")
        for number in numbers
    ]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: threads_of(server.process.pid) > 32, 5.0)
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _again_and_again(over: threading.Event, count: int, come: Callable[[], WirePeer]) -> None:
    """`count` connections at every moment, as far as they are let in."""
    with ExitStack() as stack:
        here: list[WirePeer] = []
        stack.callback(lambda: _close(here))
        while not over.wait(0.05):
            for peer in [peer for peer in here if peer.is_cut()]:
                here.remove(peer)
                peer.sock.close()
            while len(here) < count and not over.is_set():
                try:
                    here.append(come())
                except (SfosError, SSL.Error, OSError):
                    break


def _close(peers: list[WirePeer]) -> None:
    for peer in peers:
        peer.sock.close()


def _silent(server: ServerProcess, over: threading.Event, source: str) -> None:
    _again_and_again(over, 40, lambda: WirePeer(address_of(server), handshake=False, source=source))


def _greeting(server: ServerProcess, over: threading.Event, source: str) -> None:
    def come() -> WirePeer:
        peer = WirePeer(address_of(server), source=source)
        with _closed_on_failure(peer):
            peer.hello()
        return peer

    _again_and_again(over, 8, come)


def _greedy(server: ServerProcess, over: threading.Event, source: str) -> None:
    with WirePeer(address_of(server), source=source) as owner:
        try:
            owner.hello()
            owner.login(GREEDY, PASSWORD)
        except (SfosError, SSL.Error, OSError):
            return  # the others of this crowd have all places

        def come() -> WirePeer:
            peer = WirePeer(address_of(server), source=source)
            with _closed_on_failure(peer):
                peer.hello()
                peer.attach(owner)
            return peer

        _again_and_again(over, 40, come)


def _guessing(server: ServerProcess, over: threading.Event, source: str) -> None:
    """Guesses at a name that is nobody's, as fast as they are answered: 60 on each connection."""
    salted: SaltedPassword | None = None  # PBKDF2 is done once: it is the server that is to have the work
    held_up, until = 0, time.monotonic() + 20.0
    while not over.is_set() or (held_up < _HELD_UP_LEAST and time.monotonic() < until):
        with suppress(SfosError, SSL.Error, OSError), WirePeer(address_of(server), source=source) as peer:
            peer.hello()
            for _ in range(60):
                exchange = ClientExchange("nobody", "a guess", peer.exporter, salted=salted)
                try:
                    start: LoginStartReply = peer.call(LoginStartRequest(message=exchange.first()))[0]
                    if salted is None:
                        given = dict(part.split("=", 1) for part in start.message.split(","))
                        salted = salt_password("a guess", base64.b64decode(given["s"]), int(given["i"]))
                        break
                    peer.call(LoginFinishRequest(message=exchange.final(start.message)))
                except AccessError as error:
                    held_up += isinstance(error, TooManyAttempts)
                if over.is_set():
                    break


@contextmanager
def _closed_on_failure(peer: WirePeer) -> Iterator[None]:
    with ExitStack() as stack:
        stack.callback(peer.sock.close)
        yield
        stack.pop_all()


# --- What is left of it -------------------------------------------------------------------------------------------


def _look_at_the_log(context: Context, home: Path) -> None:
    newest = home / "logs" / "audit.log"
    files = [*log_files(newest), *log_files(strangers_file(newest))]
    size = sum(path.stat().st_size for path in files)
    context.highest("KiB of audit log", size // 1024)
    if size > _MOST_AUDIT_BYTES:
        context.broken(f"the audit log has {size} bytes")
    lines = [json.loads(line) for path in log_files(newest) for line in path.read_bytes().splitlines()]
    for user in (ADMIN, USER):
        first = next((line for line in lines if line["event"] == "login" and line.get("user") == user), None)
        if first is None or first["seq"] > 10:
            context.broken(f"the first sign-in of {user} is no longer in the audit log")
    context.count("held-up sign-ins that the log knows of", _held_up(newest))
    verified = run(home, "manage_storage.py", "verify", "--audit")
    if verified.returncode != 0:
        context.broken(f"verify --audit: {verified.stdout}")


def _held_up(newest: Path) -> int:
    lines = [json.loads(line) for path in log_files(strangers_file(newest)) for line in path.read_bytes().splitlines()]
    return sum(line.get("times", 1) for line in lines if line["event"] == "login_held_up")
