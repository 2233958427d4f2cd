"""Dispatch from a frame to its reply: envelope → spec → session → role → arguments → handler → reply, or a typed error.

`COMMANDS` says which commands there are and who may give them, `HANDLERS` how each is carried out; a test holds that
the two name the same.
"""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from queue import SimpleQueue

from sfos.protocol import (
    COMMANDS_BY_NAME,
    Access,
    Buffer,
    CommandSpec,
    Frame,
    FrameTooLong,
    HelloRequest,
    LoginRequired,
    MalformedMessage,
    OutOfOrder,
    PasswordChangeRequired,
    PermissionDenied,
    RemoteProtocolError,
    RequestEnvelope,
    ServerBusy,
    ServerFault,
    SessionEnded,
    SfosError,
    StorageFull,
    UnknownCommand,
    decode_args,
    decode_request,
    encode_error,
    encode_result,
)
from sfos.server.commands.calls import Call, Continuation, Handlers, Peer, Services
from sfos.server.disk.reserve import says_full
from sfos.server.identity.credential_file import CredentialsUnreadable
from sfos.server.net.reply_buffers import ReplyBuffers, ReplyRoom
from sfos.server.process.waiting import NobodyWaits, look, name_request

_log = logging.getLogger(__name__)

UNKNOWN_ID = 0
"""Under which a message is answered whose own id could not be read. Clients count from 1."""

_NO_ACCOUNTS = "The server cannot check accounts just now; try again shortly, or tell its administrator."
_ACCOUNTS_AGAIN_S = 5.0


@dataclass(slots=True)
class Response:
    """Response to a request, and what is to be done then. Its body lies in the room that it was answered in."""

    command: str
    header: bytes
    body: tuple[Buffer, ...] = ()
    error: str | None = None
    then: Continuation | None = None
    request_id: int = UNKNOWN_ID


class _Turns:
    """As many at once as there are slots; the others wait. `with` it."""

    def __init__(self, slots: int) -> None:
        self._free: SimpleQueue[None] = SimpleQueue()  # as a semaphore: threading's are Python, and cost 3 µs a turn
        for _ in range(slots):
            self._free.put(None)

    def __enter__(self) -> None:
        self._free.get()

    def __exit__(self, *_: object) -> None:
        self._free.put(None)


class Dispatcher:
    """Answers requests. One for each server; called by the threads of all connections at once."""

    def __init__(self, services: Services, handlers: Handlers, slots: int, memory_timeout_s: float) -> None:
        self._services = services
        self._handlers = handlers
        self._turns = _Turns(slots)
        self._memory_timeout_s = memory_timeout_s
        self._buffers = ReplyBuffers()

    def room(self) -> ReplyRoom:
        """Memory for one reply: `with` it around `answer` and the sending."""
        return self._buffers.room()

    def answer(self, peer: Peer, frame: Frame, room: ReplyRoom) -> Response:
        """The reply to the request in `frame`, whatever it is. Sets `peer.leaving` if the connection is of no more use.

        What its body takes is lent by `room`.

        Never raises: a mistake of this program is logged with its traceback under an id, and the client gets that id.
        """
        try:
            envelope = decode_request(frame.header)
        except SfosError as error:
            peer.leaving = True
            return Response("?", encode_error(UNKNOWN_ID, error), error=error.code)
        try:
            return self._carry_out(peer, envelope, frame.body, room)
        except SfosError as error:
            if isinstance(error, RemoteProtocolError):
                level = logging.INFO if peer.session is not None else logging.DEBUG  # strangers would fill the log
                _log.log(level, "request %d (%.64s) refused: %s", envelope.id, envelope.command, error)
            return _failed(envelope, error)
        except NobodyWaits as stopped:
            peer.leaving = True
            return _failed(envelope, stopped.told)
        except CredentialsUnreadable:  # the watchdog's sweep has it in the log, once
            return _failed(envelope, ServerBusy(_NO_ACCOUNTS, retry_after_s=_ACCOUNTS_AGAIN_S))
        except OSError as error:
            if not says_full(error):
                return _failed(envelope, _unexpected(peer, envelope.command, error))
            _log.error("connection %d command=%s: the disk is full: %s", peer.number, envelope.command, error)
            return _failed(envelope, StorageFull())
        except Exception as error:  # no request may end the thread, whatever is wrong with its handler
            fault = _unexpected(peer, envelope.command, error)
            return _failed(envelope, fault)

    def _carry_out(self, peer: Peer, envelope: RequestEnvelope, body: memoryview, room: ReplyRoom) -> Response:
        spec = COMMANDS_BY_NAME.get(envelope.command)
        if spec is None:
            raise UnknownCommand(subject=envelope.command[:64])
        self._check_order(peer, spec)
        self._check_access(peer, spec)
        if len(body) > spec.request_body:
            if not spec.request_body:
                raise MalformedMessage(f"{spec.name} takes no body.")
            raise FrameTooLong(f"{spec.name} takes a body of at most {spec.request_body} bytes.")
        args = decode_args(spec.request, envelope.args)
        handler = self._handlers[spec.request]
        name_request(envelope.id, spec.name)
        if size_bytes := handler.reply_bytes(args):
            owner = peer.session.user_id if peer.session is not None else ""
            room.charge(self._services.outgoing.take(owner, size_bytes, self._memory_timeout_s))
        peer.core.about_to(handler.short)
        try:
            call = Call(self._services, peer, args, body, self._turns, room)
            if handler.short or peer.session is None:
                answer = handler.run(call)
            else:
                with self._services.long_turns.turn(peer.session.user_id, look):
                    answer = handler.run(call)
        except BaseException:
            room.release()  # who reads the error slowly shall hold nothing of the budget
            raise
        room.settle(answer.body)
        header = encode_result(envelope.id, answer.reply)
        return Response(spec.name, header, tuple(answer.body), None, answer.then, envelope.id)

    @staticmethod
    def _check_order(peer: Peer, spec: CommandSpec) -> None:
        if not peer.greeted and spec.request is not HelloRequest:
            raise OutOfOrder("Say hello first.")

    def _check_access(self, peer: Peer, spec: CommandSpec) -> None:
        session = peer.session
        if session is not None:
            try:
                self._services.sessions.check(session)
            except SessionEnded:
                peer.leaving = True
                raise
            self._services.sessions.touch(session)
        if spec.access is Access.ANYONE:
            return
        if session is None:
            raise LoginRequired
        if session.temporary and not spec.with_temporary_password:
            raise PasswordChangeRequired
        if spec.access is Access.ADMIN and session.role != "admin":
            raise PermissionDenied


def _failed(envelope: RequestEnvelope, error: SfosError) -> Response:
    return Response(envelope.command[:64], encode_error(envelope.id, error), error=error.code, request_id=envelope.id)


def _unexpected(peer: Peer, command: str, error: Exception) -> ServerFault:
    error_id = secrets.token_hex(4)
    _log.error("error %s: connection %d user=%s command=%s", error_id, peer.number, peer.user, command, exc_info=error)
    return ServerFault(f"The server made a mistake; its administrator finds error {error_id} in the log.")
