"""The lines of docs/security.md, run as they stand there, open what a real server has stored."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

from tests.support.server_process import CHECKOUT, prepare_home, running_server


def documented_lines() -> str:
    text = (CHECKOUT / "docs" / "security.md").read_text()
    (block,) = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return str(block)


def test_stock_fernet_and_the_master_key_alone_open_stored_chunks(tmp_path: Path) -> None:
    home = prepare_home(tmp_path / "home")
    small, large = tmp_path / "small.txt", tmp_path / "large.bin"
    small.write_bytes(b"a sentence that fits into a database row")
    large.write_bytes(b"a beginning that can be told" + os.urandom(200_000))
    with running_server(home) as server:
        assert server.cli("put", str(small), str(large), "/").returncode == 0
    (space,) = (home / "server_storage").glob("[0-9a-f]" * 32)

    lines = documented_lines()
    assert set(re.findall(r"^(?:import|from) .*", lines, re.MULTILINE)) == {
        "import base64, sqlite3",
        "from cryptography.fernet import Fernet",
    }
    program = f"home, space_id = {str(home)!r}, {space.name!r}\n{lines}"
    opened = subprocess.run(
        [sys.executable, "-I", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert opened.returncode == 0, opened.stderr
    assert "a sentence that fits into a database row" in opened.stdout
    assert "a beginning that can be told" in opened.stdout


def test_without_the_master_key_the_same_lines_open_nothing(tmp_path: Path) -> None:
    home = prepare_home(tmp_path / "home")
    (tmp_path / "file").write_bytes(b"content")
    with running_server(home) as server:
        assert server.cli("put", str(tmp_path / "file"), "/").returncode == 0
    (space,) = (home / "server_storage").glob("[0-9a-f]" * 32)
    with sqlite3.connect(space / "catalog.db") as catalog:
        assert catalog.execute("SELECT count(*) FROM chunks").fetchone() == (1,)
    catalog.close()
    (home / "secrets" / "master.key").write_bytes(b"A" * 43 + b"=")
    program = f"home, space_id = {str(home)!r}, {space.name!r}\n{documented_lines()}"
    opened = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False)
    assert "InvalidToken" in opened.stderr
    assert opened.stdout == ""
