"""Foundation of every test of this project: nothing may leak, nothing may fail unseen, nobody sleeps.

Around each test, without being asked:

- a thread that the test started and that is still alive a few seconds after its end fails it;
- a file descriptor that the test opened and left open fails it (Linux; asked of /proc);
- an exception that nobody caught in a thread fails it;
- a record logged as ERROR or above fails it, unless the test bears `@pytest.mark.allows_errors("why")`;
- the settings (`SFOS_*`) and the directories of whoever runs the tests are out of sight.

A test on a server of wider scope, which rightly opens catalogs and keeps them, bears
`@pytest.mark.keeps_resources("why")`.
With `SFOS_REQUIRE_ALL=1` (as in `.ci/run`) a skipped test fails, unless its reason starts with "only on".
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from tests.support.leaks import Resources
from tests.support.salted_once import remember_salted_passwords

POLL_S = 0.005
NO_KEYRING = "keyring.backends.null.Keyring"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "allows_errors(why): provokes errors that the program rightly logs")
    config.addinivalue_line("markers", "keeps_resources(why): leaves threads or files to a fixture of wider scope")
    for name in [name for name in os.environ if name.startswith("SFOS_") and name != "SFOS_REQUIRE_ALL"]:
        if not name.startswith("SFOS_TEST_"):
            del os.environ[name]
    # Who runs the tests in the background makes them, and all programs that they start, deaf to Ctrl-C.
    for number in (signal.SIGINT, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    # Hundreds of programs are started: without their bytecode kept, each would compile all of it anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    # From the start, and not only within each test: who asks first, decides for the process.
    os.environ["PYTHON_KEYRING_BACKEND"] = NO_KEYRING
    remember_salted_passwords()


def pytest_xdist_auto_num_workers() -> int:
    """How many processes `-n auto` starts: two for each core.

    Half of the time goes into waiting (for windows, for disks, for deadlines), in which another test can run.
    """
    return 2 * (len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1)


# --- Waiting ------------------------------------------------------------------------------------------------------


def _wait_until(
    predicate: Callable[[], object],
    timeout_s: float = 10.0,
    *,
    what: str = "",
    pump: Callable[[], object] | None = None,
) -> None:
    """Return once `predicate()` is true; fail the test after `timeout_s`.

    `pump` is called between two looks, for example a Tk window's `update`.
    """
    deadline = time.monotonic() + timeout_s
    pause = threading.Event()
    while not predicate():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {timeout_s:g} s in vain for {what or predicate}", pytrace=True)
        if pump is not None:
            pump()
        pause.wait(POLL_S)


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., None]:
    """`wait_until(predicate, timeout_s=10.0, *, what="", pump=None)`: the way to wait in tests."""
    return _wait_until


# --- Nothing leaks, nothing fails unseen --------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def no_leaks(request: pytest.FixtureRequest, display_when_marked: None) -> Iterator[None]:
    """Fails the test that leaves a thread or a file descriptor behind."""
    before = Resources.now()
    yield
    if request.node.get_closest_marker("keeps_resources"):
        return
    leaked = before.new_threads()
    assert not leaked, f"threads outlive the test: {leaked}"
    open_files = before.new_descriptors()
    assert not open_files, f"file descriptors left open: {open_files}"


@pytest.fixture(autouse=True)
def no_uncaught_thread_exceptions(no_leaks: None) -> Iterator[None]:
    """Fails the test in one of whose threads an exception reached the top."""
    seen: list[str] = []

    def remember(args: threading.ExceptHookArgs) -> None:
        name = args.thread.name if args.thread else "a thread"
        seen.append(
            name + ":\n" + "".join(traceback.format_exception(args.exc_type, args.exc_value, args.exc_traceback))
        )

    previous, threading.excepthook = threading.excepthook, remember
    yield
    threading.excepthook = previous
    assert not seen, "uncaught in a thread: " + "\n".join(seen)


class _ErrorRecords(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = f"{record.name}: {record.getMessage()}"
        if record.exc_info and record.exc_info[0] is not None:
            text += "\n" + "".join(traceback.format_exception(*record.exc_info))
        self.seen.append(text)


@pytest.fixture(autouse=True)
def no_logged_errors(request: pytest.FixtureRequest, no_leaks: None) -> Iterator[None]:
    """Fails the test during which something was logged as ERROR, unless it is marked `allows_errors`."""
    handler = _ErrorRecords()
    root = logging.getLogger()
    root.addHandler(handler)
    yield
    root.removeHandler(handler)
    if not request.node.get_closest_marker("allows_errors"):
        assert not handler.seen, "logged as ERROR: " + "\n".join(handler.seen)


@pytest.fixture(autouse=True)
def own_directories(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A private place for what programs keep per user (pins, tickets, settings), and no keyring.

    It is gone after the test: among thousands of those that are kept, finding a name for the next one would take longer
    than most of the tests.
    """
    place = tmp_path_factory.mktemp("user")
    for variable in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"):
        directory = place / variable.lower()
        directory.mkdir(mode=0o700)
        monkeypatch.setenv(variable, str(directory))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", NO_KEYRING)
    yield place
    shutil.rmtree(place)


# --- A screen -----------------------------------------------------------------------------------------------------


def _open_tk_once() -> None:
    """Make Tk open what it keeps until the process ends: its connection to the screen and its notifier's pipe."""
    import tkinter as tk

    window = tk.Tk()
    window.update()
    window.destroy()


@pytest.fixture(scope="session")
def display() -> Iterator[str]:
    """The name of a screen of our own (":7"), also in DISPLAY; `SFOS_TEST_DISPLAY=:0` shows the tests on yours."""
    own = os.environ.get("SFOS_TEST_DISPLAY")
    if own or sys.platform in ("win32", "darwin"):
        if own:
            os.environ["DISPLAY"] = own
        yield own or "native"
        return
    if shutil.which("Xvfb") is None:
        pytest.skip("Xvfb is not installed (./run.sh test installs it)")
    # -displayfd: the server picks a free number and writes it once it listens, so that nobody guesses or sleeps.
    read_end, write_end = os.pipe()
    with subprocess.Popen(
        ["Xvfb", "-displayfd", str(write_end), "-screen", "0", "1920x1200x24", "-nolisten", "tcp", "-noreset"],
        pass_fds=(write_end,),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        os.close(write_end)
        with os.fdopen(read_end) as answer:
            number = answer.readline().strip()
        if not number:
            pytest.fail("Xvfb ended before it listened")
        previous = os.environ.get("DISPLAY")
        os.environ["DISPLAY"] = f":{number}"
        _open_tk_once()
        yield f":{number}"
        if previous is None:
            del os.environ["DISPLAY"]
        else:
            os.environ["DISPLAY"] = previous
        server.terminate()


@pytest.fixture
def display_when_marked(request: pytest.FixtureRequest) -> None:
    """Gives each test marked `display` a screen before the leak check takes its first look."""
    if request.node.get_closest_marker("display"):
        request.getfixturevalue("display")


# --- No silent skips in CI ----------------------------------------------------------------------------------------


def _must_not_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not os.environ.get("SFOS_REQUIRE_ALL") or report.outcome != "skipped" or hasattr(report, "wasxfail"):
        return
    reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
    reason = reason.removeprefix("Skipped: ")
    if not reason.startswith("only on"):
        report.outcome = "failed"
        report.longrepr = f"skipped, while SFOS_REQUIRE_ALL asks for every test: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _must_not_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _must_not_skip(report)
    return report
