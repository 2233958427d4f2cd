"""Look after the stored files: look for damage, collect garbage, count, get files out, back up.

All but those named last are safe while the server runs.

`verify` compares everything that the catalogs say with everything else; with --full it also opens every chunk. `gc`
removes what nothing has referred to for a day (storage.gc_grace_s); `expire` forgets history older than 90 days
(storage.history_kept_s); the server does both by itself. `stats` counts. `recover` writes all files of a
user into a new directory, also from a damaged store; it needs the master key and changes nothing. `backup` adds a
snapshot of everything to a directory. `rotate-key` gives every space new keys for what is stored from now on. Only for
a server that is stopped: `restore`, which puts a backup into an empty home; and `shred`, which destroys the keys of a
user's files and then the files.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import NoReturn

from sfos import config
from sfos.cli.front.shell import StreamClosed
from sfos.programs.streams import EXIT_CODES, Parser, ended, fail
from sfos.protocol import VERSION, SfosError
from sfos.server.audit.chain import KeyUnusable
from sfos.server.disk.refusals import told
from sfos.server.disk.sqlite import DatabaseError
from sfos.server.disk.storage_faults import StorageFault
from sfos.server.home import ROOM_TO_START_BYTES, open_spaces, reserve_of
from sfos.server.maintenance import each_space, whole_home
from sfos.server.maintenance.which_space import NoSuchSpace
from sfos.server.process.home_lock import HomeTaken
from sfos.startup.programs import script_name, spelled, version_line

_EPILOG = """examples:
  {program} verify
  {program} verify --full --space 0123456789abcdef0123456789abcdef
  {program} verify --audit
  {program} gc
  {program} stats --json
  {program} recover alice /mnt/rescue
  {program} backup /mnt/backup
  {program} restore /mnt/backup
  {program} rotate-key
  {program} shred alice

exit codes: 0 all is well · 1 damage was found, or something could not be done · 2 wrong arguments or settings
            {streams}
"""

_EXPECTED = (
    StorageFault,
    SfosError,
    DatabaseError,
    KeyUnusable,
    NoSuchSpace,
    whole_home.NotConfirmed,
)

Run = Callable[[argparse.Namespace, config.Config], bool]  # whether all is well


def main(arguments: Sequence[str] | None = None, home: Path | None = None) -> int:
    """Run the command line; its exit code. `home`: where none is named."""
    return ended("manage", lambda: _main(arguments, home))


def _main(arguments: Sequence[str] | None, home: Path | None) -> int:
    options = _parse(arguments)
    try:
        loaded = config.load_from(options, own_home=home)
    except config.ConfigError as error:
        return _fail(str(error), 2)
    run: Run = options.run
    try:
        reserve_of(loaded).ensure(ROOM_TO_START_BYTES)
        return 0 if run(options, loaded) else 1
    except HomeTaken as taken:
        return _fail(f"a server{taken.holder} is running in {taken.home}: stop it first, and start it afterwards", 1)
    except StreamClosed:
        raise
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}" if error.filename else told(error), 1)
    except _EXPECTED as error:
        return _fail(told(error), 1)
    except KeyboardInterrupt:
        return 130


def _verify(options: argparse.Namespace, loaded: config.Config) -> bool:
    if options.audit:
        return whole_home.check_audit_log(loaded)
    with closing(open_spaces(loaded)) as registry:
        return each_space.verify_spaces(registry, loaded, options.space, full=options.full)


def _gc(options: argparse.Namespace, loaded: config.Config) -> bool:
    with closing(open_spaces(loaded)) as registry:
        return each_space.collect_spaces(registry, loaded, options.space)


def _expire(options: argparse.Namespace, loaded: config.Config) -> bool:
    with closing(open_spaces(loaded)) as registry:
        return each_space.expire_spaces(registry, loaded, options.space)


def _stats(options: argparse.Namespace, loaded: config.Config) -> bool:
    with closing(open_spaces(loaded)) as registry:
        return each_space.count_spaces(registry, options.space, as_json=options.json)


def _recover(options: argparse.Namespace, loaded: config.Config) -> bool:
    return whole_home.recover_user(loaded, options.user, options.directory)


def _backup(options: argparse.Namespace, loaded: config.Config) -> bool:
    return whole_home.back_up_home(loaded, options.directory, options.keep)


def _restore(options: argparse.Namespace, loaded: config.Config) -> bool:
    return whole_home.restore_home(loaded, options.directory, options.snapshot)


def _rotate(options: argparse.Namespace, loaded: config.Config) -> bool:
    return whole_home.drop_old_master_keys(loaded) if options.drop_old else whole_home.rotate_home(loaded)


def _shred(options: argparse.Namespace, loaded: config.Config) -> bool:
    return whole_home.shred_user(loaded, options.user, sure=options.yes)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog=script_name("manage"),
        description=__doc__,
        epilog=_EPILOG.format(program=spelled("manage"), streams=EXIT_CODES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    config.add_options(parser)
    parser.add_argument("--version", action="version", version=version_line("manage", VERSION))
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Run, summary: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=summary)
        made.set_defaults(run=run)
        return made

    verify = command("verify", _verify, "look for damage")
    verify.add_argument("--full", action="store_true", help="open every chunk and compute its id anew")
    verify.add_argument(
        "--audit", action="store_true", help="the audit log instead: changed, removed or reordered lines"
    )
    collect = command("gc", _gc, "remove what nothing refers to any more")
    expire = command("expire", _expire, "forget history older than the policy")
    stats = command("stats", _stats, "count what is stored")
    stats.add_argument("--json", action="store_true", help="as JSON")
    for one in (verify, collect, expire, stats):
        one.add_argument("--space", metavar="ID", help="only this space (32 hexadecimal digits)")
    recover = command("recover", _recover, "write all files of a user into a directory; needs only the key")
    recover.add_argument("user", metavar="USER", help="the user's name, or the id of the space")
    recover.add_argument("directory", metavar="DIR", type=Path, help="a directory that is empty or not there yet")
    backup = command("backup", _backup, "add a snapshot of everything to the backups in a directory")
    backup.add_argument("directory", metavar="DIR", type=Path, help="one of its own, not on the same disk")
    backup.add_argument("--keep", metavar="N", type=_count, help="afterwards remove all but the newest N snapshots")
    restore = command("restore", _restore, "put a backup into an empty home (the server has to be stopped)")
    restore.add_argument("directory", metavar="DIR", type=Path, help="where `backup` put it")
    restore.add_argument("--snapshot", metavar="NAME", help="another than the newest, from DIR/snapshots")
    rotate = command("rotate-key", _rotate, "new keys from now on")
    rotate.add_argument("--drop-old", action="store_true", help="forget the old master keys, now that none is needed")
    shred = command("shred", _shred, "destroy a user's files for ever (the server has to be stopped)")
    shred.add_argument("user", metavar="USER", help="the user's name, or the id of the space")
    shred.add_argument("--yes", action="store_true", help="do not ask for the name to be typed again")
    return parser.parse_args(arguments)


def _count(text: str) -> int:
    """A whole number from 1. Raises: argparse.ArgumentTypeError."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1")
    return int(text)


def _fail(message: str, code: int) -> int:
    return fail("manage", message, code)


def run() -> NoReturn:
    """The installed program."""
    sys.exit(main())
