"""Every setting of the server and its clients: typed, checked once when a program starts, then passed in.

    command line  >  environment (SFOS_SERVER_PORT=9000)  >  config.toml in SFOS_HOME  >  the default below

`load` gives a frozen `Config`; a wrong key or value raises `ConfigError`, whose message says which setting, its value,
where it came from and what is allowed. Libraries never read this module: they are given the section they need.

The tables below are the only list of settings; `python config.py --example` writes them as a commented
config.example.toml. How a value is read and checked stands in `sfos/startup/settings.py`.
Sizes in bytes may be written as "256 MiB"; times are seconds; relative paths start at SFOS_HOME.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

try:
    import msgspec

    from sfos.startup.settings import ConfigError as ConfigError  # who loads the configuration catches it
    from sfos.startup.settings import (
        Given,
        Rule,
        check_values,
        given_by_hand,
        given_in_environment,
        given_in_file,
        section_of,
    )
    from sfos.wire.passwords import MAX_ITERATIONS, MIN_ITERATIONS, PasswordPolicy
except ModuleNotFoundError as missing:
    # Every program imports this module first, so this is where a Python without the dependencies shows.
    from sfos.startup.programs import DESKTOP_EXTRA, checkout

    there = "./run.sh setup makes .venv/bin/python, which has it"
    needed = there if checkout() else f"{sys.executable} -m pip install '{DESKTOP_EXTRA}' installs all"
    sys.exit(f"{missing.name} is not installed for {sys.executable}: {needed}")

if TYPE_CHECKING:
    import argparse

KIB, MIB, GIB = 2**10, 2**20, 2**30
_DAY_S = 86_400

ENVIRONMENT_PREFIX = "SFOS_"
# Variables with our prefix that are no settings: where everything is, secrets, and what run.sh and the tests read.
OTHER_VARIABLES = frozenset(
    {"SFOS_HOME", "SFOS_PASSWORD", "SFOS_MASTER_KEY", "SFOS_PYTHON", "SFOS_VENV", "SFOS_REQUIRE_ALL"}
)
TEST_PREFIX = "SFOS_TEST_"


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """Where the server listens, how much it takes on, and where it keeps things."""

    host: Annotated[str, Rule("Address to listen on. 0.0.0.0 or :: listens to the network.")] = "127.0.0.1"
    port: Annotated[int, Rule("TCP port; 0 takes any free one.", low=0, high=65_535)] = 8443
    max_connections: Annotated[int, Rule("Open connections in all.", low=1, high=100_000)] = 1_100
    max_connections_per_address: Annotated[
        int, Rule("Open connections from one address (from one /64 with IPv6).", low=1, high=100_000)
    ] = 128
    max_unauthenticated: Annotated[int, Rule("Open connections that have not signed in yet.", low=1, high=100_000)] = 64
    listen_backlog: Annotated[int, Rule("Connections that may wait to be accepted.", low=1, high=65_535)] = 128
    handshake_timeout_s: Annotated[float, Rule("A TLS handshake is over after this time.", low=0.1, high=600)] = 10.0
    login_timeout_s: Annotated[float, Rule("From the handshake to the end of signing in.", low=0.1, high=600)] = 20.0
    stall_timeout_s: Annotated[
        float, Rule("A frame that has begun must go on within this time.", low=0.1, high=3_600)
    ] = 30.0
    min_rate_bytes_s: Annotated[
        int, Rule("A frame that comes or goes more slowly than this is cut off; 0 allows any.", low=0, high=GIB)
    ] = 1_024
    socket_buffer_bytes: Annotated[
        int,
        Rule(
            "The kernel's buffer for each direction of a connection; 0 leaves it to the system.", low=0, high=64 * MIB
        ),
    ] = 0
    memory_budget_bytes: Annotated[
        int, Rule("Bytes of bodies that all connections together hold in memory.", low=32 * MIB, high=1_024 * GIB)
    ] = 256 * MIB
    handler_slots: Annotated[
        int,
        Rule(
            "Small requests that are worked on at the same moment; more only compete for the interpreter.",
            low=1,
            high=64,
        ),
    ] = 2
    worker_threads: Annotated[
        int, Rule("Threads that make chunks durable (fsync); more gained nothing.", low=1, high=256)
    ] = 4
    stop_grace_s: Annotated[
        float, Rule("When stopping, running commands have this long to finish.", low=0, high=600)
    ] = 10.0
    storage_dir: Annotated[Path, Rule("Directory of the encrypted files, one folder for each space.")] = Path(
        "server_storage"
    )
    temp_dir: Annotated[Path, Rule("Directory of half-written files; on the same device as storage_dir.")] = Path(
        "temp"
    )
    certificate_file: Annotated[Path, Rule("The server's certificate.")] = Path("secrets/certificate.pem")
    private_key_file: Annotated[Path, Rule("The private key of the certificate.")] = Path("secrets/private_key.pem")
    credentials_file: Annotated[Path, Rule("The accounts; create_credentials.py edits it.")] = Path(
        "secrets/credentials.json"
    )


class Security(msgspec.Struct, frozen=True, kw_only=True):
    """Signing in: how often one may be wrong, how long a session lives, what a password must be."""

    login_attempts: Annotated[
        int, Rule("Wrong passwords that cost no wait, for an account and for an address.", low=1, high=100)
    ] = 5
    penalty_base_s: Annotated[float, Rule("Wait after the first attempt beyond those.", low=0, high=3_600)] = 1.0
    penalty_growth: Annotated[
        float, Rule("Each further wrong attempt multiplies the wait by this.", low=1, high=10)
    ] = 2.0
    penalty_max_s: Annotated[
        float, Rule("No wait is longer: nobody locks a user out for good.", low=0, high=_DAY_S)
    ] = 900.0
    penalty_forget_s: Annotated[
        float, Rule("Wrong attempts are forgotten after this time.", low=1, high=30 * _DAY_S)
    ] = 3_600.0
    session_idle_timeout_s: Annotated[
        float, Rule("A session without commands ends after this time.", low=1, high=30 * _DAY_S)
    ] = 1_800.0
    session_watch_timeout_s: Annotated[
        float,
        Rule(
            "One that watches for changes, as the window does, without commands for this time.",
            low=1,
            high=365 * _DAY_S,
        ),
    ] = 43_200.0
    session_absolute_timeout_s: Annotated[
        float, Rule("A session ends after this time, busy or not.", low=1, high=365 * _DAY_S)
    ] = 43_200.0
    max_sessions_per_user: Annotated[int, Rule("Sessions of one user at the same time.", low=1, high=10_000)] = 64
    password_min_length: Annotated[int, Rule("Characters that a new password needs.", low=1, high=128)] = 10
    password_max_length: Annotated[int, Rule("Characters that a new password may have.", low=64, high=1_024)] = 256
    password_min_classes: Annotated[
        int, Rule("Kinds of characters it needs, of lower case, upper case, digits, others.", low=1, high=4)
    ] = 1
    password_min_distinct: Annotated[int, Rule("Different characters it needs.", low=1, high=64)] = 5
    password_refuse_common: Annotated[bool, Rule("Refuse the passwords that everybody tries first.")] = True
    scram_iterations: Annotated[
        int, Rule("Work that one guess at a stolen credential file costs.", low=MIN_ITERATIONS, high=MAX_ITERATIONS)
    ] = 600_000

    @property
    def password_policy(self) -> PasswordPolicy:
        return PasswordPolicy(
            min_length=self.password_min_length,
            max_length=self.password_max_length,
            min_classes=self.password_min_classes,
            min_distinct=self.password_min_distinct,
            refuse_common=self.password_refuse_common,
        )


class Storage(msgspec.Struct, frozen=True, kw_only=True):
    """How files are kept."""

    free_space_floor_bytes: Annotated[
        int, Rule("With less free space than this, whatever grows is refused; deleting works.", low=0, high=1_024 * GIB)
    ] = GIB
    reserve_bytes: Annotated[
        int,
        Rule("Kept aside, so that deleting goes on where something else has filled the disk.", low=0, high=64 * GIB),
    ] = 64 * MIB
    quota_bytes: Annotated[
        int, Rule("Stored bytes that one user may have, history included; 0 is no limit.", low=0, high=2**62)
    ] = 0
    quota_files: Annotated[
        int, Rule("Files, folders and links that one user may have at a time; 0 is no limit.", low=0, high=2**62)
    ] = 0
    gc_grace_s: Annotated[
        float,
        Rule("Chunks that nothing refers to are kept this long, so that uploads can resume.", low=0, high=365 * _DAY_S),
    ] = float(_DAY_S)
    gc_every_s: Annotated[
        float, Rule("How often the server removes what nothing refers to; 0 is never.", low=0, high=365 * _DAY_S)
    ] = float(_DAY_S // 4)
    history_kept_s: Annotated[
        float, Rule("Earlier versions and deleted files are kept this long.", low=0, high=100 * 365 * _DAY_S)
    ] = 90.0 * _DAY_S
    expire_every_s: Annotated[
        float, Rule("How often the server forgets history older than that; 0 is never.", low=0, high=365 * _DAY_S)
    ] = float(_DAY_S)
    small_chunk_limit_bytes: Annotated[
        int, Rule("Chunks whose token is at most this long live in a database instead of a file each.", low=0, high=MIB)
    ] = 64 * KIB
    open_catalogs: Annotated[int, Rule("Spaces whose catalog stays open.", low=1, high=4_096)] = 64
    busy_timeout_s: Annotated[
        float, Rule("How long a catalog waits for a lock of another process.", low=0, high=600)
    ] = 30.0
    verify_after_seal: Annotated[
        bool,
        Rule("Open each fresh token before storing it: finds faulty memory, costs a good part of the upload rate."),
    ] = False
    master_key_source: Annotated[
        str,
        Rule(
            "Where the master key is: in SFOS_MASTER_KEY if set, else in master_key_file; or in the variable alone.",
            choices=("file", "environment"),
        ),
    ] = "file"
    master_key_file: Annotated[
        Path, Rule("The master key, one or several lines, newest first; better on another device.")
    ] = Path("secrets/master.key")


_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


class Logging(msgspec.Struct, frozen=True, kw_only=True):
    """Logs: what is written down, and where."""

    level: Annotated[str, Rule("What goes into the log files.", choices=_LEVELS)] = "INFO"
    console_level: Annotated[str, Rule("What goes to the terminal as well.", choices=_LEVELS)] = "WARNING"
    format: Annotated[str, Rule("One line of a log file, as Python's logging writes it.")] = (
        "%(asctime)s %(levelname)-7s %(name)s %(message)s"
    )
    date_format: Annotated[str, Rule("The time in it, as strftime writes it.")] = "%Y-%m-%dT%H:%M:%S%z"
    server_file: Annotated[Path, Rule("What the server does.")] = Path("logs/server.log")
    audit_file: Annotated[Path, Rule("Who did what, one JSON object a line.")] = Path("logs/audit.log")
    client_file: Annotated[Path, Rule("What the window does.")] = Path("logs/client.log")
    max_bytes: Annotated[
        int, Rule("A log file of this size is put aside and a new one begun.", low=4 * KIB, high=GIB)
    ] = 10 * MIB
    backups: Annotated[int, Rule("Log files put aside that are kept.", low=0, high=1_000)] = 10


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """The window and the command line."""

    server: Annotated[str, Rule("The server they offer first, HOST:PORT.")] = "127.0.0.1:8443"
    user: Annotated[str, Rule("The user name they offer first.")] = ""
    connections: Annotated[
        int, Rule("Connections for large files; more than two bring nothing on two cores.", low=1, high=16)
    ] = 2
    depth: Annotated[int, Rule("Requests under way on one connection.", low=1, high=32)] = 16
    connect_timeout_s: Annotated[float, Rule("Reaching the server and the handshake.", low=0.1, high=600)] = 10.0
    request_timeout_s: Annotated[
        float, Rule("A server that says nothing for so long is given up.", low=1, high=3_600)
    ] = 60.0
    retries: Annotated[
        int, Rule("A transfer is taken up again this often after a broken connection.", low=0, high=100)
    ] = 5
    retry_base_s: Annotated[
        float, Rule("Wait before the first of those; each further one doubles it.", low=0, high=60)
    ] = 0.5
    batch_bytes: Annotated[
        int, Rule("Small files that travel in one request, together.", low=64 * KIB, high=7 * MIB)
    ] = 4 * MIB
    fsync_small_downloads: Annotated[
        bool,
        Rule(
            "Sync downloaded files of up to 256 KiB to disk as well, 0.5 to 1 ms each; without, repeating a download"
            " mends what a power cut has spoilt."
        ),
    ] = False
    upload_limit_bytes_s: Annotated[
        int, Rule("Bytes a second that uploads may take; 0 is no limit.", low=0, high=2**40)
    ] = 0
    download_limit_bytes_s: Annotated[int, Rule("The same for downloads.", low=0, high=2**40)] = 0
    preview_max_bytes: Annotated[
        int, Rule("Larger files are not fetched for a preview unless asked for.", low=0, high=GIB)
    ] = 32 * MIB
    download_dir: Annotated[Path, Rule("Where the window puts files unless told.")] = Path("~/Downloads")
    state_dir: Annotated[
        Path, Rule("Pinned servers, the transfer queue, remembered choices; empty is the system's place for them.")
    ] = Path()
    theme: Annotated[str, Rule("Colours of the window.", choices=("system", "light", "dark"))] = "system"
    ui_scale: Annotated[
        float, Rule("Size of the window's contents; 0 asks the system, 2 is twice as large.", low=0, high=4)
    ] = 0.0


SECTIONS: Mapping[str, type[msgspec.Struct]] = MappingProxyType(
    {"server": Server, "security": Security, "storage": Storage, "logging": Logging, "client": Client}
)


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """All settings of one program run. `home` is absolute; so is every path below, but an empty one."""

    home: Path
    server: Server = Server()
    security: Security = Security()
    storage: Storage = Storage()
    logging: Logging = Logging()
    client: Client = Client()


# --- Loading ------------------------------------------------------------------------------------------------------


def load(
    argv_overrides: Mapping[str, str] = MappingProxyType({}),
    environ: Mapping[str, str] = os.environ,
    home: Path | None = None,
    own_home: Path | None = None,
) -> Config:
    """The settings in force. `argv_overrides` maps "server.port" to a text.

    `home` (as --home names it) outranks SFOS_HOME, and that outranks `own_home`, the program's; without any of them it
    is the platform's directory for data. Reads config.toml, if there is one. Raises: ConfigError.
    """
    return load_with_origins(argv_overrides, environ, home, own_home)[0]


def load_with_origins(
    argv_overrides: Mapping[str, str] = MappingProxyType({}),
    environ: Mapping[str, str] = os.environ,
    home: Path | None = None,
    own_home: Path | None = None,
) -> tuple[Config, Mapping[str, str]]:
    """The settings in force, as `load`, and where each of them comes from, by key; of the defaults nothing is said."""
    try:
        Path.home()
    except RuntimeError as error:  # "~", for one
        raise ConfigError("HOME is no directory; set it to that of your user") from error
    base = Path(home or environ.get("SFOS_HOME") or own_home or platform_home()).expanduser().absolute()
    by_hand = given_by_hand(argv_overrides, "the command line", SECTIONS)
    ours = {name: value for name, value in environ.items() if not name.startswith(TEST_PREFIX)}
    sources = (
        given_in_file(base / "config.toml", SECTIONS),
        given_in_environment(ours, SECTIONS, ENVIRONMENT_PREFIX, OTHER_VARIABLES),
        by_hand,
    )
    given: dict[str, Given] = {}
    for source in sources:
        # Each of them, also what another outranks: or it would be found out on the day that the other goes.
        check_values(source, SECTIONS)
        given.update(source)
    sections = {name: section_of(name, kind, given, base) for name, kind in SECTIONS.items()}
    config = Config(home=base, **sections)
    _check_together(config, given)
    return config, {key: entry.origin for key, entry in given.items()}


def platform_home() -> Path:
    """Where an installed program keeps everything: ~/.local/share/sfos, or what the system has in its place."""
    if sys.platform in ("win32", "darwin"):
        import platformdirs

        return platformdirs.user_data_path("sfos", appauthor=False)
    # As the XDG Base Directory Specification says; platformdirs says the same, and takes long to load.
    data = Path(os.environ.get("XDG_DATA_HOME", ""))
    return (data if data.is_absolute() else Path("~/.local/share").expanduser()) / "sfos"


def _check_together(config: Config, given: Mapping[str, Given]) -> None:
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


# --- Command lines ------------------------------------------------------------------------------------------------


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give `parser` the options that every entry script has: --home and --set."""
    group = parser.add_argument_group("settings")
    group.add_argument(
        "--home",
        type=Path,
        metavar="DIR",
        help="where everything is kept (SFOS_HOME; default: the checkout, or the system's directory for data)",
    )
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="override a setting, for example --set server.port=9000 (see config.example.toml)",
    )


def load_from(
    options: argparse.Namespace, extra: Mapping[str, str] = MappingProxyType({}), own_home: Path | None = None
) -> Config:
    """The settings for a command line parsed with `add_options`; `extra` are options of the script's own.

    `own_home`: the program's, see `load`.

    Raises: ConfigError.
    """
    return load({**overrides_in(options), **extra}, home=options.home, own_home=own_home)


def overrides_in(options: argparse.Namespace) -> dict[str, str]:
    """The settings that --set gives, by key. Raises: ConfigError."""
    overrides: dict[str, str] = {}
    for text in options.set:
        key, separator, value = text.partition("=")
        if not separator:
            raise ConfigError(f"--set {text}: write --set SECTION.KEY=VALUE")
        overrides[key.strip()] = value
    return overrides
