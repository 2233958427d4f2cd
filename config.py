"""Every setting of the server and its clients: typed, checked once when a program starts, then passed in.

    command line  >  environment (SFOS_SERVER_PORT=9000)  >  config.toml in SFOS_HOME  >  the default below

`load` gives a frozen `Config`; a wrong key or value raises `ConfigError`, whose message says which setting, its value,
where it came from and what is allowed. Libraries never read this module: they are given the section they need.

The tables below are the only list of settings; `python config.py` writes them as a commented config.example.toml.
Sizes in bytes may be written as "256 MiB"; times are seconds; relative paths start at SFOS_HOME.
"""

# ruff: noqa: RUF009 - every field is declared by _setting, whose defaults are all immutable
from __future__ import annotations

import argparse
import dataclasses
import difflib
import math
import os
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

try:
    from wire.passwords import PasswordPolicy
    from wire.scram import MAX_ITERATIONS, MIN_ITERATIONS
except ModuleNotFoundError as missing:
    # Every program imports this module first, so this is where a Python without the dependencies shows.
    sys.exit(
        f"{missing.name} is not installed for {sys.executable}: ./run.sh setup makes .venv/bin/python, which has it"
    )

KIB, MIB, GIB = 2**10, 2**20, 2**30
_DAY_S = 86_400

ENVIRONMENT_PREFIX = "SFOS_"
# Variables with our prefix that are no settings: where everything is, secrets, and what run.sh and the tests read.
OTHER_VARIABLES = frozenset(
    {"SFOS_HOME", "SFOS_PASSWORD", "SFOS_MASTER_KEY", "SFOS_PYTHON", "SFOS_VENV", "SFOS_REQUIRE_ALL"}
)
TEST_PREFIX = "SFOS_TEST_"


class ConfigError(Exception):
    """A setting has a wrong name or value."""


def _setting(
    default: Any,
    doc: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """A field of a section: its default, its sentence for people, and what is allowed (both bounds inclusive)."""
    return field(default=default, metadata={"doc": doc, "low": low, "high": high, "choices": choices})


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where the server listens, how much it takes on, and where it keeps things."""

    host: str = _setting("127.0.0.1", "Address to listen on. 0.0.0.0 or :: listens to the network.")
    port: int = _setting(8443, "TCP port; 0 takes any free one.", low=0, high=65_535)
    max_connections: int = _setting(1_100, "Open connections in all.", low=1, high=100_000)
    max_connections_per_address: int = _setting(
        128, "Open connections from one address (from one /64 with IPv6).", low=1, high=100_000
    )
    max_unauthenticated: int = _setting(64, "Open connections that have not signed in yet.", low=1, high=100_000)
    listen_backlog: int = _setting(128, "Connections that may wait to be accepted.", low=1, high=65_535)
    handshake_timeout_s: float = _setting(10.0, "A TLS handshake is over after this time.", low=0.1, high=600)
    login_timeout_s: float = _setting(20.0, "From the handshake to the end of signing in.", low=0.1, high=600)
    stall_timeout_s: float = _setting(30.0, "A frame that has begun must go on within this time.", low=0.1, high=3_600)
    min_rate_bytes_s: int = _setting(
        1_024, "A frame that comes or goes more slowly than this is cut off; 0 allows any.", low=0, high=GIB
    )
    socket_buffer_bytes: int = _setting(
        0, "The kernel's buffer for each direction of a connection; 0 leaves it to the system.", low=0, high=64 * MIB
    )
    memory_budget_bytes: int = _setting(
        256 * MIB, "Bytes of bodies that all connections together hold in memory.", low=32 * MIB, high=1_024 * GIB
    )
    handler_slots: int = _setting(
        2,
        "Small requests that are worked on at the same moment; more only compete for the interpreter.",
        low=1,
        high=64,
    )
    worker_threads: int = _setting(4, "Threads that make chunks durable (fsync); more gained nothing.", low=1, high=256)
    stop_grace_s: float = _setting(10.0, "When stopping, running commands have this long to finish.", low=0, high=600)
    storage_dir: Path = _setting(Path("server_storage"), "Directory of the encrypted files, one folder for each space.")
    temp_dir: Path = _setting(Path("temp"), "Directory of half-written files; on the same device as storage_dir.")
    certificate_file: Path = _setting(Path("secrets/certificate.pem"), "The server's certificate.")
    private_key_file: Path = _setting(Path("secrets/private_key.pem"), "The private key of the certificate.")
    credentials_file: Path = _setting(Path("secrets/credentials.json"), "The accounts; create_credentials.py edits it.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """Signing in: how often one may be wrong, how long a session lives, what a password must be."""

    login_attempts: int = _setting(
        5, "Wrong passwords that cost no wait, for an account and for an address.", low=1, high=100
    )
    penalty_base_s: float = _setting(1.0, "Wait after the first attempt beyond those.", low=0, high=3_600)
    penalty_growth: float = _setting(2.0, "Each further wrong attempt multiplies the wait by this.", low=1, high=10)
    penalty_max_s: float = _setting(900.0, "No wait is longer: nobody locks a user out for good.", low=0, high=_DAY_S)
    penalty_forget_s: float = _setting(
        3_600.0, "Wrong attempts are forgotten after this time.", low=1, high=30 * _DAY_S
    )
    session_idle_timeout_s: float = _setting(
        1_800.0, "A session without commands ends after this time.", low=1, high=30 * _DAY_S
    )
    session_absolute_timeout_s: float = _setting(
        43_200.0, "A session ends after this time, busy or not.", low=1, high=365 * _DAY_S
    )
    max_sessions_per_user: int = _setting(64, "Sessions of one user at the same time.", low=1, high=10_000)
    password_min_length: int = _setting(10, "Characters that a new password needs.", low=1, high=128)
    password_max_length: int = _setting(256, "Characters that a new password may have.", low=64, high=1_024)
    password_min_classes: int = _setting(
        1, "Kinds of characters it needs, of lower case, upper case, digits, others.", low=1, high=4
    )
    password_min_distinct: int = _setting(5, "Different characters it needs.", low=1, high=64)
    password_refuse_common: bool = _setting(True, "Refuse the passwords that everybody tries first.")
    scram_iterations: int = _setting(
        600_000, "Work that one guess at a stolen credential file costs.", low=MIN_ITERATIONS, high=MAX_ITERATIONS
    )

    @property
    def password_policy(self) -> PasswordPolicy:
        return PasswordPolicy(
            min_length=self.password_min_length,
            max_length=self.password_max_length,
            min_classes=self.password_min_classes,
            min_distinct=self.password_min_distinct,
            refuse_common=self.password_refuse_common,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """How files are kept."""

    free_space_floor_bytes: int = _setting(
        GIB, "With less free space than this, uploads are refused; deleting still works.", low=0, high=1_024 * GIB
    )
    quota_bytes: int = _setting(
        0, "Stored bytes that one user may have, history included; 0 is no limit.", low=0, high=2**62
    )
    gc_grace_s: float = _setting(
        float(_DAY_S),
        "Chunks that nothing refers to are kept this long, so that uploads can resume.",
        low=0,
        high=365 * _DAY_S,
    )
    gc_every_s: float = _setting(
        float(_DAY_S // 4), "How often the server removes what nothing refers to; 0 is never.", low=0, high=365 * _DAY_S
    )
    history_kept_s: float = _setting(
        90.0 * _DAY_S, "Earlier versions and deleted files are kept this long.", low=0, high=100 * 365 * _DAY_S
    )
    expire_every_s: float = _setting(
        float(_DAY_S), "How often the server forgets history older than that; 0 is never.", low=0, high=365 * _DAY_S
    )
    small_chunk_limit_bytes: int = _setting(
        64 * KIB, "Chunks whose token is at most this long live in a database instead of a file each.", low=0, high=MIB
    )
    open_catalogs: int = _setting(64, "Spaces whose catalog stays open.", low=1, high=4_096)
    busy_timeout_s: float = _setting(30.0, "How long a catalog waits for a lock of another process.", low=0, high=600)
    verify_after_seal: bool = _setting(
        False, "Open each fresh token before storing it: finds faulty memory, costs a good part of the upload rate."
    )
    master_key_source: str = _setting(
        "file",
        "Where the master key is: in SFOS_MASTER_KEY if set, else in master_key_file; or in the variable alone.",
        choices=("file", "environment"),
    )
    master_key_file: Path = _setting(
        Path("secrets/master.key"), "The master key, one or several lines, newest first; better on another device."
    )


_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


@dataclass(frozen=True, slots=True, kw_only=True)
class Logging:
    """What is written down, and where."""

    level: str = _setting("INFO", "What goes into the log files.", choices=_LEVELS)
    console_level: str = _setting("WARNING", "What goes to the terminal as well.", choices=_LEVELS)
    format: str = _setting(
        "%(asctime)s %(levelname)-7s %(name)s %(message)s", "One line of a log file, as Python's logging writes it."
    )
    date_format: str = _setting("%Y-%m-%dT%H:%M:%S%z", "The time in it, as strftime writes it.")
    server_file: Path = _setting(Path("logs/server.log"), "What the server does.")
    audit_file: Path = _setting(Path("logs/audit.log"), "Who did what, one JSON object a line.")
    client_file: Path = _setting(Path("logs/client.log"), "What the window does.")
    max_bytes: int = _setting(
        10 * MIB, "A log file of this size is put aside and a new one begun.", low=4 * KIB, high=GIB
    )
    backups: int = _setting(10, "Log files put aside that are kept.", low=0, high=1_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """The window and the command line."""

    server: str = _setting("127.0.0.1:8443", "The server they offer first, HOST:PORT.")
    user: str = _setting("", "The user name they offer first.")
    connections: int = _setting(
        2, "Connections for large files; more than two bring nothing on two cores.", low=1, high=16
    )
    depth: int = _setting(16, "Requests under way on one connection.", low=1, high=32)
    connect_timeout_s: float = _setting(10.0, "Reaching the server and the handshake.", low=0.1, high=600)
    request_timeout_s: float = _setting(60.0, "A server that says nothing for so long is given up.", low=1, high=3_600)
    retries: int = _setting(5, "A transfer is taken up again this often after a broken connection.", low=0, high=100)
    retry_base_s: float = _setting(0.5, "Wait before the first of those; each further one doubles it.", low=0, high=60)
    batch_bytes: int = _setting(
        4 * MIB, "Small files that travel in one request, together.", low=64 * KIB, high=7 * MIB
    )
    upload_limit_bytes_s: int = _setting(0, "Bytes a second that uploads may take; 0 is no limit.", low=0, high=2**40)
    download_limit_bytes_s: int = _setting(0, "The same for downloads.", low=0, high=2**40)
    preview_max_bytes: int = _setting(
        32 * MIB, "Larger files are not fetched for a preview unless asked for.", low=0, high=GIB
    )
    download_dir: Path = _setting(Path("~/Downloads"), "Where the window puts files unless told.")
    state_dir: Path = _setting(
        Path(), "Pinned servers, the transfer queue, remembered choices; empty is the system's place for them."
    )
    theme: str = _setting("system", "Colours of the window.", choices=("system", "light", "dark"))
    ui_scale: float = _setting(
        0.0, "Size of the window's contents; 0 asks the system, 2 is twice as large.", low=0, high=4
    )


SECTIONS: Mapping[str, type] = MappingProxyType(
    {"server": Server, "security": Security, "storage": Storage, "logging": Logging, "client": Client}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings of one program run. `home` is absolute; so is every path below, but an empty one."""

    home: Path
    server: Server = Server()
    security: Security = Security()
    storage: Storage = Storage()
    logging: Logging = Logging()
    client: Client = Client()


# --- Loading ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Given:
    """A value somebody gave, and the place to look for it."""

    value: object
    origin: str


def load(
    argv_overrides: Mapping[str, str] = MappingProxyType({}),
    environ: Mapping[str, str] = os.environ,
    home: Path | None = None,
) -> Config:
    """The settings in force. `argv_overrides` maps "server.port" to a text; `home` outranks SFOS_HOME.

    Reads config.toml, if there is one. Raises: ConfigError.
    """
    base = (home or Path(environ.get("SFOS_HOME") or Path(__file__).parent)).expanduser().absolute()
    line = "the command line"
    for key in argv_overrides:
        _check_known(key, line)
    sources = (
        _from_file(base / "config.toml"),
        _from_environment(environ),
        {key: _Given(value, line) for key, value in argv_overrides.items()},
    )
    given: dict[str, _Given] = {}
    for source in sources:
        # Each of them, also what another outranks: or it would be found out on the day that the other goes.
        _check_values(source)
        given.update(source)
    sections = {name: _section(name, kind, given, base) for name, kind in SECTIONS.items()}
    config = Config(home=base, **sections)
    _check_together(config, given)
    return config


def setting_keys() -> Iterable[str]:
    """Every key, as "server.port", in the order of the tables."""
    return (f"{name}.{item.name}" for name, kind in SECTIONS.items() for item in dataclasses.fields(kind))


def _from_file(path: Path) -> dict[str, _Given]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    given: dict[str, _Given] = {}
    for section, table in document.items():
        if section not in SECTIONS or not isinstance(table, dict):
            allowed = ", ".join(f"[{name}]" for name in SECTIONS)
            raise ConfigError(f"{path}: {section} is no section; there are {allowed}")
        for name, value in table.items():
            _check_known(f"{section}.{name}", str(path))
            given[f"{section}.{name}"] = _Given(value, str(path))
    return given


def _from_environment(environ: Mapping[str, str]) -> dict[str, _Given]:
    variables = {ENVIRONMENT_PREFIX + key.replace(".", "_", 1).upper(): key for key in setting_keys()}
    given: dict[str, _Given] = {}
    for variable, value in environ.items():
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable in OTHER_VARIABLES:
            continue
        if variable.startswith(TEST_PREFIX):
            continue
        if variable not in variables:
            names = [*variables, *OTHER_VARIABLES]
            # Without the value: it may be a password under a name mistyped.
            raise ConfigError(f"{variable} (from the environment): no such setting{_nearest(variable, names)}")
        given[variables[variable]] = _Given(value, f"the environment variable {variable}")
    return given


def _check_known(key: str, origin: str) -> None:
    keys = list(setting_keys())
    if key in keys:
        return
    section = key.split(".", 1)[0]
    if section in SECTIONS:
        allowed = ", ".join(item.name for item in dataclasses.fields(SECTIONS[section]))
        raise ConfigError(f"{key} (from {origin}): no such setting{_nearest(key, keys)}; [{section}] has {allowed}")
    raise ConfigError(f"{key} (from {origin}): no such setting{_nearest(key, keys)}; sections: {', '.join(SECTIONS)}")


def _nearest(name: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(names), n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _section(name: str, kind: type, given: Mapping[str, _Given], home: Path) -> Any:
    values: dict[str, object] = {}
    for item in dataclasses.fields(kind):
        entry = given.get(f"{name}.{item.name}")
        value = item.default if entry is None else _checked(f"{name}.{item.name}", item, entry)
        if isinstance(value, Path) and value != Path():
            value = home / value.expanduser()
        values[item.name] = value
    return kind(**values)


def _check_values(given: Mapping[str, _Given]) -> None:
    """Raises: ConfigError."""
    for key, entry in given.items():
        section, name = key.split(".", 1)
        (item,) = (item for item in dataclasses.fields(SECTIONS[section]) if item.name == name)
        _checked(key, item, entry)


def _checked(key: str, item: dataclasses.Field[Any], given: _Given) -> object:
    """The value as the type that the setting has.

    Raises: ConfigError.
    """
    parse = {"int": _whole_number, "float": _number, "bool": _switch, "str": _text, "Path": _path}[str(item.type)]
    try:
        value = parse(given.value)
    except (ValueError, TypeError) as error:
        raise _wrong(key, item, given) from error
    low, high, choices = item.metadata["low"], item.metadata["high"], item.metadata["choices"]
    if choices:
        value = next((choice for choice in choices if choice.lower() == str(value).lower()), None)
    below = low is not None and isinstance(value, int | float) and value < low
    above = high is not None and isinstance(value, int | float) and value > high
    if value is None or below or above:
        raise _wrong(key, item, given)
    return value


def _wrong(key: str, item: dataclasses.Field[Any], given: _Given) -> ConfigError:
    shown = repr(given.value)
    shown = shown if len(shown) <= 80 else shown[:77] + "..."
    return ConfigError(f"{key} = {shown} (from {given.origin}): must be {allowed_values(item)}")


def allowed_values(item: dataclasses.Field[Any]) -> str:
    """What a setting may be, as a phrase: "a whole number from 0 to 65535"."""
    low, high, choices = item.metadata["low"], item.metadata["high"], item.metadata["choices"]
    if choices:
        return "one of " + ", ".join(choices)
    kinds = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "a text", "Path": "a path"}
    phrase = kinds[str(item.type)]
    if low is None:
        return phrase
    return f"{phrase} from {low:.15g} to {high:.15g}"


_SIZE = re.compile(r"([0-9][0-9_]*)\s*(?:(K|M|G|T)i?B)?")
_UNITS = {"K": KIB, "M": MIB, "G": GIB, "T": 1_024 * GIB}


def _whole_number(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError
    return int(match.group(1)) * _UNITS.get(match.group(2), 1)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError
    number = float(value)
    if not math.isfinite(number):
        raise ValueError
    return number


def _switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    words = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
    if not isinstance(value, str) or value.strip().lower() not in words:
        raise ValueError
    return words[value.strip().lower()]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _path(value: object) -> Path:
    text = _text(value)
    if "\0" in text:
        raise ValueError
    return Path(text)


def _check_together(config: Config, given: Mapping[str, _Given]) -> None:
    """Raise ConfigError where two settings contradict each other."""
    pairs = (
        ("server.max_connections_per_address", "server.max_connections"),
        ("server.max_unauthenticated", "server.max_connections"),
        ("security.penalty_base_s", "security.penalty_max_s"),
        ("security.session_idle_timeout_s", "security.session_absolute_timeout_s"),
        ("security.password_min_length", "security.password_max_length"),
        ("security.password_min_distinct", "security.password_max_length"),
    )
    for smaller, larger in pairs:
        low, high = (getattr(getattr(config, key.split(".")[0]), key.split(".")[1]) for key in (smaller, larger))
        if low > high:
            key = smaller if smaller in given else larger
            raise ConfigError(
                f"{key} (from {given[key].origin}): {smaller} = {low:g} must not be more than {larger} = {high:g}"
            )


# --- Command lines and the example file ---------------------------------------------------------------------------


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give `parser` the options that every entry script has: --home and --set."""
    group = parser.add_argument_group("settings")
    group.add_argument(
        "--home", type=Path, metavar="DIR", help="where everything is kept (SFOS_HOME; default: the program's folder)"
    )
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="override a setting, for example --set server.port=9000 (see config.example.toml)",
    )


def load_from(options: argparse.Namespace, extra: Mapping[str, str] = MappingProxyType({})) -> Config:
    """The settings for a command line parsed with `add_options`; `extra` are options of the script's own.

    Raises: ConfigError.
    """
    overrides: dict[str, str] = {}
    for text in options.set:
        key, separator, value = text.partition("=")
        if not separator:
            raise ConfigError(f"--set {text}: write --set SECTION.KEY=VALUE")
        overrides[key.strip()] = value
    return load({**overrides, **extra}, home=options.home)


def example_toml() -> str:
    """The text of config.example.toml: every setting with its comment, what is allowed, and its default."""
    lines = [
        "# Settings of the Secure File Orchestration and Synchronization System.",
        "# Copy this file to config.toml and change what you need; a line that begins with # says the default.",
        "# SFOS_<SECTION>_<KEY> in the environment (SFOS_SERVER_PORT=9000) and the command line outrank this file.",
        '# Sizes in bytes may be written as "256 MiB"; times are seconds; relative paths start at SFOS_HOME.',
    ]
    for name, kind in SECTIONS.items():
        lines += ["", "", f"# {(kind.__doc__ or '').splitlines()[0]}", f"[{name}]"]
        for item in dataclasses.fields(kind):
            lines += ["", f"# {item.metadata['doc']}", f"# Allowed: {allowed_values(item)}."]
            lines.append(f"# {item.name} = {_toml(item.default)}")
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    text = "" if value == Path() else value.as_posix() if isinstance(value, Path) else str(value)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


if __name__ == "__main__":
    sys.stdout.write(example_toml())
