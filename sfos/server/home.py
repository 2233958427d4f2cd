"""Home of a server: all that there is once for a process, built from the settings and passed in by name.

`open_home` takes the home's lock and builds the accounts, sessions, penalties, audit log, certificate, spaces and the
feed of commits; whatever opens a door (`app`) takes what it needs from there. `open_spaces` builds the space store
alone, for programs that work beside a running server.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sfos.config import Config
from sfos.server.audit.log import AuditLog
from sfos.server.disk.reserve import RESERVE_FILE, Reserve
from sfos.server.disk.storage_faults import MasterKeyMissing
from sfos.server.identity.credential_file import CredentialFile
from sfos.server.identity.penalties import Penalties, PenaltyRule
from sfos.server.identity.penalty_file import PENALTY_FILE, PenaltyFile
from sfos.server.identity.sessions import Lifetimes, Session, Sessions
from sfos.server.net.tls_reload import CurrentIdentity
from sfos.server.preflight import check_accounts
from sfos.server.process.home_lock import SECRETS, HomeLock
from sfos.server.spaces.commit_feed import CommitFeed
from sfos.server.spaces.known_spaces import KNOWN_FILE, KnownSpaces
from sfos.server.spaces.operations.context import StoreLimits
from sfos.server.spaces.registry import SpaceRegistry, stored_ids, wall_clock_ms
from sfos.server.vault.master import MASTER_KEY_VARIABLE, LiveMasterKey, is_credential

_log = logging.getLogger(__name__)

ROOM_TO_START_BYTES = 2**20
"""Free space that a program finds when it starts, out of the reserve if need be: for the lock, the logs, the marks, and
for the files that SQLite makes to read a database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """An open home, locked against other servers until `close`. Safe from several threads."""

    accounts: CredentialFile
    sessions: Sessions
    penalties: Penalties
    penalty_file: PenaltyFile
    audit: AuditLog
    identity: CurrentIdentity
    spaces: SpaceRegistry
    commit_feed: CommitFeed
    reserve: Reserve
    close: Callable[[], None]
    """Closes the spaces and the audit log, then gives the lock back. Once nothing works with any of them any more."""


def open_home(config: Config) -> Home:
    """Lock the home and build what there is once for a process; what is half-written there goes.

    Raises: HomeTaken, CredentialError, AccountsUnfit, CannotListen, KeyUnusable, CertificateUnusable, StorageFault,
    OSError; UnicodeDecodeError for a damaged list of known spaces. Then nothing is left open.
    """
    settings, secrets, reserve = config.server, config.home / SECRETS, reserve_of(config)
    reserve.ensure(ROOM_TO_START_BYTES)
    with contextlib.ExitStack() as opened:
        opened.callback(HomeLock(config.home, watched_key_file(config)).release)
        accounts = CredentialFile(settings.credentials_file, reserve.beside(settings.credentials_file))
        check_accounts(accounts, settings.host)
        audit = opened.enter_context(_audit_log(config, secrets, reserve))
        identity = CurrentIdentity(settings.certificate_file, settings.private_key_file, audit)
        spaces = open_spaces(config, reserve)
        opened.callback(_close_spaces, spaces)
        if left := spaces.remove_half_written():
            _log.info("removed %d half-written file(s) of an earlier run", left)
        penalties = Penalties(_penalty_rule(config))
        penalty_file = PenaltyFile(secrets / PENALTY_FILE, penalties)
        penalty_file.load()
        _prepare(reserve)
        return Home(
            accounts=accounts,
            sessions=Sessions(_lifetimes(config), _tell_of_the_end(audit)),
            penalties=penalties,
            penalty_file=penalty_file,
            reserve=reserve,
            audit=audit,
            identity=identity,
            spaces=spaces,
            commit_feed=spaces.commit_feed,
            close=opened.pop_all().close,
        )


def _audit_log(config: Config, secrets: Path, reserve: Reserve) -> contextlib.closing[AuditLog]:
    return contextlib.closing(AuditLog(config.logging, secrets, reserve=reserve.beside(config.logging.audit_file)))


def reserve_of(config: Config) -> Reserve:
    """Room that is kept aside on the disk of the spaces."""
    return Reserve(config.server.storage_dir / RESERVE_FILE, config.storage.reserve_bytes)


def open_spaces(
    config: Config, reserve: Reserve | None = None, now_ms: Callable[[], int] = wall_clock_ms
) -> SpaceRegistry:
    """The space store that the settings describe. Makes the master key file if nothing is stored yet.

    Raises: StorageFault, OSError; UnicodeDecodeError for a damaged list of known spaces.
    """
    server, storage = config.server, config.storage
    given = os.environ.get(MASTER_KEY_VARIABLE)
    if storage.master_key_source == "environment" and not given:
        raise MasterKeyMissing(f"it should be in {MASTER_KEY_VARIABLE}, which is not set")
    known = KnownSpaces(server.credentials_file.parent / KNOWN_FILE)
    stored = stored_ids(server.storage_dir)
    nothing_stored = not stored and not known.missing(stored)
    if not given and is_credential(storage.master_key_file) and not storage.master_key_file.exists():
        raise MasterKeyMissing(f"its service should have been given {storage.master_key_file}")
    frees_by_itself = bool(storage.expire_every_s and storage.gc_every_s)
    return SpaceRegistry(
        server.storage_dir,
        server.temp_dir,
        LiveMasterKey.load(storage.master_key_file, given, may_create=nothing_stored),
        limits=StoreLimits(
            free_floor_bytes=storage.free_space_floor_bytes,
            small_token_bytes=storage.small_chunk_limit_bytes,
            busy_timeout_s=storage.busy_timeout_s,
            verify_after_seal=storage.verify_after_seal,
            history_kept_s=storage.history_kept_s + storage.gc_grace_s if frees_by_itself else None,
        ),
        keep_open=storage.open_catalogs,
        sync_threads=server.worker_threads,
        known=known,
        reserve=reserve or reserve_of(config),
        now_ms=now_ms,
    )


def _prepare(reserve: Reserve) -> None:
    try:
        reserve.prepare()
    except OSError as error:
        _log.error("no room can be kept aside for a full disk: %s", error)


def watched_key_file(config: Config) -> Path | None:
    """The file whose changes `open_spaces` sees from then on; None if the master key is in the environment."""
    return None if os.environ.get(MASTER_KEY_VARIABLE) else config.storage.master_key_file


def _close_spaces(spaces: SpaceRegistry) -> None:
    try:
        spaces.close()
    except RuntimeError as error:  # a command did not end in time; what it has not committed will not be there
        _log.warning("%s", error)


def _tell_of_the_end(audit: AuditLog) -> Callable[[Session, str], None]:
    """Log why a session has ended; for `Sessions`."""

    def ended(session: Session, reason: str) -> None:
        _log.info("session of %s ended: %s", session.user, reason)
        audit.write_of_user(
            "session_ended", session.user, host=session.address, session=session.ticket_id, reason=reason
        )

    return ended


def _lifetimes(config: Config) -> Lifetimes:
    security = config.security
    return Lifetimes(
        idle_s=security.session_idle_timeout_s,
        absolute_s=security.session_absolute_timeout_s,
        per_user=security.max_sessions_per_user,
        watched_s=security.session_watch_timeout_s,
    )


def _penalty_rule(config: Config) -> PenaltyRule:
    security = config.security
    return PenaltyRule(
        attempts=security.login_attempts,
        base_s=security.penalty_base_s,
        growth=security.penalty_growth,
        max_s=security.penalty_max_s,
        forget_s=security.penalty_forget_s,
    )
