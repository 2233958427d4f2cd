"""Make or renew the server's certificate, and print the fingerprint by which people recognise it.

The key is kept unless --new-key is given: clients have pinned it, and stop when it changes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from sfos import config
from sfos.programs.streams import EXIT_CODES, Parser, ended, fail
from sfos.protocol import VERSION
from sfos.server.disk.refusals import told
from sfos.server.maintenance.saying import put_out
from sfos.server.net import certificate
from sfos.server.net.certificate import Identity
from sfos.startup.programs import script_name, version_line

_EPILOG = """exit codes: 0 done · 1 not possible, with the reason · 2 wrong arguments or settings
            {streams}
"""


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=script_name("certificate"),
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        epilog=_EPILOG.format(streams=EXIT_CODES),
    )
    parser.add_argument(
        "--host", action="append", default=[], metavar="NAME", help="a further host name or address clients will use"
    )
    parser.add_argument(
        "--days",
        type=_days,
        default=certificate.DEFAULT_DAYS,
        metavar="N",
        help=f"how long it is valid (default: {certificate.DEFAULT_DAYS})",
    )
    parser.add_argument("--new-key", action="store_true", help="make a new key: every client will have to accept it")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--if-missing", action="store_true", help="do nothing if there is a usable certificate")
    only.add_argument("--show", action="store_true", help="only print what there is")
    config.add_options(parser)
    parser.add_argument("--version", action="version", version=version_line("certificate", VERSION))
    return parser


def _days(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= certificate.MAX_DAYS:
        raise argparse.ArgumentTypeError(f"{text}: must be a whole number from 1 to {certificate.MAX_DAYS}")
    return int(text)


def _describe(identity: Identity) -> str:
    return (
        f"Names:        {', '.join(identity.names)}\n"
        f"Valid until:  {identity.not_after:%Y-%m-%d}\n"
        f"Fingerprint:  {identity.fingerprint.grouped}\n"
        f"In words:     {identity.fingerprint.words}\n"
    )


def _run(options: argparse.Namespace, home: Path | None) -> str:
    server = config.load_from(options, own_home=home).server
    files = (server.certificate_file, server.private_key_file)
    if options.show:
        return _describe(certificate.load(*files))
    if options.if_missing and all(file.exists() for file in files):
        return f"There is a certificate already: {files[0]}\n" + _describe(certificate.load(*files))
    had_key = files[1].exists()
    identity = certificate.issue(*files, options.host, days=options.days, new_key=options.new_key)
    text = f"Certificate:  {files[0]}\nPrivate key:  {files[1]}\n" + _describe(identity)
    if had_key and options.new_key:
        text += "The key is new: every client stops until its user has accepted it. Give them the fingerprint.\n"
    elif had_key:
        text += "The key is the one from before: clients notice nothing. A running server uses it within seconds.\n"
    else:
        text += "Clients show this fingerprint when they meet the server first. Compare it there.\n"
    return text


def main(argv: Sequence[str] | None = None, home: Path | None = None) -> int:
    """Run the command line `argv` and return its exit code. `home`: where none is named."""
    return ended("certificate", lambda: _main(argv, home))


def _main(argv: Sequence[str] | None, home: Path | None) -> int:
    options = _parser().parse_args(argv)
    try:
        text = _run(options, home)
    except (config.ConfigError, ValueError) as error:
        return fail("certificate", str(error), 2)
    except (certificate.IdentityError, OSError) as error:
        return fail("certificate", told(error), 1)
    put_out(text)
    return 0


def run() -> NoReturn:
    """The installed program."""
    sys.exit(main())
