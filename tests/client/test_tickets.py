from __future__ import annotations

import stat
import time
from pathlib import Path

import pytest

from sfos.client.address import Address
from sfos.client.session.tickets import StoredTicket, TicketStore
from sfos.protocol import Fingerprint

HERE = Address("127.0.0.1", 8443)


def ticket(expires_in_s: float = 60.0) -> StoredTicket:
    return StoredTicket(HERE, "anna", "id", b"\x07" * 32, Fingerprint(b"\x01" * 32), time.time() + expires_in_s)


@pytest.fixture
def store(tmp_path: Path) -> TicketStore:
    return TicketStore(tmp_path)


def test_a_ticket_is_there_for_the_next_command(store: TicketStore) -> None:
    kept = ticket()
    store.save(kept)
    assert store.load(HERE, "anna") == kept


def test_a_ticket_is_for_one_server_and_user(store: TicketStore) -> None:
    store.save(ticket())
    assert store.load(HERE, "bert") is None
    assert store.load(Address("127.0.0.1", 8444), "anna") is None


def test_a_ticket_past_its_time_is_none(store: TicketStore) -> None:
    store.save(ticket(expires_in_s=-1))
    assert store.load(HERE, "anna") is None


def test_a_forgotten_ticket_is_gone(store: TicketStore) -> None:
    store.save(ticket())
    store.forget(HERE, "anna")
    store.forget(HERE, "anna")
    assert store.load(HERE, "anna") is None


def test_the_file_is_for_its_owner_alone_and_else_not_used(store: TicketStore, tmp_path: Path) -> None:
    store.save(ticket())
    (path,) = tmp_path.glob("*.ticket")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o640)
    assert store.load(HERE, "anna") is None


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xff", b"[" * 5000])
def test_a_damaged_ticket_is_none(store: TicketStore, tmp_path: Path, content: bytes) -> None:
    store.save(ticket())
    (path,) = tmp_path.glob("*.ticket")
    path.write_bytes(content)
    assert store.load(HERE, "anna") is None


def test_a_ticket_is_not_shown_when_printed() -> None:
    assert "\\x07" not in repr(ticket())
