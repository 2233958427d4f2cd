"""run.sh as people run it: from any directory, with spaces in paths, again and again, stopped in every way."""

import contextlib
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("sfos",)
COPIED: tuple[str | Path, ...] = ("run.sh", "requirements.txt", "requirements-dev.txt", *PACKAGES, *ROOT.glob("*.py"))

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="only on systems with bash")


class Checkout:
    """A copy of the program in a directory of its own, and runs of its run.sh."""

    def __init__(self, directory: Path, home: Path) -> None:
        self.directory = directory
        self.home = home
        self.script = directory / "run.sh"
        self.environ = {key: value for key, value in os.environ.items() if not key.startswith("SFOS_")}
        self.environ |= {"SFOS_HOME": str(home), "SFOS_SERVER_PORT": "0"}

    def run(self, *arguments: str, cwd: str | Path = "/", **environ: str) -> subprocess.CompletedProcess[str]:
        command = ["bash", str(self.script), *arguments]
        settings = {**self.environ, **environ}
        return subprocess.run(command, check=False, capture_output=True, text=True, cwd=cwd, env=settings)

    def use(self, environment: Path) -> None:
        """Let run.sh find `environment` complete, as after its own set-up."""
        (self.directory / ".venv").symlink_to(environment)
        for requirements, stamp in (("requirements.txt", ".sfos-run"), ("requirements-dev.txt", ".sfos-dev")):
            line = 'cat "$1/requirements.txt" "$1/$2" | cksum; "$1/.venv/bin/python" -V'
            done = subprocess.run(
                ["bash", "-c", line, "-", str(self.directory), requirements], check=True, capture_output=True
            )
            (environment / stamp).write_bytes(done.stdout)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment that sees the packages of this one: what a finished set-up leaves, without a download."""
    directory = tmp_path_factory.mktemp("an environment") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(directory)], check=True)
    site = next(directory.glob("lib/python*/site-packages"))
    (site / "outer.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return directory


@pytest.fixture
def bare(tmp_path: Path) -> Checkout:
    """A fresh clone in a path with spaces."""
    directory = tmp_path / "my files" / "the program"
    directory.mkdir(parents=True)
    for source in (ROOT / name for name in COPIED):
        if source.is_dir():
            shutil.copytree(source, directory / source.name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy2(source, directory / source.name)
    return Checkout(directory, tmp_path / "a home")


@pytest.fixture
def ready(bare: Checkout, environment: Path) -> Checkout:
    """A clone whose Python environment is complete."""
    bare.use(environment)
    return bare


class Running:
    """A run of run.sh in the background, with the lines it prints as they come."""

    def __init__(self, checkout: Checkout, *arguments: str, **environ: str) -> None:
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        settings = {**checkout.environ, **environ}
        self.process = subprocess.Popen(
            ["bash", str(checkout.script), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd="/",
            env={key: value for key, value in settings.items() if value},
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def wait_for(self, pattern: str, timeout_s: float = 90) -> re.Match[str]:
        """The match of the first line that fits `pattern`."""
        found: list[re.Match[str]] = []

        def look() -> bool:
            found.extend(match for match in (re.search(pattern, line) for line in self.lines) if match)
            return bool(found) or self._ended

        with self._changed:
            self._changed.wait_for(look, timeout_s)
        assert found, f"no line fits {pattern!r}: {self.lines}"
        return found[0]

    def end(self, timeout_s: float = 90) -> int:
        """The exit code, once the run and all that it started are over (whoever lives holds the pipe open)."""
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"it does not end; it said {self.lines}, and runs still:\n{self._family()}") from error
        self._reader.join(timeout_s)
        assert not self._reader.is_alive(), "something that run.sh started is still running"
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code

    def _family(self) -> str:
        """Processes of its session, a line each."""
        command = ["ps", "-s", str(self.process.pid), "-o", "pid,ppid,stat,wchan,etimes,args"]
        return subprocess.run(command, check=False, capture_output=True, text=True).stdout


@pytest.fixture
def start(ready: Checkout) -> Iterator[Callable[..., Running]]:
    running: list[Running] = []

    def begin(*arguments: str, **environ: str) -> Running:
        running.append(Running(ready, *arguments, **environ))
        return running[-1]

    yield begin
    for each in running:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(each.process.pid, signal.SIGKILL)
        each.end()


def accepts(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError:
        return False
    return True


# --- Words --------------------------------------------------------------------------------------------------------


def test_the_script_is_clean_in_the_eyes_of_shellcheck() -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed (./run.sh test installs it)")
    scripts = [str(ROOT / "run.sh"), str(ROOT / ".ci" / "run")]
    done = subprocess.run(["shellcheck", *scripts], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_help_names_every_word_and_variable(bare: Checkout) -> None:
    done = bare.run("help")
    assert done.returncode == 0
    for word in ("setup", "server", "gui", "cli", "manage", "test", "check", "bench"):
        assert f"./run.sh {word}" in done.stdout
    for variable in ("SFOS_HOME", "SFOS_VENV", "SFOS_PYTHON"):
        assert variable in done.stdout
    assert not (bare.directory / ".venv").exists()


def test_an_unknown_word_is_refused_before_anything_is_installed(bare: Checkout) -> None:
    done = bare.run("sreve")
    assert done.returncode == 2
    assert "unknown word: sreve" in done.stderr
    assert not (bare.directory / ".venv").exists()


# --- Setting up ---------------------------------------------------------------------------------------------------


def test_the_environment_is_made_once_and_again_when_the_pins_change(bare: Checkout) -> None:
    # Nothing to download: what matters here is when pip runs, not what it fetches.
    (bare.directory / "requirements.txt").write_text("# nothing\n")
    (bare.directory / "requirements-dev.txt").write_text("-r requirements.txt\n")
    (bare.directory / "bench").mkdir(exist_ok=True)
    (bare.directory / "bench" / "nothing.py").touch()
    first = bare.run("bench", "nothing", SFOS_PYTHON=sys.executable)
    assert first.returncode == 0, first.stderr
    assert "Making the Python environment" in first.stdout and "Installing what requirements-dev.txt" in first.stdout
    second = bare.run("bench", "nothing")
    assert (second.returncode, second.stdout) == (0, "")
    (bare.directory / "requirements.txt").write_text("# nothing at all\n")
    third = bare.run("bench", "nothing")
    assert "Making" not in third.stdout and "Installing what requirements-dev.txt" in third.stdout
    assert bare.run("bench", "nothing").stdout == ""


def test_listing_the_benchmarks_installs_nothing(bare: Checkout) -> None:
    (bare.directory / "bench").mkdir(exist_ok=True)
    (bare.directory / "bench" / "nothing.py").touch()
    assert "nothing" in bare.run("bench", "--list").stdout.split()
    assert not (bare.directory / ".venv").exists()


def test_setup_makes_what_is_missing_and_nothing_else(ready: Checkout) -> None:
    first = ready.run("setup")
    assert first.returncode == 0, first.stderr
    assert "Fingerprint:" in first.stdout and "admin / admin123" in first.stdout
    assert {path.name for path in ready.home.iterdir()} == {"secrets", "server_storage", "logs", "temp"}
    assert (ready.home / "secrets").stat().st_mode & 0o777 == 0o700
    before = {path: path.read_bytes() for path in (ready.home / "secrets").iterdir()}
    second = ready.run("setup")
    assert second.stdout.count("\n") == 1
    assert {path: path.read_bytes() for path in (ready.home / "secrets").iterdir()} == before
    (ready.home / "secrets" / "certificate.pem").unlink()
    third = ready.run("setup")
    assert "Fingerprint:" in third.stdout and "admin123" not in third.stdout


def test_everything_is_kept_in_the_checkout_unless_told(ready: Checkout) -> None:
    del ready.environ["SFOS_HOME"]
    assert ready.run("setup").returncode == 0
    assert (ready.directory / "secrets" / "credentials.json").exists()


def test_a_relative_home_starts_where_the_user_is(ready: Checkout, tmp_path: Path) -> None:
    assert ready.run("setup", cwd=tmp_path, SFOS_HOME="here").returncode == 0
    assert (tmp_path / "here" / "secrets" / "credentials.json").exists()


def test_it_is_found_through_a_symbolic_link(ready: Checkout, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "one").symlink_to("../bin/two")
    (tmp_path / "bin" / "two").symlink_to(ready.script)
    ready.script = tmp_path / "bin" / "one"
    assert ready.run("setup").returncode == 0


def test_programs_run_where_the_user_is_with_their_arguments_whole(ready: Checkout, tmp_path: Path) -> None:
    (ready.directory / "cli_client.py").write_text("import os, sys; print(os.getcwd(), sys.argv[1:]); sys.exit(7)")
    done = ready.run("cli", "put", "a b", "", "*", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (7, f"{tmp_path} ['put', 'a b', '', '*']\n")


# --- What is missing is said in one line --------------------------------------------------------------------------


def test_a_directory_that_cannot_be_written_is_named_with_the_way_out(ready: Checkout, tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("")
    done = ready.run("setup", SFOS_HOME=str(tmp_path / "a file"))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert str(tmp_path / "a file") in done.stderr and "SFOS_HOME=DIR" in done.stderr


def test_a_place_for_the_environment_that_cannot_be_written_is_named(bare: Checkout, tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("")
    done = bare.run("setup", SFOS_VENV=str(tmp_path / "a file" / "venv"), SFOS_PYTHON=sys.executable)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "SFOS_VENV=DIR" in done.stderr


def test_a_directory_with_something_else_in_it_never_becomes_an_environment(bare: Checkout, tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "love.txt").write_text("dear")
    done = bare.run("setup", SFOS_VENV=str(tmp_path / "letters"), SFOS_PYTHON=sys.executable)
    assert done.returncode == 1
    assert "SFOS_VENV=DIR" in done.stderr
    assert [path.name for path in (tmp_path / "letters").iterdir()] == ["love.txt"]


@pytest.mark.parametrize("wrong", ["/bin/false", "/nowhere/python3", "/bin/cat"])
def test_a_python_that_is_none_is_named(bare: Checkout, wrong: str) -> None:
    done = bare.run("setup", SFOS_PYTHON=wrong)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"SFOS_PYTHON={wrong} is not Python 3.11 or newer" in done.stderr


def test_a_window_without_a_display_is_refused_with_the_way_out(ready: Checkout) -> None:
    done = ready.run("gui", DISPLAY="")
    if sys.platform == "darwin":
        pytest.skip("only on systems where a display can be missing")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "there is no display" in done.stderr and "cli" in done.stderr


# --- The server ---------------------------------------------------------------------------------------------------


def test_the_server_is_ready_when_it_says_so_and_stops_on_sigterm(start: Callable[..., Running]) -> None:
    running = start("server")
    address = running.wait_for(r"^ready (\S+:\d+)$").group(1)
    assert accepts(address)
    running.process.terminate()
    assert running.end() == 0
    assert not accepts(address)


def test_a_command_finds_the_server_of_its_home_on_whatever_port_it_is(
    start: Callable[..., Running], ready: Checkout, tmp_path: Path
) -> None:
    person = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": "", "SFOS_PASSWORD": "user123"}
    running = start("server")
    running.wait_for(r"^ready (\S+:\d+)$")
    words = ("cli", "--accept-new-key", "--user", "user1")
    done = ready.run(*words, "usage", **person)
    assert done.returncode == 0, done.stderr
    running.process.terminate()
    assert running.end() == 0
    done = ready.run(*words, "usage", **person)
    assert done.returncode in (69, 77), done.stderr  # whoever is on the usual port: nobody, as a rule
    assert "8443" in done.stderr


def test_without_a_display_the_server_runs_alone_and_a_line_says_so(start: Callable[..., Running]) -> None:
    running = start(DISPLAY="")
    running.wait_for("no display, so the server runs alone")
    running.wait_for(r"^ready ")
    running.process.send_signal(signal.SIGINT)
    assert running.end() == 0


def test_a_port_in_use_is_named_in_a_line_with_the_way_out(ready: Checkout) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = ready.run("server", SFOS_SERVER_PORT=str(port))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert str(port) in done.stderr and "in use" in done.stderr


# --- Server and window --------------------------------------------------------------------------------------------


@pytest.fixture
def window_of(display: str, wait_until: Callable[..., None]) -> Callable[[], str]:
    """Waits for a visible window that was not there before (other tests may have theirs open) and gives its id."""
    if shutil.which("xdotool") is None:
        pytest.skip("xdotool is not installed (./run.sh test installs it)")

    def visible() -> list[str]:
        command = ["xdotool", "search", "--onlyvisible", "--name", "."]
        environ = {**os.environ, "DISPLAY": display}
        return subprocess.run(command, check=False, capture_output=True, text=True, env=environ).stdout.split()

    before = visible()

    def find() -> str:
        found: list[str] = []

        def look() -> bool:
            found[:] = [window for window in visible() if window not in before]
            return bool(found)

        wait_until(look, 90, what="a window")
        return found[0]

    return find


class _ClientMessage(ctypes.Structure):
    """XClientMessageEvent, padded to the size of an XEvent (Xlib.h)."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("serial", ctypes.c_ulong),
        ("send_event", ctypes.c_int),
        ("display", ctypes.c_void_p),
        ("window", ctypes.c_ulong),
        ("message_type", ctypes.c_ulong),
        ("format", ctypes.c_int),
        ("data", ctypes.c_long * 5),
        ("padding", ctypes.c_long * 24),
    )


def close_window(display: str, window: str) -> None:
    """Ask the window to close, as the cross in its corner does: WM_DELETE_WINDOW of the ICCCM, section 4.2.8.1."""
    x11 = ctypes.CDLL("libX11.so.6")
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XInternAtom.restype = ctypes.c_ulong
    connection = ctypes.c_void_p(x11.XOpenDisplay(display.encode()))
    assert connection
    protocols, delete = (x11.XInternAtom(connection, name, False) for name in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW"))
    message = _ClientMessage(type=33, window=int(window), message_type=protocols, format=32)
    message.data[0] = delete
    assert x11.XSendEvent(connection, ctypes.c_ulong(int(window)), False, ctypes.c_long(0), ctypes.byref(message))
    x11.XCloseDisplay(connection)


@pytest.mark.display
def test_closing_the_window_stops_the_server_that_was_started(
    start: Callable[..., Running], display: str, window_of: Callable[[], str]
) -> None:
    running = start(DISPLAY=display)
    address = running.wait_for(r"The server is ready on (\S+:\d+)\.").group(1)
    window = window_of()
    assert accepts(address)
    close_window(display, window)
    assert running.end() == 0
    assert not accepts(address)


@pytest.mark.display
def test_a_server_that_is_killed_is_told_of_at_once_and_not_when_the_window_closes(
    start: Callable[..., Running], ready: Checkout, display: str, window_of: Callable[[], str]
) -> None:
    running = start(DISPLAY=display)
    running.wait_for(r"The server is ready on")
    window = window_of()
    os.kill(int((ready.home / ".server.lock").read_text().split()[0]), signal.SIGKILL)
    running.wait_for(r"the server has ended; what it had acknowledged is kept\..*server\.log")
    assert running.process.poll() is None
    close_window(display, window)
    assert running.end() == 0


@pytest.mark.display
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_signal_stops_window_and_server(
    start: Callable[..., Running], display: str, window_of: Callable[[], str], sent: signal.Signals, code: int
) -> None:
    running = start(DISPLAY=display)
    address = running.wait_for(r"The server is ready on (\S+:\d+)\.").group(1)
    window_of()
    running.process.send_signal(sent)
    assert running.end() == code
    assert not accepts(address)


@pytest.mark.display
def test_ctrl_c_in_the_terminal_reaches_all_and_leaves_nothing(
    start: Callable[..., Running], display: str, window_of: Callable[[], str]
) -> None:
    running = start(DISPLAY=display)
    running.wait_for(r"The server is ready on")
    window_of()
    os.killpg(running.process.pid, signal.SIGINT)  # the whole foreground group, as a terminal does
    assert running.end() == 130


@pytest.mark.display
def test_a_server_that_cannot_start_opens_no_window(ready: Checkout, display: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = ready.run(DISPLAY=display, SFOS_SERVER_PORT=str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 2
    assert "in use" in done.stderr and "the server did not start" in done.stderr


@pytest.mark.display
def test_the_second_start_makes_nothing_and_shows_a_window(
    start: Callable[..., Running], display: str, window_of: Callable[[], str]
) -> None:
    said: list[list[str]] = []
    for _ in range(2):
        running = start(DISPLAY=display)
        close_window(display, window_of())
        assert running.end() == 0
        said.append(running.lines)
    assert any("Fingerprint" in line for line in said[0])
    assert not any("Fingerprint" in line or "admin123" in line for line in said[1])  # how long it takes: bench/start.py
