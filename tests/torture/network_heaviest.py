"""Users at their limits: each asks for the most that each command allows, all at once, and somebody else is there."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from OpenSSL import SSL

from sfos import config
from sfos.protocol import (
    COMMANDS,
    MIN_ITERATIONS,
    Access,
    Ref,
    Request,
    SfosError,
    StatReply,
    StatRequest,
    WatchRequest,
    make_verifier,
)
from sfos.server.identity.credential_file import CredentialFile
from tests.support.heaviest import HEAVIEST, Scene
from tests.support.salted_once import remember_salted_passwords
from tests.support.server_process import ServerProcess, prepare_home, running_server
from tests.support.wire_peer import WirePeer
from tests.torture.network_process import MIB, address_of, many_descriptors, resident_bytes
from tests.torture.scenario import Context, Figures

USERS = 100
STATS = 200  # of somebody else beside them
MEDIAN_S = 0.050
ONE_WAITS_S = 0.2  # who is served beside one of them
PASSWORD = "correct horse battery"
HONEST = "honest"
_ROOM = {
    "SFOS_SERVER_MAX_CONNECTIONS_PER_ADDRESS": "1000",
    "SFOS_SERVER_MAX_UNAUTHENTICATED": "500",
    "SFOS_LOGGING_LEVEL": "WARNING",
}


def hostile_limits(context: Context) -> Figures:
    """A hundred users give the heaviest request of each command, again and again; a `stat` beside them is measured."""
    with _server(context, USERS) as server, ExitStack() as stack:
        honest = _signed_in(server, stack, HONEST)
        crowd = [_Hostile(server, stack, f"hostile{number}") for number in range(USERS)]
        for each in crowd:
            each.begin()
        try:
            times = _stats(context, honest, STATS)
        finally:
            for each in crowd:
                each.end()
        _judge(context, crowd)
        context.highest("ms for a stat beside them, in the median", int(statistics.median(times) * 1000))
        context.highest("MiB held by the server", resident_bytes(server.process.pid) // MIB)
        if statistics.median(times) > MEDIAN_S:
            context.broken(f"a stat beside {USERS} users takes {statistics.median(times) * 1000:.0f} ms in the median")
    context.exhausted()
    return context.figures()


def heaviest_of_each(context: Context) -> Figures:
    """One user, one command at a time, at its most; a `stat` of somebody else waits for none of it."""
    with _server(context, 1) as server, ExitStack() as stack:
        honest = _signed_in(server, stack, HONEST)
        for kind in _kinds():
            one = _Hostile(server, stack, "hostile0", (kind,))
            one.begin()
            try:
                times = _stats(context, honest, 20)
            finally:
                one.end()
            _judge(context, [one])
            name = COMMANDS[kind].name
            context.highest(f"ms beside {name}", int(statistics.median(times) * 1000))
            if statistics.median(times) > ONE_WAITS_S:
                context.broken(f"a stat beside {name} takes {statistics.median(times) * 1000:.0f} ms in the median")
            if context.left_s == 0:
                return context.figures()
    context.exhausted()
    return context.figures()


def _kinds() -> tuple[type[Request[Any]], ...]:
    return tuple(kind for kind in HEAVIEST if COMMANDS[kind].access is Access.USER and kind is not WatchRequest)


@contextmanager
def _server(context: Context, users: int) -> Iterator[ServerProcess]:
    remember_salted_passwords()
    home = prepare_home(context.workplace / "home")
    _add_users(home, [HONEST, *[f"hostile{number}" for number in range(users)]])
    with many_descriptors(8_192), running_server(home, _ROOM) as server:
        yield server


def _add_users(home: Path, names: Sequence[str]) -> None:
    accounts = CredentialFile(config.load(environ={}, home=home).server.credentials_file)
    verifier = make_verifier(PASSWORD, b"the same for all", MIN_ITERATIONS)
    for name in names:
        accounts.add(name, verifier, "user")


def _signed_in(server: ServerProcess, stack: ExitStack, user: str) -> WirePeer:
    peer = stack.enter_context(WirePeer(address_of(server)))
    peer.hello()
    peer.login(user, PASSWORD)
    return peer


def _stats(context: Context, peer: WirePeer, count: int) -> list[float]:
    times = []
    for _ in range(count):
        begun = time.monotonic()
        peer.call(StatRequest(ref=Ref(path="/")))
        times.append(time.monotonic() - begun)
        if context.left_s == 0:
            break
    context.count("stats of somebody else", len(times))
    return times


class _Hostile:
    """A user who asks for the most, one request after the other, until told to end."""

    def __init__(
        self, server: ServerProcess, stack: ExitStack, user: str, kinds: Sequence[type[Request[Any]]] = ()
    ) -> None:
        self.peer = stack.enter_context(WirePeer(address_of(server)))
        self.peer.hello()
        info = self.peer.login(user, PASSWORD).session.home
        self.scene = Scene(info.chunk_key, info.cursor)
        self.kinds = kinds or _kinds()
        self.answered = 0
        self.refused: set[str] = set()
        self.lost = ""
        with suppress(SfosError):  # they are there from the time before
            self.scene.build(self.peer.call)
        reply: StatReply = self.peer.call(StatRequest(ref=Ref(path="/many")))[0]
        self.scene.node, self.scene.content = reply.entry.node, reply.entry.content or b""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"hostile {user}")

    def begin(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Returns when the request under way is answered."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._over.is_set():
                for kind in self.kinds:
                    self._ask(kind)
                    if self._over.is_set():
                        break
        except (SSL.Error, OSError) as error:
            self.lost = repr(error)

    def _ask(self, kind: type[Request[Any]]) -> None:
        heavy = HEAVIEST[kind](self.scene)
        try:
            self.peer.call(heavy.request, heavy.body)
        except SfosError as error:
            self.refused.add(error.code)
        self.answered += 1


def _judge(context: Context, crowd: Sequence[_Hostile]) -> None:
    context.count("heaviest requests answered", sum(each.answered for each in crowd))
    for each in crowd:
        if each.lost:  # it gave up, or memory for its body was taken for too long: that is theirs
            context.count("of them that gave up or were ended")
        if wrong := each.refused & {"server_fault", "data_damaged", "storage_failed"}:
            context.broken(f"a heavy request is answered by {wrong}")
