"""Checks for whatever would keep a server from starting or serving somebody, without starting one or changing anything.

`ssl_server.py --check-config` prints it. What a start itself looks at is looked at here with the same functions.
"""

from __future__ import annotations

import datetime as dt
import os
import resource
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sfos.config import Config
from sfos.server.audit.chain import KeyUnusable, load_key
from sfos.server.audit.reading import strangers_file
from sfos.server.disk.storage_faults import KeysDamaged, MasterKeyWrong, StorageFault
from sfos.server.front.listener import CannotListen, PortTaken, is_loopback, joined, open_sockets
from sfos.server.identity.credential_file import CredentialError, CredentialFile
from sfos.server.net.tls import CertificateUnusable, load_identity
from sfos.server.net.tls_reload import end_is_near
from sfos.server.process.home_lock import SECRETS, Holder, holder_of
from sfos.server.spaces.known_spaces import KNOWN_FILE, KnownSpaces
from sfos.server.spaces.registry import stored_ids
from sfos.server.spaces.restore_mark import RestoreUnfinished, check_restored
from sfos.server.vault.keyring import read_keys
from sfos.server.vault.master import MASTER_KEY_VARIABLE, MasterKey, is_credential, load_master_key
from sfos.startup.programs import spelled

Level = Literal["ok", "warning", "error"]


class AccountsUnfit(Exception):
    """With these accounts nobody could sign in, or anybody could."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. An error keeps the server from starting, or everybody from their files."""

    level: Level
    subject: str
    text: str

    def __str__(self) -> str:
        return f"{self.level:<7}  {self.subject}: {self.text}"


def examine(config: Config, environ: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """Findings on all that a start needs, each as soon as it is known. Changes nothing, also beside a running server.

    Blocks on a slow disk or resolver. Never raises for what it finds.
    """
    running = holder_of(config.home)
    checks: tuple[tuple[str, Callable[[], Iterator[Finding]]], ...] = (
        ("home", lambda: _home(config, running)),
        ("directories", lambda: _directories(config)),
        ("certificate", lambda: _certificate(config)),
        ("accounts", lambda: _accounts(config)),
        ("master key", lambda: _master_key(config, environ)),
        ("audit log", lambda: _audit(config)),
        ("permissions", lambda: _permissions(config)),
        ("address", lambda: _address(config, running)),
        ("open files", lambda: _descriptors(config)),
    )
    for subject, check in checks:
        try:
            yield from check()
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            yield Finding("error", subject, f"{where}{error.strerror or error}")
        except UnicodeDecodeError as error:  # the list of spaces
            yield Finding("error", subject, f"{config.server.credentials_file.parent / KNOWN_FILE} is damaged: {error}")


# --- The parts ----------------------------------------------------------------------------------------------------


def _home(config: Config, running: Holder | None) -> Iterator[Finding]:
    yield _place("home", config.home)
    if running is not None:
        yield Finding("ok", "server", f"one is running in this home{running}; a second one could not start")
    settings = config.home / "config.toml"
    yield Finding("ok", "settings", f"as {settings} says" if settings.exists() else f"there is no {settings}")


def _directories(config: Config) -> Iterator[Finding]:
    server, storage = config.server, config.storage
    for subject, path in (
        ("storage", server.storage_dir),
        ("half-written files", server.temp_dir),
        ("logs", config.logging.server_file.parent),
        ("audit log", config.logging.audit_file.parent),
    ):
        yield _place(subject, path)
    audit = config.logging.audit_file
    for path in (config.logging.server_file, audit, strangers_file(audit)):
        if path.exists() and not _writable(path):
            yield Finding("error", "logs", f"{path} cannot be written to by this user")
    at = _nearest(server.storage_dir)
    if at.stat().st_dev != _nearest(server.temp_dir).stat().st_dev:
        yield Finding("error", "storage", f"{server.temp_dir} has to be on the same device as {server.storage_dir}")
    free, floor = shutil.disk_usage(at).free, storage.free_space_floor_bytes
    if free < floor:
        text = f"{_gib(free)} are free, less than storage.free_space_floor_bytes ({_gib(floor)}): uploads are refused"
        yield Finding("warning", "free space", text)
    else:
        yield Finding("ok", "free space", f"{_gib(free)}; uploads are refused below {_gib(floor)}")
    try:
        check_restored(server.storage_dir)
    except RestoreUnfinished as error:
        yield Finding("error", "storage", str(error))
    known = KnownSpaces(server.credentials_file.parent / KNOWN_FILE)
    stored = stored_ids(server.storage_dir)
    if lost := known.missing(stored):  # their users are refused, and the others served, if there are any
        text = f"{server.storage_dir} lacks {len(lost)} of the spaces in {known.path}; is the storage mounted?"
        yield Finding("warning" if stored else "error", "storage", text)


def _certificate(config: Config) -> Iterator[Finding]:
    try:
        identity = load_identity(config.server.certificate_file, config.server.private_key_file)
    except CertificateUnusable as error:
        yield Finding("error", "certificate", str(error))
        return
    if (warning := end_is_near(identity, dt.datetime.now(dt.UTC))) is not None:
        yield Finding("warning", "certificate", warning)
    else:
        end = identity.certificate.not_valid_after_utc
        yield Finding("ok", "certificate", f"belongs to its key, and is valid until {end:%Y-%m-%d}")
    yield Finding("ok", "fingerprint", f"{identity.fingerprint.grouped} ({identity.fingerprint.words})")


def _accounts(config: Config) -> Iterator[Finding]:
    accounts = CredentialFile(config.server.credentials_file)
    try:
        check_accounts(accounts, config.server.host)
        known = accounts.accounts()
    except (AccountsUnfit, CredentialError) as error:
        yield Finding("error", "accounts", str(error))
        return
    except CannotListen:
        return  # `_address` says what is wrong with the host
    enabled = [account for account in known if not account.disabled]
    yield Finding("ok", "accounts", f"{len(known)}, of which {len(enabled)} enabled")
    if default := [account.name for account in enabled if account.must_change]:
        yield Finding("warning", "accounts", _well_known(default))
    if not any(account.role == "admin" for account in enabled):
        yield Finding("warning", "accounts", f"no administrator is enabled: {spelled('accounts')} role NAME admin")


def check_accounts(accounts: CredentialFile, host: str) -> None:
    """Check that somebody can sign in, and not everybody. Raises: AccountsUnfit, CredentialError, CannotListen."""
    known = accounts.accounts()
    if not known:
        raise AccountsUnfit(f"there are no accounts in {accounts.path}; make some: {spelled('accounts')}")
    open_to_all = [account.name for account in known if account.must_change and not account.disabled]
    if open_to_all and not is_loopback(host):
        raise AccountsUnfit(f"the server does not listen on {host}: {_well_known(open_to_all)}")


def _well_known(names: Sequence[str]) -> str:
    """Advice about these accounts, whose password everybody knows."""
    has, name = ("has", names[0]) if len(names) == 1 else ("have", "NAME")
    return (
        f"{', '.join(names)} still {has} the password that everybody knows;"
        f" change it: {spelled('accounts')} passwd {name}"
    )


def _master_key(config: Config, environ: Mapping[str, str]) -> Iterator[Finding]:
    storage, given = config.storage, environ.get(MASTER_KEY_VARIABLE)
    if storage.master_key_source == "environment" and not given:
        yield Finding("error", "master key", f"it should be in {MASTER_KEY_VARIABLE}, which is not set")
        return
    spaces = stored_ids(config.server.storage_dir)
    known = KnownSpaces(config.server.credentials_file.parent / KNOWN_FILE)
    if not given and is_credential(storage.master_key_file, environ) and not storage.master_key_file.exists():
        text = f"{storage.master_key_file} is not there; its service has to be given it (LoadCredential=)"
        yield Finding("error", "master key", text)
        return
    if not given and not storage.master_key_file.exists() and not spaces and not known.missing(spaces):
        if _writable(_nearest(storage.master_key_file.parent)):
            text = f"there is none yet; the first start makes {storage.master_key_file}"
            yield Finding("ok", "master key", text)
        else:
            text = f"there is none yet, and {storage.master_key_file} cannot be made by this user"
            yield Finding("error", "master key", text)
        return
    try:
        master = load_master_key(storage.master_key_file, given, may_create=False)
    except StorageFault as error:
        yield Finding("error", "master key", str(error))
        return
    yield from _opened_by(master, config.server.storage_dir, spaces)


def _opened_by(master: MasterKey, storage_dir: Path, spaces: list[str]) -> Iterator[Finding]:
    """As a start does: spaces whose keys do not open are refused, and keep nobody out of the others."""
    faults: list[str] = []
    for space in spaces:
        try:
            read_keys(storage_dir / space, bytes.fromhex(space), master)
        except (MasterKeyWrong, KeysDamaged, OSError) as error:
            faults.append(str(error))
    opened = len(spaces) - len(faults)
    for fault in faults:
        yield Finding("warning" if opened else "error", "master key", fault)
    yield Finding("ok", "master key", f"opens {opened} of {len(spaces)} stored space(s)")


def _audit(config: Config) -> Iterator[Finding]:
    try:
        key = load_key(config.home / SECRETS, may_create=False)
    except KeyUnusable as error:
        yield Finding("error", "audit log", str(error))
        return
    yield Finding("ok", "audit log", "its key is there" if key is not None else "the first start makes its key")


def _permissions(config: Config) -> Iterator[Finding]:
    """Secrets that others can read, or that somebody else owns."""
    directory, server = config.home / SECRETS, config.server
    secret = {directory, server.private_key_file, server.credentials_file}
    secret |= {path for path in directory.glob("*") if path != server.certificate_file}
    if not is_credential(config.storage.master_key_file):  # those have rights of their own kind
        secret.add(config.storage.master_key_file)
    wrong = False
    for path in sorted(path for path in secret if path.exists()):
        found = path.stat()
        if found.st_mode & 0o077:
            wrong = True
            better = "700" if path.is_dir() else "600"
            text = f"{path} is open to others (mode {stat.S_IMODE(found.st_mode):o}): chmod {better} {path}"
            yield Finding("warning", "permissions", text)
        if found.st_uid not in (os.geteuid(), 0):
            wrong = True
            yield Finding("warning", "permissions", f"{path} belongs to another user (uid {found.st_uid})")
    if not wrong:
        yield Finding("ok", "permissions", "nobody else can read the secrets")


def _address(config: Config, running: Holder | None) -> Iterator[Finding]:
    server = config.server
    where = joined(server.host, server.port)
    try:
        sockets = open_sockets(server.host, server.port, None)
    except PortTaken as error:
        if running is None:
            yield Finding("error", "address", str(error))
        else:
            yield Finding("ok", "address", f"{where} is in use, and a server is running in this home{running}")
        return
    except CannotListen as error:
        yield Finding("error", "address", str(error))
        return
    for sock in sockets:
        sock.close()
    who = "this machine alone" if is_loopback(server.host) else "the network"
    yield Finding("ok", "address", f"{where} is free, and reached from {who}")


def _descriptors(config: Config) -> Iterator[Finding]:
    wanted, (_, hard) = descriptors_wanted(config), resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        text = f"the system allows {hard}, and {config.server.max_connections} connections may need {wanted}"
        yield Finding("warning", "open files", f"{text}; raise the limit (ulimit -Hn, LimitNOFILE)")
    else:
        yield Finding("ok", "open files", f"as many as {config.server.max_connections} connections may need")


def descriptors_wanted(config: Config) -> int:
    """Each connection is one open file, a watch two; so is each open catalog with its journal, for some readers."""
    return 2 * config.server.max_connections + 8 * config.storage.open_catalogs + 256


# --- Files and locks ----------------------------------------------------------------------------------------------


def _place(subject: str, path: Path) -> Finding:
    """Whether files can be made in the directory `path`, which a start makes if it is not there."""
    nearest = _nearest(path)
    if not nearest.is_dir():
        return Finding("error", subject, f"{nearest} is no directory")
    if not _writable(nearest):
        return Finding("error", subject, f"{nearest} cannot be written to by this user")
    return Finding("ok", subject, str(path) if nearest == path else f"the start makes {path}")


def _nearest(path: Path) -> Path:
    """`path`, or what of the way to it is there."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def _writable(path: Path) -> bool:
    needed = os.W_OK | os.X_OK if path.is_dir() else os.W_OK
    return os.access(path, needed, effective_ids=os.access in os.supports_effective_ids)


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / 2**30:.1f} GiB"
