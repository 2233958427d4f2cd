"""Quotas of accounts as people write and read them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from sfos.cli.front import output
from sfos.client import quotas
from sfos.protocol import AccountEntry

if TYPE_CHECKING:
    from sfos.client.administration import Accounts


def add_files_option(parser: argparse.ArgumentParser) -> None:
    """`--files`; not given, it is no field of what was given."""
    parser.add_argument(
        "--files",
        type=quota_files,
        metavar="N",
        default=argparse.SUPPRESS,
        help="so many files, folders and links at a time; “none”, or “default”",
    )


def quota_bytes(text: str) -> int | None:
    """See `sfos.client.quotas`."""
    return _read(quotas.quota_bytes, text)


def quota_files(text: str) -> int | None:
    """See `sfos.client.quotas`."""
    return _read(quotas.quota_files, text)


def _read(reader: Callable[[str], int | None], text: str) -> int | None:
    try:
        return reader(text)
    except ValueError as error:  # argparse shows the sentences of its own kind alone
        raise argparse.ArgumentTypeError(str(error)) from error


def shown_quota(account: AccountEntry, found: Accounts) -> str:
    """The quota in bytes, for people."""
    return _limit(account.quota_bytes, found.default_quota_bytes, output.size)


def shown_files(account: AccountEntry, found: Accounts) -> str:
    """The quota in files, for people."""
    return _limit(account.quota_files, found.default_quota_files, output.exact)


def _limit(own: int | None, default: int, show: Callable[[int], str]) -> str:
    limit = default if own is None else own
    shown = show(limit) if limit else "no limit"
    return f"{shown} (as all)" if own is None else shown
