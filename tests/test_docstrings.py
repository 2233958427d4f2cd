"""First words of docstrings: a noun or a verb of the domain, so that one reading is enough."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
NOT_FIRST = re.compile(r"(What|Who|Whoever|Whom|Whose|Which|It|That|The same)\b")

SENTENCES_FOR_PEOPLE = {"LocalChanged", "RevisionConflict", "ResyncRequired", "NotConfirmed"}
"""Errors whose docstring is the message that a person reads."""


def docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    """Docstrings of modules, classes, functions, and of the attributes that they stand behind."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name in SENTENCES_FOR_PEOPLE:
            continue
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            for statement in node.body:
                if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                    yield statement.value


def test_docstrings_begin_with_a_noun_or_a_verb() -> None:
    begun_otherwise = [
        f"{module.relative_to(CHECKOUT)}:{found.lineno}: {found.value.strip().splitlines()[0]}"
        for room in ("sfos", "bench", "tests")
        for module in sorted((CHECKOUT / room).rglob("*.py"))
        for found in docstrings(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(found.value, str) and NOT_FIRST.match(found.value.strip())
    ]
    assert not begun_otherwise, "\n".join(["begin with a noun or a verb of the domain:", *begun_otherwise])
