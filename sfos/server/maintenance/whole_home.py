"""Commands on a home as a whole, or that have to work where no space can be opened.

Each returns whether all is well, and says what it did and what it could not.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from sfos.config import Config
from sfos.protocol import counted, readable_size
from sfos.server.audit.verify import AuditVerified, verify_audit, verify_strangers
from sfos.server.disk.storage_faults import StorageFault
from sfos.server.identity.credential_file import CredentialFile
from sfos.server.maintenance.backup import back_up
from sfos.server.maintenance.recover import recover_space
from sfos.server.maintenance.restore import find_snapshot, restore
from sfos.server.maintenance.rotate import drop_old_keys, rotate_keys
from sfos.server.maintenance.saying import flush, progress, put_out, say
from sfos.server.maintenance.shred import shred_space
from sfos.server.maintenance.which_space import find_space
from sfos.server.process.home_lock import SECRETS, HomeLock, holder_of
from sfos.server.spaces.known_spaces import KNOWN_FILE, KnownSpaces
from sfos.server.vault.master import MASTER_KEY_VARIABLE, LiveMasterKey
from sfos.startup.programs import spelled


class KeyElsewhere(StorageFault):
    """The running server would not see the new master key; stop it, run this again, then start it with that key."""


class NotConfirmed(Exception):
    """That is not the name; nothing was shredded."""

    def __init__(self) -> None:
        super().__init__((type(self).__doc__ or "").rstrip("."))


def check_audit_log(config: Config) -> bool:
    """Look at the audit log alone; the storage need not be there."""
    newest, secrets = config.logging.audit_file, config.home / SECRETS
    own = _say_audit("audit log", verify_audit(newest, secrets))
    strangers = _say_audit("audit log of strangers", verify_strangers(newest, secrets))
    return own and strangers


def _say_audit(name: str, found: AuditVerified) -> bool:
    looked = f"{found.lines} lines, numbers {found.first} to {found.last}"
    say(f"{name}: clean: {looked}" if found.clean else f"{name}: NOT AS IT WAS WRITTEN: {looked}; the first:")
    for line in found.findings:
        say(f"  {line}")
    for note in found.notes:
        say(f"  note: {note}")
    return found.clean


def recover_user(config: Config, user: str, directory: Path) -> bool:
    """Recover the files of a user without the registry: the store may be damaged, and opening it must not change it."""
    storage_dir = config.server.storage_dir
    space_id = find_space(user, storage_dir, CredentialFile(config.server.credentials_file))
    done = recover_space(storage_dir / space_id, space_id, _master(config).current(), directory)
    files = f"{counted(done.files, 'file')} ({readable_size(done.bytes)})"
    say(f"{space_id}: {files}, {counted(done.folders, 'folder')} and {counted(done.links, 'link')} are in {directory}")
    if done.incomplete or done.chunks:
        say(f"incomplete files: {done.incomplete}; chunks that have no name: {done.chunks}")
    return _say_losses("NOT RECOVERED AS IT WAS", done.losses)


def back_up_home(config: Config, directory: Path, keep: int | None) -> bool:
    """Needs neither keys nor the home's lock."""
    server = config.server
    done = back_up(
        server.storage_dir,
        server.credentials_file,
        directory,
        lambda: dt.datetime.now(dt.UTC),
        lambda space_id: say(f"{space_id}: done"),
        keep=keep,
        progress=progress,
    )
    copied = f"{counted(done.chunks, 'chunk')} copied, {done.kept} were there already"
    say(f"{done.snapshot}: {counted(done.spaces, 'space')}; {copied}")
    if done.pruned:
        say(f"{counted(done.pruned, 'chunk')} of older snapshots removed")
    well = _say_losses("NOT BACKED UP", done.losses)
    say("the master key is not in it, on purpose: keep a copy of that elsewhere")
    return well


def restore_home(config: Config, directory: Path, snapshot: str | None) -> bool:
    """Into an empty home, or where a restoration was cut off."""
    server = config.server
    found = find_snapshot(directory, snapshot)
    with _locked(config):
        storage_dir, accounts = server.storage_dir, server.credentials_file
        done = restore(directory, found, storage_dir, server.temp_dir, accounts, _master(config), progress)
    say(f"{done.snapshot}: {counted(done.spaces, 'space')} and {counted(done.chunks, 'chunk')} restored")
    say("the accounts were restored" if done.accounts else f"the accounts in {server.credentials_file} were kept")
    return _say_losses("NOT RESTORED", done.losses)


def rotate_home(config: Config) -> bool:
    """New keys from now on."""
    with _keys_to_change(config) as live:
        done = rotate_keys(config.server.storage_dir, live, lambda space_id: say(f"{space_id}: done"))
    what = "a new master key" if done.begun else "the newest master key, ending a rotation begun earlier"
    say(f"under {what}, and with a new data key each: {counted(done.spaces, 'space')}")
    well = _say_losses("NOT ROTATED", done.losses)
    say("backups made before need the old master key; `rotate-key --drop-old` takes it out of the key file")
    return well


def drop_old_master_keys(config: Config) -> bool:
    """Once nothing needs them."""
    storage_dir = config.server.storage_dir
    known = KnownSpaces(config.server.credentials_file.parent / KNOWN_FILE)
    with _keys_to_change(config) as live:
        missing = known.missing(path.name for path in storage_dir.iterdir())
        say(f"{counted(drop_old_keys(storage_dir, live, missing), 'old master key')} dropped")
    return True


def shred_user(config: Config, user: str, *, sure: bool) -> bool:
    """Needs no key: it takes one away. Raises: NotConfirmed."""
    storage_dir = config.server.storage_dir
    with _locked(config):
        space_id = find_space(user, storage_dir, CredentialFile(config.server.credentials_file))
        if not sure:
            _confirm(user, space_id)
        # In this order, for one that is missed and not there could not be named again. Cut off in between, it is known
        # again as soon as a server finds it stored.
        KnownSpaces(config.server.credentials_file.parent / KNOWN_FILE).forget(space_id)
        shred_space(storage_dir / space_id)
    say(f"{space_id}: shredded. Backups still have it; the account is there still ({spelled('accounts')} remove)")
    return True


def _confirm(user: str, space_id: str) -> None:
    say(f"All files of {user} (space {space_id}), and their history, will be lost for ever.")
    put_out("Type the name again to go on: ")
    flush()
    if sys.stdin.readline().strip() != user:
        raise NotConfirmed


def _say_losses(what: str, losses: Sequence[str]) -> bool:
    """Whether there were none."""
    for loss in losses:
        say(f"  {what}: {loss}")
    return not losses


@contextlib.contextmanager
def _locked(config: Config) -> Iterator[None]:
    """Lock the home, so that no server runs while the block lasts. Raises: HomeTaken."""
    config.home.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as held:
        held.callback(HomeLock(config.home).release)
        yield


@contextlib.contextmanager
def _keys_to_change(config: Config) -> Iterator[LiveMasterKey]:
    """The master key, beside a running server if that sees it change. Raises: HomeTaken, KeyElsewhere, StorageFault."""
    live = _master(config)
    with (
        _locked(config) if live.path is None else contextlib.nullcontext()
    ):  # nobody sees a change of their environment
        server = holder_of(config.home)
        if server is not None and live.path is not None and not _is_same(server.key_file, live.path):
            where = f"it reads {server.key_file}" if server.key_file else "it does not say where it reads its key"
            raise KeyElsewhere(f"{where}, and this would change {live.path}")
        yield live


def _is_same(key_file: str, path: Path) -> bool:
    try:
        return bool(key_file) and Path(key_file).samefile(path)
    except OSError:
        return False


def _master(config: Config) -> LiveMasterKey:
    given = os.environ.get(MASTER_KEY_VARIABLE)
    return LiveMasterKey.load(config.storage.master_key_file, given, may_create=False)
