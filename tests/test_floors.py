"""Imports that import-linter does not hold (see pyproject.toml): of the modules at the top, and of SQLite's module."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from sfos.wire import bodies, chunks, lists

CHECKOUT = Path(__file__).resolve().parents[1]

ALLOWED = {
    "protocol": {"protocol", "programs"},
    "config": {"config", "programs"},
    "ssl_server": {"programs"},
    "manage_storage": {"programs"},
    "create_credentials": {"programs"},
    "generate_certificate": {"programs"},
    "cli_client": {"programs"},
    "gui_client": {"programs"},
}


def imported_by(module: Path) -> set[str]:
    """The packages and modules of ours that `module` imports, inside functions too; of `sfos.x.y` that is `x`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "modules at the top have no relatives"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    ours = {path.stem for path in CHECKOUT.glob("*.py")}
    assert not {name for name in names if name.split(".")[0] in ours}, "modules at the top import none another"
    return {name.split(".")[1] for name in names if name.split(".")[0] == "sfos"}


def test_every_module_at_the_top_has_its_floor() -> None:
    assert {path.stem for path in CHECKOUT.glob("*.py")} == set(ALLOWED)


@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_a_module_at_the_top_imports_only_what_is_below_it(name: str) -> None:
    assert imported_by(CHECKOUT / f"{name}.py") <= ALLOWED[name]


def test_sqlite_is_spoken_to_in_few_modules_only() -> None:
    """All others meet its errors as `CatalogError` or `DatabaseError`, and its files through one of these."""
    at_home = {"catalog/engine", "chunks/small", "disk/sqlite", "maintenance/salvage"}
    importers = {
        path.relative_to(CHECKOUT / "sfos").with_suffix("").as_posix()
        for path in (CHECKOUT / "sfos").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Import) and any(alias.name.startswith("sqlite3") for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sqlite3"))
    }
    assert importers == {f"server/{name}" for name in at_home}


def test_operations_take_and_give_values_and_pack_no_body() -> None:
    """Requests and bodies are the affair of `server.commands`. A content's id is a hash over its packed records."""
    verbs = ("pack_", "unpack_", "encode_", "decode_")
    packers = {name for name in (*bodies.__all__, *lists.__all__, *chunks.__all__) if name.startswith(verbs)}
    for path in (CHECKOUT / "sfos/server/spaces/operations").glob("*.py"):
        imported = {
            alias.name
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        assert imported & packers <= {"pack_records"}, path.name
        assert not {name for name in imported if name.endswith("Request")}, path.name
