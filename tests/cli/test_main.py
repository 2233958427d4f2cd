"""The edges of the program: what nobody expected, and where passwords come from."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, TypedDict, cast

import keyring
import pytest
import typing_extensions
from keyring.backend import KeyringBackend
from keyring.compat.properties import classproperty

from sfos import config
from sfos.cli.front.lean import LEFT_OUT
from sfos.cli.front.password import Origin, candidates
from sfos.cli.front.shell import Shell
from sfos.cli.main import run
from sfos.client.address import Address
from sfos.client.errors import LocalAccess
from sfos.client.session import keyring_store
from sfos.protocol import LoginRequired
from tests.support.memory_keyring import MemoryKeyring
from tests.support.server_process import CHECKOUT

HERE = Address("localhost", 8443)


# ── mistakes in this program ────────────────────────────────────────────────────────────────────────────────────


def broken_settings() -> config.Client:
    raise ZeroDivisionError("the sum of\nnothing")


def test_what_nobody_expected_is_reported_without_a_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["ls"], broken_settings, {}) == 70
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err == (
        "sfos: the sum of\\nnothing\n"
        "This is a mistake in this program (ZeroDivisionError). Run it again with --debug to see where, "
        "and please report it to its authors.\n"
    )


def test_debug_shows_where_it_came_from(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["--debug", "ls"], broken_settings, {}) == 70
    said = capfd.readouterr().err
    assert "Traceback (most recent call last):" in said
    assert "in broken_settings" in said


def test_the_program_leaves_signals_and_logging_as_they_were(capfd: pytest.CaptureFixture[str]) -> None:
    import logging

    before = (signal.getsignal(signal.SIGTERM), logging.getLogger().handlers[:], logging.getLogger().level)
    run(["ls"], broken_settings, {})
    assert (signal.getsignal(signal.SIGTERM), logging.getLogger().handlers[:], logging.getLogger().level) == before


def python(program: str, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """A process of its own, with nothing loaded."""
    return subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=CHECKOUT, env={**os.environ, **environ}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def session_that_loads(imports: str, *seldom_used: str) -> str:
    """A program that imports what a command imports, and fails if any of the modules came along that few need."""
    return (
        f"import sys\n{imports}\n"
        f"loaded = {set(seldom_used)} & set(sys.modules)\n"
        "sys.exit(f'loaded: {loaded}' if loaded else 0)\n"
    )


@pytest.mark.parametrize("words", [["--help"], ["put", "--help"]])
def test_help_needs_no_configuration_and_loads_neither_tls_nor_bars(words: list[str]) -> None:
    probe = (
        "import runpy, sys\n"
        "sys.argv = ['cli_client.py', *sys.argv[1:]]\n"
        "try:\n    runpy.run_path('cli_client.py', run_name='__main__')\n"
        "except SystemExit as end:\n    code = end.code\n"
        "heavy = {'OpenSSL', 'rich', 'keyring', 'sfos.client.transfer', 'sqlalchemy', 'tkinter'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {heavy}' if heavy else code)\n"
    )
    done = python(probe, *words, SFOS_HOME="/nowhere")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: sfos ")


def test_a_session_is_loaded_without_what_only_seldom_is_needed() -> None:
    seldom = ("cryptography.x509.name", "platformdirs", "keyring", "sfos.client.transfer", "email", "rich")
    done = python(session_that_loads("import sfos.cli.front.signing_in, sfos.cli.commands.ls", *seldom))
    assert (done.returncode, done.stderr) == (0, "")


def test_the_command_line_is_loaded_without_what_its_libraries_seldom_use() -> None:
    imports = (
        "import sfos.cli.front.lean\n"
        "from sfos.cli.main import run\n"
        "with sfos.cli.front.lean.lean_imports():\n    import sfos.client.net.tls\n"
        "import sfos.cli.front.signing_in, sfos.cli.commands.put, sfos.cli.files.transferring"
    )
    seldom = [
        "locale",
        "sfos.wire.scram",
        "sfos.client.session.login",
    ]
    seldom += [
        "pyfastcdc",
        "sfos.client.transfer.up.queue",
        "sfos.client.transfer.down.queue",
        "tempfile",
        "dataclasses",
    ]
    seldom += ["hashlib", *LEFT_OUT]
    done = python(session_that_loads(imports, *seldom))
    assert (done.returncode, done.stderr) == (0, "")


def test_the_script_itself_loads_nothing_before_what_keeps_the_libraries_lean() -> None:
    command = [sys.executable, "-X", "importtime", str(CHECKOUT / "cli_client.py"), "mkdir"]  # which lacks its PATH
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert {"pathlib", "sfos.cli.front.lean", "sfos.config"} <= loaded
    assert not {"dataclasses", "tempfile", *LEFT_OUT} & loaded


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="only on Python 3.11: others import other modules")
def test_each_module_that_is_left_out_would_be_loaded_without_its_stand_in() -> None:
    """An update of a library or of Python can fail this: then the stand-in has nothing to do any more, and goes."""
    probe = (
        "import sys\n"
        "import sfos.cli.main, sfos.client.net.tls, sfos.cli.front.signing_in, sfos.cli.commands.ls\n"
        "print(*sorted(set(sys.argv[1:]) - set(sys.modules)))\n"
    )
    without = "import sys, types\nlean = types.ModuleType('sfos.cli.front.lean')\n"
    without += "import contextlib\nlean.lean_imports = contextlib.nullcontext\nsys.modules[lean.__name__] = lean\n"
    done = python(without + probe, *LEFT_OUT)
    assert (done.returncode, done.stdout) == (0, "\n"), done.stderr


def test_what_was_left_out_at_the_start_is_there_for_who_uses_it() -> None:
    probe = (
        "import sys\n"
        "import sfos.cli.front.lean\n"
        "with sfos.cli.front.lean.lean_imports():\n    import sfos.client.net.tls\n"
        "import logging, pathlib, uuid, msgspec\n"
        "assert pathlib.PurePosixPath('/a b').as_uri() == 'file:///a%20b'\n"
        "assert uuid._LINUX is (sys.platform == 'linux') and uuid.uuid4().version == 4\n"
        "assert msgspec.json.schema(int) == {'type': 'integer'}\n"
        "try:\n    1 / 0\n"
        "except ZeroDivisionError:\n    logging.exception('told')\n"
        "import calendar, gettext, inspect, ntpath, platform, random, textwrap, traceback\n"
        "import typing_extensions, urllib.parse\n"
        "real = (calendar, gettext, inspect, ntpath, platform, random, textwrap, traceback)\n"
        "real += (typing_extensions, urllib.parse)\n"
        "assert pathlib.PureWindowsPath('a', 'b').parts == ('a', 'b')\n"
        "assert all(module.__file__ and module is sys.modules[module.__name__] for module in real)\n"
    )
    done = python(probe)
    assert (done.returncode, done.stderr.splitlines()[0]) == (0, "ERROR:root:told"), done.stderr
    assert "ZeroDivisionError" in done.stderr


def test_the_stand_in_for_typing_extensions_has_what_the_real_one_has() -> None:
    """An update of Python or of the library can fail this: then the stand-in says what is not true any more."""
    told = LEFT_OUT["typing_extensions"]
    assert told["Required"] is typing_extensions.Required
    assert told["NotRequired"] is typing_extensions.NotRequired
    hints = cast("Callable[..., object]", told["get_type_hints"])

    class Row(TypedDict):
        name: Annotated[str, 3]

    assert hints(Row, include_extras=True) == typing_extensions.get_type_hints(Row, include_extras=True)
    assert hints(Row) == {"name": str}


@pytest.mark.parametrize("how", [{}, {"category": FutureWarning}, {"stacklevel": 2}, {"category": None}])
def test_what_a_library_calls_deprecated_warns_as_ever(how: dict[str, Any]) -> None:
    """pyOpenSSL marks functions, methods and a class so."""

    def use(deprecated: Callable[..., Any]) -> list[object]:
        def plain(number: int, *, by: int = 2) -> int:
            "Twice as much."
            return number * by

        class Plain:
            def __init__(self, text: str) -> None:
                self.text = text

        double, name = deprecated("an old function", **how)(plain), deprecated("an old class", **how)(Plain)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            values = [double(4), double(4, by=3), name("a").text]
        told = [(str(one.message), one.category, one.filename, one.lineno) for one in caught]
        marks = [double.__name__, double.__doc__, double.__deprecated__, name.__name__, name.__deprecated__]
        return [values, told, marks]

    def used(deprecated: Callable[..., Any]) -> list[object]:
        return use(deprecated)

    stand_in = cast("Callable[..., Any]", LEFT_OUT["typing_extensions"]["deprecated"])
    real = used(typing_extensions.deprecated)
    assert used(stand_in) == real
    assert len(cast("list[object]", real[1])) == (0 if how == {"category": None} else 3)


def test_a_deferred_package_is_loaded_when_it_is_asked_for() -> None:
    probe = (
        "import sys, threading\n"
        "from sfos.client.net.tls import load_x509\n"
        "assert 'cryptography.x509.name' not in sys.modules\n"
        "threads = [threading.Thread(target=load_x509) for _ in range(8)]\n"
        "[thread.start() for thread in threads]\n"
        "[thread.join() for thread in threads]\n"
        "from cryptography import x509\n"
        "from cryptography.x509 import Certificate\n"
        "assert x509.Certificate is Certificate\n"
    )
    done = python(probe)
    assert (done.returncode, done.stderr) == (0, "")


# ── where passwords come from ───────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def memory_keyring() -> Iterator[MemoryKeyring]:
    before = keyring.get_keyring()
    mine = MemoryKeyring()
    keyring.set_keyring(mine)
    yield mine
    keyring.set_keyring(before)


@pytest.fixture
def pipe() -> Shell:
    return Shell(io.StringIO("from input\nnot this\n"), io.StringIO(), io.StringIO())


def found(shell: Shell, environ: dict[str, str], file: str | None = None) -> list[tuple[str, Origin]]:
    return [(tell(), origin) for tell, origin in candidates(shell, environ, file, "anna", HERE)]


def test_the_file_comes_before_the_environment_and_that_before_the_keyring(
    pipe: Shell, memory_keyring: MemoryKeyring, tmp_path: Path
) -> None:
    keyring_store.put("anna", HERE, "kept")
    file = tmp_path / "file"
    file.write_bytes(b"\xef\xbb\xbffiled \r\nmore")
    environ = {"SFOS_PASSWORD": "variable"}
    assert found(pipe, environ, str(file)) == [("filed ", Origin.FILE)]
    assert found(pipe, environ, "-") == [("from input", Origin.FILE)]
    assert found(pipe, environ) == [("variable", Origin.ENVIRONMENT)]
    assert found(pipe, {}) == [("kept", Origin.KEYRING)]


def test_an_empty_variable_is_a_password_that_was_given(pipe: Shell) -> None:
    assert found(pipe, {"SFOS_PASSWORD": ""}) == [("", Origin.ENVIRONMENT)]


def test_without_any_the_ways_to_give_one_are_named(pipe: Shell, memory_keyring: MemoryKeyring) -> None:
    with pytest.raises(LoginRequired) as needed:
        found(pipe, {})
    assert "--password-file" in str(needed.value)
    memory_keyring.locked = True
    with pytest.raises(LoginRequired):
        found(pipe, {})


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_password_file_that_cannot_be_read_says_why(pipe: Shell, tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "file").write_bytes(content)
    with pytest.raises(LocalAccess) as refused:
        found(pipe, {}, str(tmp_path / "file"))
    assert "The password file cannot be read: " in str(refused.value)


def test_the_keyring_keeps_one_password_for_each_user_and_server(memory_keyring: MemoryKeyring) -> None:
    assert keyring_store.get("anna", HERE) is None
    assert keyring_store.put("anna", HERE, "one")
    assert keyring_store.put("anna", Address("other", 8443), "two")
    assert keyring_store.get("anna", HERE) == "one"
    assert keyring_store.forget("anna", HERE)
    assert not keyring_store.forget("anna", HERE)
    assert keyring_store.get("anna", Address("other", 8443)) == "two"
    assert list(memory_keyring.kept) == [("secure-file-orchestration", "anna@other:8443")]  # where the window looks


def test_a_changed_password_takes_the_place_of_a_kept_one_and_of_no_other(memory_keyring: MemoryKeyring) -> None:
    keyring_store.renew("anna", HERE, "new")
    assert keyring_store.get("anna", HERE) is None, "nobody asked for it to be kept"
    keyring_store.put("anna", HERE, "old")
    keyring_store.renew("anna", HERE, "new")
    assert keyring_store.get("anna", HERE) == "new"
    memory_keyring.full = True
    keyring_store.renew("anna", HERE, "newer")
    assert keyring_store.get("anna", HERE) is None, "a wrong one would be tried at each start"


def test_a_keyring_that_keeps_nothing_is_not_used() -> None:
    assert keyring_store.refusal() is not None  # the tests' own: keyring.backends.null
    assert not keyring_store.put("anna", HERE, "secret")
    assert not keyring_store.forget("anna", HERE)


class NothingUnderIt(KeyringBackend):
    """Backend of a keyring whose service does not run: it says so by whatever its library raises."""

    @classproperty
    def priority(cls) -> float:  # noqa: N805 - of the class
        raise RuntimeError("no session bus")

    get_password = set_password = delete_password = None  # type: ignore[assignment]


class FailsLater(MemoryKeyring):
    """One that answers, and whose service then goes away."""

    def get_password(self, service: str, username: str) -> str | None:
        raise ConnectionResetError("the bus is gone")

    set_password = get_password  # type: ignore[assignment]


@pytest.mark.parametrize("backend", [NothingUnderIt, FailsLater])
def test_a_keyring_that_breaks_in_its_own_way_counts_as_none(
    memory_keyring: MemoryKeyring, backend: type[KeyringBackend]
) -> None:
    keyring.set_keyring(backend())
    assert keyring_store.get("anna", HERE) is None
    assert not keyring_store.put("anna", HERE, "secret")
    assert not keyring_store.forget("anna", HERE)


def test_a_chain_of_fallbacks_is_no_keyring(memory_keyring: MemoryKeyring, monkeypatch: pytest.MonkeyPatch) -> None:
    from keyring.backends import null
    from keyring.backends.chainer import ChainerBackend

    monkeypatch.setattr(ChainerBackend, "backends", [null.Keyring(), null.Keyring()])
    keyring.set_keyring(ChainerBackend())
    assert keyring_store.refusal() is not None
    monkeypatch.setattr(ChainerBackend, "backends", [memory_keyring, null.Keyring()])
    assert keyring_store.refusal() is None
