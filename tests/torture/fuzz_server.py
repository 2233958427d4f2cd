"""Fuzzing a running server: damaged frames and sign-ins over real connections, before login and after."""

from __future__ import annotations

import contextlib
import random
import struct
import threading
from pathlib import Path
from typing import Any

from OpenSSL import SSL

from sfos.protocol import (
    AttachRequest,
    ChangePasswordRequest,
    CommitRequest,
    HelloRequest,
    LoginFinishRequest,
    LoginStartRequest,
    LogoutRequest,
    MalformedMessage,
    Request,
    SessionEnded,
    StatRequest,
    decode_reply,
    encode_request,
)
from tests.support.sample_messages import REQUESTS
from tests.support.server_process import prepare_home, running_server
from tests.support.wire_peer import WirePeer
from tests.torture.fuzz_mutator import Mutator
from tests.torture.network_process import Watched, address_of
from tests.torture.scenario import Context, Figures

_PREFIX = struct.Struct(">II")
_THREADS = 3
_IN_ONE_SESSION = 200  # requests on one connection, if none of them ends it
_CALM = {
    # What is fuzzed here are messages; who is wrong too often has scenarios of their own.
    "SFOS_SECURITY_LOGIN_ATTEMPTS": "100",
    "SFOS_SECURITY_PENALTY_BASE_S": "0",
    "SFOS_SERVER_STALL_TIMEOUT_S": "5",
    "SFOS_LOGGING_LEVEL": "WARNING",
}


def fuzz_server(context: Context) -> Figures:
    """Each frame is answered or ends its connection; never by a fault of the server, never by silence."""
    home = prepare_home(context.workplace / "home")
    with running_server(home, _CALM) as server:
        address = address_of(server)
        watched = Watched.of(server.process.pid)
        threads = [
            threading.Thread(
                target=_fuzz, args=(context, address, context.random.getrandbits(64)), name=f"fuzz-{number}"
            )
            for number in range(_THREADS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with WirePeer(address) as peer:
            peer.hello()
            peer.login("user1", "user123")
        for left in watched.left_over():
            context.broken(left)
    _read_log(context, home / "logs/server.log")
    return context.figures()


def _read_log(context: Context, log: Path) -> None:
    lines = [line for line in log.read_text(errors="replace").splitlines() if " ERROR " in line or "Traceback" in line]
    for line in dict.fromkeys(line.split(" ERROR ")[-1][:200] for line in lines[:20]):
        context.broken(f"the server logged: {line}")


def _fuzz(context: Context, address: tuple[str, int], seed: int) -> None:

    chance = random.Random(seed)
    mutator = Mutator(chance)
    try:
        owner = _owner(address)
        while context.going():
            with WirePeer(address) as peer:
                if chance.random() < 0.5:
                    _as_stranger(context, peer, mutator, chance)
                    continue
                peer.hello()
                try:
                    peer.attach(owner)
                except SessionEnded:  # another thread's `end_sessions` has ended all but its own
                    owner = _owner(address)
                    continue
                _as_user(context, peer, mutator, chance)
    except Exception as error:  # the top of this thread: what escapes is a finding
        context.broken(f"{type(error).__name__}: {error}")


def _owner(address: tuple[str, int]) -> WirePeer:
    """A new session, joined by its ticket."""
    with WirePeer(address) as owner:
        owner.hello()
        owner.login("user1", "user123")
    return owner


_BEFORE_A_SESSION: tuple[type[Request[Any]], ...] = (
    LoginStartRequest,
    LoginStartRequest,
    LoginFinishRequest,
    AttachRequest,
    HelloRequest,
    StatRequest,
    CommitRequest,
)


def _as_stranger(context: Context, peer: WirePeer, mutator: Mutator, chance: random.Random) -> None:
    if chance.random() < 0.8:
        peer.hello()
    for _ in range(70):
        command = chance.choice(_BEFORE_A_SESSION)
        if not _ask(context, peer, command, mutator, chance):
            return


def _as_user(context: Context, peer: WirePeer, mutator: Mutator, chance: random.Random) -> None:
    commands = [kind for kind in REQUESTS if kind not in (LogoutRequest, ChangePasswordRequest)]
    for _ in range(_IN_ONE_SESSION):
        if not context.going() or not _ask(context, peer, chance.choice(commands), mutator, chance):
            return


def _ask(
    context: Context, peer: WirePeer, command: type[Request[Any]], mutator: Mutator, chance: random.Random
) -> bool:
    """Send one damaged request and judge what comes back; whether the connection goes on."""
    sample = REQUESTS[command]
    assert isinstance(sample.message, Request)
    header, body = encode_request(1, sample.message), sample.body
    how = chance.randrange(10)
    if how:
        header = mutator.json(header)[: 2**20] or b" "
    if body and how < 5:
        body = mutator.data(body)
    stream = _PREFIX.pack(len(header), len(body)) + header + body
    context.count("requests")
    try:
        if how == 9:
            peer.tls.sendall(mutator.data(stream[:60]) + stream[60:])
            peer.tls.shutdown()  # or both would wait for the rest of a frame that never comes
            return _hear_the_end(context, peer)
        peer.tls.sendall(stream)
        frame = peer.receive_frame()
    except SSL.WantReadError:
        context.broken(f"silence after {stream[:300]!r}")
        return False
    except (SSL.Error, OSError):
        context.count("connections ended")
        return False
    return _judge(context, frame.header, stream) and command != "watch"


def _hear_the_end(context: Context, peer: WirePeer) -> bool:
    with contextlib.suppress(SSL.Error, OSError):
        while True:
            peer.tls.recv(16_384)
    context.count("connections ended")
    return False


def _judge(context: Context, header: bytes, stream: bytes) -> bool:
    try:
        reply = decode_reply(header)
    except MalformedMessage as error:
        context.broken(f"a reply that cannot be read, {error}, to {stream[:300]!r}")
        return False
    if reply.error is None:
        return True
    context.count("refused")
    if reply.error.code in ("server_fault", "error", "local_protocol_error"):
        context.broken(f"{reply.error.code} ({reply.error.message}) to {stream[:500]!r}")
    return reply.id != 0
