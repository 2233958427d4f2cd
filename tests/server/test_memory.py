"""What the C library keeps: asked of a process of its own, since it is told once for all threads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAM = """
import ctypes, os, sys, threading
from server import memory
if sys.argv[2] == "shared":
    memory.share_pools()
together = threading.Barrier(16)

def use():
    together.wait()
    ctypes.CDLL(None).free(ctypes.c_void_p(libc.malloc(100_000)))
    together.wait()

libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
threads = [threading.Thread(target=use) for _ in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
file = ctypes.c_void_p(libc.fopen(os.fsencode(sys.argv[1]), b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
"""


@pytest.mark.skipif(
    not hasattr(os, "confstr") or "glibc" not in (os.confstr("CS_GNU_LIBC_VERSION") or ""), reason="glibc"
)
def test_threads_share_two_pools_of_memory(tmp_path: Path) -> None:
    pools = {}
    for how in ("by itself", "shared"):
        said = tmp_path / how
        subprocess.run([sys.executable, "-c", _PROGRAM, str(said), how], check=True, cwd=Path(__file__).parents[2])
        pools[how] = said.read_text().count("<heap nr=")
    assert pools["shared"] <= 2 < pools["by itself"]
