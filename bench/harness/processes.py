"""Programs that are run, timed and watched; each in a process group of its own, so that none outlives this one."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SAMPLE_S = 0.02
_IDLE_LOOK_S, _IDLE_SHARE = 0.25, 0.1
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def end_in_order() -> None:
    """Let a signal that ends this program raise KeyboardInterrupt, so that all is stopped and removed first."""

    def interrupted(number: int, frame: FrameType | None) -> None:
        del number, frame
        for ending in _ENDING:  # further ones must not cut that short
            signal.signal(ending, signal.SIG_IGN)
        raise KeyboardInterrupt

    for ending in _ENDING:
        signal.signal(ending, interrupted)


class ProgramFailed(Exception):
    """A program that was needed did not do its work; the message is its last line."""


@dataclass(frozen=True)
class Command:
    """A program with its arguments. `environment`: all of it. `stdin`: what it reads."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    stdin: str = ""


@dataclass(frozen=True)
class Outcome:
    """Result of a program, from its start to its exit.

    `cpu_s`: of the process and of the children that it waited for. `peak_bytes`: VmHWM, if it was asked for.
    """

    seconds: float
    cpu_s: float
    exit_code: int
    complaint: str
    timed_out: bool
    peak_bytes: int = 0


def run(
    command: Command, *, output: Path | None = None, limit_s: float = 3600.0, watch_memory: bool = False
) -> Outcome:
    """Run `command` to its end, or kill it after `limit_s`. `output`: where its standard output goes, else nowhere."""
    with contextlib.ExitStack() as stack:
        errors = stack.enter_context(tempfile.TemporaryFile())
        stdin = stack.enter_context(tempfile.TemporaryFile())
        stdin.write(command.stdin.encode())
        stdin.seek(0)
        stdout = stack.enter_context(output.open("wb")) if output else subprocess.DEVNULL
        late = threading.Event()
        begin = time.perf_counter()
        process = subprocess.Popen(
            command.arguments,
            env=dict(command.environment),
            stdin=stdin,
            stdout=stdout,
            stderr=errors,
            start_new_session=True,
        )

        def stop() -> None:
            late.set()
            _kill_group(process.pid)

        timer = threading.Timer(limit_s, stop)
        memory = stack.enter_context(_MemoryWatch(process.pid)) if watch_memory else None
        timer.start()
        try:
            # Not Popen.wait: with a timeout it sleeps up to 50 ms between looks.
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - begin
            process.returncode = os.waitstatus_to_exitcode(status)
        except BaseException:
            _kill_group(process.pid)
            process.wait()
            raise
        finally:
            timer.cancel()
        errors.seek(0)
        lines = errors.read().decode(errors="replace").strip().splitlines()
        return Outcome(
            seconds=seconds,
            cpu_s=usage.ru_utime + usage.ru_stime,
            exit_code=process.returncode,
            complaint=lines[-1] if lines else "",
            timed_out=late.is_set(),
            peak_bytes=memory.peak_bytes if memory else 0,
        )


def must(command: Command, output: Path | None = None) -> None:
    """Run `command`, untimed. Raises: ProgramFailed."""
    outcome = run(command, output=output)
    if outcome.exit_code:
        name = Path(command.arguments[0]).name
        raise ProgramFailed(f"{name} ended with {outcome.exit_code}: {outcome.complaint}")


class Daemon:
    """A program that serves until it is told to stop. `first_line`: of its standard output, if it was waited for."""

    def __init__(self, process: subprocess.Popen[str], first_line: str) -> None:
        self.pid = process.pid
        self.first_line = first_line


@contextmanager
def daemon(command: Command, log: Path, *, port: int | None = None) -> Iterator[Daemon]:
    """Start a server; it is ready when `port` answers or, without one, when it has printed a line.

    Raises: ProgramFailed, with the last line of `log`.
    """
    with (
        log.open("a+") as errors,
        subprocess.Popen(
            command.arguments,
            env=dict(command.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if port is None else errors,
            stderr=errors,
            text=True,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield Daemon(process, _wait_until_ready(process, port, log))
        finally:
            _stop(process)


def _wait_until_ready(process: subprocess.Popen[str], port: int | None, log: Path) -> str:
    if port is None:
        assert process.stdout is not None
        line = process.stdout.readline()
        if line:
            return line
    else:
        until = time.monotonic() + START_TIMEOUT_S
        while process.poll() is None and time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return ""
            time.sleep(0.02)
    said = log.read_text(errors="replace").strip().splitlines()
    raise ProgramFailed(f"{Path(str(process.args[0])).name} did not start: {said[-1] if said else 'no reason given'}")  # type: ignore[index]


def _stop(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_TIMEOUT_S)
    _kill_group(process.pid)
    process.wait()


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def free_port() -> int:
    """A TCP port that nobody listened on just now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


# --- what the system tells of a process -----------------------------------------------------------------------------


def peak_bytes(pid: int) -> int:
    """The most memory that the process has held since its start or the last `reset_peak` (VmHWM); 0 once it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def reset_peak(pid: int) -> None:
    """Let VmHWM start anew from what the process holds now (Linux 4.0; proc(5), clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _CLOCK_TICKS


def wait_until_idle(pid: int, limit_s: float = 120.0) -> None:
    """Return once the process takes less than a tenth of a core. Raises: ProgramFailed, after `limit_s`."""
    before, until = cpu_seconds(pid), time.monotonic() + limit_s
    while time.monotonic() < until:
        time.sleep(_IDLE_LOOK_S)
        now = cpu_seconds(pid)
        if now - before < _IDLE_LOOK_S * _IDLE_SHARE:
            return
        before = now
    raise ProgramFailed(f"the server was still busy {limit_s:.0f} s after the work was done")


class _MemoryWatch:
    """Looks at a process's VmHWM until it ends: wait4's ru_maxrss would start from this process's own size."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="memory-watch")
        self.peak_bytes = 0

    def _look(self) -> None:
        while not self._over.wait(_SAMPLE_S):
            self.peak_bytes = max(self.peak_bytes, peak_bytes(self._pid))

    def __enter__(self) -> _MemoryWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
