"""Defences of docs/security.md that belong to no single part: each test here fails when its defence is taken out."""

from __future__ import annotations

import ast
import base64
import logging
import re
import secrets
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy.dialects import sqlite

import sfos.server as server_package
from sfos.protocol import (
    VERSION,
    ChunkRecord,
    HaveRequest,
    HelloRequest,
    MakeFolderRequest,
    PutChunksRequest,
    Ref,
    StatRequest,
    Target,
    chunk_id,
    encode_frame,
    encode_request,
    pack_ids,
    pack_records,
)
from sfos.server.vault.master import MasterKey
from tests.server.conftest import Running, Serve
from tests.storage.test_plans import STATEMENTS

Wait = Callable[..., None]


# --- Someone on the network ---------------------------------------------------------------------------------------


def test_no_tls_session_is_resumed_so_nothing_can_be_sent_early(server: Running) -> None:
    """Early data (0-RTT) needs a session to go on with; and SCRAM's binding needs keys of its own each time."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    hello = encode_frame(encode_request(1, HelloRequest(version=VERSION, client="a test")))
    earlier: ssl.SSLSession | None = None
    for _ in range(2):
        with (
            socket.create_connection(server.server.address, 10) as sock,
            context.wrap_socket(sock, session=earlier) as tls,
        ):
            assert tls.version() == "TLSv1.3"
            assert not tls.session_reused
            tls.sendall(hello)
            assert tls.recv(1000)  # with it come what tickets there are
            earlier = tls.session


@pytest.mark.parametrize("orderly", [True, False])
def test_an_end_without_close_notify_is_not_taken_for_a_goodbye(
    server: Running, wait_until: Wait, caplog: pytest.LogCaptureFixture, orderly: bool
) -> None:
    """Anyone who can cut a connection could else cut it between two messages, unnoticed."""
    caplog.set_level(logging.INFO, "sfos.server.front.connection")
    peer = server.greeted()
    if orderly:
        peer.close()
    else:
        peer.sock.shutdown(socket.SHUT_WR)
        peer.expect_cut()
    wait_until(lambda: server.server.connections() == 0)
    (closed,) = [record.getMessage() for record in caplog.records if " closed " in record.getMessage()]
    assert closed.endswith(": closed by the peer" if orderly else ": read: Unexpected EOF")


# --- Stolen disk --------------------------------------------------------------------------------------------------


def test_a_master_key_from_the_environment_is_nowhere_in_the_home(
    serve: Serve, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    monkeypatch.setenv("SFOS_MASTER_KEY", key)
    peer = serve().signed_in()
    peer.call(MakeFolderRequest(op_id=secrets.token_bytes(16), target=Target(path="/sealed")))
    files = [path for path in home.rglob("*") if path.is_file()]
    assert any(path.name == "catalog.db" for path in files)
    for path in files:
        content = path.read_bytes()
        assert key.encode() not in content, path
        assert base64.urlsafe_b64decode(key) not in content, path
    assert not (home / "secrets" / "master.key").exists()
    assert MasterKey.parse(key).fingerprints()[0] in next(home.glob("server_storage/*/keys")).read_text()


# --- A valid user who turns bad -----------------------------------------------------------------------------------


def test_every_query_bears_the_space() -> None:
    """One catalog holds one space now; in one that holds several, a query without it would be a way to the others."""
    assert len(STATEMENTS) > 50
    for name, statement in STATEMENTS.items():
        sql = statement.sql(sqlite.dialect(paramstyle="qmark"))
        assert re.search(r"\bspace = \?|\(space, |, space\b", sql), f"{name}: {sql}"


HOSTILE = [
    "'; DROP TABLE nodes; --",
    '" OR "1"="1',
    "%",
    "_",
    "x' UNION SELECT name FROM past --",
    "{0}",
    "?",
    ":space",
]


def test_what_looks_like_sql_is_a_name_like_any_other(server: Running) -> None:
    peer = server.signed_in()
    for name in HOSTILE:
        target = Target(path=f"/{name}")
        peer.call(MakeFolderRequest(op_id=secrets.token_bytes(16), target=target))
    for name in HOSTILE:
        assert peer.call(StatRequest(ref=Ref(path=f"/{name}")))[0].entry.name == name


# What may be put into the text of a statement: numbers and constants of this program, and as many question marks as
# there are values.
INTERPOLATED = {"_REPLACED", "marks", "busy_timeout_ms", "self._busy_timeout_ms", "order"}


def statements_made_of_texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(Line, expression) of all that is put into the text of an SQL statement."""
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute) or not call.args:
            continue
        if call.func.attr not in ("execute", "executemany", "executescript", "text"):
            continue
        text = call.args[0]
        if isinstance(text, ast.JoinedStr):
            for part in text.values:
                if isinstance(part, ast.FormattedValue):
                    yield call.lineno, ast.unparse(part.value)
        elif isinstance(text, ast.BinOp) or _makes_text(text):
            yield call.lineno, ast.unparse(text)


def _makes_text(node: ast.expr) -> bool:
    made_by = ("format", "join", "replace")
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in made_by


def test_no_statement_is_put_together_from_what_came_from_outside() -> None:
    found = []
    for path in sorted(Path(server_package.__path__[0]).rglob("*.py")):
        for line, expression in statements_made_of_texts(ast.parse(path.read_text())):
            found.append(expression)
            assert expression in INTERPOLATED, f"{path}:{line}: {expression}"
    assert found, "the search finds nothing any more"


# --- Exhaustion ---------------------------------------------------------------------------------------------------


def test_connections_are_counted_before_their_handshake(serve: Serve, wait_until: Wait) -> None:
    server = serve({"server.max_unauthenticated": "4"})
    gate = server.gate
    silent = [server.connect(handshake=False) for _ in range(4)]
    wait_until(lambda: (gate.unauthenticated, gate.beyond) == (2, 2))
    for peer in silent:
        peer.close()
    wait_until(lambda: (gate.unauthenticated, gate.beyond) == (0, 0))


# --- Learning what others store -----------------------------------------------------------------------------------


def test_have_tells_nobody_what_is_in_the_space_of_another(server: Running) -> None:
    alice, bob = server.login("alice"), server.login("bob")
    data = b"what alice alone has" * 100
    homes = [login.session.home for _, login in (alice, bob)]
    assert homes[0].chunk_key != homes[1].chunk_key
    ids = [chunk_id(home.chunk_key, data) for home in homes]
    body = pack_records([ChunkRecord(ids[0], len(data))]) + data
    alice[0].call(PutChunksRequest(chunks=1), body)
    assert bytes(alice[0].call(HaveRequest(ids=2), pack_ids(ids))[1]) == b"\1\0"
    assert bytes(bob[0].call(HaveRequest(ids=2), pack_ids(ids))[1]) == b"\0\0"
