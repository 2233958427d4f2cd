"""Work done in a process of its own that may be killed, or whose system calls fail: real signals, real errors.

A child is forked and not started anew, so that a thousand of them cost seconds. strace puts signals and errors into
its system calls (`-e inject=`); it holds on to the child's only thread, and not to those that it starts later.
A child speaks through a socket, so that what fails a `write` does not silence it.
"""

from __future__ import annotations

import ctypes
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

# What may change a disk, or fail on it. Names that a machine's kernel lacks are left out ("?").
CALLS = (
    "?open openat ?mkdir mkdirat write pwrite64 ftruncate fsync fdatasync"
    " ?rename renameat ?renameat2 ?unlink unlinkat ?rmdir"
).split()
_CALL = re.compile(r"(\w+)\(")
_ANY_TRACER = ctypes.c_ulong(-1)
_PR_SET_PTRACER = 0x59616D61

Say = Callable[[bytes], object]


@dataclass(frozen=True)
class Ended:
    """How a child ended. `said`: what it had said by then. `exit_code`: None if it was killed."""

    said: bytes
    exit_code: int | None

    @property
    def killed(self) -> bool:
        """Whether SIGKILL ended it."""
        return self.exit_code is None


def run(task: Callable[[Say], None], traced: Sequence[str] = ()) -> Ended:
    """Do `task` in a child; what it says is kept even if it is killed at once. `traced`: arguments for strace.

    An exception that escapes from the task is said, with its traceback, and makes the exit code 1.
    """
    ear, mouth = socket.socketpair()
    go_read, go_write = os.pipe()
    child = os.fork()
    if child == 0:
        ear.close()
        os.close(go_write)
        _be_child(task, mouth, go_read)
    mouth.close()
    os.close(go_read)
    tracer = None
    try:
        if traced:
            tracer = _attach(child, traced)
        os.close(go_write)
        said = b"".join(iter(lambda: ear.recv(65_536), b""))
    except BaseException:
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        ear.close()
        _, status = os.waitpid(child, 0)
        if tracer is not None:
            tracer.communicate()
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL, f"ended by signal {os.WTERMSIG(status)}"
        return Ended(said, None)
    return Ended(said, os.WEXITSTATUS(status))


def _be_child(task: Callable[[Say], None], mouth: socket.socket, go: int) -> None:
    code = 1
    try:
        if sys.platform == "linux":  # strace is no parent of ours, and some systems let only those trace
            ctypes.CDLL(None).prctl(_PR_SET_PTRACER, _ANY_TRACER, 0, 0, 0)
        logging.getLogger().handlers[:] = [logging.NullHandler()]
        os.read(go, 1)
        task(mouth.sendall)
        code = 0
    except BaseException:
        mouth.sendall(traceback.format_exc().encode())
    finally:
        os._exit(code)


def _attach(child: int, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    """strace, once it holds on to the child."""
    tracer = subprocess.Popen(
        ["strace", "-o", "/dev/null", *arguments, "-p", str(child)], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    stderr: IO[bytes] | None = tracer.stderr
    assert stderr is not None
    line = stderr.readline()
    if b"attached" not in line:
        tracer.kill()
        tracer.wait()
        raise PermissionError(line.decode("utf-8", "replace").strip() or "strace does not say why")
    return tracer


def may_be_traced() -> bool:
    """Whether strace is there and may trace."""
    try:
        return run(lambda say: None, ["-e", "trace=none"]).exit_code == 0
    except (FileNotFoundError, PermissionError):
        return False


def count_calls(task: Callable[[Say], None], log: Path) -> Counter[str]:
    """How often the child's thread makes each of CALLS."""
    ended = run(task, ["-o", str(log), "-e", f"trace={','.join(CALLS)}"])
    assert ended.exit_code == 0, ended.said.decode("utf-8", "replace")
    return Counter(found[1] for line in log.read_text().splitlines() if (found := _CALL.match(line)))
