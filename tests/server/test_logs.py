"""Logs are complete, readable, forgery-proof, and hold no secret."""

from __future__ import annotations

import base64
import json
import logging
import os
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path

import pytest

from sfos.protocol import (
    MIN_ITERATIONS,
    ChangePasswordRequest,
    LoginFailed,
    LogoutRequest,
    MakeFolderRequest,
    Ref,
    StatRequest,
    Target,
    make_verifier,
)
from sfos.server.audit.log import AuditLog
from sfos.server.front.line_budget import LineBudget
from sfos.server.process import logs
from tests.server.conftest import PASSWORDS, Running, settings


def test_an_audit_line_is_one_json_object_whatever_is_in_it(home: Path) -> None:
    logging_settings = settings(home, {}).logging
    audit = AuditLog(logging_settings, home / "secrets", clock=lambda: 1_767_225_600.5)
    audit.write("login_failed", user='eve"\n{"event": "login"}\u2028', address="192.0.2.1", failures=3, session=None)
    audit.write("long", reason="x" * 10_000)
    audit.close()
    lines = logging_settings.audit_file.read_text().split("\n")
    assert lines.pop() == ""
    first, second = map(json.loads, lines)
    assert (first.pop("seq"), first.pop("prev")) == (1, "0" * 32)
    assert second["prev"] == first.pop("mac")
    assert first == {
        "time": "2026-01-01T00:00:00.500+00:00",
        "event": "login_failed",
        "user": 'eve"\n{"event": "login"}\u2028',
        "address": "192.0.2.1",
        "failures": 3,
    }
    assert len(second["reason"]) == 256


@pytest.mark.parametrize("name", ["password", "ticket", "proof", "verifier", "master_key", "secret", "token"])
def test_a_field_named_like_a_secret_is_refused(name: str, home: Path) -> None:
    audit = AuditLog(settings(home, {}).logging, home / "secrets")
    with pytest.raises(ValueError, match="secret"):
        audit.write("event", **{name: "x"})
    audit.close()


def test_logs_rotate_and_only_their_owner_reads_them(home: Path) -> None:
    logging_settings = settings(home, {"logging.max_bytes": "4096", "logging.backups": "2"}).logging
    audit = AuditLog(logging_settings, home / "secrets")
    for number in range(200):
        audit.write("event", number=number, filler="x" * 100)
    audit.close()
    files = sorted(logging_settings.audit_file.parent.glob("audit.log*"))
    assert [file.name for file in files] == ["audit.log", "audit.log.1", "audit.log.2"]
    for file in files:
        assert file.stat().st_size <= 4096
        assert file.stat().st_mode & 0o777 == 0o600


def test_no_text_from_outside_breaks_a_line_of_the_log(home: Path) -> None:
    logging_settings = settings(home, {}).logging
    undo = logs.configure(logging_settings)
    logging.getLogger("a.test").warning("hello %s", "eve\r\n2026-01-01 forged \x1b[31m line\u202e")
    undo()
    text = logging_settings.server_file.read_text()
    assert text.count("\n") == 1
    assert "eve\\u000d\\u000a2026-01-01 forged \\u001b[31m line\\u202e" in text


def test_no_line_of_a_traceback_passes_for_a_record(home: Path) -> None:
    logging_settings = settings(home, {}).logging
    undo = logs.configure(logging_settings)
    try:
        raise ValueError("eve\r\n2026-01-01 forged \x1b[31m line\u202e")
    except ValueError:
        logging.getLogger("a.test").warning("it went wrong", exc_info=True)
    undo()
    first, *trace = logging_settings.server_file.read_text().split("\n")[:-1]
    assert first.endswith("it went wrong")
    assert trace[0] == "    Traceback (most recent call last):"
    assert all(line.startswith("    ") for line in trace)
    assert trace[-1] == "    2026-01-01 forged \\u001b[31m line\\u202e"


def test_the_log_is_its_owners_alone_from_the_first_moment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logging_settings = settings(home, {}).logging
    monkeypatch.setattr(Path, "chmod", lambda _path, _mode: None)  # what comes after the file was made
    logs.configure(logging_settings)()
    assert logging_settings.server_file.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only where there is a device that is always full")
def test_a_full_disk_loses_log_lines_and_says_so_once_and_hinders_nothing(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logging_settings = settings(home, {}).logging
    undo = logs.configure(logging_settings)
    (file,) = (one for one in logging.getLogger().handlers if isinstance(one, RotatingFileHandler))
    full = os.open("/dev/full", os.O_WRONLY)
    assert file.stream is not None
    os.dup2(full, file.stream.fileno())
    os.close(full)
    for number in range(20):
        logging.getLogger("a.test").info("line %d", number)
    undo()
    said = capsys.readouterr().err
    assert said == f"{logging_settings.server_file} loses lines: No space left on device\n"


def test_a_whole_session_leaves_its_traces_and_none_of_its_secrets(
    home: Path, serve: Callable[..., Running], wait_until: Callable[..., None]
) -> None:
    logging_settings = settings(home, {"logging.level": "DEBUG"}).logging
    undo = logs.configure(logging_settings)
    try:
        server = serve({"logging.level": "DEBUG"})
        with pytest.raises(LoginFailed):
            server.greeted().login("alice", "a wrong password 77")
        peer, login = server.login()
        peer.call(MakeFolderRequest(op_id=os.urandom(16), target=Target(path="/a secret folder")))
        peer.call(StatRequest(ref=Ref(path="/a secret folder")))
        verifier = make_verifier("the next password 88", os.urandom(16), MIN_ITERATIONS)
        peer.call(ChangePasswordRequest(verifier=verifier.format()))
        peer.call(LogoutRequest())
        for one in server.peers:
            one.close()
        wait_until(lambda: server.server.connections() == 0)
    finally:
        undo()
    written = logging_settings.server_file.read_text() + server.audit() + server.audit_of_strangers()
    for trace in (
        "connection 1 open",
        "commands=",
        "user=alice",
        "login_failed",
        '"login"',
        "password_changed",
        "logout",
    ):
        assert trace in written
    account = server.accounts.find("alice")
    assert account is not None
    stored = account.verifier.format().split("$")[2]
    secrets = [PASSWORDS["alice"], "a wrong password 77", "the next password 88", "a secret folder", verifier.format()]
    secrets += [stored, stored.split(":")[0], stored.split(":")[1]]
    for key in (login.ticket, login.session.home.chunk_key):
        secrets += [key.hex(), base64.b64encode(key).decode(), base64.urlsafe_b64encode(key).decode(), repr(key)]
    for secret in secrets:
        assert secret not in written


# --- Strangers ----------------------------------------------------------------------------------------------------


def test_strangers_that_come_and_go_have_few_lines_and_what_has_none_is_counted() -> None:
    now = [0.0]
    budget = LineBudget(lambda: now[0])
    assert [budget.take() for _ in range(2_000)] == [0] * 2_000
    assert [budget.take() for _ in range(500)] == [None] * 500
    now[0] += 1.0
    assert [budget.take(), budget.take()] == [500, None]
    now[0] += 10.0
    assert [budget.take(), budget.take()] == [1, 0]


def test_who_signs_in_has_a_line_though_strangers_have_used_theirs_up(
    home: Path, serve: Callable[..., Running], wait_until: Callable[..., None]
) -> None:
    logging_settings = settings(home, {}).logging
    undo = logs.configure(logging_settings)
    try:
        server = serve()
        lines = server.listener._around.lines
        while lines.take() is not None:
            pass
        for _ in range(5):
            server.greeted().close()
        server.signed_in().close()
        wait_until(lambda: server.server.connections() == 0)
    finally:
        undo()
    written = logging_settings.server_file.read_text()
    assert written.count("closed user=alice") == 1
    assert written.count("connection ") < 8
