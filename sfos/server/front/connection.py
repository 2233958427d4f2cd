"""One connection from its handshake to its end, in a thread of its own: frames in, replies out, in order."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from sfos.protocol import (
    COMMANDS,
    MAX_BODY,
    MAX_HEADER,
    WORKING,
    Buffer,
    FrameTooLong,
    LocalProtocolError,
    MalformedMessage,
    Reply,
    ServerBusy,
    ServerFault,
    ServerStopping,
    SfosError,
    Working,
    encode_error,
    encode_event,
    encode_working,
)
from sfos.server.audit.log import AuditLog
from sfos.server.commands.calls import Continuation, Peer
from sfos.server.commands.dispatch import UNKNOWN_ID, Dispatcher, Response
from sfos.server.front.gate import SIGN_IN_S, Slot
from sfos.server.front.line_budget import LineBudget
from sfos.server.identity.sessions import Sessions
from sfos.server.net.bell import Bell
from sfos.server.net.memory_budget import Lease, MemoryBudget
from sfos.server.net.request_bodies import RequestBodies
from sfos.server.net.stream import Interrupted, StreamEnded, TlsStream
from sfos.server.process.waiting import NobodyWaits, Waiting, served

_log = logging.getLogger(__name__)

GAVE_WAY = "gave way to others"
GAVE_WAY_EVENT = "connection_gave_way"
_AGAIN_S = 5.0
_LINGER_S = 2.0
_NEVER = math.inf
# Signing in takes three messages, with a few wrong passwords some twenty. Who says more wants to keep us busy.
_STRANGERS_COMMANDS = 64
_TRANSFERS_AND_CHANGES = frozenset(spec.name for spec in COMMANDS.values() if spec.changes or spec.transfers)


@dataclass(frozen=True, slots=True)
class ServerSurroundings:
    """Parts of a server that all its connections share."""

    dispatcher: Dispatcher
    sessions: Sessions
    audit: AuditLog
    lines: LineBudget
    incoming: MemoryBudget
    bodies: RequestBodies
    stop: Bell
    stopping: Callable[[], bool]
    handshake_timeout_s: float
    login_timeout_s: float
    stall_timeout_s: float


class Connection:
    """Its thread runs `run`; everybody else calls `cut` and `interrupt` and reads `deadline`."""

    def __init__(
        self,
        number: int,
        stream: TlsStream,
        address: str,
        group: str,
        slot: Slot,
        around: ServerSurroundings,
        on_end: Callable[[Connection], None],
    ) -> None:
        self.number = number
        self._stream = stream
        self._around = around
        self._slot = slot
        self._on_end = on_end
        self._peer = Peer(number, address, group, member=self, place=slot)
        self._commands = 0
        self._errors = 0
        self._opened = time.monotonic()
        self._waiting = Waiting(self._why_nobody_waits, self._why_undone, self._say_working)
        handshake_s = min(around.handshake_timeout_s, SIGN_IN_S) if slot.beyond else around.handshake_timeout_s
        stream.expect_by(self._opened + handshake_s)  # from now on, even if the thread starts late
        self.idle_since: float | None = None
        """See Occupant."""

    @property
    def deadline(self) -> float:
        """See server.front.watchdog."""
        return self._stream.deadline

    def cut(self, reason: str) -> None:
        """End it now."""
        self._stream.cut(reason)

    def interrupt(self, reason: str) -> None:
        """End it once it reads again; a reply under way is still sent, if the peer takes it soon."""
        self._stream.interrupt(reason)

    @property
    def heard(self) -> bool:
        """See Occupant."""
        return self._stream.heard

    def give_way(self) -> None:
        """End it, for somebody else needs its place; who has spoken hears why."""
        if self._slot.spoken:
            self.interrupt(GAVE_WAY)
        else:
            self.cut(GAVE_WAY)

    def run(self) -> None:
        """The whole life of the connection. Never raises."""
        if self._has_line():
            _log.info("connection %d open from %s", self.number, self._peer.address)
        reason = "done"
        try:
            self._stream.handshake()
            self._peer.exporter = self._stream.exporter()
            if self._slot.beyond:
                self._stream.resting_deadline = self._opened + min(self._around.login_timeout_s, SIGN_IN_S)
            else:
                self._stream.resting_deadline = time.monotonic() + self._around.login_timeout_s
            try:
                with served(self._waiting):
                    self._serve()
            except Interrupted:
                self._say_why()
                raise
        except StreamEnded as error:
            reason = str(error) or (error.__doc__ or "").split("\n", 1)[0]
        except Exception:  # the top of this thread: whatever it is, the others go on, and the log tells
            reason = "fault"
            _log.exception("connection %d failed", self.number)
        finally:
            self._end(reason)

    def _serve(self) -> None:
        stream, peer, around = self._stream, self._peer, self._around
        while not peer.leaving:
            if around.stopping():
                raise Interrupted("server is stopping")
            self.idle_since = time.monotonic()
            try:
                frame = stream.read_frame()
            except (FrameTooLong, MalformedMessage, ServerBusy) as error:
                # Where the next frame begins is no longer known: say why, and close.
                stream.send(encode_error(UNKNOWN_ID, error))
                self._errors += 1
                return
            self.idle_since = None
            self._slot.spoken = True
            begun, size_bytes = time.monotonic(), len(frame.body)
            self._waiting.begin()
            with around.dispatcher.room() as room:
                outcome = around.dispatcher.answer(peer, frame, room)
                self._waiting.answered()
                del frame  # its body, before the next one is allocated
                self._note(outcome, size_bytes, begun)
                if peer.session is not None and stream.resting_deadline != _NEVER:
                    self._welcome(peer.session.user_id)
                try:
                    self._reply(outcome)
                finally:
                    stream.release()
            if outcome.then is not None:
                then, request_id = outcome.then, outcome.request_id
                del outcome
                self._go_on(then, request_id)
                return
            del outcome

    def _why_nobody_waits(self) -> SfosError | None:
        """Reason to stop what is worked on for the peer, before it has changed anything."""
        session = self._peer.session
        if session is not None and session.ended is not None:
            return session.farewell()
        if self._slot.gave_way:
            return _gave_way()
        return ServerBusy("The connection was closed before the answer.") if self._stream.peer_is_gone() else None

    def _why_undone(self) -> SfosError | None:
        """Reason to stop also what has begun to change something."""
        session = self._peer.session
        if session is not None and session.barred:
            return session.farewell()
        return ServerStopping() if self._around.stopping() else None

    def _say_working(self, request_id: int, working: Working) -> None:
        """Tell who waits for a reply how far it is."""
        if WORKING in self._peer.features and self._peer.session is not None:
            self._stream.send_if_free(encode_working(request_id, working))

    def _go_on(self, then: Continuation, request_id: int) -> None:
        """Carry on after a reply, until one side ends it; then tell the peer why, unless it has gone."""
        session = self._peer.session
        try:
            then(_StreamedEvents(self._stream, request_id))
        except SfosError as error:
            self._stream.send(encode_error(request_id, error))
        except NobodyWaits as stopped:
            self._stream.send(encode_error(request_id, stopped.told))
        except Interrupted:
            why: SfosError = ServerStopping()
            if session is not None and session.ended:
                why = session.farewell()
            elif self._slot.gave_way:
                why = _gave_way()
            self._stream.send(encode_error(request_id, why))

    def _reply(self, outcome: Response) -> None:
        """Send it, or a fault if it is longer than a message may be: every request is answered.

        Raises: PeerLost.
        """
        try:
            self._stream.send(outcome.header, outcome.body)
        except LocalProtocolError as error:  # before the first byte
            _log.error("connection %d: the reply to %s cannot be sent: %s", self.number, outcome.command, error)
            self._errors += 1
            outcome.then = None
            fault = ServerFault("The answer is longer than a message may be.")
            self._stream.send(encode_error(outcome.request_id, fault))

    def _note(self, outcome: Response, body_bytes: int, begun: float) -> None:
        """Count a command, and write down those by which something moved."""
        self._commands += 1
        if outcome.error is not None:
            self._errors += 1
        level = logging.INFO if outcome.command in _TRANSFERS_AND_CHANGES else logging.DEBUG
        if _log.isEnabledFor(level):
            _log.log(
                level,
                "connection %d user=%s command=%s in=%d out=%d ms=%.1f: %s",
                self.number,
                self._peer.user,
                outcome.command,
                body_bytes,
                sum(map(len, outcome.body)),
                (time.monotonic() - begun) * 1000,
                outcome.error or "ok",
            )
        if self._peer.session is None and self._commands >= _STRANGERS_COMMANDS:
            self._peer.leaving = True

    def _welcome(self, user_id: str) -> None:
        """The peer has just opened or joined a session."""
        incoming, timeout_s = self._around.incoming, self._around.stall_timeout_s

        def take(size_bytes: int) -> Lease:
            return incoming.take(user_id, size_bytes, timeout_s)

        self._stream.resting_deadline = _NEVER
        self._stream.raise_limits(MAX_HEADER, MAX_BODY, take, self._around.bodies)

    def _say_why(self) -> None:
        """Tell the peer why this server ends the connection, under the id that belongs to no request."""
        session = self._peer.session
        error: SfosError = ServerStopping()
        if session is not None and session.ended is not None:
            error = session.farewell()
        elif self._slot.gave_way:
            error = _gave_way()
        elif not self._around.stopping():
            return  # cut for being too slow: it would not hear
        with contextlib.suppress(StreamEnded):
            self._stream.send(encode_error(UNKNOWN_ID, error))

    def _end(self, reason: str) -> None:
        self._stream.close(_LINGER_S)
        peer = self._peer
        if peer.session is not None:
            self._around.sessions.leave(peer.session, self)
        if self._slot.gave_way:
            self._note_giving_way()
        self._slot.leave()
        level = logging.INFO if peer.session is not None or self._has_line() else logging.DEBUG
        _log.log(
            level,
            "connection %d closed user=%s commands=%d errors=%d in=%d out=%d ms=%d: %s",
            self.number,
            peer.user,
            self._commands,
            self._errors,
            self._stream.bytes_in,
            self._stream.bytes_out,
            (time.monotonic() - self._opened) * 1000,
            reason,
        )
        self._on_end(self)
        del self._peer, self._waiting  # which know this connection: see TlsStream.close

    def _has_line(self) -> bool:
        """Whether a stranger gets a line in the log; whoever has signed in does."""
        without = self._around.lines.take()
        if without:
            _log.info("%d line(s) about connections of strangers were left out before this one", without)
        return without is not None

    def _note_giving_way(self) -> None:
        peer, audit = self._peer, self._around.audit
        if peer.session is not None:
            audit.write_of_user(GAVE_WAY_EVENT, peer.session.user, host=peer.group, address=peer.address)
        else:
            audit.write_of_stranger(GAVE_WAY_EVENT, peer.group, address=peer.address)


def _gave_way() -> ServerBusy:
    return ServerBusy("Others need the place of this connection; try again shortly.", retry_after_s=_AGAIN_S)


class _StreamedEvents:
    """Events of one watch, on its connection. Raises: StreamEnded, Interrupted."""

    def __init__(self, stream: TlsStream, request_id: int) -> None:
        self._stream = stream
        self._request_id = request_id

    def send(self, event: Reply, body: Buffer = b"") -> None:
        """See EventSink."""
        self._stream.send(encode_event(self._request_id, event), (body,))

    def wait(self, bell: Bell, timeout_s: float) -> None:
        """See EventSink."""
        self._stream.wait(bell, timeout_s)
