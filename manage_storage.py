#!/usr/bin/env python3
"""Look after the stored files: look for damage, collect garbage, count, get files out, back up.

All but those named last are safe while the server runs.

`verify` compares everything that the catalogs say with everything else; with --full it also opens every chunk. `gc`
removes what nothing has referred to for a day (storage.gc_grace_s); `expire` forgets history older than 90 days
(storage.history_kept_s); the server does both by itself. `stats` counts. `recover` writes all files of a
user into a new directory, also from a damaged store; it needs the master key and changes nothing. `backup` adds a
snapshot of everything to a directory. Only for a server that is stopped: `restore`, which puts a backup into an empty
home; `rotate-key`, which gives every space new keys for what is stored from now on; and `shred`, which destroys the
keys of a user's files and then the files.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime as dt
import json
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import config
from protocol import SfosError
from server.audit.chain import KeyUnusable
from server.audit.verify import verify_audit
from server.credentials import CredentialFile
from server.home_lock import SECRETS, HomeLock, HomeTaken
from server.known_spaces import KNOWN_FILE, KnownSpaces
from server.maintenance.backup import back_up
from server.maintenance.expire import expire_history
from server.maintenance.gc import collect_garbage, remove_old_half_written
from server.maintenance.lease import HeldOff
from server.maintenance.recover import recover_space
from server.maintenance.restore import find_snapshot, restore
from server.maintenance.rotate import drop_old_keys, rotate_keys
from server.maintenance.shred import shred_space
from server.maintenance.stats import space_stats
from server.maintenance.verify import Verified, verify_space
from server.maintenance.which_space import NoSuchSpace, find_space
from server.spaces import MASTER_KEY_VARIABLE, SpaceRegistry, wall_clock_ms
from server.storage_faults import StorageFault
from server.vault.master import LiveMasterKey

_EPILOG = """examples:
  python manage_storage.py verify
  python manage_storage.py verify --full --space 0123456789abcdef0123456789abcdef
  python manage_storage.py verify --audit
  python manage_storage.py gc
  python manage_storage.py stats --json
  python manage_storage.py recover alice /mnt/rescue
  python manage_storage.py backup /mnt/backup
  python manage_storage.py restore /mnt/backup
  python manage_storage.py rotate-key
  python manage_storage.py shred alice

exit codes: 0 all is well · 1 damage was found, or something could not be done · 2 wrong arguments or settings
"""
_PROGRESS_EVERY_S = 0.2


class _Commands:
    """One method for each word of the command line; each prints, and returns whether all is well."""

    def __init__(self, options: argparse.Namespace, loaded: config.Config, registry: SpaceRegistry) -> None:
        self._options = options
        self._config = loaded
        self._registry = registry

    def verify(self) -> bool:
        well = True
        for space_id in self._space_ids():
            try:
                with self._registry.inspect(space_id, rolled_back_too=True) as context:
                    found = verify_space(context, full=self._options.full, progress=_progress(space_id))
            except (StorageFault, SfosError, OSError) as error:
                _say(f"{space_id}: DAMAGED: {error}")
                well = False
                continue
            self._report(space_id, found)
            well = well and found.clean
        return well

    def gc(self) -> bool:
        well = True
        grace_ms = int(self._config.storage.gc_grace_s * 1_000)
        for space_id in self._space_ids():
            try:
                with self._registry.inspect(space_id) as context:
                    done = collect_garbage(context, grace_ms)
            except HeldOff as error:
                _say(f"{space_id}: not now: {error}")
                continue
            except (StorageFault, SfosError, OSError) as error:
                _say(f"{space_id}: not collected: {error}")
                well = False
                continue
            _say(
                f"{space_id}: {done.chunks} chunks removed ({_size(done.bytes)}), {done.orphans} files without a row,"
                f" {done.lists} lists; {done.marked} chunks will follow"
            )
        removed = remove_old_half_written(self._config.server.temp_dir, wall_clock_ms() - max(grace_ms, 3_600_000))
        if removed:
            _say(f"{removed} half-written files removed")
        return well

    def expire(self) -> bool:
        well = True
        kept_s = self._config.storage.history_kept_s
        for space_id in self._space_ids():
            try:
                with self._registry.inspect(space_id) as context:
                    done = expire_history(context, int(kept_s * 1_000))
            except (StorageFault, SfosError, OSError) as error:
                _say(f"{space_id}: not expired: {error}")
                well = False
                continue
            _say(f"{space_id}: {done.states} states that ended over {kept_s / 86_400:g} days ago forgotten")
        return well

    def stats(self) -> bool:
        well = True
        all_stats = []
        for space_id in self._space_ids():
            try:
                with self._registry.inspect(space_id) as context:
                    all_stats.append(space_stats(context))
            except (StorageFault, SfosError, OSError) as error:
                _fail(f"{space_id}: {error}", 1)
                well = False
        if self._options.json:
            _say(json.dumps([dataclasses.asdict(one) for one in all_stats], indent=2))
            return well
        for one in all_stats:
            _say(
                f"{one.space}: {one.files} files ({_size(one.bytes_current)}), {one.folders} folders,"
                f" {one.past_states} past states, {one.commits} commits;"
                f" {one.chunks} chunks, {_size(one.bytes_stored)} stored"
            )
        return well

    def _space_ids(self) -> Iterator[str]:
        stored = self._registry.space_ids()
        wanted = self._options.space
        if wanted is not None and wanted not in stored:
            raise _RefusedError(f"no space {wanted} is stored in {self._config.server.storage_dir}")
        yield from stored if wanted is None else [wanted]

    def _report(self, space_id: str, found: Verified) -> None:
        looked = f"{found.states} states, {found.chunks} chunks ({_size(found.bytes_stored)})"
        if self._options.full:
            looked += f", {found.opened} of them opened"
        if found.clean:
            _say(f"{space_id}: clean: {looked}")
            return
        _say(f"{space_id}: DAMAGED: {len(found.findings)} findings in {looked}")
        for finding in found.findings:
            _say(f"  {finding.about}: {finding.detail}")
            for path in finding.paths:
                _say(f"    hurts {path}")
            if finding.versions:
                _say(f"    hurts {finding.versions} earlier version(s)")


class _RefusedError(Exception):
    """What was asked for cannot be done."""


_EXPECTED = (
    StorageFault,
    SfosError,
    OSError,
    sqlite3.Error,
    KeyUnusable,
    HomeTaken,
    NoSuchSpace,
    _RefusedError,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; its exit code."""
    options = _parse(arguments)
    try:
        loaded = config.load_from(options)
    except config.ConfigError as error:
        return _fail(str(error), 2)
    try:
        if getattr(options, "audit", False):
            return 0 if _verify_audit(loaded) else 1
        if options.alone is not None:
            alone: Callable[[argparse.Namespace, config.Config], bool] = options.alone
            return 0 if alone(options, loaded) else 1
        with closing(SpaceRegistry.open(loaded)) as registry:
            run: Callable[[_Commands], bool] = options.run
            well = run(_Commands(options, loaded, registry))
    except _EXPECTED as error:
        return _fail(str(error), 1)
    except KeyboardInterrupt:
        return 130
    return 0 if well else 1


def _verify_audit(loaded: config.Config) -> bool:
    """Look at the audit log alone; the storage need not be there."""
    found = verify_audit(loaded.logging.audit_file, loaded.home / SECRETS)
    looked = f"{found.lines} lines, numbers {found.first} to {found.last}"
    _say(f"audit log: clean: {looked}" if found.clean else f"audit log: NOT AS IT WAS WRITTEN: {looked}; the first:")
    for line in found.findings:
        _say(f"  {line}")
    for note in found.notes:
        _say(f"  note: {note}")
    return found.clean


def _recover(options: argparse.Namespace, loaded: config.Config) -> bool:
    """Without the registry: the store may be damaged, and is not to be changed by opening it."""
    storage_dir = loaded.server.storage_dir
    space_id = find_space(options.user, storage_dir, CredentialFile(loaded.server.credentials_file))
    done = recover_space(storage_dir / space_id, space_id, _stored_master(loaded).current(), options.directory)
    _say(
        f"{space_id}: {done.files} files ({_size(done.bytes)}), {done.folders} folders and {done.links} links are in"
        f" {options.directory}"
    )
    if done.incomplete or done.chunks:
        _say(f"{done.incomplete} files are incomplete; {done.chunks} chunks have no name")
    for loss in done.losses:
        _say(f"  NOT RECOVERED AS IT WAS: {loss}")
    return not done.losses


def _backup(options: argparse.Namespace, loaded: config.Config) -> bool:
    """Needs neither keys nor the home's lock."""
    server = loaded.server
    done = back_up(
        server.storage_dir,
        server.credentials_file,
        options.directory,
        lambda: dt.datetime.now(dt.UTC),
        lambda space_id: _say(f"{space_id}: done"),
        keep=options.keep,
    )
    _say(f"{done.snapshot}: {done.spaces} spaces; {done.chunks} chunks copied, {done.kept} were there already")
    if done.pruned:
        _say(f"{done.pruned} chunks of older snapshots removed")
    for loss in done.losses:
        _say(f"  NOT BACKED UP: {loss}")
    _say("the master key is not in it, on purpose: keep a copy of that elsewhere")
    return not done.losses


def _restore(options: argparse.Namespace, loaded: config.Config) -> bool:
    server = loaded.server
    snapshot = find_snapshot(options.directory, options.snapshot)
    with _home_locked(loaded):
        done = restore(
            options.directory,
            snapshot,
            server.storage_dir,
            server.temp_dir,
            server.credentials_file,
            _stored_master(loaded),
        )
    _say(f"{done.snapshot}: {done.spaces} spaces and {done.chunks} chunks restored")
    _say("the accounts were restored" if done.accounts else f"the accounts in {server.credentials_file} were kept")
    for loss in done.losses:
        _say(f"  NOT RESTORED: {loss}")
    return not done.losses


def _rotate(options: argparse.Namespace, loaded: config.Config) -> bool:
    storage_dir = loaded.server.storage_dir
    live = _stored_master(loaded)
    with contextlib.ExitStack() as held:
        if live.path is None:  # a running server cannot see a change of its environment
            held.enter_context(_home_locked(loaded))
        if options.drop_old:
            known = KnownSpaces(loaded.server.credentials_file.parent / KNOWN_FILE)
            missing = known.missing(path.name for path in storage_dir.iterdir())
            _say(f"{drop_old_keys(storage_dir, live, missing)} old master keys dropped")
            return True
        done = rotate_keys(storage_dir, live, lambda space_id: _say(f"{space_id}: done"))
    what = "a new master key" if done.begun else "the newest master key, ending a rotation begun earlier"
    _say(f"{done.spaces} spaces are under {what}, and have a new data key each")
    for loss in done.losses:
        _say(f"  NOT ROTATED: {loss}")
    _say("backups made before need the old master key; `rotate-key --drop-old` takes it out of the key file")
    return not done.losses


def _shred(options: argparse.Namespace, loaded: config.Config) -> bool:
    """Needs no key: it takes one away."""
    storage_dir = loaded.server.storage_dir
    with _home_locked(loaded):
        space_id = find_space(options.user, storage_dir, CredentialFile(loaded.server.credentials_file))
        if not options.yes:
            sys.stdout.write(
                f"All files of {options.user} (space {space_id}), and their history, will be lost for ever.\n"
            )
            sys.stdout.write("Type the name again to go on: ")
            sys.stdout.flush()
            if sys.stdin.readline().strip() != options.user:
                raise _RefusedError("that is not the name; nothing was shredded")
        shred_space(storage_dir / space_id)
        KnownSpaces(loaded.server.credentials_file.parent / KNOWN_FILE).forget(space_id)
    _say(f"{space_id}: shredded. Backups still have it; the account is there still (create_credentials.py remove)")
    return True


@contextlib.contextmanager
def _home_locked(loaded: config.Config) -> Iterator[None]:
    """No server runs while the block lasts. Raises: HomeTaken."""
    loaded.home.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as held:
        held.callback(HomeLock(loaded.home).release)
        yield


def _stored_master(loaded: config.Config) -> LiveMasterKey:
    given = os.environ.get(MASTER_KEY_VARIABLE)
    return LiveMasterKey.load(loaded.storage.master_key_file, given, may_create=False)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    config.add_options(parser)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    verify = commands.add_parser("verify", help="look for damage")
    verify.add_argument("--full", action="store_true", help="open every chunk and compute its id anew")
    verify.add_argument(
        "--audit", action="store_true", help="the audit log instead: changed, removed or reordered lines"
    )
    collect = commands.add_parser("gc", help="remove what nothing refers to any more")
    expire = commands.add_parser("expire", help="forget history older than the policy")
    stats = commands.add_parser("stats", help="count what is stored")
    stats.add_argument("--json", action="store_true", help="as JSON")
    for command, run in (
        (verify, _Commands.verify),
        (collect, _Commands.gc),
        (expire, _Commands.expire),
        (stats, _Commands.stats),
    ):
        command.add_argument("--space", metavar="ID", help="only this space (32 hexadecimal digits)")
        command.set_defaults(run=run, alone=None)
    recover = commands.add_parser("recover", help="write all files of a user into a directory; needs only the key")
    recover.add_argument("user", metavar="USER", help="the user's name, or the id of the space")
    recover.add_argument("directory", metavar="DIR", type=Path, help="a directory that is empty or not there yet")
    recover.set_defaults(alone=_recover)
    backup = commands.add_parser("backup", help="add a snapshot of everything to the backups in a directory")
    backup.add_argument("directory", metavar="DIR", type=Path, help="one of its own, not on the same disk")
    backup.add_argument("--keep", metavar="N", type=_count, help="afterwards remove all but the newest N snapshots")
    backup.set_defaults(alone=_backup)
    restoring = commands.add_parser("restore", help="put a backup into an empty home (the server has to be stopped)")
    restoring.add_argument("directory", metavar="DIR", type=Path, help="where `backup` put it")
    restoring.add_argument("--snapshot", metavar="NAME", help="another than the newest, from DIR/snapshots")
    restoring.set_defaults(alone=_restore)
    rotate = commands.add_parser("rotate-key", help="new keys from now on (the server has to be stopped)")
    rotate.add_argument("--drop-old", action="store_true", help="forget the old master keys, now that none is needed")
    rotate.set_defaults(alone=_rotate)
    shred = commands.add_parser("shred", help="destroy a user's files for ever (the server has to be stopped)")
    shred.add_argument("user", metavar="USER", help="the user's name, or the id of the space")
    shred.add_argument("--yes", action="store_true", help="do not ask for the name to be typed again")
    shred.set_defaults(alone=_shred)
    return parser.parse_args(arguments)


def _count(text: str) -> int:
    """A whole number from 1. Raises: argparse.ArgumentTypeError."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1")
    return int(text)


def _progress(space_id: str) -> Callable[[str, int, int], None]:
    """Says on a terminal how far a verification is; silent elsewhere."""
    if not sys.stderr.isatty():
        return lambda *_: None
    last = 0.0

    def show(what: str, done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _PROGRESS_EVERY_S or done == total:
            last = now
            sys.stderr.write(f"\r\x1b[K{space_id[:8]}… {what} {done}/{total}\r")
            sys.stderr.flush()

    return show


def _size(size_bytes: float) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size_bytes < 1024:
            return f"{size_bytes:.0f} {unit}" if unit == "bytes" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:.1f} TiB"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"manage_storage: {message}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
