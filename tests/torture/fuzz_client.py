"""Fuzzing the client: a server that proves itself, and then lies in every way that the mutator can think of."""

from __future__ import annotations

import logging
import random
import struct
import threading
import traceback
from collections.abc import Callable
from typing import Any

from sfos.client.administration import Administration
from sfos.client.api import Api
from sfos.client.net.trust import ACCEPT_NEW, Trust, TrustStore
from sfos.client.options import ClientOptions, ConnectionOptions, TransferOptions
from sfos.client.session.session import Session
from sfos.client.transfer import TransferEngine
from sfos.protocol import (
    COMMANDS,
    AttachRequest,
    Buffer,
    Entry,
    HelloRequest,
    ListRequest,
    LocalProtocolError,
    LoginFinishRequest,
    LoginStartRequest,
    NotFound,
    Reply,
    ReplyT,
    Request,
    SfosError,
    StatRequest,
    decode_reply,
    decode_result,
    encode_error,
    encode_prefix,
    encode_request,
    encode_result,
    raise_for_error,
    reply_type,
)
from tests.client.scripted_server import PASSWORD, USER, Answer, Handler, HonestAnswer, RawAnswer, ScriptedServer
from tests.support.retrying import for_s, times
from tests.support.sample_messages import FILE, FOLDER, LARGE, LINK, REPLIES, REQUESTS, SESSION, SPACE
from tests.torture.fuzz_decoders import Cases
from tests.torture.fuzz_mutator import Mutator
from tests.torture.scenario import Context, Figures

_PREFIX = struct.Struct(">II")

_REFUSED = encode_error(7, NotFound("No.", subject="/x", retry_after_s=0.5))
_HEADERS = {
    name: encode_result(7, sample.message) for name, sample in REPLIES.items() if isinstance(sample.message, Reply)
}


class Liar:
    """Answers every command with a damaged reply. The ways from bytes to values are the real ones."""

    def __init__(self, mutator: Mutator, choose: Callable[[int], int]) -> None:
        self._mutator = mutator
        self._choose = choose

    def reply(self, command: type[Request[Any]]) -> tuple[bytes, bytes]:
        """The header and the body of an answer."""
        header, body = _HEADERS[command], REPLIES[command].body
        how = self._choose(8)
        if how == 0:
            header = self._mutator.json(_REFUSED)
        elif how < 5:
            header = self._mutator.json(header)
        if body and how >= 4:
            body = self._mutator.json(body) if body[:1] == b"[" else self._mutator.data(body)
        return header, body

    def call(self, request: Request[ReplyT], *body: Buffer) -> tuple[ReplyT, memoryview]:
        """As a Connection would do it."""
        encode_prefix(encode_request(7, request), sum(map(len, body)))
        header, reply_body = self.reply(type(request))
        envelope = decode_reply(header)
        raise_for_error(envelope)
        return decode_result(reply_type(request), envelope.result), memoryview(reply_body)


def fuzz_replies(context: Context) -> Figures:
    """Replies as the client's own code reads them: lists, changes, manifests, chunks, results, accounts."""
    chance = context.random
    liar = Liar(Mutator(chance), chance.randrange)
    api = Api(liar, lambda: SPACE)
    administration = Administration(api.caller, SESSION.password_policy)
    told: list[Entry] = [FILE, LARGE, FOLDER]

    def some() -> Entry:
        return chance.choice(told)

    def listed() -> None:
        told[3:] = api.list_folder("/")[:20]

    def changed() -> None:
        told[3:] = [change.entry for change in api.changes(SPACE.cursor)[0]][:20]

    def answers() -> None:
        """Those whose answers are only decoded."""
        asked = REQUESTS[chance.choice(tuple(COMMANDS))]
        assert isinstance(asked.message, Request)
        liar.call(asked.message, asked.body)

    ways: list[Callable[[], object]] = [
        *(listed, changed),
        *(lambda: list(api.walk("/")), lambda: api.list_folders(["/", some()])),
        *(lambda: api.read_range(LARGE, 10, 700_000), lambda: api.read_range(FILE), lambda: api.read_range(some())),
        *(lambda: api.stat(some()), lambda: api.make_folder("/x"), lambda: api.move(some(), "/y"), api.usage),
        *(lambda: api.copy(some(), "/y"), lambda: api.delete([some(), "/x"]), api.sessions, api.end_sessions),
        *(administration.accounts, administration.penalties, administration.sessions),
        lambda: administration.audit_lines(5),
        *(lambda: administration.set_role("user1", "user"), lambda: administration.lift(user="user1")),
    ]  # fmt: skip
    return Cases(context, "replies", SfosError).run(lambda: chance.choice(ways)())  # noqa: PLW0108 - another way each time


# --- Over TLS -----------------------------------------------------------------------------------------------------

_IMPATIENT = ClientOptions(
    ConnectionOptions(connect_timeout_s=5.0, login_timeout_s=5.0, reply_timeout_s=1.0, retry=for_s(0.0)),
    TransferOptions(retry=times(0, 0.0), connections=1),
)
_PATIENCE_S = 30.0
_WATCHED_S = 0.05


class _Errors(logging.Handler):
    """Errors that the client logs: mistakes of its own."""

    def __init__(self, context: Context) -> None:
        super().__init__(logging.ERROR)
        self._context = context
        self._seen: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        kind = f"{record.name}: {record.getMessage()}"
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            where = traceback.extract_tb(error.__traceback__)[-1]
            kind = (
                f"{record.name}: {type(error).__name__} at {where.filename.rpartition('/')[2]}:{where.lineno}: {error}"
            )
        if kind[:120] not in self._seen:
            self._seen.add(kind[:120])
            self._context.broken(f"the client logged {kind}")


def fuzz_hostile_server(context: Context) -> Figures:
    """A whole client, with transfers, against a real TLS server that lies."""
    chance = context.random
    errors = _Errors(context)
    logging.getLogger().addHandler(errors)
    liar = Liar(Mutator(chance), chance.randrange)
    trust = Trust(TrustStore(context.workplace / "trust/pins.json"), ACCEPT_NEW)
    try:
        with ScriptedServer() as server, Session.sign_in(server.address, USER, PASSWORD, trust, _IMPATIENT) as session:
            for command in COMMANDS:
                server.handlers[command] = _lying(liar, command, chance)
            _bother(context, session)
    finally:
        logging.getLogger().removeHandler(errors)
    return context.figures()


_SIGNING_IN = (HelloRequest, AttachRequest, LoginStartRequest, LoginFinishRequest)


def _lying(liar: Liar, command: type[Request[Any]], chance: random.Random) -> Handler:
    often = 0.05 if command in (*_SIGNING_IN, StatRequest, ListRequest) else 1.0

    def answer(request_id: int) -> bytes:
        header, body = liar.reply(command)
        header = header.replace(b'"id":7', b'"id":%d' % request_id, 1)
        return _PREFIX.pack(len(header), len(body)) + header + body

    def handler(request: Request[Any], body: bytes) -> Answer:
        if chance.random() < often:
            raise RawAnswer(answer, hang_up=chance.random() < 0.1)
        sample = REPLIES[command]
        if command in _SIGNING_IN:
            raise HonestAnswer
        assert isinstance(sample.message, Reply)
        return sample.message, sample.body

    return handler


def _bother(context: Context, session: Session) -> None:
    chance = context.random
    entries = [FILE, LARGE, FOLDER, LINK]
    (context.workplace / "source").mkdir()
    (context.workplace / "source/large").write_bytes(bytes(600_000))
    (context.workplace / "source/small").write_bytes(b"small")

    def watched() -> None:
        with session.watch() as watch:
            end = threading.Timer(_WATCHED_S, watch.close)  # for itself it goes on for ever, whatever it is told
            end.start()
            try:
                for _ in watch:
                    pass
            finally:
                end.cancel()
                end.join()

    def transferred(download: bool) -> None:
        with TransferEngine(session) as engine:
            if download:
                job = engine.download(chance.sample(entries, 2), context.workplace / "to")
            else:
                job = engine.upload([context.workplace / "source"], "/")
            if not job.wait(_PATIENCE_S):
                context.broken(f"a transfer hangs: {job.progress}")
                job.cancel()
            for item in job.failed_items():
                if isinstance(item.error, LocalProtocolError):
                    context.broken(f"untyped: {item.error}")

    api = session.api
    ways: list[Callable[[], object]] = [
        *(lambda: transferred(True), lambda: transferred(False), watched),
        *(lambda: api.list_folder("/"), lambda: api.read_range(LARGE), lambda: api.read_range(FILE)),
        *(lambda: api.stat("/"), lambda: api.changes("c"), lambda: api.delete(["/x"]), lambda: api.make_folder("/x")),
    ]
    cases = Cases(context, "exchanges", SfosError)
    while context.going():
        cases.attempt(chance.choice(ways))
        context.count("exchanges")
    strays = {path.name for path in context.workplace.iterdir()} - {"trust", "source", "to"}
    if strays:
        context.broken(f"the client wrote where it was not told to: {strays}")
