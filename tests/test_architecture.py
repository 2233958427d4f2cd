"""The papers about the structure, held to the source: every lock and every thread stands in docs/architecture.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
DOCUMENT = (CHECKOUT / "docs" / "architecture.md").read_text(encoding="utf-8")
LOCKS = {"threading.Lock", "threading.RLock", "threading.Condition", "LookingLock"}


def sources() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted((CHECKOUT / "sfos").rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def made(value: ast.expr) -> list[ast.Call]:
    parts = value.elts if isinstance(value, ast.Tuple) else [value]
    return [part for part in parts if isinstance(part, ast.Call)]


def is_lock(call: ast.Call) -> bool:
    return ast.unparse(call.func) in LOCKS


def locks() -> Iterator[str]:
    """`Class._name` of every lock that an object keeps."""
    for _, tree in sources():
        for owner in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
            for node in ast.walk(owner):
                if isinstance(node, ast.Assign) and any(map(is_lock, made(node.value))):
                    targets = node.targets[0].elts if isinstance(node.targets[0], ast.Tuple) else node.targets
                    for target in targets:
                        if isinstance(target, ast.Attribute):
                            yield f"{owner.name}.{target.attr}"
                elif isinstance(node, ast.AnnAssign) and re.search(
                    r"default_factory=(threading\.|LookingLock)", ast.unparse(node)
                ):
                    yield f"{owner.name}.{ast.unparse(node.target)}"


def thread_names() -> Iterator[str]:
    """The names of threads, as far as they are written down: what stands before a number."""
    for _, tree in sources():
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            called = ast.unparse(call.func)
            named = {word.arg: word.value for word in call.keywords}
            value = named.get("name") if called.endswith("Thread") else named.get("thread_name_prefix")
            if called.endswith("ThreadPoolExecutor") and len(call.args) > 1:
                value = call.args[1]
            if called == "run_beside" or called.endswith("run_in_thread"):
                value = named.get("name", call.args[1] if len(call.args) > 1 else None)
            if isinstance(value, ast.JoinedStr):
                value = value.values[0]
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield value.value.rstrip("-")


def test_every_lock_stands_in_the_architecture_and_no_other_does() -> None:
    told = set(re.findall(r"`(_?[A-Z]\w+\.[a-z_]\w*)`", DOCUMENT))
    assert sorted(set(locks()) - told) == [], "these locks are not in docs/architecture.md"
    assert sorted(told - set(locks())) == [], "docs/architecture.md names these locks, which there are not"


def test_every_thread_stands_in_the_architecture() -> None:
    without = sorted({name for name in thread_names() if not re.search(rf"`{re.escape(name)}(-N)?`", DOCUMENT)})
    assert without == [], "these threads are not in docs/architecture.md"
