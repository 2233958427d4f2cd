"""Fuzzing in this process: what takes apart the bytes of a stranger, a million times over.

No crash, no hang, no untyped error, and nothing gets in that should not: a damaged sign-in never succeeds, an accepted
name has no part that could hurt.
"""

from __future__ import annotations

import struct
import time
import traceback
import unicodedata
from collections.abc import Callable

from sfos.client.local.names import to_local, to_remote
from sfos.protocol import (
    COMMANDS_BY_NAME,
    MAX_BODY,
    MAX_HEADER,
    ClientExchange,
    CommitRequest,
    Frame,
    FrameDecoder,
    GetChunksRequest,
    HaveRequest,
    PutChunksRequest,
    Request,
    SaltedPassword,
    ScramError,
    ServerExchange,
    SfosError,
    check_name,
    decode_args,
    decode_request,
    encode_request,
    fold_name,
    printable,
    split_data,
    split_path,
    unpack_commit,
    unpack_ids,
    unpack_records,
    unpack_wants,
    verifier_of,
)
from tests.support.sample_messages import REQUESTS
from tests.torture.fuzz_mutator import NASTY_TEXTS, Mutator
from tests.torture.scenario import Context, Figures

_BATCH = 250  # cases between two looks at the clock
_SLOWEST_S = 2.0  # of CPU for one case of at most some megabytes: more is a hang in the making


class Cases:
    """Runs cases, and notes each kind of untyped error once, with the input that led to it."""

    def __init__(self, context: Context, name: str, *typed: type[Exception]) -> None:
        self._context = context
        self._name = name
        self._typed = typed
        self._seen: set[str] = set()

    def run(self, case: Callable[[], object]) -> Figures:
        """Call `case` again and again. Each call returns what it was about, for the report; typed errors are fine."""
        while self._context.going():
            for _ in range(_BATCH):
                self.attempt(case)
            self._context.count(self._name, _BATCH)
        return self._context.figures()

    def attempt(self, case: Callable[[], object]) -> None:
        """One case."""
        begun = time.thread_time()
        try:
            case()
        except self._typed:
            self._context.count("refused")
        except Exception as error:  # the very thing that is looked for
            self._note(error)
        if time.thread_time() - begun > _SLOWEST_S:
            self._context.broken(f"a case took {time.thread_time() - begun:.1f} s of CPU")

    def _note(self, error: Exception) -> None:
        where = traceback.extract_tb(error.__traceback__)[-1]
        kind = f"{type(error).__name__} at {where.filename.rpartition('/')[2]}:{where.lineno}"
        if kind not in self._seen:
            self._seen.add(kind)
            self._context.broken(f"{kind}: {str(error)[:300]}\n{''.join(traceback.format_exception(error)[-4:])}")


# --- Frames -------------------------------------------------------------------------------------------------------

_PREFIX = struct.Struct(">II")
_HEADERS = [encode_request(7, sample.message) for sample in REQUESTS.values() if isinstance(sample.message, Request)]
_BODIES = [sample.body for sample in REQUESTS.values()]


def fuzz_frames(context: Context) -> Figures:
    """Frames as a server reads them: their lengths, their envelope, their arguments, their body."""
    chance, mutator = context.random, Mutator(context.random)

    def one() -> None:
        which = chance.randrange(len(_HEADERS))
        header, body = _HEADERS[which], _BODIES[which]
        damage = chance.randrange(8)
        if damage:
            header = mutator.json(header)
        if body and damage in (0, 1, 2, 3):
            body = mutator.data(body)
        stream = _PREFIX.pack(len(header), len(body)) + header + body
        if damage == 7:
            stream = mutator.data(stream[:40]) + stream[40:]
        decoder = FrameDecoder(MAX_HEADER, MAX_BODY, _allocate)
        for piece in mutator.split(stream):
            for frame in decoder.feed(piece):
                read_request(frame)
        decoder.end()

    return Cases(context, "frames", SfosError).run(one)


def _allocate(size_bytes: int) -> bytearray:
    assert size_bytes <= MAX_BODY, "memory is taken before the length is checked"
    return bytearray(size_bytes)


def read_request(frame: Frame) -> None:
    """All that is read of a request before anything is done. Raises: SfosError."""
    envelope = decode_request(frame.header)
    spec = COMMANDS_BY_NAME.get(envelope.command)
    if spec is None:
        return
    args = decode_args(spec.request, envelope.args)
    if isinstance(args, CommitRequest):
        commit = unpack_commit(args, frame.body)
        assert sum(len(data) for _, data in split_data(commit.inline, commit.data)) == len(commit.data)
    elif isinstance(args, PutChunksRequest):
        records = unpack_records(frame.body[: args.chunks * 36])
        assert all(len(data) == record.length for record, data in split_data(records, frame.body[args.chunks * 36 :]))
    elif isinstance(args, GetChunksRequest):
        unpack_wants(frame.body)
    elif isinstance(args, HaveRequest):
        unpack_ids(frame.body)


# --- Signing in ---------------------------------------------------------------------------------------------------

_SALTED = SaltedPassword(b"s" * 16, 600_000, b"K" * 32)
_VERIFIER = verifier_of(_SALTED)
_BINDING = b"b" * 32


def fuzz_logins(context: Context) -> Figures:
    """Both sides of SCRAM: whatever is changed on the way, nobody is let in, and nobody is believed."""
    chance, mutator = context.random, Mutator(context.random)

    def one() -> None:
        client = ClientExchange("anna", None, _BINDING, salted=_SALTED, nonce="C" * 24)
        server = ServerExchange(_BINDING, nonce="S" * 24)
        damaged = chance.randrange(4)
        server.read_first(_changed(mutator, client.first(), damaged == 0))
        server_first = server.reply(_VERIFIER)
        client_final = client.final(_changed(mutator, server_first, damaged == 1))
        server_final = server.finish(_changed(mutator, client_final, damaged == 2))
        client.verify(_changed(mutator, server_final, damaged == 3))

    cases = Cases(context, "sign-ins", ScramError)
    return cases.run(lambda: _must_fail(one, context))


class _Unchanged(Exception):
    """The damage did nothing this time."""


def _changed(mutator: Mutator, message: str, wanted: bool) -> str:
    if not wanted:
        return message
    damaged = mutator.text(message)
    if damaged == message or damaged.startswith(message + ","):  # extensions may follow a server's last word
        raise _Unchanged
    return damaged


def _must_fail(exchange: Callable[[], None], context: Context) -> None:
    try:
        exchange()
    except _Unchanged:
        return
    context.broken("a sign-in with a changed message succeeded")


# --- Names --------------------------------------------------------------------------------------------------------

_NAMES = ("report.txt", "Größe", "e\u0301tude", "日本語", "a b", ".hidden", "x" * 250, "\U0001f600", "archive.tar.gz")


def fuzz_names(context: Context) -> Figures:
    """Names and paths: refused with a reason, or harmless everywhere they may come to."""
    chance, mutator = context.random, Mutator(context.random)

    def one() -> None:
        name = chance.choice(_NAMES)
        if chance.random() < 0.5:
            name += chance.choice(NASTY_TEXTS)
        name = mutator.text(name)
        shown = printable(name)
        assert shown.isprintable(), "what is shown could steer a terminal"
        if chance.random() < 0.3:
            for part in split_path("/" + "/".join((chance.choice(_NAMES), name))):
                _is_harmless(part)
        else:
            _is_harmless(check_name(name))

    return Cases(context, "names", SfosError).run(one)


def _is_harmless(name: str) -> None:
    encoded = name.encode()  # no surrogates, or this raises what is not typed
    assert 0 < len(encoded) <= 255, "length"
    assert name == unicodedata.normalize("NFC", name), "not NFC"
    assert name not in (".", "..") and not set(name) & set("/\\\0\u202e\u2066\u2028"), "a part that could hurt"
    assert not any(unicodedata.category(character) == "Cc" for character in name), "a control character"
    assert check_name(name) == name, "checked twice it is another"
    fold_name(name)
    on_windows = to_local(name, windows=True)
    assert on_windows[-1] not in ". " and not set(on_windows) & set('<>:"|?*'), "a name that Windows refuses"
    if not any(0xF000 < ord(character) < 0xF080 for character in name):
        assert to_remote(on_windows, windows=True) == name, "a name that does not come back from Windows"
