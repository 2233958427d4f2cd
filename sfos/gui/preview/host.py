"""Runs the decoding worker: one process for each file, killed when it hangs or is no longer wanted."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from sfos.gui.preview import blocks
from sfos.gui.preview.blocks import AnyBlock, Job, NothingBlock

_log = logging.getLogger(__name__)

DEADLINE_S = 20.0
MAX_OUTPUT = blocks.EDGE * blocks.EDGE * 3 + 1024 * 1024
_POLL_S = 0.02
_ROOT = Path(__file__).resolve().parents[3]
# What a Python on this system needs to start; above all not SFOS_PASSWORD.
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "SYSTEMROOT", "TEMP", "TMP", "VIRTUAL_ENV", "PYTHONHOME")


def decode(job: Job, data: bytes, cancelled: Callable[[], bool], deadline_s: float = DEADLINE_S) -> AnyBlock:
    """The preview of `data`. Blocks until the worker has answered, or was killed: because `cancelled()` became true,
    because `deadline_s` passed, or because it said too much. Never raises for what the file contains.
    """
    with _start() as worker:
        answer = bytearray()
        reader = threading.Thread(target=_read, args=(worker, answer), name="preview-reader", daemon=True)
        feeder = threading.Thread(target=_feed, args=(worker, job, data), name="preview-feeder", daemon=True)
        reader.start()
        feeder.start()
        waited = 0.0
        while reader.is_alive() and waited < deadline_s and not cancelled():
            reader.join(_POLL_S)
            waited += _POLL_S
        stopped = reader.is_alive()
        if stopped:
            worker.kill()
        reader.join()
        feeder.join()
        worker.wait()
        complaint = worker.stderr.read(4096).decode("utf-8", "replace") if worker.stderr else ""
    if stopped:
        return NothingBlock("" if cancelled() else "This file takes too long to decode.")
    if worker.returncode != 0:
        _log.warning("the preview worker ended with %s: %s", worker.returncode, complaint.strip()[-500:])
        return NothingBlock("This file cannot be shown: its decoder failed.")
    try:
        return blocks.decode(bytes(answer))
    except msgspec.MsgspecError:
        _log.warning("the preview worker's answer cannot be read")
        return NothingBlock("This file cannot be shown: its decoder failed.")


def _start() -> subprocess.Popen[bytes]:
    flags = 0x08000000 if sys.platform == "win32" else 0  # CREATE_NO_WINDOW: no console flashes up
    return subprocess.Popen(
        [sys.executable, "-m", "sfos.gui.preview.decode"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=_ROOT,
        env={name: os.environ[name] for name in _KEPT if name in os.environ},
        creationflags=flags,
        start_new_session=sys.platform != "win32",
    )


def _feed(worker: subprocess.Popen[bytes], job: Job, data: bytes) -> None:
    assert worker.stdin is not None
    head = msgspec.msgpack.encode(job)
    # A worker that has seen enough, or was killed, reads no further.
    with contextlib.suppress(BrokenPipeError, OSError):
        worker.stdin.write(len(head).to_bytes(4, "big") + head)
        worker.stdin.write(data)
    with contextlib.suppress(BrokenPipeError, OSError):
        worker.stdin.close()


def _read(worker: subprocess.Popen[bytes], answer: bytearray) -> None:
    assert worker.stdout is not None
    while piece := worker.stdout.read1(1024 * 1024):  # type: ignore[attr-defined]  # a BufferedReader has it
        answer += piece
        if len(answer) > MAX_OUTPUT:
            worker.kill()
            return
