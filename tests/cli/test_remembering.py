"""Memory between commands is a convenience: a file that is damaged or old counts as none."""

from __future__ import annotations

from pathlib import Path

import pytest

from sfos.cli.front.remembering import Remembered, remember, remembered
from sfos.config import Client


def test_who_signed_in_where_is_there_for_the_next_command(tmp_path: Path) -> None:
    settings = Client(state_dir=tmp_path)
    kept = Remembered("host:1", {"host:1": "anna", "[::1]:2": "bert"})
    remember(settings, kept)
    assert remembered(settings) == kept


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff", b"[" * 5000, b'{"server": 1, "users": {}}', b'{"server": null, "users": []}'],
)
def test_a_damaged_file_is_nothing_remembered(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "command-line.json").write_bytes(content)
    assert remembered(Client(state_dir=tmp_path)) == Remembered()


def test_nothing_is_remembered_at_first(tmp_path: Path) -> None:
    assert remembered(Client(state_dir=tmp_path / "missing")) == Remembered()
