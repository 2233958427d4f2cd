"""What the modules at the top import: import-linter holds the packages below them (see pyproject.toml)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
OURS = {path.stem for path in CHECKOUT.glob("*.py")} | {"wire", "startup", "server", "client", "gui"}

ALLOWED = {
    "protocol": {"wire"},
    "config": {"wire", "startup"},
    "ssl_server": {"protocol", "config", "server"},
    "manage_storage": {"protocol", "config", "server"},
    "create_credentials": {"protocol", "config", "server"},
    "generate_certificate": {"protocol", "config", "server"},
    "cli_client": {"protocol", "config", "client"},
    "gui_client": {"protocol", "config", "client", "gui"},
}


def imported_by(module: Path) -> set[str]:
    """The first parts of the names of all of our modules that `module` imports, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "modules at the top have no relatives"
            names.add(node.module or "")
    return {name.split(".")[0] for name in names} & OURS


def test_every_module_at_the_top_has_its_floor() -> None:
    assert {path.stem for path in CHECKOUT.glob("*.py")} == set(ALLOWED)


@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_a_module_at_the_top_imports_only_what_is_below_it(name: str) -> None:
    assert imported_by(CHECKOUT / f"{name}.py") <= ALLOWED[name]
