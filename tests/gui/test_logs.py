"""The window's log: for its owner alone, a line for each record, and never in the window's way."""

from __future__ import annotations

import contextlib
import logging
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from sfos import config
from sfos.gui.shell import logs
from sfos.startup.log_file import PrivateRotatingFile

log = logging.getLogger("gui.test")


@pytest.fixture
def settings(tmp_path: Path) -> config.Logging:
    overrides = {"logging.client_file": str(tmp_path / "logs" / "client.log"), "logging.max_bytes": "10000"}
    return config.load(overrides | {"logging.backups": "2"}, environ={}, home=tmp_path).logging


@pytest.fixture
def configured(settings: config.Logging) -> Iterator[Path]:
    undo = logs.configure(settings)
    yield settings.client_file
    undo()


def test_a_name_from_elsewhere_neither_breaks_a_line_nor_colours_a_terminal(
    configured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log.warning("cannot open %s", "x\n2026-11-22 ERROR forged \x1b[31m\u202e\x9b1m")
    lines = configured.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1
    assert r"x\n2026-11-22 ERROR forged \x1b[31m\u202e\x9b1m" in lines[0]
    assert "\x1b" not in capsys.readouterr().err


def test_no_line_of_a_traceback_passes_for_a_record_or_colours_a_terminal(
    configured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        raise ValueError("x\r\n2026-11-22 ERROR forged \x1b[31m\u202e")
    except ValueError:
        log.warning("an error nobody caught", exc_info=True)
    first, *trace = configured.read_text(encoding="utf-8").split("\n")[:-1]
    assert "an error nobody caught" in first
    assert trace[0] == "    Traceback (most recent call last):"
    assert all(line.startswith("    ") for line in trace)
    assert trace[-1] == r"    2026-11-22 ERROR forged \x1b[31m\u202e"
    assert "\x1b" not in capsys.readouterr().err


def test_the_file_is_its_owners_alone_from_the_first_moment(
    settings: config.Logging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "chmod", lambda _path, _mode: None)  # what comes after the file was made
    logs.configure(settings)()
    assert stat.S_IMODE(settings.client_file.stat().st_mode) == 0o600


def test_the_file_and_those_before_it_are_their_owners_alone(configured: Path) -> None:
    for number in range(300):
        log.info("line %03d %s", number, "x" * 100)
    files = sorted(configured.parent.iterdir())
    assert [path.name for path in files] == ["client.log", "client.log.1", "client.log.2"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert all(path.stat().st_size <= 10_000 for path in files)


def test_a_log_that_was_open_to_others_is_closed_to_them(settings: config.Logging) -> None:
    settings.client_file.parent.mkdir(parents=True)
    settings.client_file.write_text("old\n")
    settings.client_file.chmod(0o644)
    logs.configure(settings)()
    assert stat.S_IMODE(settings.client_file.stat().st_mode) == 0o600


def test_a_disk_that_takes_nothing_more_is_told_once_and_nothing_is_raised(
    configured: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = next(each for each in logging.getLogger().handlers if isinstance(each, PrivateRotatingFile))
    assert handler.stream is not None
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("only on Linux")
    stream = full.open("w", encoding="utf-8")
    monkeypatch.setattr(handler, "stream", stream)
    for _ in range(3):
        log.info("lost")
    monkeypatch.undo()
    with contextlib.suppress(OSError):  # what is still in its memory has no place either
        stream.close()
    assert capsys.readouterr().err.count("loses lines") == 1


def test_without_a_place_for_it_the_window_does_without(
    settings: config.Logging, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.client_file.parent.parent.mkdir(exist_ok=True)
    settings.client_file.parent.write_text("a file in the folder's place")
    undo = logs.configure(settings)
    log.warning("seen")
    undo()
    told = capsys.readouterr().err
    assert "no log is kept" in told and "seen" in told
