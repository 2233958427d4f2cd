"""Decoders that many threads ask for at the same moment: what goes wrong there takes the process with it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]

# Types that msgspec meets for the first time, and threads that change places all the time. Without the lock in
# `decoder_of` this process ends by a segmentation fault, as a rule within a dozen rounds.
PROGRAM = """
from __future__ import annotations
import sys, threading
from typing import Annotated
import msgspec
from sfos.protocol import decoder_of

sys.setswitchinterval(1e-6)
FIELDS = {f"field{number}": Annotated[int, msgspec.Meta(ge=0)] for number in range(30)}

def meet(kinds):
    barrier = threading.Barrier(len(kinds))
    def work(kind):
        barrier.wait()
        decoder_of(kind).decode(b'{"inner":{"field1":1}}' if "inner" in kind.__annotations__ else b"{}")
    threads = [threading.Thread(target=work, args=(kind,)) for kind in kinds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

for number in range(200):
    inner = msgspec.defstruct("Inner", [(name, kind, 0) for name, kind in FIELDS.items()])
    outer = msgspec.defstruct("Outer", [("inner", inner)])
    meet([inner, outer, inner, outer])
print("all alive")
"""


def test_threads_that_meet_a_type_of_message_at_the_same_time_do_not_crash_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "all alive\n"), done.stderr


@pytest.mark.parametrize("package", ["cli", "client", "gui", "server"])
def test_no_thread_meets_a_type_without_the_lock(package: str) -> None:
    unlocked = [
        f"{path.relative_to(CHECKOUT)}:{node.lineno}"
        for path in sorted((CHECKOUT / "sfos" / package).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "msgspec.json.decode"
        and any(keyword.arg == "type" for keyword in node.keywords)
    ]
    assert unlocked == []
