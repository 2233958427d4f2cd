"""docs/security.md names tests that there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]


def named_tests() -> Iterator[tuple[str, str]]:
    """(File, function) of each test that the tables name; `…` stands for the file named before."""
    file = ""
    for found in re.finditer(r"`(tests/[\w/]+\.py|…)::(test_\w+)`", (ROOT / "docs" / "security.md").read_text()):
        file = file if found[1] == "…" else found[1]
        yield file, found[2]


def test_every_defence_names_a_test_that_there_is() -> None:
    named = list(named_tests())
    assert len(named) > 100
    for file, function in named:
        assert f"def {function}(" in (ROOT / file).read_text(), f"{file}::{function}"
