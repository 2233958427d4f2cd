"""A server that breaks its word: the client notices, believes nothing, and writes nowhere it was not told to."""

from __future__ import annotations

import itertools
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from secrets import token_urlsafe

import pytest
from msgspec.structs import replace

import client.api
from client.administration import Administration
from client.errors import ConnectionLost, LocalDiskFull, LocalNameNotAllowed, ServerNotGenuine
from client.session import Session
from client.transfer import Job, JobState, TransferEngine
from client.trust import Trust
from protocol import (
    MAX_BODY,
    MAX_DEPTH,
    MAX_ITERATIONS,
    MIN_ITERATIONS,
    AccountEntry,
    AccountReply,
    AccountsReply,
    AttachReply,
    BadChunk,
    ChangesReply,
    ChunkRecord,
    Entry,
    FrameTooLong,
    GetChunksReply,
    HaveReply,
    HelloReply,
    ListedFolder,
    ListReply,
    ListRequest,
    LoginFinishReply,
    LoginStartReply,
    LoginStartRequest,
    MalformedMessage,
    ManifestReply,
    NameNotAllowed,
    NamesIn,
    NotFound,
    OutOfOrder,
    PasswordPolicy,
    PasswordRefused,
    RemoteProtocolError,
    Request,
    ServerBusy,
    StatReply,
    StatRequest,
    TooMuch,
    UnsupportedVersion,
    Verifier,
    chunk_id,
    content_id,
    encode_array,
    encode_error,
    encode_frame,
    encode_result,
    from_info,
    make_verifier,
    pack_lengths,
    pack_names,
    pack_records,
)
from tests.client.conftest import OPTIONS
from tests.client.scripted_server import CHUNK_KEY, PASSWORD, USER, Answer, RawAnswer, ScriptedServer, session_info

Finish = Callable[[Job], JobState]
HASTY = replace(
    OPTIONS,
    connection=replace(OPTIONS.connection, retry_for_s=0.2),
    transfer=replace(OPTIONS.transfer, retries=1, retry_base_s=0.01),
)
ANNA = AccountEntry(name="anna", role="user", id="0" * 32)
ROOT = Entry(node=1, parent=0, name="", kind="folder", revision="1", path="/")


def file(name: str, content: bytes = b"content", node: int = 7) -> Entry:
    return Entry(
        node=node,
        parent=1,
        name=name,
        kind="file",
        revision="1",
        size=len(content),
        content=chunk_id(CHUNK_KEY, content),
    )


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def session(server: ScriptedServer, trust: Trust) -> Iterator[Session]:
    with Session.sign_in(server.address, USER, PASSWORD, trust, HASTY) as session:
        yield session


@pytest.fixture
def engine(session: Session) -> Iterator[TransferEngine]:
    with TransferEngine(session) as engine:
        yield engine


def sign_in(server: ScriptedServer, trust: Trust) -> None:
    with Session.sign_in(server.address, USER, PASSWORD, trust, HASTY):
        pass


def answering(*answers: Answer) -> Callable[[Request, bytes], Answer]:
    """A handler that gives these answers in turn, the last one again and again."""
    left = list(answers)
    return lambda request, body: left.pop(0) if len(left) > 1 else left[0]


def raw(data: bytes, drip_s: float = 0.0) -> Callable[[Request, bytes], Answer]:
    def handler(request: Request, body: bytes) -> Answer:
        raise RawAnswer(data, drip_s=drip_s)

    return handler


# ── signing in ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_honest_server_is_believed(session: Session) -> None:
    assert session.info.user == USER


@pytest.mark.parametrize("iterations", [1, 4096, 599_999, 5_000_001, 2**31])
def test_a_server_that_asks_for_too_little_or_too_much_work_gets_no_proof(
    server: ScriptedServer, trust: Trust, iterations: int
) -> None:
    def start(request: Request, body: bytes) -> Answer:
        assert isinstance(request, LoginStartRequest)
        nonce = request.message.rpartition("r=")[2]
        return LoginStartReply(message=f"r={nonce}{'x' * 20},s=c2FsdHNhbHQ=,i={iterations}"), b""

    server.handlers["login_start"] = start
    with pytest.raises(ServerNotGenuine):
        sign_in(server, trust)
    assert "login_finish" not in server.requests
    assert trust.store.pins() == {}


def test_a_server_that_cannot_prove_itself_is_not_believed_and_not_pinned(server: ScriptedServer, trust: Trust) -> None:
    reply = LoginFinishReply(message="v=" + "A" * 43 + "=", ticket_id="t", ticket=b"t" * 32, session=session_info())
    server.handlers["login_finish"] = answering((reply, b""))
    with pytest.raises(ServerNotGenuine):
        sign_in(server, trust)
    assert trust.store.pins() == {}


def test_a_server_that_does_not_know_the_ticket_is_not_believed(server: ScriptedServer, session: Session) -> None:
    server.handlers["attach"] = answering((AttachReply(proof=b"\0" * 32, session=session_info()), b""))
    with pytest.raises(ServerNotGenuine):
        session.connect_more()


def test_a_newer_server_says_so(server: ScriptedServer, trust: Trust) -> None:
    server.handlers["hello"] = answering((HelloReply(version=2), b""))
    with pytest.raises(UnsupportedVersion):
        sign_in(server, trust)


def test_a_server_that_drips_is_given_up_in_time(server: ScriptedServer, trust: Trust) -> None:
    server.handlers["hello"] = raw(encode_frame(encode_result(1, HelloReply(version=1))), drip_s=1.0)
    hasty = replace(HASTY, connection=replace(HASTY.connection, login_timeout_s=1.0))
    begun = time.monotonic()
    with pytest.raises(ConnectionLost, match="within 1 s"):
        Session.sign_in(server.address, USER, PASSWORD, trust, hasty)
    assert time.monotonic() - begun < 15, "dripping it all would take more than 30 s"


def test_a_server_at_its_limit_says_so_before_anything_was_asked(server: ScriptedServer, trust: Trust) -> None:
    server.handlers["hello"] = raw(encode_frame(encode_error(0, ServerBusy())))
    with pytest.raises(ServerBusy):
        sign_in(server, trust)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (struct.pack(">II", 8 * 1024 + 1, 0), FrameTooLong),
        (struct.pack(">II", 2**32 - 1, 2**32 - 1), FrameTooLong),
        (struct.pack(">II", 10, 1), FrameTooLong),
        (struct.pack(">II", 0, 0), MalformedMessage),
        (encode_frame(b"{"), MalformedMessage),
        (encode_frame(b"\xff\xff"), MalformedMessage),
        (encode_frame(b"[" * 5000), MalformedMessage),
        (encode_frame(b"{}"), MalformedMessage),
        (encode_frame(b'{"id":1,"result":{"version":"1"}}'), MalformedMessage),
        (encode_frame(b'{"id":1,"result":{"version":99999999999999999999}}'), (MalformedMessage, UnsupportedVersion)),
        (encode_frame(b'{"id":2,"result":{"version":1}}'), OutOfOrder),
        (encode_frame(b'{"id":1,"event":{"cursor":"x"}}'), OutOfOrder),
        (encode_frame(b'{"id":1,"result":{"version":1}}')[:-1], ConnectionLost),
        (b"", ConnectionLost),
    ],
)
def test_a_reply_that_is_none_is_a_typed_error(
    server: ScriptedServer, trust: Trust, data: bytes, error: type[Exception]
) -> None:
    server.handlers["hello"] = raw(data)
    with pytest.raises(error):
        sign_in(server, trust)


# ── lists ───────────────────────────────────────────────────────────────────────────────────────────────────────


def listing(*entries: Entry, node: int = 1, more: str | None = None) -> Answer:
    return ListReply(at="c", folders=(ListedFolder(node=node),), next=more), encode_array(entries)


def test_entries_of_a_folder_that_was_not_asked_for_are_refused(server: ScriptedServer, session: Session) -> None:
    stray = Entry(node=9, parent=5, name="stray", kind="file", revision="1")
    server.handlers["list"] = answering(listing(file("fine"), stray))
    with pytest.raises(RemoteProtocolError):
        session.api.list_folder("/")


def names(*runs: tuple[NamesIn, list[bytes]], more: str | None = None) -> Answer:
    names_at, body = pack_names(runs)
    return ListReply(at="c", folders=(ListedFolder(node=1),), next=more, names_at=names_at), body


def test_names_in_a_folder_that_was_not_asked_for_are_refused(server: ScriptedServer, session: Session) -> None:
    server.handlers["list"] = answering(names((NamesIn(folder=5, count=1), [b"stray"])))
    with pytest.raises(RemoteProtocolError, match="not in the folders"):
        session.api.list_names(["/"])


def test_names_without_an_end_are_given_up(
    server: ScriptedServer, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    cursors = map(str, itertools.count())
    server.handlers["list"] = lambda request, body: names(more=next(cursors))
    with pytest.raises(RemoteProtocolError, match="no end"):
        session.api.list_names(["/"])
    assert server.requests.count("list") == 2
    monkeypatch.setattr(client.api, "_MOST_ENTRIES", 1000)
    server.handlers["list"] = lambda request, body: names(
        (NamesIn(folder=1, count=100), [b"x"] * 100), more=next(cursors)
    )
    with pytest.raises(TooMuch, match="more than 1,000 entries"):
        session.api.list_names(["/"])


def test_a_tree_of_names_that_leads_into_itself_is_walked_once(server: ScriptedServer, session: Session) -> None:
    itself = NamesIn(folder=1, count=2, folders=((0, 1), (1, 1)))
    server.handlers["list"] = lambda request, body: names((itself, [b"again", b"and again"]))
    assert [listing.path for listing in session.api.walk_names("/")] == [(), ("again",)]


def test_a_list_without_an_end_is_given_up(server: ScriptedServer, session: Session) -> None:
    server.handlers["list"] = answering(listing(file("a"), more="x"), (ListReply(at="c", next="x"), b"[]"))
    with pytest.raises(RemoteProtocolError, match="no end"):
        session.api.list_folder("/")


def test_a_list_that_goes_round_in_circles_is_given_up_at_the_first_page_that_comes_again(
    server: ScriptedServer, session: Session
) -> None:
    cursors = itertools.cycle("abc")
    server.handlers["list"] = lambda request, body: listing(file("x"), more=next(cursors))
    with pytest.raises(RemoteProtocolError, match="no end"):
        session.api.list_folder("/")
    assert server.requests.count("list") == 4
    server.handlers["changes"] = lambda request, body: (ChangesReply(cursor=next(cursors), more=True), b"[]")
    with pytest.raises(RemoteProtocolError, match="no end"):
        session.api.changes("c")
    assert server.requests.count("changes") == 2


def test_a_list_or_tree_that_would_fill_the_memory_is_given_up_with_a_reason(
    server: ScriptedServer, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client.api, "_MOST_ENTRIES", 1000)
    numbers = itertools.count(10)
    entries = [file(f"x{number}", node=number) for number in range(10, 110)]
    server.handlers["list"] = lambda request, body: listing(*entries, more=str(next(numbers)))
    with pytest.raises(TooMuch, match="more than 1,000 entries"):
        session.api.list_folder("/")
    server.handlers["list"] = two_folders_in_each
    with pytest.raises(TooMuch, match="more than 1,000 entries"):
        list(session.api.walk("/"))


def two_folders_in_each(request: Request, body: bytes) -> Answer:
    assert isinstance(request, ListRequest)
    nodes = [ref.node or 1 for ref in request.folders]
    inside = [
        Entry(node=2 * node + one, parent=node, name=f"f{one}", kind="folder", revision="1")
        for node in nodes
        for one in (0, 1)
    ]
    return ListReply(at="c", folders=tuple(ListedFolder(node=node) for node in nodes)), encode_array(inside)


def test_a_tree_deeper_than_any_can_be_is_given_up(server: ScriptedServer, session: Session) -> None:
    def deeper(request: Request, body: bytes) -> Answer:
        assert isinstance(request, ListRequest)
        node = request.folders[0].node or 1
        inside = Entry(node=node + 1, parent=node, name="f", kind="folder", revision="1")
        return listing(inside, node=node)

    server.handlers["list"] = deeper
    with pytest.raises(RemoteProtocolError, match="nested deeper"):
        list(session.api.walk("/"))
    assert server.requests.count("list") <= MAX_DEPTH + 1


def test_another_number_of_folders_than_asked_for_is_refused(server: ScriptedServer, session: Session) -> None:
    server.handlers["list"] = answering((ListReply(at="c"), b""))
    with pytest.raises(RemoteProtocolError):
        session.api.list_folder("/")


def test_a_folder_that_contains_itself_does_not_keep_a_walk_for_ever(server: ScriptedServer, session: Session) -> None:
    again = Entry(node=1, parent=1, name="again", kind="folder", revision="1")
    server.handlers["list"] = answering(listing(again))
    assert len(list(session.api.walk("/"))) <= 2


def test_a_body_larger_than_any_is_refused_before_it_is_read(server: ScriptedServer, session: Session) -> None:
    header = encode_result(4, ListReply(at="c"))
    server.handlers["list"] = raw(struct.pack(">II", len(header), MAX_BODY + 1) + header)
    with pytest.raises(FrameTooLong):
        session.api.list_folder("/")


# ── downloads ───────────────────────────────────────────────────────────────────────────────────────────────────

EVIL_NAMES = ("../evil", "..", "/etc/evil", "a/b", "a\\..\\b", "evil\0", "\u202eevil", "")


@pytest.mark.parametrize("name", EVIL_NAMES)
def test_a_name_from_the_server_never_leads_out_of_the_destination(
    server: ScriptedServer,
    session: Session,
    engine: TransferEngine,
    tmp_path: Path,
    finish: Finish,
    name: str,
) -> None:
    evil_folder = Entry(node=5, parent=1, name=name, kind="folder", revision="1")
    server.handlers["list"] = answering(listing(file(name), evil_folder, file("fine", node=8)))
    server.handlers["get_chunks"] = answering((GetChunksReply(chunks=1), pack_lengths([7]) + b"content"))
    to = tmp_path / "deep/to"
    job = engine.download([ROOT], to)
    assert finish(job) is JobState.FAILED
    assert {type(item.error) for item in job.failed_items()} == {LocalNameNotAllowed}
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*")) if "pins" not in path.name] == [
        "deep",
        "deep/to",
        "deep/to/fine",
    ]


@pytest.mark.parametrize("name", EVIL_NAMES)
def test_nor_does_a_file_alone_in_a_folder_that_the_download_makes(
    server: ScriptedServer, session: Session, engine: TransferEngine, tmp_path: Path, finish: Finish, name: str
) -> None:
    """The short way, on which the names of a folder are looked at together. What is there would be replaced."""
    outside = tmp_path / "outside"
    outside.write_bytes(b"mine")
    evil = name.replace("/etc/evil", str(outside)).replace("../evil", "../../../outside")
    folder = Entry(node=5, parent=1, name="new", kind="folder", revision="1")
    server.handlers["list"] = answering(listing(file(evil)))
    server.handlers["get_chunks"] = answering((GetChunksReply(chunks=1), pack_lengths([7]) + b"content"))
    job = engine.download([folder], tmp_path / "deep/to")
    assert finish(job) is JobState.FAILED
    assert {type(item.error) for item in job.failed_items()} == {LocalNameNotAllowed}
    assert outside.read_bytes() == b"mine"
    found = [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*")) if "pins" not in path.name]
    assert found == ["deep", "deep/to", "deep/to/new", "outside"]


def test_two_names_that_are_one_file_here_are_an_error_of_the_second(
    server: ScriptedServer, session: Session, engine: TransferEngine, tmp_path: Path, finish: Finish
) -> None:
    link = Entry(node=5, parent=1, name="sub", kind="symlink", revision="1")
    folder = Entry(node=6, parent=1, name="sub", kind="folder", revision="1")
    server.handlers["list"] = answering(listing(link, folder))
    job = engine.download([ROOT], tmp_path / "to")
    assert finish(job) is JobState.FAILED
    assert any(isinstance(item.error, NameNotAllowed) for item in job.failed_items())


def test_a_content_that_is_not_what_its_name_says_is_not_written(
    server: ScriptedServer, session: Session, engine: TransferEngine, tmp_path: Path, finish: Finish
) -> None:
    server.handlers["get_chunks"] = answering((GetChunksReply(chunks=1), pack_lengths([7]) + b"CONTENT"))
    job = engine.download([file("file")], tmp_path / "to")
    assert finish(job) is JobState.FAILED
    assert isinstance(job.failed_items()[0].error, BadChunk)
    assert list((tmp_path / "to").iterdir()) == []


@pytest.mark.parametrize(
    ("reply", "body"),
    [
        (GetChunksReply(chunks=2), pack_lengths([7, 1]) + b"contentx"),
        (GetChunksReply(chunks=1), pack_lengths([8]) + b"content"),
        (GetChunksReply(chunks=0), b""),
        (GetChunksReply(chunks=-1), b""),
        (GetChunksReply(chunks=1), pack_lengths([2**32 - 1])),
        (GetChunksReply(chunks=2**62), b"x"),
    ],
)
def test_chunks_that_were_not_asked_for_are_not_taken(
    server: ScriptedServer,
    session: Session,
    engine: TransferEngine,
    tmp_path: Path,
    finish: Finish,
    reply: GetChunksReply,
    body: bytes,
) -> None:
    server.handlers["get_chunks"] = answering((reply, body))
    job = engine.download([file("file")], tmp_path / "to")
    assert finish(job) is JobState.FAILED
    assert list((tmp_path / "to").iterdir()) == []


def large() -> tuple[Entry, list[ChunkRecord], list[bytes]]:
    pieces = [bytes([number]) * 300_000 for number in range(3)]
    records = [ChunkRecord(chunk_id(CHUNK_KEY, piece), len(piece)) for piece in pieces]
    entry = Entry(
        node=7,
        parent=1,
        name="large",
        kind="file",
        revision="1",
        size=900_000,
        content=content_id(CHUNK_KEY, pack_records(records)),
    )
    return entry, records, pieces


def manifest(entry: Entry, records: list[ChunkRecord], chunks: int | None = None) -> Answer:
    assert entry.content is not None
    reply = ManifestReply(
        node=7, revision="1", content=entry.content, size=entry.size, chunks=len(records) if chunks is None else chunks
    )
    return reply, pack_records(records)


def test_a_list_of_chunks_that_is_not_the_files_is_refused(
    server: ScriptedServer, session: Session, engine: TransferEngine, tmp_path: Path, finish: Finish
) -> None:
    entry, records, _ = large()
    for wrong in (
        manifest(entry, records[::-1]),
        manifest(entry, records[:2]),
        manifest(entry, records, chunks=10**9),
        manifest(entry, [*records, *records]),
        manifest(entry, records[:1], chunks=3),
        manifest(entry, []),
    ):
        server.handlers["manifest"] = answering(wrong)
        job = engine.download([entry], tmp_path / "to")
        assert finish(job) is JobState.FAILED
        with pytest.raises((BadChunk, RemoteProtocolError)):
            session.api.read_range(entry)
    assert "get_chunks" not in server.requests
    assert server.requests.count("manifest") == 2 * 6, "a list that dribbles is given up with its first page"
    assert list((tmp_path / "to").iterdir()) == []


def test_what_cannot_fit_is_not_begun_and_both_numbers_are_told(
    server: ScriptedServer, session: Session, engine: TransferEngine, tmp_path: Path, finish: Finish
) -> None:
    job = engine.download([replace(large()[0], size=2**60), file("small")], tmp_path / "to")
    assert finish(job) is JobState.FAILED
    errors = [item.error for item in job.failed_items()]
    assert {type(error) for error in errors} == {LocalDiskFull}
    free = int(str(errors[0]).split("computer has ")[1].split()[0].replace(",", ""))
    assert f"{2**60 + 7:,} bytes are to come" in str(errors[0])
    assert 0 < free < 2**60
    assert {"manifest", "get_chunks"}.isdisjoint(server.requests)
    assert list((tmp_path / "to").iterdir()) == []


def test_a_large_file_with_one_wrong_chunk_is_never_put_in_place(
    server: ScriptedServer, session: Session, engine: TransferEngine, tmp_path: Path, finish: Finish
) -> None:
    entry, records, pieces = large()
    server.handlers["manifest"] = answering(manifest(entry, records))
    body = pack_lengths([300_000] * 3) + pieces[0] + pieces[1] + pieces[1]
    server.handlers["get_chunks"] = answering((GetChunksReply(chunks=3), body))
    job = engine.download([entry], tmp_path / "to")
    assert finish(job) is JobState.FAILED
    assert isinstance(job.failed_items()[0].error, BadChunk)
    assert not (tmp_path / "to/large").exists()
    with pytest.raises(BadChunk):
        session.api.read_range(entry)


# ── uploads ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_answer_for_other_chunks_than_were_asked_about_ends_the_upload(
    server: ScriptedServer, session: Session, engine: TransferEngine, tmp_path: Path, finish: Finish
) -> None:
    (tmp_path / "file").write_bytes(b"x")

    def stat(request: Request, body: bytes) -> Answer:
        assert isinstance(request, StatRequest)
        if request.ref.path != "/":
            raise NotFound
        return StatReply(entry=ROOT), b""

    server.handlers["stat"] = stat
    server.handlers["have"] = answering((HaveReply(), b"\1\1\1"))
    job = engine.upload([tmp_path / "file"], "/")
    assert finish(job) is JobState.FAILED
    assert isinstance(job.failed_items()[0].error, RemoteProtocolError)
    assert "commit" not in server.requests


# ── replies that cannot be read ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("nonsense", [b"{", b"{}", b'{"id":"x","result":{}}', b'{"id":4,"result":{},"event":{}}'])
def test_a_reply_that_cannot_be_read_costs_the_connection_and_not_the_session(
    server: ScriptedServer, session: Session, nonsense: bytes
) -> None:
    def once(request: Request, body: bytes) -> Answer:
        server.handlers["stat"] = answering((StatReply(entry=ROOT), b""))
        raise RawAnswer(encode_frame(nonsense), hang_up=False)

    server.handlers["stat"] = once
    with pytest.raises(MalformedMessage):
        session.api.stat("/")
    assert session.api.stat("/") == ROOT


@pytest.mark.parametrize(
    "field", ['"node":18446744073709551616', '"size":-1', '"mtime_ns":9223372036854775808', '"content":"AAAA"']
)
def test_an_entry_with_what_no_entry_can_have_is_refused_when_it_is_read(
    server: ScriptedServer, session: Session, field: str
) -> None:
    def one(request: Request, body: bytes) -> Answer:
        raise RawAnswer(lambda number: encode_frame(reply(number)), hang_up=False)

    def reply(number: int) -> bytes:
        entry = f'"node":7,"parent":1,"name":"x","kind":"file","revision":"1","size":7,{field}'
        return f'{{"id":{number},"result":{{"entry":{{{entry}}}}}}}'.encode()

    server.handlers["stat"] = one
    with pytest.raises(MalformedMessage):
        session.api.stat("/x")


@pytest.mark.parametrize(("said", "heard"), [(1e300, 86_400.0), (-1e300, 0.0), (2.5, 2.5)])
def test_a_wait_that_a_server_asks_for_is_one_that_a_clock_can_wait(said: float, heard: float) -> None:
    assert from_info(ServerBusy(retry_after_s=said).info()).retry_after_s == heard


def test_a_password_policy_that_asks_for_gigabytes_gets_no_more_than_a_password_can_have(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def generate(count: int) -> str:
        asked.append(count)
        return token_urlsafe(min(count, 1_000))

    monkeypatch.setattr("secrets.token_urlsafe", generate)
    with pytest.raises(PasswordRefused):
        Administration(session.api.commands, PasswordPolicy(min_length=2**40)).generate_password("anna")
    assert 0 < max(asked) <= 1_024


@pytest.mark.parametrize(("said", "done"), [(0, MIN_ITERATIONS), (1, MIN_ITERATIONS), (2**40, MAX_ITERATIONS)])
def test_a_verifier_is_made_with_neither_too_little_nor_too_much_work_whatever_the_server_says(
    server: ScriptedServer, session: Session, monkeypatch: pytest.MonkeyPatch, said: int, done: int
) -> None:
    asked: list[int] = []

    def make(password: str, salt: bytes, iterations: int) -> Verifier:
        asked.append(iterations)
        return make_verifier(password, salt, MIN_ITERATIONS)

    monkeypatch.setattr("client.administration.make_verifier", make)
    server.handlers["admin_accounts"] = lambda _request, _body: (AccountsReply(iterations=said), b"")
    server.handlers["admin_change_account"] = lambda _request, _body: (AccountReply(account=ANNA), b"")
    Administration(session.api.commands, PasswordPolicy()).reset_password("anna", "a good enough pass phrase")
    assert asked == [done]
