"""Memory that the C library and SQLite keep: asked of processes of their own, since it holds for all of a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_POOLS = """
import ctypes, os, sys, threading
from sfos.server.process import memory
if sys.argv[2] == "set up":
    memory.set_up()
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

# glibc marks a block that it has from the system by a bit of the length in front of it.
_BLOCKS = """
import ctypes, os, sys
from pathlib import Path
from sfos.programs import window
from sfos.server.process import memory
os.environ.pop("DISPLAY", None)
if sys.argv[1] == "the server":
    memory.set_up()
elif sys.argv[1] == "a window":
    assert window.main(["--home", sys.argv[2]]) == 1, "without a display"
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
for _ in range(3):
    block = libc.malloc(8 << 20)
    marked = bool(ctypes.c_size_t.from_address(block - ctypes.sizeof(ctypes.c_size_t)).value & 2)
    libc.free(ctypes.c_void_p(block))
print("system" if marked else "pool")
"""

_TOKENS = """
import os, sys
from pathlib import Path
from sfos.server.chunks.small import SmallStore

def most():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

store = SmallStore(Path(sys.argv[1]) / "small.db", lambda: 1)
def put(count):
    with store.batch() as batch:
        for _ in range(count):
            batch.add(os.urandom(32), memoryview(os.urandom(60_000)))
        batch.finish()
put(10)
before = most()
for _ in range(80):
    put(10)
print(most() - before)
store.close()
"""

_GLIBC = pytest.mark.skipif(
    not hasattr(os, "confstr") or "glibc" not in (os.confstr("CS_GNU_LIBC_VERSION") or ""), reason="glibc"
)


def _run(program: str, *arguments: str) -> str:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, check=True, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True).stdout


@_GLIBC
def test_threads_share_two_pools_of_memory(tmp_path: Path) -> None:
    pools = {}
    for how in ("by itself", "set up"):
        said = tmp_path / how
        _run(_POOLS, str(said), how)
        pools[how] = said.read_text().count("<heap nr=")
    assert pools["set up"] <= 2 < pools["by itself"]


@_GLIBC
def test_large_blocks_come_from_the_system_and_go_back_to_it(tmp_path: Path) -> None:
    found = {how: _run(_BLOCKS, how, str(tmp_path)).strip() for how in ("by itself", "the server", "a window")}
    assert found == {"by itself": "pool", "the server": "system", "a window": "system"}


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_the_store_of_small_chunks_keeps_little_of_what_went_through_it(tmp_path: Path) -> None:
    """48 MB go into a new store. Its first connection once kept 31 MiB of them."""
    assert int(_run(_TOKENS, str(tmp_path))) < 12 * 1024, "KiB"
