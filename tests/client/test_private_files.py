"""Private JSON files: what the version before wrote is read and written back alike, and damage is told."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from sfos.cli.front.remembering import Remembered, remember, remembered
from sfos.client.address import Address
from sfos.client.errors import LocalFileError
from sfos.client.local.private_files import DamagedFile, PrivateJson
from sfos.client.net.trust import TrustStore
from sfos.client.session.tickets import StoredTicket, TicketStore
from sfos.client.transfer import queue_file
from sfos.config import Client as Settings
from sfos.gui import choices
from sfos.protocol import Fingerprint

ADDRESS = Address("files.example", 8443)
KEY = Fingerprint.of(b"key")
MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
# As the version of 2026-11-30 wrote them.
TICKET = (
    "4977cf76049e16c6ccefaaf2f5f7c02f.ticket",
    (
        b'{"host":"files.example","port":8443,"user":"anna","ticket_id":"id",'
        b'"ticket":"dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHQ=",'
        b'"fingerprint":"2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683","expires_unix_s":4102444800.0}'
    ),
)
REMEMBERED = (
    "command-line.json",
    b'{"server":"files.example:8443","users":{"files.example:8443":"anna"}}\n',
)
PINS = (
    "pins.json",
    (
        b'{\n  "version": 1,\n  "pins": {\n    "files.example:8443": {\n      "fingerprint": '
        b'"2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683",\n      "since": "2026-01-02T03:04:05Z",\n'
        b'      "origin": "asked"\n    }\n  }\n}\n'
    ),
)
QUEUE = (
    "transfers.json",
    (
        b'{"version":1,"transfers":[{"type":"upload","paths":["L2H/"],"node":7,"path":"/there"},'
        b'{"type":"download","nodes":[8,9],"folder":"L3Rv"}]}'
    ),
)
WINDOW = ("window.json", b'{\n  "server": "files.example:8443",\n  "user": "anna",\n  "width": 900\n}')


def put(directory: Path, name: str, content: bytes) -> Path:
    path = directory / name
    path.write_bytes(content)
    path.chmod(0o600)
    return path


def test_pins_are_read_and_written_as_before(tmp_path: Path) -> None:
    pin = TrustStore(put(tmp_path, *PINS)).pin_of(ADDRESS)
    assert pin is not None and (pin.fingerprint, pin.since, pin.origin) == (KEY, MOMENT, "asked")
    TrustStore(tmp_path / "new" / "pins.json", lambda: MOMENT).pin(ADDRESS, KEY)
    assert (tmp_path / "new" / "pins.json").read_bytes() == PINS[1]


def test_tickets_are_read_and_written_as_before(tmp_path: Path) -> None:
    ticket = StoredTicket(ADDRESS, "anna", "id", b"t" * 32, KEY, 4102444800.0)
    path = put(tmp_path, *TICKET)
    assert TicketStore(tmp_path).load(ADDRESS, "anna") == ticket
    path.unlink()
    TicketStore(tmp_path).save(ticket)
    assert path.read_bytes() == TICKET[1]


def test_who_signed_in_is_read_and_written_as_before(tmp_path: Path) -> None:
    path = put(tmp_path, *REMEMBERED)
    settings = Settings(state_dir=tmp_path)
    known = remembered(settings)
    assert known == Remembered("files.example:8443", {"files.example:8443": "anna"})
    path.unlink()
    remember(settings, known)
    assert path.read_bytes() == REMEMBERED[1]


def test_the_windows_choices_are_read_and_written_as_before(tmp_path: Path) -> None:
    path = put(tmp_path, *WINDOW)
    chosen = choices.load(tmp_path)
    assert chosen == choices.Choices(server="files.example:8443", user="anna", width=900)
    path.unlink()
    choices.save(tmp_path, chosen)
    assert path.read_bytes() == WINDOW[1]


def test_unfinished_transfers_are_read_and_written_as_before(tmp_path: Path) -> None:
    path = put(tmp_path, *QUEUE)
    kept = queue_file.load(path)
    assert [transfer.count for transfer in kept] == [1, 2]
    path.unlink()
    queue_file.save(path, kept)
    assert path.read_bytes() == QUEUE[1]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"a": "text"}', b"[" * 100_000])
def test_a_damaged_file_is_told_and_never_taken_for_none(tmp_path: Path, content: bytes) -> None:
    path = put(tmp_path, "file.json", content)
    with pytest.raises(DamagedFile):
        PrivateJson(path, dict[str, int]).read()
    assert PrivateJson(tmp_path / "none.json", dict[str, int]).read() is None


def test_a_secret_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    path = put(tmp_path, "file.json", b"{}")
    path.chmod(0o644)
    assert PrivateJson(path, dict[str, int]).read() == {}
    with pytest.raises(DamagedFile, match="others"):
        PrivateJson(path, dict[str, int], secret=True).read()


def test_damaged_pins_trust_nobody_and_all_else_begins_anew(tmp_path: Path) -> None:
    for name, _ in (PINS, TICKET, REMEMBERED, QUEUE, WINDOW):
        put(tmp_path, name, b"{")
    with pytest.raises(LocalFileError, match="trusted servers"):
        TrustStore(tmp_path / PINS[0]).pins()
    assert TicketStore(tmp_path).load(ADDRESS, "anna") is None
    assert remembered(Settings(state_dir=tmp_path)) == Remembered()
    assert queue_file.load(tmp_path / QUEUE[0]) == ()
    assert choices.load(tmp_path) == choices.Choices()
